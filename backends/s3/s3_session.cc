// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_session.h"

#include "backends/auth/aws_xml.h"
#include "backends/auth/sigv4.h"

namespace lancefs {
namespace {

constexpr int kAttempts = 4;
constexpr auto kLifetime = std::chrono::minutes(5);

class S3SessionSource : public AwsCredentialSource {
 public:
  S3SessionSource(AwsContextPtr context, S3SessionOptions options) : context_(std::move(context)), options_(std::move(options)) {}
  std::string name() const override { return "S3 Express session"; }

  Result<AwsCredentials> Fetch(const OpContext& ctx) override {
    std::string region = options_.region;
    if (region.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(region, options_.find_region->Get(ctx).Get(ctx));
    }
    for (bool again = false;; again = true) {
      LANCEFS_ASSIGN_OR_RETURN(const AwsCredentialsPtr credentials, options_.credentials->Get(ctx).Get(ctx));
      LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, CreateSession(region, *credentials, ctx));
      if (response.status == 200) return Parse(response);
      const bool refused = response.status == 400 || response.status == 401 || response.status == 403;
      if (refused && !again && options_.credentials->Invalidate(credentials)) continue;
      return Failed(response);
    }
  }

 private:
  Result<HttpResponse> CreateSession(const std::string& region, const AwsCredentials& credentials, const OpContext& ctx) const {
    const std::string endpoint = S3ExpressEndpoint(options_.bucket, region);
    const std::string date = AmzDate(std::chrono::system_clock::now());
    HttpRequest request;
    request.url = endpoint + "/?session=";
    request.headers = {{"host", HostOf(endpoint)}, {"x-amz-content-sha256", std::string(kEmptySha256)}, {"x-amz-date", date}};
    if (!credentials.session_token.empty()) request.headers.emplace_back("x-amz-security-token", credentials.session_token);
    SigV4KeyCache keys;
    const SigV4Request to_sign{"GET", "/", {{"session", ""}}, request.headers, kEmptySha256};
    request.headers.emplace_back("authorization", SigV4Authorization(to_sign, credentials, date, region, "s3", &keys));
    return SendAndWait(context_->services(), request, kAttempts, ctx);
  }

  Result<AwsCredentials> Parse(const HttpResponse& response) const {
    const Status bad =
        Status::Unauthenticated("CreateSession for the bucket '" + options_.bucket + "': the answer holds no credentials");
    const Result<XmlElement> parsed = ParseXml(response.body.view());
    if (!parsed.ok()) return bad;
    std::optional<AwsCredentials> found = CredentialsFromXml((*parsed).Find("Credentials"));
    if (!found || found->session_token.empty()) return bad;
    if (!found->expires) found->expires = std::chrono::system_clock::now() + kLifetime;
    return *std::move(found);
  }

  Status Failed(const HttpResponse& response) const {
    const std::string text = "CreateSession for the bucket '" + options_.bucket + "' failed (HTTP " +
                             std::to_string(response.status) + ")" + AwsErrorText(response.body.view());
    if (response.status == 404) return Status::NotFound(text);
    if (response.status >= 500 || response.status == 429) return Status::Unavailable(text);
    return response.status == 403 ? Status::PermissionDenied(text) : Status::Unauthenticated(text);
  }

  const AwsContextPtr context_;
  const S3SessionOptions options_;
};

}  // namespace

std::string S3ExpressZone(const std::string& bucket) {
  std::string_view base = bucket;
  if (base.ends_with("--x-s3")) {
    base.remove_suffix(6);
  } else if (base.ends_with("--xa-s3")) {
    base.remove_suffix(7);
  } else {
    return "";
  }
  const size_t dashes = base.rfind("--");
  return dashes == std::string_view::npos ? "" : std::string(base.substr(dashes + 2));
}

std::string S3ExpressEndpoint(const std::string& bucket, const std::string& region) {
  return "https://" + bucket + ".s3express-" + S3ExpressZone(bucket) + "." + region + "." + AwsDnsSuffix(region);
}

AwsSourcePtr MakeS3SessionSource(AwsContextPtr context, S3SessionOptions options) {
  return std::make_unique<S3SessionSource>(std::move(context), std::move(options));
}

}  // namespace lancefs
