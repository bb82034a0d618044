// SPDX-License-Identifier: Apache-2.0
#include "backends/http/http_client.h"

#include "backends/http/http_loop.h"

namespace lancefs {

std::string_view HttpMethodName(HttpMethod method) {
  switch (method) {
    case HttpMethod::kGet: return "GET";
    case HttpMethod::kHead: return "HEAD";
    case HttpMethod::kPut: return "PUT";
    case HttpMethod::kPost: return "POST";
    case HttpMethod::kDelete: return "DELETE";
  }
  return "GET";
}

uint64_t HttpRequest::body_size() const {
  uint64_t total = 0;
  for (const Bytes& part : body) total += part.size();
  return total;
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string UrlOrigin(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t end = url.find_first_of("/?#", scheme + 3);
  return std::string(url.substr(0, end));
}

std::string HostOf(std::string_view url) {
  const std::string origin = UrlOrigin(url);
  std::string_view host = origin;
  const std::string_view port = host.starts_with("https://") ? ":443" : ":80";
  if (host.ends_with(port)) host.remove_suffix(port.size());
  const size_t scheme = host.find("://");
  return std::string(scheme == std::string_view::npos ? host : host.substr(scheme + 3));
}

std::shared_ptr<HttpClient> HttpClient::Make(HttpConfig config) { return std::make_shared<HttpClient>(std::move(config)); }

HttpClient::HttpClient(HttpConfig config) : setup_(MakeHttpSetup(std::move(config))) {}

const HttpConfig& HttpClient::config() const { return setup_->config; }

Future<HttpResponse> HttpClient::Send(HttpRequest request, const OpContext& ctx) const {
  if (Status status = ctx.Check(); !status.ok()) return Future<HttpResponse>::Ready(std::move(status));
  const std::string origin = UrlOrigin(request.url);
  if (origin.starts_with("http://")) {
    if (!setup_->config.allow_http) {
      return Future<HttpResponse>::Ready(
          Status::InvalidArgument("plain HTTP to " + origin + " is not allowed; set allow_http=true to permit it"));
    }
  } else if (!origin.starts_with("https://")) {
    return Future<HttpResponse>::Ready(Status::InvalidArgument("'" + origin + "' is not an http or https URL"));
  }
  for (const auto& [name, value] : request.headers) {
    // A line break would smuggle headers.
    if (name.find_first_of("\r\n:") != std::string::npos || value.find_first_of("\r\n") != std::string::npos) {
      return Future<HttpResponse>::Ready(Status::InvalidArgument("the header '" + name + "' has a line break or a bad name"));
    }
  }
  auto transfer = std::make_unique<HttpTransfer>(setup_, std::move(request), ctx);
  Future<HttpResponse> future = transfer->future();
  HttpLoop::Of(*setup_).Submit(std::move(transfer));
  return future;
}

}  // namespace lancefs
