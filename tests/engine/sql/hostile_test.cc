// SPDX-License-Identifier: Apache-2.0
//
// Random and mangled text: an answer or an error, never a crash, and canonical text that parses again.
#include <gtest/gtest.h>

#include <random>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

const char* const kTokens[] = {"i",
                               "s",
                               "d",
                               "t",
                               "l",
                               "st.x",
                               "`s`",
                               "nosuch",
                               "1",
                               "-1",
                               "0",
                               "2.5",
                               "1e308",
                               "9223372036854775807",
                               "18446744073709551616",
                               "''",
                               "'abc'",
                               "'%b_'",
                               "'2020-01-01'",
                               "X'61'",
                               "NULL",
                               "TRUE",
                               "false",
                               "AND",
                               "OR",
                               "NOT",
                               "IN",
                               "BETWEEN",
                               "LIKE",
                               "ILIKE",
                               "ESCAPE",
                               "'\\'",
                               "IS",
                               "DISTINCT",
                               "FROM",
                               "UNKNOWN",
                               "CASE",
                               "WHEN",
                               "THEN",
                               "ELSE",
                               "END",
                               "CAST(",
                               "TRY_CAST(",
                               "AS",
                               "int",
                               "tinyint",
                               "decimal(5,2)",
                               "decimal(38,38)",
                               "timestamp",
                               "date",
                               "string",
                               "::",
                               "boolean",
                               "(",
                               ")",
                               "[",
                               "]",
                               ",",
                               ".",
                               "=",
                               "!=",
                               "<",
                               ">=",
                               "+",
                               "-",
                               "*",
                               "/",
                               "%",
                               "||",
                               "<<",
                               ">>",
                               "~",
                               "interval '1 month'",
                               "date '2020-02-30'",
                               "abs(",
                               "round(",
                               "power(",
                               "substr(",
                               "lpad(",
                               "repeat(",
                               "left(",
                               "regexp_match(",
                               "date_part('year',",
                               "date_trunc('day',",
                               "array_has(",
                               "length(",
                               "coalesce(",
                               "split_part(",
                               "chr(",
                               "factorial(",
                               "--",
                               "/*",
                               "\n",
                               "日本",
                               "\xff",
                               ";"};

const char* const kValid[] = {"i = 5 AND s LIKE 'a%'",
                              "i IN (1, 2, NULL) OR NOT d > 0.5",
                              "s IS NOT NULL AND length(s) > 2",
                              "i BETWEEN -1 AND 3",
                              "CASE WHEN i > 0 THEN s ELSE 'x' END = 'x'",
                              "CAST(s AS string) || 'y' = 'abcy'",
                              "t >= timestamp '2020-01-01 00:00:00'",
                              "array_has(l, 2) AND l[1] = 1",
                              "st.x + 1 < 5",
                              "date_part('year', t) = 2020",
                              "regexp_match(s, '^(a|b)+')",
                              "round(d, 2) = 0.33",
                              "substr(s, 2, 1) = 'b'",
                              "TRY_CAST(s AS decimal(10, 2)) IS NULL",
                              "(i + 1) * 2 - i / 3 > 4",
                              "s IN ('a', 'abc')",
                              "lpad(s, 6, 'xy') = 'xyxabc'",
                              "t + interval '1 day' > t",
                              "d IS DISTINCT FROM 0.0",
                              "greatest(i, 3) = 3"};

class Hostile : public ::testing::Test {
 protected:
  Hostile() {
    batch_ =
        MakeBatch({{"i", arrow::int32(), "[1, -2147483648, null, 0]"},
                   {"s", arrow::utf8(), R"(["abc", "", null, "x%_"])"},
                   {"d", arrow::float64(), "[0.333, NaN, null, -0.0]"},
                   {"t", arrow::timestamp(arrow::TimeUnit::MICRO), "[0, 9223372036854775807, null, -9223372036854775808]"},
                   {"l", arrow::list(arrow::int32()), "[[1, 2], [], null, [null]]"},
                   {"st", arrow::struct_({arrow::field("x", arrow::int8())}), R"([{"x": 1}, {"x": -128}, null, {"x": null}])"}});
  }

  void Try(const std::string& text) {
    auto filter = ParseFilter(text, *batch_->schema());
    if (filter.ok()) {
      ++parsed_;
      auto bits = EvaluateFilter(**filter, *batch_);
      if (bits.ok()) {
        ASSERT_EQ((*bits)->length(), batch_->num_rows()) << text;
      }
      auto again = ParseFilter((*filter)->ToString(), *batch_->schema());
      ASSERT_TRUE(again.ok()) << text << " -> " << (*filter)->ToString() << ": " << again.status().message();
    } else {
      ASSERT_FALSE(filter.status().Is(StatusCode::kInternal)) << text << ": " << filter.status().message();
      ASSERT_FALSE(filter.status().message().empty()) << text;
    }
    auto items = ParseSelectList(text, *batch_->schema());
    if (items.ok()) {
      for (const SelectItem& item : *items) {
        auto array = item.expression->Evaluate(*batch_);
        if (array.ok()) {
          ASSERT_TRUE((*array)->ValidateFull().ok()) << text;
        }
      }
    }
  }

  std::shared_ptr<arrow::RecordBatch> batch_;
  std::mt19937 random_{20260101};
  int parsed_ = 0;
};

TEST_F(Hostile, RandomTokens) {
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = 1 + random_() % 12; n > 0; --n)
      text += std::string(kTokens[random_() % std::size(kTokens)]) + (random_() % 8 ? " " : "");
    ASSERT_NO_FATAL_FAILURE(Try(text));
  }
}

TEST_F(Hostile, MangledFilters) {
  for (int i = 0; i < 20000; ++i) {
    std::string text = kValid[random_() % std::size(kValid)];
    for (size_t n = random_() % 4; n > 0; --n) {
      const size_t at = random_() % (text.size() + 1);
      switch (random_() % 4) {
        case 0: text.erase(at, 1 + random_() % 3); break;
        case 1: text.insert(at, kTokens[random_() % std::size(kTokens)]); break;
        case 2: text.insert(at, 1, static_cast<char>(random_() % 256)); break;
        default: text.insert(at, std::string(kValid[random_() % std::size(kValid)]).substr(random_() % 8)); break;
      }
    }
    ASSERT_NO_FATAL_FAILURE(Try(text));
  }
  EXPECT_GT(parsed_, 3000);  // many are whole filters still
}

TEST_F(Hostile, TypedClauses) {
  for (int i = 0; i < 5000; ++i) {
    const char* columns[] = {"i", "s", "d", "t", "l", "st", "st.x", "nosuch"};
    const char* ops[] = {"eq", "ne", "lt", "in", "like", "isnull", "contains", "bad"};
    const char* column = columns[random_() % std::size(columns)];
    const char* op = ops[random_() % std::size(ops)];
    const char* value = kTokens[random_() % std::size(kTokens)];
    auto made = MakeColumnPredicate(column, op, value, *batch_->schema());
    if (made.ok()) {
      auto bits = EvaluateFilter(**made, *batch_);
      ASSERT_TRUE(bits.ok()) << column << "." << op << "=" << value << ": " << bits.status().message();
    } else {
      ASSERT_EQ(made.status().code(), StatusCode::kInvalidArgument) << column << "." << op << "=" << value;
    }
  }
}

TEST_F(Hostile, LargeResultsAreRefused) {
  for (const char* text :
       {"repeat(s, 2000000000)", "lpad(s, 2147483647)", "rpad(s, 2147483647, 'x')", "repeat(repeat(s, 100000), 100000)"}) {
    auto parsed = ParseExpression(text, *batch_->schema());
    if (!parsed.ok()) continue;
    EXPECT_FALSE((*parsed)->Evaluate(*batch_).ok()) << text;
  }
}

}  // namespace
}  // namespace lancefs::testing
