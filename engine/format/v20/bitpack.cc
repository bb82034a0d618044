// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v20/bitpack.h"

#include <algorithm>
#include <cstring>

namespace lancefs::v20 {
namespace {

constexpr uint64_t kBlockOrder[8] = {0, 4, 2, 6, 1, 5, 3, 7};

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// One block of 1,024 values; the inner loops run over neighbouring lanes, so they vectorize.
template <typename T>
void UnpackBlock(const uint8_t* packed, uint64_t width, T* out) {
  constexpr uint64_t kBits = sizeof(T) * 8;
  constexpr uint64_t kLanes = kFastLanesBlock / kBits;
  if (width == 0) {
    std::fill(out, out + kFastLanesBlock, T{0});
    return;
  }
  const T mask = width == kBits ? static_cast<T>(~T{0}) : static_cast<T>((uint64_t{1} << width) - 1);
  for (uint64_t row = 0; row < kBits; ++row) {
    const uint64_t bit = row * width;
    const uint64_t word = bit / kBits;
    const uint64_t shift = bit % kBits;
    T* target = out + kBlockOrder[row / 8] * 16 + (row % 8) * 128;
    const uint8_t* low = packed + word * kLanes * sizeof(T);
    if (shift + width <= kBits) {
      for (uint64_t lane = 0; lane < kLanes; ++lane) target[lane] = static_cast<T>(Load<T>(low + lane * sizeof(T)) >> shift) & mask;
      continue;
    }
    const uint8_t* high = low + kLanes * sizeof(T);
    for (uint64_t lane = 0; lane < kLanes; ++lane) {
      const T left = static_cast<T>(Load<T>(low + lane * sizeof(T)) >> shift);
      const T right = static_cast<T>(Load<T>(high + lane * sizeof(T)) << (kBits - shift));
      target[lane] = static_cast<T>(left | right) & mask;
    }
  }
}

template <typename T>
void UnpackLanes(const uint8_t* packed, uint64_t skip, uint64_t count, uint64_t width, uint8_t* out) {
  T block[kFastLanesBlock];
  while (count != 0) {
    UnpackBlock<T>(packed, width, block);
    const uint64_t take = std::min(count, kFastLanesBlock - skip);
    std::memcpy(out, block + skip, take * sizeof(T));
    out += take * sizeof(T);
    count -= take;
    packed += kFastLanesBlock / 8 * width;
    skip = 0;
  }
}

template <typename T>
void UnpackStream(const uint8_t* packed, uint64_t size, uint64_t bit, uint64_t count, uint64_t width, bool is_signed, uint8_t* out) {
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  for (uint64_t i = 0; i < count; ++i, bit += width) {
    const uint64_t byte = bit / 8;
    const uint64_t shift = bit % 8;
    uint64_t value = 0;
    if (width != 0) {
      const uint64_t left = std::min<uint64_t>(8, size - byte);
      std::memcpy(&value, packed + byte, left);
      value >>= shift;
      if (shift + width > 64) value |= static_cast<uint64_t>(packed[byte + 8]) << (64 - shift);
      value &= mask;
      if (is_signed && (value >> (width - 1)) != 0) value |= ~mask;
    }
    const T narrow = static_cast<T>(value);
    std::memcpy(out + i * sizeof(T), &narrow, sizeof(T));
  }
}

}  // namespace

void UnpackBits(const uint8_t* packed, uint64_t size, uint64_t first_bit, uint64_t count, uint64_t width, uint64_t bits, bool is_signed,
                uint8_t* out) {
  switch (bits) {
    case 8: return UnpackStream<uint8_t>(packed, size, first_bit, count, width, is_signed, out);
    case 16: return UnpackStream<uint16_t>(packed, size, first_bit, count, width, is_signed, out);
    case 32: return UnpackStream<uint32_t>(packed, size, first_bit, count, width, is_signed, out);
    default: return UnpackStream<uint64_t>(packed, size, first_bit, count, width, is_signed, out);
  }
}

void UnpackFastLanes(const uint8_t* packed, uint64_t skip, uint64_t count, uint64_t width, uint64_t bits, uint8_t* out) {
  switch (bits) {
    case 8: return UnpackLanes<uint8_t>(packed, skip, count, width, out);
    case 16: return UnpackLanes<uint16_t>(packed, skip, count, width, out);
    case 32: return UnpackLanes<uint32_t>(packed, skip, count, width, out);
    default: return UnpackLanes<uint64_t>(packed, skip, count, width, out);
  }
}

}  // namespace lancefs::v20
