// SPDX-License-Identifier: Apache-2.0
//
// Dataset: one version of a Lance table, opened for reading. Everything but data is answered from
// its manifest without I/O. Other versions are Datasets of their own that share stores and caches.
//
// Thread safety: immutable; all calls, from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/object_store.h"
#include "engine/format/manifest.h"
#include "engine/format/schema.h"

namespace lancefs {

class DeletionVector;
class LanceFile;
class RowIdSequence;
struct StoredManifest;

struct VersionInfo {
  uint64_t version = 0;
  int64_t last_modified_ns = 0;  // of the manifest object (LIST), since the epoch
  uint64_t manifest_bytes = 0;
};

struct TagInfo {
  std::string branch;  // empty = main
  uint64_t version = 0;
};
struct BranchInfo {
  std::string parent_branch;  // empty = main
  uint64_t parent_version = 0;
};

struct FragmentInfo {
  uint64_t id = 0;
  uint64_t physical_rows = 0;
  uint64_t deleted_rows = 0;
  uint64_t rows() const { return physical_rows - deleted_rows; }
};

// Where a base path of the manifest (another dataset's files, docs/lance/table.md 1.3) can be read.
struct ResolvedBase {
  std::shared_ptr<ObjectStore> store;
  std::string path;
};

struct OpenOptions {
  std::optional<uint64_t> version;  // absent = latest
  std::string tag;                  // a tag's name; not together with version
  std::string branch;               // empty = main
  // Opens the store of a base path given as URI or absolute path, and its number in the manifest if it has one; null =
  // datasets with base paths can be opened, but reading a file behind one is an error.
  std::function<Result<ResolvedBase>(const std::string& uri, std::optional<uint32_t> base_id)> resolve_base;
};

class Dataset : public std::enable_shared_from_this<Dataset> {
 public:
  ~Dataset();

  // Opens the dataset whose root is `path` in `store`; a branch's own folder ("<root>/tree/<branch>") will do, too. 2 requests;
  // more for manifests above 128 KiB, and for tables of old writers whose manifest does not tell how many rows their files have.
  // Errors: kNotFound (no dataset, version, tag or branch of that name), kCorruption, kNotSupported (flags).
  static Result<std::shared_ptr<const Dataset>> Open(std::shared_ptr<ObjectStore> store, std::string path,
                                                     const OpenOptions& options, const OpContext& ctx);
  // Another version of the same dataset and branch. 1-2 requests; none for this dataset's own version.
  Result<std::shared_ptr<const Dataset>> Checkout(uint64_t version, const OpContext& ctx) const;
  // A version, tag or branch of the whole dataset that this is a branch of, or is; `options.resolve_base` is this one's.
  Result<std::shared_ptr<const Dataset>> OpenRef(OpenOptions options, const OpContext& ctx) const;
  // The version that a manifest file which was just written makes; no I/O, as its counts are known. REQUIRES: `file` is of
  // this dataset.
  Result<std::shared_ptr<const Dataset>> WithManifest(const std::string& file) const;
  // The newest version: this object again when it still is (one cheap request).
  Result<std::shared_ptr<const Dataset>> Latest(const OpContext& ctx) const;
  // The number of the newest version (one request).
  Result<uint64_t> LatestVersion(const OpContext& ctx) const;

  uint64_t version() const { return manifest_->version(); }
  // Commit time, nanoseconds since the epoch, UTC; 0 if the manifest has none.
  int64_t timestamp_ns() const;
  // As it was read; counts of rows and deletions that an old writer left out are filled in.
  const pb::Manifest& manifest() const { return *manifest_; }
  const std::string& index_section() const { return index_section_; }
  const Schema& schema() const { return schema_; }
  // The columns as filters see them: the schema with the bytes of blobs in place of their descriptors.
  const std::shared_ptr<arrow::Schema>& arrow_schema() const { return arrow_schema_; }
  FileVersion data_version() const { return data_version_; }
  ManifestNaming naming() const { return naming_; }
  const std::string& branch() const { return branch_; }  // empty = main
  bool stable_row_ids() const { return (manifest_->reader_feature_flags() & kFlagStableRowIds) != 0; }

  const std::vector<FragmentInfo>& fragments() const { return fragments_; }  // in manifest order
  uint64_t num_rows() const { return num_rows_; }                            // live rows
  uint64_t data_bytes() const { return data_bytes_; }                        // of all data files, as far as the manifest knows

  const std::shared_ptr<ObjectStore>& store() const { return store_; }
  const std::string& path() const { return path_; }  // of this branch's directory
  const std::string& root() const { return root_; }  // of main's
  // "<path>/<name>" or just `name` at the store's root.
  std::string ObjectPath(const std::string& name) const;

  // All versions that exist, ascending; one LIST per 1,000.
  Result<std::vector<VersionInfo>> ListVersions(const OpContext& ctx) const;
  // Names -> tags and branches of the whole dataset.
  Result<std::map<std::string, TagInfo>> ListTags(const OpContext& ctx) const;
  Result<std::map<std::string, BranchInfo>> ListBranches(const OpContext& ctx) const;
  // The transaction that made this version, if it can be found.
  Result<std::optional<pb::Transaction>> Transaction(const OpContext& ctx) const;

  // Where fragment `index` starts in the order of live rows.
  uint64_t FirstRow(size_t index) const;

  // For readers: the deleted offsets of fragment `index` (null = none) and the opened data file.
  Result<std::shared_ptr<const DeletionVector>> Deletions(size_t index, const OpContext& ctx) const;
  Result<std::shared_ptr<LanceFile>> OpenDataFile(const pb::DataFile& file, const OpContext& ctx) const;
  // The stable row ids of a fragment in physical order. REQUIRES: stable_row_ids(), and they are in the manifest, not in a
  // column of a data file (FragmentReader::RowIds reads both).
  Result<std::shared_ptr<const RowIdSequence>> RowIds(size_t index, const OpContext& ctx) const;

  // What an absolute URI or path that the manifest or a row names can be read with; stores are kept.
  Result<ResolvedBase> Resolve(const std::string& uri, std::optional<uint32_t> base_id = std::nullopt) const;
  // The base path `base_id` itself, whatever lies under it.
  Result<ResolvedBase> BasePath(uint32_t base_id) const;
  // The directory of data files (`kind` is "data") or the root for others ("") and its store.
  Result<ResolvedBase> Directory(std::optional<uint32_t> base_id, const std::string& kind) const;

 private:
  const pb::BasePath* FindBase(uint32_t base_id) const;  // null = none

  struct Shared;  // caches that the versions of one dataset share
  Dataset() = default;
  static Result<std::shared_ptr<const Dataset>> FromManifestFile(std::shared_ptr<ObjectStore> store, std::string root,
                                                                 std::string branch, std::string path, ManifestNaming naming,
                                                                 ManifestFile file, std::shared_ptr<Shared> shared,
                                                                 const OpContext& ctx);
  Status CompleteCounts(const OpContext& ctx);
  Status CompleteCounts(pb::DataFragment* fragment, const OpContext& ctx) const;
  Result<std::shared_ptr<const DeletionVector>> ReadDeletions(const pb::DataFragment& fragment, const OpContext& ctx) const;
  Result<std::shared_ptr<const Dataset>> FromStored(const Result<StoredManifest>& found, uint64_t version,
                                                    const OpContext& ctx) const;
  // Where the tags and branches of the whole dataset lie.
  Result<ResolvedBase> WholeDataset() const;

  std::shared_ptr<ObjectStore> store_;
  std::string root_;  // of main
  std::string path_;  // of this branch
  std::string branch_;
  ManifestNaming naming_ = ManifestNaming::kV2;
  std::shared_ptr<const pb::Manifest> manifest_;
  std::string index_section_;
  std::shared_ptr<const pb::Transaction> transaction_;  // inline copy; may be null
  Schema schema_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  FileVersion data_version_ = FileVersion::kV2_2;
  std::vector<FragmentInfo> fragments_;
  uint64_t num_rows_ = 0;
  uint64_t data_bytes_ = 0;
  std::shared_ptr<Shared> shared_;
};

// The tables of a database root: names of the `*.lance` directories under `path`, without the suffix.
Result<std::vector<std::string>> ListTables(ObjectStore& store, const std::string& path, const OpContext& ctx);
// Whether `path` is a dataset (has a manifest) or may be a database root.
Result<bool> IsDataset(ObjectStore& store, const std::string& path, const OpContext& ctx);

}  // namespace lancefs
