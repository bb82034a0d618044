// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/typed_reader.h"

#include <arrow/record_batch.h>

#include "engine/arrow_status.h"
#include "engine/rows/convert.h"

namespace lancefs::rows {

Status TypedReader::Start(const std::shared_ptr<arrow::Schema>& file_schema) {
  schema_ = options_.schema;
  if (schema_ == nullptr) {
    schema_ = file_schema;
    return Status::OK();
  }
  return CheckSchema(*file_schema, *schema_, &error_);
}

// Foreign buffers are checked before anything else touches them.
Status TypedReader::Validate(const arrow::RecordBatch& batch) {
  for (int i = 0; i < batch.num_columns(); ++i) {
    const auto& column = batch.column(i);
    const arrow::Status status = column->ValidateFull();
    if (status.ok()) continue;
    const std::string& name = batch.schema()->field(i)->name();
    RowError error{0, name, "", "the data is damaged: " + status.message()};
    if (status.message().find("UTF8") != std::string::npos) {  // the structure is sound, so the row can be found
      for (int64_t row = 0; row < column->length(); ++row) {
        if (column->Slice(row, 1)->ValidateFull().ok()) continue;
        error = RowError{rows_ + static_cast<uint64_t>(row) + 1, name, "", "a string that is not valid UTF-8"};
        break;
      }
    }
    error_ = std::move(error);
    return ToStatus(*error_);
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> TypedReader::Next(const OpContext& ctx) {
  if (!failed_.ok()) return failed_;
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  while (pending_ == nullptr || offset_ >= pending_->num_rows()) {
    auto raw = NextRaw();
    if (!raw.ok()) {
      std::string text = raw.status().message();
      std::replace(text.begin(), text.end(), '\n', ' ');
      return failed_ = Status::InvalidArgument("behind row " + std::to_string(rows_) + ": " + text);
    }
    if (*raw == nullptr) return std::shared_ptr<arrow::RecordBatch>();
    failed_ = Validate(**raw);
    if (!failed_.ok()) return failed_;
    pending_ = *raw;
    offset_ = 0;
  }
  const int64_t count = std::min(pending_->num_rows() - offset_, std::max<int64_t>(options_.batch_rows, 1));
  auto batch = pending_->Slice(offset_, count);
  offset_ += count;
  if (options_.schema != nullptr) {
    auto shaped = ConvertBatch(batch, schema_, rows_, &error_);
    if (!shaped.ok()) return failed_ = shaped.status();
    batch = std::move(shaped).MoveValue();
  }
  rows_ += static_cast<uint64_t>(count);
  return batch;
}

}  // namespace lancefs::rows
