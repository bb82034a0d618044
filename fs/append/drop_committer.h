// SPDX-License-Identifier: Apache-2.0
//
// DropCommitter: turns the spooled bytes of a drop into a new version of the table (or into a new
// table), once, and writes the history.
//
// Thread safety: all calls, from any thread, for different drops.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/rows/row_reader.h"
#include "engine/write/append.h"
#include "fs/append/drop.h"
#include "fs/append_area.h"

namespace lancefs {

class DropCommitter {
 public:
  DropCommitter(const AppendAreaOptions& options, std::shared_ptr<Spool> spool) : options_(options), spool_(std::move(spool)) {}

  // Commits what the drop holds beyond its committed bytes. `name` is relative to append/. REQUIRES: the caller set
  // drop.committing (or nobody else knows the drop). Success leaves the drop clean; a refusal is kept in drop.refused and logged
  // with row and column.
  Status Commit(Drop& drop, const std::string& name, int64_t mtime_ns, const Caller& caller, bool error_is_seen,
                const OpContext& ctx);
  // Checks the whole lines among the first bytes, so that a bad row fails the WRITE that brings it. Only text, only small files.
  Status CheckEarly(Drop& drop, const std::string& name, const Caller& caller);
  // Checks everything that is there, without committing (FSYNC).
  Status CheckAll(Drop& drop, const std::string& name, const Caller& caller);
  // A drop that a crash left sealed: committed unless its transaction is among the table's versions already.
  Status Recover(const LeftDrop& left);
  void Report(const std::string& name, const Caller& caller, const Status& status, const std::optional<RowError>& error,
              bool seen);

 private:
  Result<RowFileFormat> FormatOf(const std::string& name, const std::string& path) const;
  Result<CommitResult> CommitFile(const std::string& path, RowFileFormat format, const std::string& uuid, bool* created,
                                  std::optional<RowError>* error, const OpContext& ctx);
  std::shared_ptr<arrow::Schema> NewTableSchema() const {
    return options_.new_table_schema ? options_.new_table_schema() : nullptr;
  }
  Status CheckRows(const std::string& path, RowFileFormat format, std::optional<RowError>* error);

  const AppendAreaOptions options_;
  const std::shared_ptr<Spool> spool_;
};

}  // namespace lancefs
