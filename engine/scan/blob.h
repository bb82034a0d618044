// SPDX-License-Identifier: Apache-2.0
//
// Blobs: where the bytes of a blob column lie (docs/lance/file.md 3.7, 3.8), and fetching them. Columns
// are read as descriptors first (engine/format/blob_descriptor.h); no byte is read that nobody asked for.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <arrow/array.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/scan/fragment_reader.h"
#include "engine/table/dataset.h"

namespace lancefs {

// Where the bytes of one blob lie, so that parts of it can be read without the rest.
struct BlobPlace {
  std::shared_ptr<ObjectStore> store;
  std::string path;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// For each of `offsets` (live rows, dataset order, duplicates allowed, that order kept) the place of the blob in `column` (a
// field path "a.b", not below lists); nullopt = null. Reads descriptors only, never blob bytes.
// Errors: kInvalidArgument (no such column, no blob column, offset out of range), kCorruption.
Result<std::vector<std::optional<BlobPlace>>> LocateBlobs(std::shared_ptr<const Dataset> dataset, const std::string& column,
                                                          const std::vector<uint64_t>& offsets, const OpContext& ctx);

// The blobs of one fragment: from descriptors to places and bytes.
class BlobFetcher {
 public:
  BlobFetcher(std::shared_ptr<const Dataset> dataset, std::shared_ptr<const FragmentReader> reader)
      : dataset_(std::move(dataset)), reader_(std::move(reader)) {}

  // The places of one blob field's descriptors; an external blob of unknown size costs a HEAD once.
  Result<std::vector<std::optional<BlobPlace>>> Places(const Field& blob, const arrow::Array& descriptors, const OpContext& ctx);
  // Adds to `row_bytes`, one a row, the sizes of all blobs in `array`, a column of `field` with descriptors.
  Status AddRowBytes(const Field& field, const arrow::Array& array, std::vector<uint64_t>* row_bytes, const OpContext& ctx);
  // That column with the bytes in the descriptors' place: of WithBlobBytes(field)'s type.
  Result<std::shared_ptr<arrow::Array>> Fetch(const Field& field, const std::shared_ptr<arrow::Array>& array,
                                              const OpContext& ctx);
  // The same with empty values in the place of the bytes, for those who only ask which are null.
  static Result<std::shared_ptr<arrow::Array>> Presence(const Field& field, const std::shared_ptr<arrow::Array>& array);

 private:
  // An object that holds blobs.
  struct Object {
    std::shared_ptr<ObjectStore> store;
    std::string path;
    std::optional<uint64_t> size;
  };
  struct Span {                      // one blob
    std::shared_ptr<Object> object;  // null = a null blob
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  struct Descriptors;

  Result<std::shared_ptr<Object>> ObjectOf(const pb::DataFile& file, const Descriptors& all, int64_t row);
  static Object HeldBytes(const arrow::StringArray& uris);
  Result<std::vector<Span>> Locate(const Field& blob, const arrow::Array& descriptors, const OpContext& ctx);
  Status FindSizes(std::vector<std::shared_ptr<Object>> objects, const OpContext& ctx);
  Status CheckSizes(const std::vector<Span>& spans, const OpContext& ctx);
  Status Read(const std::vector<Span>& spans, uint8_t* out, const OpContext& ctx);
  Result<std::shared_ptr<arrow::Array>> FetchLeaf(const Field& blob, const arrow::Array& descriptors, const OpContext& ctx);

  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const FragmentReader> reader_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Object>> objects_;  // guarded by mutex_, by what names them; their sizes too
};

}  // namespace lancefs
