// SPDX-License-Identifier: Apache-2.0
//
// From the program's options to those of a mount.
#pragma once

#include <string>

#include "fs/fuse_adapter.h"
#include "tools/commands.h"

namespace lancefs {

enum class TreeUse { kCommand, kForeground, kBackground };

// Everything but the mountpoint; says what options are not known. Errors: kInvalidArgument naming the option.
Result<MountOptions> MakeMountOptions(const GlobalOptions& global, const std::string& uri, TreeUse use);

}  // namespace lancefs
