// SPDX-License-Identifier: Apache-2.0
//
// The roots of mounts: a database with its tables, or one dataset.
#include <filesystem>
#include <set>

#include "base/log.h"
#include "base/uri.h"
#include "fs/describe.h"
#include "fs/tree.h"
#include "fs/tree/table.h"

namespace lancefs {
namespace {

class DotLancefsDirectory : public Directory {
 public:
  using Directory::Directory;
  Result<Child> Lookup(const std::string& name, const Scope&) override {
    if (name == "status") return Child{MakeStatusDirectory(mount_, JoinPath(path(), name)), kForever};
    if (name != "README.txt") return NoSuch(name);
    const std::string key = this->key() + "/README.txt";
    const bool may_append = !mount_->options.read_only;
    return Child{Make<TextFile>(key, mount_, key, JoinPath(path(), name), 0, /*fixed=*/true,
                                [uri = mount_->options.uri, may_append](const Caller&) -> Result<std::string> {
                                  return DatabaseReadme(uri, {}, may_append);
                                }),
                 kForever};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    return std::vector<DirEntry>{Entry("README.txt", key() + "/README.txt", S_IFREG),
                                 Entry("status", StatusKey(*mount_), S_IFDIR)};
  }
};

class DatabaseDirectory : public Directory {
 public:
  DatabaseDirectory(std::shared_ptr<Mount> mount, std::string key, std::string path)
      : Directory(std::move(mount), std::move(key), std::move(path)) {
    tables_ = std::make_shared<Refreshed<Names>>([options = mount_->options](const OpContext& ctx) -> Result<Names> {
      LANCEFS_ASSIGN_OR_RETURN(std::vector<std::string> names, ListTables(*options.store, options.path, ctx));
      return Names(std::make_shared<std::set<std::string>>(names.begin(), names.end()));
    });
  }
  FileAttr Attr(const Scope&) override { return BaseAttr(*mount_, *this, S_IFDIR, mount_->options.read_only ? 0555 : 0755, 0); }
  double negative_timeout() const override { return 0; }

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == kOwn) {
      const std::string key = mount_->options.uri + "|.lancefs";
      return Child{Make<DotLancefsDirectory>(key, mount_, key, name), kForever};
    }
    Result<std::string> table_name = DecodeName(name);
    if (!table_name.ok()) return NoSuch(name);
    if (std::shared_ptr<Table> table = Known(*table_name)) return TableChild(table, name, scope);
    // Names that everybody probes for are not worth a LIST; a table of that name was listed before it is used.
    Names names;
    if (IsProbe(name)) {
      names = tables_->Peek().value_or(nullptr);
    } else {
      LANCEFS_ASSIGN_OR_RETURN(names, tables_->Get(mount_->options.refresh, scope.Soon(), scope.may_wait));
    }
    if (!names || !names->contains(*table_name)) return NoSuch(name);
    return TableChild(Open(*table_name, /*may_be_absent=*/false), name, scope);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(Names names, tables_->Get(mount_->options.refresh, scope.ctx, scope.may_wait));
    std::set<std::string> all(names->begin(), names->end());
    {
      std::lock_guard lock(mutex_);
      for (const auto& [name, table] : open_) {
        if (table->live().options().may_be_absent) all.insert(name);
      }
    }
    std::vector<DirEntry> entries = {Entry(kOwn, mount_->options.uri + "|.lancefs", S_IFDIR)};
    for (const std::string& name : all) entries.push_back(Entry(EncodeName(name, {kOwn}), TableKey(name), S_IFDIR));
    return entries;
  }

  // A table without a version: it lives in memory until its first file is committed (RULES 10).
  Result<Child> Mkdir(const std::string& name, const Scope& scope) override {
    if (mount_->options.read_only || !mount_->options.make_append_area) return Status::ReadOnly("this mount is read-only");
    Result<Child> there = Lookup(name, scope);
    if (there.ok()) return Status::AlreadyExists("there is a table '" + name + "' already");
    if (!there.status().Is(StatusCode::kNotFound)) return there.status();
    LANCEFS_ASSIGN_OR_RETURN(std::string table_name, DecodeName(name));
    return TableChild(Open(table_name, /*may_be_absent=*/true), name, scope);
  }

  // Of a table with drops to take up, whether it was created already or not.
  std::shared_ptr<Table> OpenAnyway(const std::string& name) { return Open(name, /*may_be_absent=*/true); }

  std::vector<std::shared_ptr<Table>> OpenTables() {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Table>> tables;
    for (const auto& [name, table] : open_) tables.push_back(table);
    return tables;
  }

 private:
  using Names = std::shared_ptr<const std::set<std::string>>;
  static constexpr const char* kOwn = ".lancefs";

  std::string TableUri(const std::string& name) const { return ChildUri(mount_->options.uri, name + ".lance"); }
  std::string TableKey(const std::string& name) const { return TableUri(name) + "|live|"; }

  std::shared_ptr<Table> Known(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto it = open_.find(name);
    return it == open_.end() ? nullptr : it->second;
  }

  std::shared_ptr<Table> Open(const std::string& name, bool may_be_absent) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Table>& slot = open_[name];
    if (!slot) {
      const std::string& root = mount_->options.path;
      slot = std::make_shared<Table>(mount_, (root.empty() ? "" : root + "/") + name + ".lance", TableUri(name), name,
                                     may_be_absent);
    }
    return slot;
  }

  Result<Child> TableChild(const std::shared_ptr<Table>& table, const std::string& name, const Scope& scope) {
    Result<DatasetPtr> dataset = table->Newest(scope);
    if (!dataset.ok() && dataset.status().Is(StatusCode::kNotFound)) {  // somebody removed it
      std::lock_guard lock(mutex_);
      open_.erase(table->name());
      return NoSuch(name);
    }
    if (!dataset.ok()) return dataset.status();
    View view{table, std::nullopt, std::nullopt};
    const std::string key = TableKey(table->name());
    return Child{Make<TableDirectory>(key, view, key, name), mount_->refresh_seconds()};
  }

  std::shared_ptr<Refreshed<Names>> tables_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Table>> open_;  // guarded by mutex_
};

}  // namespace

// ---- append/ ------------------------------------------------------------------------------------

FileAttr AppendNode::Attr(const Scope&) {
  Result<FileAttr> attr = AreaAttr(std::nullopt);
  return attr.ok() ? *attr : FileAttr{};
}

Result<FileAttr> AppendNode::AreaAttr(std::optional<uint64_t> handle) {
  LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, area_->GetAttr(id_, handle));
  attr.ino = ino();
  return attr;
}

std::string AppendNodeKey(const AppendNode& parent, AppendArea::Id id) {
  const std::string& key = parent.key();
  const size_t cut = parent.id() == AppendArea::kRoot ? std::string::npos : key.rfind('#');
  return id == AppendArea::kRoot ? key.substr(0, cut) : key.substr(0, cut) + "#" + std::to_string(id);
}

NodePtr MakeAppendNode(Mount& mount, const AppendNode& parent, const std::string& name, AppendArea::Id id) {
  const std::string key = AppendNodeKey(parent, id);
  return mount.Intern(
      key, [&]() -> NodePtr { return std::make_shared<AppendNode>(key, JoinPath(parent.path(), name), parent.area(), id); });
}

// ---- Roots ----------------------------------------------------------------------------------------

NodePtr MakeRoot(std::shared_ptr<Mount> mount) {
  const std::string uri = mount->options.uri;
  if (mount->options.is_database) {
    const std::string key = uri + "|database";
    return mount->Intern(key, [&]() -> NodePtr { return std::make_shared<DatabaseDirectory>(mount, key, ""); });
  }
  auto table = std::make_shared<Table>(mount, mount->options.path, uri, "", /*may_be_absent=*/false);
  View view{table, std::nullopt, std::nullopt};
  const std::string key = view.DirKey("");
  return mount->Intern(key, [&]() -> NodePtr { return std::make_shared<TableDirectory>(view, key, ""); });
}

std::vector<std::shared_ptr<AppendArea>> AppendAreas(const NodePtr& root) {
  std::vector<std::shared_ptr<Table>> tables;
  if (auto* dataset = dynamic_cast<TableDirectory*>(root.get())) tables.push_back(dataset->table());
  if (auto* database = dynamic_cast<DatabaseDirectory*>(root.get())) tables = database->OpenTables();
  std::vector<std::shared_ptr<AppendArea>> areas;
  for (const auto& table : tables) {
    if (auto area = table->AppendIfMade()) areas.push_back(std::move(area));
  }
  return areas;
}

namespace {

// Whether a mount that is gone left drops in the spool of `state_directory`.
bool HasLeftDrops(const std::filesystem::path& state_directory) {
  std::error_code error;
  for (const auto& folder : std::filesystem::directory_iterator(state_directory / "spool", error)) {
    if (!folder.is_directory(error) || folder.path().filename() == "incomplete") continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path(), error)) {
      if (entry.is_directory(error)) return true;
    }
  }
  return false;
}

}  // namespace

void TakeUpLeftDrops(const NodePtr& root, const std::string& state_directory) {
  if (state_directory.empty()) return;
  std::vector<std::shared_ptr<Table>> tables;
  if (auto* dataset = dynamic_cast<TableDirectory*>(root.get())) {
    if (HasLeftDrops(state_directory)) tables.push_back(dataset->table());
  } else if (auto* database = dynamic_cast<DatabaseDirectory*>(root.get())) {
    std::error_code error;
    for (const auto& folder : std::filesystem::directory_iterator(state_directory + "/tables", error)) {
      if (HasLeftDrops(folder.path())) tables.push_back(database->OpenAnyway(folder.path().filename().string()));
    }
  }
  for (const auto& table : tables) {
    if (!table->may_append()) continue;
    const Status status = table->Append().status();
    if (!status.ok()) Log(LogLevel::kError, "left_drops", {{"table", table->uri()}, {"reason", status.message()}});
  }
}

}  // namespace lancefs
