// SPDX-License-Identifier: Apache-2.0
//
// LeafValues: the decoded values of one column, collected over pages in the final memory layout of
// the Arrow array. Page readers append rows, slices of variable values, dictionary lookups.
//
// Thread safety: one thread at a time.
#pragma once

#include <arrow/array.h>

#include <memory>
#include <span>
#include <vector>

#include "engine/format/schema.h"
#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/fsst.h"
#include "engine/format/structural/grow_buffer.h"

namespace lancefs::structural {

enum class ShapeKind : uint8_t { kNull, kFixed, kVariable, kFixedSizeList, kDictionary, kPackedStruct, kEmptyStruct };

// How values of an Arrow type lie in memory.
struct LeafShape {
  ShapeKind kind = ShapeKind::kNull;
  std::shared_ptr<arrow::DataType> type;
  uint64_t row_bits = 0;             // fixed width: of one row, a list's items together
  bool wide_offsets = false;         // variable: 64-bit offsets
  bool packed = false;               // empty struct: a packed one, which is always null
  std::vector<uint64_t> list_items;  // fixed-size lists: items a row, outermost list first, cumulated
  std::vector<LeafShape> children;   // packed struct: fields; dictionary: the value type

  static Result<LeafShape> Make(const std::shared_ptr<arrow::DataType>& type, int depth = 0);
};

// Values of variable width as they lie in a chunk: `count` + 1 offsets of `width` bytes, counted from the start of `bytes`.
struct VariableChunk {
  std::span<const uint8_t> offsets;
  std::span<const uint8_t> bytes;
  unsigned width = 4;
};

// A page's dictionary.
struct PageDictionary {
  Block block;
  std::shared_ptr<arrow::Array> array;  // for columns of a dictionary type
};

class LeafValues {
 public:
  // `limit`: the most bytes that any of its buffers may take.
  explicit LeafValues(LeafShape shape, uint64_t limit = kFreeArrayBytes);

  const LeafShape& shape() const { return shape_; }
  uint64_t count() const { return count_; }
  // An expectation that saves growing; `count` more values.
  Status Reserve(uint64_t count);

  // -- fixed width (also the rows of fixed-size lists and packed structs)
  // `count` rows of shape().row_bits from row `first` of `rows`.
  Status AppendRows(const uint8_t* rows, uint64_t first, uint64_t count);
  // As AppendRows of all `bytes`; without a copy where they are the first rows. REQUIRES: whole bytes a row.
  Status AppendRows(const Bytes& bytes, uint64_t count);
  // Memory for `count` rows to be written, with room for `extra` bytes behind. REQUIRES: whole bytes a row.
  Status PrepareRows(uint64_t count, size_t extra, uint8_t** out);
  void CommitRows(uint64_t count);
  // Item validity of list layer `layer` for rows that are appended with AppendRows; null = all valid.
  Status AppendItemValidity(size_t layer, const uint8_t* bits, uint64_t first_row, uint64_t count);
  Status AppendItemNulls(size_t layer, uint64_t rows);
  // `count` values that are nothing: of fixed-size lists all items are null.
  Status AppendNullItems(uint64_t count);

  // -- variable width
  // Values [first, first + count) of a chunk.
  Status AppendVariable(const VariableChunk& chunk, uint64_t first, uint64_t count);
  Status AppendFsst(const FsstTable& table, const VariableChunk& chunk, uint64_t first, uint64_t count);
  Status AppendValue(std::span<const uint8_t> value);
  Status AppendFsstValue(const FsstTable& table, std::span<const uint8_t> value);

  // -- any
  // `count` values of which nothing is known: nulls, values under null parents.
  Status AppendDefault(uint64_t count);
  Status AppendRepeated(std::span<const uint8_t> value, uint64_t count);
  // Values [first, first + count) of `other`, which has the same shape and is no dictionary column.
  Status AppendFrom(const LeafValues& other, uint64_t first, uint64_t count);
  // Looks `count` indices up. An index out of range is only an error if the value is not null.
  Status AppendLookups(const std::shared_ptr<const PageDictionary>& dictionary, const uint32_t* indices, uint64_t count);

  LeafValues& child(size_t index) { return children_[index]; }
  // Packed structs filled child by child: the children have as many values as this is told.
  void AddCount(uint64_t count) { count_ += count; }

  // The array of all values, with `validity` on top.
  Result<std::shared_ptr<arrow::Array>> Finish(BitmapValues* validity);
  // Variable values as a dictionary's block.
  Result<Block> ToBlock() const;

 private:
  struct DictionaryRun {
    uint64_t start = 0;
    std::shared_ptr<const PageDictionary> dictionary;
  };

  template <typename Offset>
  Status AppendVariableAs(const VariableChunk& chunk, uint64_t first, uint64_t count);
  Status AppendZeroRows(uint64_t count);
  Status ReserveBytes(uint64_t more);  // variable bytes; checks the limit of 32-bit offsets
  Status AppendOffset();               // the end of the bytes so far
  bool Accepts(const PageDictionary& dictionary) const;
  Status AppendLookupsVariable(const Block& block, const uint32_t* indices, uint64_t count);
  Status AppendLookupsFixed(const Block& block, const uint32_t* indices, uint64_t count);
  Result<std::shared_ptr<arrow::Array>> FinishDictionary(BitmapValues* validity);
  Result<std::shared_ptr<arrow::Array>> FinishNulls(BitmapValues* validity);
  Result<std::shared_ptr<arrow::Array>> FinishFixedSizeList(BitmapValues* validity);

  LeafShape shape_;
  uint64_t count_ = 0;
  GrowBuffer rows_;
  GrowBuffer offsets_;
  Status first_offset_;
  GrowBuffer bytes_;
  std::vector<BitmapValues> item_validity_;
  std::vector<LeafValues> children_;
  std::vector<DictionaryRun> runs_;
  std::vector<uint64_t> bad_lookups_;  // values whose index is out of range
};

// An Arrow array of a dictionary's values.
Result<std::shared_ptr<arrow::Array>> BlockToArray(const Block& block, const LeafShape& shape);

}  // namespace lancefs::structural
