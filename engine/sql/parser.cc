// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/parser.h"

#include <charconv>

#include "engine/sql/lexer.h"

namespace lancefs::sql {
namespace {

// Binding powers, as in the reference's parser.
enum Power : int {
  kLowest = 0,
  kOrPower = 5,
  kAndPower = 10,
  kNotPower = 15,
  kIsPower = 17,
  kLikePower = 19,
  kComparePower = 20,
  kShiftPower = 22,
  kAddPower = 30,
  kMultiplyPower = 40,
  kPostfixPower = 50,
  kDotPower = 100,
};

constexpr const char* kTypes =
    "string, binary, boolean, tinyint, smallint, int, bigint (each also unsigned), float, double, date, timestamp(0|3|6|9), "
    "datetime(0|3|6|9), decimal(precision, scale)";

class Parser {
 public:
  Parser(std::string_view sql, std::vector<Token> tokens) : sql_(sql), tokens_(std::move(tokens)) {}

  Result<AstPtr> Whole(bool as_filter) {
    LANCEFS_ASSIGN_OR_RETURN(AstPtr ast, Expression(kLowest));
    const bool glued = at_ > 0 && tokens_[at_ - 1].kind == TokenKind::kNumber && Peek().kind == TokenKind::kWord &&
                       tokens_[at_ - 1].end == Peek().pos;
    if (as_filter && glued) return ast;
    if (Peek().kind != TokenKind::kEnd) return Unexpected("an operator or the end");
    return ast;
  }

  Result<std::vector<ParsedItem>> List() {
    std::vector<ParsedItem> items;
    do {
      ParsedItem item;
      item.pos = Peek().pos;
      if (PeekSymbol("*") && (tokens_[at_ + 1].kind == TokenKind::kEnd || tokens_[at_ + 1].text == ",")) {
        ++at_;
        item.end = tokens_[at_ - 1].end;
      } else {
        LANCEFS_ASSIGN_OR_RETURN(item.expression, Expression(kLowest));
        item.end = tokens_[at_ - 1].end;
        LANCEFS_RETURN_NOT_OK(Alias(&item.alias));
      }
      items.push_back(std::move(item));
    } while (TakeSymbol(","));
    if (Peek().kind != TokenKind::kEnd) return Unexpected("',' or the end");
    return items;
  }

  Result<std::shared_ptr<arrow::DataType>> WholeType() {
    LANCEFS_ASSIGN_OR_RETURN(auto type, Type());
    if (Peek().kind != TokenKind::kEnd) return Unexpected("the end");
    return type;
  }

 private:
  const Token& Peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool PeekSymbol(std::string_view symbol, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kSymbol && Peek(ahead).text == symbol;
  }
  bool PeekWord(std::string_view word, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kWord && Peek(ahead).upper == word;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!PeekSymbol(symbol)) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!PeekWord(word)) return false;
    ++at_;
    return true;
  }
  Status ExpectSymbol(std::string_view symbol) {
    if (TakeSymbol(symbol)) return Status::OK();
    return Unexpected("'" + std::string(symbol) + "'");
  }
  Status ExpectWord(std::string_view word) {
    if (TakeWord(word)) return Status::OK();
    return Unexpected(std::string(word));
  }
  Status Error(size_t pos, const std::string& reason) const { return ErrorAt(sql_, pos, reason); }
  Status Unexpected(const std::string& expected) const {
    const Token& token = Peek();
    if (token.kind == TokenKind::kEnd) return Error(sql_.size(), "expected " + expected + ", found the end");
    return Error(token.pos,
                 "expected " + expected + ", found '" + std::string(sql_.substr(token.pos, token.end - token.pos)) + "'");
  }

  Status Alias(std::string* alias) {
    if (!TakeWord("AS")) return Status::OK();
    const Token& token = Peek();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedName && token.kind != TokenKind::kString) {
      return Unexpected("a name behind AS");
    }
    *alias = token.text;
    if (alias->empty()) return Error(token.pos, "the name behind AS is empty");
    ++at_;
    return Status::OK();
  }

  Result<AstPtr> Expression(int power) {
    if (++nesting_ > kMaxDepth)
      return Error(Peek().pos, "the expression nests too deeply (more than " + std::to_string(kMaxDepth) + ")");
    LANCEFS_ASSIGN_OR_RETURN(AstPtr left, Prefix());
    for (;;) {
      const int next = NextPower();
      if (next <= power) break;
      LANCEFS_ASSIGN_OR_RETURN(left, Infix(std::move(left), next));
      if (left->depth > kMaxDepth)
        return Error(left->pos, "the expression nests too deeply (more than " + std::to_string(kMaxDepth) + ")");
    }
    --nesting_;
    return left;
  }

  int NextPower() const {
    const Token& token = Peek();
    if (token.kind == TokenKind::kWord) return WordPower(token.upper);
    if (token.kind != TokenKind::kSymbol) return kLowest;
    const std::string& s = token.text;
    if (s == "=" || s == "!=" || s == "<" || s == "<=" || s == ">" || s == ">=" || s == "~" || s == "~*" || s == "!~" ||
        s == "!~*" || s == "<=>") {
      return kComparePower;
    }
    if (s == "+" || s == "-") return kAddPower;
    if (s == "*" || s == "/" || s == "%" || s == "||") return kMultiplyPower;
    if (s == "<<" || s == ">>") return kShiftPower;
    if (s == "::" || s == "[") return kPostfixPower;
    if (s == ".") return kDotPower;
    if (s == "&" || s == "|" || s == "^") return kShiftPower;
    return kLowest;
  }

  int WordPower(const std::string& word) const {
    if (word == "OR") return kOrPower;
    if (word == "AND") return kAndPower;
    if (word == "IS") return kIsPower;
    if (word == "IN" || word == "BETWEEN") return kComparePower;
    if (word == "LIKE" || word == "ILIKE" || word == "SIMILAR") return kLikePower;
    if (word == "NOT") {
      if (PeekWord("IN", 1) || PeekWord("BETWEEN", 1)) return kComparePower;
      if (PeekWord("LIKE", 1) || PeekWord("ILIKE", 1) || PeekWord("SIMILAR", 1)) return kLikePower;
    }
    return kLowest;
  }

  Result<AstPtr> Infix(AstPtr left, int power) {
    const Token token = Peek();
    if (token.kind == TokenKind::kWord) return WordInfix(std::move(left), power);
    ++at_;
    if (token.text == "::") return CastSuffix(std::move(left), token.pos);
    if (token.text == "[") return SubscriptSuffix(std::move(left), token.pos);
    if (token.text == ".") return FieldSuffix(std::move(left), token.pos);
    if (token.text == "&" || token.text == "|" || token.text == "^" || token.text == "<=>") {
      return Error(token.pos, "the operator " + token.text + " is not supported");
    }
    LANCEFS_ASSIGN_OR_RETURN(AstPtr right, Expression(power));
    auto ast = std::make_unique<Ast>(AstKind::kBinaryOp, token.pos, token.text);
    ast->Add(std::move(left));
    ast->Add(std::move(right));
    return ast;
  }

  Result<AstPtr> CastSuffix(AstPtr left, size_t pos) {
    auto ast = std::make_unique<Ast>(AstKind::kCast, pos);
    LANCEFS_ASSIGN_OR_RETURN(ast->type, Type());
    ast->Add(std::move(left));
    return ast;
  }

  Result<AstPtr> SubscriptSuffix(AstPtr left, size_t pos) {
    LANCEFS_ASSIGN_OR_RETURN(AstPtr index, Expression(kLowest));
    if (PeekSymbol(":")) return Error(Peek().pos, "slices are not supported");
    LANCEFS_RETURN_NOT_OK(ExpectSymbol("]"));
    if (index->kind == AstKind::kString) {
      if (left->kind == AstKind::kName) {
        left->names.push_back(index->text);
        return left;
      }
      auto field = std::make_unique<Ast>(AstKind::kField, pos, index->text);
      field->Add(std::move(left));
      return field;
    }
    auto ast = std::make_unique<Ast>(AstKind::kSubscript, pos);
    ast->Add(std::move(left));
    ast->Add(std::move(index));
    return ast;
  }

  Result<AstPtr> FieldSuffix(AstPtr left, size_t pos) {
    const Token& token = Peek();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedName) return Unexpected("a field name behind '.'");
    ++at_;
    if (left->kind == AstKind::kName) {
      left->names.push_back(token.text);
      return left;
    }
    auto field = std::make_unique<Ast>(AstKind::kField, pos, token.text);
    field->Add(std::move(left));
    return field;
  }

  Result<AstPtr> WordInfix(AstPtr left, int power) {
    const Token token = Peek();
    ++at_;
    if (token.upper == "AND" || token.upper == "OR") return Chain(std::move(left), token, power);
    if (token.upper == "IS") return Is(std::move(left), token.pos);
    const bool negated = token.upper == "NOT";
    const std::string word = negated ? tokens_[at_++].upper : token.upper;
    if (word == "IN") return InList(std::move(left), token.pos, negated);
    if (word == "BETWEEN") return Between(std::move(left), token.pos, negated);
    return Like(std::move(left), token.pos, word, negated);
  }

  Result<AstPtr> Chain(AstPtr left, const Token& token, int power) {
    const AstKind kind = token.upper == "AND" ? AstKind::kAnd : AstKind::kOr;
    LANCEFS_ASSIGN_OR_RETURN(AstPtr right, Expression(power));
    if (left->kind == kind && !left->quoted) {  // `quoted` marks a chain that stood in parentheses
      left->Add(std::move(right));
      return left;
    }
    auto ast = std::make_unique<Ast>(kind, token.pos);
    ast->Add(std::move(left));
    ast->Add(std::move(right));
    return ast;
  }

  Result<AstPtr> Is(AstPtr left, size_t pos) {
    const bool negated = TakeWord("NOT");
    if (TakeWord("DISTINCT")) {
      LANCEFS_RETURN_NOT_OK(ExpectWord("FROM"));
      LANCEFS_ASSIGN_OR_RETURN(AstPtr right, Expression(kIsPower));
      auto ast = std::make_unique<Ast>(AstKind::kBinaryOp, pos, "is distinct");
      ast->negated = negated;
      ast->Add(std::move(left));
      ast->Add(std::move(right));
      return ast;
    }
    auto ast = std::make_unique<Ast>(PeekWord("NULL") ? AstKind::kIsNull : AstKind::kIsTruth, pos, Peek().upper);
    if (!TakeWord("NULL") && !TakeWord("TRUE") && !TakeWord("FALSE") && !TakeWord("UNKNOWN")) {
      return Unexpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM behind IS");
    }
    ast->negated = negated;
    ast->Add(std::move(left));
    return ast;
  }

  Result<AstPtr> InList(AstPtr left, size_t pos, bool negated) {
    LANCEFS_RETURN_NOT_OK(ExpectSymbol("("));
    if (PeekWord("SELECT")) return Error(Peek().pos, "subqueries are not supported");
    auto ast = std::make_unique<Ast>(AstKind::kInList, pos);
    ast->negated = negated;
    ast->Add(std::move(left));
    do {
      LANCEFS_ASSIGN_OR_RETURN(AstPtr item, Expression(kLowest));
      ast->Add(std::move(item));
    } while (TakeSymbol(","));
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  Result<AstPtr> Between(AstPtr left, size_t pos, bool negated) {
    auto ast = std::make_unique<Ast>(AstKind::kBetween, pos);
    ast->negated = negated;
    ast->Add(std::move(left));
    LANCEFS_ASSIGN_OR_RETURN(AstPtr low, Expression(kComparePower));
    LANCEFS_RETURN_NOT_OK(ExpectWord("AND"));
    LANCEFS_ASSIGN_OR_RETURN(AstPtr high, Expression(kComparePower));
    ast->Add(std::move(low));
    ast->Add(std::move(high));
    return ast;
  }

  Result<AstPtr> Like(AstPtr left, size_t pos, const std::string& word, bool negated) {
    if (word == "SIMILAR") LANCEFS_RETURN_NOT_OK(ExpectWord("TO"));
    auto ast = std::make_unique<Ast>(word == "SIMILAR" ? AstKind::kSimilar : AstKind::kLike, pos);
    ast->negated = negated;
    ast->flag = word == "ILIKE";
    ast->Add(std::move(left));
    LANCEFS_ASSIGN_OR_RETURN(AstPtr pattern, Expression(kLikePower));
    ast->Add(std::move(pattern));
    if (TakeWord("ESCAPE")) {
      const Token& token = Peek();
      if (token.kind != TokenKind::kString) return Unexpected("a character in quotes behind ESCAPE");
      size_t characters = 0;
      for (char c : token.text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      if (characters != 1) return Error(token.pos, "ESCAPE takes exactly one character");
      ast->text = token.text;
      ++at_;
    }
    return ast;
  }

  Result<AstPtr> Prefix() {
    const Token& token = Peek();
    switch (token.kind) {
      case TokenKind::kEnd: return Unexpected("an expression");
      case TokenKind::kNumber: return Leaf(AstKind::kNumber);
      case TokenKind::kString: return Leaf(AstKind::kString);
      case TokenKind::kHex: return Leaf(AstKind::kBinary);
      case TokenKind::kQuotedName: return Name();
      case TokenKind::kWord: return WordPrefix();
      case TokenKind::kSymbol: return SymbolPrefix();
    }
    return Unexpected("an expression");
  }

  Result<AstPtr> Leaf(AstKind kind) {
    auto ast = std::make_unique<Ast>(kind, Peek().pos, Peek().text);
    ++at_;
    return ast;
  }

  Result<AstPtr> SymbolPrefix() {
    const Token& token = Peek();
    if (token.text == "(") return Parentheses();
    if (token.text == "[") return ArrayLiteral();
    if (token.text != "-" && token.text != "+") return Unexpected("an expression");
    auto ast = std::make_unique<Ast>(token.text == "-" ? AstKind::kNegate : AstKind::kPlus, token.pos);
    ++at_;
    LANCEFS_ASSIGN_OR_RETURN(AstPtr operand, Expression(kMultiplyPower));
    if (operand->kind == AstKind::kNumber && operand->text[0] != '-') {  // a negative literal
      if (ast->kind == AstKind::kNegate) operand->text.insert(0, 1, '-');
      operand->pos = ast->pos;
      return operand;
    }
    ast->Add(std::move(operand));
    return ast;
  }

  Result<AstPtr> Parentheses() {
    ++at_;
    if (PeekWord("SELECT")) return Error(Peek().pos, "subqueries are not supported");
    LANCEFS_ASSIGN_OR_RETURN(AstPtr inner, Expression(kLowest));
    if (PeekSymbol(",")) return Error(Peek().pos, "row values are not supported");
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return inner;
  }

  Result<AstPtr> ArrayLiteral() {
    auto ast = std::make_unique<Ast>(AstKind::kArray, Peek().pos);
    ++at_;
    while (!PeekSymbol("]")) {
      LANCEFS_ASSIGN_OR_RETURN(AstPtr item, Expression(kLowest));
      ast->Add(std::move(item));
      if (!TakeSymbol(",")) break;
    }
    LANCEFS_RETURN_NOT_OK(ExpectSymbol("]"));
    return ast;
  }

  Result<AstPtr> Name() {
    auto ast = std::make_unique<Ast>(AstKind::kName, Peek().pos);
    ast->quoted = Peek().kind == TokenKind::kQuotedName;
    ast->names.push_back(Peek().text);
    ++at_;
    return ast;
  }

  Result<AstPtr> WordPrefix() {
    const Token& token = Peek();
    const std::string& word = token.upper;
    if (word == "NULL") return Leaf(AstKind::kNull);
    if (word == "TRUE" || word == "FALSE") {
      auto ast = std::make_unique<Ast>(AstKind::kBool, token.pos, word);
      ++at_;
      return ast;
    }
    if (word == "NOT") return Not();
    if (word == "CASE") return Case();
    if (word == "INTERVAL" && Peek(1).kind == TokenKind::kString) return Interval();
    if (word == "ARRAY" && PeekSymbol("[", 1)) {
      ++at_;
      return ArrayLiteral();
    }
    if (PeekSymbol("(", 1)) return Call();
    LANCEFS_ASSIGN_OR_RETURN(AstPtr typed, TypedString());
    if (typed) return typed;
    return Name();
  }

  Result<AstPtr> Not() {
    auto ast = std::make_unique<Ast>(AstKind::kNot, Peek().pos);
    ++at_;
    LANCEFS_ASSIGN_OR_RETURN(AstPtr operand, Expression(kNotPower));
    ast->Add(std::move(operand));
    return ast;
  }

  Result<AstPtr> Case() {
    auto ast = std::make_unique<Ast>(AstKind::kCase, Peek().pos);
    const size_t start = at_++;
    if (!PeekWord("WHEN")) {
      if (Peek().kind == TokenKind::kEnd || NextPower() != kLowest) {  // a column of that name
        at_ = start;
        return Name();
      }
      ast->flag = true;
      LANCEFS_ASSIGN_OR_RETURN(AstPtr operand, Expression(kLowest));
      ast->Add(std::move(operand));
    }
    while (TakeWord("WHEN")) {
      LANCEFS_ASSIGN_OR_RETURN(AstPtr when, Expression(kLowest));
      ast->Add(std::move(when));
      LANCEFS_RETURN_NOT_OK(ExpectWord("THEN"));
      LANCEFS_ASSIGN_OR_RETURN(AstPtr then, Expression(kLowest));
      ast->Add(std::move(then));
    }
    if (ast->kids.size() < 2) return Unexpected("WHEN");
    if (TakeWord("ELSE")) {
      ast->negated = true;
      LANCEFS_ASSIGN_OR_RETURN(AstPtr otherwise, Expression(kLowest));
      ast->Add(std::move(otherwise));
    }
    LANCEFS_RETURN_NOT_OK(ExpectWord("END"));
    return ast;
  }

  Result<AstPtr> Interval() {
    auto ast = std::make_unique<Ast>(AstKind::kInterval, Peek().pos);
    ++at_;
    ast->text = Peek().text;
    ++at_;
    if (Peek().kind == TokenKind::kWord) {  // INTERVAL '1' DAY
      static constexpr std::string_view kUnits[] = {"YEAR",   "MONTH",  "WEEK",        "DAY",         "HOUR",
                                                    "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"};
      for (std::string_view unit : kUnits) {
        if (Peek().upper == unit || Peek().upper == std::string(unit) + "S") {
          ast->text += " " + std::string(unit);
          ++at_;
          break;
        }
      }
    }
    return ast;
  }

  // DATE '2020-01-01', TIMESTAMP(3) '...': a cast of the string. Null if no type and string stand here.
  Result<AstPtr> TypedString() {
    const size_t start = at_;
    size_t ahead = 1;
    if (PeekWord("UNSIGNED", ahead)) ++ahead;
    if (PeekSymbol("(", ahead)) return AstPtr();  // handled by Call()
    if (Peek(ahead).kind != TokenKind::kString) return AstPtr();
    auto type = Type();
    if (!type.ok() || Peek().kind != TokenKind::kString) {
      at_ = start;
      return AstPtr();
    }
    return CastOf(std::move(type).MoveValue(), tokens_[start].pos);
  }

  Result<AstPtr> CastOf(std::shared_ptr<arrow::DataType> type, size_t pos) {
    auto ast = std::make_unique<Ast>(AstKind::kCast, pos);
    ast->type = std::move(type);
    LANCEFS_ASSIGN_OR_RETURN(AstPtr text, Leaf(AstKind::kString));
    ast->Add(std::move(text));
    return ast;
  }

  Result<AstPtr> Call() {
    const Token token = Peek();
    const size_t start = at_;
    if (token.upper == "TIMESTAMP" || token.upper == "DATETIME" || token.upper == "DECIMAL") {  // TIMESTAMP(3) '...'
      auto type = Type();
      if (type.ok() && Peek().kind == TokenKind::kString) return CastOf(std::move(type).MoveValue(), token.pos);
      at_ = start;
    }
    at_ += 2;
    if (token.upper == "CAST" || token.upper == "TRY_CAST" || token.upper == "SAFE_CAST") return Cast(token);
    if (token.upper == "EXISTS" && PeekWord("SELECT")) return Error(token.pos, "subqueries are not supported");
    auto ast = std::make_unique<Ast>(AstKind::kFunction, token.pos);
    for (char c : token.text) ast->text.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    if (ast->text == "extract") return Extract(std::move(ast));
    if (ast->text == "position") return Position(std::move(ast));
    if (ast->text == "substring" || ast->text == "substr") return Substring(std::move(ast));
    if (ast->text == "trim") return Trim(std::move(ast));
    return Arguments(std::move(ast));
  }

  Result<AstPtr> Arguments(AstPtr ast) {
    while (!PeekSymbol(")")) {
      if (PeekSymbol("*")) return Error(Peek().pos, "'*' is no argument; aggregates are not allowed here");
      LANCEFS_ASSIGN_OR_RETURN(AstPtr argument, Expression(kLowest));
      ast->Add(std::move(argument));
      if (!TakeSymbol(",")) break;
    }
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  Result<AstPtr> Cast(const Token& token) {
    auto ast = std::make_unique<Ast>(AstKind::kCast, token.pos);
    ast->flag = token.upper != "CAST";
    LANCEFS_ASSIGN_OR_RETURN(AstPtr operand, Expression(kLowest));
    ast->Add(std::move(operand));
    LANCEFS_RETURN_NOT_OK(ExpectWord("AS"));
    LANCEFS_ASSIGN_OR_RETURN(ast->type, Type());
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  Result<AstPtr> Extract(AstPtr ast) {
    const Token& field = Peek();
    if (field.kind != TokenKind::kWord && field.kind != TokenKind::kString) return Unexpected("a field such as YEAR");
    auto name = std::make_unique<Ast>(AstKind::kString, field.pos, field.text);
    ++at_;
    if (!TakeWord("FROM")) LANCEFS_RETURN_NOT_OK(ExpectSymbol(","));
    ast->text = "date_part";
    ast->Add(std::move(name));
    LANCEFS_ASSIGN_OR_RETURN(AstPtr value, Expression(kLowest));
    ast->Add(std::move(value));
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  // position(x, y) is strpos; the standard's position(x IN y) is refused by the reference, so that a filter means the same in
  // both.
  Result<AstPtr> Position(AstPtr ast) {
    const size_t start = at_;
    LANCEFS_RETURN_NOT_OK(Expression(kComparePower).status());
    if (PeekWord("IN")) return Error(ast->pos, "position(x IN y) is not supported; write strpos(y, x)");
    at_ = start;
    return Arguments(std::move(ast));
  }

  Result<AstPtr> Substring(AstPtr ast) {
    ast->text = "substr";
    LANCEFS_ASSIGN_OR_RETURN(AstPtr text, Expression(kLowest));
    ast->Add(std::move(text));
    if (TakeSymbol(",")) return Arguments(std::move(ast));
    if (TakeWord("FROM")) {
      LANCEFS_ASSIGN_OR_RETURN(AstPtr from, Expression(kLowest));
      ast->Add(std::move(from));
    }
    if (TakeWord("FOR")) {
      if (ast->kids.size() == 1) ast->Add(std::make_unique<Ast>(AstKind::kNumber, Peek().pos, "1"));
      LANCEFS_ASSIGN_OR_RETURN(AstPtr length, Expression(kLowest));
      ast->Add(std::move(length));
    }
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  Result<AstPtr> Trim(AstPtr ast) {
    ast->text = "btrim";
    if (TakeWord("LEADING")) {
      ast->text = "ltrim";
    } else if (TakeWord("TRAILING")) {
      ast->text = "rtrim";
    } else {
      TakeWord("BOTH");
    }
    AstPtr first;
    if (!PeekWord("FROM")) {
      LANCEFS_ASSIGN_OR_RETURN(first, Expression(kLowest));
    }
    if (TakeWord("FROM")) {
      LANCEFS_ASSIGN_OR_RETURN(AstPtr text, Expression(kLowest));
      ast->Add(std::move(text));
      if (first) ast->Add(std::move(first));
      LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
      return ast;
    }
    ast->Add(std::move(first));
    if (TakeSymbol(",")) return Arguments(std::move(ast));
    LANCEFS_RETURN_NOT_OK(ExpectSymbol(")"));
    return ast;
  }

  Result<std::shared_ptr<arrow::DataType>> Type() {
    const Token token = Peek();
    if (token.kind != TokenKind::kWord) return Unexpected("a type name");
    ++at_;
    const std::string& word = token.upper;
    std::vector<int> numbers;
    LANCEFS_RETURN_NOT_OK(TypeNumbers(&numbers));
    const bool is_unsigned = TakeWord("UNSIGNED");
    if (word == "TINYINT") return is_unsigned ? arrow::uint8() : arrow::int8();
    if (word == "SMALLINT") return is_unsigned ? arrow::uint16() : arrow::int16();
    if (word == "INT" || word == "INTEGER") return is_unsigned ? arrow::uint32() : arrow::int32();
    if (word == "BIGINT") return is_unsigned ? arrow::uint64() : arrow::int64();
    if (!is_unsigned) {
      if (word == "STRING") return arrow::utf8();
      if (word == "BINARY") return arrow::binary();
      if (word == "BOOLEAN") return arrow::boolean();
      if (word == "FLOAT") return arrow::float32();
      if (word == "DOUBLE") return arrow::float64();
      if (word == "DATE") return arrow::date32();
      if (word == "TIMESTAMP" || word == "DATETIME") return TimestampType(token, numbers);
      if (word == "DECIMAL") return DecimalType(token, numbers);
    }
    return Error(token.pos, "unknown type '" + token.text + (is_unsigned ? " unsigned" : "") + "' (known: " + kTypes + ")");
  }

  Status TypeNumbers(std::vector<int>* numbers) {
    if (!TakeSymbol("(")) return Status::OK();
    do {
      const bool negative = TakeSymbol("-");
      const Token& token = Peek();
      int value = 0;
      const char* end = token.text.data() + token.text.size();
      if (token.kind != TokenKind::kNumber || std::from_chars(token.text.data(), end, value).ptr != end) {
        return Unexpected("a number");
      }
      numbers->push_back(negative ? -value : value);
      ++at_;
    } while (TakeSymbol(","));
    return ExpectSymbol(")");
  }

  Result<std::shared_ptr<arrow::DataType>> TimestampType(const Token& token, const std::vector<int>& numbers) {
    if (PeekWord("WITH") || PeekWord("WITHOUT")) return Error(Peek().pos, "time zones are not supported in type names");
    const int digits = numbers.empty() ? 6 : numbers[0];
    if (numbers.size() > 1 || (digits != 0 && digits != 3 && digits != 6 && digits != 9)) {
      return Error(token.pos, token.upper + " takes a precision of 0, 3, 6 or 9");
    }
    const auto unit = digits == 0   ? arrow::TimeUnit::SECOND
                      : digits == 3 ? arrow::TimeUnit::MILLI
                      : digits == 6 ? arrow::TimeUnit::MICRO
                                    : arrow::TimeUnit::NANO;
    return arrow::timestamp(unit);
  }

  Result<std::shared_ptr<arrow::DataType>> DecimalType(const Token& token, const std::vector<int>& numbers) {
    if (numbers.empty()) return arrow::decimal128(38, 10);
    const int scale = numbers.size() > 1 ? numbers[1] : 0;
    if (numbers.size() > 2 || numbers[0] < 1 || numbers[0] > 38 || scale > numbers[0] || scale < -38) {
      return Error(token.pos, "DECIMAL takes a precision from 1 to 38 and a scale up to the precision");
    }
    return arrow::decimal128(numbers[0], scale);
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

Result<AstPtr> Parse(std::string_view sql, bool as_filter) {
  LANCEFS_ASSIGN_OR_RETURN(auto tokens, Tokenize(sql));
  return Parser(sql, std::move(tokens)).Whole(as_filter);
}

Result<std::vector<ParsedItem>> ParseList(std::string_view sql) {
  LANCEFS_ASSIGN_OR_RETURN(auto tokens, Tokenize(sql));
  return Parser(sql, std::move(tokens)).List();
}

std::shared_ptr<arrow::DataType> ParseTypeName(std::string_view text) {
  auto tokens = Tokenize(text);
  if (!tokens.ok()) return nullptr;
  auto type = Parser(text, std::move(tokens).MoveValue()).WholeType();
  return type.ok() ? *type : nullptr;
}

}  // namespace lancefs::sql
