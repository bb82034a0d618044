// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "backends/http/http_client.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

HttpConfig Config() {
  HttpConfig config;
  config.allow_http = true;
  config.user_agent = "lancefs/test";
  return config;
}

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

HttpResponse MustSend(const HttpClient& client, HttpRequest request) {
  const Result<HttpResponse> response = client.Send(std::move(request), OpContext()).Get(OpContext());
  EXPECT_TRUE(response.ok()) << response.status().ToString();
  return response.ok() ? *response : HttpResponse();
}

TEST(HttpClient, SendsWhatItIsGivenAndNothingElse) {
  LoopbackServer server([](const Request&, int) { return Answer{201, {{"X-Thing", "  a b "}, {"ETag", "\"x\""}}, "body"}; });
  const HttpClient client(Config());
  HttpRequest request;
  request.method = HttpMethod::kPut;
  request.url = server.url() + "/a/../b%2Fc/./d?x=%20&y";
  request.headers = {{"x-one", "1"}, {"x-empty", ""}};
  request.body = {Bytes::FromString("first "), Bytes(), Bytes::FromString(std::string(300000, 'z'))};
  const HttpResponse response = MustSend(client, std::move(request));
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body.view(), "body");
  EXPECT_EQ(response.header("x-thing"), "a b");
  EXPECT_EQ(response.header("etag"), "\"x\"");
  EXPECT_EQ(response.header("none"), "");
  const Request seen = server.log().at(0);
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.target, "/a/../b%2Fc/./d?x=%20&y");
  EXPECT_EQ(seen.body, "first " + std::string(300000, 'z'));
  EXPECT_EQ(seen.headers.at("x-one"), "1");
  EXPECT_EQ(seen.headers.at("x-empty"), "");
  EXPECT_EQ(seen.headers.at("user-agent"), "lancefs/test");
  EXPECT_EQ(seen.headers.at("content-length"), "300006");
  for (const char* unwanted : {"expect", "accept", "content-type", "accept-encoding", "transfer-encoding"}) {
    EXPECT_FALSE(seen.headers.contains(unwanted)) << unwanted;
  }
}

TEST(HttpClient, AllMethodsReachTheServer) {
  LoopbackServer server([](const Request& request, int) {
    return Answer{request.method == "DELETE" ? 204 : 200, {}, request.method == "HEAD" ? std::string(1234, 'x') : request.method};
  });
  const HttpClient client(Config());
  for (const HttpMethod method :
       {HttpMethod::kGet, HttpMethod::kHead, HttpMethod::kPut, HttpMethod::kPost, HttpMethod::kDelete}) {
    HttpRequest request = Get(server.url() + "/m");
    request.method = method;
    const HttpResponse response = MustSend(client, std::move(request));
    EXPECT_TRUE(response.ok()) << HttpMethodName(method) << " " << response.failure_text;
    if (method == HttpMethod::kHead) {
      EXPECT_EQ(response.header("content-length"), "1234");
      EXPECT_TRUE(response.body.empty());
    } else if (method != HttpMethod::kDelete) {
      EXPECT_EQ(response.body.view(), HttpMethodName(method));
    }
  }
  for (const Request& request : server.log()) {
    const bool takes_body = request.method == "PUT" || request.method == "POST";
    EXPECT_EQ(request.headers.contains("content-length"), takes_body) << request.method;
  }
  EXPECT_EQ(server.connections(), 1) << "one connection serves all";
}

TEST(HttpClient, BodiesGoStraightToTheirPlace) {
  const std::string body(100000, 'q');
  LoopbackServer server([&](const Request& request, int) {
    Answer answer{200, {}, body};
    if (request.target == "/chunked") {
      answer.raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    }
    if (request.target == "/error") answer = Answer{404, {}, "no such thing"};
    return answer;
  });
  const HttpClient client(Config());
  const HttpResponse plain = MustSend(client, Get(server.url() + "/"));
  EXPECT_EQ(plain.body.view(), body);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(plain.body.data()) % 64, 0u);
  EXPECT_EQ(MustSend(client, Get(server.url() + "/chunked")).body.view(), "hello world");

  uint8_t* data = nullptr;
  const Bytes place = Bytes::Allocate(body.size(), &data);
  HttpRequest request = Get(server.url() + "/");
  request.sink = {place.owner(), data, body.size()};
  const HttpResponse sunk = MustSend(client, request);
  EXPECT_EQ(sunk.body.data(), data);
  EXPECT_EQ(sunk.body.view(), body);
  request.url = server.url() + "/error";
  const HttpResponse error = MustSend(client, request);
  EXPECT_EQ(error.status, 404);
  EXPECT_EQ(error.body.view(), "no such thing");
  EXPECT_NE(error.body.data(), data);
  request.url = server.url() + "/";
  request.sink.size = body.size() - 1;
  EXPECT_EQ(MustSend(client, request).failure, HttpFailure::kTooLong);
  HttpRequest capped = Get(server.url() + "/");
  capped.max_body = 1000;
  EXPECT_EQ(MustSend(client, capped).failure, HttpFailure::kTooLong);
  capped.url = server.url() + "/chunked";
  capped.max_body = 8;
  EXPECT_EQ(MustSend(client, capped).failure, HttpFailure::kTooLong);
}

TEST(HttpClient, TellsFailuresApart) {
  LoopbackServer server([](const Request& request, int) {
    Answer answer{200, {{"ETag", "\"e\""}}, std::string(1000, 'x')};
    if (request.target == "/drop") answer.drop = true;
    if (request.target == "/cut") answer.send_only = 10;
    if (request.target == "/stall") answer.delay = std::chrono::milliseconds(3000);
    if (request.target == "/garbage") answer.raw = "this is no HTTP\r\n\r\n";
    return answer;
  });
  HttpConfig config = Config();
  config.timeout = std::chrono::milliseconds(300);
  const HttpClient client(config);
  EXPECT_EQ(MustSend(client, Get(server.url() + "/drop")).failure, HttpFailure::kInterrupted);
  const HttpResponse cut = MustSend(client, Get(server.url() + "/cut"));
  EXPECT_EQ(cut.failure, HttpFailure::kInterrupted);
  EXPECT_EQ(cut.status, 200);
  EXPECT_EQ(cut.header("etag"), "\"e\"");
  EXPECT_FALSE(cut.ok());
  EXPECT_EQ(MustSend(client, Get(server.url() + "/stall")).failure, HttpFailure::kTimeout);
  EXPECT_NE(MustSend(client, Get(server.url() + "/garbage")).failure, HttpFailure::kNone);
  EXPECT_EQ(MustSend(client, Get("http://127.0.0.1:1/")).failure, HttpFailure::kConnect);
  EXPECT_EQ(MustSend(client, Get("http://no-such-host.invalid/")).failure, HttpFailure::kConnect);
}

TEST(HttpClient, RefusesPlainHttpUnlessAllowed) {
  const HttpClient client{HttpConfig()};
  EXPECT_EQ(client.Send(Get("http://127.0.0.1:1/"), OpContext()).Get(OpContext()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client.Send(Get("ftp://127.0.0.1/"), OpContext()).Get(OpContext()).status().code(), StatusCode::kInvalidArgument);
  HttpRequest smuggle = Get("https://127.0.0.1:1/");
  smuggle.headers = {{"x-a", "b\r\nx-evil: 1"}};
  EXPECT_EQ(client.Send(smuggle, OpContext()).Get(OpContext()).status().code(), StatusCode::kInvalidArgument);
}

TEST(HttpClient, CancelAndDeadlineAbortTheTransfer) {
  LoopbackServer server([](const Request&, int) {
    Answer answer{200, {}, "late"};
    answer.delay = std::chrono::milliseconds(5000);
    return answer;
  });
  const HttpClient client(Config());
  OpContext ctx;
  const Future<HttpResponse> cancelled = client.Send(Get(server.url() + "/"), ctx);
  const Future<HttpResponse> late = client.Send(Get(server.url() + "/"), OpContext().WithTimeout(std::chrono::milliseconds(50)));
  const auto start = std::chrono::steady_clock::now();
  // The waits have no limit of their own: the transfers themselves must end.
  EXPECT_EQ(late.Get(OpContext()).status().code(), StatusCode::kDeadlineExceeded);
  ctx.cancel.Cancel();
  EXPECT_EQ(cancelled.Get(OpContext()).status().code(), StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(2000));
}

TEST(HttpClient, DelayedRequestsStartLaterAndCanBeCancelled) {
  LoopbackServer server([](const Request&, int) { return Answer{}; });
  const HttpClient client(Config());
  HttpRequest request = Get(server.url() + "/");
  request.delay = std::chrono::milliseconds(120);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(MustSend(client, request).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(120));
  request.delay = std::chrono::milliseconds(60000);
  OpContext ctx;
  const Future<HttpResponse> future = client.Send(request, ctx);
  ctx.cancel.Cancel();
  EXPECT_EQ(future.Get(OpContext()).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(server.requests(), 1);
}

TEST(HttpClient, LimitsWhatRunsAtOneHost) {
  LoopbackServer server([](const Request&, int) {
    Answer answer;
    answer.delay = std::chrono::milliseconds(5);
    return answer;
  });
  HttpConfig config = Config();
  config.max_parallel = 4;
  const HttpClient client(config);
  std::vector<Future<HttpResponse>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(client.Send(Get(server.url() + "/" + std::to_string(i)), OpContext()));
  for (const auto& future : futures) {
    const auto response = future.Get(OpContext());
    ASSERT_TRUE(response.ok() && (*response).ok());
  }
  EXPECT_EQ(server.requests(), 100);
  EXPECT_LE(server.most_at_once(), 4);
  EXPECT_GE(server.most_at_once(), 2);
  EXPECT_LE(server.connections(), 4);
}

// A kept-alive connection that the server has closed meanwhile: harmless requests go over a new
// one; for others it is unknown whether they were applied, so they must not be sent twice.
TEST(HttpClient, DeadConnections) {
  LoopbackServer server([](const Request& request, int number) {
    Answer answer;
    if (request.method == "PUT" && number == 2) answer.drop = true;
    return answer;
  });
  const HttpClient client(Config());
  EXPECT_TRUE(MustSend(client, Get(server.url() + "/warm")).ok());
  HttpRequest put = Get(server.url() + "/put");
  put.method = HttpMethod::kPut;
  put.body = {Bytes::FromString("content")};
  put.idempotent = false;
  EXPECT_EQ(MustSend(client, put).failure, HttpFailure::kInterrupted);
  EXPECT_EQ(server.requests(), 2) << "sent once";
}

TEST(HttpClient, GoesThroughAProxy) {
  LoopbackServer proxy([](const Request& request, int) { return Answer{200, {}, request.target}; });
  HttpConfig config = Config();
  config.proxy_url = proxy.url();
  const HttpClient client(config);
  EXPECT_EQ(MustSend(client, Get("http://store.example/a%20b?c=d")).body.view(), "http://store.example/a%20b?c=d");
  EXPECT_EQ(proxy.log().at(0).headers.at("host"), "store.example");
}

}  // namespace
}  // namespace lancefs
