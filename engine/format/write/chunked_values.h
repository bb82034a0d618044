// SPDX-License-Identifier: Apache-2.0
//
// Value encodings in mini-blocks: a page's values cut into chunks of a power of two values (the last
// chunk holds the rest), each with one or more buffers (docs/lance/file.md 3.3, 4, 5.1).
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "engine/format/write/encoding_wishes.h"
#include "engine/format/write/leaf_values.h"

namespace lancefs {

struct ChunkedValues {
  pb::v21::CompressiveEncoding encoding;
  std::vector<Bytes> buffers;    // each with all the chunks' parts one after another
  std::vector<uint32_t> counts;  // values of each chunk
  std::vector<uint32_t> sizes;   // bytes, chunk by chunk, in it buffer by buffer

  // What the chunks take in a page without levels, words and padding included.
  uint64_t PageBytes() const;
};

// Rows of `row_bits` bits a chunk, so that it stays below 8 KiB.
uint32_t FixedChunkRows(uint64_t row_bits);

// Each picks the smallest of the encodings that suit the values and the wishes.
ChunkedValues ChunkFixed(const LeafValues& values, const EncodingWishes& wishes);
ChunkedValues ChunkFixedLists(const LeafValues& values);
ChunkedValues ChunkVariable(const LeafValues& values, const EncodingWishes& wishes);

}  // namespace lancefs
