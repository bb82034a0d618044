// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/row_writer.h"

#include "engine/rows/binary_writer.h"
#include "engine/rows/csv_render.h"
#include "engine/rows/json_render.h"

namespace lancefs {
namespace {

// Rows rendered before they go to the sink: bounds the text in memory.
constexpr int64_t kRowsPerPiece = 4096;

Status Send(const ByteSink& sink, std::string_view text) {
  return sink({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// JSON Lines, JSON, CSV and TSV.
class TextWriter : public RowWriter {
 public:
  TextWriter(RowFormat format, std::shared_ptr<arrow::Schema> schema, ByteSink sink)
      : format_(format), schema_(std::move(schema)), sink_(std::move(sink)) {}

  Status Write(const arrow::RecordBatch& batch) override {
    LANCEFS_RETURN_NOT_OK(Begin());
    for (int64_t at = 0; at < batch.num_rows(); at += kRowsPerPiece) {
      text_.clear();
      LANCEFS_RETURN_NOT_OK(Render(*batch.Slice(at, kRowsPerPiece)));
      LANCEFS_RETURN_NOT_OK(Send(sink_, text_));
    }
    return Status::OK();
  }

  Status Finish() override {
    LANCEFS_RETURN_NOT_OK(Begin());
    if (format_ != RowFormat::kJson) return Status::OK();
    return Send(sink_, any_rows_ ? "\n]\n" : "[]\n");
  }

 private:
  Status Begin() {
    if (begun_) return Status::OK();
    begun_ = true;
    if (format_ != RowFormat::kCsv && format_ != RowFormat::kTsv) return Status::OK();
    std::string header;
    RenderCsvHeader(*schema_, Separator(), &header);
    return Send(sink_, header);
  }

  Status Render(const arrow::RecordBatch& batch) {
    switch (format_) {
      case RowFormat::kJsonl: return RenderJsonl(batch, &text_);
      case RowFormat::kJson: return RenderJsonPiece(batch);
      default: return RenderCsv(batch, Separator(), &text_);
    }
  }
  // The separator stands before every row but the first of all.
  Status RenderJsonPiece(const arrow::RecordBatch& batch) {
    if (batch.num_rows() == 0) return Status::OK();
    text_ = any_rows_ ? ",\n" : "[\n";
    LANCEFS_RETURN_NOT_OK(RenderJsonRows(batch, ",\n", &text_));
    text_.resize(text_.size() - 2);
    any_rows_ = true;
    return Status::OK();
  }

  char Separator() const { return format_ == RowFormat::kTsv ? '\t' : ','; }

  const RowFormat format_;
  const std::shared_ptr<arrow::Schema> schema_;
  const ByteSink sink_;
  std::string text_;
  bool begun_ = false;
  bool any_rows_ = false;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> RowWriter::Make(RowFormat format, std::shared_ptr<arrow::Schema> schema, ByteSink sink) {
  switch (format) {
    case RowFormat::kArrowFile:
    case RowFormat::kArrowStream: return MakeArrowWriter(format == RowFormat::kArrowFile, std::move(schema), std::move(sink));
    case RowFormat::kParquet: return MakeParquetWriter(std::move(schema), std::move(sink));
    default: return std::unique_ptr<RowWriter>(new TextWriter(format, std::move(schema), std::move(sink)));
  }
}

}  // namespace lancefs
