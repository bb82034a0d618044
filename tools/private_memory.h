// SPDX-License-Identifier: Apache-2.0
//
// Keys are in the memory of a process that uses them, and in its environment: no core dump of ours is
// written and no other process of the user may look in, unless the option core-dumps asks for that.
#pragma once

#include <string>

#include "base/status.h"

namespace lancefs {

void KeepMemoryPrivate(bool on);
// The option core-dumps. Errors: kInvalidArgument.
Status TakeCoreDumps(const std::string& value);

}  // namespace lancefs
