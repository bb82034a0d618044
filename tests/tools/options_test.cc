// SPDX-License-Identifier: Apache-2.0
#include "tools/options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "backends/option_catalog.h"

namespace lancefs {
namespace {

class File {
 public:
  explicit File(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }
  ~File() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_ = testing::TempDir() + "options_" + std::to_string(::getpid());
};

ParsedOptions Merge(const std::vector<std::string>& command_line, const std::string& file_text = "",
                    const std::vector<std::string>& storage = {}) {
  const File file(file_text);
  Result<ParsedOptions> parsed = MergeOptions(command_line, storage, file.path());
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return parsed.ok() ? *parsed : ParsedOptions();
}

std::string Fault(const std::vector<std::string>& command_line, const std::string& file_text = "",
                  const std::vector<std::string>& storage = {}) {
  const File file(file_text);
  return MergeOptions(command_line, storage, file.path()).status().message();
}

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// ---- The document -------------------------------------------------------------------------------

// The keys in the first column of the tables of docs/configuration.md, and the headings above them.
std::map<std::string, std::string> DocumentedKeys(std::string* headings) {
  std::ifstream in(LANCEFS_SOURCE_DIR "/docs/configuration.md");
  std::map<std::string, std::string> keys;
  std::string heading;
  static const std::regex kKey("`([^`]+)`");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) {
      heading = line.substr(3);
      *headings += heading + "\n";
    }
    if (!line.starts_with("| `")) continue;
    const std::string cell = line.substr(1, line.find(" |", 2) - 1);
    for (std::sregex_iterator it(cell.begin(), cell.end(), kKey), end; it != end; ++it) {
      const std::string key = (*it)[1];
      if (key.find("://") == std::string::npos && !key.starts_with("--") && !key.ends_with('_')) keys[key] = heading;
    }
  }
  return keys;
}

TEST(OptionTable, EveryRowIsKnown) {
  std::string headings;
  const auto keys = DocumentedKeys(&headings);
  EXPECT_GT(keys.size(), 100u);
  const std::set<std::string> own(OwnOptionKeys().begin(), OwnOptionKeys().end());
  for (const auto& [key, heading] : keys) EXPECT_TRUE(own.contains(key) || IsKnownOption(key)) << key << " in " << heading;
}

TEST(OptionTable, EverythingKnownHasARow) {
  std::string headings;
  const auto keys = DocumentedKeys(&headings);
  for (const std::string& own : OwnOptionKeys()) EXPECT_TRUE(keys.contains(own) || own == "rw") << own;
  for (const StorageOptionName& option : AllStorageOptions()) {
    if (option.owner == OptionOwner::kGcs && !Has(headings, "Google")) continue;
    if (option.owner == OptionOwner::kAzure && !Has(headings, "Azure")) continue;
    std::string kebab(option.name);
    std::replace(kebab.begin(), kebab.end(), '_', '-');
    EXPECT_TRUE(keys.contains(std::string(option.name)) || keys.contains(kebab))
        << option.name << " is not in docs/configuration.md";
  }
}

// ---- Names --------------------------------------------------------------------------------------

TEST(OptionCatalog, Names) {
  for (const char* key : {"aws_region", "REGION", "aws-region", "Aws_Timeout", "azure_timeout", "google_proxy_url", "timeout",
                          "headers.X-Any", "base_3.region", "base_3.headers.x-a", "oss_endpoint", "lance_aimd_min_rate",
                          "azure_storage_sas_token", "google_service_account_path", "google_bucket", "LANCE_AIMD_MAX_RATE"}) {
    EXPECT_TRUE(IsKnownOption(key)) << key;
  }
  for (const char* key : {"aws_regoin", "headers.", "base_.region", "base_3.regoin", "oss_timeout_", "refresh", "", "aws_"}) {
    EXPECT_EQ(IsKnownOption(key), std::string(key) == "oss_timeout_") << key;
  }
}

TEST(OptionCatalog, Secrets) {
  for (const StorageOptionName& option : AllStorageOptions()) {
    EXPECT_EQ(IsSecretOption(option.name), option.secret) << option.name;
    if (!option.secret) continue;
    for (const std::string_view alias : option.aliases) EXPECT_TRUE(IsSecretOption(alias)) << alias;
  }
  for (const char* key : {"AWS_SECRET_ACCESS_KEY", "aws-secret-access-key", "base_1.secret_access_key", "headers.Authorization",
                          "headers.x-api-key", "headers.X-Auth-Token", "some_password", "oss_secret_access_key", "hf_token"}) {
    EXPECT_TRUE(IsSecretOption(key)) << key;
  }
  for (const char* key : {"aws_access_key_id", "web_identity_token_file", "azure_fabric_token_service_url", "headers.x-team",
                          "region", "base_1.region", "google_service_account"}) {
    EXPECT_FALSE(IsSecretOption(key)) << key;
  }
  EXPECT_TRUE(IsSecretOptionValue("proxy_url", "http://me:pw@host:1"));
  EXPECT_TRUE(IsSecretOptionValue("proxy_url", "me:pw@host:1"));
  EXPECT_TRUE(IsSecretOptionValue("azure_endpoint", "https://host/c?sv=1&sig=abc"));
  EXPECT_FALSE(IsSecretOptionValue("proxy_url", "http://host:1/@"));
  EXPECT_FALSE(IsSecretOptionValue("user_agent", "me@host"));
}

TEST(OptionCatalog, OneOptionUnderManyNames) {
  EXPECT_TRUE(IsSameOption("aws_region", "REGION"));
  EXPECT_TRUE(IsSameOption("aws-timeout", "timeout"));
  EXPECT_TRUE(IsSameOption("azure_timeout", "google_timeout"));
  EXPECT_TRUE(IsSameOption("endpoint", "aws_endpoint_url_s3"));
  EXPECT_TRUE(IsSameOption("endpoint", "azure_storage_endpoint"));
  EXPECT_FALSE(IsSameOption("aws_endpoint", "azure_endpoint"));
  EXPECT_FALSE(IsSameOption("base_1.region", "region"));
  EXPECT_FALSE(IsSameOption("base_1.region", "base_2.region"));
  EXPECT_TRUE(IsSameOption("base_1.region", "base_1.aws_region"));
  EXPECT_TRUE(IsSameOption("headers.X", "headers.x"));
  EXPECT_FALSE(IsSameOption("headers.x", "headers.y"));
}

TEST(OptionCatalog, OptionsOfABase) {
  const StorageOptions all = {{"aws_region", "a"}, {"base_1.region", "b"}, {"base_2.region", "c"}, {"base_1.timeout", "1s"}};
  EXPECT_EQ(OptionsOfBase(all, 1), (StorageOptions{{"region", "b"}, {"timeout", "1s"}}));
  EXPECT_EQ(OptionsOfBase(all, 2), (StorageOptions{{"region", "c"}}));
  EXPECT_EQ(OptionsOfBase(all, 3), (StorageOptions{{"aws_region", "a"}}));
}

// ---- Sources ------------------------------------------------------------------------------------

TEST(MergeOptions, TheCommandLineBeatsTheFileUnderAnyName) {
  const std::string file =
      "aws_region = file\nAWS_ENDPOINT_URL_S3 = https://file\ntimeout = 1s\nuser_agent = x = y # z\nrefresh=9s\n";
  const ParsedOptions parsed = Merge({"Region=line", "aws-timeout=2s", "refresh=3s"}, file, {"endpoint=https://line"});
  EXPECT_EQ(
      parsed.StorageFor("s3://b/t.lance"),
      (StorageOptions{{"aws_timeout", "2s"}, {"endpoint", "https://line"}, {"region", "line"}, {"user_agent", "x = y # z"}}));
  EXPECT_EQ(parsed.own().at("refresh"), "3s");
}

TEST(MergeOptions, OwnKeysFromTheEnvironment) {
  ::setenv("LANCEFS_OPEN_BUDGET", "7s", 1);
  EXPECT_EQ(Merge({}).own().at("open-budget"), "7s");
  EXPECT_EQ(Merge({}, "open_budget = 8s\n").own().at("open-budget"), "8s");
  EXPECT_EQ(Merge({"open_budget=9s"}, "OPEN-BUDGET = 8s\n").own().at("open-budget"), "9s");
  ::unsetenv("LANCEFS_OPEN_BUDGET");
}

TEST(MergeOptions, TheFileFromElsewhere) {
  const File file("region = here\n");
  const Result<ParsedOptions> by_option = MergeOptions({"options-file=" + file.path()}, {}, "");
  ASSERT_TRUE(by_option.ok());
  EXPECT_EQ(by_option->StorageFor("s3://b/t").at("region"), "here");
  ::setenv("LANCEFS_OPTIONS_FILE", file.path().c_str(), 1);
  const Result<ParsedOptions> by_environment = MergeOptions({}, {}, "");
  ASSERT_TRUE(by_environment.ok());
  EXPECT_EQ(by_environment->StorageFor("s3://b/t").at("region"), "here");
  ::unsetenv("LANCEFS_OPTIONS_FILE");
}

TEST(MergeOptions, Sections) {
  const ParsedOptions parsed = Merge({"connect-timeout=9s"}, R"(
region = all
timeout = 1s
connect_timeout = 1s
[s3://bucket]
aws_region = bucket
[table trips]
timeout = 4s
[s3://bucket/db/]
timeout = 3s
connect_timeout = 3s
[table my table.v2]
region = odd
[az://box@acc.dfs.core.windows.net/x]
azure_timeout = 5s
)");
  auto got = [&](const std::string& uri, const std::string& key) {
    const StorageOptions options = parsed.StorageFor(uri);
    const auto it = options.find(key);
    return it == options.end() ? "" : it->second;
  };
  EXPECT_EQ(got("s3://other/t.lance", "region"), "all");
  EXPECT_EQ(got("s3://bucket/t.lance", "aws_region"), "bucket");
  EXPECT_EQ(got("s3://bucket/t.lance", "region"), "");
  EXPECT_EQ(got("s3://bucket", "aws_region"), "bucket");
  EXPECT_EQ(got("s3://bucket2/t.lance", "region"), "all");
  EXPECT_EQ(got("s3://bucket/db/t.lance", "timeout"), "3s");
  EXPECT_EQ(got("s3://bucket/dbx/t.lance", "timeout"), "1s");
  EXPECT_EQ(got("s3://bucket/db/trips.lance", "timeout"), "4s");
  EXPECT_EQ(got("s3://bucket/db/trips.lance/data", "timeout"), "4s");
  EXPECT_EQ(got("s3://bucket/db/trips", "timeout"), "4s");
  EXPECT_EQ(got("s3://bucket/db/other_trips.lance", "timeout"), "3s");
  EXPECT_EQ(got("s3://bucket/db/trips.lance", "connect_timeout"), "9s");
  EXPECT_EQ(got("s3://other/my table.v2.lance", "region"), "odd");
  EXPECT_EQ(got("/data/my table.v2.lance", "region"), "odd");
  EXPECT_EQ(parsed.Tables(), (std::vector<std::string>{"my table.v2", "trips"}));
}

TEST(MergeOptions, BasePaths) {
  const ParsedOptions parsed = Merge({}, R"(
region = all
base_2.region = two
[s3://cold]
timeout = 9s
[table t]
user_agent = t
)");
  EXPECT_EQ(parsed.StorageForBase("s3://hot/t.lance", "s3://cold/x", 2),
            (StorageOptions{{"region", "two"}, {"timeout", "9s"}, {"user_agent", "t"}}));
  EXPECT_EQ(parsed.StorageForBase("s3://hot/u.lance", "s3://cold/x", 1), (StorageOptions{{"region", "all"}, {"timeout", "9s"}}));
  EXPECT_EQ(parsed.StorageForBase("s3://hot/u.lance", "s3://hot/x", std::nullopt).at("region"), "all");
}

TEST(MergeOptions, UnknownKeysAndTheirNeighbours) {
  const ParsedOptions parsed = Merge({"aws_regoin=x", "refersh=1s"}, "endpiont = y\n[table t]\nqqqq = 1\nazure_timeout = 1s\n");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"aws_regoin", "aws_region"}, {"endpiont", "endpoint"}, {"qqqq", ""}, {"refersh", "refresh"}};
  EXPECT_EQ(parsed.unknown(), expected);
  testing::internal::CaptureStderr();
  PrintUnknownOptions(parsed);
  PrintUnknownOptions(parsed);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
  EXPECT_TRUE(Has(text, "'aws_regoin' is not known and has no effect; did you mean 'aws_region'?")) << text;
}

TEST(MergeOptions, RefusesSecrets) {
  for (const char* item :
       {"aws_secret_access_key=hunter2", "Secret-Access-Key=hunter2", "token=hunter2", "sas_key=hunter2",
        "proxy_url=http://me:hunter2@host", "headers.authorization=hunter2", "base_1.secret_access_key=hunter2",
        "aws_secrt_acces_key=hunter2", "accuont_key=hunter2", "azure_endpoint=https://h/?sv=1&sig=hunter2"}) {
    for (const bool by_o : {true, false}) {
      const std::string fault = by_o ? Fault({item}) : Fault({}, "", {item});
      EXPECT_TRUE(Has(fault, "--options-file")) << item << ": " << fault;
      EXPECT_FALSE(Has(fault, "hunter2")) << fault;
    }
  }
  EXPECT_EQ(Fault({"aws_access_key_id=AK", "proxy_url=http://host:1", "headers.x-team=a"}), "");
  EXPECT_EQ(Fault({}, "aws_secret_access_key = x\nproxy_url = http://me:pw@host\n"), "");
}

TEST(MergeOptions, RefusesSecretUris) {
  for (const char* uri : {"s3://AK:hunter2@bucket/t.lance", "az://c/t.lance?sv=2020&sig=hunter2", "az://c/t?SIG=hunter2",
                          "s3://b/t?X-Amz-Signature=hunter2", "s3://b/t?X-Amz-Security-Token=hunter2"}) {
    const Status status = RefuseSecretUri(uri);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << uri;
    EXPECT_FALSE(Has(status.message(), "hunter2"));
    EXPECT_TRUE(Has(status.message(), "--options-file"));
  }
  for (const char* uri :
       {"s3://b/t.lance", "/tmp/a:b@c?sig=1", "az://box@acc.dfs.core.windows.net/t", "s3+ddb://b/t?ddbTableName=T"})
    EXPECT_TRUE(RefuseSecretUri(uri).ok()) << uri;
}

TEST(ReadOptionsFile, WhoMayReadIt) {
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0601}) {
    const File file("region = x\n", mode);
    const Status status = ReadOptionsFile(file.path()).status();
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_TRUE(Has(status.message(), "chmod 600")) << status.ToString();
  }
  const File mine("region = x\n", 0400);
  EXPECT_TRUE(ReadOptionsFile(mine.path()).ok());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(mine.path().c_str(), 12345, 12345), 0);
    const Status status = ReadOptionsFile(mine.path()).status();
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_TRUE(Has(status.message(), "another user")) << status.ToString();
  }
  EXPECT_EQ(ReadOptionsFile("/no/such/file").status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(ReadOptionsFile("/").ok());
}

TEST(ReadOptionsFile, BadLinesAreNamedButNotShown) {
  const std::vector<std::pair<std::string, std::string>> bad = {{"region = x\nhunter2\n", "line 2"},
                                                                {"[hunter2]\n", "line 1"},
                                                                {"[table ]\n", "line 1"},
                                                                {"[table x\n", "line 1"},
                                                                {"[s3://a:hunter2@b]\n", "line 1"},
                                                                {"[table t]\nrefresh = 1s\n", "line 2"}};
  for (const auto& [text, place] : bad) {
    const std::string fault = Fault({}, text);
    EXPECT_TRUE(Has(fault, place)) << text << ": " << fault;
    EXPECT_FALSE(Has(fault, "hunter2")) << fault;
  }
  EXPECT_TRUE(Has(Fault({}, std::string(2 << 20, 'x')), "1 MiB"));
}

}  // namespace
}  // namespace lancefs
