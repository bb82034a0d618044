// SPDX-License-Identifier: Apache-2.0
#include <arrow/compute/api.h>

#include "engine/sql/function_support.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;
using arrow::Type;

bool IsList(const arrow::DataType& type) {
  return type.id() == Type::LIST || type.id() == Type::LARGE_LIST || type.id() == Type::FIXED_SIZE_LIST;
}
TypePtr ItemType(const arrow::DataType& list) { return PlainType(static_cast<const arrow::BaseListType&>(list).value_type()); }
Status NeedsList(const std::string& name, size_t argument, const TypePtr& type) {
  return Status::InvalidArgument(name + "() needs a list as argument " + std::to_string(argument + 1) + ", this is " +
                                 type->ToString());
}

// The items of a list column in `type`, with the column's own offsets.
Result<Column> ItemsAs(const Lists& lists, const TypePtr& type) {
  LANCEFS_ASSIGN_OR_RETURN(auto items, Plain(lists.items));
  return CastColumn(Column{std::move(items), false}, type, false);
}

Result<BoundFunction> LengthFunction(const std::string& name, const Types& types, const Constants&) {
  if (types[0]->id() == Type::NA) {
    return BoundFunction{types, arrow::uint64(), [](const std::vector<Column>&, int64_t) { return NullColumn(arrow::uint64()); }};
  }
  if (!IsList(*types[0]) && !(name == "cardinality" && types[0]->id() == Type::MAP)) return NeedsList(name, 0, types[0]);
  Types arguments = {types[0]};
  if (types.size() > 1) arguments.push_back(arrow::int64());
  return BoundFunction{std::move(arguments), arrow::uint64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::uint64());
                         const Lists lists(in[0]);
                         return MapValues<uint64_t>(in, rows, arrow::uint64(), [&](int64_t row, uint64_t* out) {
                           *out = static_cast<uint64_t>(lists.Size(row));
                           return in.size() < 2 || Values<int64_t>(in[1])[row] == 1;
                         });
                       }};
}

Result<BoundFunction> EmptyFunction(const std::string& name, const Types& types, const Constants&) {
  if (!IsList(*types[0])) return NeedsList(name, 0, types[0]);
  return BoundFunction{types, arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         const Lists lists(in[0]);
                         return MapBools(in, rows, [&](int64_t row) { return lists.Size(row) == 0; });
                       }};
}

// Which items equal the row's needle: one comparison over all items.
Result<Column> MatchItems(const std::vector<Column>& in, const Lists& lists, int64_t rows, const TypePtr& type) {
  LANCEFS_ASSIGN_OR_RETURN(Column items, ItemsAs(lists, type));
  const int64_t item_count = items.array->length();
  if (in[1].constant) return Compare(CompareOp::kEq, items, in[1], item_count);
  std::vector<int64_t> owner(static_cast<size_t>(item_count), 0);
  for (int64_t row = 0; row < rows; ++row) {
    if (in[0].IsNull(row)) continue;
    for (int64_t k = 0; k < lists.Size(row); ++k) owner[static_cast<size_t>(lists.Begin(row) + k)] = row;
  }
  arrow::Int64Builder builder;
  LANCEFS_ARROW_NOT_OK(builder.AppendValues(owner));
  LANCEFS_ARROW_ASSIGN(auto owners, builder.Finish());
  LANCEFS_ARROW_ASSIGN(arrow::Datum needles, arrow::compute::Take(in[1].array, owners));
  return Compare(CompareOp::kEq, items, Column{needles.make_array(), false}, item_count);
}

Result<TypePtr> NeedleType(const std::string& name, const Types& types) {
  const TypePtr item = ItemType(*types[0]);
  if (IsString(*item) != IsString(*types[1]) && item->id() != Type::NA && types[1]->id() != Type::NA) {
    return Status::InvalidArgument(name + "(): the list holds " + item->ToString() + ", not " + types[1]->ToString());
  }
  TypePtr type = ComparisonType(item, types[1]);
  if (!type || (PhysOf(*type) == Phys::kOther && !CanCast(*item, *type))) {
    return Status::InvalidArgument(name + "(): the list holds " + item->ToString() + ", not " + types[1]->ToString());
  }
  return type->id() == Type::HALF_FLOAT ? arrow::float32() : type;
}

Result<BoundFunction> HasFunction(const std::string& name, const Types& types, const Constants&) {
  if (!IsList(*types[0])) return NeedsList(name, 0, types[0]);
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, NeedleType(name, types));
  return BoundFunction{{types[0], type}, arrow::boolean(), [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         const Lists lists(in[0]);
                         LANCEFS_ASSIGN_OR_RETURN(Column matches, MatchItems(in, lists, ResultRows(in, rows), type));
                         const bool unknown = matches.constant;
                         const Bools bits(matches);
                         return MapBools(in, rows, [&](int64_t row) {
                           for (int64_t k = lists.Begin(row), end = k + lists.Size(row); k < end && !unknown; ++k) {
                             if (bits[k] && !matches.array->IsNull(k)) return true;
                           }
                           return false;
                         });
                       }};
}

Result<BoundFunction> PositionFunction(const std::string& name, const Types& types, const Constants&) {
  if (!IsList(*types[0])) return NeedsList(name, 0, types[0]);
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, NeedleType(name, types));
  Types arguments = {types[0], type};
  if (types.size() > 2) arguments.push_back(arrow::int64());
  return BoundFunction{std::move(arguments), arrow::uint64(),
                       [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::uint64());
                         const Lists lists(in[0]);
                         LANCEFS_ASSIGN_OR_RETURN(Column matches, MatchItems(in, lists, ResultRows(in, rows), type));
                         const bool unknown = matches.constant;
                         const Bools bits(matches);
                         return MapValues<uint64_t>(in, rows, arrow::uint64(), [&](int64_t row, uint64_t* out) {
                           const int64_t from = in.size() > 2 ? Values<int64_t>(in[2])[row] - 1 : 0;
                           for (int64_t k = std::max<int64_t>(from, 0); k < lists.Size(row) && !unknown; ++k) {
                             const int64_t at = lists.Begin(row) + k;
                             if (bits[at] && !matches.array->IsNull(at)) return *out = static_cast<uint64_t>(k + 1), true;
                           }
                           return false;
                         });
                       }};
}

// array_has_any, array_has_all: nulls in the lists equal each other.
Result<BoundFunction> HasManyFunction(const std::string& name, const Types& types, const Constants&) {
  for (size_t i = 0; i < 2; ++i) {
    if (!IsList(*types[i])) return NeedsList(name, i, types[i]);
  }
  const TypePtr left = ItemType(*types[0]);
  const TypePtr right = ItemType(*types[1]);
  TypePtr type = ComparisonType(left, right);
  if (!type || (IsString(*left) != IsString(*right) && left->id() != Type::NA && right->id() != Type::NA)) {
    return Status::InvalidArgument(name + "(): one list holds " + left->ToString() + ", the other " + right->ToString());
  }
  const bool all = name.ends_with("all");
  return BoundFunction{types, arrow::boolean(), [type, all](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         const bool nothing_wanted = in[1].constant && !in[1].ConstantNull() && Lists(in[1]).Size(0) == 0;
                         if (all && nothing_wanted && !in[0].ConstantNull()) {  // true as in the reference, also of null
                           LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(1, true));
                           return MakeBools(std::move(bits), nullptr, 1, true);
                         }
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         const Lists lists(in[0]);
                         const Lists others(in[1]);
                         LANCEFS_ASSIGN_OR_RETURN(Column items, ItemsAs(lists, type));
                         LANCEFS_ASSIGN_OR_RETURN(Column wanted, ItemsAs(others, type));
                         const auto options = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
                         return MapBools(in, rows, [&](int64_t row) {
                           for (int64_t w = others.Begin(row), end = w + others.Size(row); w < end; ++w) {
                             bool found = false;
                             for (int64_t k = lists.Begin(row), last = k + lists.Size(row); k < last && !found; ++k) {
                               found = items.array->RangeEquals(*wanted.array, k, k + 1, w, options);
                             }
                             if (found != all) return found;
                           }
                           return all;
                         });
                       }};
}

Result<BoundFunction> ElementFunction(const std::string& name, const Types& types, const Constants&) {
  return BindElement(types[0], types[1]);
}

Result<BoundFunction> MakeArrayFunction(const std::string& name, const Types& types, const Constants&) {
  TypePtr type = arrow::null();
  for (const TypePtr& argument : types) {
    TypePtr wider = UnionType(type, argument);
    if (!wider) return Status::InvalidArgument(name + "() cannot combine " + type->ToString() + " and " + argument->ToString());
    type = std::move(wider);
  }
  return BoundFunction{Types(types.size(), type), arrow::list(type),
                       [type](const std::vector<Column>& in, int64_t rows) { return MakeList(in, rows, type); }};
}

Result<BoundFunction> ExtremeFunction(const std::string& name, const Types& types, const Constants&) {  // array_max, array_min
  if (!IsList(*types[0])) return NeedsList(name, 0, types[0]);
  TypePtr type = ItemType(*types[0]);
  if (PhysOf(*type) == Phys::kOther) return Status::InvalidArgument(name + "(): " + type->ToString() + " has no order");
  if (type->id() == Type::HALF_FLOAT) type = arrow::float32();
  const CompareOp op = name.ends_with("max") ? CompareOp::kGt : CompareOp::kLt;
  return BoundFunction{types, type, [type, op](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         const Lists lists(in[0]);
                         LANCEFS_ASSIGN_OR_RETURN(Column items, ItemsAs(lists, type));
                         arrow::Int64Builder picked;
                         const int64_t count = ResultRows(in, rows);
                         for (int64_t row = 0; row < count; ++row) {
                           int64_t best = -1;
                           for (int64_t k = 0; !in[0].IsNull(row) && k < lists.Size(row); ++k) {
                             const int64_t at = lists.Begin(row) + k;
                             if (items.array->IsNull(at)) continue;
                             if (best >= 0) {
                               LANCEFS_ASSIGN_OR_RETURN(Column better, Compare(op, Column{items.array->Slice(at, 1), true},
                                                                               Column{items.array->Slice(best, 1), true}, 1));
                               if (!Bools(better)[0]) continue;
                             }
                             best = at;
                           }
                           if (best < 0) {
                             LANCEFS_ARROW_NOT_OK(picked.AppendNull());
                           } else {
                             LANCEFS_ARROW_NOT_OK(picked.Append(best));
                           }
                         }
                         LANCEFS_ARROW_ASSIGN(auto indices, picked.Finish());
                         LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(items.array, indices));
                         return Column{taken.make_array(), AllConstant(in)};
                       }};
}

Result<BoundFunction> JoinFunction(const std::string& name, const Types& types, const Constants&) {  // array_to_string
  if (!IsList(*types[0])) return NeedsList(name, 0, types[0]);
  Types arguments = {types[0]};
  for (size_t i = 1; i < types.size(); ++i) {
    if (!AsString(types[i])) return NeedsString(name, i, types[i]);
    arguments.push_back(AsString(types[i]));
  }
  return BoundFunction{std::move(arguments), arrow::utf8(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::utf8());
                         const Lists lists(in[0]);
                         LANCEFS_ASSIGN_OR_RETURN(auto items, Plain(lists.items));
                         const Column item_column{items, false};
                         const Strings separators(in[1]);
                         return MapStrings(in, rows, arrow::utf8(), [&](int64_t row, std::string* out) {
                           bool first = true;
                           for (int64_t k = lists.Begin(row), end = k + lists.Size(row); k < end; ++k) {
                             const bool null = items->IsNull(k);
                             if (null && in.size() < 3) continue;
                             if (!first) out->append(separators[row]);
                             out->append(null ? std::string(Strings(in[2])[row]) : DisplayText(item_column, k));
                             first = false;
                           }
                           return true;
                         });
                       }};
}

}  // namespace

Result<BoundFunction> BindElement(const TypePtr& list, const TypePtr& index) {
  if (!IsList(*list)) return Status::InvalidArgument("an index needs a list, this is " + list->ToString());
  if (!IsInteger(*index) && index->id() != Type::NA)
    return Status::InvalidArgument("a list index is an integer, this is " + index->ToString());
  const TypePtr type = ItemType(*list);
  return BoundFunction{{list, arrow::int64()}, type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         const Lists lists(in[0]);
                         const Values<int64_t> indices(in[1]);
                         LANCEFS_ASSIGN_OR_RETURN(auto items, Plain(lists.items));
                         arrow::Int64Builder picked;
                         const int64_t count = ResultRows(in, rows);
                         for (int64_t row = 0; row < count; ++row) {
                           const bool known = !in[0].IsNull(row) && !in[1].IsNull(row);
                           const int64_t size = known ? lists.Size(row) : 0;
                           const int64_t n = known ? (indices[row] < 0 ? size + indices[row] : indices[row] - 1) : -1;
                           if (n < 0 || n >= size) {
                             LANCEFS_ARROW_NOT_OK(picked.AppendNull());
                           } else {
                             LANCEFS_ARROW_NOT_OK(picked.Append(lists.Begin(row) + n));
                           }
                         }
                         LANCEFS_ARROW_ASSIGN(auto index_array, picked.Finish());
                         LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(items, index_array));
                         return Column{taken.make_array(), AllConstant(in)};
                       }};
}

Result<Column> MakeList(const std::vector<Column>& in, int64_t rows, const TypePtr& item_type) {
  const int64_t count = ResultRows(in, rows);
  const auto width = static_cast<int64_t>(in.size());
  if (count * width > std::numeric_limits<int32_t>::max()) return Status::ResourceExhausted("the arrays are too large");
  LANCEFS_ASSIGN_OR_RETURN(auto offsets, NewBuffer((count + 1) * 4));
  for (int64_t i = 0; i <= count; ++i) reinterpret_cast<int32_t*>(offsets->mutable_data())[i] = static_cast<int32_t>(i * width);
  std::shared_ptr<arrow::Array> items;
  if (in.empty()) {
    LANCEFS_ARROW_ASSIGN(items, arrow::MakeArrayOfNull(item_type, 0));
  } else {
    arrow::ArrayVector arrays;
    std::vector<int64_t> starts;
    int64_t total = 0;
    for (const Column& column : in) {
      arrays.push_back(column.array);
      starts.push_back(total);
      total += column.array->length();
    }
    LANCEFS_ARROW_ASSIGN(auto all, arrow::Concatenate(arrays));
    arrow::Int64Builder picked;
    for (int64_t row = 0; row < count; ++row) {
      for (size_t i = 0; i < in.size(); ++i) LANCEFS_ARROW_NOT_OK(picked.Append(starts[i] + (in[i].constant ? 0 : row)));
    }
    LANCEFS_ARROW_ASSIGN(auto indices, picked.Finish());
    LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(all, indices));
    items = taken.make_array();
  }
  auto data = arrow::ArrayData::Make(arrow::list(item_type), count, {nullptr, std::move(offsets)}, {items->data()});
  return Column{arrow::MakeArray(std::move(data)), AllConstant(in)};
}

const std::vector<FunctionEntry>& ListFunctions() {
  static const std::vector<FunctionEntry> entries = {
      {"array_length", 1, 2, LengthFunction},    {"list_length", 1, 2, LengthFunction},
      {"cardinality", 1, 1, LengthFunction},     {"empty", 1, 1, EmptyFunction},
      {"array_empty", 1, 1, EmptyFunction},      {"list_empty", 1, 1, EmptyFunction},
      {"array_has", 2, 2, HasFunction},          {"array_contains", 2, 2, HasFunction},
      {"list_has", 2, 2, HasFunction},           {"list_contains", 2, 2, HasFunction},
      {"array_has_any", 2, 2, HasManyFunction},  {"list_has_any", 2, 2, HasManyFunction},
      {"arrays_overlap", 2, 2, HasManyFunction}, {"array_has_all", 2, 2, HasManyFunction},
      {"list_has_all", 2, 2, HasManyFunction},   {"array_position", 2, 3, PositionFunction},
      {"list_position", 2, 3, PositionFunction}, {"array_indexof", 2, 3, PositionFunction},
      {"list_indexof", 2, 3, PositionFunction},  {"array_element", 2, 2, ElementFunction},
      {"array_extract", 2, 2, ElementFunction},  {"list_element", 2, 2, ElementFunction},
      {"list_extract", 2, 2, ElementFunction},   {"make_array", 0, -1, MakeArrayFunction},
      {"make_list", 0, -1, MakeArrayFunction},   {"array_max", 1, 1, ExtremeFunction},
      {"list_max", 1, 1, ExtremeFunction},       {"array_min", 1, 1, ExtremeFunction},
      {"list_min", 1, 1, ExtremeFunction},       {"array_to_string", 2, 3, JoinFunction},
      {"list_to_string", 2, 3, JoinFunction},    {"array_join", 2, 3, JoinFunction},
      {"list_join", 2, 3, JoinFunction},
  };
  return entries;
}

}  // namespace lancefs::sql
