// SPDX-License-Identifier: Apache-2.0
//
// The S3 store against a real server; run by tests/servers/with_minio.py.
#include "backends/s3/s3_store.h"

#include "tests/backends/loopback_tls.h"
#include "tests/conformance/object_store_suite.h"
#include "tests/conformance/store_server.h"

namespace lancefs {
namespace {

StorageOptions ServerOptions() {
  return {{"aws_endpoint", Env("S3_ENDPOINT")},
          {"aws_access_key_id", Env("S3_ACCESS_KEY")},
          {"aws_secret_access_key", Env("S3_SECRET_KEY")},
          {"aws_region", Env("S3_REGION")},
          {"allow_http", "true"}};
}

std::shared_ptr<ObjectStore> MakeStore(StorageOptions options, Metrics* metrics = &Metrics::Global()) {
  Result<S3Options> parsed = ParseS3Options(Env("S3_BUCKET"), options, {});
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return MakeS3Store(*parsed, metrics);
}

StorageOptions With(StorageOptions more) { return Merged(std::move(more), ServerOptions()); }

// With with_minio.py --tls the whole suite runs over HTTPS and trusts the server's own authority.
std::shared_ptr<ObjectStore> MakeSuiteStore() {
  const std::string authority = Env("S3_CA_FILE");
  return MakeStore(authority.empty() ? ServerOptions() : With({{"ca_bundle", authority}, {"allow_http", "false"}}));
}

INSTANTIATE_TEST_SUITE_P(S3, ObjectStoreSuite, testing::Values(StoreUnderTest{"PathStyle", MakeSuiteStore}), StoreName);

// A smaller choice: what differs is only how requests look.
std::vector<StorageOptions> Variants() {
  return {With({{"aws_endpoint", Env("S3_VHOST_ENDPOINT")}, {"aws_virtual_hosted_style_request", "true"}}),
          With({{"unsigned_payload", "true"}}),
          With({{"checksum_algorithm", "sha256"}}),
          With({{"checksum_algorithm", "CRC64NVME"}}),
          With({{"request_payer", "requester"},
                {"headers.x-amz-meta-team", "two  words"},
                {"default_content_type", "application/octet-stream"}}),
          With({{"http1_only", "false"}, {"user_agent", "somebody/1"}, {"pool_max_idle_per_host", "0"}})};
}

TEST(S3Store, RequestVariantsAreAccepted) {
  int number = 0;
  for (const StorageOptions& options : Variants())
    ExpectStoreWorks(MakeStore(options), "variant " + std::to_string(++number) + "/");
}

TEST(S3Store, CountsEveryRequest) {
  Metrics metrics;
  ExpectEveryRequestIsCounted(MakeStore(ServerOptions(), &metrics), &metrics, /*tail_requests=*/1, /*upload_requests=*/2);
}

TEST(S3Store, SaysWhatWentWrong) {
  const OpContext ctx;
  const auto wrong_secret = MakeStore(With({{"aws_secret_access_key", "not-the-secret"}}));
  Status status = wrong_secret->ReadAll("a/b", ctx).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_NE(status.message().find("SignatureDoesNotMatch"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("s3://" + Env("S3_BUCKET") + "/a/b"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("request id"), std::string::npos) << status.ToString();
  EXPECT_EQ(status.message().find("not-the-secret"), std::string::npos);
  const auto anonymous = MakeStore(With({{"skip_signature", "true"}}));
  EXPECT_EQ(anonymous->ReadAll("a/b", ctx).status().code(), StatusCode::kPermissionDenied);
  const auto no_http = MakeStore(With({{"allow_http", "false"}}));
  EXPECT_EQ(no_http->ReadAll("a/b", ctx).status().code(), StatusCode::kInvalidArgument);
  const auto no_condition = MakeStore(With({{"conditional_put", "disabled"}}));
  EXPECT_EQ(no_condition->PutIfAbsent("a/b", Bytes(), ctx).status().code(), StatusCode::kNotSupported);
  const auto absent = MakeS3Store(*ParseS3Options("no-such-bucket", ServerOptions(), {}));
  EXPECT_EQ(absent->List({""}, ctx).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(absent->Delete("a", ctx).ok());
}

TEST(S3Store, LearnsTheRegion) {
  Metrics metrics;
  const auto store = MakeStore(With({{"aws_region", "eu-north-7"}}), &metrics);
  const Status status = store->Put("region/a", Bytes::FromString("x"), OpContext());
  EXPECT_TRUE(status.ok()) << status.ToString();
  const uint64_t requests = metrics.counter("lancefs_store_put_requests_total");
  EXPECT_EQ(requests, 2u);
  EXPECT_TRUE(store->Put("region/b", Bytes::FromString("x"), OpContext()).ok());
  EXPECT_EQ(metrics.counter("lancefs_store_put_requests_total"), 3u);
}

// ---- Over HTTPS (with_minio.py --tls) ----------------------------------------------------------

std::shared_ptr<ObjectStore> MakeTlsStore(StorageOptions options, const Environment& environment) {
  Result<S3Options> parsed = ParseS3Options(Env("S3_BUCKET"), With(std::move(options)), environment);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return MakeS3Store(*parsed);
}

class S3Tls : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(Env("S3_CA_FILE").empty()) << "needs with_minio.py --tls"; }
  const OpContext ctx_;
};

TEST_F(S3Tls, ServersAreVerified) {
  const Environment trust = {{"AWS_CA_BUNDLE", Env("S3_CA_FILE")}};
  const auto trusting = MakeTlsStore({{"allow_http", "false"}}, trust);
  Status status = trusting->Put("tls/a", Bytes::FromString("content"), ctx_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ((*trusting->ReadAll("tls/a", ctx_)).view(), "content");
  EXPECT_TRUE(MakeTlsStore({}, {{"SSL_CERT_FILE", Env("S3_CA_FILE")}})->ReadAll("tls/a", ctx_).ok());
  EXPECT_TRUE(MakeTlsStore({{"allow_invalid_certificates", "true"}}, {})->ReadAll("tls/a", ctx_).ok());
  // The last store's connections must not serve those that verify.
  status = MakeTlsStore({}, {})->ReadAll("tls/a", ctx_).status();
  EXPECT_EQ(status.code(), StatusCode::kIoError) << "an unknown certificate is refused at once: " << status.ToString();
  status = MakeTlsStore({{"disable_system_certificates", "true"}}, {})->ReadAll("tls/a", ctx_).status();
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(MakeTlsStore({{"disable_system_certificates", "true"}}, trust)->ReadAll("tls/a", ctx_).ok());
}

TEST_F(S3Tls, VirtualHostsAndLargeObjects) {
  const auto store = MakeTlsStore(
      {{"aws_endpoint", Env("S3_VHOST_ENDPOINT")}, {"virtual_hosted_style_request", "true"}, {"http1_only", "false"}},
      {{"AWS_CA_BUNDLE", Env("S3_CA_FILE")}});
  std::string content(20 << 20, 'x');
  for (size_t i = 0; i < content.size(); i += 97) content[i] = static_cast<char>(i);
  auto writer = store->OpenWriter("tls/large", ctx_);
  Status status = (*writer)->Write(Bytes::FromString(content), ctx_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  status = (*writer)->Finish(ctx_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  const auto read = store->ReadRanges("tls/large", {{7, content.size() - 7}}, ctx_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_TRUE((*read)[0].view() == std::string_view(content).substr(7));
}

// Tunnels to a store with a private authority: by CONNECT with a password, and by SOCKS.
TEST_F(S3Tls, ThroughAProxy) {
  const LoopbackProxy proxy("me:pass word");
  const LoopbackProxy socks;
  const std::string content(9 << 20, 'p');
  for (const std::string& url : {"http://me:pass%20word@" + proxy.address(), "socks5h://" + socks.address()}) {
    const auto store = MakeTlsStore({{"ca_bundle", Env("S3_CA_FILE")}, {"proxy_url", url}}, {});
    Status status = store->Put("proxied/a", Bytes::FromString(content), ctx_);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const auto created = store->PutIfAbsent("proxied/a", Bytes::FromString("x"), ctx_);
    ASSERT_TRUE(created.ok()) << created.status().ToString();
    EXPECT_EQ(*created, PutOutcome::kAlreadyExists);
    const auto read = store->ReadAll("proxied/a", ctx_);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(read->view() == content);
  }
  const std::string place = Env("S3_ENDPOINT").substr(8);
  ASSERT_FALSE(proxy.asked().empty());
  EXPECT_EQ(proxy.asked()[0], place + " Basic bWU6cGFzcyB3b3Jk");
  ASSERT_FALSE(socks.asked().empty());
  EXPECT_EQ(socks.asked()[0], "address" + place.substr(place.rfind(':'))) << "an address needs no name server of the proxy's";
  const size_t tunnels = proxy.asked().size();
  const Status refused =
      MakeTlsStore({{"ca_bundle", Env("S3_CA_FILE")}, {"proxy_url", "http://" + proxy.address()}, {"client_max_retries", "0"}},
                   {})
          ->ReadAll("proxied/a", ctx_)
          .status();
  EXPECT_NE(refused.message().find("407"), std::string::npos) << refused.ToString();
  EXPECT_TRUE(
      MakeTlsStore({{"ca_bundle", Env("S3_CA_FILE")}, {"proxy_url", "http://127.0.0.1:1"}, {"proxy_excludes", "127.0.0.0/8"}}, {})
          ->ReadAll("proxied/a", ctx_)
          .ok());
  EXPECT_EQ(proxy.asked().size(), tunnels + 1);
}

TEST_F(S3Tls, CustomerKeys) {
  const Environment trust = {{"AWS_CA_BUNDLE", Env("S3_CA_FILE")}};
  const auto store = MakeTlsStore(
      {{"server_side_encryption", "sse-c"}, {"sse_customer_key_base64", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}, trust);
  Status status = store->Put("ssec/a", Bytes::FromString("secret content"), ctx_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ((*store->ReadTail("ssec/a", 7, ctx_)).bytes.view(), "content");
  EXPECT_EQ((*store->Head("ssec/a", ctx_))->size, 14u);
  auto writer = store->OpenWriter("ssec/b", ctx_);
  ASSERT_TRUE((*writer)->Write(Bytes::FromString(std::string(9 << 20, 'x')), ctx_).ok());
  status = (*writer)->Finish(ctx_);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ((*store->ReadRanges("ssec/b", {{9 << 19, 3}}, ctx_))[0].view(), "xxx");
  EXPECT_FALSE(MakeTlsStore({}, trust)->ReadAll("ssec/a", ctx_).ok()) << "without the key";
}

}  // namespace
}  // namespace lancefs
