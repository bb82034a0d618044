// SPDX-License-Identifier: Apache-2.0
//
// AWS credentials and where they come from. A provider answers at once while it holds a valid
// credential and asynchronously while it fetches one; chains of providers fit behind it.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/context.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // "" for long-lived keys
  std::optional<std::chrono::system_clock::time_point> expires;
};

using AwsCredentialsPtr = std::shared_ptr<const AwsCredentials>;

class AwsCredentialProvider {
 public:
  virtual ~AwsCredentialProvider() = default;
  // Errors: kUnauthenticated with what was tried.
  virtual Future<AwsCredentialsPtr> Get(const OpContext& ctx) = 0;
  // The store refused `credentials` as expired: the next Get should bring others. False when there
  // are no others to be had.
  virtual bool Invalidate(const AwsCredentialsPtr& credentials) = 0;
};

std::shared_ptr<AwsCredentialProvider> MakeStaticAwsCredentials(AwsCredentials credentials);

}  // namespace lancefs
