// SPDX-License-Identifier: Apache-2.0
//
// The portable serialization of 32-bit Roaring bitmaps (deletion files, fragment bitmaps of indices),
// strictly checked: CRoaring 0.2 trusts what it reads.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

// Neighbouring values.
struct RoaringRun {
  uint32_t first = 0;
  uint32_t last = 0;
};
// The values as runs, ascending, with gaps between them: a bitmap of a few KiB may hold hundreds of millions of values.
// Errors: as DecodeRoaring.
Result<std::vector<RoaringRun>> DecodeRoaringRuns(std::span<const uint8_t> bytes, uint64_t limit = uint64_t{1} << 32);

// The values in ascending order. All of `bytes` must be used.
// Errors: kCorruption (cookie, counts, keys or values out of order, cardinalities, runs beyond 65,535, offsets, lengths, a
// value of `limit` or above); kTooLarge where they are too many to be held as numbers.
Result<std::vector<uint32_t>> DecodeRoaring(std::span<const uint8_t> bytes, uint64_t limit = uint64_t{1} << 32);

// REQUIRES: `values` ascend strictly. Without run containers, as pylance writes it.
std::string EncodeRoaring(std::span<const uint32_t> values);

}  // namespace lancefs
