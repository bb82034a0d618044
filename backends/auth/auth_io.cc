// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/auth_io.h"

#include <cstdio>
#include <ctime>
#include <memory>

#include "base/ascii.h"
#include "base/dates.h"
#include "base/uri.h"

namespace lancefs {

namespace {

using std::chrono::milliseconds;

}  // namespace

Executor& FetchPool() {
  static Executor* pool = MakeThreadPool(0, 16, "lancefs-cred").release();
  return *pool;
}

HttpConfig TokenServiceConfig(HttpConfig config) {
  config.allow_http = true;  // a setting of the user's names the endpoint; without one it is https
  if (config.timeout.count() == 0) config.timeout = milliseconds(30000);
  return config;
}

HttpConfig LocalEndpointConfig(HttpConfig config, milliseconds connect, milliseconds whole) {
  config.allow_http = true;
  config.connect_timeout = connect;
  config.timeout = whole;
  config.proxy_url.clear();
  config.proxy_excludes.assign(1, '*');  // nor one that the environment names
  return config;
}

Result<HttpResponse> SendAndWait(const HttpClient& client, const HttpRequest& request, int attempts, const OpContext& ctx) {
  milliseconds pause(100);
  for (int attempt = 1;; ++attempt) {
    HttpRequest copy = request;
    copy.max_body = 1 << 20;
    if (attempt > 1) {
      copy.delay = pause;
      pause *= 2;
    }
    LANCEFS_ASSIGN_OR_RETURN(HttpResponse response, client.Send(std::move(copy), ctx).Get(ctx));
    const bool last = attempt >= attempts;
    if (response.failure == HttpFailure::kNone) {
      if (last || (response.status < 500 && response.status != 429)) return response;
      continue;
    }
    // What is not there after the time to connect will not be there after four times that either.
    if (last || response.failure == HttpFailure::kTimeout || response.failure == HttpFailure::kProtocol ||
        response.failure == HttpFailure::kConnect) {
      return Status::Unavailable("no answer from " + UrlOrigin(request.url) + ": " + response.failure_text);
    }
  }
}

std::string FormText(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    text += PercentEncode(name) + "=" + PercentEncode(value);
  }
  return text;
}

Result<std::string> ReadSmallFile(const std::string& path, size_t limit) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"),
                                                   [](FILE* f) { return f ? std::fclose(f) : 0; });
  if (file == nullptr) {
    const int error = errno;
    const std::string text = "cannot read '" + path + "': " + std::generic_category().message(error);
    return error == ENOENT || error == ENOTDIR ? Status::NotFound(text) : Status::IoError(text);
  }
  std::string content;
  char buffer[16384];
  while (true) {
    const size_t count = std::fread(buffer, 1, sizeof(buffer), file.get());
    content.append(buffer, count);
    if (content.size() > limit) return Status::TooLarge("'" + path + "' is longer than " + std::to_string(limit) + " bytes");
    if (count < sizeof(buffer)) break;
  }
  if (std::ferror(file.get()) != 0) return Status::IoError("cannot read '" + path + "'");
  return content;
}

bool IsTrue(const std::string& text) { return AsciiLower(text) == "true"; }

std::optional<std::chrono::system_clock::time_point> ParseTimestamp(std::string_view text) {
  const std::optional<IsoTime> time = ParseIsoTime(text);
  if (!time || !time->has_zone) return std::nullopt;
  return std::chrono::system_clock::from_time_t(time->ns / 1'000'000'000);
}

std::string FormatTimestamp(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

bool IsHttpUrl(std::string_view url) { return url.starts_with("http://") || url.starts_with("https://"); }

}  // namespace lancefs
