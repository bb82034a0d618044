// SPDX-License-Identifier: Apache-2.0
//
// What the text readers share: chunks of whole records are parsed side by side on the CPU pool and handed
// out in order, so rows and the rows of errors stay exact.
//
// Thread safety: a TextReader belongs to one thread; each ChunkParser is used by one thread at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "engine/rows/column_builder.h"
#include "engine/rows/row_reader.h"
#include "engine/rows/text_source.h"

namespace lancefs::rows {

// Parses chunks, one at a time.
class ChunkParser {
 public:
  virtual ~ChunkParser() = default;
  virtual void Start(TextChunk chunk) = 0;
  // The next rows of the chunk, at most `max_rows`; null at its end. A refusal fills `error`, its row counted from 1
  // within the chunk, and returns a status that is not OK.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Parse(int64_t max_rows, std::optional<RowError>* error) = 0;
};

class TextReader : public RowReader {
 public:
  using ParserFactory = std::function<Result<std::unique_ptr<ChunkParser>>()>;

  // `first`: a chunk that was taken from `source` before.
  TextReader(std::shared_ptr<arrow::Schema> schema, std::unique_ptr<ChunkSource> source, std::optional<TextChunk> first,
             int64_t batch_rows, ParserFactory factory);
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> Next(const OpContext& ctx) override;
  const std::optional<RowError>& error() const override { return error_; }

 private:
  struct Task {
    std::unique_ptr<ChunkParser> parser;
    std::shared_ptr<arrow::RecordBatch> batch;
    Status status;
    std::optional<RowError> error;
    uint64_t rows = 0;  // handed out
    bool done = false;
  };
  Status AddTasks();
  Status RunTasks();
  Status FailWith(Task& task);

  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<ChunkSource> source_;
  std::optional<TextChunk> first_;
  int64_t batch_rows_;
  ParserFactory factory_;
  size_t width_;  // chunks in flight
  std::deque<Task> tasks_;
  std::vector<std::unique_ptr<ChunkParser>> idle_;
  uint64_t rows_before_ = 0;  // in chunks that are through
  bool source_end_ = false;
  std::optional<RowError> error_;
  Status failed_;
  Status late_;  // of the source, to be told once the rows before it were parsed
};

// The rows of a batch such that its columns stay within some multiple of `batch_bytes`.
int64_t BoundedRows(const RowReaderOptions& options, const ColumnBuilder& root);
// The bytes of a chunk of text.
size_t ChunkBytes(const RowReaderOptions& options);
// A struct builder over the columns of `schema`.
Result<std::unique_ptr<ColumnBuilder>> MakeRootBuilder(const arrow::Schema& schema);
// The rows of `root` as a batch of `schema`.
Result<std::shared_ptr<arrow::RecordBatch>> FinishBatch(ColumnBuilder& root, const std::shared_ptr<arrow::Schema>& schema);

// The readers (jsonl_reader.cc, csv_reader.cc). `array`: .json, one array of objects or objects one after the other.
// A refusal while opening (headers, inference) fills `error`.
Result<std::unique_ptr<RowReader>> OpenJson(const std::string& path, bool array, Compression compression,
                                            const RowReaderOptions& options);
Result<std::unique_ptr<RowReader>> OpenCsv(const std::string& path, char separator, Compression compression,
                                           const RowReaderOptions& options);
Result<std::unique_ptr<RowReader>> OpenArrowFile(const std::string& path, const RowReaderOptions& options);
Result<std::unique_ptr<RowReader>> OpenArrowStream(const std::string& path, const RowReaderOptions& options);
Result<std::unique_ptr<RowReader>> OpenParquet(const std::string& path, const RowReaderOptions& options);

}  // namespace lancefs::rows
