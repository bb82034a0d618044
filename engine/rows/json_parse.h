// SPDX-License-Identifier: Apache-2.0
//
// Schema-driven JSON: parses values straight into column builders. The schema steers the parser, so
// no tree is built and every refusal knows its column. The input must be followed by a NUL byte and
// 64 readable bytes; its UTF-8 is checked by the caller.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/rows/column_builder.h"

namespace lancefs::rows {

// A refused value, without its row.
struct CellError {
  std::string column;  // dotted path
  std::string value;   // as it stands in the text
  std::string reason;  // "is not a double", or a sentence of its own if `value` is empty
};

// The reason for `fault` in words, for a value of `builder`'s type.
std::string FaultText(Fault fault, const ColumnBuilder& builder);

class JsonParser {
 public:
  // `line_mode`: LF is no white space, so a value ends within its line.
  JsonParser(const char* begin, const char* end, bool line_mode) : p_(begin), end_(end), line_mode_(line_mode) {}

  const char* position() const { return p_; }
  const char* end() const { return end_; }
  void Seek(const char* p) { p_ = p; }
  // Where the first byte is that is not UTF-8; null if there is none.
  void SetInvalidUtf8(const char* at) { invalid_utf8_ = at; }
  void SkipSpace() {
    while (*p_ == ' ' || *p_ == '\t' || *p_ == '\r' || (*p_ == '\n' && !line_mode_)) ++p_;
  }

  // Appends one row to the struct builder `root`, whose children are the columns. False: see error().
  bool ParseRow(ColumnBuilder& root);
  // Appends the value at the position to `builder`. False: see error().
  bool ParseValue(ColumnBuilder& builder);
  const CellError& error() const { return error_; }
  // Refuses what stands at the position, in words of the caller.
  bool FailAt(std::string reason);

  // ---- the grammar, for readers that know no schema
  // At a quote: steps over the string; *raw is what stands between the quotes. False: see error().
  bool ScanString(std::string_view* raw, bool* escaped);
  // At '-' or a digit: steps over the number, whose grammar is checked. `integer`: it has neither fraction nor exponent.
  bool ScanNumber(std::string_view* token, bool* integer);
  bool ScanWord(std::string_view word);
  // The text of a string with escapes; `out` has room for raw.size() bytes. False: see error().
  bool Unescape(std::string_view raw, char* out, size_t* out_size);

 private:
  bool ParseObject(ColumnBuilder& builder, bool root);
  bool ParseList(ColumnBuilder& builder);
  bool ParseString(ColumnBuilder& builder);
  bool ParseKey(ColumnBuilder& builder, size_t* guess, ColumnBuilder** child, bool root);
  bool FinishObject(ColumnBuilder& builder, bool root);
  bool FailValue(const char* begin, Fault fault, const ColumnBuilder& builder);
  bool Fail(std::string_view value, std::string reason);
  // Puts `name` before the path of the error; always false.
  bool InColumn(const ColumnBuilder& child);
  bool InItem(int64_t index);
  // The whole token or value that starts at `begin`, for messages.
  std::string_view TokenAt(const char* begin) const;

  const char* p_;
  const char* end_;
  const char* invalid_utf8_ = nullptr;
  bool line_mode_;
  std::string scratch_;
  CellError error_;
};

}  // namespace lancefs::rows
