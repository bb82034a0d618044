// SPDX-License-Identifier: Apache-2.0
//
// The two bit-packings of 2.0 pages: a plain LSB-first stream, and FastLanes blocks of 1,024 values
// (docs/lance/file.md 4.4).
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "engine/format/structural/bitpacking.h"

namespace lancefs::v20 {

constexpr uint64_t kFastLanesBlock = structural::kBlockValues;

// `count` values of `width` bits (0..bits) from the stream of `size` bytes at `packed`, starting at bit `first_bit` (0..7), into
// values of `bits` (8, 16, 32, 64). With `is_signed` the highest packed bit is the sign.
// REQUIRES: first_bit + count * width <= 8 * size.
void UnpackBits(const uint8_t* packed, uint64_t size, uint64_t first_bit, uint64_t count, uint64_t width, uint64_t bits,
                bool is_signed, uint8_t* out);

// `count` values from FastLanes blocks, leaving out the first `skip` (below 1,024) of the first block.
// REQUIRES: `packed` holds all blocks that are touched, 128 * width bytes each.
void UnpackFastLanes(const uint8_t* packed, uint64_t skip, uint64_t count, uint64_t width, uint64_t bits, uint8_t* out);

}  // namespace lancefs::v20
