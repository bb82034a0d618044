// SPDX-License-Identifier: Apache-2.0
//
// How storage options and the environment combine, and the client options that all cloud stores
// share. Options beat the environment; keys are case-insensitive; an empty option counts as set.
// From the environment, store options come only with their prefix (AWS_...), client options also
// from the bare upper-case name.
//
// Thread safety: values and pure functions.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cloud/throttle.h"
#include "backends/http/http_client.h"
#include "backends/registry.h"
#include "backends/retry_policy.h"

namespace lancefs {

using Environment = std::map<std::string, std::string>;
Environment ProcessEnvironment();

class OptionReader {
 public:
  // `prefix` is the cloud's, in lower case: "aws_".
  OptionReader(const StorageOptions& options, const Environment& environment, std::string prefix)
      : options_(options), environment_(environment), prefix_(std::move(prefix)) {}

  // A store option: `canonical` and its aliases, in lower case, with and without prefix. Of several
  // spellings that are given the exact canonical one wins, then canonical in another case, then
  // the smallest spelling.
  std::optional<std::string> Get(std::string_view canonical, const std::vector<std::string_view>& aliases) const;
  // A client option; also accepted with the cloud's prefix.
  std::optional<std::string> GetClient(std::string_view name) const;
  // An option of Lance's own ("lance_aimd_initial_rate"); from the environment in upper case.
  std::optional<std::string> GetLance(std::string_view name) const;
  // "headers.<name>" options with the names as given.
  HttpHeaders DefaultHeaders() const;
  const std::string* FindEnvironment(const std::string& name) const;
  // The same options with another environment, which must outlive the reader.
  OptionReader WithEnvironment(const Environment& environment) const { return OptionReader(options_, environment, prefix_); }

 private:
  std::optional<std::string> FindOption(std::string_view canonical, const std::vector<std::string_view>& aliases) const;

  const StorageOptions& options_;
  const Environment& environment_;
  std::string prefix_;
};

// Errors of the parsers: kInvalidArgument naming the key (values may be secret and are not shown).
Result<bool> ParseBool(std::string_view key, std::string_view value);  // 1 true on yes y / 0 false off no n
Result<std::chrono::milliseconds> ParseDuration(std::string_view key, std::string_view value);  // "1m 30s"
Result<uint64_t> ParseCount(std::string_view key, std::string_view value);

struct ClientOptions {
  HttpConfig http;
  std::chrono::milliseconds hedge_delay{2000};  // a read that stalls for so long is sent a second time; 0 = never
  RetryPolicy retry;
  std::optional<uint64_t> download_retries;  // of a read whose body broke off; unset: as many as `retry` has
  AimdOptions aimd;
  std::optional<uint64_t> block_size;  // StoreTraits::coalesce_gap and tail_guess (bytes)
  std::string default_content_type;
  HttpHeaders default_headers;  // lower-case names
};
Result<ClientOptions> ParseClientOptions(const OptionReader& reader);

}  // namespace lancefs
