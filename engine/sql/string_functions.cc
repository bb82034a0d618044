// SPDX-License-Identifier: Apache-2.0
#include <arrow/compute/api.h>
#include <re2/re2.h>

#include <cstring>
#include <memory>

#include "engine/sql/function_support.h"
#include "engine/sql/md5.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;

// Arguments by letter: s string, b string or binary (read as a string), i integer (int64), a anything that
// casts to a string.
Result<Types> CheckArguments(const std::string& name, const Types& types, const char* letters) {
  Types out;
  for (size_t i = 0; i < types.size(); ++i) {
    const char letter = letters[std::min(i, std::strlen(letters) - 1)];
    if (letter == 's' || letter == 'b') {
      TypePtr type = letter == 'b' && IsBinary(*types[i]) ? arrow::utf8() : AsString(types[i]);
      if (!type) return NeedsString(name, i, types[i]);
      out.push_back(std::move(type));
    } else if (letter == 'a') {
      if (!IsString(*types[i]) && (!CanCast(*types[i], *arrow::utf8()) || IsListLike(*types[i])))
        return NeedsString(name, i, types[i]);
      out.push_back(IsString(*types[i]) ? types[i] : arrow::utf8());
    } else {
      if (!IsInteger(*types[i]) && types[i]->id() != arrow::Type::NA) {
        return Status::InvalidArgument(name + "() needs an integer as argument " + std::to_string(i + 1) + ", this is " +
                                       types[i]->ToString());
      }
      out.push_back(arrow::int64());
    }
  }
  return out;
}

template <typename Make>
BoundFunction StringResult(Types arguments, Make make) {
  const TypePtr type = arguments[0]->id() == arrow::Type::LARGE_STRING ? arrow::large_utf8() : arrow::utf8();
  return {std::move(arguments), type, [type, make](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
            if (AnyConstantNull(in)) return NullColumn(type);
            return make(in, rows, type);
          }};
}

Result<BoundFunction> CaseFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  const std::string kernel = name == "lower" ? "utf8_lower" : "utf8_upper";
  return StringResult(std::move(arguments), [kernel](const std::vector<Column>& in, int64_t, const TypePtr&) -> Result<Column> {
    LANCEFS_ARROW_ASSIGN(arrow::Datum result, arrow::compute::CallFunction(kernel, {in[0].array}));
    return Column{result.make_array(), in[0].constant};
  });
}

Result<BoundFunction> LengthFunction(const std::string& name, const Types& types, const Constants&) {
  const bool bytes = name == "octet_length" || name == "bit_length";
  // Bytes have a length too, blobs among them.
  const bool binary = bytes && types.size() == 1 && IsBinary(*types[0]) && types[0]->id() != arrow::Type::BINARY_VIEW;
  Types arguments = types;
  if (!binary) {
    LANCEFS_ASSIGN_OR_RETURN(arguments, CheckArguments(name, types, bytes ? "s" : "a"));
  }
  const TypePtr type = binary || arguments[0]->id() == arrow::Type::LARGE_STRING ? arrow::int64() : arrow::int32();
  const int64_t factor = name == "bit_length" ? 8 : 1;
  return BoundFunction{
      std::move(arguments), type, [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(type);
        const Strings text(in[0]);
        auto length = [&](int64_t row) { return bytes ? static_cast<int64_t>(text[row].size()) * factor : CharCount(text[row]); };
        if (type->id() == arrow::Type::INT64) {
          return MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) { return *out = length(row), true; });
        }
        return MapValues<int32_t>(in, rows, type,
                                  [&](int64_t row, int32_t* out) { return *out = static_cast<int32_t>(length(row)), true; });
      }};
}

Result<BoundFunction> SearchFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  const char kind = name[0];  // starts_with, ends_with, contains
  return BoundFunction{
      std::move(arguments), arrow::boolean(), [kind](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
        const Strings text(in[0]);
        const Strings part(in[1]);
        if (kind == 's') return MapBools(in, rows, [&](int64_t i) { return text[i].starts_with(part[i]); });
        if (kind == 'e') return MapBools(in, rows, [&](int64_t i) { return text[i].ends_with(part[i]); });
        return MapBools(in, rows, [&](int64_t i) {
          const std::string_view haystack = text[i];
          const std::string_view needle = part[i];
          return needle.empty() || memmem(haystack.data(), haystack.size(), needle.data(), needle.size()) != nullptr;
        });
      }};
}

Result<BoundFunction> StrposFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  return BoundFunction{std::move(arguments), arrow::int32(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::int32());
                         const Strings text(in[0]);
                         const Strings part(in[1]);
                         return MapValues<int32_t>(in, rows, arrow::int32(), [&](int64_t row, int32_t* out) {
                           const size_t at = text[row].find(part[row]);
                           *out = at == std::string_view::npos ? 0 : static_cast<int32_t>(CharCount(text[row].substr(0, at)) + 1);
                           return true;
                         });
                       }};
}

Result<BoundFunction> AsciiFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  return BoundFunction{std::move(arguments), arrow::int32(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::int32());
                         const Strings strings(in[0]);
                         return MapValues<int32_t>(in, rows, arrow::int32(), [&](int64_t row, int32_t* out) {
                           const std::string_view text = strings[row];
                           if (text.empty()) return *out = 0, true;
                           const size_t bytes = std::min(CharBytes(text[0]), text.size());
                           static constexpr unsigned char kMask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
                           int32_t code = static_cast<unsigned char>(text[0]) & kMask[bytes];
                           for (size_t i = 1; i < bytes; ++i) code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
                           return *out = code, true;
                         });
                       }};
}

void AppendCodePoint(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

Result<BoundFunction> FromIntegerFunction(const std::string& name, const Types& types, const Constants&) {  // chr, to_hex
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "i"));
  const bool hex = name == "to_hex";
  return BoundFunction{std::move(arguments), arrow::utf8(), [hex](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::utf8());
                         const Values<int64_t> values(in[0]);
                         Status error;
                         LANCEFS_ASSIGN_OR_RETURN(
                             Column result, MapStrings(in, rows, arrow::utf8(), [&](int64_t row, std::string* out) {
                               const int64_t value = values[row];
                               if (hex) {
                                 char text[24];
                                 std::snprintf(text, sizeof(text), "%llx", static_cast<unsigned long long>(value));
                                 *out = text;
                               } else if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
                                 error = Status::InvalidArgument("chr(): no character has the code " + std::to_string(value));
                               } else {
                                 AppendCodePoint(static_cast<uint32_t>(value), out);
                               }
                               return true;
                             }));
                         if (!error.ok()) return error;
                         return result;
                       }};
}

Result<BoundFunction> ConcatFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "a"));
  bool large = false;
  for (const TypePtr& type : arguments) large = large || type->id() == arrow::Type::LARGE_STRING;
  const TypePtr type = large ? arrow::large_utf8() : arrow::utf8();
  const bool with_separator = name == "concat_ws";
  for (TypePtr& argument : arguments) argument = type;
  return BoundFunction{std::move(arguments), type, [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (with_separator && in[0].ConstantNull()) return NullColumn(type);
                         const int64_t count = ResultRows(in, rows);
                         std::vector<Strings> strings;
                         for (const Column& column : in) strings.emplace_back(column);
                         // Null arguments are skipped, so only the separator's nulls count.
                         LANCEFS_ASSIGN_OR_RETURN(auto zeros, NewBuffer(count));
                         std::memset(zeros->mutable_data(), 0, static_cast<size_t>(count));
                         std::vector<Column> guard = {Column{std::make_shared<arrow::UInt8Array>(count, zeros), AllConstant(in)}};
                         if (with_separator) guard.push_back(in[0]);
                         return MapStrings(guard, count, type, [&](int64_t row, std::string* out) {
                           bool first = true;
                           for (size_t i = with_separator ? 1 : 0; i < in.size(); ++i) {
                             if (in[i].IsNull(row)) continue;
                             if (with_separator && !first) out->append(strings[0][row]);
                             out->append(strings[i][row]);
                             first = false;
                           }
                           return true;
                         });
                       }};
}

Result<BoundFunction> ReverseFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "b"));
  return StringResult(std::move(arguments),
                      [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          const std::string_view text = strings[row];
                          for (size_t end = text.size(); end > 0;) {
                            size_t start = end - 1;
                            while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
                            out->append(text.substr(start, end - start));
                            end = start;
                          }
                          return true;
                        });
                      });
}

Result<BoundFunction> InitcapFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  return StringResult(std::move(arguments),
                      [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        LANCEFS_ARROW_ASSIGN(arrow::Datum lower, arrow::compute::CallFunction("utf8_lower", {in[0].array}));
                        LANCEFS_ARROW_ASSIGN(arrow::Datum upper, arrow::compute::CallFunction("utf8_upper", {in[0].array}));
                        const Column lower_column{lower.make_array(), in[0].constant};
                        const Column upper_column{upper.make_array(), in[0].constant};
                        const Strings low(lower_column);
                        const Strings up(upper_column);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          const std::string_view l = low[row];
                          const std::string_view u = up[row];
                          bool start = true;
                          size_t at_upper = 0;
                          for (size_t i = 0; i < l.size() && at_upper < u.size();) {
                            const size_t bytes = CharBytes(l[i]);
                            const size_t upper_bytes = CharBytes(u[at_upper]);
                            out->append(start ? u.substr(at_upper, upper_bytes) : l.substr(i, bytes));
                            start = bytes == 1 && std::isalnum(static_cast<unsigned char>(l[i])) == 0;
                            i += bytes;
                            at_upper += upper_bytes;
                          }
                          return true;
                        });
                      });
}

Result<BoundFunction> LeftRightFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "bi"));
  const bool left = name == "left";
  return StringResult(std::move(arguments),
                      [left](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        const Values<int64_t> counts(in[1]);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          const std::string_view text = strings[row];
                          int64_t n = counts[row];
                          const int64_t length = n < 0 || !left ? CharCount(text) : 0;
                          if (n < 0) n = std::max<int64_t>(length + n, 0);  // all but the last (first) -n
                          if (left) {
                            out->assign(text.substr(0, CharOffset(text, n)));
                          } else {
                            out->assign(text.substr(CharOffset(text, std::max<int64_t>(length - n, 0))));
                          }
                          return true;
                        });
                      });
}

Result<BoundFunction> SubstrFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "si"));
  return StringResult(std::move(arguments),
                      [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        const Values<int64_t> starts(in[1]);
                        const bool has_count = in.size() > 2;
                        const Values<int64_t> counts(in[has_count ? 2 : 1]);
                        Status error;
                        LANCEFS_ASSIGN_OR_RETURN(Column result, MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                                                   const std::string_view text = strings[row];
                                                   const int64_t start = starts[row];
                                                   if (!has_count) {
                                                     out->assign(text.substr(CharOffset(text, std::max<int64_t>(start - 1, 0))));
                                                     return true;
                                                   }
                                                   if (counts[row] < 0) {
                                                     error = Status::InvalidArgument("substr(): the length is negative");
                                                     return true;
                                                   }
                                                   int64_t end;
                                                   if (__builtin_add_overflow(start, counts[row], &end))
                                                     end = std::numeric_limits<int64_t>::max();
                                                   const int64_t from = std::max<int64_t>(start, 1);
                                                   if (end <= from) return true;
                                                   const std::string_view rest = text.substr(CharOffset(text, from - 1));
                                                   out->assign(rest.substr(0, CharOffset(rest, end - from)));
                                                   return true;
                                                 }));
                        if (!error.ok()) return error;
                        return result;
                      });
}

Result<BoundFunction> TrimFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  const bool left = name != "rtrim";
  const bool right = name != "ltrim";
  return StringResult(std::move(arguments),
                      [=](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        const bool has_set = in.size() > 1;
                        const Strings sets(in[has_set ? 1 : 0]);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          std::string_view text = strings[row];
                          const std::string_view set = has_set ? sets[row] : std::string_view(" ");
                          auto in_set = [&](std::string_view character) { return set.find(character) != std::string_view::npos; };
                          while (left && !text.empty() && in_set(text.substr(0, CharBytes(text[0]))))
                            text.remove_prefix(std::min(CharBytes(text[0]), text.size()));
                          while (right && !text.empty()) {
                            size_t start = text.size() - 1;
                            while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
                            if (!in_set(text.substr(start))) break;
                            text = text.substr(0, start);
                          }
                          out->assign(text);
                          return true;
                        });
                      });
}

Result<BoundFunction> PadFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, types.size() > 2 ? "bib" : "bi"));
  const bool left = name == "lpad";
  return StringResult(
      std::move(arguments), [left](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
        const Strings strings(in[0]);
        const Values<int64_t> lengths(in[1]);
        const bool has_fill = in.size() > 2;
        const Strings fills(in[has_fill ? 2 : 0]);
        Status error;
        LANCEFS_ASSIGN_OR_RETURN(
            Column result, MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
              const std::string_view text = strings[row];
              const std::string_view fill = has_fill ? fills[row] : std::string_view(" ");
              const int64_t target = std::max<int64_t>(lengths[row], 0);
              const int64_t missing = target - CharCount(text);
              if (target > (int64_t{1} << 26)) {
                error = Status::InvalidArgument("lpad(), rpad(): the length " + std::to_string(target) + " is too large");
                return true;
              }
              if (missing <= 0) {
                out->assign(text.substr(0, CharOffset(text, target)));
                return true;
              }
              std::string pad;
              const int64_t fill_length = CharCount(fill);
              for (int64_t done = 0; fill_length > 0 && done < missing; done += fill_length) {
                pad.append(fill.substr(0, CharOffset(fill, missing - done)));
              }
              *out = left ? pad + std::string(text) : std::string(text) + pad;
              return true;
            }));
        if (!error.ok()) return error;
        return result;
      });
}

Result<BoundFunction> ReplaceFunction(const std::string& name, const Types& types, const Constants&) {  // replace, translate
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, name == "translate" ? "bs" : "s"));
  const bool translate = name == "translate";
  return StringResult(std::move(arguments),
                      [translate](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        const Strings from(in[1]);
                        const Strings to(in[2]);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          const std::string_view text = strings[row];
                          const std::string_view what = from[row];
                          if (translate) {
                            for (size_t i = 0; i < text.size(); i += CharBytes(text[i])) {
                              const std::string_view character = text.substr(i, CharBytes(text[i]));
                              const size_t at = what.find(character);
                              if (at == std::string_view::npos) {
                                out->append(character);
                              } else {
                                const size_t start = CharOffset(to[row], CharCount(what.substr(0, at)));
                                if (start < to[row].size()) out->append(to[row].substr(start, CharBytes(to[row][start])));
                              }
                            }
                            return true;
                          }
                          size_t start = 0;
                          if (what.empty()) {  // between all characters, as in Rust
                            for (size_t i = 0; i < text.size(); i += CharBytes(text[i])) {
                              out->append(to[row]);
                              out->append(text.substr(i, CharBytes(text[i])));
                            }
                            out->append(to[row]);
                            return true;
                          }
                          for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, start)) {
                            out->append(text.substr(start, at - start));
                            out->append(to[row]);
                            start = at + what.size();
                          }
                          out->append(text.substr(start));
                          return true;
                        });
                      });
}

Result<BoundFunction> RepeatFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "si"));
  return StringResult(
      std::move(arguments), [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
        const Strings strings(in[0]);
        const Values<int64_t> counts(in[1]);
        Status error;
        LANCEFS_ASSIGN_OR_RETURN(Column result, MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                                   const int64_t count = std::max<int64_t>(counts[row], 0);
                                   if (count > 0 && strings[row].size() > (size_t{1} << 26) / static_cast<size_t>(count)) {
                                     error = Status::InvalidArgument("repeat(): the result is too large");
                                     return true;
                                   }
                                   for (int64_t i = 0; i < count; ++i) out->append(strings[row]);
                                   return true;
                                 }));
        if (!error.ok()) return error;
        return result;
      });
}

Result<BoundFunction> SplitPartFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "ssi"));
  return StringResult(
      std::move(arguments), [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
        const Strings strings(in[0]);
        const Strings delimiters(in[1]);
        const Values<int64_t> positions(in[2]);
        Status error;
        LANCEFS_ASSIGN_OR_RETURN(Column result, MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                                   const std::string_view text = strings[row];
                                   const std::string_view delimiter = delimiters[row];
                                   int64_t n = positions[row];
                                   if (n == 0) error = Status::InvalidArgument("split_part(): the position must not be zero");
                                   std::vector<std::string_view> parts;
                                   size_t start = 0;
                                   while (!delimiter.empty()) {
                                     const size_t at = text.find(delimiter, start);
                                     if (at == std::string_view::npos) break;
                                     parts.push_back(text.substr(start, at - start));
                                     start = at + delimiter.size();
                                   }
                                   parts.push_back(text.substr(start));
                                   const auto count = static_cast<int64_t>(parts.size());
                                   n = n < 0 ? count + n : n - 1;
                                   if (n >= 0 && n < count) out->assign(parts[static_cast<size_t>(n)]);
                                   return true;
                                 }));
        if (!error.ok()) return error;
        return result;
      });
}

Result<BoundFunction> LevenshteinFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  return BoundFunction{
      std::move(arguments), arrow::int32(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::int32());
        const Strings left(in[0]);
        const Strings right(in[1]);
        return MapValues<int32_t>(in, rows, arrow::int32(), [&](int64_t row, int32_t* out) {
          auto split = [](std::string_view text) {
            std::vector<std::string_view> characters;
            for (size_t i = 0; i < text.size(); i += CharBytes(text[i])) characters.push_back(text.substr(i, CharBytes(text[i])));
            return characters;
          };
          const auto a = split(left[row]);
          const auto b = split(right[row]);
          std::vector<int32_t> previous(b.size() + 1);
          for (size_t j = 0; j <= b.size(); ++j) previous[j] = static_cast<int32_t>(j);
          for (size_t i = 1; i <= a.size(); ++i) {
            int32_t diagonal = previous[0];
            previous[0] = static_cast<int32_t>(i);
            for (size_t j = 1; j <= b.size(); ++j) {
              const int32_t above = previous[j];
              previous[j] = std::min({above + 1, previous[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
              diagonal = above;
            }
          }
          return *out = previous[b.size()], true;
        });
      }};
}

Result<BoundFunction> Md5Function(const std::string& name, const Types& types, const Constants&) {
  Types arguments = types;
  if (!IsString(*types[0]) && !IsBinary(*types[0])) {
    LANCEFS_ASSIGN_OR_RETURN(arguments, CheckArguments(name, types, "s"));
  }
  return BoundFunction{std::move(arguments), arrow::utf8(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::utf8());
                         const Strings text(in[0]);
                         return MapStrings(in, rows, arrow::utf8(),
                                           [&](int64_t row, std::string* out) { return *out = Md5Hex(text[row]), true; });
                       }};
}

// All words of the second text stand in the first (split at what is no letter or digit).
Result<BoundFunction> ContainsTokensFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "bs"));
  return BoundFunction{std::move(arguments), arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         const Strings texts(in[0]);
                         const Strings wanted(in[1]);
                         auto split = [](std::string_view text) {
                           std::vector<std::string_view> words;
                           size_t start = 0;
                           for (size_t i = 0; i <= text.size(); ++i) {
                             const bool part = i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) ||
                                                                   static_cast<unsigned char>(text[i]) >= 0x80);
                             if (part) continue;
                             if (i > start) words.push_back(text.substr(start, i - start));
                             start = i + 1;
                           }
                           return words;
                         };
                         return MapBools(in, rows, [&](int64_t row) {
                           const auto words = split(texts[row]);
                           for (std::string_view word : split(wanted[row])) {
                             if (std::find(words.begin(), words.end(), word) == words.end()) return false;
                           }
                           return true;
                         });
                       }};
}

// ---- patterns ----

std::string RegexFlags(std::string_view flags, bool* global, Status* error) {
  std::string out;
  for (char flag : flags) {
    if (flag == 'g') {
      *global = true;
    } else if (flag == 'i' || flag == 'm' || flag == 's' || flag == 'U') {
      out.push_back(flag);
    } else if (flag != 'x' && flag != 'u' && flag != 'R') {
      *error = Status::InvalidArgument("unknown regular expression flag '" + std::string(1, flag) + "'");
    }
  }
  return out.empty() ? out : "(?" + out + ")";
}

using RegexPtr = std::shared_ptr<const re2::RE2>;
Result<RegexPtr> CompileRegex(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto regex = std::make_shared<re2::RE2>(pattern, options);
  if (!regex->ok()) return Status::InvalidArgument("bad regular expression '" + pattern + "': " + regex->error());
  return RegexPtr(std::move(regex));
}

// The regular expression of a row: compiled once for a constant pattern, else when it changes.
class RegexSource {
 public:
  RegexSource(const Column& patterns, const Column* flags) : patterns_(patterns), flags_(flags) {}
  // Null on error, which is kept.
  const re2::RE2* At(int64_t row) {
    std::string prefix;
    Status error;
    if (flags_ && !flags_->IsNull(row)) prefix = RegexFlags(Strings(*flags_)[row], &global_, &error);
    const std::string pattern = prefix + std::string(Strings(patterns_)[row]);
    if (!regex_ || pattern != text_) {
      auto compiled = error.ok() ? CompileRegex(pattern) : Result<RegexPtr>(error);
      if (!compiled.ok()) {
        error_ = compiled.status();
        return nullptr;
      }
      regex_ = *compiled;
      text_ = pattern;
    }
    return regex_.get();
  }
  bool global() const { return global_; }
  const Status& error() const { return error_; }

 private:
  const Column& patterns_;
  const Column* flags_;
  RegexPtr regex_;
  std::string text_;
  bool global_ = false;
  Status error_;
};

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

// A constant pattern is compiled at once, so that a bad one is an error of the text, not of the rows.
Status CheckPattern(const Constants& constants, size_t pattern, size_t flags) {
  if (constants.size() <= pattern || !constants[pattern] || constants[pattern]->ConstantNull()) return Status::OK();
  const Column* flag_column = constants.size() > flags ? constants[flags] : nullptr;
  if (constants.size() > flags && !flag_column) return Status::OK();
  if (flag_column && flag_column->ConstantNull()) return Status::OK();
  if (!IsString(*constants[pattern]->type()) || (flag_column && !IsString(*flag_column->type()))) return Status::OK();
  RegexSource source(*constants[pattern], flag_column);
  source.At(0);
  return source.error();
}

Result<BoundFunction> RegexpLikeFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "s"));
  LANCEFS_RETURN_NOT_OK(CheckPattern(constants, 1, 2));
  return BoundFunction{std::move(arguments), arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         const Strings text(in[0]);
                         RegexSource source(in[1], in.size() > 2 ? &in[2] : nullptr);
                         const re2::RE2* fixed = in[1].constant && (in.size() < 3 || in[2].constant) ? source.At(0) : nullptr;
                         LANCEFS_ASSIGN_OR_RETURN(Column result, MapBools(in, rows, [&](int64_t row) {
                                                    const re2::RE2* regex = fixed ? fixed : source.At(row);
                                                    return regex && re2::RE2::PartialMatch(Piece(text[row]), *regex);
                                                  }));
                         if (!source.error().ok()) return source.error();
                         return result;
                       }};
}

Result<BoundFunction> RegexpMatchFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "bs"));
  LANCEFS_RETURN_NOT_OK(CheckPattern(constants, 1, 2));
  const TypePtr type = arrow::list(arrow::utf8());
  return BoundFunction{std::move(arguments), type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         const Strings text(in[0]);
                         RegexSource source(in[1], in.size() > 2 ? &in[2] : nullptr);
                         auto items = std::make_shared<arrow::StringBuilder>();
                         arrow::ListBuilder lists(arrow::default_memory_pool(), items, type);
                         const int64_t count = ResultRows(in, rows);
                         std::vector<re2::StringPiece> groups;
                         for (int64_t row = 0; row < count; ++row) {
                           bool found = !in[0].IsNull(row) && !in[1].IsNull(row);
                           const re2::RE2* regex = found ? source.At(row) : nullptr;
                           if (!source.error().ok()) return source.error();
                           if (found) {
                             groups.assign(static_cast<size_t>(regex->NumberOfCapturingGroups()) + 1, {});
                             found = regex->Match(Piece(text[row]), 0, text[row].size(), re2::RE2::UNANCHORED, groups.data(),
                                                  static_cast<int>(groups.size()));
                           }
                           if (!found) {
                             LANCEFS_ARROW_NOT_OK(lists.AppendNull());
                             continue;
                           }
                           LANCEFS_ARROW_NOT_OK(lists.Append());
                           for (size_t g = groups.size() > 1 ? 1 : 0; g < groups.size(); ++g) {  // the groups, or the whole match
                             if (groups[g].data() == nullptr) {
                               LANCEFS_ARROW_NOT_OK(items->AppendNull());
                             } else {
                               LANCEFS_ARROW_NOT_OK(items->Append(std::string_view(groups[g].data(), groups[g].size())));
                             }
                           }
                         }
                         LANCEFS_ARROW_ASSIGN(auto array, lists.Finish());
                         return Column{std::move(array), AllConstant(in)};
                       }};
}

// $1, ${1} and \1 as RE2's \1.
std::string Rewrite(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool brace = text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{';
    const size_t digit = i + 1 + (brace ? 1 : 0);
    if ((text[i] == '$' || text[i] == '\\') && digit < text.size() && text[digit] >= '0' && text[digit] <= '9') {
      out.push_back('\\');
      out.push_back(text[digit]);
      i = digit + (brace ? 1 : 0);
    } else if (text[i] == '\\') {
      out += "\\\\";
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

Result<BoundFunction> RegexpReplaceFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "bs"));
  LANCEFS_RETURN_NOT_OK(CheckPattern(constants, 1, 3));
  return StringResult(std::move(arguments),
                      [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings text(in[0]);
                        const Strings replacement(in[2]);
                        RegexSource source(in[1], in.size() > 3 ? &in[3] : nullptr);
                        LANCEFS_ASSIGN_OR_RETURN(Column result, MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                                                   const re2::RE2* regex = source.At(row);
                                                   if (!regex) return false;
                                                   out->assign(text[row]);
                                                   const std::string rewrite = Rewrite(replacement[row]);
                                                   if (source.global()) {
                                                     re2::RE2::GlobalReplace(out, *regex, rewrite);
                                                   } else {
                                                     re2::RE2::Replace(out, *regex, rewrite);
                                                   }
                                                   return true;
                                                 }));
                        if (!source.error().ok()) return source.error();
                        return result;
                      });
}

Result<BoundFunction> RegexpCountFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, types.size() > 3 ? "bsis" : "bsi"));
  LANCEFS_RETURN_NOT_OK(CheckPattern(constants, 1, 3));
  return BoundFunction{
      std::move(arguments), arrow::int64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::int64());
        const Strings texts(in[0]);
        RegexSource source(in[1], in.size() > 3 ? &in[3] : nullptr);
        const bool has_start = in.size() > 2;
        const Values<int64_t> starts(in[has_start ? 2 : 0]);
        LANCEFS_ASSIGN_OR_RETURN(
            Column result, MapValues<int64_t>(in, rows, arrow::int64(), [&](int64_t row, int64_t* out) {
              const re2::RE2* regex = source.At(row);
              if (!regex) return false;
              const std::string_view text = texts[row];
              size_t at = has_start ? CharOffset(text, starts[row] - 1) : 0;
              re2::StringPiece match;
              *out = 0;
              while (at <= text.size() && regex->Match(Piece(text), at, text.size(), re2::RE2::UNANCHORED, &match, 1)) {
                ++*out;
                const size_t end = static_cast<size_t>(match.data() - text.data()) + match.size();
                at = match.empty() ? end + (end < text.size() ? CharBytes(text[end]) : 1) : end;
              }
              return true;
            }));
        if (!source.error().ok()) return source.error();
        return result;
      }};
}

// A LIKE pattern: literal pieces between %, where _ stands for one character.
class LikePattern {
 public:
  LikePattern(std::string_view pattern, const std::string& escape) {
    const char mark = escape.empty() ? '\\' : escape[0];
    const size_t mark_size = escape.empty() ? 1 : escape.size();
    std::string literal;
    for (size_t i = 0; i < pattern.size();) {
      const bool escaped = pattern[i] == mark && (escape.size() <= 1 || pattern.substr(i, mark_size) == escape);
      if (escaped && i + mark_size < pattern.size()) {
        i += mark_size;
        const size_t bytes = CharBytes(pattern[i]);
        literal.append(pattern.substr(i, bytes));
        i += bytes;
      } else if (pattern[i] == '%' || pattern[i] == '_') {
        Flush(&literal);
        if (pattern[i] == '_') {
          parts_.push_back({Part::kOne, ""});
        } else if (parts_.empty() || parts_.back().kind != Part::kMany) {
          parts_.push_back({Part::kMany, ""});
        }
        ++i;
      } else {
        const size_t bytes = CharBytes(pattern[i]);
        literal.append(pattern.substr(i, bytes));
        i += bytes;
      }
    }
    Flush(&literal);
  }

  bool Matches(std::string_view text) const {
    size_t part = 0;
    size_t at = 0;
    size_t retry_part = SIZE_MAX;  // behind the last %
    size_t retry_at = 0;
    for (;;) {
      if (part < parts_.size() && parts_[part].kind == Part::kMany) {
        if (part + 1 == parts_.size()) return true;
        retry_part = ++part;
        retry_at = at;
        if (!Seek(part, text, &retry_at)) return false;
        at = retry_at;
        continue;
      }
      if (part == parts_.size() && at == text.size()) return true;
      if (part < parts_.size() && Step(parts_[part], text, &at)) {
        ++part;
        continue;
      }
      if (retry_part == SIZE_MAX || retry_at >= text.size()) return false;
      retry_at += CharBytes(text[retry_at]);
      if (!Seek(retry_part, text, &retry_at)) return false;
      at = retry_at;
      part = retry_part;
    }
  }

 private:
  struct Part {
    enum Kind : uint8_t { kLiteral, kOne, kMany } kind;
    std::string text;
  };

  void Flush(std::string* literal) {
    if (!literal->empty()) parts_.push_back({Part::kLiteral, std::move(*literal)});
    literal->clear();
  }
  // Behind %: jumps to the next place of a literal; one at the pattern's end can only stand at the text's end.
  bool Seek(size_t part, std::string_view text, size_t* at) const {
    if (*at > text.size()) return false;
    if (parts_[part].kind != Part::kLiteral) return true;
    const std::string& literal = parts_[part].text;
    if (part + 1 == parts_.size()) {
      if (text.size() < *at + literal.size()) return false;
      *at = text.size() - literal.size();
      return text.substr(*at) == literal;
    }
    const void* found = memmem(text.data() + *at, text.size() - *at, literal.data(), literal.size());
    if (!found) return false;
    *at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    return true;
  }
  static bool Step(const Part& part, std::string_view text, size_t* at) {
    if (*at >= text.size()) return false;
    if (part.kind == Part::kOne) {
      *at = std::min(*at + CharBytes(text[*at]), text.size());
      return true;
    }
    if (text.substr(*at, part.text.size()) != part.text) return false;
    *at += part.text.size();
    return true;
  }

  std::vector<Part> parts_;
};

// ILIKE as a regular expression, whose case folding knows all of Unicode.
std::string LikeRegex(std::string_view pattern, const std::string& escape) {
  std::string out = "(?is)^";
  const std::string mark = escape.empty() ? "\\" : escape;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern.substr(i, mark.size()) == mark && i + mark.size() < pattern.size()) {
      i += mark.size();
    } else if (pattern[i] == '%' || pattern[i] == '_') {
      out += pattern[i] == '%' ? ".*" : ".";
      ++i;
      continue;
    }
    const size_t bytes = CharBytes(pattern[i]);
    out += re2::RE2::QuoteMeta(Piece(pattern.substr(i, bytes)));
    i += bytes;
  }
  return out + "$";
}

Result<BoundFunction> SubstrIndexFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, CheckArguments(name, types, "ssi"));
  return StringResult(std::move(arguments),
                      [](const std::vector<Column>& in, int64_t rows, const TypePtr& type) -> Result<Column> {
                        const Strings strings(in[0]);
                        const Strings delimiters(in[1]);
                        const Values<int64_t> counts(in[2]);
                        return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
                          const std::string_view text = strings[row];
                          const std::string_view delimiter = delimiters[row];
                          int64_t n = counts[row];
                          if (n == 0 || delimiter.empty()) return true;
                          size_t at = n > 0 ? 0 : text.size();
                          if (n > 0) {
                            size_t found = std::string_view::npos;
                            for (; n > 0; --n) {
                              found = text.find(delimiter, at);
                              if (found == std::string_view::npos) break;
                              at = found + delimiter.size();
                            }
                            out->assign(found == std::string_view::npos ? text : text.substr(0, found));
                          } else {
                            size_t found = text.size() + 1;
                            for (; n < 0; ++n) {
                              if (found == 0 || (found = text.rfind(delimiter, found - 1)) == std::string_view::npos) break;
                            }
                            out->assign(found == std::string_view::npos || n < 0 ? text : text.substr(found + delimiter.size()));
                          }
                          return true;
                        });
                      });
}

}  // namespace

Result<Column> ConcatStrings(const std::vector<Column>& in, int64_t rows, const TypePtr& type) {
  if (AnyConstantNull(in)) return NullColumn(type);
  const Strings left(in[0]);
  const Strings right(in[1]);
  return MapStrings(in, rows, type, [&](int64_t row, std::string* out) {
    out->append(left[row]);
    out->append(right[row]);
    return true;
  });
}

Kernel LikeKernel(bool ignore_case, bool negated, const std::string& escape, const Column* pattern, Status* error) {
  std::shared_ptr<const LikePattern> fixed;
  RegexPtr fixed_regex;
  if (pattern && !pattern->ConstantNull()) {
    const std::string_view text = Strings(*pattern)[0];
    if (ignore_case) {
      auto regex = CompileRegex(LikeRegex(text, escape));
      if (regex.ok())
        fixed_regex = *regex;
      else
        *error = regex.status();
    } else {
      fixed = std::make_shared<LikePattern>(text, escape);
    }
  }
  return [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
    if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
    const Strings text(in[0]);
    const Strings patterns(in[1]);
    if (fixed) return MapBools(in, rows, [&](int64_t row) { return fixed->Matches(text[row]) != negated; });
    if (fixed_regex) {
      return MapBools(in, rows, [&](int64_t row) { return re2::RE2::FullMatch(Piece(text[row]), *fixed_regex) != negated; });
    }
    Status failed;
    LANCEFS_ASSIGN_OR_RETURN(Column result, MapBools(in, rows, [&](int64_t row) {
                               if (!ignore_case) return LikePattern(patterns[row], escape).Matches(text[row]) != negated;
                               auto regex = CompileRegex(LikeRegex(patterns[row], escape));
                               if (!regex.ok()) failed = regex.status();
                               return regex.ok() && re2::RE2::FullMatch(Piece(text[row]), **regex) != negated;
                             }));
    if (!failed.ok()) return failed;
    return result;
  };
}

Kernel RegexKernel(bool ignore_case, bool negated, const Column* pattern, Status* error) {
  const std::string prefix = ignore_case ? "(?i)" : "";
  RegexPtr fixed;
  if (pattern && !pattern->ConstantNull()) {
    auto regex = CompileRegex(prefix + std::string(Strings(*pattern)[0]));
    if (regex.ok())
      fixed = *regex;
    else
      *error = regex.status();
  }
  return [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
    if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
    const Strings text(in[0]);
    const Strings patterns(in[1]);
    Status failed;
    LANCEFS_ASSIGN_OR_RETURN(Column result, MapBools(in, rows, [&](int64_t row) {
                               if (fixed) return re2::RE2::PartialMatch(Piece(text[row]), *fixed) != negated;
                               auto regex = CompileRegex(prefix + std::string(patterns[row]));
                               if (!regex.ok()) failed = regex.status();
                               return regex.ok() && re2::RE2::PartialMatch(Piece(text[row]), **regex) != negated;
                             }));
    if (!failed.ok()) return failed;
    return result;
  };
}

const std::vector<FunctionEntry>& StringFunctions() {
  static const std::vector<FunctionEntry> entries = {
      {"lower", 1, 1, CaseFunction},
      {"upper", 1, 1, CaseFunction},
      {"length", 1, 1, LengthFunction},
      {"char_length", 1, 1, LengthFunction},
      {"character_length", 1, 1, LengthFunction},
      {"octet_length", 1, 1, LengthFunction},
      {"bit_length", 1, 1, LengthFunction},
      {"starts_with", 2, 2, SearchFunction},
      {"ends_with", 2, 2, SearchFunction},
      {"contains", 2, 2, SearchFunction},
      {"strpos", 2, 2, StrposFunction},
      {"instr", 2, 2, StrposFunction},
      {"position", 2, 2, StrposFunction},
      {"ascii", 1, 1, AsciiFunction},
      {"chr", 1, 1, FromIntegerFunction},
      {"to_hex", 1, 1, FromIntegerFunction},
      {"concat", 1, -1, ConcatFunction},
      {"concat_ws", 2, -1, ConcatFunction},
      {"reverse", 1, 1, ReverseFunction},
      {"initcap", 1, 1, InitcapFunction},
      {"left", 2, 2, LeftRightFunction},
      {"right", 2, 2, LeftRightFunction},
      {"substr", 2, 3, SubstrFunction},
      {"substring", 2, 3, SubstrFunction},
      {"substr_index", 3, 3, SubstrIndexFunction},
      {"substring_index", 3, 3, SubstrIndexFunction},
      {"btrim", 1, 2, TrimFunction},
      {"trim", 1, 2, TrimFunction},
      {"ltrim", 1, 2, TrimFunction},
      {"rtrim", 1, 2, TrimFunction},
      {"lpad", 2, 3, PadFunction},
      {"rpad", 2, 3, PadFunction},
      {"replace", 3, 3, ReplaceFunction},
      {"translate", 3, 3, ReplaceFunction},
      {"repeat", 2, 2, RepeatFunction},
      {"md5", 1, 1, Md5Function},
      {"split_part", 3, 3, SplitPartFunction},
      {"levenshtein", 2, 2, LevenshteinFunction},
      {"contains_tokens", 2, 2, ContainsTokensFunction},
      {"regexp_like", 2, 3, RegexpLikeFunction},
      {"regexp_match", 2, 3, RegexpMatchFunction},
      {"regexp_replace", 3, 4, RegexpReplaceFunction},
      {"regexp_count", 2, 4, RegexpCountFunction},
  };
  return entries;
}

}  // namespace lancefs::sql
