// SPDX-License-Identifier: Apache-2.0
//
// What the tests of engine/sql share: small batches from JSON, and short readable forms of results.
#pragma once

#include <arrow/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/sql/expression.h"

namespace lancefs::testing {

struct TestColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::string json;
};

inline std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  static const bool ready = arrow::compute::Initialize().ok();
  EXPECT_TRUE(ready);
  auto array = arrow::json::ArrayFromJSONString(type, json);
  EXPECT_TRUE(array.ok()) << array.status().ToString();
  return array.ok() ? *array : nullptr;
}

inline std::shared_ptr<arrow::RecordBatch> MakeBatch(const std::vector<TestColumn>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const TestColumn& column : columns) {
    fields.push_back(arrow::field(column.name, column.type));
    arrays.push_back(FromJson(column.type, column.json));
  }
  const int64_t rows = arrays[0]->length();
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(arrays));
}

// The rows that `filter` selects, as "0,2"; "none" for no row; the error's message behind "error: ".
inline std::string Rows(const Expression& filter, const arrow::RecordBatch& batch) {
  auto bits = EvaluateFilter(filter, batch);
  if (!bits.ok()) return "error: " + bits.status().message();
  EXPECT_EQ((*bits)->length(), batch.num_rows());
  EXPECT_EQ((*bits)->null_count(), 0);
  std::string rows;
  for (int64_t i = 0; i < (*bits)->length(); ++i) {
    if (!(*bits)->Value(i)) continue;
    if (!rows.empty()) rows.push_back(',');
    rows += std::to_string(i);
  }
  return rows.empty() ? "none" : rows;
}

inline std::string Rows(const arrow::RecordBatch& batch, std::string_view filter) {
  auto parsed = ParseFilter(filter, *batch.schema());
  if (!parsed.ok()) return "error: " + parsed.status().message();
  const std::string rows = Rows(**parsed, batch);
  auto again = ParseFilter((*parsed)->ToString(), *batch.schema());  // the canonical text means the same
  EXPECT_TRUE(again.ok()) << (*parsed)->ToString() << ": " << again.status().message();
  if (again.ok()) {
    EXPECT_EQ(Rows(**again, batch), rows) << (*parsed)->ToString();
  }
  return rows;
}

// Each row's truth: t, f or n (null).
inline std::string Truth(const arrow::RecordBatch& batch, std::string_view text) {
  auto parsed = ParseExpression(text, *batch.schema());
  if (!parsed.ok()) return "error: " + parsed.status().message();
  auto array = (*parsed)->Evaluate(batch);
  if (!array.ok()) return "error: " + array.status().message();
  if ((*array)->type_id() != arrow::Type::BOOL) return "not boolean: " + (*array)->type()->ToString();
  const auto& bools = static_cast<const arrow::BooleanArray&>(**array);
  std::string out;
  for (int64_t i = 0; i < bools.length(); ++i) out.push_back(bools.IsNull(i) ? 'n' : bools.Value(i) ? 't' : 'f');
  return out;
}

// The first row's value as Arrow prints it, with its type: "5 int64"; errors as above.
inline std::string Value(const arrow::RecordBatch& batch, std::string_view text) {
  auto parsed = ParseExpression(text, *batch.schema());
  if (!parsed.ok()) return "error: " + parsed.status().message();
  auto array = (*parsed)->Evaluate(batch);
  if (!array.ok()) return "error: " + array.status().message();
  EXPECT_EQ((*array)->length(), batch.num_rows());
  EXPECT_TRUE((*array)->type()->Equals(*(*parsed)->type())) << text;
  EXPECT_TRUE((*array)->ValidateFull().ok()) << text;
  auto scalar = (*array)->GetScalar(0);
  return (*scalar)->ToString() + " " + (*array)->type()->ToString();
}

inline std::string FilterError(std::string_view text, const arrow::Schema& schema) {
  auto parsed = ParseFilter(text, schema);
  if (parsed.ok()) return "no error, but " + (*parsed)->ToString();
  EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument) << text;
  return parsed.status().message();
}

}  // namespace lancefs::testing
