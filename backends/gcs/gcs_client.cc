// SPDX-License-Identifier: Apache-2.0
#include "backends/gcs/gcs_client.h"

#include "backends/auth/sigv4.h"

namespace lancefs {

std::string GcsEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() * 3);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z')) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

GcsClient::GcsClient(GcsOptions options, Metrics* metrics)
    : CloudClient(options.client, metrics),
      options_(std::move(options)),
      bucket_url_(options_.base_url + "/" + GcsEncode(options_.bucket)) {}

HttpRequest GcsClient::MakeHttpRequest(const CloudRequest& request, const AccessTokenPtr& token) const {
  HttpRequest http;
  http.method = request.method;
  http.body = request.body;
  http.sink = request.sink;
  http.max_body = request.max_body;
  // Repeating what changes something is this layer's business, which keeps account of it.
  http.idempotent = request.idempotent && request.body.empty();
  http.headers = request.headers;
  for (const auto& header : options_.client.default_headers) http.headers.push_back(header);
  if (token != nullptr) http.headers.emplace_back("authorization", "Bearer " + token->text);
  http.url = bucket_url_;
  if (!request.key.empty()) http.url.append("/").append(GcsEncode(request.key));
  if (const std::string query = CanonicalQuery(request.query); !query.empty()) http.url.append("?").append(query);
  return http;
}

Future<HttpRequest> GcsClient::Prepare(const CloudRequest& request, CallState* state, const OpContext& ctx) {
  if (options_.tokens == nullptr) return Future<HttpRequest>::Ready(MakeHttpRequest(request, nullptr));
  Promise<HttpRequest> prepared;
  // `request` and `state` belong to the call, which waits for this future.
  options_.tokens->Get(ctx).OnDone([this, &request, state, prepared](const Result<AccessTokenPtr>& token) {
    if (!token.ok()) return prepared.Set(token.status());
    state->credentials = *token;
    prepared.Set(MakeHttpRequest(request, *token));
  });
  return prepared.future();
}

bool GcsClient::Adapt(const HttpResponse& http, CallState* state) {
  if (http.status != 401 || state->credentials == nullptr || state->credentials_renewed) return false;
  state->credentials_renewed = true;
  return options_.tokens->Invalidate(std::static_pointer_cast<const AccessToken>(state->credentials));
}

CloudError GcsClient::ParseError(const HttpResponse& response) const {
  CloudError error = CloudClient::ParseError(response);
  if (const std::string_view id = response.header("x-guploader-uploadid"); !id.empty()) error.request_id = id;
  return error;
}

HttpHeaders GcsClient::NewObjectHeaders() const {
  HttpHeaders headers = CloudClient::NewObjectHeaders();
  if (headers.empty()) headers.emplace_back("content-type", "application/octet-stream");
  return headers;
}

}  // namespace lancefs
