// SPDX-License-Identifier: Apache-2.0
//
// A ByteSink as an Arrow output stream.
//
// Thread safety: one thread.
#pragma once

#include <arrow/io/interfaces.h>

#include "engine/arrow_status.h"
#include "engine/rows/row_writer.h"

namespace lancefs {

class SinkStream : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ByteSink sink) : sink_(std::move(sink)) {}

  arrow::Status Write(const void* data, int64_t size) override {
    if (size == 0) return arrow::Status::OK();
    Status status = sink_({static_cast<const uint8_t*>(data), static_cast<size_t>(size)});
    if (status.ok()) {
      position_ += size;
      return arrow::Status::OK();
    }
    // Kept, because Arrow's codes cannot carry ours.
    failure_ = status;
    return arrow::Status::IOError(status.message());
  }
  using arrow::io::OutputStream::Write;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

  // Arrow's status as ours; if the sink failed, as the sink told it.
  Status Explain(const arrow::Status& status) const {
    if (status.ok()) return Status::OK();
    return failure_.ok() ? FromArrow(status) : failure_;
  }

 private:
  const ByteSink sink_;
  int64_t position_ = 0;
  bool closed_ = false;
  Status failure_;
};

}  // namespace lancefs
