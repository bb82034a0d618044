// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/number_format.h"

#include <array>
#include <cmath>

#include "base/dates.h"

namespace lancefs {
namespace {

using number_internal::kPow10;
using number_internal::PutEight;
using number_internal::PutPair;
using uint128 = unsigned __int128;

// --- shortest digits: Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020) ---

struct Pow10 {
  uint64_t high, low;
};
constexpr int kMinPow10 = -324;
constexpr int kMaxPow10 = 324;

// 10^k as 128 bits with the top bit set, rounded up, for all k that doubles need; made by the compiler.
struct Pow10Table {
  std::array<Pow10, kMaxPow10 - kMinPow10 + 1> entry{};

  static constexpr int kLimbs = 40;  // 1,280 bits
  struct Big {
    uint32_t limb[kLimbs]{};
    constexpr void Times10() {
      uint64_t carry = 0;
      for (int i = 0; i < kLimbs; ++i) {
        const uint64_t v = uint64_t{limb[i]} * 10 + carry;
        limb[i] = static_cast<uint32_t>(v);
        carry = v >> 32;
      }
    }
    constexpr void Over10() {
      uint64_t rest = 0;
      for (int i = kLimbs - 1; i >= 0; --i) {
        const uint64_t v = rest << 32 | limb[i];
        limb[i] = static_cast<uint32_t>(v / 10);
        rest = v % 10;
      }
    }
    constexpr bool Bit(int i) const { return i >= 0 && (limb[i / 32] >> (i % 32) & 1) != 0; }
    constexpr uint32_t Word(int bit) const {  // 32 bits from `bit` up; bits below 0 are 0
      uint32_t word = 0;
      for (int i = 0; i < 32; ++i) word |= uint32_t{Bit(bit + i)} << i;
      return word;
    }
    // The top 128 bits; plus one if anything below is cut off or `inexact`.
    constexpr Pow10 Top(bool inexact) const {
      int high = kLimbs * 32 - 1;
      while (limb[high / 32] == 0) high -= 32;
      while (!Bit(high)) --high;
      const int base = high - 127;
      for (int i = 0; i < base && !inexact; ++i) inexact = Bit(i);
      Pow10 out{uint64_t{Word(base + 96)} << 32 | Word(base + 64), uint64_t{Word(base + 32)} << 32 | Word(base)};
      if (inexact && ++out.low == 0) ++out.high;
      return out;
    }
  };
  constexpr Pow10Table() {
    Big up;
    up.limb[0] = 1;
    for (int k = 0; k <= kMaxPow10; ++k) {
      entry[k - kMinPow10] = up.Top(false);
      up.Times10();
    }
    // floor(floor(x / 10) / 10) is floor(x / 100): 2^1279 divided again and again keeps the exact leading bits.
    Big down;
    down.limb[kLimbs - 1] = 0x80000000u;
    for (int k = -1; k >= kMinPow10; --k) {
      down.Over10();
      entry[k - kMinPow10] = down.Top(true);
    }
  }
};
constexpr Pow10Table kPowers;

constexpr int FloorLog2Pow10(int e) { return static_cast<int>((int64_t{e} * 1741647) >> 19); }
constexpr int FloorLog10Pow2(int e) { return static_cast<int>((int64_t{e} * 1262611) >> 22); }
constexpr int FloorLog10ThreeQuartersPow2(int e) { return static_cast<int>((int64_t{e} * 1262611 - 524031) >> 22); }

inline uint64_t RoundToOdd(Pow10 g, uint64_t cp) {
  const uint128 x = uint128{g.low} * cp;
  const uint128 y = uint128{g.high} * cp + static_cast<uint64_t>(x >> 64);
  return static_cast<uint64_t>(y >> 64) | (static_cast<uint64_t>(y) > 1);
}

struct Decimal {
  uint64_t digits;  // may end in zeros
  int exponent;
};

// Of c * 2^q; `narrow` where the lower neighbour is half as far.
inline Decimal Shortest(uint64_t c, int q, bool narrow) {
  const bool even = (c & 1) == 0;
  const int k = narrow ? FloorLog10ThreeQuartersPow2(q) : FloorLog10Pow2(q);
  const int h = q + FloorLog2Pow10(-k) + 1;
  const Pow10 g = kPowers.entry[-k - kMinPow10];
  const uint64_t lower = RoundToOdd(g, (4 * c - 2 + narrow) << h) + !even;
  const uint64_t middle = RoundToOdd(g, (4 * c) << h);
  const uint64_t upper = RoundToOdd(g, (4 * c + 2) << h) - !even;
  const uint64_t s = middle / 4;
  if (s >= 10) {
    const uint64_t tens = s / 10;
    const bool down = lower <= 40 * tens;
    const bool up = 40 * tens + 40 <= upper;
    if (down != up) return {tens + up, k + 1};
  }
  const bool down = lower <= 4 * s;
  const bool up = 4 * s + 4 <= upper;
  if (down != up) return {s + up, k};
  const uint64_t half = 4 * s + 2;
  return {s + (middle > half || (middle == half && (s & 1) != 0)), k};
}

inline Decimal ShortestOf(double value) {  // positive, finite
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  if (exponent == 0) return Shortest(fraction, -1074, false);
  return Shortest(fraction | uint64_t{1} << 52, exponent - 1075, fraction == 0 && exponent > 1);
}
// The same for float32, for which the upper 64 bits of the power suffice.
inline uint32_t RoundToOdd32(uint64_t g, uint32_t cp) {
  const uint128 x = uint128{g} * cp;
  return static_cast<uint32_t>(static_cast<uint64_t>(x >> 64)) | (static_cast<uint32_t>(static_cast<uint64_t>(x) >> 32) > 1);
}
inline Decimal Shortest32(uint32_t c, int q, bool narrow) {
  const bool even = (c & 1) == 0;
  const int k = narrow ? FloorLog10ThreeQuartersPow2(q) : FloorLog10Pow2(q);
  const int h = q + FloorLog2Pow10(-k) + 1;
  const Pow10 power = kPowers.entry[-k - kMinPow10];
  const uint64_t g = power.high + (power.low != 0);
  const uint32_t lower = RoundToOdd32(g, (4 * c - 2 + narrow) << h) + !even;
  const uint32_t middle = RoundToOdd32(g, (4 * c) << h);
  const uint32_t upper = RoundToOdd32(g, (4 * c + 2) << h) - !even;
  const uint32_t s = middle / 4;
  if (s >= 10) {
    const uint32_t tens = s / 10;
    const bool down = lower <= 40 * tens;
    const bool up = 40 * tens + 40 <= upper;
    if (down != up) return {tens + up, k + 1};
  }
  const bool down = lower <= 4 * s;
  const bool up = 4 * s + 4 <= upper;
  if (down != up) return {s + up, k};
  const uint32_t half = 4 * s + 2;
  return {s + (middle > half || (middle == half && (s & 1) != 0)), k};
}
inline Decimal ShortestOf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t fraction = bits & ((1u << 23) - 1);
  const int exponent = static_cast<int>(bits >> 23 & 0xff);
  if (exponent == 0) return Shortest32(fraction, -149, false);
  return Shortest32(fraction | 1u << 23, exponent - 150, fraction == 0 && exponent > 1);
}

// --- layout ---

// Up to 17 digits without trailing zeros, and the exponent of the first one. The digits after the first lie in registers
// (as bytes 0..9, first one lowest) and are moved by shifts: lengths are unpredictable, and text that was just written in
// small pieces is slow to read back.
struct DigitText {
  char top;
  uint64_t high, low;
  int count;
  int first;
};

inline int SignificantOfEight(uint64_t digits) { return (71 - std::countl_zero(digits)) >> 3; }

inline DigitText ToDigits17(Decimal decimal) {
  DigitText text;
  const int length = number_internal::CountDigits(decimal.digits);
  const uint64_t padded = decimal.digits * kPow10[17 - length];
  const uint64_t rest = padded % kPow10[16];
  text.top = static_cast<char>('0' + padded / kPow10[16]);
  text.high = number_internal::EightDigits(static_cast<uint32_t>(rest / kPow10[8]));
  text.low = number_internal::EightDigits(static_cast<uint32_t>(rest % kPow10[8]));
  text.count = 1 + (text.low != 0 ? 8 + SignificantOfEight(text.low) : SignificantOfEight(text.high));
  text.first = length - 1 + decimal.exponent;
  return text;
}
inline DigitText ToDigits9(Decimal decimal) {
  DigitText text;
  const int length = number_internal::CountDigits(decimal.digits);
  const auto padded = static_cast<uint32_t>(decimal.digits * kPow10[9 - length]);
  text.top = static_cast<char>('0' + padded / 100000000);
  text.high = number_internal::EightDigits(padded % 100000000);
  text.low = 0;
  text.count = 1 + SignificantOfEight(text.high);
  text.first = length - 1 + decimal.exponent;
  return text;
}

// Writes the digits behind the first, `skip` of them left out; always 16 bytes.
inline void PutDigits(char* p, const DigitText& text, int skip) {
  if (text.low == 0 && skip < 8) {  // always so for float32
    const uint64_t word = text.high >> (8 * skip) | number_internal::kEightZeros;
    std::memcpy(p, &word, 8);
    std::memcpy(p + 8, &number_internal::kEightZeros, 8);
    return;
  }
  const uint128 digits = (uint128{text.low} << 64 | text.high) >> (8 * skip);
  const uint64_t high = static_cast<uint64_t>(digits) | number_internal::kEightZeros;
  const uint64_t low = static_cast<uint64_t>(digits >> 64) | number_internal::kEightZeros;
  std::memcpy(p, &high, 8);
  std::memcpy(p + 8, &low, 8);
}

// "d.ddde+XX" with at least `exponent_digits` digits of exponent.
char* WriteScientific(char* p, const DigitText& text, int exponent_digits) {
  *p++ = text.top;
  if (text.count > 1) {
    *p++ = '.';
    PutDigits(p, text, 0);
    p += text.count - 1;
  }
  *p++ = 'e';
  *p++ = text.first < 0 ? '-' : '+';
  return WritePadded(p, static_cast<uint64_t>(text.first < 0 ? -text.first : text.first), exponent_digits);
}

// Fixed layout while min_fixed <= exponent of the first digit < 16, else scientific.
inline char* WriteLayout(char* p, const DigitText& text, int min_fixed, int exponent_digits) {
  const int first = text.first;
  if (first < min_fixed || first >= 16) return WriteScientific(p, text, exponent_digits);
  if (text.count <= first + 1) {  // an integer; the digits behind the last are zeros
    *p = text.top;
    PutDigits(p + 1, text, 0);
    p += first + 1;
    p[0] = '.';
    p[1] = '0';
    return p + 2;
  }
  // "0.000" and the digits, or the digits with a point among them.
  const int zeros = first < 0 ? 1 - first : 0;
  const int point = first < 0 ? 0 : 1;
  const int before_point = first < 0 ? 0 : first;  // digits other than the top one
  std::memcpy(p, "0.00000", 8);
  p[zeros] = text.top;
  PutDigits(p + zeros + 1, text, 0);
  PutDigits(p + zeros + 1 + before_point + point, text, before_point);
  p[first < 0 ? 1 : first + 1] = '.';
  return p + zeros + point + text.count;
}

// Numbers with few decimals, which most columns hold: m / 10^4 with m below 10^15 reads back to `value` only if it is the
// shortest text, since decimals of up to 15 digits and doubles are one to one there. Null: not such a number.
inline char* WriteFewDecimals(char* p, double value) {
  if (!(value < 1e11) || value < 1e-3) return nullptr;
  const auto m = static_cast<uint64_t>(value * 10000.0 + 0.5);
  if (static_cast<double>(m) / 10000.0 != value) return nullptr;
  p = WriteUInt(p, m / 10000);
  *p++ = '.';
  const auto fraction = static_cast<uint32_t>(m % 10000);
  PutPair(p, fraction / 100);
  PutPair(p + 2, fraction % 100);
  int n = 4;
  while (n > 1 && p[n - 1] == '0') --n;
  return p + n;
}
// The same with up to 6 digits and 3 decimals for float32.
inline char* WriteFewDecimals(char* p, float value) {
  if (!(value < 999.0f) || value < 1e-2f) return nullptr;
  const auto m = static_cast<uint32_t>(value * 1000.0f + 0.5f);
  if (static_cast<float>(m) / 1000.0f != value) return nullptr;
  p = WriteUInt(p, m / 1000);
  const uint32_t fraction = m % 1000;
  p[0] = '.';
  p[1] = static_cast<char>('0' + fraction / 100);
  PutPair(p + 2, fraction % 100);
  int n = 4;
  while (n > 2 && p[n - 1] == '0') --n;
  return p + n;
}

// Integers of up to 15 digits, which need no search.
template <typename T>
inline char* WriteSimple(char* p, T value) {
  constexpr T kExact = sizeof(T) == 8 ? T{1e15} : T{16777216};
  if (value < kExact) {
    const auto whole = static_cast<uint64_t>(value);
    if (static_cast<T>(whole) == value) {
      p = WriteUInt(p, whole);
      p[0] = '.';
      p[1] = '0';
      return p + 2;
    }
  }
  return WriteFewDecimals(p, value);
}

template <typename T>
inline char* WriteFloating(char* p, T value) {
  *p = '-';
  p += std::signbit(value);
  value = std::abs(value);
  if (char* end = WriteSimple(p, value)) return end;
  if constexpr (sizeof(T) == 4) return WriteLayout(p, ToDigits9(ShortestOf(value)), -4, 2);
  return WriteLayout(p, ToDigits17(ShortestOf(value)), -4, 2);
}

}  // namespace

char* WriteDouble(char* p, double value) { return WriteFloating(p, value); }
char* WriteFloat(char* p, float value) { return WriteFloating(p, value); }

char* WriteDocumentDouble(char* p, double value) {
  *p = '-';
  p += std::signbit(value);
  value = std::abs(value);
  if (char* end = WriteSimple(p, value)) return end;
  return WriteLayout(p, ToDigits17(ShortestOf(value)), -5, 1);
}

float HalfToFloat(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = bits >> 10 & 0x1f;
  const uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

char* WriteInt128(char* p, __int128 value) {
  auto magnitude = static_cast<uint128>(value);
  if (value < 0) {
    *p++ = '-';
    magnitude = 0 - magnitude;
  }
  if (magnitude >> 64 == 0) return WriteUInt(p, static_cast<uint64_t>(magnitude));
  const uint64_t kBase = kPow10[19];
  const uint128 high = magnitude / kBase;
  p = high < kBase ? WriteUInt(p, static_cast<uint64_t>(high))
                   : WritePadded(WriteUInt(p, static_cast<uint64_t>(high / kBase)), static_cast<uint64_t>(high % kBase), 19);
  return WritePadded(p, static_cast<uint64_t>(magnitude % kBase), 19);
}

char* WriteDecimalDigits(char* p, const char* text, int length, int scale) {
  if (length > 0 && text[0] == '-') {
    *p++ = '-';
    ++text;
    --length;
  }
  if (scale <= 0) {
    std::memcpy(p, text, length);
    p += length;
    if (length == 1 && text[0] == '0') return p;
    std::memset(p, '0', -scale);
    return p - scale;
  }
  if (length > scale) {
    std::memcpy(p, text, length - scale);
    p += length - scale;
    *p++ = '.';
    std::memcpy(p, text + length - scale, scale);
    return p + scale;
  }
  *p++ = '0';
  *p++ = '.';
  std::memset(p, '0', scale - length);
  p += scale - length;
  std::memcpy(p, text, length);
  return p + length;
}

namespace number_internal {

char* WriteDateSlow(char* p, int64_t days) {
  const CivilDate date = CivilFromDays(days);
  if (date.year < 0 || date.year > 9999) *p++ = date.year < 0 ? '-' : '+';
  p = WritePadded(p, static_cast<uint64_t>(date.year < 0 ? -date.year : date.year), 4);
  *p++ = '-';
  p = WriteTwo(p, static_cast<uint32_t>(date.month));
  *p++ = '-';
  return WriteTwo(p, static_cast<uint32_t>(date.day));
}

char* WriteTimeSlow(char* p, int64_t value, int64_t per_second, int digits) {
  int64_t seconds = value / per_second;
  int64_t fraction = value % per_second;
  if (fraction < 0) {
    fraction += per_second;
    --seconds;
  }
  int64_t hours = seconds / 3600;
  int64_t rest = seconds % 3600;
  if (rest < 0) {
    rest += 3600;
    --hours;
  }
  p = hours < 0 ? WriteInt(p, hours) : WritePadded(p, static_cast<uint64_t>(hours), 2);
  *p++ = ':';
  p = WriteTwo(p, static_cast<uint32_t>(rest / 60));
  *p++ = ':';
  p = WriteTwo(p, static_cast<uint32_t>(rest % 60));
  if (digits == 0) return p;
  *p++ = '.';
  return WritePadded(p, static_cast<uint64_t>(fraction), digits);
}

}  // namespace number_internal

namespace {
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// Two characters for each 12 bits.
struct Base64Pairs {
  char pair[4096][2]{};
  constexpr Base64Pairs() {
    for (int i = 0; i < 4096; ++i) {
      pair[i][0] = kBase64[i >> 6];
      pair[i][1] = kBase64[i & 63];
    }
  }
};
constexpr Base64Pairs kBase64Pairs;
}  // namespace

char* WriteBase64(char* p, const uint8_t* data, int64_t length) {
  int64_t i = 0;
  for (; i + 3 <= length; i += 3) {
    const uint32_t bits = uint32_t{data[i]} << 16 | uint32_t{data[i + 1]} << 8 | data[i + 2];
    std::memcpy(p, kBase64Pairs.pair[bits >> 12], 2);
    std::memcpy(p + 2, kBase64Pairs.pair[bits & 4095], 2);
    p += 4;
  }
  if (i == length) return p;
  const bool two = length - i == 2;
  const uint32_t bits = uint32_t{data[i]} << 16 | (two ? uint32_t{data[i + 1]} << 8 : 0);
  std::memcpy(p, kBase64Pairs.pair[bits >> 12], 2);
  p[2] = two ? kBase64[bits >> 6 & 63] : '=';
  p[3] = '=';
  return p + 4;
}

char* WriteUuid(char* p, const uint8_t* data) {
  constexpr char kHex[] = "0123456789abcdef";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
    *p++ = kHex[data[i] >> 4];
    *p++ = kHex[data[i] & 15];
  }
  return p;
}

}  // namespace lancefs
