// SPDX-License-Identifier: Apache-2.0
#include "fs/tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "base/metrics.h"
#include "engine/format/deletion_vector.h"
#include "engine/format/transaction_json.h"
#include "fs/describe.h"
#include "fs/files.h"
#include "fs/path_grammar.h"
#include "fs/text.h"

namespace lancefs {
namespace {

using DatasetPtr = std::shared_ptr<const Dataset>;

constexpr std::string_view kRowsPrefix = "rows.";
// Listed in every directory that has rows; the other formats exist on lookup (RULES 8).
constexpr std::array<std::string_view, 3> kListedRows = {"rows.jsonl", "rows.csv", "rows.parquet"};
constexpr auto kPendingWait = std::chrono::milliseconds(200);

std::string Join(const std::string& path, const std::string& name) { return path.empty() ? name : path + "/" + name; }

bool ParseNumber(const std::string& name, uint64_t* value) {
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), *value);
  // "007" is not the name of version 7: one node, one name.
  return error == std::errc() && end == name.data() + name.size() && (name.size() == 1 || name[0] != '0');
}

// ---- View ---------------------------------------------------------------------------------------

struct View {
  std::shared_ptr<Table> table;
  std::optional<uint64_t> version;
  std::optional<uint64_t> fragment;

  Mount& mount() const { return *table->mount(); }
  const std::shared_ptr<Mount>& mount_ptr() const { return table->mount(); }
  bool live() const { return !version; }

  // Null only for a table that does not exist yet.
  Result<DatasetPtr> Get(const Scope& scope) const { return version ? table->At(*version, scope) : table->Newest(scope); }
  // The same, but a table without a version is an absence.
  Result<DatasetPtr> Require(const Scope& scope) const {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, Get(scope));
    if (!dataset) return Status::NotFound("the table does not exist yet; drop its first file into append/");
    return dataset;
  }
  DatasetPtr Peek() const {
    if (version) return table->PeekAt(*version);
    Result<DatasetPtr> dataset = table->live().Current(OpContext(), /*may_wait=*/false);
    return dataset.ok() ? *dataset : nullptr;
  }
  int64_t time_ns() const {
    const DatasetPtr dataset = Peek();
    return dataset ? dataset->timestamp_ns() : version ? table->KnownTime(*version) : 0;
  }
  // Keys of directories: of the live tree they name no version.
  std::string DirKey(const std::string& what) const {
    return table->uri() + "|" + (version ? std::to_string(*version) : "live") + "|" + FragmentKey() + what;
  }
  // Keys of files always do.
  std::string FileKey(const Dataset& dataset, const std::string& what) const {
    return table->uri() + "|" + std::to_string(dataset.version()) + "|" + FragmentKey() + what;
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
    return Make<TextFile>(key, mount_, key, Join(path(), name), time_ns, /*fixed=*/true, std::move(make));
  }

  const View view_;
};

// ---- Rows of a question -------------------------------------------------------------------------

// `rows.<format>`, `head.jsonl`, `count`, `schema.json`, `explain.txt`, `error`: what every place
// with rows has; the same for a table and for a clause directory.
class RowsNames {
 public:
  RowsNames(const View& view, const std::shared_ptr<Mount>& mount, std::string path)
      : view_(view), mount_(mount), path_(std::move(path)) {}

  // Null when `name` is none of them.
  Result<NodePtr> Find(const std::string& name, const DatasetPtr& dataset, std::shared_ptr<const BoundQuery> query) const {
    std::optional<RowsFile::Source> source = SourceOf(name, dataset, query);
    if (source) {
      const std::string key = Key(*dataset, *query, name);
      return mount_->Intern(
          key, [&]() -> NodePtr { return std::make_shared<RowsFile>(mount_, key, Join(path_, name), std::move(*source)); });
    }
    if (name == "count") {
      return Text(name, dataset, query,
                  [query](const Caller&) -> Result<std::string> { return std::to_string(query->max_rows) + "\n"; });
    }
    if (name == "schema.json") {
      return Text(name, dataset, query, [dataset, query](const Caller&) -> Result<std::string> {
        return query->canonical.empty() ? SchemaJson(dataset->schema()) : SchemaJson(*query->schema, dataset->schema());
      });
    }
    if (name == "explain.txt") {
      return Text(name, dataset, query, [dataset, query](const Caller&) { return ExplainText(*dataset, *query); });
    }
    if (name == "error") return Error(*dataset, *query);
    return NodePtr();
  }

  std::string Key(const Dataset& dataset, const BoundQuery& query, const std::string& name) const {
    // Other spellings of a suffix (ndjson) are the same file.
    std::string canonical = name;
    if (name.starts_with(kRowsPrefix)) {
      if (auto format = RowFormatFromSuffix(name.substr(kRowsPrefix.size())))
        canonical = std::string(kRowsPrefix) + std::string(RowFormatSuffix(*format));
    }
    return view_.FileKey(dataset, "query{" + query.canonical + "}/" + canonical);
  }

  static bool IsName(const std::string& name) {
    if (name.starts_with(kRowsPrefix)) return RowFormatFromSuffix(name.substr(kRowsPrefix.size())).has_value();
    return name == "head.jsonl" || name == "count" || name == "schema.json" || name == "explain.txt" || name == "error";
  }

 private:
  std::optional<RowsFile::Source> SourceOf(const std::string& name, const DatasetPtr& dataset,
                                           const std::shared_ptr<const BoundQuery>& query) const {
    RowsFile::Source source{dataset, query, RowFormat::kJsonl, RowsFile::Content::kRows};
    if (name == "head.jsonl") {
      source.content = RowsFile::Content::kHead;
      return source;
    }
    if (name == "count" && !query->rows_known) {
      source.content = RowsFile::Content::kCount;
      return source;
    }
    if (!name.starts_with(kRowsPrefix)) return std::nullopt;
    auto format = RowFormatFromSuffix(name.substr(kRowsPrefix.size()));
    if (!format) return std::nullopt;
    source.format = *format;
    return source;
  }

  NodePtr Text(const std::string& name, const DatasetPtr& dataset, const std::shared_ptr<const BoundQuery>& query,
               TextFile::Make make) const {
    const std::string key = Key(*dataset, *query, name);
    return mount_->Intern(key, [&]() -> NodePtr {
      return std::make_shared<TextFile>(mount_, key, Join(path_, name), dataset->timestamp_ns(), /*fixed=*/true, std::move(make));
    });
  }

  // Run-time failures of this question, in whatever format; absent when there was none.
  Result<NodePtr> Error(const Dataset& dataset, const BoundQuery& query) const {
    static constexpr std::string_view kNames[] = {"rows.jsonl", "rows.csv",    "rows.parquet", "rows.json", "rows.tsv",
                                                  "rows.arrow", "rows.arrows", "head.jsonl",   "count"};
    std::string text;
    for (std::string_view name : kNames) {
      const auto failure = mount_->results().LastFailure(Key(dataset, query, std::string(name)));
      if (failure) text.append(name).append(": ").append(failure->ToString()).append("\n");
    }
    if (text.empty()) return Status::NotFound("no run of this query has failed");
    const std::string key = Key(dataset, query, "error");
    return mount_->Intern(key, [&]() -> NodePtr {
      return std::make_shared<TextFile>(mount_, key, Join(path_, "error"), 0, /*fixed=*/false,
                                        [text](const Caller&) -> Result<std::string> { return text; });
    });
  }

  const View& view_;
  const std::shared_ptr<Mount>& mount_;
  const std::string path_;
};

// The last binding of a directory's query: lookups of its files come in bursts at one version.
class BindingCache {
 public:
  Result<std::shared_ptr<const BoundQuery>> Get(const Query& query, const DatasetPtr& dataset, std::optional<uint64_t> fragment) {
    std::lock_guard lock(mutex_);
    if (bound_ && dataset_ == dataset) return bound_;
    LANCEFS_ASSIGN_OR_RETURN(BoundQuery bound, Bind(query, *dataset, fragment));
    dataset_ = dataset;
    bound_ = std::make_shared<const BoundQuery>(std::move(bound));
    return bound_;
  }

 private:
  std::mutex mutex_;
  DatasetPtr dataset_;                       // guarded by mutex_
  std::shared_ptr<const BoundQuery> bound_;  // guarded by mutex_
};

// ---- query/ -------------------------------------------------------------------------------------

class ClauseDirectory : public ViewDirectory {
 public:
  ClauseDirectory(View view, std::string key, std::string path, Query query)
      : ViewDirectory(std::move(view), std::move(key), std::move(path)), query_(std::move(query)) {}

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (RowsNames::IsName(name)) {
      LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
      LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(query_, dataset, view_.fragment));
      LANCEFS_ASSIGN_OR_RETURN(NodePtr node, RowsNames(view_, mount_, path()).Find(name, dataset, bound));
      if (node) return Child{node, name == "error" ? 0 : view_.entry_timeout()};
    }
    return Step(*this, view_, query_, name, scope);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(query_, dataset, view_.fragment));
    const RowsNames names(view_, mount_, path());
    std::vector<DirEntry> entries;
    for (const char* name : {"rows.jsonl", "rows.csv", "rows.parquet", "count", "schema.json", "explain.txt"}) {
      entries.push_back(Entry(name, names.Key(*dataset, *bound, name), S_IFREG));
    }
    const std::string error = "error";
    if (Result<NodePtr> node = names.Find(error, dataset, bound); node.ok()) entries.push_back({error, (*node)->ino(), S_IFREG});
    return entries;
  }

  // One clause more than `query` has: the way down, from query/ and from a clause.
  static Result<Child> Step(const Node& parent, const View& view, const Query& query, const std::string& name,
                            const Scope& scope) {
    LANCEFS_ASSIGN_OR_RETURN(Clause clause, ParseClause(name));
    Query longer = query;
    LANCEFS_RETURN_NOT_OK(longer.Add(std::move(clause)));
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(BoundQuery bound, Bind(longer, *dataset, view.fragment));
    const std::string key = view.DirKey("query{" + bound.canonical + "}");
    NodePtr node = view.mount().Intern(key, [&]() -> NodePtr {
      return std::make_shared<ClauseDirectory>(view, key, Join(parent.path(), name), std::move(longer));
    });
    return Child{node, view.entry_timeout()};
  }

 private:
  const Query query_;
  BindingCache binding_;
};

class QueryDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == "README.txt") {
      LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
      return Child{MakeText(view_.FileKey(*dataset, "query/README.txt"), name, dataset->timestamp_ns(),
                            [dataset](const Caller&) -> Result<std::string> { return QueryReadme(*dataset); }),
                   view_.entry_timeout()};
    }
    if (name == "FUNCTIONS.txt") {
      return Child{MakeText(view_.DirKey("query/FUNCTIONS.txt"), name, 0,
                            [](const Caller&) -> Result<std::string> { return FunctionsText(); }),
                   kForever};
    }
    return ClauseDirectory::Step(*this, view_, Query(), name, scope);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    return std::vector<DirEntry>{Entry("README.txt", view_.FileKey(*dataset, "query/README.txt"), S_IFREG),
                                 Entry("FUNCTIONS.txt", view_.DirKey("query/FUNCTIONS.txt"), S_IFREG)};
  }
};

// ---- fragments/ ---------------------------------------------------------------------------------

// The file names of a fragment: the last segment of each path, and the object it stands for.
std::string DataFileName(const pb::DataFile& file) { return EncodeName(file.path()); }

class FilesDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const pb::DataFragment* fragment, Find(*dataset));
    for (const pb::DataFile& file : fragment->files()) {
      if (DataFileName(file) != name && file.path() != name) continue;
      LANCEFS_ASSIGN_OR_RETURN(Place place, PlaceOf(*dataset, file));
      uint64_t size = file.file_size_bytes();
      if (size == 0) {  // written by an old version: the manifest does not say
        if (!scope.may_wait) return Status::Unavailable("the object's size has to be asked for");
        LANCEFS_ASSIGN_OR_RETURN(auto meta, place.store->Head(place.object, scope.ctx.WithTimeout(std::chrono::seconds(1))));
        if (!meta) return Status::NotFound("the object " + place.object + " is missing");
        size = meta->size;
      }
      const std::string key = Key(file);
      return Child{Make<RawFile>(key, mount_, key, Join(path(), name), place.store, place.object, size, dataset->timestamp_ns()),
                   view_.entry_timeout()};
    }
    return NoSuch(name);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const pb::DataFragment* fragment, Find(*dataset));
    std::vector<DirEntry> entries;
    for (const pb::DataFile& file : fragment->files()) entries.push_back(Entry(DataFileName(file), Key(file), S_IFREG));
    return entries;
  }

 private:
  struct Place {
    std::shared_ptr<ObjectStore> store;
    std::string object;
  };

  // Data files are never overwritten: their identity needs no version.
  std::string Key(const pb::DataFile& file) const {
    return view_.table->uri() + "|file|" + (file.has_base_id() ? std::to_string(file.base_id()) : "") + "|" + file.path();
  }

  static Result<Place> PlaceOf(const Dataset& dataset, const pb::DataFile& file) {
    std::optional<uint32_t> base;
    if (file.has_base_id()) base = file.base_id();
    LANCEFS_ASSIGN_OR_RETURN(ResolvedBase directory, dataset.Directory(base, "data"));
    return Place{directory.store, directory.path.empty() ? file.path() : directory.path + "/" + file.path()};
  }

  Result<const pb::DataFragment*> Find(const Dataset& dataset) const {
    for (const pb::DataFragment& fragment : dataset.manifest().fragments()) {
      if (fragment.id() == *view_.fragment) return &fragment;
    }
    return Status::NotFound("version " + std::to_string(dataset.version()) + " has no fragment " +
                            std::to_string(*view_.fragment));
  }
};

class FragmentDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == "query") {
      const std::string key = view_.DirKey("query");
      return Child{Make<QueryDirectory>(key, view_, key, Join(path(), name)), view_.entry_timeout()};
    }
    if (name == "files") {
      const std::string key = view_.DirKey("files");
      return Child{Make<FilesDirectory>(key, view_, key, Join(path(), name)), view_.entry_timeout()};
    }
    const bool rows = RowsNames::IsName(name) && name != "explain.txt" && name != "error" && name != "schema.json";
    if (!rows && name != "info.json" && name != "deleted") return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(size_t index, Index(*dataset));
    if (rows) {
      LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, view_.fragment));
      LANCEFS_ASSIGN_OR_RETURN(NodePtr node, RowsNames(view_, mount_, path()).Find(name, dataset, bound));
      return Child{node, view_.entry_timeout()};
    }
    const std::string key = view_.FileKey(*dataset, name);
    if (name == "info.json") {
      return Child{MakeText(key, name, dataset->timestamp_ns(),
                            [dataset, index](const Caller&) -> Result<std::string> { return FragmentInfoJson(*dataset, index); }),
                   view_.entry_timeout()};
    }
    auto load = [dataset, index](const OpContext& ctx) { return DeletedOffsets(*dataset, index, ctx); };
    return Child{Make<LoadedFile>(key, mount_, key, Join(path(), name), dataset->timestamp_ns(), load), view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_RETURN_NOT_OK(Index(*dataset).status());
    LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, view_.fragment));
    const RowsNames names(view_, mount_, path());
    std::vector<DirEntry> entries;
    for (const char* name : {"info.json", "deleted"}) entries.push_back(Entry(name, view_.FileKey(*dataset, name), S_IFREG));
    entries.push_back(Entry("count", names.Key(*dataset, *bound, "count"), S_IFREG));
    for (std::string_view name : kListedRows)
      entries.push_back(Entry(std::string(name), names.Key(*dataset, *bound, std::string(name)), S_IFREG));
    for (const char* name : {"query", "files"}) entries.push_back(Entry(name, view_.DirKey(name), S_IFDIR));
    return entries;
  }

 private:
  Result<size_t> Index(const Dataset& dataset) const {
    const auto& fragments = dataset.fragments();
    for (size_t i = 0; i < fragments.size(); ++i) {
      if (fragments[i].id == *view_.fragment) return i;
    }
    return Status::NotFound("version " + std::to_string(dataset.version()) + " has no fragment " +
                            std::to_string(*view_.fragment));
  }

  // Physical offsets of the deleted rows, one a line.
  static Result<std::string> DeletedOffsets(const Dataset& dataset, size_t index, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(auto deletions, dataset.Deletions(index, ctx));
    std::string text;
    if (!deletions) return text;
    for (uint32_t offset : deletions->offsets()) text += std::to_string(offset) + "\n";
    return text;
  }

  BindingCache binding_;
};

class FragmentsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    View view = view_;
    uint64_t id = 0;
    if (!ParseNumber(name, &id)) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    const auto& fragments = dataset->fragments();
    if (std::none_of(fragments.begin(), fragments.end(), [&](const FragmentInfo& f) { return f.id == id; })) return NoSuch(name);
    view.fragment = id;
    const std::string key = view.DirKey("");
    return Child{Make<FragmentDirectory>(key, view, key, Join(path(), name)), view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    std::vector<DirEntry> entries;
    View view = view_;
    for (const FragmentInfo& fragment : dataset->fragments()) {
      view.fragment = fragment.id;
      entries.push_back(Entry(std::to_string(fragment.id), view.DirKey(""), S_IFDIR));
    }
    return entries;
  }
};

// ---- status/ ------------------------------------------------------------------------------------

using Json = nlohmann::ordered_json;

std::string MetricsJson() {
  Json json = Json::object();
  for (const auto& [name, value] : Metrics::Global().Snapshot()) json[name] = value;
  return json.dump(2) + "\n";
}

std::string ConfigJson(const Mount& mount) {
  static constexpr const char* kSizes[] = {"auto", "exact", "stream"};
  Json json;
  json["uri"] = mount.options.uri;
  json["database"] = mount.options.is_database;
  json["read_only"] = mount.options.read_only;
  json["refresh_ms"] = mount.options.refresh.count();
  json["sizes"] = kSizes[static_cast<int>(mount.options.sizes)];
  json["open_budget_ms"] = mount.options.open_budget.count();
  json["spill_bytes"] = mount.options.spill_bytes;
  json["started"] = FormatTime(mount.started_ns);
  for (const auto& [key, value] : mount.options.shown_config) json[key] = value;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

class ErrorsDirectory : public Directory {
 public:
  using Directory::Directory;
  double negative_timeout() const override { return 0; }

  Result<Child> Lookup(const std::string& name, const Scope&) override {
    std::optional<ErrorRecord> record = mount_->log->FindError(name);
    if (!record) return NoSuch(name);
    const std::string key = this->key() + "/" + name;
    return Child{Make<TextFile>(key, mount_, key, Join(path(), name), record->time_ns, /*fixed=*/true,
                                [record](const Caller&) -> Result<std::string> { return record->ToJson(); }),
                 0};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    std::vector<DirEntry> entries;
    for (const ErrorRecord& record : mount_->log->Errors())
      entries.push_back(Entry(record.file_name(), key() + "/" + record.file_name(), S_IFREG));
    return entries;
  }
};

class StatusDirectory : public Directory {
 public:
  using Directory::Directory;

  Result<Child> Lookup(const std::string& name, const Scope&) override {
    const std::string key = this->key() + "/" + name;
    if (name == "errors") return Child{Make<ErrorsDirectory>(key, mount_, key, Join(path(), name)), kForever};
    TextFile::Make make;
    Mount* mount = mount_.get();  // outlives its nodes' texts: each node holds it
    if (name == "commits.jsonl") make = [mount](const Caller&) -> Result<std::string> { return mount->log->CommitsJsonl(); };
    if (name == "last_error")
      make = [mount](const Caller& caller) -> Result<std::string> { return mount->log->LastError(caller.uid); };
    if (name == "io.json") make = [](const Caller&) -> Result<std::string> { return MetricsJson(); };
    if (name == "metrics") make = [](const Caller&) -> Result<std::string> { return Metrics::Global().ToPrometheusText(); };
    if (name == "config.json") make = [mount](const Caller&) -> Result<std::string> { return ConfigJson(*mount); };
    if (!make) return NoSuch(name);
    return Child{Make<TextFile>(key, mount_, key, Join(path(), name), 0, /*fixed=*/false, std::move(make)), kForever};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    std::vector<DirEntry> entries = {Entry("errors", key() + "/errors", S_IFDIR)};
    for (const char* name : {"commits.jsonl", "last_error", "io.json", "metrics", "config.json"}) {
      entries.push_back(Entry(name, key() + "/" + name, S_IFREG));
    }
    return entries;
  }
};

// ---- A table's tree -----------------------------------------------------------------------------

class VersionsDirectory;

class TableDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (view_.live()) LANCEFS_RETURN_NOT_OK(Settle(scope));
    if (std::optional<Result<Child>> child = LookupDirectory(name, scope)) return std::move(*child);
    const bool rows = RowsNames::IsName(name) && name != "explain.txt" && name != "error";
    static constexpr std::string_view kTexts[] = {"README.txt", "info.json", "schema.txt"};
    const bool text = std::find(std::begin(kTexts), std::end(kTexts), name) != std::end(kTexts);
    if (!rows && !text && (name != "transaction.json" || view_.live())) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Get(scope));
    if (!dataset && name == SchemaArea::kName) return LookupNewSchema();
    if (!dataset) return name == "README.txt" ? Result<Child>(Child{Unborn(), 0}) : NoSuch(name);
    if (rows) {
      LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, std::nullopt));
      LANCEFS_ASSIGN_OR_RETURN(NodePtr node, RowsNames(view_, mount_, path()).Find(name, dataset, bound));
      return Child{node, view_.entry_timeout()};
    }
    return LookupText(name, dataset);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Get(scope));
    std::vector<DirEntry> entries;
    if (dataset) {
      LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, std::nullopt));
      const RowsNames names(view_, mount_, path());
      for (const char* name : {"README.txt", "info.json", "schema.txt"})
        entries.push_back(Entry(name, TextKey(*dataset, name), S_IFREG));
      if (!view_.live()) entries.push_back(Entry("transaction.json", TextKey(*dataset, "transaction.json"), S_IFREG));
      for (const char* name : {"schema.json", "count", "head.jsonl"})
        entries.push_back(Entry(name, names.Key(*dataset, *bound, name), S_IFREG));
      for (std::string_view name : kListedRows)
        entries.push_back(Entry(std::string(name), names.Key(*dataset, *bound, std::string(name)), S_IFREG));
      for (const char* name : {"fragments", "query"}) entries.push_back(Entry(name, view_.DirKey(name), S_IFDIR));
    } else {
      entries.push_back(Entry("README.txt", view_.DirKey("README.txt"), S_IFREG));
      if (Result<Child> schema = LookupNewSchema(); schema.ok())
        entries.push_back({SchemaArea::kName, schema->node->ino(), S_IFREG});
    }
    if (!view_.live()) return entries;
    if (dataset) entries.push_back(Entry("versions", view_.DirKey("versions"), S_IFDIR));
    if (view_.table->may_append()) entries.push_back(Entry("append", view_.DirKey("append"), S_IFDIR));
    entries.push_back(Entry("status", mount_->options.uri + "|status", S_IFDIR));
    return entries;
  }

  FileAttr Attr(const Scope&) override { return BaseAttr(*mount_, *this, S_IFDIR, TakesSchema() ? 0755 : 0555, TimeNs()); }
  Result<NodePtr> WritableDirectory(const std::string& name) override {
    if (name != SchemaArea::kName || !TakesSchema()) return ViewDirectory::WritableDirectory(name);
    return NodePtr(SchemaDirectory());
  }

 private:
  // Whether the table is still to be created here, so that its schema may be written (RULES 10).
  bool TakesSchema() const {
    Table& table = *view_.table;
    return view_.live() && table.may_append() && table.schema_area() != nullptr && table.live().IsUnborn();
  }
  std::shared_ptr<AppendNode> SchemaDirectory() const {
    return std::make_shared<AppendNode>(view_.DirKey("schema to be"), path(), view_.table->schema_area(), AppendArea::kRoot);
  }
  Result<Child> LookupNewSchema() const {
    if (!TakesSchema()) return NoSuch(SchemaArea::kName);
    LANCEFS_ASSIGN_OR_RETURN(AppendArea::Entry found, view_.table->schema_area()->Lookup(AppendArea::kRoot, SchemaArea::kName));
    return Child{MakeAppendNode(*mount_, *SchemaDirectory(), SchemaArea::kName, found.id), 0};
  }

  // A file that was closed a moment ago may still be on its way into a version (RULES 23).
  Status Settle(const Scope& scope) const {
    std::shared_ptr<AppendArea> area = view_.table->AppendIfMade();
    if (!area || !area->HasPending()) return Status::OK();
    if (!scope.may_wait) return Status::Unavailable("a commit is pending");
    area->WaitForPending(scope.ctx.WithTimeout(kPendingWait));
    return Status::OK();
  }

  std::optional<Result<Child>> LookupDirectory(const std::string& name, const Scope& scope) const;

  std::string TextKey(const Dataset& dataset, const std::string& name) const {
    // info.json names the newest version, README the place: they differ between the live tree and a version.
    return view_.FileKey(dataset, (view_.live() ? "live/" : "") + name);
  }

  NodePtr Unborn() const {
    const std::string uri = view_.table->uri();
    return MakeText(view_.DirKey("README.txt"), "README.txt", 0,
                    [uri](const Caller&) -> Result<std::string> { return TableReadme(nullptr, uri, false, true); });
  }

  Result<Child> LookupText(const std::string& name, const DatasetPtr& dataset) const {
    const std::string key = TextKey(*dataset, name);
    const int64_t time = dataset->timestamp_ns();
    const std::string file_path = Join(path(), name);
    NodePtr node;
    if (name == "README.txt") {
      node = MakeText(key, name, time, [dataset, view = view_](const Caller&) -> Result<std::string> {
        return TableReadme(dataset.get(), view.table->uri(), !view.live(), view.table->may_append());
      });
    } else if (name == "schema.txt") {
      node = MakeText(key, name, time, [dataset](const Caller&) -> Result<std::string> { return SchemaText(dataset->schema()); });
    } else if (name == "info.json") {
      auto load = [dataset, table = view_.table](const OpContext& ctx) -> Result<std::string> {
        InfoExtra extra;
        extra.uri = table->uri();
        Scope scope{ctx, {}, true};
        LANCEFS_ASSIGN_OR_RETURN(DatasetPtr newest, table->Newest(scope));
        extra.latest_version = newest ? newest->version() : dataset->version();
        LANCEFS_ASSIGN_OR_RETURN(auto tags, table->Tags(scope));
        extra.tags = *tags;
        return InfoJson(*dataset, extra);
      };
      node = Make<LoadedFile>(key, mount_, key, file_path, time, load);
    } else {
      auto load = [dataset](const OpContext& ctx) -> Result<std::string> {
        LANCEFS_ASSIGN_OR_RETURN(std::optional<pb::Transaction> transaction, dataset->Transaction(ctx));
        return transaction ? TransactionJson(*transaction) : std::string("null\n");
      };
      node = Make<LoadedFile>(key, mount_, key, file_path, time, load);
    }
    return Child{node, view_.entry_timeout()};
  }

  BindingCache binding_;
};

class VersionsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;
  double negative_timeout() const override { return 0; }

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == "latest") return Child{Latest(), mount_->refresh_seconds()};
    if (name.starts_with("asof=")) return AsOf(name, scope);
    View view = view_;
    uint64_t version = 0;
    if (!ParseNumber(name, &version) || version == 0) return NoSuch(name);
    LANCEFS_RETURN_NOT_OK(view_.table->Exists(version, scope));
    view.version = version;
    const std::string key = view.DirKey("");
    return Child{Make<TableDirectory>(key, view, key, Join(path(), name)), mount_->refresh_seconds()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(auto versions, view_.table->Versions(scope));
    std::vector<DirEntry> entries = {{"latest", Latest()->ino(), S_IFLNK}};
    View view = view_;
    for (const VersionInfo& info : *versions) {
      view.version = info.version;
      entries.push_back(Entry(std::to_string(info.version), view.DirKey(""), S_IFDIR));
    }
    return entries;
  }

 private:
  NodePtr Latest() const {
    const std::string key = view_.DirKey("versions/latest");
    return Make<LinkNode>(key, mount_, key, Join(path(), "latest"), [view = view_](const Scope& scope) -> Result<std::string> {
      LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view.Require(scope));
      return std::to_string(dataset->version());
    });
  }

  Result<Child> AsOf(const std::string& name, const Scope& scope) const {
    const std::string text = name.substr(5);
    LANCEFS_ASSIGN_OR_RETURN(int64_t time_ns, ParseTime(text));
    LANCEFS_RETURN_NOT_OK(view_.table->VersionAsOf(time_ns, scope).status());
    const std::string key = view_.DirKey("versions/asof=" + std::to_string(time_ns));
    NodePtr node =
        Make<LinkNode>(key, mount_, key, Join(path(), name), [view = view_, time_ns](const Scope& s) -> Result<std::string> {
          LANCEFS_ASSIGN_OR_RETURN(uint64_t version, view.table->VersionAsOf(time_ns, s));
          return std::to_string(version);
        });
    return Child{node, mount_->refresh_seconds()};
  }
};

std::optional<Result<Child>> TableDirectory::LookupDirectory(const std::string& name, const Scope& scope) const {
  const std::string key = view_.DirKey(name);
  const std::string dir_path = Join(path(), name);
  if (name == "append" && view_.live()) {
    if (!view_.table->may_append()) return NoSuch(name);
    if (!scope.may_wait && !view_.table->AppendIfMade()) return Status::Unavailable("the append area has to be made");
    Result<std::shared_ptr<AppendArea>> area = view_.table->Append();
    if (!area.ok()) return area.status();
    return Child{Make<AppendNode>(key, key, dir_path, *area, AppendArea::kRoot), kForever};
  }
  if (name == "status" && view_.live()) {
    const std::string status_key = mount_->options.uri + "|status";
    return Child{Make<StatusDirectory>(status_key, mount_, status_key, dir_path), kForever};
  }
  const bool versions = name == "versions" && view_.live();
  if (name != "query" && name != "fragments" && !versions) return std::nullopt;
  Result<DatasetPtr> dataset = view_.Get(scope);
  if (!dataset.ok()) return dataset.status();
  if (!*dataset) return NoSuch(name);
  if (versions) return Child{Make<VersionsDirectory>(key, view_, key, dir_path), view_.entry_timeout()};
  if (name == "query") return Child{Make<QueryDirectory>(key, view_, key, dir_path), view_.entry_timeout()};
  return Child{Make<FragmentsDirectory>(key, view_, key, dir_path), view_.entry_timeout()};
}

// ---- A database ---------------------------------------------------------------------------------

class DotLancefsDirectory : public Directory {
 public:
  using Directory::Directory;
  Result<Child> Lookup(const std::string& name, const Scope&) override {
    if (name == "status") {
      const std::string key = mount_->options.uri + "|status";
      return Child{Make<StatusDirectory>(key, mount_, key, Join(path(), name)), kForever};
    }
    if (name != "README.txt") return NoSuch(name);
    const std::string key = this->key() + "/README.txt";
    const bool may_append = !mount_->options.read_only;
    return Child{Make<TextFile>(key, mount_, key, Join(path(), name), 0, /*fixed=*/true,
                                [uri = mount_->options.uri, may_append](const Caller&) -> Result<std::string> {
                                  return DatabaseReadme(uri, {}, may_append);
                                }),
                 kForever};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    return std::vector<DirEntry>{Entry("README.txt", key() + "/README.txt", S_IFREG),
                                 Entry("status", mount_->options.uri + "|status", S_IFDIR)};
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
      LANCEFS_ASSIGN_OR_RETURN(
          names, tables_->Get(mount_->options.refresh, scope.ctx.WithTimeout(std::chrono::seconds(1)), scope.may_wait));
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

  std::string TableUri(const std::string& name) const {
    const std::string& uri = mount_->options.uri;
    return uri + (uri.ends_with('/') ? "" : "/") + name + ".lance";
  }
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

// The root of a mount that is one dataset knows its table for AppendAreas.
class DatasetRoot : public TableDirectory {
 public:
  using TableDirectory::TableDirectory;
  const std::shared_ptr<Table>& table() const { return view_.table; }
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
      key, [&]() -> NodePtr { return std::make_shared<AppendNode>(key, Join(parent.path(), name), parent.area(), id); });
}

NodePtr MakeRoot(std::shared_ptr<Mount> mount) {
  const std::string uri = mount->options.uri;
  if (mount->options.is_database) {
    const std::string key = uri + "|database";
    return mount->Intern(key, [&]() -> NodePtr { return std::make_shared<DatabaseDirectory>(mount, key, ""); });
  }
  auto table = std::make_shared<Table>(mount, mount->options.path, uri, "", /*may_be_absent=*/false);
  View view{table, std::nullopt, std::nullopt};
  const std::string key = view.DirKey("");
  return mount->Intern(key, [&]() -> NodePtr { return std::make_shared<DatasetRoot>(view, key, ""); });
}

std::vector<std::shared_ptr<AppendArea>> AppendAreas(const NodePtr& root) {
  std::vector<std::shared_ptr<Table>> tables;
  if (auto* dataset = dynamic_cast<DatasetRoot*>(root.get())) tables.push_back(dataset->table());
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
  if (auto* dataset = dynamic_cast<DatasetRoot*>(root.get())) {
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
