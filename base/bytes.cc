// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <cstdlib>
#include <new>

#include "base/block_cache.h"

namespace lancefs {

Bytes Bytes::FromString(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const auto* data = reinterpret_cast<const uint8_t*>(owner->data());
  const size_t size = owner->size();
  return Bytes(std::move(owner), data, size);
}

Bytes Bytes::Copy(std::span<const uint8_t> bytes) {
  uint8_t* data = nullptr;
  Bytes copy = Allocate(bytes.size(), &data);
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return copy;
}

Bytes Bytes::Allocate(size_t size, uint8_t** data) {
  constexpr size_t kAlignment = 64;
  if (size >= kSmallestBlock) {
    uint8_t* block = TakeBlock(size + kAlignment);
    if (block == nullptr) throw std::bad_alloc();
    std::memset(block + size, 0, kAlignment);
    *data = block;
    return Bytes(std::shared_ptr<const void>(block, [block](const void*) { GiveBlock(block); }), *data, size);
  }
  const size_t rounded = (size + 2 * kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  // The tail beyond `size` is readable by contract; zero it so that nothing uninitialised is used.
  std::memset(static_cast<uint8_t*>(memory) + size, 0, rounded - size);
  *data = static_cast<uint8_t*>(memory);
  return Bytes(std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); }), *data, size);
}

}  // namespace lancefs
