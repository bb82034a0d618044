// SPDX-License-Identifier: Apache-2.0
//
// Counters that the program shows in status/ and that tests assert on. Names follow Prometheus:
// lancefs_<what>_<unit>_total.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace lancefs {

class Metrics {
 public:
  using Counter = std::atomic<uint64_t>;
  // The counter of that name, made at first use; the reference lives as long as the registry.
  Counter& counter(std::string_view name);
  std::map<std::string, uint64_t> Snapshot() const;
  // Prometheus text exposition.
  std::string ToPrometheusText() const;
  static Metrics& Global();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Counter, std::less<>> counters_;  // guarded by mutex_; nodes never move
};

}  // namespace lancefs
