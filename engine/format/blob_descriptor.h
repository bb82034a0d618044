// SPDX-License-Identifier: Apache-2.0
//
// Columns that are not stored as they are shown. Of blobs, files store a descriptor of where the bytes are;
// all generations of the format are read into one form, that of blob v2 (docs/lance/file.md 3.7, 3.8).
// Filters work on WithBlobBytes, users see ShownField.
//
// Thread safety: free functions.
#pragma once

#include <arrow/type.h>

#include <memory>

#include "engine/format/schema.h"

namespace lancefs {

enum class BlobKind : uint8_t {
  kInline = 0,           // in the data file, at position
  kPacked = 1,           // in a sidecar that several share, at position
  kDedicated = 2,        // a sidecar of its own
  kExternal = 3,         // in the object that the URI names
  kManaged = 4,          // in an object under the data file's base
  kManagedWithBase = 5,  // in an object under the base blob_id
  // Never in files: of values that 2.0 files hold compressed, the bytes themselves are the descriptor's blob_uri.
  kHere = 255,
};

// struct<kind: uint8, position: uint64, size: uint64, blob_id: uint32, blob_uri: string>; null = a null blob.
const std::shared_ptr<arrow::DataType>& BlobDescriptorType();
// struct<position: uint64, size: uint64>: how 2.0 and 2.1 files store it.
const std::shared_ptr<arrow::DataType>& BlobPlaceType();

// Whether the field is a blob or has one below it. Members of packed structs are none: a packed row holds its values itself.
bool HasBlobs(const Field& field);
// `field` with every blob in it as its descriptor: what MakeColumnRead reads of blobs.
Field WithBlobDescriptors(const Field& field);
// `field` with every blob in it as large_binary: what filters see. Other fields come back unchanged.
Field WithBlobBytes(const Field& field);

// `field` with every JSON value in it as text (arrow.json): what schemas show.
Field WithJsonText(const Field& field);
// What rows that are appended look like.
std::shared_ptr<arrow::Schema> AppendSchema(const Schema& schema);
// Both: what a scan gives.
Field ShownField(const Field& field);

}  // namespace lancefs
