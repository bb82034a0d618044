// SPDX-License-Identifier: Apache-2.0
#include "fs/text.h"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "base/dates.h"

namespace lancefs {

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
  if (const std::optional<IsoTime> time = ParseIsoTime(text)) return time->ns;
  std::string message = "not a time (write 2026-11-21 or 2026-11-21T08:19:24Z): ";
  return Status::InvalidArgument(message.append(text));
}

}  // namespace lancefs
