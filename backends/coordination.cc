// SPDX-License-Identifier: Apache-2.0
#include "backends/coordination.h"

namespace lancefs {
namespace {

class CoordinatedStore : public ObjectStore {
 public:
  CoordinatedStore(std::shared_ptr<ObjectStore> inner, CommitCoordination coordination)
      : inner_(std::move(inner)), coordination_(std::move(coordination)) {}

  const CommitCoordination* coordination() const override { return &coordination_; }

  const StoreTraits& traits() const override { return inner_->traits(); }
  std::string name() const override { return inner_->name(); }
  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    return inner_->ReadRangesAsync(path, std::move(ranges), ctx);
  }
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override { return inner_->ReadAll(path, ctx); }
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    return inner_->ReadTail(path, max_bytes, ctx);
  }
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    return inner_->Head(path, ctx);
  }
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override { return inner_->List(request, ctx); }
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return inner_->Put(path, std::move(bytes), ctx);
  }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return inner_->PutIfAbsent(path, std::move(bytes), ctx);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    return inner_->OpenWriter(path, ctx);
  }
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    return inner_->Copy(from, to, ctx);
  }
  Status Delete(const std::string& path, const OpContext& ctx) override { return inner_->Delete(path, ctx); }

 private:
  const std::shared_ptr<ObjectStore> inner_;
  const CommitCoordination coordination_;
};

}  // namespace

std::shared_ptr<ObjectStore> MakeCoordinatedStore(std::shared_ptr<ObjectStore> store, CommitCoordination coordination) {
  return std::make_shared<CoordinatedStore>(std::move(store), std::move(coordination));
}

}  // namespace lancefs
