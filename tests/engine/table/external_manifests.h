// SPDX-License-Identifier: Apache-2.0
//
// A list of manifests in memory whose calls can be made to fail, lose their answer, or be the last ones before a crash, together
// with those of the store beside it.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "backends/coordination.h"
#include "backends/memory_store.h"

namespace lancefs {

struct ProcessDied {};

// Counts the requests of one process to all its services. With request `dies_at` it dies, before that is carried out: an
// exception unwinds all that it was about to do, and what destructors would like to clean up does not get through any more.
class Lifetime {
 public:
  explicit Lifetime(uint64_t dies_at = UINT64_MAX) : dies_at_(dies_at) {}
  // The answer to request number `lost` never comes, though it is carried out.
  void LoseAnswer(uint64_t lost) { lost_ = lost; }

  Status Begin(bool* lose_answer) {
    std::lock_guard lock(mutex_);
    *lose_answer = ++requests_ == lost_;
    if (requests_ == dies_at_) throw ProcessDied();
    return requests_ >= dies_at_ ? Status::Cancelled("this process is dead") : Status::OK();
  }
  uint64_t requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  const uint64_t dies_at_;
  uint64_t lost_ = 0;
  mutable std::mutex mutex_;
  uint64_t requests_ = 0;  // guarded by mutex_
};

// The service itself, shared by all processes.
class SharedList {
 public:
  using Entry = ExternalManifestStore::Entry;
  std::mutex mutex;
  std::map<std::pair<std::string, uint64_t>, Entry> entries;  // guarded by mutex
};

// One process's view of it.
class FakeManifestList : public ExternalManifestStore {
 public:
  FakeManifestList(std::shared_ptr<SharedList> list, std::shared_ptr<Lifetime> life)
      : list_(std::move(list)), life_(std::move(life)) {}

  std::string name() const override { return "fake list"; }

  Result<std::optional<Entry>> Get(const std::string& directory, uint64_t version, const OpContext&) override {
    bool lose = false;
    LANCEFS_RETURN_NOT_OK(life_->Begin(&lose));
    if (lose) return Status::Unavailable("lost");
    std::lock_guard lock(list_->mutex);
    const auto found = list_->entries.find({directory, version});
    return found == list_->entries.end() ? std::nullopt : std::optional<Entry>(found->second);
  }
  Result<std::optional<Entry>> GetLatest(const std::string& directory, const OpContext&) override {
    bool lose = false;
    LANCEFS_RETURN_NOT_OK(life_->Begin(&lose));
    if (lose) return Status::Unavailable("lost");
    std::lock_guard lock(list_->mutex);
    const auto next = list_->entries.lower_bound({directory, 1ULL << 63});
    if (next == list_->entries.begin() || std::prev(next)->first.first != directory) return std::optional<Entry>();
    return std::optional<Entry>(std::prev(next)->second);
  }
  Result<PutOutcome> PutIfAbsent(const std::string& directory, const Entry& entry, const OpContext&) override {
    bool lose = false;
    LANCEFS_RETURN_NOT_OK(life_->Begin(&lose));
    std::lock_guard lock(list_->mutex);
    const bool created = list_->entries.emplace(std::pair(directory, entry.version), entry).second;
    if (lose) return Status::UnknownOutcome("lost");
    return created ? PutOutcome::kCreated : PutOutcome::kAlreadyExists;
  }
  Status PutIfPresent(const std::string& directory, const Entry& entry, const OpContext&) override {
    bool lose = false;
    LANCEFS_RETURN_NOT_OK(life_->Begin(&lose));
    std::lock_guard lock(list_->mutex);
    const auto found = list_->entries.find({directory, entry.version});
    if (found == list_->entries.end()) return Status::NotFound("no such entry");
    found->second = entry;
    return lose ? Status::UnknownOutcome("lost") : Status::OK();
  }

 private:
  const std::shared_ptr<SharedList> list_;
  const std::shared_ptr<Lifetime> life_;
};

// One process's view of the objects.
class MortalStore : public ObjectStore {
 public:
  MortalStore(std::shared_ptr<ObjectStore> inner, std::shared_ptr<Lifetime> life)
      : inner_(std::move(inner)), life_(std::move(life)) {}

  const StoreTraits& traits() const override { return inner_->traits(); }
  std::string name() const override { return inner_->name(); }
  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    bool lose = false;
    Status status = life_->Begin(&lose);
    if (!status.ok()) return Future<std::vector<Bytes>>::Ready(status);
    return inner_->ReadRangesAsync(path, std::move(ranges), ctx);
  }
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    return Do<Result<Bytes>>([&] { return inner_->ReadAll(path, ctx); });
  }
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    return Do<Result<ObjectTail>>([&] { return inner_->ReadTail(path, max_bytes, ctx); });
  }
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    return Do<Result<std::optional<ObjectMeta>>>([&] { return inner_->Head(path, ctx); });
  }
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    return Do<Result<ListResult>>([&] { return inner_->List(request, ctx); });
  }
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return Do<Status>([&] { return inner_->Put(path, bytes, ctx); });
  }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return Do<Result<PutOutcome>>([&] { return inner_->PutIfAbsent(path, bytes, ctx); });
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    return inner_->OpenWriter(path, ctx);  // data files are no steps of the commit
  }
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    return Do<Status>([&] { return inner_->Copy(from, to, ctx); });
  }
  Status Delete(const std::string& path, const OpContext& ctx) override {
    return Do<Status>([&] { return inner_->Delete(path, ctx); });
  }

 private:
  template <typename Answer, typename Call>
  Answer Do(Call call) {
    bool lose = false;
    if (Status status = life_->Begin(&lose); !status.ok()) return status;
    Answer answer = call();
    if (lose) return Status::UnknownOutcome("lost");
    return answer;
  }

  const std::shared_ptr<ObjectStore> inner_;
  const std::shared_ptr<Lifetime> life_;
};

// A bucket and its list, and the views that processes have of them.
struct SharedPlace {
  std::shared_ptr<ObjectStore> objects = MakeMemoryStore("external");
  std::shared_ptr<SharedList> list = std::make_shared<SharedList>();

  std::shared_ptr<ObjectStore> Process(std::shared_ptr<Lifetime> life = std::make_shared<Lifetime>()) const {
    CommitCoordination coordination;
    coordination.manifests = std::make_shared<FakeManifestList>(list, life);
    return MakeCoordinatedStore(std::make_shared<MortalStore>(objects, life), coordination);
  }
};

}  // namespace lancefs
