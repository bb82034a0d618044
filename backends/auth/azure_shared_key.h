// SPDX-License-Identifier: Apache-2.0
//
// How Azure storage requests are authorised without tokens: the SharedKey signature, and the pairs of a shared access signature
// (SAS) that go into every URL. The caller gives the path exactly as it goes over the wire.
//
// Thread safety: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace lancefs {

struct AzureRequest {
  std::string_view method;
  std::string_view path;                                     // encoded, starts with '/'
  std::vector<std::pair<std::string, std::string>> query;    // decoded names and values, any order
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case names
  uint64_t content_length = 0;
};

std::string AzureStringToSign(const AzureRequest& request, std::string_view account);
// The value of the Authorization header; `key` is the decoded account key.
std::string AzureSharedKeyAuthorization(const AzureRequest& request, std::string_view account, std::string_view key);

// The order that the service gives x-ms-* headers before it signs them: not that of their bytes.
bool AzureHeaderLess(std::string_view left, std::string_view right);

// The decoded pairs of "?sv=...&sig=..." (with or without '?'). Errors: kInvalidArgument; the message shows nothing of the text.
Result<std::vector<std::pair<std::string, std::string>>> ParseSas(std::string_view text);

// "Wed, 12 Oct 2009 17:50:00 GMT"
std::string HttpDate(std::chrono::system_clock::time_point time);

}  // namespace lancefs
