// SPDX-License-Identifier: Apache-2.0
//
// CredentialCache<T>: fetches a credential once and keeps it until shortly before it expires; one fetch at a time, while others
// go on with what is still valid. A failed renewal of a valid credential is ignored for the moment; any other failure is
// remembered for a second. T has a member `expires` (optional<system_clock::time_point>).
//
// Thread safety: all calls, from any thread. Fetches run in FetchPool() unless another pool is given.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "backends/auth/auth_io.h"
#include "base/context.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

template <typename T>
class CredentialCache : public std::enable_shared_from_this<CredentialCache<T>> {
 public:
  using Clock = std::chrono::system_clock;
  using Steady = std::chrono::steady_clock;
  using Ptr = std::shared_ptr<const T>;
  using Fetch = std::function<Result<T>(const OpContext&)>;
  using RenewAhead = std::function<std::chrono::seconds(const T&)>;

  // `renew_ahead`: how long before its end a credential is renewed. `fetch_in`: null = FetchPool().
  CredentialCache(Fetch fetch, RenewAhead renew_ahead, Executor* fetch_in = nullptr)
      : fetch_(std::move(fetch)), ahead_of_(std::move(renew_ahead)), fetch_in_(fetch_in != nullptr ? *fetch_in : FetchPool()) {}

  // At once while there is a valid one.
  Future<Ptr> Get() {
    std::lock_guard lock(mutex_);
    const bool rest = Steady::now() < not_before_;
    if (current_ != nullptr && !refused_) {
      if (!current_->expires) return Future<Ptr>::Ready(current_);
      const auto left = *current_->expires - Clock::now();
      if (left > renew_ahead_) return Future<Ptr>::Ready(current_);
      if (left > must_wait_ || (rest && left > Clock::duration(0))) {
        if (!fetching_ && !rest) StartFetch();
        return Future<Ptr>::Ready(current_);
      }
    }
    if (!fetching_ && rest && !failure_.ok()) return Future<Ptr>::Ready(failure_);
    if (!fetching_) StartFetch();
    return promise_.future();
  }

  // The store refused `credential`: the next Get brings another. False when there is none to be had.
  bool Invalidate(const Ptr& credential) {
    std::lock_guard lock(mutex_);
    if (current_ != credential) return true;  // there are others already, or on their way
    // What was fetched just now would come again.
    if (Steady::now() - fetched_ < kAfterFailure) return false;
    refused_ = true;
    return true;
  }

 private:
  static constexpr auto kFetchTimeout = std::chrono::seconds(100);
  static constexpr auto kMustWait = std::chrono::seconds(5);
  static constexpr auto kAfterFailure = std::chrono::seconds(1);

  void StartFetch() {  // under mutex_
    fetching_ = true;
    promise_ = Promise<Ptr>();
    fetch_in_.Submit([self = this->shared_from_this()] {
      // Not the context of who happened to ask first: others wait for the same fetch.
      self->Finish(self->fetch_(OpContext().WithTimeout(kFetchTimeout)));
    });
  }

  void Finish(Result<T> fetched) {
    std::unique_lock lock(mutex_);
    fetching_ = false;
    const auto now = Clock::now();
    Result<Ptr> result = Ptr();
    if (fetched.ok()) {
      current_ = std::make_shared<const T>(*std::move(fetched));
      fetched_ = Steady::now();
      not_before_ = {};
      failure_ = Status::OK();
      refused_ = false;
      // What lives shortly is renewed after half of its life, not with every request.
      const auto life = current_->expires ? *current_->expires - now : Clock::duration(0);
      renew_ahead_ = std::min<Clock::duration>(ahead_of_(*current_), life / 2);
      must_wait_ = std::min<Clock::duration>(kMustWait, life / 8);
      result = current_;
    } else {
      not_before_ = Steady::now() + kAfterFailure;
      failure_ = fetched.status();
      const bool valid = current_ != nullptr && !refused_ && (!current_->expires || *current_->expires > now);
      result = valid ? Result<Ptr>(current_) : Result<Ptr>(failure_);
    }
    const Promise<Ptr> promise = promise_;
    lock.unlock();
    promise.Set(std::move(result));
  }

  const Fetch fetch_;
  const RenewAhead ahead_of_;
  Executor& fetch_in_;
  std::mutex mutex_;
  Ptr current_;           // guarded by mutex_, like all below
  bool refused_ = false;  // by the store: the next Get waits for others
  bool fetching_ = false;
  Promise<Ptr> promise_;
  Status failure_;
  Steady::time_point fetched_{};
  Steady::time_point not_before_{};
  Clock::duration renew_ahead_{};
  Clock::duration must_wait_{};
};

}  // namespace lancefs
