// SPDX-License-Identifier: Apache-2.0
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>

#include "engine/arrow_status.h"
#include "engine/rows/binary_writer.h"
#include "engine/rows/sink_stream.h"

namespace lancefs {
namespace {

class ArrowWriter : public RowWriter {
 public:
  ArrowWriter(std::shared_ptr<SinkStream> stream, std::shared_ptr<arrow::ipc::RecordBatchWriter> writer)
      : stream_(std::move(stream)), writer_(std::move(writer)) {}

  Status Write(const arrow::RecordBatch& batch) override {
    return stream_->Explain(writer_->WriteRecordBatch(batch));
  }
  Status Finish() override { return stream_->Explain(writer_->Close()); }

 private:
  const std::shared_ptr<SinkStream> stream_;
  const std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> MakeArrowWriter(bool file, std::shared_ptr<arrow::Schema> schema, ByteSink sink) {
  auto stream = std::make_shared<SinkStream>(std::move(sink));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  auto writer = file ? arrow::ipc::MakeFileWriter(stream, schema, options) : arrow::ipc::MakeStreamWriter(stream, schema, options);
  if (!writer.ok()) return stream->Explain(writer.status());
  return std::unique_ptr<RowWriter>(new ArrowWriter(std::move(stream), writer.MoveValueUnsafe()));
}

}  // namespace lancefs
