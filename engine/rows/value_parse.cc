// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/value_parse.h"

#include <arrow/util/decimal.h>
#include <simdjson.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/dates.h"

namespace lancefs::rows {
namespace {

constexpr int64_t kUnitsPerSecond[] = {1, 1000, 1000000, 1000000000};  // by arrow::TimeUnit
constexpr int kUnitDigits[] = {0, 3, 6, 9};

inline bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// The grammar of numbers: JSON's, or with `lenient` also leading '+', zeros and a bare point.
bool IsNumber(const char* p, const char* end, bool lenient) {
  if (p < end && (*p == '-' || (lenient && *p == '+'))) ++p;
  const char* int_begin = p;
  while (p < end && IsDigit(*p)) ++p;
  const size_t int_digits = static_cast<size_t>(p - int_begin);
  if (!lenient && (int_digits == 0 || (int_digits > 1 && *int_begin == '0'))) return false;
  size_t fraction_digits = 0;
  if (p < end && *p == '.') {
    const char* fraction = ++p;
    while (p < end && IsDigit(*p)) ++p;
    fraction_digits = static_cast<size_t>(p - fraction);
    if (!lenient && fraction_digits == 0) return false;
  }
  if (int_digits + fraction_digits == 0) return false;
  if (p < end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end && (*p == '-' || *p == '+')) ++p;
    const char* exponent = p;
    while (p < end && IsDigit(*p)) ++p;
    if (p == exponent) return false;
  }
  return p == end;
}

bool EqualsIgnoreCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

template <typename T>
bool ParseSpecial(const char* begin, const char* end, T* out) {
  const bool negative = begin < end && *begin == '-';
  if (begin < end && (*begin == '-' || *begin == '+')) ++begin;
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (EqualsIgnoreCase(text, "nan")) {
    *out = std::numeric_limits<T>::quiet_NaN();
  } else if (EqualsIgnoreCase(text, "inf") || EqualsIgnoreCase(text, "infinity")) {
    *out = std::numeric_limits<T>::infinity();
  } else {
    return false;
  }
  if (negative) *out = -*out;
  return true;
}

template <typename T>
Fault ParseFloatingSlow(const char* begin, const char* end, bool lenient, T* out) {
  if (!IsNumber(begin, end, lenient)) return lenient && ParseSpecial(begin, end, out) ? Fault::kNone : Fault::kType;
  const char* p = *begin == '+' ? begin + 1 : begin;
  const auto [rest, error] = std::from_chars(p, end, *out);
  if (error == std::errc()) return rest == end ? Fault::kNone : Fault::kType;
  if (error != std::errc::result_out_of_range) return Fault::kType;
  // Too small is rounding (to zero or a subnormal), too large is a loss.
  const std::string copy(p, end);
  *out = sizeof(T) == sizeof(double) ? static_cast<T>(std::strtod(copy.c_str(), nullptr)) : std::strtof(copy.c_str(), nullptr);
  return std::isinf(*out) ? Fault::kRange : Fault::kNone;
}

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool Digits2(const char* p, int* out) {
  if (!IsDigit(p[0]) || !IsDigit(p[1])) return false;
  *out = (p[0] - '0') * 10 + (p[1] - '0');
  return true;
}

// Reads a date from the front of `text`.
Fault TakeDate(std::string_view* text, int64_t* days) {
  const char* p = text->data();
  const char* end = p + text->size();
  int64_t year = 0;
  int sign = 0;
  if (p < end && (*p == '+' || *p == '-')) sign = *p++ == '-' ? -1 : 1;
  const char* digits = p;
  while (p < end && IsDigit(*p) && p - digits < 7) year = year * 10 + (*p++ - '0');
  if (p - digits < 4 || (sign == 0 && p - digits != 4)) return Fault::kType;
  if (sign < 0) year = -year;
  int month = 0;
  int day = 0;
  if (end - p < 6 || p[0] != '-' || !Digits2(p + 1, &month) || p[3] != '-' || !Digits2(p + 4, &day)) return Fault::kType;
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return Fault::kType;
  *days = DaysFromCivil(year, month, day);
  text->remove_prefix(static_cast<size_t>(p + 6 - text->data()));
  return Fault::kNone;
}

// Reads "hh:mm:ss[.fraction]" from the front of `text` as seconds and units of a second.
Fault TakeTime(std::string_view* text, arrow::TimeUnit::type unit, int64_t* seconds, int64_t* fraction) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  const char* p = text->data();
  if (text->size() < 8 || !Digits2(p, &hour) || p[2] != ':' || !Digits2(p + 3, &minute) || p[5] != ':' ||
      !Digits2(p + 6, &second)) {
    return Fault::kType;
  }
  if (hour > 23 || minute > 59 || second > 59) return Fault::kType;
  *seconds = hour * 3600 + minute * 60 + second;
  *fraction = 0;
  text->remove_prefix(8);
  if (text->empty() || text->front() != '.') return Fault::kNone;
  size_t digits = 1;
  bool lost = false;
  while (digits < text->size() && IsDigit((*text)[digits])) {
    if (digits <= static_cast<size_t>(kUnitDigits[unit])) {
      *fraction = *fraction * 10 + ((*text)[digits] - '0');
    } else {
      lost |= (*text)[digits] != '0';
    }
    ++digits;
  }
  if (digits == 1) return Fault::kType;
  for (size_t i = digits; i <= static_cast<size_t>(kUnitDigits[unit]); ++i) *fraction *= 10;
  text->remove_prefix(digits);
  return lost ? Fault::kPrecision : Fault::kNone;
}

// "Z", "+hh:mm", "+hhmm" or "+hh" as seconds east of UTC.
Fault TakeOffset(std::string_view text, int64_t* offset) {
  *offset = 0;
  if (text == "Z" || text == "z") return Fault::kNone;
  int hour = 0;
  int minute = 0;
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-') || !Digits2(text.data() + 1, &hour)) return Fault::kType;
  const std::string_view rest = text.substr(3);
  if (rest.size() == 3 && rest[0] == ':') {
    if (!Digits2(rest.data() + 1, &minute)) return Fault::kType;
  } else if (rest.size() == 2) {
    if (!Digits2(rest.data(), &minute)) return Fault::kType;
  } else if (!rest.empty()) {
    return Fault::kType;
  }
  if (hour > 23 || minute > 59) return Fault::kType;
  *offset = (text[0] == '-' ? -1 : 1) * (hour * 3600 + minute * 60);
  return Fault::kNone;
}

constexpr std::array<int8_t, 256> MakeBase64Table() {
  std::array<int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  return table;
}
constexpr std::array<int8_t, 256> kBase64 = MakeBase64Table();

template <typename Decimal>
Fault StoreDecimal(std::string_view text, int32_t precision, int32_t scale, uint8_t* out) {
  Decimal value;
  int32_t parsed_precision = 0;
  int32_t parsed_scale = 0;
  if (!Decimal::FromString(text, &value, &parsed_precision, &parsed_scale).ok()) return Fault::kRange;
  if (parsed_scale != scale) {
    auto rescaled = value.Rescale(parsed_scale, scale);
    if (!rescaled.ok()) return parsed_scale > scale ? Fault::kPrecision : Fault::kRange;
    value = *rescaled;
  }
  if (!value.FitsInPrecision(precision)) return Fault::kRange;
  value.ToBytes(out);
  return Fault::kNone;
}

// Up to 18 digits without an exponent: plain integer arithmetic. False: the general way has to decide.
bool ParseShortDecimal(std::string_view text, int32_t precision, int32_t scale, int32_t width, uint8_t* out) {
  if (text.size() > 19 || scale < 0 || scale > 18) return false;
  const char* p = text.data();
  const char* end = p + text.size();
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  int64_t value = 0;
  int digits = 0;
  int fraction = -1;
  for (; p < end; ++p) {
    if (*p == '.' && fraction < 0) {
      fraction = 0;
    } else if (IsDigit(*p)) {
      value = value * 10 + (*p - '0');
      ++digits;
      if (fraction >= 0) ++fraction;
    } else {
      return false;
    }
  }
  const int missing = scale - std::max(fraction, 0);
  if (digits == 0 || fraction == 0 || missing < 0 || digits + missing > 18 || digits > 18) return false;
  for (int i = 0; i < missing; ++i) value *= 10;
  if (precision < 18 && value >= static_cast<int64_t>(kPowersOfTen[precision])) return false;
  if (negative) value = -value;
  const int64_t extension = value < 0 ? -1 : 0;
  for (int32_t at = 0; at < width; at += 8) {
    std::memcpy(out + at, at == 0 ? &value : &extension, static_cast<size_t>(std::min(width, 8)));
  }
  return true;
}

}  // namespace

Fault ParseUint64(const char* p, const char* end, bool lenient, uint64_t* out) {
  if (p < end && (*p == '-' || (lenient && *p == '+'))) {
    if (*p == '-') {
      int64_t value = 0;
      const Fault fault = ParseInt64(p, end, lenient, &value);
      if (fault != Fault::kNone) return fault;
      *out = 0;
      return value == 0 ? Fault::kNone : Fault::kRange;
    }
    ++p;
  }
  if (p == end || (!lenient && *p == '0' && end - p > 1)) return Fault::kType;
  uint64_t value = 0;
  bool overflow = false;
  for (; p < end; ++p) {
    const unsigned digit = static_cast<unsigned char>(*p - '0');
    if (digit > 9) return Fault::kType;
    overflow |= __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value);
  }
  *out = value;
  return overflow ? Fault::kRange : Fault::kNone;
}

Fault ParseInt64(const char* p, const char* end, bool lenient, int64_t* out) {
  const bool negative = p < end && *p == '-';
  if (negative || (lenient && p < end && *p == '+')) ++p;
  if (p == end || (!lenient && *p == '0' && end - p > 1)) return Fault::kType;
  uint64_t value = 0;
  if (end - p <= 18) {
    for (; p < end; ++p) {
      const unsigned digit = static_cast<unsigned char>(*p - '0');
      if (digit > 9) return Fault::kType;
      value = value * 10 + digit;
    }
  } else {
    if (!IsDigit(*p)) return Fault::kType;
    const Fault fault = ParseUint64(p, end, /*lenient=*/true, &value);
    if (fault != Fault::kNone) return fault;
    if (value > static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0)) return Fault::kRange;
  }
  *out = static_cast<int64_t>(negative ? 0 - value : value);
  return Fault::kNone;
}

Fault ParseDouble(const char* begin, const char* end, bool lenient, double* out) {
  // Few digits and a small power of ten: one exact multiplication or division (Clinger).
  const char* p = begin;
  const bool negative = p < end && *p == '-';
  if (negative) ++p;
  const char* digits = p;
  uint64_t mantissa = 0;
  while (p < end && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<unsigned>(*p++ - '0');
  const auto int_digits = p - digits;
  int64_t fraction_digits = 0;
  if (p < end && *p == '.') {
    const char* fraction = ++p;
    while (p < end && IsDigit(*p)) mantissa = mantissa * 10 + static_cast<unsigned>(*p++ - '0');
    fraction_digits = p - fraction;
    if (fraction_digits == 0) return ParseFloatingSlow(begin, end, lenient, out);
  }
  const bool plain = p == end && int_digits > 0 && int_digits + fraction_digits <= 19 && mantissa < (1ull << 53) &&
                     (lenient || int_digits == 1 || *digits != '0');
  if (!plain) return ParseFloatingSlow(begin, end, lenient, out);
  double value = static_cast<double>(mantissa);
  if (fraction_digits > 0) value /= kPowersOfTen[fraction_digits];
  *out = negative ? -value : value;
  return Fault::kNone;
}

Fault ParseFloat(const char* begin, const char* end, bool lenient, float* out) {
  return ParseFloatingSlow(begin, end, lenient, out);
}

Fault HalfFromDouble(double value, uint16_t* out) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto sign = static_cast<uint16_t>((bits >> 48) & 0x8000);
  if (std::isnan(value)) {
    *out = sign | 0x7e00;
    return Fault::kNone;
  }
  if (std::isinf(value)) {
    *out = sign | 0x7c00;
    return Fault::kNone;
  }
  const double magnitude = std::fabs(value);
  if (magnitude >= 65520.0) return Fault::kRange;
  if (magnitude < 6.103515625e-05) {  // subnormal: multiples of 2^-24
    *out = sign | static_cast<uint16_t>(std::nearbyint(magnitude * 16777216.0));
    return Fault::kNone;
  }
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);                       // [0.5, 1)
  const auto rounded = static_cast<uint32_t>(std::nearbyint(fraction * 2048.0));  // 1024..2048
  *out = sign | static_cast<uint16_t>(((exponent + 13) << 10) + rounded);
  return Fault::kNone;
}

uint16_t BFloat16FromFloat(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

Fault ParseDate(std::string_view text, int64_t* days) {
  const Fault fault = TakeDate(&text, days);
  if (fault != Fault::kNone) return fault;
  return text.empty() ? Fault::kNone : Fault::kType;
}

Fault ParseTime(std::string_view text, arrow::TimeUnit::type unit, int64_t* out) {
  int64_t seconds = 0;
  int64_t fraction = 0;
  const Fault fault = TakeTime(&text, unit, &seconds, &fraction);
  if (!text.empty() && fault != Fault::kType) return Fault::kType;
  *out = seconds * kUnitsPerSecond[unit] + fraction;
  return fault;
}

Fault ParseTimestamp(std::string_view text, arrow::TimeUnit::type unit, bool zoned, int64_t* out) {
  int64_t days = 0;
  Fault fault = TakeDate(&text, &days);
  if (fault != Fault::kNone) return fault;
  if (text.empty() || (text[0] != 'T' && text[0] != ' ' && text[0] != 't')) return Fault::kType;
  text.remove_prefix(1);
  int64_t seconds = 0;
  int64_t fraction = 0;
  fault = TakeTime(&text, unit, &seconds, &fraction);
  if (fault == Fault::kType) return fault;
  if (!text.empty()) {
    int64_t offset = 0;
    if (TakeOffset(text, &offset) != Fault::kNone || (!zoned && text.size() > 1)) return Fault::kType;
    seconds -= offset;
  }
  const __int128 value = (static_cast<__int128>(days) * 86400 + seconds) * kUnitsPerSecond[unit] + fraction;
  if (value > INT64_MAX || value < INT64_MIN) return Fault::kRange;
  *out = static_cast<int64_t>(value);
  return fault;
}

Fault ParseDecimal(std::string_view text, int32_t precision, int32_t scale, int32_t width, uint8_t* out) {
  if (ParseShortDecimal(text, precision, scale, width, out)) return Fault::kNone;
  if (!IsNumber(text.data(), text.data() + text.size(), /*lenient=*/true)) return Fault::kType;
  switch (width) {
    case 4: return StoreDecimal<arrow::Decimal32>(text, precision, scale, out);
    case 8: return StoreDecimal<arrow::Decimal64>(text, precision, scale, out);
    case 16: return StoreDecimal<arrow::Decimal128>(text, precision, scale, out);
    default: return StoreDecimal<arrow::Decimal256>(text, precision, scale, out);
  }
}

Fault ParseBase64(std::string_view text, uint8_t* out, size_t* out_size) {
  *out_size = 0;
  if (text.empty()) return Fault::kNone;
  if (text.size() % 4 != 0) return Fault::kType;
  size_t padding = 0;
  if (text.back() == '=') padding = text[text.size() - 2] == '=' ? 2 : 1;
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const unsigned char* end = p + text.size() - (padding > 0 ? 4 : 0);
  uint8_t* to = out;
  int bad = 0;
  for (; p < end; p += 4, to += 3) {
    const int a = kBase64[p[0]], b = kBase64[p[1]], c = kBase64[p[2]], d = kBase64[p[3]];
    bad |= a | b | c | d;
    to[0] = static_cast<uint8_t>(a << 2 | b >> 4);
    to[1] = static_cast<uint8_t>(b << 4 | c >> 2);
    to[2] = static_cast<uint8_t>(c << 6 | d);
  }
  if (padding > 0) {
    const int a = kBase64[p[0]], b = kBase64[p[1]], c = padding == 1 ? kBase64[p[2]] : 0;
    bad |= a | b | c;
    *to++ = static_cast<uint8_t>(a << 2 | b >> 4);
    if (padding == 1) *to++ = static_cast<uint8_t>(b << 4 | c >> 2);
  }
  *out_size = static_cast<size_t>(to - out);
  return bad < 0 ? Fault::kType : Fault::kNone;
}

Fault ParseUuid(std::string_view text, uint8_t* out) {
  if (text.size() != 36) return Fault::kType;
  size_t byte = 0;
  for (size_t i = 0; i < 36;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return Fault::kType;
      continue;
    }
    const auto [rest, error] = std::from_chars(text.data() + i, text.data() + i + 2, out[byte], 16);
    if (error != std::errc() || rest != text.data() + i + 2) return Fault::kType;
    ++byte;
    i += 2;
  }
  return Fault::kNone;
}

std::string Shorten(std::string_view value) {
  constexpr size_t kMost = 80;
  std::string out;
  size_t at = 0;
  while (at < value.size()) {
    const auto byte = static_cast<unsigned char>(value[at]);
    const size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (out.size() + 4 > kMost && (at + length < value.size() || out.size() + length > kMost)) return out + "...";
    const bool good =
        byte >= 0x20 && byte != 0x7f && at + length <= value.size() && simdjson::validate_utf8(value.data() + at, length);
    if (good) {
      out.append(value.substr(at, length));
      at += length;
      continue;
    }
    constexpr char kHex[] = "0123456789abcdef";
    out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    ++at;
  }
  return out;
}

}  // namespace lancefs::rows
