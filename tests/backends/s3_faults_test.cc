// SPDX-License-Identifier: Apache-2.0
//
// The S3 store against a server that lies, forgets and breaks off.
#include <gtest/gtest.h>

#include <set>

#include "backends/s3/s3_store.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

const std::string kObject = "0123456789abcdefghij";

// What a correct server answers to a GET of kObject.
Answer Serve(const Request& request, const std::string& etag = "\"e1\"") {
  Answer answer{200, {{"ETag", etag}}, kObject};
  const auto range = request.headers.find("range");
  if (range == request.headers.end()) return answer;
  size_t first = 0;
  size_t last = kObject.size() - 1;
  const std::string text = range->second.substr(6);
  if (text[0] == '-') {
    first = kObject.size() - std::min<size_t>(kObject.size(), std::stoul(text.substr(1)));
  } else {
    first = std::stoul(text);
    last = std::min(last, static_cast<size_t>(std::stoul(text.substr(text.find('-') + 1))));
  }
  if (first >= kObject.size()) return Answer{416, {}, "<Error><Code>InvalidRange</Code></Error>"};
  answer.status = 206;
  answer.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/20");
  answer.body = kObject.substr(first, last - first + 1);
  return answer;
}

Answer Failure(int status, const std::string& code) {
  return Answer{status, {{"x-amz-request-id", "REQ7"}}, "<Error><Code>" + code + "</Code><Message>why not</Message></Error>"};
}

struct Fixture {
  explicit Fixture(LoopbackServer::Handler handler, StorageOptions options = {}, bool probe = false)
      : server(std::move(handler)) {
    options.insert(
        {{"endpoint", server.url()}, {"allow_http", "true"}, {"access_key_id", "AK"}, {"secret_access_key", "SECRET"}});
    S3Options parsed = ParseS3Options("bkt", options, {}).MoveValue();
    parsed.client.retry.first_delay = std::chrono::milliseconds(1);
    parsed.client.retry.max_delay = std::chrono::milliseconds(5);
    parsed.probe_conditional_put = probe;
    store = MakeS3Store(std::move(parsed), &metrics);
  }
  uint64_t count(const std::string& kind) { return metrics.counter("lancefs_store_" + kind + "_total"); }

  LoopbackServer server;
  Metrics metrics;
  std::shared_ptr<ObjectStore> store;
  OpContext ctx;
};

TEST(S3Faults, ServerErrorsAreTriedAgain) {
  for (const int status : {500, 502, 503, 429, 408}) {
    Fixture f([&](const Request& request, int number) { return number <= 2 ? Failure(status, "SlowDown") : Serve(request); });
    const auto read = f.store->ReadRanges("k", {{2, 5}}, f.ctx);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ((*read)[0].view(), "23456");
    EXPECT_EQ(f.server.requests(), 3);
    EXPECT_EQ(f.count("get_requests"), 3u);
    EXPECT_EQ(f.count("retries"), 2u);
  }
}

TEST(S3Faults, RetriesEnd) {
  Fixture f([](const Request&, int) { return Failure(503, "SlowDown"); }, {{"client_max_retries", "3"}});
  const Status status = f.store->ReadAll("some/key", f.ctx).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "read s3://bkt/some/key: SlowDown (HTTP 503): why not [request id REQ7]");
  EXPECT_EQ(f.server.requests(), 4);
}

TEST(S3Faults, OtherRefusalsAreFinal) {
  const std::vector<std::pair<int, StatusCode>> table = {
      {400, StatusCode::kIoError},  {401, StatusCode::kUnauthenticated}, {403, StatusCode::kPermissionDenied},
      {404, StatusCode::kNotFound}, {416, StatusCode::kCorruption},      {501, StatusCode::kNotSupported},
      {302, StatusCode::kIoError}};
  for (const auto& [status, code] : table) {
    Fixture f([status = status](const Request&, int) { return Failure(status, "Whatever"); });
    EXPECT_EQ(f.store->ReadRanges("k", {{0, 1}}, f.ctx).status().code(), code) << status;
    EXPECT_EQ(f.server.requests(), 1) << status;
  }
}

TEST(S3Faults, BrokenBodiesAreReadAgain) {
  Fixture f([](const Request& request, int number) {
    Answer answer = Serve(request);
    if (number == 1) answer.send_only = 3;
    if (number == 2) answer.drop = true;
    return answer;
  });
  const auto read = f.store->ReadRanges("k", {{2, 10}}, f.ctx);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ((*read)[0].view(), "23456789ab");
  EXPECT_EQ(f.server.requests(), 3);
}

TEST(S3Faults, BrokenBodiesAreReadAgainSoOften) {
  const auto broken_twice = [](const Request& request, int number) {
    Answer answer = Serve(request);
    if (number <= 2) answer.send_only = 3;
    return answer;
  };
  Fixture enough(broken_twice, {{"download_retry_count", "2"}});
  EXPECT_TRUE(enough.store->ReadRanges("k", {{2, 10}}, enough.ctx).ok());
  EXPECT_EQ(enough.server.requests(), 3);
  Fixture once(broken_twice, {{"download_retry_count", "1"}});
  EXPECT_EQ(once.store->ReadRanges("k", {{2, 10}}, once.ctx).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(once.server.requests(), 2);
  // Answers that did not begin are another matter.
  Fixture busy([](const Request& request, int number) { return number <= 2 ? Failure(503, "SlowDown") : Serve(request); },
               {{"download_retry_count", "0"}});
  EXPECT_TRUE(busy.store->ReadRanges("k", {{2, 10}}, busy.ctx).ok());
}

TEST(S3Faults, BlockSizeJoinsReads) {
  const auto requests = [](const StorageOptions& options) {
    Fixture f([](const Request& request, int) { return Serve(request); }, options);
    const auto read = f.store->ReadRanges("k", {{0, 2}, {5, 2}, {15, 2}}, f.ctx);
    EXPECT_TRUE(read.ok() && (*read)[2].view() == kObject.substr(15, 2)) << read.status().ToString();
    return f.server.requests();
  };
  EXPECT_EQ(requests({}), 1);
  EXPECT_EQ(requests({{"block_size", "4"}}), 2);
  EXPECT_EQ(requests({{"Block_Size", "0"}}), 3);
  std::string range;
  Fixture f(
      [&](const Request& request, int) {
        range = request.headers.at("range");
        return Serve(request);
      },
      {{"block_size", "200000"}});
  EXPECT_EQ(f.store->traits().tail_guess, 200000u);
  EXPECT_TRUE(f.store->ReadTail("k", f.store->traits().tail_guess, f.ctx).ok());
  EXPECT_EQ(range, "bytes=-200000");
  EXPECT_FALSE(ParseS3Options("bkt", {{"block_size", "64KiB"}}, {}).ok());
}

TEST(S3Faults, AnObjectThatChangesUnderARetryIsAnError) {
  Fixture f([](const Request& request, int number) {
    Answer answer = Serve(request, number == 1 ? "\"e1\"" : "\"e2\"");
    if (number == 1) answer.send_only = 3;
    return answer;
  });
  EXPECT_EQ(f.store->ReadAll("k", f.ctx).status().code(), StatusCode::kStale);
}

TEST(S3Faults, RangesOfOneReadMustComeFromOneObject) {
  Fixture f([](const Request& request, int number) { return Serve(request, number == 1 ? "\"e1\"" : "\"e2\""); });
  // Too far apart for one request in an object that claims to be large enough.
  Fixture g([](const Request& request, int number) {
    const size_t first = std::stoul(request.headers.at("range").substr(6));
    return Answer{206,
                  {{"ETag", number == 1 ? "\"e1\"" : "\"e2\""},
                   {"Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(first) + "/1000000"}},
                  "x"};
  });
  EXPECT_EQ(g.store->ReadRanges("k", {{0, 1}, {900000, 1}}, g.ctx).status().code(), StatusCode::kStale);
}

TEST(S3Faults, WrongRangesAreNeverTakenForTheRightOnes) {
  struct Lie {
    const char* name;
    int status;
    std::string content_range;
    std::string body;
  };
  const std::vector<Lie> lies = {
      {"whole object", 200, "", kObject},
      {"whole object of the length asked for", 200, "", "01234"},
      {"another range", 206, "bytes 3-7/20", "34567"},
      {"no content-range", 206, "", "23456"},
      {"garbage content-range", 206, "bytes x-y/z", "23456"},
      {"negative content-range", 206, "bytes 2--6/20", "23456"},
      {"short body", 206, "bytes 2-6/20", "234"},
      {"long body", 206, "bytes 2-6/20", "2345678"},
      {"shorter range", 206, "bytes 2-5/20", "2345"},
      {"no content", 204, "", ""},
      {"multipart", 206, "", "--b\r\n"},
  };
  for (const Lie& lie : lies) {
    Fixture f([&](const Request&, int) {
      Answer answer{lie.status, {}, lie.body};
      if (!lie.content_range.empty()) answer.headers.emplace_back("Content-Range", lie.content_range);
      return answer;
    });
    const auto read = f.store->ReadRanges("k", {{2, 5}}, f.ctx);
    EXPECT_FALSE(read.ok()) << lie.name;
    EXPECT_EQ(f.server.requests(), 1) << lie.name;
  }
}

TEST(S3Faults, TailsAreChecked) {
  const std::vector<Answer> lies = {
      Answer{206, {{"Content-Range", "bytes 10-14/20"}}, "abcde"}, Answer{206, {{"Content-Range", "bytes 14-19/20"}}, "efghij"},
      Answer{206, {{"Content-Range", "bytes 15-19/20"}}, "fghi"}, Answer{206, {}, "fghij"}, Answer{200, {}, kObject}};
  for (const Answer& lie : lies) {
    Fixture f([&](const Request&, int) { return lie; });
    EXPECT_FALSE(f.store->ReadTail("k", 5, f.ctx).ok()) << lie.body;
  }
  Fixture honest([](const Request& request, int) { return Serve(request); });
  EXPECT_EQ((*honest.store->ReadTail("k", 5, honest.ctx)).bytes.view(), "fghij");
  EXPECT_EQ((*honest.store->ReadTail("k", 500, honest.ctx)).bytes.view(), kObject);
  // Servers that answer 416 for an empty object cost one HEAD more.
  Fixture empty([](const Request& request, int) { return request.method == "HEAD" ? Answer{} : Failure(416, "InvalidRange"); });
  const auto tail = empty.store->ReadTail("k", 5, empty.ctx);
  ASSERT_TRUE(tail.ok()) << tail.status().ToString();
  EXPECT_EQ((*tail).object_size, 0u);
}

TEST(S3Faults, CreateSaysWhoWon) {
  Fixture created([](const Request&, int) { return Answer{}; });
  EXPECT_EQ(*created.store->PutIfAbsent("k", Bytes::FromString("x"), created.ctx), PutOutcome::kCreated);
  const Request seen = created.server.log().at(0);
  EXPECT_EQ(seen.headers.at("if-none-match"), "*");
  EXPECT_NE(seen.headers.at("authorization").find("if-none-match"), std::string::npos) << "signed";
  Fixture exists([](const Request&, int) { return Failure(412, "PreconditionFailed"); });
  EXPECT_EQ(*exists.store->PutIfAbsent("k", Bytes::FromString("x"), exists.ctx), PutOutcome::kAlreadyExists);
  EXPECT_EQ(exists.server.requests(), 1);
}

TEST(S3Faults, AConflictingCreateIsTriedAgain) {
  Fixture winner([](const Request&, int number) { return number == 1 ? Failure(409, "ConditionalRequestConflict") : Answer{}; });
  EXPECT_EQ(*winner.store->PutIfAbsent("k", Bytes::FromString("x"), winner.ctx), PutOutcome::kCreated);
  Fixture loser([](const Request&, int number) {
    return number == 1 ? Failure(409, "ConditionalRequestConflict") : Failure(412, "PreconditionFailed");
  });
  EXPECT_EQ(*loser.store->PutIfAbsent("k", Bytes::FromString("x"), loser.ctx), PutOutcome::kAlreadyExists);
  Fixture always([](const Request&, int) { return Failure(409, "ConditionalRequestConflict"); }, {{"client_max_retries", "2"}});
  EXPECT_EQ(*always.store->PutIfAbsent("k", Bytes::FromString("x"), always.ctx), PutOutcome::kAlreadyExists);
  EXPECT_EQ(always.server.requests(), 3);
}

TEST(S3Faults, ALostAnswerToACreateIsNeverGuessed) {
  Fixture lost([](const Request&, int) {
    Answer answer;
    answer.drop = true;
    return answer;
  });
  EXPECT_EQ(lost.store->PutIfAbsent("k", Bytes::FromString("x"), lost.ctx).status().code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(lost.server.requests(), 1) << "not sent again";
  // Applied, answered 500, tried again, refused: it may be our own object.
  Fixture applied([](const Request&, int number) {
    return number == 1 ? Failure(500, "InternalError") : Failure(412, "PreconditionFailed");
  });
  EXPECT_EQ(applied.store->PutIfAbsent("k", Bytes::FromString("x"), applied.ctx).status().code(), StatusCode::kUnknownOutcome);
  Fixture fine([](const Request&, int number) { return number == 1 ? Failure(503, "SlowDown") : Answer{}; });
  EXPECT_EQ(*fine.store->PutIfAbsent("k", Bytes::FromString("x"), fine.ctx), PutOutcome::kCreated);
  // The same over a connection that was used before, where HTTP libraries like to repeat requests.
  Fixture reused([](const Request& request, int) {
    Answer answer = Serve(request);
    answer.drop = request.method == "PUT";
    return answer;
  });
  ASSERT_TRUE(reused.store->ReadAll("k", reused.ctx).ok());
  EXPECT_EQ(reused.store->PutIfAbsent("k", Bytes::FromString("x"), reused.ctx).status().code(), StatusCode::kUnknownOutcome);
  EXPECT_EQ(reused.server.requests(), 2);
  // A cancelled wait leaves the outcome open, too.
  Fixture slow([](const Request&, int) {
    Answer answer;
    answer.delay = std::chrono::seconds(5);
    return answer;
  });
  const OpContext late = OpContext().WithTimeout(std::chrono::milliseconds(50));
  EXPECT_EQ(slow.store->PutIfAbsent("k", Bytes::FromString("x"), late).status().code(), StatusCode::kUnknownOutcome);
}

TEST(S3Faults, StoresWithoutRealConditionsAreRefused) {
  Fixture liar([](const Request& request, int) { return Answer{request.method == "DELETE" ? 204 : 200, {}, ""}; }, {}, true);
  for (int i = 0; i < 2; ++i) {
    const Status status = liar.store->PutIfAbsent("t/k", Bytes::FromString("x"), liar.ctx).status();
    EXPECT_EQ(status.code(), StatusCode::kNotSupported);
    EXPECT_NE(status.message().find("If-None-Match"), std::string::npos) << status.ToString();
  }
  EXPECT_EQ(liar.server.requests(), 3) << "probed once";
  for (const Request& request : liar.server.log()) EXPECT_TRUE(request.target.starts_with("/bkt/t/k%23probe-")) << request.target;
  EXPECT_EQ(liar.server.log().back().method, "DELETE");
  std::set<std::string> names;
  std::mutex mutex;
  Fixture honest(
      [&](const Request& request, int) {
        std::lock_guard lock(mutex);
        if (request.method == "DELETE") return Answer{204, {}, ""};
        return names.insert(request.target).second ? Answer{} : Failure(412, "PreconditionFailed");
      },
      {}, true);
  EXPECT_EQ(*honest.store->PutIfAbsent("a", Bytes::FromString("x"), honest.ctx), PutOutcome::kCreated);
  EXPECT_EQ(*honest.store->PutIfAbsent("b", Bytes::FromString("x"), honest.ctx), PutOutcome::kCreated);
  EXPECT_EQ(*honest.store->PutIfAbsent("b", Bytes::FromString("x"), honest.ctx), PutOutcome::kAlreadyExists);
  EXPECT_EQ(honest.server.requests(), 6);
  EXPECT_EQ(honest.count("requests"), 3u) << "the probe is not counted";
}

TEST(S3Faults, PlainPutsAndDeletesAreRepeated) {
  Fixture f([](const Request& request, int number) {
    Answer answer{request.method == "DELETE" ? 204 : 200, {}, ""};
    answer.drop = number == 1 || number == 3;
    return answer;
  });
  EXPECT_TRUE(f.store->Put("k", Bytes::FromString("x"), f.ctx).ok());
  EXPECT_TRUE(f.store->Delete("k", f.ctx).ok());
  EXPECT_EQ(f.server.requests(), 4);
}

TEST(S3Faults, NobodyAtHome) {
  StorageOptions options = {{"endpoint", "http://127.0.0.1:1"},
                            {"allow_http", "true"},
                            {"access_key_id", "a"},
                            {"secret_access_key", "b"},
                            {"client_max_retries", "1"}};
  const auto store = MakeS3Store(*ParseS3Options("bkt", options, {}));
  const Status status = store->PutIfAbsent("k", Bytes::FromString("x"), OpContext()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << "nothing was sent: " << status.ToString();
}

TEST(S3Faults, ListingsFollowTheirPages) {
  const std::string head = "<ListBucketResult>";
  Fixture f([&](const Request& request, int number) {
    if (number == 2) return Failure(503, "SlowDown");
    std::string page = head;
    const bool second = request.target.find("continuation-token=t%2F1%2B") != std::string::npos;
    if (!second)
      page +=
          "<IsTruncated>true</IsTruncated><NextContinuationToken>t/1+</NextContinuationToken><Contents><Key>p/a</Key><Size>1</"
          "Size></Contents>";
    if (second) page += "<IsTruncated>false</IsTruncated><Contents><Key>p/b</Key><Size>2</Size></Contents>";
    return Answer{200, {}, page + "</ListBucketResult>"};
  });
  const auto list = f.store->List({"p/"}, f.ctx);
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  ASSERT_EQ((*list).objects.size(), 2u);
  EXPECT_EQ((*list).objects[1].path, "p/b");
  EXPECT_EQ(f.count("list_requests"), 3u);
  EXPECT_EQ(f.server.log().at(0).target, "/bkt?delimiter=%2F&list-type=2&prefix=p%2F");
  Fixture circle([&](const Request&, int) {
    return Answer{
        200, {}, head + "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>"};
  });
  EXPECT_EQ(circle.store->List({""}, circle.ctx).status().code(), StatusCode::kCorruption);
  Fixture garbage([&](const Request&, int) { return Answer{200, {}, "<html>login</html>"}; });
  EXPECT_EQ(garbage.store->List({""}, garbage.ctx).status().code(), StatusCode::kCorruption);
}

// A multipart upload of two parts whose completion goes as `complete` says.
Answer Multipart(const Request& request, const std::function<Answer()>& complete) {
  if (request.method == "POST" && request.target.ends_with("?uploads=")) {
    return Answer{200, {}, "<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>"};
  }
  if (request.method == "PUT") return Answer{200, {{"ETag", "\"p\""}}, ""};
  if (request.method == "POST") return complete();
  if (request.method == "HEAD") return Answer{200, {{"ETag", "\"abc-2\""}, {"Content-Length", "9000000"}}, ""};
  return Answer{204, {}, ""};
}

Status Upload(Fixture* f) {
  auto writer = f->store->OpenWriter("k", f->ctx);
  LANCEFS_RETURN_NOT_OK((*writer)->Write(Bytes::FromString(std::string(9000000, 'x')), f->ctx));
  return (*writer)->Finish(f->ctx);
}

TEST(S3Faults, CompletionsThatFail) {
  std::atomic<int> completions{0};
  Fixture busy([&](const Request& request, int) {
    return Multipart(request, [&] {
      return ++completions == 1 ? Failure(200, "InternalError") : Answer{200, {}, "<CompleteMultipartUploadResult/>"};
    });
  });
  EXPECT_TRUE(Upload(&busy).ok()) << "a 200 with an error inside is tried again";
  EXPECT_EQ(completions, 2);
  const std::string document = busy.server.log().back().body;
  EXPECT_NE(document.find("<Part><PartNumber>2</PartNumber><ETag>&quot;p&quot;</ETag></Part>"), std::string::npos) << document;

  Fixture refused([&](const Request& request, int) { return Multipart(request, [] { return Failure(200, "InvalidPart"); }); });
  EXPECT_FALSE(Upload(&refused).ok());
  EXPECT_EQ(refused.server.log().back().method, "DELETE") << "what was sent is dropped";
  EXPECT_EQ(refused.server.log().back().target, "/bkt/k?uploadId=u%201");

  // The answer is lost, the upload is gone afterwards: the object itself tells that it was completed.
  completions = 0;
  Fixture lost([&](const Request& request, int) {
    return Multipart(request, [&] {
      Answer answer = Failure(404, "NoSuchUpload");
      answer.drop = ++completions == 1;
      return answer;
    });
  });
  const Status status = Upload(&lost);
  EXPECT_TRUE(status.ok()) << status.ToString();
  Fixture never([&](const Request& request, int) { return Multipart(request, [] { return Failure(404, "NoSuchUpload"); }); });
  EXPECT_EQ(Upload(&never).code(), StatusCode::kNotFound);
}

TEST(S3Faults, FailedPartsFailTheWriter) {
  Fixture f([&](const Request& request, int) {
    if (request.method == "PUT" && request.target.find("partNumber=2") != std::string::npos) return Failure(403, "AccessDenied");
    return Multipart(request, [] { return Answer{}; });
  });
  const Status status = Upload(&f);
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_NE(status.message().find("part 2"), std::string::npos) << status.ToString();
  EXPECT_EQ(f.server.log().back().method, "DELETE");
}

TEST(S3Faults, LearnsFromRefusals) {
  Fixture region([](const Request& request, int) {
    if (request.headers.at("authorization").find("/eu-7/s3/") != std::string::npos) return Serve(request);
    return Answer{400, {}, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-7</Region></Error>"};
  });
  EXPECT_TRUE(region.store->ReadAll("k", region.ctx).ok());
  EXPECT_TRUE(region.store->ReadAll("k", region.ctx).ok());
  EXPECT_EQ(region.server.requests(), 3);
  Fixture redirect([](const Request& request, int) {
    if (request.headers.at("authorization").find("/eu-8/s3/") != std::string::npos) return Serve(request);
    return Answer{301, {{"x-amz-bucket-region", "eu-8"}}, ""};
  });
  EXPECT_TRUE(redirect.store->ReadAll("k", redirect.ctx).ok());
  Fixture clock([](const Request& request, int) {
    if (request.headers.at("x-amz-date").starts_with("20300101T0000")) return Serve(request);
    return Answer{403, {{"Date", "Tue, 01 Jan 2030 00:00:10 GMT"}}, "<Error><Code>RequestTimeTooSkewed</Code></Error>"};
  });
  EXPECT_TRUE(clock.store->ReadAll("k", clock.ctx).ok());
  EXPECT_EQ(clock.server.requests(), 2);
  Fixture stubborn([](const Request&, int) {
    return Answer{403, {{"Date", "Tue, 01 Jan 2030 00:00:10 GMT"}}, "<Error><Code>RequestTimeTooSkewed</Code></Error>"};
  });
  EXPECT_EQ(stubborn.store->ReadAll("k", stubborn.ctx).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(stubborn.server.requests(), 2) << "each lesson once";
  Fixture expired([](const Request&, int) { return Failure(400, "ExpiredToken"); });
  EXPECT_EQ(expired.store->ReadAll("k", expired.ctx).status().code(), StatusCode::kUnauthenticated);
}

TEST(S3Faults, HeadersOfEncryptionAndTokens) {
  auto answer = [](const Request& request, int) {
    if (request.method == "GET") return Serve(request);
    return Multipart(request, [] { return Answer{}; });
  };
  Fixture kms(
      answer,
      {{"server_side_encryption", "aws:kms"}, {"sse_kms_key_id", "key-1"}, {"sse_bucket_key_enabled", "true"}, {"token", "TOK"}});
  ASSERT_TRUE(kms.store->ReadAll("k", kms.ctx).ok());
  ASSERT_TRUE(Upload(&kms).ok());
  const std::string kHeader = "x-amz-server-side-encryption";
  for (const Request& request : kms.server.log()) {
    const bool create = request.target.ends_with("?uploads=");
    EXPECT_EQ(request.headers.contains(kHeader), create) << request.method << request.target;
    EXPECT_EQ(request.headers.contains(kHeader + "-aws-kms-key-id"), create);
    EXPECT_EQ(request.headers.contains(kHeader + "-bucket-key-enabled"), create);
    EXPECT_EQ(request.headers.at("x-amz-security-token"), "TOK");
    EXPECT_NE(request.headers.at("authorization").find("x-amz-security-token"), std::string::npos);
  }
  Fixture customer(
      answer, {{"server_side_encryption", "sse-c"}, {"sse_customer_key_base64", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}});
  ASSERT_TRUE(customer.store->ReadAll("k", customer.ctx).ok());
  ASSERT_TRUE(customer.store->Head("k", customer.ctx).ok());
  ASSERT_TRUE(Upload(&customer).ok());
  for (const Request& request : customer.server.log())
    EXPECT_TRUE(request.headers.contains(kHeader + "-customer-key-md5")) << request.method;
}

}  // namespace
}  // namespace lancefs
