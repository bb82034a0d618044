// SPDX-License-Identifier: Apache-2.0
//
// The public face: select lists, typed clauses, combined filters, batches of other shapes.
#include <gtest/gtest.h>

#include "tests/engine/sql/sql_test_util.h"

namespace lancefs::testing {
namespace {

std::shared_ptr<arrow::RecordBatch> Batch() {
  auto nested = arrow::struct_({arrow::field("x", arrow::int32()), arrow::field("y", arrow::utf8())});
  return MakeBatch({
      {"id", arrow::int64(), "[1, 2, 3, null]"},
      {"city", arrow::utf8(), R"(["Rome", "Oslo", null, "a,b"])"},
      {"fare", arrow::float64(), "[0.5, 1.5, null, -1]"},
      {"u", arrow::uint8(), "[0, 1, 255, null]"},
      {"flag", arrow::boolean(), "[true, false, null, true]"},
      {"d", arrow::date32(), "[18262, 18263, null, 0]"},
      {"ts", arrow::timestamp(arrow::TimeUnit::MICRO), R"(["2020-01-01 00:00:00", "2020-01-02 12:00:00", null, "1970-01-01"])"},
      {"dec", arrow::decimal128(10, 2), R"(["1.25", "5.00", null, "-3.50"])"},
      {"bin", arrow::binary(), R"(["ab", "", null, "c"])"},
      {"st", nested, R"([{"x": 1, "y": "a"}, {"x": 2, "y": null}, null, {"x": 4, "y": "d"}])"},
      {"tags", arrow::list(arrow::utf8()), R"([["a", "b"], [], null, ["c", null]])"},
      {"nums", arrow::list(arrow::int32()), "[[1, 2], [], null, [3]]"},
      {"cat", arrow::dictionary(arrow::int8(), arrow::utf8()), R"(["a", "b", null, "a"])"},
      {"odd name", arrow::int32(), "[1, 2, 3, 4]"},
      {"a.b", arrow::int32(), "[1, 2, 3, 4]"},
  });
}

std::string Clause(const arrow::RecordBatch& batch, std::string_view column, std::string_view op, std::string_view value) {
  auto made = MakeColumnPredicate(column, op, value, *batch.schema());
  return made.ok() ? Rows(**made, batch) : "error: " + made.status().message();
}

std::vector<std::string> Names(std::string_view list, const arrow::Schema& schema) {
  auto items = ParseSelectList(list, schema);
  if (!items.ok()) return {"error: " + items.status().message()};
  std::vector<std::string> names;
  for (const SelectItem& item : *items) names.push_back(item.name);
  return names;
}
using Strings = std::vector<std::string>;

TEST(SelectList, NamesAndOrder) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(Names("id,city", *schema), (Strings{"id", "city"}));
  EXPECT_EQ(Names("city , id", *schema), (Strings{"city", "id"}));
  EXPECT_EQ(Names("st.x,st.y", *schema), (Strings{"st.x", "st.y"}));  // flat columns
  EXPECT_EQ(Names("id AS n, fare * 2 as double_fare", *schema), (Strings{"n", "double_fare"}));
  EXPECT_EQ(Names("id as `odd one`", *schema), (Strings{"odd one"}));
  EXPECT_EQ(Names("odd name", *schema), (Strings{"odd name"}));  // the very name of a column, alone
  EXPECT_EQ(Names("`odd name`,id", *schema), (Strings{"odd name", "id"}));
  EXPECT_EQ(Names("`a.b`,id", *schema), (Strings{"a.b", "id"}));
  EXPECT_EQ(Names("CITY", *schema), (Strings{"city"}));  // the schema's own spelling
}

TEST(SelectList, CommasInsideDoNotSplit) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(Names("concat(city, ',', id) AS x,id", *schema), (Strings{"x", "id"}));
  EXPECT_EQ(Names("'a,b' as t, coalesce(id, 0)", *schema), (Strings{"t", "coalesce(id, 0)"}));
  EXPECT_EQ(Names("[1,2] as l,id", *schema), (Strings{"l", "id"}));
}

TEST(SelectList, PathsTellPlainColumns) {
  auto items = ParseSelectList("id,st.x,id + 1,st['y'] as z", *Batch()->schema());
  ASSERT_TRUE(items.ok()) << items.status().message();
  ASSERT_EQ(items->size(), 4u);
  EXPECT_EQ((*items)[0].path, (Strings{"id"}));
  EXPECT_EQ((*items)[1].path, (Strings{"st", "x"}));
  EXPECT_TRUE((*items)[2].path.empty());
  EXPECT_EQ((*items)[2].name, "id + 1");
  EXPECT_EQ((*items)[3].path, (Strings{"st", "y"}));
  EXPECT_EQ((*items)[3].name, "z");
}

TEST(SelectList, KeepsTypes) {
  const auto batch = Batch();
  auto items = ParseSelectList("cat,st,tags,st.x,fare > 1 as big", *batch->schema());
  ASSERT_TRUE(items.ok()) << items.status().message();
  const std::shared_ptr<arrow::DataType> types[] = {batch->schema()->GetFieldByName("cat")->type(),
                                                    batch->schema()->GetFieldByName("st")->type(), arrow::list(arrow::utf8()),
                                                    arrow::int32(), arrow::boolean()};
  for (size_t i = 0; i < items->size(); ++i) {
    auto array = (*items)[i].expression->Evaluate(*batch);
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_TRUE((*array)->type()->Equals(types[i])) << (*array)->type()->ToString();
    EXPECT_EQ((*array)->length(), 4);
  }
  auto x = (*items)[3].expression->Evaluate(*batch);
  EXPECT_TRUE((*x)->Equals(FromJson(arrow::int32(), "[1, 2, null, 4]")));  // null where the struct is
}

TEST(SelectList, Star) {
  const auto batch = Batch();
  EXPECT_EQ(Names("*", *batch->schema()), batch->schema()->field_names());
  EXPECT_EQ(Names("*,id + 1 as more", *batch->schema()).size(), static_cast<size_t>(batch->num_columns()) + 1);
}

TEST(SelectList, Errors) {
  const auto schema = Batch()->schema();
  EXPECT_EQ(Names("id,id", *schema), (Strings{"error: the name 'id' is given twice at position 4"}));
  EXPECT_EQ(Names("id,city as id", *schema), (Strings{"error: the name 'id' is given twice at position 4"}));
  EXPECT_EQ(Names("id,ctiy", *schema), (Strings{"error: unknown column 'ctiy', did you mean 'city'? at position 4"}));
  EXPECT_EQ(Names("id,", *schema), (Strings{"error: expected an expression, found the end at position 4"}));
  EXPECT_EQ(Names("id city", *schema), (Strings{"error: expected ',' or the end, found 'city' at position 4"}));
  EXPECT_EQ(Names("id as", *schema), (Strings{"error: expected a name behind AS, found the end at position 6"}));
  EXPECT_EQ(Names("", *schema)[0].substr(0, 6), "error:");
}

TEST(ColumnPredicate, Operators) {
  const auto batch = Batch();
  EXPECT_EQ(Clause(*batch, "id", "eq", "2"), "1");
  EXPECT_EQ(Clause(*batch, "id", "ne", "2"), "0,2");
  EXPECT_EQ(Clause(*batch, "id", "lt", "2"), "0");
  EXPECT_EQ(Clause(*batch, "id", "le", "2"), "0,1");
  EXPECT_EQ(Clause(*batch, "id", "gt", "2"), "2");
  EXPECT_EQ(Clause(*batch, "id", "ge", "2"), "1,2");
  EXPECT_EQ(Clause(*batch, "id", "in", "1,3,9"), "0,2");
  EXPECT_EQ(Clause(*batch, "id", "isnull", "true"), "3");
  EXPECT_EQ(Clause(*batch, "id", "isnull", "false"), "0,1,2");
  EXPECT_EQ(Clause(*batch, "city", "like", "%o%"), "0,1");
  EXPECT_EQ(Clause(*batch, "city", "contains", "sl"), "1");
  EXPECT_EQ(Clause(*batch, "tags", "contains", "b"), "0");
  EXPECT_EQ(Clause(*batch, "nums", "contains", "3"), "3");
}

TEST(ColumnPredicate, ValuesHaveTheColumnsType) {
  const auto batch = Batch();
  EXPECT_EQ(Clause(*batch, "city", "eq", "Rome"), "0");
  EXPECT_EQ(Clause(*batch, "city", "eq", "a,b"), "3");
  EXPECT_EQ(Clause(*batch, "city", "in", "Rome,Oslo"), "0,1");
  EXPECT_EQ(Clause(*batch, "city", "in", "'a,b',Oslo"), "1,3");
  EXPECT_EQ(Clause(*batch, "city", "eq", "O'Neil"), "none");  // a quote is a character like any other
  EXPECT_EQ(Clause(*batch, "city", "eq", ""), "none");
  EXPECT_EQ(Clause(*batch, "fare", "gt", "0.4"), "0,1");
  EXPECT_EQ(Clause(*batch, "fare", "lt", "1e-1"), "3");
  EXPECT_EQ(Clause(*batch, "u", "eq", "255"), "2");
  EXPECT_EQ(Clause(*batch, "flag", "eq", "true"), "0,3");
  EXPECT_EQ(Clause(*batch, "d", "ge", "2020-01-02"), "1");
  EXPECT_EQ(Clause(*batch, "ts", "gt", "2020-01-02T11:59:59"), "1");
  EXPECT_EQ(Clause(*batch, "dec", "eq", "5"), "1");
  EXPECT_EQ(Clause(*batch, "bin", "eq", "ab"), "0");
  EXPECT_EQ(Clause(*batch, "cat", "in", "a,z"), "0,3");
  EXPECT_EQ(Clause(*batch, "st.x", "gt", "1"), "1,3");
  EXPECT_EQ(Clause(*batch, "odd name", "le", "2"), "0,1");
  EXPECT_EQ(Clause(*batch, "a.b", "eq", "3"), "2");  // the column of that very name
  EXPECT_EQ(Clause(*batch, "_rowid", "isnull", "x").substr(0, 6), "error:");
}

TEST(ColumnPredicate, Errors) {
  const auto batch = Batch();
  EXPECT_EQ(Clause(*batch, "id", "eq", "x"), "error: column 'id' is int64, 'x' is no such value");
  EXPECT_EQ(Clause(*batch, "u", "eq", "-1"), "error: column 'u' is uint8, '-1' is no such value");
  EXPECT_EQ(Clause(*batch, "id", "in", "1,,2"), "error: column 'id' is int64, '' is no such value");
  EXPECT_EQ(Clause(*batch, "flag", "eq", "maybe"), "error: column 'flag' is bool, 'maybe' is no such value");
  EXPECT_EQ(Clause(*batch, "d", "eq", "today-ish"), "error: column 'd' is date32[day], 'today-ish' is no such value");
  EXPECT_EQ(Clause(*batch, "ctiy", "eq", "x"), "error: unknown column 'ctiy', did you mean 'city'?");
  EXPECT_EQ(Clause(*batch, "id", "isnull", "maybe"), "error: isnull takes true or false, not 'maybe'");
  EXPECT_EQ(Clause(*batch, "id", "like", "x"), "error: like needs a string column, 'id' is int64");
  EXPECT_EQ(Clause(*batch, "id", "contains", "x"), "error: contains needs a string or list column, 'id' is int64");
  EXPECT_EQ(Clause(*batch, "st", "eq", "x").substr(0, 6), "error:");
  EXPECT_EQ(Clause(*batch, "id", "near", "1"),
            "error: unknown operator 'near' (known: eq ne lt le gt ge in like isnull contains)");
}

TEST(AndExpressions, JoinsFilters) {
  const auto batch = Batch();
  auto left = *ParseFilter("id > 1 OR flag", *batch->schema());
  auto right = *ParseFilter("st.x >= 1", *batch->schema());
  EXPECT_EQ(AndExpressions(nullptr, nullptr), nullptr);
  EXPECT_EQ(AndExpressions(left, nullptr), left);
  EXPECT_EQ(AndExpressions(nullptr, right), right);
  auto both = AndExpressions(left, right);
  EXPECT_EQ(Rows(*both, *batch), "0,1,3");
  EXPECT_EQ(both->columns(), (std::set<std::string>{"flag", "id", "st"}));
  EXPECT_EQ(both->column_paths(), (std::set<std::vector<std::string>>{{"flag"}, {"id"}, {"st", "x"}}));
  EXPECT_EQ(Rows(*batch, both->ToString()), "0,1,3");  // parentheses where needed
  auto clause = *MakeColumnPredicate("city", "like", "%o%", *batch->schema());
  EXPECT_EQ(Rows(*AndExpressions(both, clause), *batch), "0,1");
}

TEST(Columns, AreWhatEvaluationReads) {
  const auto schema = Batch()->schema();
  auto read = [&](std::string_view text) { return (*ParseExpression(text, *schema))->column_paths(); };
  using Paths = std::set<std::vector<std::string>>;
  EXPECT_EQ(read("ID = 1 and id < 5"), (Paths{{"id"}}));
  EXPECT_EQ(read("st.x = 1 OR st IS NULL"), (Paths{{"st"}, {"st", "x"}}));
  EXPECT_EQ(read("coalesce(fare, dec) > u"), (Paths{{"dec"}, {"fare"}, {"u"}}));
  EXPECT_EQ(read("1 + 1"), Paths{});
  EXPECT_EQ((*ParseExpression("st.x = 1", *schema))->columns(), (std::set<std::string>{"st"}));
}

TEST(Columns, SystemColumnsAreKnown) {
  const auto schema = Batch()->schema();
  auto filter = ParseFilter("_rowid >= 2", *schema);
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ((*filter)->columns(), (std::set<std::string>{"_rowid"}));
  auto batch = MakeBatch({{"_rowid", arrow::uint64(), "[1, 2, 3]"}});
  EXPECT_EQ(Rows(**filter, *batch), "1,2");
}

TEST(Batches, MayHaveOtherOrderAndFewerFields) {
  const auto batch = Batch();
  auto filter = *ParseFilter("id >= 2 AND st.x >= 2", *batch->schema());
  const auto narrow = arrow::struct_({arrow::field("x", arrow::int32())});
  auto other = MakeBatch({{"st", narrow, R"([{"x": 1}, {"x": 5}, null])"},
                          {"extra", arrow::utf8(), R"(["", "", ""])"},
                          {"id", arrow::int64(), "[5, 5, 5]"}});
  EXPECT_EQ(Rows(*filter, *other), "1");
}

TEST(Batches, SlicedEmptyAndIncomplete) {
  const auto batch = Batch();
  auto filter = *ParseFilter("id >= 2 OR city LIKE 'R%' OR flag OR st.y = 'd' OR array_has(nums, 3)", *batch->schema());
  EXPECT_EQ(Rows(*filter, *batch), "0,1,2,3");
  EXPECT_EQ(Rows(*filter, *batch->Slice(1, 2)), "0,1");
  EXPECT_EQ(Rows(*filter, *batch->Slice(4)), "none");
  auto constant = *ParseExpression("5", *batch->schema());
  EXPECT_EQ((*constant->Evaluate(*batch->Slice(4)))->length(), 0);
  EXPECT_EQ((*constant->Evaluate(*batch))->length(), 4);
  for (int64_t offset = 0; offset < 4; ++offset) {  // every kernel reads from the slice's offset
    const auto slice = batch->Slice(offset, 1);
    for (const char* text :
         {"id = 2", "city = 'Oslo'", "fare > 1", "flag", "NOT flag", "d > date '2019-01-01'", "dec > 1", "bin = X'6162'",
          "st.x = 4", "nums[1] = 3", "cat = 'a'", "u IN (0, 255)", "length(city) = 4", "fare + 1 > 1", "city IS NULL"}) {
      auto parsed = *ParseFilter(text, *batch->schema());
      const std::string whole = Rows(*parsed, *batch);
      const bool expected = ("," + whole + ",").find("," + std::to_string(offset) + ",") != std::string::npos;
      EXPECT_EQ(Rows(*parsed, *slice), expected ? "0" : "none") << text << " at " << offset;
    }
  }
  auto missing = filter->Evaluate(*MakeBatch({{"id", arrow::int64(), "[1]"}}));
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("city"), std::string::npos) << missing.status().message();
}

TEST(Filters, MustBeBoolean) {
  const auto batch = Batch();
  auto number = *ParseExpression("id + 1", *batch->schema());
  EXPECT_FALSE(EvaluateFilter(*number, *batch).ok());
  EXPECT_FALSE(ParseFilter("id + 1", *batch->schema()).ok());
}

}  // namespace
}  // namespace lancefs::testing
