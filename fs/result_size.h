// SPDX-License-Identifier: Apache-2.0
//
// How long the rows of a question get, before they are there: sizes that the true one does not exceed (RULES 14-15). By the
// manifest alone the bound is generous; what the data files say of their pages makes it a small multiple of the truth.
//
// Thread safety: pure functions.
#pragma once

#include "engine/rows/row_writer.h"
#include "engine/scan/scanner.h"

namespace lancefs {

// A question's rows in a format: at most `rows` of them, with the schema `schema`.
struct ResultShape {
  const ScanOptions& scan;
  const arrow::Schema& schema;
  uint64_t rows = 0;
  RowFormat format = RowFormat::kJsonl;
};

// A multiple of 4,096. From the types and the manifest alone; data may be compressed further than this expects.
uint64_t EstimateResultBytes(const Dataset& dataset, const ResultShape& shape);

// The same, from the metadata of the columns that a scan reads as well, and their dictionaries where they decide. Absent where
// more than `most_files` objects of a remote store would have to be opened for it. Errors: kCancelled, those of the store and of
// broken files.
Result<std::optional<uint64_t>> MeasureResultBytes(const std::shared_ptr<const Dataset>& dataset, const ResultShape& shape,
                                                   uint64_t most_files, const OpContext& ctx);

}  // namespace lancefs
