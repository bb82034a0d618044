// SPDX-License-Identifier: Apache-2.0
//
// FastLanes bit packing of blocks of 1024 unsigned values (docs/lance/file.md 4.3-4.5): a block of W-bit
// values in T-bit words is 1024 / T interleaved bit streams, so that one row of lanes is one vector
// operation.
//
// Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace lancefs::structural {

inline constexpr size_t kBlockValues = 1024;

// T-bit words of a packed block.
template <typename T>
constexpr size_t PackedWords(unsigned width) {
  return kBlockValues * width / (sizeof(T) * 8);
}

// Unpacks one block: PackedWords<T>(width) words at `packed` (any alignment) into 1024 values.
// T is uint8_t, uint16_t, uint32_t or uint64_t. REQUIRES: width <= bits of T.
template <typename T>
void UnpackBlock(const void* packed, unsigned width, T* out);

// The inverse: 1024 values, each < 2^width, into PackedWords<T>(width) words.
template <typename T>
void PackBlock(const T* values, unsigned width, T* packed);

// The bits needed by the largest of `values`.
template <typename T>
unsigned BitsNeeded(const T* values, size_t count) {
  T all = 0;
  for (size_t i = 0; i < count; ++i) all |= values[i];
  return static_cast<unsigned>(std::bit_width(all));
}

}  // namespace lancefs::structural
