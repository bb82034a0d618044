// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/json_parse.h"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace lancefs::rows {
namespace {

inline bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// The first quote, backslash or control character at or after `p`; the NUL behind the input ends every search.
inline const char* FindStringEnd(const char* p) {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1f);
  while (true) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control);
    const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)), low);
    const int mask = _mm_movemask_epi8(hit);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#else
  while (*p != '"' && *p != '\\' && static_cast<unsigned char>(*p) > 0x1f) ++p;
  return p;
#endif
}

bool ReadHex4(const char* p, uint32_t* out) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    uint32_t digit = 0;
    if (IsDigit(c)) {
      digit = static_cast<uint32_t>(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      digit = static_cast<uint32_t>((c | 0x20) - 'a' + 10);
    } else {
      return false;
    }
    value = value << 4 | digit;
  }
  *out = value;
  return true;
}

char* PutUtf8(uint32_t code, char* out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *out++ = static_cast<char>(0xc0 | code >> 6);
    *out++ = static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xe0 | code >> 12);
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    *out++ = static_cast<char>(0x80 | (code & 0x3f));
  } else {
    *out++ = static_cast<char>(0xf0 | code >> 18);
    *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3f));
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    *out++ = static_cast<char>(0x80 | (code & 0x3f));
  }
  return out;
}

// What "\c" stands for, or 0.
char SimpleEscape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    case '"':
    case '\\':
    case '/': return c;
    default: return 0;
  }
}

std::string Article(const std::string& noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun[0]) != std::string_view::npos &&
                     !noun.starts_with("uint") && !noun.starts_with("uu");
  return (vowel ? "an " : "a ") + noun;
}

}  // namespace

std::string FaultText(Fault fault, const ColumnBuilder& builder) {
  const std::string type = builder.kind == Kind::kUuid       ? "uuid"
                           : builder.kind == Kind::kBFloat16 ? "bfloat16"
                                                             : builder.storage->ToString();
  switch (fault) {
    case Fault::kRange: return "is out of range for " + type;
    case Fault::kPrecision: return "does not fit " + type + " without loss";
    case Fault::kNull: return "is null, but the column is not nullable";
    case Fault::kLength:
      return builder.kind == Kind::kFixedList ? "does not have " + std::to_string(builder.width) + " values"
                                              : "does not have the length of " + type;
    case Fault::kUtf8: return "is not valid UTF-8";
    default: break;
  }
  switch (builder.kind) {
    case Kind::kUtf8:
    case Kind::kLargeUtf8: return "is not a string";
    case Kind::kBinary:
    case Kind::kLargeBinary:
    case Kind::kFixedBinary: return "is not base64 text of " + type;
    case Kind::kNull: return "is a value in a column of nulls";
    case Kind::kDate32:
    case Kind::kDate64: return "is not a date (YYYY-MM-DD)";
    case Kind::kTime32:
    case Kind::kTime64: return "is not a time (hh:mm:ss)";
    case Kind::kList:
    case Kind::kLargeList: return "is not a JSON array";
    case Kind::kFixedList: return "is not a JSON array of " + std::to_string(builder.width) + " values";
    case Kind::kMap: return "is not a JSON array of {\"key\":...,\"value\":...}";
    case Kind::kStruct: return "is not a JSON object";
    case Kind::kTimestamp: return "is not a timestamp (YYYY-MM-DDThh:mm:ss)";
    default: return "is not " + Article(type);
  }
}

// ---- errors

bool JsonParser::Fail(std::string_view value, std::string reason) {
  error_.column.clear();
  error_.value = Shorten(value);
  error_.reason = std::move(reason);
  return false;
}

std::string_view JsonParser::TokenAt(const char* begin) const {
  const char* p = begin;
  if (p < end_ && *p == '"') {
    for (++p; p < end_ && *p != '"' && *p != '\n'; ++p) {
      if (*p == '\\' && p + 1 < end_) ++p;
    }
    if (p < end_ && *p == '"') ++p;
  } else if (p < end_ && (*p == '{' || *p == '[')) {
    int depth = 0;  // to its closing bracket, as long as that is near
    for (; p < end_ && *p != '\n' && p - begin < 200; ++p) {
      if (*p == '{' || *p == '[') ++depth;
      if ((*p == '}' || *p == ']') && --depth == 0) return {begin, static_cast<size_t>(p + 1 - begin)};
    }
    if (p > begin && p[-1] == '\r') --p;
  } else {
    while (p < end_ && *p != ',' && *p != '}' && *p != ']' && *p != '\n' && *p != '\r') ++p;
  }
  return {begin, static_cast<size_t>(p - begin)};
}

bool JsonParser::FailAt(std::string reason) {
  if (p_ >= end_ || (line_mode_ && *p_ == '\n')) return Fail("", "the JSON text is cut off");
  return Fail("", reason + ", at " + Shorten(TokenAt(p_)));
}

bool JsonParser::FailValue(const char* begin, Fault fault, const ColumnBuilder& builder) {
  if (fault == Fault::kNull) return Fail("", "null in a non-nullable column");
  return Fail(TokenAt(begin), FaultText(fault, builder));
}

bool JsonParser::InColumn(const ColumnBuilder& child) {
  std::string& path = error_.column;
  if (path.empty()) {
    path = child.name;
  } else {
    path = child.name + (path[0] == '[' ? "" : ".") + path;
  }
  return false;
}

bool JsonParser::InItem(int64_t index) {
  std::string& path = error_.column;
  const std::string item = std::string("[").append(std::to_string(index)).append("]");
  path = path.empty() || path[0] == '[' ? item + path : item + "." + path;
  return false;
}

// ---- grammar

bool JsonParser::ScanWord(std::string_view word) {
  if (std::memcmp(p_, word.data(), word.size()) != 0) return false;  // padding makes this readable
  const char next = p_[word.size()];
  if ((next | 0x20) >= 'a' && (next | 0x20) <= 'z') return false;
  p_ += word.size();
  return true;
}

bool JsonParser::ScanNumber(std::string_view* token, bool* integer) {
  const char* begin = p_;
  const char* p = p_;
  if (*p == '-') ++p;
  const char* digits = p;
  while (IsDigit(*p)) ++p;
  bool good = p > digits && (p == digits + 1 || *digits != '0');
  *integer = true;
  if (*p == '.') {
    *integer = false;
    const char* fraction = ++p;
    while (IsDigit(*p)) ++p;
    good &= p > fraction;
  }
  if (*p == 'e' || *p == 'E') {
    *integer = false;
    ++p;
    if (*p == '-' || *p == '+') ++p;
    const char* exponent = p;
    while (IsDigit(*p)) ++p;
    good &= p > exponent;
  }
  const char c = *p;
  good &= c == ',' || c == '}' || c == ']' || c == '\n' || c == ' ' || c == '\r' || c == '\t' || p >= end_;
  if (!good) return Fail(TokenAt(begin), "is not a JSON value");
  *token = {begin, static_cast<size_t>(p - begin)};
  p_ = p;
  return true;
}

bool JsonParser::ScanString(std::string_view* raw, bool* escaped) {
  const char* begin = p_ + 1;
  const char* p = FindStringEnd(begin);
  *escaped = false;
  while (*p != '"') {
    if (*p != '\\') {
      if (p >= end_ || *p == '\n') return Fail(TokenAt(p_), "is a string without an end");
      return Fail(TokenAt(p_), "has a raw control character");
    }
    *escaped = true;
    if (p + 1 >= end_) return Fail(TokenAt(p_), "is a string without an end");
    p = FindStringEnd(p + 2);
  }
  if (p >= end_) return Fail(TokenAt(p_), "is a string without an end");
  if (invalid_utf8_ != nullptr && invalid_utf8_ >= begin && invalid_utf8_ < p) {
    return Fail(TokenAt(p_), "is not valid UTF-8 at its byte " + std::to_string(invalid_utf8_ - begin + 1));
  }
  *raw = {begin, static_cast<size_t>(p - begin)};
  p_ = p + 1;
  return true;
}

bool JsonParser::Unescape(std::string_view raw, char* out, size_t* out_size) {
  const char* p = raw.data();
  const char* end = p + raw.size();
  char* to = out;
  while (p < end) {
    if (*p != '\\') {
      const auto* next = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
      const size_t run = static_cast<size_t>((next == nullptr ? end : next) - p);
      std::memmove(to, p, run);
      to += run;
      p += run;
      continue;
    }
    const char escape = p[1];  // the scanner saw a byte behind every backslash
    if (escape == 'u') {
      uint32_t code = 0;
      if (end - p < 6 || !ReadHex4(p + 2, &code)) return Fail(raw, "has a malformed \\u escape");
      p += 6;
      if (code >= 0xd800 && code < 0xdc00) {
        uint32_t low = 0;
        if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !ReadHex4(p + 2, &low) || low < 0xdc00 || low > 0xdfff) {
          return Fail(raw, "has half of a surrogate pair, which is no character");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
      } else if (code >= 0xdc00 && code < 0xe000) {
        return Fail(raw, "has half of a surrogate pair, which is no character");
      }
      to = PutUtf8(code, to);
      continue;
    }
    const char simple = SimpleEscape(escape);
    if (simple == 0) return Fail(raw, "has an unknown escape");
    *to++ = simple;
    p += 2;
  }
  *out_size = static_cast<size_t>(to - out);
  return true;
}

// ---- values

bool JsonParser::ParseString(ColumnBuilder& builder) {
  const char* begin = p_;
  std::string_view raw;
  bool escaped = false;
  if (!ScanString(&raw, &escaped)) return false;
  if (builder.IsText()) {
    builder.data.Reserve(static_cast<int64_t>(raw.size()));
    size_t size = raw.size();
    if (!escaped) {
      if (size > 0) std::memcpy(builder.data.end(), raw.data(), size);
    } else if (!Unescape(raw, reinterpret_cast<char*>(builder.data.end()), &size)) {
      return false;
    }
    builder.CommitText(static_cast<int64_t>(size));
    return true;
  }
  if (escaped) {
    scratch_.resize(raw.size());
    size_t size = 0;
    if (!Unescape(raw, scratch_.data(), &size)) return false;
    raw = std::string_view(scratch_.data(), size);
  }
  const Fault fault = builder.AppendText(raw, Cell::kJsonString);
  return fault == Fault::kNone || FailValue(begin, fault, builder);
}

bool JsonParser::ParseValue(ColumnBuilder& builder) {
  const char* begin = p_;
  switch (*p_) {
    case '"': return ParseString(builder);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': {
      std::string_view token;
      bool integer = false;
      if (!ScanNumber(&token, &integer)) return false;
      const Fault fault = builder.AppendText(token, Cell::kJsonNumber);
      return fault == Fault::kNone || FailValue(begin, fault, builder);
    }
    case 'n': {
      if (!ScanWord("null")) break;
      const Fault fault = builder.AppendNull();
      return fault == Fault::kNone || FailValue(begin, fault, builder);
    }
    case 't':
    case 'f': {
      const bool value = *p_ == 't';
      if (!ScanWord(value ? "true" : "false")) break;
      const Fault fault = builder.AppendBool(value);
      return fault == Fault::kNone || FailValue(begin, fault, builder);
    }
    case '{':
      if (builder.kind != Kind::kStruct) return FailValue(begin, Fault::kType, builder);
      return ParseObject(builder, /*root=*/false);
    case '[':
      if (!builder.IsNested() || builder.kind == Kind::kStruct) return FailValue(begin, Fault::kType, builder);
      return ParseList(builder);
    default: break;
  }
  if (p_ >= end_ || (line_mode_ && *p_ == '\n')) return Fail("", "the JSON text ends where a value is expected");
  return Fail(TokenAt(begin), "is not a JSON value");
}

bool JsonParser::ParseList(ColumnBuilder& builder) {
  const char* begin = p_++;
  ColumnBuilder& items = *builder.children[0];
  int64_t count = 0;
  SkipSpace();
  if (*p_ == ']') {
    ++p_;
  } else {
    while (true) {
      SkipSpace();
      if (builder.kind == Kind::kFixedList && count == builder.width) {
        return FailValue(begin, Fault::kLength, builder);
      }
      if (!ParseValue(items)) return InItem(count);
      ++count;
      SkipSpace();
      const char c = *p_;
      if (c == ']') {
        ++p_;
        break;
      }
      if (c != ',') return FailAt("the list is not closed or lacks a comma");
      ++p_;
    }
  }
  if (builder.kind == Kind::kFixedList && count != builder.width) return FailValue(begin, Fault::kLength, builder);
  builder.CommitNested();
  return true;
}

// Finds the field that the key at the position names and steps behind the colon.
bool JsonParser::ParseKey(ColumnBuilder& builder, size_t* guess, ColumnBuilder** child, bool root) {
  const auto& children = builder.children;
  int found = -1;
  if (*p_ != '"') return FailAt("the object is not closed or lacks a quoted key");
  if (*guess < children.size() && children[*guess]->plain_name) {  // mostly keys come in the order of the schema
    const std::string& name = children[*guess]->name;
    if (static_cast<size_t>(end_ - p_) > name.size() + 1 && std::memcmp(p_ + 1, name.data(), name.size()) == 0 &&
        p_[1 + name.size()] == '"') {
      found = static_cast<int>(*guess);
      p_ += name.size() + 2;
    }
  }
  if (found < 0) {
    std::string_view key;
    bool escaped = false;
    if (!ScanString(&key, &escaped)) return false;
    if (escaped) {
      scratch_.resize(key.size());
      size_t size = 0;
      if (!Unescape(key, scratch_.data(), &size)) return false;
      key = std::string_view(scratch_.data(), size);
    }
    found = builder.FindChild(key);
    if (found < 0) {
      Fail("", root ? "the table has no such column" : "the column's type has no such field");
      error_.column = Shorten(key);
      return false;
    }
  }
  *child = children[static_cast<size_t>(found)].get();
  *guess = static_cast<size_t>(found) + 1;
  if ((*child)->seen == builder.objects) {
    Fail("", "the key stands twice in the object");
    return InColumn(**child);
  }
  (*child)->seen = builder.objects;
  SkipSpace();
  if (*p_ != ':') {
    FailAt("no colon behind the key");
    return InColumn(**child);
  }
  ++p_;
  SkipSpace();
  return true;
}

// Fields that the object does not have become null.
bool JsonParser::FinishObject(ColumnBuilder& builder, bool root) {
  for (auto& child : builder.children) {
    if (child->seen == builder.objects) continue;
    if (child->AppendNull() != Fault::kNone) {
      Fail("", root ? "is missing, and the column is not nullable" : "is missing, and the field is not nullable");
      return InColumn(*child);
    }
  }
  builder.CommitNested();
  return true;
}

bool JsonParser::ParseObject(ColumnBuilder& builder, bool root) {
  ++p_;
  ++builder.objects;
  size_t guess = 0;
  size_t count = 0;
  SkipSpace();
  if (*p_ == '}') {
    ++p_;
    return FinishObject(builder, root);
  }
  while (true) {
    SkipSpace();
    ColumnBuilder* child = nullptr;
    if (!ParseKey(builder, &guess, &child, root)) return false;
    if (!ParseValue(*child)) return InColumn(*child);
    ++count;
    SkipSpace();
    const char c = *p_;
    if (c == ',') {
      ++p_;
      continue;
    }
    if (c != '}') return FailAt("the object is not closed or lacks a comma");
    ++p_;
    break;
  }
  if (count < builder.children.size()) return FinishObject(builder, root);
  builder.CommitNested();
  return true;
}

bool JsonParser::ParseRow(ColumnBuilder& root) {
  if (*p_ != '{') return Fail(TokenAt(p_), "is not a JSON object");
  return ParseObject(root, /*root=*/true);
}

}  // namespace lancefs::rows
