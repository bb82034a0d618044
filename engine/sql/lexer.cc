// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/lexer.h"

#include <array>

#include "base/ascii.h"

namespace lancefs::sql {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_' || u == '#' || u == '@' || u >= 0x80;
}
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c) || c == '$'; }
int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> Run() {
    for (;;) {
      LANCEFS_RETURN_NOT_OK(SkipBlanks());
      Token token;
      token.pos = at_;
      if (at_ < sql_.size()) LANCEFS_RETURN_NOT_OK(Next(&token));
      token.end = at_;
      tokens_.push_back(std::move(token));
      if (tokens_.back().kind == TokenKind::kEnd) return std::move(tokens_);
    }
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  Status SkipBlanks() {
    while (at_ < sql_.size()) {
      const char c = Peek();
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
        ++at_;
      } else if (c == '-' && Peek(1) == '-') {
        while (at_ < sql_.size() && Peek() != '\n') ++at_;
      } else if (c == '/' && Peek(1) == '*') {
        LANCEFS_RETURN_NOT_OK(SkipComment());
      } else {
        break;
      }
    }
    return Status::OK();
  }

  Status SkipComment() {
    const size_t start = at_;
    int open = 0;
    do {
      if (at_ >= sql_.size()) return ErrorAt(sql_, start, "the comment does not end, expected '*/'");
      if (Peek() == '/' && Peek(1) == '*') {
        ++open;
        at_ += 2;
      } else if (Peek() == '*' && Peek(1) == '/') {
        --open;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (open > 0);
    return Status::OK();
  }

  Status Next(Token* token) {
    const char c = Peek();
    if ((c == 'x' || c == 'X') && Peek(1) == '\'') return HexString(token);
    if (c == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && HexValue(Peek(2)) >= 0) return HexNumber(token);
    if (c == '`') return Quoted(token, '`', TokenKind::kQuotedName, "the name does not end, expected '`'");
    if (c == '\'') return Quoted(token, '\'', TokenKind::kString, "the string does not end, expected '''");
    if (c == '"') return Quoted(token, '"', TokenKind::kString, "the string does not end, expected '\"'");
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)) && !AfterOperand())) return Number(token);
    if (IsNameStart(c)) return Word(token);
    return Symbol(token);
  }

  // A dot behind a name or a bracket is a field access, not the start of a number.
  bool AfterOperand() const {
    if (tokens_.empty() || tokens_.back().end != at_) return false;
    const Token& last = tokens_.back();
    return last.kind == TokenKind::kWord || last.kind == TokenKind::kQuotedName ||
           (last.kind == TokenKind::kSymbol && (last.text == "]" || last.text == ")"));
  }

  Status Quoted(Token* token, char quote, TokenKind kind, const char* reason) {
    token->kind = kind;
    ++at_;
    while (at_ < sql_.size()) {
      const char c = sql_[at_++];
      if (c != quote) {
        token->text.push_back(c);
      } else if (Peek() == quote) {
        token->text.push_back(quote);
        ++at_;
      } else {
        return Status::OK();
      }
    }
    return ErrorAt(sql_, token->pos, reason);
  }

  Status HexString(Token* token) {
    ++at_;
    Token digits;
    digits.pos = token->pos;
    LANCEFS_RETURN_NOT_OK(Quoted(&digits, '\'', TokenKind::kString, "the binary literal does not end, expected '''"));
    return HexBytes(digits.text, token);
  }

  Status HexNumber(Token* token) {
    at_ += 2;
    const size_t start = at_;
    while (HexValue(Peek()) >= 0) ++at_;
    return HexBytes(std::string(sql_.substr(start, at_ - start)), token);
  }

  Status HexBytes(const std::string& digits, Token* token) {
    token->kind = TokenKind::kHex;
    size_t i = 0;
    if (digits.size() % 2 == 1) {
      if (HexValue(digits[0]) < 0) return ErrorAt(sql_, token->pos, "a binary literal takes hexadecimal digits only");
      token->text.push_back(static_cast<char>(HexValue(digits[i++])));
    }
    for (; i < digits.size(); i += 2) {
      const int high = HexValue(digits[i]);
      const int low = HexValue(digits[i + 1]);
      if (high < 0 || low < 0) return ErrorAt(sql_, token->pos, "a binary literal takes hexadecimal digits only");
      token->text.push_back(static_cast<char>(high * 16 + low));
    }
    return Status::OK();
  }

  Status Number(Token* token) {
    token->kind = TokenKind::kNumber;
    const size_t start = at_;
    while (IsDigit(Peek())) ++at_;
    if (Peek() == '.') {
      ++at_;
      while (IsDigit(Peek())) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t sign = (Peek(1) == '+' || Peek(1) == '-') ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        at_ += 1 + sign;
        while (IsDigit(Peek())) ++at_;
      }
    }
    token->text = std::string(sql_.substr(start, at_ - start));
    return Status::OK();
  }

  Status Word(Token* token) {
    token->kind = TokenKind::kWord;
    const size_t start = at_;
    while (at_ < sql_.size() && IsNamePart(Peek())) ++at_;
    token->text = std::string(sql_.substr(start, at_ - start));
    token->upper = AsciiUpper(token->text);
    return Status::OK();
  }

  Status Symbol(Token* token) {
    static constexpr std::array<std::string_view, 33> kSymbols = {
        "!~*", "<=>", "==", "!=", "<>", "<=", ">=", "||", "<<", ">>", "::", "~*", "!~", "=", "<", ">", "+",
        "-",   "*",   "/",  "%",  "(",  ")",  "[",  "]",  ",",  ".",  ";",  ":",  "~",  "&", "|", "^"};
    token->kind = TokenKind::kSymbol;
    for (std::string_view symbol : kSymbols) {
      if (sql_.substr(at_, symbol.size()) == symbol) {
        at_ += symbol.size();
        token->text = symbol == "==" ? "=" : symbol == "<>" ? "!=" : std::string(symbol);
        return Status::OK();
      }
    }
    return ErrorAt(sql_, at_, "unexpected character '" + std::string(1, Peek()) + "'");
  }

  std::string_view sql_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view sql) { return Lexer(sql).Run(); }

Status ErrorAt(std::string_view sql, size_t byte, const std::string& reason) {
  size_t position = 1;
  size_t line = 1;
  size_t column = 1;
  for (size_t i = 0; i < byte && i < sql.size(); ++i) {
    if ((static_cast<unsigned char>(sql[i]) & 0xC0) == 0x80) continue;  // inside a UTF-8 character
    ++position;
    ++column;
    if (sql[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  std::string text = reason + " at position " + std::to_string(position);
  if (sql.find('\n') != std::string_view::npos) {
    text += " (line " + std::to_string(line) + ", column " + std::to_string(column) + ")";
  }
  return Status::InvalidArgument(std::move(text));
}

}  // namespace lancefs::sql
