// SPDX-License-Identifier: Apache-2.0
//
// Which types meet in an operator, as DataFusion decides it. All take and give plain types (column.h).
//
// Thread safety: free functions.
#pragma once

#include <arrow/type.h>

#include <memory>
#include <string>

namespace lancefs::sql {

using TypePtr = std::shared_ptr<arrow::DataType>;

bool IsInteger(const arrow::DataType& type);
bool IsUnsigned(const arrow::DataType& type);
bool IsFloat(const arrow::DataType& type);
bool IsDecimal(const arrow::DataType& type);
bool IsNumeric(const arrow::DataType& type);  // integers, floats, decimals
bool IsTemporal(const arrow::DataType& type);

// The type in which both sides of a comparison are compared; null if there is none.
TypePtr ComparisonType(const TypePtr& left, const TypePtr& right);
// The type that holds values of both (CASE branches, coalesce, arrays); null if there is none.
TypePtr UnionType(const TypePtr& left, const TypePtr& right);
// For LIKE and regular expressions; null if there is none.
TypePtr LikeType(const TypePtr& left, const TypePtr& right);

// left op right for + - * / %: the types that both sides are cast to and that of the result.
struct ArithmeticTypes {
  TypePtr left;
  TypePtr right;
  TypePtr result;
};
// `result` is null if there is no such operator.
ArithmeticTypes ArithmeticFor(const std::string& op, const TypePtr& left, const TypePtr& right);

}  // namespace lancefs::sql
