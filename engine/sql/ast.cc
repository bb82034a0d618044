// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/ast.h"

#include <arrow/api.h>

#include <set>

namespace lancefs::sql {
namespace {

std::string Hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "X'";
  for (unsigned char byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out + "'";
}

std::string QuoteString(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c);
  }
  return out + "'";
}

int PowerOf(const Ast& ast) {
  switch (ast.kind) {
    case AstKind::kOr: return 5;
    case AstKind::kAnd: return 10;
    case AstKind::kNot: return 15;
    case AstKind::kIsNull:
    case AstKind::kIsTruth: return 17;
    case AstKind::kLike:
    case AstKind::kSimilar: return 19;
    case AstKind::kInList:
    case AstKind::kBetween: return 20;
    case AstKind::kBinaryOp:
      if (ast.text == "is distinct") return 17;
      if (ast.text == "+" || ast.text == "-") return 30;
      if (ast.text == "*" || ast.text == "/" || ast.text == "%" || ast.text == "||") return 40;
      if (ast.text == "<<" || ast.text == ">>") return 22;
      return 20;
    case AstKind::kNegate:
    case AstKind::kPlus: return 41;
    case AstKind::kNumber: return ast.text[0] == '-' ? 41 : 100;
    default: return 100;
  }
}

class Printer {
 public:
  std::string Print(const Ast& ast) {
    Node(ast);
    return std::move(out_);
  }

 private:
  // In parentheses where it binds no tighter than `power`.
  void Operand(const Ast& ast, int power) {
    const bool parentheses = PowerOf(ast) <= power;
    if (parentheses) out_ += "(";
    Node(ast);
    if (parentheses) out_ += ")";
  }
  void Comma(const Ast& ast, size_t first) {
    for (size_t i = first; i < ast.kids.size(); ++i) {
      if (i > first) out_ += ", ";
      Node(*ast.kids[i]);
    }
  }
  void Infix(const Ast& ast, const std::string& op) {
    const int power = PowerOf(ast);
    Operand(*ast.kids[0], power - 1);
    out_ += " " + op + " ";
    Operand(*ast.kids[1], power);
  }

  void Node(const Ast& ast) {
    const int power = PowerOf(ast);
    const std::string negation = ast.negated ? "NOT " : "";
    switch (ast.kind) {
      case AstKind::kNull: out_ += "NULL"; break;
      case AstKind::kBool:
      case AstKind::kNumber: out_ += ast.text; break;
      case AstKind::kString: out_ += QuoteString(ast.text); break;
      case AstKind::kBinary: out_ += Hex(ast.text); break;
      case AstKind::kName:
        for (size_t i = 0; i < ast.names.size(); ++i) out_ += (i > 0 ? "." : "") + QuoteName(ast.names[i]);
        break;
      case AstKind::kAnd:
      case AstKind::kOr:
        for (size_t i = 0; i < ast.kids.size(); ++i) {
          if (i > 0) out_ += ast.kind == AstKind::kAnd ? " AND " : " OR ";
          Operand(*ast.kids[i], power);
        }
        break;
      case AstKind::kNot:
        out_ += "NOT ";
        Operand(*ast.kids[0], power);
        break;
      case AstKind::kNegate:
      case AstKind::kPlus:
        out_ += ast.kind == AstKind::kNegate ? "-" : "+";
        Operand(*ast.kids[0], power);
        break;
      case AstKind::kBinaryOp: Infix(ast, ast.text == "is distinct" ? "IS " + negation + "DISTINCT FROM" : ast.text); break;
      case AstKind::kIsNull:
      case AstKind::kIsTruth:
        Operand(*ast.kids[0], power - 1);
        out_ += " IS " + negation + ast.text;
        break;
      case AstKind::kInList:
        Operand(*ast.kids[0], power - 1);
        out_ += " " + negation + "IN (";
        Comma(ast, 1);
        out_ += ")";
        break;
      case AstKind::kBetween:
        Operand(*ast.kids[0], power - 1);
        out_ += " " + negation + "BETWEEN ";
        Operand(*ast.kids[1], power);
        out_ += " AND ";
        Operand(*ast.kids[2], power);
        break;
      case AstKind::kLike:
        Infix(ast, negation + (ast.flag ? "ILIKE" : "LIKE"));
        if (!ast.text.empty()) out_ += " ESCAPE " + QuoteString(ast.text);
        break;
      case AstKind::kSimilar:
        Infix(ast, negation + "SIMILAR TO");
        if (!ast.text.empty()) out_ += " ESCAPE " + QuoteString(ast.text);
        break;
      case AstKind::kFunction:
        out_ += ast.text + "(";
        Comma(ast, 0);
        out_ += ")";
        break;
      case AstKind::kCast:
        out_ += ast.flag ? "TRY_CAST(" : "CAST(";
        Node(*ast.kids[0]);
        out_ += " AS " + TypeToSql(*ast.type) + ")";
        break;
      case AstKind::kSubscript:
        Operand(*ast.kids[0], 50);
        out_ += "[";
        Node(*ast.kids[1]);
        out_ += "]";
        break;
      case AstKind::kField:
        Operand(*ast.kids[0], 50);
        out_ += "." + QuoteName(ast.text);
        break;
      case AstKind::kArray:
        out_ += "[";
        Comma(ast, 0);
        out_ += "]";
        break;
      case AstKind::kCase: Case(ast); break;
      case AstKind::kInterval: out_ += "INTERVAL " + QuoteString(ast.text); break;
    }
  }

  void Case(const Ast& ast) {
    out_ += "CASE";
    size_t i = 0;
    if (ast.flag) {
      out_ += " ";
      Node(*ast.kids[i++]);
    }
    const size_t end = ast.kids.size() - (ast.negated ? 1 : 0);
    for (; i < end; i += 2) {
      out_ += " WHEN ";
      Node(*ast.kids[i]);
      out_ += " THEN ";
      Node(*ast.kids[i + 1]);
    }
    if (ast.negated) {
      out_ += " ELSE ";
      Node(*ast.kids.back());
    }
    out_ += " END";
  }

  std::string out_;
};

}  // namespace

std::string QuoteName(const std::string& name) {
  // Words that start another construct where an expression is expected.
  static const std::set<std::string> kReserved = {"NULL",    "TRUE", "FALSE",  "NOT",    "CASE",    "INTERVAL", "ARRAY",
                                                  "AND",     "OR",   "IS",     "IN",     "BETWEEN", "LIKE",     "ILIKE",
                                                  "SIMILAR", "CAST", "WHEN",   "THEN",   "ELSE",    "END",      "AS",
                                                  "FROM",    "FOR",  "ESCAPE", "SELECT", "LEADING", "TRAILING", "BOTH"};
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  std::string upper;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    plain = plain && (letter || (c >= '0' && c <= '9'));
    upper.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  }
  if (plain && !kReserved.contains(upper)) return name;
  std::string out = "`";
  for (char c : name) {
    if (c == '`') out.push_back('`');
    out.push_back(c);
  }
  return out + "`";
}

std::string TypeToSql(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING: return "string";
    case arrow::Type::BINARY: return "binary";
    case arrow::Type::BOOL: return "boolean";
    case arrow::Type::FLOAT: return "float";
    case arrow::Type::DOUBLE: return "double";
    case arrow::Type::DATE32: return "date";
    case arrow::Type::INT8: return "tinyint";
    case arrow::Type::INT16: return "smallint";
    case arrow::Type::INT32: return "int";
    case arrow::Type::INT64: return "bigint";
    case arrow::Type::UINT8: return "tinyint unsigned";
    case arrow::Type::UINT16: return "smallint unsigned";
    case arrow::Type::UINT32: return "int unsigned";
    case arrow::Type::UINT64: return "bigint unsigned";
    case arrow::Type::TIMESTAMP:
      return "timestamp(" + std::to_string(3 * static_cast<int>(static_cast<const arrow::TimestampType&>(type).unit())) + ")";
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return "decimal(" + std::to_string(decimal.precision()) + ", " + std::to_string(decimal.scale()) + ")";
    }
    default: return type.ToString();
  }
}

std::string ToSql(const Ast& ast) { return Printer().Print(ast); }

}  // namespace lancefs::sql
