// SPDX-License-Identifier: Apache-2.0
#include "backends/fault_store.h"

#include <algorithm>
#include <thread>

namespace lancefs {

// What is to go wrong, shared with the writers.
class FaultStore::Plan {
 public:
  struct Fault {
    uint64_t first = 0;
    uint64_t count = 0;
    Status fail;  // not OK: instead of the call
    bool lose_reply = false;
    std::optional<uint64_t> keep;
    std::chrono::milliseconds pause{0};
  };
  // What applies to one call.
  struct Effect {
    Status fail;
    bool lose_reply = false;
    uint64_t keep = UINT64_MAX;
  };

  void Add(StoreCall call, Fault fault) {
    std::lock_guard lock(mutex_);
    faults_[call].push_back(std::move(fault));
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    faults_.clear();
  }
  uint64_t calls(StoreCall call) const {
    std::lock_guard lock(mutex_);
    const auto it = calls_.find(call);
    return it == calls_.end() ? 0 : it->second;
  }

  // Counts the call, pauses if asked to, and tells how it goes on.
  Effect Begin(StoreCall call, const OpContext& ctx) {
    Effect effect;
    std::chrono::milliseconds pause{0};
    {
      std::lock_guard lock(mutex_);
      const uint64_t number = ++calls_[call];
      for (const Fault& fault : faults_[call]) {
        if (number < fault.first || number - fault.first >= fault.count) continue;
        if (!fault.fail.ok()) effect.fail = fault.fail;
        if (fault.lose_reply) effect.lose_reply = true;
        if (fault.keep) effect.keep = *fault.keep;
        pause = std::max(pause, fault.pause);
      }
    }
    const auto end = OpContext::Clock::now() + pause;
    while (OpContext::Clock::now() < end && ctx.Check().ok()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return effect;
  }

 private:
  mutable std::mutex mutex_;
  std::map<StoreCall, std::vector<Fault>> faults_;  // guarded by mutex_
  std::map<StoreCall, uint64_t> calls_;             // guarded by mutex_
};

namespace {

Status Lost(const std::string& what) { return Status::UnknownOutcome(what + ": the answer was lost (injected)"); }

Bytes Cut(const Bytes& bytes, uint64_t keep) { return bytes.Slice(0, std::min<uint64_t>(keep, bytes.size())); }

class FaultWriter : public ObjectWriter {
 public:
  FaultWriter(std::unique_ptr<ObjectWriter> inner, std::shared_ptr<FaultStore::Plan> plan)
      : inner_(std::move(inner)), plan_(std::move(plan)) {}

  Status Write(Bytes bytes, const OpContext& ctx) override {
    const auto effect = plan_->Begin(StoreCall::kWrite, ctx);
    LANCEFS_RETURN_NOT_OK(effect.fail);
    return inner_->Write(std::move(bytes), ctx);
  }
  uint64_t position() const override { return inner_->position(); }
  Status Finish(const OpContext& ctx) override {
    const auto effect = plan_->Begin(StoreCall::kFinish, ctx);
    LANCEFS_RETURN_NOT_OK(effect.fail);
    LANCEFS_RETURN_NOT_OK(inner_->Finish(ctx));
    return effect.lose_reply ? Lost("finish") : Status::OK();
  }
  void Abort() override { inner_->Abort(); }

 private:
  const std::unique_ptr<ObjectWriter> inner_;
  const std::shared_ptr<FaultStore::Plan> plan_;
};

}  // namespace

FaultStore::FaultStore(std::shared_ptr<ObjectStore> inner) : inner_(std::move(inner)), plan_(std::make_shared<Plan>()) {}

void FaultStore::Fail(StoreCall call, uint64_t nth, Status status, uint64_t times) {
  Plan::Fault fault{nth, times};
  fault.fail = std::move(status);
  plan_->Add(call, std::move(fault));
}
void FaultStore::LoseReply(StoreCall call, uint64_t nth, uint64_t times) {
  Plan::Fault fault{nth, times};
  fault.lose_reply = true;
  plan_->Add(call, std::move(fault));
}
void FaultStore::Truncate(StoreCall call, uint64_t nth, uint64_t keep, uint64_t times) {
  Plan::Fault fault{nth, times};
  fault.keep = keep;
  plan_->Add(call, std::move(fault));
}
void FaultStore::Stall(StoreCall call, uint64_t nth, std::chrono::milliseconds pause, uint64_t times) {
  Plan::Fault fault{nth, times};
  fault.pause = pause;
  plan_->Add(call, std::move(fault));
}
void FaultStore::Clear() { plan_->Clear(); }
uint64_t FaultStore::calls(StoreCall call) const { return plan_->calls(call); }

const StoreTraits& FaultStore::traits() const { return inner_->traits(); }
std::string FaultStore::name() const { return inner_->name(); }
const CommitCoordination* FaultStore::coordination() const { return inner_->coordination(); }

Future<std::vector<Bytes>> FaultStore::ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                                       const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kReadRanges, ctx);
  if (!effect.fail.ok()) return Future<std::vector<Bytes>>::Ready(effect.fail);
  Future<std::vector<Bytes>> inner = inner_->ReadRangesAsync(path, std::move(ranges), ctx);
  if (effect.keep == UINT64_MAX) return inner;
  Promise<std::vector<Bytes>> promise;
  inner.OnDone([promise, keep = effect.keep](const Result<std::vector<Bytes>>& result) {
    if (!result.ok()) return promise.Set(result);
    std::vector<Bytes> cut;
    for (const Bytes& bytes : *result) cut.push_back(Cut(bytes, keep));
    promise.Set(std::move(cut));
  });
  return promise.future();
}

Result<Bytes> FaultStore::ReadAll(const std::string& path, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kReadAll, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, inner_->ReadAll(path, ctx));
  return Cut(bytes, effect.keep);
}

Result<ObjectTail> FaultStore::ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kReadTail, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_ASSIGN_OR_RETURN(ObjectTail tail, inner_->ReadTail(path, max_bytes, ctx));
  tail.bytes = Cut(tail.bytes, effect.keep);
  return tail;
}

Result<std::optional<ObjectMeta>> FaultStore::Head(const std::string& path, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kHead, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  return inner_->Head(path, ctx);
}

Result<ListResult> FaultStore::List(const ListRequest& request, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kList, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  return inner_->List(request, ctx);
}

Status FaultStore::Put(const std::string& path, Bytes bytes, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kPut, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_RETURN_NOT_OK(inner_->Put(path, std::move(bytes), ctx));
  return effect.lose_reply ? Lost("put " + path) : Status::OK();
}

Result<PutOutcome> FaultStore::PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kPutIfAbsent, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  Result<PutOutcome> outcome = inner_->PutIfAbsent(path, std::move(bytes), ctx);
  if (effect.lose_reply) return Lost("create " + path);
  return outcome;
}

Result<std::unique_ptr<ObjectWriter>> FaultStore::OpenWriter(const std::string& path, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kOpenWriter, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, inner_->OpenWriter(path, ctx));
  return std::unique_ptr<ObjectWriter>(new FaultWriter(std::move(writer), plan_));
}

Status FaultStore::Copy(const std::string& from, const std::string& to, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kCopy, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_RETURN_NOT_OK(inner_->Copy(from, to, ctx));
  return effect.lose_reply ? Lost("copy " + from) : Status::OK();
}

Status FaultStore::Delete(const std::string& path, const OpContext& ctx) {
  const Plan::Effect effect = plan_->Begin(StoreCall::kDelete, ctx);
  LANCEFS_RETURN_NOT_OK(effect.fail);
  LANCEFS_RETURN_NOT_OK(inner_->Delete(path, ctx));
  return effect.lose_reply ? Lost("delete " + path) : Status::OK();
}

}  // namespace lancefs
