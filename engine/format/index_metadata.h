// SPDX-License-Identifier: Apache-2.0
//
// The index section of a manifest (docs/lance/table.md 2.6), as values: which indices a version has, of what, and which
// fragments they cover.
//
// Thread safety: values and free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

struct IndexFileInfo {
  std::string path;  // in the segment's directory
  uint64_t bytes = 0;
};

// One part of an index, `_indices/<uuid>/`.
struct IndexSegment {
  std::string uuid;  // hyphenated, lower case
  uint64_t dataset_version = 0;
  int32_t index_version = 0;
  std::optional<int64_t> created_ms;               // since the epoch
  std::optional<std::vector<uint32_t>> fragments;  // that it covers, ascending, gone ones included; absent = unknown
  std::vector<IndexFileInfo> files;                // empty: the writer did not say
  std::optional<uint32_t> base_id;
};

struct IndexDescription {
  std::string name;
  std::string type;    // as the reference names it: BTree, Bitmap, Inverted, IVF_PQ, IVF_HNSW_SQ, ...; empty = not said
  std::string metric;  // of vector indices: l2, cosine, dot, hamming
  std::string type_url;
  std::vector<int32_t> fields;  // ids
  std::vector<IndexSegment> segments;
  // Kept by Lance for its own use (fragment reuse, write-ahead logs).
  bool is_system() const { return name.starts_with("__lance_"); }
};

// All indices by name, ascending. `section` may be empty. Errors: kCorruption.
Result<std::vector<IndexDescription>> ParseIndexSection(const std::string& section);

}  // namespace lancefs
