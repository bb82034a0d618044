// SPDX-License-Identifier: Apache-2.0
//
// Comparisons of every type: how literals and columns meet.
#include <gtest/gtest.h>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

using arrow::TimeUnit;

TEST(Compare, IntegersWithLiterals) {
  const auto batch =
      MakeBatch({{"i", arrow::int32(), "[-1, 0, 5, 6, null, 2147483647]"}, {"u", arrow::uint8(), "[0, 5, 200, 255, null, 1]"}});
  EXPECT_EQ(Rows(*batch, "i = 5"), "2");
  EXPECT_EQ(Rows(*batch, "5 = i"), "2");
  EXPECT_EQ(Rows(*batch, "i > 5.5"), "3,5");  // a fraction is not cut off
  EXPECT_EQ(Rows(*batch, "i = 5.5"), "none");
  EXPECT_EQ(Rows(*batch, "i = 5.0"), "2");
  EXPECT_EQ(Rows(*batch, "i < 5.5"), "0,1,2");
  EXPECT_EQ(Rows(*batch, "i = '5'"), "2");
  EXPECT_EQ(Rows(*batch, "i < 2147483648"), "0,1,2,3,5");  // beyond the column's range
  EXPECT_EQ(Rows(*batch, "i > -9223372036854775808"), "0,1,2,3,5");
  EXPECT_EQ(Rows(*batch, "i <= 1e300"), "0,1,2,3,5");
  EXPECT_EQ(Rows(*batch, "i != 5"), "0,1,3,5");
  EXPECT_EQ(Rows(*batch, "i = 2 + 3"), "2");
  EXPECT_EQ(Rows(*batch, "u = -1"), "none");
  EXPECT_EQ(Rows(*batch, "u > -1"), "0,1,2,3,5");
  EXPECT_EQ(Rows(*batch, "u < 256"), "0,1,2,3,5");
  EXPECT_EQ(Rows(*batch, "u > 199"), "2,3");
  EXPECT_EQ(Rows(*batch, "u = i"), "none");
  EXPECT_EQ(Rows(*batch, "u > i"), "0,1,2,3");
  EXPECT_EQ(Rows(*batch, "i IN (5, 6.0, -1)"), "0,2,3");
  EXPECT_EQ(Rows(*batch, "i IN (5.5, 6)"), "3");
  EXPECT_EQ(Rows(*batch, "u IN (-1, 300, 255)"), "3");
}

TEST(Compare, LargeIntegersStayExact) {
  const auto batch =
      MakeBatch({{"i", arrow::int64(), "[9007199254740993, 9007199254740992, -9223372036854775808, 9223372036854775807]"},
                 {"u", arrow::uint64(), "[9007199254740993, 0, 18446744073709551615, 9223372036854775808]"}});
  EXPECT_EQ(Rows(*batch, "i = 9007199254740993"), "0");
  EXPECT_EQ(Rows(*batch, "i > 9007199254740992"), "0,3");
  EXPECT_EQ(Rows(*batch, "u = 18446744073709551615"), "2");
  EXPECT_EQ(Rows(*batch, "u >= 9223372036854775808"), "2,3");
  EXPECT_EQ(Rows(*batch, "i < u"), "2,3");
  EXPECT_EQ(Rows(*batch, "i = u"), "0");
  EXPECT_EQ(Rows(*batch, "i IN (9007199254740993, 9223372036854775807)"), "0,3");
}

TEST(Compare, EveryIntegerWidth) {
  for (const auto& type : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64(), arrow::uint8(), arrow::uint16(),
                           arrow::uint32(), arrow::uint64()}) {
    const auto batch = MakeBatch({{"x", type, "[0, 7, null, 100, 8]"}});
    EXPECT_EQ(Rows(*batch, "x > 7"), "3,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "x >= 7.5"), "3,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "x IN (0, 8, NULL)"), "0,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "x BETWEEN -1 AND 8"), "0,1,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "x < 100000000000"), "0,1,3,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "x != 7"), "0,3,4") << type->ToString();
  }
}

TEST(Compare, FloatsTakeTheColumnsPrecision) {
  const auto batch =
      MakeBatch({{"f", arrow::float32(), "[0.1, 0.2, null, 16777216]"}, {"d", arrow::float64(), "[0.1, 0.2, null, 1]"}});
  EXPECT_EQ(Rows(*batch, "f = 0.1"), "0");  // the literal becomes a float32
  EXPECT_EQ(Rows(*batch, "d = 0.1"), "0");
  EXPECT_EQ(Rows(*batch, "f = d"), "none");  // 0.1f is not 0.1
  EXPECT_EQ(Rows(*batch, "f IN (0.1, 0.2)"), "0,1");
  EXPECT_EQ(Rows(*batch, "f = 16777217"), "3");
  EXPECT_EQ(Rows(*batch, "d = '0.2'"), "1");
}

TEST(Compare, NaNIsGreatestAndEqualToItself) {
  const auto batch = MakeBatch({{"f", arrow::float64(), "[NaN, Inf, -Inf, 0, -0.0, 1, null]"}});
  EXPECT_EQ(Rows(*batch, "f > 1e308"), "0,1");
  EXPECT_EQ(Rows(*batch, "f >= CAST('NaN' AS double)"), "0");
  EXPECT_EQ(Rows(*batch, "f = f"), "0,1,2,3,4,5");
  EXPECT_EQ(Rows(*batch, "f < 0"), "2");  // the zeros are equal
  EXPECT_EQ(Rows(*batch, "f = -0.0"), "3,4");
  EXPECT_EQ(Rows(*batch, "isnan(f)"), "0");
  EXPECT_EQ(Rows(*batch, "f IN (CAST('NaN' AS double), 1)"), "0,5");
}

TEST(Compare, HalfFloats) {
  auto batch = MakeBatch({{"h", arrow::float16(), "[0.5, 1, 2.5, null]"}});
  EXPECT_EQ(Rows(*batch, "h = 0.5"), "0");
  EXPECT_EQ(Rows(*batch, "h > 0.75"), "1,2");
  EXPECT_EQ(Rows(*batch, "h IN (1, 2.5)"), "1,2");
  EXPECT_EQ(Rows(*batch, "h < 1e10"), "0,1,2");
}

TEST(Compare, Decimals) {
  const auto batch = MakeBatch({{"d", arrow::decimal128(10, 2), R"(["1.25", "-3.50", null, "5.00", "99999999.99"])"},
                                {"w", arrow::decimal256(40, 3), R"(["1.250", "-3.501", null, "5.000", "0.001"])"},
                                {"i", arrow::int32(), "[1, -3, 0, 5, 7]"}});
  EXPECT_EQ(Rows(*batch, "d = 1.25"), "0");
  EXPECT_EQ(Rows(*batch, "d > 1.2"), "0,3,4");
  EXPECT_EQ(Rows(*batch, "d = 5"), "3");
  EXPECT_EQ(Rows(*batch, "d = w"), "0,3");
  EXPECT_EQ(Rows(*batch, "d > w"), "1,4");
  EXPECT_EQ(Rows(*batch, "d = i"), "3");
  EXPECT_EQ(Rows(*batch, "d IN (5, 1.25)"), "0,3");
  EXPECT_EQ(Rows(*batch, "d BETWEEN -4 AND 1.25"), "0,1");
  EXPECT_EQ(Rows(*batch, "d = '5.00'"), "3");
  EXPECT_EQ(Rows(*batch, "w = CAST('5' AS decimal(10, 3))"), "3");
}

TEST(Compare, Strings) {
  for (const auto& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view()}) {
    const auto batch = MakeBatch({{"s", type, R"(["b", "", null, "Bé", "ab", "10", "9"])"}});
    EXPECT_EQ(Rows(*batch, "s = 'b'"), "0") << type->ToString();
    EXPECT_EQ(Rows(*batch, "s = ''"), "1") << type->ToString();
    EXPECT_EQ(Rows(*batch, "s < 'a'"), "1,3,5,6") << type->ToString();
    EXPECT_EQ(Rows(*batch, "s >= 'ab'"), "0,4") << type->ToString();
    EXPECT_EQ(Rows(*batch, "s IN ('Bé', 'x', '')"), "1,3") << type->ToString();
    EXPECT_EQ(Rows(*batch, "s = s"), "0,1,3,4,5,6") << type->ToString();
  }
  const auto numbers = MakeBatch({{"s", arrow::utf8(), R"(["10", "9", null])"}});
  EXPECT_EQ(Rows(*numbers, "s > 9"), "0");  // as numbers, not as text
  const auto words = MakeBatch({{"s", arrow::utf8(), R"(["10", "x", null])"}});
  EXPECT_EQ(Rows(*words, "s > 9"), "error: cannot cast 'x' (string) to int64");
}

TEST(Compare, Binary) {
  const auto batch = MakeBatch({{"b", arrow::binary(), R"(["a", "", null, "ab"])"},
                                {"l", arrow::large_binary(), R"(["a", "", null, "ab"])"},
                                {"x", arrow::fixed_size_binary(2), R"(["aa", "zz", null, "ab"])"}});
  EXPECT_EQ(Rows(*batch, "b = X'6162'"), "3");
  EXPECT_EQ(Rows(*batch, "l = 0x61"), "0");
  EXPECT_EQ(Rows(*batch, "x = X'6162'"), "3");
  EXPECT_EQ(Rows(*batch, "x > X'6162'"), "1");
  EXPECT_EQ(Rows(*batch, "b > X''"), "0,3");
  EXPECT_EQ(Rows(*batch, "b IN (X'61', X'')"), "0,1");
  EXPECT_EQ(Rows(*batch, "b = 'ab'"), "3");
  EXPECT_EQ(Rows(*batch, "b = l"), "0,1,3");
}

TEST(Compare, Dictionaries) {
  auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto batch =
      MakeBatch({{"d", type, R"(["a", "b", null, "a", "c"])"}, {"s", arrow::utf8(), R"(["a", "a", "a", "x", "c"])"}});
  EXPECT_EQ(Rows(*batch, "d = 'a'"), "0,3");
  EXPECT_EQ(Rows(*batch, "d IN ('b', 'c')"), "1,4");
  EXPECT_EQ(Rows(*batch, "d > s"), "1");
  EXPECT_EQ(Rows(*batch, "d = s"), "0,4");
  EXPECT_EQ(Rows(*batch, "d LIKE 'a%'"), "0,3");
  EXPECT_EQ(Rows(*batch, "d IS NULL"), "2");
}

TEST(Compare, DatesAndTimestamps) {
  const auto batch = MakeBatch({
      {"d", arrow::date32(), "[18262, 18263, null, 0]"},  // 2020-01-01, 2020-01-02
      {"ms", arrow::date64(), "[1577836800000, 1577923200000, null, 0]"},
      {"ts", arrow::timestamp(TimeUnit::MICRO),
       R"(["2020-01-01 00:00:00", "2020-01-02 12:30:00.5", null, "1969-12-31 23:59:59"])"},
      {"s", arrow::timestamp(TimeUnit::SECOND), R"(["2020-01-01 00:00:00", "2020-01-02 12:30:00", null, "1969-12-31 23:59:59"])"},
      {"n", arrow::timestamp(TimeUnit::NANO),
       R"(["2020-01-01 00:00:00.000000001", "2020-01-02 12:30:00.5", null, "1970-01-01"])"},
  });
  EXPECT_EQ(Rows(*batch, "d = date '2020-01-02'"), "1");
  EXPECT_EQ(Rows(*batch, "d >= '2020-01-01'"), "0,1");
  EXPECT_EQ(Rows(*batch, "d < CAST('2020-01-02' AS date)"), "0,3");
  EXPECT_EQ(Rows(*batch, "ms = date '2020-01-02'"), "1");
  EXPECT_EQ(Rows(*batch, "d = ms"), "0,1,3");
  EXPECT_EQ(Rows(*batch, "d IN (date '2020-01-01', NULL)"), "0");
  EXPECT_EQ(Rows(*batch, "ts = timestamp '2020-01-02 12:30:00.5'"), "1");
  EXPECT_EQ(Rows(*batch, "ts > '2020-01-01T00:00:00'"), "1");
  EXPECT_EQ(Rows(*batch, "ts >= timestamp '2020-01-01T01:00:00+01:00'"), "0,1");
  EXPECT_EQ(Rows(*batch, "ts < timestamp '1970-01-01'"), "3");
  EXPECT_EQ(Rows(*batch, "s = timestamp '2020-01-02 12:30:00'"), "1");
  EXPECT_EQ(Rows(*batch, "n = timestamp(9) '2020-01-01 00:00:00.000000001'"), "0");
  EXPECT_EQ(Rows(*batch, "ts > d"), "1");
  EXPECT_EQ(Rows(*batch, "d = timestamp '2020-01-01'"), "0");
  EXPECT_EQ(Rows(*batch, "ts BETWEEN date '2020-01-01' AND date '2020-01-02'"), "0");
  EXPECT_EQ(FilterError("d = date 'x'", *batch->schema()), "cannot cast 'x' (string) to date32[day] at position 5");
}

TEST(Compare, TimestampsWithZones) {
  const auto batch = MakeBatch({
      {"utc", arrow::timestamp(TimeUnit::MICRO, "UTC"), R"(["2020-01-01 05:00:00", "2020-07-01 04:00:00", null])"},
      {"ny", arrow::timestamp(TimeUnit::MICRO, "America/New_York"), R"(["2020-01-01 05:00:00", "2020-07-01 04:00:00", null])"},
  });
  EXPECT_EQ(Rows(*batch, "utc = ny"), "0,1");  // one instant
  EXPECT_EQ(Rows(*batch, "utc = '2020-01-01T05:00:00Z'"), "0");
  EXPECT_EQ(Rows(*batch, "ny = '2020-01-01T00:00:00'"), "0");  // a wall clock of the zone, in winter
  EXPECT_EQ(Rows(*batch, "ny = '2020-07-01T00:00:00'"), "1");  // and in summer
  EXPECT_EQ(Rows(*batch, "ny = '2020-07-01T04:00:00+00:00'"), "1");
}

TEST(Compare, TimesAndDurations) {
  const auto batch = MakeBatch({{"t", arrow::time32(TimeUnit::SECOND), "[3723, 0, null]"},
                                {"u", arrow::time64(TimeUnit::MICRO), "[3723000000, 1, null]"},
                                {"p", arrow::duration(TimeUnit::MICRO), "[5, 6, null]"},
                                {"q", arrow::duration(TimeUnit::NANO), "[5000, 1, null]"}});
  EXPECT_EQ(Rows(*batch, "t = '01:02:03'"), "0");
  EXPECT_EQ(Rows(*batch, "u < '00:00:01'"), "1");
  EXPECT_EQ(Rows(*batch, "p = q"), "0");
  EXPECT_EQ(Rows(*batch, "p = p"), "0,1");
}

TEST(Compare, NestedValues) {
  const auto item = arrow::list(arrow::int32());
  const auto pair = arrow::struct_({arrow::field("x", arrow::int32())});
  const auto batch =
      MakeBatch({{"l", item, "[[1, 2], [], null, [null]]"}, {"st", pair, R"([{"x": 1}, {"x": null}, null, {"x": 1}])"}});
  EXPECT_EQ(Rows(*batch, "l = [1, 2]"), "0");
  EXPECT_EQ(Rows(*batch, "l != [1, 2]"), "1,3");
  EXPECT_EQ(Rows(*batch, "l = l"), "0,1,3");
  EXPECT_EQ(Rows(*batch, "l[1] = 1"), "0");
  EXPECT_EQ(Rows(*batch, "l[-1] = 2"), "0");
  EXPECT_EQ(Rows(*batch, "array_length(l) = 2"), "0");
  EXPECT_EQ(Rows(*batch, "array_has(l, 2)"), "0");
  EXPECT_EQ(Rows(*batch, "st = st"), "0,1,3");
}

TEST(Compare, RefusesWhatDoesNotCompare) {
  const auto batch = MakeBatch({{"b", arrow::boolean(), "[true]"},
                                {"i", arrow::int32(), "[1]"},
                                {"d", arrow::date32(), "[1]"},
                                {"l", arrow::list(arrow::int32()), "[[1]]"}});
  EXPECT_EQ(FilterError("b = 5", *batch->schema()), "cannot compare bool with int64 at position 3");
  EXPECT_EQ(FilterError("d = true", *batch->schema()), "cannot compare date32[day] with bool at position 3");
  EXPECT_NE(FilterError("l > 5", *batch->schema()).find("cannot compare"), std::string::npos);
  EXPECT_NE(FilterError("i IN (1, true)", *batch->schema()).find("cannot compare int"), std::string::npos);
  EXPECT_NE(FilterError("i LIKE 'x'", *batch->schema()).find("LIKE needs strings"), std::string::npos);
}

}  // namespace
}  // namespace lancefs::testing
