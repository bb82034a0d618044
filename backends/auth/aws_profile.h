// SPDX-License-Identifier: Apache-2.0
//
// The AWS configuration files: ~/.aws/config and ~/.aws/credentials (AWS_CONFIG_FILE,
// AWS_SHARED_CREDENTIALS_FILE), their sections and properties.
//
// Thread safety: values and pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "backends/auth/aws_context.h"

namespace lancefs {

using AwsProperties = std::map<std::string, std::string>;  // names in lower case

struct AwsProfiles {
  std::map<std::string, AwsProperties> profiles;
  std::map<std::string, AwsProperties> sso_sessions;
  // "services" sections: name -> service -> property.
  std::map<std::string, std::map<std::string, AwsProperties>> services;

  // "" when there is none.
  std::string Get(const std::string& profile, const std::string& property) const;
};

enum class AwsFileKind { kConfig, kCredentials };

// Adds a file's sections to `out`; its values win over those that are there. `path` is for messages.
// Errors: kInvalidArgument with the path and line.
Status ParseAwsFile(std::string_view text, AwsFileKind kind, const std::string& path, AwsProfiles* out);
// Both files; one that does not exist is empty. Errors: as above, kIoError.
Result<AwsProfiles> LoadAwsProfiles(const AwsContext& context);
std::string SelectedAwsProfile(const AwsContext& context);  // AWS_PROFILE, else "default"

// The endpoint that settings name for a service ("sts", "sso", "sso_oidc"), without a last '/':
// AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's services section, its endpoint_url.
// "" = AWS' own.
std::string ConfiguredEndpoint(const AwsContext& context, const AwsProfiles& profiles, const std::string& service);
// The region for STS: the context's, AWS_REGION, AWS_DEFAULT_REGION, the profile's; else us-east-1.
std::string StsRegion(const AwsContext& context, const AwsProfiles& profiles);

}  // namespace lancefs
