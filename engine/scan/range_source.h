// SPDX-License-Identifier: Apache-2.0
//
// RangeSource: stands between the pieces of a scan and a data file of an object store, and decides
// which bytes are worth asking for together. PageWindow serves pieces that follow each other,
// GatheredReads single rows that a filter left.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/format/column_read.h"

namespace lancefs {

// The buffer of a page that has its values; the others tell where they are. Of length 0: there is none.
inline ByteRange ValuesOf(const PageInfo& page, FileVersion version) {
  // From 2.1 on one of the first two, as a dictionary may be larger.
  const bool structural = version == FileVersion::kV2_1 || version == FileVersion::kV2_2;
  const size_t count = structural ? std::min<size_t>(2, page.buffers.size()) : page.buffers.size();
  const auto end = page.buffers.begin() + static_cast<ptrdiff_t>(count);
  const auto values =
      std::max_element(page.buffers.begin(), end, [](const ByteRange& a, const ByteRange& b) { return a.length < b.length; });
  return values == end ? ByteRange() : *values;
}

class RangeSource {
 public:
  virtual ~RangeSource() = default;
  // As LanceFile::ReadRangesAsync, for the piece of that number. Pieces are numbered in the order of their rows.
  virtual Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) = 0;
  // That piece and all before it read nothing any more.
  virtual void Done(uint64_t piece) {}
};

}  // namespace lancefs
