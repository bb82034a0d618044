// SPDX-License-Identifier: Apache-2.0
//
// Row formats out: canonical JSON Lines, JSON, CSV, TSV, Arrow IPC file and stream, Parquet
// (docs/formats.md; RULES 11-12).
//
// Thread safety: a RowWriter belongs to one thread; the Render functions are free-threaded.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

enum class RowFormat { kJsonl, kJson, kCsv, kTsv, kArrowFile, kArrowStream, kParquet };

// By file suffix without dot: jsonl ndjson json csv tsv arrow feather ipc arrows parquet.
std::optional<RowFormat> RowFormatFromSuffix(std::string_view suffix);
std::string_view RowFormatSuffix(RowFormat format);
// True where output can be produced and read front to back (text and arrows); false for Arrow files and Parquet, whose
// readers start at the end.
bool RowFormatStreams(RowFormat format);

// Receives output bytes in order.
using ByteSink = std::function<Status(std::span<const uint8_t>)>;

class RowWriter {
 public:
  virtual ~RowWriter() = default;
  // `schema` is that of all batches to come.
  static Result<std::unique_ptr<RowWriter>> Make(RowFormat format, std::shared_ptr<arrow::Schema> schema, ByteSink sink);
  virtual Status Write(const arrow::RecordBatch& batch) = 0;
  // Writes the end (footer, closing bracket). REQUIRES: called once.
  virtual Status Finish() = 0;
};

// Appends the canonical lines of `batch` to `out`.
Status RenderJsonl(const arrow::RecordBatch& batch, std::string* out);
// Appends CSV (separator ',') or TSV ('\t') lines without a header.
Status RenderCsv(const arrow::RecordBatch& batch, char separator, std::string* out);
// Appends one value of `array` in canonical JSON.
Status RenderJsonValue(const arrow::Array& array, int64_t row, std::string* out);

// An upper bound, in bytes, of what every row takes from its types alone; for size estimates. Covers keys, quotes, separators
// and the longest text of all fixed-width values (fixed-size lists and binaries included), and the brackets and quotes of
// variable ones. What strings, binaries, lists and maps hold comes on top: the caller adds the bytes of that data, as Arrow
// holds it, times TextPerDataByte.
uint64_t EstimateRowBytes(RowFormat format, const arrow::Schema& schema);
// The most bytes of output that one byte of variable data becomes: 6 for strings (control characters), more for lists of
// narrow or keyed elements.
uint64_t TextPerDataByte(RowFormat format, const arrow::Schema& schema);

}  // namespace lancefs
