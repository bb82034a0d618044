// SPDX-License-Identifier: Apache-2.0
//
// ForEachInTurn: work that blocks, done for many things by a few threads.
//
// Thread safety: any thread that may wait.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/executor.h"

namespace lancefs {

// Runs body(0..count-1), a `Status(size_t)`, in the blocking pool: at most `at_once` workers take the things in turn, so that
// many of them do not start a thread each. A worker ends with its first error. Waits for all workers, as they may use the
// caller's stack; the first error wins.
template <typename Body>
Status ForEachInTurn(size_t count, size_t at_once, const Body& body) {
  std::atomic<size_t> next{0};
  auto work = [&]() -> Result<bool> {
    for (size_t i = next++; i < count; i = next++) LANCEFS_RETURN_NOT_OK(body(i));
    return true;
  };
  std::vector<Future<bool>> running;
  for (size_t i = 0; i < std::min(count, at_once); ++i) running.push_back(Async<bool>(BlockingPool(), work));
  Status failed;
  for (const Future<bool>& future : running) {
    const Result<bool> done = future.Get(OpContext());
    if (!done.ok() && failed.ok()) failed = done.status();
  }
  return failed;
}

}  // namespace lancefs
