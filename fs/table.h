// SPDX-License-Identifier: Apache-2.0
//
// Table: everything that the tree knows about one table: its newest version, the versions that
// were asked for, the list of versions, its append area. And Mount: what all tables of a mount share.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/table/dataset.h"
#include "fs/append/schema_area.h"
#include "fs/append_area.h"
#include "fs/live_table.h"
#include "fs/node.h"
#include "fs/refreshed.h"
#include "fs/result.h"
#include "fs/row_cells.h"
#include "fs/status_log.h"

namespace lancefs {

enum class SizeMode { kAuto, kExact, kStream };

struct FilesystemOptions {
  std::shared_ptr<ObjectStore> store;
  // Of a database's tables that have a store of their own, by their names: it has the same root, but other options.
  std::map<std::string, std::shared_ptr<ObjectStore>> table_stores;
  std::string path;          // in the store; "" = its root
  std::string uri;           // for people; no secrets
  bool is_database = false;  // a directory of tables instead of one dataset
  bool read_only = false;    // no append/
  std::chrono::milliseconds refresh{1000};
  SizeMode sizes = SizeMode::kAuto;
  std::chrono::milliseconds open_budget{1000};
  uint64_t large_bytes = 256ULL << 20;  // unfiltered results of more stored bytes are streamed at once
  // What finding a name may wait for the store; a program that serves itself alone may wait for longer than a kernel.
  std::chrono::milliseconds lookup_wait = kLookupWait;
  std::string state_directory;  // of this URI: spool/ and spill/
  uint64_t spill_bytes = 4ULL << 30;
  // How the files of the dataset `uri` that lie at `base_uri` are opened (see OpenOptions); null = they cannot be.
  std::function<Result<ResolvedBase>(const std::string& uri, const std::string& base_uri, std::optional<uint32_t> base_id)>
      resolve_base;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;                               // taken from all modes
  std::map<std::string, std::string> shown_config;  // status/config.json: no secrets
  // Append; null factory = read only.
  AppendAreaFactory make_append_area;
  AppendAreaOptions append;  // what is the same for all tables
};

class Table;

struct Mount {
  explicit Mount(FilesystemOptions mount_options);

  const FilesystemOptions options;
  const std::shared_ptr<StatusLog> log = std::make_shared<StatusLog>();
  // The node of `key`, made by `make` when nobody holds one.
  NodePtr Intern(const std::string& key, const std::function<NodePtr()>& make);
  ResultCache& results() { return *results_; }
  RowCache& rows() { return *rows_; }
  const std::shared_ptr<ObjectStore>& StoreOf(const std::string& table) const {
    const auto own = options.table_stores.find(table);
    return own == options.table_stores.end() ? options.store : own->second;
  }
  double refresh_seconds() const { return std::chrono::duration<double>(options.refresh).count(); }
  const int64_t started_ns;

 private:
  std::unique_ptr<ResultCache> results_;
  std::unique_ptr<RowCache> rows_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<Node>> nodes_;  // guarded by mutex_
  size_t sweep_at_ = 1024;
};

class Table : public std::enable_shared_from_this<Table> {
 public:
  // `name` is empty when the mount is this one dataset. `may_be_absent`: not created yet. `branch`: empty = main.
  Table(std::shared_ptr<Mount> mount, std::string path, std::string uri, std::string name, bool may_be_absent,
        std::string branch = "");

  const std::shared_ptr<Mount>& mount() const { return mount_; }
  LiveTable& live() { return *live_; }
  const std::string& uri() const { return uri_; }
  const std::string& name() const { return name_; }
  const std::string& branch() const { return live_->options().branch; }
  // What inode numbers begin with: the URI, and the branch.
  const std::string& key() const { return key_; }

  // The newest version; waits at most one second beyond memory. Null for a table that does not exist yet.
  Result<std::shared_ptr<const Dataset>> Newest(const Scope& scope);
  // Version `version`, read once. Errors: kNotFound.
  Result<std::shared_ptr<const Dataset>> At(uint64_t version, const Scope& scope);
  // Whether the version exists, without reading its manifest where the list knows it.
  Status Exists(uint64_t version, const Scope& scope);
  // What is known of a version without I/O: its manifest, or its line in the list.
  std::shared_ptr<const Dataset> PeekAt(uint64_t version);
  int64_t KnownTime(uint64_t version);
  // All versions, at most `refresh` old.
  Result<std::shared_ptr<const std::vector<VersionInfo>>> Versions(const Scope& scope);
  Result<std::shared_ptr<const std::map<std::string, TagInfo>>> Tags(const Scope& scope);
  // A tag that was just made is listed at once.
  void AddedTag(const std::string& name, const TagInfo& tag);
  Result<std::shared_ptr<const std::map<std::string, BranchInfo>>> Branches(const Scope& scope);
  // The table that is a branch of this one. Errors: kNotFound. REQUIRES: this is main.
  Result<std::shared_ptr<Table>> Branch(const std::string& name, const Scope& scope);
  static std::string KeyOf(const std::string& uri, const std::string& branch) {
    return branch.empty() ? uri : uri + "|branch=" + branch;
  }
  // The newest version whose commit time is not after `time_ns`. Errors: kNotFound.
  Result<uint64_t> VersionAsOf(int64_t time_ns, const Scope& scope);

  // Null where dropping is not allowed. Errors: what making it failed with (tried again after a second).
  Result<std::shared_ptr<AppendArea>> Append();
  std::shared_ptr<AppendArea> AppendIfMade();
  bool may_append() const;
  // Where `schema.json` of a table without a version is written; null for a table that was there already.
  const std::shared_ptr<SchemaArea>& schema_area() const { return schema_; }

 private:
  AppendAreaOptions AreaOptions() const;
  using DatasetPtr = std::shared_ptr<const Dataset>;
  using CachedDataset = Refreshed<DatasetPtr>;
  std::shared_ptr<CachedDataset> Cached(uint64_t version);

  const std::shared_ptr<Mount> mount_;
  const std::string uri_;
  const std::string name_;
  const std::string key_;
  const std::shared_ptr<LiveTable> live_;
  std::shared_ptr<SchemaArea> schema_;
  std::shared_ptr<Refreshed<std::shared_ptr<const std::vector<VersionInfo>>>> versions_;
  using TagMap = std::map<std::string, TagInfo>;
  using BranchMap = std::map<std::string, BranchInfo>;
  std::shared_ptr<Refreshed<std::shared_ptr<const TagMap>>> tags_;
  std::shared_ptr<Refreshed<std::shared_ptr<const BranchMap>>> branches_;
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<CachedDataset>> pinned_;  // guarded by mutex_, like all below; at most 256
  std::list<uint64_t> pinned_order_;                           // least recently used first
  std::map<std::string, std::shared_ptr<Table>> branch_tables_;
  std::mutex append_mutex_;
  std::shared_ptr<AppendArea> append_;  // guarded by append_mutex_, like all below
  Status append_error_;
  std::chrono::steady_clock::time_point append_tried_;
};

}  // namespace lancefs
