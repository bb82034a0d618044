// SPDX-License-Identifier: Apache-2.0
//
// Reads whatever bytes as a data file: all columns of the schema that it names, whole and some rows, as values and as text.
//
// Thread safety: free functions.
#pragma once

#include <arrow/record_batch.h>

#include <string_view>

#include "engine/format/file_version.h"
#include "engine/format/schema.h"

namespace lancefs {

// Files of other versions are passed over.
void ReadFile(std::string_view bytes, bool (*wanted)(FileVersion));

// The same for 0.1, whose files do not tell their schema; its ids count from 0. Whether anything could be read.
bool ReadLegacyFile(std::string_view bytes, const Schema& schema);

// Aborts unless the batch can be read without reading where nothing is; turns all of it into text.
void UseBatch(const arrow::RecordBatch& batch);

}  // namespace lancefs
