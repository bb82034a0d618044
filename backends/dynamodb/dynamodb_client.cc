// SPDX-License-Identifier: Apache-2.0
#include "backends/dynamodb/dynamodb_client.h"

#include <algorithm>
#include <array>

#include "base/dates.h"

namespace lancefs {
namespace {

constexpr uint64_t kMaxAnswer = 4 << 20;
constexpr size_t kMaxErrorText = 500;

std::string EndpointOf(const DynamoDbOptions& options) {
  std::string endpoint = options.endpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.empty()) return endpoint;
  return "https://dynamodb." + options.region + ".amazonaws.com" + (options.region.starts_with("cn-") ? ".cn" : "");
}

// Whoever names a plain http:// endpoint for the table wants it; the reference asks for no second permission either.
HttpConfig HttpFor(const DynamoDbOptions& options) {
  HttpConfig http = options.http;
  if (options.endpoint.starts_with("http://")) http.allow_http = true;
  return http;
}

bool IsThrottling(const std::string& error) {
  static constexpr std::array<std::string_view, 11> kNames = {"ProvisionedThroughputExceededException",
                                                              "ThrottlingException",
                                                              "Throttling",
                                                              "RequestLimitExceeded",
                                                              "ThrottledException",
                                                              "TooManyRequestsException",
                                                              "RequestThrottled",
                                                              "RequestThrottledException",
                                                              "BandwidthLimitExceeded",
                                                              "LimitExceededException",
                                                              "TransactionInProgressException"};
  return std::find(kNames.begin(), kNames.end(), error) != kNames.end();
}

bool IsTransient(const DynamoDbClient::Answer& answer) {
  return answer.status == 500 || answer.status == 502 || answer.status == 503 || answer.status == 504 || answer.status == 429 ||
         answer.error == "RequestTimeout" || answer.error == "RequestTimeoutException" || IsThrottling(answer.error);
}

std::string TextOf(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>().substr(0, kMaxErrorText) : "";
}

DynamoDbClient::Answer Parse(const HttpResponse& http) {
  DynamoDbClient::Answer answer;
  answer.status = http.status;
  answer.request_id = http.header("x-amzn-requestid");
  answer.body = nlohmann::json::parse(http.body.view(), nullptr, /*allow_exceptions=*/false);
  answer.ok = http.ok() && answer.body.is_object();
  if (answer.ok || !answer.body.is_object()) return answer;
  // "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
  const std::string type = TextOf(answer.body, "__type");
  answer.error = type.substr(type.rfind('#') + 1);
  answer.message = TextOf(answer.body, "message");
  if (answer.message.empty()) answer.message = TextOf(answer.body, "Message");
  return answer;
}

}  // namespace

DynamoDbClient::DynamoDbClient(DynamoDbOptions options, Metrics* metrics)
    : options_(std::move(options)),
      endpoint_(EndpointOf(options_)),
      http_(HttpClient::Make(HttpFor(options_))),
      metrics_(metrics) {}

HttpRequest DynamoDbClient::MakeRequest(const std::string& operation, const std::string& body,
                                        const AwsCredentials& credentials) {
  HttpRequest request;
  request.method = HttpMethod::kPost;
  const std::string origin = UrlOrigin(endpoint_);
  const std::string path = endpoint_.size() > origin.size() ? endpoint_.substr(origin.size()) : "/";
  request.url = origin + path;
  request.max_body = kMaxAnswer;
  request.idempotent = false;  // repeated here, where account is kept of it
  request.body.push_back(Bytes::FromString(body));
  const std::string payload = HexEncode(Sha256(body));
  const std::string date = AmzDate(std::chrono::system_clock::now() + std::chrono::seconds(clock_offset_seconds_.load()));
  request.headers = {{"content-type", "application/x-amz-json-1.0"},
                     {"host", HostOf(origin)},
                     {"x-amz-content-sha256", payload},
                     {"x-amz-date", date},
                     {"x-amz-target", "DynamoDB_20120810." + operation}};
  if (!credentials.session_token.empty()) request.headers.emplace_back("x-amz-security-token", credentials.session_token);
  const SigV4Request to_sign{HttpMethodName(request.method), path, {}, request.headers, payload};
  request.headers.emplace_back("authorization",
                               SigV4Authorization(to_sign, credentials, date, options_.region, "dynamodb", &keys_));
  return request;
}

Result<DynamoDbClient::Answer> DynamoDbClient::Call(const std::string& operation, const nlohmann::json& request,
                                                    const OpContext& ctx) {
  const std::string body = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string what = operation + " at " + endpoint_;
  RetryState retry(options_.retry);
  std::chrono::milliseconds delay{0};
  bool may_have_run = false;
  bool renewed = false;
  bool clock_learned = false;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(const AwsCredentialsPtr credentials, options_.credentials->Get(ctx).Get(ctx));
    HttpRequest http = MakeRequest(operation, body, *credentials);
    http.delay = delay;
    metrics_->counter("lancefs_dynamodb_requests_total").fetch_add(1, std::memory_order_relaxed);
    LANCEFS_ASSIGN_OR_RETURN(const HttpResponse response, http_->Send(std::move(http), ctx).Get(ctx));
    Status failed = Status::OK();
    if (response.failure == HttpFailure::kProtocol || response.failure == HttpFailure::kTooLong) {
      return Status::IoError(what + ": " + response.failure_text);
    }
    if (response.failure != HttpFailure::kNone) {
      may_have_run = may_have_run || response.failure != HttpFailure::kConnect;
      const std::string text = what + ": " + response.failure_text;
      failed = may_have_run ? Status::UnknownOutcome(text + " (the answer was lost)") : Status::Unavailable(text);
    } else {
      Answer answer = Parse(response);
      if (answer.ok) return answer;
      const bool skewed = answer.message.starts_with("Signature expired") || answer.message.starts_with("Signature not yet");
      if ((answer.error == "ExpiredTokenException" || answer.error == "UnrecognizedClientException") && !renewed) {
        renewed = true;
        if (options_.credentials->Invalidate(credentials)) continue;
      }
      if (skewed && !clock_learned) {
        const std::optional<int64_t> server_ns = ParseHttpDate(response.header("date"));
        clock_learned = true;
        if (server_ns) {
          const auto now = std::chrono::system_clock::now().time_since_epoch();
          clock_offset_seconds_ = *server_ns / 1'000'000'000 - std::chrono::duration_cast<std::chrono::seconds>(now).count();
          continue;
        }
      }
      if (!IsTransient(answer)) return answer;
      may_have_run = may_have_run || answer.status >= 500;
      failed = ErrorFrom(answer, what);
      if (may_have_run) failed = Status::UnknownOutcome(failed.message());
    }
    const auto pause = retry.NextDelay();
    if (!pause) return failed;
    delay = *pause;
    metrics_->counter("lancefs_store_retries_total").fetch_add(1, std::memory_order_relaxed);
  }
}

Status DynamoDbClient::ErrorFrom(const Answer& answer, const std::string& what) {
  std::string text =
      what + ": " + (answer.error.empty() ? "" : answer.error + " ") + "(HTTP " + std::to_string(answer.status) + ")";
  if (!answer.message.empty()) text += ": " + answer.message;
  if (!answer.request_id.empty()) text += " [request id " + answer.request_id + "]";
  if (IsTransient(answer)) return Status::Unavailable(std::move(text));
  if (answer.error == "ResourceNotFoundException") return Status::NotFound(std::move(text));
  if (answer.error == "AccessDeniedException") return Status::PermissionDenied(std::move(text));
  if (answer.error == "ExpiredTokenException" || answer.error == "UnrecognizedClientException" ||
      answer.error == "InvalidSignatureException" || answer.error == "MissingAuthenticationTokenException" ||
      answer.error == "IncompleteSignatureException") {
    return Status::Unauthenticated(std::move(text));
  }
  if (answer.status >= 400 && answer.status < 500) return Status::InvalidArgument(std::move(text));
  return Status::IoError(std::move(text));
}

}  // namespace lancefs
