// SPDX-License-Identifier: Apache-2.0
#include "fs/table.h"

#include <algorithm>

#include "fs/text.h"

namespace lancefs {
namespace {

constexpr auto kImmutable = std::chrono::hours(24 * 365);
constexpr size_t kMaxPinned = 256;

}  // namespace

Mount::Mount(FilesystemOptions mount_options) : options(std::move(mount_options)), started_ns(NowNs()) {
  ResultCache::Options results;
  results.spill_directory = options.state_directory.empty() ? "/tmp" : options.state_directory + "/spill";
  results.spill_bytes = options.spill_bytes;
  results_ = std::make_unique<ResultCache>(std::move(results));
  rows_ = std::make_unique<RowCache>();
}

NodePtr Mount::Intern(const std::string& key, const std::function<NodePtr()>& make) {
  std::lock_guard lock(mutex_);
  std::weak_ptr<Node>& slot = nodes_[key];
  if (NodePtr node = slot.lock()) return node;
  NodePtr node = make();
  slot = node;
  if (nodes_.size() >= sweep_at_) {
    std::erase_if(nodes_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(1024, nodes_.size() * 2);
  }
  return node;
}

namespace {

// The mount's way to open base paths, for the table `uri`.
decltype(OpenOptions::resolve_base) ResolveBaseOf(const Mount& mount, const std::string& uri) {
  if (!mount.options.resolve_base) return nullptr;
  return [resolve = mount.options.resolve_base, uri](const std::string& base_uri, std::optional<uint32_t> base_id) {
    return resolve(uri, base_uri, base_id);
  };
}

}  // namespace

Table::Table(std::shared_ptr<Mount> mount, std::string path, std::string uri, std::string name, bool may_be_absent,
             std::string branch)
    : mount_(std::move(mount)),
      uri_(std::move(uri)),
      name_(std::move(name)),
      key_(KeyOf(uri_, branch)),
      live_(std::make_shared<LiveTable>(LiveTable::Options{mount_->StoreOf(name_), std::move(path), uri_, name_,
                                                           mount_->options.refresh, may_be_absent, ResolveBaseOf(*mount_, uri_),
                                                           std::move(branch)})) {
  if (may_be_absent) schema_ = std::make_shared<SchemaArea>(AreaOptions());
  using VersionList = std::shared_ptr<const std::vector<VersionInfo>>;
  versions_ = std::make_shared<Refreshed<VersionList>>([live = live_](const OpContext& ctx) -> Result<VersionList> {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, live->Current(ctx));
    if (!dataset) return VersionList(std::make_shared<std::vector<VersionInfo>>());
    LANCEFS_ASSIGN_OR_RETURN(std::vector<VersionInfo> list, dataset->ListVersions(ctx));
    return VersionList(std::make_shared<std::vector<VersionInfo>>(std::move(list)));
  });
  // The same of the dataset, whichever branch asks.
  tags_ = std::make_shared<Refreshed<std::shared_ptr<const TagMap>>>(
      [live = live_](const OpContext& ctx) -> Result<std::shared_ptr<const TagMap>> {
        LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, live->Current(ctx));
        if (!dataset) return std::make_shared<const TagMap>();
        LANCEFS_ASSIGN_OR_RETURN(TagMap tags, dataset->ListTags(ctx));
        return std::make_shared<const TagMap>(std::move(tags));
      });
  branches_ = std::make_shared<Refreshed<std::shared_ptr<const BranchMap>>>(
      [live = live_](const OpContext& ctx) -> Result<std::shared_ptr<const BranchMap>> {
        LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, live->Current(ctx));
        if (!dataset) return std::make_shared<const BranchMap>();
        LANCEFS_ASSIGN_OR_RETURN(BranchMap branches, dataset->ListBranches(ctx));
        return std::make_shared<const BranchMap>(std::move(branches));
      });
}

Result<Table::DatasetPtr> Table::Newest(const Scope& scope) { return live_->Current(scope.Soon(), scope.may_wait); }

std::shared_ptr<Table::CachedDataset> Table::Cached(uint64_t version) {
  std::lock_guard lock(mutex_);
  auto it = pinned_.find(version);
  if (it != pinned_.end()) {
    pinned_order_.splice(pinned_order_.end(), pinned_order_, std::find(pinned_order_.begin(), pinned_order_.end(), version));
    return it->second;
  }
  auto cached = std::make_shared<CachedDataset>([live = live_, version](const OpContext& ctx) -> Result<DatasetPtr> {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, live->Current(ctx));
    if (!dataset) return Status::NotFound("the table does not exist yet");
    return dataset->Checkout(version, ctx);
  });
  pinned_.emplace(version, cached);
  pinned_order_.push_back(version);
  if (pinned_.size() > kMaxPinned) {
    pinned_.erase(pinned_order_.front());
    pinned_order_.pop_front();
  }
  return cached;
}

Result<Table::DatasetPtr> Table::At(uint64_t version, const Scope& scope) {
  Result<DatasetPtr> newest = live_->Current(scope.Soon(), /*may_wait=*/false);
  if (newest.ok() && *newest && (*newest)->version() == version) return newest;
  return Cached(version)->Get(kImmutable, scope.Soon(), scope.may_wait);
}

std::shared_ptr<const Dataset> Table::PeekAt(uint64_t version) {
  {
    std::lock_guard lock(mutex_);
    auto it = pinned_.find(version);
    if (it != pinned_.end()) {
      if (auto dataset = it->second->Peek()) return *dataset;
    }
  }
  Result<DatasetPtr> newest = live_->Current(OpContext(), /*may_wait=*/false);
  return newest.ok() && *newest && (*newest)->version() == version ? *newest : nullptr;
}

int64_t Table::KnownTime(uint64_t version) {
  if (DatasetPtr dataset = PeekAt(version)) return dataset->timestamp_ns();
  if (auto list = versions_->Peek()) {
    for (const VersionInfo& info : **list) {
      if (info.version == version) return info.last_modified_ns;
    }
  }
  return 0;
}

Status Table::Exists(uint64_t version, const Scope& scope) {
  if (auto list = versions_->Peek()) {
    const auto& infos = **list;
    auto it =
        std::lower_bound(infos.begin(), infos.end(), version, [](const VersionInfo& i, uint64_t v) { return i.version < v; });
    if (it != infos.end() && it->version == version) return Status::OK();
  }
  return At(version, scope).status();
}

Result<std::shared_ptr<const std::vector<VersionInfo>>> Table::Versions(const Scope& scope) {
  auto list = versions_->Get(mount_->options.refresh, scope.ctx, scope.may_wait);
  if (!list.ok()) return list;
  // A version that is known already (our own commit, or one that a look at the table found) is never missing from the list.
  Result<DatasetPtr> newest = live_->Current(OpContext(), /*may_wait=*/false);
  if (!newest.ok() || !*newest || (!(*list)->empty() && (*list)->back().version >= (*newest)->version())) return list;
  if (!scope.may_wait) return Status::Unavailable("the versions have to be listed first");
  return versions_->Reload(scope.ctx);
}

Result<std::shared_ptr<const std::map<std::string, TagInfo>>> Table::Tags(const Scope& scope) {
  return tags_->Get(mount_->options.refresh, scope.ctx, scope.may_wait);
}

void Table::AddedTag(const std::string& name, const TagInfo& tag) {
  const auto known = tags_->Peek();
  if (!known) return tags_->Invalidate();  // a list that is on its way may be without it
  TagMap tags = **known;
  tags[name] = tag;
  tags_->Set(std::make_shared<const TagMap>(std::move(tags)));
}

Result<std::shared_ptr<const std::map<std::string, BranchInfo>>> Table::Branches(const Scope& scope) {
  return branches_->Get(mount_->options.refresh, scope.ctx, scope.may_wait);
}

Result<std::shared_ptr<Table>> Table::Branch(const std::string& name, const Scope& scope) {
  LANCEFS_ASSIGN_OR_RETURN(auto branches, branches_->Get(mount_->options.refresh, scope.Soon(), scope.may_wait));
  std::lock_guard lock(mutex_);
  if (!branches->contains(name)) {
    branch_tables_.erase(name);
    return Status::NotFound("there is no branch '" + name + "'");
  }
  std::shared_ptr<Table>& table = branch_tables_[name];
  if (!table) {
    table = std::make_shared<Table>(mount_, live_->options().path, uri_, name_, /*may_be_absent=*/false, name);
  }
  return table;
}

Result<uint64_t> Table::VersionAsOf(int64_t time_ns, const Scope& scope) {
  LANCEFS_ASSIGN_OR_RETURN(auto list, Versions(scope));
  // Commit times grow with the version; the first whose time is after `time_ns` ends the search.
  size_t low = 0, high = list->size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, At((*list)[middle].version, scope));
    if (dataset->timestamp_ns() <= time_ns)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return Status::NotFound("no version is as old as " + FormatTime(time_ns));
  return (*list)[low - 1].version;
}

bool Table::may_append() const {
  return !mount_->options.read_only && mount_->options.make_append_area != nullptr && branch().empty();
}

std::shared_ptr<AppendArea> Table::AppendIfMade() {
  std::lock_guard lock(append_mutex_);
  return append_;
}

AppendAreaOptions Table::AreaOptions() const {
  AppendAreaOptions options = mount_->options.append;
  options.table = live_;
  options.log = mount_->log;
  options.state_directory = mount_->options.state_directory;
  if (!name_.empty()) options.state_directory += "/tables/" + name_;
  return options;
}

Result<std::shared_ptr<AppendArea>> Table::Append() {
  if (!may_append()) return Status::ReadOnly("this mount is read-only");
  std::lock_guard lock(append_mutex_);
  if (append_) return append_;
  const auto now = std::chrono::steady_clock::now();
  if (!append_error_.ok() && now - append_tried_ < std::chrono::seconds(1)) return append_error_;
  AppendAreaOptions options = AreaOptions();
  if (schema_) options.new_table_schema = [schema = schema_] { return schema->schema(); };
  Result<std::shared_ptr<AppendArea>> made = mount_->options.make_append_area(std::move(options));
  append_tried_ = now;
  append_error_ = made.status();
  if (made.ok()) append_ = *made;
  return made;
}

}  // namespace lancefs
