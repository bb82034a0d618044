// SPDX-License-Identifier: Apache-2.0
//
// A tiny HTTP/1.1 server for tests: a thread per connection, answers from a handler that may also
// misbehave (close, cut, stall). Counts requests and connections.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/backends/loopback_listener.h"

namespace lancefs {

class LoopbackServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // path and query as sent
    std::map<std::string, std::string> headers;  // lower-case names
    std::string body;
  };
  struct Answer {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::chrono::milliseconds delay{0};
    bool drop = false;            // close without any answer
    size_t send_only = SIZE_MAX;  // that much of the body, then close
    bool close = false;           // close after the answer, without announcing it
    size_t stall_at = SIZE_MAX;   // that much of the body at once, the rest when the delay is over
    std::string raw;              // instead of all that: exactly these bytes, then close
  };
  using Handler = std::function<Answer(const Request&, int number)>;  // number: from 1

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {}

  std::string url() const { return "http://127.0.0.1:" + std::to_string(listener_.port()); }
  int requests() const { return requests_; }
  int connections() const { return listener_.connections(); }
  int most_at_once() const { return most_at_once_; }
  std::vector<Request> log() const {
    std::lock_guard lock(mutex_);
    return log_;
  }

 private:
  static bool ReadMore(int fd, std::string* buffer) {
    char chunk[65536];
    const ssize_t n = ::recv(fd, chunk, sizeof(chunk), 0);
    if (n <= 0) return false;
    buffer->append(chunk, static_cast<size_t>(n));
    return true;
  }

  static bool ReadRequest(int fd, Request* request) {
    std::string buffer;
    size_t end = std::string::npos;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore(fd, &buffer)) return false;
    }
    std::string head = buffer.substr(0, end + 2);
    request->body = buffer.substr(end + 4);
    const size_t line_end = head.find("\r\n");
    const std::string line = head.substr(0, line_end);
    const size_t first = line.find(' ');
    const size_t second = line.find(' ', first + 1);
    request->method = line.substr(0, first);
    request->target = line.substr(first + 1, second - first - 1);
    for (size_t at = line_end + 2; at < head.size();) {
      const size_t next = head.find("\r\n", at);
      const std::string header = head.substr(at, next - at);
      at = next + 2;
      const size_t colon = header.find(':');
      std::string name = header.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), ::tolower);
      const size_t value = header.find_first_not_of(' ', colon + 1);
      request->headers[name] = value == std::string::npos ? "" : header.substr(value);
    }
    const size_t length = request->headers.contains("content-length") ? std::stoull(request->headers["content-length"]) : 0;
    while (request->body.size() < length) {
      if (!ReadMore(fd, &request->body)) return false;
    }
    return true;
  }

  static bool SendAll(int fd, const std::string& text) {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }

  void Wait(std::chrono::milliseconds time) const {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!listener_.stopping() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  bool Serve(int fd) {
    Request request;
    if (!ReadRequest(fd, &request)) return false;
    const int number = ++requests_;
    const int at_once = ++at_once_;
    for (int most = most_at_once_; at_once > most && !most_at_once_.compare_exchange_weak(most, at_once);) {
    }
    {
      std::lock_guard lock(mutex_);
      log_.push_back(request);
    }
    const Answer answer = handler_(request, number);
    if (answer.stall_at == SIZE_MAX) Wait(answer.delay);
    --at_once_;
    if (answer.drop) return false;
    if (!answer.raw.empty()) {
      SendAll(fd, answer.raw);
      return false;
    }
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " Status\r\n";
    bool has_length = false;
    for (const auto& [name, value] : answer.headers) {
      text += name + ": " + value + "\r\n";
      has_length = has_length || name == "Content-Length";
    }
    if (!has_length && answer.status != 204) text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    text += "\r\n";
    if (answer.stall_at != SIZE_MAX) {
      SendAll(fd, text + answer.body.substr(0, answer.stall_at));
      Wait(answer.delay);
      return SendAll(fd, answer.body.substr(answer.stall_at));
    }
    if (request.method != "HEAD") text += answer.body.substr(0, answer.send_only);
    return SendAll(fd, text) && answer.send_only == SIZE_MAX && !answer.close;
  }

  const Handler handler_;
  std::atomic<int> requests_{0};
  std::atomic<int> at_once_{0};
  std::atomic<int> most_at_once_{0};
  mutable std::mutex mutex_;
  std::vector<Request> log_;  // guarded by mutex_
  // The last, so that its threads end before what they use.
  LoopbackListener listener_{[this](int fd) {
    while (!listener_.stopping() && Serve(fd)) {
    }
  }};
};

}  // namespace lancefs
