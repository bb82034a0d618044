// SPDX-License-Identifier: Apache-2.0
//
// FragmentReader: reading columns of one fragment, whose fields may be spread over several data
// files, for any selection of physical rows.
//
// Thread safety: after Open, all calls from any thread.
#pragma once

#include <arrow/array.h>

#include <memory>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/deletion_vector.h"
#include "engine/scan/batch_filter.h"
#include "engine/scan/range_source.h"
#include "engine/table/dataset.h"

namespace lancefs {

// `field` with only the struct members that one of `paths` names (paths start at this field's name).
// Lists, maps and packed structs are kept whole.
Field PruneField(const Field& field, const std::vector<std::vector<std::string>>& paths);

// Where the fields of a data file stand in it.
FieldColumns ColumnsIn(const pb::DataFile& file);

// Columns that every table has beside its own. Names: SystemColumnName.
enum class SystemColumn : uint8_t {
  kRowId,          // _rowid: stable where the table has stable row ids, else the address
  kRowAddress,     // _rowaddr: fragment << 32 | physical offset
  kRowOffset,      // _rowoffset: place among the version's live rows
  kCreatedAt,      // _row_created_at_version: 1 where the table does not track it
  kLastUpdatedAt,  // _row_last_updated_at_version
};
inline constexpr SystemColumn kSystemColumns[] = {SystemColumn::kRowId, SystemColumn::kRowAddress, SystemColumn::kRowOffset,
                                                  SystemColumn::kCreatedAt, SystemColumn::kLastUpdatedAt};
const char* SystemColumnName(SystemColumn column);

// What a fragment's files are read through (null: nothing), and which piece reads.
struct FragmentWindow {
  std::vector<std::shared_ptr<RangeSource>> files;
  void Done(uint64_t piece) const {
    for (const auto& file : files) {
      if (file != nullptr) file->Done(piece);
    }
  }
};
struct PieceWindow {
  std::shared_ptr<const FragmentWindow> window;  // null: what is read is read exactly
  uint64_t piece = 0;
};

class FragmentReader {
 public:
  // Opens the data files that hold any of `fields`, their column metadata and the deletion file, all at once; of 0.1 files
  // also what is known of the nulls in `filtered`, the fields that a filter reads.
  static Result<std::shared_ptr<FragmentReader>> Open(std::shared_ptr<const Dataset> dataset, size_t index,
                                                      const std::vector<Field>& fields, const OpContext& ctx,
                                                      const std::vector<Field>& filtered = {});

  uint64_t id() const { return id_; }
  uint64_t physical_rows() const { return physical_rows_; }
  // Null when nothing is deleted.
  const std::shared_ptr<const DeletionVector>& deletions() const { return deletions_; }
  // The live rows in [start, end).
  RowSelection LiveRows(uint64_t start, uint64_t end) const;
  // Where live rows (their numbers among the live ones, ascending and unique) stand. Errors: kCorruption when there are not so
  // many.
  Result<RowSelection> PhysicalRows(const std::vector<uint64_t>& live_rows) const;
  // The data file that holds a field which owns a column, and a data file's size; of those that were opened.
  const pb::DataFile* FileOf(const Field& field) const;
  std::optional<uint64_t> SizeOf(const pb::DataFile& file) const;
  // One array a field, with exactly the rows of `rows`. `fields` must have been among those of Open. Blobs are read as
  // descriptors: `fields` name them so (WithBlobDescriptors).
  Result<std::vector<std::shared_ptr<arrow::Array>>> Read(const std::vector<Field>& fields, const RowSelection& rows,
                                                          const OpContext& ctx, const PieceWindow& window = {}) const;
  // For reading those fields of all of `rows` piece by piece (PageWindow); about `memory` bytes are held at a time.
  std::shared_ptr<const FragmentWindow> MakeWindow(const std::vector<Field>& fields, const RowSelection& rows,
                                                   uint64_t memory) const;
  // For reading scattered rows of those fields (GatheredReads).
  std::shared_ptr<const FragmentWindow> MakeGather(const std::vector<Field>& fields, uint64_t memory) const;
  // Whether any data file holds `field` or a part of it; where none does all its values are null.
  bool HasAny(const Field& field) const;
  // Null where nothing is known of nulls but what reading shows.
  const KnownNulls* known_nulls() const { return known_nulls_.nulls.empty() ? nullptr : &known_nulls_; }
  // Arrow bytes that one row of those fields takes, about.
  uint64_t EstimateRowBytes(const std::vector<Field>& fields) const;
  // The values of a column that no user made, uint64 without nulls.
  Result<std::shared_ptr<arrow::Array>> ReadSystem(SystemColumn column, const RowSelection& rows, const OpContext& ctx) const;

 private:
  struct OpenFile {
    std::shared_ptr<LanceFile> file;
    const pb::DataFile* message = nullptr;  // lives in the dataset's manifest
    FieldColumns columns;
    ColumnInfos infos;
    v1::BatchNulls nulls;
  };
  FragmentReader() = default;
  void CollectNulls();
  bool Holds(const OpenFile& file, const Field& field) const;
  Result<std::vector<std::shared_ptr<arrow::Array>>> ReadExactly(const std::vector<Field>& fields, const RowSelection& rows,
                                                                 const OpContext& ctx, const PieceWindow& window) const;
  RangeReader Through(const PieceWindow& window, size_t file) const;
  std::vector<std::vector<const ColumnInfo*>> ColumnsOfFiles(const std::vector<Field>& fields) const;
  Result<std::shared_ptr<arrow::Array>> RowIds(const RowSelection& rows, const OpContext& ctx) const;
  Result<std::shared_ptr<arrow::Array>> RowAddresses(const RowSelection& rows) const;
  Result<std::shared_ptr<arrow::Array>> RowOffsets(const RowSelection& rows) const;
  Result<std::shared_ptr<arrow::Array>> RowVersions(SystemColumn column, const RowSelection& rows, const OpContext& ctx) const;
  Result<std::shared_ptr<arrow::Array>> StoredLineage(SystemColumn column, const RowSelection& rows, const OpContext& ctx) const;
  Result<std::shared_ptr<arrow::Array>> ReadSplit(const Field& field, const RowSelection& rows, const OpContext& ctx,
                                                  const PieceWindow& window) const;

  std::shared_ptr<const Dataset> dataset_;
  size_t index_ = 0;
  uint64_t id_ = 0;
  uint64_t physical_rows_ = 0;
  std::shared_ptr<const DeletionVector> deletions_;
  std::vector<OpenFile> files_;
  KnownNulls known_nulls_;
};

}  // namespace lancefs
