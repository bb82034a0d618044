// SPDX-License-Identifier: Apache-2.0
//
// Repetition and definition levels (docs/lance/file.md 3.1): what the layers of a page mean, which
// items and values belong to a selection of rows, and turning levels back into validity bitmaps and
// list offsets, one layer at a time from the leaf outwards.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/structural/grow_buffer.h"

namespace lancefs::structural {

// What the schema says about one layer of a leaf's path, innermost (the leaf) first.
struct PathStep {
  bool list = false;
  uint32_t dimension = 0;  // of a fixed-size list of structs; else 0
};
using LeafPath = std::vector<PathStep>;

struct LayerLevels {
  bool list = false;
  uint32_t dimension = 0;
  uint16_t null_level = 0;   // 0 = no nulls in this layer of this page
  uint16_t empty_level = 0;  // 0 = no empty lists
  uint16_t top = 0;          // highest level of this layer and all further in
  uint16_t visible_max = 0;  // highest level that still owns a slot in this layer
};

struct PageLayers {
  std::vector<LayerLevels> layers;
  uint16_t max_def = 0;
  uint16_t max_rep = 0;
  uint16_t max_visible_def = 0;  // an item owns a value iff its level is not higher

  // There may be more layers of items than the path has steps; those further out are not read.
  static Result<PageLayers> Make(const google::protobuf::RepeatedField<int>& layers, const LeafPath& path);
};

// The levels of some items. Without lists `rep` is empty, without nulls and empty lists `def`.
struct Levels {
  std::vector<uint16_t> rep;
  std::vector<uint16_t> def;
  uint64_t items = 0;

  void Clear() {
    rep.clear();
    def.clear();
    items = 0;
  }
};

// Checks sizes and that no level is beyond what the layers allow.
Status CheckLevels(const PageLayers& layers, const Levels& levels);

// Of `levels`, whose first starting row is `first_row` (items before it finish an earlier row),
// the items of `rows` are appended to `out` and their values' ranges, counted from the first visible
// item, to `values`. REQUIRES: CheckLevels. Errors: kCorruption if the rows are not all there.
Status SelectRows(const PageLayers& layers, const Levels& levels, uint64_t first_row, const RowSelection& rows, Levels* out,
                  RowSelection* values);

// Number of items that own a value.
uint64_t CountVisible(const PageLayers& layers, const Levels& levels);

// One layer of the output.
struct LayerValues {
  BitmapValues validity;
  std::vector<int64_t> offsets;  // lists: end of each list, in slots of the next layer inwards
  uint64_t slots = 0;
};

// Appends a page's (selected) levels to the layers. Consumes `levels`.
Status Unravel(const PageLayers& layers, Levels* levels, std::vector<LayerValues>* out);

}  // namespace lancefs::structural
