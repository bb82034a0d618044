// SPDX-License-Identifier: Apache-2.0
#include "fs/schema_json.h"

#include <re2/re2.h>

#include <map>
#include <nlohmann/json.hpp>

namespace lancefs {
namespace {

using Json = nlohmann::json;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr int kMaxDepth = 64;

const std::map<std::string, TypePtr>& PlainTypes() {
  static const std::map<std::string, TypePtr> types = [] {
    std::map<std::string, TypePtr> all = {{"utf8", arrow::utf8()},       {"large_utf8", arrow::large_utf8()},
                                          {"float16", arrow::float16()}, {"float32", arrow::float32()},
                                          {"float64", arrow::float64()}, {"boolean", arrow::boolean()}};
    for (const TypePtr& type : {arrow::null(),
                                arrow::boolean(),
                                arrow::int8(),
                                arrow::int16(),
                                arrow::int32(),
                                arrow::int64(),
                                arrow::uint8(),
                                arrow::uint16(),
                                arrow::uint32(),
                                arrow::uint64(),
                                arrow::float16(),
                                arrow::float32(),
                                arrow::float64(),
                                arrow::utf8(),
                                arrow::large_utf8(),
                                arrow::binary(),
                                arrow::large_binary(),
                                arrow::date32(),
                                arrow::date64(),
                                arrow::time32(arrow::TimeUnit::SECOND),
                                arrow::time32(arrow::TimeUnit::MILLI),
                                arrow::time64(arrow::TimeUnit::MICRO),
                                arrow::time64(arrow::TimeUnit::NANO)}) {
      all[type->ToString()] = type;
      all[type->name()] = type;  // "date32" for "date32[day]"
    }
    all.erase("time32");  // no unit
    all.erase("time64");
    return all;
  }();
  return types;
}

std::optional<arrow::TimeUnit::type> UnitOf(const std::string& text) {
  static const std::map<std::string, arrow::TimeUnit::type> units = {{"s", arrow::TimeUnit::SECOND},
                                                                     {"ms", arrow::TimeUnit::MILLI},
                                                                     {"us", arrow::TimeUnit::MICRO},
                                                                     {"ns", arrow::TimeUnit::NANO}};
  const auto it = units.find(text);
  return it == units.end() ? std::nullopt : std::optional(it->second);
}

// A type without children; null where the text is none.
Result<TypePtr> LeafType(const std::string& text, int depth) {
  if (const auto it = PlainTypes().find(text); it != PlainTypes().end()) return it->second;
  std::string unit, zone, values, indices;
  int first = 0, second = 0;
  if (RE2::FullMatch(text, R"(timestamp\[(\w+)(?:, ?tz=([^\]]+))?\])", &unit, &zone) && UnitOf(unit))
    return arrow::timestamp(*UnitOf(unit), zone);
  if (RE2::FullMatch(text, R"(duration\[(\w+)\])", &unit) && UnitOf(unit)) return arrow::duration(*UnitOf(unit));
  if (RE2::FullMatch(text, R"(fixed_size_binary\[(\d+)\])", &first) && first > 0) return arrow::fixed_size_binary(first);
  if (RE2::FullMatch(text, R"(decimal(?:128)?\((\d+), ?(-?\d+)\))", &first, &second)) {
    if (first < 1 || first > 38) return Status::InvalidArgument("a decimal128 has 1 to 38 digits");
    return arrow::decimal128(first, second);
  }
  if (RE2::FullMatch(text, R"(decimal256\((\d+), ?(-?\d+)\))", &first, &second)) {
    if (first < 1 || first > 76) return Status::InvalidArgument("a decimal256 has 1 to 76 digits");
    return arrow::decimal256(first, second);
  }
  if (depth == 0 && RE2::FullMatch(text, R"(dictionary<values=(.+), indices=(\w+), ordered=\d>)", &values, &indices)) {
    LANCEFS_ASSIGN_OR_RETURN(TypePtr value_type, LeafType(values, depth + 1));
    LANCEFS_ASSIGN_OR_RETURN(TypePtr index_type, LeafType(indices, depth + 1));
    if (value_type != nullptr && index_type != nullptr && arrow::is_integer(index_type->id()))
      return arrow::dictionary(index_type, value_type);
  }
  // Of numbers, as tables have it: one column, so without children.
  std::string item, not_null;
  if (depth < kMaxDepth &&
      RE2::FullMatch(text, R"(fixed_size_list<(\w+): (.+?)( not null)?>\[(\d+)\])", &item, &values, &not_null, &first)) {
    LANCEFS_ASSIGN_OR_RETURN(TypePtr value_type, LeafType(values, depth + 1));
    if (value_type != nullptr && first > 0)
      return arrow::fixed_size_list(arrow::field(item, value_type, not_null.empty()), first);
  }
  return TypePtr();
}

Result<std::shared_ptr<arrow::KeyValueMetadata>> ParseMetadata(const Json& json) {
  auto metadata = std::make_shared<arrow::KeyValueMetadata>();
  const auto it = json.find("metadata");
  if (it == json.end() || it->is_null()) return std::shared_ptr<arrow::KeyValueMetadata>();
  if (!it->is_object()) return Status::InvalidArgument("\"metadata\" is no object");
  for (const auto& [key, value] : it->items()) {
    if (!value.is_string()) return Status::InvalidArgument("the metadata '" + key + "' is no string");
    metadata->Append(key, value.get<std::string>());
  }
  return metadata->size() == 0 ? nullptr : metadata;
}

Result<arrow::FieldVector> ParseFields(const Json& json, const char* key, int depth);

Result<TypePtr> ParseType(const Json& json, const std::string& text, int depth) {
  const std::string kind = text.substr(0, text.find_first_of("<["));
  const bool list = kind == "list" || kind == "large_list" || (kind == "fixed_size_list" && json.contains("children"));
  if (!list && kind != "struct" && kind != "map") {
    LANCEFS_ASSIGN_OR_RETURN(TypePtr type, LeafType(text, 0));
    if (type == nullptr && kind == "fixed_size_list")
      return Status::InvalidArgument("a fixed_size_list is written as in fixed_size_list<item: float>[3]");
    if (type == nullptr) return Status::InvalidArgument("the type '" + text + "' is not known");
    return type;
  }
  if (!json.contains("children")) return Status::InvalidArgument("a " + kind + " needs \"children\"");
  LANCEFS_ASSIGN_OR_RETURN(arrow::FieldVector children, ParseFields(json, "children", depth + 1));
  if (kind == "struct") return arrow::struct_(std::move(children));
  if (children.size() != 1)
    return Status::InvalidArgument("a " + kind + " has one child, not " + std::to_string(children.size()));
  if (kind == "list") return arrow::list(children[0]);
  if (kind == "large_list") return arrow::large_list(children[0]);
  int size = 0;
  if (kind == "fixed_size_list") {
    if (!RE2::FullMatch(text, R"(fixed_size_list.*\[(\d+)\])", &size) || size < 1) {
      return Status::InvalidArgument("a fixed_size_list says its size, as in fixed_size_list[3]");
    }
    return arrow::fixed_size_list(children[0], size);
  }
  const arrow::DataType& entries = *children[0]->type();
  if (entries.id() != arrow::Type::STRUCT || entries.num_fields() != 2) {
    return Status::InvalidArgument("the child of a map is a struct of the key and the value");
  }
  return std::static_pointer_cast<arrow::DataType>(
      std::make_shared<arrow::MapType>(entries.field(0)->WithNullable(false), entries.field(1)));
}

Result<std::shared_ptr<arrow::Field>> ParseField(const Json& json, int depth) {
  if (!json.is_object()) return Status::InvalidArgument("it is no object");
  const auto type_text = json.find("type");
  if (type_text == json.end() || !type_text->is_string()) return Status::InvalidArgument("it has no \"type\"");
  const auto nullable = json.find("nullable");
  if (nullable != json.end() && !nullable->is_boolean()) return Status::InvalidArgument("\"nullable\" is neither true nor false");
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, ParseType(json, type_text->get<std::string>(), depth));
  LANCEFS_ASSIGN_OR_RETURN(auto metadata, ParseMetadata(json));
  return arrow::field(json["name"].get<std::string>(), std::move(type), nullable == json.end() || nullable->get<bool>(),
                      metadata);
}

Result<arrow::FieldVector> ParseFields(const Json& json, const char* key, int depth) {
  if (depth > kMaxDepth) return Status::InvalidArgument("types are nested too deeply");
  const auto it = json.find(key);
  if (it == json.end() || !it->is_array() || it->empty())
    return Status::InvalidArgument("\"" + std::string(key) + "\" is no list of fields");
  arrow::FieldVector fields;
  for (const Json& item : *it) {
    const bool named = item.is_object() && item.contains("name") && item["name"].is_string();
    if (!named) return Status::InvalidArgument(std::string(key) + "[" + std::to_string(fields.size()) + "] has no \"name\"");
    Result<std::shared_ptr<arrow::Field>> field = ParseField(item, depth);
    if (!field.ok()) return field.status().WithContext("field '" + item["name"].get<std::string>() + "'");
    fields.push_back(std::move(*field));
  }
  return fields;
}

}  // namespace

bool IsWholeJson(std::string_view text) { return Json::accept(text); }

Result<std::shared_ptr<arrow::Schema>> ParseSchemaJson(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    if (!json.is_object()) return Status::InvalidArgument("schema.json is no object");
    LANCEFS_ASSIGN_OR_RETURN(arrow::FieldVector fields, ParseFields(json, "fields", 0));
    LANCEFS_ASSIGN_OR_RETURN(auto metadata, ParseMetadata(json));
    return arrow::schema(std::move(fields), metadata);
  } catch (const nlohmann::json::exception& error) {
    return Status::InvalidArgument(std::string("schema.json is no JSON: ") + error.what());
  }
}

}  // namespace lancefs
