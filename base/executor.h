// SPDX-License-Identifier: Apache-2.0
//
// Executors. CpuPool() has one thread a core and runs decoding and rendering; nothing in it may
// wait for I/O. BlockingPool() grows as needed and runs work that waits (stores, files, other
// futures). Both live until the process ends.
//
// Thread safety: all calls, from any thread. A task must not throw.
#pragma once

#include <functional>
#include <memory>

#include "base/future.h"
#include "base/status.h"

namespace lancefs {

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Submit(std::function<void()> task) = 0;
};

// Runs tasks on at most `max_threads` threads; idle threads above `keep` end after 10 seconds.
// Destruction runs what is queued and joins.
std::unique_ptr<Executor> MakeThreadPool(size_t keep, size_t max_threads, std::string name);

Executor& CpuPool();
Executor& BlockingPool();

// Runs `function` (returning Result<T>) on `executor`.
template <typename T>
Future<T> Async(Executor& executor, std::function<Result<T>()> function) {
  Promise<T> promise;
  Future<T> future = promise.future();
  executor.Submit([promise = std::move(promise), function = std::move(function)] { promise.Set(function()); });
  return future;
}

// Runs body(0..count-1) on the CPU pool and in the calling thread, and waits for all; the first
// error wins. Safe to call from within the CPU pool: the caller itself takes part.
Status ParallelFor(size_t count, const std::function<Status(size_t)>& body);

}  // namespace lancefs
