// SPDX-License-Identifier: Apache-2.0
#include "base/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/memory_budget.h"

namespace lancefs {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kMostKept = 0;  // so that a use after the end is seen
#else
constexpr size_t kMostKept = 48 * 1024 * 1024;
#endif
// With little memory to use, less.
constexpr size_t kLeastKept = 4 * 1024 * 1024;
size_t MostKept() { return kMostKept == 0 ? 0 : MemoryBudget::Global().Share(16, kLeastKept, kMostKept); }
constexpr size_t kHugePage = 2 * 1024 * 1024;
// Blocks below a huge page are cut from pieces of this size.
constexpr size_t kSlab = 8 * 1024 * 1024;
// Larger blocks go back to the system.
constexpr size_t kLargestKept = 24 * 1024 * 1024;

// Four sizes between each two powers of two.
size_t RoundedSize(size_t size) {
  const size_t step = std::bit_floor(size) / 4;
  return (size + step - 1) / step * step;
}

// In huge pages, of which the first begins the block.
uint8_t* Map(size_t size) {
  size = (size + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const mapped = static_cast<uint8_t*>(memory);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(mapped) % kHugePage) % kHugePage;
  if (before != 0) ::munmap(mapped, before);
  ::munmap(mapped + before + size, kHugePage - before);
  ::madvise(mapped + before, size, MADV_HUGEPAGE);
  return mapped + before;
}

void Unmap(uint8_t* block, size_t size) { ::munmap(block, (size + kHugePage - 1) / kHugePage * kHugePage); }

class BlockCache {
 public:
  uint8_t* Take(size_t size) {
    const size_t wanted = RoundedSize(size);
    std::lock_guard lock(mutex_);
    uint8_t* block = TakeKept(size, wanted);
    if (block == nullptr) block = TakeCold(wanted);
    if (block == nullptr) block = Cut(wanted);
    if (block != nullptr) capacities_.try_emplace(block, wanted);
    return block;
  }

  size_t Capacity(const uint8_t* block) {
    std::lock_guard lock(mutex_);
    return capacities_.at(block);
  }

  void Give(uint8_t* block) {
    std::lock_guard lock(mutex_);
    const size_t size = capacities_.at(block);
    const size_t most = MostKept();
    if (size > std::min(kLargestKept, most)) {
      capacities_.erase(block);
      Unmap(block, size);
      return;
    }
    kept_.push_back({block, size});
    kept_bytes_ += size;
    account_->Add(size);
    while (kept_bytes_ > most) CoolOldest();
  }

  // Gives so many of the kept bytes back to the system.
  void Shrink(uint64_t bytes) {
    std::lock_guard lock(mutex_);
    const size_t wanted = kept_bytes_ - std::min<size_t>(kept_bytes_, bytes);
    while (kept_bytes_ > wanted) CoolOldest();
  }

 private:
  struct Block {
    uint8_t* start;
    size_t size;
  };

  // The block that was given last is the warmest one.
  uint8_t* TakeKept(size_t size, size_t wanted) {
    for (size_t i = kept_.size(); i-- > 0;) {
      const Block block = kept_[i];
      if (block.size < size || block.size > wanted + wanted / 2) continue;
      kept_bytes_ -= block.size;
      account_->Sub(block.size);
      kept_.erase(kept_.begin() + static_cast<ptrdiff_t>(i));
      return block.start;
    }
    return nullptr;
  }
  // Addresses whose pages went back to the system.
  uint8_t* TakeCold(size_t wanted) {
    std::vector<uint8_t*>& blocks = cold_[wanted];
    if (blocks.empty()) return nullptr;
    uint8_t* block = blocks.back();
    blocks.pop_back();
    return block;
  }
  uint8_t* Cut(size_t wanted) {
    if (wanted >= kHugePage || kMostKept == 0) return Map(wanted);
    if (slab_left_ < wanted) {
      uint8_t* slab = Map(kSlab);
      if (slab == nullptr) return nullptr;
      slab_ = slab;
      slab_left_ = kSlab;
    }
    uint8_t* block = slab_;
    slab_ += wanted;
    slab_left_ -= wanted;
    return block;
  }
  void CoolOldest() {
    Cool(kept_.front());
    kept_bytes_ -= kept_.front().size;
    account_->Sub(kept_.front().size);
    kept_.pop_front();
  }
  void Cool(const Block& block) {
    if (block.size >= kHugePage) {
      capacities_.erase(block.start);
      Unmap(block.start, block.size);
      return;
    }
    ::madvise(block.start, block.size, MADV_DONTNEED);
    cold_[block.size].push_back(block.start);
  }

  MemoryBudget::Account* const account_ =
      MemoryBudget::Global().MakeAccount("kept_blocks", [this](uint64_t bytes) { Shrink(bytes); });
  std::mutex mutex_;
  std::deque<Block> kept_;  // oldest first
  size_t kept_bytes_ = 0;
  std::unordered_map<size_t, std::vector<uint8_t*>> cold_;
  std::unordered_map<const uint8_t*, size_t> capacities_;  // of all blocks there are
  uint8_t* slab_ = nullptr;
  size_t slab_left_ = 0;
};

BlockCache& Cache() {
  static BlockCache* cache = new BlockCache;  // blocks may be given back while the process ends
  return *cache;
}

}  // namespace

uint8_t* TakeBlock(size_t size) { return Cache().Take(size); }
size_t BlockCapacity(const uint8_t* block) { return Cache().Capacity(block); }
void GiveBlock(uint8_t* block) { Cache().Give(block); }

}  // namespace lancefs
