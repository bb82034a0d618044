// SPDX-License-Identifier: Apache-2.0
//
// RsaSigner: RS256 (RSA PKCS#1 v1.5 with SHA-256) signatures of JSON web tokens, with the private key of a PEM text.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

class RsaSigner {
 public:
  // Errors: kInvalidArgument (no RSA private key, an encrypted one); the message shows nothing of the text.
  static Result<std::shared_ptr<const RsaSigner>> FromPem(std::string_view pem);
  ~RsaSigner();
  RsaSigner(const RsaSigner&) = delete;
  RsaSigner& operator=(const RsaSigner&) = delete;

  Result<std::string> Sign(std::string_view text) const;
  // "header.claims.signature" of two JSON texts.
  Result<std::string> SignToken(std::string_view header, std::string_view claims) const;

 private:
  explicit RsaSigner(void* key) : key_(key) {}
  void* const key_;  // EVP_PKEY
};

// base64url without padding.
std::string Base64UrlEncode(std::string_view text);

}  // namespace lancefs
