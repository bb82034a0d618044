// SPDX-License-Identifier: Apache-2.0
#include "fs/schema_json.h"

#include <gtest/gtest.h>

#include "engine/format/schema.h"
#include "fs/describe.h"

namespace lancefs {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto schema = ParseSchemaJson(text);
  return schema.ok() ? "none" : schema.status().message();
}

TEST(SchemaJson, ReadsWhatItWrites) {
  using arrow::field;
  arrow::FieldVector fields;
  for (const auto& type : {arrow::null(),
                           arrow::boolean(),
                           arrow::int8(),
                           arrow::uint16(),
                           arrow::int32(),
                           arrow::uint64(),
                           arrow::float16(),
                           arrow::float32(),
                           arrow::float64(),
                           arrow::utf8(),
                           arrow::large_utf8(),
                           arrow::binary(),
                           arrow::large_binary(),
                           arrow::date32(),
                           arrow::date64(),
                           arrow::time32(arrow::TimeUnit::MILLI),
                           arrow::time64(arrow::TimeUnit::NANO),
                           arrow::timestamp(arrow::TimeUnit::SECOND),
                           arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin"),
                           arrow::duration(arrow::TimeUnit::MILLI),
                           arrow::fixed_size_binary(5),
                           arrow::decimal128(20, 3),
                           arrow::decimal256(60, 10),
                           arrow::dictionary(arrow::int16(), arrow::utf8()),
                           arrow::list(arrow::int8()),
                           arrow::large_list(field("item", arrow::utf8(), false)),
                           arrow::fixed_size_list(arrow::float32(), 3),
                           arrow::struct_({field("a <b>", arrow::int8(), false),
                                           field("c", arrow::list(arrow::struct_({field("d", arrow::date32())})))})}) {
    fields.push_back(field("f" + std::to_string(fields.size()), type, fields.size() % 3 != 0));
  }
  fields.push_back(field("map", arrow::map(arrow::utf8(), arrow::list(arrow::int64()))));
  fields.push_back(field("noted", arrow::int64(), true, arrow::key_value_metadata({"k"}, {"v"})));
  const auto schema = arrow::schema(fields, arrow::key_value_metadata({"table"}, {"trips"}));
  const Result<Schema> stored = SchemaFromArrow(*schema);
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  const auto again = ParseSchemaJson(SchemaJson(*stored));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE((*again)->Equals(*stored->ToArrow(), /*check_metadata=*/true)) << (*again)->ToString(true);
}

TEST(SchemaJson, TakesWhatPeopleWrite) {
  const auto schema = ParseSchemaJson(
      R"({"fields": [{"name": "id", "type": "int64", "nullable": false}, {"name": "day", "type": "date32"}, {"name": "x", "type": "float64"},
          {"name": "t", "type": "timestamp[ms,tz=UTC]"},
          {"name": "l", "type": "list", "children": [{"name": "item", "type": "utf8"}]}]})");
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  EXPECT_EQ((*schema)->ToString(),
            "id: int64 not null\nday: date32[day]\nx: double\nt: timestamp[ms, tz=UTC]\nl: list<item: string>");
}

TEST(SchemaJson, ErrorsNameTheField) {
  EXPECT_NE(ErrorOf("[1").find("no JSON"), std::string::npos);
  EXPECT_EQ(ErrorOf("[]"), "schema.json is no object");
  EXPECT_EQ(ErrorOf("{}"), "\"fields\" is no list of fields");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a", "type": "int8"}, {"name": 1}]})"), "fields[1] has no \"name\"");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a", "type": "in64"}]})"), "field 'a': the type 'in64' is not known");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a"}]})"), "field 'a': it has no \"type\"");
  EXPECT_EQ(ErrorOf(R"j({"fields": [{"name": "a", "type": "decimal128(50, 2)"}]})j"),
            "field 'a': a decimal128 has 1 to 38 digits");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a", "type": "fixed_size_list", "children": [{"name": "item", "type": "float"}]}]})"),
            "field 'a': a fixed_size_list says its size, as in fixed_size_list[3]");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a", "type": "list", "children": [{"name": "item", "type": "x"}]}]})"),
            "field 'a': field 'item': the type 'x' is not known");
  EXPECT_EQ(ErrorOf(R"({"fields": [{"name": "a", "type": "int8", "nullable": 1}]})"),
            "field 'a': \"nullable\" is neither true nor false");
  std::string deep = R"({"name": "item", "type": "int8"})";
  for (int i = 0; i < 200; ++i) deep = R"({"name": "item", "type": "list", "children": [)" + deep + "]}";
  EXPECT_NE(ErrorOf(R"({"fields": [)" + deep + "]}").find("too deeply"), std::string::npos);
}

}  // namespace
}  // namespace lancefs
