// SPDX-License-Identifier: Apache-2.0
//
// Shredding: nested Arrow arrays into the repetition and definition levels of one leaf and the
// slices of the leaf's values that are really there (docs/lance/file.md 3.1). Values under null lists
// are left out; which layers are nullable is decided by the data.
//
// Thread safety: functions without state.
#pragma once

#include <arrow/array.h>

#include <string>
#include <vector>

#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/schema.h"

namespace lancefs {

// Rows [offset, offset + length) of an array, relative to the array's own offset.
struct ArraySlice {
  std::shared_ptr<arrow::Array> array;
  int64_t offset = 0;
  int64_t length = 0;
};
using ArraySlices = std::vector<ArraySlice>;
int64_t CountRows(const ArraySlices& slices);
// Cuts rows [start, start + length) out of the slices.
ArraySlices SliceRows(const ArraySlices& slices, int64_t start, int64_t length);
// The array itself, or what an extension array stores.
std::shared_ptr<arrow::Array> StorageOf(std::shared_ptr<arrow::Array> array);

// One way from a top-level field down to a leaf.
struct LeafPath {
  enum class Kind { kStruct, kList, kLargeList, kFixedSizeList, kLeaf };
  struct Step {
    Kind kind = Kind::kLeaf;
    int child = 0;          // struct: which child the way takes
    int32_t dimension = 0;  // fixed-size list
  };
  std::vector<Step> steps;  // outermost first; the last is the leaf
  const Field* field = nullptr;
  const Field* root = nullptr;
  std::string name;  // "a.b.item"
  int num_lists = 0;
};
// The leaves of a top-level field in column order.
std::vector<LeafPath> LeafPaths(const Field& field);

struct PageLevels {
  std::vector<pb::v21::RepDefLayer> layers;  // innermost first
  std::vector<uint16_t> rep;                 // empty: no list layer
  std::vector<uint16_t> def;                 // empty: no layer has a level
  uint64_t num_levels = 0;                   // items, also when both streams are absent
  uint16_t max_rep = 0;
  uint16_t max_def = 0;
  uint16_t max_visible_def = 0;

  bool IsVisible(size_t item) const { return def.empty() || def[item] <= max_visible_def; }
};

struct ShreddedPage {
  PageLevels levels;
  ArraySlices values;       // one leaf value for every visible item
  uint64_t num_values = 0;  // visible items
  uint64_t num_null = 0;    // visible items without a value (def > 0)
  uint64_t length = 0;      // rows, times the dimensions of structural fixed-size lists
  // Bit i = visible item i has a value; empty when all have one.
  std::vector<uint8_t> validity;
};

Result<ShreddedPage> Shred(const ArraySlices& rows, const LeafPath& path);

}  // namespace lancefs
