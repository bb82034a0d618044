// SPDX-License-Identifier: Apache-2.0
//
// The scalar functions by name, with DataFusion's names, arguments and results.
//
// Thread safety: free functions over immutable tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/sql/nodes.h"

namespace lancefs::sql {

// What a function makes of its arguments: the types that they are cast to, the result, the code.
struct BoundFunction {
  std::vector<TypePtr> arguments;
  TypePtr type;
  Kernel kernel;
  bool is_volatile = false;  // not to be folded
};

// `constants[i]` is the i-th argument's value where it is constant, else null. The message of an error
// has no position. kNotFound: no such function (with a suggestion).
Result<BoundFunction> BindFunction(const std::string& name, const std::vector<TypePtr>& types,
                                   const std::vector<const Column*>& constants);

// `text [NOT] LIKE pattern`: both of one string type. `escape` is one character.
Kernel LikeKernel(bool ignore_case, bool negated, const std::string& escape, const Column* pattern, Status* error);
// `text ~ pattern`.
Kernel RegexKernel(bool ignore_case, bool negated, const Column* pattern, Status* error);
// list[index], from 1; negative from the end.
Result<BoundFunction> BindElement(const TypePtr& list, const TypePtr& index);

// Building blocks that operators share with functions.
Result<Column> ConcatStrings(const std::vector<Column>& in, int64_t rows, const TypePtr& type);
Result<Column> MakeList(const std::vector<Column>& in, int64_t rows, const TypePtr& item_type);
// date - date, timestamp +- interval, ... (ArithmeticFor).
Result<Column> TemporalArithmetic(char op, const Column& left, const Column& right, int64_t rows, const TypePtr& type);
// "1 day 2 hours", "3 months".
bool ParseInterval(std::string_view text, arrow::MonthDayNanoIntervalType::MonthDayNanos* value);

// All names, for documentation and suggestions.
std::vector<std::string> FunctionNames();

// The nearest of `names` to `name`, or empty if none is near.
std::string NearestName(std::string_view name, const std::vector<std::string>& names);

}  // namespace lancefs::sql
