// SPDX-License-Identifier: Apache-2.0
//
// Large blocks of memory that are used again and again: what is read from stores and what columns are
// decoded into. The kernel takes longer to hand out fresh pages than we to fill them, so freed blocks are
// kept (up to kMostKept) and lie in huge pages where the system has them.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lancefs {

// Smaller blocks are the allocator's business.
constexpr size_t kSmallestBlock = 256 * 1024;

// At least `size` bytes, 64-byte aligned, of any content; null without memory. REQUIRES: size >= kSmallestBlock.
uint8_t* TakeBlock(size_t size);
// The bytes that a taken block has.
size_t BlockCapacity(const uint8_t* block);
// REQUIRES: `block` came from TakeBlock and is not used any more.
void GiveBlock(uint8_t* block);

}  // namespace lancefs
