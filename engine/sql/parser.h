// SPDX-License-Identifier: Apache-2.0
//
// Tokens to syntax tree: the operators, precedences and special forms of DataFusion's SQL expressions.
//
// Thread safety: free functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/sql/ast.h"

namespace lancefs::sql {

// Deeper trees are refused: recursion over a tree must fit any thread's stack.
inline constexpr int kMaxDepth = 400;

// One expression, the whole text. Errors: kInvalidArgument with the position.
Result<AstPtr> Parse(std::string_view sql);

struct ParsedItem {
  AstPtr expression;  // null for `*`
  std::string alias;  // empty if none
  size_t pos = 0;     // the item's bytes in the text
  size_t end = 0;
};
// `expr [AS name], ...`; `*` alone is an item without expression.
Result<std::vector<ParsedItem>> ParseList(std::string_view sql);

// The type of CAST(x AS <text>), null if there is none of that name.
std::shared_ptr<arrow::DataType> ParseTypeName(std::string_view text);

}  // namespace lancefs::sql
