// SPDX-License-Identifier: Apache-2.0
//
// A store that misbehaves on request, for tests: calls that fail, answers that get lost after the
// call was applied, bytes that are missing, answers that come late.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>

#include "backends/object_store.h"

namespace lancefs {

enum class StoreCall {
  kReadRanges,
  kReadAll,
  kReadTail,
  kHead,
  kList,
  kPut,
  kPutIfAbsent,
  kOpenWriter,
  kWrite,
  kFinish,
  kCopy,
  kDelete
};

class FaultStore : public ObjectStore {
 public:
  explicit FaultStore(std::shared_ptr<ObjectStore> inner);

  // Calls of a kind are counted from 1. The faults hit the calls nth, nth + 1, ... nth + times - 1.
  void Fail(StoreCall call, uint64_t nth, Status status, uint64_t times = 1);
  // The call is applied, but answers kUnknownOutcome. For kPut, kPutIfAbsent, kFinish, kCopy, kDelete.
  void LoseReply(StoreCall call, uint64_t nth, uint64_t times = 1);
  // kReadAll and kReadTail return only the first `keep` bytes; kReadRanges of each range.
  void Truncate(StoreCall call, uint64_t nth, uint64_t keep, uint64_t times = 1);
  // The call starts after a pause (which a cancel ends).
  void Stall(StoreCall call, uint64_t nth, std::chrono::milliseconds pause, uint64_t times = 1);
  void Clear();
  uint64_t calls(StoreCall call) const;

  const StoreTraits& traits() const override;
  std::string name() const override;
  const CommitCoordination* coordination() const override;
  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override;
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override;
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override;
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override;
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override;
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override;
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override;
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override;
  Status Delete(const std::string& path, const OpContext& ctx) override;

  class Plan;

 private:
  const std::shared_ptr<ObjectStore> inner_;
  const std::shared_ptr<Plan> plan_;
};

}  // namespace lancefs
