// SPDX-License-Identifier: Apache-2.0
//
// What a file of a dataset is made of, for people: data files of every version (footer, schema, columns, pages, encodings,
// buffers), manifests, transactions and deletion files. Nothing is decoded but the metadata, and what cannot be understood is
// shown as it is, so that files which cannot be read can still be looked at.
//
// Thread safety: free functions.
#pragma once

#include <cstdint>
#include <string>

#include "backends/object_store.h"

namespace lancefs {

struct DescribeOptions {
  uint64_t leading_bytes = 0;  // of every page buffer, shown in hex
};

// The description as a JSON object; "kind" is "data file", "manifest", "transaction" or "deletion file" (docs/lance/file.md,
// "Looking into files"). What kind it is, name and ending tell.
// Errors: kNotFound, kInvalidArgument (no such file of Lance), kCorruption naming what is wrong and where.
Result<std::string> DescribeFile(ObjectStore& store, const std::string& path, const DescribeOptions& options,
                                 const OpContext& ctx);

// The same as indented text. REQUIRES: `json` is an answer of DescribeFile.
std::string DescriptionText(const std::string& json);

}  // namespace lancefs
