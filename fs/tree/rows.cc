// SPDX-License-Identifier: Apache-2.0
//
// rows/: random access by row offset, counted over the live rows in dataset order.
#include "fs/describe.h"
#include "fs/row_cells.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

// A cell; the row that it is of was read before, so its size is known.
class CellFile : public Node {
 public:
  CellFile(std::shared_ptr<Mount> mount, std::string key, std::string path, std::string row_key, DatasetPtr dataset,
           uint64_t offset, size_t column, uint64_t size)
      : Node(std::move(key), std::move(path)),
        mount_(std::move(mount)),
        row_key_(std::move(row_key)),
        dataset_(std::move(dataset)),
        offset_(offset),
        column_(column),
        size_(size) {}

  FileAttr Attr(const Scope&) override {
    FileAttr attr = BaseAttr(*mount_, *this, S_IFREG, 0444, dataset_->timestamp_ns());
    SetSize(&attr, size_);
    return attr;
  }
  double attr_timeout() const override { return kForever; }

  Result<std::unique_ptr<OpenFile>> Open(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(auto row, mount_->rows().Get(row_key_, dataset_, offset_, scope.ctx, scope.may_wait));
    const std::optional<Bytes>& bytes = row->cells[column_].bytes;
    if (!bytes) return Status::Internal("the cell was not null before");
    return OpenBytes(*bytes, /*direct_io=*/false, /*keep_cache=*/true);
  }

 private:
  const std::shared_ptr<Mount> mount_;
  const std::string row_key_;
  const DatasetPtr dataset_;
  const uint64_t offset_;
  const size_t column_;
  const uint64_t size_;
};

// rows/<n>/: nulls are not listed and do not exist.
class RowDirectory : public ViewDirectory {
 public:
  RowDirectory(View view, std::string key, std::string path, uint64_t offset)
      : ViewDirectory(std::move(view), std::move(key), std::move(path)), offset_(offset) {}

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    const std::optional<size_t> column = FindCell(dataset->schema(), name);
    if (!column || offset_ >= dataset->num_rows()) return NoSuch(name);
    const std::string row_key = RowKey(*dataset);
    Scope soon = scope;
    soon.ctx = scope.Soon();
    LANCEFS_ASSIGN_OR_RETURN(auto row, mount_->rows().Get(row_key, dataset, offset_, soon.ctx, soon.may_wait));
    const RowCell& cell = row->cells[*column];
    if (cell.is_null()) return Status::NotFound("/" + path() + "/" + name + " is null");
    const std::string listed = CellName(dataset->schema().fields[*column]);
    const std::string key = row_key + "/" + listed;
    const std::string cell_path = JoinPath(path(), listed);
    NodePtr node;
    if (cell.place) {
      node = Make<RawFile>(key, mount_, key, cell_path, RawFile::Place{cell.place->store, cell.place->path, cell.place->offset},
                           cell.size(), dataset->timestamp_ns(), RawFile::Reads::kParts);
    } else {
      node = Make<CellFile>(key, mount_, key, cell_path, row_key, dataset, offset_, *column, cell.size());
    }
    return Child{node, view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    if (offset_ >= dataset->num_rows()) return Status::NotFound("there is no row " + std::to_string(offset_) + " any more");
    const std::string row_key = RowKey(*dataset);
    LANCEFS_ASSIGN_OR_RETURN(auto row, mount_->rows().Get(row_key, dataset, offset_, scope.ctx, scope.may_wait));
    std::vector<DirEntry> entries;
    for (size_t i = 0; i < row->cells.size(); ++i) {
      if (row->cells[i].is_null()) continue;
      const std::string listed = CellName(dataset->schema().fields[i]);
      entries.push_back(Entry(listed, row_key + "/" + listed, S_IFREG));
    }
    return entries;
  }

 private:
  std::string RowKey(const Dataset& dataset) const { return view_.FileKey(dataset, "rows/" + std::to_string(offset_)); }

  const uint64_t offset_;
};

// What a component of rows/ names: one row, or the rows [from, to).
struct RowsName {
  enum class Kind { kDirectory, kRow, kRange } kind = Kind::kDirectory;
  uint64_t from = 0;
  uint64_t to = 0;
};

std::optional<RowsName> ParseRowsName(std::string_view name) {
  RowsName parsed;
  if (name.ends_with(".json")) {
    name.remove_suffix(5);
    parsed.kind = RowsName::Kind::kRow;
  } else if (name.ends_with(".jsonl")) {
    name.remove_suffix(6);
    const size_t dash = name.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    parsed.kind = RowsName::Kind::kRange;
    if (!ParseNumber(name.substr(dash + 1), &parsed.to)) return std::nullopt;
    name = name.substr(0, dash);
  }
  if (name.empty() || !ParseNumber(name, &parsed.from)) return std::nullopt;
  if (parsed.kind != RowsName::Kind::kRange) parsed.to = parsed.from + 1;
  return parsed;
}

class RowsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == kReadme) {
      return Child{
          MakeText(view_.DirKey("rows/README.txt"), name, 0, [](const Caller&) -> Result<std::string> { return RowsReadme(); }),
          kForever};
    }
    const std::optional<RowsName> rows = ParseRowsName(name);
    if (!rows) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    if (rows->from > rows->to || rows->to > dataset->num_rows()) {
      return Status::NotFound("/" + JoinPath(path(), name) + ": there are " + std::to_string(dataset->num_rows()) + " rows");
    }
    if (rows->kind == RowsName::Kind::kDirectory) {
      const std::string key = view_.DirKey("rows/" + name);
      return Child{Make<RowDirectory>(key, view_, key, JoinPath(path(), name), rows->from), view_.entry_timeout()};
    }
    // The same question as query/take=<n>/ or query/offset=<a>/limit=<n>/: one inode, one result.
    Query query;
    if (rows->kind == RowsName::Kind::kRow) {
      query.take = std::vector<uint64_t>{rows->from};
    } else {
      query.offset = rows->from;
      query.limit = rows->to - rows->from;
    }
    LANCEFS_ASSIGN_OR_RETURN(BoundQuery bound, Bind(query, *dataset));
    LANCEFS_ASSIGN_OR_RETURN(
        NodePtr node,
        RowsNames(view_, mount_, path()).Find("rows.jsonl", dataset, std::make_shared<BoundQuery>(std::move(bound))));
    return Child{node, view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope&) override {
    return std::vector<DirEntry>{Entry(kReadme, view_.DirKey("rows/README.txt"), S_IFREG)};
  }

 private:
  static constexpr const char* kReadme = "README.txt";
};

}  // namespace

NodePtr MakeRowsDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<RowsDirectory>(view, "rows", path);
}

}  // namespace lancefs
