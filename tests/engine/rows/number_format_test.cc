// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/number_format.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "base/dates.h"

namespace lancefs {
namespace {

std::string Double(double value) {
  char text[kMaxDoubleText];
  return {text, WriteDouble(text, value)};
}
std::string Float(float value) {
  char text[kMaxFloatText];
  return {text, WriteFloat(text, value)};
}
std::string Document(double value) {
  char text[kMaxDoubleText];
  return {text, WriteDocumentDouble(text, value)};
}

// The layout of Python's repr over the digits that the standard library finds; an independent way to the same text.
template <typename T>
std::string Expected(T value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  std::string s(text, end);
  const size_t e = s.find('e');
  const int exponent = std::atoi(s.c_str() + e + 1);
  const std::string sign = s[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : s.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  if (exponent < -4 || exponent >= 16) {
    const std::string mantissa = digits.size() == 1 ? digits : digits.substr(0, 1) + "." + digits.substr(1);
    const std::string power = std::to_string(std::abs(exponent));
    return sign + mantissa + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(-exponent - 1, '0') + digits;
  if (static_cast<int>(digits.size()) <= exponent + 1)
    return sign + digits + std::string(exponent + 1 - digits.size(), '0') + ".0";
  return sign + digits.substr(0, exponent + 1) + "." + digits.substr(exponent + 1);
}

TEST(NumberFormat, DoublesAsPythonPrintsThem) {
  EXPECT_EQ(Double(0.0), "0.0");
  EXPECT_EQ(Double(-0.0), "-0.0");
  EXPECT_EQ(Double(1.0), "1.0");
  EXPECT_EQ(Double(0.1), "0.1");
  EXPECT_EQ(Double(1e16), "1e+16");
  EXPECT_EQ(Double(1e15), "1000000000000000.0");
  EXPECT_EQ(Double(9999999999999998.0), "9999999999999998.0");
  EXPECT_EQ(Double(1234567890123456.5), "1234567890123456.5");
  EXPECT_EQ(Double(1e-4), "0.0001");
  EXPECT_EQ(Double(1e-5), "1e-05");
  EXPECT_EQ(Double(1.5e-7), "1.5e-07");
  EXPECT_EQ(Double(9007199254740992.0), "9007199254740992.0");
  EXPECT_EQ(Double(5e-324), "5e-324");
  EXPECT_EQ(Double(2.2250738585072014e-308), "2.2250738585072014e-308");
  EXPECT_EQ(Double(2.225073858507201e-308), "2.225073858507201e-308");
  EXPECT_EQ(Double(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(Double(-1.7976931348623157e308), "-1.7976931348623157e+308");
  EXPECT_EQ(Double(1180591620717411303424.0), "1.1805916207174113e+21");
  EXPECT_EQ(Double(123456.78), "123456.78");
  EXPECT_EQ(Double(0.30000000000000004), "0.30000000000000004");
  EXPECT_EQ(Double(9.5367431640625e-07), "9.5367431640625e-07");
  EXPECT_EQ(Double(2e23), "2e+23");
}

TEST(NumberFormat, FloatsAreShortestForFloat32) {
  EXPECT_EQ(Float(0.1f), "0.1");
  EXPECT_EQ(Float(16777216.0f), "16777216.0");
  EXPECT_EQ(Float(16777218.0f), "16777218.0");
  EXPECT_EQ(Float(3.4028235e38f), "3.4028235e+38");
  EXPECT_EQ(Float(1e-45f), "1e-45");
  EXPECT_EQ(Float(1.1754944e-38f), "1.1754944e-38");
  EXPECT_EQ(Float(1e16f), "1e+16");
  EXPECT_EQ(Float(9.999999e15f), "9999999000000000.0");
  EXPECT_EQ(Float(-0.0f), "-0.0");
  EXPECT_EQ(Float(HalfToFloat(0x2e66)), "0.099975586");
  EXPECT_EQ(Float(0.3f), "0.3");
  EXPECT_EQ(Float(998.999f), "998.999");
}

TEST(NumberFormat, DocumentLayout) {
  EXPECT_EQ(Document(1e-5), "0.00001");
  EXPECT_EQ(Document(1.2345e-5), "0.000012345");
  EXPECT_EQ(Document(1e-6), "1e-6");
  EXPECT_EQ(Document(1e15), "1000000000000000.0");
  EXPECT_EQ(Document(1e16), "1e+16");
  EXPECT_EQ(Document(-0.0), "-0.0");
  EXPECT_EQ(Document(1.2345678901234568e22), "1.2345678901234568e+22");
}

TEST(NumberFormat, RandomDoublesAgreeWithTheStandardLibrary) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(Double(value), Expected(value));
  }
  // Numbers as people write them, and their neighbours.
  for (int i = 0; i < 1000000; ++i) {
    const double value =
        static_cast<double>(static_cast<int64_t>(random() >> (random() % 50 + 10))) / std::pow(10.0, random() % 8);
    ASSERT_EQ(Double(value), Expected(value));
    const double next = std::nextafter(value, 1e300);
    ASSERT_EQ(Double(next), Expected(next));
  }
}

TEST(NumberFormat, PowersOfTwoAndTen) {
  for (int e = -1074; e < 1024; ++e) {
    const double value = std::ldexp(1.0, e);
    for (const double near :
         {value, std::nextafter(value, 0.0), std::nextafter(value, std::numeric_limits<double>::infinity())}) {
      if (near > 0 && std::isfinite(near)) {
        ASSERT_EQ(Double(near), Expected(near));
      }
    }
  }
  for (int e = -323; e <= 308; ++e) {
    const double value = std::strtod(("1e" + std::to_string(e)).c_str(), nullptr);
    ASSERT_EQ(Double(value), Expected(value));
  }
}

TEST(NumberFormat, FloatsAgreeWithTheStandardLibrary) {
  // A prime step through all bit patterns.
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 1499) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(Float(value), Expected(value)) << bits;
  }
  for (int i = -200000; i < 200000; ++i) {
    const float value = static_cast<float>(i) / 1000.0f;
    ASSERT_EQ(Float(value), Expected(value));
  }
}

TEST(NumberFormat, HalfFloats) {
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(HalfToFloat(0x83ff), -std::ldexp(1023.0f, -24));
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_TRUE(std::isinf(HalfToFloat(0xfc00)));
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e01)));
}

TEST(NumberFormat, Integers) {
  auto integer = [](int64_t value) {
    char text[kMaxIntegerText + 1];
    return std::string(text, WriteInt(text, value));
  };
  auto natural = [](uint64_t value) {
    char text[kMaxIntegerText];
    return std::string(text, WriteUInt(text, value));
  };
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::max()), "9223372036854775807");
  EXPECT_EQ(natural(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  for (uint64_t power = 1; power < 10000000000000000000ull; power *= 10) {
    for (const uint64_t value : {power - 1, power, power + 1, 7 * power}) {
      ASSERT_EQ(natural(value), std::to_string(value));
    }
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 100000; ++i) {
    const auto value = static_cast<int64_t>(random()) >> (random() % 64);
    ASSERT_EQ(integer(value), std::to_string(value));
  }
}

TEST(NumberFormat, Int128AndDecimals) {
  auto wide = [](__int128 value) {
    char text[kMaxInt128Text];
    return std::string(text, WriteInt128(text, value));
  };
  const auto big = static_cast<__int128>(10000000000000000000ull);
  EXPECT_EQ(wide(0), "0");
  EXPECT_EQ(wide(-5), "-5");
  EXPECT_EQ(wide(big), "10000000000000000000");
  EXPECT_EQ(wide(big * big - 1), "99999999999999999999999999999999999999");
  EXPECT_EQ(wide(big * big), "100000000000000000000000000000000000000");
  EXPECT_EQ(wide(-big * 7), "-70000000000000000000");
  EXPECT_EQ(wide(std::numeric_limits<__int128>::min()), "-170141183460469231731687303715884105728");

  auto decimal = [](const std::string& digits, int scale) {
    char text[200];
    return std::string(text, WriteDecimalDigits(text, digits.data(), static_cast<int>(digits.size()), scale));
  };
  EXPECT_EQ(decimal("-1250", 2), "-12.50");
  EXPECT_EQ(decimal("0", 2), "0.00");
  EXPECT_EQ(decimal("-5", 10), "-0.0000000005");
  EXPECT_EQ(decimal("123", 3), "0.123");
  EXPECT_EQ(decimal("12", 0), "12");
  EXPECT_EQ(decimal("12", -2), "1200");
  EXPECT_EQ(decimal("-12", -2), "-1200");
  EXPECT_EQ(decimal("0", -2), "0");
}

TEST(NumberFormat, Dates) {
  auto date = [](int64_t days) {
    char text[kMaxDateText];
    return std::string(text, WriteDate(text, days));
  };
  EXPECT_EQ(date(0), "1970-01-01");
  EXPECT_EQ(date(-1), "1969-12-31");
  EXPECT_EQ(date(11016), "2000-02-29");
  EXPECT_EQ(date(-719528), "0000-01-01");
  EXPECT_EQ(date(-719529), "-0001-12-31");
  EXPECT_EQ(date(2932896), "9999-12-31");
  EXPECT_EQ(date(2932897), "+10000-01-01");
  EXPECT_EQ(date(std::numeric_limits<int32_t>::max()), "+5881580-07-11");
  EXPECT_EQ(date(std::numeric_limits<int32_t>::min()), "-5877641-06-23");
  // Every day of the plain range follows its predecessor.
  for (int64_t day = -719528; day <= 2932896; ++day) {
    const CivilDate slow = CivilFromDays(day);
    char text[kMaxDateText];
    std::snprintf(text, sizeof text, "%04d-%02d-%02d", static_cast<int>(slow.year), slow.month, slow.day);
    ASSERT_EQ(date(day), text);
  }
}

TEST(NumberFormat, TimesAndTimestamps) {
  char text[kMaxTimestampText];
  auto end = [&text](char* p) { return std::string(text, p); };
  EXPECT_EQ(end(WriteTime<0>(text, 86399)), "23:59:59");
  EXPECT_EQ(end(WriteTime<3>(text, 1)), "00:00:00.001");
  EXPECT_EQ(end(WriteTime<6>(text, 86399999999)), "23:59:59.999999");
  EXPECT_EQ(end(WriteTime<9>(text, 3600000000123)), "01:00:00.000000123");
  EXPECT_EQ(end(WriteTime<0>(text, 86400)), "24:00:00");
  EXPECT_EQ(end(WriteTime<0>(text, -1)), "-1:59:59");
  EXPECT_EQ(end(WriteTimestamp<0>(text, 0)), "1970-01-01T00:00:00");
  EXPECT_EQ(end(WriteTimestamp<3>(text, -1)), "1969-12-31T23:59:59.999");
  EXPECT_EQ(end(WriteTimestamp<6>(text, std::numeric_limits<int64_t>::max())), "+294247-01-10T04:00:54.775807");
  EXPECT_EQ(end(WriteTimestamp<6>(text, std::numeric_limits<int64_t>::min())), "-290308-12-21T19:59:05.224192");
  EXPECT_EQ(end(WriteTimestamp<9>(text, std::numeric_limits<int64_t>::min())), "1677-09-21T00:12:43.145224192");
  EXPECT_EQ(end(WriteTimestamp<0>(text, std::numeric_limits<int64_t>::max())), "+292277026596-12-04T15:30:07");
  EXPECT_EQ(end(WriteTimestamp<0>(text, std::numeric_limits<int64_t>::min())), "-292277022657-01-27T08:29:52");
}

TEST(NumberFormat, Base64AndUuid) {
  auto base64 = [](const std::string& bytes) {
    char text[400];
    return std::string(text,
                       WriteBase64(text, reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size())));
  };
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string("\xff\xfe\x00\xfb", 4)), "//4A+w==");
  const uint8_t uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  char text[36];
  EXPECT_EQ(std::string(text, WriteUuid(text, uuid)), "01234567-89ab-cdef-0123-456789abcdef");
}

}  // namespace
}  // namespace lancefs
