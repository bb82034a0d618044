// SPDX-License-Identifier: Apache-2.0
//
// The deep part of VerifyDataset: pages, row ids, blobs, index files.
//
// Thread safety: one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/scan/blob.h"
#include "engine/scan/fragment_reader.h"
#include "engine/scan/verify.h"

namespace lancefs {

class DeepVerifier {
 public:
  // `problem` is told of every defect; `report` counts.
  DeepVerifier(std::shared_ptr<const Dataset> dataset, std::function<void(const std::string&)> problem, VerifyReport* report)
      : dataset_(std::move(dataset)), problem_(std::move(problem)), report_(report) {}

  // Every page of every column of one data file, deleted rows and columns that left the schema included.
  // Errors: cancelled.
  Status CheckPages(const pb::DataFile& file, const OpContext& ctx);
  // The fragment's row ids and versions, and where its blobs lie.
  Status CheckFragment(size_t fragment, const OpContext& ctx);
  // What concerns several fragments: their ids, their row ids.
  void CheckWhole();
  // The files of all indices.
  Status CheckIndices(const OpContext& ctx);

 private:
  struct PageToRead;

  Status ReadPages(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns,
                   const std::vector<PageToRead>& pages, const std::string& where, const OpContext& ctx);
  Status CheckColumn(const std::shared_ptr<LanceFile>& file, const Field& field, const Field& leaf, const FieldColumns& columns,
                     uint64_t rows, const OpContext& ctx);
  Status CheckWholeField(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns, uint64_t rows,
                         const OpContext& ctx);
  Status CheckBlobs(size_t fragment, const OpContext& ctx);
  Status CheckIndex(const pb::IndexMetadata& index, const OpContext& ctx);
  // The object's size, asked once; nothing if it is not there.
  Result<std::optional<uint64_t>> SizeOf(ObjectStore& store, const std::string& path, const OpContext& ctx);

  std::shared_ptr<const Dataset> dataset_;
  std::function<void(const std::string&)> problem_;
  VerifyReport* report_;
  std::vector<std::pair<uint64_t, uint64_t>> row_ids_;  // of live rows, as [start, end)
  std::map<std::string, std::optional<uint64_t>> sizes_;
};

}  // namespace lancefs
