// SPDX-License-Identifier: Apache-2.0
//
// A listener on a free port of 127.0.0.1 with a thread for each connection, which `serve` is called in; the connection is closed
// when it returns. Destroying the listener breaks all connections and waits for their threads.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace lancefs {

class LoopbackListener {
 public:
  explicit LoopbackListener(std::function<void(int)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    ::listen(listener_, 256);
    socklen_t length = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~LoopbackListener() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }
  uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  bool stopping() const { return stopping_; }

 private:
  void Accept() {
    while (!stopping_) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) continue;
      ++connections_;
      std::lock_guard lock(mutex_);
      open_.insert(fd);
      threads_.emplace_back([this, fd] {
        serve_(fd);
        std::lock_guard inner(mutex_);
        open_.erase(fd);
        ::close(fd);
      });
    }
  }

  const std::function<void(int)> serve_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
  std::mutex mutex_;
  std::set<int> open_;                // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace lancefs
