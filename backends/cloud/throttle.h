// SPDX-License-Identifier: Apache-2.0
//
// AimdThrottle: how many requests a second a store is asked. Each kind of request (reads, writes, deletions, listings) has a
// bucket of tokens whose rate falls by a factor in every second in which the store said "slow down" (429, 503) and grows by a
// constant in every other one: additive increase, multiplicative decrease, with the defaults of lance-io 14 (its
// object_store/throttle.rs).
//
// Thread safety: all calls, from any thread; none blocks.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "backends/cloud/request_kind.h"

namespace lancefs {

struct AimdOptions {
  bool enabled = true;
  double initial_rate = 2000;  // requests a second
  double min_rate = 1;
  double max_rate = 10000;  // 0 = without end
  double decrease_factor = 0.5;
  double additive_increment = 300;  // a window of one second
  double burst_capacity = 100;      // tokens that may gather
  // The first pauses after a throttled answer; later ones are the retry policy's.
  int max_retries = 3;
  std::chrono::milliseconds min_backoff{100};
  std::chrono::milliseconds max_backoff{300};

  bool operator==(const AimdOptions&) const = default;
};

class AimdThrottle {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit AimdThrottle(const AimdOptions& options, Clock::time_point now = Clock::now());
  // The one of `store` ("s3://bucket") with these options: all datasets of a bucket share its rate.
  static std::shared_ptr<AimdThrottle> Shared(const std::string& store, const AimdOptions& options);

  // Takes a token; the caller sends after the returned pause.
  Milliseconds Reserve(RequestKind kind, Clock::time_point now = Clock::now());
  void Record(RequestKind kind, bool throttled, Clock::time_point now = Clock::now());
  // Requests a second.
  double rate(RequestKind kind) const;

 private:
  struct Bucket {
    double rate = 0;
    double tokens = 0;  // negative: promised to requests that wait
    Clock::time_point filled;
    Clock::time_point window;
    bool any = false;
    bool throttled = false;
  };
  static size_t Index(RequestKind kind);

  const AimdOptions options_;
  mutable std::mutex mutex_;
  std::array<Bucket, 4> buckets_;  // guarded by mutex_
};

}  // namespace lancefs
