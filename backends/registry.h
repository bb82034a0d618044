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
  // What tells datasets of one URI apart that lie in different stores: the endpoint, where one is named.
  std::string endpoint;
};

// What is read of remote stores opened from now on is kept in that folder, too (disk_cache.h). Errors: kIoError where it cannot
// be used; then nothing changes.
Status UseDiskCache(const std::string& directory, uint64_t max_bytes);

// For local paths the store's root is the directory itself and `path` is "".
// The store comes with retries and metering (Metrics::Global()), remote ones with the cache (cache_store.h).
// Errors: kInvalidArgument (URI, option), kNotSupported (a scheme that this build lacks).
Result<OpenedStore> OpenStore(const std::string& uri, const StorageOptions& options = {});

}  // namespace lancefs
