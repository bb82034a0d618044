// SPDX-License-Identifier: Apache-2.0
#include "backends/cache_store.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <unordered_map>

#include "backends/memory_cache.h"
#include "base/executor.h"

namespace lancefs {
namespace {

constexpr size_t kMostListed = 20'000;  // manifests whose etag is remembered
// What a listing told of a manifest is believed so long; a version that was cleaned up since must not live on.
constexpr std::chrono::seconds kListingCounts{3};

std::string_view Parent(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}
std::string_view Last(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Whether the name has a random number in it: so many hexadecimal digits, with or without hyphens.
bool HasRandom(std::string_view name, size_t digits) {
  size_t run = 0;
  for (const char c : name) {
    if (IsHex(c)) {
      if (++run >= digits) return true;
    } else if (c != '-') {
      run = 0;
    }
  }
  return false;
}

// "<fragment>-<read version>-<random 64 bits, decimal>.arrow|bin"
bool IsDeletionFile(std::string_view name) {
  if (!name.ends_with(".arrow") && !name.ends_with(".bin")) return false;
  const std::string_view stem = name.substr(0, name.rfind('.'));
  const std::string_view id = stem.substr(stem.rfind('-') + 1);
  return std::count(stem.begin(), stem.end(), '-') == 2 && id.size() >= 12 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsManifestName(std::string_view path) { return path.ends_with(".manifest") && Last(Parent(path)) == "_versions"; }

}  // namespace

bool IsImmutableName(std::string_view path) {
  constexpr size_t kUuid = 32;
  const std::string_view name = Last(path);
  const std::string_view folder = Last(Parent(path));
  if (folder == "data") return name.ends_with(".lance") && HasRandom(name, kUuid);
  if (folder == "_deletions") return IsDeletionFile(name);
  if (folder == "_transactions") return name.ends_with(".txn") && HasRandom(name, kUuid);
  // "_indices/<uuid>/<file>" and "data/<file's name>/<blob>.blob"
  const std::string_view above = Last(Parent(Parent(path)));
  if (above == "_indices") return HasRandom(folder, kUuid);
  if (above == "data") return name.ends_with(".blob") && HasRandom(folder, kUuid);
  return false;
}

namespace {

// What both tiers know.
class Tiers {
 public:
  explicit Tiers(std::shared_ptr<DiskCache> disk) : disk_(std::move(disk)) {}

  bool has_disk() const { return disk_ != nullptr; }
  std::optional<Bytes> ReadMemory(const std::string& key, const ByteRange& range) { return memory_.Read(key, range); }
  // Blocks on local I/O.
  std::optional<Bytes> ReadDisk(const std::string& key, const ByteRange& range) {
    std::optional<Bytes> bytes = disk_ == nullptr ? std::nullopt : disk_->Read(key, range);
    if (bytes) memory_.Write(key, range.offset, *bytes, 0);
    return bytes;
  }
  std::optional<Bytes> Read(const std::string& key, const ByteRange& range) {
    std::optional<Bytes> bytes = ReadMemory(key, range);
    return bytes ? bytes : ReadDisk(key, range);
  }
  std::optional<uint64_t> ObjectSize(const std::string& key) {
    std::optional<uint64_t> size = memory_.ObjectSize(key);
    return size || disk_ == nullptr ? size : disk_->ObjectSize(key);
  }
  void Write(const std::string& key, uint64_t offset, const Bytes& bytes, uint64_t object_size) {
    memory_.Write(key, offset, bytes, object_size);
    if (disk_ != nullptr) disk_->Write(key, offset, bytes, object_size);
  }
  void Forget(const std::string& key) {
    memory_.Forget(key);
    if (disk_ != nullptr) disk_->Forget(key);
  }

 private:
  MemoryCache& memory_ = MemoryCache::Global();
  const std::shared_ptr<DiskCache> disk_;
};

// One ReadRanges call on its way through the tiers.
struct RangesRead {
  std::shared_ptr<ObjectStore> inner;
  std::shared_ptr<Tiers> tiers;
  std::string path;
  std::string key;
  std::vector<ByteRange> ranges;
  std::vector<Bytes> answers;
  std::vector<size_t> missing;  // of ranges
  OpContext ctx;
  Promise<std::vector<Bytes>> promise;

  void AskDisk() {
    std::vector<size_t> still;
    for (const size_t i : missing) {
      std::optional<Bytes> bytes = tiers->ReadDisk(key, ranges[i]);
      if (bytes) {
        answers[i] = std::move(*bytes);
      } else {
        still.push_back(i);
      }
    }
    missing = std::move(still);
    KeepTogether(inner->traits());
  }

  // What is known in the middle of a request would split it in two; it is asked for again. What is known at its ends is not.
  void KeepTogether(const StoreTraits& traits) {
    if (missing.empty() || missing.size() == ranges.size()) return;
    constexpr uint64_t kUnsplit = uint64_t{1} << 60;
    const RangePlan plan = PlanRanges(ranges, traits.coalesce_gap, kUnsplit);
    // Of each request: where what is missing begins and ends.
    std::vector<uint64_t> begin(plan.requests.size(), UINT64_MAX);
    std::vector<uint64_t> end(plan.requests.size(), 0);
    for (const size_t i : missing) {
      const size_t request = plan.pieces[i][0].request;
      begin[request] = std::min(begin[request], ranges[i].offset);
      end[request] = std::max(end[request], ranges[i].end());
    }
    std::vector<size_t> all;
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (plan.pieces[i].empty()) continue;
      const size_t request = plan.pieces[i][0].request;
      if (ranges[i].offset < end[request] && ranges[i].end() > begin[request]) all.push_back(i);
    }
    missing = std::move(all);
  }

  static void AskStore(const std::shared_ptr<RangesRead>& self) {
    if (self->missing.empty()) {
      self->promise.Set(std::move(self->answers));
      return;
    }
    std::vector<ByteRange> wanted;
    for (const size_t i : self->missing) wanted.push_back(self->ranges[i]);
    self->inner->ReadRangesAsync(self->path, std::move(wanted), self->ctx)
        .OnDone([self](const Result<std::vector<Bytes>>& result) {
          if (!result.ok()) {
            self->promise.Set(result.status());
            return;
          }
          for (size_t k = 0; k < self->missing.size(); ++k) self->answers[self->missing[k]] = (*result)[k];
          // The completing thread is the network's, which must not write files.
          if (self->tiers->has_disk()) {
            BlockingPool().Submit([self] { self->Keep(); });
          } else {
            self->Keep();
          }
        });
  }

  // Before the answer is given, so that a reader goes no faster than the cache can be written, and whoever asks again
  // finds it.
  void Keep() {
    for (const size_t i : missing) tiers->Write(key, ranges[i].offset, answers[i], 0);
    promise.Set(std::move(answers));
  }
};

class CacheStore : public ObjectStore {
  using Clock = std::chrono::steady_clock;

 public:
  CacheStore(std::shared_ptr<ObjectStore> inner, std::string name_space, std::shared_ptr<DiskCache> disk)
      : inner_(std::move(inner)), name_space_(std::move(name_space)), tiers_(std::make_shared<Tiers>(std::move(disk))) {}

  const StoreTraits& traits() const override { return inner_->traits(); }
  std::string name() const override { return inner_->name(); }
  const CommitCoordination* coordination() const override { return inner_->coordination(); }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    const std::string key = KeyOf(path);
    if (key.empty()) return inner_->ReadRangesAsync(path, std::move(ranges), ctx);
    auto read = std::make_shared<RangesRead>();
    read->answers.resize(ranges.size());
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].length == 0) continue;
      std::optional<Bytes> bytes;
      if (ranges[i].length <= MemoryCache::kLongest) bytes = tiers_->ReadMemory(key, ranges[i]);
      if (bytes) {
        read->answers[i] = std::move(*bytes);
      } else {
        read->missing.push_back(i);
      }
    }
    if (read->missing.empty()) return Future<std::vector<Bytes>>::Ready(std::move(read->answers));
    read->inner = inner_;
    read->tiers = tiers_;
    read->path = path;
    read->key = key;
    read->ranges = std::move(ranges);
    read->ctx = ctx;
    Future<std::vector<Bytes>> future = read->promise.future();
    if (tiers_->has_disk()) {
      BlockingPool().Submit([read] {
        read->AskDisk();
        RangesRead::AskStore(read);
      });
    } else {
      read->KeepTogether(inner_->traits());
      RangesRead::AskStore(read);
    }
    return future;
  }

  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    const std::string key = KeyOf(path);
    if (key.empty()) return inner_->ReadAll(path, ctx);
    const std::optional<uint64_t> size = tiers_->ObjectSize(key);
    if (size) {
      std::optional<Bytes> bytes = tiers_->Read(key, {0, *size});
      if (bytes) return std::move(*bytes);
    }
    LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, inner_->ReadAll(path, ctx));
    tiers_->Write(key, 0, bytes, bytes.size());
    return bytes;
  }

  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    const std::string key = KeyOf(path);
    if (key.empty() || max_bytes == 0) return inner_->ReadTail(path, max_bytes, ctx);
    const std::optional<uint64_t> size = tiers_->ObjectSize(key);
    if (size) {
      const uint64_t length = std::min(max_bytes, *size);
      std::optional<Bytes> bytes = tiers_->Read(key, {*size - length, length});
      if (bytes) return ObjectTail{std::move(*bytes), *size};
    }
    LANCEFS_ASSIGN_OR_RETURN(ObjectTail tail, inner_->ReadTail(path, max_bytes, ctx));
    tiers_->Write(key, tail.offset(), tail.bytes, tail.object_size);
    return tail;
  }

  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    return inner_->Head(path, ctx);
  }

  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(ListResult result, inner_->List(request, ctx));
    std::lock_guard lock(mutex_);
    for (const ObjectMeta& object : result.objects) {
      if (object.etag.empty() || object.size == 0 || !IsManifestName(object.path)) continue;
      if (listed_.size() >= kMostListed) listed_.clear();
      listed_[object.path] = {std::to_string(object.size) + "\n" + object.etag, Clock::now()};
    }
    return result;
  }

  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    Changed(path);
    return inner_->Put(path, std::move(bytes), ctx);
  }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    Changed(path);
    return inner_->PutIfAbsent(path, std::move(bytes), ctx);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    Changed(path);
    return inner_->OpenWriter(path, ctx);
  }
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    Changed(to);
    return inner_->Copy(from, to, ctx);
  }
  Status Delete(const std::string& path, const OpContext& ctx) override {
    const std::string key = KeyOf(path);
    if (!key.empty()) tiers_->Forget(key);
    Changed(path);
    return inner_->Delete(path, ctx);
  }

 private:
  // The name of the object's content; empty: it may change.
  std::string KeyOf(const std::string& path) {
    if (IsImmutableName(path)) return name_space_ + "\n" + path;
    if (!IsManifestName(path)) return {};
    std::lock_guard lock(mutex_);
    const auto listed = listed_.find(path);
    if (listed == listed_.end() || Clock::now() - listed->second.when > kListingCounts) return {};
    return name_space_ + "\n" + path + "\n" + listed->second.content;
  }
  // By us: what was listed before says nothing of it any more.
  void Changed(const std::string& path) {
    std::lock_guard lock(mutex_);
    listed_.erase(path);
  }

  const std::shared_ptr<ObjectStore> inner_;
  const std::string name_space_;
  const std::shared_ptr<Tiers> tiers_;
  std::mutex mutex_;
  struct Listed {
    std::string content;  // size and etag
    Clock::time_point when;
  };
  std::unordered_map<std::string, Listed> listed_;  // guarded by mutex_, by the manifest's path
};

}  // namespace

std::shared_ptr<ObjectStore> MakeCacheStore(std::shared_ptr<ObjectStore> inner, std::string name_space,
                                            std::shared_ptr<DiskCache> disk) {
  return std::make_shared<CacheStore>(std::move(inner), std::move(name_space), std::move(disk));
}

}  // namespace lancefs
