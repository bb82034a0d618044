// SPDX-License-Identifier: Apache-2.0
//
// Refreshed<T>: a value that is loaded by a request and kept for a while: the newest version, the
// list of versions, the list of tables. This is the only door through which a LOOKUP or a READDIR
// may cause I/O (RULES 20).
//
// A load runs in the blocking pool under its own deadline, one at a time. Whoever needs a fresher
// value waits for it, but never longer than his own deadline: then the old value is good enough,
// and the load goes on for the next caller. Without an old value a wait that ended says so.
//
// Thread safety: all calls, from any thread. Held by shared_ptr: a running load keeps it alive.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/context.h"
#include "base/executor.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

template <typename T>
class Refreshed : public std::enable_shared_from_this<Refreshed<T>> {
 public:
  using Clock = std::chrono::steady_clock;
  using Loader = std::function<Result<T>(const OpContext&)>;

  // `load_timeout` bounds a load as a whole.
  explicit Refreshed(Loader load, std::chrono::milliseconds load_timeout = std::chrono::seconds(30))
      : load_(std::move(load)), load_timeout_(load_timeout) {}

  // The value if it is at most `max_age` old, else a new one. `may_wait` false: kUnavailable
  // instead of a wait.
  Result<T> Get(std::chrono::milliseconds max_age, const OpContext& ctx, bool may_wait = true) {
    Future<T> running;
    std::optional<T> old;
    {
      std::lock_guard lock(mutex_);
      if (value_ && loaded_at_ && Clock::now() - *loaded_at_ <= max_age) return *value_;
      if (!may_wait) return Status::Unavailable("the value has to be loaded first");
      if (!running_.valid() || running_.done()) Start();
      running = running_;
      old = value_;
    }
    Result<T> result = running.Get(ctx);
    if (result.ok() || !old || ctx.cancel.cancelled()) return result;
    return *old;
  }
  // A new value, loaded after this call began.
  Result<T> Reload(const OpContext& ctx) {
    Future<T> running;
    {
      std::lock_guard lock(mutex_);
      Start();
      running = running_;
    }
    return running.Get(ctx);
  }
  // The value that somebody else knows to be current.
  void Set(T value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    loaded_at_ = Clock::now();
    ++generation_;
  }
  // What is known, however old.
  std::optional<T> Peek() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void Invalidate() {
    std::lock_guard lock(mutex_);
    loaded_at_.reset();
    ++generation_;
  }

 private:
  // REQUIRES: mutex_ is held.
  void Start() {
    const auto started = Clock::now();
    const uint64_t generation = generation_;
    auto self = this->shared_from_this();
    running_ = Async<T>(BlockingPool(), [self, started, generation]() -> Result<T> {
      OpContext ctx = OpContext().WithTimeout(self->load_timeout_);
      Result<T> result = self->load_(ctx);
      std::lock_guard lock(self->mutex_);
      // A Set() that came meanwhile is newer than what this load saw.
      if (self->generation_ != generation && self->value_) return *self->value_;
      if (result.ok()) self->value_ = *result;
      if (result.ok() || self->value_) self->loaded_at_ = started;  // a failed look is not repeated at once either
      return result;
    });
  }

  const Loader load_;
  const std::chrono::milliseconds load_timeout_;
  mutable std::mutex mutex_;
  std::optional<T> value_;                      // guarded by mutex_, like all below
  std::optional<Clock::time_point> loaded_at_;  // absent = must be loaded again
  uint64_t generation_ = 0;
  Future<T> running_;
};

}  // namespace lancefs
