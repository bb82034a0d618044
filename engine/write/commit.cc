// SPDX-License-Identifier: Apache-2.0
#include "engine/write/commit.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "base/lancefs_version.h"
#include "base/log.h"
#include "engine/format/row_ids.h"
#include "engine/table/commit_handler.h"
#include "engine/table/version_hint.h"

namespace lancefs {
namespace {

// How long an unreadable store may leave us in doubt before we say so.
constexpr auto kReadBackPatience = std::chrono::seconds(60);

enum class Attempt { kCommitted, kLost };

std::string TransactionFileName(const pb::Transaction& transaction) {
  return std::to_string(transaction.read_version()) + "-" + transaction.uuid() + ".txn";
}

void StampManifest(const pb::Transaction& transaction, uint64_t version, pb::Manifest* manifest) {
  manifest->set_version(version);
  manifest->clear_tag();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  manifest->mutable_timestamp()->set_seconds(nanos / 1'000'000'000);
  manifest->mutable_timestamp()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  manifest->set_transaction_file(TransactionFileName(transaction));
  manifest->clear_writer_version();
  manifest->mutable_writer_version()->set_library("lancefs");
  manifest->mutable_writer_version()->set_version(kLancefsVersion);
}

// Both words are rebuilt from content; sticky bits and those that only the index list decides are carried (docs/lance/table.md
// 3).
void RecomputeFlags(uint64_t previous_reader, uint64_t previous_writer, pb::Manifest* manifest) {
  constexpr uint64_t kCarried =
      kFlagStableRowIds | kFlagCoveredIndex | kFlagMixedFileVersions | kFlagTaggedFragReuse | kFlagManagedBlobs;
  uint64_t reader = previous_reader & kCarried;
  uint64_t writer = previous_writer & kCarried;
  uint64_t both = 0;
  for (const pb::DataFragment& fragment : manifest->fragments()) {
    if (fragment.has_deletion_file()) both |= kFlagDeletionFiles;
    if (fragment.row_id_sequence_case() != pb::DataFragment::ROW_ID_SEQUENCE_NOT_SET) both |= kFlagStableRowIds;
    if (fragment.has_column_row_ids() || fragment.has_column_created_at_versions() ||
        fragment.has_column_last_updated_at_versions()) {
      both |= kFlagSpilledLineage;
    }
  }
  if (manifest->base_paths_size() > 0) both |= kFlagBasePaths;
  if (!manifest->config().empty()) writer |= kFlagTableConfig;
  if (manifest->has_max_allocated_field_id()) writer |= kFlagNonReusableFieldIds;
  manifest->set_reader_feature_flags(reader | both);
  manifest->set_writer_feature_flags(writer | both);
}

// Gives new fragments their ids and, on tables with stable row ids, their row ids and version stamps. All
// of it depends on the version that is built upon, so it is done anew for every attempt.
Status AddFragments(const google::protobuf::RepeatedPtrField<pb::DataFragment>& fragments, pb::Manifest* manifest) {
  uint64_t next_id = 0;
  if (manifest->has_max_fragment_id()) {
    next_id = manifest->max_fragment_id() + 1ULL;
  }
  for (const pb::DataFragment& fragment : manifest->fragments()) next_id = std::max<uint64_t>(next_id, fragment.id() + 1);
  const bool stable_row_ids = (manifest->reader_feature_flags() & kFlagStableRowIds) != 0;
  for (const pb::DataFragment& fragment : fragments) {
    if (next_id > UINT32_MAX) return Status::ResourceExhausted("the table has used up its fragment ids");
    pb::DataFragment* added = manifest->add_fragments();
    *added = fragment;
    added->set_id(next_id++);
    if (stable_row_ids) {
      const uint64_t first = manifest->next_row_id();
      added->set_inline_row_ids(EncodeRowIdRange(first, first + fragment.physical_rows()));
      manifest->set_next_row_id(first + fragment.physical_rows());
      const std::string versions = EncodeFreshRowVersions(fragment.physical_rows(), manifest->version());
      added->set_inline_created_at_versions(versions);
      added->set_inline_last_updated_at_versions(versions);
    }
  }
  if (next_id > 0) manifest->set_max_fragment_id(static_cast<uint32_t>(next_id - 1));
  return Status::OK();
}

// Old writers could give an id twice. Such tables can be read, but what is kept by fragment id would be of either.
Status CheckFragmentIds(const pb::Manifest& manifest) {
  std::vector<uint64_t> ids;
  ids.reserve(static_cast<size_t>(manifest.fragments_size()));
  for (const pb::DataFragment& fragment : manifest.fragments()) ids.push_back(fragment.id());
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice == ids.end()) return Status::OK();
  return Status::NotSupported("two fragments of the table have the id " + std::to_string(*twice) +
                              "; it must be rewritten before rows can be added");
}

Result<pb::Manifest> BuildAppend(const Dataset& current, const pb::Transaction& transaction) {
  LANCEFS_RETURN_NOT_OK(CheckWriterFlags(current.manifest()));
  LANCEFS_RETURN_NOT_OK(CheckFragmentIds(current.manifest()));
  pb::Manifest manifest = current.manifest();
  StampManifest(transaction, current.version() + 1, &manifest);
  if (!manifest.has_data_format()) {
    manifest.mutable_data_format()->set_file_format("lance");
    manifest.mutable_data_format()->set_version(std::string(FileVersionName(current.data_version())));
  }
  LANCEFS_RETURN_NOT_OK(AddFragments(transaction.append().fragments(), &manifest));
  LANCEFS_RETURN_NOT_OK(CheckFragmentIds(manifest));
  RecomputeFlags(current.manifest().reader_feature_flags(), current.manifest().writer_feature_flags(), &manifest);
  return manifest;
}

// What a transaction that someone else committed meanwhile means for an append (docs/lance/table.md 7.2).
enum class Verdict { kCompatible, kSchemaChanged, kIncompatible };
Verdict JudgeForAppend(const pb::Transaction& theirs) {
  switch (theirs.operation_case()) {
    case pb::Transaction::kOverwrite:
    case pb::Transaction::kRestore:
    case pb::Transaction::kUpdateMemWalState:
    case pb::Transaction::OPERATION_NOT_SET: return Verdict::kIncompatible;
    case pb::Transaction::kMerge: return theirs.merge().preserves_nullability() ? Verdict::kCompatible : Verdict::kSchemaChanged;
    case pb::Transaction::kProject:
      return theirs.project().preserves_nullability() ? Verdict::kCompatible : Verdict::kSchemaChanged;
    default: return Verdict::kCompatible;
  }
}

// Rows written against an older schema fit the newest one if no column forbids nulls that they hold or lack.
Status CheckStillFits(const WrittenColumns& written, const Schema& schema) {
  Status status = Status::OK();
  for (const Field& field : schema.fields) {
    if (field.nullable) continue;
    const bool known = std::find(written.field_ids.begin(), written.field_ids.end(), field.id) != written.field_ids.end();
    const bool nulls = std::find(written.fields_with_nulls.begin(), written.fields_with_nulls.end(), field.id) !=
                       written.fields_with_nulls.end();
    if (!known || nulls) {
      status = Status::Conflict("column '" + field.name + "' was made non-nullable by another writer, and the rows " +
                                (known ? "hold nulls there" : "do not have it"));
    }
  }
  return status;
}

Status CheckIntermediate(const Dataset& base, uint64_t latest, const WrittenColumns& written,
                         std::shared_ptr<const Dataset>* current, const OpContext& ctx) {
  bool schema_changed = false;
  for (uint64_t version = (*current)->version() + 1; version <= latest; ++version) {
    Result<std::shared_ptr<const Dataset>> opened = base.Checkout(version, ctx);
    if (!opened.ok()) {
      // Cleaned up meanwhile; the reference leaves such versions out, too.
      if (opened.status().Is(StatusCode::kNotFound) && version < latest) continue;
      return opened.status();
    }
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<pb::Transaction> theirs, (*opened)->Transaction(ctx));
    if (!theirs)
      return Status::Conflict("version " + std::to_string(version) +
                              " was committed meanwhile without a transaction that tells what it did");
    const Verdict verdict = JudgeForAppend(*theirs);
    if (verdict == Verdict::kIncompatible) {
      return Status::Conflict("version " + std::to_string(version) +
                              " was committed meanwhile and cannot be combined with an append");
    }
    schema_changed = schema_changed || verdict == Verdict::kSchemaChanged;
    *current = std::move(*opened);
  }
  if (schema_changed) return CheckStillFits(written, (*current)->schema());
  return Status::OK();
}

// Waits before the next try: longer for every loss, at random, so that several writers spread.
Status Backoff(int losses, const OpContext& ctx) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  const int64_t slots = std::min<int64_t>(4LL << std::min(losses, 5), 128);
  const auto pause = std::chrono::milliseconds(2 + static_cast<int64_t>(random() % static_cast<uint64_t>(slots)) * 8);
  const auto end = std::chrono::steady_clock::now() + pause;
  while (std::chrono::steady_clock::now() < end) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::this_thread::sleep_for(
        std::min<std::chrono::steady_clock::duration>(std::chrono::milliseconds(20), end - std::chrono::steady_clock::now()));
  }
  return Status::OK();
}

bool IsAmbiguous(const Status& status) {
  switch (status.code()) {
    case StatusCode::kUnknownOutcome:
    case StatusCode::kUnavailable:
    case StatusCode::kIoError:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kCancelled:
    case StatusCode::kInternal: return true;
    default: return false;
  }
}

// Whether the manifest of `version` holds our transaction. Absent manifests are no.
Result<bool> IsOurs(CommitHandler& handler, uint64_t version, ManifestNaming naming, const std::string& uuid,
                    const OpContext& ctx) {
  const Result<StoredManifest> found = handler.ReadVersion(version, naming, ctx);
  if (!found.ok()) {
    if (found.status().Is(StatusCode::kNotFound)) return false;
    return found.status();
  }
  LANCEFS_ASSIGN_OR_RETURN(const ManifestFile file, ParseManifestFile(found->bytes));
  if (file.transaction) return file.transaction->uuid() == uuid;
  return file.manifest->transaction_file().find(uuid) != std::string::npos;
}

// One creation, and after any answer but "created" a look at what is there.
Result<Attempt> PutManifest(CommitHandler& handler, uint64_t version, ManifestNaming naming, const std::string& uuid,
                            const std::string& bytes, const OpContext& ctx) {
  const Bytes content = Bytes::FromString(bytes);
  const std::string attempt = UuidText(RandomUuidBytes());
  const std::string what = "version " + std::to_string(version);
  const auto patience = std::chrono::steady_clock::now() + kReadBackPatience;
  for (int round = 0;; ++round) {
    Result<PutOutcome> outcome = handler.Create(version, naming, attempt, content, ctx);
    if (outcome.ok() && *outcome == PutOutcome::kCreated) return Attempt::kCommitted;
    if (!outcome.ok() && !IsAmbiguous(outcome.status())) return outcome.status();
    // The question "was it ours?" must be answered even when the caller's time is up.
    const OpContext look;
    Result<bool> ours = IsOurs(handler, version, naming, uuid, look.WithTimeout(std::chrono::seconds(30)));
    if (ours.ok() && *ours) return Attempt::kCommitted;
    if (outcome.ok() && ours.ok()) return Attempt::kLost;
    if (!ours.ok() && std::chrono::steady_clock::now() > patience) {
      return Status::UnknownOutcome("whether " + what + " was written is unknown: " + ours.status().message());
    }
    if (!outcome.ok() && ours.ok()) {
      // Not there, and no answer: nothing may be in flight that we would not see again, so try once more; a late
      // arrival of the first request then shows as "exists" and is recognised as ours.
      if (ctx.Check().ok() == false) return Status::UnknownOutcome("the commit was interrupted: " + outcome.status().message());
      if (std::chrono::steady_clock::now() > patience) return outcome.status();
    }
    Log(LogLevel::kWarn, "commit_retry",
        {{"version", std::to_string(version)}, {"reason", outcome.ok() ? "lost" : outcome.status().message()}});
    LANCEFS_RETURN_NOT_OK(Backoff(round, OpContext()));
  }
}

// The hint saves other writers a directory listing; it may be stale or missing, so errors do not count.
void WriteHint(ObjectStore& store, const std::string& path, uint64_t version, const OpContext& ctx) {
  if (store.traits().lists_in_order || VersionHintsAreOff()) return;
  (void)store.Put(path, Bytes::FromString("{\"version\":" + std::to_string(version) + "}"), ctx);
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

}  // namespace

Result<std::shared_ptr<const Dataset>> CommitAppend(std::shared_ptr<const Dataset> base, pb::Transaction transaction,
                                                    const WrittenColumns& written, const OpContext& ctx) {
  ObjectStore& store = *base->store();
  transaction.set_read_version(base->version());
  const std::string transaction_path = base->ObjectPath("_transactions/" + TransactionFileName(transaction));
  LANCEFS_RETURN_NOT_OK(store.Put(transaction_path, Bytes::FromString(transaction.SerializeAsString()), ctx));

  const auto handler = CommitHandler::For(store, base->path());
  std::shared_ptr<const Dataset> current = base;
  auto attempt = [&]() -> Result<std::shared_ptr<const Dataset>> {
    for (int losses = 0;; ++losses) {
      LANCEFS_ASSIGN_OR_RETURN(const pb::Manifest manifest, BuildAppend(*current, transaction));
      const std::string bytes = SerializeManifestFile(manifest, current->index_section(), &transaction);
      LANCEFS_ASSIGN_OR_RETURN(const Attempt result,
                               PutManifest(*handler, manifest.version(), current->naming(), transaction.uuid(), bytes, ctx));
      if (result == Attempt::kCommitted) {
        WriteHint(store, base->ObjectPath("_versions/latest_version_hint.json"), manifest.version(), ctx);
        return current->WithManifest(bytes);
      }
      if (losses > 0) LANCEFS_RETURN_NOT_OK(Backoff(losses, ctx));
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t latest, current->LatestVersion(ctx));
      LANCEFS_RETURN_NOT_OK(CheckIntermediate(*base, latest, written, &current, ctx));
    }
  };
  Result<std::shared_ptr<const Dataset>> committed = attempt();
  // Nothing refers to the transaction file when the commit is known to have failed.
  if (!committed.ok() && !committed.status().Is(StatusCode::kUnknownOutcome)) (void)store.Delete(transaction_path, OpContext());
  return committed;
}

Result<std::shared_ptr<const Dataset>> CommitCreate(std::shared_ptr<ObjectStore> store, const std::string& path,
                                                    const Schema& schema, FileVersion version, pb::Transaction transaction,
                                                    const OpContext& ctx) {
  pb::Manifest manifest;
  SchemaToProto(schema, manifest.mutable_fields());
  for (const auto& [key, value] : schema.metadata) (*manifest.mutable_schema_metadata())[key] = value;
  manifest.mutable_data_format()->set_file_format("lance");
  manifest.mutable_data_format()->set_version(std::string(FileVersionName(version)));
  transaction.set_read_version(0);
  StampManifest(transaction, 1, &manifest);
  LANCEFS_RETURN_NOT_OK(AddFragments(transaction.overwrite().fragments(), &manifest));
  RecomputeFlags(0, 0, &manifest);

  const std::string transaction_path = Join(path, "_transactions/" + TransactionFileName(transaction));
  LANCEFS_RETURN_NOT_OK(store->Put(transaction_path, Bytes::FromString(transaction.SerializeAsString()), ctx));
  const auto handler = CommitHandler::For(*store, path);
  const std::string bytes = SerializeManifestFile(manifest, "", &transaction);
  auto attempt = [&]() -> Result<std::shared_ptr<const Dataset>> {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ManifestLocation> latest, handler->FindLatest(ctx));
    if (latest) return Status::AlreadyExists("there is a dataset already at " + store->name() + "/" + path);
    LANCEFS_ASSIGN_OR_RETURN(const Attempt result, PutManifest(*handler, 1, ManifestNaming::kV2, transaction.uuid(), bytes, ctx));
    if (result == Attempt::kLost)
      return Status::AlreadyExists("another writer created the dataset at " + store->name() + "/" + path);
    WriteHint(*store, Join(path, "_versions/latest_version_hint.json"), 1, ctx);
    OpenOptions options;
    options.version = 1;
    return Dataset::Open(store, path, options, ctx);
  };
  Result<std::shared_ptr<const Dataset>> created = attempt();
  if (!created.ok() && !created.status().Is(StatusCode::kUnknownOutcome)) (void)store->Delete(transaction_path, OpContext());
  return created;
}

std::string RandomUuidBytes() {
  std::random_device device;
  std::string bytes(16, '\0');
  for (size_t i = 0; i < 16; i += 4) StoreLittleEndian(bytes.data() + i, static_cast<uint32_t>(device()));
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  return bytes;
}

std::string UuidText(const std::string& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[static_cast<uint8_t>(bytes[i]) >> 4];
    text += kHex[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return text;
}

std::string RandomDataFileName() {
  const std::string bytes = RandomUuidBytes();
  std::string name;
  for (size_t i = 0; i < 3; ++i) {
    for (int bit = 7; bit >= 0; --bit) name += ((static_cast<uint8_t>(bytes[i]) >> bit) & 1) != 0 ? '1' : '0';
  }
  static constexpr char kHex[] = "0123456789abcdef";
  for (size_t i = 3; i < 16; ++i) {
    name += kHex[static_cast<uint8_t>(bytes[i]) >> 4];
    name += kHex[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return name + ".lance";
}

}  // namespace lancefs
