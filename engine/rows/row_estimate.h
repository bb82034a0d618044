// SPDX-License-Identifier: Apache-2.0
//
// How long rows get in a format, from their types and what is known of their values.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/type.h>

#include <cstdint>
#include <vector>

#include "engine/rows/row_writer.h"

namespace lancefs {

// What is known of the values of a field, beside its type; `children` as the type's fields, absent where nothing in them has
// a number or a length that the type does not tell.
struct KnownValues {
  uint64_t values = 0;      // of all rows; for the items of lists
  uint64_t bytes = 0;       // of variable width
  uint64_t text_bytes = 0;  // the same in a JSON text in a CSV cell
  std::vector<KnownValues> children;
};

// An upper bound, in bytes, of what `rows` rows of columns with those types take without the header and the frame of the
// format; for size estimates. `known`: one a column. `pieces`: places where the rows stand, none of whose batches reaches into
// another. Of dictionary types in Arrow streams, see RepeatsDictionaries.
uint64_t EstimateRowsBytes(RowFormat format, const arrow::Schema& schema, uint64_t rows, uint64_t pieces,
                           const std::vector<KnownValues>& known);
// Whether any value's length or number is not told by the type.
bool HasVariableData(const arrow::DataType& type);
// Whether every batch may bring the column's dictionaries again, so that no number of values bounds their bytes.
bool RepeatsDictionaries(RowFormat format, const arrow::DataType& type);
// Names, types and metadata in front of the rows.
uint64_t EstimateHeaderBytes(const arrow::Schema& schema);

}  // namespace lancefs
