// SPDX-License-Identifier: Apache-2.0
//
// query/: one clause per component.
#include "fs/describe.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

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
      return std::make_shared<ClauseDirectory>(view, key, JoinPath(parent.path(), name), std::move(longer));
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

}  // namespace

NodePtr MakeQueryDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<QueryDirectory>(view, "query", path);
}

}  // namespace lancefs
