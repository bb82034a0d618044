// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/aws_chain.h"
#include "backends/auth/digest.h"
#include "backends/auth/google_sources.h"
#include "backends/auth/sigv4.h"
#include "base/uri.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr int kAttempts = 3;
constexpr std::string_view kIamScope = "https://www.googleapis.com/auth/iam";

// Where the other provider's token comes from.
class SubjectTokenSource {
 public:
  virtual ~SubjectTokenSource() = default;
  virtual Result<std::string> Fetch(const OpContext& ctx) = 0;
};

// A file or an answer: the text itself, or a member of a JSON object.
struct TokenFormat {
  std::string member;  // "" = the text

  static Result<TokenFormat> Parse(const Json& source, const std::string& where) {
    TokenFormat format;
    const auto it = source.find("format");
    if (it == source.end()) return format;
    if (!it->is_object()) return Status::InvalidArgument(where + ": 'format' must be an object");
    const std::string type = OptionalText(*it, "type");
    if (type.empty() || type == "text") return format;
    if (type != "json") return Status::InvalidArgument(where + ": the format's type must be text or json");
    LANCEFS_ASSIGN_OR_RETURN(format.member, TextMember(*it, "subject_token_field_name", where));
    return format;
  }

  Result<std::string> Extract(std::string_view text, const std::string& from) const {
    std::string token(TrimSpace(text));
    if (!member.empty()) {
      const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (!json.is_object()) return Status::Unauthenticated(from + " is not a JSON object");
      token = TrimSpace(OptionalText(json, member.c_str()));
    }
    if (token.empty()) return Status::Unauthenticated(from + " holds no token");
    return token;
  }
};

class FileToken : public SubjectTokenSource {
 public:
  FileToken(std::string path, TokenFormat format) : path_(std::move(path)), format_(std::move(format)) {}
  Result<std::string> Fetch(const OpContext&) override {  // read anew each time: the platform replaces it
    const Result<std::string> content = ReadSmallFile(path_);
    if (!content.ok()) return Status::Unauthenticated(content.status().message());
    return format_.Extract(*content, "'" + path_ + "'");
  }

 private:
  const std::string path_;
  const TokenFormat format_;
};

class UrlToken : public SubjectTokenSource {
 public:
  UrlToken(const HttpConfig& http, std::string url, HttpHeaders headers, TokenFormat format)
      // Such endpoints are on this machine or near it, as Azure's and GitHub's are.
      : client_(HttpClient::Make(url.starts_with("http://") ? LocalEndpointConfig(http, milliseconds(5000), milliseconds(30000))
                                                            : TokenServiceConfig(http))),
        url_(std::move(url)),
        headers_(std::move(headers)),
        format_(std::move(format)) {}

  Result<std::string> Fetch(const OpContext& ctx) override {
    HttpRequest request;
    request.url = url_;
    request.headers = headers_;
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(*client_, request, kAttempts, ctx));
    const std::string from = "the subject token's URL at " + UrlOrigin(url_);
    if (response.status != 200) {
      const std::string text = from + " answered HTTP " + std::to_string(response.status);
      return response.status >= 500 ? Status::Unavailable(text) : Status::Unauthenticated(text);
    }
    return format_.Extract(response.body.view(), from);
  }

 private:
  const std::shared_ptr<HttpClient> client_;
  const std::string url_;
  const HttpHeaders headers_;
  const TokenFormat format_;
};

// A request of AWS' that says who we are, signed and not sent: Google sends it.
class AwsToken : public SubjectTokenSource {
 public:
  AwsToken(AwsContextPtr context, std::string url, std::string audience)
      : metadata_(std::make_shared<AwsInstanceMetadata>(context)),
        context_(std::move(context)),
        source_(MakeDefaultAwsSource(context_, metadata_)),
        url_(std::move(url)),
        audience_(std::move(audience)) {}

  Result<std::string> Fetch(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const AwsCredentials credentials, source_->Fetch(ctx));
    LANCEFS_ASSIGN_OR_RETURN(const std::string region, Region(ctx));
    std::string url = url_;
    for (size_t at = 0; (at = url.find("{region}")) != std::string::npos;) url.replace(at, 8, region);
    const std::string origin = UrlOrigin(url);
    const std::string target = url.substr(origin.size());
    const size_t question = target.find('?');
    SigV4Request request;
    request.method = "POST";
    const std::string path = question == 0 || target.empty() ? "/" : target.substr(0, question);
    request.path = path;
    request.payload_hash = kEmptySha256;
    for (std::string_view rest = question == std::string::npos ? "" : std::string_view(target).substr(question + 1);
         !rest.empty();) {
      const std::string_view pair = rest.substr(0, rest.find('&'));
      const size_t equals = std::min(pair.find('='), pair.size());
      LANCEFS_ASSIGN_OR_RETURN(std::string name, PercentDecode(pair.substr(0, equals)));
      LANCEFS_ASSIGN_OR_RETURN(std::string value, PercentDecode(pair.substr(std::min(equals + 1, pair.size()))));
      request.query.emplace_back(std::move(name), std::move(value));
      rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    }
    const std::string date = AmzDate(std::chrono::system_clock::now());
    request.headers = {
        {"host", origin.substr(origin.find("://") + 3)}, {"x-amz-date", date}, {"x-goog-cloud-target-resource", audience_}};
    if (!credentials.session_token.empty()) request.headers.emplace_back("x-amz-security-token", credentials.session_token);
    SigV4KeyCache keys;
    request.headers.emplace_back("authorization", SigV4Authorization(request, credentials, date, region, "sts", &keys));
    Json headers = Json::array();
    for (const auto& [name, value] : request.headers) headers.push_back({{"key", name}, {"value", value}});
    const Json signed_request = {{"url", url}, {"method", "POST"}, {"headers", headers}};
    return PercentEncode(signed_request.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

 private:
  Result<std::string> Region(const OpContext& ctx) const {
    std::string region = context_->Variable("AWS_REGION");
    if (region.empty()) region = context_->Variable("AWS_DEFAULT_REGION");
    if (region.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(region, metadata_->Read("/latest/meta-data/placement/region", ctx));
      region = TrimSpace(region);
    }
    if (!IsRegionName(region)) return Status::Unauthenticated("the AWS region is not known: set AWS_REGION");
    return region;
  }

  const std::shared_ptr<AwsInstanceMetadata> metadata_;
  const AwsContextPtr context_;
  const AwsSourcePtr source_;
  const std::string url_;
  const std::string audience_;
};

struct ExternalAccount {
  std::string audience;
  std::string subject_token_type;
  std::string token_url;
  std::string impersonation_url;  // "" = the exchanged token is used itself
  int64_t lifetime = 3600;
  std::string client_authorization;  // "" = none
  std::string user_project;          // of workforce pools
  std::unique_ptr<SubjectTokenSource> subject;
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

Result<std::unique_ptr<SubjectTokenSource>> MakeUrlToken(const Json& source, std::string url, TokenFormat format,
                                                         const std::string& where, const GoogleAuthOptions& options) {
  if (!IsHttpUrl(url))
    return Status::InvalidArgument(where + ": the credential source's url must start with http:// or https://");
  HttpHeaders headers;
  if (const auto it = source.find("headers"); it != source.end() && it->is_object()) {
    for (const auto& [name, value] : it->items()) {
      if (value.is_string()) headers.emplace_back(name, value.get<std::string>());
    }
  }
  return std::unique_ptr<SubjectTokenSource>(
      std::make_unique<UrlToken>(options.http, std::move(url), std::move(headers), std::move(format)));
}

Result<std::unique_ptr<SubjectTokenSource>> MakeSubjectToken(const Json& file, const std::string& audience,
                                                             const std::string& where, const GoogleAuthOptions& options) {
  const auto it = file.find("credential_source");
  if (it == file.end() || !it->is_object()) return Status::InvalidArgument(where + ": 'credential_source' is missing or wrong");
  if (const std::string id = OptionalText(*it, "environment_id"); !id.empty()) {
    if (id != "aws1") return Status::NotSupported(where + ": the environment_id '" + id.substr(0, 50) + "' is not aws1");
    LANCEFS_ASSIGN_OR_RETURN(std::string url, TextMember(*it, "regional_cred_verification_url", where));
    if (!url.starts_with("https://")) {
      return Status::InvalidArgument(where + ": 'regional_cred_verification_url' must start with https://");
    }
    AwsContextOptions aws;
    aws.environment = options.environment;
    aws.http = options.http;
    return std::unique_ptr<SubjectTokenSource>(
        std::make_unique<AwsToken>(std::make_shared<const AwsContext>(std::move(aws)), std::move(url), audience));
  }
  LANCEFS_ASSIGN_OR_RETURN(TokenFormat format, TokenFormat::Parse(*it, where));
  if (std::string path = OptionalText(*it, "file"); !path.empty()) {
    return std::unique_ptr<SubjectTokenSource>(std::make_unique<FileToken>(std::move(path), std::move(format)));
  }
  if (std::string url = OptionalText(*it, "url"); !url.empty()) {
    return MakeUrlToken(*it, std::move(url), std::move(format), where, options);
  }
  if (it->contains("executable")) {
    return Status::NotSupported(where + ": a credential source that is a program is not supported: file, url and aws1 are");
  }
  return Status::InvalidArgument(where + ": the credential source has neither file nor url nor environment_id");
}

}  // namespace

Result<TokenSourcePtr> MakeExternalAccountSource(const Json& file, const std::string& where, const GoogleAuthOptions& options) {
  ExternalAccount account;
  LANCEFS_ASSIGN_OR_RETURN(account.audience, TextMember(file, "audience", where));
  LANCEFS_ASSIGN_OR_RETURN(account.subject_token_type, TextMember(file, "subject_token_type", where));
  LANCEFS_ASSIGN_OR_RETURN(account.token_url, TextMember(file, "token_url", where));
  account.impersonation_url = OptionalText(file, "service_account_impersonation_url");
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
  LANCEFS_ASSIGN_OR_RETURN(account.subject, MakeSubjectToken(file, account.audience, where, options));
  return TokenSourcePtr(std::make_unique<ExternalAccountSource>(options.http, std::move(account)));
}

}  // namespace lancefs
