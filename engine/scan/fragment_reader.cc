// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/fragment_reader.h"

#include <arrow/compute/api.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <set>

#include "base/executor.h"
#include "engine/arrow_status.h"
#include "engine/format/row_ids.h"
#include "engine/scan/gathered_reads.h"
#include "engine/scan/page_window.h"

namespace lancefs {
namespace {

bool HasColumn(const Field& field, const FieldColumns& columns) {
  if (columns.contains(field.id) && (field.IsPhysicalLeaf() || field.children.empty())) return true;
  if (field.IsPackedStruct() || field.IsBlob()) return columns.contains(field.id);
  return std::any_of(field.children.begin(), field.children.end(), [&](const Field& child) { return HasColumn(child, columns); });
}

// Nothing of the field is missing in `columns`.
bool HasWhole(const Field& field, const FieldColumns& columns) {
  if (field.children.empty() || field.IsPhysicalLeaf()) return columns.contains(field.id);
  return std::all_of(field.children.begin(), field.children.end(), [&](const Field& child) { return HasWhole(child, columns); });
}

bool IsListOfStructs(const Field& field) {
  return !field.IsPhysicalLeaf() && (field.logical_type == "list.struct" || field.logical_type == "large_list.struct");
}

// The field restricted to what `columns` hold.
Result<Field> RestrictTo(const Field& field, const FieldColumns& columns) {
  const bool is_struct = field.logical_type == "struct" && !field.IsPhysicalLeaf();
  if (!is_struct && !IsListOfStructs(field)) return field;
  Field kept = field;
  kept.children.clear();
  for (const Field& child : field.children) {
    if (is_struct && !HasColumn(child, columns)) continue;
    LANCEFS_ASSIGN_OR_RETURN(Field restricted, RestrictTo(child, columns));
    kept.children.push_back(std::move(restricted));
  }
  LANCEFS_ASSIGN_OR_RETURN(kept.type, TypeFromLogical(kept.logical_type, kept.children));
  return kept;
}

// Adds the struct members that `array` (of `have`) lacks as nulls, so that it has `want`'s type; members of `have` that
// are structs themselves are completed likewise. `parts` are several such partial arrays of the same rows.
struct Part {
  Field field;
  std::shared_ptr<arrow::Array> array;
};
Result<std::shared_ptr<arrow::Array>> MergeParts(const Field& want, const std::vector<Part>& parts, int64_t rows);

// The validity of `array` as a bitmap of its own; null when nothing is null.
Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::Array& array) {
  std::shared_ptr<arrow::Buffer> validity;
  if (array.null_count() == 0) return validity;
  LANCEFS_ARROW_ASSIGN(validity, arrow::AllocateEmptyBitmap(array.length()));
  for (int64_t i = 0; i < array.length(); ++i) arrow::bit_util::SetBitTo(validity->mutable_data(), i, array.IsValid(i));
  return validity;
}

// Every part repeats the lists' lengths, so the items of one stand beside those of the other.
template <typename List>
Result<std::shared_ptr<arrow::Array>> MergeLists(const Field& want, const std::vector<Part>& parts) {
  using Offset = typename List::offset_type;
  const auto& first = static_cast<const List&>(*parts[0].array);
  const int64_t rows = first.length();
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> offsets,
                       arrow::AllocateBuffer((rows + 1) * static_cast<int64_t>(sizeof(Offset))));
  auto* out = reinterpret_cast<Offset*>(offsets->mutable_data());
  for (int64_t i = 0; i <= rows; ++i) out[i] = first.value_offset(i) - first.value_offset(0);
  std::vector<Part> items;
  for (const Part& part : parts) {
    const auto& list = static_cast<const List&>(*part.array);
    for (int64_t i = 0; i < rows; ++i) {
      if (list.value_length(i) != first.value_length(i))
        return Status::Corruption("column '" + want.name + "': two data files disagree about the length of a list");
    }
    items.push_back({part.field.children[0], list.values()->Slice(list.value_offset(0), out[rows])});
  }
  LANCEFS_ASSIGN_OR_RETURN(auto merged, MergeParts(want.children[0], items, out[rows]));
  LANCEFS_ASSIGN_OR_RETURN(auto validity, ValidityOf(first));
  return std::static_pointer_cast<arrow::Array>(std::make_shared<List>(want.type, rows, offsets, merged, validity));
}

Result<std::shared_ptr<arrow::Array>> MergeParts(const Field& want, const std::vector<Part>& parts, int64_t rows) {
  if (parts.empty()) return MakeNullArray(want, static_cast<uint64_t>(rows));
  if (IsListOfStructs(want)) {
    return want.type->id() == arrow::Type::LIST ? MergeLists<arrow::ListArray>(want, parts)
                                                : MergeLists<arrow::LargeListArray>(want, parts);
  }
  if (want.logical_type != "struct" || want.IsPhysicalLeaf()) return parts[0].array;
  std::vector<std::shared_ptr<arrow::Array>> children;
  arrow::FieldVector arrow_fields;
  for (const Field& child : want.children) {
    std::vector<Part> child_parts;
    for (const Part& part : parts) {
      for (size_t i = 0; i < part.field.children.size(); ++i) {
        if (part.field.children[i].id != child.id) continue;
        const auto& array = static_cast<const arrow::StructArray&>(*part.array);
        child_parts.push_back({part.field.children[i], array.field(static_cast<int>(i))});
      }
    }
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> merged, MergeParts(child, child_parts, rows));
    children.push_back(std::move(merged));
    arrow_fields.push_back(child.ToArrow());
  }
  // Every part repeats the struct's own nulls; the first tells them.
  LANCEFS_ASSIGN_OR_RETURN(auto validity, ValidityOf(*parts[0].array));
  LANCEFS_ARROW_ASSIGN(auto merged, arrow::StructArray::Make(children, arrow_fields, validity));
  return std::static_pointer_cast<arrow::Array>(merged);
}

// Arrow bytes of one value of which `stored` bytes stand in the file.
uint64_t GuessValueBytes(const arrow::DataType& type, uint64_t stored) {
  constexpr uint64_t kGuess = 8;  // of what has no fixed width
  const uint64_t fixed = FixedValueBytes(type);
  const bool known = arrow::is_primitive(type.id()) || arrow::is_decimal(type.id());
  // Stored bytes are compressed, or are more than the values: ends of strings.
  return known && fixed > 0 ? fixed : std::max(stored * 2, fixed == 0 ? kGuess : fixed);
}

// A file whose columns we cannot find must be refused: its fields would read as missing, that is as nulls.
Status CheckReadable(const pb::DataFile& file) {
  LANCEFS_ASSIGN_OR_RETURN(const FileVersion version,
                           FileVersionFromDataFile(file.file_major_version(), file.file_minor_version()));
  if (version == FileVersion::kV0_1) {
    if (file.fields_size() > 0 && file.fields(0) < 0)
      return Status::NotSupported("data file " + file.path() + ": the manifest no longer says which field its pages begin with");
    return Status::OK();
  }
  if (file.column_indices_size() != file.fields_size()) {
    return Status::NotSupported("data file " + file.path() + ": the manifest does not say which columns its fields are in");
  }
  return Status::OK();
}

// A window's unit is no less, however many columns there are.
constexpr uint64_t kLeastWindow = 256 * 1024;

// The ids of those of `fields` and what they hold that stand in the file.
std::vector<int32_t> FieldsIn(const FieldColumns& columns, const std::vector<Field>& fields) {
  std::vector<int32_t> ids;
  for (const Field& field : fields) {
    field.ForEach([&](const Field& each) {
      if (columns.contains(each.id)) ids.push_back(each.id);
    });
  }
  return ids;
}

// The file is what the manifest takes it for; its columns would be looked for in the wrong places.
Status CheckSameGrammar(const pb::DataFile& file, const LanceFile& opened) {
  const bool legacy = file.file_major_version() == 0 && file.file_minor_version() <= 2;
  if (legacy == (opened.version() == FileVersion::kV0_1)) return Status::OK();
  return Status::Corruption("data file " + file.path() + " has version " + std::string(FileVersionName(opened.version())) +
                            ", which the manifest does not say");
}

// Reading whole spans and filtering in memory beats many tiny ranges when most of the span is wanted. Gaps of many bytes are
// worth leaving out.
bool BetterReadSpan(const RowSelection& rows, uint64_t count, uint64_t row_bytes) {
  constexpr uint64_t kGapBytes = 16 * 1024;
  const uint64_t span = rows.back().end - rows.front().start;
  const bool dense = rows.size() > 1 && count * 2 >= span && rows.size() * 64 > count;
  return dense && (span - count) / rows.size() * row_bytes < kGapBytes;
}

}  // namespace

FieldColumns ColumnsIn(const pb::DataFile& file) {
  FieldColumns columns;
  if (file.file_major_version() == 0 && file.file_minor_version() <= 2) {
    int32_t first = INT32_MAX;
    for (const int32_t field : file.fields()) first = field >= 0 ? std::min(first, field) : first;
    for (const int32_t field : file.fields()) {
      if (field >= 0) columns.try_emplace(field, static_cast<uint32_t>(field - first));
    }
    return columns;
  }
  for (int i = 0; i < file.fields_size(); ++i) {
    const int32_t column = i < file.column_indices_size() ? file.column_indices(i) : -1;
    if (file.fields(i) >= 0 && column >= 0) columns.try_emplace(file.fields(i), static_cast<uint32_t>(column));
  }
  return columns;
}

Field PruneField(const Field& field, const std::vector<std::vector<std::string>>& paths) {
  if (field.logical_type != "struct" || field.IsPhysicalLeaf()) return field;
  for (const auto& path : paths) {
    if (path.size() <= 1) return field;
  }
  Field pruned = field;
  pruned.children.clear();
  arrow::FieldVector arrow_fields;
  for (const Field& child : field.children) {
    std::vector<std::vector<std::string>> below;
    for (const auto& path : paths) {
      if (path[1] == child.name) below.emplace_back(path.begin() + 1, path.end());
    }
    if (below.empty()) continue;
    pruned.children.push_back(PruneField(child, below));
    arrow_fields.push_back(pruned.children.back().ToArrow());
  }
  if (pruned.children.empty()) return field;
  pruned.type = arrow::struct_(std::move(arrow_fields));
  return pruned;
}

Result<std::shared_ptr<FragmentReader>> FragmentReader::Open(std::shared_ptr<const Dataset> dataset, size_t index,
                                                             const std::vector<Field>& fields, const OpContext& ctx,
                                                             const std::vector<Field>& filtered) {
  const pb::DataFragment& fragment = dataset->manifest().fragments(static_cast<int>(index));
  std::shared_ptr<FragmentReader> reader(new FragmentReader);
  reader->dataset_ = dataset;
  reader->index_ = index;
  reader->id_ = fragment.id();
  reader->physical_rows_ = fragment.physical_rows();

  std::vector<Future<OpenFile>> opening;
  for (const pb::DataFile& file : fragment.files()) {
    LANCEFS_RETURN_NOT_OK(CheckReadable(file));
    FieldColumns columns = ColumnsIn(file);
    std::vector<Field> wanted;
    for (const Field& field : fields) {
      if (!HasColumn(field, columns)) continue;
      LANCEFS_ASSIGN_OR_RETURN(Field restricted, RestrictTo(field, columns));
      wanted.push_back(std::move(restricted));
    }
    if (wanted.empty()) continue;
    std::vector<int32_t> asked = FieldsIn(columns, filtered);
    auto open = [dataset, &file, columns = std::move(columns), wanted = std::move(wanted), asked = std::move(asked),
                 ctx]() mutable -> Result<OpenFile> {
      OpenFile opened;
      opened.message = &file;
      LANCEFS_ASSIGN_OR_RETURN(opened.file, dataset->OpenDataFile(file, ctx));
      LANCEFS_RETURN_NOT_OK(CheckSameGrammar(file, *opened.file));
      std::vector<uint32_t> indices;
      for (const Field& field : wanted) {
        for (const uint32_t column : ColumnsOf(field, columns, opened.file->version())) indices.push_back(column);
      }
      LANCEFS_ASSIGN_OR_RETURN(auto infos, opened.file->Columns(indices, ctx));
      for (size_t i = 0; i < indices.size(); ++i) opened.infos[indices[i]] = infos[i];
      opened.columns = std::move(columns);
      if (opened.file->version() == FileVersion::kV0_1 && !asked.empty()) {
        LANCEFS_ASSIGN_OR_RETURN(opened.nulls, v1::ReadBatchNulls(opened.file, asked, ctx));
      }
      return opened;
    };
    opening.push_back(Async<OpenFile>(BlockingPool(), std::move(open)));
  }
  Result<std::shared_ptr<const DeletionVector>> deletions = dataset->Deletions(index, ctx);
  Status failed = deletions.ok() ? Status::OK() : deletions.status();
  for (const Future<OpenFile>& future : opening) {
    // Every open is waited for, since it uses the manifest's messages.
    Result<OpenFile> opened = future.Get(OpContext());
    if (!opened.ok()) {
      if (failed.ok()) failed = opened.status();
      continue;
    }
    reader->files_.push_back(std::move(*opened));
  }
  LANCEFS_RETURN_NOT_OK(failed);
  reader->deletions_ = *deletions;
  reader->CollectNulls();
  return reader;
}

// All files of a fragment are cut into the same batches; one that is not is left out.
void FragmentReader::CollectNulls() {
  for (OpenFile& file : files_) {
    if (file.nulls.empty()) continue;
    if (known_nulls_.batch_offsets.empty()) known_nulls_.batch_offsets = file.file->batch_offsets();
    if (known_nulls_.batch_offsets == file.file->batch_offsets()) known_nulls_.nulls.merge(file.nulls);
  }
}

bool FragmentReader::Holds(const OpenFile& file, const Field& field) const { return HasColumn(field, file.columns); }

bool FragmentReader::HasAny(const Field& field) const {
  return std::any_of(files_.begin(), files_.end(), [&](const OpenFile& file) { return Holds(file, field); });
}

RowSelection FragmentReader::LiveRows(uint64_t start, uint64_t end) const {
  if (start >= end) return {};
  if (deletions_ == nullptr) return {{start, end}};
  return deletions_->LiveRanges(start, end);
}

Result<RowSelection> FragmentReader::PhysicalRows(const std::vector<uint64_t>& live_rows) const {
  const uint64_t live = physical_rows_ - (deletions_ == nullptr ? 0 : deletions_->Count());
  RowSelection rows;
  for (const uint64_t live_row : live_rows) {
    if (live_row >= live) return Status::Corruption("fragment " + std::to_string(id_) + " has fewer rows than the manifest says");
    const uint64_t row = deletions_ == nullptr ? live_row : deletions_->NthLive(live_row);
    AddRange(&rows, row, row + 1);
  }
  return rows;
}

const pb::DataFile* FragmentReader::FileOf(const Field& field) const {
  for (const OpenFile& file : files_) {
    if (file.columns.contains(field.id)) return file.message;
  }
  return nullptr;
}

std::optional<uint64_t> FragmentReader::SizeOf(const pb::DataFile& file) const {
  for (const OpenFile& open : files_) {
    if (open.message == &file) return open.file->size();
  }
  return std::nullopt;
}

// Null: the file itself.
RangeReader FragmentReader::Through(const PieceWindow& window, size_t file) const {
  if (window.window == nullptr || window.window->files[file] == nullptr) return nullptr;
  return [pages = window.window->files[file], piece = window.piece](std::vector<ByteRange> ranges, const OpContext& ctx) {
    return pages->ReadRangesAsync(std::move(ranges), piece, ctx);
  };
}

// What each file holds of those fields.
std::vector<std::vector<const ColumnInfo*>> FragmentReader::ColumnsOfFiles(const std::vector<Field>& fields) const {
  std::vector<std::vector<const ColumnInfo*>> columns(files_.size());
  for (size_t i = 0; i < files_.size(); ++i) {
    std::set<uint32_t> seen;
    for (const Field& field : fields) {
      for (const uint32_t column : ColumnsOf(field, files_[i].columns, files_[i].file->version())) {
        const auto info = files_[i].infos.find(column);
        if (info == files_[i].infos.end() || !seen.insert(column).second) continue;
        columns[i].push_back(info->second.get());
      }
    }
  }
  return columns;
}

std::shared_ptr<const FragmentWindow> FragmentReader::MakeGather(const std::vector<Field>& fields, uint64_t memory) const {
  // Values whose width no type bounds are read exactly.
  constexpr uint64_t kNarrow = 1000;
  std::vector<Field> narrow;
  std::copy_if(fields.begin(), fields.end(), std::back_inserter(narrow), [](const Field& field) {
    const uint64_t bytes = FixedValueBytes(*field.type);
    return bytes > 0 && bytes < kNarrow;
  });
  const auto columns = ColumnsOfFiles(narrow);
  auto gather = std::make_shared<FragmentWindow>();
  gather->files.resize(files_.size());
  for (size_t i = 0; i < files_.size(); ++i) {
    if (columns[i].empty()) continue;
    auto reads = std::make_shared<GatheredReads>(files_[i].file, memory);
    for (const ColumnInfo* column : columns[i]) reads->Add(*column);
    reads->Sort();
    gather->files[i] = std::move(reads);
  }
  return gather;
}

std::shared_ptr<const FragmentWindow> FragmentReader::MakeWindow(const std::vector<Field>& fields, const RowSelection& rows,
                                                                 uint64_t memory) const {
  const auto columns = ColumnsOfFiles(fields);
  size_t count = 0;
  for (const auto& of_file : columns) count += of_file.size();
  const StoreTraits& traits = dataset_->store()->traits();
  const uint64_t unit = std::clamp<uint64_t>(memory / std::max<size_t>(1, count), kLeastWindow, traits.max_request);
  auto window = std::make_shared<FragmentWindow>();
  window->files.resize(files_.size());
  for (size_t i = 0; i < files_.size(); ++i) {
    if (columns[i].empty()) continue;
    auto pages = std::make_shared<PageWindow>(files_[i].file, unit);
    for (const ColumnInfo* column : columns[i]) pages->Add(*column, rows, physical_rows_);
    window->files[i] = std::move(pages);
  }
  return window;
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::ReadSplit(const Field& field, const RowSelection& rows,
                                                                const OpContext& ctx, const PieceWindow& window) const {
  if (field.logical_type != "struct" && !IsListOfStructs(field))
    return Status::Corruption("column '" + field.name + "' stands in two data files of fragment " + std::to_string(id_));
  std::vector<Part> parts;
  for (size_t i = 0; i < files_.size(); ++i) {
    const OpenFile& file = files_[i];
    if (!Holds(file, field)) continue;
    LANCEFS_ASSIGN_OR_RETURN(Field restricted, RestrictTo(field, file.columns));
    LANCEFS_ASSIGN_OR_RETURN(auto read, MakeColumnRead(file.file, restricted, file.columns, file.infos, rows));
    std::vector<std::unique_ptr<ColumnRead>> reads;
    reads.push_back(std::move(read));
    LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file.file, std::move(reads), ctx, Through(window, i)));
    parts.push_back({std::move(restricted), arrays[0]});
  }
  return MergeParts(field, parts, static_cast<int64_t>(CountRows(rows)));
}

Result<std::vector<std::shared_ptr<arrow::Array>>> FragmentReader::ReadExactly(const std::vector<Field>& fields,
                                                                               const RowSelection& rows, const OpContext& ctx,
                                                                               const PieceWindow& window) const {
  std::vector<std::shared_ptr<arrow::Array>> out(fields.size());
  struct FileJob {
    const OpenFile* file = nullptr;
    RangeReader reader;
    std::vector<size_t> slots;
    std::vector<std::unique_ptr<ColumnRead>> reads;
  };
  std::vector<FileJob> jobs(files_.size());
  for (size_t i = 0; i < files_.size(); ++i) {
    jobs[i].file = &files_[i];
    jobs[i].reader = Through(window, i);
  }
  for (size_t slot = 0; slot < fields.size(); ++slot) {
    std::vector<size_t> holders;
    for (size_t i = 0; i < files_.size(); ++i) {
      if (Holds(files_[i], fields[slot])) holders.push_back(i);
    }
    if (holders.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(out[slot], MakeNullArray(fields[slot], CountRows(rows)));
    } else if (holders.size() == 1 || HasWhole(fields[slot], files_[holders[0]].columns)) {
      // Several files with the same field are an old writer's mistake; the first one counts.
      const OpenFile& file = files_[holders[0]];
      Result<std::unique_ptr<ColumnRead>> read = MakeColumnRead(file.file, fields[slot], file.columns, file.infos, rows);
      if (!read.ok()) return read.status().WithContext("column '" + fields[slot].name + "'");
      jobs[holders[0]].slots.push_back(slot);
      jobs[holders[0]].reads.push_back(std::move(*read));
    } else {
      LANCEFS_ASSIGN_OR_RETURN(out[slot], ReadSplit(fields[slot], rows, ctx, window));
    }
  }
  using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
  std::vector<Result<Arrays>> results;
  std::vector<FileJob*> busy;
  for (FileJob& job : jobs) {
    if (!job.reads.empty()) busy.push_back(&job);
  }
  if (busy.size() == 1) {
    results.push_back(RunColumnReads(busy[0]->file->file, std::move(busy[0]->reads), ctx, busy[0]->reader));
  } else {
    std::vector<Future<Arrays>> running;
    for (FileJob* job : busy) {
      running.push_back(Async<Arrays>(
          BlockingPool(), [job, ctx] { return RunColumnReads(job->file->file, std::move(job->reads), ctx, job->reader); }));
    }
    for (const auto& future : running) results.push_back(future.Get(OpContext()));  // jobs live on this stack
  }
  for (size_t i = 0; i < busy.size(); ++i) {
    if (!results[i].ok()) return results[i].status().WithContext("fragment " + std::to_string(id_));
    for (size_t k = 0; k < busy[i]->slots.size(); ++k) out[busy[i]->slots[k]] = (*results[i])[k];
  }
  return out;
}

Result<std::vector<std::shared_ptr<arrow::Array>>> FragmentReader::Read(const std::vector<Field>& fields,
                                                                        const RowSelection& rows, const OpContext& ctx,
                                                                        const PieceWindow& window) const {
  if (fields.empty()) return std::vector<std::shared_ptr<arrow::Array>>();
  const uint64_t count = CountRows(rows);
  if (count == 0 || !BetterReadSpan(rows, count, EstimateRowBytes(fields))) return ReadExactly(fields, rows, ctx, window);
  const RowRange span{rows.front().start, rows.back().end};
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, ReadExactly(fields, {span}, ctx, window));
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> bits, arrow::AllocateEmptyBitmap(static_cast<int64_t>(span.length())));
  for (const RowRange& range : rows) {
    arrow::bit_util::SetBitsTo(bits->mutable_data(), static_cast<int64_t>(range.start - span.start),
                               static_cast<int64_t>(range.length()), true);
  }
  const arrow::Datum mask(std::make_shared<arrow::BooleanArray>(static_cast<int64_t>(span.length()), bits));
  LANCEFS_RETURN_NOT_OK(ParallelFor(arrays.size(), [&](size_t i) -> Status {
    LANCEFS_ARROW_ASSIGN(const arrow::Datum kept, arrow::compute::Filter(arrays[i], mask));
    arrays[i] = kept.make_array();
    return Status::OK();
  }));
  return arrays;
}

uint64_t FragmentReader::EstimateRowBytes(const std::vector<Field>& fields) const {
  uint64_t total = 0;
  bool variable = false;
  for (const Field& field : fields) variable |= !arrow::is_fixed_width(field.type->id());
  for (const OpenFile& file : files_) {
    // Pages of 0.1 do not tell their sizes: what a row takes of the whole file bounds them all.
    if (variable && file.file->version() == FileVersion::kV0_1 && physical_rows_ > 0) total += file.file->size() / physical_rows_;
  }
  for (const Field& field : fields) {
    uint64_t stored = 0;
    for (const OpenFile& file : files_) {
      for (const uint32_t column : ColumnsOf(field, file.columns, file.file->version())) {
        const auto info = file.infos.find(column);
        if (info != file.infos.end() && physical_rows_ > 0) stored += info->second->data_bytes / physical_rows_;
      }
    }
    const uint64_t mine = GuessValueBytes(*field.type, stored);
    total = mine > UINT64_MAX - total ? UINT64_MAX : total + mine;
  }
  return std::max<uint64_t>(1, total);
}

const char* SystemColumnName(SystemColumn column) {
  switch (column) {
    case SystemColumn::kRowId: return "_rowid";
    case SystemColumn::kRowAddress: return "_rowaddr";
    case SystemColumn::kRowOffset: return "_rowoffset";
    case SystemColumn::kCreatedAt: return "_row_created_at_version";
    case SystemColumn::kLastUpdatedAt: return "_row_last_updated_at_version";
  }
  return "?";
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::ReadSystem(SystemColumn column, const RowSelection& rows,
                                                                 const OpContext& ctx) const {
  switch (column) {
    case SystemColumn::kRowId: return dataset_->stable_row_ids() ? RowIds(rows, ctx) : RowAddresses(rows);
    case SystemColumn::kRowAddress: return RowAddresses(rows);
    case SystemColumn::kRowOffset: return RowOffsets(rows);
    case SystemColumn::kCreatedAt:
    case SystemColumn::kLastUpdatedAt: return RowVersions(column, rows, ctx);
  }
  return Status::Internal("no such column");
}

namespace {

// What a sequence of row ids or versions holds for `rows`.
template <typename Sequence>
Result<std::shared_ptr<arrow::Array>> Pick(const Sequence& sequence, const RowSelection& rows) {
  const uint64_t count = CountRows(rows);
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(static_cast<int64_t>(count * 8)));
  auto* out = reinterpret_cast<uint64_t*>(values->mutable_data());
  for (const RowRange& range : rows) {
    sequence.Copy(range.start, range.end, out);
    out += range.length();
  }
  return std::static_pointer_cast<arrow::Array>(std::make_shared<arrow::UInt64Array>(static_cast<int64_t>(count), values));
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> FragmentReader::RowIds(const RowSelection& rows, const OpContext& ctx) const {
  const pb::DataFragment& fragment = dataset_->manifest().fragments(static_cast<int>(index_));
  if (fragment.has_column_row_ids()) return StoredLineage(SystemColumn::kRowId, rows, ctx);
  LANCEFS_ASSIGN_OR_RETURN(const auto ids, dataset_->RowIds(index_, ctx));
  return Pick(*ids, rows);
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::RowVersions(SystemColumn column, const RowSelection& rows,
                                                                  const OpContext& ctx) const {
  const pb::DataFragment& fragment = dataset_->manifest().fragments(static_cast<int>(index_));
  const bool created = column == SystemColumn::kCreatedAt;
  if (created ? fragment.has_column_created_at_versions() : fragment.has_column_last_updated_at_versions())
    return StoredLineage(column, rows, ctx);
  const std::string& bytes = created ? fragment.inline_created_at_versions() : fragment.inline_last_updated_at_versions();
  // Tables without the sequences count as written in one go.
  if (bytes.empty()) {
    LANCEFS_ARROW_ASSIGN(auto ones, arrow::MakeArrayFromScalar(arrow::UInt64Scalar(1), static_cast<int64_t>(CountRows(rows))));
    return ones;
  }
  Result<RowVersionSequence> versions =
      RowVersionSequence::Parse(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), physical_rows_);
  if (!versions.ok()) return versions.status().WithContext("fragment " + std::to_string(id_) + ", " + SystemColumnName(column));
  return Pick(*versions, rows);
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::StoredLineage(SystemColumn column, const RowSelection& rows,
                                                                    const OpContext& ctx) const {
  const std::string where = "fragment " + std::to_string(id_) + ", " + SystemColumnName(column);
  Field field;
  field.name = SystemColumnName(column);
  field.logical_type = "uint64";
  field.type = arrow::uint64();
  field.nullable = false;
  field.id = column == SystemColumn::kRowId       ? kRowIdField
             : column == SystemColumn::kCreatedAt ? kCreatedAtField
                                                  : kLastUpdatedAtField;
  for (const pb::DataFile& file : dataset_->manifest().fragments(static_cast<int>(index_)).files()) {
    const auto at = std::find(file.fields().begin(), file.fields().end(), field.id) - file.fields().begin();
    if (at >= file.column_indices_size() || file.column_indices(static_cast<int>(at)) < 0) continue;
    const auto stored = static_cast<uint32_t>(file.column_indices(static_cast<int>(at)));
    LANCEFS_ASSIGN_OR_RETURN(const auto opened, dataset_->OpenDataFile(file, ctx));
    LANCEFS_ASSIGN_OR_RETURN(const auto infos, opened->Columns({stored}, ctx));
    std::vector<std::unique_ptr<ColumnRead>> reads(1);
    LANCEFS_ASSIGN_OR_RETURN(reads[0], MakeColumnRead(opened, field, {{field.id, stored}}, {{stored, infos[0]}}, rows));
    Result<std::vector<std::shared_ptr<arrow::Array>>> arrays = RunColumnReads(opened, std::move(reads), ctx);
    if (!arrays.ok()) return arrays.status().WithContext(where);
    if ((*arrays)[0]->null_count() != 0) return Status::Corruption(where + ": the column holds nulls");
    return (*arrays)[0];
  }
  return Status::Corruption(where + ": no data file has the column");
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::RowAddresses(const RowSelection& rows) const {
  arrow::UInt64Builder builder;
  LANCEFS_ARROW_NOT_OK(builder.Reserve(static_cast<int64_t>(CountRows(rows))));
  for (const RowRange& range : rows) {
    for (uint64_t row = range.start; row < range.end; ++row) builder.UnsafeAppend((id_ << 32) | row);
  }
  return FromArrow(builder.Finish());
}

Result<std::shared_ptr<arrow::Array>> FragmentReader::RowOffsets(const RowSelection& rows) const {
  const uint64_t first = dataset_->FirstRow(index_);
  arrow::UInt64Builder builder;
  LANCEFS_ARROW_NOT_OK(builder.Reserve(static_cast<int64_t>(CountRows(rows))));
  for (const RowRange& range : rows) {
    // Selected rows are live, so within a range of them nothing is deleted.
    uint64_t offset = first + range.start - (deletions_ == nullptr ? 0 : deletions_->CountInRange(0, range.start));
    for (uint64_t row = range.start; row < range.end; ++row) builder.UnsafeAppend(offset++);
  }
  return FromArrow(builder.Finish());
}

}  // namespace lancefs
