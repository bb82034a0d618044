// SPDX-License-Identifier: Apache-2.0
//
// columns/: one column in a file. Its rows are the question query/select=<name>/ and share its result.
#include <algorithm>

#include "fs/describe.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

constexpr std::string_view kInfoSuffix = "json";

std::string Backticked(const std::string& name) {
  std::string out = "`";
  for (const char c : name) out += c == '`' ? std::string("``") : std::string(1, c);
  return out + "`";
}

// The path of the column that a component names: a column, else structs and their fields with dots between. Empty = none.
std::vector<std::string> ColumnPath(const Schema& schema, const std::string& component) {
  const Result<std::string> decoded = DecodeName(component);
  for (const std::string& name : {decoded.ok() ? *decoded : component, component}) {
    if (schema.Find(name) != nullptr) return {name};
  }
  if (!decoded.ok()) return {};
  std::vector<std::string> path;
  const std::vector<Field>* fields = &schema.fields;
  for (size_t start = 0; start <= decoded->size();) {
    const size_t dot = std::min(decoded->find('.', start), decoded->size());
    path.push_back(decoded->substr(start, dot - start));
    const auto found =
        std::find_if(fields->begin(), fields->end(), [&](const Field& field) { return field.name == path.back(); });
    if (found == fields->end()) return {};
    if (dot < decoded->size() && found->type->id() != arrow::Type::STRUCT) return {};
    fields = &found->children;
    start = dot + 1;
  }
  return path;
}

Query SelectOf(const std::vector<std::string>& path) {
  Query query;
  query.select = "";
  for (const std::string& name : path) *query.select += (query.select->empty() ? "" : ".") + Backticked(name);
  return query;
}

class ColumnsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0) return NoSuch(name);
    const std::string suffix = name.substr(dot + 1);
    if (suffix != kInfoSuffix && !RowFormatFromSuffix(suffix)) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    const std::vector<std::string> column = ColumnPath(dataset->schema(), name.substr(0, dot));
    if (column.empty()) return NoSuch(name);
    if (suffix == kInfoSuffix) {
      return Child{MakeText(InfoKey(*dataset, column), name, dataset->timestamp_ns(),
                            [dataset, column](const Caller&) -> Result<std::string> { return ColumnInfoJson(*dataset, column); }),
                   view_.entry_timeout()};
    }
    LANCEFS_ASSIGN_OR_RETURN(BoundQuery bound, Bind(SelectOf(column), *dataset));
    LANCEFS_ASSIGN_OR_RETURN(NodePtr node, RowsNames(view_, mount_, path())
                                               .Find(std::string(kRowsPrefix) + suffix, dataset,
                                                     std::make_shared<const BoundQuery>(std::move(bound))));
    return Child{node, view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    const RowsNames names(view_, mount_, path());
    std::vector<DirEntry> entries;
    for (const Field& field : dataset->schema().fields) {
      const std::vector<std::string> column = {field.name};
      const std::string name = EncodeName(field.name);
      entries.push_back(Entry(name + "." + std::string(kInfoSuffix), InfoKey(*dataset, column), S_IFREG));
      LANCEFS_ASSIGN_OR_RETURN(const BoundQuery bound, Bind(SelectOf(column), *dataset));
      for (const std::string_view rows : kListedRows) {
        entries.push_back(
            Entry(name + std::string(rows.substr(rows.find('.'))), names.Key(*dataset, bound, std::string(rows)), S_IFREG));
      }
    }
    return entries;
  }

 private:
  std::string InfoKey(const Dataset& dataset, const std::vector<std::string>& column) const {
    std::string what = "columns";
    for (const std::string& name : column) what += "/" + std::to_string(name.size()) + ":" + name;
    return view_.FileKey(dataset, what + ".json");
  }
};

}  // namespace

NodePtr MakeColumnsDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<ColumnsDirectory>(view, "columns", path);
}

}  // namespace lancefs
