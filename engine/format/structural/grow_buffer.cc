// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/grow_buffer.h"

#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <cstring>

#include "engine/arrow_status.h"
#include "engine/format/block_pool.h"

namespace lancefs::structural {

Status GrowBuffer::Grow(size_t extra) {
  // Hostile counts end here and not in the allocator.
  if (extra > limit_ || size_ + extra > limit_)
    return Status::TooLarge("a column needs more than " + std::to_string(limit_) + " bytes; read fewer rows at once");
  size_t wanted = size_ + extra;
  // The first reservation is exact.
  if (buffer_ != nullptr) wanted = std::max(wanted, std::min(limit_, capacity_ + capacity_ / 2));
  if (buffer_ == nullptr) {
    LANCEFS_ARROW_ASSIGN(auto fresh, arrow::AllocateResizableBuffer(static_cast<int64_t>(wanted + kSlack), BlockPool()));
    buffer_ = std::move(fresh);
    if (!adopted_.empty()) std::memcpy(buffer_->mutable_data(), adopted_.data(), size_);
    adopted_ = Bytes();
  } else {
    LANCEFS_ARROW_NOT_OK(buffer_->Resize(static_cast<int64_t>(wanted + kSlack), false));
  }
  data_ = buffer_->mutable_data();
  capacity_ = wanted;
  return Status::OK();
}

bool GrowBuffer::Adopt(Bytes bytes) {
  // Arrow wants values to be aligned.
  if (size_ != 0 || bytes.empty() || reinterpret_cast<uintptr_t>(bytes.data()) % 16 != 0) return false;
  buffer_.reset();
  data_ = nullptr;
  size_ = capacity_ = bytes.size();
  adopted_ = std::move(bytes);
  return true;
}

Status GrowBuffer::Append(const void* bytes, size_t count) {
  LANCEFS_RETURN_NOT_OK(Reserve(count));
  if (count != 0) std::memcpy(end(), bytes, count);
  size_ += count;
  return Status::OK();
}

Status GrowBuffer::AppendZeros(size_t count) {
  LANCEFS_RETURN_NOT_OK(Reserve(count));
  if (count != 0) std::memset(end(), 0, count);
  size_ += count;
  return Status::OK();
}

std::shared_ptr<arrow::Buffer> GrowBuffer::Finish() {
  if (!adopted_.empty()) {
    auto owner = std::make_shared<Bytes>(std::move(adopted_));
    adopted_ = Bytes();
    size_ = capacity_ = 0;
    return std::shared_ptr<arrow::Buffer>(new arrow::Buffer(owner->data(), static_cast<int64_t>(owner->size())),
                                          [owner](arrow::Buffer* buffer) { delete buffer; });
  }
  if (buffer_ == nullptr) {
    static const uint8_t kNothing[8] = {};
    return std::make_shared<arrow::Buffer>(kNothing, 0);
  }
  // A buffer grown much too far gives the memory back.
  const bool shrink = capacity_ > size_ + size_ / 4 + 4096;
  const arrow::Status status = buffer_->Resize(static_cast<int64_t>(size_), shrink);
  (void)status;  // shrinking cannot fail in a way that harms
  std::shared_ptr<arrow::Buffer> out = std::move(buffer_);
  buffer_ = nullptr;
  data_ = nullptr;
  size_ = capacity_ = 0;
  return out;
}

Status BitmapValues::Extend(uint64_t count) {
  const uint64_t bytes = (length_ + count + 7) / 8;
  if (bytes > bits_.size()) return bits_.AppendZeros(bytes - bits_.size());
  return Status::OK();
}

Status BitmapValues::Materialize() {
  if (materialized_) return Status::OK();
  materialized_ = true;
  const uint64_t length = length_;
  length_ = 0;
  LANCEFS_RETURN_NOT_OK(Extend(length));
  if (length != 0) arrow::bit_util::SetBitsTo(bits_.mutable_data(), 0, static_cast<int64_t>(length), true);
  length_ = length;
  return Status::OK();
}

Status BitmapValues::AppendValid(uint64_t count) {
  if (materialized_ && count != 0) {
    LANCEFS_RETURN_NOT_OK(Extend(count));
    arrow::bit_util::SetBitsTo(bits_.mutable_data(), static_cast<int64_t>(length_), static_cast<int64_t>(count), true);
  }
  length_ += count;
  return Status::OK();
}

Status BitmapValues::AppendNull(uint64_t count) {
  if (count == 0) return Status::OK();
  LANCEFS_RETURN_NOT_OK(Materialize());
  LANCEFS_RETURN_NOT_OK(Extend(count));  // fresh bits are zero
  length_ += count;
  nulls_ += count;
  return Status::OK();
}

Status BitmapValues::AppendBits(const uint8_t* bits, uint64_t offset, uint64_t count) {
  if (count == 0) return Status::OK();
  const auto valid =
      static_cast<uint64_t>(arrow::internal::CountSetBits(bits, static_cast<int64_t>(offset), static_cast<int64_t>(count)));
  if (valid == count) return AppendValid(count);
  LANCEFS_RETURN_NOT_OK(Materialize());
  LANCEFS_RETURN_NOT_OK(Extend(count));
  CopyBits(bits, offset, bits_.mutable_data(), length_, count);
  length_ += count;
  nulls_ += count - valid;
  return Status::OK();
}

Status BitmapValues::AppendLevels(const uint16_t* levels, uint64_t count, uint16_t limit) {
  uint64_t nulls = 0;
  for (uint64_t i = 0; i < count; ++i) nulls += levels[i] > limit ? 1 : 0;
  if (nulls == 0) return AppendValid(count);
  LANCEFS_RETURN_NOT_OK(Materialize());
  LANCEFS_RETURN_NOT_OK(Extend(count));
  uint8_t* bits = bits_.mutable_data();
  uint64_t i = 0;
  for (; i < count && (length_ + i) % 8 != 0; ++i) {
    bits[(length_ + i) / 8] |= static_cast<uint8_t>((levels[i] <= limit ? 1 : 0) << ((length_ + i) % 8));
  }
  uint8_t* byte = bits + (length_ + i) / 8;
  for (; i + 8 <= count; i += 8) {
    unsigned value = 0;
    for (unsigned k = 0; k < 8; ++k) value |= (levels[i + k] <= limit ? 1U : 0U) << k;
    *byte++ = static_cast<uint8_t>(value);
  }
  for (unsigned k = 0; i < count; ++i, ++k) *byte |= static_cast<uint8_t>((levels[i] <= limit ? 1 : 0) << k);
  length_ += count;
  nulls_ += nulls;
  return Status::OK();
}

std::shared_ptr<arrow::Buffer> BitmapValues::Finish() {
  if (nulls_ == 0) return nullptr;
  return bits_.Finish();
}

void CopyBits(const uint8_t* from, uint64_t from_bit, uint8_t* to, uint64_t to_bit, uint64_t count) {
  if (count == 0) return;
  arrow::internal::CopyBitmap(from, static_cast<int64_t>(from_bit), static_cast<int64_t>(count), to,
                              static_cast<int64_t>(to_bit));
}

}  // namespace lancefs::structural
