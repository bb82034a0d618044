// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer entry: any text as a filter, expression, select list and typed clause over a small batch.
// Nothing may crash, and the canonical text of what parses must parse again.
#include <arrow/api.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/sql/expression.h"

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
