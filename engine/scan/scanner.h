// SPDX-License-Identifier: Apache-2.0
//
// Scanning a dataset: projection, filter, limit, offset, as a stream of record batches in dataset
// order. Filter columns are read first and the others only for rows that survive; a projection
// reads only its columns; deleted rows never appear.
//
// Thread safety: a BatchStream belongs to one thread at a time; Dataset may be shared.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/sql/expression.h"
#include "engine/table/dataset.h"

namespace lancefs {

struct ScanOptions {
  // Output columns; absent = all columns of the schema. An empty list gives rows without columns.
  std::optional<std::vector<SelectItem>> select;
  std::shared_ptr<const Expression> filter;  // null = all rows
  std::optional<uint64_t> limit;
  uint64_t offset = 0;                             // applied after the filter
  bool with_row_id = false;                        // adds _rowid (uint64) last
  bool with_row_address = false;                   // adds _rowaddr (uint64) last
  std::optional<std::vector<uint64_t>> fragments;  // only these fragment ids
  // Only these row offsets (live rows, dataset order of the version); the result is in dataset order.
  std::optional<std::vector<uint64_t>> take;
  // Target size of a batch in Arrow bytes; memory in flight is a small multiple of it.
  uint64_t batch_bytes = 8 * 1024 * 1024;
  uint64_t max_batch_rows = 64 * 1024;
  // The caller reads to the end, so the first rows need not come before the others.
  bool reads_all = false;
};

class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // The next batch (never empty), or null at the end.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next(const OpContext& ctx) = 0;
};

// Errors: kInvalidArgument (unknown fragment id, offset out of range in take). No data is read before Next.
Result<std::unique_ptr<BatchStream>> Scan(std::shared_ptr<const Dataset> dataset, ScanOptions options);
// The output schema of such a scan.
Result<std::shared_ptr<arrow::Schema>> ScanSchema(const Dataset& dataset, const ScanOptions& options);
// Counts the rows; from the manifest alone where no filter stands in the way.
Result<uint64_t> CountRows(std::shared_ptr<const Dataset> dataset, ScanOptions options, const OpContext& ctx);
// What the scan would do, as text (fragments, columns read first, columns read late).
Result<std::string> ExplainScan(const Dataset& dataset, const ScanOptions& options);

// Rows at `offsets` (live rows, 0-based in dataset order) in exactly that order, duplicates allowed.
Result<std::shared_ptr<arrow::RecordBatch>> Take(std::shared_ptr<const Dataset> dataset, const std::vector<uint64_t>& offsets,
                                                 const std::vector<std::string>& columns, const OpContext& ctx);

}  // namespace lancefs
