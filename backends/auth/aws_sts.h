// SPDX-License-Identifier: Apache-2.0
//
// Credentials from AWS STS: AssumeRoleWithWebIdentity (unsigned, with a token file) and AssumeRole
// (signed with other credentials).
//
// Thread safety: as AwsCredentialSource; AssumeAwsRole is a pure function of its arguments.
#pragma once

#include "backends/auth/aws_profile.h"

namespace lancefs {

struct AwsRole {
  std::string arn;
  std::string session_name;  // "" = made up
  std::string external_id;   // AssumeRole only
};

// Token file and role as given (a profile's), or from AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN and
// AWS_ROLE_SESSION_NAME. The file is read anew for each Fetch.
AwsSourcePtr MakeWebIdentitySource(AwsContextPtr context);
AwsSourcePtr MakeWebIdentitySource(AwsContextPtr context, std::string token_file, AwsRole role);

// Errors: kUnauthenticated with STS' code and message, kUnavailable.
Result<AwsCredentials> AssumeAwsRole(const AwsContext& context, const AwsProfiles& profiles, const AwsRole& role,
                                     const AwsCredentials& with, const OpContext& ctx);

}  // namespace lancefs
