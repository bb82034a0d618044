// SPDX-License-Identifier: Apache-2.0
//
// HedgedSender: sends reads, and those whose answer stalls (no byte for the hedge delay) a second time over another connection.
// Whichever answer is complete first counts, the other is cancelled. A budget bounds what this may add: one read in twenty, after
// a first few, so that a store that is slow as a whole is not asked for everything twice.
//
// Thread safety: all calls, from any thread; futures complete in the HTTP loop's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "backends/http/http_client.h"

namespace lancefs {

// How many second requests may be sent, by how many first ones were.
class HedgeBudget {
 public:
  void Earn();  // a first request was sent
  bool Take();  // a second one may be sent

 private:
  static constexpr int kCost = 20;  // first requests for each second one
  static constexpr int kMost = 8 * kCost;
  std::atomic<int> saved_{kMost / 2};
};

class HedgedSender {
 public:
  // `on_hedge` is called for each second request that is sent.
  HedgedSender(std::shared_ptr<HttpClient> http, std::chrono::milliseconds delay, std::function<void()> on_hedge);

  // As HttpClient::Send; only for requests that may be sent twice without an effect on the store. The sink is written to by one
  // answer at a time and by none once the future has completed.
  Future<HttpResponse> Send(HttpRequest request, const OpContext& ctx) const;

 private:
  struct Shared;
  class Pair;
  std::shared_ptr<Shared> shared_;
};

}  // namespace lancefs
