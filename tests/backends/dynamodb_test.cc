// SPDX-License-Identifier: Apache-2.0
//
// The list of manifests in DynamoDB against a server that checks what it is asked and fails in every way.
#include <gtest/gtest.h>

#include "backends/dynamodb/manifest_list.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;
using Entry = ExternalManifestStore::Entry;
using nlohmann::json;

constexpr char kTable[] =
    R"({"Table":{"KeySchema":[{"AttributeName":"version","KeyType":"RANGE"},{"AttributeName":"base_uri","KeyType":"HASH"}],
        "AttributeDefinitions":[{"AttributeName":"base_uri","AttributeType":"S"},
                                 {"AttributeName":"version","AttributeType":"N"}]}})";
constexpr char kItem[] =
    R"({"base_uri":{"S":"a/t.lance"},"version":{"N":"7"},"path":{"S":"a/t.lance/_versions/7.manifest"},"size":{"N":"321"}})";

std::string Target(const Request& request) {
  const std::string& target = request.headers.at("x-amz-target");
  return target.substr(target.find('.') + 1);
}

Answer Failure(int status, const std::string& error) {
  return {status,
          {{"x-amzn-RequestId", "REQ7"}},
          R"({"__type":"com.amazonaws.dynamodb.v20120810#)" + error + R"(","message":"why not"})"};
}

struct Fixture {
  // `handler` sees all but DescribeTable, counted from 1.
  explicit Fixture(std::function<Answer(const Request&, int)> handler, const std::string& describe = kTable,
                   std::string token = "", std::string table = "")
      : server([this, handler = std::move(handler), describe](const Request& request, int) -> Answer {
          if (Target(request) == "DescribeTable") {
            ++described;
            return {200, {}, describe};
          }
          return handler(request, ++asked);
        }) {
    DynamoDbOptions options;
    options.region = "eu-west-1";
    options.endpoint = server.url() + "/";
    options.retry = {4, std::chrono::seconds(10), std::chrono::milliseconds(1), std::chrono::milliseconds(5)};
    AwsCredentials credentials;
    credentials.access_key_id = "AK";
    credentials.secret_access_key = "SECRET";
    credentials.session_token = std::move(token);
    options.credentials = MakeStaticAwsCredentials(credentials);
    list = MakeDynamoDbManifestList(std::make_shared<DynamoDbClient>(options, &metrics),
                                    table.empty() ? "T" + std::to_string(++fixtures) : table);
  }

  // Tables are checked once a process, and ports come again.
  inline static std::atomic<int> fixtures{0};
  Metrics metrics;
  std::atomic<int> described{0};
  std::atomic<int> asked{0};
  LoopbackServer server;
  std::shared_ptr<ExternalManifestStore> list;
  OpContext ctx;
};

TEST(DynamoDb, AsksAsTheProtocolWants) {
  std::vector<json> bodies;
  Fixture f(
      [&](const Request& request, int) -> Answer {
        bodies.push_back(json::parse(request.body));
        if (Target(request) == "Query") return {200, {}, std::string(R"({"Items":[)") + kItem + "]}"};
        if (Target(request) == "GetItem") return {200, {}, std::string(R"({"Item":)") + kItem + "}"};
        return {200, {}, "{}"};
      },
      kTable, "SESSION", "T");
  const auto latest = f.list->GetLatest("a/t.lance", f.ctx);
  ASSERT_TRUE(latest.ok() && *latest) << latest.status().ToString();
  EXPECT_EQ((*latest)->version, 7u);
  EXPECT_EQ((*latest)->path, "a/t.lance/_versions/7.manifest");
  EXPECT_EQ((*latest)->size, 321u);
  const auto seven = f.list->Get("a/t.lance", 7, f.ctx);
  ASSERT_TRUE(seven.ok() && *seven) << seven.status().ToString();
  EXPECT_EQ(*f.list->PutIfAbsent("a/t.lance", {8, "p", 9}, f.ctx), PutOutcome::kCreated);
  EXPECT_TRUE(f.list->PutIfPresent("a/t.lance", {8, "q", 9}, f.ctx).ok());
  EXPECT_EQ(f.described, 1);
  ASSERT_EQ(bodies.size(), 4u);
  const json query = json::parse(R"({"TableName":"T","ConsistentRead":true,"ScanIndexForward":false,"Limit":1,
      "KeyConditionExpression":"base_uri = :base_uri AND version < :detached",
      "ExpressionAttributeValues":{":base_uri":{"S":"a/t.lance"},":detached":{"N":"9223372036854775808"}}})");
  EXPECT_EQ(bodies[0], query);
  const json get = json::parse(R"({"TableName":"T","ConsistentRead":true,
      "Key":{"base_uri":{"S":"a/t.lance"},"version":{"N":"7"}}})");
  EXPECT_EQ(bodies[1], get);
  const json put = json::parse(R"json({"TableName":"T","ConditionExpression":
      "attribute_not_exists(base_uri) AND attribute_not_exists(version)",
      "Item":{"base_uri":{"S":"a/t.lance"},"version":{"N":"8"},"path":{"S":"p"},
              "committer":{"S":"lancedb"},"size":{"N":"9"}}})json");
  EXPECT_EQ(bodies[2], put);
  EXPECT_EQ(bodies[3]["ConditionExpression"], "attribute_exists(base_uri) AND attribute_exists(version)");
  for (const Request& request : f.server.log()) {
    EXPECT_EQ(request.method + " " + request.target, "POST /");
    EXPECT_EQ(request.headers.at("content-type"), "application/x-amz-json-1.0");
    EXPECT_EQ(request.headers.at("x-amz-security-token"), "SESSION");
    EXPECT_NE(request.headers.at("authorization").find("/eu-west-1/dynamodb/aws4_request"), std::string::npos);
  }
}

TEST(DynamoDb, AbsenceIsAValue) {
  Fixture f([](const Request& request, int) -> Answer {
    return {200, {}, Target(request) == "Query" ? R"({"Items":[],"Count":0})" : "{}"};
  });
  EXPECT_EQ(*f.list->GetLatest("t", f.ctx), std::nullopt);
  EXPECT_EQ(*f.list->Get("t", 1, f.ctx), std::nullopt);
}

TEST(DynamoDb, ConditionsThatDoNotHold) {
  Fixture f([](const Request&, int) { return Failure(400, "ConditionalCheckFailedException"); });
  EXPECT_EQ(*f.list->PutIfAbsent("t", {1, "p", 2}, f.ctx), PutOutcome::kAlreadyExists);
  EXPECT_EQ(f.list->PutIfPresent("t", {1, "p", 2}, f.ctx).code(), StatusCode::kNotFound);
  EXPECT_EQ(f.asked, 2) << "no retries";
}

TEST(DynamoDb, WhatPassesIsTriedFiveTimes) {
  for (const auto& [status, error] : std::vector<std::pair<int, std::string>>{{400, "ProvisionedThroughputExceededException"},
                                                                              {400, "ThrottlingException"},
                                                                              {400, "RequestLimitExceeded"},
                                                                              {500, "InternalServerError"},
                                                                              {503, "ServiceUnavailable"}}) {
    Fixture f([status = status, error = error](const Request&, int number) -> Answer {
      return number < 5 ? Failure(status, error) : Answer{200, {}, R"({"Items":[]})"};
    });
    EXPECT_TRUE(f.list->GetLatest("t", f.ctx).ok()) << error;
    EXPECT_EQ(f.asked, 5);
    Fixture never([status = status, error = error](const Request&, int) { return Failure(status, error); });
    const auto failed = never.list->PutIfAbsent("t", {1, "p", 2}, never.ctx);
    // After a server error it may have been carried out; who was throttled was not heard.
    EXPECT_EQ(failed.status().code(), status >= 500 ? StatusCode::kUnknownOutcome : StatusCode::kUnavailable)
        << failed.status().ToString();
    EXPECT_NE(failed.status().message().find(error), std::string::npos);
    EXPECT_EQ(never.asked, 5);
  }
}

TEST(DynamoDb, LostAnswersAreTriedAgain) {
  Fixture f([](const Request&, int number) -> Answer {
    Answer answer{200, {}, R"({"Items":[]})"};
    answer.drop = number < 3;
    return answer;
  });
  EXPECT_TRUE(f.list->GetLatest("t", f.ctx).ok());
  EXPECT_EQ(f.asked, 3);
  Fixture dead([](const Request&, int) -> Answer {
    Answer answer;
    answer.drop = true;
    return answer;
  });
  EXPECT_EQ(dead.list->PutIfAbsent("t", {1, "p", 2}, dead.ctx).status().code(), StatusCode::kUnknownOutcome);
}

TEST(DynamoDb, RefusalsAreNamedAndSecretsAreNot) {
  const std::vector<std::pair<std::string, StatusCode>> cases = {{"AccessDeniedException", StatusCode::kPermissionDenied},
                                                                 {"UnrecognizedClientException", StatusCode::kUnauthenticated},
                                                                 {"InvalidSignatureException", StatusCode::kUnauthenticated},
                                                                 {"ValidationException", StatusCode::kInvalidArgument},
                                                                 {"ResourceNotFoundException", StatusCode::kInvalidArgument}};
  for (const auto& [error, code] : cases) {
    Fixture f([error = error](const Request&, int) { return Failure(400, error); }, kTable, "TOKEN-OF-A-SESSION");
    const Status status = f.list->Get("t", 1, f.ctx).status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_NE(status.message().find("REQ7"), std::string::npos);
    EXPECT_EQ(status.message().find("SECRET"), std::string::npos);
    EXPECT_EQ(status.message().find("TOKEN-OF"), std::string::npos);
    EXPECT_EQ(f.asked, 1);
  }
}

TEST(DynamoDb, BrokenAnswersAreErrors) {
  for (const char* body :
       {"", "[]", "{}", R"({"Items":7})", R"({"Items":[7]})", R"({"Items":[{}]})",
        R"({"Items":[{"version":{"N":"x"},"path":{"S":"p"}}]})", R"({"Items":[{"version":{"N":"1"}}]})",
        R"({"Items":[{"version":{"N":"1"},"path":{"N":"1"}}]})", R"({"Items":[{"version":{"N":"1"},"path":{"S":""}}]})",
        R"({"Items":[{"version":{"N":"1"},"path":{"S":"p"},"size":{"S":"9"}}]})",
        R"({"Items":[{"version":{"N":"1"},"path":{"S":"p"},"size":{"N":"-9"}}]})"}) {
    Fixture f([body](const Request&, int) -> Answer { return {200, {}, body}; });
    EXPECT_FALSE(f.list->GetLatest("t", f.ctx).ok()) << body;
  }
  // The size is new; old entries have none.
  Fixture old([](const Request&, int) -> Answer {
    return {200, {}, R"({"Items":[{"version":{"N":"1"},"path":{"S":"p"},"e_tag":{"S":"x"}}]})"};
  });
  const auto entry = old.list->GetLatest("t", old.ctx);
  ASSERT_TRUE(entry.ok() && *entry);
  EXPECT_EQ((*entry)->size, std::nullopt);
}

TEST(DynamoDb, TablesOfOtherKeysAreRefused) {
  for (
      const char* describe :
      {"{}", R"({"Table":{}})", R"({"Table":{"KeySchema":[]}})",
       R"({"Table":{"KeySchema":[{"AttributeName":"base_uri","KeyType":"HASH"}]}})",
       R"({"Table":{"KeySchema":[{"AttributeName":"base_uri","KeyType":"HASH"},{"AttributeName":"number","KeyType":"RANGE"}]}})",
       R"({"Table":{"KeySchema":[{"AttributeName":"base_uri","KeyType":"HASH"},{"AttributeName":"base_uri","KeyType":"HASH"}]}})",
       R"({"Table":{"KeySchema":[{"AttributeName":"base_uri","KeyType":"HASH"},{"AttributeName":"version","KeyType":"RANGE"}],
            "AttributeDefinitions":[{"AttributeName":"version","AttributeType":"S"}]}})"}) {
    Fixture f([](const Request&, int) -> Answer { return {200, {}, R"({"Items":[]})"}; }, describe);
    const Status status = f.list->GetLatest("t", f.ctx).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << describe;
    EXPECT_NE(status.message().find("base_uri"), std::string::npos);
    EXPECT_EQ(f.asked, 0);
  }
}

TEST(DynamoDb, TheClockIsLearned) {
  Fixture f([](const Request& request, int number) -> Answer {
    if (number == 1) {
      return {400,
              {{"Date", "Wed, 12 Oct 2039 17:50:00 GMT"}},
              R"({"__type":"x#InvalidSignatureException","message":"Signature expired: 20"})"};
    }
    EXPECT_TRUE(request.headers.at("x-amz-date").starts_with("20391012T17")) << request.headers.at("x-amz-date");
    return {200, {}, R"({"Items":[]})"};
  });
  EXPECT_TRUE(f.list->GetLatest("t", f.ctx).ok());
}

TEST(DynamoDb, TheTableInTheUri) {
  EXPECT_EQ(*ParseManifestTable("ddbTableName=T-1_a.b"), "T-1_a.b");
  EXPECT_EQ(*ParseManifestTable("ddbTableName=T&"), "T");
  for (const char* query : {"", "ddbTableName", "ddbTableName=", "ddbtablename=T", "table=T", "ddbTableName=T&x=1",
                            "x=1&ddbTableName=T", "ddbTableName=T&ddbTableName=T", "ddbTableName=a/b", "ddbTableName=a%20b"}) {
    EXPECT_EQ(ParseManifestTable(query).status().code(), StatusCode::kInvalidArgument) << query;
  }
}

}  // namespace
}  // namespace lancefs
