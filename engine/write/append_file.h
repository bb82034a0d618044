// SPDX-License-Identifier: Apache-2.0
//
// Appending a file of rows (JSONL, CSV, Arrow, Parquet, ...) to a dataset, or creating a dataset from
// one: read, check and encode batch by batch, then commit once. Nothing is visible before the whole
// file was read without error.
//
// Thread safety: free functions; one call a file, any number at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/rows/row_reader.h"
#include "engine/write/append.h"

namespace lancefs {

// `path` is a local file that does not change meanwhile. On a refused row `*error` (if not null) tells its place.
// A file of 0 rows: OK, CommitResult.rows = 0 and the version unchanged.
Result<CommitResult> AppendFile(std::shared_ptr<const Dataset> dataset, const std::string& path, RowFileFormat format,
                                const WriteOptions& options, std::optional<RowError>* error, const OpContext& ctx);

// As above for a new dataset at `dataset_path`; `schema` null = that of the file (RULES 10).
Result<CommitResult> CreateFromFile(std::shared_ptr<ObjectStore> store, const std::string& dataset_path, const std::string& path,
                                    RowFileFormat format, std::shared_ptr<arrow::Schema> schema, FileVersion version,
                                    const WriteOptions& options, std::optional<RowError>* error, const OpContext& ctx);

}  // namespace lancefs
