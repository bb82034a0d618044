// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: asynchronous HTTP/1.1 for the cloud stores. One event-loop thread a process drives
// all transfers (libcurl's multi interface) over pools of kept-alive connections; at most
// HttpConfig::max_parallel requests run at one host, the rest wait in order of arrival.
//
// Results, also transport failures, come as an HttpResponse; the future itself fails only when the
// context was cancelled or its deadline passed (the transfer is aborted then) or when the request
// cannot be made at all. Nothing is retried here, redirects are not followed.
//
// Thread safety: all calls, from any thread. Futures complete in the loop thread: their
// continuations must be short and must not block.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

struct HttpConfig {
  bool allow_http = false;  // plain http:// is refused unless set
  bool allow_invalid_certificates = false;
  bool disable_system_certificates = false;
  std::string ca_file;  // PEM bundle; "" = the system's
  std::string ca_path;  // directory of hashed certificates; "" = the system's
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds timeout{0};            // from connect to the last body byte; 0 = as long as bytes flow
  std::chrono::milliseconds stall_timeout{30000};  // less than 1 KiB/s for so long; 0 = for ever
  std::chrono::milliseconds pool_idle_timeout{90000};
  bool keep_idle_connections = true;
  bool http1_only = true;
  bool http2_only = false;
  std::string proxy_url;             // "" = HTTP_PROXY and its kin
  std::string proxy_ca_certificate;  // PEM text
  std::string proxy_excludes;
  std::string user_agent;
  bool randomize_addresses = true;
  // Made for tests: "host:port:address:port" sends what is meant for the first pair to the second;
  // the URL, the Host header and the name that the certificate must bear stay as they are.
  std::vector<std::string> connect_to;
  size_t max_parallel = 64;  // requests in flight at one host
};

enum class HttpMethod { kGet, kHead, kPut, kPost, kDelete };
std::string_view HttpMethodName(HttpMethod method);

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Memory of the caller's that takes the body of a 2xx answer; `owner` keeps it alive.
struct HttpSink {
  std::shared_ptr<const void> owner;
  uint8_t* data = nullptr;
  uint64_t size = 0;
};

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string url;                  // absolute and percent-encoded; sent exactly so
  HttpHeaders headers;              // sent as they are, besides Host, Content-Length and User-Agent
  std::vector<Bytes> body;          // the concatenation is sent, without a copy
  HttpSink sink;                    // optional
  uint64_t max_body = 64ull << 20;  // a longer answer is a failure
  // May be sent a second time on a fresh connection when a kept-alive one turns out to be dead.
  bool idempotent = true;
  std::chrono::milliseconds delay{0};  // wait so long before sending (for retries)

  uint64_t body_size() const;
};

enum class HttpFailure {
  kNone,
  kConnect,      // nothing was sent
  kTimeout,      // connected, but no full answer in time
  kInterrupted,  // the connection broke after something may have been sent
  kTooLong,      // the body is longer than the sink or max_body
  kProtocol,     // not HTTP, or TLS verification failed: no retry helps
};

struct HttpResponse {
  int status = 0;       // may be set although `failure` is (a body that broke off)
  HttpHeaders headers;  // lower-case names
  Bytes body;
  HttpFailure failure = HttpFailure::kNone;
  std::string failure_text;

  // The first header of that lower-case name; "" if there is none.
  std::string_view header(std::string_view name) const;
  bool ok() const { return failure == HttpFailure::kNone && status >= 200 && status < 300; }
};

class HttpClient {
 public:
  static std::shared_ptr<HttpClient> Make(HttpConfig config);
  explicit HttpClient(HttpConfig config);

  // Errors: kCancelled, kDeadlineExceeded, kInvalidArgument (http:// without allow_http, a header
  // with a line break).
  Future<HttpResponse> Send(HttpRequest request, const OpContext& ctx) const;
  const HttpConfig& config() const { return *config_; }

 private:
  std::shared_ptr<const HttpConfig> config_;
};

// Scheme, host and port of an absolute URL: "https://host:1".
std::string UrlOrigin(std::string_view url);

}  // namespace lancefs
