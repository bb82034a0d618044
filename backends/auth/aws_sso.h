// SPDX-License-Identifier: Apache-2.0
//
// Credentials from IAM Identity Center (SSO): the token that `aws sso login` left in
// ~/.aws/sso/cache is exchanged for those of a role, and renewed where it can be.
//
// Thread safety: FetchSsoCredentials: all calls, from any thread.
#pragma once

#include "backends/auth/aws_profile.h"

namespace lancefs {

struct SsoSettings {
  std::string session;  // of [sso-session ...]; "" in the old form
  std::string start_url;
  std::string region;
  std::string account_id;
  std::string role_name;
};

// When a token was last renewed: at most once in 30 seconds.
class SsoRenewals {
 public:
  bool MayRenew();

 private:
  std::mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> last_;  // guarded by mutex_
};

// The SHA-1 of the session's name, or of the start URL in the old form, names the file.
std::string SsoCacheFile(const AwsContext& context, const SsoSettings& settings);

// Errors: kUnauthenticated (says to run `aws sso login` where that helps), kInvalidArgument, kUnavailable.
Result<AwsCredentials> FetchSsoCredentials(const AwsContext& context, const AwsProfiles& profiles, const SsoSettings& settings,
                                           SsoRenewals* renewals, const OpContext& ctx);

}  // namespace lancefs
