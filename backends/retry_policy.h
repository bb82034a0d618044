// SPDX-License-Identifier: Apache-2.0
//
// When to try again and after which pause: random pauses that grow, bounded in number and in time.
//
// Thread safety: RetryPolicy is a value; RetryState belongs to one operation.
#pragma once

#include <chrono>
#include <optional>

#include "base/context.h"

namespace lancefs {

struct RetryPolicy {
  using Milliseconds = std::chrono::milliseconds;

  int max_retries = 10;
  Milliseconds total{180000};  // no retry starts later than this after the first attempt
  Milliseconds first_delay{100};
  Milliseconds max_delay{15000};
};

class RetryState {
 public:
  explicit RetryState(const RetryPolicy& policy) : policy_(policy), started_(OpContext::Clock::now()) {}

  // The pause before the next attempt, or nothing when it was the last one. The first is
  // policy.first_delay, the next ones are random between that and twice the previous one.
  std::optional<RetryPolicy::Milliseconds> NextDelay();
  int retries() const { return retries_; }

 private:
  RetryPolicy policy_;
  OpContext::Clock::time_point started_;
  RetryPolicy::Milliseconds last_{0};
  int retries_ = 0;
};

}  // namespace lancefs
