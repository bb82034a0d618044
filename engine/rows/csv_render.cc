// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/csv_render.h"

#include "engine/rows/row_writer.h"
#include "engine/rows/text_column.h"
#include "engine/rows/text_escape.h"

namespace lancefs {

void RenderCsvHeader(const arrow::Schema& schema, char separator, std::string* out) {
  TextBuffer text(out, 64);
  char* p = text.begin();
  for (int i = 0; i < schema.num_fields(); ++i) {
    p = text.Room(p);
    if (i > 0) *p++ = separator;
    p = WriteCsvString(p, schema.field(i)->name(), separator, text);
  }
  *p++ = '\n';
  // Nothing here can fail.
  static_cast<void>(text.Finish(p));
}

Status RenderCsv(const arrow::RecordBatch& batch, char separator, std::string* out) {
  std::vector<TextColumn> columns;
  columns.reserve(batch.num_columns());
  size_t fixed_width = 64;
  for (int i = 0; i < batch.num_columns(); ++i) {
    const arrow::Field* field = batch.schema()->field(i).get();
    LANCEFS_ASSIGN_OR_RETURN(TextColumn column, PrepareTextColumn(batch.column(i), field, TextStyle::kCsv, separator));
    fixed_width += column.fixed_width + 1;
    columns.push_back(std::move(column));
  }
  TextBuffer text(out, fixed_width);
  char* p = text.begin();
  const size_t start = out->size();
  const int64_t rows = batch.num_rows();
  for (int64_t row = 0; row < rows; ++row) {
    p = text.Room(p);
    if (row == kRowsBeforeReserve) p = text.ReserveFor(p, start, row, rows);
    for (const TextColumn& column : columns) {
      if (!column.IsNull(row)) p = column.write(column, row, p, text);
      *p++ = separator;
    }
    p -= columns.empty() ? 0 : 1;
    *p++ = '\n';
    if (text.failed()) break;
  }
  return text.Finish(p);
}

}  // namespace lancefs
