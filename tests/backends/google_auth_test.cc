// SPDX-License-Identifier: Apache-2.0
//
// Every way to sign in to Google Cloud Storage, against endpoints on loopback, and the options that choose among them.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/google_credentials.h"
#include "backends/gcs/gcs_client.h"
#include "backends/gcs/gcs_options.h"
#include "base/uri.h"
#include "tests/backends/form.h"
#include "tests/backends/loopback_server.h"
#include "tests/backends/temporary_folder.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;
using Request = LoopbackServer::Request;
using Answer = LoopbackServer::Answer;
using std::chrono::seconds;
using std::chrono::system_clock;

const std::string& PrivateKey() {
  static const std::string* pem = [] {
    EVP_PKEY* key = EVP_RSA_gen(2048);
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    auto* out = new std::string(text, static_cast<size_t>(size));
    BIO_free(bio);
    EVP_PKEY_free(key);
    return out;
  }();
  return *pem;
}

Answer TokenAnswer(const std::string& token, int life = 3600) {
  Answer answer;
  answer.body = Json({{"access_token", token}, {"expires_in", life}, {"token_type", "Bearer"}}).dump();
  return answer;
}

class GoogleAuth : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(home_ / ".config/gcloud");
    options_.environment["HOME"] = home_.string();
    options_.environment["NO_GCE_CHECK"] = "true";
  }

  std::string Write(const std::string& path, const std::string& text) const {
    std::ofstream(home_ / path) << text;
    return (home_ / path).string();
  }
  std::string WriteAdc(const Json& json) const {
    return Write(".config/gcloud/application_default_credentials.json", json.dump());
  }
  Result<AccessToken> Fetch() const {
    LANCEFS_ASSIGN_OR_RETURN(const GoogleCredentials credentials, MakeGoogleCredentials(options_));
    const OpContext ctx = OpContext().WithTimeout(seconds(20));
    LANCEFS_ASSIGN_OR_RETURN(const AccessTokenPtr token, credentials.tokens->Get(ctx).Get(ctx));
    return *token;
  }
  std::string Text() const {
    const Result<AccessToken> token = Fetch();
    return token.ok() ? token->text : token.status().ToString();
  }
  void ExpectError(const std::string& part) const {
    const std::string text = Text();
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(text.find("hush"), std::string::npos) << text;
  }
  static Json ServiceAccount() {
    return {{"type", "service_account"}, {"private_key", PrivateKey()}, {"private_key_id", "kid"}, {"client_email", "a@b"}};
  }
  static Json User() {
    return {{"type", "authorized_user"}, {"client_id", "id"}, {"client_secret", "hush+1"}, {"refresh_token", "hush/2"}};
  }
  Json External(const std::string& url) const {
    return {{"type", "external_account"},
            {"audience", "//iam/pool"},
            {"subject_token_type", "urn:jwt"},
            {"token_url", url + "/sts"},
            {"credential_source", {{"file", (home_ / "subject").string()}}}};
  }

  const TemporaryFolder folder_;
  const std::filesystem::path home_ = folder_.path();
  GoogleAuthOptions options_;
};

TEST_F(GoogleAuth, AServiceAccountSignsItsOwnToken) {
  options_.service_account_key = ServiceAccount().dump();
  const Result<AccessToken> token = Fetch();
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(std::count(token->text.begin(), token->text.end(), '.'), 2);
  EXPECT_EQ(token->text.find_first_of("+/="), std::string::npos);
  const auto life = std::chrono::duration_cast<seconds>(*token->expires - system_clock::now()).count();
  EXPECT_NEAR(static_cast<double>(life), 3600, 5);
  EXPECT_EQ(token->renew_ahead, seconds(300));
  const std::string path = Write("account.json", ServiceAccount().dump());
  options_.service_account_path = path;
  ExpectError("both set");
  options_.service_account_key.clear();
  EXPECT_EQ(Text().substr(0, 3), "eyJ");
  options_.service_account_path = "~/account.json";
  EXPECT_EQ(Text().substr(0, 3), "eyJ");
}

TEST_F(GoogleAuth, AnEmulatorsAccountGoesWithoutAuthorization) {
  options_.service_account_key =
      R"({"gcs_base_url":"http://127.0.0.1:1","disable_oauth":true,"client_email":"","private_key":""})";
  const Result<GoogleCredentials> credentials = MakeGoogleCredentials(options_);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->tokens, nullptr);
  EXPECT_EQ(credentials->base_url, "http://127.0.0.1:1");
}

TEST_F(GoogleAuth, WrongFilesAreNamed) {
  auto expect = [&](const Json& json, const std::string& part) {
    options_.service_account_key = json.dump();
    ExpectError(part);
  };
  for (const char* member : {"private_key", "private_key_id", "client_email"}) {
    Json json = ServiceAccount();
    json.erase(member);
    expect(json, std::string("'") + member + "' is missing");
    json[member] = 7;
    expect(json, std::string("'") + member + "' must be text");
  }
  Json json = ServiceAccount();
  json["private_key"] = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n";
  expect(json, "not an unencrypted RSA key");
  expect({{"type", "gdch_service_account"}}, "gdch_service_account");
  expect({{"private", "hush"}}, "'type' is missing");
  options_.service_account_key = "{\"hush";
  ExpectError("google_service_account_key is not a JSON object");
  options_.service_account_key.clear();
  options_.service_account_path = (home_ / "none.json").string();
  ExpectError("none.json");
  options_.service_account_path.clear();
  options_.application_credentials = (home_ / "none.json").string();
  ExpectError("google_application_credentials: cannot read");
  options_.application_credentials.clear();
  Write(".config/gcloud/application_default_credentials.json", "hush");
  ExpectError("application_default_credentials.json' is not a JSON object");
  options_.bearer_token = "hush hush";
  ExpectError("'google_bearer_token' is not a token");
}

TEST_F(GoogleAuth, AnAuthorizedUserRenewsItsToken) {
  int status = 200;
  LoopbackServer server([&](const Request& request, int number) {
    const auto form = FormOf(request.body);
    EXPECT_EQ(form.at("grant_type"), "refresh_token");
    EXPECT_EQ(form.at("client_id"), "id");
    EXPECT_EQ(form.at("client_secret"), "hush+1");
    EXPECT_EQ(form.at("refresh_token"), "hush/2");
    Answer answer = TokenAnswer("user-" + std::to_string(number));
    answer.status = status;
    if (status != 200) answer.body = R"({"error":"invalid_grant","error_description":"Token has been revoked."})";
    return answer;
  });
  options_.oauth_url = server.url() + "/token";
  WriteAdc(User());
  const Result<AccessToken> token = Fetch();
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(token->text, "user-1");
  EXPECT_EQ(token->renew_ahead, seconds(240));
  status = 400;
  ExpectError("HTTP 400 (invalid_grant: Token has been revoked.)");
}

TEST_F(GoogleAuth, TheMetadataServer) {
  options_.environment.erase("NO_GCE_CHECK");
  int status = 200;
  LoopbackServer server([&](const Request& request, int) {
    EXPECT_EQ(request.target,
              "/computeMetadata/v1/instance/service-accounts/default/token?audience="
              "https%3A%2F%2Fwww.googleapis.com%2Foauth2%2Fv4%2Ftoken");
    EXPECT_EQ(request.headers.at("metadata-flavor"), "Google");
    Answer answer = TokenAnswer("metadata");
    answer.status = status;
    return answer;
  });
  options_.environment["GCE_METADATA_ROOT"] = server.url().substr(7);
  const Result<AccessToken> token = Fetch();
  ASSERT_TRUE(token.ok()) << token.status().ToString();
  EXPECT_EQ(token->text, "metadata");
  EXPECT_EQ(token->renew_ahead, seconds(240));
  // A host that does not answer: the address instead.
  options_.environment["GCE_METADATA_HOST"] = "127.0.0.1:1";
  options_.environment["GCE_METADATA_IP"] = server.url().substr(7);
  EXPECT_EQ(Text(), "metadata");
  options_.environment["GCE_METADATA_IP"] = "127.0.0.1:1";
  ExpectError("no credentials for Google Cloud Storage");
  options_.environment["GCE_METADATA_HOST"] = server.url().substr(7);
  status = 404;
  ExpectError("the machine has no service account");
  status = 403;
  ExpectError("HTTP 403");
  options_.environment["GCE_METADATA_HOST"] = "user@host/path";
  ExpectError("not a host name");
}

TEST_F(GoogleAuth, WorkloadIdentity) {
  std::string expected_scope = "https://www.googleapis.com/auth/cloud-platform";
  std::string expected_subject = "subject-1";
  LoopbackServer server([&](const Request& request, int) {
    if (request.target == "/subject?a=1") {
      EXPECT_EQ(request.headers.at("metadata"), "True");
      Answer answer;
      answer.body = R"({"access_token":"subject-url"})";
      return answer;
    }
    if (request.target == "/sts") {
      const auto form = FormOf(request.body);
      EXPECT_EQ(form.at("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
      EXPECT_EQ(form.at("audience"), "//iam/pool");
      EXPECT_EQ(form.at("subject_token_type"), "urn:jwt");
      EXPECT_EQ(form.at("subject_token"), expected_subject);
      EXPECT_EQ(form.at("requested_token_type"), "urn:ietf:params:oauth:token-type:access_token");
      EXPECT_EQ(form.at("scope"), expected_scope);
      return TokenAnswer("exchanged", 1800);
    }
    EXPECT_EQ(request.target, "/impersonate");
    EXPECT_EQ(request.headers.at("authorization"), "Bearer exchanged");
    EXPECT_EQ(Json::parse(request.body).at("lifetime"), "600s");
    EXPECT_EQ(Json::parse(request.body).at("scope").dump(), R"(["https://www.googleapis.com/auth/cloud-platform"])");
    Answer answer;
    answer.body =
        Json({{"accessToken", "impersonated"}, {"expireTime", FormatTimestamp(system_clock::now() + seconds(600))}}).dump();
    return answer;
  });
  Json account = External(server.url());
  auto set = [&] { options_.application_credentials = Write("external.json", account.dump()); };
  set();
  ExpectError("subject': No such file");
  Write("subject", "subject-1\n");
  EXPECT_EQ(Text(), "exchanged");
  Write("subject", "subject-2");
  expected_subject = "subject-2";
  EXPECT_EQ(Text(), "exchanged") << "the file is read anew";
  account["service_account_impersonation_url"] = server.url() + "/impersonate";
  account["service_account_impersonation"] = {{"token_lifetime_seconds", 600}};
  expected_scope = "https://www.googleapis.com/auth/iam";
  set();
  EXPECT_EQ(Text(), "impersonated");
  account["credential_source"] = {{"url", server.url() + "/subject?a=1"},
                                  {"headers", {{"Metadata", "True"}}},
                                  {"format", {{"type", "json"}, {"subject_token_field_name", "access_token"}}}};
  expected_subject = "subject-url";
  set();
  EXPECT_EQ(Text(), "impersonated");
}

TEST_F(GoogleAuth, WorkloadIdentityOfAProgram) {
  std::string expected_subject = "subject-1";
  LoopbackServer server([&](const Request& request, int) {
    if (request.target == "/impersonate/robot@project:generateAccessToken") {
      Answer answer;
      answer.body =
          Json({{"accessToken", "impersonated"}, {"expireTime", FormatTimestamp(system_clock::now() + seconds(600))}}).dump();
      return answer;
    }
    EXPECT_EQ(FormOf(request.body).at("subject_token"), expected_subject);
    return TokenAnswer("exchanged");
  });
  const std::string script = Write("my program",
                                   "#!/bin/sh\n[ \"$1\" = 'an argument' ] || exit 3\n"
                                   "env | grep ^GOOGLE_EXTERNAL_ACCOUNT | sort > \"$2/variables\"\ncat \"$2/answer\"\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  auto answer = [&](const Json& more, const char* type = "urn:jwt") {
    Json json = {{"version", 1}, {"success", true}, {"token_type", type}, {"id_token", "subject-1"}};
    json.update(more);
    Write("answer", json.dump());
  };
  Json account = External(server.url());
  auto set = [&](const Json& program) {
    account["credential_source"] = {{"executable", program}};
    options_.application_credentials = Write("external.json", account.dump());
  };
  const Json program = {{"command", "'${HOME}/my program' 'an argument' ${HOME}"}, {"timeout_millis", 5000}};
  set(program);
  answer(Json::object());
  ExpectError("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1");
  options_.environment["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  EXPECT_EQ(Text(), "exchanged");
  EXPECT_EQ(*ReadSmallFile(home_ / "variables"),
            "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=//iam/pool\nGOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0\n"
            "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=urn:jwt\n");
  answer({{"version", 2}});
  ExpectError("version is not 1");
  answer({{"success", false}, {"code", "401"}, {"message", "log in first"}});
  ExpectError("has no token (401: log in first)");
  answer(Json::object(), "urn:other");
  ExpectError("token_type");
  answer({{"expiration_time", 1000}});
  ExpectError("the token has expired");
  answer({{"id_token", ""}});
  ExpectError("holds no token");
  Write("answer", "hush");
  ExpectError("no JSON object");
  set({{"command", "'${HOME}/my program' hush"}});
  ExpectError("ended with status 3");
  set({{"command", "/no/such/program hush"}});
  ExpectError("cannot run '/no/such/program'");
  set({{"command", "sleep 10"}, {"timeout_millis", 100}});
  ExpectError("did not end within");
  set({{"command", "x"}, {"timeout_millis", 0}});
  ExpectError("'timeout_millis' must be");
  set({{"command", "x '"}});
  ExpectError("a quote is not closed");
  set({{"command", "${NO_SUCH_VARIABLE}"}});
  ExpectError("'NO_SUCH_VARIABLE'");
  // Where it keeps its answers, it runs only when they are old.
  account["service_account_impersonation_url"] = server.url() + "/impersonate/robot@project:generateAccessToken";
  Json with_file = program;
  with_file["output_file"] = "${HOME}/kept";
  set(with_file);
  answer(Json::object());
  ExpectError("no expiration_time");
  answer({{"expiration_time", 99999999999}});
  EXPECT_EQ(Text(), "impersonated");
  const std::string variables = *ReadSmallFile(home_ / "variables");
  EXPECT_NE(variables.find("IMPERSONATED_EMAIL=robot@project\n"), std::string::npos) << variables;
  EXPECT_NE(variables.find("OUTPUT_FILE=" + home_.string() + "/kept\n"), std::string::npos) << variables;
  std::filesystem::rename(home_ / "answer", home_ / "kept");
  EXPECT_EQ(Text(), "impersonated") << "without the program, which has no answer now";
  std::filesystem::rename(home_ / "kept", home_ / "answer");
  Write("kept", R"({"version":1,"success":true,"token_type":"urn:jwt","id_token":"old","expiration_time":1000})");
  EXPECT_EQ(Text(), "impersonated") << "the kept one is too old";
}

TEST_F(GoogleAuth, SamlFromAProgramAndVariablesInAFile) {
  LoopbackServer server([&](const Request& request, int) {
    const auto form = FormOf(request.body);
    EXPECT_EQ(form.at("audience"), "//iam/from the environment");
    EXPECT_EQ(form.at("subject_token"), "saml");
    return TokenAnswer("exchanged");
  });
  constexpr const char* kSaml = "urn:ietf:params:oauth:token-type:saml2";
  Write("answer", Json({{"version", 1}, {"success", true}, {"token_type", kSaml}, {"saml_response", "saml"}}).dump());
  options_.environment["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  options_.environment["POOL"] = "from the environment";
  options_.environment["PLACE"] = server.url();
  Json account = External("${PLACE}");
  account["audience"] = "//iam/${POOL}";
  account["subject_token_type"] = kSaml;
  account["credential_source"] = {{"executable", {{"command", "cat ${HOME}/answer"}}}};
  options_.application_credentials = Write("external.json", account.dump());
  EXPECT_EQ(Text(), "exchanged");
  account["audience"] = "//iam/${POOL";
  options_.application_credentials = Write("external.json", account.dump());
  ExpectError("without '}'");
}

TEST_F(GoogleAuth, WorkloadIdentityOfAws) {
  LoopbackServer server([&](const Request& request, int) {
    const auto form = FormOf(request.body);
    const Json subject = Json::parse(*PercentDecode(form.at("subject_token")));
    EXPECT_EQ(subject.at("url"), "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
    EXPECT_EQ(subject.at("method"), "POST");
    std::map<std::string, std::string> headers;
    for (const Json& header : subject.at("headers"))
      headers[header.at("key").get<std::string>()] = header.at("value").get<std::string>();
    EXPECT_EQ(headers["host"], "sts.eu-west-1.amazonaws.com");
    EXPECT_EQ(headers["x-goog-cloud-target-resource"], "//iam/pool");
    EXPECT_EQ(headers["x-amz-security-token"], "session");
    EXPECT_NE(headers["authorization"].find("/eu-west-1/sts/aws4_request"), std::string::npos);
    return TokenAnswer("from-aws");
  });
  options_.environment["AWS_ACCESS_KEY_ID"] = "AK";
  options_.environment["AWS_SECRET_ACCESS_KEY"] = "hush";
  options_.environment["AWS_SESSION_TOKEN"] = "session";
  options_.environment["AWS_REGION"] = "eu-west-1";
  Json account = External(server.url());
  account["credential_source"] = {
      {"environment_id", "aws1"},
      {"regional_cred_verification_url", "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}};
  options_.application_credentials = Write("external.json", account.dump());
  EXPECT_EQ(Text(), "from-aws");
}

TEST_F(GoogleAuth, TheOrder) {
  LoopbackServer server([&](const Request& request, int) {
    return TokenAnswer(request.target == "/sts" ? "external" : request.method == "POST" ? "user" : "metadata");
  });
  ExpectError("google_service_account_key");
  ExpectError("NO_GCE_CHECK");
  options_.environment.erase("NO_GCE_CHECK");
  options_.environment["GCE_METADATA_HOST"] = server.url().substr(7);
  options_.oauth_url = server.url() + "/token";
  EXPECT_EQ(Text(), "metadata");
  WriteAdc(User());
  EXPECT_EQ(Text(), "user");
  options_.application_credentials = Write("named.json", ServiceAccount().dump());
  EXPECT_EQ(Text().substr(0, 3), "eyJ") << "the file that is named";
  options_.bearer_token = "bearer";
  EXPECT_EQ(Text(), "bearer");
  Write("subject", "s");
  options_.application_credentials = Write("external.json", External(server.url()).dump());
  EXPECT_EQ(Text(), "external");
  options_.service_account_key = ServiceAccount().dump();
  EXPECT_EQ(Text(), "bearer") << "a service account switches workload identity off";
  options_.bearer_token.clear();
  EXPECT_EQ(Text().substr(0, 3), "eyJ");
  options_.storage_token = "storage";
  EXPECT_EQ(Text(), "storage");
}

TEST(GcsOptions, KeysAndTheirAliases) {
  const Environment none;
  auto base = [&](const StorageOptions& options, const Environment& environment) {
    StorageOptions with = options;
    with.emplace("google_storage_token", "t");
    const Result<GcsOptions> parsed = ParseGcsOptions("bucket", with, environment);
    return parsed.ok() ? parsed->base_url : parsed.status().ToString();
  };
  EXPECT_EQ(base({}, none), "https://storage.googleapis.com");
  EXPECT_EQ(base({{"GOOGLE_BASE_URL", "https://a/"}}, none), "https://a");
  EXPECT_EQ(base({{"base_url", "https://b//"}}, none), "https://b");
  EXPECT_EQ(base({}, {{"GOOGLE_BASE_URL", "https://c"}}), "https://c");
  EXPECT_EQ(base({}, {{"BASE_URL", "https://c"}}), "https://storage.googleapis.com") << "bare names are read as options only";
  EXPECT_EQ(base({{"base_url", "https://b"}}, {{"GOOGLE_BASE_URL", "https://c"}}), "https://b");
  EXPECT_NE(base({{"base_url", "ftp://b"}}, none).find("must start with http"), std::string::npos);
  EXPECT_NE(base({{"base_url", "https://user@b"}}, none).find("plain URL"), std::string::npos);
  EXPECT_NE(base({{"skip_signature", "maybe"}}, none).find("skip_signature"), std::string::npos);
  for (const char* key : {"google_service_account", "service_account", "google_service_account_path", "service_account_path",
                          "google_application_credentials", "application_credentials"}) {
    const Result<GcsOptions> parsed = ParseGcsOptions("bucket", {{key, "/no/such/file"}}, none);
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument) << key;
    EXPECT_NE(parsed.status().message().find("/no/such/file"), std::string::npos) << key;
  }
  for (const char* key : {"google_service_account_key", "service_account_key"}) {
    const StorageOptions options = {{key, R"({"gcs_base_url":"http://emulator","disable_oauth":true})"}};
    const Result<GcsOptions> parsed = ParseGcsOptions("bucket", options, none);
    ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
    EXPECT_EQ(parsed->base_url, "http://emulator");
    EXPECT_EQ(parsed->tokens, nullptr);
    StorageOptions both = options;
    both["base_url"] = "https://other";
    EXPECT_EQ(ParseGcsOptions("bucket", both, none)->base_url, "https://other");
  }
  EXPECT_EQ(ParseGcsOptions("bucket", {{"skip_signature", "true"}}, none)->tokens, nullptr);
  for (const char* key : {"google_bucket", "google_bucket_name", "bucket", "bucket_name"}) {
    EXPECT_EQ(ParseGcsOptions("bucket", {{key, "other"}, {"skip_signature", "true"}}, none)->bucket, "bucket") << key;
  }
  EXPECT_FALSE(ParseGcsOptions("b/c", {{"skip_signature", "true"}}, none).ok());
  EXPECT_FALSE(ParseGcsOptions("bucket", {{"google_allow_http", "x"}, {"skip_signature", "true"}}, none).ok());
}

TEST(GcsAddress, EveryOtherByteIsEncoded) {
  EXPECT_EQ(GcsEncode("aZ09"), "aZ09");
  EXPECT_EQ(GcsEncode("wire.lance/_versions/1-2~3.manifest"), "wire%2Elance%2F%5Fversions%2F1%2D2%7E3%2Emanifest");
  EXPECT_EQ(GcsEncode("\xC3\xA4 +%"), "%C3%A4%20%2B%25");
}

}  // namespace
}  // namespace lancefs
