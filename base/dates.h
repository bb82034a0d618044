// SPDX-License-Identifier: Apache-2.0
//
// The calendar (proleptic Gregorian) and the forms of dates in answers, files and names, as nanoseconds since the epoch.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lancefs {

struct CivilDate {
  int64_t year;
  int month;  // 1..12
  int day;    // 1..31
};

// Days since 1970-01-01; all of int64 that fits. They are counted from 0000-03-01 in eras of 400 years, so that leap days are the
// last of their years.
inline int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

inline CivilDate CivilFromDays(int64_t days) {
  const int64_t shifted = days + 719468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const auto day_of_era = static_cast<uint32_t>(shifted - era * 146097);
  const uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t month = (5 * day_of_year + 2) / 153;  // March is 0
  const int64_t year = year_of_era + era * 400 + (month >= 10);
  return {year, static_cast<int>(month < 10 ? month + 3 : month - 9), static_cast<int>(day_of_year - (153 * month + 2) / 5 + 1)};
}

inline int DaysInMonth(int64_t year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Times beyond what nanoseconds reach are the first or the last that they do.
struct IsoTime {
  int64_t ns;
  bool has_time;
  bool has_zone;
};
// ISO 8601: a date, or a date and a time ("T" or a blank between) with an optional fraction and an optional zone ("Z", "UTC",
// "+hh:mm"); without a zone UTC. A date alone is its first moment.
std::optional<IsoTime> ParseIsoTime(std::string_view text);
std::optional<int64_t> ParseIsoDate(std::string_view text);   // with a time: "2009-10-12T17:50:30.123Z"
std::optional<int64_t> ParseHttpDate(std::string_view text);  // "Wed, 12 Oct 2009 17:50:00 GMT"

}  // namespace lancefs
