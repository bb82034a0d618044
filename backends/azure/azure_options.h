// SPDX-License-Identifier: Apache-2.0
//
// The options of an Azure Blob store: the forms of its URLs, every key and alias of object_store, from options and environment.
//
// Thread safety: values and pure functions.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/auth/azure_credentials.h"
#include "backends/store_options.h"

namespace lancefs {

struct AzureOptions {
  std::string account;
  std::string container;
  std::string endpoint;  // "https://account.blob.core.windows.net", without a last '/'; the container follows it in URLs
  bool skip_signature = false;
  // One of these signs requests, unless skip_signature.
  std::string account_key;                               // decoded
  std::vector<std::pair<std::string, std::string>> sas;  // decoded pairs
  std::shared_ptr<TokenProvider> tokens;
  std::string encryption_key_base64;  // the customer's own key; "" = none
  std::string encryption_key_sha256_base64;
  ClientOptions client;
};

// Where the authority of an az:// or abfss:// URI leads: "container", or "container@account.dfs.core.windows.net".
struct AzureLocation {
  std::string container;
  std::string account;                     // "" = from the options
  std::string endpoint;                    // "" = from the options, else of the account
  std::string cloud = "core.windows.net";  // where accounts are
  bool fabric = false;
};
// Errors: kInvalidArgument.
Result<AzureLocation> ParseAzureAuthority(const std::string& authority);

// Sends nothing: tokens are looked for with the first request.
// Errors: kInvalidArgument (a bad value, named; no account), kUnauthenticated (azure_credential_type without what it needs).
Result<AzureOptions> ParseAzureOptions(const std::string& authority, const StorageOptions& options,
                                       const Environment& environment);

}  // namespace lancefs
