// SPDX-License-Identifier: Apache-2.0
//
// S3Client: signed S3 requests with retries; knows buckets, keys, headers and error documents but
// not what the store makes of them. Every attempt is counted (Metrics).
//
// Thread safety: all calls, from any thread. Futures complete in the HTTP loop's thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/auth/sigv4.h"
#include "backends/http/http_client.h"
#include "backends/s3/s3_options.h"
#include "base/metrics.h"

namespace lancefs {

enum class S3RequestKind { kGet, kHead, kList, kPut, kDelete, kMultipart };

struct S3Request {
  S3RequestKind kind = S3RequestKind::kGet;
  HttpMethod method = HttpMethod::kGet;
  std::string key;  // "" = the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;
  std::vector<Bytes> body;
  std::string payload_hash;  // hex SHA-256 of the body, if it is known already
  HttpSink sink;
  uint64_t max_body = 64ull << 20;
  bool idempotent = true;         // may be sent again when its answer was lost
  bool retry_conflict = false;    // 409 means "try again", not an answer
  bool error_in_success = false;  // a 200 may carry an error document
  bool counted = true;            // in the metrics
};

struct S3Response {
  HttpResponse http;
  // An earlier attempt may have been applied: the answer may speak of its effect.
  bool ambiguous = false;
};

class S3Client : public std::enable_shared_from_this<S3Client> {
 public:
  S3Client(S3Options options, Metrics* metrics);

  const S3Options& options() const { return options_; }
  // "s3://bucket/key" for messages.
  std::string Name(const std::string& key) const { return "s3://" + options_.bucket + "/" + key; }

  // The answer whatever its status, after retries. Errors: kUnavailable (no answer), kUnknownOutcome
  // (a request that is not idempotent may have been applied), kIoError (TLS, protocol), kCorruption
  // (more bytes than asked for), kStale (the object changed between attempts), kCancelled, ...
  Future<S3Response> Execute(S3Request request, const OpContext& ctx);
  Result<S3Response> ExecuteAndWait(S3Request request, const OpContext& ctx) { return Execute(std::move(request), ctx).Get(ctx); }

  // What an answer without success means; `what` says what was tried ("read", "list", ...).
  Status ErrorFrom(const S3Response& response, std::string_view what, const std::string& key) const;

  HttpHeaders EncryptionHeaders() const;   // for new objects
  HttpHeaders CustomerKeyHeaders() const;  // for parts, GET and HEAD
  // Adds the checksum header for `request.body`, hashing it once; returns its name and value.
  std::pair<std::string, std::string> AddChecksum(S3Request* request) const;

 private:
  friend class S3Call;

  std::string region() const;
  void set_region(std::string region);
  std::string BaseUrl(const std::string& region) const;
  HttpRequest MakeHttpRequest(const S3Request& request, const AwsCredentialsPtr& credentials) const;
  void Count(const S3Request& request) const;

  const S3Options options_;
  const std::shared_ptr<HttpClient> http_;
  Metrics* const metrics_;
  mutable SigV4KeyCache keys_;
  mutable std::mutex mutex_;
  std::string region_;                            // guarded by mutex_
  std::atomic<int64_t> clock_offset_seconds_{0};  // the server's clock minus ours
};

// The <Code> of an S3 error document; "" if the body is none.
std::string S3ErrorCode(const HttpResponse& response);

}  // namespace lancefs
