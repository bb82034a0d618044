// SPDX-License-Identifier: Apache-2.0
#include "engine/format/index_metadata.h"

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <map>

#include "engine/format/proto/table.pb.h"
#include "engine/format/roaring_codec.h"

namespace lancefs {
namespace {

std::string UuidTextOf(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kDigits[static_cast<uint8_t>(bytes[i]) >> 4];
    out += kDigits[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return out;
}

// "/lance.table.BTreeIndexDetails" -> "BTree".
std::string TypeOf(const std::string& type_url) {
  std::string name = type_url.substr(type_url.find_last_of("/.") + 1);
  constexpr std::string_view kEnd = "IndexDetails";
  if (name.ends_with(kEnd)) name.resize(name.size() - kEnd.size());
  return name;
}

// What a vector index is made of: its details are a message with a field for each part. Details without a compression say
// nothing (old writers); then only the files know.
void RefineVectorType(const std::string& details, IndexDescription* index) {
  static constexpr const char* kMetrics[] = {"l2", "cosine", "dot", "hamming"};
  google::protobuf::Empty message;
  if (!message.ParseFromString(details)) return;
  const google::protobuf::UnknownFieldSet& fields = message.GetReflection()->GetUnknownFields(message);
  std::string compression;
  bool hnsw = false;
  uint64_t metric = 0;
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& field = fields.field(i);
    switch (field.number()) {
      case 1: metric = field.type() == google::protobuf::UnknownField::TYPE_VARINT ? field.varint() : 0; break;
      case 3: hnsw = true; break;
      case 4: compression = "PQ"; break;
      case 5: compression = "SQ"; break;
      case 6: compression = "RQ"; break;
      case 8: compression = "FLAT"; break;
      default: break;
    }
  }
  if (compression.empty()) return;
  index->type = std::string("IVF_") + (hnsw ? "HNSW_" : "") + compression;
  index->metric = metric < std::size(kMetrics) ? kMetrics[metric] : std::to_string(metric);
}

Result<IndexSegment> SegmentOf(const pb::IndexMetadata& index) {
  IndexSegment segment;
  segment.uuid = UuidTextOf(index.uuid().uuid());
  segment.dataset_version = index.dataset_version();
  segment.index_version = index.index_version();
  if (index.has_created_at()) segment.created_ms = static_cast<int64_t>(index.created_at());
  const std::string& bitmap = index.fragment_bitmap();
  if (!bitmap.empty()) {
    Result<std::vector<uint32_t>> ids = DecodeRoaring({reinterpret_cast<const uint8_t*>(bitmap.data()), bitmap.size()});
    if (!ids.ok()) return ids.status().WithContext("the fragments of index '" + index.name() + "'");
    segment.fragments = ids.MoveValue();
  }
  for (const pb::IndexFile& file : index.files()) segment.files.push_back({file.path(), file.size_bytes()});
  if (index.has_base_id()) segment.base_id = index.base_id();
  return segment;
}

}  // namespace

Result<std::vector<IndexDescription>> ParseIndexSection(const std::string& section) {
  pb::IndexSection parsed;
  if (!parsed.ParseFromString(section)) return Status::Corruption("the manifest's index section cannot be parsed");
  std::map<std::string, IndexDescription> by_name;
  for (const pb::IndexMetadata& part : parsed.indices()) {
    IndexDescription& index = by_name[part.name()];
    if (index.segments.empty()) {
      index.name = part.name();
      index.type_url = part.index_details().type_url();
      index.type = TypeOf(index.type_url);
      index.fields.assign(part.fields().begin(), part.fields().end());
      if (index.type == "Vector") RefineVectorType(part.index_details().value(), &index);
    }
    LANCEFS_ASSIGN_OR_RETURN(IndexSegment segment, SegmentOf(part));
    index.segments.push_back(std::move(segment));
  }
  std::vector<IndexDescription> indices;
  for (auto& [name, index] : by_name) indices.push_back(std::move(index));
  return indices;
}

}  // namespace lancefs
