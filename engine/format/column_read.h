// SPDX-License-Identifier: Apache-2.0
//
// ColumnRead: reading one field (with everything nested in it) of one data file for a selection of
// rows, as a small state machine that never does I/O itself: it names the byte ranges that it needs
// next, gets them, and so on until it can decode. A scan drives many of them together, so that one
// round trip serves all columns, and decodes them in parallel.
//
// Thread safety: one thread at a time; different reads are independent.
#pragma once

#include <arrow/array.h>

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/format/lance_file.h"
#include "engine/format/schema.h"

namespace lancefs {

// Half-open [start, end) of row offsets inside a file.
struct RowRange {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t length() const { return end - start; }
};
// Sorted, disjoint, non-empty ranges.
using RowSelection = std::vector<RowRange>;
inline uint64_t CountRows(const RowSelection& rows) {
  uint64_t count = 0;
  for (const RowRange& range : rows) count += range.length();
  return count;
}

// Adds [start, end) behind `rows`, to the last range where that ends at `start`; nothing if it is empty.
// REQUIRES: start is not before the end of the last range.
inline void AddRange(RowSelection* rows, uint64_t start, uint64_t end) {
  if (start == end) return;
  if (!rows->empty() && rows->back().end == start) {
    rows->back().end = end;
  } else {
    rows->push_back({start, end});
  }
}

class ColumnRead {
 public:
  virtual ~ColumnRead() = default;
  // The byte ranges that are needed next, in the order in which Supply wants the answers. Empty:
  // nothing more is needed, Decode may be called. Calling it again before Supply gives the same.
  virtual Result<std::vector<ByteRange>> NextReads() = 0;
  // The answers to the last NextReads, one each.
  virtual Status Supply(std::vector<Bytes> answers) = 0;
  // CPU only; call once, after NextReads returned nothing. The array has exactly the selected rows
  // in order and the field's type; dictionaries of several pages are unified.
  // Errors: kCorruption with column, page and what is wrong; kNotSupported naming the encoding.
  virtual Result<std::shared_ptr<arrow::Array>> Decode() = 0;
};

// field id -> column index in the file (from the manifest's DataFile; only non-negative ids). In 0.1, all
// fields of the file, structs included (LanceFile says how they are counted).
using FieldColumns = std::unordered_map<int32_t, uint32_t>;

// The columns of `file` that reading `field` will touch, in the order MakeColumnRead looks at them.
// Sub-fields without a column read as null.
std::vector<uint32_t> ColumnsOf(const Field& field, const FieldColumns& columns, FileVersion version);

// REQUIRES: LanceFile::Columns was called for ColumnsOf(field) and `infos` holds the answers by index.
// `field` may be restricted to some of its sub-fields: its type decides what is built.
using ColumnInfos = std::unordered_map<uint32_t, std::shared_ptr<const ColumnInfo>>;
Result<std::unique_ptr<ColumnRead>> MakeColumnRead(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                   const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows);

// The grammars behind MakeColumnRead.
Result<std::unique_ptr<ColumnRead>> MakeColumnReadV1(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                     const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows);
Result<std::unique_ptr<ColumnRead>> MakeColumnReadV20(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                      const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows);
Result<std::unique_ptr<ColumnRead>> MakeColumnReadStructural(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                             const FieldColumns& columns, const ColumnInfos& infos,
                                                             RowSelection rows);

// Stands in for LanceFile::ReadRangesAsync.
using RangeReader = std::function<Future<std::vector<Bytes>>(std::vector<ByteRange>, const OpContext&)>;

// Drives `reads` of one file to the end: rounds of I/O for all together, then parallel decoding. `reader`: instead of the file
// itself.
Result<std::vector<std::shared_ptr<arrow::Array>>> RunColumnReads(const std::shared_ptr<LanceFile>& file,
                                                                  std::vector<std::unique_ptr<ColumnRead>> reads,
                                                                  const OpContext& ctx, const RangeReader& reader = nullptr);

// The most bytes that one array of that column may take. Constants, runs and nulls need next to no bytes in a file, so a few of
// them could name any size: beyond kFreeArrayBytes an array may only be so many times larger than what its column holds.
inline constexpr uint64_t kFreeArrayBytes = 128 * 1024 * 1024;
uint64_t MaxArrayBytes(const LanceFile& file, const ColumnInfo& column);
// The bytes of one value of a type of fixed width (0 for others), fixed-size lists and structs included; UINT64_MAX if no number
// holds them.
uint64_t FixedValueBytes(const arrow::DataType& type);

// An all-null array of `field`'s type (zero-filled where the type forbids nulls at that level). Errors: kTooLarge.
Result<std::shared_ptr<arrow::Array>> MakeNullArray(const Field& field, uint64_t rows);

}  // namespace lancefs
