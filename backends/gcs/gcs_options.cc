// SPDX-License-Identifier: Apache-2.0
#include "backends/gcs/gcs_options.h"

#include <algorithm>
#include <cctype>

#include "backends/auth/google_credentials.h"

namespace lancefs {
namespace {

constexpr std::string_view kDefaultBaseUrl = "https://storage.googleapis.com";

Status CheckBucket(const std::string& bucket) {
  const bool valid = !bucket.empty() && bucket.size() <= 255 && std::all_of(bucket.begin(), bucket.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_';
  });
  return valid ? Status::OK() : Status::InvalidArgument("'" + bucket + "' is not a bucket name");
}

// Without the last slashes. `what` names where the text is from.
Result<std::string> CheckBaseUrl(std::string url, const std::string& what) {
  while (url.ends_with('/')) url.pop_back();
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return Status::InvalidArgument(what + " must start with http:// or https://");
  }
  if (url.find_first_of("?#@ ") != std::string::npos) {
    return Status::InvalidArgument(what + " must be a plain URL without user, query or fragment");
  }
  return url;
}

}  // namespace

Result<GcsOptions> ParseGcsOptions(const std::string& bucket, const StorageOptions& options, const Environment& environment) {
  const OptionReader reader(options, environment, "google_");
  auto get = [&reader](std::string_view canonical, const std::vector<std::string_view>& aliases) {
    return reader.Get(canonical, aliases).value_or("");
  };
  GcsOptions out;
  out.bucket = bucket;
  LANCEFS_RETURN_NOT_OK(CheckBucket(bucket));
  LANCEFS_ASSIGN_OR_RETURN(out.client, ParseClientOptions(reader));
  bool skip_signature = false;
  if (const auto value = reader.Get("google_skip_signature", {"skip_signature"})) {
    LANCEFS_ASSIGN_OR_RETURN(skip_signature, ParseBool("google_skip_signature", *value));
  }
  GoogleCredentials credentials;
  if (!skip_signature) {
    GoogleAuthOptions auth;
    auth.environment = environment;
    auth.http = out.client.http;
    auth.storage_token = get("google_storage_token", {});
    auth.bearer_token = get("google_bearer_token", {"bearer_token"});
    auth.service_account_path =
        get("google_service_account", {"service_account", "google_service_account_path", "service_account_path"});
    auth.service_account_key = get("google_service_account_key", {"service_account_key"});
    auth.application_credentials = get("google_application_credentials", {"application_credentials"});
    LANCEFS_ASSIGN_OR_RETURN(credentials, MakeGoogleCredentials(auth));
    out.tokens = credentials.tokens;
  }
  if (const std::string url = get("google_base_url", {"base_url"}); !url.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(out.base_url, CheckBaseUrl(url, "the option 'google_base_url'"));
  } else if (!credentials.base_url.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(out.base_url, CheckBaseUrl(credentials.base_url, "the service account's 'gcs_base_url'"));
  } else {
    out.base_url = kDefaultBaseUrl;
  }
  return out;
}

}  // namespace lancefs
