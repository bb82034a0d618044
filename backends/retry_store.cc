// SPDX-License-Identifier: Apache-2.0
#include "backends/retry_store.h"

#include <algorithm>
#include <thread>

#include "base/executor.h"

namespace lancefs {
namespace {

bool IsTransient(const Status& status) { return status.Is(StatusCode::kUnavailable) || status.Is(StatusCode::kIoError); }

const Status& StatusOf(const Status& status) { return status; }
template <typename T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}

// Sleeps in slices, so that a cancel is noticed.
Status Pause(std::chrono::milliseconds delay, const OpContext& ctx) {
  const auto end = OpContext::Clock::now() + delay;
  while (true) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    const auto left = end - OpContext::Clock::now();
    if (left <= OpContext::Clock::duration::zero()) return Status::OK();
    std::this_thread::sleep_for(std::min<OpContext::Clock::duration>(left, std::chrono::milliseconds(20)));
  }
}

class RetryStore : public ObjectStore {
 public:
  RetryStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Metrics* metrics)
      : inner_(std::move(inner)), policy_(policy), retries_(metrics->counter("lancefs_store_retries_total")) {}

  const StoreTraits& traits() const override { return inner_->traits(); }
  std::string name() const override { return inner_->name(); }
  const CommitCoordination* coordination() const override { return inner_->coordination(); }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    auto read = std::make_shared<Read>(Read{inner_, path, std::move(ranges), ctx, RetryState(policy_), &retries_, {}});
    Future<std::vector<Bytes>> future = read->promise.future();
    Attempt(read);
    return future;
  }
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->ReadAll(path, ctx); });
  }
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->ReadTail(path, max_bytes, ctx); });
  }
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->Head(path, ctx); });
  }
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->List(request, ctx); });
  }
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->Put(path, bytes, ctx); });
  }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    return inner_->PutIfAbsent(path, std::move(bytes), ctx);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->OpenWriter(path, ctx); });
  }
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->Copy(from, to, ctx); });
  }
  Status Delete(const std::string& path, const OpContext& ctx) override {
    return Try(ctx, [&] { return inner_->Delete(path, ctx); });
  }

 private:
  struct Read {
    std::shared_ptr<ObjectStore> inner;
    std::string path;
    std::vector<ByteRange> ranges;
    OpContext ctx;
    RetryState retry;
    Metrics::Counter* retries;
    Promise<std::vector<Bytes>> promise;
  };

  static void Attempt(const std::shared_ptr<Read>& read) {
    read->inner->ReadRangesAsync(read->path, read->ranges, read->ctx).OnDone([read](const Result<std::vector<Bytes>>& result) {
      const auto delay = !result.ok() && IsTransient(result.status()) ? read->retry.NextDelay() : std::nullopt;
      if (!delay) return read->promise.Set(result);
      BlockingPool().Submit([read, delay = *delay] {
        if (Status status = Pause(delay, read->ctx); !status.ok()) return read->promise.Set(std::move(status));
        read->retries->fetch_add(1, std::memory_order_relaxed);
        Attempt(read);
      });
    });
  }

  template <typename Call>
  auto Try(const OpContext& ctx, Call call) -> decltype(call()) {
    RetryState retry(policy_);
    while (true) {
      auto result = call();
      const auto delay = IsTransient(StatusOf(result)) ? retry.NextDelay() : std::nullopt;
      if (!delay) return result;
      LANCEFS_RETURN_NOT_OK(Pause(*delay, ctx));
      retries_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  const std::shared_ptr<ObjectStore> inner_;
  const RetryPolicy policy_;
  Metrics::Counter& retries_;
};

}  // namespace

std::shared_ptr<ObjectStore> MakeRetryStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Metrics* metrics) {
  return std::make_shared<RetryStore>(std::move(inner), policy, metrics);
}

}  // namespace lancefs
