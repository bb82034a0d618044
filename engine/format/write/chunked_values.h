// SPDX-License-Identifier: Apache-2.0
//
// Value encodings in mini-blocks: a page's values cut into chunks of a power of two values (the last
// chunk holds the rest), each with one or more buffers (formats/file.md 3.3, 4, 5.1).
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "engine/format/write/leaf_values.h"

namespace lancefs {

struct ChunkedValues {
  pb::v21::CompressiveEncoding encoding;
  std::vector<Bytes> buffers;     // each with all the chunks' parts one after another
  std::vector<uint32_t> counts;   // values of each chunk
  std::vector<uint32_t> sizes;    // bytes, chunk by chunk, in it buffer by buffer

  uint64_t total_bytes() const {
    uint64_t total = 0;
    for (const Bytes& buffer : buffers) total += buffer.size();
    return total;
  }
};

// Rows of `row_bits` bits a chunk, so that it stays below 8 KiB.
uint32_t FixedChunkRows(uint64_t row_bits);
ChunkedValues ChunkFlat(const LeafValues& values);
ChunkedValues ChunkFixedLists(const LeafValues& values);
ChunkedValues ChunkVariable(const LeafValues& values, uint32_t target_bytes);

}  // namespace lancefs
