// SPDX-License-Identifier: Apache-2.0
//
// What the kernel tells about the process that closes a file.
//
// Thread safety: pure functions. Call without holding a lock: reading /proc takes time.
#pragma once

#include <cstdint>

namespace lancefs {

enum class ProcessState {
  kAlive,    // running, or ending by its own will
  kKilled,   // being ended by a signal: its file may be half written
  kUnknown,  // no such pid here (0, or another pid namespace)
};

// A process in the middle of execve(2) closes its close-on-exec files before the kernel lets anybody look at it; such a
// close would wait for an answer that waits for the close. So nobody waits long: no answer in time means kAlive.
ProcessState StateOfProcess(int32_t pid);
// Whether a deadly signal waits for the process, which then cannot be told anything any more.
bool IsDying(int32_t pid);

}  // namespace lancefs
