// SPDX-License-Identifier: Apache-2.0
//
// Columns of JSON between their stored form (binary JSON in large_binary) and the shown one (text), wherever in nested
// types they stand.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/array.h>

#include <memory>

#include "base/status.h"

namespace lancefs {

// `array` with its binary JSON as text, resp. its text as binary JSON; `type` is the array's with the other form in it.
// Errors: kCorruption; kInvalidArgument with the row (from 0) of text that is no JSON.
Result<std::shared_ptr<arrow::Array>> JsonToText(const std::shared_ptr<arrow::Array>& array,
                                                 const std::shared_ptr<arrow::DataType>& type);
Result<std::shared_ptr<arrow::Array>> JsonFromText(const std::shared_ptr<arrow::Array>& array,
                                                   const std::shared_ptr<arrow::DataType>& type);

}  // namespace lancefs
