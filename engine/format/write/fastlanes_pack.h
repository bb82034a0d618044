// SPDX-License-Identifier: Apache-2.0
//
// Packing 1024 values into a FastLanes block (docs/lance/file.md 4.4): every lane is a stream of
// low-bits-first values, and the lanes lie side by side, so that the loops run over whole vectors.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lancefs {

inline constexpr size_t kFastLanesBlock = 1024;

// Words of type T that a block of `width` bits a value takes.
template <typename T>
constexpr size_t PackedWords(unsigned width) {
  return kFastLanesBlock * width / (sizeof(T) * 8);
}

// `in` has 1024 values below 2^width, `out` room for PackedWords<T>(width) words.
template <typename T>
void PackFastLanes(const T* in, unsigned width, T* out) {
  constexpr unsigned kBits = sizeof(T) * 8;
  constexpr size_t kLanes = kFastLanesBlock / kBits;
  constexpr size_t kOrder[8] = {0, 4, 2, 6, 1, 5, 3, 7};
  if (width == 0) return;
  T word[kLanes] = {};
  for (unsigned row = 0; row < kBits; ++row) {
    const T* from = in + kOrder[row / 8] * 16 + (row % 8) * 128;
    const unsigned shift = row * width % kBits;
    for (size_t lane = 0; lane < kLanes; ++lane) word[lane] = static_cast<T>(word[lane] | static_cast<T>(from[lane] << shift));
    if (shift + width < kBits) continue;
    std::memcpy(out, word, sizeof(word));
    out += kLanes;
    const unsigned taken = kBits - shift;  // bits of this row's values that the full words took
    if (taken == kBits) {
      std::memset(word, 0, sizeof(word));
    } else {
      for (size_t lane = 0; lane < kLanes; ++lane) word[lane] = static_cast<T>(from[lane] >> taken);
    }
  }
}

}  // namespace lancefs
