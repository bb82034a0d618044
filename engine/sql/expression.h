// SPDX-License-Identifier: Apache-2.0
//
// SQL expressions over Arrow batches: parse, bind against a schema, evaluate. The dialect is what
// pylance's filter strings take (DataFusion's): comparisons, AND/OR/NOT, IS [NOT] NULL/TRUE/FALSE,
// IN, BETWEEN, LIKE/ILIKE/escape, regexp_match, CAST, arithmetic, literals of all types, backtick and
// double-quote names, nested names. Three-valued logic throughout.
//
// Thread safety: a bound Expression is immutable; all calls, from any thread.
#pragma once

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace lancefs {

class Expression {
 public:
  virtual ~Expression() = default;
  virtual const std::shared_ptr<arrow::DataType>& type() const = 0;
  // SQL text in canonical form (equal questions give equal text where that is easy to see).
  virtual std::string ToString() const = 0;
  // Top-level columns that evaluation reads.
  virtual const std::set<std::string>& columns() const = 0;
  // Column paths that evaluation reads ("st.x" as {"st", "x"}).
  virtual const std::set<std::vector<std::string>>& column_paths() const = 0;
  // Those of them whose values matter; of the others only which are null.
  virtual const std::set<std::vector<std::string>>& value_paths() const = 0;
  // `batch` has at least columns(), by name, in any order; nested columns may be restricted to
  // column_paths(). The array has batch.num_rows() rows and type().
  // Errors: kInvalidArgument for what only data shows (a cast that fails, a division by zero).
  virtual Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const = 0;
};

// Errors (both): kInvalidArgument "<reason> at position <n> (line ...)"; an unknown column names the
// nearest one ("did you mean ...").
Result<std::shared_ptr<const Expression>> ParseExpression(std::string_view sql, const arrow::Schema& schema);
// The same; the result must be boolean.
Result<std::shared_ptr<const Expression>> ParseFilter(std::string_view sql, const arrow::Schema& schema);
// `left AND right`; either may be null.
std::shared_ptr<const Expression> AndExpressions(std::shared_ptr<const Expression> left, std::shared_ptr<const Expression> right);

// Rows for which `filter` is true (not null, not false), as a bitmap array without nulls.
Result<std::shared_ptr<arrow::BooleanArray>> EvaluateFilter(const Expression& filter, const arrow::RecordBatch& batch);

// One item of a select list.
struct SelectItem {
  std::string name;  // output name
  std::shared_ptr<const Expression> expression;
  std::vector<std::string> path;  // a plain (nested) column: its path; else empty
};
// `list` as in `select=`: items separated by commas outside (), '' and backticks, `expr [AS name]`; `a.b`
// yields a column named "a.b" (RULES 2). Errors: as above; a name given twice.
Result<std::vector<SelectItem>> ParseSelectList(std::string_view list, const arrow::Schema& schema);

// The typed clause `<column>.<op>=<value>` (RULES 3) as an expression; `op` is one of eq ne lt le gt ge in
// like isnull contains.
Result<std::shared_ptr<const Expression>> MakeColumnPredicate(std::string_view column, std::string_view op,
                                                              std::string_view value, const arrow::Schema& schema);

// "did you mean" helper: the schema's column name nearest to `name`, or empty.
std::string NearestColumn(std::string_view name, const arrow::Schema& schema);

}  // namespace lancefs
