// SPDX-License-Identifier: Apache-2.0
#include "fs/tree/directory.h"

#include <charconv>

#include "fs/describe.h"

namespace lancefs {

bool ParseNumber(std::string_view name, uint64_t* value) {
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), *value);
  return error == std::errc() && end == name.data() + name.size() && (name.size() == 1 || name[0] != '0');
}

// ---- View ---------------------------------------------------------------------------------------

Result<DatasetPtr> View::Require(const Scope& scope) const {
  LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, Get(scope));
  if (!dataset) return Status::NotFound("the table does not exist yet; drop its first file into append/");
  return dataset;
}

DatasetPtr View::Peek() const {
  if (version) return table->PeekAt(*version);
  Result<DatasetPtr> dataset = table->live().Current(OpContext(), /*may_wait=*/false);
  return dataset.ok() ? *dataset : nullptr;
}

int64_t View::time_ns() const {
  const DatasetPtr dataset = Peek();
  return dataset ? dataset->timestamp_ns() : version ? table->KnownTime(*version) : 0;
}

// ---- RowsNames ----------------------------------------------------------------------------------

Result<NodePtr> RowsNames::Find(const std::string& name, const DatasetPtr& dataset,
                                std::shared_ptr<const BoundQuery> query) const {
  std::optional<RowsFile::Source> source = SourceOf(name, dataset, query);
  if (source) {
    const std::string key = Key(*dataset, *query, name);
    return mount_->Intern(
        key, [&]() -> NodePtr { return std::make_shared<RowsFile>(mount_, key, JoinPath(path_, name), std::move(*source)); });
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

std::string RowsNames::Key(const Dataset& dataset, const BoundQuery& query, const std::string& name) const {
  // Other spellings of a suffix (ndjson) are the same file.
  std::string canonical = name;
  if (name.starts_with(kRowsPrefix)) {
    if (auto format = RowFormatFromSuffix(name.substr(kRowsPrefix.size())))
      canonical = std::string(kRowsPrefix) + std::string(RowFormatSuffix(*format));
  }
  return view_.FileKey(dataset, "query{" + query.canonical + "}/" + canonical);
}

bool RowsNames::IsName(const std::string& name) {
  if (name.starts_with(kRowsPrefix)) return RowFormatFromSuffix(name.substr(kRowsPrefix.size())).has_value();
  return name == "head.jsonl" || name == "count" || name == "schema.json" || name == "explain.txt" || name == "error";
}

std::optional<RowsFile::Source> RowsNames::SourceOf(const std::string& name, const DatasetPtr& dataset,
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

NodePtr RowsNames::Text(const std::string& name, const DatasetPtr& dataset, const std::shared_ptr<const BoundQuery>& query,
                        TextFile::Make make) const {
  const std::string key = Key(*dataset, *query, name);
  return mount_->Intern(key, [&]() -> NodePtr {
    return std::make_shared<TextFile>(mount_, key, JoinPath(path_, name), dataset->timestamp_ns(), /*fixed=*/true,
                                      std::move(make));
  });
}

Result<NodePtr> RowsNames::Error(const Dataset& dataset, const BoundQuery& query) const {
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
    return std::make_shared<TextFile>(mount_, key, JoinPath(path_, "error"), 0, /*fixed=*/false,
                                      [text](const Caller&) -> Result<std::string> { return text; });
  });
}

Result<std::shared_ptr<const BoundQuery>> BindingCache::Get(const Query& query, const DatasetPtr& dataset,
                                                            std::optional<uint64_t> fragment) {
  std::lock_guard lock(mutex_);
  if (bound_ && dataset_ == dataset) return bound_;
  LANCEFS_ASSIGN_OR_RETURN(BoundQuery bound, Bind(query, *dataset, fragment));
  dataset_ = dataset;
  bound_ = std::make_shared<const BoundQuery>(std::move(bound));
  return bound_;
}

}  // namespace lancefs
