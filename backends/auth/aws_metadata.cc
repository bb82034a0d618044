// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_metadata.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>

#include "backends/auth/aws_json.h"
#include "base/ascii.h"
#include "base/uri.h"

namespace lancefs {
namespace {

constexpr int kAttempts = 4;
constexpr int kTokenSeconds = 21600;
constexpr auto kTokenRenewedEarly = std::chrono::seconds(120);
// The instance service may hand out credentials that have just ended while it renews them.
constexpr auto kExtendExpired = std::chrono::minutes(10);

// The host of an origin: without scheme and port, without the brackets of an IPv6 address.
std::string HostName(std::string origin) {
  origin = origin.substr(origin.find("://") + 3);
  if (origin.starts_with('[')) return origin.substr(1, origin.find(']') - 1);
  return origin.substr(0, origin.find(':'));
}

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  }
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

// Plain http may carry credentials only to this machine or to the platform's own addresses.
bool MayUsePlainHttp(const std::string& host) {
  if (host == "169.254.170.2" || host == "169.254.170.23" || host == "fd00:ec2::23") return true;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) return false;
  bool loopback = true;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) loopback = loopback && IsLoopback(at->ai_addr);
  ::freeaddrinfo(found);
  return loopback;
}

class ContainerSource : public AwsCredentialSource {
 public:
  explicit ContainerSource(AwsContextPtr context) : context_(std::move(context)) {}
  std::string name() const override { return "container"; }

  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::string url, Url());
    HttpRequest request;
    request.url = url;
    request.headers = {{"accept", "application/json"}};
    LANCEFS_ASSIGN_OR_RETURN(const std::string token, Authorization());
    if (!token.empty()) request.headers.emplace_back("authorization", token);
    const HttpClient& client = url.starts_with("https://") ? context_->container_https() : context_->container();
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(client, request, kAttempts - 1, ctx));
    if (response.status != 200) {
      const std::string text = "the container endpoint " + UrlOrigin(url) + " answered HTTP " + std::to_string(response.status);
      return response.status >= 500 ? Status::Unavailable(text) : Status::Unauthenticated(text);
    }
    Result<FlatJson> json = ParseFlatJson(response.body.view());
    Result<AwsCredentials> credentials = json.ok() ? CredentialsFromJson(*json) : Result<AwsCredentials>(json.status());
    if (!credentials.ok()) return Status::Unauthenticated("the container endpoint: " + credentials.status().message());
    return credentials;
  }

 private:
  Result<std::string> Url() const {
    if (const std::string path = context_->Variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); !path.empty()) {
      return "http://169.254.170.2" + (path.starts_with('/') ? path : "/" + path);
    }
    std::string url = context_->Variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (url.empty()) return Status::NotFound("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
    const std::string origin = UrlOrigin(url);
    if (!IsHttpUrl(url) || url.find('@') != std::string::npos) {
      return Status::InvalidArgument("AWS_CONTAINER_CREDENTIALS_FULL_URI must be an http:// or https:// URL");
    }
    if (origin.starts_with("http://") && !MayUsePlainHttp(HostName(origin))) {
      return Status::InvalidArgument(
          "AWS_CONTAINER_CREDENTIALS_FULL_URI: http:// is allowed only to loopback and the container platform's own addresses, "
          "not to " +
          origin);
    }
    return url;
  }

  Result<std::string> Authorization() const {
    std::string token = context_->Variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (const std::string file = context_->Variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !file.empty()) {
      const Result<std::string> content = ReadSmallFile(context_->ExpandHome(file));
      if (!content.ok()) return Status::Unauthenticated(content.status().message());
      token = TrimSpace(*content);
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      return Status::InvalidArgument("the container authorization token has a line break");
    }
    return token;
  }

  const AwsContextPtr context_;
};

class InstanceSource : public AwsCredentialSource {
 public:
  explicit InstanceSource(std::shared_ptr<AwsInstanceMetadata> metadata) : metadata_(std::move(metadata)) {}
  std::string name() const override { return "instance metadata"; }

  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    static const std::string kPath = "/latest/meta-data/iam/security-credentials/";
    LANCEFS_ASSIGN_OR_RETURN(std::string role, metadata_->Read(kPath, ctx));
    role = TrimSpace(role.substr(0, role.find('\n')));
    if (role.empty()) return Status::NotFound("the instance has no role");
    LANCEFS_ASSIGN_OR_RETURN(const std::string text, metadata_->Read(kPath + PercentEncode(role), ctx));
    Result<FlatJson> json = ParseFlatJson(text);
    if (!json.ok()) return Status::Unauthenticated("instance metadata: " + json.status().message());
    if (const auto code = json->find("code"); code != json->end() && code->second != "Success") {
      return Status::Unauthenticated("instance metadata: the role '" + role +
                                     "' has no credentials: " + code->second.substr(0, 100));
    }
    Result<AwsCredentials> credentials = CredentialsFromJson(*json);
    if (!credentials.ok()) return Status::Unauthenticated("instance metadata: " + credentials.status().message());
    const auto now = std::chrono::system_clock::now();
    if (credentials->expires && *credentials->expires < now) credentials->expires = now + kExtendExpired;
    return credentials;
  }

 private:
  const std::shared_ptr<AwsInstanceMetadata> metadata_;
};

}  // namespace

AwsSourcePtr MakeContainerSource(AwsContextPtr context) { return std::make_unique<ContainerSource>(std::move(context)); }

AwsSourcePtr MakeInstanceSource(std::shared_ptr<AwsInstanceMetadata> metadata) {
  return std::make_unique<InstanceSource>(std::move(metadata));
}

Result<std::string> AwsInstanceMetadata::Endpoint() const {
  if (IsTrue(context_->Variable("AWS_EC2_METADATA_DISABLED"))) return Status::NotFound("turned off by AWS_EC2_METADATA_DISABLED");
  std::string endpoint = context_->Variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (endpoint.empty()) {
    const std::string mode = AsciiLower(context_->Variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"));
    if (!mode.empty() && mode != "ipv4" && mode != "ipv6") {
      return Status::InvalidArgument("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE must be IPv4 or IPv6");
    }
    endpoint = mode == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!IsHttpUrl(endpoint)) {
    return Status::InvalidArgument("AWS_EC2_METADATA_SERVICE_ENDPOINT must start with http:// or https://");
  }
  return endpoint;
}

Result<std::string> AwsInstanceMetadata::Token(const std::string& endpoint, const OpContext& ctx) {
  {
    std::lock_guard lock(mutex_);
    if (std::chrono::steady_clock::now() < token_ends_) return token_;
  }
  HttpRequest request;
  request.method = HttpMethod::kPut;
  request.url = endpoint + "/latest/api/token";
  request.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", std::to_string(kTokenSeconds)}};
  const Result<HttpResponse> response = SendAndWait(context_->instance(), request, kAttempts, ctx);
  // Version 1 has no sessions; a request that nobody answered means that this is no instance.
  if (!response.ok())
    return response.status().Is(StatusCode::kUnavailable) ? Status::NotFound(response.status().message()) : response.status();
  std::string token;
  int seconds = kTokenSeconds;
  if (response->status == 200) {
    token = TrimSpace(response->body.view());
    const std::string_view text = response->header("x-aws-ec2-metadata-token-ttl-seconds");
    if (std::from_chars(text.data(), text.data() + text.size(), seconds).ec != std::errc()) seconds = kTokenSeconds;
  } else if (!context_->imdsv1_fallback() || response->status >= 500) {
    const std::string what = endpoint + " gave no session token (HTTP " + std::to_string(response->status) + ")";
    return response->status >= 500 ? Status::Unavailable(what) : Status::NotFound(what);
  }
  std::lock_guard lock(mutex_);
  token_ = token;
  token_ends_ =
      std::chrono::steady_clock::now() + std::max(std::chrono::seconds(1), std::chrono::seconds(seconds) - kTokenRenewedEarly);
  return token;
}

Result<std::string> AwsInstanceMetadata::Read(const std::string& path, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string endpoint, Endpoint());
  for (int attempt = 1;; ++attempt) {
    LANCEFS_ASSIGN_OR_RETURN(const std::string token, Token(endpoint, ctx));
    HttpRequest request;
    request.url = endpoint + path;
    if (!token.empty()) request.headers = {{"x-aws-ec2-metadata-token", token}};
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, SendAndWait(context_->instance(), request, kAttempts, ctx));
    if (response.status == 200) return std::string(response.body.view());
    if (response.status == 401 && attempt == 1) {  // the session has ended: another one
      std::lock_guard lock(mutex_);
      token_ends_ = {};
      continue;
    }
    const std::string what = endpoint + path + " answered HTTP " + std::to_string(response.status);
    if (response.status == 404) return Status::NotFound(what);
    return response.status >= 500 ? Status::Unavailable(what) : Status::Unauthenticated(what);
  }
}

}  // namespace lancefs
