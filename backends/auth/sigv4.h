// SPDX-License-Identifier: Apache-2.0
//
// AWS Signature Version 4. The caller gives the path and query exactly as they go over the wire.
//
// Thread safety: pure functions; SigV4KeyCache: all calls, from any thread.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/auth/credentials.h"
#include "backends/auth/digest.h"

namespace lancefs {

inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigV4Request {
  std::string_view method;
  std::string_view path;                                     // encoded, starts with '/'
  std::vector<std::pair<std::string, std::string>> query;    // decoded names and values, any order
  std::vector<std::pair<std::string, std::string>> headers;  // all that are to be signed; lower-case names, with host
  std::string_view payload_hash;                             // hex, or kUnsignedPayload
};

// "AWS4" key derivation depends on date, region and service only: kept between requests.
class SigV4KeyCache {
 public:
  Sha256Digest Get(const std::string& secret, std::string_view date, std::string_view region, std::string_view service);

 private:
  std::mutex mutex_;
  std::string name_;    // guarded by mutex_
  Sha256Digest key_{};  // guarded by mutex_
};

// "20130524T000000Z"
std::string AmzDate(std::chrono::system_clock::time_point time);
// name=value&...: strictly encoded, sorted; what is signed and also what is sent.
std::string CanonicalQuery(const std::vector<std::pair<std::string, std::string>>& query);
std::string CanonicalRequest(const SigV4Request& request);
// The value of the Authorization header. request.headers must hold x-amz-date = `amz_date`.
std::string SigV4Authorization(const SigV4Request& request, const AwsCredentials& credentials, std::string_view amz_date,
                               std::string_view region, std::string_view service, SigV4KeyCache* cache);

}  // namespace lancefs
