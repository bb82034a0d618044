// SPDX-License-Identifier: Apache-2.0
//
// The three page layouts of 2.1 and 2.2 (docs/lance/file.md 3.3, 3.4, 3.6), from levels and encoded
// values to page buffers and a PageLayout message.
//
// Thread safety: functions without state.
#pragma once

#include <optional>

#include "engine/format/write/chunked_values.h"
#include "engine/format/write/container_writer.h"

namespace lancefs {

// The dictionary of a mini-block page.
struct EncodedDictionary {
  Bytes buffer;
  pb::v21::CompressiveEncoding encoding;
  uint64_t num_items = 0;
};

// Nothing when a chunk would outgrow the format's limits; the page must then be split or zipped.
std::optional<EncodedPage> LayoutMiniBlock(const PageLevels& levels, const ChunkedValues& values,
                                           const EncodedDictionary* dictionary, FileVersion version);
// Nothing else than levels: all values are null, or there are none.
EncodedPage LayoutNoValues(const PageLevels& levels, FileVersion version);

// Every valid item has the value of `row` (2.2 only); fixed width or strings.
EncodedPage LayoutConstant(const PageLevels& levels, const LeafValues& values, size_t row);

// How the values lie in a full-zip page.
struct ZippedValues {
  pb::v21::CompressiveEncoding encoding;
  // Fixed width: every visible item has `row_bytes` at data + i * row_bytes.
  uint64_t row_bytes = 0;
  // Variable: valid items have bytes [offsets[i], offsets[i + 1]); prefix of offset_bits / 8 bytes.
  const std::vector<uint32_t>* offsets = nullptr;
  uint32_t offset_bits = 0;  // 0 = fixed width
  const uint8_t* data = nullptr;
};
EncodedPage LayoutFullZip(const PageLevels& levels, uint64_t num_values, const ZippedValues& values);

}  // namespace lancefs
