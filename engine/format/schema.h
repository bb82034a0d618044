// SPDX-License-Identifier: Apache-2.0
//
// The Lance schema: a tree of fields with ids, and its two other forms, the flat protobuf list of
// manifests and files and the Arrow schema. Logical type strings: docs/lance/table.md 2.4.
//
// Thread safety: values.
#pragma once

#include <arrow/type.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/format/file_version.h"

namespace google::protobuf {
template <typename T>
class RepeatedPtrField;
}

namespace lancefs {

namespace pb {
class Field;
}

struct Field {
  int32_t id = -1;
  std::string name;
  std::string logical_type;  // "int32", "list.struct", "fixed_size_list:float:4", ...
  bool nullable = true;
  std::map<std::string, std::string> metadata;  // Arrow field metadata incl. ARROW:extension:*
  std::vector<Field> children;                  // struct: fields; list: the item; map: entries
  std::shared_ptr<arrow::DataType> type;        // storage type, built from the children
  std::shared_ptr<pb::Field> message;           // the original message, to be written back unchanged; may be null
  std::shared_ptr<arrow::Array> dictionary;     // 0.1: the values of a dictionary field, from the manifest; may be null

  // The struct is stored row by row in one column (metadata packed / lance-encoding:packed).
  bool IsPackedStruct() const;
  // A blob column (v1: large_binary with lance-encoding:blob; v2: extension lance.blob.v2).
  bool IsBlob() const;
  // Binary JSON (extension lance.json).
  bool IsJson() const;
  // Owns a physical column in 2.1+ files: a leaf, a packed struct, a blob, an empty struct.
  bool IsPhysicalLeaf() const;
  // An Arrow field with the metadata, nested children included.
  std::shared_ptr<arrow::Field> ToArrow() const;
  // Calls visit for this field and all below it, in pre-order.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    visit(*this);
    for (const Field& child : children) child.ForEach(visit);
  }
};

struct Schema {
  std::vector<Field> fields;
  std::map<std::string, std::string> metadata;

  std::shared_ptr<arrow::Schema> ToArrow() const;
  // The top-level field of exactly that name, or null.
  const Field* Find(std::string_view name) const;
  int32_t max_field_id() const;
};

// The Arrow type of a logical type string without children. `children` are used by struct, list, map.
// Errors: kNotSupported naming an unknown type, kCorruption for a malformed string.
Result<std::shared_ptr<arrow::DataType>> TypeFromLogical(std::string_view logical_type, const std::vector<Field>& children);
// Errors: kNotSupported naming the type (interval, union, run-end-encoded, views of lists, ...).
Result<std::string> LogicalFromType(const arrow::DataType& type);

// Flat pre-order list with parent ids -> tree. Errors: kCorruption (unknown parent), kNotSupported (type).
Result<Schema> SchemaFromProto(const google::protobuf::RepeatedPtrField<pb::Field>& fields,
                               const std::map<std::string, std::string>& metadata);
// Tree -> flat list; parents before children. Fields that came from a message are written back with it.
void SchemaToProto(const Schema& schema, google::protobuf::RepeatedPtrField<pb::Field>* out);
// A new table's schema: ids 0, 1, ... in pre-order; string and binary views become their base types.
// Errors: kInvalidArgument / kNotSupported for names and types that Lance refuses.
Result<Schema> SchemaFromArrow(const arrow::Schema& schema);

// Which fields own a column in a file of that version, in column order (docs/lance/file.md 1.4).
std::vector<const Field*> PhysicalFields(const Schema& schema, FileVersion version);

}  // namespace lancefs
