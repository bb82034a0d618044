// SPDX-License-Identifier: Apache-2.0
//
// Every way to sign in to AWS, against endpoints on loopback.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "backends/auth/aws_chain.h"
#include "backends/auth/aws_json.h"
#include "backends/auth/aws_process.h"
#include "backends/auth/aws_sso.h"
#include "backends/auth/aws_sts.h"
#include "backends/auth/sigv4.h"
#include "tests/backends/form.h"
#include "tests/backends/loopback_server.h"
#include "tests/backends/temporary_folder.h"

namespace lancefs {
namespace {

using Request = LoopbackServer::Request;
using Answer = LoopbackServer::Answer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

std::string In(seconds from_now) { return FormatTimestamp(system_clock::now() + from_now); }

std::string Json(const std::string& key, const std::string& expiration) {
  return R"({"Code":"Success","AccessKeyId":")" + key + R"(","SecretAccessKey":"SK","Token":"TK","Expiration":")" + expiration +
         "\"}";
}

std::string StsXml(const std::string& action, const std::string& key, const std::string& expiration) {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>" + key +
         "</AccessKeyId><SecretAccessKey>SK</SecretAccessKey><SessionToken>TK+/=" + "</SessionToken><Expiration>" + expiration +
         "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
}

class AwsAuth : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(home_ / ".aws/sso/cache");
    variables_["HOME"] = home_.string();
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }

  void Write(const std::string& path, const std::string& text) const { std::ofstream(home_ / path) << text; }
  std::string Read(const std::string& path) const {
    std::ifstream file(home_ / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  AwsContextPtr Context() const {
    AwsContextOptions options;
    options.environment = variables_;
    options.imdsv1_fallback = imdsv1_fallback_;
    return std::make_shared<const AwsContext>(std::move(options));
  }
  static Result<AwsCredentials> FetchFrom(const AwsSourcePtr& source) {
    return source->Fetch(OpContext().WithTimeout(seconds(20)));
  }
  Result<AwsCredentials> Profile(const std::string& name = "") {
    if (!name.empty()) variables_["AWS_PROFILE"] = name;
    const AwsContextPtr context = Context();
    return FetchFrom(MakeProfileSource(context, std::make_shared<AwsInstanceMetadata>(context)));
  }
  Result<AwsCredentials> Instance() { return FetchFrom(MakeInstanceSource(std::make_shared<AwsInstanceMetadata>(Context()))); }
  Status ProfileError(const std::string& config) {
    Write(".aws/config", config);
    return Profile("p").status();
  }

  const TemporaryFolder folder_;
  const std::filesystem::path home_ = folder_.path();
  std::map<std::string, std::string> variables_;
  bool imdsv1_fallback_ = false;
};

// ---- Files and texts --------------------------------------------------------------------------

TEST_F(AwsAuth, Timestamps) {
  const auto base = system_clock::from_time_t(1573704245);
  for (const char* text : {"2019-11-14T04:04:05Z", "2019-11-14T04:04:05.123456Z", "2019-11-14T04:04:05UTC",
                           "2019-11-14T05:04:05+01:00", "2019-11-13T22:34:05-05:30"}) {
    EXPECT_EQ(ParseTimestamp(text), base) << text;
  }
  EXPECT_EQ(FormatTimestamp(base), "2019-11-14T04:04:05Z");
  for (const char* text : {"", "soon", "2019-11-14", "2019-11-14T04:04:05", "2019-13-14T04:04:05Z", "2019-11-14T04:04:05+1",
                           "2019-11-14T25:04:05Z"}) {
    EXPECT_FALSE(ParseTimestamp(text)) << text;
  }
}

TEST_F(AwsAuth, ProfileFileSyntax) {
  AwsProfiles out;
  const char* config =
      "# a comment\n"
      "[default]\r\nregion = eu-west-1 # behind a space\r\nname=a#b\n"
      "[profile  x ] ; odd spaces\nKEY = v1\n  more\n s3 =\n"
      "output =\n"
      "[profile y]\ns3 =\n  endpoint_url = http://no\n"
      "[sso-session s]\nsso_region = us-east-2\n"
      "[services local]\nsts =\n  endpoint_url = http://sts\n  other = 1\ns3 =\n endpoint_url = http://s3\n"
      "[ignored]\naws_access_key_id = no\n"
      "[something else]\na = b\n";
  ASSERT_TRUE(ParseAwsFile(config, AwsFileKind::kConfig, "config", &out).ok());
  EXPECT_EQ(out.Get("default", "region"), "eu-west-1");
  EXPECT_EQ(out.Get("default", "name"), "a#b");
  EXPECT_EQ(out.Get("x", "key"), "v1\nmore\ns3 =");
  EXPECT_EQ(out.Get("y", "s3"), "\nendpoint_url = http://no");
  EXPECT_EQ(out.sso_sessions["s"]["sso_region"], "us-east-2");
  EXPECT_EQ(out.services["local"]["sts"]["endpoint_url"], "http://sts");
  EXPECT_EQ(out.services["local"]["s3"]["endpoint_url"], "http://s3");
  EXPECT_FALSE(out.profiles.contains("ignored"));
  // The credentials file has bare names, and its values win.
  ASSERT_TRUE(ParseAwsFile("[x]\nkey = v2\n[default]\nregion=r2\n", AwsFileKind::kCredentials, "credentials", &out).ok());
  EXPECT_EQ(out.Get("x", "key"), "v2");
  EXPECT_EQ(out.Get("default", "region"), "r2");

  AwsProfiles both;
  ASSERT_TRUE(ParseAwsFile("[default]\na=1\nb=1\n[profile default]\na=2\n", AwsFileKind::kConfig, "config", &both).ok());
  EXPECT_EQ(both.Get("default", "a"), "2");
  EXPECT_EQ(both.Get("default", "b"), "") << "[default] is ignored beside [profile default]";

  for (const auto& [text, line] : std::vector<std::pair<const char*, const char*>>{{"[default\na=1\n", "line 1"},
                                                                                   {"a = 1\n", "line 1"},
                                                                                   {"[default]\n\nnothing\n", "line 3"},
                                                                                   {"[default]\n= x\n", "line 2"}}) {
    AwsProfiles bad;
    const Status status = ParseAwsFile(text, AwsFileKind::kConfig, "/etc/config", &bad);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("/etc/config"), std::string::npos);
    EXPECT_NE(status.message().find(line), std::string::npos) << status.message();
  }
}

TEST_F(AwsAuth, StaticKeysOfAProfile) {
  Write(".aws/credentials",
        "[default]\naws_access_key_id=D\naws_secret_access_key=S\n[p]\naws_access_key_id=P\naws_secret_access_key=S\naws_session_"
        "token=T\n");
  EXPECT_EQ((*Profile()).access_key_id, "D");
  const auto named = Profile("p");
  ASSERT_TRUE(named.ok()) << named.status().ToString();
  EXPECT_EQ(named->access_key_id, "P");
  EXPECT_EQ(named->session_token, "T");
  EXPECT_FALSE(named->expires);
  EXPECT_EQ(Profile("other").status().code(), StatusCode::kNotFound);
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "~/elsewhere";
  EXPECT_EQ(Profile("p").status().code(), StatusCode::kNotFound);
  Write("elsewhere", "[p]\naws_access_key_id=E\naws_secret_access_key=S\n");
  EXPECT_EQ((*Profile("p")).access_key_id, "E") << "files are read anew";
}

TEST_F(AwsAuth, WrongProfilesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[profile p]\naws_access_key_id=A\n", "aws_secret_access_key is missing"},
      {"[profile p]\nrole_arn=arn\n", "source_profile or credential_source"},
      {"[profile p]\nrole_arn=arn\nsource_profile=q\ncredential_source=Environment\n", "not both"},
      {"[profile p]\nrole_arn=arn\nsource_profile=q\n", "'q' does not exist"},
      {"[profile p]\nrole_arn=arn\nsource_profile=q\n[profile q]\nrole_arn=arn\nsource_profile=p\n", "p -> q -> p"},
      {"[profile p]\nrole_arn=arn\ncredential_source=Magic\n", "not 'Magic'"},
      {"[profile p]\nrole_arn=arn\ncredential_source=EcsContainer\n", "AWS_CONTAINER_CREDENTIALS"},
      {"[profile p]\nsso_session=s\nsso_account_id=1\nsso_role_name=r\n", "[sso-session s]"},
      {"[profile p]\nsso_start_url=u\nsso_account_id=1\nsso_role_name=r\n", "sso_region is missing"},
      {"[profile p]\nsso_start_url=u\nsso_region=r\nsso_role_name=r\n", "sso_account_id is missing"},
      {"[profile p]\nsso_session=s\nsso_region=r\n", "belong into the [sso-session] section"},
      {"[profile p]\nlogin_session=arn\n", "login_session"},
      {"[profile p]\nweb_identity_token_file=/nowhere\nrole_arn=arn\n", "/nowhere"},
      {"[profile p]\ncredential_process=\"open\n", "quote"},
      {"[profile p]\nregion=x\n", "no credentials"},
  };
  for (const auto& [config, text] : cases) {
    const Status status = ProfileError(config);
    EXPECT_FALSE(status.ok()) << config;
    EXPECT_NE(status.message().find(text), std::string::npos) << config << "\n" << status.message();
  }
}

// ---- STS --------------------------------------------------------------------------------------

TEST_F(AwsAuth, WebIdentity) {
  std::string refuse;
  LoopbackServer sts([&](const Request& request, int number) -> Answer {
    if (!refuse.empty())
      return {.status = 400,
              .body = "<ErrorResponse><Error><Code>" + refuse + "</Code><Message>no</Message></Error></ErrorResponse>"};
    if (number == 1) return {.status = 503};
    return {.body = StsXml("AssumeRoleWithWebIdentity", "W" + FormOf(request.body)["WebIdentityToken"], In(seconds(3600)))};
  });
  Write("token", "first\n");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = (home_ / "token").string();
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r w";
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url() + "/";
  const AwsSourcePtr source = MakeWebIdentitySource(Context());
  const auto credentials = FetchFrom(source);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->access_key_id, "Wfirst");
  EXPECT_EQ(credentials->session_token, "TK+/=");
  ASSERT_TRUE(credentials->expires);
  EXPECT_EQ(sts.requests(), 2) << "a 503 is tried again";
  auto form = FormOf(sts.log().back().body);
  EXPECT_EQ(form["Action"], "AssumeRoleWithWebIdentity");
  EXPECT_EQ(form["Version"], "2011-06-15");
  EXPECT_EQ(form["RoleArn"], "arn:aws:iam::1:role/r w");
  EXPECT_FALSE(form["RoleSessionName"].empty());
  EXPECT_FALSE(sts.log().back().headers.contains("authorization"));
  Write("token", "second");
  EXPECT_EQ((*FetchFrom(source)).access_key_id, "Wsecond") << "the token file is read anew";
  refuse = "InvalidIdentityToken";
  const Status refused = FetchFrom(source).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(refused.message().find("InvalidIdentityToken"), std::string::npos);
  EXPECT_EQ(refused.message().find("second"), std::string::npos) << "the token is secret";
  variables_.erase("AWS_ROLE_ARN");
  EXPECT_EQ(FetchFrom(MakeWebIdentitySource(Context())).status().code(), StatusCode::kInvalidArgument);
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(FetchFrom(MakeWebIdentitySource(Context())).status().code(), StatusCode::kNotFound);
}

TEST_F(AwsAuth, MalformedStsAnswers) {
  std::string body;
  LoopbackServer sts([&](const Request&, int) -> Answer { return {.body = body}; });
  Write("token", "t");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = (home_ / "token").string();
  variables_["AWS_ROLE_ARN"] = "arn";
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  const std::string good = StsXml("AssumeRoleWithWebIdentity", "A", In(seconds(60)));
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("<a/>"), good.substr(0, good.size() / 2),
        StsXml("AssumeRole", "A", In(seconds(60))), StsXml("AssumeRoleWithWebIdentity", "", In(seconds(60))),
        StsXml("AssumeRoleWithWebIdentity", "A", "soon"), std::string(100000, '<')}) {
    body = text;
    EXPECT_EQ(FetchFrom(MakeWebIdentitySource(Context())).status().code(), StatusCode::kUnauthenticated) << text.substr(0, 100);
  }
}

TEST_F(AwsAuth, RolesOverOneAnother) {
  LoopbackServer sts([&](const Request& request, int) -> Answer {
    return {.body = StsXml("AssumeRole", "of-" + FormOf(request.body)["RoleArn"], In(seconds(900)))};
  });
  Write(
      ".aws/config",
      "[profile p]\nrole_arn=outer\nsource_profile=q\nexternal_id=ext\nrole_session_name=me\nregion=eu-north-1\nservices=local\n"
      "[profile q]\nrole_arn=inner\nsource_profile=base\n"
      "[services local]\nsts =\n  endpoint_url = " +
          sts.url() + "/sts\n");
  Write(".aws/credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=S\n");
  const auto credentials = Profile("p");
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->access_key_id, "of-outer");
  const auto log = sts.log();
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(FormOf(log[0].body)["RoleArn"], "inner");
  EXPECT_EQ(FormOf(log[0].body).count("ExternalId"), 0u);
  EXPECT_NE(log[0].headers.at("authorization").find("Credential=BASE/"), std::string::npos);
  EXPECT_NE(log[0].headers.at("authorization").find("/eu-north-1/sts/aws4_request"), std::string::npos);
  EXPECT_FALSE(log[0].headers.contains("x-amz-security-token"));
  EXPECT_EQ(FormOf(log[1].body)["ExternalId"], "ext");
  EXPECT_EQ(FormOf(log[1].body)["RoleSessionName"], "me");
  EXPECT_NE(log[1].headers.at("authorization").find("Credential=of-inner/"), std::string::npos);
  EXPECT_EQ(log[1].headers.at("x-amz-security-token"), "TK+/=");
  // The signature is right for what was received.
  const auto& headers = log[1].headers;
  const std::string hash = HexEncode(Sha256(log[1].body));
  const AwsCredentials with{"of-inner", "SK", "TK+/=", {}};
  SigV4KeyCache cache;
  const SigV4Request signed_request{"POST",
                                    log[1].target,
                                    {},
                                    {{"content-type", headers.at("content-type")},
                                     {"host", headers.at("host")},
                                     {"x-amz-date", headers.at("x-amz-date")},
                                     {"x-amz-security-token", headers.at("x-amz-security-token")}},
                                    hash};
  EXPECT_EQ(log[1].target, "/sts");
  EXPECT_EQ(headers.at("authorization"),
            SigV4Authorization(signed_request, with, headers.at("x-amz-date"), "eu-north-1", "sts", &cache));
}

TEST_F(AwsAuth, ARoleOverItsOwnKeysAndOverTheEnvironment) {
  LoopbackServer sts([&](const Request&, int) -> Answer { return {.body = StsXml("AssumeRole", "R", In(seconds(900)))}; });
  variables_["AWS_ENDPOINT_URL_STS"] = sts.url();
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "S";
  Write(".aws/config",
        "[profile p]\nrole_arn=r\nsource_profile=p\naws_access_key_id=OWN\naws_secret_access_key=S\n"
        "[profile e]\nrole_arn=r\ncredential_source=Environment\n");
  EXPECT_EQ((*Profile("p")).access_key_id, "R");
  EXPECT_EQ((*Profile("e")).access_key_id, "R");
  EXPECT_NE(sts.log()[0].headers.at("authorization").find("Credential=OWN/"), std::string::npos);
  EXPECT_NE(sts.log()[1].headers.at("authorization").find("Credential=ENV/"), std::string::npos);
  EXPECT_NE(sts.log()[1].headers.at("authorization").find("/us-east-1/sts/"), std::string::npos) << "without any region";
}

// ---- Container and instance -------------------------------------------------------------------

TEST_F(AwsAuth, Container) {
  LoopbackServer server([&](const Request& request, int number) -> Answer {
    if (number == 1) return {.status = 500};
    const auto found = request.headers.find("authorization");
    return {.body = Json(found == request.headers.end() ? "none" : found->second, In(seconds(3600)))};
  });
  EXPECT_EQ(FetchFrom(MakeContainerSource(Context())).status().code(), StatusCode::kNotFound);
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url() + "/v1/credentials?a=b";
  const auto plain = FetchFrom(MakeContainerSource(Context()));
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_EQ(plain->access_key_id, "none");
  EXPECT_EQ(plain->session_token, "TK");
  EXPECT_EQ(server.log().back().target, "/v1/credentials?a=b");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from-env";
  EXPECT_EQ((*FetchFrom(MakeContainerSource(Context()))).access_key_id, "from-env");
  Write("token", "from-file\n");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = (home_ / "token").string();
  const AwsSourcePtr source = MakeContainerSource(Context());
  EXPECT_EQ((*FetchFrom(source)).access_key_id, "from-file");
  Write("token", "renewed");
  EXPECT_EQ((*FetchFrom(source)).access_key_id, "renewed") << "read anew";
  Write("token", "a\nx-evil: 1");
  EXPECT_EQ(FetchFrom(source).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AwsAuth, ContainerHosts) {
  for (const char* uri : {"http://example.invalid/c", "http://10.0.0.1/c", "http://169.254.170.3/c", "ftp://127.0.0.1/c",
                          "127.0.0.1/c", "http://user@127.0.0.1/c"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    EXPECT_EQ(FetchFrom(MakeContainerSource(Context())).status().code(), StatusCode::kInvalidArgument) << uri;
  }
}

TEST_F(AwsAuth, MalformedContainerAnswers) {
  Answer answer;
  LoopbackServer server([&](const Request&, int) { return answer; });
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url();
  for (const char* body : {"", "[]", "{", "{\"AccessKeyId\":\"A\"}", "{\"AccessKeyId\":1,\"SecretAccessKey\":\"\"}", "<html>",
                           R"({"AccessKeyId":"A","SecretAccessKey":"hush","Expiration":"tomorrow"})"}) {
    answer = {.body = body};
    const Status status = FetchFrom(MakeContainerSource(Context())).status();
    EXPECT_EQ(status.code(), StatusCode::kUnauthenticated) << body;
    EXPECT_EQ(status.message().find("hush"), std::string::npos);
  }
  answer = {.status = 403, .body = "denied"};
  EXPECT_EQ(FetchFrom(MakeContainerSource(Context())).status().code(), StatusCode::kUnauthenticated);
  answer = {.drop = true};
  EXPECT_EQ(FetchFrom(MakeContainerSource(Context())).status().code(), StatusCode::kUnavailable);
}

struct FakeInstance {
  int tokens = 0;
  int refuse_sessions = 0;  // answers of 401 to come
  bool version1 = false;
  std::string role = "role one";
  std::string body = Json("IMDS", In(seconds(3600)));

  Answer operator()(const Request& request, int) {
    if (request.target == "/latest/api/token") {
      if (version1) return {.status = 404};
      ++tokens;
      if (request.method != "PUT" || request.headers.at("x-aws-ec2-metadata-token-ttl-seconds") != "21600")
        return {.status = 400};
      return {.headers = {{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600"}}, .body = "session"};
    }
    if (!version1 && !request.headers.contains("x-aws-ec2-metadata-token")) return {.status = 401};
    if (refuse_sessions > 0) {
      --refuse_sessions;
      return {.status = 401};
    }
    if (request.target == "/latest/meta-data/iam/security-credentials/")
      return {.status = role.empty() ? 404 : 200, .body = role};
    if (request.target == "/latest/meta-data/iam/security-credentials/role%20one") return {.body = body};
    return {.status = 404};
  }
};

TEST_F(AwsAuth, InstanceMetadata) {
  FakeInstance fake;
  LoopbackServer server([&](const Request& request, int number) { return fake(request, number); });
  EXPECT_EQ(Instance().status().code(), StatusCode::kNotFound) << "turned off";
  variables_["AWS_EC2_METADATA_DISABLED"] = "false";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url() + "/";
  const AwsSourcePtr source = MakeInstanceSource(std::make_shared<AwsInstanceMetadata>(Context()));
  const auto credentials = FetchFrom(source);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->access_key_id, "IMDS");
  ASSERT_TRUE(FetchFrom(source).ok());
  EXPECT_EQ(fake.tokens, 1) << "the session is kept";
  fake.refuse_sessions = 1;
  ASSERT_TRUE(FetchFrom(source).ok());
  EXPECT_EQ(fake.tokens, 2) << "an ended session is begun anew";
  // Expired credentials of the service are used on.
  fake.body = Json("OLD", In(seconds(-100)));
  const auto extended = FetchFrom(source);
  ASSERT_TRUE(extended.ok());
  EXPECT_GT(*extended->expires, system_clock::now() + seconds(500));
  fake.body = R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"m"})";
  const Status failed = FetchFrom(source).status();
  EXPECT_EQ(failed.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(failed.message().find("AssumeRoleUnauthorizedAccess"), std::string::npos);
  fake.role = "";
  EXPECT_EQ(FetchFrom(source).status().code(), StatusCode::kNotFound) << "an instance without a role";
}

TEST_F(AwsAuth, InstanceMetadataVersion1OnlyWhenAskedFor) {
  FakeInstance fake;
  fake.version1 = true;
  LoopbackServer server([&](const Request& request, int number) { return fake(request, number); });
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url();
  EXPECT_EQ(Instance().status().code(), StatusCode::kNotFound);
  imdsv1_fallback_ = true;
  EXPECT_EQ((*Instance()).access_key_id, "IMDS");
}

TEST_F(AwsAuth, NoInstanceIsNoticedSoon) {
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  LoopbackServer silent([](const Request&, int) -> Answer { return {.delay = seconds(30)}; });
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = silent.url();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Instance().status().code(), StatusCode::kNotFound);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(4));
  EXPECT_EQ(silent.requests(), 1) << "a timeout is not tried again";
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
  EXPECT_EQ(Instance().status().code(), StatusCode::kNotFound);
  variables_.erase("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] = "IPv5";
  EXPECT_EQ(Instance().status().code(), StatusCode::kInvalidArgument);
}

// ---- SSO --------------------------------------------------------------------------------------

TEST_F(AwsAuth, SsoSessionWithRenewal) {
  std::string access = "access-1";
  LoopbackServer server([&](const Request& request, int) -> Answer {
    if (request.target == "/token") {
      access = "access-2";
      return {.body = R"({"accessToken":"access-2","expiresIn":3600,"refreshToken":"refresh-2","tokenType":"Bearer"})"};
    }
    if (request.headers.at("x-amz-sso_bearer_token") != access) return {.status = 401};
    const auto expiration = std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count() + 3600000;
    return {.body = R"({"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"SK","sessionToken":"TK","expiration":)" +
                    std::to_string(expiration) + "}}"};
  });
  variables_["AWS_ENDPOINT_URL_SSO"] = server.url();
  variables_["AWS_ENDPOINT_URL_SSO_OIDC"] = server.url();
  Write(".aws/config",
        "[profile p]\nsso_session=my session\nsso_account_id=123\nsso_role_name=Some Role\n"
        "[sso-session my session]\nsso_region=us-east-1\nsso_start_url=https://start\n");
  const std::string cache = ".aws/sso/cache/" + HexEncode(Sha1("my session")) + ".json";
  EXPECT_NE(Profile("p").status().message().find("aws sso login"), std::string::npos) << "no cache file";
  auto token = [](const std::string& expires) {
    return R"({"accessToken":"access-1","expiresAt":")" + expires +
           R"(","clientId":"c","clientSecret":"cs","refreshToken":"refresh-1",)" + R"("registrationExpiresAt":")" +
           In(seconds(86400)) + R"(","startUrl":"https://start","region":"us-east-1"})";
  };
  Write(cache, token(In(seconds(3600))));
  const auto valid = Profile("p");
  ASSERT_TRUE(valid.ok()) << valid.status().ToString();
  EXPECT_EQ(valid->access_key_id, "SSO");
  EXPECT_GT(*valid->expires, system_clock::now() + seconds(3000));
  EXPECT_EQ(server.log().back().target, "/federation/credentials?role_name=Some%20Role&account_id=123");
  EXPECT_EQ(server.requests(), 1);
  // Five minutes before its end the token is renewed, and the file with it.
  ::chmod((home_ / cache).c_str(), 0644);
  Write(cache, token(In(seconds(200))));
  ASSERT_TRUE(Profile("p").ok());
  const auto renewal = server.log()[1];
  EXPECT_EQ(renewal.method, "POST");
  const auto sent = ParseFlatJson(renewal.body);
  EXPECT_EQ(sent->at("granttype"), "refresh_token");
  EXPECT_EQ(sent->at("refreshtoken"), "refresh-1");
  EXPECT_EQ(sent->at("clientid"), "c");
  EXPECT_EQ(sent->at("clientsecret"), "cs");
  const auto saved = ParseFlatJson(Read(cache));
  EXPECT_EQ(saved->at("accesstoken"), "access-2");
  EXPECT_EQ(saved->at("refreshtoken"), "refresh-2");
  EXPECT_GT(*ParseTimestamp(saved->at("expiresat")), system_clock::now() + seconds(3000));
  EXPECT_NE(Read(cache).find("\"registrationExpiresAt\""), std::string::npos);
  struct stat info {};
  ASSERT_EQ(::stat((home_ / cache).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(home_ / ".aws/sso/cache"), {}), 1) << "no temporary file is left";
}

TEST_F(AwsAuth, SsoOldFormAndRefusals) {
  int status = 200;
  std::string body =
      R"({"roleCredentials":{"accessKeyId":"A","secretAccessKey":"hush","sessionToken":"T","expiration":4102444800000}})";
  LoopbackServer server([&](const Request&, int) -> Answer { return {.status = status, .body = body}; });
  variables_["AWS_ENDPOINT_URL_SSO"] = server.url();
  Write(".aws/config", "[profile p]\nsso_start_url=https://start/#\nsso_region=eu-west-1\nsso_account_id=1\nsso_role_name=r\n");
  const std::string cache = ".aws/sso/cache/" + HexEncode(Sha1("https://start/#")) + ".json";
  Write(cache, R"({"AccessToken":"t","ExpiresAt":")" + In(seconds(100)) + "\"}");
  EXPECT_EQ((*Profile("p")).access_key_id, "A");
  EXPECT_EQ(server.requests(), 1) << "nothing to renew with";
  status = 401;
  EXPECT_NE(Profile("p").status().message().find("aws sso login"), std::string::npos);
  status = 200;
  for (const char* text :
       {"", "[]", "{}", R"({"roleCredentials":{}})", R"({"roleCredentials":{"accessKeyId":"A","secretAccessKey":"hush"}})",
        R"({"roleCredentials":{"accessKeyId":"A","secretAccessKey":"hush","expiration":"x"}})"}) {
    body = text;
    EXPECT_EQ(Profile("p").status().code(), StatusCode::kUnauthenticated) << text;
    EXPECT_EQ(Profile("p").status().message().find("hush"), std::string::npos);
  }
  for (const std::string& text : {std::string("{}"), std::string("x"), std::string(R"({"accessToken":"t"})"),
                                  R"({"accessToken":"t","expiresAt":")" + In(seconds(-1)) + "\"}"}) {
    Write(cache, text);
    EXPECT_NE(Profile("p").status().message().find("aws sso login"), std::string::npos) << text;
  }
}

// ---- Programs ---------------------------------------------------------------------------------

TEST_F(AwsAuth, CommandsAreSplitAndNotExpanded) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(*SplitCommand("a  b\tc"), (Words{"a", "b", "c"}));
  EXPECT_EQ(*SplitCommand(R"("/opt/my tool" --x 'a "b" $(c)' d\ e "f\"g" '' )"),
            (Words{"/opt/my tool", "--x", R"(a "b" $(c))", "d e", "f\"g", ""}));
  EXPECT_EQ(*SplitCommand("a; rm -rf $HOME | b > c"), (Words{"a;", "rm", "-rf", "$HOME", "|", "b", ">", "c"}));
  EXPECT_FALSE(SplitCommand("").ok());
  EXPECT_FALSE(SplitCommand("'a").ok());
  EXPECT_FALSE(SplitCommand("''").ok());
}

TEST_F(AwsAuth, CredentialProcess) {
  auto script = [&](const std::string& text) {
    Write("tool", "#!/bin/sh\n" + text);
    ::chmod((home_ / "tool").c_str(), 0755);
    Write(".aws/config", "[profile p]\ncredential_process = " + (home_ / "tool").string() + " --arg 'two words' secret-arg\n");
    return Profile("p");
  };
  const std::string answer =
      R"(echo '{"Version":1,"AccessKeyId":"'"$2"'","SecretAccessKey":"SK","SessionToken":"TK","Expiration":")" +
      In(seconds(600)) + "\"}'";
  const auto credentials = script(answer);
  ASSERT_TRUE(credentials.ok()) << credentials.status().ToString();
  EXPECT_EQ(credentials->access_key_id, "two words");
  EXPECT_EQ(credentials->session_token, "TK");
  EXPECT_TRUE(credentials->expires);
  const Status failed = script("echo 'log in first' >&2; exit 3").status();
  EXPECT_EQ(failed.code(), StatusCode::kUnauthenticated);
  EXPECT_NE(failed.message().find("status 3: log in first"), std::string::npos) << failed.message();
  EXPECT_EQ(failed.message().find("secret-arg"), std::string::npos);
  EXPECT_EQ(script("kill -9 $$").status().code(), StatusCode::kUnauthenticated);
  for (const char* text : {"true", "echo '[]'", "echo '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}'",
                           "echo '{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}'", "echo '{\"Version\":1}'",
                           "head -c 2000000 /dev/zero"}) {
    EXPECT_EQ(script(text).status().code(), StatusCode::kUnauthenticated) << text;
  }
  Write(".aws/config", "[profile p]\ncredential_process = /nowhere/tool\n");
  EXPECT_EQ(Profile("p").status().code(), StatusCode::kUnauthenticated);
}

TEST_F(AwsAuth, AProgramThatHangsIsKilledWithItsChildren) {
  const auto start = std::chrono::steady_clock::now();
  const std::string marker = (home_ / "alive").string();
  const Result<ProgramResult> result =
      RunProgram({"/bin/sh", "-c", "(sleep 2; touch " + marker + ") & sleep 60"}, milliseconds(300), OpContext());
  EXPECT_EQ(result.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));
  std::this_thread::sleep_for(milliseconds(2300));
  EXPECT_FALSE(std::filesystem::exists(marker));
  OpContext cancelled;
  cancelled.cancel.Cancel();
  EXPECT_EQ(RunProgram({"/bin/sleep", "5"}, seconds(10), cancelled).status().code(), StatusCode::kCancelled);
}

// ---- Chain and cache --------------------------------------------------------------------------

TEST_F(AwsAuth, TheChainSaysWhatItTried) {
  const AwsContextPtr context = Context();
  const Status status = FetchFrom(MakeDefaultAwsSource(context, std::make_shared<AwsInstanceMetadata>(context))).status();
  EXPECT_EQ(status.code(), StatusCode::kUnauthenticated);
  for (const char* text :
       {"environment: AWS_ACCESS_KEY_ID", "profile: there is no profile 'default'", "web identity: AWS_WEB_IDENTITY_TOKEN_FILE",
        "container: AWS_CONTAINER", "instance metadata: turned off", "aws_skip_signature"}) {
    EXPECT_NE(status.message().find(text), std::string::npos) << text << "\n" << status.message();
  }
}

TEST_F(AwsAuth, TheChainsOrder) {
  FakeInstance fake;
  LoopbackServer server([&](const Request& request, int number) -> Answer {
    if (request.target == "/container") return {.body = Json("CONTAINER", In(seconds(3600)))};
    if (request.method == "POST") return {.body = StsXml("AssumeRoleWithWebIdentity", "WEB", In(seconds(3600)))};
    return fake(request, number);
  });
  auto key = [&] {
    const AwsContextPtr context = Context();
    const auto credentials = FetchFrom(MakeDefaultAwsSource(context, std::make_shared<AwsInstanceMetadata>(context)));
    return credentials.ok() ? credentials->access_key_id : credentials.status().ToString();
  };
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.url();
  EXPECT_EQ(key(), "IMDS");
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.url() + "/container";
  EXPECT_EQ(key(), "CONTAINER");
  Write("token", "t");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = (home_ / "token").string();
  variables_["AWS_ROLE_ARN"] = "arn";
  variables_["AWS_ENDPOINT_URL_STS"] = server.url();
  EXPECT_EQ(key(), "WEB");
  Write(".aws/credentials", "[default]\naws_access_key_id=PROFILE\naws_secret_access_key=S\n");
  EXPECT_EQ(key(), "PROFILE");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["SECRET_ACCESS_KEY"] = "S";
  EXPECT_EQ(key(), "ENV");
  // A source that is set up and fails ends the search: nobody wants other credentials silently.
  variables_.erase("AWS_ACCESS_KEY_ID");
  Write(".aws/credentials", "[default]\naws_access_key_id=PROFILE\n");
  EXPECT_NE(key().find("aws_secret_access_key is missing"), std::string::npos);
}

struct FakeSource : AwsCredentialSource {
  std::atomic<int> fetches{0};
  std::atomic<bool> fail{false};
  std::atomic<int> delay_ms{0};
  std::atomic<int> life_s{3600};

  Result<AwsCredentials> Next() {
    const int number = ++fetches;
    std::this_thread::sleep_for(milliseconds(delay_ms.load()));
    if (fail) return Status::Unauthenticated("no");
    AwsCredentials out{"K" + std::to_string(number), "S", "T", {}};
    if (life_s > 0) out.expires = system_clock::now() + seconds(life_s.load());
    return out;
  }
  std::string name() const override { return "fake"; }
  Result<AwsCredentials> Fetch(const OpContext&) override { return Next(); }
};

struct Cache {
  explicit Cache(int life_s = 3600) {
    auto owned = std::make_unique<FakeSource>();
    source = owned.get();
    source->life_s = life_s;
    provider = MakeCachedAwsCredentials(std::move(owned));
  }
  Result<AwsCredentialsPtr> Get() { return provider->Get(OpContext()).Get(OpContext().WithTimeout(seconds(10))); }
  std::string Key() {
    const auto result = Get();
    return result.ok() ? (*result)->access_key_id : result.status().ToString();
  }
  FakeSource* source;
  std::shared_ptr<AwsCredentialProvider> provider;
};

TEST_F(AwsAuth, CacheFetchesOnceForAll) {
  Cache cache;
  cache.source->delay_ms = 50;
  std::vector<std::thread> threads;
  std::atomic<int> same{0};
  for (int i = 0; i < 16; ++i) threads.emplace_back([&] { same += cache.Key() == "K1"; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, 16);
  EXPECT_EQ(cache.Key(), "K1");
  EXPECT_EQ(cache.source->fetches, 1);
}

TEST_F(AwsAuth, CacheRenewsAheadWhileOthersGoOn) {
  Cache cache(1000);
  EXPECT_EQ(cache.Key(), "K1");
  // 59 of 60 seconds: as good as a long life that is nearly over.
  Cache ending(2);
  EXPECT_EQ(ending.Key(), "K1");
  std::this_thread::sleep_for(milliseconds(1200));  // more than half of its life has passed
  ending.source->delay_ms = 300;
  ending.source->life_s = 3600;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ending.Key(), "K1") << "the old one while another is fetched";
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(200));
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_EQ(ending.Key(), "K2");
  EXPECT_EQ(ending.source->fetches, 2);
}

TEST_F(AwsAuth, CacheWaitsWhenNothingIsValid) {
  Cache cache(1);
  EXPECT_EQ(cache.Key(), "K1");
  std::this_thread::sleep_for(milliseconds(1100));
  EXPECT_EQ(cache.Key(), "K2");
}

TEST_F(AwsAuth, AFailedRenewalOfValidCredentialsIsIgnored) {
  Cache cache(4);
  EXPECT_EQ(cache.Key(), "K1");
  std::this_thread::sleep_for(milliseconds(2100));
  cache.source->fail = true;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(cache.Key(), "K1");
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_EQ(cache.source->fetches, 2) << "not with every request";
  std::this_thread::sleep_for(milliseconds(2000));
  EXPECT_NE(cache.Key().find("no"), std::string::npos);
  const int fetches = cache.source->fetches;
  EXPECT_NE(cache.Key().find("no"), std::string::npos);
  EXPECT_EQ(cache.source->fetches, fetches) << "a failure is remembered for a second";
  cache.source->fail = false;
  std::this_thread::sleep_for(milliseconds(1100));
  EXPECT_EQ(cache.Key().substr(0, 1), "K");
}

TEST_F(AwsAuth, RefusedCredentialsAreFetchedAnewOnce) {
  Cache cache(0);
  const AwsCredentialsPtr first = *cache.Get();
  EXPECT_FALSE(cache.provider->Invalidate(first)) << "fetched just now";
  std::this_thread::sleep_for(milliseconds(1050));
  EXPECT_EQ(cache.Key(), "K1") << "no expiry: kept";
  EXPECT_TRUE(cache.provider->Invalidate(first));
  EXPECT_TRUE(cache.provider->Invalidate(first)) << "by many requests at once";
  EXPECT_EQ(cache.Key(), "K2");
  EXPECT_TRUE(cache.provider->Invalidate(first)) << "there are others already";
  EXPECT_EQ(cache.Key(), "K2");
  EXPECT_EQ(cache.source->fetches, 2);
}

}  // namespace
}  // namespace lancefs
