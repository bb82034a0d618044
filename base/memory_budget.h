// SPDX-License-Identifier: Apache-2.0
//
// MemoryBudget: the one limit (option `memory`) on what lancefs holds beyond the request at hand:
// freed blocks that are kept for the next scan, small reads of object stores, opened files' metadata,
// pages that a scan read ahead of its pieces. Each holder has an account; the caches among them say how they
// give bytes back, and do so, the largest first, when the accounts together exceed the limit. Nothing
// fails for want of budget: working memory is sized by shares of the limit beforehand.
//
// Thread safety: all calls, from any thread. A shrinker is called without any lock of the budget held
// by the thread that took too much, so it must not be called with locks that it takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lancefs {

class MemoryBudget {
 public:
  // What one holder has.
  class Account {
   public:
    const std::string& name() const { return name_; }
    uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    // Counts without asking others to shrink, for callers that hold locks.
    void Add(uint64_t bytes);
    void Sub(uint64_t bytes);

   private:
    friend class MemoryBudget;
    Account(MemoryBudget* budget, std::string name) : budget_(budget), name_(std::move(name)) {}
    MemoryBudget* const budget_;
    const std::string name_;
    std::function<void(uint64_t)> shrink_;  // constant once made
    std::atomic<uint64_t> used_{0};
  };

  explicit MemoryBudget(uint64_t limit) : limit_(limit) {}
  static MemoryBudget& Global();
  // The lesser of 1 GiB and a quarter of what the machine or our cgroup has.
  static uint64_t DefaultLimit();

  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Takes effect on what is sized from now on; call it at the start.
  void SetLimit(uint64_t bytes) { limit_.store(bytes, std::memory_order_relaxed); }
  // limit() / part, but at most `most` and at least `least`.
  uint64_t Share(uint64_t part, uint64_t least, uint64_t most) const;
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }

  // Lives as long as the budget. `shrink`: gives back about so many bytes if it can (null: it cannot).
  Account* MakeAccount(std::string name, std::function<void(uint64_t bytes)> shrink = nullptr);
  // Asks the caches to give back what the accounts together have too much.
  void Balance();
  struct Use {
    std::string name;
    uint64_t bytes = 0;
  };
  std::vector<Use> Uses() const;

 private:
  std::atomic<uint64_t> limit_;
  std::atomic<uint64_t> used_{0};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Account>> accounts_;  // guarded by mutex_
};

// The memory limit that the cgroups of this process set (v2 or v1, the lowest on the way up); UINT64_MAX: none. `root` is
// where the file systems /proc and /sys are, for tests.
uint64_t CgroupMemoryLimit(const std::string& root = "");

}  // namespace lancefs
