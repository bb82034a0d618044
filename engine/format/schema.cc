// SPDX-License-Identifier: Apache-2.0
#include "engine/format/schema.h"

#include <arrow/extension_type.h>
#include <arrow/util/key_value_metadata.h>

#include <charconv>
#include <functional>
#include <set>
#include <unordered_map>

#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

constexpr char kExtensionName[] = "ARROW:extension:name";
constexpr char kExtensionMetadata[] = "ARROW:extension:metadata";
constexpr char kBfloat16[] = "lance.bfloat16";
constexpr int kMaxDepth = 64;  // deeper schemas are hostile, and recursion must stay bounded

bool Truthy(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto it = metadata.find(key);
  return it != metadata.end() && (it->second == "true" || it->second == "1");
}

Result<int64_t> ParseInt(std::string_view text, std::string_view whole) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status::Corruption("malformed logical type '" + std::string(whole) + "'");
  }
  return value;
}

Result<arrow::TimeUnit::type> ParseUnit(std::string_view unit, std::string_view whole) {
  if (unit == "s") return arrow::TimeUnit::SECOND;
  if (unit == "ms") return arrow::TimeUnit::MILLI;
  if (unit == "us") return arrow::TimeUnit::MICRO;
  if (unit == "ns") return arrow::TimeUnit::NANO;
  return Status::Corruption("malformed logical type '" + std::string(whole) + "'");
}

const char* UnitName(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return "s";
    case arrow::TimeUnit::MILLI: return "ms";
    case arrow::TimeUnit::MICRO: return "us";
    case arrow::TimeUnit::NANO: return "ns";
  }
  return "?";
}

const std::unordered_map<std::string_view, std::shared_ptr<arrow::DataType>>& SimpleTypes() {
  static const auto* types = new std::unordered_map<std::string_view, std::shared_ptr<arrow::DataType>>{
      {"null", arrow::null()},
      {"bool", arrow::boolean()},
      {"int8", arrow::int8()},
      {"int16", arrow::int16()},
      {"int32", arrow::int32()},
      {"int64", arrow::int64()},
      {"uint8", arrow::uint8()},
      {"uint16", arrow::uint16()},
      {"uint32", arrow::uint32()},
      {"uint64", arrow::uint64()},
      {"halffloat", arrow::float16()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"string", arrow::utf8()},
      {"large_string", arrow::large_utf8()},
      {"binary", arrow::binary()},
      {"large_binary", arrow::large_binary()},
      {"json", arrow::large_binary()},
      {"blob", arrow::large_binary()},
      {"date32:day", arrow::date32()},
      {"date64:ms", arrow::date64()},
      {"time32:s", arrow::time32(arrow::TimeUnit::SECOND)},
      {"time32:ms", arrow::time32(arrow::TimeUnit::MILLI)},
      {"time64:us", arrow::time64(arrow::TimeUnit::MICRO)},
      {"time64:ns", arrow::time64(arrow::TimeUnit::NANO)},
  };
  return *types;
}

Result<std::shared_ptr<arrow::DataType>> ParseDecimal(std::string_view logical) {
  // decimal:<128|256>:<precision>:<scale>
  const size_t first = logical.find(':', 8);
  const size_t second = first == std::string_view::npos ? first : logical.find(':', first + 1);
  if (second == std::string_view::npos) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
  const std::string_view width = logical.substr(8, first - 8);
  LANCEFS_ASSIGN_OR_RETURN(const int64_t precision, ParseInt(logical.substr(first + 1, second - first - 1), logical));
  LANCEFS_ASSIGN_OR_RETURN(const int64_t scale, ParseInt(logical.substr(second + 1), logical));
  const bool narrow = width == "128";
  if ((!narrow && width != "256") || precision < 1 || precision > (narrow ? 38 : 76) || scale < -128 || scale > 127) {
    return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
  }
  if (narrow) return arrow::decimal128(static_cast<int32_t>(precision), static_cast<int32_t>(scale));
  return arrow::decimal256(static_cast<int32_t>(precision), static_cast<int32_t>(scale));
}

Result<std::shared_ptr<arrow::DataType>> ParseFixedSizeList(std::string_view logical, const std::vector<Field>& children,
                                                            int depth);

Result<std::shared_ptr<arrow::DataType>> ParseLogical(std::string_view logical, const std::vector<Field>& children, int depth) {
  if (depth > kMaxDepth) return Status::Corruption("the logical type is nested too deeply");
  const auto simple = SimpleTypes().find(logical);
  if (simple != SimpleTypes().end()) return simple->second;
  if (logical == "struct") {
    arrow::FieldVector fields;
    for (const Field& child : children) fields.push_back(child.ToArrow());
    return arrow::struct_(std::move(fields));
  }
  const bool list = logical == "list" || logical == "list.struct";
  const bool large_list = logical == "large_list" || logical == "large_list.struct";
  if (list || large_list || logical == "map") {
    if (children.size() != 1) return Status::Corruption("a " + std::string(logical) + " field needs exactly one child");
    if (list) return arrow::list(children[0].ToArrow());
    if (large_list) return arrow::large_list(children[0].ToArrow());
    const arrow::DataType& entries = *children[0].type;
    if (entries.id() != arrow::Type::STRUCT || entries.num_fields() != 2)
      return Status::Corruption("a map's entries must be a struct of key and value");
    return std::static_pointer_cast<arrow::DataType>(
        std::make_shared<arrow::MapType>(children[0].ToArrow()->WithNullable(false)));
  }
  if (logical.starts_with("fixed_size_list:")) return ParseFixedSizeList(logical, children, depth);
  if (logical.starts_with("fixed_size_binary:")) {
    LANCEFS_ASSIGN_OR_RETURN(const int64_t width, ParseInt(logical.substr(18), logical));
    if (width < 0 || width > INT32_MAX) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
    return arrow::fixed_size_binary(static_cast<int32_t>(width));
  }
  if (logical.starts_with("timestamp:")) {
    const std::string_view rest = logical.substr(10);
    const size_t colon = rest.find(':');  // the zone may hold further colons
    if (colon == std::string_view::npos) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
    LANCEFS_ASSIGN_OR_RETURN(const arrow::TimeUnit::type unit, ParseUnit(rest.substr(0, colon), logical));
    const std::string_view zone = rest.substr(colon + 1);
    return zone == "-" ? arrow::timestamp(unit) : arrow::timestamp(unit, std::string(zone));
  }
  if (logical.starts_with("duration:")) {
    LANCEFS_ASSIGN_OR_RETURN(const arrow::TimeUnit::type unit, ParseUnit(logical.substr(9), logical));
    return arrow::duration(unit);
  }
  if (logical.starts_with("decimal:")) return ParseDecimal(logical);
  if (logical.starts_with("dict:")) {
    const std::string_view rest = logical.substr(5);
    // dict:<value>:<index>:<ordered>; neither index nor flag holds a colon.
    const size_t last = rest.rfind(':');
    const size_t middle = last == std::string_view::npos || last == 0 ? std::string_view::npos : rest.rfind(':', last - 1);
    if (middle == std::string_view::npos) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::DataType> value, ParseLogical(rest.substr(0, middle), {}, depth + 1));
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::DataType> index,
                             ParseLogical(rest.substr(middle + 1, last - middle - 1), {}, depth + 1));
    if (!arrow::is_integer(index->id())) return Status::Corruption("the index of '" + std::string(logical) + "' is no integer");
    return arrow::dictionary(std::move(index), std::move(value), rest.substr(last + 1) == "true");
  }
  return Status::NotSupported("unknown logical type '" + std::string(logical) + "'");
}

Result<std::shared_ptr<arrow::DataType>> ParseFixedSizeList(std::string_view logical, const std::vector<Field>& children,
                                                            int depth) {
  const size_t last = logical.rfind(':');
  if (last < 16) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
  LANCEFS_ASSIGN_OR_RETURN(const int64_t size, ParseInt(logical.substr(last + 1), logical));
  if (size <= 0 || size > INT32_MAX) return Status::Corruption("malformed logical type '" + std::string(logical) + "'");
  const std::string_view inner = logical.substr(16, last - 16);
  std::shared_ptr<arrow::Field> item;
  if (inner == "struct") {
    if (children.size() != 1) return Status::Corruption("a list of structs needs exactly one child");
    item = children[0].ToArrow();
  } else if (inner == kBfloat16) {
    item = arrow::field("item", arrow::fixed_size_binary(2), true, arrow::key_value_metadata({kExtensionName}, {kBfloat16}));
  } else {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::DataType> type, ParseLogical(inner, {}, depth + 1));
    item = arrow::field("item", std::move(type));
  }
  return arrow::fixed_size_list(std::move(item), static_cast<int32_t>(size));
}

pb::Field::Encoding LegacyEncoding(const Field& field) {
  if (field.type == nullptr) return pb::Field::NONE;
  switch (field.type->id()) {
    case arrow::Type::NA:
    case arrow::Type::STRUCT: return pb::Field::NONE;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY: return pb::Field::VAR_BINARY;
    case arrow::Type::DICTIONARY: return pb::Field::DICTIONARY;
    default: return pb::Field::PLAIN;
  }
}

Status CheckChildren(const Field& field) {
  const std::string& logical = field.logical_type;
  const bool takes_children = logical == "struct" || logical.starts_with("list") || logical.starts_with("large_list") ||
                              logical == "map" || logical.starts_with("fixed_size_list:struct:");
  if (!takes_children && !field.children.empty()) {
    return Status::Corruption("field '" + field.name + "' of type " + logical + " has children");
  }
  return Status::OK();
}

// Builds `type` for the field and all below it, bottom up.
Status BuildTypes(Field* field, int depth) {
  if (depth > kMaxDepth) return Status::Corruption("the schema is nested too deeply at field '" + field->name + "'");
  for (Field& child : field->children) LANCEFS_RETURN_NOT_OK(BuildTypes(&child, depth + 1));
  LANCEFS_RETURN_NOT_OK(CheckChildren(*field));
  Result<std::shared_ptr<arrow::DataType>> type = TypeFromLogical(field->logical_type, field->children);
  if (!type.ok()) return type.status().WithContext("field '" + field->name + "'");
  field->type = *type;
  return Status::OK();
}

Result<Field> FieldFromArrow(const arrow::Field& arrow_field, int32_t* next_id, int depth) {
  if (depth > kMaxDepth) return Status::InvalidArgument("the schema is nested too deeply at '" + arrow_field.name() + "'");
  Field field;
  field.id = (*next_id)++;
  field.name = arrow_field.name();
  field.nullable = arrow_field.nullable();
  if (arrow_field.metadata() != nullptr) {
    for (int64_t i = 0; i < arrow_field.metadata()->size(); ++i) {
      if (arrow_field.metadata()->key(i) != "lance:field_id")
        field.metadata[arrow_field.metadata()->key(i)] = arrow_field.metadata()->value(i);
    }
  }
  std::shared_ptr<arrow::DataType> type = arrow_field.type();
  if (type->id() == arrow::Type::EXTENSION) {
    const auto& extension = static_cast<const arrow::ExtensionType&>(*type);
    field.metadata[kExtensionName] = extension.extension_name();
    field.metadata[kExtensionMetadata] = extension.Serialize();
    type = extension.storage_type();
  }
  const auto extension_name = field.metadata.find(kExtensionName);
  const bool is_string = arrow::is_string(type->id()) || type->id() == arrow::Type::STRING_VIEW;
  if (extension_name != field.metadata.end() &&
      ((extension_name->second == "arrow.json" && is_string) ||
       (extension_name->second == "lance.json" && type->id() == arrow::Type::LARGE_BINARY))) {
    extension_name->second = "lance.json";
    field.metadata.try_emplace(kExtensionMetadata, "");
    field.logical_type = "json";
    return field;
  }
  Result<std::string> logical = LogicalFromType(*type);
  if (!logical.ok()) return logical.status().WithContext("column '" + field.name + "'");
  field.logical_type = *logical;
  const bool struct_items = type->id() == arrow::Type::FIXED_SIZE_LIST && type->field(0)->type()->id() == arrow::Type::STRUCT;
  const bool nested = type->id() == arrow::Type::STRUCT || type->id() == arrow::Type::LIST ||
                      type->id() == arrow::Type::LARGE_LIST || type->id() == arrow::Type::MAP || struct_items;
  if (type->id() == arrow::Type::MAP && static_cast<const arrow::MapType&>(*type).keys_sorted()) {
    return Status::NotSupported("column '" + field.name + "': maps with sorted keys are not supported by Lance");
  }
  if (nested) {
    for (const auto& child : type->fields()) {
      LANCEFS_ASSIGN_OR_RETURN(Field converted, FieldFromArrow(*child, next_id, depth + 1));
      field.children.push_back(std::move(converted));
    }
  }
  return field;
}

void AppendProto(const Field& field, int32_t parent_id, google::protobuf::RepeatedPtrField<pb::Field>* out) {
  pb::Field* message = out->Add();
  if (field.message != nullptr) *message = *field.message;
  message->set_name(field.name);
  message->set_id(field.id);
  message->set_parent_id(parent_id);
  message->set_logical_type(field.logical_type);
  message->set_nullable(field.nullable);
  if (field.message == nullptr) {
    message->set_encoding(LegacyEncoding(field));
    if (field.type != nullptr && field.type->id() == arrow::Type::DICTIONARY) message->mutable_dictionary();
    for (const auto& [key, value] : field.metadata) (*message->mutable_metadata())[key] = value;
    const auto extension = field.metadata.find(kExtensionName);
    if (extension != field.metadata.end()) message->set_extension_name(extension->second);
  }
  for (const Field& child : field.children) AppendProto(child, field.id, out);
}

void CollectPhysical(const Field& field, FileVersion version, std::vector<const Field*>* out) {
  if (version == FileVersion::kV2_0 || version == FileVersion::kV0_1) {
    out->push_back(&field);
    const bool packed_items = field.logical_type.starts_with("fixed_size_list:");
    if (field.IsPackedStruct() || field.IsBlob() || packed_items) return;
  } else if (field.IsPhysicalLeaf()) {
    out->push_back(&field);
    return;
  }
  for (const Field& child : field.children) CollectPhysical(child, version, out);
}

}  // namespace

bool Field::IsPackedStruct() const {
  return logical_type == "struct" && (Truthy(metadata, "packed") || Truthy(metadata, "lance-encoding:packed"));
}

bool Field::IsBlob() const {
  if (logical_type == "blob" || Truthy(metadata, "lance-encoding:blob")) return true;
  const auto extension = metadata.find(kExtensionName);
  return extension != metadata.end() && extension->second == "lance.blob.v2";
}

bool Field::IsJson() const {
  if (logical_type == "json") return true;
  const auto extension = metadata.find(kExtensionName);
  return extension != metadata.end() && extension->second == "lance.json" && type != nullptr &&
         type->id() == arrow::Type::LARGE_BINARY;
}

bool Field::IsPhysicalLeaf() const { return children.empty() || IsPackedStruct() || IsBlob(); }

std::shared_ptr<arrow::Field> Field::ToArrow() const {
  std::shared_ptr<const arrow::KeyValueMetadata> arrow_metadata;
  if (!metadata.empty()) {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    // Some old writers left the name of the text form on columns that hold the binary one.
    const auto jsonb = [&](const auto& key, const auto& value) {
      return logical_type == "json" && key == kExtensionName && value == "arrow.json";
    };
    for (const auto& [key, value] : metadata) {
      keys.push_back(key);
      values.push_back(jsonb(key, value) ? "lance.json" : value);
    }
    arrow_metadata = arrow::key_value_metadata(std::move(keys), std::move(values));
  }
  return arrow::field(name, type, nullable, std::move(arrow_metadata));
}

std::shared_ptr<arrow::Schema> Schema::ToArrow() const {
  arrow::FieldVector arrow_fields;
  arrow_fields.reserve(fields.size());
  for (const Field& field : fields) arrow_fields.push_back(field.ToArrow());
  std::shared_ptr<const arrow::KeyValueMetadata> arrow_metadata;
  if (!metadata.empty()) {
    auto mutable_metadata = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : metadata) mutable_metadata->Append(key, value);
    arrow_metadata = std::move(mutable_metadata);
  }
  return arrow::schema(std::move(arrow_fields), std::move(arrow_metadata));
}

const Field* Schema::Find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

int32_t Schema::max_field_id() const {
  int32_t max_id = -1;
  for (const Field& field : fields) field.ForEach([&](const Field& f) { max_id = std::max(max_id, f.id); });
  return max_id;
}

Result<std::shared_ptr<arrow::DataType>> TypeFromLogical(std::string_view logical_type, const std::vector<Field>& children) {
  return ParseLogical(logical_type, children, 0);
}

Result<std::string> LogicalFromType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA: return std::string("null");
    case arrow::Type::BOOL: return std::string("bool");
    case arrow::Type::HALF_FLOAT: return std::string("halffloat");
    case arrow::Type::FLOAT: return std::string("float");
    case arrow::Type::DOUBLE: return std::string("double");
    case arrow::Type::STRING:
    case arrow::Type::STRING_VIEW: return std::string("string");
    case arrow::Type::LARGE_STRING: return std::string("large_string");
    case arrow::Type::BINARY:
    case arrow::Type::BINARY_VIEW: return std::string("binary");
    case arrow::Type::LARGE_BINARY: return std::string("large_binary");
    case arrow::Type::DATE32: return std::string("date32:day");
    case arrow::Type::DATE64: return std::string("date64:ms");
    case arrow::Type::STRUCT: return std::string("struct");
    case arrow::Type::MAP: return std::string("map");
    case arrow::Type::FIXED_SIZE_BINARY:
      return "fixed_size_binary:" + std::to_string(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width());
    case arrow::Type::TIME32: return std::string("time32:") + UnitName(static_cast<const arrow::TimeType&>(type).unit());
    case arrow::Type::TIME64: return std::string("time64:") + UnitName(static_cast<const arrow::TimeType&>(type).unit());
    case arrow::Type::DURATION: return std::string("duration:") + UnitName(static_cast<const arrow::DurationType&>(type).unit());
    case arrow::Type::TIMESTAMP: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
      return std::string("timestamp:") + UnitName(timestamp.unit()) + ":" +
             (timestamp.timezone().empty() ? "-" : timestamp.timezone());
    }
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return std::string("decimal:") + (type.id() == arrow::Type::DECIMAL128 ? "128:" : "256:") +
             std::to_string(decimal.precision()) + ":" + std::to_string(decimal.scale());
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: {
      std::string name = type.id() == arrow::Type::LIST ? "list" : "large_list";
      return type.field(0)->type()->id() == arrow::Type::STRUCT ? name + ".struct" : name;
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
      const arrow::Field& item = *list.value_field();
      if (list.list_size() <= 0) return Status::NotSupported("fixed-size lists need a size above 0");
      const bool bfloat16 = item.metadata() != nullptr && item.metadata()->Contains(kExtensionName) &&
                            *item.metadata()->Get(kExtensionName) == kBfloat16;
      if (item.type()->id() == arrow::Type::LIST || item.type()->id() == arrow::Type::LARGE_LIST ||
          item.type()->id() == arrow::Type::MAP) {
        return Status::NotSupported("the type " + type.ToString() + " is not supported by Lance");
      }
      LANCEFS_ASSIGN_OR_RETURN(std::string inner, LogicalFromType(*item.type()));
      return "fixed_size_list:" + (bfloat16 ? kBfloat16 : inner) + ":" + std::to_string(list.list_size());
    }
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(type);
      LANCEFS_ASSIGN_OR_RETURN(std::string value, LogicalFromType(*dictionary.value_type()));
      LANCEFS_ASSIGN_OR_RETURN(std::string index, LogicalFromType(*dictionary.index_type()));
      if (value.find(':') != std::string::npos || dictionary.value_type()->num_fields() != 0) {
        return Status::NotSupported("dictionaries of " + dictionary.value_type()->ToString() + " are not supported by Lance");
      }
      return "dict:" + value + ":" + index + ":false";
    }
    default: break;
  }
  if (arrow::is_integer(type.id())) return type.name();
  return Status::NotSupported("the type " + type.ToString() + " is not supported by Lance");
}

Result<Schema> SchemaFromProto(const google::protobuf::RepeatedPtrField<pb::Field>& fields,
                               const std::map<std::string, std::string>& metadata) {
  // The list is in pre-order; children are collected by parent index first, then the tree is built.
  std::unordered_map<int32_t, size_t> by_id;
  std::vector<std::vector<size_t>> children(static_cast<size_t>(fields.size()));
  std::vector<size_t> roots;
  for (int i = 0; i < fields.size(); ++i) {
    const pb::Field& message = fields[i];
    if (message.parent_id() == -1) {
      roots.push_back(static_cast<size_t>(i));
    } else {
      const auto parent = by_id.find(message.parent_id());
      if (parent == by_id.end()) {
        return Status::Corruption("field '" + message.name() + "' (id " + std::to_string(message.id()) +
                                  ") names the unknown parent " + std::to_string(message.parent_id()));
      }
      children[parent->second].push_back(static_cast<size_t>(i));
    }
    by_id.try_emplace(message.id(), static_cast<size_t>(i));
  }
  std::function<Result<Field>(size_t, int)> build = [&](size_t index, int depth) -> Result<Field> {
    if (depth > kMaxDepth) return Status::Corruption("the schema is nested too deeply");
    const pb::Field& message = fields[static_cast<int>(index)];
    Field field;
    field.id = message.id();
    field.name = message.name();
    field.logical_type = message.logical_type();
    field.nullable = message.nullable();
    field.message = std::make_shared<pb::Field>(message);
    for (const auto& [key, value] : message.metadata()) field.metadata[key] = value;
    if (!message.extension_name().empty()) field.metadata[kExtensionName] = message.extension_name();
    for (const size_t child : children[index]) {
      LANCEFS_ASSIGN_OR_RETURN(Field built, build(child, depth + 1));
      field.children.push_back(std::move(built));
    }
    return field;
  };
  Schema schema;
  schema.metadata = metadata;
  for (const size_t root : roots) {
    LANCEFS_ASSIGN_OR_RETURN(Field field, build(root, 0));
    LANCEFS_RETURN_NOT_OK(BuildTypes(&field, 0));
    schema.fields.push_back(std::move(field));
  }
  return schema;
}

void SchemaToProto(const Schema& schema, google::protobuf::RepeatedPtrField<pb::Field>* out) {
  for (const Field& field : schema.fields) AppendProto(field, -1, out);
}

Result<Schema> SchemaFromArrow(const arrow::Schema& arrow_schema) {
  Schema schema;
  int32_t next_id = 0;
  std::set<std::string> names;
  for (const auto& arrow_field : arrow_schema.fields()) {
    if (!names.insert(arrow_field->name()).second) {
      return Status::InvalidArgument("the column name '" + arrow_field->name() + "' is used twice");
    }
    if (arrow_field->name().find('.') != std::string::npos) {
      return Status::InvalidArgument("the column name '" + arrow_field->name() +
                                     "' holds a '.', which Lance does not allow at the top level");
    }
    LANCEFS_ASSIGN_OR_RETURN(Field field, FieldFromArrow(*arrow_field, &next_id, 0));
    LANCEFS_RETURN_NOT_OK(BuildTypes(&field, 0));
    schema.fields.push_back(std::move(field));
  }
  if (arrow_schema.metadata() != nullptr) {
    for (int64_t i = 0; i < arrow_schema.metadata()->size(); ++i)
      schema.metadata[arrow_schema.metadata()->key(i)] = arrow_schema.metadata()->value(i);
  }
  return schema;
}

std::vector<const Field*> PhysicalFields(const Schema& schema, FileVersion version) {
  std::vector<const Field*> out;
  for (const Field& field : schema.fields) CollectPhysical(field, version, &out);
  return out;
}

}  // namespace lancefs
