// SPDX-License-Identifier: Apache-2.0
//
// What a data file writer asks of its schema and of every batch: types that the file version can
// store, arrays of the schema's types, no null where none is allowed.
//
// Thread safety: functions without state.
#pragma once

#include <arrow/array.h>

#include "engine/format/schema.h"

namespace lancefs {

// Errors: kNotSupported naming column, type and version.
Status CheckStorable(const Schema& schema, FileVersion version);

// The array in the field's storage type: extensions unwrapped and views copied to their base types
// where they stand at the top. Errors: kInvalidArgument naming column and types.
Result<std::shared_ptr<arrow::Array>> ConformArray(const std::shared_ptr<arrow::Array>& array, const Field& field);

// Errors, naming column and row: kInvalidArgument for a null in a non-nullable field that no null
// parent hides, kNotSupported for a null struct in version 2.0. `first_row` is the file's row number
// of the array's first.
Status CheckNulls(const arrow::Array& array, const Field& field, FileVersion version, uint64_t first_row);

}  // namespace lancefs
