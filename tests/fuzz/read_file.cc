// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/read_file.h"

#include <arrow/api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "backends/memory_store.h"
#include "engine/format/column_read.h"
#include "engine/format/decoded_size.h"
#include "engine/format/proto/file.pb.h"
#include "engine/rows/row_writer.h"

namespace lancefs {
namespace {

constexpr uint64_t kMaxRows = 2000;  // of one read; a scan asks for pieces like this

RowSelection SomeRows(uint64_t rows) {
  RowSelection some;
  for (uint64_t row = 1; row < rows && some.size() < 5; row = row * 5 + 2)
    some.push_back({row, std::min(row + 1 + row % 3, rows)});
  return some;
}

Result<std::shared_ptr<arrow::Array>> ReadField(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                const FieldColumns& columns, const RowSelection& rows) {
  const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
  LANCEFS_ASSIGN_OR_RETURN(const auto read_infos, file->Columns(indices, OpContext()));
  ColumnInfos infos;
  for (size_t i = 0; i < indices.size(); ++i) infos[indices[i]] = read_infos[i];
  std::vector<std::unique_ptr<ColumnRead>> reads(1);
  LANCEFS_ASSIGN_OR_RETURN(reads[0], MakeColumnRead(file, field, columns, infos, rows));
  LANCEFS_ASSIGN_OR_RETURN(const auto arrays, RunColumnReads(file, std::move(reads), OpContext()));
  return arrays[0];
}

const std::shared_ptr<ObjectStore>& Store() {
  static const std::shared_ptr<ObjectStore> store = MakeMemoryStore();
  return store;
}

Result<std::shared_ptr<LanceFile>> OpenBytes(std::string_view bytes) {
  const auto copy = Bytes::Copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  LANCEFS_RETURN_NOT_OK(Store()->Put("f.lance", copy, OpContext()));
  return LanceFile::Open(Store(), "f.lance", bytes.size(), OpContext());
}

// What the pages say of their sizes.
void MeasureColumns(const std::shared_ptr<LanceFile>& file, const FieldColumns& columns) {
  const OpContext ctx;
  for (const auto& [id, index] : columns) {
    const auto infos = file->Columns({index}, ctx);
    if (!infos.ok()) continue;
    const auto size = MeasureColumn(file->version(), *(*infos)[0], /*variable=*/true);
    if (!size.ok()) continue;
    for (const StoredItems& items : size->items) {
      auto answers = file->ReadRangesAsync(items.ranges, ctx).Get(ctx);
      if (answers.ok() && items.next != nullptr) {
        const auto ranges = items.next(*answers);
        if (!ranges.ok()) continue;
        answers = file->ReadRangesAsync(*ranges, ctx).Get(ctx);
      }
      if (answers.ok()) (void)items.measure(*answers).ok();
    }
  }
}

// All fields, whole and some rows. The number of arrays that could be read.
size_t ReadFields(const std::shared_ptr<LanceFile>& file, const Schema& schema, const FieldColumns& columns, uint64_t rows) {
  MeasureColumns(file, columns);
  size_t arrays = 0;
  const RowSelection selections[] = {
      {{0, std::min(rows, kMaxRows)}}, SomeRows(rows), {{rows - std::min<uint64_t>(rows, 3), rows}}};
  for (const Field& field : schema.fields) {
    for (const RowSelection& selection : selections) {
      if (CountRows(selection) == 0) continue;
      const auto array = ReadField(file, field, columns, selection);
      if (!array.ok()) continue;
      ++arrays;
      if ((*array)->length() != static_cast<int64_t>(CountRows(selection)) || !(*array)->type()->Equals(*field.type)) {
        std::fprintf(stderr, "%ld rows of %s\n", static_cast<long>((*array)->length()), (*array)->type()->ToString().c_str());
        std::abort();
      }
      UseBatch(*arrow::RecordBatch::Make(arrow::schema({field.ToArrow()}), (*array)->length(), {*array}));
    }
  }
  return arrays;
}

Status ReadAll(std::string_view bytes, bool (*wanted)(FileVersion)) {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<LanceFile> file, OpenBytes(bytes));
  if (!wanted(file->version())) return Status::OK();
  LANCEFS_ASSIGN_OR_RETURN(const Bytes buffer, file->GlobalBuffer(0, OpContext()));
  pb::FileDescriptor descriptor;
  if (!descriptor.ParseFromArray(buffer.data(), static_cast<int>(buffer.size()))) return Status::Corruption("no descriptor");
  LANCEFS_ASSIGN_OR_RETURN(const Schema schema, SchemaFromProto(descriptor.schema().fields(), {}));
  FieldColumns columns;
  for (const Field* field : PhysicalFields(schema, file->version())) columns.try_emplace(field->id, columns.size());
  ReadFields(file, schema, columns, std::min<uint64_t>(descriptor.length(), UINT32_MAX));
  return Status::OK();
}

}  // namespace

void UseBatch(const arrow::RecordBatch& batch) {
  const arrow::Status valid = batch.ValidateFull();
  // A value that its type forbids is the writer's business; everything else would let others read where nothing is.
  static constexpr const char* kValues[] = {"UTF8", "Decimal value", "acceptable range", "whole number of days"};
  const bool value = std::any_of(std::begin(kValues), std::end(kValues),
                                 [&](const char* text) { return valid.message().find(text) != std::string::npos; });
  if (!valid.ok() && !value) {
    std::fprintf(stderr, "%s\n", valid.ToString().c_str());
    std::abort();
  }
  std::string text;
  (void)RenderJsonl(batch, &text).ok();
}

bool ReadLegacyFile(std::string_view bytes, const Schema& schema) {
  const auto file = OpenBytes(bytes);
  if (!file.ok() || (*file)->version() != FileVersion::kV0_1) return false;
  FieldColumns columns;
  for (const Field& top : schema.fields)
    top.ForEach([&](const Field& field) { columns.try_emplace(field.id, static_cast<uint32_t>(field.id)); });
  const auto rows = (*file)->CountRows(OpContext());
  return rows.ok() && ReadFields(*file, schema, columns, *rows) != 0;
}

void ReadFile(std::string_view bytes, bool (*wanted)(FileVersion)) { (void)ReadAll(bytes, wanted).ok(); }

}  // namespace lancefs
