// SPDX-License-Identifier: Apache-2.0
//
// Bytes: an immutable, reference-counted piece of memory, the currency between object stores and
// the format layer; and ByteReader: bounds-checked little-endian reading of foreign bytes.
//
// Thread safety: Bytes may be shared and read by many threads; ByteReader belongs to one.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

static_assert(std::endian::native == std::endian::little, "lancefs needs a little-endian machine");

// A view of `size` bytes that keeps its owner alive. Empty by default.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::shared_ptr<const void> owner, const uint8_t* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}

  // Takes the string's memory without a copy of more than the string header.
  static Bytes FromString(std::string text);
  static Bytes Copy(std::span<const uint8_t> bytes);
  // 64-byte aligned, uninitialised memory to be filled through `*data` before it is shared; the 64
  // bytes behind the end may be read (and are allocated), so that decoders can load past it.
  static Bytes Allocate(size_t size, uint8_t** data);

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const uint8_t> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  // The part [offset, offset + length) sharing the owner. REQUIRES: it lies inside.
  Bytes Slice(size_t offset, size_t length) const { return Bytes(owner_, data_ + offset, length); }

 private:
  std::shared_ptr<const void> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

template <typename T>
T LoadLittleEndian(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <typename T>
void StoreLittleEndian(void* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

// Reads forward through foreign bytes; every read checks the bound and fails with kCorruption.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  template <typename T>
  Status Read(T* value) {
    if (remaining() < sizeof(T)) return Truncated(sizeof(T));
    *value = LoadLittleEndian<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return Status::OK();
  }
  Status ReadSpan(size_t length, std::span<const uint8_t>* out) {
    if (remaining() < length) return Truncated(length);
    *out = bytes_.subspan(position_, length);
    position_ += length;
    return Status::OK();
  }
  Status Skip(size_t length) {
    if (remaining() < length) return Truncated(length);
    position_ += length;
    return Status::OK();
  }

 private:
  Status Truncated(size_t wanted) const {
    return Status::Corruption("need " + std::to_string(wanted) + " bytes at offset " + std::to_string(position_) + " but only " +
                              std::to_string(remaining()) + " are left");
  }
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
};

}  // namespace lancefs
