// SPDX-License-Identifier: Apache-2.0
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>

#include "engine/arrow_status.h"
#include "engine/rows/text_reader.h"
#include "engine/rows/typed_reader.h"

namespace lancefs::rows {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class ParquetReader : public TypedReader {
 public:
  ParquetReader(std::unique_ptr<parquet::arrow::FileReader> file, std::unique_ptr<arrow::RecordBatchReader> batches,
                const RowReaderOptions& options)
      : TypedReader(options),
        file_(std::move(file)),
        batches_(std::move(batches)),
        expected_(file_->parquet_reader()->metadata()->num_rows()) {}

 protected:
  Result<BatchPtr> NextRaw() override {
    BatchPtr batch;
    try {
      LANCEFS_ARROW_NOT_OK(batches_->ReadNext(&batch));
    } catch (const std::exception& error) {
      return Status::InvalidArgument(error.what());
    }
    if (batch != nullptr) {
      seen_ += batch->num_rows();
    } else if (seen_ != expected_) {
      return Status::InvalidArgument("the Parquet file promises " + std::to_string(expected_) + " rows and has " +
                                     std::to_string(seen_));
    }
    return batch;
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int64_t expected_;
  int64_t seen_ = 0;
};

// Rows such that a batch takes about `batch_bytes`, by what the row groups say.
int64_t BatchRows(const parquet::FileMetaData& metadata, const RowReaderOptions& options) {
  int64_t widest = 1;
  for (int i = 0; i < metadata.num_row_groups(); ++i) {
    const auto group = metadata.RowGroup(i);
    if (group->num_rows() > 0) widest = std::max(widest, group->total_byte_size() / group->num_rows());
  }
  return std::clamp<int64_t>(options.batch_bytes / widest, 1, std::max<int64_t>(options.batch_rows, 1));
}

Result<std::unique_ptr<RowReader>> Open(const std::string& path, const RowReaderOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto file, OpenLocalFile(path));
  parquet::ReaderProperties properties = parquet::default_reader_properties();
  properties.set_page_checksum_verification(true);
  auto parquet_file = parquet::ParquetFileReader::Open(file, properties);
  parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/true);
  arrow_properties.set_batch_size(BatchRows(*parquet_file->metadata(), options));
  arrow_properties.set_pre_buffer(false);
  std::unique_ptr<parquet::arrow::FileReader> reader;
  LANCEFS_ARROW_ASSIGN(reader,
                       parquet::arrow::FileReader::Make(arrow::default_memory_pool(), std::move(parquet_file), arrow_properties));
  std::shared_ptr<arrow::Schema> schema;
  LANCEFS_ARROW_NOT_OK(reader->GetSchema(&schema));
  LANCEFS_ARROW_ASSIGN(auto batches, reader->GetRecordBatchReader());
  auto typed = std::make_unique<ParquetReader>(std::move(reader), std::move(batches), options);
  LANCEFS_RETURN_NOT_OK(typed->Start(schema));
  return std::unique_ptr<RowReader>(std::move(typed));
}

}  // namespace

Result<std::unique_ptr<RowReader>> OpenParquet(const std::string& path, const RowReaderOptions& options) {
  try {
    return Open(path, options);
  } catch (const std::exception& error) {
    return Status::InvalidArgument(std::string("not a whole Parquet file: ") + error.what());
  }
}

}  // namespace lancefs::rows
