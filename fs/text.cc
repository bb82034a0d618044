// SPDX-License-Identifier: Apache-2.0
#include "fs/text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace lancefs {
namespace {

// Reads exactly `digits` digits from the front of `text`.
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
  int64_t unit = 100'000'000;
  size_t digits = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    *ns += (text->front() - '0') * unit;
    unit /= 10;
    text->remove_prefix(1);
    ++digits;
  }
  return digits > 0;
}

// [Z | +hh:mm | +hhmm | +hh]; seconds to subtract.
bool TakeZone(std::string_view* text, int64_t* seconds) {
  *seconds = 0;
  if (text->empty() || TakeChar(text, "Zz")) return true;
  const int sign = text->front() == '-' ? -1 : 1;
  if (!TakeChar(text, "+-")) return false;
  int hours = 0, minutes = 0;
  if (!TakeNumber(text, 2, &hours) || hours > 23) return false;
  const bool colon = TakeChar(text, ":");
  if ((colon || !text->empty()) && (!TakeNumber(text, 2, &minutes) || minutes > 59)) return false;
  *seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

bool TakeTimeOfDay(std::string_view* text, int64_t* ns) {
  int hour = 0, minute = 0, second = 0;
  int64_t fraction = 0;
  if (!TakeNumber(text, 2, &hour) || !TakeChar(text, ":") || !TakeNumber(text, 2, &minute)) return false;
  if (TakeChar(text, ":")) {
    if (!TakeNumber(text, 2, &second)) return false;
    if (TakeChar(text, ".,") && !TakeFraction(text, &fraction)) return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *ns = ((hour * 60LL + minute) * 60 + second) * 1'000'000'000 + fraction;
  return true;
}

}  // namespace

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string FormatTime(int64_t ns) {
  int64_t seconds = ns / 1'000'000'000, fraction = ns % 1'000'000'000;
  if (fraction < 0) {
    fraction += 1'000'000'000;
    --seconds;
  }
  const time_t time = seconds;
  struct tm parts;
  gmtime_r(&time, &parts);
  char text[64];
  size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(text, length);
  if (fraction != 0) {
    std::snprintf(text, sizeof(text), ".%09lld", static_cast<long long>(fraction));
    out += text;
    while (out.back() == '0') out.pop_back();
  }
  return out + "Z";
}

Result<int64_t> ParseTime(std::string_view text) {
  std::string_view rest = text;
  int year = 0, month = 0, day = 0;
  int64_t time_of_day = 0, zone = 0;
  bool ok = TakeNumber(&rest, 4, &year) && TakeChar(&rest, "-") && TakeNumber(&rest, 2, &month) && TakeChar(&rest, "-") &&
            TakeNumber(&rest, 2, &day);
  if (ok && TakeChar(&rest, "Tt ")) ok = TakeTimeOfDay(&rest, &time_of_day) && TakeZone(&rest, &zone);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!ok || !rest.empty() || !date.ok()) {
    std::string message = "not a time (write 2026-11-21 or 2026-11-21T08:19:24Z): ";
    return Status::InvalidArgument(message.append(text));
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  // Years beyond what nanoseconds reach are before or behind everything.
  const __int128 ns = static_cast<__int128>(days * 86400 - zone) * 1'000'000'000 + time_of_day;
  return static_cast<int64_t>(std::clamp<__int128>(ns, INT64_MIN, INT64_MAX));
}

}  // namespace lancefs
