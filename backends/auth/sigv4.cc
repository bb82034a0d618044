// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/sigv4.h"

#include <time.h>

#include <algorithm>

#include "base/uri.h"

namespace lancefs {
namespace {

std::string_view View(const Sha256Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

// Trimmed, inner runs of blanks made one.
std::string CanonicalValue(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string SignedNames(const std::vector<std::pair<std::string, std::string>>& sorted_headers) {
  std::string names;
  std::string_view last;
  for (const auto& [name, value] : sorted_headers) {
    if (name == last) continue;
    last = name;
    if (!names.empty()) names += ';';
    names += name;
  }
  return names;
}

std::vector<std::pair<std::string, std::string>> SortedHeaders(const SigV4Request& request) {
  auto headers = request.headers;
  std::stable_sort(headers.begin(), headers.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return headers;
}

std::string Canonical(const SigV4Request& request, const std::vector<std::pair<std::string, std::string>>& headers,
                      const std::string& names) {
  std::string text(request.method);
  text += '\n';
  text += request.path.empty() ? std::string_view("/") : request.path;
  text += '\n';
  text += CanonicalQuery(request.query);
  text += '\n';
  for (size_t i = 0; i < headers.size(); ++i) {
    const bool repeated = i > 0 && headers[i].first == headers[i - 1].first;
    if (repeated) {
      text.back() = ',';  // in place of the line's end
    } else {
      text += headers[i].first;
      text += ':';
    }
    text += CanonicalValue(headers[i].second);
    text += '\n';
  }
  text += '\n';
  text += names;
  text += '\n';
  text += request.payload_hash;
  return text;
}

}  // namespace

Sha256Digest SigV4KeyCache::Get(const std::string& secret, std::string_view date, std::string_view region,
                                std::string_view service) {
  std::string name = secret + "\n" + std::string(date) + "\n" + std::string(region) + "\n" + std::string(service);
  {
    std::lock_guard lock(mutex_);
    if (name == name_) return key_;
  }
  Sha256Digest key = HmacSha256("AWS4" + secret, date);
  key = HmacSha256(View(key), region);
  key = HmacSha256(View(key), service);
  key = HmacSha256(View(key), "aws4_request");
  std::lock_guard lock(mutex_);
  name_ = std::move(name);
  key_ = key;
  return key;
}

std::string AmzDate(std::chrono::system_clock::time_point time) {
  const time_t seconds = std::chrono::system_clock::to_time_t(time);
  struct tm utc;
  ::gmtime_r(&seconds, &utc);
  char text[20];
  ::strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) encoded.emplace_back(PercentEncode(name), PercentEncode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += name + "=" + value;
  }
  return text;
}

std::string CanonicalRequest(const SigV4Request& request) {
  const auto headers = SortedHeaders(request);
  return Canonical(request, headers, SignedNames(headers));
}

std::string SigV4Authorization(const SigV4Request& request, const AwsCredentials& credentials, std::string_view amz_date,
                               std::string_view region, std::string_view service, SigV4KeyCache* cache) {
  const std::string_view date = amz_date.substr(0, 8);
  const auto headers = SortedHeaders(request);
  const std::string names = SignedNames(headers);
  const std::string scope = std::string(date) + "/" + std::string(region) + "/" + std::string(service) + "/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + std::string(amz_date) + "\n" + scope + "\n" + HexEncode(Sha256(Canonical(request, headers, names)));
  const Sha256Digest key = cache->Get(credentials.secret_access_key, date, region, service);
  return "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" + scope + ", SignedHeaders=" + names +
         ", Signature=" + HexEncode(HmacSha256(View(key), to_sign));
}

}  // namespace lancefs
