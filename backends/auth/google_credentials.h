// SPDX-License-Identifier: Apache-2.0
//
// The ways to sign in to Google Cloud Storage, in this order: google_storage_token, workload identity of an application
// credentials file that is named, google_bearer_token, a service account, application default credentials (the named file, then
// gcloud's own), the metadata server.
//
// Thread safety: MakeGoogleCredentials from any thread; what it makes: as TokenProvider.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/auth/token_provider.h"
#include "backends/http/http_client.h"

namespace lancefs {

struct GoogleAuthOptions {
  std::map<std::string, std::string> environment;
  HttpConfig http;                      // the store's client options: TLS roots, proxy
  std::string storage_token;            // google_storage_token
  std::string bearer_token;             // google_bearer_token
  std::string service_account_path;     // google_service_account
  std::string service_account_key;      // google_service_account_key: the JSON text
  std::string application_credentials;  // google_application_credentials: a path
  // Where tokens of `authorized_user` files are renewed.
  std::string oauth_url = "https://accounts.google.com/o/oauth2/token";
};

struct GoogleCredentials {
  std::shared_ptr<TokenProvider> tokens;  // null: requests go without authorization ("disable_oauth")
  std::string base_url;                   // "gcs_base_url" of the service account; "" = none
};

// Reads the files that are named or well-known; sends nothing. Errors: kInvalidArgument (a file that cannot be used, both a path
// and a text), kNotSupported (a kind of file).
Result<GoogleCredentials> MakeGoogleCredentials(const GoogleAuthOptions& options);

// The header and claims of a service account's own token, valid for an hour from `now` (seconds since 1970).
Result<std::string> SignServiceAccountToken(const class RsaSigner& signer, const std::string& email, const std::string& key_id,
                                            int64_t now);

}  // namespace lancefs
