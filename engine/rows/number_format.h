// SPDX-License-Identifier: Apache-2.0
//
// Numbers, dates and base64 as text, for the row formats. Every function writes at `p`, returns the end of what it wrote
// and needs the stated room; nothing is terminated. Kept in the header because they are the inner loop of rendering.
//
// Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace lancefs {

// Room that a call may use, quotes not counted.
inline constexpr int kMaxIntegerText = 20;
inline constexpr int kMaxDoubleText = 48;  // 24 used; the rest is scratch
inline constexpr int kMaxFloatText = 48;   // 19 used; the rest is scratch
inline constexpr int kMaxDateText = 24;    // years of 64 bits
inline constexpr int kMaxTimeText = 40;
inline constexpr int kMaxTimestampText = kMaxDateText + 20;
inline constexpr int kMaxInt128Text = 40;

namespace number_internal {

inline constexpr char kDigitPairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960"
    "616263646566676869707172737475767778798081828384858687888990919293949596979899";

inline void PutPair(char* p, uint32_t value) { std::memcpy(p, kDigitPairs + 2 * value, 2); }

static_assert(std::endian::native == std::endian::little, "digits are gathered in words, first digit lowest");

// The 8 digits of a value below 10^8 as bytes 0..9 of a word, first digit lowest.
inline uint64_t EightDigits(uint32_t value) {
  const uint64_t fours = value / 10000 | uint64_t{value % 10000} << 32;
  const uint64_t hundreds = (fours * 10486 >> 20) & 0x7f0000007full;
  const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
  const uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000full;
  return tens | (twos - 10 * tens) << 8;
}
inline constexpr uint64_t kEightZeros = 0x3030303030303030ull;
// Exactly 8 digits.
inline void PutEight(char* p, uint32_t value) {
  const uint64_t text = EightDigits(value) | kEightZeros;
  std::memcpy(p, &text, 8);
}

inline constexpr uint64_t kPow10[20] = {1ull,
                                        10ull,
                                        100ull,
                                        1000ull,
                                        10000ull,
                                        100000ull,
                                        1000000ull,
                                        10000000ull,
                                        100000000ull,
                                        1000000000ull,
                                        10000000000ull,
                                        100000000000ull,
                                        1000000000000ull,
                                        10000000000000ull,
                                        100000000000000ull,
                                        1000000000000000ull,
                                        10000000000000000ull,
                                        100000000000000000ull,
                                        1000000000000000000ull,
                                        10000000000000000000ull};

inline int CountDigits(uint64_t value) {
  const int guess = (64 - std::countl_zero(value | 1)) * 1233 >> 12;  // log10 of the power of two above
  return guess + (value >= kPow10[guess]) + (value == 0 && guess == 0);
}

}  // namespace number_internal

// Room: kMaxIntegerText.
inline char* WriteUInt(char* p, uint64_t value) {
  using namespace number_internal;
  if (value < 100) {
    if (value < 10) {
      *p = static_cast<char>('0' + value);
      return p + 1;
    }
    PutPair(p, static_cast<uint32_t>(value));
    return p + 2;
  }
  char* const end = p + CountDigits(value);
  char* at = end;
  while (value >= 100000000) {
    at -= 8;
    PutEight(at, static_cast<uint32_t>(value % 100000000));
    value /= 100000000;
  }
  auto rest = static_cast<uint32_t>(value);
  while (rest >= 100) {
    at -= 2;
    PutPair(at, rest % 100);
    rest /= 100;
  }
  if (rest >= 10) {
    PutPair(at - 2, rest);
  } else if (at > p) {
    at[-1] = static_cast<char>('0' + rest);
  }
  return end;
}
inline char* WriteInt(char* p, int64_t value) {
  uint64_t magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    *p++ = '-';
    magnitude = 0 - magnitude;
  }
  return WriteUInt(p, magnitude);
}
// At least `width` digits, zeros in front. Room: the larger of width and kMaxIntegerText.
inline char* WritePadded(char* p, uint64_t value, int width) {
  const int digits = number_internal::CountDigits(value);
  for (int i = digits; i < width; ++i) *p++ = '0';
  return WriteUInt(p, value);
}
inline char* WriteTwo(char* p, uint32_t value) {
  number_internal::PutPair(p, value);
  return p + 2;
}

// Floats that are not finite have no digits: callers test them first.
// The shortest text that reads back to `value`, in the layout of Python's repr: "1.0", "1e-05", "1e+16". Room: kMaxDoubleText.
char* WriteDouble(char* p, double value);
// The same for a float32: the shortest text that reads back to the same float32. Room: kMaxFloatText.
char* WriteFloat(char* p, float value);
// The shortest text in the layout of the reference's JSON documents: fixed from 1e-5 to below 1e16, "1e-6", "1e+16".
char* WriteDocumentDouble(char* p, double value);

// Widens a half float.
float HalfToFloat(uint16_t bits);

// Room: kMaxInt128Text.
char* WriteInt128(char* p, __int128 value);
// Puts the decimal point of a decimal into its digits `text` (sign first): exactly `scale` digits behind it; a negative
// scale appends zeros. Room: the length of text + |scale| + 3.
char* WriteDecimalDigits(char* p, const char* text, int length, int scale);

namespace number_internal {
inline constexpr int64_t kFirstPlainDay = -719528;  // 0000-01-01
inline constexpr int64_t kLastPlainDay = 2932896;   // 9999-12-31
char* WriteDateSlow(char* p, int64_t days);
char* WriteTimeSlow(char* p, int64_t value, int64_t per_second, int digits);
}  // namespace number_internal

// "2020-01-31"; years outside 0..9999 with a sign. Room: kMaxDateText.
inline char* WriteDate(char* p, int64_t days) {
  using namespace number_internal;
  if (days < kFirstPlainDay || days > kLastPlainDay) return WriteDateSlow(p, days);
  // Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms" (2023).
  // Counted from 0000-03-01, shifted by one era of 400 years so that January and February of year 0 stay positive.
  const uint32_t n = static_cast<uint32_t>(days + 719468 + 146097);
  const uint32_t n1 = 4 * n + 3;
  const uint32_t century = n1 / 146097;
  const uint32_t n2 = n1 % 146097 | 3;
  const uint64_t p2 = uint64_t{2939745} * n2;
  const uint32_t year_of_century = static_cast<uint32_t>(p2 >> 32);
  const uint32_t day_of_year = static_cast<uint32_t>(p2) / 2939745 / 4;
  const uint32_t n3 = 2141 * day_of_year + 197913;
  const bool next_year = day_of_year >= 306;
  const uint32_t year = 100 * century + year_of_century + next_year - 400;
  const uint32_t month = (n3 >> 16) - (next_year ? 12 : 0);
  PutPair(p, year / 100);
  PutPair(p + 2, year % 100);
  p[4] = '-';
  PutPair(p + 5, month);
  p[7] = '-';
  PutPair(p + 8, (n3 & 0xffff) / 2141 + 1);
  return p + 10;
}

// A fraction of exactly kDigits digits with its point; nothing for 0.
template <int kDigits>
inline char* WriteFraction(char* p, uint32_t value) {
  using namespace number_internal;
  if constexpr (kDigits == 0) return p;
  *p++ = '.';
  if constexpr (kDigits == 3) {
    *p = static_cast<char>('0' + value / 100);
    PutPair(p + 1, value % 100);
  } else if constexpr (kDigits == 6) {
    PutPair(p, value / 10000);
    PutPair(p + 2, value / 100 % 100);
    PutPair(p + 4, value % 100);
  } else if constexpr (kDigits == 9) {
    *p = static_cast<char>('0' + value / 100000000);
    PutEight(p + 1, value % 100000000);
  }
  return p + kDigits;
}

// "hh:mm:ss[.fraction]", all digits of the unit. kDigits: 0, 3, 6 or 9. Values outside a day keep their hours. Room:
// kMaxTimeText.
template <int kDigits>
inline char* WriteTime(char* p, int64_t value) {
  using namespace number_internal;
  constexpr int64_t kPerSecond = static_cast<int64_t>(kPow10[kDigits]);
  if (static_cast<uint64_t>(value) >= static_cast<uint64_t>(86400 * kPerSecond))
    return WriteTimeSlow(p, value, kPerSecond, kDigits);
  const auto seconds = static_cast<uint32_t>(static_cast<uint64_t>(value) / kPerSecond);
  const auto fraction = static_cast<uint32_t>(static_cast<uint64_t>(value) % kPerSecond);
  PutPair(p, seconds / 3600);
  p[2] = ':';
  PutPair(p + 3, seconds / 60 % 60);
  p[5] = ':';
  PutPair(p + 6, seconds % 60);
  return WriteFraction<kDigits>(p + 8, fraction);
}

// "2020-01-31Thh:mm:ss[.fraction]". Room: kMaxTimestampText.
template <int kDigits>
inline char* WriteTimestamp(char* p, int64_t value) {
  constexpr int64_t kPerDay = 86400 * static_cast<int64_t>(number_internal::kPow10[kDigits]);
  int64_t day = value / kPerDay;
  int64_t rest = value % kPerDay;
  if (rest < 0) {
    rest += kPerDay;
    --day;
  }
  p = WriteDate(p, day);
  *p++ = 'T';
  return WriteTime<kDigits>(p, rest);
}

// Standard alphabet with padding. Room: (length + 2) / 3 * 4.
char* WriteBase64(char* p, const uint8_t* data, int64_t length);
// "01234567-89ab-cdef-0123-456789abcdef". Room: 36.
char* WriteUuid(char* p, const uint8_t* data);

}  // namespace lancefs
