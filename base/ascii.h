// SPDX-License-Identifier: Apache-2.0
//
// Case of ASCII letters, whatever the locale says; other bytes stay.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace lancefs {

inline std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

inline std::string AsciiUpper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace lancefs
