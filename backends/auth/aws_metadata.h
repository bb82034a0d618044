// SPDX-License-Identifier: Apache-2.0
//
// Credentials from endpoints near the machine: the container endpoint of ECS and EKS Pod Identity,
// and the EC2 instance metadata service, version 2.
//
// Thread safety: as AwsCredentialSource; AwsInstanceMetadata: all calls, from any thread.
#pragma once

#include "backends/auth/aws_context.h"

namespace lancefs {

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI; the authorization token file is read anew
// for each Fetch.
AwsSourcePtr MakeContainerSource(AwsContextPtr context);

// The client of the instance metadata service; keeps its session token.
class AwsInstanceMetadata {
 public:
  explicit AwsInstanceMetadata(AwsContextPtr context) : context_(std::move(context)) {}
  // Errors: kNotFound (turned off, no service here), kUnavailable, kUnauthenticated, kInvalidArgument.
  Result<std::string> Read(const std::string& path, const OpContext& ctx);

 private:
  Result<std::string> Endpoint() const;
  Result<std::string> Token(const std::string& endpoint, const OpContext& ctx);

  const AwsContextPtr context_;
  std::mutex mutex_;
  std::string token_;                                   // guarded by mutex_; "" with version 1
  std::chrono::steady_clock::time_point token_ends_{};  // guarded by mutex_
};

AwsSourcePtr MakeInstanceSource(std::shared_ptr<AwsInstanceMetadata> metadata);

}  // namespace lancefs
