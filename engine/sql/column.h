// SPDX-License-Identifier: Apache-2.0
//
// What evaluation passes around: an Arrow array, or one value that stands for every row; and cheap typed
// readers over both. Kernels work on plain C values behind these readers.
//
// Thread safety: values.
#pragma once

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "engine/arrow_status.h"

namespace lancefs::sql {

// How values of a type lie in memory.
enum class Phys : uint8_t {
  kNull,
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kHalf,
  kFloat,
  kDouble,
  kDecimal128,
  kDecimal256,
  kBytes,
  kOther,
};
Phys PhysOf(const arrow::DataType& type);

// `constant`: `array` has one row, which stands for all.
struct Column {
  std::shared_ptr<arrow::Array> array;
  bool constant = false;

  const std::shared_ptr<arrow::DataType>& type() const { return array->type(); }
  bool IsNull(int64_t row) const { return array->IsNull(constant ? 0 : row); }
  bool ConstantNull() const { return constant && array->IsNull(0); }
};

// The values without dictionary, extension, run-end and view wrappers, which kernels don't know.
Result<std::shared_ptr<arrow::Array>> Plain(const std::shared_ptr<arrow::Array>& array);
std::shared_ptr<arrow::DataType> PlainType(const std::shared_ptr<arrow::DataType>& type);

// `column` with `rows` rows of its own.
Result<std::shared_ptr<arrow::Array>> Materialize(const Column& column, int64_t rows);
Result<Column> NullColumn(const std::shared_ptr<arrow::DataType>& type);

// Validity of `rows` rows that are valid in every column, from bit 0; null when all are. A constant null
// must have been handled before. `null_count` is set.
Result<std::shared_ptr<arrow::Buffer>> CombineValidity(const Column* const* columns, int count, int64_t rows,
                                                       int64_t* null_count);

Result<std::shared_ptr<arrow::Buffer>> NewBitmap(int64_t rows, bool value = false);
Result<std::shared_ptr<arrow::Buffer>> NewBuffer(int64_t bytes);

// Fixed-width values; `step` is 0 for a constant.
template <typename T>
struct Values {
  const T* data;
  int64_t step;

  explicit Values(const Column& column)
      : data(reinterpret_cast<const T*>(column.array->data()->buffers[1] ? column.array->data()->buffers[1]->data() : nullptr) +
             column.array->offset()),
        step(column.constant ? 0 : 1) {}
  T operator[](int64_t row) const { return data[row * step]; }
};

struct Bools {
  const uint8_t* data;
  int64_t offset;
  int64_t step;

  explicit Bools(const Column& column)
      : data(column.array->data()->buffers[1]->data()), offset(column.array->offset()), step(column.constant ? 0 : 1) {}
  bool operator[](int64_t row) const { return arrow::bit_util::GetBit(data, offset + row * step); }
};

// utf8, binary, their large forms, fixed size binary.
struct Strings {
  const int32_t* narrow = nullptr;
  const int64_t* wide = nullptr;
  int64_t width = 0;
  const char* data = nullptr;
  int64_t step;

  explicit Strings(const Column& column);
  std::string_view operator[](int64_t row) const {
    const int64_t i = row * step;
    if (narrow) return {data + narrow[i], static_cast<size_t>(narrow[i + 1] - narrow[i])};
    if (wide) return {data + wide[i], static_cast<size_t>(wide[i + 1] - wide[i])};
    return {data + i * width, static_cast<size_t>(width)};
  }
};

// List, large list, map, fixed size list: where a row's items lie in the child array.
struct Lists {
  const int32_t* narrow = nullptr;
  const int64_t* wide = nullptr;
  int64_t width = 0;
  int64_t offset = 0;
  int64_t step;
  std::shared_ptr<arrow::Array> items;

  explicit Lists(const Column& column);
  int64_t Begin(int64_t row) const {
    const int64_t i = row * step;
    return narrow ? narrow[i] : wide ? wide[i] : (offset + i) * width;
  }
  int64_t Size(int64_t row) const {
    const int64_t i = row * step;
    return narrow ? narrow[i + 1] - narrow[i] : wide ? wide[i + 1] - wide[i] : width;
  }
};

bool IsListLike(const arrow::DataType& type);
inline bool IsString(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING || type.id() == arrow::Type::STRING_VIEW;
}
inline bool IsBinary(const arrow::DataType& type) {
  return type.id() == arrow::Type::BINARY || type.id() == arrow::Type::LARGE_BINARY ||
         type.id() == arrow::Type::FIXED_SIZE_BINARY || type.id() == arrow::Type::BINARY_VIEW;
}

// Half floats, whose only native form here is their bits.
float HalfToFloat(uint16_t bits);
uint16_t DoubleToHalf(double value);  // round to nearest, ties to even

// A total order on floats as integers: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN.
inline int32_t TotalOrder(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits ^ static_cast<int32_t>(static_cast<uint32_t>(bits >> 31) >> 1);
}
inline int64_t TotalOrder(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits ^ static_cast<int64_t>(static_cast<uint64_t>(bits >> 63) >> 1);
}

// Calls visit(T{}) with the C type of a numeric `phys` (half floats excluded).
template <typename Visit>
Status VisitNumeric(Phys phys, Visit&& visit) {
  switch (phys) {
    case Phys::kInt8: return visit(int8_t{});
    case Phys::kInt16: return visit(int16_t{});
    case Phys::kInt32: return visit(int32_t{});
    case Phys::kInt64: return visit(int64_t{});
    case Phys::kUInt8: return visit(uint8_t{});
    case Phys::kUInt16: return visit(uint16_t{});
    case Phys::kUInt32: return visit(uint32_t{});
    case Phys::kUInt64: return visit(uint64_t{});
    case Phys::kFloat: return visit(float{});
    case Phys::kDouble: return visit(double{});
    default: return Status::Internal("no numeric layout");
  }
}

}  // namespace lancefs::sql
