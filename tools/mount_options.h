// SPDX-License-Identifier: Apache-2.0
//
// From the program's options to those of a mount.
#pragma once

#include <string>

#include "fs/fuse_adapter.h"
#include "tools/commands.h"

namespace lancefs {

// Everything but the mountpoint. Errors: kInvalidArgument naming the option.
Result<MountOptions> MakeMountOptions(const GlobalOptions& global, const std::string& uri);

}  // namespace lancefs
