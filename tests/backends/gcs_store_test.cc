// SPDX-License-Identifier: Apache-2.0
//
// The Google Cloud Storage store against a server; run by tests/servers/with_gcs.py.
#include "backends/gcs/gcs_store.h"

#include <cstdlib>

#include "backends/http/http_client.h"
#include "tests/conformance/object_store_suite.h"
#include "tests/conformance/store_server.h"

namespace lancefs {
namespace {

StorageOptions ServerOptions() {
  return {{"google_base_url", Env("GCS_BASE_URL")}, {"google_storage_token", Env("GCS_TOKEN")}, {"allow_http", "true"}};
}

std::shared_ptr<ObjectStore> MakeStore(StorageOptions options, const Environment& environment = {},
                                       Metrics* metrics = &Metrics::Global()) {
  Result<GcsOptions> parsed = ParseGcsOptions(Env("GCS_BUCKET"), options, environment);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return MakeGcsStore(*parsed, metrics);
}

StorageOptions With(StorageOptions more) { return Merged(std::move(more), ServerOptions()); }

INSTANTIATE_TEST_SUITE_P(Gcs, ObjectStoreSuite,
                         testing::Values(StoreUnderTest{"StaticToken", [] { return MakeStore(ServerOptions()); }}), StoreName);

TEST(GcsStore, WaysToSignIn) {
  const std::string base = Env("GCS_BASE_URL");
  ExpectStoreWorks(MakeStore(With({{"headers.x-goog-meta-team", "two words"}, {"default_content_type", "text/plain"}})),
                   "token/");
  ExpectStoreWorks(MakeStore({{"google_bearer_token", Env("GCS_TOKEN")}, {"google_base_url", base}, {"allow_http", "true"}}),
                   "bearer/");
  ExpectStoreWorks(MakeStore({{"service_account", Env("GCS_SERVICE_ACCOUNT")}, {"allow_http", "true"}}), "account/");
  ExpectStoreWorks(MakeStore({{"application_credentials", Env("GCS_SERVICE_ACCOUNT")}, {"allow_http", "true"}}), "adc/");
  ExpectStoreWorks(
      MakeStore({{"google_application_credentials", Env("GCS_EXTERNAL_ACCOUNT")}, {"base_url", base}, {"allow_http", "true"}}),
      "external/");
  ExpectStoreWorks(MakeStore({{"base_url", base}, {"allow_http", "true"}}, {{"GCE_METADATA_HOST", Env("GCS_METADATA_HOST")}}),
                   "metadata/");
  ExpectStoreWorks(MakeStore({}, {{"GOOGLE_BASE_URL", base}, {"GOOGLE_STORAGE_TOKEN", Env("GCS_TOKEN")}, {"ALLOW_HTTP", "1"}}),
                   "environment/");
}

TEST(GcsStore, SaysWhatWentWrong) {
  const OpContext ctx;
  const auto wrong = MakeStore(With({{"google_storage_token", "not-the-token"}}));
  Status status = wrong->ReadAll("a/b", ctx).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << status.ToString();
  EXPECT_NE(status.message().find("gs://" + Env("GCS_BUCKET") + "/a/b"), std::string::npos) << status.ToString();
  EXPECT_EQ(status.message().find("not-the-token"), std::string::npos) << status.ToString();
  const auto anonymous = MakeStore(With({{"skip_signature", "true"}}));
  EXPECT_EQ(anonymous->ReadAll("a/b", ctx).status().code(), StatusCode::kUnauthenticated);
  const auto no_http = MakeStore(With({{"allow_http", "false"}}));
  EXPECT_EQ(no_http->ReadAll("a/b", ctx).status().code(), StatusCode::kInvalidArgument);
  const auto absent = MakeGcsStore(*ParseGcsOptions("no-such-bucket", ServerOptions(), {}));
  EXPECT_EQ(absent->List({""}, ctx).status().code(), StatusCode::kNotFound);
}

TEST(GcsStore, ARevokedTokenIsReplacedDuringTheOperation) {
  const OpContext ctx;
  Metrics metrics;
  const auto store = MakeStore({{"base_url", Env("GCS_BASE_URL")}, {"allow_http", "true"}},
                               {{"GCE_METADATA_HOST", Env("GCS_METADATA_HOST")}}, &metrics);
  ASSERT_TRUE(store->Put("revoked/a", Bytes::FromString("x"), ctx).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  HttpConfig config;
  config.allow_http = true;
  HttpRequest revoke;
  revoke.method = HttpMethod::kPost;
  revoke.url = Env("GCS_BASE_URL") + "/_revoke";
  ASSERT_EQ(HttpClient::Make(config)->Send(revoke, ctx).Get(ctx)->status, 200);
  const Result<Bytes> read = store->ReadAll("revoked/a", ctx);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ((*read).view(), "x");
  EXPECT_EQ(metrics.counter("lancefs_store_retries_total"), 1u);
  EXPECT_TRUE(store->ReadAll("revoked/a", ctx).ok());
  EXPECT_EQ(metrics.counter("lancefs_store_retries_total"), 1u);
}

TEST(GcsStore, CountsEveryRequest) {
  Metrics metrics;
  ExpectEveryRequestIsCounted(MakeStore(ServerOptions(), {}, &metrics), &metrics, /*tail_requests=*/1, /*upload_requests=*/2);
}

// ---- Over HTTPS (with_gcs.py --tls) -------------------------------------------------------------

class GcsTls : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(Env("GCS_CA_FILE").empty()) << "needs with_gcs.py --tls"; }
  // How many requests of a protocol the server has seen.
  int Seen(const std::string& protocol) const {
    HttpConfig config;
    config.ca_file = Env("GCS_CA_FILE");
    HttpRequest request;
    request.url = Env("GCS_BASE_URL") + "/_stats";
    const Result<HttpResponse> response = HttpClient::Make(config)->Send(request, ctx_).Get(ctx_);
    EXPECT_TRUE(response.ok() && (*response).status == 200);
    const std::string text((*response).body.view());
    const size_t at = text.find("\"" + protocol + "\":");
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + protocol.size() + 3);
  }
  const OpContext ctx_;
};

TEST_F(GcsTls, Http2OnlyWhenAllowed) {
  const Environment trust = {{"SSL_CERT_FILE", Env("GCS_CA_FILE")}};
  // HTTP/2 first: curl would go on with kept connections of version 1.1.
  ExpectStoreWorks(MakeStore(With({{"HTTP1_ONLY", "false"}}), trust), "h2/");
  EXPECT_GT(Seen("HTTP/2.0"), 0);
  EXPECT_EQ(Seen("HTTP/1.1"), 0);
  Environment variables = trust;
  variables["HTTP1_ONLY"] = "false";
  const int before = Seen("HTTP/2.0");
  ExpectStoreWorks(MakeStore(ServerOptions(), variables), "h2-environment/");
  EXPECT_GT(Seen("HTTP/2.0"), before);
  EXPECT_EQ(Seen("HTTP/1.1"), 0);
  const int second = Seen("HTTP/2.0");
  ExpectStoreWorks(MakeStore(With({{"allow_http", "false"}}), trust), "h1/");
  EXPECT_GT(Seen("HTTP/1.1"), 0);
  EXPECT_EQ(Seen("HTTP/2.0"), second) << "HTTP/1.1 unless something else is asked for";
}

TEST_F(GcsTls, ServersAreVerified) {
  const Status status = MakeStore(ServerOptions())->ReadAll("tls/a", ctx_).status();
  EXPECT_EQ(status.code(), StatusCode::kIoError) << status.ToString();
}

}  // namespace
}  // namespace lancefs
