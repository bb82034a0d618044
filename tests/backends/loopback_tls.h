// SPDX-License-Identifier: Apache-2.0
//
// What stands before a LoopbackServer: a TLS end with certificates of a private authority, and a
// proxy that speaks HTTP CONNECT and SOCKS 5. Both relay bytes to a port and tell what they saw.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/backends/loopback_listener.h"

namespace lancefs {

// An authority and a certificate of 127.0.0.1 and localhost that it has signed.
class TestAuthority {
 public:
  explicit TestAuthority(const char* name = "test authority")
      : root_key_(EVP_EC_gen("P-256"), EVP_PKEY_free), key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    root_.reset(Make(name, root_key_.get(), nullptr));
    certificate_.reset(Make("test server", key_.get(), root_.get()));
  }
  // The root's certificate, as text.
  std::string Pem() const {
    std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(out.get(), root_.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<size_t>(size)};
  }
  void Use(SSL_CTX* context) const {
    SSL_CTX_use_certificate(context, certificate_.get());
    SSL_CTX_use_PrivateKey(context, key_.get());
  }

 private:
  X509* Make(const char* name, EVP_PKEY* key, X509* issuer) {
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), issuer == nullptr ? 1 : 2);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 86400);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1,
                               -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer == nullptr ? made : issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer == nullptr ? made : issuer, made, nullptr, nullptr, 0);
    AddExtension(made, &context, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (issuer != nullptr) AddExtension(made, &context, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    X509_sign(made, root_key_.get(), EVP_sha256());
    return made;
  }
  static void AddExtension(X509* to, X509V3_CTX* context, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, context, nid, value);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> root_key_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> root_{nullptr, X509_free};
  std::unique_ptr<X509, decltype(&X509_free)> certificate_{nullptr, X509_free};
};

inline int ConnectTo(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

// Copies both ways until one side ends; `client` is the connection, or `tls` on top of it.
inline void Relay(int client, SSL* tls, int target, const std::atomic<bool>& stop) {
  char data[16384];
  while (!stop) {
    pollfd both[2] = {{client, POLLIN, 0}, {target, POLLIN, 0}};
    const bool waiting = tls != nullptr && SSL_pending(tls) > 0;
    if (!waiting && ::poll(both, 2, 50) < 0) return;
    if (waiting || both[0].revents != 0) {
      const int n = tls != nullptr ? SSL_read(tls, data, sizeof(data)) : static_cast<int>(::recv(client, data, sizeof(data), 0));
      if (n <= 0 || ::send(target, data, static_cast<size_t>(n), MSG_NOSIGNAL) != n) return;
    }
    if (both[1].revents != 0) {
      const int n = static_cast<int>(::recv(target, data, sizeof(data), 0));
      if (n <= 0) return;
      if (tls != nullptr ? SSL_write(tls, data, n) != n : ::send(client, data, static_cast<size_t>(n), MSG_NOSIGNAL) != n) return;
    }
  }
}

class TlsFront {
 public:
  TlsFront(const TestAuthority& authority, uint16_t target)
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free), target_(target), listener_([this](int fd) { Serve(fd); }) {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    authority.Use(context_.get());
    SSL_CTX_set_alpn_select_cb(context_.get(), &TlsFront::OnAlpn, this);
  }
  ~TlsFront() { stop_ = true; }
  uint16_t port() const { return listener_.port(); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port()); }
  int connections() const { return listener_.connections(); }
  // What a client offered last: "h2,http/1.1", or "" without ALPN.
  std::string offered() const {
    std::lock_guard lock(mutex_);
    return offered_;
  }

 private:
  static int OnAlpn(SSL*, const unsigned char**, unsigned char*, const unsigned char* in, unsigned int size, void* self) {
    std::string text;
    for (unsigned int at = 0; at < size; at += 1u + in[at])
      text += (at == 0 ? "" : ",") + std::string(reinterpret_cast<const char*>(in + at + 1), in[at]);
    auto* front = static_cast<TlsFront*>(self);
    std::lock_guard lock(front->mutex_);
    front->offered_ = text;
    return SSL_TLSEXT_ERR_NOACK;  // without an answer HTTP/1.1 is spoken
  }
  void Serve(int fd) {
    std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(tls.get(), fd);
    if (SSL_accept(tls.get()) != 1) return;
    const int target = ConnectTo(target_);
    if (target < 0) return;
    Relay(fd, tls.get(), target, stop_);
    ::close(target);
  }

  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  const uint16_t target_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::string offered_;  // guarded by mutex_
  LoopbackListener listener_;
};

// Lets CONNECT and SOCKS 5 clients through to any port of this machine.
class LoopbackProxy {
 public:
  // `user` is "name:password", or "" when everybody may come in.
  explicit LoopbackProxy(std::string user = "") : user_(std::move(user)), listener_([this](int fd) { Serve(fd); }) {}
  ~LoopbackProxy() { stop_ = true; }
  uint16_t port() const { return listener_.port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  // The hosts and ports that clients asked for, and what they said about themselves.
  std::vector<std::string> asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  static bool ReadExactly(int fd, unsigned char* to, size_t size) {
    return ::recv(fd, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  static void Say(int fd, const std::string& text) { (void)!::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }
  void Note(const std::string& what) {
    std::lock_guard lock(mutex_);
    asked_.push_back(what);
  }
  void Serve(int fd) {
    unsigned char first = 0;
    if (::recv(fd, &first, 1, MSG_PEEK) != 1) return;
    const int port = first == 5 ? Socks(fd) : Connect(fd);
    const int target = port > 0 ? ConnectTo(static_cast<uint16_t>(port)) : -1;
    if (target < 0) return;
    Relay(fd, nullptr, target, stop_);
    ::close(target);
  }
  int Connect(int fd) {
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
    const std::string place = head.substr(8, head.find(' ', 8) - 8);
    const size_t authorization = head.find("Proxy-Authorization: ");
    Note(place + (authorization == std::string::npos
                      ? ""
                      : " " + head.substr(authorization + 21, head.find('\r', authorization) - authorization - 21)));
    if (!head.starts_with("CONNECT ") || (!user_.empty() && authorization == std::string::npos)) {
      Say(fd, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
      return 0;
    }
    Say(fd, "HTTP/1.1 200 Go\r\n\r\n");
    return std::stoi(place.substr(place.rfind(':') + 1));
  }
  int Socks(int fd) {
    unsigned char head[256];
    if (!ReadExactly(fd, head, 2) || !ReadExactly(fd, head + 2, head[1])) return 0;
    Say(fd, user_.empty() ? std::string("\x05\x00", 2) : std::string("\x05\x02", 2));
    std::string said;
    if (!user_.empty()) {
      if (!ReadExactly(fd, head, 2) || !ReadExactly(fd, head + 2, head[1] + 1u)) return 0;
      said = std::string(reinterpret_cast<char*>(head + 2), head[1]);
      const size_t size = head[2 + head[1]];
      if (!ReadExactly(fd, head, size)) return 0;
      said += ":" + std::string(reinterpret_cast<char*>(head), size);
      Say(fd, said == user_ ? std::string("\x01\x00", 2) : std::string("\x01\x01", 2));
      if (said != user_) return 0;
    }
    if (!ReadExactly(fd, head, 4)) return 0;
    const bool by_name = head[3] == 3;
    size_t size = 4;
    if (by_name) {
      if (!ReadExactly(fd, head, 1)) return 0;
      size = head[0];
    }
    if (!ReadExactly(fd, head, size + 2)) return 0;
    const int port = head[size] * 256 + head[size + 1];
    Note((by_name ? std::string(reinterpret_cast<char*>(head), size) : "address") + ":" + std::to_string(port) +
         (said.empty() ? "" : " " + said));
    Say(fd, std::string("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10));
    return port;
  }

  const std::string user_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;  // guarded by mutex_
  LoopbackListener listener_;
};

}  // namespace lancefs
