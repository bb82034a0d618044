// SPDX-License-Identifier: Apache-2.0
//
// Sums and products of sizes that stop at a bound instead of wrapping around.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

namespace lancefs {

// More than there is of anything; sums and products stop here.
inline constexpr uint64_t kMostBytes = uint64_t{1} << 62;
inline uint64_t BoundedSum(uint64_t a, uint64_t b) { return a >= kMostBytes || b >= kMostBytes - a ? kMostBytes : a + b; }
inline uint64_t BoundedProduct(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) || product > kMostBytes ? kMostBytes : product;
}

}  // namespace lancefs
