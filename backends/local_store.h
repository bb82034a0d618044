// SPDX-License-Identifier: Apache-2.0
//
// Local files as an object store. Writes go to a temporary name, are fsynced (unless switched off)
// and renamed; PutIfAbsent links the finished file to its name, so that a reader never sees a part
// and the first of several writers wins (link(2) refuses an existing name on every Linux filesystem
// that knows hard links; else renameat2 with RENAME_NOREPLACE).
#pragma once

#include "backends/object_store.h"

namespace lancefs {

struct LocalStoreOptions {
  bool fsync = true;  // false only to compare with writers that do not
};

// `root` is an absolute directory; it need not exist before the first write.
std::shared_ptr<ObjectStore> MakeLocalStore(std::string root, LocalStoreOptions options = {});

}  // namespace lancefs
