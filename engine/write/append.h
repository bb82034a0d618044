// SPDX-License-Identifier: Apache-2.0
//
// Writing: data files first, then one commit that makes them a version (docs/lance/table.md 6, 7, 11.2).
// A commit rebases on whatever others committed meanwhile and never fails for contention alone.
//
// Thread safety: an AppendWriter belongs to one thread at a time.
#pragma once

#include <arrow/record_batch.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/table/dataset.h"

namespace lancefs {

struct WriteOptions {
  uint64_t max_rows_per_file = 1024 * 1024;
  uint64_t max_bytes_per_file = 90ULL * 1024 * 1024 * 1024;
  // The commit's identity: a uuid in hyphenated lower case; empty = drawn. A journal that replays after a crash looks for it
  // first.
  std::string transaction_uuid;
  std::map<std::string, std::string> transaction_properties;
};

struct CommitResult {
  uint64_t version = 0;
  uint64_t rows = 0;  // rows added
  std::string transaction_uuid;
  std::shared_ptr<const Dataset> dataset;  // the new version
};

class AppendWriter {
 public:
  virtual ~AppendWriter() = default;  // without Commit: uploaded files are deleted, best effort
  // Appends to `dataset`'s table (its newest version at commit time).
  static Result<std::unique_ptr<AppendWriter>> Make(std::shared_ptr<const Dataset> dataset, const WriteOptions& options);
  // Creates a table at `path`. Errors of Commit: kAlreadyExists when another made it first.
  static Result<std::unique_ptr<AppendWriter>> MakeCreate(std::shared_ptr<ObjectStore> store, std::string path,
                                                          std::shared_ptr<arrow::Schema> schema, FileVersion version,
                                                          const WriteOptions& options);
  // The schema that batches must have.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual uint64_t rows() const = 0;
  // Errors: kInvalidArgument when the batch does not fit the schema.
  virtual Status Write(const arrow::RecordBatch& batch, const OpContext& ctx) = 0;
  // Finishes the files and commits. Append of 0 rows: OK, version unchanged, nothing written.
  // Errors: kConflict (the table was overwritten or its schema changed: redo), kNotSupported (flags),
  // kUnknownOutcome only if the store stayed unreadable.
  virtual Result<CommitResult> Commit(const OpContext& ctx) = 0;
};

// Whether a transaction with that uuid is among the newest `depth` versions: (version) or absent.
Result<std::optional<uint64_t>> FindTransaction(const Dataset& dataset, const std::string& uuid, size_t depth,
                                                const OpContext& ctx);

}  // namespace lancefs
