// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_sts.h"

#include "backends/auth/aws_xml.h"
#include "backends/auth/sigv4.h"

namespace lancefs {
namespace {

constexpr int kAttempts = 3;

using Form = std::vector<std::pair<std::string, std::string>>;

std::string SessionName(const AwsRole& role) {
  if (!role.session_name.empty()) return role.session_name;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return "lancefs-" + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// The path of a URL behind its origin, at least "/".
std::string PathOf(const std::string& url) {
  const std::string path = url.substr(UrlOrigin(url).size());
  return path.empty() ? "/" : path;
}

Status StsError(const HttpResponse& response, const std::string& action) {
  const std::string text =
      "STS " + action + " failed (HTTP " + std::to_string(response.status) + ")" + AwsErrorText(response.body.view());
  return response.status >= 500 || response.status == 429 ? Status::Unavailable(text) : Status::Unauthenticated(text);
}

Result<AwsCredentials> ParseAnswer(const HttpResponse& response, const std::string& action) {
  if (response.status != 200) return StsError(response, action);
  const Status bad = Status::Unauthenticated("STS " + action + ": the answer holds no credentials");
  const Result<XmlElement> parsed = ParseXml(response.body.view());
  if (!parsed.ok()) return bad;
  const XmlElement* result = (*parsed).Find(action + "Result");
  std::optional<AwsCredentials> found = CredentialsFromXml(result == nullptr ? nullptr : result->Find("Credentials"));
  if (!found || !found->expires) return bad;
  return *std::move(found);
}

struct StsCall {
  std::string action;
  Form form;
  const AwsCredentials* sign_with = nullptr;  // null = unsigned
};

Result<AwsCredentials> CallSts(const AwsContext& context, const AwsProfiles& profiles, const StsCall& call,
                               const OpContext& ctx) {
  const std::string region = StsRegion(context, profiles);
  std::string endpoint = ConfiguredEndpoint(context, profiles, "sts");
  if (endpoint.empty()) endpoint = "https://sts." + region + "." + AwsDnsSuffix(region);
  if (!IsHttpUrl(endpoint)) return Status::InvalidArgument("the STS endpoint must start with http:// or https://");
  Form form = {{"Action", call.action}, {"Version", "2011-06-15"}};
  form.insert(form.end(), call.form.begin(), call.form.end());
  const std::string body = FormText(form);
  const std::string path = PathOf(endpoint);

  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.url = UrlOrigin(endpoint) + path;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}, {"host", HostOf(endpoint)}};
  request.body = {Bytes::FromString(body)};
  if (call.sign_with != nullptr) {
    const std::string date = AmzDate(std::chrono::system_clock::now());
    request.headers.emplace_back("x-amz-date", date);
    if (!call.sign_with->session_token.empty()) {
      request.headers.emplace_back("x-amz-security-token", call.sign_with->session_token);
    }
    const std::string hash = HexEncode(Sha256(body));
    SigV4KeyCache keys;
    const SigV4Request to_sign{"POST", path, {}, request.headers, hash};
    request.headers.emplace_back("authorization", SigV4Authorization(to_sign, *call.sign_with, date, region, "sts", &keys));
  }
  LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(context.services(), request, kAttempts, ctx));
  return ParseAnswer(response, call.action);
}

class WebIdentitySource : public AwsCredentialSource {
 public:
  WebIdentitySource(AwsContextPtr context, std::string token_file, AwsRole role)
      : context_(std::move(context)), token_file_(std::move(token_file)), role_(std::move(role)) {}
  std::string name() const override { return "web identity"; }

  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    if (token_file_.empty()) return Status::NotFound("AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (role_.arn.empty()) {
      return Status::InvalidArgument("a web identity token file is given, but no role (AWS_ROLE_ARN, role_arn)");
    }
    const Result<std::string> token = ReadSmallFile(context_->ExpandHome(token_file_));
    if (!token.ok()) return Status::Unauthenticated(token.status().message());
    LANCEFS_ASSIGN_OR_RETURN(const AwsProfiles profiles, LoadAwsProfiles(*context_));
    const Form form = {
        {"RoleArn", role_.arn}, {"RoleSessionName", SessionName(role_)}, {"WebIdentityToken", std::string(TrimSpace(*token))}};
    return CallSts(*context_, profiles, StsCall{"AssumeRoleWithWebIdentity", form}, ctx);
  }

 private:
  const AwsContextPtr context_;
  const std::string token_file_;
  const AwsRole role_;
};

}  // namespace

AwsSourcePtr MakeWebIdentitySource(AwsContextPtr context, std::string token_file, AwsRole role) {
  return std::make_unique<WebIdentitySource>(std::move(context), std::move(token_file), std::move(role));
}

AwsSourcePtr MakeWebIdentitySource(AwsContextPtr context) {
  const std::string file = context->Variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  const AwsRole role{context->Variable("AWS_ROLE_ARN"), context->Variable("AWS_ROLE_SESSION_NAME"), ""};
  return MakeWebIdentitySource(std::move(context), file, role);
}

Result<AwsCredentials> AssumeAwsRole(const AwsContext& context, const AwsProfiles& profiles, const AwsRole& role,
                                     const AwsCredentials& with, const OpContext& ctx) {
  Form form = {{"RoleArn", role.arn}, {"RoleSessionName", SessionName(role)}};
  if (!role.external_id.empty()) form.emplace_back("ExternalId", role.external_id);
  return CallSts(context, profiles, StsCall{"AssumeRole", form, &with}, ctx);
}

}  // namespace lancefs
