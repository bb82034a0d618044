// SPDX-License-Identifier: Apache-2.0
//
// The Azure store against a real server; run by tests/servers/with_azurite.py.
#include "backends/azure/azure_store.h"

#include "tests/conformance/object_store_suite.h"
#include "tests/conformance/store_server.h"

namespace lancefs {
namespace {

StorageOptions ServerOptions() {
  return {{"azure_storage_account_name", Env("AZ_ACCOUNT")},
          {"azure_storage_account_key", Env("AZ_KEY")},
          {"azure_storage_endpoint", Env("AZ_ENDPOINT")},
          {"allow_http", "true"},
          // Azurite closes what was idle for 5 s; a creation that is sent at that very moment has an unknown outcome.
          {"pool_idle_timeout", "4s"}};
}

StorageOptions SasOptions(const char* variable = "AZ_SAS") {
  StorageOptions options = ServerOptions();
  options.erase("azure_storage_account_key");
  options["azure_storage_sas_token"] = Env(variable);
  return options;
}

std::shared_ptr<ObjectStore> MakeStore(const StorageOptions& options, Metrics* metrics = &Metrics::Global(),
                                       const Environment& environment = {}) {
  Result<AzureOptions> parsed = ParseAzureOptions(Env("AZ_CONTAINER"), options, environment);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return MakeAzureStore(*parsed, metrics);
}

StorageOptions With(StorageOptions more) { return Merged(std::move(more), ServerOptions()); }

INSTANTIATE_TEST_SUITE_P(Azure, ObjectStoreSuite,
                         testing::Values(StoreUnderTest{"SharedKey", [] { return MakeStore(ServerOptions()); }}), StoreName);

TEST(AzureStore, SharedKeyVariants) {
  ExpectStoreWorks(
      MakeStore(With({{"default_content_type", "application/octet-stream"}, {"headers.x-ms-meta-team", "two  words"}})), "v1/");
  ExpectStoreWorks(MakeStore(With({{"user_agent", "somebody/1"}, {"azure_disable_tagging", "true"}, {"http1_only", "false"}})),
                   "v 2/");
}

TEST(AzureStore, ListAndHeadAgreeToTheNanosecond) {
  const OpContext ctx;
  const auto store = MakeStore(ServerOptions());
  ASSERT_TRUE(store->Put("agree/a", Bytes::FromString("1"), ctx).ok());
  const auto list = store->List({"agree/"}, ctx);
  const auto head = store->Head("agree/a", ctx);
  ASSERT_TRUE(list.ok() && (*list).objects.size() == 1 && head.ok() && (*head).has_value());
  EXPECT_EQ((*head)->last_modified_ns, (*list).objects[0].last_modified_ns);
}

TEST(AzureStore, SharedAccessSignature) { ExpectStoreWorks(MakeStore(SasOptions()), "sas/"); }

TEST(AzureStore, Emulator) {
  const Environment environment = {{"AZURITE_BLOB_STORAGE_URL", Env("AZURITE_BLOB_STORAGE_URL")}};
  ExpectStoreWorks(MakeStore({{"use_emulator", "true"}}, &Metrics::Global(), environment), "emulator/");
}

TEST(AzureTls, BearerToken) {
  StorageOptions options = ServerOptions();
  options.erase("azure_storage_account_key");
  options["azure_storage_token"] = Env("AZ_TOKEN");
  const Environment trust = {{"SSL_CERT_FILE", Env("AZ_CA_FILE")}};
  ExpectStoreWorks(MakeStore(options, &Metrics::Global(), trust), "bearer/");
  options["azure_storage_token"] = Env("AZ_TOKEN_EXPIRED");
  const Status status = MakeStore(options, &Metrics::Global(), trust)->ReadAll("a", OpContext()).status();
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(status.Is(StatusCode::kUnauthenticated) || status.Is(StatusCode::kPermissionDenied)) << status.ToString();
  EXPECT_EQ(status.message().find(Env("AZ_TOKEN_EXPIRED").substr(40, 30)), std::string::npos);
  options["azure_storage_token"] = Env("AZ_TOKEN");
  EXPECT_FALSE(MakeStore(options)->ReadAll("a", OpContext()).ok()) << "an unknown certificate";
}

TEST(AzureTls, SharedAccessSignature) {
  ExpectStoreWorks(MakeStore(SasOptions(), &Metrics::Global(), {{"SSL_CERT_FILE", Env("AZ_CA_FILE")}}), "sas/");
}

TEST(AzureStore, CountsEveryRequest) {
  Metrics metrics;
  ExpectEveryRequestIsCounted(MakeStore(ServerOptions(), &metrics), &metrics, /*tail_requests=*/2, /*upload_requests=*/1);
}

TEST(AzureStore, WritersOfOneBlobDoNotMixTheirBlocks) {
  const OpContext ctx;
  const auto store = MakeStore(ServerOptions());
  auto first = store->OpenWriter("two/writers", ctx);
  auto second = store->OpenWriter("two/writers", ctx);
  ASSERT_TRUE(first.ok() && second.ok());
  for (auto* writer : {&first, &second}) {
    const char letter = writer == &first ? 'a' : 'b';
    ASSERT_TRUE((**writer)->Write(Bytes::FromString(std::string(17 << 20, letter)), ctx).ok());
  }
  const Status one = (*first)->Finish(ctx);
  const Status two = (*second)->Finish(ctx);
  // The service drops the others' blocks with the first list; whoever wrote last must not have made a mixture.
  EXPECT_TRUE(one.ok()) << one.ToString();
  const auto read = store->ReadAll("two/writers", ctx);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read).view(), std::string(17 << 20, two.ok() ? 'b' : 'a'));
}

TEST(AzureStore, SaysWhatWentWrong) {
  const OpContext ctx;
  const auto wrong_key = MakeStore(With({{"azure_storage_account_key", "bm90LXRoZS1zZWNyZXQ="}}));
  Status status = wrong_key->ReadAll("a/b", ctx).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status.ToString();
  EXPECT_NE(status.message().find("az://" + Env("AZ_CONTAINER") + "/a/b"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("request id"), std::string::npos) << status.ToString();
  EXPECT_EQ(status.message().find("bm90LX"), std::string::npos) << status.ToString();
  const auto expired = MakeStore(SasOptions("AZ_SAS_EXPIRED"));
  for (const Status& refused :
       {expired->ReadAll("a", ctx).status(), expired->Head("a", ctx).status(), expired->List({""}, ctx).status(),
        expired->Put("a", Bytes(), ctx), expired->PutIfAbsent("a", Bytes(), ctx).status()}) {
    EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied) << refused.ToString();
    EXPECT_EQ(refused.ToString().find("sig="), std::string::npos) << refused.ToString();
    EXPECT_EQ(refused.ToString().find("se="), std::string::npos) << refused.ToString();
  }
  const auto anonymous = MakeStore(With({{"skip_signature", "true"}}));
  status = anonymous->ReadAll("a/b", ctx).status();
  EXPECT_FALSE(status.ok());
  const auto no_http = MakeStore(With({{"allow_http", "false"}}));
  EXPECT_EQ(no_http->ReadAll("a/b", ctx).status().code(), StatusCode::kInvalidArgument);
  const auto absent = MakeAzureStore(*ParseAzureOptions("no-such-container", ServerOptions(), {}));
  EXPECT_EQ(absent->List({""}, ctx).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(absent->Delete("a", ctx).ok());
  EXPECT_EQ(absent->PutIfAbsent("a", Bytes(), ctx).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace lancefs
