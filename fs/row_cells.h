// SPDX-License-Identifier: Apache-2.0
//
// Single rows as files: what a cell is called, what bytes it has, and a small cache of the rows that were looked at.
//
//   text                 .txt    the text itself
//   binary               .bin    the bytes themselves; blobs too, but those are only located, never read here
//   JSON columns, nested .json   JSON and a line end
//   all others           .txt    as in canonical JSON without quotes, and a line end
//
// Thread safety: RowCache: all calls, from any thread; the rest are values and free functions.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "engine/scan/blob.h"
#include "engine/table/dataset.h"
#include "fs/refreshed.h"

namespace lancefs {

enum class CellKind { kText, kBinary, kJson, kScalar, kBlob };

CellKind CellKindOf(const Field& field);
// How the column's cell is listed (RULES 7): the column's name and the suffix of its kind.
std::string CellName(const Field& field);
// The column that a component names, by its listed name or by its own; the listed one wins. Absent = none.
std::optional<size_t> FindCell(const Schema& schema, const std::string& name);

struct RowCell {
  std::optional<Bytes> bytes;
  std::optional<BlobPlace> place;  // of a blob
  bool is_null() const { return !bytes && !place; }
  uint64_t size() const { return place ? place->size : bytes ? bytes->size() : 0; }
};

// One row of one version; cells in the order of the schema's columns.
struct CellRow {
  std::vector<RowCell> cells;
  uint64_t bytes = 0;  // that the row takes in memory
};

// Reads the row. REQUIRES: offset < dataset->num_rows().
Result<std::shared_ptr<const CellRow>> ReadCellRow(const std::shared_ptr<const Dataset>& dataset, uint64_t offset,
                                                   const OpContext& ctx);

// The rows that were looked at last; a row that is being read is waited for by all who want it.
class RowCache {
 public:
  using RowPtr = std::shared_ptr<const CellRow>;
  explicit RowCache(uint64_t max_bytes = 32ULL << 20, size_t max_rows = 4096) : max_bytes_(max_bytes), max_rows_(max_rows) {}

  // `key` names the version and the row. kUnavailable where it has to be read and `may_wait` is false.
  Result<RowPtr> Get(const std::string& key, const std::shared_ptr<const Dataset>& dataset, uint64_t offset, const OpContext& ctx,
                     bool may_wait);

 private:
  struct Entry {
    std::shared_ptr<Refreshed<RowPtr>> row;
    std::list<std::string>::iterator position;
    uint64_t bytes = 0;  // 0 until it was read
  };
  // Notes the size of what was read and lets the oldest rows go.
  void Account(const std::string& key, const RowPtr& row);

  const uint64_t max_bytes_;
  const size_t max_rows_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> rows_;  // guarded by mutex_, like all below
  std::list<std::string> recent_;                // most recent first
  uint64_t bytes_ = 0;
};

}  // namespace lancefs
