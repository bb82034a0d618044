// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/cloud_client.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>

#include "backends/xml.h"
#include "base/dates.h"

namespace lancefs {
namespace {

constexpr size_t kMaxErrorText = 500;
constexpr int64_t kSkewThatMatters = 60;  // seconds; the services take 15 minutes

std::string_view KindCounter(RequestKind kind) {
  switch (kind) {
    case RequestKind::kGet: return "lancefs_store_get_requests_total";
    case RequestKind::kHead: return "lancefs_store_head_requests_total";
    case RequestKind::kList: return "lancefs_store_list_requests_total";
    case RequestKind::kPut: return "lancefs_store_put_requests_total";
    case RequestKind::kDelete: return "lancefs_store_delete_requests_total";
    case RequestKind::kMultipart: return "lancefs_store_multipart_requests_total";
  }
  return "lancefs_store_other_requests_total";
}

bool IsRetriedStatus(int status) {
  // 501 is the one server error that never passes.
  return (status >= 500 && status != 501) || status == 429 || status == 408;
}

}  // namespace

// ---- One operation with its attempts ----------------------------------------------------------

class CloudCall : public std::enable_shared_from_this<CloudCall> {
 public:
  CloudCall(std::shared_ptr<CloudClient> client, CloudRequest request, OpContext ctx)
      : client_(std::move(client)), request_(std::move(request)), ctx_(std::move(ctx)), retry_(client_->client_options_.retry) {}

  Future<CloudResponse> future() const { return promise_.future(); }

  void Start(std::chrono::milliseconds delay) {
    client_->Prepare(request_, &state_, ctx_).OnDone([self = shared_from_this(), delay](const Result<HttpRequest>& prepared) {
      if (!prepared.ok()) return self->promise_.Set(prepared.status());
      self->Send(*prepared, delay);
    });
  }

 private:
  void Send(HttpRequest http, std::chrono::milliseconds delay) {
    const std::chrono::milliseconds turn = client_->throttle().Reserve(request_.kind);
    if (turn.count() > 0)
      client_->metrics_->counter("lancefs_store_throttled_requests_total").fetch_add(1, std::memory_order_relaxed);
    http.delay = std::max(delay, turn);
    client_->Count(request_);
    const bool may_hedge = request_.kind == RequestKind::kGet && request_.method == HttpMethod::kGet;
    Future<HttpResponse> answer =
        may_hedge ? client_->reads_.Send(std::move(http), ctx_) : client_->http_->Send(std::move(http), ctx_);
    answer.OnDone([self = shared_from_this()](const Result<HttpResponse>& result) { self->OnAnswer(result); });
  }

  std::string What() const {
    // A listing is of the bucket; its prefix tells what it is for.
    const auto prefix =
        std::find_if(request_.query.begin(), request_.query.end(), [](const auto& p) { return p.first == "prefix"; });
    const bool lists = request_.key.empty() && prefix != request_.query.end();
    return std::string(HttpMethodName(request_.method)) + " " + client_->Name(lists ? prefix->second : request_.key);
  }

  // A pause and another attempt; false when there is none left.
  bool Retry(bool throttled = false) {
    const int retries = retry_.retries();
    auto delay = retry_.NextDelay();
    if (!delay) return false;
    const AimdOptions& aimd = client_->client_options_.aimd;
    if (throttled && aimd.enabled && retries < aimd.max_retries) {
      static thread_local std::minstd_rand random{std::random_device{}()};
      delay = std::chrono::milliseconds(
          std::uniform_int_distribution<int64_t>(aimd.min_backoff.count(), aimd.max_backoff.count())(random));
    }
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
    const bool throttled = http.status == 429 || http.status == 503;
    client_->throttle().Record(request_.kind, throttled);
    if (IsRetriedStatus(http.status)) {
      // The server may have done it before it failed to say so.
      ambiguous_ = true;
      if (Retry(throttled)) return;
    } else if (http.status == 409 && request_.retry_conflict) {
      if (Retry()) return;
    } else if (http.status == 200 && request_.error_in_success) {
      if (client_->IsPassing(client_->ParseError(http).code) && Retry()) return;
    } else if (http.status >= 300 && client_->Adapt(http, &state_)) {
      return Again(std::chrono::milliseconds(0));
    }
    if (http.ok() && !SameObject(http)) return;
    promise_.Set(CloudResponse{http, ambiguous_ || lost_answer_});
  }

  // A body that broke off names its ETag; the next attempt must bring the same object.
  bool SameObject(const HttpResponse& http) {
    const std::string_view etag = http.header("etag");
    if (broken_etag_.empty() || etag.empty() || etag == broken_etag_) return true;
    promise_.Set(Status::Stale(client_->Name(request_.key) + " changed while it was being read"));
    return false;
  }

  bool IsLastDownload() {
    const std::optional<uint64_t>& most = client_->client_options_.download_retries;
    return request_.method == HttpMethod::kGet && most && broken_bodies_++ >= *most;
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
    const bool broke_off = http.status >= 200 && http.status < 300;
    if (broke_off && broken_etag_.empty()) broken_etag_ = http.header("etag");
    lost_answer_ = true;
    if (!request_.idempotent) return promise_.Set(Status::UnknownOutcome(text + " (the answer was lost)"));
    if ((broke_off && IsLastDownload()) || !Retry()) promise_.Set(Status::Unavailable(text));
  }

  const std::shared_ptr<CloudClient> client_;
  const CloudRequest request_;
  const OpContext ctx_;
  RetryState retry_;
  Promise<CloudResponse> promise_;
  CloudClient::CallState state_;
  std::string broken_etag_;
  uint64_t broken_bodies_ = 0;
  bool ambiguous_ = false;
  bool lost_answer_ = false;
};

// ---- The client -------------------------------------------------------------------------------

CloudClient::CloudClient(ClientOptions options, Metrics* metrics)
    : client_options_(std::move(options)),
      http_(HttpClient::Make(client_options_.http)),
      reads_(http_, client_options_.hedge_delay,
             [metrics] {
               for (const char* name :
                    {"lancefs_store_requests_total", "lancefs_store_get_requests_total", "lancefs_store_hedged_requests_total"})
                 metrics->counter(name).fetch_add(1, std::memory_order_relaxed);
             }),
      metrics_(metrics) {}

AimdThrottle& CloudClient::throttle() {
  std::call_once(throttle_made_, [this] { throttle_ = AimdThrottle::Shared(Name(""), client_options_.aimd); });
  return *throttle_;
}

void CloudClient::Count(const CloudRequest& request) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (!request.counted) return;
  metrics_->counter("lancefs_store_requests_total").fetch_add(1, kRelaxed);
  metrics_->counter(KindCounter(request.kind)).fetch_add(1, kRelaxed);
  if (request.kind != RequestKind::kPut) return;
  uint64_t bytes = 0;
  for (const Bytes& part : request.body) bytes += part.size();
  metrics_->counter("lancefs_store_bytes_written_total").fetch_add(bytes, kRelaxed);
}

Future<CloudResponse> CloudClient::Execute(CloudRequest request, const OpContext& ctx) {
  BeforeFirst(&request);
  auto call = std::make_shared<CloudCall>(shared_from_this(), std::move(request), ctx);
  Future<CloudResponse> future = call->future();
  call->Start(std::chrono::milliseconds(0));
  return future;
}

HttpRequest CloudClient::BareRequest(const CloudRequest& request) const {
  HttpRequest http;
  http.method = request.method;
  http.body = request.body;
  http.sink = request.sink;
  http.max_body = request.max_body;
  // Repeating what changes something is this layer's business, which keeps account of it.
  http.idempotent = request.idempotent && request.body.empty();
  http.headers = request.headers;
  for (const auto& header : client_options_.default_headers) http.headers.push_back(header);
  return http;
}

std::chrono::system_clock::time_point CloudClient::ServerTime() const {
  return std::chrono::system_clock::now() + std::chrono::seconds(clock_offset_seconds_.load());
}

bool CloudClient::LearnServerTime(const HttpResponse& response, CallState* state) {
  if (state->clock_learned) return false;
  state->clock_learned = true;
  const std::optional<int64_t> server_ns = ParseHttpDate(response.header("date"));
  if (!server_ns) return false;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t offset = *server_ns / 1000000000 - std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (std::llabs(offset - clock_offset_seconds_.load()) < kSkewThatMatters) return false;
  clock_offset_seconds_ = offset;
  return true;
}

HttpHeaders CloudClient::NewObjectHeaders() const {
  if (client_options_.default_content_type.empty()) return {};
  return {{"content-type", client_options_.default_content_type}};
}

CloudRequest CloudClient::GetRequest(std::string key) const {
  CloudRequest request;
  request.key = std::move(key);
  request.headers = ReadHeaders();
  return request;
}

CloudRequest CloudClient::HeadRequest(std::string key) const {
  CloudRequest request = GetRequest(std::move(key));
  request.kind = RequestKind::kHead;
  request.method = HttpMethod::kHead;
  return request;
}

CloudError CloudClient::ParseError(const HttpResponse& response) const {
  CloudError error;
  if (response.body.empty()) return error;
  const Result<XmlElement> parsed = ParseXml(response.body.view());
  if (!parsed.ok()) return error;
  const XmlElement* root = &*parsed;
  if (root->name == "ErrorResponse" && root->Find("Error") != nullptr) root = root->Find("Error");
  if (root->name != "Error") return error;
  error.code = std::string(root->Text("Code")).substr(0, kMaxErrorText);
  error.message = std::string(root->Text("Message")).substr(0, kMaxErrorText);
  error.request_id = std::string(root->Text("RequestId")).substr(0, kMaxErrorText);
  return error;
}

StatusCode CloudClient::CodeFor(int status, const std::string&) const {
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

Status CloudClient::ErrorFrom(const CloudResponse& response, std::string_view what, const std::string& key) const {
  const HttpResponse& http = response.http;
  const CloudError error = ParseError(http);
  std::string text = std::string(what) + " " + Name(key) + ": " + (error.code.empty() ? "" : error.code + " ");
  text += "(HTTP " + std::to_string(http.status) + ")";
  if (!error.message.empty()) text += ": " + error.message;
  if (http.status == 301 || http.status == 307) text += " (is the region right?)";
  if (!error.request_id.empty()) text += " [request id " + error.request_id + "]";
  return Status(CodeFor(http.status, error.code), std::move(text));
}

}  // namespace lancefs
