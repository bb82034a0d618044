// SPDX-License-Identifier: Apache-2.0
#include "engine/table/dataset.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/for_each_in_turn.h"
#include "base/uri.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/deletion_vector.h"
#include "engine/format/lance_file.h"
#include "engine/format/manifest_tail.h"
#include "engine/format/row_ids.h"
#include "engine/table/commit_handler.h"

namespace lancefs {
namespace {

constexpr size_t kCountsAtOnce = 32;  // requests in flight when counts are found out
constexpr char kVersionsDir[] = "_versions/";
constexpr char kTransactionsDir[] = "_transactions/";

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

std::string BranchPath(const std::string& root, const std::string& branch) {
  return branch.empty() ? root : Join(root, "tree/" + branch);
}

Result<nlohmann::json> ParseJson(const Bytes& bytes, const std::string& path) {
  nlohmann::json json = nlohmann::json::parse(bytes.view(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return Status::Corruption(path + " is no JSON object");
  return json;
}

std::string TextOr(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}
uint64_t NumberOr(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
}

Result<TagInfo> ReadTag(ObjectStore& store, const std::string& path, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store.ReadAll(path, ctx));
  LANCEFS_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(bytes, path));
  return TagInfo{TextOr(json, "branch"), NumberOr(json, "version")};
}

void AttachDictionaries(const v1::Dictionaries& dictionaries, Field* field) {
  const auto values = dictionaries.find(field->id);
  if (values != dictionaries.end()) field->dictionary = values->second;
  for (Field& child : field->children) AttachDictionaries(dictionaries, &child);
}

// Writers that left no name in the manifest also left wrong row counts; 0 says that there is none.
bool RowsUnknown(const pb::Manifest& manifest, const pb::DataFragment& fragment) {
  return fragment.files_size() > 0 && (fragment.physical_rows() == 0 || !manifest.has_writer_version());
}
bool DeletedRowsUnknown(const pb::DataFragment& fragment) {
  return fragment.has_deletion_file() && fragment.deletion_file().num_deleted_rows() == 0;
}

// Reads the references of a listing, all at once, and gives each with its name, which names of objects have percent-encoded.
Status ForEachRef(ObjectStore& store, const ListResult& listing, const OpContext& ctx,
                  const std::function<void(std::string, const nlohmann::json&)>& visit) {
  std::vector<std::pair<const ObjectMeta*, Future<std::vector<Bytes>>>> reads;
  for (const ObjectMeta& object : listing.objects) {
    if (object.path.ends_with(".json")) reads.emplace_back(&object, store.ReadRangesAsync(object.path, {{0, object.size}}, ctx));
  }
  for (auto& [object, future] : reads) {
    Result<std::vector<Bytes>> parts = future.Get(ctx);
    Result<Bytes> bytes = parts.ok() ? Result<Bytes>((*parts)[0]) : parts.status();
    // Written anew since it was listed.
    if (!parts.ok() && parts.status().Is(StatusCode::kCorruption)) bytes = store.ReadAll(object->path, ctx);
    if (!bytes.ok()) {
      if (bytes.status().Is(StatusCode::kNotFound)) continue;  // deleted meanwhile
      return bytes.status();
    }
    LANCEFS_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(*bytes, object->path));
    const size_t start = object->path.rfind('/') + 1;
    LANCEFS_ASSIGN_OR_RETURN(std::string name, PercentDecode(object->path.substr(start, object->path.size() - start - 5)));
    visit(std::move(name), json);
  }
  return Status::OK();
}

// The parts of a manifest file that was found, and read as far as the manifest itself takes.
Result<ManifestFile> ParseStored(ObjectStore& store, const StoredManifest& found, const OpContext& ctx) {
  if (found.offset == 0) return ParseManifestFile(found.bytes);
  LANCEFS_ASSIGN_OR_RETURN(ManifestTail tail, ParseManifestTail(found.bytes, found.offset));
  if (tail.needs_all) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store.ReadAll(found.path, ctx));
    return ParseManifestFile(bytes);
  }
  if (tail.index_section.length > 0) {
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> section, store.ReadRanges(found.path, {tail.index_section}, ctx));
    LANCEFS_ASSIGN_OR_RETURN(tail.file.index_section, CutIndexSection(section[0]));
  }
  return std::move(tail.file);
}

}  // namespace

// What the versions of one dataset share. Opened files are kept for their metadata; the least
// recently used go first.
struct Dataset::Shared {
  static constexpr size_t kMaxFiles = 512;

  decltype(OpenOptions::resolve_base) resolve_base;

  std::mutex mutex;
  struct FileEntry {
    std::shared_ptr<LanceFile> file;
    std::list<std::string>::iterator position;
  };
  std::unordered_map<std::string, FileEntry> files;                                  // guarded by mutex, by path
  std::list<std::string> recent;                                                     // guarded by mutex, most recent first
  std::unordered_map<std::string, std::shared_ptr<const DeletionVector>> deletions;  // guarded by mutex, by path
  std::unordered_map<std::string, uint64_t> rows;                                    // guarded by mutex, by data file
  std::unordered_map<std::string, std::shared_ptr<const RowIdSequence>> row_ids;     // guarded by mutex, by sequence bytes
  std::unordered_map<std::string, ResolvedBase> bases;                               // guarded by mutex, by URI
};

Dataset::~Dataset() = default;

std::string Dataset::ObjectPath(const std::string& name) const { return Join(path_, name); }

int64_t Dataset::timestamp_ns() const {
  constexpr int64_t kNanos = 1'000'000'000;
  if (!manifest_->has_timestamp()) return 0;
  const int64_t seconds = manifest_->timestamp().seconds();
  // Times that no 64-bit count of nanoseconds reaches are nobody's commit.
  if (seconds > INT64_MAX / kNanos - 1 || seconds < INT64_MIN / kNanos + 1) return 0;
  return seconds * kNanos + manifest_->timestamp().nanos();
}

Result<std::shared_ptr<const Dataset>> Dataset::FromManifestFile(std::shared_ptr<ObjectStore> store, std::string root,
                                                                 std::string branch, std::string path, ManifestNaming naming,
                                                                 ManifestFile file, std::shared_ptr<Shared> shared,
                                                                 const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(CheckReaderFlags(*file.manifest));
  std::shared_ptr<Dataset> dataset(new Dataset);
  dataset->store_ = std::move(store);
  dataset->root_ = std::move(root);
  dataset->path_ = std::move(path);
  dataset->branch_ = std::move(branch);
  dataset->naming_ = naming;
  dataset->manifest_ = std::move(file.manifest);
  dataset->index_section_ = std::move(file.index_section);
  if (file.transaction) dataset->transaction_ = std::make_shared<const pb::Transaction>(std::move(*file.transaction));
  dataset->shared_ = std::move(shared);
  // A branch opened by its own folder: its tags and sister branches are those of the whole dataset.
  const std::string& own_branch = dataset->manifest_->branch();
  if (dataset->branch_.empty() && !own_branch.empty() && dataset->path_.ends_with("tree/" + own_branch)) {
    std::string_view above = dataset->path_;
    above.remove_suffix(5 + own_branch.size());
    if (above.empty() || above.ends_with('/')) {
      if (!above.empty()) above.remove_suffix(1);
      dataset->branch_ = own_branch;
      dataset->root_ = std::string(above);
    }
  }
  LANCEFS_ASSIGN_OR_RETURN(dataset->schema_, SchemaFromManifest(*dataset->manifest_));
  for (Field& field : dataset->schema_.fields) AttachDictionaries(file.dictionaries, &field);
  LANCEFS_RETURN_NOT_OK(CheckStorageContract(*dataset->manifest_, dataset->schema_));
  LANCEFS_ASSIGN_OR_RETURN(dataset->data_version_, DataVersion(*dataset->manifest_));
  Schema seen = dataset->schema_;
  for (Field& field : seen.fields) field = WithBlobBytes(field);
  dataset->arrow_schema_ = seen.ToArrow();
  LANCEFS_RETURN_NOT_OK(dataset->CompleteCounts(ctx));
  for (const pb::DataFragment& fragment : dataset->manifest_->fragments()) {
    FragmentInfo info{fragment.id(), fragment.physical_rows(),
                      fragment.has_deletion_file() ? fragment.deletion_file().num_deleted_rows() : 0};
    if (info.physical_rows > UINT32_MAX || info.deleted_rows > info.physical_rows) {
      return Status::Corruption("fragment " + std::to_string(info.id) + " has " + std::to_string(info.physical_rows) +
                                " rows and " + std::to_string(info.deleted_rows) + " deleted ones");
    }
    if (dataset->stable_row_ids() && !fragment.has_inline_row_ids() && !fragment.has_column_row_ids()) {
      return Status::Corruption("fragment " + std::to_string(info.id) + " has no row ids, but the table has the feature " +
                                FlagNames(kFlagStableRowIds));
    }
    dataset->num_rows_ += info.rows();
    for (const pb::DataFile& data_file : fragment.files()) dataset->data_bytes_ += data_file.file_size_bytes();
    dataset->fragments_.push_back(info);
  }
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

// The counts that the manifest lacks, from the fragment's first data file and its deletion file.
Status Dataset::CompleteCounts(pb::DataFragment* fragment, const OpContext& ctx) const {
  if (RowsUnknown(*manifest_, *fragment)) {
    const pb::DataFile& file = fragment->files(0);
    const std::string key = (file.has_base_id() ? std::to_string(file.base_id()) : "") + "/" + file.path();
    uint64_t rows = 0;
    bool known = false;
    {
      std::lock_guard lock(shared_->mutex);
      const auto found = shared_->rows.find(key);
      known = found != shared_->rows.end();
      if (known) rows = found->second;
    }
    if (!known) {
      LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<LanceFile> opened, OpenDataFile(file, ctx));
      LANCEFS_ASSIGN_OR_RETURN(rows, opened->CountRows(ctx));
      std::lock_guard lock(shared_->mutex);
      shared_->rows[key] = rows;
    }
    fragment->set_physical_rows(rows);
  }
  if (DeletedRowsUnknown(*fragment)) {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<const DeletionVector> deletions, ReadDeletions(*fragment, ctx));
    fragment->mutable_deletion_file()->set_num_deleted_rows(deletions->Count());
  }
  return Status::OK();
}

// Completes the manifest in memory, so that nobody needs to know of old writers.
Status Dataset::CompleteCounts(const OpContext& ctx) {
  std::vector<int> incomplete;
  for (int i = 0; i < manifest_->fragments_size(); ++i) {
    const pb::DataFragment& fragment = manifest_->fragments(i);
    if (RowsUnknown(*manifest_, fragment) || DeletedRowsUnknown(fragment)) incomplete.push_back(i);
  }
  if (incomplete.empty()) return Status::OK();
  auto completed = std::make_shared<pb::Manifest>(*manifest_);
  LANCEFS_RETURN_NOT_OK(ForEachInTurn(incomplete.size(), kCountsAtOnce, [&](size_t i) {
    pb::DataFragment* fragment = completed->mutable_fragments(incomplete[i]);
    const Status status = CompleteCounts(fragment, ctx);
    return status.ok() ? status : status.WithContext("fragment " + std::to_string(fragment->id()));
  }));
  manifest_ = std::move(completed);
  return Status::OK();
}

Result<std::shared_ptr<const Dataset>> Dataset::Open(std::shared_ptr<ObjectStore> store, std::string path,
                                                     const OpenOptions& options, const OpContext& ctx) {
  std::string branch = options.branch;
  std::optional<uint64_t> version = options.version;
  if (!options.tag.empty()) {
    if (version) return Status::InvalidArgument("give a version or a tag, not both");
    const std::string tag_path = Join(path, "_refs/tags/" + options.tag + ".json");
    Result<TagInfo> tag = ReadTag(*store, tag_path, ctx);
    if (!tag.ok()) {
      if (tag.status().Is(StatusCode::kNotFound)) return Status::NotFound("there is no tag '" + options.tag + "'");
      return tag.status();
    }
    branch = tag->branch;
    version = tag->version;
  }
  const std::string branch_path = BranchPath(path, branch);
  const std::string where = store->name() + (branch_path.empty() ? "" : "/" + branch_path);
  auto shared = std::make_shared<Shared>();
  shared->resolve_base = options.resolve_base;

  const auto handler = CommitHandler::For(*store, branch_path);
  Result<StoredManifest> found = Status::Internal("not read");
  if (version) {
    found = handler->ReadVersion(*version, ManifestNaming::kV2, ctx);
    if (found.status().Is(StatusCode::kNotFound))
      return Status::NotFound("version " + std::to_string(*version) + " does not exist in " + where);
  } else {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ManifestLocation> latest, handler->FindLatest(ctx));
    if (!latest) return Status::NotFound("no Lance dataset at " + where);
    found = handler->Read(*latest, ctx);
    if (found.status().Is(StatusCode::kNotFound))
      return Status::Stale("the newest version of " + where + " disappeared while it was opened");
  }
  if (!found.ok()) return found.status();
  Result<ManifestFile> file = ParseStored(*store, *found, ctx);
  if (!file.ok()) return file.status().WithContext(found->path);
  return FromManifestFile(std::move(store), std::move(path), std::move(branch), branch_path, found->naming, std::move(*file),
                          std::move(shared), ctx);
}

Result<std::shared_ptr<const Dataset>> Dataset::FromStored(const Result<StoredManifest>& found, uint64_t version,
                                                           const OpContext& ctx) const {
  if (!found.ok()) {
    if (found.status().Is(StatusCode::kNotFound))
      return Status::NotFound("version " + std::to_string(version) + " does not exist");
    return found.status();
  }
  Result<ManifestFile> file = ParseStored(*store_, *found, ctx);
  if (!file.ok()) return file.status().WithContext(found->path);
  return FromManifestFile(store_, root_, branch_, path_, found->naming, std::move(*file), shared_, ctx);
}

Result<std::shared_ptr<const Dataset>> Dataset::Checkout(uint64_t version, const OpContext& ctx) const {
  if (version == this->version()) return shared_from_this();
  return FromStored(CommitHandler::For(*store_, path_)->ReadVersion(version, naming_, ctx), version, ctx);
}

Result<std::shared_ptr<const Dataset>> Dataset::WithManifest(const std::string& file) const {
  LANCEFS_ASSIGN_OR_RETURN(ManifestFile parsed, ParseManifestFile(Bytes::FromString(file)));
  return FromManifestFile(store_, root_, branch_, path_, naming_, std::move(parsed), shared_, OpContext());
}

Result<uint64_t> Dataset::LatestVersion(const OpContext& ctx) const {
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ManifestLocation> latest, CommitHandler::For(*store_, path_)->FindLatest(ctx));
  if (!latest) return Status::Stale("the dataset " + store_->name() + "/" + path_ + " is gone");
  return latest->version;
}

Result<std::shared_ptr<const Dataset>> Dataset::Latest(const OpContext& ctx) const {
  const auto handler = CommitHandler::For(*store_, path_);
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ManifestLocation> latest, handler->FindLatest(ctx));
  if (!latest) return Status::Stale("the dataset " + store_->name() + "/" + path_ + " is gone");
  if (latest->version == version() && latest->naming == naming_) return shared_from_this();
  return FromStored(handler->Read(*latest, ctx), latest->version, ctx);
}

uint64_t Dataset::FirstRow(size_t index) const {
  uint64_t rows = 0;
  for (size_t i = 0; i < index; ++i) rows += fragments_[i].rows();
  return rows;
}

Result<std::vector<VersionInfo>> Dataset::ListVersions(const OpContext& ctx) const {
  ListRequest request;
  request.prefix = ObjectPath(kVersionsDir);
  LANCEFS_ASSIGN_OR_RETURN(const ListResult listing, store_->List(request, ctx));
  std::vector<VersionInfo> versions;
  for (const ObjectMeta& object : listing.objects) {
    const auto parsed = ParseManifestName(std::string_view(object.path).substr(request.prefix.size()));
    if (parsed) versions.push_back({parsed->version, object.last_modified_ns, object.size});
  }
  std::sort(versions.begin(), versions.end(), [](const VersionInfo& a, const VersionInfo& b) { return a.version < b.version; });
  return versions;
}

Result<ResolvedBase> Dataset::WholeDataset() const {
  // A local store cannot look above its own folder, so for a branch that was opened by its folder another one is needed.
  const std::string tail = "/tree/" + manifest_->branch();
  const std::string place = store_->name();
  if (!branch_.empty() || manifest_->branch().empty() || !path_.empty() || !place.ends_with(tail) || !shared_->resolve_base)
    return ResolvedBase{store_, root_};
  return shared_->resolve_base(place.substr(0, place.size() - tail.size()), std::nullopt);
}

Result<std::shared_ptr<const Dataset>> Dataset::OpenRef(OpenOptions options, const OpContext& ctx) const {
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase whole, WholeDataset());
  options.resolve_base = shared_->resolve_base;
  return Open(whole.store, whole.path, options, ctx);
}

Result<std::map<std::string, TagInfo>> Dataset::ListTags(const OpContext& ctx) const {
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase whole, WholeDataset());
  ListRequest request;
  request.prefix = Join(whole.path, "_refs/tags/");
  LANCEFS_ASSIGN_OR_RETURN(const ListResult listing, whole.store->List(request, ctx));
  std::map<std::string, TagInfo> tags;
  LANCEFS_RETURN_NOT_OK(ForEachRef(*whole.store, listing, ctx, [&](std::string name, const nlohmann::json& json) {
    tags[std::move(name)] = TagInfo{TextOr(json, "branch"), NumberOr(json, "version")};
  }));
  return tags;
}

Result<std::map<std::string, BranchInfo>> Dataset::ListBranches(const OpContext& ctx) const {
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase whole, WholeDataset());
  ListRequest request;
  request.prefix = Join(whole.path, "_refs/branches/");
  LANCEFS_ASSIGN_OR_RETURN(const ListResult listing, whole.store->List(request, ctx));
  std::map<std::string, BranchInfo> branches;
  LANCEFS_RETURN_NOT_OK(ForEachRef(*whole.store, listing, ctx, [&](std::string name, const nlohmann::json& json) {
    branches[std::move(name)] = BranchInfo{TextOr(json, "parentBranch"), NumberOr(json, "parentVersion")};
  }));
  return branches;
}

Result<std::optional<pb::Transaction>> Dataset::Transaction(const OpContext& ctx) const {
  if (transaction_ != nullptr) return std::optional<pb::Transaction>(*transaction_);
  // Of a large file the copy was left out.
  if (manifest_->has_transaction_section() || manifest_->has_transaction_section_deprecated()) {
    const Result<Bytes> whole = store_->ReadAll(ObjectPath(kVersionsDir + ManifestName(version(), naming_)), ctx);
    if (!whole.ok() && !whole.status().Is(StatusCode::kNotFound)) return whole.status();
    Result<ManifestFile> file = whole.ok() ? ParseManifestFile(*whole) : Result<ManifestFile>(whole.status());
    if (file.ok() && file->transaction) return std::move(file->transaction);
  }
  if (manifest_->transaction_file().empty()) return std::optional<pb::Transaction>();
  const Result<Bytes> bytes = store_->ReadAll(ObjectPath(kTransactionsDir + manifest_->transaction_file()), ctx);
  if (!bytes.ok()) {
    if (bytes.status().Is(StatusCode::kNotFound)) return std::optional<pb::Transaction>();
    return bytes.status();
  }
  pb::Transaction transaction;
  if (!transaction.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
    return Status::Corruption("the transaction file " + manifest_->transaction_file() + " cannot be parsed");
  }
  return std::optional<pb::Transaction>(std::move(transaction));
}

Result<ResolvedBase> Dataset::Resolve(const std::string& uri, std::optional<uint32_t> base_id) const {
  const std::string key = base_id ? uri + "#" + std::to_string(*base_id) : uri;
  {
    std::lock_guard lock(shared_->mutex);
    const auto known = shared_->bases.find(key);
    if (known != shared_->bases.end()) return known->second;
  }
  if (!shared_->resolve_base)
    return Status::NotSupported("the dataset has files at " + uri + ", which cannot be opened from here");
  LANCEFS_ASSIGN_OR_RETURN(ResolvedBase resolved, shared_->resolve_base(uri, base_id));
  std::lock_guard lock(shared_->mutex);
  return shared_->bases.try_emplace(key, std::move(resolved)).first->second;
}

const pb::BasePath* Dataset::FindBase(uint32_t base_id) const {
  const pb::BasePath* base = nullptr;
  for (const pb::BasePath& candidate : manifest_->base_paths()) {
    if (candidate.id() == base_id) base = &candidate;
  }
  return base;
}

Result<ResolvedBase> Dataset::BasePath(uint32_t base_id) const {
  const pb::BasePath* base = FindBase(base_id);
  if (base == nullptr) return Status::Corruption("the manifest has no base path " + std::to_string(base_id));
  return Resolve(base->path(), base_id);
}

Result<ResolvedBase> Dataset::Directory(std::optional<uint32_t> base_id, const std::string& kind) const {
  if (!base_id) return ResolvedBase{store_, kind.empty() ? path_ : ObjectPath(kind)};
  const pb::BasePath* base = FindBase(*base_id);
  if (base == nullptr) return Status::Corruption("the manifest names the unknown base path " + std::to_string(*base_id));
  if (kind.empty() && !base->is_dataset_root())
    return Status::Corruption("base path " + std::to_string(*base_id) + " is no dataset root");
  LANCEFS_ASSIGN_OR_RETURN(ResolvedBase resolved, Resolve(base->path(), *base_id));
  if (base->is_dataset_root() && !kind.empty()) resolved.path = Join(resolved.path, kind);
  return resolved;
}

Result<std::shared_ptr<const DeletionVector>> Dataset::Deletions(size_t index, const OpContext& ctx) const {
  return ReadDeletions(manifest_->fragments(static_cast<int>(index)), ctx);
}

Result<std::shared_ptr<const DeletionVector>> Dataset::ReadDeletions(const pb::DataFragment& fragment,
                                                                     const OpContext& ctx) const {
  if (!fragment.has_deletion_file()) return std::shared_ptr<const DeletionVector>();
  const pb::DeletionFile& file = fragment.deletion_file();
  const std::optional<uint32_t> base_id = file.has_base_id() ? std::optional<uint32_t>(file.base_id()) : std::nullopt;
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase directory, Directory(base_id, ""));
  const std::string path = Join(directory.path, DeletionFilePath(fragment.id(), file));
  // With the rows, so that a broken manifest cannot get offsets that were checked against another fragment.
  const std::string key = directory.store->name() + "/" + path + "#" + std::to_string(fragment.physical_rows());
  {
    std::lock_guard lock(shared_->mutex);
    const auto known = shared_->deletions.find(key);
    if (known != shared_->deletions.end()) return known->second;
  }
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, directory.store->ReadAll(path, ctx));
  Result<std::shared_ptr<const DeletionVector>> parsed = DeletionVector::Parse(file, bytes, fragment.physical_rows());
  if (!parsed.ok()) return parsed.status().WithContext("deletion file " + path);
  std::lock_guard lock(shared_->mutex);
  return shared_->deletions.try_emplace(key, *parsed).first->second;
}

Result<std::shared_ptr<LanceFile>> Dataset::OpenDataFile(const pb::DataFile& file, const OpContext& ctx) const {
  const std::optional<uint32_t> base_id = file.has_base_id() ? std::optional<uint32_t>(file.base_id()) : std::nullopt;
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase directory, Directory(base_id, "data"));
  const std::string path = Join(directory.path, file.path());
  const std::string key = directory.store->name() + "/" + path;
  {
    std::lock_guard lock(shared_->mutex);
    const auto known = shared_->files.find(key);
    if (known != shared_->files.end()) {
      shared_->recent.splice(shared_->recent.begin(), shared_->recent, known->second.position);
      return known->second.file;
    }
  }
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<LanceFile> opened,
                           LanceFile::Open(directory.store, path, file.file_size_bytes(), ctx));
  std::lock_guard lock(shared_->mutex);
  const auto known = shared_->files.find(key);
  if (known != shared_->files.end()) return known->second.file;  // another thread was first
  shared_->recent.push_front(key);
  shared_->files[key] = {opened, shared_->recent.begin()};
  while (shared_->files.size() > Shared::kMaxFiles) {
    shared_->files.erase(shared_->recent.back());
    shared_->recent.pop_back();
  }
  return opened;
}

Result<std::shared_ptr<const RowIdSequence>> Dataset::RowIds(size_t index, const OpContext&) const {
  const pb::DataFragment& fragment = manifest_->fragments(static_cast<int>(index));
  if (!fragment.has_inline_row_ids())
    return Status::Internal("the row ids of fragment " + std::to_string(fragment.id()) + " are not in the manifest");
  const std::string key = std::to_string(fragment.physical_rows()) + ":" + fragment.inline_row_ids();
  {
    std::lock_guard lock(shared_->mutex);
    const auto known = shared_->row_ids.find(key);
    if (known != shared_->row_ids.end()) return known->second;
  }
  Result<RowIdSequence> ids = RowIdSequence::Parse(
      std::span(reinterpret_cast<const uint8_t*>(fragment.inline_row_ids().data()), fragment.inline_row_ids().size()),
      fragment.physical_rows());
  if (!ids.ok()) return ids.status().WithContext("row ids of fragment " + std::to_string(fragment.id()));
  std::lock_guard lock(shared_->mutex);
  return shared_->row_ids.try_emplace(key, std::make_shared<const RowIdSequence>(std::move(*ids))).first->second;
}

Result<std::vector<std::string>> ListTables(ObjectStore& store, const std::string& path, const OpContext& ctx) {
  ListRequest request;
  request.prefix = path.empty() ? "" : path + "/";
  LANCEFS_ASSIGN_OR_RETURN(const ListResult listing, store.List(request, ctx));
  std::vector<std::string> tables;
  for (const std::string& directory : listing.directories) {
    std::string name = directory.substr(request.prefix.size());
    if (name.ends_with(".lance/")) tables.push_back(name.substr(0, name.size() - 7));
  }
  std::sort(tables.begin(), tables.end());
  return tables;
}

Result<bool> IsDataset(ObjectStore& store, const std::string& path, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ManifestLocation> latest, CommitHandler::For(store, path)->FindLatest(ctx));
  return latest.has_value();
}

}  // namespace lancefs
