// SPDX-License-Identifier: Apache-2.0
#include "tools/cache_options.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "backends/registry.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "tools/options.h"

namespace lancefs {
namespace {

// Less would not hold the pieces of a single scan.
constexpr uint64_t kLeastMemory = 32ULL << 20;

}  // namespace

const std::vector<std::string>& CacheKeys() {
  static const auto* keys = new std::vector<std::string>{"cache", "cache-size", "memory"};
  return *keys;
}

Result<std::string> DefaultCacheDirectory() {
  if (::geteuid() == 0) return std::string("/var/cache/lancefs");
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return std::string(cache) + "/lancefs";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return std::string(home) + "/.cache/lancefs";
  return Status::InvalidArgument("option cache: neither XDG_CACHE_HOME nor HOME is set; name a folder: cache=/some/folder");
}

Result<CacheOptions> MakeCacheOptions(const std::map<std::string, std::string>& options) {
  CacheOptions made;
  const auto size = [&](const std::string& key, uint64_t* out) -> Status {
    const auto it = options.find(key);
    if (it == options.end()) return Status::OK();
    Result<uint64_t> parsed = ParseSize(it->second);
    if (!parsed.ok()) return parsed.status().WithContext("option " + key);
    *out = *parsed;
    return Status::OK();
  };
  LANCEFS_RETURN_NOT_OK(size("cache-size", &made.max_bytes));
  LANCEFS_RETURN_NOT_OK(size("memory", &made.memory));
  if (made.memory != 0 && made.memory < kLeastMemory)
    return Status::InvalidArgument("option memory: at least " + std::to_string(kLeastMemory >> 20) + "MiB are needed");
  const auto cache = options.find("cache");
  if (cache == options.end() || cache->second == "false" || cache->second == "off" || cache->second == "no") return made;
  made.directory = cache->second;
  if (made.directory.empty() || made.directory == "true" || made.directory == "on" || made.directory == "yes") {
    LANCEFS_ASSIGN_OR_RETURN(made.directory, DefaultCacheDirectory());
  }
  // A daemon changes its working directory.
  std::error_code error;
  made.directory = std::filesystem::absolute(made.directory, error).string();
  if (error) return Status::InvalidArgument("option cache: " + error.message());
  return made;
}

void ApplyCacheOptions(const CacheOptions& options) {
  if (options.memory != 0) MemoryBudget::Global().SetLimit(options.memory);
  if (options.directory.empty()) return;
  const Status status = UseDiskCache(options.directory, options.max_bytes);
  if (!status.ok()) Log(LogLevel::kWarn, "no_disk_cache", {{"reason", status.message()}});
}

}  // namespace lancefs
