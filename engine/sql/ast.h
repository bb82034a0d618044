// SPDX-License-Identifier: Apache-2.0
//
// The syntax tree that the parser gives to the binder. AND and OR chains are flat, so that long ones
// don't nest; `depth` is limited by the parser, so that recursion over a tree is safe.
//
// Thread safety: plain data.
#pragma once

#include <arrow/type.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lancefs::sql {

enum class AstKind : uint8_t {
  kNull,
  kBool,
  kNumber,
  kString,
  kBinary,  // literals; `text` as written (strings: the value)
  kName,    // names: the path; quoted: was the first part in backticks
  kAnd,
  kOr,  // two or more kids
  kNot,
  kNegate,
  kPlus,
  kBinaryOp,   // text: = != < <= > >= + - * / % || << >> ~ ~* !~ !~* "is distinct" (negated: "is not")
  kIsNull,     // negated
  kIsTruth,    // text: TRUE, FALSE, UNKNOWN; negated
  kInList,     // kids[0] IN kids[1..]; negated
  kBetween,    // kids[0] BETWEEN kids[1] AND kids[2]; negated
  kLike,       // kids[0] LIKE kids[1]; text: escape character; flag: ILIKE; negated
  kSimilar,    // kids[0] SIMILAR TO kids[1]; negated
  kFunction,   // text: lower-case name; kids: arguments
  kCast,       // CAST(kids[0] AS type); flag: TRY_CAST
  kSubscript,  // kids[0][kids[1]]
  kField,      // kids[0].text
  kArray,      // [kids...]
  kCase,       // flag: kids[0] is the operand; then WHEN, THEN pairs; negated: the last kid is ELSE
  kInterval,   // text
};

struct Ast {
  AstKind kind;
  size_t pos = 0;  // byte in the text
  std::string text;
  std::vector<std::unique_ptr<Ast>> kids;
  std::vector<std::string> names;
  std::shared_ptr<arrow::DataType> type;
  bool negated = false;
  bool flag = false;
  bool quoted = false;
  int depth = 1;

  Ast(AstKind kind, size_t pos) : kind(kind), pos(pos) {}
  Ast(AstKind kind, size_t pos, std::string text) : kind(kind), pos(pos), text(std::move(text)) {}

  void Add(std::unique_ptr<Ast> kid) {
    depth = std::max(depth, kid->depth + 1);
    kids.push_back(std::move(kid));
  }
  bool IsLiteral() const { return kind <= AstKind::kBinary; }
};
using AstPtr = std::unique_ptr<Ast>;

// SQL text of `ast` in canonical form: it parses to the same tree. Names as in the tree.
std::string ToSql(const Ast& ast);
// `name` as an identifier, in backticks where it must be.
std::string QuoteName(const std::string& name);
// The SQL spelling of a type that CAST takes.
std::string TypeToSql(const arrow::DataType& type);

}  // namespace lancefs::sql
