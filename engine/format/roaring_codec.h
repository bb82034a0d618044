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

// The values in ascending order. All of `bytes` must be used.
// Errors: kCorruption (cookie, counts, keys or values out of order, cardinalities, runs beyond 65,535, offsets, lengths, a
// value of `limit` or above).
Result<std::vector<uint32_t>> DecodeRoaring(std::span<const uint8_t> bytes, uint64_t limit = uint64_t{1} << 32);

// REQUIRES: `values` ascend strictly. Without run containers, as pylance writes it.
std::string EncodeRoaring(std::span<const uint32_t> values);

}  // namespace lancefs
