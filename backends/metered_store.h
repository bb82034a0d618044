// SPDX-License-Identifier: Apache-2.0
//
// Counts what a store is asked for, in the requests that a cloud store would need: ranges after
// coalescing, listings in pages of 1,000, uploads in parts. So request budgets can be tested on
// memory and local stores. The cloud stores count their real requests by themselves, under the
// same names:
//   lancefs_store_requests_total, lancefs_store_{get,head,list,put,delete,multipart}_requests_total,
//   lancefs_store_bytes_{read,written}_total, lancefs_store_retries_total
#pragma once

#include "backends/object_store.h"
#include "base/metrics.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeMeteredStore(std::shared_ptr<ObjectStore> inner, Metrics* metrics = &Metrics::Global());

}  // namespace lancefs
