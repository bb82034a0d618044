// SPDX-License-Identifier: Apache-2.0
#include "base/dates.h"

#include <algorithm>
#include <limits>

namespace lancefs {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kDaySeconds = 86'400;

// Takes exactly `digits` digits from the front.
bool TakeNumber(std::string_view* text, size_t digits, int* value) {
  if (text->size() < digits) return false;
  *value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view* text, std::string_view any_of) {
  if (text->empty() || any_of.find(text->front()) == std::string_view::npos) return false;
  text->remove_prefix(1);
  return true;
}

bool TakeFraction(std::string_view* text, int64_t* ns) {
  *ns = 0;
  int64_t unit = kSecond / 10;
  size_t digits = 0;
  for (int digit = 0; TakeNumber(text, 1, &digit); ++digits, unit /= 10) *ns += digit * unit;
  return digits > 0;
}

// "hh:mm[:ss[.fraction]]"
bool TakeTimeOfDay(std::string_view* text, int64_t* ns) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int64_t fraction = 0;
  if (!TakeNumber(text, 2, &hour) || !TakeChar(text, ":") || !TakeNumber(text, 2, &minute)) return false;
  if (TakeChar(text, ":")) {
    if (!TakeNumber(text, 2, &second)) return false;
    if (TakeChar(text, ".,") && !TakeFraction(text, &fraction)) return false;
  }
  if (hour > 23 || minute > 59 || second > 60) return false;
  *ns = ((hour * 60LL + minute) * 60 + second) * kSecond + fraction;
  return true;
}

// [Z | UTC | +hh:mm | +hhmm | +hh]; seconds to subtract.
bool TakeZone(std::string_view* text, int64_t* seconds, bool* found) {
  *seconds = 0;
  *found = !text->empty();
  if (text->empty() || TakeChar(text, "Zz")) return true;
  if (text->starts_with("UTC")) {
    text->remove_prefix(3);
    return true;
  }
  const int sign = text->front() == '-' ? -1 : 1;
  if (!TakeChar(text, "+-")) return false;
  int hours = 0;
  int minutes = 0;
  if (!TakeNumber(text, 2, &hours) || hours > 23) return false;
  const bool colon = TakeChar(text, ":");
  if ((colon || !text->empty()) && (!TakeNumber(text, 2, &minutes) || minutes > 59)) return false;
  *seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

bool IsDate(int64_t year, int month, int day) { return month >= 1 && month <= 12 && day >= 1 && day <= DaysInMonth(year, month); }

int64_t Nanoseconds(int64_t days, int64_t time_of_day, int64_t zone_seconds) {
  const __int128 ns = static_cast<__int128>(days * kDaySeconds - zone_seconds) * kSecond + time_of_day;
  using Limits = std::numeric_limits<int64_t>;
  return static_cast<int64_t>(std::clamp<__int128>(ns, Limits::min(), Limits::max()));
}

}  // namespace

std::optional<IsoTime> ParseIsoTime(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int64_t time_of_day = 0;
  int64_t zone = 0;
  IsoTime out{};
  bool ok = TakeNumber(&text, 4, &year) && TakeChar(&text, "-") && TakeNumber(&text, 2, &month) && TakeChar(&text, "-") &&
            TakeNumber(&text, 2, &day);
  out.has_time = ok && TakeChar(&text, "Tt ");
  if (out.has_time) ok = TakeTimeOfDay(&text, &time_of_day) && TakeZone(&text, &zone, &out.has_zone);
  if (!ok || !text.empty() || !IsDate(year, month, day)) return std::nullopt;
  out.ns = Nanoseconds(DaysFromCivil(year, month, day), time_of_day, zone);
  return out;
}

std::optional<int64_t> ParseIsoDate(std::string_view text) {
  const std::optional<IsoTime> time = ParseIsoTime(text);
  return time && time->has_time ? std::optional<int64_t>(time->ns) : std::nullopt;
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t comma = text.find(", ");
  if (comma == std::string_view::npos) return std::nullopt;
  text.remove_prefix(comma + 2);
  int day = 0;
  if (!TakeNumber(&text, 2, &day) || !TakeChar(&text, " ") || text.size() < 4) return std::nullopt;
  const size_t name = kMonths.find(text.substr(0, 3));
  if (name == std::string_view::npos || name % 3 != 0) return std::nullopt;
  const int month = static_cast<int>(name / 3) + 1;
  text.remove_prefix(3);
  int year = 0;
  int64_t time_of_day = 0;
  if (!TakeChar(&text, " ") || !TakeNumber(&text, 4, &year) || !TakeChar(&text, " ") || !TakeTimeOfDay(&text, &time_of_day) ||
      !IsDate(year, month, day)) {
    return std::nullopt;
  }
  return Nanoseconds(DaysFromCivil(year, month, day), time_of_day, 0);
}

}  // namespace lancefs
