// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_sso.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "backends/auth/aws_json.h"
#include "backends/auth/digest.h"
#include "base/uri.h"

namespace lancefs {
namespace {

using Clock = std::chrono::system_clock;

constexpr int kAttempts = 3;
constexpr auto kRenewAhead = std::chrono::minutes(5);
constexpr auto kBetweenRenewals = std::chrono::seconds(30);

// The names as the AWS tools write them; ParseFlatJson knows them in lower case.
constexpr const char* kTokenMembers[] = {"accessToken",  "clientId", "clientSecret", "expiresAt",
                                         "refreshToken", "region",   "startUrl",     "registrationExpiresAt"};

std::string LowerName(const char* name) {
  std::string out;
  for (; *name != 0; ++name) out += static_cast<char>(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
  return out;
}

Status LoginNeeded(const std::string& why) { return Status::Unauthenticated("SSO: " + why + "; run 'aws sso login'"); }

Status Answered(const std::string& what, int status) {
  const std::string text = "SSO: " + what + " answered HTTP " + std::to_string(status);
  return status >= 500 || status == 429 ? Status::Unavailable(text) : LoginNeeded(text.substr(5));
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// Another program may read the file meanwhile: written aside and renamed.
Status WriteSecretFile(const std::string& path, const std::string& text) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // 0600
  if (fd < 0) return Status::IoError("cannot write '" + path + "'");
  const bool written = WriteAll(fd, text);
  ::close(fd);
  if (written && ::rename(temporary.c_str(), path.c_str()) == 0) return Status::OK();
  ::unlink(temporary.c_str());
  return Status::IoError("cannot write '" + path + "'");
}

class SsoSession {
 public:
  SsoSession(const AwsContext& context, const AwsProfiles& profiles, const SsoSettings& settings)
      : context_(context), profiles_(profiles), settings_(settings), path_(SsoCacheFile(context, settings)) {}

  Status Load() {
    const Result<std::string> text = ReadSmallFile(path_);
    if (!text.ok()) return LoginNeeded(text.status().message());
    const Result<FlatJson> json = ParseFlatJson(*text);
    if (!json.ok()) return LoginNeeded("'" + path_ + "' is not a JSON object");
    token_ = *json;
    if (Member("accesstoken").empty()) return LoginNeeded("'" + path_ + "' has no accessToken");
    const auto expires = ParseTimestamp(Member("expiresat"));
    if (!expires) return LoginNeeded("'" + path_ + "' has no expiresAt");
    expires_ = *expires;
    return Status::OK();
  }

  bool expired() const { return expires_ <= Clock::now(); }
  bool expires_soon() const { return expires_ - kRenewAhead <= Clock::now(); }
  // The old form has no way to renew.
  bool renewable() const {
    if (settings_.session.empty()) return false;
    for (const char* name : {"clientid", "clientsecret", "refreshtoken"}) {
      if (Member(name).empty()) return false;
    }
    const auto registration = ParseTimestamp(Member("registrationexpiresat"));
    return registration && *registration > Clock::now();
  }

  Status Renew(const OpContext& ctx) {
    HttpRequest request;
    request.method = HttpMethod::kPost;
    request.url = Endpoint("sso_oidc", "oidc") + "/token";
    request.headers = {{"content-type", "application/json"}};
    request.body = {Bytes::FromString(WriteFlatJson({{"clientId", Member("clientid")},
                                                     {"clientSecret", Member("clientsecret")},
                                                     {"grantType", "refresh_token"},
                                                     {"refreshToken", Member("refreshtoken")}}))};
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(context_.services(), request, kAttempts, ctx));
    if (response.status != 200) return Answered("the renewal of the token", response.status);
    const Result<FlatJson> json = ParseFlatJson(response.body.view());
    if (!json.ok() || !json->contains("accesstoken")) return LoginNeeded("the renewal brought no token");
    int64_t seconds = 0;
    const std::string text = json->contains("expiresin") ? json->at("expiresin") : "";
    const bool number = std::from_chars(text.data(), text.data() + text.size(), seconds).ec == std::errc();
    if (!number || seconds <= 0 || seconds > 366 * 86400) return LoginNeeded("the renewal brought no lifetime");
    expires_ = Clock::now() + std::chrono::seconds(seconds);
    token_["accesstoken"] = json->at("accesstoken");
    if (json->contains("refreshtoken")) token_["refreshtoken"] = json->at("refreshtoken");
    token_["expiresat"] = FormatTimestamp(expires_);
    token_["region"] = settings_.region;
    token_["starturl"] = settings_.start_url;
    return Save();
  }

  Result<AwsCredentials> Exchange(const OpContext& ctx) const {
    HttpRequest request;
    request.url = Endpoint("sso", "portal.sso") + "/federation/credentials?role_name=" + PercentEncode(settings_.role_name) +
                  "&account_id=" + PercentEncode(settings_.account_id);
    request.headers = {{"x-amz-sso_bearer_token", Member("accesstoken")}};
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(context_.services(), request, kAttempts, ctx));
    if (response.status != 200) return Answered("the request for the role's credentials", response.status);
    Result<FlatJson> json = ParseFlatJsonMember(response.body.view(), "roleCredentials");
    if (!json.ok()) return Status::Unauthenticated("SSO: " + json.status().message());
    int64_t milliseconds = 0;
    const std::string text = json->contains("expiration") ? json->at("expiration") : "";
    if (std::from_chars(text.data(), text.data() + text.size(), milliseconds).ec != std::errc() || milliseconds <= 0) {
      return Status::Unauthenticated("SSO: the answer's expiration is not a number of milliseconds");
    }
    json->erase("expiration");
    Result<AwsCredentials> credentials = CredentialsFromJson(*json);
    if (!credentials.ok()) return Status::Unauthenticated("SSO: " + credentials.status().message());
    credentials->expires = Clock::time_point(std::chrono::milliseconds(milliseconds));
    return credentials;
  }

  const std::string& path() const { return path_; }

 private:
  std::string Member(const std::string& name) const {
    const auto it = token_.find(name);
    return it == token_.end() ? std::string() : it->second;
  }

  std::string Endpoint(const std::string& service, const std::string& host) const {
    const std::string url = ConfiguredEndpoint(context_, profiles_, service);
    if (!url.empty()) return url;
    return "https://" + host + "." + settings_.region + "." + AwsDnsSuffix(settings_.region);
  }

  Status Save() const {
    std::map<std::string, std::string> members;
    for (const char* name : kTokenMembers) {
      if (const std::string value = Member(LowerName(name)); !value.empty()) members[name] = value;
    }
    return WriteSecretFile(path_, WriteFlatJson(members));
  }

  const AwsContext& context_;
  const AwsProfiles& profiles_;
  const SsoSettings& settings_;
  const std::string path_;
  FlatJson token_;
  Clock::time_point expires_{};
};

}  // namespace

bool SsoRenewals::MayRenew() {
  std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (last_ && now - *last_ < kBetweenRenewals) return false;
  last_ = now;
  return true;
}

std::string SsoCacheFile(const AwsContext& context, const SsoSettings& settings) {
  const std::string& identifier = settings.session.empty() ? settings.start_url : settings.session;
  return context.ExpandHome("~/.aws/sso/cache/" + HexEncode(Sha1(identifier)) + ".json");
}

Result<AwsCredentials> FetchSsoCredentials(const AwsContext& context, const AwsProfiles& profiles, const SsoSettings& settings,
                                           SsoRenewals* renewals, const OpContext& ctx) {
  if (!IsRegionName(settings.region)) return Status::InvalidArgument("SSO: sso_region is not the name of a region");
  SsoSession session(context, profiles, settings);
  LANCEFS_RETURN_NOT_OK(session.Load());
  Status renewed;
  if (session.expires_soon() && session.renewable() && renewals->MayRenew()) renewed = session.Renew(ctx);
  if (session.expired()) {
    if (!renewed.ok()) return renewed;
    return LoginNeeded("the token in '" + session.path() + "' has expired");
  }
  return session.Exchange(ctx);
}

}  // namespace lancefs
