// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_options.h"

#include <gtest/gtest.h>

#include "backends/s3/s3_session.h"

namespace lancefs {
namespace {

using std::chrono::milliseconds;

const StorageOptions kKeys = {{"access_key_id", "AK"}, {"secret_access_key", "SK"}};

StorageOptions With(StorageOptions more) {
  more.insert(kKeys.begin(), kKeys.end());
  return more;
}

S3Options MustParse(const StorageOptions& options, const Environment& environment = {}) {
  const Result<S3Options> parsed = ParseS3Options("bucket", options, environment);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return parsed.ok() ? *parsed : S3Options();
}

Status Refused(const StorageOptions& options, const Environment& environment = {}) {
  return ParseS3Options("bucket", options, environment).status();
}

AwsCredentials Credentials(const S3Options& options) { return **options.credentials->Get(OpContext()).Get(OpContext()); }

TEST(S3Options, Defaults) {
  const S3Options options = MustParse(kKeys);
  EXPECT_EQ(options.bucket, "bucket");
  EXPECT_EQ(options.region, "") << "asked of AWS with the first request";
  EXPECT_NE(options.find_region, nullptr);
  EXPECT_FALSE(options.express);
  EXPECT_EQ(options.endpoint, "");
  EXPECT_FALSE(options.virtual_hosted);
  EXPECT_FALSE(options.unsigned_payload);
  EXPECT_TRUE(options.conditional_put);
  EXPECT_FALSE(options.client.http.allow_http);
  EXPECT_TRUE(options.client.http.http1_only);
  EXPECT_EQ(options.client.http.timeout, milliseconds(0));
  EXPECT_EQ(options.client.http.stall_timeout, milliseconds(30000));
  EXPECT_EQ(options.client.http.connect_timeout, milliseconds(5000));
  EXPECT_EQ(options.client.http.user_agent.rfind("lancefs/", 0), 0u);
  EXPECT_EQ(options.client.retry.total, milliseconds(180000));
  EXPECT_EQ(Credentials(options).access_key_id, "AK");
}

TEST(S3Options, EveryAliasInAnyCase) {
  for (const char* key :
       {"aws_endpoint", "aws_endpoint_url", "endpoint", "endpoint_url", "ENDPOINT", "Aws_Endpoint_Url", "aws_endpoint_url_s3"}) {
    EXPECT_EQ(MustParse(With({{key, "https://e:1/"}})).endpoint, "https://e:1") << key;
  }
  for (const char* key : {"aws_region", "region", "REGION"}) {
    EXPECT_EQ(MustParse(With({{key, "eu-x"}})).region, "eu-x") << key;
  }
  for (const char* key : {"aws_session_token", "aws_token", "session_token", "token", "TOKEN"}) {
    EXPECT_EQ(Credentials(MustParse(With({{key, "T"}}))).session_token, "T") << key;
  }
  for (const char* key : {"allow_http", "aws_allow_http", "ALLOW_HTTP"})
    EXPECT_TRUE(MustParse(With({{key, "yes"}})).client.http.allow_http) << key;
  for (const char* key : {"virtual_hosted_style_request", "aws_virtual_hosted_style_request"})
    EXPECT_TRUE(MustParse(With({{key, "1"}})).virtual_hosted);
  for (const char* key : {"unsigned_payload", "aws_unsigned_payload"})
    EXPECT_TRUE(MustParse(With({{key, "ON"}})).unsigned_payload);
  for (const char* value : {"requester", "true", "Y"}) EXPECT_TRUE(MustParse(With({{"request_payer", value}})).request_payer);
  EXPECT_FALSE(MustParse(With({{"aws_conditional_put", "disabled"}})).conditional_put);
  EXPECT_TRUE(MustParse({{"aws_skip_signature", "true"}}).skip_signature);
}

TEST(S3Options, WhichSpellingWins) {
  EXPECT_EQ(MustParse(With({{"region", "r1"}, {"aws_region", "r2"}, {"AWS_REGION", "r3"}})).region, "r2");
  EXPECT_EQ(MustParse(With({{"region", "r1"}, {"AWS_REGION", "r3"}})).region, "r3");
  EXPECT_EQ(
      MustParse(With({{"endpoint_url", "https://c"}, {"aws_endpoint_url", "https://a"}, {"endpoint", "https://b"}})).endpoint,
      "https://a");
  EXPECT_EQ(MustParse(With({{"aws_endpoint", "https://a"}, {"aws_endpoint_url_s3", "https://b"}})).endpoint, "https://b");
}

TEST(S3Options, OptionsBeatTheEnvironment) {
  const Environment environment = {{"AWS_REGION", "env"},
                                   {"AWS_ENDPOINT_URL_S3", "https://env"},
                                   {"AWS_ALLOW_HTTP", "true"},
                                   {"AWS_ACCESS_KEY_ID", "EK"},
                                   {"AWS_SECRET_ACCESS_KEY", "ES"},
                                   {"AWS_SESSION_TOKEN", "ET"},
                                   {"OBJECT_STORE_CLIENT_MAX_RETRIES", "7"}};
  const S3Options from_environment = MustParse({}, environment);
  EXPECT_EQ(from_environment.region, "env");
  EXPECT_EQ(from_environment.endpoint, "https://env");
  EXPECT_TRUE(from_environment.client.http.allow_http);
  EXPECT_EQ(Credentials(from_environment).access_key_id, "EK");
  EXPECT_EQ(Credentials(from_environment).session_token, "ET");
  EXPECT_EQ(from_environment.client.retry.max_retries, 7);
  const S3Options mixed = MustParse(
      With({{"region", "opt"}, {"endpoint", "https://opt"}, {"allow_http", "false"}, {"token", ""}, {"client_max_retries", "2"}}),
      environment);
  EXPECT_EQ(mixed.region, "opt");
  EXPECT_EQ(mixed.endpoint, "https://opt");
  EXPECT_FALSE(mixed.client.http.allow_http);
  EXPECT_EQ(Credentials(mixed).access_key_id, "AK");
  EXPECT_EQ(Credentials(mixed).session_token, "") << "an empty option counts as set";
  EXPECT_EQ(mixed.client.retry.max_retries, 2);
}

TEST(S3Options, BareEnvironmentNamesAreForTheClientOnly) {
  const Environment environment = {{"TOKEN", "junk"}, {"ENDPOINT", "http://junk"}, {"REGION", "junk"},     {"BUCKET", "junk"},
                                   {"TIMEOUT", "7s"}, {"USER_AGENT", "me/1"},      {"aws_region", "lower"}};
  const S3Options options = MustParse(kKeys, environment);
  EXPECT_EQ(Credentials(options).session_token, "");
  EXPECT_EQ(options.endpoint, "");
  EXPECT_EQ(options.region, "");
  EXPECT_EQ(options.bucket, "bucket");
  EXPECT_EQ(options.client.http.timeout, milliseconds(7000));
  EXPECT_EQ(options.client.http.user_agent, "me/1");
  const Environment both = {{"TIMEOUT", "7s"}, {"AWS_TIMEOUT", "8s"}};
  EXPECT_EQ(MustParse(kKeys, both).client.http.timeout, milliseconds(8000));
}

TEST(S3Options, CertificatesFromTheEnvironment) {
  EXPECT_EQ(MustParse(kKeys, {{"SSL_CERT_FILE", "/a"}}).client.http.ca_file, "/a");
  EXPECT_EQ(MustParse(kKeys, {{"SSL_CERT_FILE", "/a"}, {"AWS_CA_BUNDLE", "/b"}}).client.http.ca_file, "/b");
  EXPECT_EQ(MustParse(kKeys, {{"SSL_CERT_DIR", "/d"}}).client.http.ca_path, "/d");
}

TEST(S3Options, BadValuesAreNamedButNotShown) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"allow_http", "maybe-secret"},
                                                                {"timeout", "30"},
                                                                {"timeout", "30 parsecs"},
                                                                {"connect_timeout", ""},
                                                                {"client_max_retries", "many"},
                                                                {"aws_endpoint", "localhost:9000"},
                                                                {"aws_endpoint", "https://user:pw@host"},
                                                                {"aws_checksum_algorithm", "md5"},
                                                                {"aws_server_side_encryption", "rot13"},
                                                                {"aws_conditional_put", "dynamo:secret"},
                                                                {"aws_request_payer", "somebody"},
                                                                {"aws_provider_scheme", "magic"}};
  for (const auto& [key, value] : bad) {
    const Status status = Refused(With({{key, value}}));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << key;
    EXPECT_NE(status.message().find(key.substr(key.starts_with("aws_") ? 4 : 0)), std::string::npos) << status.ToString();
    EXPECT_EQ(status.message().find("secret"), std::string::npos) << status.ToString();
    EXPECT_EQ(status.message().find("pw@"), std::string::npos) << status.ToString();
  }
  const Status key = Refused(With({{"aws_server_side_encryption", "sse-c"}, {"sse_customer_key_base64", "c2hvcnQ="}}));
  EXPECT_EQ(key.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(key.message().find("c2hvcnQ"), std::string::npos);
}

TEST(S3Options, RefusalsByName) {
  EXPECT_EQ(Refused({{"aws_provider_scheme", "token"}, {"access_key_id", "AK"}}).code(), StatusCode::kUnauthenticated);
  const Status zone = Refused(With({{"s3_express", "true"}}));
  EXPECT_EQ(zone.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(zone.message().find("names no zone"), std::string::npos);
  EXPECT_EQ(ParseS3Options("a/b", kKeys, {}).status().code(), StatusCode::kInvalidArgument);
}

TEST(S3Options, ExpressBuckets) {
  EXPECT_EQ(S3ExpressZone("b--usw2-az1--x-s3"), "usw2-az1");
  EXPECT_EQ(S3ExpressZone("a--b--usw2-az1--xa-s3"), "usw2-az1");
  EXPECT_EQ(S3ExpressZone("b--x-s3"), "");
  EXPECT_EQ(S3ExpressZone("b"), "");
  EXPECT_EQ(S3ExpressEndpoint("b--usw2-az1--x-s3", "us-west-2"),
            "https://b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com");
  EXPECT_TRUE(ParseS3Options("b--usw2-az1--x-s3", kKeys, {})->express);
  EXPECT_FALSE(ParseS3Options("b--usw2-az1--x-s3", With({{"s3_express", "no"}}), {})->express);
}

// Where the store is not AWS' own nothing is asked: the profile that was chosen, the environment, the default.
TEST(S3Options, TheRegionOfOtherStores) {
  auto region = [](const StorageOptions& options, const Environment& environment) {
    const S3Options parsed = MustParse(options, environment);
    return parsed.region.empty() ? *parsed.find_region->Get(OpContext()).Get(OpContext()) : parsed.region;
  };
  const StorageOptions elsewhere = With({{"endpoint", "https://elsewhere"}});
  EXPECT_EQ(region(elsewhere, {}), "us-west-2");
  EXPECT_EQ(region(elsewhere, {{"AWS_DEFAULT_REGION", "r-1"}}), "r-1");
  for (const char* key : {"aws_default_region", "default_region"}) {
    EXPECT_EQ(region(With({{"endpoint", "https://elsewhere"}, {key, "eu-x"}}), {}), "eu-x") << key;
  }
  EXPECT_EQ(region(elsewhere, {{"AWS_DEFAULT_REGION", "r-1"}, {"AWS_REGION", "r-2"}}), "r-2");
}

// Half a key falls through to the other sources, as in the reference; nothing is sent before the first request.
TEST(S3Options, WithoutKeysTheOtherSourcesAreAsked) {
  const Environment nothing = {{"AWS_EC2_METADATA_DISABLED", "true"}};
  for (const StorageOptions& options : {StorageOptions{}, StorageOptions{{"access_key_id", "AK"}}}) {
    const auto missing = MustParse(options, nothing).credentials->Get(OpContext()).Get(OpContext());
    EXPECT_EQ(missing.status().code(), StatusCode::kUnauthenticated);
    EXPECT_NE(missing.status().message().find("instance metadata"), std::string::npos) << missing.status().message();
  }
  const auto container =
      MustParse(With({{"aws_provider_scheme", "ecs"}}), nothing).credentials->Get(OpContext()).Get(OpContext());
  EXPECT_NE(container.status().message().find("AWS_CONTAINER_CREDENTIALS"), std::string::npos) << "keys do not count with ecs";
  const auto web =
      MustParse({{"aws_provider_scheme", "irsa"}, {"role_arn", "r"}, {"web_identity_token_file", "/no/such"}}, nothing)
          .credentials->Get(OpContext())
          .Get(OpContext());
  EXPECT_NE(web.status().message().find("/no/such"), std::string::npos) << web.status().message();
}

TEST(S3Options, Encryption) {
  const S3Options kms =
      MustParse(With({{"server_side_encryption", "aws:kms"}, {"sse_kms_key_id", "k"}, {"sse_bucket_key_enabled", "on"}}));
  EXPECT_EQ(kms.encryption, S3Encryption::kKms);
  EXPECT_EQ(kms.kms_key_id, "k");
  EXPECT_EQ(kms.bucket_key_enabled, "true");
  const S3Options customer = MustParse(With({{"aws_server_side_encryption", "sse-c"},
                                             {"aws_sse_customer_key_base64", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}));
  EXPECT_EQ(customer.encryption, S3Encryption::kCustomerKey);
  EXPECT_EQ(customer.customer_key_md5_base64, "KYvwGXoFFJ42a2u2GDWhwQ==");
}

TEST(StoreOptions, DurationsAsPeopleWriteThem) {
  const std::vector<std::pair<std::string, int64_t>> good = {
      {"30s", 30000},   {"5 seconds", 5000}, {"1m 30s", 90000},  {"500ms", 500},
      {"2min", 120000}, {"1h", 3600000},     {"1h30m", 5400000}, {"0", 0}};
  for (const auto& [text, expected] : good) {
    const auto parsed = ParseDuration("timeout", text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ((*parsed).count(), expected) << text;
  }
  for (const char* text : {"", "30", "s", "-1s", "1.5s", "1s2", "99999999999999999999s", "9999999d"})
    EXPECT_FALSE(ParseDuration("timeout", text).ok()) << text;
}

}  // namespace
}  // namespace lancefs
