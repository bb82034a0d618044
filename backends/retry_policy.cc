// SPDX-License-Identifier: Apache-2.0
#include "backends/retry_policy.h"

#include <algorithm>
#include <random>

namespace lancefs {

std::optional<RetryPolicy::Milliseconds> RetryState::NextDelay() {
  if (retries_ >= policy_.max_retries) return std::nullopt;
  RetryPolicy::Milliseconds delay = policy_.first_delay;
  if (last_.count() > 0) {
    static thread_local std::minstd_rand random{std::random_device{}()};
    const int64_t low = policy_.first_delay.count();
    const int64_t high = std::max(low, 2 * last_.count());
    delay = RetryPolicy::Milliseconds(std::uniform_int_distribution<int64_t>(low, high)(random));
  }
  delay = std::min(delay, policy_.max_delay);
  if (OpContext::Clock::now() + delay > started_ + policy_.total) return std::nullopt;
  last_ = delay;
  ++retries_;
  return delay;
}

}  // namespace lancefs
