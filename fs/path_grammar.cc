// SPDX-License-Identifier: Apache-2.0
#include "fs/path_grammar.h"

#include <algorithm>
#include <charconv>

#include "base/trim.h"
#include "base/uri.h"

namespace lancefs {
namespace {

struct KeyName {
  std::string_view key;
  Clause::Kind kind;
};
constexpr KeyName kKeys[] = {
    {"filter", Clause::Kind::kFilter}, {"select", Clause::Kind::kSelect},       {"limit", Clause::Kind::kLimit},
    {"offset", Clause::Kind::kOffset}, {"fragments", Clause::Kind::kFragments}, {"take", Clause::Kind::kTake},
};
// Part of the grammar, but of no use before the engine can sort, group and search.
constexpr std::string_view kLaterKeys[] = {"order",   "sample", "distinct", "nearest", "k",  "metric",
                                           "nprobes", "refine", "match",    "group",   "agg"};
constexpr std::string_view kOps[] = {"eq", "ne", "lt", "le", "gt", "ge", "in", "like", "isnull", "contains"};

template <typename Range>
bool Contains(const Range& range, std::string_view item) {
  return std::find(std::begin(range), std::end(range), item) != std::end(range);
}

std::string Quoted(std::string_view text) {
  std::string out(1, '\'');
  return out.append(text).append(1, '\'');
}

Result<uint64_t> ParseCount(std::string_view key, std::string_view text) {
  const std::string_view digits = Trim(text, " ");
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    const char* why = error == std::errc::result_out_of_range ? " is too large" : " is not a whole number of 0 or more";
    return Status::InvalidArgument(std::string(key) + "=: " + Quoted(text) + why);
  }
  return value;
}

Result<std::vector<uint64_t>> ParseCounts(std::string_view key, std::string_view text) {
  std::vector<uint64_t> values;
  while (true) {
    const size_t comma = text.find(',');
    LANCEFS_ASSIGN_OR_RETURN(uint64_t value, ParseCount(key, text.substr(0, comma)));
    values.push_back(value);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::string JoinCounts(const std::vector<uint64_t>& values) {
  std::string out;
  for (uint64_t value : values) out += (out.empty() ? "" : ",") + std::to_string(value);
  return out;
}

std::string_view KindName(Clause::Kind kind) {
  for (const KeyName& key : kKeys) {
    if (key.kind == kind) return key.key;
  }
  return kind == Clause::Kind::kRowId ? "rowid" : kind == Clause::Kind::kRowAddress ? "rowaddr" : "filter";
}

template <typename T>
Status SetOnce(std::optional<T>* place, T value, Clause::Kind kind) {
  if (place->has_value()) return Status::InvalidArgument(std::string(KindName(kind)) + "= may be given only once");
  *place = std::move(value);
  return Status::OK();
}

}  // namespace

bool LooksLikeClause(std::string_view component) {
  return component == "rowid" || component == "rowaddr" || component.find('=') != std::string_view::npos;
}

Result<Clause> ParseClause(std::string_view component) {
  Clause clause;
  if (component == "rowid" || component == "rowaddr") {
    clause.kind = component == "rowid" ? Clause::Kind::kRowId : Clause::Kind::kRowAddress;
    return clause;
  }
  const size_t equals = component.find('=');
  if (equals == std::string_view::npos) return Status::NotFound(Quoted(component) + " is not a clause");
  std::string_view key = component.substr(0, equals);
  const std::string_view raw = component.substr(equals + 1);
  const bool encoded = !key.empty() && key.back() == '%';
  if (encoded) key.remove_suffix(1);
  if (Contains(kLaterKeys, key)) return Status::InvalidArgument(std::string(key) + "= is not available in this version");

  const KeyName* known = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const KeyName& k) { return k.key == key; });
  if (known != std::end(kKeys)) {
    clause.kind = known->kind;
  } else {
    const size_t dot = key.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return Status::NotFound(Quoted(component) + " is not a clause");
    clause.kind = Clause::Kind::kPredicate;
    clause.column = key.substr(0, dot);
    clause.op = key.substr(dot + 1);
    if (!Contains(kOps, clause.op)) {
      return Status::NotFound(Quoted(clause.op) + " is not an operator; there are eq ne lt le gt ge in like isnull contains");
    }
  }
  if (!encoded) {
    clause.value = raw;
    return clause;
  }
  Result<std::string> decoded = PercentDecode(raw);
  if (!decoded.ok()) return decoded.status().WithContext(std::string(key) + "%=");
  clause.value = decoded.MoveValue();
  return clause;
}

Status Query::Add(Clause clause) {
  using Kind = Clause::Kind;
  switch (clause.kind) {
    case Kind::kFilter:
    case Kind::kPredicate: conditions.push_back(clause); break;
    case Kind::kSelect: LANCEFS_RETURN_NOT_OK(SetOnce(&select, clause.value, clause.kind)); break;
    case Kind::kLimit:
    case Kind::kOffset: {
      LANCEFS_ASSIGN_OR_RETURN(uint64_t value, ParseCount(KindName(clause.kind), clause.value));
      LANCEFS_RETURN_NOT_OK(SetOnce(clause.kind == Kind::kLimit ? &limit : &offset, value, clause.kind));
      break;
    }
    case Kind::kFragments:
    case Kind::kTake: {
      LANCEFS_ASSIGN_OR_RETURN(std::vector<uint64_t> values, ParseCounts(KindName(clause.kind), clause.value));
      LANCEFS_RETURN_NOT_OK(SetOnce(clause.kind == Kind::kTake ? &take : &fragments, std::move(values), clause.kind));
      break;
    }
    case Kind::kRowId:
    case Kind::kRowAddress: {
      bool& flag = clause.kind == Kind::kRowId ? row_id : row_address;
      if (flag) return Status::InvalidArgument(std::string(KindName(clause.kind)) + " may be given only once");
      flag = true;
      break;
    }
  }
  clauses_.push_back(std::move(clause));
  return Status::OK();
}

namespace {

// Binds one condition; the message begins with the clause that is wrong.
Result<std::shared_ptr<const Expression>> BindCondition(const Clause& clause, const arrow::Schema& schema) {
  const bool filter = clause.kind == Clause::Kind::kFilter;
  auto bound = filter ? ParseFilter(clause.value, schema) : MakeColumnPredicate(clause.column, clause.op, clause.value, schema);
  if (bound.ok()) return bound;
  return bound.status().WithContext(filter ? std::string("filter=") : clause.column + "." + clause.op + "=");
}

// All conditions as one expression; canonical text of each, sorted and once.
Status BindConditions(const Query& query, const arrow::Schema& schema, BoundQuery* out, std::string* canonical) {
  std::map<std::string, std::shared_ptr<const Expression>> by_text;
  for (const Clause& clause : query.conditions) {
    LANCEFS_ASSIGN_OR_RETURN(auto expression, BindCondition(clause, schema));
    std::string text = expression->ToString();
    by_text.emplace(std::move(text), std::move(expression));
  }
  for (auto& [text, expression] : by_text) {
    *canonical += "filter=" + std::to_string(text.size()) + ":" + text + ";";
    out->scan.filter = AndExpressions(out->scan.filter, expression);
  }
  out->has_filter = !by_text.empty();
  return Status::OK();
}

Status BindSelect(const Query& query, const arrow::Schema& schema, BoundQuery* out, std::string* canonical) {
  if (!query.select) return Status::OK();
  Result<std::vector<SelectItem>> items = ParseSelectList(*query.select, schema);
  if (!items.ok()) return items.status().WithContext("select=");
  *canonical += "select=";
  for (const SelectItem& item : *items) {
    const std::string text = (item.expression ? item.expression->ToString() : "") + " AS " + item.name;
    *canonical += std::to_string(text.size()) + ":" + text + ",";
  }
  *canonical += ";";
  out->scan.select = items.MoveValue();
  return Status::OK();
}

struct FragmentRows {
  uint64_t first = 0;  // live rows before it
  const FragmentInfo* info = nullptr;
};

FragmentRows FindFragment(const Dataset& dataset, uint64_t id) {
  FragmentRows rows;
  for (const FragmentInfo& fragment : dataset.fragments()) {
    if (fragment.id == id) {
      rows.info = &fragment;
      return rows;
    }
    rows.first += fragment.rows();
  }
  return rows;
}

// Source of the rows: fragments and offsets; the rows that it has.
Result<uint64_t> BindSource(const Query& query, const Dataset& dataset, std::optional<uint64_t> only, BoundQuery* out,
                            std::string* canonical) {
  uint64_t rows = dataset.num_rows(), first = 0;
  if (only) {
    const FragmentRows found = FindFragment(dataset, *only);
    if (!found.info) return Status::NotFound("there is no fragment " + std::to_string(*only));
    rows = found.info->rows();
    first = found.first;
    out->scan.fragments = std::vector<uint64_t>{*only};
  }
  const uint64_t offsets_end = rows;  // what take= may name
  if (query.fragments) {
    rows = 0;
    for (uint64_t id : *query.fragments) {
      const FragmentRows found = FindFragment(dataset, id);
      if (!found.info || (only && id != *only)) {
        return Status::InvalidArgument("fragments=: there is no fragment " + std::to_string(id) + " here");
      }
      rows += found.info->rows();
    }
    out->scan.fragments = *query.fragments;
  }
  if (out->scan.fragments) *canonical += "fragments=" + JoinCounts(*out->scan.fragments) + ";";
  if (query.take) {
    std::vector<uint64_t> offsets = *query.take;
    for (uint64_t& offset : offsets) {
      if (offset >= offsets_end) {
        return Status::InvalidArgument("take=: row " + std::to_string(offset) + " is beyond the last; there are " +
                                       std::to_string(offsets_end) + " rows");
      }
      offset += first;
    }
    rows = std::min<uint64_t>(rows, offsets.size());
    *canonical += "take=" + JoinCounts(offsets) + ";";
    out->scan.take = std::move(offsets);
  }
  return rows;
}

}  // namespace

Result<BoundQuery> Bind(const Query& query, const Dataset& dataset, std::optional<uint64_t> fragment) {
  BoundQuery out;
  std::string canonical;
  const arrow::Schema& schema = *dataset.arrow_schema();
  LANCEFS_ASSIGN_OR_RETURN(uint64_t rows, BindSource(query, dataset, fragment, &out, &canonical));
  LANCEFS_RETURN_NOT_OK(BindConditions(query, schema, &out, &canonical));
  if (query.offset.value_or(0) > 0) {
    out.scan.offset = *query.offset;
    canonical += "offset=" + std::to_string(*query.offset) + ";";
    rows -= std::min(rows, *query.offset);
  }
  if (query.limit) {
    out.scan.limit = query.limit;
    canonical += "limit=" + std::to_string(*query.limit) + ";";
    rows = std::min(rows, *query.limit);
  }
  LANCEFS_RETURN_NOT_OK(BindSelect(query, schema, &out, &canonical));
  out.scan.with_row_id = query.row_id;
  out.scan.with_row_address = query.row_address;
  if (query.row_id) canonical += "rowid;";
  if (query.row_address) canonical += "rowaddr;";
  LANCEFS_ASSIGN_OR_RETURN(out.schema, ScanSchema(dataset, out.scan));
  out.max_rows = rows;
  out.rows_known = !out.has_filter && !(query.fragments && query.take);
  out.canonical = std::move(canonical);
  return out;
}

std::string EncodeName(std::string_view name, const std::set<std::string>& fixed) {
  const bool plain = !name.empty() && name.front() != '.' && name.front() != '%' && name.size() <= 200 &&
                     name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
                     !fixed.contains(std::string(name));
  return plain ? std::string(name) : "%" + PercentEncode(name);
}

Result<std::string> DecodeName(std::string_view component) {
  if (component.empty() || component.front() != '%') return std::string(component);
  return PercentDecode(component.substr(1));
}

bool IsProbe(std::string_view component) {
  static constexpr std::string_view kExact[] = {"autorun.inf", "AutoRun.inf", "desktop.ini",
                                                "Desktop.ini", "Thumbs.db",   "lost+found"};
  return component.starts_with(".") ? component != ".lancefs" : Contains(kExact, component);
}

}  // namespace lancefs
