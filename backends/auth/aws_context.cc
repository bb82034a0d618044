// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_context.h"

#include <algorithm>
#include <cctype>

namespace lancefs {
namespace {

using std::chrono::milliseconds;

HttpConfig WithTimeouts(HttpConfig config, milliseconds connect, milliseconds whole) {
  config.connect_timeout = connect;
  config.timeout = whole;
  return config;
}

}  // namespace

AwsContext::AwsContext(AwsContextOptions options) : options_(std::move(options)) {
  services_ = HttpClient::Make(TokenServiceConfig(options_.http));
  instance_ = HttpClient::Make(LocalEndpointConfig(options_.http, milliseconds(1000), milliseconds(2000)));
  container_ = HttpClient::Make(LocalEndpointConfig(options_.http, milliseconds(2000), milliseconds(7000)));
  container_https_ = HttpClient::Make(WithTimeouts(options_.http, milliseconds(2000), milliseconds(7000)));
}

std::string AwsContext::Variable(const std::string& name) const {
  const auto it = options_.environment.find(name);
  return it == options_.environment.end() ? std::string() : it->second;
}

std::string AwsContext::ExpandHome(const std::string& path) const {
  const std::string home = Variable("HOME");
  if (home.empty() || !(path == "~" || path.starts_with("~/"))) return path;
  return home + path.substr(1);
}

std::string AwsDnsSuffix(std::string_view region) {
  if (region.starts_with("cn-")) return "amazonaws.com.cn";
  if (region.starts_with("eusc-")) return "amazonaws.eu";
  if (region.starts_with("us-iso-")) return "c2s.ic.gov";
  if (region.starts_with("us-isob-")) return "sc2s.sgov.gov";
  return "amazonaws.com";
}

bool IsRegionName(std::string_view region) {
  return !region.empty() && region.size() <= 64 &&
         std::all_of(region.begin(), region.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

}  // namespace lancefs
