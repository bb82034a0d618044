// SPDX-License-Identifier: Apache-2.0
//
// Names of dropped files: which are temporary, and commit only when they are renamed to a final name.
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

namespace lancefs {

// `.x`, `#x`, `x~`, `x.part`, `x.tmp`, `x.swp`, `sedXXXXXX`, ...: what rsync, editors, browsers and download
// tools write before they rename. `name` is one path component.
bool IsTemporaryName(std::string_view name);

}  // namespace lancefs
