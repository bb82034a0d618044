// SPDX-License-Identifier: Apache-2.0
//
// The digests and text encodings that request signing needs.
//
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace lancefs {

using Sha256Digest = std::array<uint8_t, 32>;

// Of the concatenation of `parts`.
Sha256Digest Sha256(const std::vector<Bytes>& parts);
Sha256Digest Sha256(std::string_view text);
Sha256Digest HmacSha256(std::string_view key, std::string_view text);
std::array<uint8_t, 20> Sha1(std::string_view text);  // names of files, nothing secret
std::array<uint8_t, 16> Md5(std::string_view text);

std::string HexEncode(std::span<const uint8_t> bytes);  // lower case
std::string Base64Encode(std::span<const uint8_t> bytes);
// Errors: kInvalidArgument; the message does not show the text.
Result<std::string> Base64Decode(std::string_view text);

}  // namespace lancefs
