// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: asynchronous HTTP for the cloud stores. An event-loop thread drives all transfers
// (libcurl's multi interface) over pools of kept-alive connections; at most HttpConfig::max_parallel
// requests run at one host, the rest wait in order of arrival. Clients whose connections are made in
// the same way (TLS, proxy, HTTP version) share a loop and its connections, others never do: what one
// store's options allow or prove must not serve another store.
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
#include <functional>
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
  std::string ca_file;  // PEM bundle that is trusted instead of the system's
  std::string ca_path;  // directory of hashed certificates, likewise
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds timeout{0};            // from connect to the last body byte; 0 = as long as bytes flow
  std::chrono::milliseconds stall_timeout{30000};  // less than 1 KiB/s for so long; 0 = for ever
  std::chrono::milliseconds read_timeout{0};       // not one byte for so long; 0 = for ever
  std::chrono::milliseconds pool_idle_timeout{90000};
  size_t max_idle_per_host = SIZE_MAX;
  bool http1_only = true;
  bool http2_only = false;
  // libcurl sends no HTTP/2 PING; what they are for, finding dead connections, TCP's own probes do.
  std::chrono::milliseconds http2_keep_alive_interval{0};
  std::chrono::milliseconds http2_keep_alive_timeout{0};
  std::string proxy_url;             // for all requests; "" = the next two
  std::string http_proxy;            // for http:// URLs; "" = none. The environment is not looked at here.
  std::string https_proxy;           // for https:// URLs
  std::string no_proxy;              // hosts that http_proxy and https_proxy are not for
  std::string proxy_ca_certificate;  // PEM text that is trusted besides, where proxy_url is set
  std::string proxy_excludes;        // hosts that no proxy is for: domains, addresses, CIDR blocks; "*" = all
  std::string user_agent;
  bool randomize_addresses = true;
  // Made for tests: "host:port:address:port" sends what is meant for the first pair to the second;
  // the URL, the Host header and the name that the certificate must bear stay as they are.
  std::vector<std::string> connect_to;
  size_t max_parallel = 64;  // requests in flight at one host
};

struct HttpSetup;  // an HttpConfig made ready, see http_loop.h

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
  // Called once, in the loop's thread, when nothing of the answer has come for `stall_after` (0 = never called); the transfer
  // goes on.
  std::chrono::milliseconds stall_after{0};
  std::function<void()> on_stall;

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
  const HttpConfig& config() const;

 private:
  std::shared_ptr<const HttpSetup> setup_;
};

// Scheme, host and port of an absolute URL: "https://host:1".
std::string UrlOrigin(std::string_view url);
// The Host header of an absolute URL as it goes over the wire, without the scheme's own port: "host:1".
std::string HostOf(std::string_view url);

}  // namespace lancefs
