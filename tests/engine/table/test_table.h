// SPDX-License-Identifier: Apache-2.0
//
// Small tables for tests of the table layer.
#pragma once

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/memory_store.h"
#include "engine/format/manifest.h"
#include "engine/format/row_ids.h"
#include "engine/scan/scanner.h"
#include "engine/write/append.h"
#include "engine/write/commit.h"

namespace lancefs {

inline std::shared_ptr<arrow::Schema> IdSchema() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())});
}

// Rows id = first ... first + count - 1; every third name is null.
inline std::shared_ptr<arrow::RecordBatch> IdBatch(int64_t first, int64_t count) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(ids.Append(i).ok());
    EXPECT_TRUE((i % 3 == 0 ? names.AppendNull() : names.Append("n" + std::to_string(i))).ok());
  }
  return arrow::RecordBatch::Make(IdSchema(), count, {ids.Finish().ValueOrDie(), names.Finish().ValueOrDie()});
}

inline std::shared_ptr<const Dataset> CreateTable(std::shared_ptr<ObjectStore> store, const std::string& path, int64_t rows,
                                                  FileVersion version = FileVersion::kV2_2, uint64_t rows_per_file = 1 << 20) {
  WriteOptions options;
  options.max_rows_per_file = rows_per_file;
  auto writer = AppendWriter::MakeCreate(std::move(store), path, IdSchema(), version, options);
  EXPECT_TRUE(writer.ok()) << writer.status().ToString();
  if (rows > 0) {
    EXPECT_TRUE((*writer)->Write(*IdBatch(0, rows), OpContext()).ok());
  }
  auto result = (*writer)->Commit(OpContext());
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result->dataset;
}

inline Result<CommitResult> AppendRows(std::shared_ptr<const Dataset> dataset, int64_t first, int64_t count) {
  LANCEFS_ASSIGN_OR_RETURN(auto writer, AppendWriter::Make(std::move(dataset), WriteOptions()));
  LANCEFS_RETURN_NOT_OK(writer->Write(*IdBatch(first, count), OpContext()));
  return writer->Commit(OpContext());
}

// Commits `transaction` as version `version` the way another writer would: its own manifest, unseen by us.
inline void CommitAsOther(const Dataset& base, const std::function<void(pb::Manifest*, pb::Transaction*)>& change) {
  pb::Manifest manifest = base.manifest();
  pb::Transaction transaction;
  transaction.set_read_version(base.version());
  transaction.set_uuid(UuidText(RandomUuidBytes()));
  manifest.set_version(base.version() + 1);
  change(&manifest, &transaction);
  const std::string bytes = SerializeManifestFile(manifest, base.index_section(), &transaction);
  const auto outcome = base.store()->PutIfAbsent(base.ObjectPath("_versions/" + ManifestName(base.version() + 1, base.naming())),
                                                 Bytes::FromString(bytes), OpContext());
  ASSERT_TRUE(outcome.ok());
  ASSERT_EQ(*outcome, PutOutcome::kCreated);
}

inline Result<std::vector<int64_t>> ReadIds(std::shared_ptr<const Dataset> dataset, ScanOptions options = {}) {
  std::vector<int64_t> ids;
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(std::move(dataset), std::move(options)));
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(auto batch, stream->Next(OpContext()));
    if (batch == nullptr) return ids;
    const auto& column = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
    for (int64_t i = 0; i < column.length(); ++i) ids.push_back(column.Value(i));
  }
}

inline std::vector<int64_t> Numbers(int64_t first, int64_t end) {
  std::vector<int64_t> out;
  for (int64_t i = first; i < end; ++i) out.push_back(i);
  return out;
}

}  // namespace lancefs
