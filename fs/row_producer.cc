// SPDX-License-Identifier: Apache-2.0
#include "fs/row_producer.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/executor.h"

namespace lancefs {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kMinSliceRows = 256;

std::span<const uint8_t> AsBytes(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

bool HasSlices(RowFormat format) { return format == RowFormat::kJsonl || format == RowFormat::kCsv || format == RowFormat::kTsv; }

Status RenderSlice(const arrow::RecordBatch& batch, RowFormat format, std::string* out) {
  if (format == RowFormat::kJsonl) return RenderJsonl(batch, out);
  return RenderCsv(batch, format == RowFormat::kCsv ? ',' : '\t', out);
}

class RowProducer : public ResultProducer {
 public:
  RowProducer(RowFormat format, std::unique_ptr<BatchStream> stream) : format_(format), stream_(std::move(stream)) {}
  ~RowProducer() override {
    // A scan that is under way uses the stream.
    if (!pending_.valid()) return;
    pending_cancel_.Cancel();
    (void)pending_.Get(OpContext());
  }

  Result<bool> Next(const ByteSink& sink, bool ahead, const OpContext& ctx) override {
    if (!writer_) LANCEFS_RETURN_NOT_OK(Begin(sink));
    LANCEFS_ASSIGN_OR_RETURN(BatchPtr batch, TakeBatch(ctx));
    if (!batch) {
      if (!HasSlices(format_)) LANCEFS_RETURN_NOT_OK(writer_->Finish());
      LANCEFS_RETURN_NOT_OK(Drain(sink));
      return false;
    }
    if (ahead) FetchAhead(ctx);
    if (HasSlices(format_)) {
      LANCEFS_RETURN_NOT_OK(Render(*batch, sink));
    } else {
      LANCEFS_RETURN_NOT_OK(writer_->Write(*batch));
      LANCEFS_RETURN_NOT_OK(Drain(sink));
    }
    return true;
  }

 private:
  // Formats with a frame go through a RowWriter; of CSV and TSV only the header does.
  Status Begin(const ByteSink& sink) {
    auto collect = [this](std::span<const uint8_t> bytes) {
      written_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return Status::OK();
    };
    LANCEFS_ASSIGN_OR_RETURN(writer_, RowWriter::Make(format_, stream_->schema(), collect));
    if (HasSlices(format_)) LANCEFS_RETURN_NOT_OK(writer_->Finish());
    return Drain(sink);
  }

  Status Drain(const ByteSink& sink) {
    if (written_.empty()) return Status::OK();
    const Status status = sink(AsBytes(written_));
    written_.clear();
    return status;
  }

  Result<BatchPtr> TakeBatch(const OpContext& ctx) {
    if (!pending_.valid()) return stream_->Next(ctx);
    Result<BatchPtr> batch = pending_.Get(ctx);
    if (pending_.done()) pending_ = {};
    return batch;
  }

  void FetchAhead(const OpContext& ctx) {
    // A token of its own: cancelling the caller's would cancel the result that everybody reads.
    OpContext own = ctx;
    own.cancel = pending_cancel_;
    pending_ = Async<BatchPtr>(BlockingPool(), [stream = stream_.get(), own]() -> Result<BatchPtr> { return stream->Next(own); });
  }

  Status Render(const arrow::RecordBatch& batch, const ByteSink& sink) {
    static const int64_t kCores = std::max(1u, std::thread::hardware_concurrency());
    const int64_t rows = batch.num_rows();
    const int64_t slice_rows = std::max(kMinSliceRows, (rows + 2 * kCores - 1) / (2 * kCores));
    const size_t slices = static_cast<size_t>((rows + slice_rows - 1) / slice_rows);
    if (texts_.size() < slices) texts_.resize(slices);
    LANCEFS_RETURN_NOT_OK(ParallelFor(slices, [&](size_t i) {
      texts_[i].clear();  // the capacity stays for the next batch
      const int64_t from = static_cast<int64_t>(i) * slice_rows;
      return RenderSlice(*batch.Slice(from, std::min(slice_rows, rows - from)), format_, &texts_[i]);
    }));
    for (size_t i = 0; i < slices; ++i) LANCEFS_RETURN_NOT_OK(sink(AsBytes(texts_[i])));
    return Status::OK();
  }

  const RowFormat format_;
  const std::unique_ptr<BatchStream> stream_;
  std::unique_ptr<RowWriter> writer_;
  std::string written_;             // by writer_, not given to the sink yet
  std::vector<std::string> texts_;  // one a slice
  Future<BatchPtr> pending_;        // the next batch, being scanned
  CancelToken pending_cancel_;
};

}  // namespace

Result<std::unique_ptr<ResultProducer>> MakeRowProducer(std::shared_ptr<const Dataset> dataset, const ScanOptions& options,
                                                        RowFormat format) {
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(std::move(dataset), options));
  return std::unique_ptr<ResultProducer>(new RowProducer(format, std::move(stream)));
}

}  // namespace lancefs
