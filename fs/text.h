// SPDX-License-Identifier: Apache-2.0
//
// Times as text, and the clock that attributes come from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

// Nanoseconds since the Unix epoch.
int64_t NowNs();
// "2026-11-21T08:19:24.123456789Z"; digits behind the point only as far as needed.
std::string FormatTime(int64_t ns);
// ISO 8601: a date, or a date and a time ("T" or a blank between) with an optional fraction and an optional zone
// ("Z", "+hh:mm"); without a zone UTC. A date alone is its first moment. Errors: kInvalidArgument.
Result<int64_t> ParseTime(std::string_view text);

}  // namespace lancefs
