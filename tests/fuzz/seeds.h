// SPDX-License-Identifier: Apache-2.0
//
// Inputs to start from: small tables of our own writer, and whatever folders of files the environment names.
//
// Thread safety: free functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "engine/format/file_version.h"

namespace arrow {
class RecordBatch;
}

namespace lancefs {

// Path -> content of all objects of a table.
using Objects = std::map<std::string, Bytes>;
// A table "t.lance" with columns of many types, 300 rows.
Objects SeedTable(FileVersion version);
// One data file for each column of such a table: small files reach the decoders faster.
std::vector<std::string> SeedDataFiles(FileVersion version);
// Contents of the files below the folders in LANCEFS_FUZZ_SEEDS (separated by ':') whose path holds `part` (say ".manifest") and
// that are no larger than `max_size`.
std::vector<std::string> SeedsFromFolders(std::string_view part, size_t max_size);

}  // namespace lancefs
