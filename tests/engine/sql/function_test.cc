// SPDX-License-Identifier: Apache-2.0
//
// LIKE, regular expressions, casts, arithmetic and the scalar functions.
#include <gtest/gtest.h>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

std::shared_ptr<arrow::RecordBatch> Text() {
  return MakeBatch({{"s", arrow::utf8(), R"(["abc", "", "a%c", "ABC", null, "x_y", "日本語", "a\nc"])"}});
}

TEST(Like, Patterns) {
  const auto batch = Text();
  EXPECT_EQ(Rows(*batch, "s LIKE 'abc'"), "0");
  EXPECT_EQ(Rows(*batch, "s LIKE 'a%'"), "0,2,7");
  EXPECT_EQ(Rows(*batch, "s LIKE '%c'"), "0,2,7");
  EXPECT_EQ(Rows(*batch, "s LIKE '%b%'"), "0");
  EXPECT_EQ(Rows(*batch, "s LIKE 'a_c'"), "0,2,7");        // any character, also a line feed
  EXPECT_EQ(Rows(*batch, "s LIKE '___'"), "0,2,3,5,6,7");  // characters, not bytes
  EXPECT_EQ(Rows(*batch, "s LIKE ''"), "1");
  EXPECT_EQ(Rows(*batch, "s LIKE '%'"), "0,1,2,3,5,6,7");
  EXPECT_EQ(Rows(*batch, "s NOT LIKE 'a%'"), "1,3,5,6");
  EXPECT_EQ(Rows(*batch, "s LIKE '日%語'"), "6");
  EXPECT_EQ(Rows(*batch, "s LIKE 'a.c'"), "none");  // nothing of regular expressions
  EXPECT_EQ(Rows(*batch, "s LIKE NULL"), "none");
  EXPECT_EQ(Rows(*batch, "s LIKE s"), "0,1,2,3,5,6,7");
}

TEST(Like, IgnoringCase) {
  const auto batch = Text();
  EXPECT_EQ(Rows(*batch, "s ILIKE 'ABC'"), "0,3");
  EXPECT_EQ(Rows(*batch, "s ILIKE '%B%'"), "0,3");
  EXPECT_EQ(Rows(*batch, "s NOT ILIKE 'a%'"), "1,5,6");
}

TEST(Like, Escapes) {
  const auto batch = Text();
  EXPECT_EQ(Rows(*batch, R"(s LIKE 'a\%c')"), "2");
  EXPECT_EQ(Rows(*batch, R"(s LIKE 'x\_y')"), "5");
  EXPECT_EQ(Rows(*batch, "s LIKE 'a!%c' ESCAPE '!'"), "2");
  EXPECT_EQ(Rows(*batch, "s LIKE 'a#_c' ESCAPE '#'"), "none");
}

TEST(Regex, Matches) {
  const auto batch = Text();
  EXPECT_EQ(Rows(*batch, "regexp_match(s, '^a')"), "0,2,7");
  EXPECT_EQ(Rows(*batch, "NOT regexp_match(s, '^a')"), "1,3,4,5,6");  // no match is null; NOT asks "IS NOT NULL"
  EXPECT_EQ(Rows(*batch, "regexp_match(s, 'B', 'i')"), "0,3");
  EXPECT_EQ(Rows(*batch, "regexp_like(s, '^.{3}$')"), "0,2,3,5,6");
  EXPECT_EQ(Rows(*batch, "s ~ '^[A-Z]+$'"), "3");
  EXPECT_EQ(Rows(*batch, "s ~* '^[A-Z]+$'"), "0,3");
  EXPECT_EQ(Rows(*batch, "s !~ 'a'"), "1,3,5,6");
  EXPECT_EQ(FilterError("regexp_match(s, '[')", *batch->schema()), "bad regular expression '[': missing ]: [ at position 1");
}

TEST(Casts, TextToValues) {
  const auto batch = MakeBatch({{"s", arrow::utf8(), R"(["5"])"}, {"bad", arrow::utf8(), R"(["x"])"}});
  EXPECT_EQ(Value(*batch, "CAST(s AS int)"), "5 int32");
  EXPECT_EQ(Value(*batch, "s::bigint"), "5 int64");
  EXPECT_EQ(Value(*batch, "CAST('-7' AS tinyint)"), "-7 int8");
  EXPECT_EQ(Value(*batch, "CAST('1.5' AS float)"), "1.5 float");
  EXPECT_EQ(Value(*batch, "CAST('yes' AS boolean)"), "true bool");
  EXPECT_EQ(Value(*batch, "CAST('1.005' AS decimal(10, 2))"), "1.01 decimal128(10, 2)");
  EXPECT_EQ(Value(*batch, "CAST('2020-02-30' AS date)"), "error: cannot cast '2020-02-30' (string) to date32[day] at position 1");
  EXPECT_EQ(Value(*batch, "TRY_CAST('2020-02-30' AS date)"), "null date32[day]");
  EXPECT_EQ(Value(*batch, "CAST(bad AS int)"), "error: cannot cast 'x' (string) to int32");
  EXPECT_EQ(Value(*batch, "TRY_CAST(bad AS int)"), "null int32");
  EXPECT_EQ(Value(*batch, "TRY_CAST('300' AS tinyint)"), "null int8");
  EXPECT_EQ(Value(*batch, "TRY_CAST('' AS decimal(10, 2))"), "0.00 decimal128(10, 2)");  // as the reference
}

TEST(Casts, NumbersAndTexts) {
  const auto batch = MakeBatch({{"i", arrow::int32(), "[300]"},
                                {"f", arrow::float64(), "[2.9]"},
                                {"g", arrow::float32(), "[0.1]"},
                                {"h", arrow::float16(), "[2.5]"},
                                {"b", arrow::boolean(), "[true]"},
                                {"d", arrow::decimal128(10, 2), R"(["-3.50"])"},
                                {"t", arrow::timestamp(arrow::TimeUnit::MICRO), R"(["2020-01-02 03:04:05.5"])"}});
  EXPECT_EQ(Value(*batch, "CAST(i AS tinyint)"), "error: cannot cast '300' (int32) to int8");
  EXPECT_EQ(Value(*batch, "TRY_CAST(i AS tinyint)"), "null int8");
  EXPECT_EQ(Value(*batch, "CAST(f AS int)"), "2 int32");  // towards zero
  EXPECT_EQ(Value(*batch, "CAST(f AS string)"), "2.9 string");
  EXPECT_EQ(Value(*batch, "CAST(g AS string)"), "0.1 string");
  EXPECT_EQ(Value(*batch, "CAST(h AS string)"), "2.5 string");
  EXPECT_EQ(Value(*batch, "CAST(b AS int)"), "1 int32");
  EXPECT_EQ(Value(*batch, "CAST(i AS boolean)"), "true bool");
  EXPECT_EQ(Value(*batch, "CAST(d AS string)"), "-3.50 string");
  EXPECT_EQ(Value(*batch, "CAST(d AS int)"), "-3 int32");
  EXPECT_EQ(Value(*batch, "CAST(t AS string)"), "2020-01-02T03:04:05.500 string");
  EXPECT_EQ(Value(*batch, "CAST(t AS date)"), "2020-01-02 date32[day]");
  EXPECT_EQ(Value(*batch, "CAST(b AS date)"), "error: cannot cast bool to date32[day] at position 1");
}

TEST(Arithmetic, TypesAndResults) {
  const auto batch = MakeBatch({{"i", arrow::int32(), "[7]"},
                                {"k", arrow::int8(), "[127]"},
                                {"f", arrow::float64(), "[2.5]"},
                                {"n", arrow::int32(), "[null]"},
                                {"d", arrow::decimal128(10, 2), R"(["1.25"])"}});
  EXPECT_EQ(Value(*batch, "i / 2"), "3 int32");  // a literal takes the column's type beside it
  EXPECT_EQ(Value(*batch, "i % 4"), "3 int32");
  EXPECT_EQ(Value(*batch, "-i / 2"), "-3 int64");
  EXPECT_EQ(Value(*batch, "i * f"), "17.5 double");
  EXPECT_EQ(Value(*batch, "n + 1"), "null int32");
  EXPECT_EQ(Value(*batch, "d + d"), "2.50 decimal128(11, 2)");
  EXPECT_EQ(Value(*batch, "d * d"), "1.5625 decimal128(21, 4)");
  EXPECT_EQ(Value(*batch, "i << 1"), "14 int32");
  EXPECT_EQ(Value(*batch, "2 + 3 * 4"), "14 int64");
  EXPECT_EQ(Value(*batch, "(2 + 3) * 4"), "20 int64");
}

TEST(Arithmetic, DivisionByZero) {
  const auto batch = MakeBatch(
      {{"i", arrow::int32(), "[0, 5]"}, {"f", arrow::float64(), "[0, 5]"}, {"d", arrow::decimal128(5, 1), R"(["0.0", "1.0"])"}});
  EXPECT_EQ(Rows(*batch, "10 / i > 1").substr(0, 6), "error:");
  EXPECT_EQ(Rows(*batch, "10 % i > 1").substr(0, 6), "error:");
  EXPECT_EQ(Rows(*batch, "10 / d > 1").substr(0, 6), "error:");
  EXPECT_EQ(Rows(*batch, "1 / 0 = 1").substr(0, 6), "error:");
  EXPECT_EQ(Rows(*batch, "10 / f > 100"), "0");  // infinity
  EXPECT_EQ(Rows(*batch, "i != 0 AND f / i > 0.5"), "1");
}

TEST(Functions, Strings) {
  const auto batch = MakeBatch({{"s", arrow::utf8(), R"(["Straße"])"}, {"n", arrow::utf8(), "[null]"}});
  EXPECT_EQ(Value(*batch, "length(s)"), "6 int32");
  EXPECT_EQ(Value(*batch, "octet_length(s)"), "7 int32");
  EXPECT_EQ(Value(*batch, "lower(s)"), "straße string");
  EXPECT_EQ(Value(*batch, "substr(s, 2, 3)"), "tra string");
  EXPECT_EQ(Value(*batch, "substring(s FROM 5 FOR 1)"), "ß string");
  EXPECT_EQ(Value(*batch, "left(s, -1)"), "Straß string");
  EXPECT_EQ(Value(*batch, "reverse(s)"), "eßartS string");
  EXPECT_EQ(Value(*batch, "strpos(s, 'ß')"), "5 int32");
  EXPECT_EQ(Value(*batch, "replace(s, 'ß', 'ss')"), "Strasse string");
  EXPECT_EQ(Value(*batch, "lpad('5', 3, '0')"), "005 string");
  EXPECT_EQ(Value(*batch, "trim('  x ')"), "x string");
  EXPECT_EQ(Value(*batch, "concat(s, n, 1)"), "Straße1 string");
  EXPECT_EQ(Value(*batch, "s || n"), "null string");
  EXPECT_EQ(Value(*batch, "split_part('a,b,c', ',', 2)"), "b string");
  EXPECT_EQ(Value(*batch, "md5('abc')"), "900150983cd24fb0d6963f7d28e17f72 string");
  EXPECT_EQ(Value(*batch, "md5('')"), "d41d8cd98f00b204e9800998ecf8427e string");
  EXPECT_EQ(Value(*batch, "md5('12345678901234567890123456789012345678901234567890123456789012345678901234567890')"),
            "57edf4a22be3c955ac49da2e2107b67a string");
  EXPECT_EQ(Value(*batch, "regexp_replace('abcabc', 'b', 'X', 'g')"), "aXcaXc string");
}

TEST(Functions, NumbersAndTimes) {
  const auto batch = MakeBatch({{"f", arrow::float64(), "[-2.5]"},
                                {"t", arrow::timestamp(arrow::TimeUnit::MICRO), R"(["2020-02-29 13:04:05"])"},
                                {"d", arrow::date32(), "[18321]"}});
  EXPECT_EQ(Value(*batch, "abs(f)"), "2.5 double");
  EXPECT_EQ(Value(*batch, "ceil(f)"), "-2 double");
  EXPECT_EQ(Value(*batch, "round(2.345, 2)"), "2.35 double");
  EXPECT_EQ(Value(*batch, "greatest(1, 3, 2)"), "3 int64");
  EXPECT_EQ(Value(*batch, "date_part('year', t)"), "2020 int32");
  EXPECT_EQ(Value(*batch, "extract(day FROM t)"), "29 int32");
  EXPECT_EQ(Value(*batch, "date_trunc('month', t)"), "2020-02-01 00:00:00.000000 timestamp[us]");
  EXPECT_EQ(Value(*batch, "d + INTERVAL '1 day'"), "2020-03-01 date32[day]");
  EXPECT_EQ(Value(*batch, "d - date '2020-02-28'"), "1 int64");
}

TEST(Functions, TimesBeyondTheirTypeAreErrors) {
  const auto batch = MakeBatch({{"ns", arrow::timestamp(arrow::TimeUnit::NANO), "[-9223372036854775000]"},
                                {"us", arrow::timestamp(arrow::TimeUnit::MICRO), "[9223372036854775000]"},
                                {"d", arrow::date32(), "[2147483647]"}});
  EXPECT_EQ(Value(*batch, "date_trunc('hour', us) < us"), "true bool");
  for (const char* text : {"date_trunc('year', ns) = ns", "date_trunc('day', ns) = ns", "date_bin(INTERVAL '1 day', ns) = ns",
                           "us + INTERVAL '1 day' = us", "ns - INTERVAL '1 month' = ns", "d + INTERVAL '1 day' = d"}) {
    const std::string rows = Rows(*batch, text);
    EXPECT_TRUE(rows.starts_with("error:") &&
                (rows.find("out of") != std::string::npos || rows.find("overflow") != std::string::npos))
        << text << ": " << rows;
  }
}

TEST(Functions, BinaryColumnsStandForText) {
  const auto batch = MakeBatch({{"b", arrow::binary(), R"(["abc", "xyz", null])"}});
  EXPECT_EQ(Rows(*batch, "reverse(b) = 'cba'"), "0");
  EXPECT_EQ(Rows(*batch, "left(b, 1) = 'a'"), "0");
  EXPECT_EQ(Rows(*batch, "regexp_match(b, '^x')"), "1");
  EXPECT_EQ(Rows(*batch, "lpad(b, 4, '-') = '-abc'"), "0");
  EXPECT_EQ(Rows(*batch, "md5(b) = md5('xyz')"), "1");
}

}  // namespace
}  // namespace lancefs::testing
