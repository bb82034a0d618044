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
    : SigningClient(options.client, options.tokens, metrics),
      options_(std::move(options)),
      bucket_url_(options_.base_url + "/" + GcsEncode(options_.bucket)) {}

HttpRequest GcsClient::MakeHttpRequest(const CloudRequest& request, const AccessTokenPtr& token) const {
  HttpRequest http = BareRequest(request);
  if (token != nullptr) http.headers.emplace_back("authorization", "Bearer " + token->text);
  http.url = bucket_url_;
  if (!request.key.empty()) http.url.append("/").append(GcsEncode(request.key));
  if (const std::string query = CanonicalQuery(request.query); !query.empty()) http.url.append("?").append(query);
  return http;
}

bool GcsClient::Adapt(const HttpResponse& http, CallState* state) { return http.status == 401 && RenewCredentials(state); }

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
