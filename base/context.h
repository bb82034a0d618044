// SPDX-License-Identifier: Apache-2.0
//
// OpContext: the deadline and the cancel token that every blocking call takes. A call checks it
// before and while it waits and then fails with kCancelled or kDeadlineExceeded.
//
// Thread safety: CancelToken may be cancelled and checked from any thread; OpContext is a value.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "base/status.h"

namespace lancefs {

// Copies share one flag.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void Cancel() { flag_->store(true, std::memory_order_release); }
  bool cancelled() const { return flag_->load(std::memory_order_acquire) || (parent_ != nullptr && parent_->cancelled()); }
  // A token for a part of the operation: cancelled with this one, or by itself alone.
  CancelToken Child() const {
    CancelToken child;
    child.parent_ = std::make_shared<const CancelToken>(*this);
    return child;
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
  std::shared_ptr<const CancelToken> parent_;
};

struct OpContext {
  using Clock = std::chrono::steady_clock;

  std::optional<Clock::time_point> deadline;
  CancelToken cancel;

  OpContext WithTimeout(std::chrono::milliseconds timeout) const {
    OpContext copy = *this;
    const Clock::time_point end = Clock::now() + timeout;
    if (!copy.deadline || end < *copy.deadline) copy.deadline = end;
    return copy;
  }
  Status Check() const {
    if (cancel.cancelled()) return Status::Cancelled("the operation was cancelled");
    if (deadline && Clock::now() >= *deadline) return Status::DeadlineExceeded("the operation's deadline has passed");
    return Status::OK();
  }
};

}  // namespace lancefs
