// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/bitpacking.h"

#include <cstring>

namespace lancefs::structural {
namespace {

constexpr unsigned kOrder[8] = {0, 4, 2, 6, 1, 5, 3, 7};

template <typename T>
constexpr unsigned kBits = sizeof(T) * 8;
template <typename T>
constexpr unsigned kLanes = kBlockValues / kBits<T>;

// Where the values of row r stand among the 1024.
constexpr unsigned RowStart(unsigned row) { return kOrder[row / 8] * 16 + (row % 8) * 128; }

template <typename T>
constexpr T Mask(unsigned width) {
  return width >= kBits<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << width) - 1);
}

// The width is a run-time value, but the loops over lanes have constant length and uniform shifts:
// the compiler turns each into a few vector operations.
template <typename T>
[[gnu::always_inline]] inline void UnpackRowsOf(const T* __restrict packed, unsigned width, T* __restrict out) {
  const T mask = Mask<T>(width);
  for (unsigned row = 0; row < kBits<T>; ++row) {
    const unsigned bit = row * width;
    const unsigned shift = bit % kBits<T>;
    const T* low = packed + kLanes<T> * (bit / kBits<T>);
    T* to = out + RowStart(row);
    if (shift + width <= kBits<T>) {
      for (unsigned lane = 0; lane < kLanes<T>; ++lane) to[lane] = static_cast<T>(static_cast<T>(low[lane] >> shift) & mask);
    } else {
      const T* high = low + kLanes<T>;
      const unsigned rest = kBits<T> - shift;
      for (unsigned lane = 0; lane < kLanes<T>; ++lane) {
        to[lane] = static_cast<T>(static_cast<T>(low[lane] >> shift) | static_cast<T>(high[lane] << rest)) & mask;
      }
    }
  }
}

// A version for wider vectors, chosen when the program starts. Sanitizers cannot choose so early.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LANCEFS_WIDE_VECTORS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LANCEFS_WIDE_VECTORS
#endif
LANCEFS_WIDE_VECTORS void UnpackRows(const uint8_t* packed, unsigned width, uint8_t* out) { UnpackRowsOf(packed, width, out); }
LANCEFS_WIDE_VECTORS void UnpackRows(const uint16_t* packed, unsigned width, uint16_t* out) { UnpackRowsOf(packed, width, out); }
LANCEFS_WIDE_VECTORS void UnpackRows(const uint32_t* packed, unsigned width, uint32_t* out) { UnpackRowsOf(packed, width, out); }
LANCEFS_WIDE_VECTORS void UnpackRows(const uint64_t* packed, unsigned width, uint64_t* out) { UnpackRowsOf(packed, width, out); }

}  // namespace

template <typename T>
void UnpackBlock(const void* packed, unsigned width, T* out) {
  if (width == 0) {
    std::memset(out, 0, kBlockValues * sizeof(T));
    return;
  }
  if (reinterpret_cast<uintptr_t>(packed) % alignof(T) != 0) {
    alignas(64) T aligned[kBlockValues];
    std::memcpy(aligned, packed, PackedWords<T>(width) * sizeof(T));
    UnpackRows(aligned, width, out);
    return;
  }
  UnpackRows(static_cast<const T*>(packed), width, out);
}

template <typename T>
void PackBlock(const T* __restrict values, unsigned width, T* __restrict packed) {
  std::memset(packed, 0, PackedWords<T>(width) * sizeof(T));
  if (width == 0) return;
  for (unsigned row = 0; row < kBits<T>; ++row) {
    const unsigned bit = row * width;
    const unsigned shift = bit % kBits<T>;
    T* low = packed + kLanes<T> * (bit / kBits<T>);
    const T* from = values + RowStart(row);
    for (unsigned lane = 0; lane < kLanes<T>; ++lane) low[lane] = static_cast<T>(low[lane] | static_cast<T>(from[lane] << shift));
    if (shift + width > kBits<T>) {
      T* high = low + kLanes<T>;
      const unsigned rest = kBits<T> - shift;
      for (unsigned lane = 0; lane < kLanes<T>; ++lane)
        high[lane] = static_cast<T>(high[lane] | static_cast<T>(from[lane] >> rest));
    }
  }
}

#define LANCEFS_BITPACKING(T)                              \
  template void UnpackBlock<T>(const void*, unsigned, T*); \
  template void PackBlock<T>(const T*, unsigned, T*);
LANCEFS_BITPACKING(uint8_t)
LANCEFS_BITPACKING(uint16_t)
LANCEFS_BITPACKING(uint32_t)
LANCEFS_BITPACKING(uint64_t)
#undef LANCEFS_BITPACKING

}  // namespace lancefs::structural
