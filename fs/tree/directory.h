// SPDX-License-Identifier: Apache-2.0
//
// What the directories of the tree share; internal to fs/tree/. One .cc file holds one family of directories and gives
// out its top one through a Make function below.
//
// A View says where in the tree a directory stands: which table, at which version (absent = live),
// inside which fragment. All directories below share it: `query/` works the same in the root, in a
// version and in a fragment because it only knows its View.
//
// Thread safety: as Node.
#pragma once

#include <sys/stat.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/files.h"
#include "fs/path_grammar.h"
#include "fs/table.h"

namespace lancefs {

using DatasetPtr = std::shared_ptr<const Dataset>;

inline constexpr std::string_view kRowsPrefix = "rows.";
// Listed in every directory that has rows; the other formats exist on lookup (RULES 8).
inline constexpr std::array<std::string_view, 3> kListedRows = {"rows.jsonl", "rows.csv", "rows.parquet"};

inline std::string JoinPath(const std::string& path, const std::string& name) { return path.empty() ? name : path + "/" + name; }
// False where `name` is not the one spelling of a number: "007" is not the name of version 7.
bool ParseNumber(std::string_view name, uint64_t* value);

struct View {
  std::shared_ptr<Table> table;
  std::optional<uint64_t> version;
  std::optional<uint64_t> fragment;

  Mount& mount() const { return *table->mount(); }
  const std::shared_ptr<Mount>& mount_ptr() const { return table->mount(); }
  bool live() const { return !version; }
  // The live tree of main: only there are the folders that belong to the dataset as a whole (RULES 9).
  bool top() const { return live() && table->branch().empty(); }

  // Null only for a table that does not exist yet.
  Result<DatasetPtr> Get(const Scope& scope) const { return version ? table->At(*version, scope) : table->Newest(scope); }
  // The same, but a table without a version is an absence.
  Result<DatasetPtr> Require(const Scope& scope) const;
  // What is known without I/O; null when nothing is.
  DatasetPtr Peek() const;
  int64_t time_ns() const;
  // Keys of directories: of the live tree they name no version.
  std::string DirKey(const std::string& what) const {
    return table->key() + "|" + (version ? std::to_string(*version) : "live") + "|" + FragmentKey() + what;
  }
  // Keys of files always do.
  std::string FileKey(const Dataset& dataset, const std::string& what) const {
    return table->key() + "|" + std::to_string(dataset.version()) + "|" + FragmentKey() + what;
  }
  std::string FragmentKey() const { return fragment ? "fragments/" + std::to_string(*fragment) + "/" : ""; }
  // Who appends here sees his own rows at once: the kernel asks again for every live name (from memory, RULES 20).
  double entry_timeout() const { return !live() ? kForever : table->may_append() ? 0 : mount().refresh_seconds(); }
};

// What all directories have in common.
class Directory : public Node {
 public:
  Directory(std::shared_ptr<Mount> mount, std::string key, std::string path)
      : Node(std::move(key), std::move(path)), mount_(std::move(mount)) {}
  FileAttr Attr(const Scope&) override { return BaseAttr(*mount_, *this, S_IFDIR, 0555, TimeNs()); }
  double attr_timeout() const override { return mount_->refresh_seconds(); }
  double negative_timeout() const override { return mount_->refresh_seconds(); }

 protected:
  virtual int64_t TimeNs() const { return 0; }
  template <typename T, typename... Args>
  NodePtr Make(const std::string& key, Args&&... args) const {
    return mount_->Intern(key, [&]() -> NodePtr { return std::make_shared<T>(std::forward<Args>(args)...); });
  }
  DirEntry Entry(const std::string& name, const std::string& key, uint32_t type) const { return {name, InodeOf(key), type}; }
  Status NoSuch(const std::string& name) const { return Status::NotFound("/" + path() + " has no '" + name + "'"); }

  const std::shared_ptr<Mount> mount_;
};

class ViewDirectory : public Directory {
 public:
  ViewDirectory(View view, std::string key, std::string path)
      : Directory(view.mount_ptr(), std::move(key), std::move(path)), view_(std::move(view)) {}
  double attr_timeout() const override { return view_.live() || !view_.Peek() ? mount_->refresh_seconds() : kForever; }

 protected:
  int64_t TimeNs() const override { return view_.time_ns(); }
  NodePtr MakeText(const std::string& key, const std::string& name, int64_t time_ns, TextFile::Make make) const {
    return Make<TextFile>(key, mount_, key, JoinPath(path(), name), time_ns, /*fixed=*/true, std::move(make));
  }

  const View view_;
};

// The one node of class T that is `what` in `view`.
template <typename T>
NodePtr MakeViewDirectory(const View& view, const std::string& what, const std::string& path) {
  const std::string key = view.DirKey(what);
  return view.mount().Intern(key, [&]() -> NodePtr { return std::make_shared<T>(view, key, path); });
}

// `rows.<format>`, `head.jsonl`, `count`, `schema.json`, `explain.txt`, `error`: what every place
// with rows has; the same for a table and for a clause directory.
class RowsNames {
 public:
  RowsNames(const View& view, const std::shared_ptr<Mount>& mount, std::string path)
      : view_(view), mount_(mount), path_(std::move(path)) {}

  // Null when `name` is none of them.
  Result<NodePtr> Find(const std::string& name, const DatasetPtr& dataset, std::shared_ptr<const BoundQuery> query) const;
  std::string Key(const Dataset& dataset, const BoundQuery& query, const std::string& name) const;
  static bool IsName(const std::string& name);

 private:
  std::optional<RowsFile::Source> SourceOf(const std::string& name, const DatasetPtr& dataset,
                                           const std::shared_ptr<const BoundQuery>& query) const;
  NodePtr Text(const std::string& name, const DatasetPtr& dataset, const std::shared_ptr<const BoundQuery>& query,
               TextFile::Make make) const;
  // Run-time failures of this question, in whatever format; absent when there was none.
  Result<NodePtr> Error(const Dataset& dataset, const BoundQuery& query) const;

  const View& view_;
  const std::shared_ptr<Mount>& mount_;
  const std::string path_;
};

// The last binding of a directory's query: lookups of its files come in bursts at one version.
class BindingCache {
 public:
  Result<std::shared_ptr<const BoundQuery>> Get(const Query& query, const DatasetPtr& dataset, std::optional<uint64_t> fragment);

 private:
  std::mutex mutex_;
  DatasetPtr dataset_;                       // guarded by mutex_
  std::shared_ptr<const BoundQuery> bound_;  // guarded by mutex_
};

// The families; `path` is the directory's own, for messages.
NodePtr MakeColumnsDirectory(const View& view, const std::string& path);
NodePtr MakeIndicesDirectory(const View& view, const std::string& path);
NodePtr MakeQueryDirectory(const View& view, const std::string& path);
NodePtr MakeFragmentsDirectory(const View& view, const std::string& path);
NodePtr MakeVersionsDirectory(const View& view, const std::string& path);
NodePtr MakeRawDirectory(const View& view, const std::string& path);
NodePtr MakeTagsDirectory(const View& view, const std::string& path);
NodePtr MakeBranchesDirectory(const View& view, const std::string& path);
NodePtr MakeRowsDirectory(const View& view, const std::string& path);
NodePtr MakeStatusDirectory(const std::shared_ptr<Mount>& mount, const std::string& path);
std::string StatusKey(const Mount& mount);

}  // namespace lancefs
