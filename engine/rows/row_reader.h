// SPDX-License-Identifier: Apache-2.0
//
// Row formats in: the files that people drop into append/ (RULES 24-28). Columns are matched by name
// against a target schema; every refusal names row, column and value.
//
// Thread safety: a RowReader belongs to one thread.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <memory>
#include <optional>
#include <string>

#include "base/context.h"
#include "base/status.h"
#include "engine/rows/row_writer.h"

namespace lancefs {

// Where a refused value stands. Rows count from 1 (text: header not counted), 0 = unknown.
struct RowError {
  uint64_t row = 0;
  std::string column;  // empty = the row as a whole
  std::string value;   // shortened
  std::string reason;
};

enum class Compression { kNone, kGzip, kZstd };

struct RowReaderOptions {
  // The rows are shaped to this schema: missing nullable columns become null, extra ones are errors.
  // Null: infer (Arrow, Parquet: exactly; text: int64, double, bool, else utf8; RULES 10).
  std::shared_ptr<arrow::Schema> schema;
  // Rows per batch, and bytes of text per batch at most.
  int64_t batch_rows = 64 * 1024;
  int64_t batch_bytes = 16 * 1024 * 1024;
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  // Reads the local file at `path` (it must not change meanwhile).
  // Errors: kInvalidArgument when it is not of that format (with the byte or line).
  static Result<std::unique_ptr<RowReader>> Open(const std::string& path, RowFormat format, Compression compression,
                                                 const RowReaderOptions& options);
  // Of the batches; equals options.schema if that was given.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // The next batch, or null at the end. Errors: kInvalidArgument; error() then has the place.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next(const OpContext& ctx) = 0;
  virtual const std::optional<RowError>& error() const = 0;
};

struct RowFileFormat {
  RowFormat format;
  Compression compression;
};
// From a file name: "x.csv", "x.jsonl.gz", ... No suffix: decided by the first bytes of the file (RULES 25).
// Errors: kInvalidArgument naming the suffix.
Result<RowFileFormat> DetectRowFormat(const std::string& name, const std::string& path);

}  // namespace lancefs
