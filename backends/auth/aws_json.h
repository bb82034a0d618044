// SPDX-License-Identifier: Apache-2.0
//
// The flat JSON objects that credential endpoints, programs and cache files hold; names are
// matched in any case, as the AWS SDKs do.
//
// Thread safety: values and pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "backends/auth/credentials.h"

namespace lancefs {

// Member -> text; names in lower case. Numbers and booleans come as text, other values are left out.
using FlatJson = std::map<std::string, std::string>;

// Errors: kCorruption ("not a JSON object"); the message shows nothing of the text.
Result<FlatJson> ParseFlatJson(std::string_view text);
// The object that is member `name` (in any case) of the object `text`.
Result<FlatJson> ParseFlatJsonMember(std::string_view text, std::string_view name);

// From `accesskeyid`, `secretaccesskey`, `token` or `sessiontoken`, and `expiration`.
// Errors: kCorruption naming the member that is missing or wrong.
Result<AwsCredentials> CredentialsFromJson(const FlatJson& json);

// {"Name": "value"} in the order of the map.
std::string WriteFlatJson(const std::map<std::string, std::string>& members);

}  // namespace lancefs
