// SPDX-License-Identifier: Apache-2.0
#include "backends/memory_store.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

namespace lancefs {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class MemoryStore : public ObjectStore {
 public:
  explicit MemoryStore(std::string name) : name_(std::move(name)) {}

  const StoreTraits& traits() const override { return traits_; }
  std::string name() const override { return "memory://" + name_; }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    return Future<std::vector<Bytes>>::Ready(ReadNow(path, ranges, ctx));
  }

  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(Object object, Find(path, ctx));
    return object.bytes;
  }

  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(Object object, Find(path, ctx));
    const uint64_t length = std::min<uint64_t>(max_bytes, object.bytes.size());
    return ObjectTail{object.bytes.Slice(object.bytes.size() - length, length), object.bytes.size()};
  }

  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    Result<Object> object = Find(path, ctx);
    if (!object.ok()) {
      if (object.status().Is(StatusCode::kNotFound)) return std::optional<ObjectMeta>();
      return object.status();
    }
    return std::optional<ObjectMeta>(Meta(path, *object));
  }

  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    ListResult result;
    std::lock_guard lock(mutex_);
    for (auto it = objects_.upper_bound(std::max(request.prefix, request.start_after)); it != objects_.end(); ++it) {
      const auto& [path, object] = *it;
      if (!path.starts_with(request.prefix)) {
        if (path > request.prefix) break;
        continue;
      }
      const size_t slash = path.find('/', request.prefix.size());
      if (!request.recursive && slash != std::string::npos) {
        std::string directory = path.substr(0, slash + 1);
        if (result.directories.empty() || result.directories.back() != directory)
          result.directories.push_back(std::move(directory));
        continue;
      }
      if (request.max_keys != 0 && result.objects.size() == request.max_keys) {
        result.truncated = true;
        break;
      }
      result.objects.push_back(Meta(path, object));
    }
    return result;
  }

  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::lock_guard lock(mutex_);
    objects_[path] = Object{std::move(bytes), NowNs(), ++generation_};
    return Status::OK();
  }

  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::lock_guard lock(mutex_);
    const bool created = objects_.try_emplace(path, Object{std::move(bytes), NowNs(), generation_ + 1}).second;
    if (created) ++generation_;
    return created ? PutOutcome::kCreated : PutOutcome::kAlreadyExists;
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override;

  Status Delete(const std::string& path, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::lock_guard lock(mutex_);
    objects_.erase(path);
    return Status::OK();
  }

 private:
  struct Object {
    Bytes bytes;
    int64_t modified_ns = 0;
    uint64_t generation = 0;
  };

  static ObjectMeta Meta(const std::string& path, const Object& object) {
    return {path, object.bytes.size(), object.modified_ns, std::to_string(object.generation)};
  }

  Result<Object> Find(const std::string& path, const OpContext& ctx) const {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::lock_guard lock(mutex_);
    const auto it = objects_.find(path);
    if (it == objects_.end()) return Status::NotFound("no object " + name() + "/" + path);
    return it->second;
  }

  Result<std::vector<Bytes>> ReadNow(const std::string& path, const std::vector<ByteRange>& ranges, const OpContext& ctx) const {
    LANCEFS_ASSIGN_OR_RETURN(Object object, Find(path, ctx));
    std::vector<Bytes> out;
    out.reserve(ranges.size());
    for (const ByteRange& range : ranges) {
      if (range.offset > object.bytes.size() || range.length > object.bytes.size() - range.offset) {
        return Status::Corruption("bytes " + std::to_string(range.offset) + "+" + std::to_string(range.length) +
                                  " lie beyond the end of " + name() + "/" + path + " (" + std::to_string(object.bytes.size()) +
                                  " bytes)");
      }
      out.push_back(object.bytes.Slice(range.offset, range.length));
    }
    return out;
  }

  std::string name_;
  StoreTraits traits_;
  mutable std::mutex mutex_;
  std::map<std::string, Object> objects_;  // guarded by mutex_
  uint64_t generation_ = 0;                // guarded by mutex_
};

class MemoryWriter : public ObjectWriter {
 public:
  MemoryWriter(MemoryStore* store, std::string path) : store_(store), path_(std::move(path)) {}
  Status Write(Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (ended_) return Status::Internal("write after the end of " + path_);
    buffer_.append(bytes.view());
    return Status::OK();
  }
  uint64_t position() const override { return buffer_.size(); }
  Status Finish(const OpContext& ctx) override {
    if (ended_) return Status::Internal("finish after the end of " + path_);
    ended_ = true;
    return store_->Put(path_, Bytes::FromString(std::move(buffer_)), ctx);
  }
  void Abort() override { ended_ = true; }

 private:
  MemoryStore* store_;
  std::string path_;
  std::string buffer_;
  bool ended_ = false;
};

Result<std::unique_ptr<ObjectWriter>> MemoryStore::OpenWriter(const std::string& path, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  return std::unique_ptr<ObjectWriter>(new MemoryWriter(this, path));
}

}  // namespace

std::shared_ptr<ObjectStore> MakeMemoryStore(std::string name) { return std::make_shared<MemoryStore>(std::move(name)); }

}  // namespace lancefs
