// SPDX-License-Identifier: Apache-2.0
//
// Every way to sign in to Azure, the options that choose among them, and what goes over the wire, against servers on loopback.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backends/auth/auth_io.h"
#include "backends/auth/azure_credentials.h"
#include "backends/auth/azure_shared_key.h"
#include "backends/auth/digest.h"
#include "backends/azure/azure_store.h"
#include "base/dates.h"
#include "tests/backends/form.h"
#include "tests/backends/loopback_server.h"
#include "tests/backends/temporary_folder.h"

namespace lancefs {
namespace {

using Request = LoopbackServer::Request;
using Answer = LoopbackServer::Answer;
using std::chrono::seconds;
using std::chrono::system_clock;

std::map<std::string, std::string> QueryOf(const Request& request) {
  const size_t mark = request.target.find('?');
  return mark == std::string::npos ? std::map<std::string, std::string>() : FormOf(request.target.substr(mark + 1));
}

Answer Json(std::string body, int status = 200) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

Answer Token(const std::string& token, int lifetime = 3600) {
  return Json(R"({"token_type":"Bearer","access_token":")" + token + R"(","expires_in":)" + std::to_string(lifetime) + "}");
}

Answer AzureError(int status, const std::string& code, const std::string& message = "refused\nRequestId:x") {
  Answer answer;
  answer.status = status;
  answer.headers = {{"x-ms-error-code", code}, {"x-ms-request-id", "id-1"}};
  answer.body = "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code + "</Code><Message>" + message +
                "</Message></Error>";
  return answer;
}

std::string Jwt(seconds from_now) {
  const auto end = std::chrono::duration_cast<seconds>(system_clock::now().time_since_epoch()).count() + from_now.count();
  const std::string claims = R"({"aud":"x","exp":)" + std::to_string(end) + "}";
  std::string text = Base64Encode({reinterpret_cast<const uint8_t*>(claims.data()), claims.size()});
  while (text.ends_with('=')) text.pop_back();
  return "aGVhZA." + text + ".c2ln";
}

// ---- SharedKey and SAS ------------------------------------------------------------------------

TEST(AzureSharedKey, SignsWhatTheDocumentationSays) {
  const AzureRequest request{"PUT",
                             "/myaccount/mycontainer/a%20b",
                             {{"comp", "block"}, {"blockid", "a+b/c="}, {"Comp", "also"}},
                             {{"x-ms-version", "2023-11-03"},
                              {"x-ms-blob-type", " BlockBlob "},
                              {"date", "Fri, 26 Jun 2026 23:39:12 GMT"},
                              {"range", "bytes=0-9"},
                              {"if-none-match", "*"},
                              {"content-type", "text/plain"},
                              {"host", "not signed"}},
                             11};
  EXPECT_EQ(AzureStringToSign(request, "myaccount"),
            "PUT\n\n\n11\n\ntext/plain\nFri, 26 Jun 2026 23:39:12 GMT\n\n\n*\n\nbytes=0-9\n"
            "x-ms-blob-type:BlockBlob\nx-ms-version:2023-11-03\n"
            "/myaccount/myaccount/mycontainer/a%20b\nblockid:a+b/c=\ncomp:also,block");
  const AzureRequest dated{"GET", "/c", {}, {{"x-ms-date", "D"}, {"date", "not this one"}}, 0};
  EXPECT_EQ(AzureStringToSign(dated, "a"), "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:D\n/a/c") << "no length where there is no body";
  EXPECT_TRUE(AzureSharedKeyAuthorization(dated, "a", "key").starts_with("SharedKey a:"));
}

TEST(AzureSharedKey, HeadersSortAsTheServiceSortsThem) {
  EXPECT_TRUE(AzureHeaderLess("x-ms-encryption-key", "x-ms-encryption-key-sha256"));
  EXPECT_TRUE(AzureHeaderLess("x-ms-metaa", "x-ms-meta-b")) << "dashes count last";
  EXPECT_TRUE(AzureHeaderLess("x-ms-metaab", "x-ms-meta-ab"));
  EXPECT_TRUE(AzureHeaderLess("x-ms-meta_a", "x-ms-meta0"));
  EXPECT_FALSE(AzureHeaderLess("x-ms-date", "x-ms-date"));
}

TEST(AzureSharedKey, SharedAccessSignatures) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(*ParseSas("?sv=2023-11-03&sp=r&sig=a%2Bb%3D"), (Pairs{{"sv", "2023-11-03"}, {"sp", "r"}, {"sig", "a+b="}}));
  EXPECT_EQ(*ParseSas(" sig=a+b=&&se=2026-01-01T00%3A00%3A00Z\n"), (Pairs{{"sig", "a+b="}, {"se", "2026-01-01T00:00:00Z"}}));
  for (const char* bad : {"", "?", "sv=1", "secret", "sig=%zzsecret", "=x&sig=1"}) {
    const auto parsed = ParseSas(bad);
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(parsed.status().message().find("ecret"), std::string::npos) << parsed.status().ToString();
  }
}

TEST(AzureSharedKey, DatesAreInEnglish) {
  EXPECT_EQ(HttpDate(system_clock::from_time_t(1255369800)), "Mon, 12 Oct 2009 17:50:00 GMT");
  EXPECT_EQ(*ParseHttpDate(HttpDate(system_clock::from_time_t(1795279142))), 1795279142ll * 1000000000);
}

// ---- Sources ----------------------------------------------------------------------------------

class AzureAuth : public testing::Test {
 protected:
  void SetUp() override {
    identity_.tenant_id = "tenant/1";
    identity_.client_id = "client 1";
    identity_.client_secret = "se+cr/et";
    identity_.http.allow_http = true;
  }

  std::string Write(const std::string& name, const std::string& content, int mode = 0600) {
    const std::string path = home_ / name;
    std::ofstream(path) << content;
    ::chmod(path.c_str(), static_cast<mode_t>(mode));
    return path;
  }

  const TemporaryFolder folder_;
  const std::filesystem::path home_ = folder_.path();
  AzureIdentity identity_;
};

TEST_F(AzureAuth, ClientSecret) {
  LoopbackServer server([](const Request&, int number) { return number == 1 ? Json("", 503) : Token("T1"); });
  identity_.authority_host = server.url() + "/";
  const Result<AccessToken> token = MakeAzureClientSecretSource(identity_)->Fetch(OpContext());
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(token->text, "T1");
  EXPECT_NEAR(std::chrono::duration<double>(*token->expires - system_clock::now()).count(), 3600, 60);
  ASSERT_EQ(server.requests(), 2) << "a busy server is asked again";
  const Request asked = server.log().back();
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.target, "/tenant%2F1/oauth2/v2.0/token");
  EXPECT_EQ(asked.headers.at("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(FormOf(asked.body), (std::map<std::string, std::string>{{"client_id", "client 1"},
                                                                    {"client_secret", "se+cr/et"},
                                                                    {"grant_type", "client_credentials"},
                                                                    {"scope", "https://storage.azure.com/.default"}}));
  identity_.http.allow_http = false;
  EXPECT_EQ(MakeAzureClientSecretSource(identity_)->Fetch(OpContext()).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AzureAuth, RefusalsAndMalformedAnswersOfTheAuthority) {
  Answer next;
  LoopbackServer server([&](const Request&, int) { return next; });
  identity_.authority_host = server.url();
  const auto source = MakeAzureClientSecretSource(identity_);
  next = Json(R"({"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."})", 401);
  Status status = source->Fetch(OpContext()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(status.message().find("AADSTS7000215"), std::string::npos) << status.ToString();
  next = Json(R"({"error":"invalid_client","error_description":"se+cr/et is wrong"})", 401);
  status = source->Fetch(OpContext()).status();
  EXPECT_EQ(status.message().find("se+cr/et"), std::string::npos) << status.ToString();
  for (const char* body : {"", "no json", "[]", R"({"expires_in":10})", R"({"access_token":"","expires_in":10})",
                           R"({"access_token":"a b","expires_in":10})", R"({"access_token":5,"expires_in":10})",
                           R"({"access_token":"T","expires_in":"soon"})"}) {
    next = Json(body);
    status = source->Fetch(OpContext()).status();
    EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << body;
    EXPECT_NE(status.message().find("authority"), std::string::npos) << status.ToString();
  }
}

TEST_F(AzureAuth, WorkloadIdentityReadsItsFileAnew) {
  LoopbackServer server([](const Request&, int number) { return Token("T" + std::to_string(number)); });
  identity_.authority_host = server.url();
  identity_.federated_token_file = Write("token", "jwt-one\n");
  const auto source = MakeAzureWorkloadIdentitySource(identity_);
  ASSERT_TRUE(source->Fetch(OpContext()).ok());
  Write("token", "jwt-two");
  const Result<AccessToken> second = source->Fetch(OpContext());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->text, "T2");
  auto form = FormOf(server.log()[0].body);
  EXPECT_EQ(form["client_assertion"], "jwt-one");
  EXPECT_EQ(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  EXPECT_EQ(form.count("client_secret"), 0u);
  EXPECT_EQ(FormOf(server.log()[1].body)["client_assertion"], "jwt-two");
  Write("token", " \n");
  EXPECT_EQ(source->Fetch(OpContext()).status().code(), StatusCode::kUnauthenticated);
  std::filesystem::remove(home_ / "token");
  const Status missing = source->Fetch(OpContext()).status();
  EXPECT_EQ(missing.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(missing.message().find("token"), std::string::npos);
}

TEST_F(AzureAuth, ManagedIdentity) {
  const auto end = std::chrono::duration_cast<seconds>(system_clock::now().time_since_epoch()).count() + 1000;
  LoopbackServer server([&](const Request&, int) {
    return Json(R"({"access_token":"M","expires_on":")" + std::to_string(end) + R"(","resource":"https://storage.azure.com"})");
  });
  identity_.msi_endpoint = server.url() + "/msi/token";
  identity_.http.allow_http = false;  // of the store; the endpoint is this machine's own
  identity_.http.proxy_url = "http://127.0.0.1:1";
  identity_.identity_header = "header-secret";
  identity_.object_id = "object";
  identity_.msi_resource_id = "/subscriptions/1";
  const Result<AccessToken> token = MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext());
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(token->text, "M");
  EXPECT_NEAR(std::chrono::duration<double>(*token->expires - system_clock::now()).count(), 1000, 30);
  identity_.msi_resource_id.clear();
  ASSERT_TRUE(MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext()).ok());
  identity_.object_id.clear();
  ASSERT_TRUE(MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext()).ok());
  identity_.client_id.clear();
  identity_.identity_header.clear();
  ASSERT_TRUE(MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext()).ok());
  const auto log = server.log();
  std::map<std::string, std::string> expected = {{"api-version", "2019-08-01"}, {"resource", "https://storage.azure.com"}};
  EXPECT_EQ(QueryOf(log[3]), expected);
  EXPECT_EQ(log[3].headers.count("x-identity-header"), 0u);
  expected["client_id"] = "client 1";
  EXPECT_EQ(QueryOf(log[2]), expected);
  expected.erase("client_id");
  expected["object_id"] = "object";
  EXPECT_EQ(QueryOf(log[1]), expected);
  expected.erase("object_id");
  expected["msi_res_id"] = "/subscriptions/1";
  EXPECT_EQ(QueryOf(log[0]), expected);
  EXPECT_EQ(log[0].headers.at("metadata"), "true");
  EXPECT_EQ(log[0].headers.at("x-identity-header"), "header-secret");
}

TEST_F(AzureAuth, WithoutAManagedIdentityTheMessageNamesTheWays) {
  identity_.msi_endpoint = "http://127.0.0.1:1/token";
  const Status status = MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(status.message().find("azure_storage_account_key"), std::string::npos) << status.ToString();
  LoopbackServer server(
      [](const Request&, int) { return Json(R"({"error":"invalid_request","error_description":"Identity not found"})", 400); });
  identity_.msi_endpoint = server.url();
  const Status refused = MakeAzureManagedIdentitySource(identity_)->Fetch(OpContext()).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(refused.message().find("Identity not found"), std::string::npos) << refused.ToString();
}

TEST_F(AzureAuth, AzureCli) {
  const std::string az = Write("az",
                               "#!/bin/sh\necho \"$@\" > '" + (home_ / "words").string() +
                                   "'\necho '{\"accessToken\": \"C\", \"expiresOn\": \"2099-01-01 00:00:00.000000\", "
                                   "\"tokenType\": \"Bearer\"}'\n",
                               0700);
  const Result<AccessToken> token = MakeAzureCliSource(az)->Fetch(OpContext());
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(token->text, "C");
  std::ifstream words(home_ / "words");
  std::string line;
  std::getline(words, line);
  EXPECT_EQ(line, "account get-access-token --output json --scope https://storage.azure.com/.default");
  const std::string failing = Write("az-fails", "#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n", 0700);
  Status status = MakeAzureCliSource(failing)->Fetch(OpContext()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(status.message().find("Please run az login"), std::string::npos) << status.ToString();
  status = MakeAzureCliSource(home_ / "none")->Fetch(OpContext()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(status.message().find("not installed"), std::string::npos) << status.ToString();
}

TEST_F(AzureAuth, AnswersOfTheCli) {
  const char* zone = std::getenv("TZ");
  const std::string before = zone == nullptr ? "" : zone;
  ::setenv("TZ", "Etc/GMT-2", 1);
  ::tzset();
  auto token = ParseAzureCliAnswer(R"({"accessToken":"C","expiresOn":"2026-11-21 18:33:06.123456","tokenType":"bearer"})");
  if (zone == nullptr) {
    ::unsetenv("TZ");
  } else {
    ::setenv("TZ", before.c_str(), 1);
  }
  ::tzset();
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(FormatTimestamp(*token->expires), "2026-11-21T16:33:06Z");
  token = ParseAzureCliAnswer(
      R"({"accessToken":"C","expiresOn":"2001-01-01 00:00:00.0","expires_on":1795279142,"tokenType":"Bearer"})");
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(system_clock::to_time_t(*token->expires), 1795279142);
  for (const char* bad : {"", "{}", "[1]", R"({"accessToken":"C","tokenType":"Bearer"})",
                          R"({"accessToken":"C","expiresOn":"soon","tokenType":"Bearer"})",
                          R"({"accessToken":"C","expires_on":1795279142,"tokenType":"mac"})",
                          R"({"accessToken":"C\n","expires_on":1795279142,"tokenType":"Bearer"})"}) {
    EXPECT_EQ(ParseAzureCliAnswer(bad).status().code(), StatusCode::kUnauthenticated) << bad;
  }
}

TEST_F(AzureAuth, Fabric) {
  const std::string given = Jwt(seconds(1000));
  const std::string served = Jwt(seconds(2000));
  LoopbackServer server([&](const Request&, int) { return Json(served); });
  identity_.fabric_token_service_url = server.url() + "/token";
  identity_.fabric_workload_host = "workload";
  identity_.fabric_session_token = "session";
  identity_.fabric_cluster_identifier = "cluster";
  identity_.fabric_first_token = given;
  const auto source = MakeAzureFabricSource(identity_);
  auto token = source->Fetch(OpContext());
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->text, given);
  EXPECT_EQ(server.requests(), 0);
  token = source->Fetch(OpContext());
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->text, served);
  EXPECT_NEAR(std::chrono::duration<double>(*token->expires - system_clock::now()).count(), 2000, 30);
  const Request asked = server.log().at(0);
  EXPECT_EQ(asked.target, "/token?resource=https%3A%2F%2Fstorage.azure.com");
  EXPECT_EQ(asked.headers.at("x-ms-partner-token"), "session");
  EXPECT_EQ(asked.headers.at("x-ms-cluster-identifier"), "cluster");
  EXPECT_EQ(asked.headers.at("x-ms-workload-resource-moniker"), "cluster");
  EXPECT_EQ(asked.headers.at("x-ms-proxy-host"), "workload");
  identity_.fabric_first_token = Jwt(seconds(100));  // too short
  token = MakeAzureFabricSource(identity_)->Fetch(OpContext());
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->text, served);
  for (const char* bad : {"", "no dots", "a.b.c", "a.e30.c"}) EXPECT_FALSE(JwtExpiry(bad).has_value()) << bad;
}

// ---- Options ----------------------------------------------------------------------------------

constexpr const char* kKey = "a2V5IG9mIHRoZSBhY2NvdW50";

Result<AzureOptions> Parse(const StorageOptions& options, const Environment& environment = {},
                           const std::string& authority = "box") {
  return ParseAzureOptions(authority, options, environment);
}

// The name of what signs.
std::string Signs(const StorageOptions& options) {
  const auto parsed = Parse(options);
  if (!parsed.ok()) return parsed.status().ToString();
  if (!parsed->account_key.empty()) return "key";
  if (!parsed->sas.empty()) return "sas";
  if (parsed->tokens == nullptr) return "nothing";
  const auto token = parsed->tokens->Get(OpContext()).Get(OpContext());
  return token.ok() ? (*token)->text : token.status().ToString();
}

TEST_F(AzureAuth, TheFirstThatIsGivenSigns) {
  // Says what was asked of it.
  LoopbackServer server([](const Request& request, int) {
    if (request.target.starts_with("/fabric")) return Json(Jwt(seconds(900)) + ".fabric");
    if (request.target.starts_with("/msi")) return Token("msi");
    const auto form = FormOf(request.body);
    return Token(form.contains("client_assertion") ? "workload" : form.contains("client_secret") ? "secret" : "?");
  });
  StorageOptions all = {{"account_name", "acct"},
                        {"azure_allow_http", "true"},
                        {"azure_authority_host", server.url()},
                        {"fabric_token_service_url", server.url() + "/fabric"},
                        {"fabric_workload_host", "w"},
                        {"fabric_session_token", "s"},
                        {"azure_fabric_cluster_identifier", "c"},
                        {"bearer_token", "bearer"},
                        {"access_key", kKey},
                        {"client_id", "id"},
                        {"azure_tenant_id", "t"},
                        {"AZURE_FEDERATED_TOKEN_FILE", Write("jwt", "j")},
                        {"client_secret", "x"},
                        {"sas_token", "sig=1"},
                        {"azure_use_azure_cli", "false"},
                        {"msi_endpoint", server.url() + "/msi"}};
  EXPECT_TRUE(Signs(all).ends_with(".fabric")) << Signs(all);
  all.erase("fabric_session_token");
  EXPECT_EQ(Signs(all), "bearer");
  all.erase("bearer_token");
  EXPECT_EQ(Signs(all), "key");
  StorageOptions named = all;
  for (const auto& [type, expected] : std::map<std::string, std::string>{{"client_secret", "secret"},
                                                                         {"Workload_Identity", "workload"},
                                                                         {"sas_token", "sas"},
                                                                         {"managed_identity", "msi"},
                                                                         {"access_key", "key"},
                                                                         {"auto", "key"}}) {
    named["azure_credential_type"] = type;
    EXPECT_EQ(Signs(named), expected);
  }
  named["azure_credential_type"] = "bearer_token";
  EXPECT_NE(Signs(named).find("azure_storage_token"), std::string::npos) << Signs(named);
  named["azure_credential_type"] = "password";
  EXPECT_NE(Signs(named).find("azure_credential_type"), std::string::npos) << Signs(named);
  all.erase("access_key");
  EXPECT_EQ(Signs(all), "workload");
  all.erase("AZURE_FEDERATED_TOKEN_FILE");
  EXPECT_EQ(Signs(all), "secret");
  all.erase("client_secret");
  EXPECT_EQ(Signs(all), "sas");
  all.erase("sas_token");
  EXPECT_EQ(Signs(all), "msi");
  all["skip_signature"] = "true";
  EXPECT_EQ(Signs(all), "nothing");
}

TEST_F(AzureAuth, TheCliIsRunWhenAskedFor) {
  Write("az", "#!/bin/sh\necho '{\"accessToken\": \"from-cli\", \"expires_on\": 4000000000, \"tokenType\": \"Bearer\"}'\n", 0700);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (home_.string() + ":" + path).c_str(), 1);
  const std::string one = Signs({{"account_name", "a"}, {"use_azure_cli", "true"}});
  const std::string two = Signs({{"account_name", "a"}, {"credential_type", "azure_cli"}, {"account_key", kKey}});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(one, "from-cli");
  EXPECT_EQ(two, "from-cli");
}

TEST(AzureOptions, Aliases) {
  for (const char* name : {"azure_storage_account_key", "azure_storage_access_key", "azure_storage_master_key", "account_key",
                           "access_key", "master_key", "ACCOUNT_KEY"}) {
    EXPECT_EQ(Signs({{"Azure_Storage_Account_Name", "a"}, {name, kKey}}), "key") << name;
  }
  for (const char* name : {"azure_storage_sas_key", "azure_storage_sas_token", "sas_key", "sas_token"}) {
    EXPECT_EQ(Signs({{"account_name", "a"}, {name, "?sig=1"}}), "sas") << name;
  }
  for (const char* name : {"azure_storage_token", "bearer_token", "token"}) {
    EXPECT_EQ(Signs({{"account_name", "a"}, {name, "tok"}}), "tok") << name;
  }
  const auto environment =
      Parse({}, {{"AZURE_STORAGE_ACCOUNT_NAME", "envacct"}, {"AZURE_STORAGE_ACCOUNT_KEY", kKey}, {"ACCOUNT_NAME", "no"}});
  ASSERT_TRUE(environment.ok()) << environment.status().ToString();
  EXPECT_EQ(environment->account, "envacct");
  EXPECT_EQ(environment->account_key, "key of the account");
  EXPECT_EQ(environment->endpoint, "https://envacct.blob.core.windows.net");
  const auto beaten = Parse({{"account_name", "option"}}, {{"AZURE_STORAGE_ACCOUNT_NAME", "envacct"}});
  EXPECT_EQ(beaten->account, "option");
  EXPECT_TRUE(Parse({{"account_name", "a"}}, {{"AZURE_STORAGE_USE_HTTP", "true"}})->client.http.allow_http);
  EXPECT_FALSE(
      Parse({{"account_name", "a"}, {"allow_http", "false"}}, {{"AZURE_STORAGE_USE_HTTP", "true"}})->client.http.allow_http);
}

TEST(AzureOptions, PlacesOfTheUrl) {
  const StorageOptions key = {{"account_key", kKey}};
  auto at = [&](const std::string& authority, StorageOptions options = {}) {
    options.insert(key.begin(), key.end());
    const auto parsed = Parse(options, {}, authority);
    return parsed.ok() ? parsed->account + " " + parsed->container + " " + parsed->endpoint : parsed.status().message();
  };
  EXPECT_EQ(at("box", {{"account_name", "acct"}}), "acct box https://acct.blob.core.windows.net");
  EXPECT_EQ(at("$web", {{"account_name", "acct"}}), "acct $web https://acct.blob.core.windows.net");
  EXPECT_EQ(at("fs@acct.dfs.core.windows.net"), "acct fs https://acct.blob.core.windows.net");
  EXPECT_EQ(at("fs@acct.blob.core.windows.net", {{"account_name", "other"}}), "acct fs https://acct.blob.core.windows.net");
  EXPECT_EQ(at("fs@acct.dfs.core.chinacloudapi.cn"), "acct fs https://acct.blob.core.chinacloudapi.cn");
  EXPECT_EQ(at("ws@onelake.dfs.fabric.microsoft.com"), "onelake ws https://onelake.blob.fabric.microsoft.com");
  EXPECT_EQ(at("ws@0a1b.z28.dfs.fabric.microsoft.com", {{"endpoint", "https://ignored"}}),
            "0a1b.z28 ws https://0a1b.z28.dfs.fabric.microsoft.com");
  EXPECT_EQ(at("fs@acct.dfs.core.windows.net", {{"endpoint", "https://proxy.test/x/"}}), "acct fs https://proxy.test/x");
  EXPECT_EQ(at("box", {{"account_name", "acct"}, {"use_fabric_endpoint", "true"}}),
            "acct box https://acct.blob.fabric.microsoft.com");
  EXPECT_EQ(at("box", {{"use_emulator", "true"}}), "devstoreaccount1 box http://127.0.0.1:10000/devstoreaccount1");
  for (const char* bad :
       {"fs@acct.example.com", "fs@acct", "fs@", "@acct.dfs.core.windows.net", "a b", "box.dots", "fs@.dfs.core.windows.net"}) {
    EXPECT_FALSE(Parse({{"account_name", "acct"}, {"account_key", kKey}}, {}, bad).ok()) << bad;
  }
  const Status missing = Parse(key).status();
  EXPECT_EQ(missing.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(missing.message().find("azure_storage_account_name"), std::string::npos) << missing.ToString();
}

TEST(AzureOptions, Emulator) {
  const Environment environment = {{"AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:7777"}};
  const auto parsed = Parse({{"azure_storage_use_emulator", "yes"}, {"endpoint", "https://ignored"}}, environment);
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_EQ(parsed->endpoint, "http://127.0.0.1:7777/devstoreaccount1");
  EXPECT_TRUE(parsed->client.http.allow_http);
  EXPECT_EQ(parsed->account_key.size(), 64u);
  EXPECT_EQ(Signs({{"use_emulator", "1"}, {"token", "tok"}, {"sas_key", "sig=1"}}), "tok");
  EXPECT_EQ(Signs({{"use_emulator", "1"}, {"sas_key", "sig=1"}}), "sas");
}

TEST(AzureOptions, BadValuesAreNamedAndNotShown) {
  for (const auto& [key, value] : std::map<std::string, std::string>{{"account_key", "!secret!"},
                                                                     {"sas_token", "secret"},
                                                                     {"token", "a secret"},
                                                                     {"encryption_key", "c2VjcmV0"},
                                                                     {"endpoint", "secret"},
                                                                     {"authority_host", "https://user:secret@host"},
                                                                     {"msi_endpoint", "secret"},
                                                                     {"skip_signature", "secret"},
                                                                     {"disable_tagging", "secret"}}) {
    const Status status = Parse({{"account_name", "a"}, {key, value}}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(status.message().find("secret"), std::string::npos) << status.ToString();
    EXPECT_NE(status.message().find("azure_"), std::string::npos) << status.ToString();
  }
}

// ---- The wire ---------------------------------------------------------------------------------

std::shared_ptr<ObjectStore> StoreAt(const LoopbackServer& server, StorageOptions options,
                                     Metrics* metrics = &Metrics::Global()) {
  options.insert({{"account_name", "acct"}, {"endpoint", server.url()}, {"allow_http", "true"}, {"client_max_retries", "2"}});
  auto parsed = Parse(options);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return MakeAzureStore(*parsed, metrics);
}

Answer Blob(const std::string& content) {
  Answer answer;
  answer.headers = {{"etag", "\"1\""}, {"last-modified", "Mon, 12 Oct 2009 17:50:00 GMT"}};
  answer.body = content;
  return answer;
}

TEST_F(AzureAuth, AnExpiredTokenIsRenewedOnce) {
  std::atomic<int> handed_out{0};
  LoopbackServer authority([&](const Request&, int) { return Token("T" + std::to_string(++handed_out)); });
  std::string valid = "Bearer T1";
  LoopbackServer server([&](const Request& request, int) {
    return request.headers.at("authorization") == valid ? Blob("content") : AzureError(401, "InvalidAuthenticationInfo");
  });
  const auto store =
      StoreAt(server, {{"client_id", "c"}, {"tenant_id", "t"}, {"client_secret", "x"}, {"authority_host", authority.url()}});
  EXPECT_TRUE(store->ReadAll("a", OpContext()).ok());
  EXPECT_TRUE(store->ReadAll("a", OpContext()).ok());
  EXPECT_EQ(handed_out, 1);
  // What was fetched a moment ago would come again; after that second it is fetched anew.
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  valid = "Bearer T2";
  const auto renewed = store->ReadAll("a", OpContext());
  ASSERT_TRUE(renewed.ok()) << renewed.status().ToString();
  EXPECT_EQ(handed_out, 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  valid = "Bearer none";
  const int before = server.requests();
  const Status refused = store->ReadAll("a", OpContext()).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(server.requests() - before, 2) << "once more, and not again and again";
  EXPECT_EQ(refused.message().find("T2"), std::string::npos) << refused.ToString();
}

TEST(AzureWire, TheClockIsLearntFromTheServer) {
  const auto server_time = system_clock::now() - std::chrono::hours(2);
  LoopbackServer server([&](const Request& request, int) {
    const auto date = ParseHttpDate(request.headers.at("date"));
    const auto apart = std::chrono::nanoseconds(*date) - server_time.time_since_epoch();
    Answer answer = apart < std::chrono::minutes(15) ? Blob("x") : AzureError(403, "AuthenticationFailed");
    answer.headers.emplace_back("date", HttpDate(server_time));
    return answer;
  });
  const auto store = StoreAt(server, {{"account_key", kKey}});
  const auto read = store->ReadAll("a", OpContext());
  EXPECT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(server.requests(), 2);
  EXPECT_TRUE(store->ReadAll("a", OpContext()).ok());
  EXPECT_EQ(server.requests(), 3);
}

TEST(AzureWire, HeadersOfReadsAndWrites) {
  LoopbackServer server([](const Request& request, int) {
    Answer answer = request.method == "PUT" ? Answer{} : Blob("x");
    if (request.method == "PUT") answer.status = 201;
    return answer;
  });
  const std::string key(32, 'k');
  const std::string encoded = Base64Encode({reinterpret_cast<const uint8_t*>(key.data()), key.size()});
  const auto store = StoreAt(server, {{"sas_token", "?sv=1&sig=a%2Bb%3D"},
                                      {"encryption_key", encoded},
                                      {"disable_tagging", "true"},
                                      {"headers.x-ms-meta-team", "t"},
                                      {"default_content_type", "x/y"}});
  ASSERT_TRUE(store->Put("d/a b", Bytes::FromString("x"), OpContext()).ok());
  ASSERT_TRUE(store->ReadAll("d/a b", OpContext()).ok());
  ASSERT_TRUE(store->PutIfAbsent("p", Bytes::FromString("x"), OpContext()).ok());
  ASSERT_TRUE(store->Head("p", OpContext()).ok());
  const auto log = server.log();
  EXPECT_EQ(log[0].target, "/box/d/a%20b?sig=a%2Bb%3D&sv=1");
  EXPECT_EQ(log[0].headers.at("x-ms-blob-type"), "BlockBlob");
  EXPECT_EQ(log[0].headers.at("content-type"), "x/y");
  EXPECT_EQ(log[0].headers.count("if-none-match"), 0u);
  EXPECT_EQ(log[2].headers.at("if-none-match"), "*");
  for (const Request& request : log) {
    EXPECT_EQ(request.headers.at("x-ms-version"), "2023-11-03");
    EXPECT_EQ(request.headers.at("x-ms-encryption-key"), encoded);
    EXPECT_EQ(request.headers.at("x-ms-encryption-key-sha256"), Base64Encode(Sha256(key)));
    EXPECT_EQ(request.headers.at("x-ms-encryption-algorithm"), "AES256");
    EXPECT_EQ(request.headers.at("x-ms-meta-team"), "t");
    EXPECT_EQ(request.headers.count("authorization"), 0u);
    EXPECT_EQ(request.headers.count("x-ms-tags"), 0u);
  }
}

TEST(AzureWire, AnswersToConditionalCreates) {
  Answer next;
  LoopbackServer server([&](const Request&, int) { return next; });
  Metrics metrics;
  const auto store = StoreAt(server, {{"account_key", kKey}}, &metrics);
  auto create = [&] { return store->PutIfAbsent("a", Bytes::FromString("x"), OpContext()); };
  for (const auto& [status, code] : {std::pair{409, "BlobAlreadyExists"}, {412, "ConditionNotMet"}, {412, "LeaseIdMissing"}}) {
    next = AzureError(status, code);
    const auto outcome = create();
    ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
    EXPECT_EQ(*outcome, PutOutcome::kAlreadyExists);
  }
  EXPECT_EQ(server.requests(), 3);
  for (const auto& [code, expected] : {std::pair{"ContainerBeingDeleted", StatusCode::kUnavailable},
                                       {"PublicAccessNotPermitted", StatusCode::kPermissionDenied},
                                       {"SnapshotsPresent", StatusCode::kIoError}}) {
    next = AzureError(409, code);
    const Status status = create().status();
    EXPECT_EQ(status.code(), expected) << status.ToString();
    EXPECT_NE(status.message().find(code), std::string::npos);
    EXPECT_NE(status.message().find("refused [request id id-1]"), std::string::npos) << status.ToString();
  }
}

TEST(AzureWire, ABusyServerThatDidItAnyhowIsNotTakenAtItsWord) {
  LoopbackServer server([](const Request&, int number) {
    return number == 1 ? AzureError(500, "OperationTimedOut") : AzureError(409, "BlobAlreadyExists");
  });
  const auto store = StoreAt(server, {{"account_key", kKey}});
  EXPECT_EQ(store->PutIfAbsent("a", Bytes::FromString("x"), OpContext()).status().code(), StatusCode::kUnknownOutcome);
}

TEST(AzureWire, LostConnectionsDoNotShowTheSignature) {
  LoopbackServer server([](const Request&, int) {
    Answer answer;
    answer.drop = true;
    return answer;
  });
  const auto store = StoreAt(server, {{"sas_token", "sv=1&sig=c2VjcmV0"}});
  for (const Status& status : {store->ReadAll("a", OpContext()).status(), store->Put("a", Bytes(), OpContext()),
                               store->PutIfAbsent("a", Bytes(), OpContext()).status(), store->List({""}, OpContext()).status()}) {
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.ToString().find("c2VjcmV0"), std::string::npos) << status.ToString();
  }
  EXPECT_EQ(store->name(), "az://box");
}

TEST(AzureWire, UploadsInBlocks) {
  std::mutex mutex;
  std::vector<std::string> blocks;
  std::string list;
  LoopbackServer server([&](const Request& request, int) {
    Answer answer;
    answer.status = 201;
    const auto query = QueryOf(request);
    std::lock_guard lock(mutex);
    if (query.contains("blockid")) blocks.push_back(query.at("blockid"));
    // The first answer to the list is lost: the second attempt must succeed by itself.
    if (query.contains("comp") && query.at("comp") == "blocklist") {
      answer.drop = list.empty();
      list = request.body;
    }
    return answer;
  });
  const auto store = StoreAt(server, {{"account_key", kKey}, {"default_content_type", "x/y"}});
  auto writer = store->OpenWriter("a", OpContext());
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(Bytes::FromString(std::string(20 << 20, 'x')), OpContext()).ok());
  const Status finished = (*writer)->Finish(OpContext());
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  ASSERT_EQ(blocks.size(), 3u);
  for (const std::string& id : blocks) {
    EXPECT_EQ(id.size(), blocks[0].size());
    EXPECT_NE(list.find("<Latest>" + id + "</Latest>"), std::string::npos) << list;
  }
  EXPECT_EQ(server.log().back().headers.at("x-ms-blob-content-type"), "x/y");
}

TEST(AzureWire, TheServiceCopies) {
  std::atomic<int> looks{0};
  LoopbackServer server([&](const Request& request, int) {
    Answer answer = Blob("x");
    if (request.method == "PUT") answer.status = 202;
    const bool failing = request.target.find("fails") != std::string::npos;
    const bool done = request.target.find("at-once") != std::string::npos || (request.method == "HEAD" && ++looks >= 3);
    answer.headers.emplace_back("x-ms-copy-status", failing ? "failed" : done ? "success" : "pending");
    return answer;
  });
  const auto store = StoreAt(server, {{"sas_token", "?sv=1&sig=a%2Bb%3D"}});
  ASSERT_TRUE(store->Copy("d/a b", "at-once", OpContext()).ok());
  ASSERT_EQ(server.requests(), 1);
  EXPECT_EQ(server.log()[0].target, "/box/at-once?sig=a%2Bb%3D&sv=1");
  EXPECT_EQ(server.log()[0].headers.at("x-ms-copy-source"), server.url() + "/box/d/a%20b?sig=a%2Bb%3D&sv=1");
  EXPECT_TRUE(store->Copy("a", "later", OpContext()).ok());
  EXPECT_EQ(looks, 3);
  const Status failed = store->Copy("a", "fails", OpContext());
  EXPECT_EQ(failed.code(), StatusCode::kIoError);
  EXPECT_NE(failed.message().find("az://box/fails"), std::string::npos) << failed.ToString();
  EXPECT_EQ(failed.message().find("sig="), std::string::npos) << failed.ToString();
  // What the account key signs needs no signature in the source; what a customer's key encrypts goes through this machine.
  ASSERT_TRUE(StoreAt(server, {{"account_key", kKey}})->Copy("a", "at-once", OpContext()).ok());
  EXPECT_EQ(server.log().back().headers.at("x-ms-copy-source"), server.url() + "/box/a");
  const std::string key = Base64Encode(Sha256("key"));
  ASSERT_TRUE(StoreAt(server, {{"account_key", kKey}, {"encryption_key", key}})->Copy("a", "at-once", OpContext()).ok());
  EXPECT_EQ(server.log().back().headers.count("x-ms-copy-source"), 0u);
  EXPECT_EQ(server.log().back().body, "x");
}

TEST(AzureListing, Pages) {
  const std::string text = R"(<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="http://x/" ContainerName="c"><Prefix>d/</Prefix><Blobs>
<Blob><Name>d/a</Name><Properties><Content-Length>1</Content-Length><Etag>0x1</Etag></Properties></Blob>
<Blob><Name>d/b</Name><Properties><Content-Length>12</Content-Length><Etag>0x8D</Etag>
<Last-Modified>Mon, 12 Oct 2009 17:50:00 GMT</Last-Modified></Properties></Blob>
<Blob><Name>d/dir</Name><Properties><Content-Length>0</Content-Length><ResourceType>directory</ResourceType></Properties></Blob>
<Blob><Name>d/e &amp; f</Name><Properties><Content-Length>3</Content-Length><ResourceType>file</ResourceType></Properties></Blob>
<Blob><Name>d/marker/</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>
<BlobPrefix><Name>d/0/</Name></BlobPrefix><BlobPrefix><Name>d/a/</Name></BlobPrefix></Blobs>
<NextMarker>more</NextMarker></EnumerationResults>)";
  for (const std::string& document : {text, "\xEF\xBB\xBF" + text}) {
    const auto page = ParseAzureListing(document, "d/a");
    ASSERT_TRUE(page.ok()) << page.status().ToString();
    ASSERT_EQ(page->objects.size(), 2u);
    EXPECT_EQ(page->objects[0].path, "d/b");
    EXPECT_EQ(page->objects[0].size, 12u);
    EXPECT_EQ(page->objects[0].etag, "\"0x8D\"");
    EXPECT_EQ(page->objects[0].last_modified_ns, 1255369800ll * 1000000000);
    EXPECT_EQ(page->objects[1].path, "d/e & f");
    EXPECT_EQ(page->directories, std::vector<std::string>{"d/a/"});
    EXPECT_TRUE(page->truncated);
    EXPECT_EQ(page->continuation, "more");
  }
  EXPECT_EQ(ParseAzureListing(text, "")->objects.size(), 3u);
  EXPECT_FALSE(ParseAzureListing("<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>", "")->truncated);
  for (const char* bad :
       {"", "<html></html>", "<EnumerationResults/>", "<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Content-Length>-1</Content-Length>"
        "</Properties></Blob></Blobs></EnumerationResults>"}) {
    EXPECT_EQ(ParseAzureListing(bad, "").status().code(), StatusCode::kCorruption) << bad;
  }
}

TEST(AzureListing, StartsFromTheOffsetAndGoesOnWithTheMarker) {
  LoopbackServer server([](const Request& request, int) {
    const auto query = QueryOf(request);
    const bool second = query.contains("marker");
    return Json(std::string("<EnumerationResults><Blobs>") +
                (second ? "<Blob><Name>p/c</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>"
                        : "<Blob><Name>p/a</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>"
                          "<Blob><Name>p/b</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>") +
                "</Blobs><NextMarker>" + (second ? "" : "m/1") + "</NextMarker></EnumerationResults>");
  });
  const auto store = StoreAt(server, {{"account_key", kKey}});
  const auto list = store->List({"p/", "p/a"}, OpContext());
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  ASSERT_EQ((*list).objects.size(), 2u);
  EXPECT_EQ((*list).objects[1].path, "p/c");
  const auto log = server.log();
  EXPECT_EQ(QueryOf(log[0]),
            (std::map<std::string, std::string>{
                {"restype", "container"}, {"comp", "list"}, {"prefix", "p/"}, {"delimiter", "/"}, {"startFrom", "p/a"}}));
  EXPECT_EQ(QueryOf(log[1]),
            (std::map<std::string, std::string>{
                {"restype", "container"}, {"comp", "list"}, {"prefix", "p/"}, {"delimiter", "/"}, {"marker", "m/1"}}));
}

}  // namespace
}  // namespace lancefs
