// SPDX-License-Identifier: Apache-2.0
//
// MD5 (RFC 1321) for the SQL function md5(); nothing here relies on it for security.
//
// Thread safety: free functions.
#pragma once

#include <string>
#include <string_view>

namespace lancefs::sql {

// The digest of `text` as 32 lower-case hexadecimal digits.
std::string Md5Hex(std::string_view text);

}  // namespace lancefs::sql
