// SPDX-License-Identifier: Apache-2.0
//
// DataFileWriter: record batches into one Lance data file of version 2.0, 2.1 or 2.2, with
// encodings and sizes comparable to pylance's own. Pages go out as they fill, so memory stays at
// about `page_bytes` a column.
//
// Thread safety: one thread at a time (encoding inside uses the CPU pool).
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <vector>

#include "backends/object_store.h"
#include "engine/format/schema.h"

namespace lancefs {

struct DataFileWriterOptions {
  FileVersion version = FileVersion::kV2_2;
  uint64_t page_bytes = 8 * 1024 * 1024;  // Arrow bytes of a column that make a page (counted per slice)
};

// What the manifest's DataFile message needs.
struct WrittenDataFile {
  uint64_t rows = 0;
  uint64_t size_bytes = 0;
  FileVersion version = FileVersion::kV2_2;
  std::vector<int32_t> fields;          // field ids, by version as docs/lance/table.md 2.5 says
  std::vector<int32_t> column_indices;  // one each
};

class DataFileWriter {
 public:
  virtual ~DataFileWriter() = default;
  // Takes over `sink`. Batches must have the types of `schema` (schema.ToArrow(), names not checked;
  // field metadata keys lance-encoding:* are honoured). Errors: kNotSupported for a type that the
  // version cannot store, e.g. a map in 2.0.
  static Result<std::unique_ptr<DataFileWriter>> Make(std::unique_ptr<ObjectWriter> sink, const Schema& schema,
                                                      const DataFileWriterOptions& options);
  // Errors: kInvalidArgument for a null where none is allowed (naming column and row).
  virtual Status Write(const arrow::RecordBatch& batch, const OpContext& ctx) = 0;
  // Bytes of the file so far, counting pages that are not full yet at their Arrow size.
  virtual uint64_t EstimatedSize() const = 0;
  virtual uint64_t rows() const = 0;
  // Writes what is left and finishes the sink. Without it nothing becomes visible.
  virtual Result<WrittenDataFile> Finish(const OpContext& ctx) = 0;
};

}  // namespace lancefs
