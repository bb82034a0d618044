// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/json_columns.h"

#include <arrow/builder.h>

#include "engine/arrow_status.h"
#include "engine/rows/jsonb.h"

namespace lancefs {
namespace {

using ArrayDataPtr = std::shared_ptr<arrow::ArrayData>;

template <typename Builder, typename Array, typename Convert>
Result<ArrayDataPtr> ConvertLeaf(const ArrayDataPtr& data, const Convert& convert) {
  const Array array(data);
  Builder builder;
  LANCEFS_ARROW_NOT_OK(builder.Reserve(array.length()));
  std::string out;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    out.clear();
    LANCEFS_RETURN_NOT_OK(convert(array.GetView(i), i, &out));
    LANCEFS_ARROW_NOT_OK(builder.Append(out));
  }
  LANCEFS_ARROW_ASSIGN(const std::shared_ptr<arrow::Array> converted, builder.Finish());
  return converted->data();
}

// Leaves whose type differs are converted; children of nested arrays are converted whole, so that offsets stay true.
template <typename Leaf>
Result<ArrayDataPtr> Convert(const ArrayDataPtr& data, const std::shared_ptr<arrow::DataType>& type, const Leaf& leaf) {
  if (data->type->Equals(*type)) return data;
  if (data->type->id() != type->id() || data->type->num_fields() == 0 || data->type->num_fields() != type->num_fields())
    return leaf(data, *type);
  ArrayDataPtr converted = data->Copy();
  converted->type = type;
  for (size_t i = 0; i < data->child_data.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(converted->child_data[i],
                             Convert(data->child_data[i], type->field(static_cast<int>(i))->type(), leaf));
  }
  return converted;
}

Status Unexpected(const arrow::DataType& from, const arrow::DataType& to) {
  return Status::Internal("a column of type " + from.ToString() + " cannot be turned into " + to.ToString());
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> JsonToText(const std::shared_ptr<arrow::Array>& array,
                                                 const std::shared_ptr<arrow::DataType>& type) {
  auto leaf = [](const ArrayDataPtr& data, const arrow::DataType& to) -> Result<ArrayDataPtr> {
    if (data->type->id() != arrow::Type::LARGE_BINARY || to.id() != arrow::Type::STRING) return Unexpected(*data->type, to);
    return ConvertLeaf<arrow::StringBuilder, arrow::LargeBinaryArray>(
        data, [](std::string_view bytes, int64_t, std::string* out) {
          return AppendJsonbText({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, out);
        });
  };
  LANCEFS_ASSIGN_OR_RETURN(ArrayDataPtr data, Convert(array->data(), type, leaf));
  return arrow::MakeArray(std::move(data));
}

Result<std::shared_ptr<arrow::Array>> JsonFromText(const std::shared_ptr<arrow::Array>& array,
                                                   const std::shared_ptr<arrow::DataType>& type) {
  auto leaf = [](const ArrayDataPtr& data, const arrow::DataType& to) -> Result<ArrayDataPtr> {
    if (data->type->id() != arrow::Type::STRING || to.id() != arrow::Type::LARGE_BINARY) return Unexpected(*data->type, to);
    return ConvertLeaf<arrow::LargeBinaryBuilder, arrow::StringArray>(
        data, [](std::string_view text, int64_t row, std::string* out) {
          const Status status = AppendJsonb(text, out);
          return status.ok() ? status : status.WithContext("row " + std::to_string(row));
        });
  };
  LANCEFS_ASSIGN_OR_RETURN(ArrayDataPtr data, Convert(array->data(), type, leaf));
  return arrow::MakeArray(std::move(data));
}

}  // namespace lancefs
