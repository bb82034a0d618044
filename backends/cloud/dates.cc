// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/dates.h"

#include <time.h>

#include <cctype>
#include <charconv>

namespace lancefs {
namespace {

constexpr int64_t kSecond = 1000000000;

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

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

bool TakeTime(std::string_view* text, struct tm* out) {
  return TakeNumber(text, 2, &out->tm_hour) && TakeChar(text, ':') && TakeNumber(text, 2, &out->tm_min) && TakeChar(text, ':') &&
         TakeNumber(text, 2, &out->tm_sec);
}

}  // namespace

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t comma = text.find(", ");
  if (comma == std::string_view::npos) return std::nullopt;
  text.remove_prefix(comma + 2);
  struct tm out {};
  int year = 0;
  if (!TakeNumber(&text, 2, &out.tm_mday) || !TakeChar(&text, ' ') || text.size() < 4) return std::nullopt;
  const size_t month = kMonths.find(text.substr(0, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  text.remove_prefix(3);
  if (!TakeChar(&text, ' ') || !TakeNumber(&text, 4, &year) || !TakeChar(&text, ' ') || !TakeTime(&text, &out))
    return std::nullopt;
  out.tm_mon = static_cast<int>(month / 3);
  out.tm_year = year - 1900;
  return ::timegm(&out) * kSecond;
}

std::optional<int64_t> ParseIsoDate(std::string_view text) {
  struct tm out {};
  int year = 0;
  int month = 0;
  if (!TakeNumber(&text, 4, &year) || !TakeChar(&text, '-') || !TakeNumber(&text, 2, &month) || !TakeChar(&text, '-') ||
      !TakeNumber(&text, 2, &out.tm_mday) || !TakeChar(&text, 'T') || !TakeTime(&text, &out)) {
    return std::nullopt;
  }
  int64_t fraction = 0;
  if (TakeChar(&text, '.')) {
    int64_t unit = kSecond / 10;
    for (; !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())); text.remove_prefix(1), unit /= 10) {
      fraction += (text.front() - '0') * unit;
    }
  }
  out.tm_mon = month - 1;
  out.tm_year = year - 1900;
  return ::timegm(&out) * kSecond + fraction;
}

}  // namespace lancefs
