// SPDX-License-Identifier: Apache-2.0
//
// The sources of Google tokens, each from one place; MakeGoogleCredentials chooses among them.
//
// Thread safety: as TokenSource.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "backends/auth/google_credentials.h"

namespace lancefs {

inline constexpr std::string_view kGoogleScope = "https://www.googleapis.com/auth/cloud-platform";

// GCE_METADATA_HOST, GCE_METADATA_ROOT or metadata.google.internal, then GCE_METADATA_IP or 169.254.169.254.
TokenSourcePtr MakeGoogleMetadataSource(const GoogleAuthOptions& options);

// From a credentials file by its "type": authorized_user, service_account, external_account, impersonated_service_account.
// `where` names the file in messages. Errors: kInvalidArgument, kNotSupported.
Result<TokenSourcePtr> MakeGoogleFileSource(const nlohmann::json& file, const std::string& where,
                                            const GoogleAuthOptions& options);

// Workload identity: a token of another identity provider (from a file, a URL or AWS) is exchanged for Google's.
Result<TokenSourcePtr> MakeExternalAccountSource(const nlohmann::json& file, const std::string& where,
                                                 const GoogleAuthOptions& options);

// A service account's token, asked for with another token. The lifetime is in seconds.
Result<AccessToken> ImpersonateServiceAccount(const HttpClient& client, const std::string& url, const AccessToken& token,
                                              int64_t lifetime, const OpContext& ctx);

// A member that must be there and be text. Errors: kInvalidArgument naming it and the file.
Result<std::string> TextMember(const nlohmann::json& object, const char* name, const std::string& where);
// "" when it is not there.
std::string OptionalText(const nlohmann::json& object, const char* name);

// POSTs a form to a token endpoint. Errors: kUnavailable (no answer, 5xx), kUnauthenticated with what the endpoint says.
Result<AccessToken> AskForToken(const HttpClient& client, const std::string& what, HttpRequest request, const OpContext& ctx);

}  // namespace lancefs
