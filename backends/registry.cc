// SPDX-License-Identifier: Apache-2.0
#include "backends/registry.h"

#include <mutex>

#include "backends/local_store.h"
#include "backends/memory_store.h"
#include "backends/metered_store.h"
#include "backends/s3/s3_options.h"
#include "backends/s3/s3_store.h"
#include "base/uri.h"

namespace lancefs {

namespace {

// One store per name for the life of the process: who opens the same URI sees the same objects.
std::shared_ptr<ObjectStore> SharedMemoryStore(const std::string& name) {
  static std::mutex mutex;
  static auto* stores = new std::map<std::string, std::shared_ptr<ObjectStore>>;
  std::lock_guard lock(mutex);
  std::shared_ptr<ObjectStore>& store = (*stores)[name];
  if (store == nullptr) store = MakeMeteredStore(MakeMemoryStore(name));
  return store;
}

Result<OpenedStore> OpenS3(const Uri& uri, const StorageOptions& options) {
  if (!uri.query.empty()) return Status::InvalidArgument("an s3:// URI has no query: '" + uri.ToString() + "'");
  LANCEFS_ASSIGN_OR_RETURN(S3Options parsed, ParseS3Options(uri.authority, options, ProcessEnvironment()));
  return OpenedStore{MakeS3Store(std::move(parsed)), uri.path, uri.ToString()};
}

}  // namespace

Result<OpenedStore> OpenStore(const std::string& uri, const StorageOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(Uri parsed, ParseUri(uri));
  if (parsed.scheme == "file") return OpenedStore{MakeMeteredStore(MakeLocalStore(parsed.path)), "", parsed.path};
  if (parsed.scheme == "memory") return OpenedStore{SharedMemoryStore(parsed.authority), parsed.path, parsed.ToString()};
  if (parsed.scheme == "s3") return OpenS3(parsed, options);
  return Status::NotSupported("the scheme '" + parsed.scheme + "' is not supported by this build");
}

}  // namespace lancefs
