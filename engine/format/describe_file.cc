// SPDX-License-Identifier: Apache-2.0
#include "engine/format/describe_file.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>
#include <functional>
#include <map>

#include "engine/format/deletion_vector.h"
#include "engine/format/file_version.h"
#include "engine/format/manifest.h"
#include "engine/format/message_json.h"
#include "engine/format/proto/file.pb.h"
#include "engine/format/roaring_codec.h"

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kFooterSize = 40;
constexpr uint64_t kLegacyFooterSize = 16;
constexpr uint64_t kTableEntrySize = 16;
constexpr uint64_t kMaxTable = 64 << 20;      // of tables that are read in one piece
constexpr uint64_t kMaxOffsetsShown = 1000;   // of a deletion file
constexpr uint64_t kMaxLeadingBytes = 65536;  // of one buffer

Status Bad(const std::string& what) { return Status::Corruption(what); }

Json Place(uint64_t position, uint64_t size) { return {{"position", position}, {"size", size}}; }

// One file that is looked into.
class Describer {
 public:
  Describer(ObjectStore& store, const std::string& path, const DescribeOptions& options, const OpContext& ctx)
      : store_(store), path_(path), options_(options), ctx_(ctx) {}

  Result<Json> Run() {
    const std::string name = path_.substr(path_.rfind('/') + 1);
    LANCEFS_ASSIGN_OR_RETURN(const ObjectTail tail, store_.ReadTail(path_, store_.traits().tail_guess, ctx_));
    size_ = tail.object_size;
    tail_ = tail.bytes;
    out_ = {{"path", path_}, {"bytes", size_}};
    if (name.ends_with(".txn")) {
      LANCEFS_RETURN_NOT_OK(DescribeTransaction());
    } else if (name.ends_with(".arrow") || name.ends_with(".bin")) {
      LANCEFS_RETURN_NOT_OK(DescribeDeletions(name));
    } else if (tail_.size() < kLegacyFooterSize || tail_.view().substr(tail_.size() - 4) != "LANC") {
      return Status::InvalidArgument(path_ + " is no file of Lance: it ends without LANC");
    } else if (name.ends_with(".manifest")) {
      LANCEFS_RETURN_NOT_OK(DescribeManifest());
    } else {
      LANCEFS_RETURN_NOT_OK(DescribeDataFile());
    }
    return std::move(out_);
  }

 private:
  Result<Bytes> ReadAt(uint64_t position, uint64_t length) {
    if (position > size_ || length > size_ - position)
      return Bad("bytes " + std::to_string(position) + "+" + std::to_string(length) + " lie beyond the end");
    if (length > kMaxTable) return Bad("a part of " + std::to_string(length) + " bytes is too large to be shown");
    const uint64_t tail_start = size_ - tail_.size();
    if (position >= tail_start) return tail_.Slice(position - tail_start, length);
    LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> answers, store_.ReadRangesAsync(path_, {{position, length}}, ctx_).Get(ctx_));
    return answers[0];
  }

  // A message behind its u32 length.
  Result<Bytes> ReadPrefixed(uint64_t position) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes prefix, ReadAt(position, 4));
    return ReadAt(position + 4, LoadLittleEndian<uint32_t>(prefix.data()));
  }

  Status DescribeDataFile() {
    out_["kind"] = "data file";
    const uint8_t* end = tail_.data() + tail_.size();
    const auto major = LoadLittleEndian<uint16_t>(end - 8);
    const auto minor = LoadLittleEndian<uint16_t>(end - 6);
    const Result<FileVersion> version = FileVersionFromFooter(major, minor);
    out_["version"] = version.ok() ? std::string(FileVersionName(*version)) : "unknown";
    out_["footer"] = {{"major", major}, {"minor", minor}};
    if (version.ok() && *version == FileVersion::kV0_1) return DescribeLegacy();
    if (tail_.size() < kFooterSize) return Bad("the file has only " + std::to_string(size_) + " bytes");
    const uint8_t* footer = end - kFooterSize;
    const auto column_table = LoadLittleEndian<uint64_t>(footer + 8);
    const auto global_table = LoadLittleEndian<uint64_t>(footer + 16);
    const auto num_globals = LoadLittleEndian<uint32_t>(footer + 24);
    const auto num_columns = LoadLittleEndian<uint32_t>(footer + 28);
    out_["footer"].update({{"column_metadata_start", LoadLittleEndian<uint64_t>(footer)},
                           {"column_table", column_table},
                           {"global_table", global_table},
                           {"global_buffers", num_globals},
                           {"columns", num_columns}});
    LANCEFS_ASSIGN_OR_RETURN(const auto globals, ReadTable(global_table, num_globals));
    LANCEFS_RETURN_NOT_OK(DescribeSchema(globals, version.ok() ? *version : FileVersion::kV2_2));
    LANCEFS_ASSIGN_OR_RETURN(const auto columns, ReadTable(column_table, num_columns));
    out_["columns"] = Json::array();
    for (size_t i = 0; i < columns.size(); ++i) {
      Result<Json> column = DescribeColumn(i, columns[i]);
      if (!column.ok()) return column.status().WithContext("column " + std::to_string(i));
      out_["columns"].push_back(std::move(*column));
    }
    return Status::OK();
  }

  Result<std::vector<ByteRange>> ReadTable(uint64_t position, uint64_t entries) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes table, ReadAt(position, entries * kTableEntrySize));
    std::vector<ByteRange> places;
    places.reserve(entries);
    for (uint64_t i = 0; i < entries; ++i) {
      const uint8_t* entry = table.data() + i * kTableEntrySize;
      places.push_back({LoadLittleEndian<uint64_t>(entry), LoadLittleEndian<uint64_t>(entry + 8)});
    }
    return places;
  }

  // "a.b.c" for every field id; what has no known parent stands alone.
  static std::map<int32_t, std::string> FieldPaths(const google::protobuf::RepeatedPtrField<pb::Field>& fields) {
    std::map<int32_t, std::string> paths;
    for (const pb::Field& field : fields) {
      const auto parent = field.parent_id() == field.id() ? paths.end() : paths.find(field.parent_id());
      paths[field.id()] = parent == paths.end() ? field.name() : parent->second + "." + field.name();
    }
    return paths;
  }

  static Json SchemaJson(const google::protobuf::RepeatedPtrField<pb::Field>& fields,
                         const google::protobuf::Map<std::string, std::string>& metadata) {
    Json list = Json::array();
    const std::map<int32_t, std::string> paths = FieldPaths(fields);
    for (const pb::Field& field : fields) {
      Json item = {{"id", field.id()}, {"parent", field.parent_id()}, {"name", field.name()}};
      item["path"] = paths.at(field.id());
      item["type"] = field.logical_type();
      item["nullable"] = field.nullable();
      if (field.has_dictionary() && field.dictionary().length() != 0) {
        item["dictionary"] =
            Place(static_cast<uint64_t>(field.dictionary().offset()), static_cast<uint64_t>(field.dictionary().length()));
      }
      for (const auto& [key, value] : std::map<std::string, std::string>(field.metadata().begin(), field.metadata().end()))
        item["metadata"][key] = value;
      list.push_back(std::move(item));
    }
    Json json = {{"fields", std::move(list)}};
    for (const auto& [key, value] : std::map<std::string, std::string>(metadata.begin(), metadata.end()))
      json["metadata"][key] = value;
    return json;
  }

  // Parts of blob descriptors have no ids and no parent; the blob alone stands for its column.
  static Result<Schema> OwnSchema(const pb::FileDescriptor& descriptor) {
    google::protobuf::RepeatedPtrField<pb::Field> fields;
    for (const pb::Field& field : descriptor.schema().fields()) {
      if (field.id() != -1) *fields.Add() = field;
    }
    return SchemaFromProto(fields, {});
  }

  // Global buffer 0 holds the schema and the number of rows.
  Status DescribeSchema(const std::vector<ByteRange>& globals, FileVersion version) {
    pb::FileDescriptor descriptor;
    if (!globals.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, ReadAt(globals[0].offset, globals[0].length));
      if (!descriptor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return Bad("the file descriptor is no valid message");
    }
    out_["rows"] = descriptor.length();
    out_["schema"] = SchemaJson(descriptor.schema().fields(), descriptor.schema().metadata());
    out_["global_buffers"] = Json::array();
    for (const ByteRange& global : globals) out_["global_buffers"].push_back(Place(global.offset, global.length));
    const std::map<int32_t, std::string> paths = FieldPaths(descriptor.schema().fields());
    const Result<Schema> schema = OwnSchema(descriptor);
    if (!schema.ok()) return Status::OK();  // the columns stay without names
    for (const Field* field : PhysicalFields(*schema, version)) column_fields_.emplace_back(field->id, paths.at(field->id));
    return Status::OK();
  }

  // The encoding's type and, where it is known, its message.
  Json EncodingJson(const pb::Encoding& encoding) {
    if (encoding.has_indirect())
      return {{"at", Place(encoding.indirect().buffer_location(), encoding.indirect().buffer_length())}};
    if (!encoding.has_direct()) return Json::object();
    google::protobuf::Any any;
    if (!any.ParseFromString(encoding.direct().encoding())) return {{"bytes", HexText(encoding.direct().encoding())}};
    Json json = {{"type", any.type_url()}};
    std::optional<Json> message = AnyJson(any.type_url(), any.value());
    if (message) {
      json["is"] = std::move(*message);
    } else {
      json["bytes"] = HexText(any.value());
    }
    return json;
  }

  Result<Json> BuffersJson(const google::protobuf::RepeatedField<uint64_t>& positions,
                           const google::protobuf::RepeatedField<uint64_t>& sizes) {
    if (positions.size() != sizes.size())
      return Bad(std::to_string(positions.size()) + " buffers have " + std::to_string(sizes.size()) + " sizes");
    Json buffers = Json::array();
    for (int i = 0; i < positions.size(); ++i) {
      Json buffer = Place(positions[i], sizes[i]);
      if (options_.leading_bytes > 0) {
        const uint64_t length = std::min({options_.leading_bytes, sizes[i], kMaxLeadingBytes});
        LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, ReadAt(positions[i], length));
        buffer["bytes"] = HexText(bytes.view());
      }
      buffers.push_back(std::move(buffer));
    }
    return buffers;
  }

  Result<Json> DescribeColumn(size_t index, const ByteRange& place) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, ReadAt(place.offset, place.length));
    pb::ColumnMetadata metadata;
    if (!metadata.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Bad("the metadata is no valid message");
    Json column = {{"column", index}};
    if (index < column_fields_.size()) {
      column["field_id"] = column_fields_[index].first;
      column["field"] = column_fields_[index].second;
    }
    column["metadata"] = Place(place.offset, place.length);
    column["encoding"] = EncodingJson(metadata.encoding());
    LANCEFS_ASSIGN_OR_RETURN(column["buffers"], BuffersJson(metadata.buffer_offsets(), metadata.buffer_sizes()));
    uint64_t rows = 0;
    uint64_t stored = 0;
    Json pages = Json::array();
    for (const pb::ColumnMetadata::Page& page : metadata.pages()) {
      Json item = {{"page", pages.size()}, {"rows", page.length()}, {"priority", page.priority()}};
      item["encoding"] = EncodingJson(page.encoding());
      LANCEFS_ASSIGN_OR_RETURN(item["buffers"], BuffersJson(page.buffer_offsets(), page.buffer_sizes()));
      rows += page.length();
      for (const uint64_t size : page.buffer_sizes()) stored += size;
      pages.push_back(std::move(item));
    }
    column["rows"] = rows;
    column["bytes"] = stored;
    column["pages"] = std::move(pages);
    return column;
  }

  Status DescribeLegacy() {
    const auto position = LoadLittleEndian<uint64_t>(tail_.data() + tail_.size() - kLegacyFooterSize);
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, ReadPrefixed(position));
    pb::LegacyMetadata metadata;
    if (!metadata.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Bad("the metadata is no valid message");
    const int batches = std::max(0, metadata.batch_offsets_size() - 1);
    out_["footer"]["metadata"] = Place(position, bytes.size() + 4);
    out_["rows"] = batches == 0 ? 0 : metadata.batch_offsets(batches);
    out_["batch_offsets"] = std::vector<int32_t>(metadata.batch_offsets().begin(), metadata.batch_offsets().end());
    // Without a length of its own, the page table ends where the next part starts.
    uint64_t table_end = position;
    const uint64_t table = metadata.page_table_position();
    pb::LegacyStatistics statistics;
    if (!statistics.ParseFromString(metadata.statistics())) statistics.Clear();  // nothing else depends on them
    for (const uint64_t next : {statistics.page_table_position(), metadata.manifest_position()}) {
      if (next > table) table_end = std::min(table_end, next);
    }
    out_["page_table"] = Place(table, table_end > table ? table_end - table : 0);
    std::map<int32_t, std::string> paths;
    int32_t lowest = 0;
    if (metadata.manifest_position() != 0) {
      LANCEFS_ASSIGN_OR_RETURN(const Bytes body, ReadPrefixed(metadata.manifest_position()));
      pb::Manifest manifest;  // as in a table's manifest, the fields come first
      if (!manifest.ParseFromArray(body.data(), static_cast<int>(body.size()))) return Bad("the schema is no valid message");
      out_["schema"] = SchemaJson(manifest.fields(), manifest.schema_metadata());
      paths = FieldPaths(manifest.fields());
      lowest = paths.empty() ? 0 : paths.begin()->first;
    }
    if (!metadata.statistics().empty()) out_["statistics"] = MessageJson(statistics);
    if (batches == 0 || table_end <= table) return Status::OK();
    const uint64_t row_of_table = static_cast<uint64_t>(batches) * kTableEntrySize;
    LANCEFS_ASSIGN_OR_RETURN(const auto cells,
                             ReadTable(table, (table_end - table) / row_of_table * static_cast<uint64_t>(batches)));
    out_["columns"] = Json::array();
    for (size_t first = 0; first < cells.size(); first += static_cast<size_t>(batches)) {
      const auto index = static_cast<int32_t>(first / static_cast<size_t>(batches));
      Json column = {{"column", index}};
      const auto path = paths.find(lowest + index);
      if (path != paths.end()) column["field_id"] = path->first;
      if (path != paths.end()) column["field"] = path->second;
      column["pages"] = Json::array();
      for (size_t b = 0; b < static_cast<size_t>(batches); ++b) {
        column["pages"].push_back({{"page", b}, {"values", cells[first + b].length}, {"position", cells[first + b].offset}});
      }
      out_["columns"].push_back(std::move(column));
    }
    return Status::OK();
  }

  Status DescribeManifest() {
    out_["kind"] = "manifest";
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store_.ReadAll(path_, ctx_));
    LANCEFS_ASSIGN_OR_RETURN(const ManifestFile file, ParseManifestFile(bytes));
    const pb::Manifest& manifest = *file.manifest;
    out_["version"] = manifest.version();
    out_["reader_features"] = FlagNames(manifest.reader_feature_flags());
    out_["writer_features"] = FlagNames(manifest.writer_feature_flags());
    out_["schema"] = SchemaJson(manifest.fields(), manifest.schema_metadata());
    Json message = MessageJson(manifest);
    message.erase("fields");
    message.erase("schema_metadata");
    if (message.contains("fragments")) {
      for (int i = 0; i < manifest.fragments_size(); ++i)
        ExplainLineage(manifest.fragments(i), &message["fragments"][static_cast<size_t>(i)]);
    }
    out_["manifest"] = std::move(message);
    if (manifest.has_index_section()) out_["indices"] = IndicesJson(file.index_section);
    if (file.transaction) out_["transaction"] = MessageJson(*file.transaction);
    return Status::OK();
  }

  // Sequences of row ids and versions as their segments instead of hex.
  static void ExplainLineage(const pb::DataFragment& fragment, Json* json) {
    auto explain = [json](const char* key, const std::string& bytes, google::protobuf::Message* message) {
      if (json->contains(key) && message->ParseFromString(bytes)) (*json)[key] = MessageJson(*message);
    };
    pb::RowIdSequence ids;
    pb::RowDatasetVersionSequence versions;
    explain("inline_row_ids", fragment.inline_row_ids(), &ids);
    explain("inline_created_at_versions", fragment.inline_created_at_versions(), &versions);
    explain("inline_last_updated_at_versions", fragment.inline_last_updated_at_versions(), &versions);
  }

  static Json IndicesJson(const std::string& bytes) {
    pb::IndexSection section;
    if (!section.ParseFromString(bytes)) return {{"bytes", HexText(bytes)}};
    Json list = Json::array();
    for (const pb::IndexMetadata& index : section.indices()) {
      Json json = MessageJson(index);
      const Result<std::vector<uint32_t>> fragments =
          DecodeRoaring({reinterpret_cast<const uint8_t*>(index.fragment_bitmap().data()), index.fragment_bitmap().size()});
      if (!index.fragment_bitmap().empty() && fragments.ok()) json["fragment_bitmap"] = *fragments;
      list.push_back(std::move(json));
    }
    return list;
  }

  Status DescribeTransaction() {
    out_["kind"] = "transaction";
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store_.ReadAll(path_, ctx_));
    pb::Transaction transaction;
    if (bytes.size() > INT32_MAX || !transaction.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return Bad("the transaction is no valid message");
    out_["transaction"] = MessageJson(transaction);
    return Status::OK();
  }

  Status DescribeDeletions(const std::string& name) {
    out_["kind"] = "deletion file";
    LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store_.ReadAll(path_, ctx_));
    pb::DeletionFile file;
    file.set_file_type(name.ends_with(".bin") ? pb::DeletionFile::BITMAP : pb::DeletionFile::ARROW_ARRAY);
    // How many rows the fragment has, the manifest alone knows.
    LANCEFS_ASSIGN_OR_RETURN(const auto deletions, DeletionVector::Parse(file, bytes, uint64_t{1} << 32));
    out_["format"] = name.ends_with(".bin") ? "roaring bitmap" : "arrow";
    out_["deleted_rows"] = deletions->Count();
    std::vector<uint64_t> shown;
    for (const RowRange& range : deletions->DeletedRanges()) {
      for (uint64_t row = range.start; row < range.end && shown.size() < kMaxOffsetsShown; ++row) shown.push_back(row);
      if (shown.size() == kMaxOffsetsShown) break;
    }
    out_["offsets"] = std::move(shown);
    return Status::OK();
  }

  ObjectStore& store_;
  const std::string& path_;
  const DescribeOptions& options_;
  const OpContext& ctx_;
  uint64_t size_ = 0;
  Bytes tail_;
  Json out_;
  std::vector<std::pair<int32_t, std::string>> column_fields_;  // of each column: id and path
};

// ---- text ----

std::string Shorter(std::string name) {
  for (const std::string_view prefix : {"REPDEF_", "COMPRESSION_ALGORITHM_", "SPARSE_VALIDITY_"}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

std::string ScalarText(const Json& json) {
  if (!json.is_string()) return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text = Shorter(json.get<std::string>());
  constexpr size_t kLong = 200;
  if (text.size() > kLong) text = text.substr(0, kLong) + "... (" + std::to_string(text.size()) + " characters)";
  return text;
}

bool IsSimple(const Json& json) {
  return !json.is_structured() ||
         (json.is_array() && std::none_of(json.begin(), json.end(), [](const Json& item) { return item.is_structured(); }));
}

std::string SimpleText(const Json& json) {
  if (!json.is_array()) return ScalarText(json);
  std::string text = "[";
  for (const Json& item : json) text += (text.size() == 1 ? "" : ", ") + ScalarText(item);
  return text + "]";
}

// Nested objects as lines below each other; an object with a single member joins its line: "value_compression: flat".
void TreeText(const Json& json, const std::string& indent, std::string* out) {
  for (const auto& [key, value] : json.items()) {
    *out += indent + (json.is_array() ? "- " : key + ": ");
    const Json* inner = &value;
    while (inner->is_object() && inner->size() == 1 && inner->begin()->is_object()) {
      *out += inner->begin().key() + (inner->begin()->empty() ? "" : " / ");
      inner = &*inner->begin();
    }
    if (out->ends_with(" / ")) out->resize(out->size() - 3);
    if (IsSimple(*inner)) {
      *out += SimpleText(*inner) + "\n";
      continue;
    }
    *out += "\n";
    TreeText(*inner, indent + "  ", out);
  }
}

std::string BufferText(const Json& buffer) {
  std::string text = "at " + buffer["position"].dump() + ", " + buffer["size"].dump() + " bytes";
  if (buffer.contains("bytes")) text += ": " + buffer["bytes"].get<std::string>();
  return text;
}

void EncodingText(const Json& encoding, const std::string& indent, std::string* out) {
  if (encoding.contains("is")) {
    TreeText(encoding["is"], indent, out);
  } else if (!encoding.empty()) {
    TreeText(encoding, indent, out);
  }
}

void ColumnText(const Json& column, std::string* out) {
  *out += "column " + column["column"].dump();
  if (column.contains("field")) *out += " " + column["field"].get<std::string>() + " (field " + column["field_id"].dump() + ")";
  if (!column.contains("metadata")) {  // 0.1
    *out += "\n";
    for (const Json& page : column["pages"]) {
      *out += "  page " + page["page"].dump() + ": " + page["values"].dump() + " values at " + page["position"].dump() + "\n";
    }
    return;
  }
  *out += ": " + column["rows"].dump() + " rows, " + column["bytes"].dump() + " bytes in " +
          std::to_string(column["pages"].size()) + " pages, metadata " + BufferText(column["metadata"]) + "\n";
  // Plain values are what every column has.
  if (column["encoding"].contains("is") && !column["encoding"]["is"].contains("values"))
    EncodingText(column["encoding"], "  ", out);
  for (size_t i = 0; i < column["buffers"].size(); ++i)
    *out += "  column buffer " + std::to_string(i) + " " + BufferText(column["buffers"][i]) + "\n";
  for (const Json& page : column["pages"]) {
    *out += "  page " + page["page"].dump() + ": " + page["rows"].dump() + " rows, priority " + page["priority"].dump() + "\n";
    EncodingText(page["encoding"], "    ", out);
    for (size_t i = 0; i < page["buffers"].size(); ++i)
      *out += "    buffer " + std::to_string(i) + " " + BufferText(page["buffers"][i]) + "\n";
  }
}

void SchemaText(const Json& schema, std::string* out) {
  *out += "schema:\n";
  for (const Json& field : schema["fields"]) {
    const std::string path = field["path"].get<std::string>();
    const auto depth = static_cast<size_t>(std::count(path.begin(), path.end(), '.'));
    *out += std::string(2 + 2 * depth, ' ') + field["id"].dump() + " " + field["name"].get<std::string>() + ": " +
            field["type"].get<std::string>() + (field["nullable"].get<bool>() ? "" : " not null");
    if (field.contains("metadata")) *out += " " + field["metadata"].dump(-1, ' ', false, Json::error_handler_t::replace);
    *out += "\n";
  }
  if (schema.contains("metadata")) {
    *out += "schema metadata:\n";
    TreeText(schema["metadata"], "  ", out);
  }
}

}  // namespace

Result<std::string> DescribeFile(ObjectStore& store, const std::string& path, const DescribeOptions& options,
                                 const OpContext& ctx) {
  Result<Json> json = Describer(store, path, options, ctx).Run();
  if (json.ok()) return json->dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return json.status().WithContext(path);
}

std::string DescriptionText(const std::string& json) {
  const Json whole = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!whole.is_object()) return json;
  std::string out;
  for (const auto& [key, value] : whole.items()) {
    if (key == "schema") {
      SchemaText(value, &out);
    } else if (key == "columns") {
      for (const Json& column : value) ColumnText(column, &out);
    } else if (key == "global_buffers") {
      for (size_t i = 0; i < value.size(); ++i) out += "global buffer " + std::to_string(i) + " " + BufferText(value[i]) + "\n";
    } else {
      TreeText(Json{{key, value}}, "", &out);
    }
  }
  return out;
}

}  // namespace lancefs
