// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/batch_check.h"

#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/extension_type.h>

#include "engine/arrow_status.h"
#include "engine/format/write/shred.h"

namespace lancefs {
namespace {

Status Unsupported(const std::string& name, const Field& field, FileVersion version, const std::string& why) {
  return Status::NotSupported("column '" + name + "' of type " + field.logical_type + " cannot be stored in a " +
                              std::string(FileVersionName(version)) + " data file: " + why);
}

Status CheckPacked(const std::string& name, const Field& field, FileVersion version) {
  for (const Field& child : field.children) {
    const arrow::DataType& type = *child.type;
    if (!arrow::is_fixed_width(type.id()) || type.id() == arrow::Type::BOOL || type.id() == arrow::Type::DICTIONARY) {
      return Unsupported(name, field, version, "the packed struct's field '" + child.name + "' is not of a fixed width in bytes");
    }
  }
  return Status::OK();
}

Status CheckField(const std::string& name, const Field& field, FileVersion version, bool in_fixed_list) {
  const arrow::Type::type id = field.type->id();
  if (field.IsBlob()) return Unsupported(name, field, version, "blob columns are written by the table layer");
  if (field.IsPackedStruct()) return CheckPacked(name, field, version);
  if (id == arrow::Type::MAP && version != FileVersion::kV2_2) return Unsupported(name, field, version, "maps need version 2.2");
  const bool is_list = id == arrow::Type::LIST || id == arrow::Type::LARGE_LIST || id == arrow::Type::MAP;
  if (in_fixed_list && is_list)
    return Unsupported(name, field, version, "lists inside of fixed-size lists are not supported by Lance");
  if (id == arrow::Type::FIXED_SIZE_LIST && field.children.empty()) {
    const arrow::DataType* item = field.type.get();
    while (item->id() == arrow::Type::FIXED_SIZE_LIST) item = item->field(0)->type().get();
    if (!arrow::is_fixed_width(item->id()) || item->id() == arrow::Type::DICTIONARY) {
      return Unsupported(name, field, version, "fixed-size lists need items of a fixed width");
    }
  }
  const bool struct_items = id == arrow::Type::FIXED_SIZE_LIST && !field.children.empty();
  if (struct_items && version != FileVersion::kV2_2)
    return Unsupported(name, field, version, "fixed-size lists of structs need version 2.2");
  for (const Field& child : field.children) {
    LANCEFS_RETURN_NOT_OK(CheckField(name + "." + child.name, child, version, in_fixed_list || struct_items));
  }
  return Status::OK();
}

// Equal but for names, nullability, metadata and extensions.
bool SameStorage(const arrow::DataType& a, const arrow::DataType& b) {
  if (a.id() == arrow::Type::EXTENSION) return SameStorage(*static_cast<const arrow::ExtensionType&>(a).storage_type(), b);
  if (b.id() == arrow::Type::EXTENSION) return SameStorage(a, *static_cast<const arrow::ExtensionType&>(b).storage_type());
  if (a.id() != b.id() || a.num_fields() != b.num_fields()) return false;
  if (a.id() == arrow::Type::DICTIONARY) {
    const auto& left = static_cast<const arrow::DictionaryType&>(a);
    const auto& right = static_cast<const arrow::DictionaryType&>(b);
    return left.index_type()->Equals(right.index_type()) && SameStorage(*left.value_type(), *right.value_type());
  }
  if (a.num_fields() == 0) return a.Equals(b);
  if (a.id() == arrow::Type::FIXED_SIZE_LIST && static_cast<const arrow::FixedSizeListType&>(a).list_size() !=
                                                    static_cast<const arrow::FixedSizeListType&>(b).list_size()) {
    return false;
  }
  for (int i = 0; i < a.num_fields(); ++i) {
    if (!SameStorage(*a.field(i)->type(), *b.field(i)->type())) return false;
  }
  return true;
}

// Whether casting only turns views into their base types.
bool DiffersByViews(const arrow::DataType& from, const arrow::DataType& to) {
  const bool strings =
      from.id() == arrow::Type::STRING_VIEW && (to.id() == arrow::Type::STRING || to.id() == arrow::Type::LARGE_STRING);
  const bool binary =
      from.id() == arrow::Type::BINARY_VIEW && (to.id() == arrow::Type::BINARY || to.id() == arrow::Type::LARGE_BINARY);
  if (strings || binary || SameStorage(from, to)) return true;
  if (from.id() != to.id() || from.num_fields() != to.num_fields() || from.num_fields() == 0) return false;
  for (int i = 0; i < from.num_fields(); ++i) {
    if (!DiffersByViews(*from.field(i)->type(), *to.field(i)->type())) return false;
  }
  return true;
}

// 2.0 has no place for a struct's nulls.
bool MustBeValid(const Field& field, FileVersion version) {
  return !field.nullable || (version == FileVersion::kV2_0 && field.type->id() == arrow::Type::STRUCT);
}

bool HasRequired(const Field& field, FileVersion version) {
  bool required = false;
  field.ForEach([&](const Field& f) { required |= MustBeValid(f, version); });
  return required;
}

// Rows of the slots of a nested array; empty = slot i is row i.
using SlotRows = std::vector<int64_t>;
int64_t RowOf(const SlotRows& rows, int64_t slot) { return rows.empty() ? slot : rows[static_cast<size_t>(slot)]; }

// Slots [0, length) of `array` + offset; a slot with row -1 is hidden by a null parent.
Status CheckSlots(const ArraySlice& slice, const Field& field, const std::string& name, const SlotRows& rows, FileVersion version,
                  uint64_t first_row) {
  const arrow::Array& array = *slice.array;
  const bool nulls = array.null_count() != 0;
  for (int64_t i = 0; nulls && MustBeValid(field, version) && i < slice.length; ++i) {
    if (RowOf(rows, i) < 0 || !array.IsNull(slice.offset + i)) continue;
    const std::string row = "row " + std::to_string(first_row + static_cast<uint64_t>(RowOf(rows, i)));
    if (!field.nullable) return Status::InvalidArgument("column '" + name + "' does not allow nulls but " + row + " is null");
    return Status::NotSupported("column '" + name + "': " + row + " is a null struct, which a 2.0 data file cannot store");
  }
  if (field.IsPackedStruct() || field.children.empty()) return Status::OK();
  const auto child_name = [&](const Field& child) { return name + "." + child.name; };
  const auto live_row = [&](int64_t i) { return nulls && array.IsNull(slice.offset + i) ? -1 : RowOf(rows, i); };
  if (array.type_id() == arrow::Type::STRUCT) {
    SlotRows child_rows;
    if (nulls || !rows.empty()) {
      for (int64_t i = 0; i < slice.length; ++i) child_rows.push_back(live_row(i));
    }
    for (size_t c = 0; c < field.children.size(); ++c) {
      if (!HasRequired(field.children[c], version)) continue;
      const ArraySlice child{StorageOf(static_cast<const arrow::StructArray&>(array).field(static_cast<int>(c))), slice.offset,
                             slice.length};
      LANCEFS_RETURN_NOT_OK(CheckSlots(child, field.children[c], child_name(field.children[c]), child_rows, version, first_row));
    }
    return Status::OK();
  }
  if (!HasRequired(field.children[0], version)) return Status::OK();
  const auto check_items = [&](const std::shared_ptr<arrow::Array>& values, auto&& begin, auto&& end) {
    SlotRows child_rows;
    const int64_t base = slice.length == 0 ? 0 : begin(0);
    for (int64_t i = 0; i < slice.length; ++i)
      child_rows.insert(child_rows.end(), static_cast<size_t>(end(i) - begin(i)), live_row(i));
    const ArraySlice child{StorageOf(values), base, static_cast<int64_t>(child_rows.size())};
    return child_rows.empty()
               ? Status::OK()
               : CheckSlots(child, field.children[0], child_name(field.children[0]), child_rows, version, first_row);
  };
  if (array.type_id() == arrow::Type::LARGE_LIST) {
    const auto* offsets = static_cast<const arrow::LargeListArray&>(array).raw_value_offsets() + slice.offset;
    return check_items(
        static_cast<const arrow::LargeListArray&>(array).values(), [&](int64_t i) { return offsets[i]; },
        [&](int64_t i) { return offsets[i + 1]; });
  }
  if (array.type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& lists = static_cast<const arrow::FixedSizeListArray&>(array);
    return check_items(
        lists.values(), [&](int64_t i) { return lists.value_offset(slice.offset + i); },
        [&](int64_t i) { return lists.value_offset(slice.offset + i + 1); });
  }
  const auto* offsets = static_cast<const arrow::ListArray&>(array).raw_value_offsets() + slice.offset;
  return check_items(
      static_cast<const arrow::ListArray&>(array).values(), [&](int64_t i) { return int64_t{offsets[i]}; },
      [&](int64_t i) { return int64_t{offsets[i + 1]}; });
}

}  // namespace

Status CheckStorable(const Schema& schema, FileVersion version) {
  if (version != FileVersion::kV2_0 && version != FileVersion::kV2_1 && version != FileVersion::kV2_2) {
    return Status::NotSupported("data files of version " + std::string(FileVersionName(version)) + " cannot be written");
  }
  for (const Field& field : schema.fields) LANCEFS_RETURN_NOT_OK(CheckField(field.name, field, version, false));
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> ConformArray(const std::shared_ptr<arrow::Array>& array, const Field& field) {
  std::shared_ptr<arrow::Array> storage = StorageOf(array);
  if (SameStorage(*storage->type(), *field.type)) return storage;
  if (!DiffersByViews(*storage->type(), *field.type)) {
    return Status::InvalidArgument("column '" + field.name + "' is of type " + field.type->ToString() + " but the data is " +
                                   array->type()->ToString());
  }
  LANCEFS_ARROW_NOT_OK(arrow::compute::Initialize());
  LANCEFS_ARROW_ASSIGN(storage, arrow::compute::Cast(*storage, field.type));
  return storage;
}

Status CheckNulls(const arrow::Array& array, const Field& field, FileVersion version, uint64_t first_row) {
  if (!HasRequired(field, version)) return Status::OK();
  return CheckSlots({arrow::MakeArray(array.data()), 0, array.length()}, field, field.name, {}, version, first_row);
}

}  // namespace lancefs
