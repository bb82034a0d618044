// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v20/bitpack.h"

#include <algorithm>
#include <cstring>

namespace lancefs::v20 {
namespace {

template <typename T>
void UnpackLanes(const uint8_t* packed, uint64_t skip, uint64_t count, uint64_t width, uint8_t* out) {
  T block[kFastLanesBlock];
  while (count != 0) {
    structural::UnpackBlock<T>(packed, static_cast<unsigned>(width), block);
    const uint64_t take = std::min<uint64_t>(count, kFastLanesBlock - skip);
    std::memcpy(out, block + skip, take * sizeof(T));
    out += take * sizeof(T);
    count -= take;
    packed += kFastLanesBlock / 8 * width;
    skip = 0;
  }
}

template <typename T>
void UnpackStream(const uint8_t* packed, uint64_t size, uint64_t bit, uint64_t count, uint64_t width, bool is_signed,
                  uint8_t* out) {
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

void UnpackBits(const uint8_t* packed, uint64_t size, uint64_t first_bit, uint64_t count, uint64_t width, uint64_t bits,
                bool is_signed, uint8_t* out) {
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
