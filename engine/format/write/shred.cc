// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/shred.h"

#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>

namespace lancefs {
namespace {

using pb::v21::RepDefLayer;
using Kind = LeafPath::Kind;

constexpr uint16_t kNoFloor = UINT16_MAX;

void AddSlice(ArraySlices* slices, const std::shared_ptr<arrow::Array>& array, int64_t offset, int64_t length) {
  if (length == 0) return;
  if (!slices->empty()) {
    ArraySlice& last = slices->back();
    if (last.array == array && last.offset + last.length == offset) {
      last.length += length;
      return;
    }
  }
  slices->push_back({array, offset, length});
}

// The levels while the layers are walked from the outermost to the leaf. Every layer has its levels
// reserved (one an item layer, two a list layer); unused ones are squeezed out at the end.
class Shredder {
 public:
  Shredder(const ArraySlices& rows, const LeafPath& path) : path_(path) {
    for (const ArraySlice& slice : rows) AddSlice(&slices_, StorageOf(slice.array), slice.offset, slice.length);
    num_items_ = static_cast<uint64_t>(lancefs::CountRows(slices_));
    length_ = num_items_;
    lists_left_ = path.num_lists;
    for (const LeafPath::Step& step : path.steps) next_level_ += IsList(step.kind) ? 2 : 1;
  }

  Result<ShreddedPage> Run() {
    for (const LeafPath::Step& step : path_.steps) {
      switch (step.kind) {
        case Kind::kList: Explode<arrow::ListArray>(); break;
        case Kind::kLargeList: Explode<arrow::LargeListArray>(); break;
        case Kind::kStruct:
          MarkNulls();
          for (ArraySlice& slice : slices_)
            slice.array = StorageOf(static_cast<const arrow::StructArray&>(*slice.array).field(step.child));
          break;
        case Kind::kFixedSizeList:
          MarkNulls();
          Multiply(step.dimension);
          break;
        case Kind::kLeaf: MarkNulls(); break;
      }
      if (num_items_ > UINT32_MAX) return Status::TooLarge("column '" + path_.name + "': a page of more than 4 billion items");
    }
    return Finish();
  }

 private:
  static bool IsList(Kind kind) { return kind == Kind::kList || kind == Kind::kLargeList; }
  bool HasSlot(size_t item) const { return def_.empty() || def_[item] < floor_; }

  // The layer's nulls become its level, unless something further out is null already.
  void MarkNulls() {
    const uint16_t level = --next_level_;
    size_t item = 0;
    for (const ArraySlice& slice : slices_) MarkSliceNulls(slice, level, &item);
  }

  void MarkSliceNulls(const ArraySlice& slice, uint16_t level, size_t* item) {
    const arrow::Array& array = *slice.array;
    std::vector<uint8_t> logical;
    const uint8_t* bitmap = array.null_bitmap_data();
    int64_t bit = array.offset() + slice.offset;
    const bool all_null = array.type_id() == arrow::Type::NA;
    if (array.type_id() == arrow::Type::DICTIONARY) bitmap = DictionaryValidity(slice, bitmap, &bit, &logical);
    const bool none = !all_null && (bitmap == nullptr || (logical.empty() && array.null_count() == 0));
    if (none && floor_ == kNoFloor) {
      *item += static_cast<size_t>(slice.length);
      return;
    }
    if (!none && def_.empty()) def_.assign(num_items_, 0);
    for (int64_t i = 0; i < slice.length; ++i, ++*item) {
      while (!HasSlot(*item)) ++*item;
      if (!none && (all_null || !arrow::bit_util::GetBit(bitmap, bit + i)) && def_[*item] == 0) def_[*item] = level;
    }
  }

  // A dictionary row is also null where its key points at a null value.
  static const uint8_t* DictionaryValidity(const ArraySlice& slice, const uint8_t* bitmap, int64_t* bit,
                                           std::vector<uint8_t>* logical) {
    const auto& array = static_cast<const arrow::DictionaryArray&>(*slice.array);
    const arrow::Array& dictionary = *array.dictionary();
    if (dictionary.null_count() == 0) return bitmap;
    logical->assign(static_cast<size_t>(arrow::bit_util::BytesForBits(slice.length)), 0);
    for (int64_t i = 0; i < slice.length; ++i) {
      const bool valid = array.IsValid(slice.offset + i) && dictionary.IsValid(array.GetValueIndex(slice.offset + i));
      arrow::bit_util::SetBitTo(logical->data(), i, valid);
    }
    *bit = 0;
    return logical->data();
  }

  // A list layer: every list becomes its items, or one item without a slot.
  template <typename ListArray>
  void Explode() {
    const uint16_t empty_level = --next_level_;
    const uint16_t null_level = --next_level_;
    const auto item_rep = static_cast<uint16_t>(--lists_left_);
    const auto row_rep = static_cast<uint16_t>(path_.num_lists);
    std::vector<uint16_t> rep;
    std::vector<uint16_t> def;
    uint64_t estimate = num_items_;
    for (const ArraySlice& slice : slices_) {
      const auto* offsets = static_cast<const ListArray&>(*slice.array).raw_value_offsets() + slice.offset;
      estimate += static_cast<uint64_t>(offsets[slice.length] - offsets[0]);
    }
    rep.reserve(estimate);
    def.reserve(estimate);
    bool any_level = !def_.empty();
    ArraySlices children;
    size_t item = 0;
    const auto emit = [&](uint16_t r, uint16_t d) {
      rep.push_back(r);
      def.push_back(d);
    };
    const auto rep_at = [&](size_t i) { return rep_.empty() ? row_rep : rep_[i]; };
    for (const ArraySlice& slice : slices_) {
      const auto& array = static_cast<const ListArray&>(*slice.array);
      const auto* offsets = array.raw_value_offsets() + slice.offset;
      const bool nullable = array.null_count() != 0;
      const std::shared_ptr<arrow::Array> values = array.values();
      ArraySlices wanted;
      for (int64_t i = 0; i < slice.length; ++i, ++item) {
        for (; !HasSlot(item); ++item) emit(rep_at(item), def_[item]);
        const uint16_t outer = def_.empty() ? 0 : def_[item];
        const auto count = static_cast<size_t>(offsets[i + 1] - offsets[i]);
        if (outer != 0) {
          emit(rep_at(item), outer);
        } else if (nullable && array.IsNull(slice.offset + i)) {
          emit(rep_at(item), null_level);
          any_level = true;
        } else if (count == 0) {
          emit(rep_at(item), empty_level);
          any_level = true;
        } else {
          emit(rep_at(item), 0);
          rep.insert(rep.end(), count - 1, item_rep);
          def.insert(def.end(), count - 1, 0);
          AddSlice(&wanted, values, offsets[i], static_cast<int64_t>(count));
        }
      }
      const std::shared_ptr<arrow::Array> storage = StorageOf(values);
      for (const ArraySlice& child : wanted) AddSlice(&children, storage, child.offset, child.length);
    }
    for (; item < num_items_; ++item) emit(rep_at(item), def_[item]);
    num_items_ = rep.size();
    rep_ = std::move(rep);
    def_ = any_level ? std::move(def) : std::vector<uint16_t>();
    slices_ = std::move(children);
    floor_ = null_level;
  }

  // A structural fixed-size list repeats its item's levels for each of its elements.
  void Multiply(int32_t dimension) {
    const auto times = static_cast<size_t>(dimension);
    std::vector<uint16_t> rep;
    std::vector<uint16_t> def;
    uint64_t items = 0;
    for (size_t item = 0; item < num_items_; ++item) {
      const size_t copies = HasSlot(item) ? times : 1;
      items += copies;
      if (!rep_.empty()) rep.insert(rep.end(), copies, rep_[item]);
      if (!def_.empty()) def.insert(def.end(), copies, def_[item]);
    }
    rep_ = std::move(rep);
    def_ = std::move(def);
    num_items_ = items;
    length_ *= times;
    for (ArraySlice& slice : slices_) {
      const auto& array = static_cast<const arrow::FixedSizeListArray&>(*slice.array);
      slice.offset = array.value_offset(slice.offset);
      slice.length *= dimension;
      slice.array = StorageOf(array.values());
    }
  }

  // Only levels that occur keep a number; from them follow the layers' kinds.
  Result<ShreddedPage> Finish() {
    ShreddedPage page;
    PageLevels& levels = page.levels;
    std::vector<bool> used(128, false);
    for (const uint16_t level : def_) used[level] = true;
    std::vector<uint16_t> renumber(128, 0);
    uint16_t old_level = 1;
    uint16_t next = 1;
    bool below_lists = true;
    const auto keep = [&](uint16_t level) {
      if (used[level]) renumber[level] = next++;
      return used[level];
    };
    for (auto step = path_.steps.rbegin(); step != path_.steps.rend(); ++step) {
      if (!IsList(step->kind)) {
        levels.layers.push_back(keep(old_level++) ? pb::v21::REPDEF_NULLABLE_ITEM : pb::v21::REPDEF_ALL_VALID_ITEM);
        continue;
      }
      if (below_lists) levels.max_visible_def = static_cast<uint16_t>(next - 1);
      below_lists = false;
      const bool has_null = keep(old_level++);
      const bool has_empty = keep(old_level++);
      levels.layers.push_back(has_null && has_empty ? pb::v21::REPDEF_NULL_AND_EMPTY_LIST
                              : has_null            ? pb::v21::REPDEF_NULLABLE_LIST
                              : has_empty           ? pb::v21::REPDEF_EMPTYABLE_LIST
                                                    : pb::v21::REPDEF_ALL_VALID_LIST);
    }
    if (below_lists) levels.max_visible_def = static_cast<uint16_t>(next - 1);
    levels.max_def = static_cast<uint16_t>(next - 1);
    levels.max_rep = static_cast<uint16_t>(path_.num_lists);
    levels.num_levels = num_items_;
    if (levels.max_def == 0) def_.clear();
    for (uint16_t& level : def_) level = renumber[level];
    levels.rep = std::move(rep_);
    levels.def = std::move(def_);
    page.values = std::move(slices_);
    page.num_values = static_cast<uint64_t>(lancefs::CountRows(page.values));
    page.length = length_;
    CollectValidity(&page);
    return page;
  }

  static void CollectValidity(ShreddedPage* page) {
    const PageLevels& levels = page->levels;
    if (levels.max_visible_def == 0) return;
    page->validity.assign(static_cast<size_t>(arrow::bit_util::BytesForBits(static_cast<int64_t>(page->num_values))), 0);
    size_t value = 0;
    for (const uint16_t level : levels.def) {
      if (level > levels.max_visible_def) continue;
      page->validity[value / 8] |= static_cast<uint8_t>((level == 0) << (value % 8));
      page->num_null += level != 0;
      ++value;
    }
    if (page->num_null == 0) page->validity.clear();
  }

  const LeafPath& path_;
  ArraySlices slices_;         // what the current layer looks at, one slot each
  std::vector<uint16_t> rep_;  // empty until a list was met
  std::vector<uint16_t> def_;  // empty until a null or empty list was met
  uint64_t num_items_ = 0;
  uint64_t length_ = 0;
  uint16_t next_level_ = 1;    // one above the current layer's levels
  uint16_t floor_ = kNoFloor;  // items with this level or a higher one have no slot any more
  int lists_left_ = 0;
};

void CollectPaths(const Field& field, LeafPath path, std::vector<LeafPath>* out) {
  path.name += path.name.empty() ? field.name : "." + field.name;
  if (field.IsPhysicalLeaf()) {
    path.field = &field;
    path.steps.push_back({});
    out->push_back(std::move(path));
    return;
  }
  switch (field.type->id()) {
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      path.steps.push_back({field.type->id() == arrow::Type::LARGE_LIST ? Kind::kLargeList : Kind::kList, 0, 0});
      ++path.num_lists;
      break;
    case arrow::Type::FIXED_SIZE_LIST:
      path.steps.push_back({Kind::kFixedSizeList, 0, static_cast<const arrow::FixedSizeListType&>(*field.type).list_size()});
      break;
    default:
      for (size_t i = 0; i < field.children.size(); ++i) {
        LeafPath child = path;
        child.steps.push_back({Kind::kStruct, static_cast<int>(i), 0});
        CollectPaths(field.children[i], std::move(child), out);
      }
      return;
  }
  CollectPaths(field.children[0], std::move(path), out);
}

}  // namespace

int64_t CountRows(const ArraySlices& slices) {
  int64_t rows = 0;
  for (const ArraySlice& slice : slices) rows += slice.length;
  return rows;
}

ArraySlices SliceRows(const ArraySlices& slices, int64_t start, int64_t length) {
  ArraySlices out;
  for (const ArraySlice& slice : slices) {
    const int64_t skip = std::min(start, slice.length);
    const int64_t take = std::min(length, slice.length - skip);
    if (take > 0) out.push_back({slice.array, slice.offset + skip, take});
    start -= skip;
    length -= take;
  }
  return out;
}

std::shared_ptr<arrow::Array> StorageOf(std::shared_ptr<arrow::Array> array) {
  while (array->type_id() == arrow::Type::EXTENSION) array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  return array;
}

std::vector<LeafPath> LeafPaths(const Field& field) {
  std::vector<LeafPath> paths;
  LeafPath path;
  path.root = &field;
  CollectPaths(field, std::move(path), &paths);
  return paths;
}

Result<ShreddedPage> Shred(const ArraySlices& rows, const LeafPath& path) { return Shredder(rows, path).Run(); }

}  // namespace lancefs
