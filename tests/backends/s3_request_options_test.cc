// SPDX-License-Identifier: Apache-2.0
//
// What the options of an S3 store change in its requests, as a server sees them.
#include <gtest/gtest.h>

#include "backends/s3/s3_store.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using Answer = LoopbackServer::Answer;
using Request = LoopbackServer::Request;

// The request that a small upload is with these options.
Request PutWith(StorageOptions options, bool signed_in = true) {
  LoopbackServer server([](const Request&, int) { return Answer{200, {{"ETag", "\"e\""}}, ""}; });
  for (auto& [key, value] : options) {
    if (const size_t at = value.find("{server}"); at != std::string::npos) value.replace(at, 8, server.url().substr(7));
  }
  options.insert({{"aws_endpoint", server.url()}, {"allow_http", "true"}});
  if (signed_in) options.insert({{"aws_access_key_id", "AK"}, {"aws_secret_access_key", "SK"}, {"aws_region", "eu-test-1"}});
  Result<S3Options> parsed = ParseS3Options("bkt", options, {});
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  if (!parsed.ok()) return {};
  const Status put = MakeS3Store(*parsed)->Put("k", Bytes::FromString("hello"), OpContext());
  EXPECT_TRUE(put.ok()) << put.ToString();
  return server.requests() > 0 ? server.log().back() : Request();
}

std::string Header(const Request& request, const std::string& name) {
  const auto it = request.headers.find(name);
  return it == request.headers.end() ? "(none)" : it->second;
}
bool Signed(const Request& request, const std::string& name) {
  const std::string text = Header(request, "authorization");
  const size_t names = text.find("SignedHeaders=");
  return names != std::string::npos && text.substr(names, text.find(',', names) - names).find(name) != std::string::npos;
}

TEST(S3RequestOptions, Plain) {
  const Request request = PutWith({});
  EXPECT_EQ(request.target, "/bkt/k");
  EXPECT_NE(Header(request, "authorization").find("Credential=AK/"), std::string::npos);
  EXPECT_NE(Header(request, "authorization").find("/eu-test-1/s3/aws4_request"), std::string::npos);
  EXPECT_EQ(Header(request, "x-amz-content-sha256"), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  for (const char* absent : {"x-amz-security-token", "x-amz-request-payer", "x-amz-server-side-encryption", "x-amz-tagging",
                             "x-amz-checksum-sha256", "x-amz-checksum-crc64nvme"}) {
    EXPECT_EQ(Header(request, absent), "(none)");
  }
}

TEST(S3RequestOptions, EveryNameOfACredential) {
  for (const char* key : {"aws_session_token", "aws_token", "session_token", "token", "AWS_SESSION_TOKEN", "aws-session-token"}) {
    const Request request = PutWith({{key, "TOK"}});
    EXPECT_EQ(Header(request, "x-amz-security-token"), "TOK") << key;
    EXPECT_TRUE(Signed(request, "x-amz-security-token"));
  }
  const Request bare = PutWith({{"access_key_id", "K2"}, {"secret_access_key", "S2"}, {"region", "r2"}}, false);
  EXPECT_NE(Header(bare, "authorization").find("Credential=K2/"), std::string::npos);
  EXPECT_NE(Header(bare, "authorization").find("/r2/s3/"), std::string::npos);
  const Request by_default = PutWith({{"access_key_id", "K2"}, {"secret_access_key", "S2"}, {"aws_default_region", "r3"}}, false);
  EXPECT_NE(Header(by_default, "authorization").find("/r3/s3/"), std::string::npos);
}

TEST(S3RequestOptions, ARegionThatTheStoreDoesNotNameIsAskedFor) {
  LoopbackServer server([](const Request&, int) {
    return Answer{400, {}, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message></Error>"};
  });
  StorageOptions options = {
      {"aws_endpoint", server.url()}, {"allow_http", "true"}, {"aws_access_key_id", "AK"}, {"aws_secret_access_key", "SK"}};
  const Environment environment = {{"AWS_EC2_METADATA_DISABLED", "true"}};
  auto read = [&] {
    return MakeS3Store(*ParseS3Options("bkt", options, environment))->ReadAll("k", OpContext()).status().message();
  };
  const std::string asked = read();
  EXPECT_NE(asked.find("the region is wrong; set aws_region"), std::string::npos) << asked;
  EXPECT_NE(asked.find("'us-west-2' was taken"), std::string::npos) << asked;
  options["aws_region"] = "eu-1";
  EXPECT_EQ(read().find("set aws_region"), std::string::npos);
}

TEST(S3RequestOptions, Endpoints) {
  EXPECT_EQ(PutWith({{"aws_endpoint_url_s3", "http://{server}/"}, {"aws_endpoint", "http://127.0.0.1:1"}}).target, "/bkt/k");
  EXPECT_EQ(PutWith({{"aws_endpoint", "http://{server}/below"}}).target, "/below/bkt/k");
  const Request hosted = PutWith({{"aws_virtual_hosted_style_request", "true"}});
  EXPECT_EQ(hosted.target, "/k") << "the endpoint is used as it is";
  EXPECT_EQ(PutWith({{"virtual-hosted-style-request", "on"}}).target, "/k");
}

TEST(S3RequestOptions, Signing) {
  const Request unsigned_payload = PutWith({{"unsigned_payload", "true"}});
  EXPECT_EQ(Header(unsigned_payload, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_TRUE(Signed(unsigned_payload, "x-amz-content-sha256"));
  const Request anonymous = PutWith({{"aws_skip_signature", "yes"}}, false);
  EXPECT_EQ(Header(anonymous, "authorization"), "(none)");
  EXPECT_EQ(anonymous.target, "/bkt/k");
}

TEST(S3RequestOptions, Checksums) {
  EXPECT_EQ(Header(PutWith({{"checksum_algorithm", "SHA256"}}), "x-amz-checksum-sha256"),
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  const Request crc = PutWith({{"aws_checksum_algorithm", "crc64nvme"}});
  EXPECT_EQ(Header(crc, "x-amz-checksum-crc64nvme").size(), 12u);
  EXPECT_TRUE(Signed(crc, "x-amz-checksum-crc64nvme"));
}

TEST(S3RequestOptions, RequesterPays) {
  for (const char* value : {"requester", "true", "1"}) {
    const Request request = PutWith({{"aws_request_payer", value}});
    EXPECT_EQ(Header(request, "x-amz-request-payer"), "requester");
    EXPECT_TRUE(Signed(request, "x-amz-request-payer"));
  }
  EXPECT_EQ(Header(PutWith({{"request_payer", "no"}}), "x-amz-request-payer"), "(none)");
}

TEST(S3RequestOptions, Encryption) {
  const std::string name = "x-amz-server-side-encryption";
  EXPECT_EQ(Header(PutWith({{"server_side_encryption", "AES256"}}), name), "AES256");
  for (const char* kind : {"aws:kms", "aws:kms:dsse"}) {
    const Request request = PutWith({{"aws_server_side_encryption", kind},
                                     {"aws_sse_kms_key_id", "arn:aws:kms:key/1"},
                                     {"aws_sse_bucket_key_enabled", "false"}});
    EXPECT_EQ(Header(request, name), kind);
    EXPECT_EQ(Header(request, name + "-aws-kms-key-id"), "arn:aws:kms:key/1");
    EXPECT_EQ(Header(request, name + "-bucket-key-enabled"), "false");
    EXPECT_TRUE(Signed(request, name));
  }
  const Request customer = PutWith(
      {{"aws_server_side_encryption", "sse-c"}, {"aws_sse_customer_key_base64", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}});
  EXPECT_EQ(Header(customer, name + "-customer-algorithm"), "AES256");
  EXPECT_EQ(Header(customer, name + "-customer-key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
  EXPECT_EQ(Header(customer, name + "-customer-key-md5"), "KYvwGXoFFJ42a2u2GDWhwQ==");
}

TEST(S3RequestOptions, ConditionalPutCanBeForbidden) {
  LoopbackServer server([](const Request&, int) { return Answer{200, {{"ETag", "\"e\""}}, ""}; });
  const StorageOptions options = {{"aws_endpoint", server.url()}, {"allow_http", "true"},          {"access_key_id", "AK"},
                                  {"secret_access_key", "SK"},    {"conditional_put", "disabled"}, {"region", "r"}};
  Result<S3Options> parsed = ParseS3Options("bkt", options, {});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(MakeS3Store(*parsed)->PutIfAbsent("k", Bytes::FromString("1"), OpContext()).status().code(),
            StatusCode::kNotSupported);
  EXPECT_EQ(server.requests(), 0);
}

// Options that need nothing of us change nothing.
TEST(S3RequestOptions, AcceptedOnes) {
  const Request plain = PutWith({});
  const Request request = PutWith({{"aws_disable_tagging", "true"},
                                   {"disable_bulk_delete", "true"},
                                   {"aws_copy_if_not_exists", "multipart"},
                                   {"aws_bucket", "other"},
                                   {"bucket_name", "another"},
                                   {"use_opendal", "true"},
                                   {"expires_at_millis", "1"},
                                   {"refresh_offset_millis", "1"}});
  EXPECT_EQ(request.target, plain.target);
  EXPECT_EQ(request.headers.size(), plain.headers.size());
}

}  // namespace
}  // namespace lancefs
