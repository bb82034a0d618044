// SPDX-License-Identifier: Apache-2.0
//
// How writers of a place that cannot create objects conditionally (or are told not to) agree on who
// makes a version: a list of versions kept elsewhere (s3+ddb://) or a lock (--commit-lock). A store
// carries this with it, so that nobody who has the store can write past it; the engine's commit
// handlers (engine/table/commit_handler.h) use it.
//
// Thread safety: all calls, from any thread; a CommitLease belongs to one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backends/object_store.h"

namespace lancefs {

// Remembers for each (directory, version) where its manifest lies, and selects one writer per version.
// `directory` is a dataset's key in its store, without scheme and bucket.
class ExternalManifestStore {
 public:
  struct Entry {
    uint64_t version = 0;
    std::string path;              // of the manifest, final or staged; a key of the store
    std::optional<uint64_t> size;  // bytes; old writers left it out
  };
  virtual ~ExternalManifestStore() = default;

  // For messages: "DynamoDB table T"; no secrets.
  virtual std::string name() const = 0;
  // Both see every entry that was written before (strongly consistent). Absence is a value.
  virtual Result<std::optional<Entry>> Get(const std::string& directory, uint64_t version, const OpContext& ctx) = 0;
  // The entry of the highest version; detached ones do not count.
  virtual Result<std::optional<Entry>> GetLatest(const std::string& directory, const OpContext& ctx) = 0;
  // One of all writers gets kCreated. After an answer was lost this may say kAlreadyExists of our own entry.
  virtual Result<PutOutcome> PutIfAbsent(const std::string& directory, const Entry& entry, const OpContext& ctx) = 0;
  // Replaces an entry. Errors: kNotFound when there is none.
  virtual Status PutIfPresent(const std::string& directory, const Entry& entry, const OpContext& ctx) = 0;
};

// A lock that is held; destruction without Release() releases it as failed.
class CommitLease {
 public:
  virtual ~CommitLease() = default;
  // Whether the lock is still held, as far as can be seen.
  virtual Status Check() = 0;
  // Gives the lock back. Errors only tell that this did not go well; the commit stays what it is.
  virtual Status Release(bool committed) = 0;
};

class CommitLock {
 public:
  virtual ~CommitLock() = default;
  // Waits for the lock on `version` of the dataset at `directory`.
  // Errors: kConflict when it was not given in time, kPermissionDenied when it was refused.
  virtual Result<std::unique_ptr<CommitLease>> Acquire(const std::string& directory, uint64_t version, const OpContext& ctx) = 0;
};

// At most one of them is set.
struct CommitCoordination {
  std::shared_ptr<ExternalManifestStore> manifests;
  std::shared_ptr<CommitLock> lock;
};

// `store`, with the coordination that everybody who commits to it must use.
std::shared_ptr<ObjectStore> MakeCoordinatedStore(std::shared_ptr<ObjectStore> store, CommitCoordination coordination);

}  // namespace lancefs
