// SPDX-License-Identifier: Apache-2.0
//
// The texts about a dataset that the tree serves: info.json, schema.json, README.txt, ... Keys of
// the JSON forms are stable (RULES 13); README and FUNCTIONS are for people.
//
// Thread safety: free functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/table/dataset.h"
#include "fs/path_grammar.h"

namespace lancefs {

struct InfoExtra {
  std::string uri;
  std::optional<uint64_t> latest_version;
  std::map<std::string, TagInfo> tags;
  std::map<std::string, BranchInfo> branches;
};
std::string InfoJson(const Dataset& dataset, const InfoExtra& extra);
// REQUIRES: `index` is one of the dataset's fragments.
std::string FragmentInfoJson(const Dataset& dataset, size_t index);
// One column; `path` leads to it through structs. REQUIRES: the schema has it.
std::string ColumnInfoJson(const Dataset& dataset, const std::vector<std::string>& path);
// The names of the dataset's indices, without those that Lance keeps for itself. Errors: kCorruption.
Result<std::vector<std::string>> IndexNames(const Dataset& dataset);
// One index with its parts, from the manifest alone. Errors: kNotFound, kCorruption.
Result<std::string> IndexInfoJson(const Dataset& dataset, const std::string& name);
// RULES 11, of a dataset: with ids and the schema's metadata.
std::string SchemaJson(const Schema& schema);
// The same of the rows of a query; ids of plain columns, else null.
std::string SchemaJson(const arrow::Schema& schema, const Schema& dataset_schema);
// One line a field, indented by depth.
std::string SchemaText(const Schema& schema);
// What the scan would do, and the question in words.
Result<std::string> ExplainText(const Dataset& dataset, const BoundQuery& query);

// README.txt of a table's root, with examples that use its own columns. `may_append`: append/ is there.
std::string TableReadme(const Dataset* dataset, const std::string& uri, bool pinned, bool may_append);
std::string DatabaseReadme(const std::string& uri, const std::vector<std::string>& tables, bool may_append);
std::string QueryReadme(const Dataset& dataset);
std::string RowsReadme();
std::string FunctionsText();

}  // namespace lancefs
