// SPDX-License-Identifier: Apache-2.0
//
// The engine behind the batch protocol of the corpus checker: one JSON request a line on stdin
// ({"op":"read"|"info"|"append"|"tables"|"search", "dataset":path, ...}); answer: a line
// {"ok":true,"lines":N} and N lines, or {"ok":false,"error":"..."}. For the generated tests also "take" (offsets in "take", any
// order; "read" with "take" gives them in the order of the dataset) and "render" ("dataset" is an Arrow stream, shown as JSON
// Lines).
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/registry.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/deletion_vector.h"
#include "engine/rows/row_writer.h"
#include "engine/scan/scanner.h"
#include "engine/write/append_file.h"

namespace lancefs {
namespace {

using nlohmann::json;

Result<std::shared_ptr<const Dataset>> OpenFor(const json& request) {
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(request.at("dataset").get<std::string>()));
  OpenOptions options;
  if (request.contains("version") && !request["version"].is_null()) options.version = request["version"].get<uint64_t>();
  if (request.contains("tag") && !request["tag"].is_null()) options.tag = request["tag"].get<std::string>();
  if (request.contains("branch") && !request["branch"].is_null()) options.branch = request["branch"].get<std::string>();
  options.resolve_base = [](const std::string& uri, std::optional<uint32_t>) -> Result<ResolvedBase> {
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore base, OpenStore(uri));
    return ResolvedBase{base.store, base.path};
  };
  return Dataset::Open(opened.store, opened.path, options, OpContext());
}

Result<std::string> Read(const json& request) {
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenFor(request));
  ScanOptions options;
  const arrow::Schema& schema = *dataset->arrow_schema();
  if (request.contains("filter") && !request["filter"].is_null()) {
    LANCEFS_ASSIGN_OR_RETURN(options.filter, ParseFilter(request["filter"].get<std::string>(), schema));
  }
  if (request.contains("select") && !request["select"].is_null()) {
    options.select.emplace();
    for (const json& item : request["select"]) {
      const std::string name = item.get<std::string>();
      if (name == "*") {  // all columns, as in the reference, even where a column has that name
        for (const Field& field : dataset->schema().fields) options.select->push_back({field.name, nullptr, {field.name}});
        continue;
      }
      if (dataset->schema().Find(name) != nullptr) {
        options.select->push_back({name, nullptr, {name}});
        continue;
      }
      LANCEFS_ASSIGN_OR_RETURN(std::vector<SelectItem> items, ParseSelectList(name, schema));
      options.select->insert(options.select->end(), items.begin(), items.end());
    }
  }
  if (request.contains("limit") && !request["limit"].is_null()) options.limit = request["limit"].get<uint64_t>();
  if (request.contains("offset") && !request["offset"].is_null()) options.offset = request["offset"].get<uint64_t>();
  options.with_row_id = request.value("with_row_id", false);
  if (request.contains("take")) options.take = request["take"].get<std::vector<uint64_t>>();
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(dataset, options));
  std::string out;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(auto batch, stream->Next(OpContext()));
    if (batch == nullptr) return out;
    LANCEFS_RETURN_NOT_OK(RenderJsonl(*batch, &out));
  }
}

Result<std::string> TakeRows(const json& request) {
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenFor(request));
  const auto columns = request.at("select").get<std::vector<std::string>>();
  LANCEFS_ASSIGN_OR_RETURN(const auto batch,
                           Take(dataset, request.at("take").get<std::vector<uint64_t>>(), columns, OpContext()));
  std::string out;
  LANCEFS_RETURN_NOT_OK(RenderJsonl(*batch, &out));
  return out;
}

Result<std::string> Render(const json& request) {
  const auto file = arrow::io::ReadableFile::Open(request.at("dataset").get<std::string>());
  if (!file.ok()) return Status::InvalidArgument(file.status().ToString());
  const auto reader = arrow::ipc::RecordBatchStreamReader::Open(*file);
  if (!reader.ok()) return Status::InvalidArgument(reader.status().ToString());
  std::string out;
  std::shared_ptr<arrow::RecordBatch> batch;
  while (true) {
    const arrow::Status status = (*reader)->ReadNext(&batch);
    if (!status.ok()) return Status::InvalidArgument(status.ToString());
    if (batch == nullptr) return out;
    LANCEFS_RETURN_NOT_OK(RenderJsonl(*batch, &out));
  }
}

// As pylance tells times: it takes the nanoseconds through a double, which moves some by a microsecond.
std::string Iso(int64_t exact_ns) {
  const auto rounded = static_cast<double>(exact_ns);
  const int64_t ns = rounded < 0x1p63 ? static_cast<int64_t>(rounded) : exact_ns;
  const int64_t rest = (ns % 1'000'000'000 + 1'000'000'000) % 1'000'000'000;
  const auto seconds = static_cast<time_t>((ns - rest) / 1'000'000'000);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  char text[64];
  const size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + length, sizeof text - length, ".%06dZ", static_cast<int>(rest / 1000));
  return text;
}

Result<std::string> Info(const json& request) {
  const OpContext ctx;
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenFor(request));
  json info;
  LANCEFS_ASSIGN_OR_RETURN(const auto versions, dataset->ListVersions(ctx));
  info["versions"] = json::array();
  for (const VersionInfo& version : versions) {
    LANCEFS_ASSIGN_OR_RETURN(const auto opened, dataset->Checkout(version.version, ctx));
    info["versions"].push_back(
        {{"version", version.version}, {"timestamp", Iso(opened->timestamp_ns())}, {"rows", opened->num_rows()}});
  }
  info["schema"] = json::array();
  for (const Field& stored : dataset->schema().fields) {
    const std::shared_ptr<arrow::Field> field = WithJsonText(stored).ToArrow();
    info["schema"].push_back({{"name", field->name()}, {"type", field->type()->ToString()}, {"nullable", field->nullable()}});
  }
  info["fragments"] = json::array();
  for (size_t i = 0; i < dataset->fragments().size(); ++i) {
    const FragmentInfo& fragment = dataset->fragments()[i];
    info["fragments"].push_back({{"id", fragment.id},
                                 {"rows", fragment.rows()},
                                 {"physical_rows", fragment.physical_rows},
                                 {"deletions", fragment.deleted_rows}});
  }
  LANCEFS_ASSIGN_OR_RETURN(const auto tags, dataset->ListTags(ctx));
  info["tags"] = json::object();
  for (const auto& [name, tag] : tags) info["tags"][name] = {{"version", tag.version}};
  LANCEFS_ASSIGN_OR_RETURN(const auto branches, dataset->ListBranches(ctx));
  info["branches"] = json::object();
  for (const auto& [name, branch] : branches) {
    OpenOptions options;
    options.branch = name;
    LANCEFS_ASSIGN_OR_RETURN(const auto opened, dataset->OpenRef(options, ctx));
    info["branches"][name] = {{"latest_version", opened->version()}, {"rows", opened->num_rows()}};
  }
  return info.dump() + "\n";
}

Result<std::string> Append(const json& request) {
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenFor(request));
  const std::string path = request.at("file").get<std::string>();
  LANCEFS_ASSIGN_OR_RETURN(const RowFileFormat format, DetectRowFormat(path.substr(path.rfind('/') + 1), path));
  std::optional<RowError> error;
  LANCEFS_RETURN_NOT_OK(AppendFile(dataset, path, format, WriteOptions(), &error, OpContext()).status());
  return std::string();
}

Result<std::string> Tables(const json& request) {
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(request.at("dataset").get<std::string>()));
  LANCEFS_ASSIGN_OR_RETURN(const auto tables, ListTables(*opened.store, opened.path, OpContext()));
  return json(tables).dump() + "\n";
}

Result<std::string> Answer(const std::string& line) {
  const json request = json::parse(line, nullptr, false);
  if (request.is_discarded()) return Status::InvalidArgument("the request is no JSON");
  const std::string op = request.value("op", "");
  try {
    if (op == "read") return Read(request);
    if (op == "info") return Info(request);
    if (op == "take") return TakeRows(request);
    if (op == "render") return Render(request);
    if (op == "append") return Append(request);
    if (op == "tables") return Tables(request);
  } catch (const json::exception& error) {
    return Status::InvalidArgument(error.what());
  }
  return Status::NotSupported("the operation '" + op + "' is not supported");
}

}  // namespace
}  // namespace lancefs

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    const lancefs::Result<std::string> answer = lancefs::Answer(line);
    if (answer.ok()) {
      const auto lines = std::count(answer->begin(), answer->end(), '\n');
      std::cout << "{\"ok\":true,\"lines\":" << lines << "}\n" << *answer << std::flush;
    } else {
      const nlohmann::json error = {{"ok", false}, {"error", answer.status().ToString()}};
      std::cout << error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n" << std::flush;
    }
  }
  return 0;
}
