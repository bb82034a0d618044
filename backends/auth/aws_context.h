// SPDX-License-Identifier: Apache-2.0
//
// AwsContext: what all AWS credential sources share: the environment variables they look at, where
// the user's files are, HTTP clients for the services and for local metadata endpoints, and the
// blocking request with retries that they send. AwsCredentialSource is one way to sign in.
//
// Thread safety: all calls, from any thread. Fetch blocks: it runs in the threads of the caching
// provider (credential_cache.h), never in the HTTP loop's.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/auth/auth_io.h"
#include "backends/auth/credentials.h"
#include "backends/http/http_client.h"

namespace lancefs {

struct AwsContextOptions {
  std::map<std::string, std::string> environment;
  HttpConfig http;     // the store's client options: TLS roots, proxy
  std::string region;  // of STS; "" = from the environment or the profile
  bool imdsv1_fallback = false;
};

class AwsContext {
 public:
  explicit AwsContext(AwsContextOptions options);

  // "" when the variable is not set.
  std::string Variable(const std::string& name) const;
  const std::map<std::string, std::string>& environment() const { return options_.environment; }
  bool imdsv1_fallback() const { return options_.imdsv1_fallback; }
  std::string region() const { return options_.region; }
  // With "~/" replaced by the home directory.
  std::string ExpandHome(const std::string& path) const;

  // STS, SSO: TLS and proxy as for the store; http:// only where a setting names it.
  const HttpClient& services() const { return *services_; }
  // Metadata endpoints on this machine: no proxy, one second to connect.
  const HttpClient& instance() const { return *instance_; }    // IMDS
  const HttpClient& container() const { return *container_; }  // ECS, EKS
  // As container(), through the proxy, for https:// addresses anywhere.
  const HttpClient& container_https() const { return *container_https_; }

 private:
  const AwsContextOptions options_;
  std::shared_ptr<HttpClient> services_;
  std::shared_ptr<HttpClient> instance_;
  std::shared_ptr<HttpClient> container_;
  std::shared_ptr<HttpClient> container_https_;
};

using AwsContextPtr = std::shared_ptr<const AwsContext>;

class AwsCredentialSource {
 public:
  virtual ~AwsCredentialSource() = default;
  // For messages: "profile", "web identity".
  virtual std::string name() const = 0;
  // Errors: kNotFound (not set up here: the next of a chain may be tried), kUnauthenticated,
  // kInvalidArgument (set up wrongly), kUnavailable (no answer). None holds a secret.
  virtual Result<AwsCredentials> Fetch(const OpContext& ctx) = 0;
};
using AwsSourcePtr = std::unique_ptr<AwsCredentialSource>;

// "amazonaws.com", or that of another partition.
std::string AwsDnsSuffix(std::string_view region);
// Letters, digits and dashes: what may become part of a host name.
bool IsRegionName(std::string_view region);

}  // namespace lancefs
