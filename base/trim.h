// SPDX-License-Identifier: Apache-2.0
//
// Text without what surrounds it: who calls says which characters those are.
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

namespace lancefs {

// Without the characters of `around` at both ends; a view of `text`.
inline std::string_view Trim(std::string_view text, std::string_view around) {
  const size_t first = text.find_first_not_of(around);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(around) - first + 1);
}

inline std::string_view TrimSpace(std::string_view text) { return Trim(text, " \t\r\n"); }

}  // namespace lancefs
