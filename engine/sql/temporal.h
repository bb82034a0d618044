// SPDX-License-Identifier: Apache-2.0
//
// Dates, times and timestamps: text to values and back, calendar arithmetic, units.
//
// Thread safety: free functions.
#pragma once

#include <arrow/type.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/dates.h"

namespace lancefs::sql {

int64_t UnitsPerSecond(arrow::TimeUnit::type unit);
inline int64_t FloorDiv(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }
inline int64_t FloorMod(int64_t a, int64_t b) {
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// "2020-01-31", a time behind it is allowed.
std::optional<int64_t> ParseDateDays(std::string_view text);

// "2020-01-31[T 12:30:00[.123456789]][Z|+02:00]" as a local wall clock or, with `has_offset`, an instant.
struct ParsedTimestamp {
  int64_t seconds;
  int32_t nanos;
  bool has_offset;
};
std::optional<ParsedTimestamp> ParseTimestampText(std::string_view text);
// In units; nullopt when out of range.
std::optional<int64_t> ToUnits(const ParsedTimestamp& value, arrow::TimeUnit::type unit);
// "12:30[:00[.123]]": nanoseconds of the day.
std::optional<int64_t> ParseTimeNanos(std::string_view text);

std::string FormatDate(int64_t days);
std::string FormatTime(int64_t value, arrow::TimeUnit::type unit);
// `suffix` stands behind the value ("Z", "+02:00").
std::string FormatTimestamp(int64_t value, arrow::TimeUnit::type unit, std::string_view suffix);

}  // namespace lancefs::sql
