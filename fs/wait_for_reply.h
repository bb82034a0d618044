// SPDX-License-Identifier: Apache-2.0
//
// WaitForReply: a call of the Filesystem, which answers through a callback, as one that returns. For callers with a
// thread of their own (commands, tests); never for those of the executor, which the answer may need.
#pragma once

#include <future>
#include <utility>

namespace lancefs {

// `start` is called with the reply to give to the call; returns its errno (0 = success) and its value.
template <typename T, typename Start>
std::pair<int, T> WaitForReply(Start start) {
  std::promise<std::pair<int, T>> promise;
  auto future = promise.get_future();
  start([&promise](int error_number, const T& value) { promise.set_value({error_number, value}); });
  return future.get();
}

}  // namespace lancefs
