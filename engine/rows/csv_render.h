// SPDX-License-Identifier: Apache-2.0
//
// CSV and TSV (docs/formats.md): RFC 4180 with LF. RenderCsv itself is declared in row_writer.h.
//
// Thread safety: free-threaded.
#pragma once

#include <arrow/type.h>

#include <string>

#include "base/status.h"

namespace lancefs {

// Appends the header line: the column names, quoted where needed.
void RenderCsvHeader(const arrow::Schema& schema, char separator, std::string* out);

}  // namespace lancefs
