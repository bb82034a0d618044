// SPDX-License-Identifier: Apache-2.0
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <sys/stat.h>

#include "engine/arrow_status.h"
#include "engine/rows/convert.h"
#include "engine/rows/text_reader.h"
#include "engine/rows/typed_reader.h"

namespace lancefs::rows {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// A stream that remembers whether a read came short: only then did it end without its end marker.
class WatchedStream : public arrow::io::InputStream {
 public:
  explicit WatchedStream(std::shared_ptr<arrow::io::ReadableFile> file) : file_(std::move(file)) {}
  bool came_short() const { return came_short_; }

  arrow::Status Close() override { return file_->Close(); }
  bool closed() const override { return file_->closed(); }
  arrow::Result<int64_t> Tell() const override { return file_->Tell(); }
  arrow::Result<int64_t> Read(int64_t size, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, file_->Read(size, out));
    came_short_ |= got < size;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override {
    // A length in damaged bytes may be anything: do not allocate more than the file has.
    ARROW_ASSIGN_OR_RAISE(const int64_t file_size, file_->GetSize());
    ARROW_ASSIGN_OR_RAISE(const int64_t position, file_->Tell());
    if (size > file_size - position) {
      came_short_ = true;
      size = file_size - position;
    }
    return file_->Read(size);
  }

 private:
  std::shared_ptr<arrow::io::ReadableFile> file_;
  bool came_short_ = false;
};

class ArrowFileReader : public TypedReader {
 public:
  ArrowFileReader(std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader, const RowReaderOptions& options)
      : TypedReader(options), reader_(std::move(reader)) {}
  const std::shared_ptr<arrow::Schema> FileSchema() const { return reader_->schema(); }

 protected:
  Result<BatchPtr> NextRaw() override {
    if (next_ >= reader_->num_record_batches()) return BatchPtr();
    LANCEFS_ARROW_ASSIGN(BatchPtr batch, reader_->ReadRecordBatch(next_++));
    return batch;
  }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  int next_ = 0;
};

class ArrowStreamReader : public TypedReader {
 public:
  ArrowStreamReader(std::shared_ptr<WatchedStream> stream, std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader,
                    int64_t file_size, const RowReaderOptions& options)
      : TypedReader(options), stream_(std::move(stream)), reader_(std::move(reader)), file_size_(file_size) {}

 protected:
  Result<BatchPtr> NextRaw() override {
    BatchPtr batch;
    LANCEFS_ARROW_NOT_OK(reader_->ReadNext(&batch));
    if (batch != nullptr) return batch;
    if (stream_->came_short()) return Status::InvalidArgument("the Arrow stream is truncated: its end marker is missing");
    LANCEFS_ARROW_ASSIGN(const int64_t end, stream_->Tell());
    if (end != file_size_) {
      return Status::InvalidArgument("more bytes behind the end of the Arrow stream, at byte " + std::to_string(end));
    }
    return BatchPtr();
  }

 private:
  std::shared_ptr<WatchedStream> stream_;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader_;
  int64_t file_size_;
};

}  // namespace

Result<std::shared_ptr<arrow::io::ReadableFile>> OpenLocalFile(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Status::NotFound("cannot open " + path);
  if (info.st_size == 0) return Status::InvalidArgument("the file has no bytes");
  return FromArrow(arrow::io::ReadableFile::Open(path));
}

Result<std::unique_ptr<RowReader>> OpenArrowFile(const std::string& path, const RowReaderOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto file, OpenLocalFile(path));
  auto reader = arrow::ipc::RecordBatchFileReader::Open(file);
  if (!reader.ok()) return Status::InvalidArgument("not a whole Arrow IPC file: " + reader.status().message());
  const auto schema = (*reader)->schema();
  auto typed = std::make_unique<ArrowFileReader>(*reader, options);
  LANCEFS_RETURN_NOT_OK(typed->Start(schema));
  return std::unique_ptr<RowReader>(std::move(typed));
}

Result<std::unique_ptr<RowReader>> OpenArrowStream(const std::string& path, const RowReaderOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto file, OpenLocalFile(path));
  LANCEFS_ARROW_ASSIGN(const int64_t size, file->GetSize());
  auto stream = std::make_shared<WatchedStream>(file);
  auto reader = arrow::ipc::RecordBatchStreamReader::Open(stream);
  if (!reader.ok()) return Status::InvalidArgument("not an Arrow IPC stream: " + reader.status().message());
  const auto schema = (*reader)->schema();
  auto typed = std::make_unique<ArrowStreamReader>(stream, *reader, size, options);
  LANCEFS_RETURN_NOT_OK(typed->Start(schema));
  return std::unique_ptr<RowReader>(std::move(typed));
}

}  // namespace lancefs::rows
