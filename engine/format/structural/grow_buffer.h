// SPDX-License-Identifier: Apache-2.0
//
// Growing outputs of decoders: GrowBuffer (bytes, later an Arrow buffer without a copy) and
// BitmapValues (a validity bitmap that exists only once there is a null).
//
// Thread safety: one thread at a time.
#pragma once

#include <arrow/buffer.h>

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/status.h"
#include "engine/format/column_read.h"

namespace lancefs::structural {

class GrowBuffer {
 public:
  // Decoders may write this many bytes behind the end of what they reserved.
  static constexpr size_t kSlack = 64;

  // The most bytes that it may come to hold. What a column may take follows from its bytes in the file.
  void SetLimit(size_t limit) { limit_ = limit; }
  size_t size() const { return size_; }
  const uint8_t* data() const { return adopted_.empty() ? data_ : adopted_.data(); }
  uint8_t* mutable_data() { return data_; }
  // Makes room for `extra` more bytes (and the slack, even for none). Errors: kTooLarge beyond the limit, kResourceExhausted.
  Status Reserve(size_t extra) {
    if (data_ != nullptr && extra <= capacity_ - size_) return Status::OK();
    return Grow(extra);
  }
  uint8_t* end() { return data_ + size_; }
  // REQUIRES: the bytes were reserved and are written.
  void Advance(size_t bytes) { size_ += bytes; }
  Status Append(const void* bytes, size_t count);
  Status AppendZeros(size_t count);
  // Takes `bytes` as the content without a copy, which is made only if more is appended. False (and nothing happened) if there is
  // content already or the bytes are not aligned. REQUIRES: mutable_data() is not used before the next Reserve.
  bool Adopt(Bytes bytes);
  // The buffer; this one is empty afterwards.
  std::shared_ptr<arrow::Buffer> Finish();

 private:
  Status Grow(size_t extra);

  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;  // without the slack
  size_t limit_ = kFreeArrayBytes;
  Bytes adopted_;
};

class BitmapValues {
 public:
  uint64_t length() const { return length_; }
  uint64_t null_count() const { return nulls_; }
  Status AppendValid(uint64_t count);
  Status AppendNull(uint64_t count);
  // Bits of a bitmap with 1 = valid.
  Status AppendBits(const uint8_t* bits, uint64_t offset, uint64_t count);
  // One bit a level: valid iff level <= limit.
  Status AppendLevels(const uint16_t* levels, uint64_t count, uint16_t limit);
  bool IsValid(uint64_t index) const { return nulls_ == 0 || ((bits_.data()[index / 8] >> (index % 8)) & 1) != 0; }
  // The bits so far; null when everything is valid.
  const uint8_t* bits() const { return nulls_ == 0 ? nullptr : bits_.data(); }
  // The same as a buffer.
  std::shared_ptr<arrow::Buffer> Finish();

 private:
  Status Materialize();
  Status Extend(uint64_t count);  // room for the bits, size set
  GrowBuffer bits_;               // empty while there is no null
  uint64_t length_ = 0;
  uint64_t nulls_ = 0;
  bool materialized_ = false;
};

// Copies bits; destination bits outside the range stay.
void CopyBits(const uint8_t* from, uint64_t from_bit, uint8_t* to, uint64_t to_bit, uint64_t count);

}  // namespace lancefs::structural
