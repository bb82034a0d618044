// SPDX-License-Identifier: Apache-2.0
//
// Putting a field's array together from its decoded leaf columns: structs and lists around the leaf
// values, validity and offsets from the levels.
//
// Thread safety: pure functions.
#pragma once

#include <memory>
#include <vector>

#include "engine/format/structural/page_read.h"

namespace lancefs::structural {

// A field and how it is read: from a leaf column, from its children, or as nulls.
struct FieldPlan {
  const Field* field = nullptr;
  int leaf = -1;        // index among the leaves; -1 = no leaf of its own
  int first_leaf = -1;  // the leaf that tells validity and offsets; -1 = nothing is stored
  size_t layer = 0;     // this field's layer, counted from the outermost
  std::vector<FieldPlan> children;
};

// `rows` are the top-level rows. Leaves are consumed.
Result<std::shared_ptr<arrow::Array>> AssembleField(const FieldPlan& plan, std::vector<std::unique_ptr<LeafColumn>>* leaves,
                                                    uint64_t rows);

}  // namespace lancefs::structural
