// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/rep_def.h"

#include <algorithm>

namespace lancefs::structural {
namespace {

uint16_t MaxOf(const std::vector<uint16_t>& levels) {
  uint16_t max = 0;
  for (const uint16_t level : levels) max = std::max(max, level);
  return max;
}

// Counters as narrow as the levels let the compiler compare many at once.
constexpr uint64_t kCounted = 256;

uint64_t CountVisibleIn(const std::vector<uint16_t>& def, uint64_t begin, uint64_t end, uint16_t max_visible) {
  uint64_t visible = 0;
  for (; end - begin >= kCounted; begin += kCounted) {
    uint16_t block = 0;
    for (uint64_t i = begin; i < begin + kCounted; ++i) block = static_cast<uint16_t>(block + (def[i] <= max_visible ? 1 : 0));
    visible += block;
  }
  for (; begin < end; ++begin) visible += def[begin] <= max_visible ? 1 : 0;
  return visible;
}

uint64_t CountEqual(const uint16_t* levels, uint64_t count, uint16_t wanted) {
  uint64_t found = 0;
  for (; count >= kCounted; levels += kCounted, count -= kCounted) {
    uint16_t block = 0;
    for (uint64_t i = 0; i < kCounted; ++i) block = static_cast<uint16_t>(block + (levels[i] == wanted ? 1 : 0));
    found += block;
  }
  for (uint64_t i = 0; i < count; ++i) found += levels[i] == wanted ? 1 : 0;
  return found;
}

// Without lists every item is a row.
Status SelectFlat(const Levels& levels, uint64_t first_row, const RowSelection& rows, Levels* out, RowSelection* values) {
  for (const RowRange& range : rows) {
    if (range.start < first_row || range.end - first_row > levels.items)
      return Status::Corruption("rows are missing in the levels");
    const uint64_t begin = range.start - first_row;
    const uint64_t end = range.end - first_row;
    if (!levels.def.empty()) {
      out->def.insert(out->def.end(), levels.def.begin() + static_cast<ptrdiff_t>(begin),
                      levels.def.begin() + static_cast<ptrdiff_t>(end));
    }
    out->items += end - begin;
    AddRange(values, begin, end);
  }
  return Status::OK();
}

// Finds where rows start among items; rows are asked for in ascending order.
class RowFinder {
 public:
  RowFinder(const std::vector<uint16_t>& rep, uint16_t max_rep, uint64_t first_row)
      : rep_(rep), max_rep_(max_rep), next_row_(first_row) {}

  // The item at which `row` starts; the number of items if the row is the one behind the last.
  Status Find(uint64_t row, uint64_t* item) {
    if (row + 1 == next_row_) {  // asked for again
      *item = last_;
      return Status::OK();
    }
    while (rep_.size() - position_ >= kCounted) {
      const uint64_t starts = CountEqual(rep_.data() + position_, kCounted, max_rep_);
      if (next_row_ + starts > row) break;
      next_row_ += starts;
      position_ += kCounted;
    }
    for (; position_ < rep_.size(); ++position_) {
      if (rep_[position_] != max_rep_) continue;
      if (next_row_++ == row) {
        *item = last_ = position_++;
        return Status::OK();
      }
    }
    if (next_row_ != row) return Status::Corruption("a row is missing in the levels");
    *item = rep_.size();
    return Status::OK();
  }

 private:
  const std::vector<uint16_t>& rep_;
  const uint16_t max_rep_;
  uint64_t next_row_;  // the number of the next row start at or behind position_
  uint64_t position_ = 0;
  uint64_t last_ = 0;
};

Status UnravelItem(const LayerLevels& layer, uint16_t below, const Levels& levels, LayerValues* out) {
  uint64_t slots = levels.items;
  if (levels.def.empty()) {
    out->slots += slots;
    return out->validity.AppendValid(slots);
  }
  const bool all_slots = MaxOf(levels.def) <= layer.visible_max;
  if (all_slots) {
    out->slots += slots;
    return layer.null_level == 0 ? out->validity.AppendValid(slots) : out->validity.AppendLevels(levels.def.data(), slots, below);
  }
  std::vector<uint16_t> mine(levels.def.size());
  slots = 0;
  for (const uint16_t level : levels.def) {
    mine[slots] = level;
    slots += level <= layer.visible_max ? 1 : 0;
  }
  out->slots += slots;
  return layer.null_level == 0 ? out->validity.AppendValid(slots) : out->validity.AppendLevels(mine.data(), slots, below);
}

// The lists of one layer: where each ends, and with definition levels whether it is null. Leaves in `levels` one item a list
// start. Levels follow no pattern, so nothing branches on them. False: the items are no lists.
template <bool kHasDef>
bool WalkLists(const LayerLevels& layer, uint16_t below, Levels* levels, int64_t end, int64_t* ends, uint16_t* is_null,
               uint64_t* lists) {
  uint16_t* rep = levels->rep.data();
  uint16_t* def = levels->def.data();
  uint64_t starts = 0;
  uint64_t slots = 0;
  bool open = false;  // the last list holds items
  bool bad = false;
  for (uint64_t i = 0; i < levels->items; ++i) {
    const uint16_t mine = kHasDef ? def[i] : 0;
    const bool start = rep[i] != 0;
    const bool item = !kHasDef || mine <= below;
    bad |= !start & (!open | !item);
    open = start ? item : open;
    rep[starts] = static_cast<uint16_t>(rep[i] - 1);
    if (kHasDef) def[starts] = mine;
    starts += start ? 1 : 0;
    const bool slot = start & (!kHasDef || mine <= layer.visible_max);
    slots += slot ? 1 : 0;
    end += item ? 1 : 0;
    const uint64_t last = slots - (slots != 0 ? 1 : 0);
    ends[last] = end;
    if (kHasDef) {
      // Null, or under a null struct.
      const auto null = static_cast<uint16_t>(!item & (mine != layer.empty_level) ? 1 : 0);
      is_null[last] = slot ? null : is_null[last];
    }
  }
  levels->items = starts;
  *lists = slots;
  return !bad;
}

Status UnravelList(const LayerLevels& layer, uint16_t below, Levels* levels, LayerValues* out) {
  const bool has_def = !levels->def.empty();
  const uint64_t before = out->offsets.size();
  const int64_t end = before == 0 ? 0 : out->offsets.back();
  const uint64_t most = levels->items - CountEqual(levels->rep.data(), levels->items, 0);
  std::vector<uint16_t> is_null(has_def ? most + 1 : 0);
  out->offsets.resize(before + most + 1);
  uint64_t lists = 0;
  int64_t* ends = out->offsets.data() + before;
  const bool good = has_def ? WalkLists<true>(layer, below, levels, end, ends, is_null.data(), &lists)
                            : WalkLists<false>(layer, below, levels, end, ends, nullptr, &lists);
  if (!good) return Status::Corruption("an item continues a list that was not started, or that is empty or null");
  out->offsets.resize(before + lists);
  LANCEFS_RETURN_NOT_OK(has_def ? out->validity.AppendLevels(is_null.data(), lists, 0) : out->validity.AppendValid(lists));
  out->slots = out->offsets.size();
  levels->rep.resize(levels->items);
  if (has_def) levels->def.resize(levels->items);
  return Status::OK();
}

Status Decimate(uint32_t dimension, Levels* levels) {
  if (dimension == 1) return Status::OK();
  if (!levels->rep.empty()) return Status::NotSupported("fixed-size lists of structs together with lists are not supported");
  if (levels->items % dimension != 0) return Status::Corruption("the items of a fixed-size list are incomplete");
  levels->items /= dimension;
  if (levels->def.empty()) return Status::OK();
  for (uint64_t i = 0; i < levels->items; ++i) levels->def[i] = levels->def[i * dimension];
  levels->def.resize(levels->items);
  return Status::OK();
}

}  // namespace

Result<PageLayers> PageLayers::Make(const google::protobuf::RepeatedField<int>& layers, const LeafPath& path) {
  if (static_cast<size_t>(layers.size()) < path.size()) {
    return Status::Corruption("the page has " + std::to_string(layers.size()) + " layers but the schema " +
                              std::to_string(path.size()));
  }
  PageLayers out;
  uint32_t level = 0;
  for (int i = 0; i < layers.size(); ++i) {
    // Blob descriptors of old writers have the blob's own layer around them a second time: it counts levels and says no more.
    const bool beyond = static_cast<size_t>(i) >= path.size();
    LayerLevels layer;
    if (!beyond) {
      layer.list = path[static_cast<size_t>(i)].list;
      layer.dimension = path[static_cast<size_t>(i)].dimension;
    }
    bool is_list = true;
    switch (layers[i]) {
      case pb::v21::REPDEF_ALL_VALID_ITEM: is_list = false; break;
      case pb::v21::REPDEF_NULLABLE_ITEM:
        is_list = false;
        layer.null_level = static_cast<uint16_t>(++level);
        break;
      case pb::v21::REPDEF_ALL_VALID_LIST: break;
      case pb::v21::REPDEF_NULLABLE_LIST: layer.null_level = static_cast<uint16_t>(++level); break;
      case pb::v21::REPDEF_EMPTYABLE_LIST: layer.empty_level = static_cast<uint16_t>(++level); break;
      case pb::v21::REPDEF_NULL_AND_EMPTY_LIST:
        layer.null_level = static_cast<uint16_t>(++level);
        layer.empty_level = static_cast<uint16_t>(++level);
        break;
      default: return Status::NotSupported("layer kind " + std::to_string(layers[i]) + " is not supported");
    }
    if (is_list != layer.list) return Status::Corruption("layer " + std::to_string(i) + " of the page does not fit the schema");
    if (is_list) {
      if (out.max_rep == 0) out.max_visible_def = i == 0 ? 0 : out.layers.back().top;
      ++out.max_rep;
    }
    layer.top = static_cast<uint16_t>(level);
    out.layers.push_back(layer);
  }
  out.max_def = static_cast<uint16_t>(level);
  if (out.max_rep == 0) out.max_visible_def = out.max_def;
  uint16_t visible = out.max_def;
  for (size_t i = out.layers.size(); i-- > 0;) {
    out.layers[i].visible_max = visible;
    // What lies in a list layer or further out owns no slot further in.
    if (out.layers[i].list) visible = i == 0 ? 0 : out.layers[i - 1].top;
  }
  return out;
}

Status CheckLevels(const PageLayers& layers, const Levels& levels) {
  if (layers.max_rep > 0) {
    if (levels.rep.size() != levels.items) return Status::Corruption("the page has no repetition levels for its lists");
    if (MaxOf(levels.rep) > layers.max_rep) return Status::Corruption("a repetition level is too large");
  } else if (!levels.rep.empty()) {
    return Status::Corruption("the page has repetition levels but no lists");
  }
  if (!levels.def.empty()) {
    if (levels.def.size() != levels.items) return Status::Corruption("the page has not as many definition levels as items");
    if (MaxOf(levels.def) > layers.max_def) return Status::Corruption("a definition level is too large");
  }
  return Status::OK();
}

uint64_t CountVisible(const PageLayers& layers, const Levels& levels) {
  if (levels.def.empty() || layers.max_visible_def >= layers.max_def) return levels.items;
  return CountVisibleIn(levels.def, 0, levels.items, layers.max_visible_def);
}

Status SelectRows(const PageLayers& layers, const Levels& levels, uint64_t first_row, const RowSelection& rows, Levels* out,
                  RowSelection* values) {
  if (layers.max_rep == 0) return SelectFlat(levels, first_row, rows, out, values);
  RowFinder finder(levels.rep, layers.max_rep, first_row);
  const bool all_visible = levels.def.empty() || layers.max_visible_def >= layers.max_def;
  uint64_t counted_to = 0;  // items whose visible values are counted
  uint64_t visible = 0;
  for (const RowRange& range : rows) {
    if (range.start < first_row) return Status::Corruption("a row is missing in the levels");
    uint64_t begin = 0;
    uint64_t end = 0;
    LANCEFS_RETURN_NOT_OK(finder.Find(range.start, &begin));
    LANCEFS_RETURN_NOT_OK(finder.Find(range.end, &end));
    out->rep.insert(out->rep.end(), levels.rep.begin() + static_cast<ptrdiff_t>(begin),
                    levels.rep.begin() + static_cast<ptrdiff_t>(end));
    out->items += end - begin;
    if (all_visible) {
      AddRange(values, begin, end);
    } else {
      visible += CountVisibleIn(levels.def, counted_to, begin, layers.max_visible_def);
      const uint64_t first = visible;
      visible += CountVisibleIn(levels.def, begin, end, layers.max_visible_def);
      counted_to = end;
      AddRange(values, first, visible);
    }
    if (!levels.def.empty()) {
      out->def.insert(out->def.end(), levels.def.begin() + static_cast<ptrdiff_t>(begin),
                      levels.def.begin() + static_cast<ptrdiff_t>(end));
    }
  }
  return Status::OK();
}

Status Unravel(const PageLayers& layers, Levels* levels, std::vector<LayerValues>* out) {
  uint16_t below = 0;  // levels of the layers that are done
  for (size_t i = 0; i < out->size(); ++i) {
    const LayerLevels& layer = layers.layers[i];
    LayerValues* values = &(*out)[i];
    if (layer.list) {
      LANCEFS_RETURN_NOT_OK(UnravelList(layer, below, levels, values));
    } else {
      if (layer.dimension != 0) LANCEFS_RETURN_NOT_OK(Decimate(layer.dimension, levels));
      LANCEFS_RETURN_NOT_OK(UnravelItem(layer, below, *levels, values));
    }
    below = layer.top;
  }
  return Status::OK();
}

}  // namespace lancefs::structural
