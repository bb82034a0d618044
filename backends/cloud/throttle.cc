// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/throttle.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <utility>

namespace lancefs {
namespace {

constexpr std::chrono::seconds kWindow{1};
// A rate of 1 with many waiting would promise pauses of hours; deadlines end them sooner.
constexpr double kMaxPauseSeconds = 60;

double SecondsBetween(AimdThrottle::Clock::time_point from, AimdThrottle::Clock::time_point to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

}  // namespace

AimdThrottle::AimdThrottle(const AimdOptions& options, Clock::time_point now) : options_(options) {
  for (Bucket& bucket : buckets_) bucket = {options.initial_rate, options.burst_capacity, now, now, false, false};
}

std::shared_ptr<AimdThrottle> AimdThrottle::Shared(const std::string& store, const AimdOptions& options) {
  struct Entry {
    std::string store;
    AimdOptions options;
    std::weak_ptr<AimdThrottle> throttle;
  };
  static std::mutex mutex;
  static auto* entries = new std::list<Entry>;
  std::lock_guard lock(mutex);
  entries->remove_if([](const Entry& entry) { return entry.throttle.expired(); });
  for (const Entry& entry : *entries) {
    if (entry.store != store || !(entry.options == options)) continue;
    if (auto throttle = entry.throttle.lock()) return throttle;
  }
  auto throttle = std::make_shared<AimdThrottle>(options);
  entries->push_back({store, options, throttle});
  return throttle;
}

size_t AimdThrottle::Index(RequestKind kind) {
  switch (kind) {
    case RequestKind::kGet:
    case RequestKind::kHead: return 0;
    case RequestKind::kPut:
    case RequestKind::kMultipart: return 1;
    case RequestKind::kDelete: return 2;
    case RequestKind::kList: return 3;
  }
  return 0;
}

AimdThrottle::Milliseconds AimdThrottle::Reserve(RequestKind kind, Clock::time_point now) {
  if (!options_.enabled) return Milliseconds(0);
  std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[Index(kind)];
  bucket.tokens = std::min(options_.burst_capacity, bucket.tokens + SecondsBetween(bucket.filled, now) * bucket.rate);
  bucket.filled = now;
  bucket.tokens -= 1;
  if (bucket.tokens >= 0) return Milliseconds(0);
  const double seconds = std::min(kMaxPauseSeconds, -bucket.tokens / bucket.rate);
  return Milliseconds(static_cast<int64_t>(std::ceil(seconds * 1000)));
}

void AimdThrottle::Record(RequestKind kind, bool throttled, Clock::time_point now) {
  if (!options_.enabled) return;
  std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[Index(kind)];
  if (now - bucket.window >= kWindow) {
    if (bucket.any && bucket.throttled) {
      bucket.rate = std::max(bucket.rate * options_.decrease_factor, options_.min_rate);
    } else if (bucket.any) {
      bucket.rate += options_.additive_increment;
      if (options_.max_rate > 0) bucket.rate = std::min(bucket.rate, options_.max_rate);
    }
    bucket.window = now;
    bucket.any = bucket.throttled = false;
  }
  bucket.any = true;
  bucket.throttled |= throttled;
}

double AimdThrottle::rate(RequestKind kind) const {
  std::lock_guard lock(mutex_);
  return buckets_[Index(kind)].rate;
}

}  // namespace lancefs
