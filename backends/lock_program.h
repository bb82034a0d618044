// SPDX-License-Identifier: Apache-2.0
//
// A commit lock that an external program takes and gives back (--commit-lock, docs/configuration.md).
// For each commit `PROGRAM lock TABLE VERSION` is started. It waits for the lock, writes the line
// "locked" to its standard output, holds the lock until its standard input ends, gives the lock back
// and ends with status 0. Before its input ends it gets the line "committed" or "failed". As a pipe
// of ours is what it waits on, the lock is given back also when this process is killed.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "backends/coordination.h"

namespace lancefs {

struct LockProgram {
  std::string program;                       // absolute path, or a name that is looked for on PATH
  std::string root;                          // of the store: "s3://bucket", or a local directory; TABLE begins with it
  std::chrono::milliseconds timeout{60000};  // for the lock to be given
  std::chrono::milliseconds grace{10000};    // for the program to end once it is not needed any more
};

std::shared_ptr<CommitLock> MakeLockProgram(LockProgram options);

}  // namespace lancefs
