// SPDX-License-Identifier: Apache-2.0
//
// What the Google Cloud Storage store makes of answers that a real server seldom gives.
#include <gtest/gtest.h>

#include "backends/auth/azure_shared_key.h"
#include "backends/gcs/gcs_store.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Request = LoopbackServer::Request;
using Answer = LoopbackServer::Answer;
using std::chrono::seconds;
using std::chrono::system_clock;

Answer Failure(int status, const std::string& code) {
  return Answer{status, {{"X-GUploader-UploadID", "UP7"}}, "<Error><Code>" + code + "</Code><Message>why not</Message></Error>"};
}

struct Fixture {
  explicit Fixture(LoopbackServer::Handler handler) : server(std::move(handler)) {
    const StorageOptions options = {{"base_url", server.url()}, {"allow_http", "true"}, {"bearer_token", "hush"}};
    GcsOptions parsed = ParseGcsOptions("b-kt", options, {}).MoveValue();
    parsed.client.retry.first_delay = std::chrono::milliseconds(1);
    parsed.client.retry.max_delay = std::chrono::milliseconds(5);
    store = MakeGcsStore(std::move(parsed), &metrics);
  }
  Result<PutOutcome> Create() { return store->PutIfAbsent("a/k", Bytes::FromString("x"), ctx); }
  Status Upload() {
    auto writer = store->OpenWriter("k", ctx);
    LANCEFS_RETURN_NOT_OK((*writer)->Write(Bytes::FromString(std::string(9'000'000, 'x')), ctx));
    return (*writer)->Finish(ctx);
  }

  LoopbackServer server;
  Metrics metrics;
  std::shared_ptr<ObjectStore> store;
  OpContext ctx;
};

TEST(GcsWire, CreationsAskForNoGeneration) {
  Fixture f([](const Request&, int number) { return number == 1 ? Answer{} : Failure(412, "PreconditionFailed"); });
  EXPECT_EQ(*f.Create(), PutOutcome::kCreated);
  EXPECT_EQ(*f.Create(), PutOutcome::kAlreadyExists);
  ASSERT_EQ(f.server.requests(), 2);
  const Request request = f.server.log()[0];
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.target, "/b%2Dkt/a%2Fk");
  EXPECT_EQ(request.headers.at("x-goog-if-generation-match"), "0");
  EXPECT_EQ(request.headers.at("authorization"), "Bearer hush");
  EXPECT_EQ(request.headers.at("content-type"), "application/octet-stream");
  EXPECT_FALSE(request.headers.contains("if-none-match"));
}

TEST(GcsWire, ALostAnswerToACreateIsNeverGuessed) {
  Fixture lost([](const Request&, int) {
    Answer answer;
    answer.drop = true;
    return answer;
  });
  EXPECT_EQ(lost.Create().status().code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(lost.server.requests(), 1) << "not sent again";
  Fixture applied([](const Request&, int number) {
    return number == 1 ? Failure(503, "ServiceUnavailable") : Failure(412, "PreconditionFailed");
  });
  EXPECT_EQ(applied.Create().status().code(), StatusCode::kUnknownOutcome);
  // Two writers at once: the service may ask one of them to come again, which says nothing of the object.
  Fixture busy([](const Request&, int number) { return number == 1 ? Failure(409, "OperationAborted") : Answer{}; });
  EXPECT_EQ(*busy.Create(), PutOutcome::kCreated);
  // More than one write a second to one name.
  Fixture fast([](const Request&, int number) { return number < 3 ? Failure(429, "TooManyRequests") : Answer{}; });
  EXPECT_TRUE(fast.store->Put("a/k", Bytes::FromString("x"), fast.ctx).ok());
  EXPECT_EQ(fast.server.requests(), 3);
}

TEST(GcsWire, ACompletionWhoseAnswerIsLostIsLookedUp) {
  // The answer is lost, the upload is gone afterwards: the object itself tells whether it was completed.
  for (const int seconds_later : {0, 1, -60}) {
    std::atomic<int> completions{0};
    const auto started = system_clock::now();
    Fixture f([&](const Request& request, int) {
      if (request.target.ends_with("uploads=")) {
        return Answer{200,
                      {{"Date", HttpDate(started)}},
                      "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"};
      }
      if (request.method == "PUT") return Answer{200, {{"ETag", "\"p\""}}, ""};
      if (request.method == "HEAD") {
        return Answer{
            200,
            {{"ETag", "\"e\""}, {"Content-Length", "9000000"}, {"Last-Modified", HttpDate(started + seconds(seconds_later))}},
            ""};
      }
      Answer answer = Failure(404, "NoSuchUpload");
      answer.drop = request.method == "POST" && ++completions == 1;
      return answer;
    });
    const Status status = f.Upload();
    EXPECT_EQ(completions, 2);
    EXPECT_EQ(status.ok(), seconds_later >= 0) << seconds_later << ": " << status.ToString();
  }
}

TEST(GcsWire, CopiesNameTheirSource) {
  Fixture f([](const Request&, int number) {
    return number == 1 ? Answer{200, {}, "<CopyObjectResult/>"} : Failure(200, "InternalErrorOfAnotherKind");
  });
  EXPECT_TRUE(f.store->Copy("a/from", "to", f.ctx).ok());
  EXPECT_EQ(f.server.log()[0].target, "/b%2Dkt/to");
  EXPECT_EQ(f.server.log()[0].headers.at("x-goog-copy-source"), "b-kt/a%2Ffrom");
  EXPECT_FALSE(f.store->Copy("a/from", "to", f.ctx).ok()) << "an error inside of a 200";
}

TEST(GcsWire, ErrorsNameTheObjectAndTheRequest) {
  Fixture f([](const Request&, int) { return Failure(403, "AccessDenied"); });
  const Status status = f.store->ReadAll("a/k", f.ctx).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "read gs://b-kt/a/k: AccessDenied (HTTP 403): why not [request id UP7]");
}

}  // namespace
}  // namespace lancefs
