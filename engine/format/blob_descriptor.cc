// SPDX-License-Identifier: Apache-2.0
#include "engine/format/blob_descriptor.h"

#include <algorithm>

namespace lancefs {
namespace {

// `field` with `replace` applied to the blobs in it and the types above them built anew.
template <typename Replace>
Field MapBlobFields(const Field& field, const Replace& replace) {
  if (!HasBlobs(field)) return field;
  Field mapped = field;
  if (field.IsBlob()) {
    mapped.children.clear();
    replace(&mapped);
    return mapped;
  }
  for (Field& child : mapped.children) child = MapBlobFields(child, replace);
  Result<std::shared_ptr<arrow::DataType>> type = TypeFromLogical(mapped.logical_type, mapped.children);
  if (type.ok()) mapped.type = *type;  // it was built once already, with other leaves
  return mapped;
}

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
  return field.IsBlob() || std::any_of(field.children.begin(), field.children.end(), HasBlobs);
}

Field WithBlobDescriptors(const Field& field) {
  return MapBlobFields(field, [](Field* blob) { blob->type = BlobDescriptorType(); });
}

Field WithBlobBytes(const Field& field) {
  return MapBlobFields(field, [](Field* blob) {
    // The extension's storage is a struct that the bytes are not in; the older mark says the same of a binary column.
    blob->metadata.erase("ARROW:extension:name");
    blob->metadata.erase("ARROW:extension:metadata");
    blob->metadata["lance-encoding:blob"] = "true";
    blob->logical_type = "large_binary";
    blob->type = arrow::large_binary();
  });
}

}  // namespace lancefs
