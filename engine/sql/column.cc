// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/column.h"

#include <arrow/compute/api.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/float16.h>

#include <cmath>

namespace lancefs::sql {

Phys PhysOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA: return Phys::kNull;
    case arrow::Type::BOOL: return Phys::kBool;
    case arrow::Type::INT8: return Phys::kInt8;
    case arrow::Type::INT16: return Phys::kInt16;
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32: return Phys::kInt32;
    case arrow::Type::INT64:
    case arrow::Type::DATE64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION: return Phys::kInt64;
    case arrow::Type::UINT8: return Phys::kUInt8;
    case arrow::Type::UINT16: return Phys::kUInt16;
    case arrow::Type::UINT32: return Phys::kUInt32;
    case arrow::Type::UINT64: return Phys::kUInt64;
    case arrow::Type::HALF_FLOAT: return Phys::kHalf;
    case arrow::Type::FLOAT: return Phys::kFloat;
    case arrow::Type::DOUBLE: return Phys::kDouble;
    case arrow::Type::DECIMAL128: return Phys::kDecimal128;
    case arrow::Type::DECIMAL256: return Phys::kDecimal256;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY: return Phys::kBytes;
    default: return Phys::kOther;
  }
}

bool IsListLike(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::MAP: return true;
    default: return false;
  }
}

std::shared_ptr<arrow::DataType> PlainType(const std::shared_ptr<arrow::DataType>& type) {
  using arrow::internal::checked_cast;
  switch (type->id()) {
    case arrow::Type::EXTENSION: return PlainType(checked_cast<const arrow::ExtensionType&>(*type).storage_type());
    case arrow::Type::DICTIONARY: return PlainType(checked_cast<const arrow::DictionaryType&>(*type).value_type());
    case arrow::Type::RUN_END_ENCODED: return PlainType(checked_cast<const arrow::RunEndEncodedType&>(*type).value_type());
    case arrow::Type::STRING_VIEW: return arrow::utf8();
    case arrow::Type::BINARY_VIEW: return arrow::binary();
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      const auto& decimal = checked_cast<const arrow::DecimalType&>(*type);
      return arrow::decimal128(decimal.precision(), decimal.scale());
    }
    default: return type;
  }
}

Result<std::shared_ptr<arrow::Array>> Plain(const std::shared_ptr<arrow::Array>& array) {
  using arrow::internal::checked_cast;
  switch (array->type_id()) {
    case arrow::Type::EXTENSION: return Plain(checked_cast<const arrow::ExtensionArray&>(*array).storage());
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = checked_cast<const arrow::DictionaryArray&>(*array);
      LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(dictionary.dictionary(), dictionary.indices()));
      return Plain(taken.make_array());
    }
    case arrow::Type::RUN_END_ENCODED: {
      LANCEFS_ARROW_ASSIGN(arrow::Datum decoded, arrow::compute::RunEndDecode(array));
      return Plain(decoded.make_array());
    }
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64: {
      LANCEFS_ARROW_ASSIGN(auto cast, arrow::compute::Cast(*array, PlainType(array->type())));
      return cast;
    }
    default: return array;
  }
}

Result<std::shared_ptr<arrow::Array>> Materialize(const Column& column, int64_t rows) {
  if (!column.constant) return column.array;
  if (rows == 1) return column.array;
  LANCEFS_ARROW_ASSIGN(auto scalar, column.array->GetScalar(0));
  LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayFromScalar(*scalar, rows));
  return array;
}

Result<Column> NullColumn(const std::shared_ptr<arrow::DataType>& type) {
  LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayOfNull(type, 1));
  return Column{std::move(array), true};
}

Result<std::shared_ptr<arrow::Buffer>> NewBitmap(int64_t rows, bool value) {
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(rows) + 8));
  std::memset(buffer->mutable_data(), value ? 0xFF : 0, static_cast<size_t>(buffer->size()));
  return buffer;
}

Result<std::shared_ptr<arrow::Buffer>> NewBuffer(int64_t bytes) {
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes));
  return buffer;
}

Result<std::shared_ptr<arrow::Buffer>> CombineValidity(const Column* const* columns, int count, int64_t rows,
                                                       int64_t* null_count) {
  std::shared_ptr<arrow::Buffer> result;
  bool owned = false;
  *null_count = 0;
  for (int i = 0; i < count; ++i) {
    const Column& column = *columns[i];
    if (column.constant || column.array->null_count() == 0) continue;
    if (column.array->type_id() == arrow::Type::NA) {
      LANCEFS_ASSIGN_OR_RETURN(result, NewBitmap(rows, false));
      *null_count = rows;
      return result;
    }
    const auto& data = *column.array->data();
    if (!result && data.offset == 0) {
      result = data.buffers[0];
    } else if (!result) {
      LANCEFS_ASSIGN_OR_RETURN(result, NewBitmap(rows));
      arrow::internal::CopyBitmap(data.buffers[0]->data(), data.offset, rows, result->mutable_data(), 0);
      owned = true;
    } else {
      std::shared_ptr<arrow::Buffer> merged = result;
      if (!owned) {
        LANCEFS_ASSIGN_OR_RETURN(merged, NewBitmap(rows));
      }
      arrow::internal::BitmapAnd(result->data(), 0, data.buffers[0]->data(), data.offset, rows, 0, merged->mutable_data());
      result = std::move(merged);
      owned = true;
    }
  }
  if (result) *null_count = arrow::kUnknownNullCount;
  return result;
}

Strings::Strings(const Column& column) : step(column.constant ? 0 : 1) {
  const auto& array = *column.array;
  const auto& buffers = array.data()->buffers;
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      narrow = static_cast<const arrow::BinaryArray&>(array).raw_value_offsets();
      data = buffers[2] ? reinterpret_cast<const char*>(buffers[2]->data()) : "";
      break;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      wide = static_cast<const arrow::LargeBinaryArray&>(array).raw_value_offsets();
      data = buffers[2] ? reinterpret_cast<const char*>(buffers[2]->data()) : "";
      break;
    default:
      width = static_cast<const arrow::FixedSizeBinaryArray&>(array).byte_width();
      data = reinterpret_cast<const char*>(buffers[1]->data()) + array.offset() * width;
      break;
  }
}

Lists::Lists(const Column& column) : step(column.constant ? 0 : 1) {
  const auto& array = *column.array;
  switch (array.type_id()) {
    case arrow::Type::LIST:
    case arrow::Type::MAP:
      narrow = static_cast<const arrow::ListArray&>(array).raw_value_offsets();
      items = static_cast<const arrow::ListArray&>(array).values();
      break;
    case arrow::Type::LARGE_LIST:
      wide = static_cast<const arrow::LargeListArray&>(array).raw_value_offsets();
      items = static_cast<const arrow::LargeListArray&>(array).values();
      break;
    default:
      width = static_cast<const arrow::FixedSizeListType&>(*array.type()).list_size();
      offset = array.offset();
      items = static_cast<const arrow::FixedSizeListArray&>(array).values();
      break;
  }
}

float HalfToFloat(uint16_t bits) { return arrow::util::Float16::FromBits(bits).ToFloat(); }
uint16_t DoubleToHalf(double value) { return arrow::util::Float16::FromDouble(value).bits(); }

}  // namespace lancefs::sql
