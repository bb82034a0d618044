// SPDX-License-Identifier: Apache-2.0
#include "engine/format/decoded_size.h"

#include <algorithm>

namespace lancefs {
namespace {

constexpr std::array<uint8_t, 256> MakeTextOfByte() {
  std::array<uint8_t, 256> text{};
  for (size_t c = 0; c < text.size(); ++c) text[c] = c < 32 ? kMostText : 1;
  for (const char c : {'\b', '\f', '\n', '\r', '\t', '\\'}) text[static_cast<uint8_t>(c)] = 2;
  text[static_cast<uint8_t>('"')] = 3;
  return text;
}

}  // namespace

constexpr std::array<uint8_t, 256> kTextOfByte = MakeTextOfByte();

VariableSize PlainSize(uint64_t bytes) { return {std::min(bytes, kMostBytes), BoundedProduct(bytes, kMostText)}; }

VariableSize UnknownSize(uint64_t stored) {
  constexpr uint64_t kFormat = 32768;  // zstd: a block of 128 KiB in 4 bytes
  constexpr uint64_t kOrdinary = 16;
  constexpr uint64_t kPage = uint64_t{64} << 20;  // writers begin a new page at 8 MiB and a batch
  return PlainSize(std::min(BoundedProduct(stored, kFormat), std::max(BoundedProduct(stored, kOrdinary), kPage)));
}

Result<VariableSize> LongestOf(const std::vector<uint64_t>& offsets, std::span<const uint8_t> data) {
  VariableSize longest;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i] > offsets[i + 1] || offsets[i + 1] > data.size()) return Status::Corruption("broken offsets in a dictionary");
    uint64_t text = 0;
    for (uint64_t k = offsets[i]; k < offsets[i + 1]; ++k) text += kTextOfByte[data[k]];
    longest.bytes = std::max(longest.bytes, offsets[i + 1] - offsets[i]);
    longest.text = std::max(longest.text, text);
  }
  return longest;
}

VariableSize Times(const VariableSize& longest, uint64_t values) {
  return {BoundedProduct(longest.bytes, values), BoundedProduct(longest.text, values)};
}

Result<ColumnSize> MeasureColumn(FileVersion version, const ColumnInfo& column, bool variable) {
  if (version == FileVersion::kV0_1) return Status::NotSupported("pages of 0.1 files do not tell their size");
  ColumnSize size;
  for (const PageInfo& page : column.pages) {
    LANCEFS_RETURN_NOT_OK(version == FileVersion::kV2_0 ? MeasurePageV20(page, variable, &size)
                                                        : MeasurePageStructural(version, page, variable, &size));
  }
  return size;
}

}  // namespace lancefs
