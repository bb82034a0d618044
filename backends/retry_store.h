// SPDX-License-Identifier: Apache-2.0
//
// Tries failed calls again (kUnavailable, kIoError) for stores that do not do so by themselves; the
// cloud stores do, request by request. PutIfAbsent is never repeated: its first attempt may have
// been applied, which only the caller can find out. Writers pass through.
#pragma once

#include "backends/object_store.h"
#include "backends/retry_policy.h"
#include "base/metrics.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeRetryStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy = {},
                                            Metrics* metrics = &Metrics::Global());

}  // namespace lancefs
