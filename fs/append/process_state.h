// SPDX-License-Identifier: Apache-2.0
//
// What the kernel tells about the process that closes a file.
//
// Thread safety: pure functions. Call without holding a lock: reading /proc may block.
#pragma once

#include <cstdint>

namespace lancefs {

enum class ProcessState {
  kAlive,     // running, or ending by its own will
  kKilled,    // being ended by a signal: its file may be half written
  kUnknown,   // no such pid here (0, or another pid namespace)
};

ProcessState StateOfProcess(int32_t pid);

}  // namespace lancefs
