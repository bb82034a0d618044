// SPDX-License-Identifier: Apache-2.0
//
// What the readers of typed files (Arrow, Parquet) share: validation of the batches, shaping to the
// target, slicing to the batch size, exact rows in errors.
//
// Thread safety: one thread.
#pragma once

#include <arrow/io/file.h>

#include <memory>
#include <optional>
#include <string>

#include "engine/rows/row_reader.h"

namespace lancefs::rows {

class TypedReader : public RowReader {
 public:
  explicit TypedReader(const RowReaderOptions& options) : options_(options) {}
  // Judges the columns of the file by name and type.
  Status Start(const std::shared_ptr<arrow::Schema>& file_schema);
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> Next(const OpContext& ctx) override;
  const std::optional<RowError>& error() const override { return error_; }

 protected:
  // The next batch as the file has it, or null at the end.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> NextRaw() = 0;

 private:
  Status Validate(const arrow::RecordBatch& batch);

  RowReaderOptions options_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatch> pending_;  // not handed out yet from offset_ on
  int64_t offset_ = 0;
  uint64_t rows_ = 0;  // handed out
  std::optional<RowError> error_;
  Status failed_;
};

// Opens a file of at least one byte.
Result<std::shared_ptr<arrow::io::ReadableFile>> OpenLocalFile(const std::string& path);

}  // namespace lancefs::rows
