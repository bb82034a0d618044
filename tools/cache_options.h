// SPDX-License-Identifier: Apache-2.0
//
// Options of what is kept: `memory`, `cache`, `cache-size`. They are the process's, not a store's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

struct CacheOptions {
  std::string directory;  // empty: nothing is kept on disk
  uint64_t max_bytes = 10ULL << 30;
  uint64_t memory = 0;  // 0: MemoryBudget::DefaultLimit()
};

const std::vector<std::string>& CacheKeys();
// Of the parsed options, whatever else is among them. Errors: kInvalidArgument naming the key.
Result<CacheOptions> MakeCacheOptions(const std::map<std::string, std::string>& options);
// Where the cache is by default (RULES 31). Errors: kInvalidArgument where no home is known.
Result<std::string> DefaultCacheDirectory();
// Takes effect on stores that are opened from now on. A folder that cannot be used is a line in the log.
void ApplyCacheOptions(const CacheOptions& options);

}  // namespace lancefs
