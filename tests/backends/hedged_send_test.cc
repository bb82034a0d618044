// SPDX-License-Identifier: Apache-2.0
//
// Stalled answers here take longer than any test may: what ends at all has been answered by the second request.
#include "backends/cloud/hedged_send.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

constexpr std::chrono::minutes kForever{10};
constexpr std::chrono::milliseconds kDelay{50};

struct Sender {
  std::atomic<int> hedged{0};
  HedgedSender sender;

  explicit Sender(std::chrono::milliseconds delay = kDelay) : sender(Client(), delay, [this] { ++hedged; }) {}
  static std::shared_ptr<HttpClient> Client() {
    HttpConfig config;
    config.allow_http = true;
    return HttpClient::Make(config);
  }
};

struct Target {
  std::shared_ptr<std::vector<uint8_t>> memory;
  HttpRequest request;

  Target(const std::string& url, size_t size) : memory(std::make_shared<std::vector<uint8_t>>(size)) {
    request.url = url + "/x";
    request.sink = HttpSink{memory, memory->data(), memory->size()};
  }
  std::string text() const { return std::string(memory->begin(), memory->end()); }
};

std::string Body(size_t size) {
  std::string body(size, ' ');
  for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 23);
  return body;
}

TEST(HedgedSend, AnAnswerInTimeIsAskedForOnce) {
  LoopbackServer server([](const Request&, int) { return Answer{200, {}, "right"}; });
  Sender sender(kForever);
  Target target(server.url(), 5);
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok() && response->ok());
  EXPECT_EQ(target.text(), "right");
  EXPECT_EQ(server.requests(), 1);
  EXPECT_EQ(sender.hedged, 0);
}

TEST(HedgedSend, AStalledHeadIsAnsweredByTheSecond) {
  LoopbackServer server([](const Request&, int number) {
    Answer answer{200, {{"ETag", std::to_string(number)}}, "right"};
    if (number == 1) answer.delay = kForever;
    return answer;
  });
  Sender sender;
  Target target(server.url(), 5);
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok() && response->ok());
  EXPECT_EQ(response->header("etag"), "2");
  EXPECT_EQ(response->body.view(), "right");
  EXPECT_EQ(response->body.data(), target.memory->data());  // in the caller's memory, as if it had been the first
  EXPECT_EQ(server.requests(), 2);
  EXPECT_EQ(sender.hedged, 1);
}

TEST(HedgedSend, AStallInTheMiddleOfABody) {
  const std::string body = Body(300'000);
  LoopbackServer server([&](const Request&, int number) {
    Answer answer{200, {}, body};
    if (number == 1) {
      answer.body = std::string(body.size(), '!');
      answer.delay = kForever;
      answer.stall_at = 200'000;
    }
    return answer;
  });
  Sender sender;
  Target target(server.url(), body.size());
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok() && response->ok());
  EXPECT_EQ(target.text(), body);
}

TEST(HedgedSend, WithoutASinkTheBodyIsTheAnswersOwn) {
  LoopbackServer server([](const Request&, int number) {
    Answer answer{200, {}, "right"};
    if (number == 1) answer.delay = kForever;
    return answer;
  });
  Sender sender;
  HttpRequest request;
  request.url = server.url() + "/x";
  const Result<HttpResponse> response = sender.sender.Send(request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok() && response->ok());
  EXPECT_EQ(response->body.view(), "right");
}

TEST(HedgedSend, TheFirstMayStillWin) {
  LoopbackServer server([](const Request&, int number) {
    Answer answer{200, {{"ETag", std::to_string(number)}}, "right"};
    answer.delay = number == 1 ? std::chrono::milliseconds(400) : kForever;
    return answer;
  });
  Sender sender;
  Target target(server.url(), 5);
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok() && response->ok());
  EXPECT_EQ(response->header("etag"), "1");
  EXPECT_EQ(target.text(), "right");
  EXPECT_EQ(sender.hedged, 1);
}

TEST(HedgedSend, ARefusedSecondDoesNotEndTheFirst) {
  LoopbackServer server([](const Request&, int number) {
    if (number > 1) return Answer{503, {}, "slow down"};
    Answer answer{200, {}, "right"};
    answer.delay = std::chrono::milliseconds(400);
    return answer;
  });
  Sender sender;
  Target target(server.url(), 5);
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(target.text(), "right");
}

TEST(HedgedSend, AFirstThatBreaksWaitsForTheSecond) {
  LoopbackServer server([](const Request&, int number) {
    Answer answer{200, {}, "right"};
    answer.delay = std::chrono::milliseconds(number == 1 ? 300 : 700);
    answer.drop = number == 1;
    return answer;
  });
  Sender sender;
  Target target(server.url(), 5);
  target.request.idempotent = false;  // else the client below sends it again by itself
  const Result<HttpResponse> response = sender.sender.Send(target.request, OpContext()).Get(OpContext());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->failure, HttpFailure::kNone);
  EXPECT_EQ(target.text(), "right");
}

TEST(HedgedSend, CancellingEndsBoth) {
  LoopbackServer server([](const Request&, int) {
    Answer answer{200, {}, "late"};
    answer.delay = kForever;
    return answer;
  });
  Sender sender;
  Target target(server.url(), 4);
  OpContext ctx;
  const Future<HttpResponse> future = sender.sender.Send(target.request, ctx);
  while (server.requests() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ctx.cancel.Cancel();
  EXPECT_EQ(future.Get(OpContext()).status().code(), StatusCode::kCancelled);
}

TEST(HedgedSend, ASlowStoreIsNotAskedForEverythingTwice) {
  LoopbackServer server([](const Request&, int) {
    Answer answer{200, {}, "right"};
    answer.delay = std::chrono::milliseconds(150);
    return answer;
  });
  Sender sender(std::chrono::milliseconds(20));
  std::vector<Future<HttpResponse>> futures;
  std::vector<Target> targets;
  for (int i = 0; i < 100; ++i) targets.emplace_back(server.url(), 5);
  for (Target& target : targets) futures.push_back(sender.sender.Send(target.request, OpContext()));
  for (const auto& future : futures) ASSERT_TRUE(future.Get(OpContext()).ok());
  for (const Target& target : targets) EXPECT_EQ(target.text(), "right");
  EXPECT_GT(sender.hedged, 0);
  EXPECT_LE(sender.hedged, 4 + 100 / 20);
}

TEST(HedgedSend, NoDelayMeansNever) {
  LoopbackServer server([](const Request&, int) {
    Answer answer{200, {}, "right"};
    answer.delay = std::chrono::milliseconds(200);
    return answer;
  });
  Sender sender(std::chrono::milliseconds(0));
  Target target(server.url(), 5);
  ASSERT_TRUE(sender.sender.Send(target.request, OpContext()).Get(OpContext()).ok());
  EXPECT_EQ(server.requests(), 1);
}

}  // namespace
}  // namespace lancefs
