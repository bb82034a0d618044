// SPDX-License-Identifier: Apache-2.0
#include "fs/append/drop_names.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace lancefs {

bool IsTemporaryName(std::string_view name) {
  if (name.empty()) return false;
  if (name.front() == '.' || name.front() == '#' || name.back() == '~' || name.back() == '#') return true;
  static constexpr std::array<std::string_view, 11> kSuffixes = {".part", ".partial",  ".tmp",      ".temp", ".swp",       ".swx",
                                                                 ".swo",  ".filepart", ".download", ".bak",  ".crdownload"};
  if (std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](std::string_view suffix) { return name.ends_with(suffix); }))
    return true;
  // What `sed -i` writes beside the file.
  return name.size() == 9 && name.starts_with("sed") &&
         std::all_of(name.begin() + 3, name.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
}

}  // namespace lancefs
