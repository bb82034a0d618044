// SPDX-License-Identifier: Apache-2.0
//
// Syntax tree to bound tree: names to columns, literals to the types of the columns beside them, casts
// where DataFusion puts them, constants folded.
//
// Thread safety: one Binder, one thread.
#pragma once

#include <arrow/type.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sql/ast.h"
#include "engine/sql/nodes.h"

namespace lancefs::sql {

class Binder {
 public:
  // `sql` is the text that positions in `ast` refer to; errors have no position where it is empty.
  Binder(std::string_view sql, const arrow::Schema& schema) : sql_(sql), schema_(schema) {}

  // Binds a whole expression; names in `ast` become the schema's own. `as_filter`: regexp_match() stands
  // for "matches".
  Result<NodePtr> Bind(Ast* ast, bool as_filter);
  // `text` as a constant of `type`, for typed clauses.
  Result<NodePtr> TypedConstant(const std::string& text, const TypePtr& type);

  const std::set<std::string>& columns() const { return columns_; }
  const std::set<std::vector<std::string>>& paths() const { return paths_; }
  // Without those that are only asked for being null.
  const std::set<std::vector<std::string>>& value_paths() const { return value_paths_; }

 private:
  // Where an expression stands: `resolve`: in the AND/OR tree at the top, where literals take the type of
  // the column; `boolean`: also below NOT there.
  struct Place {
    bool resolve = false;
    bool boolean = false;
  };

  Status Error(const Ast& ast, const std::string& reason) const;
  Result<NodePtr> Fold(const Ast& ast, NodePtr node, const std::vector<NodePtr>& arguments) const;
  Result<NodePtr> Call(const Ast& ast, TypePtr type, std::vector<NodePtr> arguments, Kernel kernel) const;
  Result<NodePtr> Cast(const Ast& ast, NodePtr node, const TypePtr& type, bool try_cast = false) const;

  Result<NodePtr> BindNode(Ast* ast, Place place);
  Result<NodePtr> BindName(Ast* ast);
  Result<NodePtr> BindLiteral(const Ast& ast) const;
  Result<NodePtr> BindLogic(Ast* ast, Place place);
  Result<NodePtr> BindNot(Ast* ast, Place place);
  Result<NodePtr> BindNegate(Ast* ast);
  Result<NodePtr> BindBinary(Ast* ast, Place place);
  Result<NodePtr> BindArithmetic(const Ast& ast, NodePtr left, NodePtr right);
  Result<NodePtr> BindConcat(const Ast& ast, NodePtr left, NodePtr right);
  Result<NodePtr> BindRegex(const Ast& ast, NodePtr left, NodePtr right);
  Result<NodePtr> BindNullTested(Ast* ast);
  Result<NodePtr> BindIs(Ast* ast);
  Result<NodePtr> BindIn(Ast* ast, Place place);
  Result<NodePtr> BindBetween(Ast* ast, Place place);
  Result<NodePtr> BindLike(Ast* ast);
  Result<NodePtr> BindFunction(Ast* ast, Place place);
  Result<NodePtr> BindCast(Ast* ast);
  Result<NodePtr> BindSubscript(Ast* ast);
  Result<NodePtr> BindField(Ast* ast);
  Result<NodePtr> BindArray(Ast* ast);
  Result<NodePtr> BindCase(Ast* ast);
  Result<NodePtr> BindInterval(const Ast& ast) const;

  // The literals of `ast` in `type`, as the reference gives a literal the type of the column beside it;
  // null if one does not fit (then the general rules apply).
  Result<NodePtr> CoerceLiterals(const Ast& ast, const TypePtr& type);
  Result<NodePtr> Comparison(const Ast& ast, CompareOp op, NodePtr left, NodePtr right) const;
  Result<NodePtr> Boolean(const Ast& ast, NodePtr node, const char* where) const;

  std::string_view sql_;
  const arrow::Schema& schema_;
  std::set<std::string> columns_;
  std::set<std::vector<std::string>> paths_;
  std::set<std::vector<std::string>> value_paths_;
  bool only_nulls_ = false;  // the column that is bound next is only asked for being null
};

// True for the columns that every dataset has beside its schema; all are uint64.
bool IsSystemColumn(std::string_view name);
// ", did you mean 'x'?" or nothing.
std::string Suggestion(std::string_view name, const std::vector<std::string>& names);

}  // namespace lancefs::sql
