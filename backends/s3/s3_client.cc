// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_client.h"

#include <optional>

#include "backends/s3/crc64nvme.h"
#include "backends/s3/s3_session.h"
#include "backends/xml.h"
#include "base/dates.h"
#include "base/uri.h"

namespace lancefs {
namespace {

// Whether other credentials may help. Answers to HEAD have no body and so no code.
bool MayBeExpired(int status, const std::string& code) {
  if (status == 401 || status == 403) return code != "RequestTimeTooSkewed";
  return code.empty() || code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired" ||
         code == "RequestExpired" || code == "ExpiredTokenException";
}

}  // namespace

S3Client::S3Client(S3Options options, Metrics* metrics)
    : SigningClient(options.client, options.skip_signature ? nullptr : options.credentials, metrics),
      options_(std::move(options)),
      region_(options_.region) {}

std::string S3Client::region() const {
  std::lock_guard lock(mutex_);
  return region_;
}

void S3Client::set_region(std::string region) {
  std::lock_guard lock(mutex_);
  region_ = std::move(region);
}

std::string S3Client::BaseUrl(const std::string& region) const {
  if (!options_.endpoint.empty()) {
    return options_.virtual_hosted ? options_.endpoint : options_.endpoint + "/" + options_.bucket;
  }
  if (options_.express) return S3ExpressEndpoint(options_.bucket, region);
  const std::string host = "s3." + region + "." + AwsDnsSuffix(region);
  return options_.virtual_hosted ? "https://" + options_.bucket + "." + host : "https://" + host + "/" + options_.bucket;
}

HttpRequest S3Client::MakeHttpRequest(const CloudRequest& request, const AwsCredentialsPtr& credentials) const {
  const std::string region = this->region();
  const std::string base = BaseUrl(region);
  const std::string origin = UrlOrigin(base);
  std::string path = base.substr(origin.size());
  if (!request.key.empty()) path += "/" + PercentEncode(request.key, "/");
  if (path.empty()) path = "/";

  HttpRequest http = BareRequest(request);
  http.headers.emplace_back("host", HostOf(origin));
  if (options_.request_payer) http.headers.emplace_back("x-amz-request-payer", "requester");
  if (credentials != nullptr) {
    std::string payload(kUnsignedPayload);
    if (!options_.unsigned_payload) {
      payload = request.body.empty()           ? std::string(kEmptySha256)
                : request.payload_hash.empty() ? HexEncode(Sha256(request.body))
                                               : request.payload_hash;
    }
    const std::string date = AmzDate(ServerTime());
    http.headers.emplace_back("x-amz-content-sha256", payload);
    http.headers.emplace_back("x-amz-date", date);
    if (!credentials->session_token.empty()) {
      http.headers.emplace_back(options_.express ? "x-amz-s3session-token" : "x-amz-security-token", credentials->session_token);
    }
    const SigV4Request to_sign{HttpMethodName(request.method), path, request.query, http.headers, payload};
    http.headers.emplace_back("authorization", SigV4Authorization(to_sign, *credentials, date, region, "s3", &keys_));
  }
  const std::string query = CanonicalQuery(request.query);
  http.url = origin + path + (query.empty() ? "" : "?" + query);
  return http;
}

void S3Client::BeforeFirst(CloudRequest* request) const {
  if (request->body.empty() || !request->payload_hash.empty() || options_.unsigned_payload || options_.skip_signature) return;
  request->payload_hash = HexEncode(Sha256(request->body));
}

Future<HttpRequest> S3Client::Prepare(const CloudRequest& request, CallState* state, const OpContext& ctx) {
  if (!region().empty()) return SigningClient::Prepare(request, state, ctx);
  Promise<HttpRequest> prepared;
  // `request` and `state` belong to the call, which waits for this future.
  options_.find_region->Get(ctx).OnDone([this, &request, state, ctx, prepared](const Result<std::string>& found) {
    if (!found.ok()) return prepared.Set(found.status());
    set_region(*found);
    SigningClient::Prepare(request, state, ctx).OnDone([prepared](const Result<HttpRequest>& http) { prepared.Set(http); });
  });
  return prepared.future();
}

bool S3Client::Adapt(const HttpResponse& http, CallState* state) {
  const std::string region(http.header("x-amz-bucket-region"));
  if (!region.empty() && region != this->region() && !state->region_learned &&
      (http.status == 301 || http.status == 307 || http.status == 400)) {
    state->region_learned = true;
    set_region(region);
    return true;
  }
  if (http.status != 400 && http.status != 401 && http.status != 403) return false;
  const CloudError error = ParseError(http);
  if (error.code == "AuthorizationHeaderMalformed" && !state->region_learned) return AdaptRegionFromBody(http, state);
  if (error.code == "RequestTimeTooSkewed") return LearnServerTime(http, state);
  return MayBeExpired(http.status, error.code) && RenewCredentials(state);
}

bool S3Client::AdaptRegionFromBody(const HttpResponse& http, CallState* state) {
  const Result<XmlElement> parsed = ParseXml(http.body.view());
  if (!parsed.ok()) return false;
  const std::string region((*parsed).Text("Region"));
  if (region.empty() || region == this->region()) return false;
  state->region_learned = true;
  set_region(region);
  return true;
}

CloudError S3Client::ParseError(const HttpResponse& response) const {
  CloudError error = CloudClient::ParseError(response);
  if (const std::string_view id = response.header("x-amz-request-id"); !id.empty()) error.request_id = id;
  // The answer did not say which one, or it would have been taken.
  if (error.code == "AuthorizationHeaderMalformed" && options_.region.empty()) {
    error.message += "; set aws_region to the region of this store (without it '" + region() + "' was taken)";
  }
  return error;
}

StatusCode S3Client::CodeFor(int status, const std::string& code) const {
  if (code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired") return StatusCode::kUnauthenticated;
  return CloudClient::CodeFor(status, code);
}

HttpHeaders S3Client::NewObjectHeaders() const {
  HttpHeaders headers = CloudClient::NewObjectHeaders();
  const HttpHeaders customer_key = ReadHeaders();
  headers.insert(headers.end(), customer_key.begin(), customer_key.end());
  switch (options_.encryption) {
    case S3Encryption::kNone:
    case S3Encryption::kCustomerKey: break;
    case S3Encryption::kSseS3: headers.emplace_back("x-amz-server-side-encryption", "AES256"); break;
    case S3Encryption::kKms: headers.emplace_back("x-amz-server-side-encryption", "aws:kms"); break;
    case S3Encryption::kKmsDsse: headers.emplace_back("x-amz-server-side-encryption", "aws:kms:dsse"); break;
  }
  const bool kms = options_.encryption == S3Encryption::kKms || options_.encryption == S3Encryption::kKmsDsse;
  if (kms && !options_.kms_key_id.empty())
    headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options_.kms_key_id);
  if (!options_.bucket_key_enabled.empty()) {
    headers.emplace_back("x-amz-server-side-encryption-bucket-key-enabled", options_.bucket_key_enabled);
  }
  return headers;
}

HttpHeaders S3Client::ReadHeaders() const {
  if (options_.encryption != S3Encryption::kCustomerKey) return {};
  return {{"x-amz-server-side-encryption-customer-algorithm", "AES256"},
          {"x-amz-server-side-encryption-customer-key", options_.customer_key_base64},
          {"x-amz-server-side-encryption-customer-key-md5", options_.customer_key_md5_base64}};
}

void S3Client::AddChecksum(CloudRequest* request) const {
  std::pair<std::string, std::string> header;
  if (options_.checksum == S3Checksum::kSha256) {
    const Sha256Digest digest = Sha256(request->body);
    request->payload_hash = HexEncode(digest);
    header = {"x-amz-checksum-sha256", Base64Encode(digest)};
  } else if (options_.checksum == S3Checksum::kCrc64Nvme) {
    uint64_t crc = 0;
    for (const Bytes& part : request->body) crc = Crc64Nvme(part.span(), crc);
    uint8_t big_endian[8];
    for (int i = 0; i < 8; ++i) big_endian[i] = static_cast<uint8_t>(crc >> (56 - 8 * i));
    header = {"x-amz-checksum-crc64nvme", Base64Encode(big_endian)};
  } else {
    return;
  }
  request->headers.push_back(std::move(header));
}

}  // namespace lancefs
