// SPDX-License-Identifier: Apache-2.0
//
// The grammar of `query/`: one clause per path component (DESIGN 3, RULES 1-8), and of the names
// that appear as components.
//
// A component is parsed on its own (ParseClause), without a schema: so the hundred names that shells
// and tools probe for cost nothing. Clauses add up to a Query. Bind() then checks it against one
// version of the dataset, from its manifest alone, and gives what the scanner needs together with
// the canonical text: equal questions, whatever the spelling and the order of their clauses, have
// equal text, and the text is what inodes and results are keyed by.
//
//   query/limit=5/fare.gt=50/filter=a LIKE 'x%'   ->   filter=(a LIKE 'x%');filter=(fare > 50);limit=5
//
// Thread safety: values and free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/scan/scanner.h"

namespace lancefs {

// What one component says.
struct Clause {
  enum class Kind { kFilter, kPredicate, kSelect, kLimit, kOffset, kRowId, kRowAddress, kFragments, kTake };
  Kind kind = Kind::kFilter;
  std::string value;   // decoded once where the key was spelled with `%`
  std::string column;  // of <column>.<op>=<value>
  std::string op;
};

// Errors: kNotFound when the component is no clause at all (ENOENT, without looking at anything);
// kInvalidArgument for a malformed `%`, or for a clause that this version does not have.
Result<Clause> ParseClause(std::string_view component);
// Whether a component can only be a clause (it has a '=', or is `rowid` or `rowaddr`).
bool LooksLikeClause(std::string_view component);

// The clauses that a path has so far.
class Query {
 public:
  bool empty() const { return clauses_.empty(); }
  const std::vector<Clause>& clauses() const { return clauses_; }
  // Errors: kInvalidArgument for a clause that may come only once and is there already, and for a
  // number that is none.
  Status Add(Clause clause);

  // Filters and predicates in the order of their components; all must hold.
  std::vector<Clause> conditions;
  std::optional<std::string> select;
  std::optional<uint64_t> limit;
  std::optional<uint64_t> offset;
  bool row_id = false;
  bool row_address = false;
  std::optional<std::vector<uint64_t>> fragments;  // sorted, unique
  std::optional<std::vector<uint64_t>> take;       // sorted, unique

 private:
  std::vector<Clause> clauses_;
};

// A query that fits one version of a dataset.
struct BoundQuery {
  ScanOptions scan;
  std::string canonical;                  // "" for the query without clauses
  std::shared_ptr<arrow::Schema> schema;  // of the rows that come out
  bool has_filter = false;
  uint64_t max_rows = 0;    // no more rows come out, by the manifest alone
  bool rows_known = false;  // exactly max_rows come out
};

// `fragment` restricts the question to one fragment: `take=` then counts from its first live row,
// and `fragments=` may name no other. No I/O.
// Errors: kInvalidArgument with the clause, the reason and a suggestion.
Result<BoundQuery> Bind(const Query& query, const Dataset& dataset, std::optional<uint64_t> fragment = std::nullopt);

// ---- Names (RULES 7) ----------------------------------------------------------------------------

// How `name` appears among the fixed entries `fixed` of its directory: itself, or "%" and its
// percent-encoding where it has '/' or NUL, begins with '.' or '%', is longer than 200 bytes, is
// empty or equals a fixed entry.
std::string EncodeName(std::string_view name, const std::set<std::string>& fixed = {});
// The name that a component means: percent-decoded after a leading "%", else as it is.
// Errors: kInvalidArgument for a malformed escape.
Result<std::string> DecodeName(std::string_view component);

// Names that shells, desktops and tools probe for in every directory (.git, .Trash-0, autorun.inf, ...).
bool IsProbe(std::string_view component);

}  // namespace lancefs
