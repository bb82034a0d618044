// SPDX-License-Identifier: Apache-2.0
//
// Filters over rows of 0.1 files, whose pages keep no nulls while their statistics know of some (engine/format/v1/statistics.h):
// where a batch has nothing but nulls in a column, the filter sees nulls; where it has none, IS NULL is false even for strings
// without bytes, which read as null. So pylance's filters answer.
//
// Thread safety: free functions.
#pragma once

#include <memory>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/v1/statistics.h"
#include "engine/sql/expression.h"

namespace lancefs {

// What is known of a fragment's batches.
struct KnownNulls {
  std::vector<uint32_t> batch_offsets;
  v1::BatchNulls nulls;
};

// EvaluateFilter over `input`, whose first columns are `fields` and whose rows are the fragment's `rows`.
Result<std::shared_ptr<arrow::BooleanArray>> EvaluateByBatches(const Expression& filter, const KnownNulls& known,
                                                               const std::vector<Field>& fields, const RowSelection& rows,
                                                               const arrow::RecordBatch& input);

}  // namespace lancefs
