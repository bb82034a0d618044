// SPDX-License-Identifier: Apache-2.0
#include "fs/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/format/blob_descriptor.h"
#include "fs/text.h"

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

std::string Pretty(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string WriterText(const pb::Manifest& manifest) {
  if (!manifest.has_writer_version()) return "";
  const auto& writer = manifest.writer_version();
  std::string text = writer.library() + " " + writer.version();
  if (writer.has_prerelease()) text += "-" + writer.prerelease();
  return text;
}

Json TimeOrNull(int64_t ns) { return ns == 0 ? Json() : Json(FormatTime(ns)); }

std::string DataFileVersionText(const pb::DataFile& file) {
  Result<FileVersion> version = FileVersionFromDataFile(file.file_major_version(), file.file_minor_version());
  if (version.ok()) return std::string(FileVersionName(*version));
  return std::to_string(file.file_major_version()) + "." + std::to_string(file.file_minor_version());
}

// Field ids -> dotted names.
void CollectNames(const Field& field, const std::string& prefix, std::map<int32_t, std::string>* names) {
  const std::string name = prefix.empty() ? field.name : prefix + "." + field.name;
  (*names)[field.id] = name;
  for (const Field& child : field.children) CollectNames(child, name, names);
}

Json MetadataJson(const std::map<std::string, std::string>& metadata) {
  Json json = Json::object();
  for (const auto& [key, value] : metadata) json[key] = value;
  return json;
}

Json FieldJson(const Field& stored) {
  Json json;
  const Field field = WithJsonText(stored);
  const std::shared_ptr<arrow::Field> arrow_field = field.ToArrow();
  json["id"] = field.id;
  json["name"] = field.name;
  json["type"] = arrow_field->type()->ToString();
  json["nullable"] = field.nullable;
  json["metadata"] = MetadataJson(field.metadata);
  if (!field.children.empty()) {
    json["children"] = Json::array();
    for (const Field& child : field.children) json["children"].push_back(FieldJson(child));
  }
  return json;
}

Json ArrowFieldJson(const arrow::Field& field, const Field* known) {
  Json json;
  json["id"] = known ? Json(known->id) : Json();
  json["name"] = field.name();
  json["type"] = field.type()->ToString();
  json["nullable"] = field.nullable();
  json["metadata"] = Json::object();
  if (field.metadata()) {
    for (int64_t i = 0; i < field.metadata()->size(); ++i)
      json["metadata"][field.metadata()->key(i)] = field.metadata()->value(i);
  }
  if (field.type()->num_fields() > 0) {
    json["children"] = Json::array();
    for (int i = 0; i < field.type()->num_fields(); ++i) {
      const Field* child = known && static_cast<size_t>(i) < known->children.size() ? &known->children[i] : nullptr;
      json["children"].push_back(ArrowFieldJson(*field.type()->field(i), child));
    }
  }
  return json;
}

void FieldText(const Field& field, int depth, std::string* out) {
  *out +=
      std::string(static_cast<size_t>(depth) * 2, ' ') + field.name + ": " + WithJsonText(field).ToArrow()->type()->ToString();
  if (!field.nullable) *out += " not null";
  *out += "  [id " + std::to_string(field.id) + "]\n";
  for (const auto& [key, value] : field.metadata) {
    *out += std::string(static_cast<size_t>(depth) * 2 + 2, ' ') + "-- " + key + ": " + value + "\n";
  }
  for (const Field& child : field.children) FieldText(child, depth + 1, out);
}

// ---- Examples -----------------------------------------------------------------------------------

bool PlainName(const std::string& name) {
  if (name.empty() || !(std::isalpha(static_cast<unsigned char>(name[0])) || name[0] == '_')) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

std::string SqlName(const std::string& name) { return PlainName(name) ? name : "`" + name + "`"; }

// What the examples talk about: a column to compare, and two to show.
struct ExampleColumns {
  std::string number;
  std::string text;
  std::vector<std::string> some;
};

ExampleColumns PickColumns(const arrow::Schema& schema) {
  ExampleColumns columns;
  for (const auto& field : schema.fields()) {
    if (field->name().find_first_of("/'\"`") != std::string::npos) continue;
    const arrow::Type::type id = field->type()->id();
    if (columns.number.empty() && (arrow::is_integer(id) || arrow::is_floating(id))) columns.number = field->name();
    if (columns.text.empty() && (id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING)) columns.text = field->name();
    if (columns.some.size() < 2) columns.some.push_back(field->name());
  }
  return columns;
}

std::string Examples(const arrow::Schema& schema, const std::string& prefix) {
  const ExampleColumns columns = PickColumns(schema);
  std::string out;
  if (!columns.number.empty()) {
    out += "  cat '" + prefix + "filter=" + SqlName(columns.number) + " > 10/limit=100/rows.jsonl'\n";
    out += "  cat " + prefix + columns.number + ".gt=10/count          (the same without quotes)\n";
  }
  if (!columns.text.empty()) out += "  cat '" + prefix + "filter=" + SqlName(columns.text) + " LIKE '\\''a%'\\''/rows.csv'\n";
  if (!columns.some.empty()) {
    std::string select;
    for (const std::string& name : columns.some) select += (select.empty() ? "" : ",") + SqlName(name);
    out += "  cat '" + prefix + "select=" + select + "/limit=10/rows.csv'\n";
  }
  return out;
}

}  // namespace

std::string InfoJson(const Dataset& dataset, const InfoExtra& extra) {
  uint64_t physical = 0, deleted = 0;
  for (const FragmentInfo& fragment : dataset.fragments()) {
    physical += fragment.physical_rows;
    deleted += fragment.deleted_rows;
  }
  const pb::Manifest& manifest = dataset.manifest();
  Json json;
  json["uri"] = extra.uri;
  json["version"] = dataset.version();
  json["latest_version"] = extra.latest_version ? Json(*extra.latest_version) : Json();
  json["timestamp"] = TimeOrNull(dataset.timestamp_ns());
  json["branch"] = dataset.branch().empty() ? Json("main") : Json(dataset.branch());
  json["rows"] = dataset.num_rows();
  json["physical_rows"] = physical;
  json["deleted_rows"] = deleted;
  json["fragments"] = dataset.fragments().size();
  json["bytes"] = dataset.data_bytes();
  json["data_storage_version"] = FileVersionName(dataset.data_version());
  json["stable_row_ids"] = dataset.stable_row_ids();
  json["reader_flags"] = manifest.reader_feature_flags();
  json["writer_flags"] = manifest.writer_feature_flags();
  json["writer"] = WriterText(manifest);
  json["tags"] = Json::object();
  for (const auto& [name, tag] : extra.tags) {
    json["tags"][name] = {{"branch", tag.branch.empty() ? "main" : tag.branch}, {"version", tag.version}};
  }
  json["branches"] = Json::object();
  for (const auto& [name, branch] : extra.branches) {
    json["branches"][name] = {{"parent", branch.parent_branch.empty() ? "main" : branch.parent_branch},
                              {"parent_version", branch.parent_version}};
  }
  return Pretty(json);
}

std::string FragmentInfoJson(const Dataset& dataset, size_t index) {
  const FragmentInfo& info = dataset.fragments()[index];
  std::map<int32_t, std::string> names;
  for (const Field& field : dataset.schema().fields) CollectNames(field, "", &names);
  Json json;
  json["id"] = info.id;
  json["rows"] = info.rows();
  json["physical_rows"] = info.physical_rows;
  json["deleted_rows"] = info.deleted_rows;
  json["files"] = Json::array();
  for (const pb::DataFile& file : dataset.manifest().fragments(static_cast<int>(index)).files()) {
    Json entry;
    entry["path"] = file.path();
    entry["bytes"] = file.file_size_bytes();
    entry["version"] = DataFileVersionText(file);
    entry["columns"] = Json::array();
    for (const int32_t id : file.fields()) {
      auto it = names.find(id);
      if (it != names.end()) entry["columns"].push_back(it->second);
    }
    json["files"].push_back(std::move(entry));
  }
  return Pretty(json);
}

std::string ColumnInfoJson(const Dataset& dataset, const std::vector<std::string>& path) {
  const Field* field = dataset.schema().Find(path[0]);
  std::string name = path[0];
  bool nullable = field->nullable;
  for (size_t i = 1; i < path.size(); ++i) {
    const std::vector<Field>& children = field->children;
    field = &*std::find_if(children.begin(), children.end(), [&](const Field& child) { return child.name == path[i]; });
    name += "." + path[i];
    nullable = nullable || field->nullable;
  }
  Json json = FieldJson(*field);
  json["name"] = name;
  json["rows"] = dataset.num_rows();
  std::set<int32_t> ids;
  field->ForEach([&](const Field& part) { ids.insert(part.id); });
  uint64_t fragments = 0;
  for (const pb::DataFragment& fragment : dataset.manifest().fragments()) {
    const auto& files = fragment.files();
    fragments += std::any_of(files.begin(), files.end(), [&](const pb::DataFile& file) {
      return std::any_of(file.fields().begin(), file.fields().end(), [&](int32_t id) { return ids.contains(id); });
    });
  }
  json["fragments"] = fragments;  // that store it
  // Where nothing is stored all is null; more cannot be known without reading.
  if (!nullable) json["nulls"] = 0;
  if (nullable && (fragments == 0 || field->type->id() == arrow::Type::NA)) json["nulls"] = dataset.num_rows();
  return Pretty(json);
}

std::string SchemaJson(const Schema& schema) {
  Json json;
  json["fields"] = Json::array();
  for (const Field& field : schema.fields) json["fields"].push_back(FieldJson(field));
  json["metadata"] = MetadataJson(schema.metadata);
  return Pretty(json);
}

std::string SchemaJson(const arrow::Schema& schema, const Schema& dataset_schema) {
  Json json;
  json["fields"] = Json::array();
  for (const auto& field : schema.fields()) {
    const Field* known = dataset_schema.Find(field->name());
    const bool same = known && ShownField(*known).ToArrow()->type()->Equals(*field->type());
    json["fields"].push_back(ArrowFieldJson(*field, same ? known : nullptr));
  }
  json["metadata"] = Json::object();
  if (schema.metadata()) {
    for (int64_t i = 0; i < schema.metadata()->size(); ++i)
      json["metadata"][schema.metadata()->key(i)] = schema.metadata()->value(i);
  }
  return Pretty(json);
}

std::string SchemaText(const Schema& schema) {
  std::string out;
  for (const Field& field : schema.fields) FieldText(field, 0, &out);
  for (const auto& [key, value] : schema.metadata) out += "-- " + key + ": " + value + "\n";
  return out;
}

Result<std::string> ExplainText(const Dataset& dataset, const BoundQuery& query) {
  LANCEFS_ASSIGN_OR_RETURN(std::string plan, ExplainScan(dataset, query.scan));
  std::string out = "version " + std::to_string(dataset.version()) + ", at most " + std::to_string(query.max_rows) + " rows\n";
  if (query.scan.filter) out += "where " + query.scan.filter->ToString() + "\n";
  out += plan;
  if (out.back() != '\n') out += '\n';
  return out;
}

std::string TableReadme(const Dataset* dataset, const std::string& uri, bool pinned, bool may_append) {
  const bool branch = dataset != nullptr && !dataset->branch().empty();
  std::string out = "This directory is " + (branch ? "the branch '" + dataset->branch() + "' of " : std::string()) +
                    "the Lance dataset\n  " + uri + "\n";
  if (dataset == nullptr) {
    return out +
           "\nIt does not exist yet: drop the first file into append/ and its columns become the table's,\n"
           "  cp first.parquet append/\n"
           "Or say the columns first, in the form of any table's schema.json:\n"
           "  echo '{\"fields\": [{\"name\": \"id\", \"type\": \"int64\"}, {\"name\": \"day\", \"type\": \"date32\"}]}' > "
           "schema.json\n";
  }
  if (pinned)
    out += "at version " + std::to_string(dataset->version()) + ", which never changes";
  else
    out += "at its newest version, now " + std::to_string(dataset->version());
  out += "; " + std::to_string(dataset->num_rows()) + " rows, " + std::to_string(dataset->arrow_schema()->num_fields()) +
         " columns.\n\n";
  out +=
      "Look\n"
      "  head.jsonl       the first 1,000 rows\n"
      "  rows.jsonl       all rows; also rows.csv, rows.parquet (listed) and rows.json, rows.tsv, rows.arrow, rows.arrows\n"
      "  count            the number of rows\n"
      "  info.json        versions, sizes, who wrote it\n"
      "  schema.json      columns and types; schema.txt for people\n"
      "  rows/            any row by its offset: rows/0.json, rows/10-20.jsonl, rows/0/ has a file for every value\n"
      "  columns/         one column in a file\n"
      "  indices/         what is indexed, and how much of it\n"
      "  fragments/       its pieces, with their files byte for byte\n";
  if (!pinned)
    out += "  versions/        every version as a tree of its own; versions/latest; versions/asof=2026-11-21T08:00:00Z\n";
  if (!pinned && dataset->branch().empty()) {
    out +=
        "  tags/            named versions; ln -s ../versions/1 tags/mine makes one\n"
        "  branches/        the trees of branches\n"
        "  raw/             the dataset itself, for other programs that read Lance\n";
  }
  out += "\nAsk (query/README.txt has it all; always quote blanks and < >)\n" + Examples(*dataset->arrow_schema(), "query/");
  if (!pinned && may_append) {
    out +=
        "\nAdd rows\n  cp new-rows.parquet append/        (or .jsonl .csv .tsv .arrow; one file, one commit, when it is "
        "closed)\n";
  }
  if (!pinned && !branch) out += "\nWhat went wrong\n  cat status/last_error\n";
  return out;
}

std::string DatabaseReadme(const std::string& uri, const std::vector<std::string>& tables, bool may_append) {
  std::string out =
      "This directory is the database\n  " + uri + "\nEvery directory in it is a table; begin with <table>/README.txt.\n\n";
  for (const std::string& table : tables) out += "  " + table + "/\n";
  if (may_append) out += "\nA new table: mkdir <name>, then cp first-file.parquet <name>/append/\n";
  return out + "\nWhat went wrong: cat .lancefs/status/last_error\n";
}

std::string QueryReadme(const Dataset& dataset) {
  std::string out =
      "A question is a path: one clause per component, in any order, then a file.\n"
      "Nothing is listed here and nothing can be created here.\n\n"
      "Clauses\n"
      "  filter=<sql>                 rows for which it is true; may be repeated, all must hold\n"
      "  <column>.<op>=<value>        the same without quotes; op: eq ne lt le gt ge in like isnull contains\n"
      "  select=<column or expression [as name]>,...\n"
      "  limit=<n>  offset=<n>\n"
      "  rowid  rowaddr               add _rowid, _rowaddr\n"
      "  fragments=<id>,...           only these fragments\n"
      "  take=<offset>,...            only these rows, counted from 0\n"
      "A value is taken literally. With % behind the key it is percent-decoded once, for values with a '/':\n"
      "  filter%=path = 'a%2Fb'\n\n"
      "Files\n"
      "  rows.jsonl rows.csv rows.parquet, and rows.json rows.tsv rows.arrow rows.arrows by name\n"
      "  head.jsonl (1,000 rows)  count  schema.json  explain.txt  error (when a run has failed)\n\n"
      "Examples\n";
  return out + Examples(*dataset.arrow_schema(), "query/") +
         "\nA bad clause is \"Invalid argument\"; the reason is in status/last_error.\n";
}

std::string RowsReadme() {
  return "Rows by their offset, counted from 0 in the order of rows.jsonl. Nothing else is listed here: the names are\n\n"
         "  <n>.json          row n, one line\n"
         "  <a>-<b>.jsonl     the rows from a to b, without b\n"
         "  <n>/              row n as a folder with a file for every value:\n"
         "    <column>.txt    text as it is; numbers, dates and so on with a line end\n"
         "    <column>.json   lists, structs, maps, JSON\n"
         "    <column>.bin    bytes as they are\n"
         "    <column>        the same without the suffix (not listed)\n\n"
         "A null has no file. Offsets beyond the last row do not exist.\n";
}

std::string FunctionsText() {
  return "SQL that filter= and select= understand\n\n"
         "  = != <> < <= > >=   AND OR NOT   + - * / %\n"
         "  IS [NOT] NULL   IS [NOT] TRUE   IS [NOT] FALSE   [NOT] IN (...)   [NOT] BETWEEN a AND b\n"
         "  [NOT] LIKE 'a%'   ILIKE   regexp_match(text, 'pattern')   CAST(x AS type)\n"
         "  literals: 1  1.5  'text'  true  false  NULL  date '2026-11-21'  timestamp '2026-11-21 08:00:00'  X'beef'\n"
         "  names: plain, `with blanks`, \"quoted\", struct.field\n";
}

}  // namespace lancefs
