// SPDX-License-Identifier: Apache-2.0
#include "backends/registry.h"

#include "backends/local_store.h"
#include "backends/memory_store.h"
#include "base/uri.h"

namespace lancefs {

Result<OpenedStore> OpenStore(const std::string& uri, const StorageOptions& options) {
  (void)options;
  LANCEFS_ASSIGN_OR_RETURN(Uri parsed, ParseUri(uri));
  if (parsed.scheme == "file") return OpenedStore{MakeLocalStore(parsed.path), "", parsed.path};
  if (parsed.scheme == "memory") return OpenedStore{MakeMemoryStore(parsed.authority), parsed.path, parsed.ToString()};
  return Status::NotSupported("the scheme '" + parsed.scheme + "' is not supported by this build");
}

}  // namespace lancefs
