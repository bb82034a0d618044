// SPDX-License-Identifier: Apache-2.0
//
// DynamoDbClient: signed requests in DynamoDB's JSON 1.0 protocol, with the retries of the AWS SDK's
// standard mode. Knows operations and errors, not what tables are for.
//
// Thread safety: all calls, from any thread; they block.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "backends/auth/credentials.h"
#include "backends/auth/sigv4.h"
#include "backends/store_options.h"
#include "base/metrics.h"

namespace lancefs {

struct DynamoDbOptions {
  std::string region;
  std::string endpoint;  // "" = AWS'
  HttpConfig http;
  RetryPolicy retry{4, std::chrono::seconds(60), std::chrono::milliseconds(500), std::chrono::seconds(20)};
  std::shared_ptr<AwsCredentialProvider> credentials;
};

class DynamoDbClient {
 public:
  explicit DynamoDbClient(DynamoDbOptions options, Metrics* metrics = &Metrics::Global());

  const std::string& endpoint() const { return endpoint_; }

  // The answer to "PutItem", "Query", ...: `ok` or the service's error. Errors: kUnavailable or kUnknownOutcome (no answer: the
  // latter when the request may have been carried out), kUnauthenticated, kIoError (TLS, no JSON), kCancelled, ...
  struct Answer {
    bool ok = false;
    nlohmann::json body;
    std::string error;  // "ConditionalCheckFailedException"
    std::string message;
    int status = 0;
    std::string request_id;
  };
  Result<Answer> Call(const std::string& operation, const nlohmann::json& request, const OpContext& ctx);
  // What an answer that is not `ok` means.
  static Status ErrorFrom(const Answer& answer, const std::string& what);

 private:
  HttpRequest MakeRequest(const std::string& operation, const std::string& body, const AwsCredentials& credentials);

  const DynamoDbOptions options_;
  const std::string endpoint_;
  const std::shared_ptr<HttpClient> http_;
  Metrics* const metrics_;
  SigV4KeyCache keys_;
  std::atomic<int64_t> clock_offset_seconds_{0};  // the server's clock minus ours
};

}  // namespace lancefs
