// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the SQL: any text as a filter, expression, select list and typed clause over a small batch.
// Nothing may crash, and the canonical text of what parses must parse again.
#include <arrow/api.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/sql/expression.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

std::shared_ptr<arrow::RecordBatch> MakeBatch() {
  arrow::Int32Builder ints;
  arrow::StringBuilder strings;
  arrow::DoubleBuilder doubles;
  for (int i = 0; i < 8; ++i) {
    if (!(i == 3 ? ints.AppendNull() : ints.Append(i - 4)).ok()) std::abort();
    if (!(i == 5 ? strings.AppendNull() : strings.Append(i % 2 ? "abc" : "x%_")).ok()) std::abort();
    if (!doubles.Append(i / 3.0).ok()) std::abort();
  }
  auto schema =
      arrow::schema({arrow::field("i", arrow::int32()), arrow::field("s", arrow::utf8()), arrow::field("d", arrow::float64())});
  return arrow::RecordBatch::Make(schema, 8, {*ints.Finish(), *strings.Finish(), *doubles.Finish()});
}

}  // namespace

std::vector<std::string> lancefs::FuzzSeeds() {
  return {"i > 3 AND s LIKE 'a%' OR NOT (d IS NULL)",
          "i IN (1, 2, 3) AND d BETWEEN -1.5 AND 2e3",
          "CAST(i AS STRING) || s = '1abc' AND regexp_match(s, '^a.*')",
          "date '2020-01-01' + INTERVAL '1 day' < timestamp '2020-01-02 00:00:00'",
          "CASE WHEN i = 1 THEN 'x' ELSE `s` END = \"s\"",
          "substring(s FROM 2 FOR 1) = 'b' AND coalesce(i, 0) % 2 = 0",
          "a AS b, i + 1 AS `c d`, s",
          "['a', 'b']",
          "x'00ff'"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<arrow::RecordBatch> batch = MakeBatch();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto filter = lancefs::ParseFilter(text, *batch->schema()); filter.ok()) {
    (void)lancefs::EvaluateFilter(**filter, *batch).ok();
    if (!lancefs::ParseFilter((*filter)->ToString(), *batch->schema()).ok()) std::abort();
  }
  if (auto expression = lancefs::ParseExpression(text, *batch->schema()); expression.ok())
    (void)(*expression)->Evaluate(*batch).ok();
  (void)lancefs::ParseSelectList(text, *batch->schema()).ok();
  for (const char* op : {"eq", "in", "like", "contains", "isnull"}) {
    (void)lancefs::MakeColumnPredicate("s", op, text, *batch->schema()).ok();
    (void)lancefs::MakeColumnPredicate("d", op, text, *batch->schema()).ok();
  }
  return 0;
}
