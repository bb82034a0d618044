// SPDX-License-Identifier: Apache-2.0
//
// Small reads of immutable objects in memory, least recently used out first, so that taking the same
// rows again asks the store nothing. One for the process; it draws on MemoryBudget::Global().
//
// Thread safety: all calls, from any thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "backends/object_store.h"
#include "base/memory_budget.h"
#include "base/metrics.h"

namespace lancefs {

class MemoryCache {
 public:
  // Longer reads are not kept: a scan would only push out what is asked for again. No longer than the gap that stores join
  // reads across, so that a part that is known never splits a request in two.
  static constexpr uint64_t kLongest = 64 * 1024;

  static MemoryCache& Global();
  explicit MemoryCache(MemoryBudget* budget);

  std::optional<Bytes> Read(const std::string& key, const ByteRange& range);
  std::optional<uint64_t> ObjectSize(const std::string& key);
  // Copies `bytes`. `object_size` 0 = unknown.
  void Write(const std::string& key, uint64_t offset, const Bytes& bytes, uint64_t object_size);
  void Forget(const std::string& key);
  uint64_t used() const { return account_->used(); }

 private:
  struct Entry {
    std::string key;
    uint64_t offset = 0;
    Bytes bytes;
  };
  using Recent = std::list<Entry>;  // most recent first
  struct Object {
    std::map<uint64_t, Recent::iterator> entries;  // by offset
    uint64_t size = 0;
  };

  static uint64_t Weight(const Entry& entry);
  // REQUIRES: mutex_ held.
  void Erase(Recent::iterator entry);
  // Gives back so many bytes, the oldest first.
  void Shrink(uint64_t bytes);

  MemoryBudget* const budget_;
  MemoryBudget::Account* const account_;
  std::mutex mutex_;
  Recent recent_;                                    // guarded by mutex_
  std::unordered_map<std::string, Object> objects_;  // guarded by mutex_

  Metrics::Counter& hits_;
  Metrics::Counter& hit_bytes_;
};

}  // namespace lancefs
