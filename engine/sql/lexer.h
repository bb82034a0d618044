// SPDX-License-Identifier: Apache-2.0
//
// SQL text to tokens. Backticks quote names, single and double quotes strings (as the reference
// takes them), x'..' and 0x.. are binary, `--` and nested /* */ comments.
//
// Thread safety: free functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace lancefs::sql {

enum class TokenKind : uint8_t { kEnd, kWord, kQuotedName, kNumber, kString, kHex, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t pos = 0;     // first byte
  size_t end = 0;     // after the last byte
  std::string text;   // names and strings: the value; hex: the bytes; symbols: as written, == as =, <> as !=
  std::string upper;  // words: upper case (ASCII), to compare with keywords
};

// The last token is kEnd. Errors: kInvalidArgument with the position.
Result<std::vector<Token>> Tokenize(std::string_view sql);

// "<reason> at position <n>[ (line <l>, column <c>)]": positions count characters from 1.
Status ErrorAt(std::string_view sql, size_t byte, const std::string& reason);

}  // namespace lancefs::sql
