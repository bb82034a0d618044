// SPDX-License-Identifier: Apache-2.0
//
// The options of a Google Cloud Storage store: every key and alias of object_store, from options and environment.
//
// Thread safety: values and pure functions.
#pragma once

#include <memory>
#include <string>

#include "backends/auth/token_provider.h"
#include "backends/store_options.h"

namespace lancefs {

struct GcsOptions {
  std::string bucket;
  std::string base_url;  // without a last '/'
  ClientOptions client;
  std::shared_ptr<TokenProvider> tokens;  // null: requests go without authorization
};

// Reads credential files; sends nothing. Errors: kInvalidArgument (a bad value or file, named), kNotSupported (a kind of file).
Result<GcsOptions> ParseGcsOptions(const std::string& bucket, const StorageOptions& options, const Environment& environment);

}  // namespace lancefs
