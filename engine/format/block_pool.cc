// SPDX-License-Identifier: Apache-2.0
#include "engine/format/block_pool.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/block_cache.h"

namespace lancefs {
namespace {

bool IsBlock(int64_t size) { return size >= static_cast<int64_t>(kSmallestBlock); }

class BlockMemoryPool final : public arrow::MemoryPool {
 public:
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    if (!IsBlock(size) || alignment > kAlignment) {
      ARROW_RETURN_NOT_OK(base_->Allocate(size, alignment, out));
    } else {
      *out = TakeBlock(static_cast<size_t>(size));
      if (*out == nullptr) return arrow::Status::OutOfMemory("no memory for ", size, " bytes");
    }
    Count(size);
    return arrow::Status::OK();
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** memory) override {
    const bool was = IsBlock(old_size) && alignment <= kAlignment;
    const bool is = IsBlock(new_size) && alignment <= kAlignment;
    if (!was && !is) {
      ARROW_RETURN_NOT_OK(base_->Reallocate(old_size, new_size, alignment, memory));
    } else if (!was || !is || !Fits(*memory, new_size)) {
      uint8_t* fresh = nullptr;
      ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &fresh));
      std::memcpy(fresh, *memory, static_cast<size_t>(std::min(old_size, new_size)));
      Free(*memory, old_size, alignment);
      *memory = fresh;
      return arrow::Status::OK();
    }
    Count(new_size - old_size);
    return arrow::Status::OK();
  }

  void Free(uint8_t* memory, int64_t size, int64_t alignment) override {
    if (!IsBlock(size) || alignment > kAlignment) {
      base_->Free(memory, size, alignment);
    } else {
      GiveBlock(memory);
    }
    allocated_.fetch_sub(size);
  }

  void ReleaseUnused() override { base_->ReleaseUnused(); }
  int64_t bytes_allocated() const override { return allocated_.load(); }
  int64_t max_memory() const override { return most_.load(); }
  int64_t total_bytes_allocated() const override { return total_.load(); }
  int64_t num_allocations() const override { return allocations_.load(); }
  std::string backend_name() const override { return "blocks"; }

 private:
  static constexpr int64_t kAlignment = 64;

  // A block that became much too large is given back.
  static bool Fits(const uint8_t* block, int64_t size) {
    const auto capacity = static_cast<int64_t>(BlockCapacity(block));
    return size <= capacity && size >= capacity / 2;
  }
  void Count(int64_t size) {
    const int64_t now = allocated_.fetch_add(size) + size;
    if (size > 0) {
      total_.fetch_add(size);
      allocations_.fetch_add(1);
    }
    int64_t most = most_.load();
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
  }

  arrow::MemoryPool* const base_ = arrow::default_memory_pool();
  std::atomic<int64_t> allocated_{0};
  std::atomic<int64_t> most_{0};
  std::atomic<int64_t> total_{0};
  std::atomic<int64_t> allocations_{0};
};

}  // namespace

arrow::MemoryPool* BlockPool() {
  static auto* pool = new BlockMemoryPool;  // buffers may be freed while the process ends
  return pool;
}

}  // namespace lancefs
