// SPDX-License-Identifier: Apache-2.0
//
// Canonical JSON Lines (docs/formats.md). The functions that others call are in row_writer.h; this is the part that the
// formats share.
//
// Thread safety: free-threaded.
#pragma once

#include <arrow/record_batch.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

// Appends the rows as canonical JSON objects, each followed by `end` (at most 8 bytes).
// Errors: as RenderJsonl; `out` is then as it was.
Status RenderJsonRows(const arrow::RecordBatch& batch, std::string_view end, std::string* out);

}  // namespace lancefs
