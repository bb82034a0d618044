// SPDX-License-Identifier: Apache-2.0
//
// CommitHandler: where the manifests of one dataset are found and how exactly one writer makes a
// version (docs/lance/table.md 7). Three ways, chosen by what the store carries
// (backends/coordination.h): conditional puts, a list of versions outside of the store (s3+ddb://,
// 7.6), a lock that an external program gives (--commit-lock). Readers need it too: with a list
// outside of the store they finish what a writer that died left half done.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/object_store.h"
#include "engine/format/manifest.h"

namespace lancefs {

struct ManifestLocation {
  uint64_t version = 0;
  ManifestNaming naming = ManifestNaming::kV2;
  std::string path;              // key in the store
  std::optional<uint64_t> size;  // what the file must have, where that is known; a listing may be older than the file
};

struct StoredManifest {
  ManifestNaming naming = ManifestNaming::kV2;
  std::string path;
  Bytes bytes;          // the file from `offset` on, with the whole manifest in any case (engine/format/manifest_tail.h)
  uint64_t offset = 0;  // 0, unless the newest version's file is large
};

class CommitHandler {
 public:
  // For the dataset (or branch) at `directory` of `store`, which must outlive the handler.
  static std::unique_ptr<CommitHandler> For(ObjectStore& store, std::string directory);
  virtual ~CommitHandler() = default;

  // The newest version; nothing when there is none.
  virtual Result<std::optional<ManifestLocation>> FindLatest(const OpContext& ctx) = 0;
  // The file at a location that FindLatest gave. Errors: kNotFound, kCorruption (not the file that was committed).
  virtual Result<StoredManifest> Read(const ManifestLocation& location, const OpContext& ctx) = 0;
  // The manifest of `version`; its name is tried in `first` naming first. Errors: kNotFound.
  virtual Result<StoredManifest> ReadVersion(uint64_t version, ManifestNaming first, const OpContext& ctx) = 0;
  // Makes `file` the manifest of `version` unless another writer has made it. `attempt` is a uuid of the caller's for this
  // version and file; a call with the same one takes up what an earlier call has begun.
  // After any answer but kCreated the caller must read the version to learn whose it is: kAlreadyExists may be said of the
  // caller's own file, and after errors of the store or kUnknownOutcome it may be there or come to be there.
  virtual Result<PutOutcome> Create(uint64_t version, ManifestNaming naming, const std::string& attempt, const Bytes& file,
                                    const OpContext& ctx) = 0;
};

}  // namespace lancefs
