// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/google_subject.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/auth/auth_io.h"
#include "backends/auth/aws_chain.h"
#include "backends/auth/aws_process.h"
#include "backends/auth/digest.h"
#include "backends/auth/google_sources.h"
#include "backends/auth/sigv4.h"
#include "base/uri.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;

constexpr int kAttempts = 3;

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

// A program that prints the token (AIP-4117), as gcloud's configurations for SAML and hardware keys have it.
class ProgramToken : public SubjectTokenSource {
 public:
  struct Settings {
    std::vector<std::string> words;
    milliseconds timeout{30000};
    std::string output_file;  // where the program keeps its answers; "" = nowhere
    std::string token_type;
    std::vector<std::string> variables;  // NAME=VALUE
  };
  explicit ProgramToken(Settings settings) : settings_(std::move(settings)) {}

  Result<std::string> Fetch(const OpContext& ctx) override {
    if (!settings_.output_file.empty()) {
      const Result<std::string> kept = ReadSmallFile(settings_.output_file);
      if (kept.ok()) {
        Result<std::string> token = Extract(*kept, "'" + settings_.output_file + "'", /*must_expire=*/true);
        if (token.ok()) return token;  // else it is too old, or the program is needed to say what is wrong
      }
    }
    const Result<ProgramResult> ran = RunProgram(settings_.words, settings_.timeout, ctx, settings_.variables);
    if (ran.status().Is(StatusCode::kCancelled)) return ran.status();
    if (!ran.ok()) return Status::Unauthenticated("the credential source's program: " + ran.status().message());
    const std::string who = "the program '" + settings_.words[0] + "'";
    if (ran->exit_status != 0) {
      std::string said(TrimSpace(ran->errors));
      if (said.empty()) said = Extract(ran->output, "it", false).status().message();
      return ProgramFailed(who, ran->exit_status, said);
    }
    return Extract(ran->output, who, !settings_.output_file.empty());
  }

 private:
  Result<std::string> Extract(std::string_view text, const std::string& from, bool must_expire) const {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return Status::Unauthenticated(from + " gave no JSON object");
    if (json.value("version", Json()) != 1) return Status::Unauthenticated(from + ": the answer's version is not 1");
    if (json.value("success", Json()) != true) {
      const std::string code = OptionalText(json, "code");
      const std::string message = OptionalText(json, "message");
      const std::string why = code + (code.empty() || message.empty() ? "" : ": ") + message;
      return Status::Unauthenticated(from + (why.empty() ? " has no token" : " has no token (" + why.substr(0, 300) + ")"));
    }
    if (OptionalText(json, "token_type") != settings_.token_type) {
      return Status::Unauthenticated(from + ": the answer's token_type is not the file's subject_token_type");
    }
    const Json end = json.value("expiration_time", Json());
    if (must_expire && !end.is_number()) return Status::Unauthenticated(from + ": the answer has no expiration_time");
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    if (end.is_number() && end.get<double>() <= now) return Status::Unauthenticated(from + ": the token has expired");
    const bool saml = settings_.token_type == "urn:ietf:params:oauth:token-type:saml2";
    std::string token(TrimSpace(OptionalText(json, saml ? "saml_response" : "id_token")));
    if (token.empty()) return Status::Unauthenticated(from + " holds no token");
    return token;
  }

  const Settings settings_;
};

Result<SubjectTokenSourcePtr> MakeUrlToken(const Json& source, const std::string& raw, TokenFormat format,
                                           const SubjectTokenFor& account, const GoogleAuthOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(std::string url, FillTemplate(raw, options.environment));
  if (!IsHttpUrl(url))
    return Status::InvalidArgument(account.where + ": the credential source's url must start with http:// or https://");
  HttpHeaders headers;
  if (const auto it = source.find("headers"); it != source.end() && it->is_object()) {
    for (const auto& [name, value] : it->items()) {
      if (!value.is_string()) continue;
      LANCEFS_ASSIGN_OR_RETURN(std::string filled, FillTemplate(value.get_ref<const std::string&>(), options.environment));
      headers.emplace_back(name, std::move(filled));
    }
  }
  return SubjectTokenSourcePtr(std::make_unique<UrlToken>(options.http, std::move(url), std::move(headers), std::move(format)));
}

Result<SubjectTokenSourcePtr> MakeAwsToken(const Json& source, const SubjectTokenFor& account, const GoogleAuthOptions& options) {
  if (const std::string id = OptionalText(source, "environment_id"); id != "aws1")
    return Status::NotSupported(account.where + ": the environment_id '" + id.substr(0, 50) + "' is not aws1");
  LANCEFS_ASSIGN_OR_RETURN(std::string url, TextMember(source, "regional_cred_verification_url", account.where));
  if (!url.starts_with("https://")) {
    return Status::InvalidArgument(account.where + ": 'regional_cred_verification_url' must start with https://");
  }
  AwsContextOptions aws;
  aws.environment = options.environment;
  aws.http = options.http;
  return SubjectTokenSourcePtr(
      std::make_unique<AwsToken>(std::make_shared<const AwsContext>(std::move(aws)), std::move(url), account.audience));
}

// "..serviceAccounts/robot@project.iam.gserviceaccount.com:generateAccessToken"
std::string ImpersonatedEmail(const std::string& url) {
  const std::string name = url.substr(url.rfind('/') + 1);
  return name.substr(0, name.find(':'));
}

Result<SubjectTokenSourcePtr> MakeProgramToken(const Json& program, const SubjectTokenFor& account,
                                               const GoogleAuthOptions& options) {
  constexpr const char* kAllow = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
  const auto allowed = options.environment.find(kAllow);
  if (allowed == options.environment.end() || allowed->second != "1") {
    return Status::InvalidArgument(account.where + ": its token comes from a program, which may run when " + kAllow +
                                   "=1 is in the environment");
  }
  ProgramToken::Settings settings;
  LANCEFS_ASSIGN_OR_RETURN(const std::string raw, TextMember(program, "command", account.where));
  LANCEFS_ASSIGN_OR_RETURN(const std::string command, FillTemplate(raw, options.environment));
  Result<std::vector<std::string>> words = SplitCommand(command);
  if (!words.ok()) return words.status().WithContext(account.where + ": command");
  settings.words = *std::move(words);
  if (const auto it = program.find("timeout_millis"); it != program.end()) {
    const int64_t timeout = it->is_number_integer() ? it->get<int64_t>() : 0;
    if (timeout <= 0) return Status::InvalidArgument(account.where + ": 'timeout_millis' must be a positive number");
    settings.timeout = milliseconds(std::min<int64_t>(timeout, 120'000));
  }
  LANCEFS_ASSIGN_OR_RETURN(settings.output_file, FillTemplate(OptionalText(program, "output_file"), options.environment));
  settings.token_type = account.token_type;
  settings.variables = {"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=" + account.audience,
                        "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=" + account.token_type, "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0"};
  if (!account.impersonation_url.empty()) {
    settings.variables.push_back("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL=" + ImpersonatedEmail(account.impersonation_url));
  }
  if (!settings.output_file.empty()) settings.variables.push_back("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=" + settings.output_file);
  return SubjectTokenSourcePtr(std::make_unique<ProgramToken>(std::move(settings)));
}

}  // namespace

Result<std::string> FillTemplate(std::string_view text, const std::map<std::string, std::string>& environment) {
  std::string out;
  for (size_t at = 0; (at = text.find("${")) != std::string_view::npos;) {
    out += text.substr(0, at);
    const size_t end = text.find('}', at);
    if (end == std::string_view::npos) return Status::InvalidArgument("'${' without '}' in a credentials file");
    const std::string name(text.substr(at + 2, end - at - 2));
    const auto it = environment.find(name);
    if (it == environment.end() || it->second.empty())
      return Status::InvalidArgument("the credentials file needs the environment variable '" + name.substr(0, 100) + "'");
    out += it->second;
    text.remove_prefix(end + 1);
  }
  return out.append(text);
}

Result<SubjectTokenSourcePtr> MakeSubjectToken(const Json& file, const SubjectTokenFor& account,
                                               const GoogleAuthOptions& options) {
  const std::string& where = account.where;
  const auto it = file.find("credential_source");
  if (it == file.end() || !it->is_object()) return Status::InvalidArgument(where + ": 'credential_source' is missing or wrong");
  if (it->contains("environment_id")) return MakeAwsToken(*it, account, options);
  if (const auto program = it->find("executable"); program != it->end()) {
    if (!program->is_object()) return Status::InvalidArgument(where + ": 'executable' must be an object");
    return MakeProgramToken(*program, account, options);
  }
  LANCEFS_ASSIGN_OR_RETURN(TokenFormat format, TokenFormat::Parse(*it, where));
  if (const std::string raw = OptionalText(*it, "file"); !raw.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(std::string path, FillTemplate(raw, options.environment));
    return SubjectTokenSourcePtr(std::make_unique<FileToken>(std::move(path), std::move(format)));
  }
  if (const std::string url = OptionalText(*it, "url"); !url.empty())
    return MakeUrlToken(*it, url, std::move(format), account, options);
  return Status::InvalidArgument(where + ": the credential source has neither file nor url nor executable nor environment_id");
}

}  // namespace lancefs
