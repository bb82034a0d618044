// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/digest.h"
#include "backends/auth/google_sources.h"
#include "backends/auth/google_subject.h"
#include "backends/auth/sigv4.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kIamScope = "https://www.googleapis.com/auth/iam";

struct ExternalAccount {
  std::string audience;
  std::string subject_token_type;
  std::string token_url;
  std::string impersonation_url;  // "" = the exchanged token is used itself
  int64_t lifetime = 3600;
  std::string client_authorization;  // "" = none
  std::string user_project;          // of workforce pools
  SubjectTokenSourcePtr subject;
};

class ExternalAccountSource : public TokenSource {
 public:
  ExternalAccountSource(const HttpConfig& http, ExternalAccount account)
      : client_(HttpClient::Make(TokenServiceConfig(http))), account_(std::move(account)) {}
  std::string name() const override { return "external account"; }

  Result<AccessToken> Fetch(const OpContext& ctx) override {
    Result<std::string> subject = account_.subject->Fetch(ctx);
    if (!subject.ok()) {
      // What the file says must work: no other source is tried.
      const StatusCode code = subject.status().code();
      return Status(code == StatusCode::kNotFound ? StatusCode::kUnauthenticated : code,
                    "external account: " + subject.status().message());
    }
    const bool impersonate = !account_.impersonation_url.empty();
    std::vector<std::pair<std::string, std::string>> form = {
        {"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
        {"audience", account_.audience},
        {"scope", std::string(impersonate ? kIamScope : kGoogleScope)},
        {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
        {"subject_token_type", account_.subject_token_type},
        {"subject_token", *subject}};
    if (!account_.user_project.empty()) {
      Json options = Json::object();
      options["userProject"] = account_.user_project;
      form.emplace_back("options", options.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
    HttpRequest request;
    request.url = account_.token_url;
    if (!account_.client_authorization.empty()) request.headers.emplace_back("authorization", account_.client_authorization);
    request.body = {Bytes::FromString(CanonicalQuery(form))};
    LANCEFS_ASSIGN_OR_RETURN(AccessToken token, AskForToken(*client_, "external account", std::move(request), ctx));
    if (!impersonate) return token;
    return ImpersonateServiceAccount(*client_, account_.impersonation_url, token, account_.lifetime, ctx);
  }

 private:
  const std::shared_ptr<HttpClient> client_;
  const ExternalAccount account_;
};

}  // namespace

Result<TokenSourcePtr> MakeExternalAccountSource(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  ExternalAccount account;
  const auto text = [&](const char* name, bool must_be) -> Result<std::string> {
    std::string raw = OptionalText(file, name);
    if (must_be) {
      LANCEFS_ASSIGN_OR_RETURN(raw, TextMember(file, name, where));
    }
    return FillTemplate(raw, options.environment);
  };
  LANCEFS_ASSIGN_OR_RETURN(account.audience, text("audience", true));
  LANCEFS_ASSIGN_OR_RETURN(account.subject_token_type, text("subject_token_type", true));
  LANCEFS_ASSIGN_OR_RETURN(account.token_url, text("token_url", true));
  LANCEFS_ASSIGN_OR_RETURN(account.impersonation_url, text("service_account_impersonation_url", false));
  for (const std::string& url : {account.token_url, account.impersonation_url}) {
    if (!url.empty() && !IsHttpUrl(url)) return Status::InvalidArgument(where + ": a URL must start with https:// or http://");
  }
  if (const auto it = file.find("service_account_impersonation"); it != file.end() && it->is_object()) {
    const auto seconds = it->find("token_lifetime_seconds");
    if (seconds != it->end() && seconds->is_number_integer()) {
      account.lifetime = std::clamp<int64_t>(seconds->get<int64_t>(), 1, 43200);
    }
  }
  const std::string id = OptionalText(file, "client_id");
  if (const std::string secret = OptionalText(file, "client_secret"); !id.empty() && !secret.empty()) {
    const std::string both = id + ":" + secret;
    account.client_authorization = "Basic " + Base64Encode({reinterpret_cast<const uint8_t*>(both.data()), both.size()});
  } else {
    account.user_project = OptionalText(file, "workforce_pool_user_project");
  }
  const SubjectTokenFor subject{account.audience, account.subject_token_type, account.impersonation_url, where};
  LANCEFS_ASSIGN_OR_RETURN(account.subject, MakeSubjectToken(file, subject, options));
  return TokenSourcePtr(std::make_unique<ExternalAccountSource>(options.http, std::move(account)));
}

}  // namespace lancefs
