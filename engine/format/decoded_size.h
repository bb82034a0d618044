// SPDX-License-Identifier: Apache-2.0
//
// How much a column's values take once they are decoded: a bound from the metadata of its pages alone, which says how each
// was compressed. Values that refer to a few stored ones (dictionaries, constants) are bounded by the longest of those, which
// have to be read for it, as the lengths of values that were compressed one by one; what the bound is without is told, too.
//
// Thread safety: pure functions, values.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/bounded.h"
#include "base/bytes.h"
#include "engine/format/lance_file.h"

namespace lancefs {

// Bytes of variable width, and what they become in a JSON text that stands in a CSV cell, which no other text exceeds.
struct VariableSize {
  uint64_t bytes = 0;
  uint64_t text = 0;
};
inline constexpr uint64_t kMostText = 6;  // of one byte
// What every byte becomes in such a text.
extern const std::array<uint8_t, 256> kTextOfByte;

struct DecodedSize {
  uint64_t values = 0;  // those in lists counted one by one
  uint64_t levels = 0;  // with the lists around them that are empty or null; not below `values`
  VariableSize variable;

  void Add(const DecodedSize& other) {
    values = BoundedSum(values, other.values);
    levels = BoundedSum(levels, other.levels);
    Add(other.variable);
  }
  void Add(const VariableSize& other) {
    variable.bytes = BoundedSum(variable.bytes, other.bytes);
    variable.text = BoundedSum(variable.text, other.text);
  }
};

// Values of a page whose size only some of its bytes tell: those of a dictionary or the only one, of which the longest counts for
// all, or the headers of compressed ones.
struct StoredItems {
  using Answers = std::vector<Bytes>;
  std::vector<ByteRange> ranges;  // what has to be read of the file
  // Where the answers tell what to read instead, else null.
  std::function<Result<std::vector<ByteRange>>(const Answers&)> next;
  // What the page's values take together, by the last answers. Errors: kCorruption, kNotSupported.
  std::function<Result<VariableSize>(const Answers&)> measure;
  uint64_t reads = 1;      // about
  VariableSize otherwise;  // what they take together at the most, for who does not read
};

struct ColumnSize {
  DecodedSize known;
  std::vector<StoredItems> items;  // not counted in known.variable
};

// `variable`: values of no fixed width; of others only the numbers are told. Blobs count as their descriptors.
// Errors: kCorruption, kNotSupported (0.1, whose pages do not tell).
Result<ColumnSize> MeasureColumn(FileVersion version, const ColumnInfo& column, bool variable);

// The grammars behind MeasureColumn.
Status MeasurePageV20(const PageInfo& page, bool variable, ColumnSize* out);
Status MeasurePageStructural(FileVersion version, const PageInfo& page, bool variable, ColumnSize* out);

// For them:
VariableSize PlainSize(uint64_t bytes);
// Of bytes that a general compressor made from nobody knows how many: as many as its format can name, but no more than a
// writer puts in a page or ordinary data shrinks from.
VariableSize UnknownSize(uint64_t stored);
// The longest of the values between `count` + 1 ascending offsets into `data`. Errors: kCorruption.
Result<VariableSize> LongestOf(const std::vector<uint64_t>& offsets, std::span<const uint8_t> data);
// `values` times `longest`.
VariableSize Times(const VariableSize& longest, uint64_t values);

}  // namespace lancefs
