// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/hedged_send.h"

#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

namespace lancefs {

void HedgeBudget::Earn() {
  int saved = saved_.load(std::memory_order_relaxed);
  while (saved < kMost && !saved_.compare_exchange_weak(saved, saved + 1, std::memory_order_relaxed)) {
  }
}

bool HedgeBudget::Take() {
  int saved = saved_.load(std::memory_order_relaxed);
  while (saved >= kCost) {
    if (saved_.compare_exchange_weak(saved, saved - kCost, std::memory_order_relaxed)) return true;
  }
  return false;
}

struct HedgedSender::Shared {
  std::shared_ptr<HttpClient> http;
  std::chrono::milliseconds delay;
  std::function<void()> on_hedge;
  HedgeBudget budget;
};

// A request and, once it has stalled, its second. The first writes to the caller's sink, the second to memory of its own, which
// is copied when it wins and the first has ended.
class HedgedSender::Pair : public std::enable_shared_from_this<Pair> {
 public:
  Pair(std::shared_ptr<Shared> shared, HttpRequest request, const OpContext& ctx)
      : shared_(std::move(shared)), request_(std::move(request)), ctx_(ctx), first_cancel_(ctx.cancel.Child()) {}

  Future<HttpResponse> Start() {
    Future<HttpResponse> future = promise_.future();
    HttpRequest first = request_;
    first.stall_after = shared_->delay;
    first.on_stall = [self = shared_from_this()] { self->SendSecond(); };
    shared_->http->Send(std::move(first), With(first_cancel_)).OnDone([self = shared_from_this()](const Result<HttpResponse>& r) {
      self->OnFirst(r);
    });
    return future;
  }

 private:
  static bool IsAnswer(const Result<HttpResponse>& result) { return result.ok() && result->failure == HttpFailure::kNone; }
  // A refusal does not: the first may still succeed.
  static bool Wins(const Result<HttpResponse>& second) { return second.ok() && second->ok(); }

  OpContext With(const CancelToken& cancel) const { return OpContext{ctx_.deadline, cancel}; }

  void SendSecond() {
    if (!shared_->budget.Take()) return;
    HttpRequest second = request_;
    second.delay = std::chrono::milliseconds(0);
    if (request_.sink.data != nullptr) {
      uint8_t* data = nullptr;
      try {
        const Bytes own = Bytes::Allocate(request_.sink.size, &data);
        second.sink = HttpSink{own.owner(), data, request_.sink.size};
      } catch (const std::bad_alloc&) {
        return;  // the first goes on
      }
    }
    const CancelToken cancel = ctx_.cancel.Child();
    {
      std::lock_guard lock(mutex_);
      if (first_) return;
      second_cancel_ = cancel;
    }
    shared_->on_hedge();
    shared_->http->Send(std::move(second), With(cancel)).OnDone([self = shared_from_this()](const Result<HttpResponse>& r) {
      self->OnSecond(r);
    });
  }

  void OnFirst(const Result<HttpResponse>& result) {
    std::unique_lock lock(mutex_);
    first_ = result;
    if (second_ && Wins(*second_)) {
      // The second has won; the first was cancelled, or has come a moment later.
      lock.unlock();
      return promise_.Set(IsAnswer(result) ? result : TakeSecond());
    }
    if (second_cancel_ && !second_ && !IsAnswer(result)) return;  // the second may still do better
    if (second_cancel_) second_cancel_->Cancel();
    lock.unlock();
    promise_.Set(result);
  }

  void OnSecond(const Result<HttpResponse>& result) {
    std::unique_lock lock(mutex_);
    second_ = result;
    if (!first_) {
      if (Wins(result)) first_cancel_.Cancel();  // OnFirst answers when nothing writes to the sink any more
      return;
    }
    if (IsAnswer(*first_)) return;  // answered already
    lock.unlock();
    promise_.Set(Wins(result) ? TakeSecond() : *first_);
  }

  // The second's answer with its body in the caller's memory.
  Result<HttpResponse> TakeSecond() const {
    HttpResponse response = **second_;
    if (response.ok() && request_.sink.data != nullptr && response.body.size() <= request_.sink.size) {
      if (response.body.size() > 0) std::memcpy(request_.sink.data, response.body.data(), response.body.size());
      response.body = Bytes(request_.sink.owner, request_.sink.data, response.body.size());
    }
    return response;
  }

  const std::shared_ptr<Shared> shared_;
  const HttpRequest request_;
  const OpContext ctx_;
  CancelToken first_cancel_;
  Promise<HttpResponse> promise_;
  std::mutex mutex_;
  // The rest is guarded by mutex_; results are constant once set.
  std::optional<CancelToken> second_cancel_;  // once the second is sent
  std::optional<Result<HttpResponse>> first_;
  std::optional<Result<HttpResponse>> second_;
};

HedgedSender::HedgedSender(std::shared_ptr<HttpClient> http, std::chrono::milliseconds delay, std::function<void()> on_hedge)
    : shared_(std::make_shared<Shared>()) {
  shared_->http = std::move(http);
  shared_->delay = delay;
  shared_->on_hedge = std::move(on_hedge);
}

Future<HttpResponse> HedgedSender::Send(HttpRequest request, const OpContext& ctx) const {
  if (shared_->delay.count() <= 0) return shared_->http->Send(std::move(request), ctx);
  shared_->budget.Earn();
  return std::make_shared<Pair>(shared_, std::move(request), ctx)->Start();
}

}  // namespace lancefs
