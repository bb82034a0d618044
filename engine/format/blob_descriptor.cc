// SPDX-License-Identifier: Apache-2.0
#include "engine/format/blob_descriptor.h"

#include <algorithm>

namespace lancefs {
namespace {

// `field` with `replace` applied to the leaves that `is_one` tells, and the types above them built anew. Fields for which
// `enter` is false come back as they are.
template <typename Enter, typename IsOne, typename Replace>
Field MapLeaves(const Field& field, const Enter& enter, const IsOne& is_one, const Replace& replace) {
  if (!enter(field)) return field;
  Field mapped = field;
  if (is_one(field)) {
    mapped.children.clear();
    replace(&mapped);
    return mapped;
  }
  bool changed = false;
  for (Field& child : mapped.children) {
    Field replaced = MapLeaves(child, enter, is_one, replace);
    changed |= replaced.type != child.type;
    child = std::move(replaced);
  }
  if (!changed) return field;
  Result<std::shared_ptr<arrow::DataType>> type = TypeFromLogical(mapped.logical_type, mapped.children);
  if (type.ok()) mapped.type = *type;  // it was built once already, with other leaves
  return mapped;
}

bool IsBlobField(const Field& field) { return field.IsBlob(); }
bool IsJsonField(const Field& field) { return field.IsJson(); }
bool HasJson(const Field& field) { return field.IsJson() || std::any_of(field.children.begin(), field.children.end(), HasJson); }

}  // namespace

const std::shared_ptr<arrow::DataType>& BlobDescriptorType() {
  static const auto* type = new std::shared_ptr<arrow::DataType>(
      arrow::struct_({arrow::field("kind", arrow::uint8(), false), arrow::field("position", arrow::uint64(), false),
                      arrow::field("size", arrow::uint64(), false), arrow::field("blob_id", arrow::uint32(), false),
                      arrow::field("blob_uri", arrow::utf8(), false)}));
  return *type;
}

const std::shared_ptr<arrow::DataType>& BlobPlaceType() {
  static const auto* type = new std::shared_ptr<arrow::DataType>(
      arrow::struct_({arrow::field("position", arrow::uint64(), false), arrow::field("size", arrow::uint64(), false)}));
  return *type;
}

bool HasBlobs(const Field& field) {
  if (field.IsBlob()) return true;
  return !field.IsPackedStruct() && std::any_of(field.children.begin(), field.children.end(), HasBlobs);
}

Field WithBlobDescriptors(const Field& field) {
  return MapLeaves(field, HasBlobs, IsBlobField, [](Field* blob) { blob->type = BlobDescriptorType(); });
}

Field WithBlobBytes(const Field& field) {
  return MapLeaves(field, HasBlobs, IsBlobField, [](Field* blob) {
    // The extension's storage is a struct that the bytes are not in; the older mark says the same of a binary column.
    blob->metadata.erase("ARROW:extension:name");
    blob->metadata.erase("ARROW:extension:metadata");
    blob->metadata["lance-encoding:blob"] = "true";
    blob->logical_type = "large_binary";
    blob->type = arrow::large_binary();
  });
}

Field ShownField(const Field& field) { return WithJsonText(WithBlobBytes(field)); }

std::shared_ptr<arrow::Schema> AppendSchema(const Schema& schema) {
  Schema shown = schema;
  for (Field& field : shown.fields) field = WithJsonText(field);
  return shown.ToArrow();
}

Field WithJsonText(const Field& field) {
  return MapLeaves(field, HasJson, IsJsonField, [](Field* json) {
    json->metadata["ARROW:extension:name"] = "arrow.json";
    json->logical_type = "string";
    json->type = arrow::utf8();
  });
}

}  // namespace lancefs
