// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/convert.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/extension_type.h>
#include <arrow/scalar.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/key_value_metadata.h>

#include <mutex>
#include <unordered_set>

#include "engine/arrow_status.h"
#include "engine/rows/value_parse.h"

namespace lancefs::rows {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

void InitializeCompute() {
  static std::once_flag once;
  std::call_once(once, [] { (void)arrow::compute::Initialize(); });
}

bool IsString(Type::type id) { return id == Type::STRING || id == Type::LARGE_STRING || id == Type::STRING_VIEW; }
bool IsBinary(Type::type id) {
  return id == Type::BINARY || id == Type::LARGE_BINARY || id == Type::BINARY_VIEW || id == Type::FIXED_SIZE_BINARY;
}
bool IsFloat(Type::type id) { return id == Type::HALF_FLOAT || id == Type::FLOAT || id == Type::DOUBLE; }
bool IsDate(Type::type id) { return id == Type::DATE32 || id == Type::DATE64; }
bool IsTime(Type::type id) { return id == Type::TIME32 || id == Type::TIME64; }
bool IsList(Type::type id) {
  return id == Type::LIST || id == Type::LARGE_LIST || id == Type::FIXED_SIZE_LIST || id == Type::LIST_VIEW ||
         id == Type::LARGE_LIST_VIEW;
}
bool IsZoned(const arrow::DataType& type) { return !static_cast<const arrow::TimestampType&>(type).timezone().empty(); }

// Whether values of `from` mean the same as values of `to`, if they fit.
bool MayCast(const arrow::DataType& from, const arrow::DataType& to) {
  const Type::type a = from.id();
  const Type::type b = to.id();
  const bool from_number = arrow::is_integer(a) || IsFloat(a);
  if (from_number && (arrow::is_integer(b) || IsFloat(b))) return true;
  if (arrow::is_decimal(b)) return arrow::is_integer(a) || arrow::is_decimal(a);
  if (arrow::is_decimal(a)) return arrow::is_integer(b);
  if (IsString(b)) return IsString(a) || (IsBinary(a) && a != Type::FIXED_SIZE_BINARY);
  if (IsBinary(b)) return IsBinary(a);
  if (IsTime(a)) return IsTime(b);
  if (IsDate(a)) return IsDate(b) || (b == Type::TIMESTAMP && !IsZoned(to));
  if (a == Type::TIMESTAMP && b == Type::TIMESTAMP) return IsZoned(from) == IsZoned(to);
  if (a == Type::TIMESTAMP) return IsDate(b) && !IsZoned(from);
  return a == Type::DURATION && b == Type::DURATION;
}

// Copies the values of a view array into a builder (Arrow 26 has no casts to or from views).
template <typename Builder, typename Array>
Result<ArrayPtr> CopyStrings(const arrow::Array& in) {
  const auto& from = static_cast<const Array&>(in);
  Builder builder;
  LANCEFS_ARROW_NOT_OK(builder.Reserve(in.length()));
  for (int64_t i = 0; i < in.length(); ++i) {
    LANCEFS_ARROW_NOT_OK(from.IsNull(i) ? builder.AppendNull() : builder.Append(from.GetView(i)));
  }
  ArrayPtr out;
  LANCEFS_ARROW_NOT_OK(builder.Finish(&out));
  return out;
}

class Converter {
 public:
  // `in` as `target` says. On failure path(), value() and reason() tell about the first bad value.
  Result<ArrayPtr> Shape(ArrayPtr in, const arrow::Field& target);
  const std::string& path() const { return path_; }
  const std::string& value() const { return value_; }
  const std::string& reason() const { return reason_; }

 private:
  Result<ArrayPtr> ShapeLeaf(const ArrayPtr& in, const TypePtr& to);
  Result<ArrayPtr> CastLeaf(const ArrayPtr& in, const TypePtr& to);
  Result<ArrayPtr> ShapeList(ArrayPtr in, const TypePtr& to);
  Result<ArrayPtr> ShapeStruct(const arrow::StructArray& in, const arrow::StructType& to);
  Result<ArrayPtr> ShapeMap(const ArrayPtr& in, const TypePtr& to);
  Result<ArrayPtr> ShapeChild(const ArrayPtr& in, const arrow::Field& target);
  Result<ArrayPtr> Decode(ArrayPtr in);
  Status CheckNulls(const arrow::Array& in, const arrow::Field& target);
  Status Fail(std::string reason, std::string value = "");

  std::string path_;
  std::string value_;
  std::string reason_;
};

Status Converter::Fail(std::string reason, std::string value) {
  path_.clear();
  value_ = std::move(value);
  reason_ = std::move(reason);
  return Status::InvalidArgument(value_.empty() ? reason_ : value_ + " " + reason_);
}

// Takes extension types, dictionaries and run-end encoding off.
Result<ArrayPtr> Converter::Decode(ArrayPtr in) {
  while (true) {
    switch (in->type_id()) {
      case Type::EXTENSION: in = static_cast<const arrow::ExtensionArray&>(*in).storage(); break;
      case Type::DICTIONARY: {
        const TypePtr values = static_cast<const arrow::DictionaryType&>(*in->type()).value_type();
        auto decoded = arrow::compute::Cast(*in, values);
        if (!decoded.ok()) return Fail("cannot be decoded: " + decoded.status().message());
        in = *decoded;
        break;
      }
      case Type::RUN_END_ENCODED: {
        auto decoded = arrow::compute::RunEndDecode(in);
        if (!decoded.ok()) return Fail("cannot be decoded: " + decoded.status().message());
        in = decoded->make_array();
        break;
      }
      case Type::STRING_VIEW: return CopyStrings<arrow::LargeStringBuilder, arrow::StringViewArray>(*in);
      case Type::BINARY_VIEW: return CopyStrings<arrow::LargeBinaryBuilder, arrow::BinaryViewArray>(*in);
      case Type::LIST_VIEW: {
        LANCEFS_ARROW_ASSIGN(
            in, arrow::ListArray::FromListView(static_cast<const arrow::ListViewArray&>(*in), arrow::default_memory_pool()));
        break;
      }
      case Type::LARGE_LIST_VIEW: {
        LANCEFS_ARROW_ASSIGN(in, arrow::LargeListArray::FromListView(static_cast<const arrow::LargeListViewArray&>(*in),
                                                                     arrow::default_memory_pool()));
        break;
      }
      default: return in;
    }
  }
}

Status Converter::CheckNulls(const arrow::Array& in, const arrow::Field& target) {
  if (target.nullable() || in.null_count() == 0) return Status::OK();
  return Fail("null in a non-nullable column");
}

Result<ArrayPtr> Converter::ShapeChild(const ArrayPtr& in, const arrow::Field& target) {
  auto shaped = Shape(in, target);
  if (!shaped.ok()) path_ = path_.empty() ? target.name() : target.name() + "." + path_;
  return shaped;
}

Result<ArrayPtr> Converter::Shape(ArrayPtr in, const arrow::Field& target) {
  const TypePtr to = PlainType(target.type());
  LANCEFS_ASSIGN_OR_RETURN(in, Decode(std::move(in)));
  LANCEFS_RETURN_NOT_OK(CheckNulls(*in, target));
  const Type::type from_id = in->type_id();
  ArrayPtr out;
  if (from_id == Type::NA && to->id() != Type::NA) {
    LANCEFS_ARROW_ASSIGN(out, arrow::MakeArrayOfNull(to, in->length()));
  } else if (IsList(to->id()) && IsList(from_id)) {
    LANCEFS_ASSIGN_OR_RETURN(out, ShapeList(in, to));
  } else if (to->id() == Type::STRUCT && from_id == Type::STRUCT) {
    LANCEFS_ASSIGN_OR_RETURN(
        out, ShapeStruct(static_cast<const arrow::StructArray&>(*in), static_cast<const arrow::StructType&>(*to)));
  } else if (to->id() == Type::MAP && from_id == Type::MAP) {
    LANCEFS_ASSIGN_OR_RETURN(out, ShapeMap(in, to));
  } else {
    LANCEFS_ASSIGN_OR_RETURN(out, ShapeLeaf(in, to));
  }
  if (out->type()->Equals(*target.type(), /*check_metadata=*/false)) return out;
  return FinishAs(out, target.type());
}

Result<ArrayPtr> Converter::ShapeLeaf(const ArrayPtr& in, const TypePtr& to) {
  if (in->type()->Equals(*to)) {
    if (!IsString(to->id()) || in->ValidateFull().ok()) return in;
  } else if (!MayCast(*in->type(), *to)) {
    return Fail(in->type()->ToString() + " cannot be taken as " + to->ToString());
  } else {
    auto cast = CastLeaf(in, to);
    if (cast.ok()) return cast;
  }
  // Of the (few) values that the caller has narrowed the failure down to, show the first bad one.
  std::string value;
  for (int64_t i = 0; i < in->length() && in->length() <= 64 && value.empty(); ++i) {
    if (in->IsNull(i)) continue;
    const bool bad = in->type()->Equals(*to) ? !in->Slice(i, 1)->ValidateFull().ok() : !CastLeaf(in->Slice(i, 1), to).ok();
    if (!bad) continue;
    const auto scalar = in->GetScalar(i);
    if (scalar.ok()) value = IsString(to->id()) ? "a string" : Shorten((*scalar)->ToString());
  }
  if (IsString(to->id())) return Fail("is not valid UTF-8", value);
  return Fail("does not fit " + to->ToString() + " without loss", value.empty() ? "a value" : value);
}

Result<ArrayPtr> Converter::CastLeaf(const ArrayPtr& in, const TypePtr& to) {
  const auto options = arrow::compute::CastOptions::Safe();
  if (arrow::is_integer(in->type_id()) && arrow::is_decimal(to->id())) {
    // By way of a decimal that holds every integer, as Arrow judges the precision by the type.
    const int32_t scale = static_cast<const arrow::DecimalType&>(*to).scale();
    LANCEFS_ARROW_ASSIGN(const ArrayPtr wide, arrow::compute::Cast(*in, arrow::decimal256(76, scale), options));
    LANCEFS_ARROW_ASSIGN(const ArrayPtr out, arrow::compute::Cast(*wide, to, options));
    return out;
  }
  LANCEFS_ARROW_ASSIGN(const ArrayPtr out, arrow::compute::Cast(*in, to, options));
  if (IsFloat(to->id()) || IsFloat(in->type_id())) {  // Arrow rounds to a narrower float without a word
    LANCEFS_ARROW_ASSIGN(const ArrayPtr back, arrow::compute::Cast(*out, in->type(), options));
    if (!back->Equals(*in, arrow::EqualOptions::Defaults().nans_equal(true))) return Status::InvalidArgument("loss");
  }
  return out;
}

Result<ArrayPtr> Converter::ShapeList(ArrayPtr in, const TypePtr& to) {
  const auto& target = static_cast<const arrow::BaseListType&>(*to);
  const auto& value_field = target.value_field();
  if (in->type()->Equals(*to) && value_field->nullable() && in->type()->field(0)->Equals(value_field)) return in;
  TypePtr wanted;  // the target's shape with the values as they are
  const auto from_values = static_cast<const arrow::BaseListType&>(*in->type()).value_field();
  switch (to->id()) {
    case Type::FIXED_SIZE_LIST:
      wanted = arrow::fixed_size_list(from_values, static_cast<const arrow::FixedSizeListType&>(*to).list_size());
      break;
    case Type::LIST:
    case Type::LIST_VIEW: wanted = arrow::list(from_values); break;
    default: wanted = arrow::large_list(from_values);
  }
  if (in->type_id() != wanted->id() || (wanted->id() == Type::FIXED_SIZE_LIST && !in->type()->Equals(*wanted))) {
    auto cast = arrow::compute::Cast(*in, wanted);
    if (!cast.ok()) return Fail("does not fit " + to->ToString(), "a list");
    in = *cast;
  }
  if (wanted->id() == Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListArray&>(*in);
    const int64_t size = list.list_type()->list_size();
    ArrayPtr values = list.values()->Slice(list.offset() * size, list.length() * size);
    LANCEFS_ASSIGN_OR_RETURN(
        values,
        ShapeChild(values, value_field->nullable() || in->null_count() == 0 ? *value_field : *value_field->WithNullable(true)));
    std::shared_ptr<arrow::Buffer> bitmap;
    if (in->null_count() > 0) {
      LANCEFS_ARROW_ASSIGN(
          bitmap, arrow::internal::CopyBitmap(arrow::default_memory_pool(), in->null_bitmap_data(), in->offset(), in->length()));
    }
    return std::make_shared<arrow::FixedSizeListArray>(to, in->length(), values, bitmap, in->null_count());
  }
  // A copy whose values are just those of these rows.
  LANCEFS_ARROW_ASSIGN(const ArrayPtr own, arrow::Concatenate({in}));
  const bool large = wanted->id() == Type::LARGE_LIST;
  ArrayPtr values =
      large ? static_cast<const arrow::LargeListArray&>(*own).values() : static_cast<const arrow::ListArray&>(*own).values();
  LANCEFS_ASSIGN_OR_RETURN(values, ShapeChild(values, *value_field));
  auto data = own->data()->Copy();
  data->type = large ? arrow::large_list(value_field) : arrow::list(value_field);
  data->child_data[0] = values->data();
  return arrow::MakeArray(data);
}

Result<ArrayPtr> Converter::ShapeStruct(const arrow::StructArray& in, const arrow::StructType& to) {
  const auto& from = static_cast<const arrow::StructType&>(*in.type());
  std::unordered_set<std::string> seen;
  for (const auto& field : from.fields()) {
    if (to.GetFieldIndex(field->name()) < 0) {
      const Status status = Fail("the column's type has no such field");
      path_ = field->name();
      return status;
    }
    if (!seen.insert(field->name()).second) return Fail("has two fields named '" + field->name() + "'");
  }
  arrow::ArrayVector children;
  for (const auto& field : to.fields()) {
    const int index = from.GetFieldIndex(field->name());
    ArrayPtr child;
    if (index >= 0) {
      child = in.field(index);
      // What stands below a null struct does not count.
      if (in.null_count() > 0) {
        LANCEFS_ARROW_ASSIGN(child, in.GetFlattenedField(index));
      }
      const bool relaxed = in.null_count() > 0 && !field->nullable();
      if (relaxed && child->null_count() > in.null_count()) {
        const Status status = Fail("null in a non-nullable field");
        path_ = field->name();
        return status;
      }
      LANCEFS_ASSIGN_OR_RETURN(child, ShapeChild(child, relaxed ? *field->WithNullable(true) : *field));
    } else if (field->nullable()) {
      LANCEFS_ARROW_ASSIGN(child, arrow::MakeArrayOfNull(field->type(), in.length()));
    } else {
      const Status status = Fail("is missing, and the field is not nullable");
      path_ = field->name();
      return status;
    }
    children.push_back(std::move(child));
  }
  std::shared_ptr<arrow::Buffer> bitmap;
  if (in.null_count() > 0) {
    LANCEFS_ARROW_ASSIGN(
        bitmap, arrow::internal::CopyBitmap(arrow::default_memory_pool(), in.null_bitmap_data(), in.offset(), in.length()));
  }
  return std::make_shared<arrow::StructArray>(arrow::struct_(to.fields()), in.length(), std::move(children), bitmap,
                                              in.null_count());
}

Result<ArrayPtr> Converter::ShapeMap(const ArrayPtr& in, const TypePtr& to) {
  const auto& target = static_cast<const arrow::MapType&>(*to);
  LANCEFS_ARROW_ASSIGN(const ArrayPtr own, arrow::Concatenate({in}));
  const auto& map = static_cast<const arrow::MapArray&>(*own);
  LANCEFS_ASSIGN_OR_RETURN(const ArrayPtr keys, ShapeChild(map.keys(), *target.key_field()));
  LANCEFS_ASSIGN_OR_RETURN(const ArrayPtr items, ShapeChild(map.items(), *target.item_field()));
  return std::make_shared<arrow::MapArray>(to, map.length(), map.value_offsets(), keys, items, map.null_bitmap(),
                                           map.null_count());
}

// Where and why a column did not convert: the first row that fails alone.
RowError Locate(const ArrayPtr& column, const arrow::Field& target, uint64_t first_row) {
  Converter converter;
  int64_t good = 0;
  int64_t bad = column->length();
  if (bad == 0 || !converter.Shape(column->Slice(0, 0), target).ok()) {
    (void)converter.Shape(column->Slice(0, 0), target);
    good = bad = 0;
  }
  while (good < bad) {  // rows [0, good) convert, [0, bad) do not
    if (good + 1 == bad) break;
    const int64_t middle = good + (bad - good) / 2;
    if (converter.Shape(column->Slice(good, middle - good), target).ok()) {
      good = middle;
    } else {
      bad = middle;
    }
  }
  RowError error;
  if (bad > 0) {
    error.row = first_row + static_cast<uint64_t>(bad);
    (void)converter.Shape(column->Slice(bad - 1, 1), target);
  }
  error.column = target.name() + (converter.path().empty() ? "" : "." + converter.path());
  error.value = converter.value();
  error.reason = converter.reason();
  return error;
}

Status Refuse(RowError refused, std::optional<RowError>* error) {
  *error = std::move(refused);
  return ToStatus(**error);
}

}  // namespace

std::string ExtensionName(const arrow::Field& field) {
  if (field.type()->id() == Type::EXTENSION) return static_cast<const arrow::ExtensionType&>(*field.type()).extension_name();
  if (!field.HasMetadata()) return "";
  const auto name = field.metadata()->Get("ARROW:extension:name");
  return name.ok() ? *name : "";
}

TypePtr StorageType(const TypePtr& type) {
  return type->id() == Type::EXTENSION ? static_cast<const arrow::ExtensionType&>(*type).storage_type() : type;
}

TypePtr PlainType(TypePtr type) {
  type = StorageType(type);
  if (type->id() == Type::DICTIONARY) return PlainType(static_cast<const arrow::DictionaryType&>(*type).value_type());
  if (type->id() == Type::STRING_VIEW) return arrow::large_utf8();
  if (type->id() == Type::BINARY_VIEW) return arrow::large_binary();
  return type;
}

Result<ArrayPtr> FinishAs(const ArrayPtr& array, const TypePtr& type) {
  InitializeCompute();
  if (array->type()->Equals(*type)) return array;
  if (type->id() == Type::EXTENSION) {
    LANCEFS_ASSIGN_OR_RETURN(const ArrayPtr storage, FinishAs(array, StorageType(type)));
    return arrow::ExtensionType::WrapArray(type, storage);
  }
  if (type->id() == Type::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryType&>(*type);
    LANCEFS_ASSIGN_OR_RETURN(const ArrayPtr values, FinishAs(array, dictionary.value_type()));
    LANCEFS_ARROW_ASSIGN(const arrow::Datum encoded, arrow::compute::DictionaryEncode(values));
    const ArrayPtr dense_array = encoded.make_array();
    const auto& dense = static_cast<const arrow::DictionaryArray&>(*dense_array);
    auto indices = arrow::compute::Cast(*dense.indices(), dictionary.index_type());
    if (!indices.ok()) return Status::InvalidArgument("a batch has more distinct values than " + type->ToString() + " can count");
    LANCEFS_ARROW_ASSIGN(const ArrayPtr out, arrow::DictionaryArray::FromArrays(type, *indices, dense.dictionary()));
    return out;
  }
  if (type->id() == Type::STRING_VIEW) return CopyStrings<arrow::StringViewBuilder, arrow::LargeStringArray>(*array);
  if (type->id() == Type::BINARY_VIEW) return CopyStrings<arrow::BinaryViewBuilder, arrow::LargeBinaryArray>(*array);
  if (type->id() == Type::LIST_VIEW || type->id() == Type::LARGE_LIST_VIEW) {
    auto* pool = arrow::default_memory_pool();
    std::shared_ptr<arrow::Array> out;
    if (type->id() == Type::LIST_VIEW) {
      LANCEFS_ARROW_ASSIGN(out, arrow::ListViewArray::FromList(static_cast<const arrow::ListArray&>(*array), pool));
    } else {
      LANCEFS_ARROW_ASSIGN(out, arrow::LargeListViewArray::FromList(static_cast<const arrow::LargeListArray&>(*array), pool));
    }
    return out;
  }
  if (array->type_id() == type->id()) {  // the names of list items, the nullability or metadata of children
    auto data = array->data()->Copy();
    data->type = type;
    return arrow::MakeArray(data);
  }
  LANCEFS_ARROW_ASSIGN(const ArrayPtr out, arrow::compute::Cast(*array, type));
  return out;
}

Status ToStatus(const RowError& error) {
  std::string text;
  if (error.row > 0) text = "row " + std::to_string(error.row);
  if (!error.column.empty()) text += (text.empty() ? "column '" : ", column '") + error.column + "'";
  if (!text.empty()) text += ": ";
  if (!error.value.empty()) text += error.value + " ";
  return Status::InvalidArgument(text + error.reason);
}

Result<std::shared_ptr<arrow::RecordBatch>> ConvertBatch(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                         const std::shared_ptr<arrow::Schema>& target, uint64_t first_row,
                                                         std::optional<RowError>* error) {
  InitializeCompute();
  const auto& names = batch->schema()->fields();
  std::unordered_set<std::string> seen;
  for (const auto& field : names) {
    if (target->GetFieldIndex(field->name()) < 0) return Refuse({0, field->name(), "", "the table has no such column"}, error);
    if (!seen.insert(field->name()).second) return Refuse({0, field->name(), "", "stands twice in the file"}, error);
  }
  arrow::ArrayVector columns;
  std::optional<RowError> first;  // of all columns' errors the one in the earliest row
  for (const auto& field : target->fields()) {
    const int index = batch->schema()->GetFieldIndex(field->name());
    if (index < 0) {
      if (!field->nullable()) return Refuse({0, field->name(), "", "is missing, and the column is not nullable"}, error);
      LANCEFS_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(field->type(), batch->num_rows()));
      columns.push_back(std::move(nulls));
      continue;
    }
    Converter converter;
    auto shaped = converter.Shape(batch->column(index), *field);
    if (shaped.ok()) {
      columns.push_back(std::move(shaped).MoveValue());
      continue;
    }
    if (!shaped.status().Is(StatusCode::kInvalidArgument)) return shaped.status().WithContext("column '" + field->name() + "'");
    RowError refused = Locate(batch->column(index), *field, first_row);
    if (refused.reason.empty()) refused.reason = shaped.status().message();
    if (!first || refused.row < first->row) first = std::move(refused);
  }
  if (first) return Refuse(std::move(*first), error);
  return arrow::RecordBatch::Make(target, batch->num_rows(), std::move(columns));
}

Status CheckSchema(const arrow::Schema& schema, const arrow::Schema& target, std::optional<RowError>* error) {
  LANCEFS_ARROW_ASSIGN(const auto empty,
                       arrow::RecordBatch::MakeEmpty(std::make_shared<arrow::Schema>(schema.fields(), schema.metadata())));
  return ConvertBatch(empty, std::make_shared<arrow::Schema>(target.fields(), target.metadata()), 0, error).status();
}

}  // namespace lancefs::rows
