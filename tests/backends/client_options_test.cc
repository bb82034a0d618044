// SPDX-License-Identifier: Apache-2.0
//
// Every general client option, from its key to what a server, a proxy or a TLS peer sees of it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backends/http/http_client.h"
#include "backends/s3/s3_store.h"
#include "backends/store_options.h"
#include "tests/backends/loopback_server.h"
#include "tests/backends/loopback_tls.h"

namespace lancefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

Result<ClientOptions> Parse(const StorageOptions& options, const Environment& environment = {}) {
  return ParseClientOptions(OptionReader(options, environment, "aws_"));
}

// A client as the options make it; plain HTTP is allowed unless they say otherwise.
HttpClient Client(StorageOptions options, const Environment& environment = {}) {
  options.emplace("allow_http", "true");
  const Result<ClientOptions> parsed = Parse(options, environment);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return HttpClient(parsed.ok() ? parsed->http : HttpConfig());
}

HttpResponse Get(const HttpClient& client, const std::string& url) {
  HttpRequest request;
  request.url = url;
  const Result<HttpResponse> response = client.Send(std::move(request), OpContext()).Get(OpContext());
  EXPECT_TRUE(response.ok()) << response.status().ToString();
  return response.ok() ? *response : HttpResponse();
}

void ExpectServed(const HttpClient& client, const std::string& url) {
  const HttpResponse response = Get(client, url);
  EXPECT_EQ(response.status, 200) << url << ": " << response.failure_text;
}

void ExpectFailure(const HttpClient& client, const std::string& url, HttpFailure failure) {
  const HttpResponse response = Get(client, url);
  EXPECT_EQ(response.failure, failure) << url << ": " << response.failure_text;
}

LoopbackServer::Handler Fine() {
  return [](const Request&, int) { return Answer{200, {}, "fine"}; };
}

uint16_t PortOf(const LoopbackServer& server) { return static_cast<uint16_t>(std::stoi(server.url().substr(17))); }

class TextFile {
 public:
  explicit TextFile(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_ = testing::TempDir() + "client_options_" + std::to_string(::getpid()) + "_" + std::to_string(count_++);
  inline static int count_ = 0;
};

// ---- Plain HTTP and TLS -----------------------------------------------------------------------

TEST(ClientOptions, AllowHttp) {
  LoopbackServer server(Fine());
  HttpRequest request;
  request.url = server.url() + "/";
  for (const char* key : {"allow_http", "AWS_ALLOW_HTTP", "allow-http"}) {
    EXPECT_EQ(Client({{key, "false"}, {"allow_http", "false"}}).Send(request, OpContext()).Get(OpContext()).status().code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(server.requests(), 0);
  for (const char* key : {"allow_http", "AWS_ALLOW_HTTP", "allow-http"}) {
    const Result<ClientOptions> parsed = Parse({{key, "on"}});
    ASSERT_TRUE(parsed.ok());
    ExpectServed(HttpClient(parsed->http), server.url() + "/");
  }
  const Environment azure = {{"AZURE_STORAGE_USE_HTTP", "true"}};
  const Result<ClientOptions> parsed = ParseClientOptions(OptionReader({}, azure, "azure_"));
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->http.allow_http);
}

TEST(ClientOptions, Certificates) {
  LoopbackServer server(Fine());
  const TestAuthority authority;
  const TestAuthority other("other authority");
  TlsFront front(authority, PortOf(server));
  const TextFile bundle(authority.Pem());
  const TextFile wrong(other.Pem());
  const std::string url = front.url() + "/";
  ExpectFailure(Client({}), url, HttpFailure::kProtocol);
  EXPECT_EQ(server.requests(), 0);
  ExpectServed(Client({{"allow_invalid_certificates", "true"}}), url);
  ExpectServed(Client({{"ca_bundle", bundle.path()}}), url);
  ExpectServed(Client({{"ca_bundle", bundle.path()}, {"disable_system_certificates", "true"}}), url);
  ExpectServed(Client({}, {{"AWS_CA_BUNDLE", bundle.path()}}), url);
  ExpectServed(Client({}, {{"SSL_CERT_FILE", bundle.path()}}), url);
  ExpectServed(Client({}, {{"SSL_CERT_FILE", wrong.path()}, {"AWS_CA_BUNDLE", bundle.path()}}), url);
  ExpectFailure(Client({{"ca_bundle", wrong.path()}}, {{"SSL_CERT_FILE", bundle.path()}}), url, HttpFailure::kProtocol);
  // AWS' variable is for AWS.
  const Environment aws = {{"AWS_CA_BUNDLE", bundle.path()}};
  for (const char* prefix : {"azure_", "google_"}) {
    const Result<ClientOptions> parsed = ParseClientOptions(OptionReader({}, aws, prefix));
    ASSERT_TRUE(parsed.ok());
    ExpectFailure(HttpClient(parsed->http), url, HttpFailure::kProtocol);
  }
  ExpectFailure(Client({{"ca_bundle", "/no/such/file"}}), url, HttpFailure::kProtocol);
  // What one client may do opens nothing for the next.
  ExpectFailure(Client({}), url, HttpFailure::kProtocol);
  ExpectFailure(Client({{"disable_system_certificates", "true"}}), url, HttpFailure::kProtocol);
  EXPECT_EQ(server.requests(), 6);
  EXPECT_GE(front.connections(), 7) << "clients that trust others share no connections";
}

TEST(ClientOptions, SystemCertificatesCanBeSwitchedOff) {
  const Result<ClientOptions> off = Parse({{"disable_system_certificates", "yes"}});
  ASSERT_TRUE(off.ok());
  EXPECT_TRUE(off->http.disable_system_certificates);
  EXPECT_FALSE(Parse({})->http.disable_system_certificates);
}

TEST(ClientOptions, HttpVersions) {
  LoopbackServer server(Fine());
  const TestAuthority authority;
  TlsFront front(authority, PortOf(server));
  const TextFile bundle(authority.Pem());
  const std::string url = front.url() + "/";
  ExpectServed(Client({{"ca_bundle", bundle.path()}}), url);
  EXPECT_EQ(front.offered(), "http/1.1");
  ExpectServed(Client({{"ca_bundle", bundle.path()}, {"http1_only", "false"}}), url);
  EXPECT_EQ(front.offered(), "h2,http/1.1");
  ExpectServed(Client({{"ca_bundle", bundle.path()}}, {{"HTTP1_ONLY", "false"}}), url);
  EXPECT_EQ(front.offered(), "h2,http/1.1");
  // Prior knowledge: the first bytes are HTTP/2's, which this server does not understand.
  std::mutex mutex;
  std::string seen;
  LoopbackListener raw([&](int fd) {
    char bytes[24];
    const ssize_t n = ::recv(fd, bytes, sizeof(bytes), MSG_WAITALL);
    std::lock_guard lock(mutex);
    seen.assign(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  });
  Get(Client({{"http2_only", "true"}}), "http://127.0.0.1:" + std::to_string(raw.port()) + "/");
  std::lock_guard lock(mutex);
  EXPECT_EQ(seen, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

// The kernel's table of connections tells when it will probe next, in hundredths of a second.
int64_t KeepAliveTimer(uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  char remote[16];
  std::snprintf(remote, sizeof(remote), ":%04X", port);
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string word[6];
    for (std::string& w : word) words >> w;
    if (word[2].ends_with(remote) && word[3] == "01" && word[5].starts_with("02:"))
      return static_cast<int64_t>(std::stoul(word[5].substr(3), nullptr, 16));
  }
  return -1;
}

TEST(ClientOptions, Http2KeepAlive) {
  for (const bool on : {false, true}) {
    LoopbackServer server(Fine());
    StorageOptions options = {{"http1_only", "false"}};
    if (on) {
      options["http2_keep_alive_interval"] = "7s";
      options["http2_keep_alive_timeout"] = "3s";
      options["http2_keep_alive_while_idle"] = "true";
      options["http2_max_frame_size"] = "65536";
    }
    ExpectServed(Client(options), server.url() + "/");
    const int64_t timer = KeepAliveTimer(PortOf(server));
    ASSERT_GT(timer, 0);
    EXPECT_EQ(timer <= 700, on) << timer;
  }
  EXPECT_FALSE(Parse({{"http2_max_frame_size", "100"}}).ok());
  EXPECT_FALSE(Parse({{"http2_keep_alive_while_idle", "perhaps"}}).ok());
  EXPECT_FALSE(Parse({{"http2_keep_alive_timeout", "3"}}).ok());
}

// ---- Times ------------------------------------------------------------------------------------

TEST(ClientOptions, ConnectTimeout) {
  // Takes connections but never greets: TLS belongs to connecting.
  std::atomic<bool> stop{false};
  LoopbackListener silent([&](int) {
    while (!stop) std::this_thread::sleep_for(milliseconds(5));
  });
  const auto start = steady_clock::now();
  ExpectFailure(Client({{"connect_timeout", "300ms"}}), "https://127.0.0.1:" + std::to_string(silent.port()) + "/",
                HttpFailure::kConnect);
  const auto took = steady_clock::now() - start;
  stop = true;
  EXPECT_GE(took, milliseconds(280));
  EXPECT_LT(took, milliseconds(3000));
}

TEST(ClientOptions, Timeout) {
  LoopbackServer server([](const Request&, int) {
    Answer answer{200, {}, "late"};
    answer.delay = milliseconds(4000);
    return answer;
  });
  const auto start = steady_clock::now();
  ExpectFailure(Client({}, {{"TIMEOUT", "300ms"}}), server.url() + "/", HttpFailure::kTimeout);
  EXPECT_LT(steady_clock::now() - start, milliseconds(3000));
}

// A trickle is alive as long as bytes come; silence is not.
TEST(ClientOptions, ReadTimeout) {
  std::atomic<bool> stop{false};
  auto serve = [&stop](int pieces) {
    return [&stop, pieces](int fd) {
      char ignored[4096];
      (void)!::recv(fd, ignored, sizeof(ignored), 0);
      const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
      (void)!::send(fd, head.data(), head.size(), MSG_NOSIGNAL);
      for (int i = 0; i < pieces; ++i) {
        std::this_thread::sleep_for(milliseconds(120));
        (void)!::send(fd, "x", 1, MSG_NOSIGNAL);
      }
      while (!stop && pieces < 8) std::this_thread::sleep_for(milliseconds(5));
    };
  };
  {
    LoopbackListener slow(serve(8));
    ExpectServed(Client({{"read_timeout", "500ms"}}), "http://127.0.0.1:" + std::to_string(slow.port()) + "/");
  }
  LoopbackListener stuck(serve(2));
  const auto start = steady_clock::now();
  ExpectFailure(Client({{"read_timeout", "500ms"}}), "http://127.0.0.1:" + std::to_string(stuck.port()) + "/",
                HttpFailure::kTimeout);
  const auto took = steady_clock::now() - start;
  stop = true;
  EXPECT_GE(took, milliseconds(600));
  EXPECT_LT(took, milliseconds(3000));
}

// ---- The pool ---------------------------------------------------------------------------------

TEST(ClientOptions, PoolIdleTimeout) {
  LoopbackServer server(Fine());
  const HttpClient keeping = Client({{"pool_idle_timeout", "30s"}});
  ExpectServed(keeping, server.url() + "/");
  std::this_thread::sleep_for(milliseconds(1200));
  ExpectServed(keeping, server.url() + "/");
  EXPECT_EQ(server.connections(), 1);
  const HttpClient forgetting = Client({{"pool_idle_timeout", "1s"}});
  ExpectServed(forgetting, server.url() + "/");
  ExpectServed(forgetting, server.url() + "/");
  EXPECT_EQ(server.connections(), 2);
  std::this_thread::sleep_for(milliseconds(1200));
  ExpectServed(forgetting, server.url() + "/");
  EXPECT_EQ(server.connections(), 3);
  const HttpClient never = Client({{"pool_idle_timeout", "0"}});
  ExpectServed(never, server.url() + "/");
  ExpectServed(never, server.url() + "/");
  EXPECT_EQ(server.connections(), 5);
}

TEST(ClientOptions, PoolMaxIdlePerHost) {
  for (const int most : {0, 2, 8}) {
    LoopbackServer server([](const Request&, int) {
      Answer answer{200, {}, "fine"};
      answer.delay = milliseconds(100);
      return answer;
    });
    const HttpClient client = Client({{"pool_max_idle_per_host", std::to_string(most)}});
    for (int round = 0; round < 2; ++round) {
      std::vector<Future<HttpResponse>> all;
      for (int i = 0; i < 8; ++i) {
        HttpRequest request;
        request.url = server.url() + "/";
        all.push_back(client.Send(std::move(request), OpContext()));
      }
      for (auto& one : all) EXPECT_TRUE(one.Get(OpContext()).ok());
    }
    // The second round finds as many connections as could be kept.
    EXPECT_EQ(server.connections(), 16 - most);
  }
}

// ---- Proxies ----------------------------------------------------------------------------------

TEST(ClientOptions, ProxyUrlForPlainHttp) {
  LoopbackServer proxy(Fine());
  ExpectServed(Client({{"proxy_url", "http://me:p%40ss@" + proxy.url().substr(7)}}), "http://store.example/a");
  EXPECT_EQ(proxy.log().at(0).target, "http://store.example/a");
  EXPECT_EQ(proxy.log().at(0).headers.at("proxy-authorization"), "Basic bWU6cEBzcw==");
  ExpectServed(Client({}, {{"PROXY_URL", proxy.url()}}), "http://store.example/b");
  ExpectServed(Client({}, {{"HTTP_PROXY", proxy.url()}}), "http://store.example/c");
  ExpectServed(Client({}, {{"ALL_PROXY", proxy.url()}, {"NO_PROXY", "other.example"}}), "http://store.example/d");
  ExpectServed(Client({{"proxy_url", proxy.url()}}, {{"NO_PROXY", "store.example"}, {"http_proxy", "http://127.0.0.1:1"}}),
               "http://store.example/e");
  ASSERT_EQ(proxy.log().size(), 5u);
  EXPECT_FALSE(proxy.log().at(1).headers.contains("proxy-authorization"));
  EXPECT_EQ(proxy.log().at(4).target, "http://store.example/e");
}

TEST(ClientOptions, ProxyExcludes) {
  LoopbackServer server(Fine());
  const std::string nowhere = "http://127.0.0.1:1";
  const std::string url = server.url() + "/";
  const std::string by_name = "http://localhost:" + std::to_string(PortOf(server)) + "/";
  ExpectFailure(Client({{"proxy_url", nowhere}}), url, HttpFailure::kConnect);
  ExpectFailure(Client({{"proxy_url", nowhere}, {"proxy_excludes", "example.org,10.0.0.0/8,127.0.0.2"}}), url,
                HttpFailure::kConnect);
  EXPECT_EQ(server.requests(), 0);
  for (const char* excludes : {"127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "*", "example.org,127.0.0.0/30"})
    ExpectServed(Client({{"proxy_url", nowhere}, {"proxy_excludes", excludes}}), url);
  for (const char* excludes : {"localhost", "example.org, localhost"})
    ExpectServed(Client({{"proxy_url", nowhere}, {"proxy_excludes", excludes}}), by_name);
  ExpectServed(Client({}, {{"HTTP_PROXY", nowhere}, {"NO_PROXY", "127.0.0.1"}}), url);
  // A domain stands for all below it, but for no other that ends alike.
  LoopbackServer proxy(Fine());
  const StorageOptions options = {{"proxy_url", proxy.url()}, {"proxy_excludes", "example.org"}};
  ExpectServed(Client(options), "http://not-example.org/");
  EXPECT_EQ(proxy.requests(), 1);
  Get(Client({{"proxy_url", proxy.url()}, {"proxy_excludes", "invalid"}}), "http://below.invalid/");
  EXPECT_EQ(proxy.requests(), 1) << "went to the (missing) host itself";
}

TEST(ClientOptions, TunnelsThroughAProxy) {
  LoopbackServer server(Fine());
  const TestAuthority authority;
  TlsFront front(authority, PortOf(server));
  const TextFile bundle(authority.Pem());
  LoopbackProxy proxy("me:secret word");
  const std::string url = front.url() + "/";
  const std::string place = "127.0.0.1:" + std::to_string(front.port());
  ExpectServed(Client({{"ca_bundle", bundle.path()}, {"proxy_url", "http://me:secret%20word@" + proxy.address()}}), url);
  ASSERT_EQ(proxy.asked().size(), 1u);
  EXPECT_EQ(proxy.asked()[0], place + " Basic bWU6c2VjcmV0IHdvcmQ=");
  EXPECT_FALSE(server.log().at(0).headers.contains("proxy-authorization"));
  // A tunnel that a password opened serves nobody who does not know it.
  const HttpResponse refused = Get(Client({{"ca_bundle", bundle.path()}, {"proxy_url", "http://" + proxy.address()}}), url);
  EXPECT_EQ(refused.failure, HttpFailure::kProtocol);
  EXPECT_NE(refused.failure_text.find("407"), std::string::npos) << refused.failure_text;
  ExpectServed(Client({{"ca_bundle", bundle.path()}}, {{"HTTPS_PROXY", "http://me:secret%20word@" + proxy.address()}}), url);
  ExpectServed(Client({{"ca_bundle", bundle.path()}}, {{"HTTP_PROXY", "http://127.0.0.1:1"}}), url);
  EXPECT_EQ(proxy.asked().size(), 3u);
}

TEST(ClientOptions, SocksProxy) {
  LoopbackServer server(Fine());
  const std::string port = std::to_string(PortOf(server));
  LoopbackProxy open;
  ExpectServed(Client({{"proxy_url", "socks5://" + open.address()}}), server.url() + "/");
  ExpectServed(Client({{"proxy_url", "socks5h://" + open.address()}}), "http://localhost:" + port + "/");
  EXPECT_EQ(open.asked(), (std::vector<std::string>{"address:" + port, "localhost:" + port}));
  LoopbackProxy closed("me:word");
  ExpectServed(Client({{"proxy_url", "socks5://me:word@" + closed.address()}}), server.url() + "/");
  EXPECT_EQ(closed.asked().back(), "address:" + port + " me:word");
  const HttpResponse refused = Get(Client({{"proxy_url", "socks5://me:hunter2@" + closed.address()}}), server.url() + "/");
  EXPECT_EQ(refused.failure, HttpFailure::kProtocol);
  EXPECT_EQ(refused.failure_text.find("hunter2"), std::string::npos) << refused.failure_text;
  EXPECT_EQ(server.requests(), 3);
}

TEST(ClientOptions, ProxyCaCertificate) {
  LoopbackServer server(Fine());
  const TestAuthority authority;
  const TestAuthority other("other authority");
  LoopbackProxy plain;
  TlsFront proxy(authority, plain.port());  // an HTTPS proxy
  const std::string proxy_url = "https://" + proxy.url().substr(8);
  // The certificate may stand in one line.
  std::string pem = authority.Pem();
  for (size_t at = 0; (at = pem.find('\n', at)) != std::string::npos; at += 2) pem.replace(at, 1, "\\n");
  TlsFront store(authority, PortOf(server));
  ExpectFailure(Client({{"proxy_url", proxy_url}}), store.url() + "/", HttpFailure::kProtocol);
  ExpectFailure(Client({{"proxy_url", proxy_url}, {"proxy_ca_certificate", other.Pem()}}), store.url() + "/",
                HttpFailure::kProtocol);
  ExpectServed(Client({{"proxy_url", proxy_url}, {"proxy_ca_certificate", pem}}), store.url() + "/");
  // It is trusted for the store, too, beside a named bundle, but only where a proxy is named.
  TlsFront foreign(other, PortOf(server));
  const TextFile bundle(other.Pem());
  ExpectServed(Client({{"proxy_url", proxy_url}, {"proxy_ca_certificate", pem}, {"ca_bundle", bundle.path()}}),
               foreign.url() + "/");
  ExpectFailure(Client({{"proxy_ca_certificate", pem}}), store.url() + "/", HttpFailure::kProtocol);
  EXPECT_EQ(server.requests(), 2);
  const Status path = Parse({{"proxy_url", proxy_url}, {"proxy_ca_certificate", "/etc/ssl/ca.pem"}}).status();
  EXPECT_NE(path.message().find("proxy_ca_certificate"), std::string::npos) << path.ToString();
}

TEST(ClientOptions, BadProxiesAreRefusedWithoutShowingThem) {
  for (const char* url : {"ftp://me:hunter2@host", "http://me:hunter2@", "http://me:hunter2@:80", "http://me:hunter2@host:port",
                          "http://me:hunter2@ho st", "http://me:hunter2@host:123456", "hunter2 "}) {
    for (const bool in_environment : {false, true}) {
      const Status status = in_environment ? Parse({}, {{"HTTPS_PROXY", url}}).status() : Parse({{"proxy_url", url}}).status();
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << url;
      EXPECT_NE(status.message().find("proxy_url"), std::string::npos);
      EXPECT_EQ(status.message().find("hunter2"), std::string::npos) << status.ToString();
    }
  }
  for (const char* url : {"host", "host:3128", "http://host", "https://me:pw@host:1/", "socks5h://[::1]:1080", "http://[::1]"})
    EXPECT_TRUE(Parse({{"proxy_url", url}}).ok()) << url;
}

// ---- What requests say ------------------------------------------------------------------------

TEST(ClientOptions, UserAgent) {
  LoopbackServer server(Fine());
  ExpectServed(Client({}), server.url() + "/");
  ExpectServed(Client({{"user_agent", "mine/2 (x)"}}), server.url() + "/");
  ExpectServed(Client({}, {{"USER_AGENT", "bare/1"}}), server.url() + "/");
  EXPECT_EQ(server.log().at(0).headers.at("user-agent").rfind("lancefs/", 0), 0u);
  EXPECT_EQ(server.log().at(1).headers.at("user-agent"), "mine/2 (x)");
  EXPECT_EQ(server.log().at(2).headers.at("user-agent"), "bare/1");
}

TEST(ClientOptions, HeadersAndContentTypeOfAStore) {
  LoopbackServer server([](const Request&, int) { return Answer{200, {{"ETag", "\"e\""}}, ""}; });
  const StorageOptions options = {{"aws_endpoint", server.url()},
                                  {"access_key_id", "AK"},
                                  {"secret_access_key", "SK"},
                                  {"allow_http", "true"},
                                  {"region", "r"},
                                  {"headers.X-Team", "two  words"},
                                  {"Headers.x-other", "1"},
                                  {"default_content_type", "application/x-lance"}};
  Result<S3Options> parsed = ParseS3Options("bucket", options, {});
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  const auto store = MakeS3Store(*parsed);
  ASSERT_TRUE(store->Put("a", Bytes::FromString("x"), OpContext()).ok());
  const Request seen = server.log().back();
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.headers.at("content-type"), "application/x-lance");
  EXPECT_EQ(seen.headers.at("x-team"), "two  words");
  EXPECT_EQ(seen.headers.at("x-other"), "1");
  EXPECT_NE(seen.headers.at("authorization").find("x-other;x-team"), std::string::npos) << "they are signed";
}

// ---- Two stores at once -----------------------------------------------------------------------

TEST(ClientOptions, ClientsOfOneKindShareConnectionsOthersDoNot) {
  LoopbackServer server(Fine());
  for (int i = 0; i < 3; ++i) ExpectServed(Client({{"user_agent", "a/" + std::to_string(i)}, {"timeout", "9s"}}), server.url());
  EXPECT_EQ(server.connections(), 1);
  ExpectServed(Client({{"allow_invalid_certificates", "true"}}), server.url());
  EXPECT_EQ(server.connections(), 2);
  ExpectServed(Client({{"proxy_url", server.url()}}), server.url());
  EXPECT_EQ(server.connections(), 3);
}

}  // namespace
}  // namespace lancefs
