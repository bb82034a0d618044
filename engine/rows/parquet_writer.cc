// SPDX-License-Identifier: Apache-2.0
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include "engine/rows/binary_writer.h"
#include "engine/rows/sink_stream.h"

namespace lancefs {
namespace {

constexpr int64_t kRowsPerGroup = 128 * 1024;
constexpr int64_t kBytesPerGroup = 64 * 1024 * 1024;

// Parquet's writer throws where it did not expect trouble.
template <typename Call>
arrow::Status Guarded(Call&& call) {
  try {
    return call();
  } catch (const ::parquet::ParquetException& e) {
    return arrow::Status::IOError(e.what());
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("writing Parquet");
  } catch (const std::exception& e) {
    return arrow::Status::UnknownError(e.what());
  }
}

class ParquetWriter : public RowWriter {
 public:
  ParquetWriter(std::shared_ptr<SinkStream> stream, std::unique_ptr<parquet::arrow::FileWriter> writer)
      : stream_(std::move(stream)), writer_(std::move(writer)) {}

  Status Write(const arrow::RecordBatch& batch) override {
    return stream_->Explain(Guarded([&] { return WriteGroups(batch); }));
  }
  Status Finish() override {
    return stream_->Explain(Guarded([&] { return writer_->Close(); }));
  }

 private:
  arrow::Status WriteGroups(const arrow::RecordBatch& batch) {
    ARROW_RETURN_NOT_OK(writer_->WriteRecordBatch(batch));
    return arrow::Status::OK();
  }

  const std::shared_ptr<SinkStream> stream_;
  const std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> MakeParquetWriter(std::shared_ptr<arrow::Schema> schema, ByteSink sink) {
  auto stream = std::make_shared<SinkStream>(std::move(sink));
  auto properties = parquet::WriterProperties::Builder()
                        .compression(parquet::Compression::ZSTD)
                        ->compression_level(1)
                        ->max_row_group_length(kRowsPerGroup)
                        ->build();
  auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->set_use_threads(false)->build();
  std::unique_ptr<parquet::arrow::FileWriter> writer;
  const arrow::Status status = Guarded([&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(writer, parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), stream, properties, arrow_properties));
    return arrow::Status::OK();
  });
  LANCEFS_RETURN_NOT_OK(stream->Explain(status));
  return std::unique_ptr<RowWriter>(new ParquetWriter(std::move(stream), std::move(writer)));
}

}  // namespace lancefs
