// SPDX-License-Identifier: Apache-2.0
//
// The vector loops behind operators: comparison in the reference's total order, three-valued logic,
// arithmetic. Inputs have been cast to one plain type by the binder.
//
// Thread safety: free functions.
#pragma once

#include <string>

#include "engine/sql/column.h"

namespace lancefs::sql {

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kDistinct, kNotDistinct };

// Both sides have the same plain type, half floats excluded. Floats compare in IEEE total order (NaN is
// the greatest and equals itself), yet against a constant zero both zeros are one number.
Result<Column> Compare(CompareOp op, const Column& left, const Column& right, int64_t rows);

// Three-valued AND (`is_and`) or OR of booleans.
Result<Column> Combine(bool is_and, const Column& left, const Column& right, int64_t rows);
Result<Column> Not(const Column& in);
Result<Column> IsNull(const Column& in, int64_t rows, bool negated);
// IS [NOT] TRUE / FALSE.
Result<Column> IsTruth(const Column& in, int64_t rows, bool truth, bool negated);
// A boolean column from a bit a row and optional validity.
Column MakeBools(std::shared_ptr<arrow::Buffer> bits, std::shared_ptr<arrow::Buffer> validity, int64_t rows, bool constant);

// + - * / % on numbers of one type (decimals: `type` is the result's). Errors: division by zero, overflow
// where the reference has one.
Result<Column> Arithmetic(char op, const Column& left, const Column& right, int64_t rows,
                          const std::shared_ptr<arrow::DataType>& type);
Result<Column> Negate(const Column& in, int64_t rows);
// << and >> on integers of one type.
Result<Column> Shift(bool left_shift, const Column& left, const Column& right, int64_t rows);

}  // namespace lancefs::sql
