// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/azure_credentials.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/aws_process.h"
#include "backends/auth/digest.h"
#include "base/ascii.h"
#include "base/uri.h"

namespace lancefs {
namespace {

using Clock = std::chrono::system_clock;
using Json = nlohmann::json;
using Pairs = std::vector<std::pair<std::string, std::string>>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kScope = "https://storage.azure.com/.default";
constexpr std::string_view kResource = "https://storage.azure.com";
constexpr int kAttempts = 4;
constexpr auto kCliTimeout = milliseconds(60000);

// What an answer without a token means; `secret` never shows, whatever the server repeats.
Status Refused(const HttpResponse& response, const std::string& who, const std::string& secret) {
  std::string said = OAuthErrorText(response.body.view());
  if (!secret.empty() && said.find(secret) != std::string::npos) said.clear();
  const std::string text = who + " answered HTTP " + std::to_string(response.status) + (said.empty() ? "" : ": " + said);
  return response.status >= 500 || response.status == 429 ? Status::Unavailable(text) : Status::Unauthenticated(text);
}

Result<AccessToken> TokenFrom(const HttpResponse& response, const std::string& who, const std::string& secret) {
  if (response.status != 200) return Refused(response, who, secret);
  Result<AccessToken> token = ParseTokenAnswer(response.body.view());
  if (!token.ok()) return token.status().WithContext(who);
  return token;
}

// ---- The token endpoint of Microsoft Entra -----------------------------------------------------

class EntraSource : public TokenSource {
 public:
  explicit EntraSource(const AzureIdentity& identity) : identity_(identity) {
    HttpConfig http = identity.http;
    if (http.timeout.count() == 0) http.timeout = milliseconds(30000);
    client_ = HttpClient::Make(std::move(http));
    while (identity_.authority_host.ends_with('/')) identity_.authority_host.pop_back();
  }

 protected:
  Result<AccessToken> Ask(const Pairs& proof, const std::string& secret, const OpContext& ctx) {
    HttpRequest request;
    request.method = HttpMethod::kPost;
    request.url = identity_.authority_host + "/" + PercentEncode(identity_.tenant_id) + "/oauth2/v2.0/token";
    Pairs form = {{"client_id", identity_.client_id}, {"scope", std::string(kScope)}, {"grant_type", "client_credentials"}};
    form.insert(form.end(), proof.begin(), proof.end());
    request.headers = {{"content-type", "application/x-www-form-urlencoded"}, {"accept", "application/json"}};
    request.body = {Bytes::FromString(FormText(form))};
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(*client_, request, kAttempts, ctx));
    return TokenFrom(response, "the Azure authority " + UrlOrigin(request.url), secret);
  }

  AzureIdentity identity_;

 private:
  std::shared_ptr<HttpClient> client_;
};

class ClientSecretSource : public EntraSource {
 public:
  using EntraSource::EntraSource;
  std::string name() const override { return "client secret"; }
  Result<AccessToken> Fetch(const OpContext& ctx) override {
    return Ask({{"client_secret", identity_.client_secret}}, identity_.client_secret, ctx);
  }
};

class WorkloadIdentitySource : public EntraSource {
 public:
  using EntraSource::EntraSource;
  std::string name() const override { return "workload identity"; }
  Result<AccessToken> Fetch(const OpContext& ctx) override {
    const Result<std::string> content = ReadSmallFile(identity_.federated_token_file);
    if (!content.ok()) return Status::Unauthenticated("the federated token: " + content.status().message());
    const std::string assertion(TrimSpace(*content));
    if (assertion.empty())
      return Status::Unauthenticated("the federated token file '" + identity_.federated_token_file + "' is empty");
    return Ask(
        {{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, {"client_assertion", assertion}},
        assertion, ctx);
  }
};

// ---- Managed identity --------------------------------------------------------------------------

class ManagedIdentitySource : public TokenSource {
 public:
  explicit ManagedIdentitySource(const AzureIdentity& identity) : identity_(identity) {
    client_ = HttpClient::Make(LocalEndpointConfig(identity.http, milliseconds(1000), milliseconds(20000)));
  }
  std::string name() const override { return "managed identity"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    Pairs query = {{"api-version", "2019-08-01"}, {"resource", std::string(kResource)}};
    if (!identity_.msi_resource_id.empty()) {
      query.emplace_back("msi_res_id", identity_.msi_resource_id);
    } else if (!identity_.object_id.empty()) {
      query.emplace_back("object_id", identity_.object_id);
    } else if (!identity_.client_id.empty()) {
      query.emplace_back("client_id", identity_.client_id);
    }
    HttpRequest request;
    const bool has_query = identity_.msi_endpoint.find('?') != std::string::npos;
    request.url = identity_.msi_endpoint + (has_query ? "&" : "?") + FormText(query);
    request.headers = {{"metadata", "true"}};
    if (!identity_.identity_header.empty()) request.headers.emplace_back("x-identity-header", identity_.identity_header);
    const std::string who = "the managed identity endpoint " + UrlOrigin(request.url);
    const Result<HttpResponse> response = SendAndWait(*client_, request, kAttempts, ctx);
    if (!response.ok()) return Explain(response.status());
    return TokenFrom(*response, who, identity_.identity_header);
  }

 private:
  // This source is tried when nothing else is set: who sees this has most likely forgotten to set something.
  static Status Explain(const Status& status) {
    if (!status.Is(StatusCode::kUnavailable)) return status;
    return Status::Unauthenticated("no Azure credentials found (managed identity: " + status.message() +
                                   "); give azure_storage_account_key, azure_storage_sas_token or azure_storage_token in the "
                                   "environment or an options file, "
                                   "azure_use_azure_cli=true, or azure_skip_signature=true for a public container");
  }

  const AzureIdentity identity_;
  std::shared_ptr<HttpClient> client_;
};

// ---- Azure CLI ---------------------------------------------------------------------------------

class CliSource : public TokenSource {
 public:
  explicit CliSource(std::string program) : program_(std::move(program)) {}
  std::string name() const override { return "Azure CLI"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    const std::vector<std::string> words = {program_, "account", "get-access-token", "--output",
                                            "json",   "--scope", std::string(kScope)};
    const Result<ProgramResult> ran = RunProgram(words, kCliTimeout, ctx);
    if (ran.status().Is(StatusCode::kCancelled)) return ran.status();
    if (ran.status().Is(StatusCode::kNotFound)) {
      return Status::Unauthenticated("the Azure CLI is not installed: there is no program '" + program_ + "'");
    }
    if (!ran.ok()) return Status::Unauthenticated("Azure CLI: " + ran.status().message());
    if (ran->exit_status != 0) return ProgramFailed("'az account get-access-token'", ran->exit_status, ran->errors);
    Result<AccessToken> token = ParseAzureCliAnswer(ran->output);
    if (!token.ok()) return token.status().WithContext("'az account get-access-token'");
    return token;
  }

 private:
  const std::string program_;
};

// "2026-11-21 18:33:06.000000" in local time.
std::optional<Clock::time_point> ParseLocalTime(std::string_view text) {
  std::tm tm{};
  const std::string copy(text.substr(0, 19));
  if (copy.size() != 19 || ::strptime(copy.c_str(), "%Y-%m-%d %H:%M:%S", &tm) != copy.c_str() + 19) return std::nullopt;
  tm.tm_isdst = -1;
  const std::time_t time = std::mktime(&tm);
  if (time == -1) return std::nullopt;
  return Clock::from_time_t(time);
}

// ---- Fabric ------------------------------------------------------------------------------------

class FabricSource : public TokenSource {
 public:
  explicit FabricSource(const AzureIdentity& identity) : identity_(identity), first_(identity.fabric_first_token) {
    HttpConfig http = identity.http;
    if (http.timeout.count() == 0) http.timeout = milliseconds(30000);
    client_ = HttpClient::Make(std::move(http));
  }
  std::string name() const override { return "Fabric token service"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    if (const std::string first = TakeFirst(); !first.empty()) {
      const auto expires = JwtExpiry(first);
      if (expires && *expires > Clock::now() + seconds(300) && IsTokenText(first)) return AccessToken{first, expires};
    }
    HttpRequest request;
    const bool has_query = identity_.fabric_token_service_url.find('?') != std::string::npos;
    request.url = identity_.fabric_token_service_url + (has_query ? "&" : "?") + FormText({{"resource", std::string(kResource)}});
    request.headers = {{"x-ms-partner-token", identity_.fabric_session_token},
                       {"x-ms-cluster-identifier", identity_.fabric_cluster_identifier},
                       {"x-ms-workload-resource-moniker", identity_.fabric_cluster_identifier},
                       {"x-ms-proxy-host", identity_.fabric_workload_host}};
    const std::string who = "the Fabric token service " + UrlOrigin(request.url);
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(*client_, request, kAttempts, ctx));
    if (response.status != 200) return Refused(response, who, identity_.fabric_session_token);
    AccessToken token;
    token.text = TrimSpace(response.body.view());
    if (!IsTokenText(token.text)) return Status::Unauthenticated(who + ": the answer is not a token");
    token.expires = JwtExpiry(token.text).value_or(Clock::now() + seconds(3600));
    return token;
  }

 private:
  // Once: a store that refuses it gets another.
  std::string TakeFirst() {
    std::lock_guard lock(mutex_);
    return std::exchange(first_, std::string());
  }

  const AzureIdentity identity_;
  std::shared_ptr<HttpClient> client_;
  std::mutex mutex_;
  std::string first_;  // guarded by mutex_
};

}  // namespace

std::optional<Clock::time_point> JwtExpiry(std::string_view token) {
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string claims(token.substr(dot + 1, token.find('.', dot + 1) - dot - 1));
  std::replace(claims.begin(), claims.end(), '-', '+');
  std::replace(claims.begin(), claims.end(), '_', '/');
  claims.append((4 - claims.size() % 4) % 4, '=');
  const Result<std::string> decoded = Base64Decode(claims);
  if (!decoded.ok()) return std::nullopt;
  const Json json = Json::parse(*decoded, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto exp = json.find("exp");
  if (exp == json.end() || !exp->is_number()) return std::nullopt;
  return Clock::from_time_t(static_cast<std::time_t>(std::clamp(exp->get<double>(), 0.0, 1e11 / 10)));
}

Result<AccessToken> ParseAzureCliAnswer(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Status::Unauthenticated("the answer is not a JSON object");
  auto member = [&json](const char* name) {
    const auto it = json.find(name);
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  if (AsciiLower(member("tokenType")) != "bearer") return Status::Unauthenticated("the answer's tokenType is not Bearer");
  AccessToken token;
  token.text = member("accessToken");
  if (!IsTokenText(token.text)) return Status::Unauthenticated("the answer has no accessToken");
  // Newer versions also say it in seconds since 1970, which is the same everywhere.
  if (const auto it = json.find("expires_on"); it != json.end() && it->is_number_integer()) {
    token.expires = Clock::from_time_t(std::clamp<int64_t>(it->get<int64_t>(), 0, 10'000'000'000));
  } else {
    token.expires = ParseLocalTime(member("expiresOn"));
  }
  if (!token.expires) return Status::Unauthenticated("the answer does not say when its token expires");
  return token;
}

TokenSourcePtr MakeAzureClientSecretSource(const AzureIdentity& identity) {
  return std::make_unique<ClientSecretSource>(identity);
}
TokenSourcePtr MakeAzureWorkloadIdentitySource(const AzureIdentity& identity) {
  return std::make_unique<WorkloadIdentitySource>(identity);
}
TokenSourcePtr MakeAzureManagedIdentitySource(const AzureIdentity& identity) {
  return std::make_unique<ManagedIdentitySource>(identity);
}
TokenSourcePtr MakeAzureCliSource(std::string program) { return std::make_unique<CliSource>(std::move(program)); }
TokenSourcePtr MakeAzureFabricSource(const AzureIdentity& identity) { return std::make_unique<FabricSource>(identity); }

}  // namespace lancefs
