// SPDX-License-Identifier: Apache-2.0
//
// A decorator that keeps what was read of immutable objects: small reads in memory (drawn from the
// MemoryBudget), all reads on disk where a DiskCache is given. Reads ask the memory, then the disk,
// then the store.
//
// What identifies an object's content, and so what may be kept:
//   - Data files, blobs, deletion files, index files and transaction files have a random number of
//     128 bits (deletion files: 64) in their name, chosen when they are written. Their content never changes
//     under that name, also when a dataset is deleted and made again at the same place: its files then have other
//     names. So the name is enough, and nothing is asked of the store. A name in those folders that has no such number (a
//     person may use it again) is not kept.
//   - Manifests are named by their version alone. They are kept under their name, size and etag, as the last
//     listing of this process told them a moment ago: opening the newest version lists anyway. A manifest
//     that was not listed, or whose store gives no etags, is read from the store.
//   - All else (tags, branches, version hints, listings, sizes, foreign files) is never kept.
// Keys begin with a name space that tells stores apart (scheme, endpoint, bucket).
//
// Thread safety: all calls, from any thread.
#pragma once

#include <memory>
#include <string>

#include "backends/disk_cache.h"
#include "backends/object_store.h"

namespace lancefs {

// `disk` may be null.
std::shared_ptr<ObjectStore> MakeCacheStore(std::shared_ptr<ObjectStore> inner, std::string name_space,
                                            std::shared_ptr<DiskCache> disk);

// Whether an object of that name never changes while it has it.
bool IsImmutableName(std::string_view path);

}  // namespace lancefs
