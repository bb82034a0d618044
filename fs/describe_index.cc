// SPDX-License-Identifier: Apache-2.0
//
// What the manifest says about indices.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/format/index_metadata.h"
#include "fs/describe.h"
#include "fs/text.h"

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

void CollectPaths(const Field& field, const std::string& prefix, std::map<int32_t, std::string>* paths) {
  const std::string path = prefix.empty() ? field.name : prefix + "." + field.name;
  (*paths)[field.id] = path;
  for (const Field& child : field.children) CollectPaths(child, path, paths);
}

Json ColumnsJson(const Dataset& dataset, const std::vector<int32_t>& ids) {
  std::map<int32_t, std::string> paths;
  for (const Field& field : dataset.schema().fields) CollectPaths(field, "", &paths);
  Json json = Json::array();
  for (const int32_t id : ids) json.push_back(paths.contains(id) ? Json(paths[id]) : Json());
  return json;
}

Json SegmentJson(const IndexSegment& segment) {
  Json json;
  json["uuid"] = segment.uuid;
  json["dataset_version"] = segment.dataset_version;
  json["index_version"] = segment.index_version;
  json["created"] = segment.created_ms ? Json(FormatTime(*segment.created_ms * 1'000'000)) : Json();
  json["fragments"] = segment.fragments ? Json(*segment.fragments) : Json();
  json["files"] = Json::array();
  for (const IndexFileInfo& file : segment.files) json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}});
  if (segment.base_id) json["base_id"] = *segment.base_id;
  return json;
}

// Of what is there now; null where a segment does not tell its fragments.
Json CoverageJson(const Dataset& dataset, const IndexDescription& index) {
  std::set<uint64_t> covered;
  bool known = true;
  for (const IndexSegment& segment : index.segments) {
    known = known && segment.fragments;
    if (segment.fragments) covered.insert(segment.fragments->begin(), segment.fragments->end());
  }
  uint64_t fragments = 0, rows = 0;
  for (const FragmentInfo& fragment : dataset.fragments()) {
    if (!covered.contains(fragment.id)) continue;
    ++fragments;
    rows += fragment.rows();
  }
  Json json;
  json["fragments"] = known ? Json(fragments) : Json();
  json["unindexed_fragments"] = known ? Json(dataset.fragments().size() - fragments) : Json();
  json["rows"] = known ? Json(rows) : Json();
  json["unindexed_rows"] = known ? Json(dataset.num_rows() - rows) : Json();
  return json;
}

// Null where the writer did not keep the files' sizes.
Json BytesJson(const IndexDescription& index) {
  uint64_t bytes = 0;
  for (const IndexSegment& segment : index.segments) {
    if (segment.files.empty()) return Json();
    for (const IndexFileInfo& file : segment.files) bytes += file.bytes;
  }
  return bytes;
}

}  // namespace

Result<std::vector<std::string>> IndexNames(const Dataset& dataset) {
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<IndexDescription> indices, ParseIndexSection(dataset.index_section()));
  std::vector<std::string> names;
  for (const IndexDescription& index : indices) {
    if (!index.is_system()) names.push_back(index.name);
  }
  return names;
}

Result<std::string> IndexInfoJson(const Dataset& dataset, const std::string& name) {
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<IndexDescription> indices, ParseIndexSection(dataset.index_section()));
  const auto index = std::find_if(indices.begin(), indices.end(), [&](const IndexDescription& i) { return i.name == name; });
  if (index == indices.end()) return Status::NotFound("there is no index '" + name + "'");
  Json json;
  json["name"] = name;
  json["type"] = index->type;
  if (!index->metric.empty()) json["metric"] = index->metric;
  json["type_url"] = index->type_url;
  json["columns"] = ColumnsJson(dataset, index->fields);
  json["coverage"] = CoverageJson(dataset, *index);
  json["bytes"] = BytesJson(*index);
  json["segments"] = Json::array();
  for (const IndexSegment& segment : index->segments) json["segments"].push_back(SegmentJson(segment));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lancefs
