// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/google_sources.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/rsa_signer.h"
#include "backends/auth/sigv4.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kAttempts = 3;
constexpr int64_t kTokenSeconds = 3600;
constexpr seconds kRenewEarlyServed(240);  // the service keeps tokens itself and brings no other one sooner

int64_t SecondsNow() { return std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// ---- The metadata server ----------------------------------------------------------------------

bool IsHost(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
  });
}

class MetadataSource : public TokenSource {
 public:
  explicit MetadataSource(const GoogleAuthOptions& options)
      : client_(HttpClient::Make(LocalEndpointConfig(options.http, milliseconds(1000), milliseconds(10000)))),
        hosts_({First(options, {"GCE_METADATA_HOST", "GCE_METADATA_ROOT"}, "metadata.google.internal"),
                First(options, {"GCE_METADATA_IP"}, "169.254.169.254")}),
        off_(First(options, {"NO_GCE_CHECK"}, "")) {}

  std::string name() const override { return "metadata server"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    if (IsTrue(off_)) return Status::NotFound("turned off by NO_GCE_CHECK");
    std::string why;
    for (const std::string& host : hosts_) {
      if (!IsHost(host)) return Status::InvalidArgument("the metadata server's host is not a host name");
      Result<AccessToken> token = FetchFrom(host, ctx);
      if (token.ok() || !token.status().Is(StatusCode::kNotFound)) return token;
      why += (why.empty() ? "" : "; ") + token.status().message();
    }
    return Status::NotFound(why);
  }

 private:
  static std::string First(const GoogleAuthOptions& options, const std::vector<const char*>& names, std::string otherwise) {
    for (const char* name : names) {
      const auto it = options.environment.find(name);
      if (it != options.environment.end() && !it->second.empty()) return it->second;
    }
    return otherwise;
  }

  Result<AccessToken> FetchFrom(const std::string& host, const OpContext& ctx) const {
    HttpRequest request;
    request.url = "http://" + host + "/computeMetadata/v1/instance/service-accounts/default/token?audience=" +
                  "https%3A%2F%2Fwww.googleapis.com%2Foauth2%2Fv4%2Ftoken";
    request.headers = {{"metadata-flavor", "Google"}};
    const Result<HttpResponse> response = SendAndWait(*client_, request, kAttempts, ctx);
    if (!response.ok()) {  // nobody there: this is no machine of Google's, or the next address answers
      const bool absent = response.status().Is(StatusCode::kUnavailable);
      return absent ? Status::NotFound(response.status().message()) : response.status();
    }
    const std::string what = "the metadata server " + host;
    if (response->status != 200) {
      const std::string text = what + " answered HTTP " + std::to_string(response->status);
      if (response->status == 404) return Status::NotFound(text + " (the machine has no service account)");
      return response->status >= 500 ? Status::Unavailable(text) : Status::Unauthenticated(text);
    }
    Result<AccessToken> token = ParseTokenAnswer(response->body.view());
    if (!token.ok()) return Status::Unauthenticated(what + ": " + token.status().message());
    token->renew_ahead = kRenewEarlyServed;
    return token;
  }

  const std::shared_ptr<HttpClient> client_;
  const std::array<std::string, 2> hosts_;
  const std::string off_;
};

// ---- Files ------------------------------------------------------------------------------------

class ServiceAccountSource : public TokenSource {
 public:
  ServiceAccountSource(std::shared_ptr<const RsaSigner> signer, std::string email, std::string key_id)
      : signer_(std::move(signer)), email_(std::move(email)), key_id_(std::move(key_id)) {}
  std::string name() const override { return "service account " + email_; }

  Result<AccessToken> Fetch(const OpContext&) override {
    const int64_t now = SecondsNow();
    LANCEFS_ASSIGN_OR_RETURN(std::string text, SignServiceAccountToken(*signer_, email_, key_id_, now));
    AccessToken token;
    token.text = std::move(text);
    token.expires = std::chrono::system_clock::time_point(seconds(now + kTokenSeconds));
    return token;
  }

 private:
  const std::shared_ptr<const RsaSigner> signer_;
  const std::string email_;
  const std::string key_id_;
};

Result<TokenSourcePtr> MakeServiceAccountSource(const Json& file, const std::string& where) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string pem, TextMember(file, "private_key", where));
  LANCEFS_ASSIGN_OR_RETURN(std::string key_id, TextMember(file, "private_key_id", where));
  LANCEFS_ASSIGN_OR_RETURN(std::string email, TextMember(file, "client_email", where));
  Result<std::shared_ptr<const RsaSigner>> signer = RsaSigner::FromPem(pem);
  if (!signer.ok()) return Status::InvalidArgument(where + ": " + signer.status().message());
  return TokenSourcePtr(std::make_unique<ServiceAccountSource>(*std::move(signer), std::move(email), std::move(key_id)));
}

class AuthorizedUserSource : public TokenSource {
 public:
  AuthorizedUserSource(const GoogleAuthOptions& options, std::string form)
      : client_(HttpClient::Make(TokenServiceConfig(options.http))), url_(options.oauth_url), form_(std::move(form)) {}
  std::string name() const override { return "authorized user"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    HttpRequest request;
    request.url = url_;
    request.body = {Bytes::FromString(form_)};
    LANCEFS_ASSIGN_OR_RETURN(AccessToken token, AskForToken(*client_, "renewing the user's token", std::move(request), ctx));
    token.renew_ahead = kRenewEarlyServed;
    return token;
  }

 private:
  const std::shared_ptr<HttpClient> client_;
  const std::string url_;
  const std::string form_;
};

Result<TokenSourcePtr> MakeAuthorizedUserSource(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  std::vector<std::pair<std::string, std::string>> form = {{"grant_type", "refresh_token"}};
  for (const char* name : {"client_id", "client_secret", "refresh_token"}) {
    LANCEFS_ASSIGN_OR_RETURN(std::string value, TextMember(file, name, where));
    form.emplace_back(name, std::move(value));
  }
  return TokenSourcePtr(std::make_unique<AuthorizedUserSource>(options, CanonicalQuery(form)));
}

// "gcloud auth application-default login --impersonate-service-account"
class ImpersonatedSource : public TokenSource {
 public:
  ImpersonatedSource(const GoogleAuthOptions& options, TokenSourcePtr source, std::string url)
      : client_(HttpClient::Make(TokenServiceConfig(options.http))), source_(std::move(source)), url_(std::move(url)) {}
  std::string name() const override { return "impersonation with " + source_->name(); }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const AccessToken token, source_->Fetch(ctx));
    return ImpersonateServiceAccount(*client_, url_, token, kTokenSeconds, ctx);
  }

 private:
  const std::shared_ptr<HttpClient> client_;
  const TokenSourcePtr source_;
  const std::string url_;
};

Result<TokenSourcePtr> MakeImpersonatedSource(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(std::string url, TextMember(file, "service_account_impersonation_url", where));
  const auto inner = file.find("source_credentials");
  if (inner == file.end() || !inner->is_object() || OptionalText(*inner, "type") == "impersonated_service_account") {
    return Status::InvalidArgument(where + ": 'source_credentials' is missing or wrong");
  }
  LANCEFS_ASSIGN_OR_RETURN(TokenSourcePtr source, MakeGoogleFileSource(*inner, where + ", source_credentials", options));
  return TokenSourcePtr(std::make_unique<ImpersonatedSource>(options, std::move(source), std::move(url)));
}

// The answer of a token service, if it is a success.
Result<HttpResponse> Ask(const HttpClient& client, const std::string& what, const HttpRequest& request, const OpContext& ctx) {
  Result<HttpResponse> response = SendAndWait(client, request, kAttempts, ctx);
  if (!response.ok()) return Status(response.status().code(), what + ": " + response.status().message());
  if (response->status == 200) return response;
  const std::string said = OAuthErrorText(response->body.view());
  const std::string text = what + ": " + UrlOrigin(request.url) + " answered HTTP " + std::to_string(response->status) +
                           (said.empty() ? "" : " (" + said + ")");
  return response->status >= 500 ? Status::Unavailable(text) : Status::Unauthenticated(text);
}

}  // namespace

Result<std::string> TextMember(const Json& object, const char* name, const std::string& where) {
  const auto it = object.find(name);
  if (it == object.end()) return Status::InvalidArgument(where + ": '" + name + "' is missing");
  if (!it->is_string() || it->get_ref<const std::string&>().empty()) {
    return Status::InvalidArgument(where + ": '" + name + "' must be text");
  }
  return it->get<std::string>();
}

std::string OptionalText(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Result<AccessToken> AskForToken(const HttpClient& client, const std::string& what, HttpRequest request, const OpContext& ctx) {
  request.method = HttpMethod::kPost;
  request.headers.emplace_back("content-type", "application/x-www-form-urlencoded");
  request.headers.emplace_back("accept", "application/json");
  LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, Ask(client, what, request, ctx));
  Result<AccessToken> token = ParseTokenAnswer(response.body.view());
  if (!token.ok()) return Status::Unauthenticated(what + ": " + UrlOrigin(request.url) + ": " + token.status().message());
  return token;
}

Result<AccessToken> ImpersonateServiceAccount(const HttpClient& client, const std::string& url, const AccessToken& token,
                                              int64_t lifetime, const OpContext& ctx) {
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.url = url;
  request.headers = {{"authorization", "Bearer " + token.text}, {"content-type", "application/json"}};
  Json body = Json::object();
  body["scope"] = Json::array();
  body["scope"].push_back(std::string(kGoogleScope));
  body["lifetime"] = std::to_string(lifetime) + "s";
  request.body = {Bytes::FromString(body.dump())};
  const std::string what = "impersonating a service account";
  LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, Ask(client, what, request, ctx));
  const std::string from = what + ": " + UrlOrigin(url);
  const Json json = Json::parse(response.body.view(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Status::Unauthenticated(from + ": the answer is not a JSON object");
  AccessToken out;
  out.text = OptionalText(json, "accessToken");
  if (!IsTokenText(out.text)) return Status::Unauthenticated(from + ": the answer has no accessToken");
  out.expires = ParseTimestamp(OptionalText(json, "expireTime"));
  if (!out.expires) return Status::Unauthenticated(from + ": the answer has no expireTime");
  return out;
}

Result<std::string> SignServiceAccountToken(const RsaSigner& signer, const std::string& email, const std::string& key_id,
                                            int64_t now) {
  nlohmann::ordered_json header;
  header["typ"] = "JWT";
  header["alg"] = "RS256";
  header["kid"] = key_id;
  nlohmann::ordered_json claims;
  claims["iss"] = email;
  claims["sub"] = email;
  claims["scope"] = kGoogleScope;
  claims["exp"] = now + kTokenSeconds;
  claims["iat"] = now;
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;  // never throws
  return signer.SignToken(header.dump(-1, ' ', false, kReplace), claims.dump(-1, ' ', false, kReplace));
}

TokenSourcePtr MakeGoogleMetadataSource(const GoogleAuthOptions& options) { return std::make_unique<MetadataSource>(options); }

Result<TokenSourcePtr> MakeGoogleFileSource(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  const std::string type = OptionalText(file, "type");
  // A service account's file without a type is one all the same: emulators are set up with such.
  if (type == "service_account" || (type.empty() && file.contains("private_key"))) return MakeServiceAccountSource(file, where);
  if (type == "authorized_user") return MakeAuthorizedUserSource(file, where, options);
  if (type == "external_account") return MakeExternalAccountSource(file, where, options);
  if (type == "impersonated_service_account") return MakeImpersonatedSource(file, where, options);
  if (type.empty()) return Status::InvalidArgument(where + ": 'type' is missing");
  return Status::NotSupported(where + ": the type '" + type.substr(0, 50) +
                              "' is not supported: service_account, authorized_user, external_account and "
                              "impersonated_service_account are");
}

}  // namespace lancefs
