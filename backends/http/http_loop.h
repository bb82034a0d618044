// SPDX-License-Identifier: Apache-2.0
//
// The event loop behind HttpClient; private to backends/http.
//
// Thread safety: Submit from any thread; everything else belongs to the loop's thread.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/http/http_client.h"

namespace lancefs {

// A client's configuration with what is worked out once.
struct HttpSetup {
  HttpConfig config;
  std::string roots_pem;            // trusted certificates as text, or "" where libcurl reads files
  std::vector<std::string> hidden;  // never to be shown: passwords of proxies
  std::string pool;                 // equal where connections may be shared
};
std::shared_ptr<const HttpSetup> MakeHttpSetup(HttpConfig config);

// One request on its way. Its address is stable: libcurl holds it.
class HttpTransfer {
 public:
  using Clock = OpContext::Clock;

  HttpTransfer(std::shared_ptr<const HttpSetup> setup, HttpRequest request, OpContext ctx);
  ~HttpTransfer();

  Future<HttpResponse> future() const { return promise_.future(); }
  const OpContext& ctx() const { return ctx_; }
  const std::string& origin() const { return origin_; }
  size_t max_parallel() const { return setup_->config.max_parallel; }
  size_t max_idle() const { return setup_->config.pool_idle_timeout.count() == 0 ? 0 : setup_->config.max_idle_per_host; }
  Clock::time_point start_at() const { return start_at_; }

  // Prepares `easy`; it must be reset and stays owned by the caller. `keep`: the connection may wait for other requests.
  void Configure(CURL* easy, bool keep);
  bool keeps() const { return keep_; }
  // Whether the server has been silent for longer than the read timeout.
  bool IsSilent(CURL* easy, Clock::time_point now);
  // Makes the response out of libcurl's verdict and completes the future.
  void Complete(CURL* easy, CURLcode code);
  void Fail(Status status) { promise_.Set(std::move(status)); }
  // What the request's on_stall is to be called with, if it is due; once.
  std::function<void()> TakeStall(CURL* easy, Clock::time_point now);

 private:
  // No byte came or went for so long (0: never true).
  bool IsSilentFor(std::chrono::milliseconds time, CURL* easy, Clock::time_point now);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static size_t OnRead(char* to, size_t size, size_t count, void* self);
  static int OnSeek(void* self, curl_off_t offset, int origin);
  void SetMethod(CURL* easy);
  void SetConnection(CURL* easy);
  void SetTimes(CURL* easy) const;
  void SetProxy(CURL* easy) const;
  void SetTls(CURL* easy) const;
  static int OnSocket(void* self, curl_socket_t socket, curlsocktype purpose);
  void TakeHeader(std::string_view line);
  bool TakeBody(std::string_view data);
  bool ReserveBody();
  void ClassifyFailure(CURL* easy, CURLcode code);
  bool IsProxyFailure(CURL* easy, CURLcode code);
  void LogResult() const;

  std::shared_ptr<const HttpSetup> setup_;
  const HttpConfig* config_;  // in setup_
  HttpRequest request_;
  OpContext ctx_;
  std::string origin_;
  Clock::time_point start_at_;
  Promise<HttpResponse> promise_;
  curl_slist* header_list_ = nullptr;
  curl_slist* connect_list_ = nullptr;
  char error_text_[CURL_ERROR_SIZE] = {};

  HttpResponse response_;
  size_t send_part_ = 0;    // which of request_.body is being sent
  size_t send_offset_ = 0;  // how much of it is
  uint64_t sent_ = 0;
  bool keep_ = true;
  Clock::time_point started_{};
  Clock::time_point last_byte_{};
  bool body_started_ = false;
  bool too_long_ = false;
  bool known_size_ = false;  // the body goes to `to_`
  Bytes buffer_;             // owns to_ unless the sink does
  uint8_t* to_ = nullptr;
  uint64_t room_ = 0;
  uint64_t received_ = 0;
  std::string growing_;  // a body of unknown size
};

class HttpLoop {
 public:
  // The loop of a pool of connections; a forked child gets its own.
  static HttpLoop& Of(const HttpSetup& setup);
  void Submit(std::unique_ptr<HttpTransfer> transfer);

 private:
  using Clock = OpContext::Clock;
  struct Host {
    size_t running = 0;
    size_t keepers = 0;  // running ones whose connection may be kept
    std::deque<std::unique_ptr<HttpTransfer>> waiting;
  };

  HttpLoop();
  void Run();
  // Ends all threads; what is under way stays without a result.
  static void StopAllAtExit();
  void TakeSubmitted();
  void StartDue();
  void StartWaiting(Host* host);
  void FinishDone();
  void EndTransfer(CURL* easy, const CURLcode* code, Status status);
  void AbortExpired();
  void NoticeStalls(Clock::time_point now);
  int PollTimeoutMs() const;

  CURLM* multi_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpTransfer>> submitted_;  // guarded by mutex_; the rest is the thread's
  std::multimap<Clock::time_point, std::unique_ptr<HttpTransfer>> delayed_;
  std::unordered_map<std::string, Host> hosts_;
  std::unordered_map<CURL*, std::unique_ptr<HttpTransfer>> running_;
  std::vector<CURL*> idle_;  // easy handles for the next transfers
  Clock::time_point next_expiry_check_{};
};

}  // namespace lancefs
