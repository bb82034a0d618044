// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/held_object.h"

#include <algorithm>
#include <string>
#include <utility>

namespace lancefs {
namespace {

class HeldObject final : public ObjectStore {
 public:
  explicit HeldObject(Bytes bytes) : bytes_(std::move(bytes)) { traits_.is_local = true; }

  const StoreTraits& traits() const override { return traits_; }
  std::string name() const override { return "memory"; }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& /*ctx*/) override {
    std::vector<Bytes> answers;
    for (const ByteRange& range : ranges) {
      if (range.offset > bytes_.size() || range.length > bytes_.size() - range.offset) {
        return Future<std::vector<Bytes>>::Ready(Status::Corruption(
            "bytes " + std::to_string(range.offset) + "+" + std::to_string(range.length) + " lie beyond the end of " + path));
      }
      answers.push_back(bytes_.Slice(range.offset, range.length));
    }
    return Future<std::vector<Bytes>>::Ready(std::move(answers));
  }
  Result<Bytes> ReadAll(const std::string& /*path*/, const OpContext& /*ctx*/) override { return bytes_; }
  Result<ObjectTail> ReadTail(const std::string& /*path*/, uint64_t max_bytes, const OpContext& /*ctx*/) override {
    const uint64_t length = std::min<uint64_t>(max_bytes, bytes_.size());
    return ObjectTail{bytes_.Slice(bytes_.size() - length, length), bytes_.size()};
  }
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& /*ctx*/) override {
    ObjectMeta meta;
    meta.path = path;
    meta.size = bytes_.size();
    return std::optional<ObjectMeta>(std::move(meta));
  }
  Result<ListResult> List(const ListRequest& /*request*/, const OpContext& /*ctx*/) override { return ListResult(); }

  Status Put(const std::string& path, Bytes /*bytes*/, const OpContext& /*ctx*/) override { return ReadOnly(path); }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes /*bytes*/, const OpContext& /*ctx*/) override {
    return ReadOnly(path);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& /*ctx*/) override {
    return ReadOnly(path);
  }
  Status Delete(const std::string& path, const OpContext& /*ctx*/) override { return ReadOnly(path); }

 private:
  static Status ReadOnly(const std::string& path) { return Status::NotSupported(path + " is held in memory for reading"); }

  const Bytes bytes_;
  StoreTraits traits_;
};

}  // namespace

std::shared_ptr<ObjectStore> HoldObject(Bytes bytes) { return std::make_shared<HeldObject>(std::move(bytes)); }

}  // namespace lancefs
