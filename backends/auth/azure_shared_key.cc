// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/azure_shared_key.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "backends/auth/digest.h"
#include "base/ascii.h"
#include "base/trim.h"
#include "base/uri.h"

namespace lancefs {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// 0: left out of the first comparison.
int HeaderWeight(char c) {
  static constexpr std::string_view kOrder = "!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz";
  const size_t at = kOrder.find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return at == std::string_view::npos ? 0 : static_cast<int>(at) + 1;
}

int TieWeight(char c) { return c == '\'' ? 1 : c == '-' ? 2 : 0; }

std::string HeaderValue(const Pairs& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return std::string(TrimSpace(value));
  }
  return "";
}

std::string CanonicalHeaders(const Pairs& headers) {
  Pairs service;
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-ms-")) service.emplace_back(name, TrimSpace(value));
  }
  std::stable_sort(service.begin(), service.end(),
                   [](const auto& a, const auto& b) { return AzureHeaderLess(a.first, b.first); });
  std::string text;
  for (const auto& [name, value] : service) text += name + ":" + value + "\n";
  return text;
}

std::string CanonicalQueryLines(const Pairs& query) {
  Pairs sorted;
  for (const auto& [name, value] : query) sorted.emplace_back(AsciiLower(name), value);
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const bool repeated = i > 0 && sorted[i].first == sorted[i - 1].first;
    text += repeated ? "," + sorted[i].second : "\n" + sorted[i].first + ":" + sorted[i].second;
  }
  return text;
}

}  // namespace

bool AzureHeaderLess(std::string_view left, std::string_view right) {
  size_t i = 0;
  size_t j = 0;
  while (true) {
    while (i < left.size() && HeaderWeight(left[i]) == 0) ++i;
    while (j < right.size() && HeaderWeight(right[j]) == 0) ++j;
    if (i == left.size() || j == right.size()) {
      if (i < left.size() || j < right.size()) return i == left.size();
      break;
    }
    const int a = HeaderWeight(left[i++]);
    const int b = HeaderWeight(right[j++]);
    if (a != b) return a < b;
  }
  // Equal but for dashes: where one of them has a dash and the other has not, the latter comes first.
  for (size_t k = 0; k < std::min(left.size(), right.size()); ++k) {
    const int a = TieWeight(left[k]);
    const int b = TieWeight(right[k]);
    if (a != b) return a < b;
  }
  return left.size() < right.size();
}

std::string AzureStringToSign(const AzureRequest& request, std::string_view account) {
  static constexpr std::string_view kBeforeLength[] = {"content-encoding", "content-language"};
  static constexpr std::string_view kAfterLength[] = {
      "content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"};
  std::string text(request.method);
  text += '\n';
  for (const std::string_view name : kBeforeLength) text += HeaderValue(request.headers, name) + "\n";
  if (request.content_length > 0) text += std::to_string(request.content_length);
  text += '\n';
  const bool service_date = !HeaderValue(request.headers, "x-ms-date").empty();
  for (const std::string_view name : kAfterLength) {
    if (name != "date" || !service_date) text += HeaderValue(request.headers, name);
    text += '\n';
  }
  text += CanonicalHeaders(request.headers);
  text += '/';
  text += account;
  text += request.path;
  text += CanonicalQueryLines(request.query);
  return text;
}

std::string AzureSharedKeyAuthorization(const AzureRequest& request, std::string_view account, std::string_view key) {
  return "SharedKey " + std::string(account) + ":" + Base64Encode(HmacSha256(key, AzureStringToSign(request, account)));
}

Result<Pairs> ParseSas(std::string_view text) {
  text = TrimSpace(text);
  while (text.starts_with('?')) text.remove_prefix(1);
  Pairs pairs;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = TrimSpace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Status::InvalidArgument("the SAS token must be pairs of name=value joined by '&'");
    }
    const Result<std::string> value = PercentDecode(pair.substr(equals + 1));
    if (!value.ok()) return Status::InvalidArgument("the SAS token has a malformed percent escape");
    pairs.emplace_back(pair.substr(0, equals), *value);
  }
  if (std::none_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first == "sig"; })) {
    return Status::InvalidArgument("the SAS token has no signature (sig=)");
  }
  return pairs;
}

std::string HttpDate(std::chrono::system_clock::time_point time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  // strftime would speak the user's language.
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text;
}

}  // namespace lancefs
