// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/temporal.h"

#include <cstdio>

namespace lancefs::sql {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Exactly `count` digits from `at`; -1 if there are none.
int Digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsDigit(text[at + i])) return -1;
    value = value * 10 + (text[at + i] - '0');
  }
  return value;
}

// ".123": nanoseconds; moves `at` behind the digits. nullopt when there is a dot without digits.
std::optional<int32_t> Fraction(std::string_view text, size_t* at) {
  if (*at >= text.size() || text[*at] != '.') return 0;
  size_t i = *at + 1;
  int32_t nanos = 0;
  int count = 0;
  for (; i < text.size() && IsDigit(text[i]); ++i) {
    if (count < 9) {
      nanos = nanos * 10 + (text[i] - '0');
      ++count;
    }
  }
  if (count == 0) return std::nullopt;
  for (; count < 9; ++count) nanos *= 10;
  *at = i;
  return nanos;
}

// "+02:00", "+0200", "+02", "UTC", "Z": seconds east of UTC.
std::optional<int64_t> Offset(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  if (text == "Z" || text == "z" || text == "UTC" || text == "utc" || text == "GMT") return 0;
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const int hours = Digits(text, 1, 2);
  int minutes = 0;
  if (text.size() == 6 && text[3] == ':') {
    minutes = Digits(text, 4, 2);
  } else if (text.size() == 5) {
    minutes = Digits(text, 3, 2);
  } else if (text.size() != 3) {
    return std::nullopt;
  }
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const int64_t seconds = hours * 3600 + minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

}  // namespace

int64_t UnitsPerSecond(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1;
    case arrow::TimeUnit::MILLI: return 1000;
    case arrow::TimeUnit::MICRO: return 1000000;
    case arrow::TimeUnit::NANO: return 1000000000;
  }
  return 1;
}

std::optional<int64_t> ParseDateDays(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  size_t at = negative || (!text.empty() && text[0] == '+') ? 1 : 0;
  const bool is_signed = at == 1;
  int64_t year = 0;
  const size_t start = at;
  while (at < text.size() && IsDigit(text[at]) && at - start < 9) year = year * 10 + (text[at++] - '0');
  if (at - start < 4 || (!is_signed && at - start != 4) || at >= text.size() || text[at] != '-') return std::nullopt;
  ++at;
  auto part = [&](int* value) {  // one or two digits
    if (at >= text.size() || !IsDigit(text[at])) return false;
    *value = text[at++] - '0';
    if (at < text.size() && IsDigit(text[at])) *value = *value * 10 + (text[at++] - '0');
    return true;
  };
  int month = 0;
  int day = 0;
  if (!part(&month) || at >= text.size() || text[at++] != '-' || !part(&day)) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return std::nullopt;
  if (at != text.size()) {
    const auto timestamp = ParseTimestampText(text);
    if (!timestamp) return std::nullopt;
    return FloorDiv(timestamp->seconds, 86400);
  }
  return DaysFromCivil(negative ? -year : year, month, day);
}

std::optional<ParsedTimestamp> ParseTimestampText(std::string_view text) {
  const int year = Digits(text, 0, 4);
  const int month = Digits(text, 5, 2);
  const int day = Digits(text, 8, 2);
  if (text.size() < 10 || text[4] != '-' || text[7] != '-' || year < 0 || month < 1 || month > 12 || day < 1 ||
      day > DaysInMonth(year, month)) {
    return std::nullopt;
  }
  ParsedTimestamp result{DaysFromCivil(year, month, day) * 86400, 0, false};
  if (text.size() == 10) return result;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  const bool compact = text.size() >= 17 && Digits(text, 11, 6) >= 0;
  const int hour = Digits(text, 11, 2);
  const int minute = compact ? Digits(text, 13, 2) : Digits(text, 14, 2);
  const int second = compact ? Digits(text, 15, 2) : Digits(text, 17, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  if (!compact && (text[13] != ':' || text[16] != ':')) return std::nullopt;
  size_t at = compact ? 17 : 19;
  if (!compact) {
    const auto nanos = Fraction(text, &at);
    if (!nanos) return std::nullopt;
    result.nanos = *nanos;
  }
  result.seconds += hour * 3600 + minute * 60 + second;
  if (at < text.size()) {
    const auto offset = Offset(text.substr(at));
    if (!offset) return std::nullopt;
    result.seconds -= *offset;
    result.has_offset = true;
  }
  return result;
}

std::optional<int64_t> ToUnits(const ParsedTimestamp& value, arrow::TimeUnit::type unit) {
  const int64_t per_second = UnitsPerSecond(unit);
  int64_t units;
  if (__builtin_mul_overflow(value.seconds, per_second, &units) ||
      __builtin_add_overflow(units, static_cast<int64_t>(value.nanos) / (1000000000 / per_second), &units)) {
    return std::nullopt;
  }
  return units;
}

std::optional<int64_t> ParseTimeNanos(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 1 || colon > 2) return std::nullopt;
  const int hour = Digits(text, 0, colon);
  const int minute = Digits(text, colon + 1, 2);
  size_t at = colon + 3;
  int second = 0;
  std::optional<int32_t> nanos = 0;
  if (at < text.size() && text[at] == ':') {
    second = Digits(text, at + 1, 2);
    at += 3;
    nanos = Fraction(text, &at);
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || !nanos || at != text.size()) {
    return std::nullopt;
  }
  return (hour * 3600LL + minute * 60LL + second) * 1000000000LL + *nanos;
}

std::string FormatDate(int64_t days) {
  const CivilDate date = CivilFromDays(days);
  char text[48];
  const char* sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  std::snprintf(text, sizeof(text), "%s%04lld-%02d-%02d", sign, static_cast<long long>(date.year < 0 ? -date.year : date.year),
                date.month, date.day);
  return text;
}

std::string FormatTime(int64_t value, arrow::TimeUnit::type unit) {
  const int64_t per_second = UnitsPerSecond(unit);
  const int64_t seconds = FloorDiv(value, per_second);
  int64_t fraction = FloorMod(value, per_second) * (1000000000 / per_second);
  char text[48];
  int length = std::snprintf(text, sizeof(text), "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                             static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  if (fraction != 0) {  // 3, 6 or 9 digits, as few as hold the value
    int digits = 9;
    while (digits > 3 && fraction % 1000 == 0) {
      fraction /= 1000;
      digits -= 3;
    }
    std::snprintf(text + length, sizeof(text) - static_cast<size_t>(length), ".%0*lld", digits, static_cast<long long>(fraction));
  }
  return text;
}

std::string FormatTimestamp(int64_t value, arrow::TimeUnit::type unit, std::string_view suffix) {
  const int64_t per_day = UnitsPerSecond(unit) * 86400;
  return FormatDate(FloorDiv(value, per_day)) + "T" + FormatTime(FloorMod(value, per_day), unit) + std::string(suffix);
}

}  // namespace lancefs::sql
