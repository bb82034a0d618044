// SPDX-License-Identifier: Apache-2.0
//
// CAST and TRY_CAST, with the reference's (arrow-rs') rules: what parses, what overflows, how values
// are printed. All over plain types (column.h).
//
// Thread safety: free functions.
#pragma once

#include <string>

#include "base/status.h"
#include "engine/sql/column.h"
#include "engine/sql/types.h"

namespace lancefs::sql {

bool CanCast(const arrow::DataType& from, const arrow::DataType& to);

// `column` as `type`. What does not fit is null with `try_cast`, else kInvalidArgument with the value.
// REQUIRES: CanCast.
Result<Column> CastColumn(const Column& column, const TypePtr& type, bool try_cast);

// The text of row `row` as CAST(.. AS string) gives it; `column` is not null there.
std::string ValueText(const Column& column, int64_t row);

// The same with floats in plain digits, as half floats and items of joined lists are printed: 1, 0.0000001, -0.
std::string DisplayText(const Column& column, int64_t row);

// Seconds east of UTC of the wall clock `local_seconds` in `zone`; kInvalidArgument for an unknown zone.
Result<std::shared_ptr<arrow::Array>> LocalToUtc(const std::shared_ptr<arrow::Array>& timestamps, const TypePtr& type);

}  // namespace lancefs::sql
