// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_client.h"

#include <optional>

#include "backends/s3/crc64nvme.h"
#include "backends/s3/s3_time.h"
#include "backends/xml.h"
#include "base/uri.h"

namespace lancefs {
namespace {

constexpr size_t kMaxErrorText = 500;

std::string_view KindCounter(S3RequestKind kind) {
  switch (kind) {
    case S3RequestKind::kGet: return "lancefs_store_get_requests_total";
    case S3RequestKind::kHead: return "lancefs_store_head_requests_total";
    case S3RequestKind::kList: return "lancefs_store_list_requests_total";
    case S3RequestKind::kPut: return "lancefs_store_put_requests_total";
    case S3RequestKind::kDelete: return "lancefs_store_delete_requests_total";
    case S3RequestKind::kMultipart: return "lancefs_store_multipart_requests_total";
  }
  return "lancefs_store_other_requests_total";
}

bool IsRetriedStatus(int status) {
  // 501 is the one server error that never passes.
  return (status >= 500 && status != 501) || status == 429 || status == 408;
}

struct S3Error {
  std::string code;
  std::string message;
  std::string request_id;
};

S3Error ParseError(const HttpResponse& response) {
  S3Error error;
  error.request_id = response.header("x-amz-request-id");
  if (response.body.empty()) return error;
  const Result<XmlElement> parsed = ParseXml(response.body.view());
  if (!parsed.ok()) return error;
  const XmlElement* root = &*parsed;
  if (root->name == "ErrorResponse" && root->Find("Error") != nullptr) root = root->Find("Error");
  if (root->name != "Error") return error;
  error.code = std::string(root->Text("Code")).substr(0, kMaxErrorText);
  error.message = std::string(root->Text("Message")).substr(0, kMaxErrorText);
  if (error.request_id.empty()) error.request_id = std::string(root->Text("RequestId")).substr(0, kMaxErrorText);
  return error;
}

StatusCode CodeFor(int status, const std::string& code) {
  if (code == "ExpiredToken" || code == "InvalidToken" || code == "TokenRefreshRequired") return StatusCode::kUnauthenticated;
  switch (status) {
    case 401: return StatusCode::kUnauthenticated;
    case 403: return StatusCode::kPermissionDenied;
    case 404: return StatusCode::kNotFound;
    case 409:
    case 412: return StatusCode::kAlreadyExists;
    case 416: return StatusCode::kCorruption;
    case 501: return StatusCode::kNotSupported;
    case 408:
    case 429: return StatusCode::kUnavailable;
    default: return status >= 500 ? StatusCode::kUnavailable : StatusCode::kIoError;
  }
}

}  // namespace

std::string S3ErrorCode(const HttpResponse& response) { return ParseError(response).code; }

// ---- One operation with its attempts ----------------------------------------------------------

class S3Call : public std::enable_shared_from_this<S3Call> {
 public:
  S3Call(std::shared_ptr<S3Client> client, S3Request request, OpContext ctx)
      : client_(std::move(client)), request_(std::move(request)), ctx_(std::move(ctx)), retry_(client_->options_.client.retry) {}

  Future<S3Response> future() const { return promise_.future(); }

  void Start(std::chrono::milliseconds delay) {
    if (client_->options_.skip_signature) return Send(nullptr, delay);
    client_->options_.credentials->Get(ctx_).OnDone(
        [self = shared_from_this(), delay](const Result<AwsCredentialsPtr>& credentials) {
          if (!credentials.ok()) return self->promise_.Set(credentials.status());
          self->Send(*credentials, delay);
        });
  }

 private:
  void Send(const AwsCredentialsPtr& credentials, std::chrono::milliseconds delay) {
    credentials_ = credentials;
    HttpRequest http = client_->MakeHttpRequest(request_, credentials);
    http.delay = delay;
    client_->Count(request_);
    client_->http_->Send(std::move(http), ctx_).OnDone([self = shared_from_this()](const Result<HttpResponse>& result) {
      self->OnAnswer(result);
    });
  }

  std::string What() const { return std::string(HttpMethodName(request_.method)) + " " + client_->Name(request_.key); }

  // A pause and another attempt; false when there is none left.
  bool Retry() {
    const auto delay = retry_.NextDelay();
    if (!delay) return false;
    Again(*delay);
    return true;
  }
  void Again(std::chrono::milliseconds delay) {
    client_->metrics_->counter("lancefs_store_retries_total").fetch_add(1, std::memory_order_relaxed);
    Start(delay);
  }

  void OnAnswer(const Result<HttpResponse>& result) {
    if (!result.ok()) return promise_.Set(result.status());
    const HttpResponse& http = *result;
    if (http.failure != HttpFailure::kNone) return OnFailure(http);
    if (request_.method == HttpMethod::kGet || request_.method == HttpMethod::kHead) {
      client_->metrics_->counter("lancefs_store_bytes_read_total").fetch_add(http.body.size(), std::memory_order_relaxed);
    }
    if (IsRetriedStatus(http.status)) {
      // The server may have done it before it failed to say so.
      ambiguous_ = true;
      if (Retry()) return;
    } else if (http.status == 409 && request_.retry_conflict) {
      if (Retry()) return;
    } else if (http.status == 200 && request_.error_in_success) {
      const std::string code = S3ErrorCode(http);
      if ((code == "InternalError" || code == "SlowDown") && Retry()) return;
    } else if (http.status >= 300 && Adapt(http)) {
      return Again(std::chrono::milliseconds(0));
    }
    if (http.ok() && !SameObject(http)) return;
    promise_.Set(S3Response{http, ambiguous_ || lost_answer_});
  }

  // A body that broke off names its ETag; the next attempt must bring the same object.
  bool SameObject(const HttpResponse& http) {
    const std::string_view etag = http.header("etag");
    if (broken_etag_.empty() || etag.empty() || etag == broken_etag_) return true;
    promise_.Set(Status::Stale(client_->Name(request_.key) + " changed while it was being read"));
    return false;
  }

  void OnFailure(const HttpResponse& http) {
    const std::string text = What() + ": " + http.failure_text;
    switch (http.failure) {
      case HttpFailure::kTooLong: return promise_.Set(Status::Corruption(text));
      case HttpFailure::kProtocol: return promise_.Set(Status::IoError(text));
      case HttpFailure::kConnect:
        if (!Retry())
          promise_.Set(lost_answer_ && !request_.idempotent ? Status::UnknownOutcome(text) : Status::Unavailable(text));
        return;
      default: break;
    }
    if (http.status >= 200 && http.status < 300 && broken_etag_.empty()) broken_etag_ = http.header("etag");
    lost_answer_ = true;
    if (!request_.idempotent) return promise_.Set(Status::UnknownOutcome(text + " (the answer was lost)"));
    if (!Retry()) promise_.Set(Status::Unavailable(text));
  }

  // Learns from a refusal what the next attempt must do otherwise; each lesson once.
  bool Adapt(const HttpResponse& http) {
    const std::string region(http.header("x-amz-bucket-region"));
    if (!region.empty() && region != client_->region() && !region_learned_ &&
        (http.status == 301 || http.status == 307 || http.status == 400)) {
      region_learned_ = true;
      client_->set_region(region);
      return true;
    }
    if (http.status != 400 && http.status != 403) return false;
    const S3Error error = ParseError(http);
    if (error.code == "AuthorizationHeaderMalformed" && !region_learned_) return AdaptRegionFromBody(http);
    if (error.code == "ExpiredToken" && credentials_ != nullptr && !credentials_renewed_) {
      credentials_renewed_ = true;
      return client_->options_.credentials->Invalidate(credentials_);
    }
    if (error.code == "RequestTimeTooSkewed" && !clock_learned_) {
      clock_learned_ = true;
      const std::optional<int64_t> server_ns = ParseHttpDate(http.header("date"));
      if (!server_ns) return false;
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      client_->clock_offset_seconds_ = *server_ns / 1000000000 - std::chrono::duration_cast<std::chrono::seconds>(now).count();
      return true;
    }
    return false;
  }

  bool AdaptRegionFromBody(const HttpResponse& http) {
    const Result<XmlElement> parsed = ParseXml(http.body.view());
    if (!parsed.ok()) return false;
    const std::string region((*parsed).Text("Region"));
    if (region.empty() || region == client_->region()) return false;
    region_learned_ = true;
    client_->set_region(region);
    return true;
  }

  const std::shared_ptr<S3Client> client_;
  const S3Request request_;
  const OpContext ctx_;
  RetryState retry_;
  Promise<S3Response> promise_;
  AwsCredentialsPtr credentials_;
  std::string broken_etag_;
  bool ambiguous_ = false;
  bool lost_answer_ = false;
  bool region_learned_ = false;
  bool credentials_renewed_ = false;
  bool clock_learned_ = false;
};

// ---- The client -------------------------------------------------------------------------------

S3Client::S3Client(S3Options options, Metrics* metrics)
    : options_(std::move(options)), http_(HttpClient::Make(options_.client.http)), metrics_(metrics), region_(options_.region) {}

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
  return options_.virtual_hosted ? "https://" + options_.bucket + ".s3." + region + ".amazonaws.com"
                                 : "https://s3." + region + ".amazonaws.com/" + options_.bucket;
}

void S3Client::Count(const S3Request& request) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (!request.counted) return;
  metrics_->counter("lancefs_store_requests_total").fetch_add(1, kRelaxed);
  metrics_->counter(KindCounter(request.kind)).fetch_add(1, kRelaxed);
  if (request.kind != S3RequestKind::kPut) return;
  uint64_t bytes = 0;
  for (const Bytes& part : request.body) bytes += part.size();
  metrics_->counter("lancefs_store_bytes_written_total").fetch_add(bytes, kRelaxed);
}

namespace {

// The Host header as it goes over the wire: without the scheme's own port.
std::string HostOf(std::string_view origin) {
  const bool secure = origin.starts_with("https://");
  std::string_view host = origin.substr(secure ? 8 : 7);
  const std::string_view port = secure ? ":443" : ":80";
  if (host.ends_with(port)) host.remove_suffix(port.size());
  return std::string(host);
}

}  // namespace

HttpRequest S3Client::MakeHttpRequest(const S3Request& request, const AwsCredentialsPtr& credentials) const {
  const std::string region = this->region();
  const std::string base = BaseUrl(region);
  const std::string origin = UrlOrigin(base);
  std::string path = base.substr(origin.size());
  if (!request.key.empty()) path += "/" + PercentEncode(request.key, "/");
  if (path.empty()) path = "/";

  HttpRequest http;
  http.method = request.method;
  http.body = request.body;
  http.sink = request.sink;
  http.max_body = request.max_body;
  // Repeating what changes something is this layer's business, which keeps account of it.
  http.idempotent = request.idempotent && request.body.empty();
  http.headers = request.headers;
  http.headers.emplace_back("host", HostOf(origin));
  for (const auto& header : options_.client.default_headers) http.headers.push_back(header);
  if (options_.request_payer) http.headers.emplace_back("x-amz-request-payer", "requester");
  if (credentials != nullptr) {
    std::string payload(kUnsignedPayload);
    if (!options_.unsigned_payload) {
      payload = request.body.empty()           ? std::string(kEmptySha256)
                : request.payload_hash.empty() ? HexEncode(Sha256(request.body))
                                               : request.payload_hash;
    }
    const auto now = std::chrono::system_clock::now() + std::chrono::seconds(clock_offset_seconds_.load());
    const std::string date = AmzDate(now);
    http.headers.emplace_back("x-amz-content-sha256", payload);
    http.headers.emplace_back("x-amz-date", date);
    if (!credentials->session_token.empty()) http.headers.emplace_back("x-amz-security-token", credentials->session_token);
    const SigV4Request to_sign{HttpMethodName(request.method), path, request.query, http.headers, payload};
    http.headers.emplace_back("authorization", SigV4Authorization(to_sign, *credentials, date, region, "s3", &keys_));
  }
  const std::string query = CanonicalQuery(request.query);
  http.url = origin + path + (query.empty() ? "" : "?" + query);
  return http;
}

Future<S3Response> S3Client::Execute(S3Request request, const OpContext& ctx) {
  // Hashed here and not in the loop's thread, and once for all attempts.
  if (!request.body.empty() && request.payload_hash.empty() && !options_.unsigned_payload && !options_.skip_signature) {
    request.payload_hash = HexEncode(Sha256(request.body));
  }
  auto call = std::make_shared<S3Call>(shared_from_this(), std::move(request), ctx);
  Future<S3Response> future = call->future();
  call->Start(std::chrono::milliseconds(0));
  return future;
}

Status S3Client::ErrorFrom(const S3Response& response, std::string_view what, const std::string& key) const {
  const HttpResponse& http = response.http;
  const S3Error error = ParseError(http);
  std::string text = std::string(what) + " " + Name(key) + ": " + (error.code.empty() ? "" : error.code + " ");
  text += "(HTTP " + std::to_string(http.status) + ")";
  if (!error.message.empty()) text += ": " + error.message;
  if (http.status == 301 || http.status == 307) text += " (is the region right?)";
  if (!error.request_id.empty()) text += " [request id " + error.request_id + "]";
  return Status(CodeFor(http.status, error.code), std::move(text));
}

HttpHeaders S3Client::EncryptionHeaders() const {
  HttpHeaders headers;
  switch (options_.encryption) {
    case S3Encryption::kNone: break;
    case S3Encryption::kCustomerKey: return CustomerKeyHeaders();
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

HttpHeaders S3Client::CustomerKeyHeaders() const {
  if (options_.encryption != S3Encryption::kCustomerKey) return {};
  return {{"x-amz-server-side-encryption-customer-algorithm", "AES256"},
          {"x-amz-server-side-encryption-customer-key", options_.customer_key_base64},
          {"x-amz-server-side-encryption-customer-key-md5", options_.customer_key_md5_base64}};
}

std::pair<std::string, std::string> S3Client::AddChecksum(S3Request* request) const {
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
    return {};
  }
  request->headers.push_back(header);
  return header;
}

}  // namespace lancefs
