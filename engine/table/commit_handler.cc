// SPDX-License-Identifier: Apache-2.0
#include "engine/table/commit_handler.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "backends/coordination.h"
#include "base/log.h"
#include "engine/format/manifest_tail.h"
#include "engine/table/version_hint.h"

namespace lancefs {
namespace {

constexpr char kVersionsDir[] = "_versions/";
constexpr std::string_view kManifestSuffix = ".manifest";
// Smaller ones are read whole at once: more requests would cost more than what they leave out.
constexpr uint64_t kLargeManifest = 128 * 1024;
// What a reserved version still needs is done even when the caller's time is up.
constexpr auto kFinishPatience = std::chrono::seconds(30);
// A lock is worth nothing once its keeper may think that its holder is dead; 30 s are the least that a keeper must give.
constexpr auto kPutUnderLock = std::chrono::seconds(30);

ManifestNaming Other(ManifestNaming naming) { return naming == ManifestNaming::kV2 ? ManifestNaming::kV1 : ManifestNaming::kV2; }

// ---- Everything from the store itself, and one conditional put ----------------------------------

class ConditionalPutHandler : public CommitHandler {
 public:
  ConditionalPutHandler(ObjectStore& store, std::string directory) : store_(store), directory_(std::move(directory)) {}

  // V2 names sort newest first, so an ordered store answers with one short page; a V1 or unordered directory is listed whole.
  Result<std::optional<ManifestLocation>> FindLatest(const OpContext& ctx) override {
    ListRequest request;
    request.prefix = PathOf("");
    request.names_only = true;
    std::optional<ManifestLocation> latest;
    if (!store_.traits().lists_in_order && !store_.traits().is_local && !VersionHintsAreOff()) {
      if (const auto hinted = FindVersionByHint(store_, request.prefix, ctx)) {
        return std::optional<ManifestLocation>(Canonical(hinted->version, hinted->naming));
      }
    }
    if (store_.traits().lists_in_order) {
      // A few names more than one: temporary files of a running commit may stand before the newest.
      request.max_keys = 4;
      LANCEFS_ASSIGN_OR_RETURN(const ListResult page, store_.List(request, ctx));
      LANCEFS_RETURN_NOT_OK(Consider(page, &latest));
      if (!page.truncated || (latest && latest->naming == ManifestNaming::kV2)) return latest;
      request.max_keys = 0;
      latest.reset();
    }
    LANCEFS_ASSIGN_OR_RETURN(const ListResult all, store_.List(request, ctx));
    LANCEFS_RETURN_NOT_OK(Consider(all, &latest));
    return latest;
  }

  Result<StoredManifest> Read(const ManifestLocation& location, const OpContext& ctx) override {
    if (location.size.value_or(0) < kLargeManifest || store_.traits().is_local) return ReadFile(location, ctx);
    Result<StoredManifest> end = ReadEnd(location, *location.size, ctx);
    // A file that is not as the listing has it is read as it is now.
    return end.ok() || !end.status().Is(StatusCode::kCorruption) ? end : ReadFile(location, ctx);
  }

  Result<StoredManifest> ReadVersion(uint64_t version, ManifestNaming first, const OpContext& ctx) override {
    Result<StoredManifest> found = ReadFile(Canonical(version, first), ctx);
    if (found.ok() || !found.status().Is(StatusCode::kNotFound) || IsDetachedVersion(version)) return found;
    // Somebody may have renamed all manifests to the other scheme since.
    return ReadFile(Canonical(version, Other(first)), ctx);
  }

  Result<PutOutcome> Create(uint64_t version, ManifestNaming naming, const std::string&, const Bytes& file,
                            const OpContext& ctx) override {
    return store_.PutIfAbsent(Canonical(version, naming).path, file, ctx);
  }

 protected:
  std::string PathOf(const std::string& name) const { return (directory_.empty() ? "" : directory_ + "/") + kVersionsDir + name; }
  ManifestLocation Canonical(uint64_t version, ManifestNaming naming) const {
    return {version, naming, PathOf(ManifestName(version, naming)), std::nullopt};
  }
  Result<StoredManifest> ReadFile(const ManifestLocation& location, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, store_.ReadAll(location.path, ctx));
    return StoredManifest{location.naming, location.path, std::move(bytes)};
  }

  ObjectStore& store_;
  const std::string directory_;

 private:
  // The manifest, which stands last in its file: the last bytes, and what is missing then.
  Result<StoredManifest> ReadEnd(const ManifestLocation& location, uint64_t size, const OpContext& ctx) {
    const uint64_t guess = size - std::min(size, store_.traits().tail_guess);
    LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> tail, store_.ReadRanges(location.path, {{guess, size - guess}}, ctx));
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t start, ManifestPosition(tail[0], size));
    if (start >= guess) return StoredManifest{location.naming, location.path, std::move(tail[0]), guess};
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> front, store_.ReadRanges(location.path, {{start, guess - start}}, ctx));
    uint8_t* to = nullptr;
    Bytes both = Bytes::Allocate(size - start, &to);
    std::memcpy(to, front[0].data(), front[0].size());
    std::memcpy(to + front[0].size(), tail[0].data(), tail[0].size());
    return StoredManifest{location.naming, location.path, std::move(both), start};
  }

  Status Consider(const ListResult& listing, std::optional<ManifestLocation>* latest) const {
    const std::string prefix = PathOf("");
    for (const ObjectMeta& object : listing.objects) {
      const auto parsed = ParseManifestName(std::string_view(object.path).substr(prefix.size()));
      if (!parsed) continue;
      if (*latest && (*latest)->naming != parsed->naming)
        return Status::Corruption("the directory " + prefix + " mixes both manifest naming schemes");
      if (!*latest || parsed->version > (*latest)->version)
        *latest = ManifestLocation{parsed->version, parsed->naming, object.path,
                                   object.size > 0 ? std::optional(object.size) : std::nullopt};
    }
    return Status::OK();
  }
};

// ---- A list of versions outside of the store ----------------------------------------------------

// A writer puts its manifest under a name of its own (staging), enters that name for the version, which only one writer can,
// copies the file to its final name (this is the commit), enters the final name and deletes the staged file. Whoever finds the
// entry of a staged file does the last three steps himself: they may be done any number of times, by any number of processes.
class ExternalManifestHandler : public ConditionalPutHandler {
 public:
  ExternalManifestHandler(ObjectStore& store, std::string directory, ExternalManifestStore& list)
      : ConditionalPutHandler(store, std::move(directory)), list_(list) {}

  Result<std::optional<ManifestLocation>> FindLatest(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<Entry> entry, list_.GetLatest(directory_, ctx));
    // A table that was never committed to in this way is found as others are.
    if (!entry) return ConditionalPutHandler::FindLatest(ctx);
    LANCEFS_ASSIGN_OR_RETURN(ManifestLocation location, Settle(*entry, ctx));
    return std::optional<ManifestLocation>(std::move(location));
  }

  Result<StoredManifest> Read(const ManifestLocation& location, const OpContext& ctx) override {
    Result<StoredManifest> found = ReadFile(location, ctx);
    if (!found.ok()) {
      if (!found.status().Is(StatusCode::kNotFound)) return found;
      // The entry may name the other scheme than the file has by now.
      return ConditionalPutHandler::ReadVersion(location.version, ManifestNaming::kV2, ctx);
    }
    if (location.size && *location.size != found->bytes.size())
      return WrongSize(location.path, *location.size, found->bytes.size());
    return found;
  }

  // Versions from before the list was used have no entry. None is made for them here: one that is older than the newest version
  // would make everybody take it for the newest.
  Result<StoredManifest> ReadVersion(uint64_t version, ManifestNaming first, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<Entry> entry, list_.Get(directory_, version, ctx));
    if (!entry) return ConditionalPutHandler::ReadVersion(version, first, ctx);
    LANCEFS_ASSIGN_OR_RETURN(const ManifestLocation location, Settle(*entry, ctx));
    return Read(location, ctx);
  }

  Result<PutOutcome> Create(uint64_t version, ManifestNaming naming, const std::string& attempt, const Bytes& file,
                            const OpContext& ctx) override {
    const Entry staged{version, Canonical(version, naming).path + "-" + attempt, file.size()};
    LANCEFS_ASSIGN_OR_RETURN(const bool taken, IsTaken(version, naming, ctx));
    if (taken) return PutOutcome::kAlreadyExists;
    LANCEFS_RETURN_NOT_OK(store_.Put(staged.path, file, ctx));
    const Result<PutOutcome> reserved = list_.PutIfAbsent(directory_, staged, ctx);
    if (!reserved.ok() || *reserved != PutOutcome::kCreated) {
      LANCEFS_ASSIGN_OR_RETURN(const PutOutcome outcome, AfterNoReservation(reserved, staged));
      if (outcome == PutOutcome::kAlreadyExists) return outcome;
    }
    // The version is ours now: whoever comes next completes it if we do not.
    const Result<ManifestLocation> done = Finish(staged, *staged.size, OpContext().WithTimeout(kFinishPatience));
    if (done.ok()) return PutOutcome::kCreated;
    return Status::UnknownOutcome("version " + std::to_string(version) + " is reserved in " + list_.name() +
                                  ", but its manifest could not be put into its place: " + done.status().message());
  }

 private:
  using Entry = ExternalManifestStore::Entry;

  static Status WrongSize(const std::string& path, uint64_t expected, uint64_t found) {
    return Status::Corruption("the manifest " + path + " has " + std::to_string(found) + " bytes, " + std::to_string(expected) +
                              " were committed");
  }

  // A version that the list does not know may be in the store all the same: of a writer that did not use the list, or because the
  // list got only an old version of an older table (the reference enters the versions that it opens). The copy would replace it.
  Result<bool> IsTaken(uint64_t version, ManifestNaming naming, const OpContext& ctx) {
    const std::string path = Canonical(version, naming).path;
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, store_.Head(path, ctx));
    if (!meta) return false;
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<Entry> entry, list_.Get(directory_, version, ctx));
    if (entry) return true;
    return Status::Conflict("version " + std::to_string(version) + " of " + directory_ + " is in the store, but not in the " +
                            list_.name() + ": it was committed without that, and would be replaced");
  }

  // Whose the version is when the list did not simply say that it is ours: an answer may have been lost.
  Result<PutOutcome> AfterNoReservation(const Result<PutOutcome>& reserved, const Entry& staged) {
    const OpContext look = OpContext().WithTimeout(kFinishPatience);
    const Result<std::optional<Entry>> entry = list_.Get(directory_, staged.version, look);
    if (entry.ok() && *entry && (*entry)->path == staged.path) return PutOutcome::kCreated;
    if (entry.ok() && *entry) {
      // Another writer's, or ours that somebody completed meanwhile; the staged file serves nobody in either case.
      DeleteStaged(staged.path, look);
      return PutOutcome::kAlreadyExists;
    }
    if (reserved.ok()) return *reserved;
    return reserved.status();
  }

  // Where an entry's manifest is, after completing the commit if its writer has not.
  Result<ManifestLocation> Settle(const Entry& entry, const OpContext& ctx) {
    const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    if (name.ends_with(kManifestSuffix)) {
      const auto parsed = ParseManifestName(name);
      return ManifestLocation{entry.version, parsed ? parsed->naming : ManifestNaming::kV2, entry.path, entry.size};
    }
    if (entry.size) return Finish(entry, *entry.size, ctx);
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, store_.Head(entry.path, ctx));
    if (meta) return Finish(entry, meta->size, ctx);
    // Somebody else may just have completed it.
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<Entry> again, list_.Get(directory_, entry.version, ctx));
    if (again && again->path != entry.path) return Settle(*again, ctx);
    return Status::NotFound("the manifest " + entry.path + ", which " + list_.name() + " names for version " +
                            std::to_string(entry.version) + ", is gone");
  }

  Result<ManifestLocation> Finish(const Entry& staged, uint64_t size, const OpContext& ctx) {
    const std::string name = staged.path.substr(staged.path.rfind('/') + 1);
    const size_t end = name.find(kManifestSuffix);
    const auto parsed = end == std::string::npos ? std::nullopt : ParseManifestName(name.substr(0, end + kManifestSuffix.size()));
    ManifestLocation location = Canonical(staged.version, parsed ? parsed->naming : ManifestNaming::kV2);
    location.size = size;
    Status copied = store_.Copy(staged.path, location.path, ctx);
    if (copied.Is(StatusCode::kNotFound)) {
      LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, store_.Head(location.path, ctx));
      if (meta && meta->size != size) return WrongSize(location.path, size, meta->size);
      // With the file in its place another process has done it all.
      if (meta) copied = Status::OK();
    }
    if (!copied.ok()) return copied.WithContext("version " + std::to_string(staged.version) + " of " + directory_);
    // Committed. What follows is tidying: its failure leaves enough for the next one to do it.
    const Status entered = list_.PutIfPresent(directory_, {staged.version, location.path, size}, ctx);
    if (!entered.ok()) {
      Log(LogLevel::kWarn, "manifest_list_not_updated", {{"path", location.path}, {"reason", entered.message()}});
      return location;
    }
    DeleteStaged(staged.path, ctx);
    return location;
  }

  void DeleteStaged(const std::string& path, const OpContext& ctx) {
    const Status deleted = store_.Delete(path, ctx);
    if (!deleted.ok()) Log(LogLevel::kWarn, "staged_manifest_left", {{"path", path}, {"reason", deleted.message()}});
  }

  ExternalManifestStore& list_;
};

// ---- A lock around a look and a plain put -------------------------------------------------------

class LockedHandler : public ConditionalPutHandler {
 public:
  LockedHandler(ObjectStore& store, std::string directory, CommitLock& lock)
      : ConditionalPutHandler(store, std::move(directory)), lock_(lock) {}

  Result<PutOutcome> Create(uint64_t version, ManifestNaming naming, const std::string&, const Bytes& file,
                            const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::unique_ptr<CommitLease> lease, lock_.Acquire(directory_, version, ctx));
    const Result<PutOutcome> outcome =
        PutUnderLock(*lease, Canonical(version, naming).path, file, ctx.WithTimeout(kPutUnderLock));
    const Status released = lease->Release(outcome.ok() && *outcome == PutOutcome::kCreated);
    if (!released.ok()) {
      Log(LogLevel::kWarn, "commit_lock_release", {{"version", std::to_string(version)}, {"reason", released.message()}});
    }
    return outcome;
  }

 private:
  Result<PutOutcome> PutUnderLock(CommitLease& lease, const std::string& path, const Bytes& file, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, store_.Head(path, ctx));
    if (meta) return PutOutcome::kAlreadyExists;
    LANCEFS_RETURN_NOT_OK(lease.Check());
    const Status put = store_.Put(path, file, ctx);
    if (!put.ok()) return put;
    // Had the lock been lost before the end, another writer may have put his file in our place: the caller looks.
    const Status held = lease.Check();
    if (!held.ok()) return Status::UnknownOutcome("write " + path + ": " + held.message());
    return PutOutcome::kCreated;
  }

  CommitLock& lock_;
};

}  // namespace

std::unique_ptr<CommitHandler> CommitHandler::For(ObjectStore& store, std::string directory) {
  const CommitCoordination* coordination = store.coordination();
  if (coordination != nullptr && coordination->manifests != nullptr)
    return std::make_unique<ExternalManifestHandler>(store, std::move(directory), *coordination->manifests);
  if (coordination != nullptr && coordination->lock != nullptr)
    return std::make_unique<LockedHandler>(store, std::move(directory), *coordination->lock);
  return std::make_unique<ConditionalPutHandler>(store, std::move(directory));
}

}  // namespace lancefs
