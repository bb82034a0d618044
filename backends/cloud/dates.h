// SPDX-License-Identifier: Apache-2.0
//
// The date forms of cloud stores' answers, as nanoseconds since the epoch.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lancefs {

std::optional<int64_t> ParseHttpDate(std::string_view text);  // "Wed, 12 Oct 2009 17:50:00 GMT"
std::optional<int64_t> ParseIsoDate(std::string_view text);   // "2009-10-12T17:50:30.123Z"

}  // namespace lancefs
