// SPDX-License-Identifier: Apache-2.0
//
// From a URI and options to a store: what users of the library call instead of naming a concrete
// store (RULES 38). Options are the keys of object_store as pylance takes them, case-insensitive
// (docs/configuration.md); options beat the environment.
#pragma once

#include <map>
#include <string>

#include "backends/object_store.h"

namespace lancefs {

using StorageOptions = std::map<std::string, std::string>;

struct OpenedStore {
  std::shared_ptr<ObjectStore> store;
  std::string path;  // the dataset's or directory's key inside the store; "" = the store's root
  std::string uri;   // normalised, without secrets
};

// For local paths the store's root is the directory itself and `path` is "".
// The store comes with retries and metering (Metrics::Global()).
// Errors: kInvalidArgument (URI, option), kNotSupported (a scheme that this build lacks).
Result<OpenedStore> OpenStore(const std::string& uri, const StorageOptions& options = {});

}  // namespace lancefs
