// SPDX-License-Identifier: Apache-2.0
#include "backends/azure/azure_client.h"

#include "backends/auth/azure_shared_key.h"
#include "backends/auth/sigv4.h"
#include "base/dates.h"
#include "base/uri.h"

namespace lancefs {
namespace {

constexpr const char* kVersion = "2023-11-03";

}  // namespace

AzureClient::AzureClient(AzureOptions options, Metrics* metrics)
    : SigningClient(options.client, options.skip_signature ? nullptr : options.tokens, metrics), options_(std::move(options)) {}

std::string AzureClient::PathOf(const std::string& key) const {
  const std::string path = options_.endpoint.substr(UrlOrigin(options_.endpoint).size()) + "/" + options_.container;
  return key.empty() ? path : path + "/" + PercentEncode(key, "/");
}

bool AzureClient::signs_with_sas() const {
  return !options_.skip_signature && options_.tokens == nullptr && options_.account_key.empty();
}

std::string AzureClient::CopySource(const std::string& key) const {
  const std::string url = UrlOrigin(options_.endpoint) + PathOf(key);
  return signs_with_sas() && !options_.sas.empty() ? url + "?" + CanonicalQuery(options_.sas) : url;
}

HttpRequest AzureClient::MakeHttpRequest(const CloudRequest& request, const AccessTokenPtr& token) const {
  const std::string path = PathOf(request.key);
  HttpRequest http = BareRequest(request);
  http.headers.emplace_back("date", HttpDate(ServerTime()));
  http.headers.emplace_back("x-ms-version", kVersion);
  auto query = request.query;
  if (signs_with_sas()) {
    query.insert(query.end(), options_.sas.begin(), options_.sas.end());
  } else if (token != nullptr) {
    http.headers.emplace_back("authorization", "Bearer " + token->text);
  } else if (!options_.skip_signature) {
    const AzureRequest to_sign{HttpMethodName(request.method), path, query, http.headers, http.body_size()};
    http.headers.emplace_back("authorization", AzureSharedKeyAuthorization(to_sign, options_.account, options_.account_key));
  }
  const std::string text = CanonicalQuery(query);
  http.url = UrlOrigin(options_.endpoint) + path + (text.empty() ? "" : "?" + text);
  return http;
}

bool AzureClient::Adapt(const HttpResponse& http, CallState* state) {
  if (http.status != 401 && http.status != 403) return false;
  const CloudError error = ParseError(http);
  // An expired token is refused with 401; some services in front of the store (Fabric's) say 403.
  const bool expired = http.status == 401 || error.code == "AuthenticationFailed" || error.code == "InvalidAuthenticationInfo";
  if (expired && RenewCredentials(state)) return true;
  // A signature with a date too far from the server's.
  const bool signature = !options_.skip_signature && !options_.account_key.empty();
  return error.code == "AuthenticationFailed" && signature && LearnServerTime(http, state);
}

bool AzureClient::IsPassing(std::string_view code) const {
  return code == "ServerBusy" || code == "InternalError" || code == "OperationTimedOut";
}

CloudError AzureClient::ParseError(const HttpResponse& response) const {
  CloudError error = CloudClient::ParseError(response);
  // HEAD has no body, and 304 has none either.
  if (error.code.empty()) error.code = std::string(response.header("x-ms-error-code")).substr(0, 200);
  // The first line says it; the request's id and the time follow, which are said elsewhere.
  error.message = error.message.substr(0, error.message.find('\n'));
  if (const std::string_view id = response.header("x-ms-request-id"); !id.empty()) error.request_id = id;
  return error;
}

StatusCode AzureClient::CodeFor(int status, const std::string& code) const {
  if (code == "InvalidAuthenticationInfo" || code == "NoAuthenticationInformation") return StatusCode::kUnauthenticated;
  if (code == "PublicAccessNotPermitted") return StatusCode::kPermissionDenied;
  if (code == "ContainerBeingDeleted" || code == "ContainerDisabled") return StatusCode::kUnavailable;
  if (status == 409 && !code.empty() && code != "BlobAlreadyExists" && code != "ContainerAlreadyExists")
    return StatusCode::kIoError;
  return CloudClient::CodeFor(status, code);
}

HttpHeaders AzureClient::ReadHeaders() const {
  if (options_.encryption_key_base64.empty()) return {};
  return {{"x-ms-encryption-key", options_.encryption_key_base64},
          {"x-ms-encryption-key-sha256", options_.encryption_key_sha256_base64},
          {"x-ms-encryption-algorithm", "AES256"}};
}

HttpHeaders AzureClient::NewObjectHeaders() const {
  HttpHeaders headers = CloudClient::NewObjectHeaders();
  headers.emplace_back("x-ms-blob-type", "BlockBlob");
  for (auto& header : ReadHeaders()) headers.push_back(std::move(header));
  return headers;
}

}  // namespace lancefs
