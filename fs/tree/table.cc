// SPDX-License-Identifier: Apache-2.0
#include "fs/tree/table.h"

#include <algorithm>

#include "engine/format/transaction_json.h"
#include "fs/describe.h"

namespace lancefs {
namespace {

constexpr auto kPendingWait = std::chrono::milliseconds(200);

// The folders of a table that exists, and where in the tree they are (RULES 9).
struct Folder {
  const char* name;
  NodePtr (*make)(const View& view, const std::string& path);
  bool (*is_in)(const View& view);
};
bool Everywhere(const View&) { return true; }
bool InLiveTrees(const View& view) { return view.live(); }
bool AtTheTop(const View& view) { return view.top(); }
constexpr Folder kFolders[] = {
    {"rows", MakeRowsDirectory, Everywhere},        //
    {"columns", MakeColumnsDirectory, Everywhere},  //
    {"fragments", MakeFragmentsDirectory, Everywhere},
    {"indices", MakeIndicesDirectory, Everywhere},  //
    {"query", MakeQueryDirectory, Everywhere},      //
    {"versions", MakeVersionsDirectory, InLiveTrees},
    {"tags", MakeTagsDirectory, AtTheTop},          //
    {"branches", MakeBranchesDirectory, AtTheTop},  //
    {"raw", MakeRawDirectory, AtTheTop},
};

}  // namespace

Result<Child> TableDirectory::Lookup(const std::string& name, const Scope& scope) {
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

Result<std::vector<DirEntry>> TableDirectory::List(const Scope& scope) {
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
    for (const Folder& folder : kFolders) {
      if (folder.is_in(view_)) entries.push_back(Entry(folder.name, view_.DirKey(folder.name), S_IFDIR));
    }
  } else {
    entries.push_back(Entry("README.txt", view_.DirKey("README.txt"), S_IFREG));
    if (Result<Child> schema = LookupNewSchema(); schema.ok())
      entries.push_back({SchemaArea::kName, schema->node->ino(), S_IFREG});
  }
  if (!view_.top()) return entries;
  if (view_.table->may_append()) entries.push_back(Entry("append", view_.DirKey("append"), S_IFDIR));
  entries.push_back(Entry("status", StatusKey(*mount_), S_IFDIR));
  return entries;
}

Result<NodePtr> TableDirectory::WritableDirectory(const std::string& name) {
  if (name != SchemaArea::kName || !TakesSchema()) return ViewDirectory::WritableDirectory(name);
  return NodePtr(SchemaDirectory());
}

bool TableDirectory::TakesSchema() const {
  Table& table = *view_.table;
  return view_.live() && table.may_append() && table.schema_area() != nullptr && table.live().IsUnborn();
}
std::shared_ptr<AppendNode> TableDirectory::SchemaDirectory() const {
  return std::make_shared<AppendNode>(view_.DirKey("schema to be"), path(), view_.table->schema_area(), AppendArea::kRoot);
}
Result<Child> TableDirectory::LookupNewSchema() const {
  if (!TakesSchema()) return NoSuch(SchemaArea::kName);
  LANCEFS_ASSIGN_OR_RETURN(AppendArea::Entry found, view_.table->schema_area()->Lookup(AppendArea::kRoot, SchemaArea::kName));
  return Child{MakeAppendNode(*mount_, *SchemaDirectory(), SchemaArea::kName, found.id), 0};
}

Status TableDirectory::Settle(const Scope& scope) const {
  std::shared_ptr<AppendArea> area = view_.table->AppendIfMade();
  if (!area || !area->HasPending()) return Status::OK();
  if (!scope.may_wait) return Status::Unavailable("a commit is pending");
  area->WaitForPending(scope.ctx.WithTimeout(kPendingWait));
  return Status::OK();
}

std::string TableDirectory::TextKey(const Dataset& dataset, const std::string& name) const {
  // info.json names the newest version, README the place: they differ between the live tree and a version.
  return view_.FileKey(dataset, (view_.live() ? "live/" : "") + name);
}

NodePtr TableDirectory::Unborn() const {
  const std::string uri = view_.table->uri();
  return MakeText(view_.DirKey("README.txt"), "README.txt", 0,
                  [uri](const Caller&) -> Result<std::string> { return TableReadme(nullptr, uri, false, true); });
}

Result<Child> TableDirectory::LookupText(const std::string& name, const DatasetPtr& dataset) const {
  const std::string key = TextKey(*dataset, name);
  const int64_t time = dataset->timestamp_ns();
  const std::string file_path = JoinPath(path(), name);
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
      LANCEFS_ASSIGN_OR_RETURN(auto branches, table->Branches(scope));
      extra.branches = *branches;
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

Result<Child> TableDirectory::LookupAppend(const Scope& scope) const {
  if (!view_.table->may_append()) return NoSuch("append");
  if (!scope.may_wait && !view_.table->AppendIfMade()) return Status::Unavailable("the append area has to be made");
  Result<std::shared_ptr<AppendArea>> area = view_.table->Append();
  if (!area.ok()) return area.status();
  const std::string key = view_.DirKey("append");
  return Child{Make<AppendNode>(key, key, JoinPath(path(), "append"), *area, AppendArea::kRoot), kForever};
}

std::optional<Result<Child>> TableDirectory::LookupDirectory(const std::string& name, const Scope& scope) const {
  if (name == "append" && view_.top()) return LookupAppend(scope);
  if (name == "status" && view_.top()) return Child{MakeStatusDirectory(mount_, JoinPath(path(), name)), kForever};
  for (const Folder& folder : kFolders) {
    if (name != folder.name || !folder.is_in(view_)) continue;
    Result<DatasetPtr> dataset = view_.Get(scope);
    if (!dataset.ok()) return dataset.status();
    if (!*dataset) return NoSuch(name);
    return Child{folder.make(view_, JoinPath(path(), name)), view_.entry_timeout()};
  }
  return std::nullopt;
}

}  // namespace lancefs
