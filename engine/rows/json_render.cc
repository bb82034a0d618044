// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/json_render.h"

#include "engine/rows/row_writer.h"
#include "engine/rows/text_column.h"
#include "engine/rows/text_escape.h"

namespace lancefs {
namespace {

std::string Key(bool first, const std::string& name) {
  std::string key = first ? "{\"" : ",\"";
  for (const char c : name) {
    const auto& e = kJsonEscapes.entry[static_cast<uint8_t>(c)];
    key.append(e.text, e.length);
  }
  return key + "\":";
}

struct Lines {
  std::vector<TextConstant> keys;
  std::vector<TextColumn> columns;
  size_t fixed_width = 64;

  Status Prepare(const arrow::RecordBatch& batch) {
    columns.reserve(batch.num_columns());
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto& field = batch.schema()->field(i);
      LANCEFS_ASSIGN_OR_RETURN(TextColumn column, PrepareTextColumn(batch.column(i), field.get(), TextStyle::kJson));
      keys.emplace_back(Key(i == 0, field->name()));
      fixed_width += column.fixed_width + keys.back().room();
      columns.push_back(std::move(column));
    }
    return Status::OK();
  }
};

}  // namespace

Status RenderJsonRows(const arrow::RecordBatch& batch, std::string_view end, std::string* out) {
  Lines lines;
  LANCEFS_RETURN_NOT_OK(lines.Prepare(batch));
  TextBuffer text(out, lines.fixed_width);
  char* p = text.begin();
  const size_t start = out->size();
  const int64_t rows = batch.num_rows();
  const size_t columns = lines.columns.size();
  for (int64_t row = 0; row < rows; ++row) {
    p = text.Room(p);
    if (row == kRowsBeforeReserve) p = text.ReserveFor(p, start, row, rows);
    if (columns == 0) *p++ = '{';
    for (size_t i = 0; i < columns; ++i) {
      const TextColumn& column = lines.columns[i];
      p = lines.keys[i].CopyTo(p);
      if (column.IsNull(row)) {
        std::memcpy(p, "null", 4);
        p += 4;
      } else {
        p = column.write(column, row, p, text);
      }
    }
    *p++ = '}';
    std::memcpy(p, end.data(), end.size());
    p += end.size();
    if (text.failed()) break;
  }
  return text.Finish(p);
}

Status RenderJsonl(const arrow::RecordBatch& batch, std::string* out) { return RenderJsonRows(batch, "\n", out); }

Status RenderJsonValue(const arrow::Array& array, int64_t row, std::string* out) {
  if (row < 0 || row >= array.length()) {
    return Status::InvalidArgument("row " + std::to_string(row) + " of an array of " + std::to_string(array.length()));
  }
  LANCEFS_ASSIGN_OR_RETURN(const TextColumn column, PrepareTextColumn(arrow::MakeArray(array.data()), nullptr, TextStyle::kJson));
  TextBuffer text(out, column.fixed_width + 64);
  char* p = text.begin();
  if (column.IsNull(row)) {
    std::memcpy(p, "null", 4);
    p += 4;
  } else {
    p = column.write(column, row, p, text);
  }
  return text.Finish(p);
}

}  // namespace lancefs
