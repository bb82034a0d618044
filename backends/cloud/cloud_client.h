// SPDX-License-Identifier: Apache-2.0
//
// CloudClient: what the clients of S3, GCS and Azure share: one operation is a series of attempts with pauses, and an account of
// what may have been applied although its answer was lost. A store's client says how an attempt is addressed and signed, and what
// it learns from a refusal. Every attempt is counted (Metrics).
//
// Thread safety: all calls, from any thread. Futures complete in the HTTP loop's thread, so hooks must not block.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/cloud/hedged_send.h"
#include "backends/cloud/request_kind.h"
#include "backends/cloud/throttle.h"
#include "backends/http/http_client.h"
#include "backends/store_options.h"
#include "base/metrics.h"

namespace lancefs {

struct CloudRequest {
  // CloudRequest{kind, method, key} is how most begin.
  RequestKind kind = RequestKind::kGet;
  HttpMethod method = HttpMethod::kGet;
  std::string key;  // "" = the bucket or container itself
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;  // lower-case names
  std::vector<Bytes> body;
  std::string payload_hash;  // hex SHA-256 of the body, if it is known already
  HttpSink sink;
  uint64_t max_body = 64ull << 20;
  bool idempotent = true;         // may be sent again when its answer was lost
  bool retry_conflict = false;    // 409 means "try again", not an answer
  bool error_in_success = false;  // a 200 may carry an error document
  bool counted = true;            // in the metrics
};

struct CloudResponse {
  HttpResponse http;
  // An earlier attempt may have been applied: the answer may speak of its effect.
  bool ambiguous = false;
};

// What an error answer says of itself; empty where it says nothing.
struct CloudError {
  std::string code;
  std::string message;
  std::string request_id;
};

class CloudClient : public std::enable_shared_from_this<CloudClient> {
 public:
  CloudClient(ClientOptions options, Metrics* metrics);
  virtual ~CloudClient() = default;

  const ClientOptions& client_options() const { return client_options_; }
  // "s3://bucket/key" for messages; no secrets.
  virtual std::string Name(const std::string& key) const = 0;

  // The answer whatever its status, after retries. Errors: kUnavailable (no answer), kUnknownOutcome
  // (a request that is not idempotent may have been applied), kIoError (TLS, protocol), kCorruption
  // (more bytes than asked for), kStale (the object changed between attempts), kUnauthenticated, kCancelled, ...
  Future<CloudResponse> Execute(CloudRequest request, const OpContext& ctx);
  Result<CloudResponse> ExecuteAndWait(CloudRequest request, const OpContext& ctx) {
    return Execute(std::move(request), ctx).Get(ctx);
  }

  // What an answer without success means; `what` says what was tried ("read", "list", ...).
  Status ErrorFrom(const CloudResponse& response, std::string_view what, const std::string& key) const;
  // Default: the <Error> document that S3 and GCS answer with.
  virtual CloudError ParseError(const HttpResponse& response) const;

  // Of PUTs and of the start of an upload; default: the configured content type.
  virtual HttpHeaders NewObjectHeaders() const;
  virtual HttpHeaders ReadHeaders() const { return {}; }  // of GET, HEAD and parts

  // A read and a lookup of an object, with ReadHeaders().
  CloudRequest GetRequest(std::string key) const;
  CloudRequest HeadRequest(std::string key) const;

 protected:
  // Of one operation, over its attempts.
  struct CallState {
    std::shared_ptr<const void> credentials;  // that the last attempt was signed with
    bool credentials_renewed = false;
    bool region_learned = false;
    bool clock_learned = false;
  };

  // In the caller's thread, once an operation: what need not be done in the loop's thread or again (hashing).
  virtual void BeforeFirst(CloudRequest*) const {}
  // The signed request of the next attempt; may wait for credentials. The state lives until the future completes.
  virtual Future<HttpRequest> Prepare(const CloudRequest& request, CallState* state, const OpContext& ctx) = 0;
  // Learns from a refusal (status >= 300) what the next attempt must do otherwise; true: try again at once. Each lesson once.
  virtual bool Adapt(const HttpResponse&, CallState*) { return false; }
  // Whether the error code of a 200's body, or of a refusal, passes by itself.
  virtual bool IsPassing(std::string_view code) const { return code == "InternalError" || code == "SlowDown"; }
  // Codes that say more than their status.
  virtual StatusCode CodeFor(int status, const std::string& code) const;

  // What every request begins with: method, body, headers and those of the options; neither URL nor signature.
  HttpRequest BareRequest(const CloudRequest& request) const;
  // The server's time as far as its answers have told it.
  std::chrono::system_clock::time_point ServerTime() const;
  // Sets that clock by a refusal's date, once an operation; false when it was right.
  bool LearnServerTime(const HttpResponse& response, CallState* state);

  const std::shared_ptr<HttpClient>& http() const { return http_; }
  Metrics* metrics() const { return metrics_; }

 private:
  friend class CloudCall;
  void Count(const CloudRequest& request) const;
  AimdThrottle& throttle();

  const ClientOptions client_options_;
  const std::shared_ptr<HttpClient> http_;
  const HedgedSender reads_;
  Metrics* const metrics_;
  std::atomic<int64_t> clock_offset_seconds_{0};  // the server's clock minus ours
  std::once_flag throttle_made_;
  std::shared_ptr<AimdThrottle> throttle_;  // constant once made
};

}  // namespace lancefs
