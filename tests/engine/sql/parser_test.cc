// SPDX-License-Identifier: Apache-2.0
//
// Text to bound expression: errors with their places, names, the canonical text, limits.
#include <gtest/gtest.h>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

std::shared_ptr<arrow::RecordBatch> Batch() {
  auto inner = arrow::struct_({arrow::field("w", arrow::float64())});
  auto nested = arrow::struct_({arrow::field("x", arrow::int32()), arrow::field("y", arrow::utf8()), arrow::field("Z", inner)});
  return MakeBatch({
      {"i", arrow::int32(), "[1, 2, 3, null]"},
      {"city", arrow::utf8(), R"(["Rome", "Oslo", null, "x"])"},
      {"Mixed", arrow::int64(), "[1, 2, 3, 4]"},
      {"mixed_low", arrow::int64(), "[1, 2, 3, 4]"},
      {"a b", arrow::int32(), "[1, 2, 3, 4]"},
      {"st.x", arrow::int32(), "[9, 8, 7, 6]"},
      {"st", nested,
       R"([{"x": 1, "y": "a", "Z": {"w": 0.5}}, {"x": 2, "y": null, "Z": null}, null, {"x": 4, "y": "d", "Z": {"w": 4}}])"},
      {"flag", arrow::boolean(), "[true, false, null, true]"},
  });
}

TEST(ParserErrors, SayWhatAndWhere) {
  const auto schema = Batch()->schema();
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected an expression, found the end at position 1"},
      {"   ", "expected an expression, found the end at position 4"},
      {"i =", "expected an expression, found the end at position 4"},
      {"= 5", "expected an expression, found '=' at position 1"},
      {"i = = 5", "expected an expression, found '=' at position 5"},
      {"i 5", "expected an operator or the end, found '5' at position 3"},
      {"i = 5 5", "expected an operator or the end, found '5' at position 7"},
      {"(i = 5", "expected ')', found the end at position 7"},
      {"i IN ()", "expected an expression, found ')' at position 7"},
      {"i IN (5,)", "expected an expression, found ')' at position 9"},
      {"i BETWEEN 1", "expected AND, found the end at position 12"},
      {"i IS 5", "expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM behind IS, found '5' at position 6"},
      {"city = 'x", "the string does not end, expected ''' at position 8"},
      {"`city = 'x'", "the name does not end, expected '`' at position 1"},
      {"i = 5 /* x", "the comment does not end, expected '*/' at position 7"},
      {"i = X'6'1", "expected an operator or the end, found '1' at position 9"},
      {"city = X'zz'", "a binary literal takes hexadecimal digits only at position 8"},
      {"i ? 5", "unexpected character '?' at position 3"},
      {"i = (SELECT 1)", "subqueries are not supported at position 6"},
      {"i & 1 = 1", "the operator & is not supported at position 3"},
      {"CAST(i AS nosuch) = 1", "unknown type 'nosuch'"},
      {"CAST(i AS int", "expected ')', found the end at position 14"},
      {"city LIKE 'x' ESCAPE 'ab'", "ESCAPE takes exactly one character at position 22"},
      {"count(*) > 1", "'*' is no argument; aggregates are not allowed here at position 7"},
      {"i", "a filter must be boolean, this is int32 at position 1"},
      {"city AND flag", "AND needs a boolean, this is string at position 1"},
      {"NOT i", "NOT needs a boolean, this is int32 at position 5"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string message = FilterError(text, *schema);
    EXPECT_EQ(message.substr(0, std::string(expected).size()), expected) << text << ": " << message;
  }
}

TEST(ParserErrors, PositionsCountCharactersAndLines) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(FilterError("city = '日本' AND", *schema), "expected an expression, found the end at position 16");
  EXPECT_EQ(FilterError("i = 5\nAND )", *schema), "expected an expression, found ')' at position 11 (line 2, column 5)");
}

TEST(ParserErrors, UnknownColumnsSuggestTheNearest) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(FilterError("ctiy = 'x'", *schema), "unknown column 'ctiy', did you mean 'city'? at position 1");
  EXPECT_EQ(FilterError("i = 1 AND cty = 'x'", *schema), "unknown column 'cty', did you mean 'city'? at position 11");
  EXPECT_EQ(FilterError("st.yy = 'x'", *schema), "unknown field 'yy' in 'st', did you mean 'y'? at position 1");
  EXPECT_EQ(FilterError("zzzzzzzz = 1", *schema), "unknown column 'zzzzzzzz' at position 1");
  EXPECT_EQ(FilterError("`CITY` = 'x'", *schema), "unknown column 'CITY', did you mean 'city'? at position 1");
  EXPECT_EQ(FilterError("i.x = 1", *schema), "'i' is int32, it has no field 'x' at position 1");
  EXPECT_EQ(NearestColumn("ctiy", *schema), "city");
  EXPECT_EQ(NearestColumn("flga", *schema), "flag");
  EXPECT_EQ(NearestColumn("entirely_other", *schema), "");
}

TEST(ParserErrors, UnknownFunctionsSuggestOnlyRelatedNames) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(FilterError("lenght(city) = 4", *schema), "unknown function 'lenght', did you mean 'length'? at position 1");
  for (const char* name : {"json_object", "st_distance", "uuid_generate", "rank_over"}) {
    const std::string message = FilterError(std::string(name) + "(city, 'a') = 'x'", *schema);
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_EQ(message.find("did you mean"), std::string::npos) << message;
  }
  EXPECT_NE(FilterError("length(city, city) = 4", *schema).find("length() takes 1 arguments, not 2 at position 1"),
            std::string::npos);
}

TEST(Names, AreFoundExactlyThenIgnoringCase) {
  const auto batch = Batch();
  for (const char* text : {"Mixed = 3", "mixed = 3", "MIXED = 3", "`Mixed` = 3", "`a b` = 3", "MIXED_LOW = 3"}) {
    EXPECT_EQ(Rows(*batch, text), "2") << text;
  }
  EXPECT_EQ(Rows(*batch, "`mixed` = 3").substr(0, 5), "error");  // backticks: the very name
  EXPECT_EQ(Rows(*batch, "\"city\" = 'Rome'"), "none");          // double quotes are strings, as in the reference
  EXPECT_EQ(Rows(*batch, "city = \"Rome\""), "0");
}

TEST(Names, OfNestedFields) {
  const auto batch = Batch();
  EXPECT_EQ(Rows(*batch, "st.x >= 2"), "1,3");
  EXPECT_EQ(Rows(*batch, "ST.x >= 2"), "1,3");
  EXPECT_EQ(Rows(*batch, "st['x'] >= 2"), "1,3");
  EXPECT_EQ(Rows(*batch, "`st`.`Z`.w = 0.5"), "0");
  EXPECT_EQ(Rows(*batch, "st.Z.w IS NULL"), "1,2");
  EXPECT_EQ(Rows(*batch, "`st.x` = 8"), "1");  // a column that has a dot in its name
  EXPECT_EQ(Rows(*batch, "st IS NULL"), "2");
}

TEST(Canonical, EqualQuestionsGiveEqualText) {
  const auto schema = Batch()->schema();
  auto text = [&](std::string_view sql) {
    auto parsed = ParseFilter(sql, *schema);
    return parsed.ok() ? (*parsed)->ToString() : parsed.status().message();
  };
  EXPECT_EQ(text("i=5 and city   like 'a%'"), text("(i = 5) AND (`city` LIKE 'a%')"));
  EXPECT_EQ(text("MIXED <> 3"), text("`Mixed` != 3"));
  EXPECT_EQ(text("i in (1,2) -- note"), text("i IN ( 1 , 2 )"));
  EXPECT_NE(text("i = 1 AND (i = 2 OR flag)"), text("(i = 1 AND i = 2) OR flag"));
  EXPECT_NE(text("city = 'it''s'").find("'it''s'"), std::string::npos);
}

TEST(Canonical, PrecedenceIsTheReferences) {
  const auto batch = Batch();
  EXPECT_EQ(Rows(*batch, "i = 1 OR i = 2 AND city = 'x'"), "0");
  EXPECT_EQ(Rows(*batch, "(i = 1 OR i = 2) AND city = 'x'"), "none");
  EXPECT_EQ(Rows(*batch, "NOT i = 1 AND flag IS NOT TRUE"), "1,2");
  EXPECT_EQ(Rows(*batch, "i + 1 * 2 = 3"), "0");
  EXPECT_EQ(Rows(*batch, "10 - 5 - 3 = i"), "1");
  EXPECT_EQ(Rows(*batch, "-i = -2"), "1");
  EXPECT_EQ(Rows(*batch, "i = - -2"), "1");
}

TEST(Canonical, GluedWordsEndAFilterOnly) {
  const auto batch = Batch();
  EXPECT_EQ(Rows(*batch, "i=1andMixed>3"), "0");  // the reference stops reading there
  EXPECT_FALSE(ParseExpression("i=1andMixed>3", *batch->schema()).ok());
  EXPECT_FALSE(ParseSelectList("i=1andMixed>3", *batch->schema()).ok());
}

TEST(Canonical, PositionInIsRefusedAsByTheReference) {
  const auto batch = Batch();
  const auto parsed = ParseFilter("position('x' IN city) = 1", *batch->schema());
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.status().message().find("strpos(y, x)"), std::string::npos);
  EXPECT_TRUE(ParseFilter("position(city, 'x') = 1", *batch->schema()).ok());
}

TEST(Limits, DeepNestingIsRefused) {
  const auto schema = Batch()->schema();
  const size_t depth = 200000;
  for (const auto& text :
       {std::string(depth, '(') + "i = 1" + std::string(depth, ')'), std::string(depth, '-') + "i = 1", std::string(depth, '['),
        [&] {
          std::string nots;
          for (size_t i = 0; i < depth; ++i) nots += "NOT ";
          return nots + "flag";
        }(),
        [&] {
          std::string sum = "1";
          for (size_t i = 0; i < depth; ++i) sum += "+1";
          return sum + " = i";
        }(),
        [&] {
          std::string calls;
          for (size_t i = 0; i < depth; ++i) calls += "abs(";
          return calls + "i";
        }()}) {
    const auto parsed = ParseFilter(text, *schema);
    ASSERT_FALSE(parsed.ok()) << text.substr(0, 10);
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(Limits, LongChainsAndListsAreFine) {
  const auto batch = Batch();
  std::string ors = "i = 3";
  for (int i = 0; i < 20000; ++i) ors += " OR i = " + std::to_string(i + 100);
  EXPECT_EQ(Rows(**ParseFilter(ors, *batch->schema()), *batch), "2");
  std::string in = "i IN (2";
  for (int i = 0; i < 200000; ++i) in += "," + std::to_string(i + 100);
  auto parsed = ParseFilter(in + ")", *batch->schema());
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(Rows(**parsed, *batch), "1");
  std::string names = "city IN ('Oslo'";
  for (int i = 0; i < 200000; ++i) names += ",'n" + std::to_string(i) + "'";
  parsed = ParseFilter(names + ")", *batch->schema());
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(Rows(**parsed, *batch), "1");
}

}  // namespace
}  // namespace lancefs::testing
