// SPDX-License-Identifier: Apache-2.0
//
// RangeSource: stands between the pieces of a scan and a data file of an object store, and decides
// which bytes are worth asking for together. PageWindow serves pieces that follow each other,
// GatheredReads single rows that a filter left.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <vector>

#include "engine/format/column_read.h"

namespace lancefs {

class RangeSource {
 public:
  virtual ~RangeSource() = default;
  // As LanceFile::ReadRangesAsync, for the piece of that number. Pieces are numbered in the order of their rows.
  virtual Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) = 0;
  // That piece and all before it read nothing any more.
  virtual void Done(uint64_t piece) {}
};

}  // namespace lancefs
