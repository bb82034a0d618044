// SPDX-License-Identifier: Apache-2.0
//
// What the ways to sign in share, whatever the cloud: the blocking request with retries that they
// send, HTTP settings for token services and for endpoints on this machine, small files, times.
//
// Thread safety: pure functions. What blocks runs in FetchPool(), never in the HTTP loop's thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/http/http_client.h"
#include "base/executor.h"
#include "base/status.h"
#include "base/trim.h"

namespace lancefs {

// Threads of their own for what blocks here: tasks of the other pools wait for what they bring.
Executor& FetchPool();

// The store's TLS roots and proxy; http:// only where a setting names it.
HttpConfig TokenServiceConfig(HttpConfig store);
// Metadata endpoints of this machine: http://, no proxy.
HttpConfig LocalEndpointConfig(HttpConfig store, std::chrono::milliseconds connect, std::chrono::milliseconds whole);

// Sends and waits; another attempt after a 5xx, 429 or a lost connection, up to `attempts`.
// Errors: kUnavailable when there was no answer; a status is the caller's to judge.
Result<HttpResponse> SendAndWait(const HttpClient& client, const HttpRequest& request, int attempts, const OpContext& ctx);

// "name=value&..." in the given order, percent-encoded: of a form, or of a query.
std::string FormText(const std::vector<std::pair<std::string, std::string>>& pairs);

// At most `limit` bytes of a file. Errors: kNotFound, kIoError, kTooLarge.
Result<std::string> ReadSmallFile(const std::string& path, size_t limit = 1 << 20);

bool IsTrue(const std::string& text);  // "true" in any case

// "2019-11-14T04:05:45Z", with a fraction, an offset (+01:00) or "UTC" instead of Z.
std::optional<std::chrono::system_clock::time_point> ParseTimestamp(std::string_view text);
std::string FormatTimestamp(std::chrono::system_clock::time_point time);

bool IsHttpUrl(std::string_view url);

}  // namespace lancefs
