// SPDX-License-Identifier: Apache-2.0
#include <arrow/array.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "engine/arrow_status.h"
#include "engine/rows/row_reader.h"

namespace lancefs {
namespace {

using arrow::field;
using SchemaPtr = std::shared_ptr<arrow::Schema>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

SchemaPtr Simple() {
  return arrow::schema({field("id", arrow::int64(), false), field("name", arrow::utf8()), field("qty", arrow::int32()),
                        field("price", arrow::float64()), field("ok", arrow::boolean())});
}

struct Outcome {
  Status status;
  std::optional<RowError> error;
  std::shared_ptr<arrow::Table> table;
  std::vector<int64_t> batch_rows;
};

// The cells of a column as text, "-" for null.
std::string Cells(const Outcome& outcome, const std::string& column) {
  if (!outcome.status.ok()) return "error: " + outcome.status.message();
  std::string text;
  bool first = true;
  const auto values = outcome.table->GetColumnByName(column);
  for (const auto& chunk : values->chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      const auto scalar = *chunk->GetScalar(i);
      if (!first) text.push_back('|');
      first = false;
      text.append(scalar->is_valid ? scalar->ToString() : "-");
    }
  }
  return text;
}

class RowsIn : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(arrow::compute::Initialize().ok());
    dir_ = std::filesystem::temp_directory_path() / ("lancefs_rows_in_" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Put(const std::string& name, const std::string& bytes) {
    const std::string path = (dir_ / name).string();
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  Outcome ReadFile(const std::string& path, SchemaPtr schema, int64_t batch_bytes = 16 << 20, int64_t batch_rows = 65536) {
    RowReaderOptions options;
    options.schema = std::move(schema);
    options.batch_bytes = batch_bytes;
    options.batch_rows = batch_rows;
    Outcome outcome;
    auto format = DetectRowFormat(path, path);
    if (!format.ok()) return {format.status(), std::nullopt, nullptr, {}};
    auto reader = RowReader::Open(path, format->format, format->compression, options);
    if (!reader.ok()) return {reader.status(), std::nullopt, nullptr, {}};
    std::vector<BatchPtr> batches;
    while (true) {
      auto batch = (*reader)->Next(OpContext());
      if (!batch.ok()) return {batch.status(), (*reader)->error(), nullptr, {}};
      if (*batch == nullptr) break;
      EXPECT_TRUE((*batch)->ValidateFull().ok()) << (*batch)->ValidateFull().ToString();
      outcome.batch_rows.push_back((*batch)->num_rows());
      batches.push_back(*batch);
    }
    outcome.table = *arrow::Table::FromRecordBatches((*reader)->schema(), batches);
    return outcome;
  }
  Outcome Read(const std::string& name, const std::string& bytes, SchemaPtr schema, int64_t batch_bytes = 16 << 20) {
    return ReadFile(Put(name, bytes), std::move(schema), batch_bytes);
  }
  void ExpectRefused(const std::string& name, const std::string& bytes, SchemaPtr schema, const std::string& message) {
    for (const int64_t batch_bytes : {int64_t{16} << 20, int64_t{16}}) {
      const Outcome outcome = Read(name, bytes, schema, batch_bytes);
      EXPECT_EQ(outcome.status.code(), StatusCode::kInvalidArgument) << name;
      EXPECT_EQ(outcome.status.message(), message);
    }
  }

  std::filesystem::path dir_;
};

// ---- JSON Lines

TEST_F(RowsIn, JsonlHappyPath) {
  const std::string text =
      "{\"id\":1,\"name\":\"a\\u00fc\\ud83d\\ude42\\n\",\"qty\":-5,\"price\":1.25e-3,\"ok\":true}\r\n"
      "\n"
      "  { \"ok\" : null , \"price\":\"-Infinity\",\"id\":9223372036854775807 }  ";
  for (const int64_t bytes : {1 << 20, 16, 17, 40}) {
    const Outcome got = Read("a.jsonl", text, Simple(), bytes);
    EXPECT_EQ(Cells(got, "id"), "1|9223372036854775807");
    EXPECT_EQ(Cells(got, "name"), "aü🙂\n|-");
    EXPECT_EQ(Cells(got, "qty"), "-5|-");
    EXPECT_EQ(Cells(got, "price"), "0.00125|-inf");
    EXPECT_EQ(Cells(got, "ok"), "true|-");
  }
}

TEST_F(RowsIn, JsonlRefusals) {
  const std::string good = "{\"id\":1}\n{\"id\":2}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"id":1,"price":"abc"})", "row 3, column 'price': \"abc\" is not a double"},
      {R"({"id":1,"price":NaN})", "row 3, column 'price': NaN is not a JSON value"},
      {R"({"id":1,"price":1e400})", "row 3, column 'price': 1e400 is out of range for double"},
      {R"({"id":1,"price":01})", "row 3, column 'price': 01 is not a JSON value"},
      {R"({"id":1,"price":true})", "row 3, column 'price': true is not a double"},
      {R"({"id":1,"qty":1.0})", "row 3, column 'qty': 1.0 is not an int32"},
      {R"({"id":1,"qty":1e2})", "row 3, column 'qty': 1e2 is not an int32"},
      {R"({"id":1,"qty":"1"})", "row 3, column 'qty': \"1\" is not an int32"},
      {R"({"id":1,"qty":[1,{"a":2}],"ok":true})", "row 3, column 'qty': [1,{\"a\":2}] is not an int32"},
      {R"({"id":1,"qty":-2147483649})", "row 3, column 'qty': -2147483649 is out of range for int32"},
      {R"({"id":18446744073709551617})", "row 3, column 'id': 18446744073709551617 is out of range for int64"},
      {R"({"id":1,"name":1})", "row 3, column 'name': 1 is not a string"},
      {R"({"id":1,"ok":"true"})", "row 3, column 'ok': \"true\" is not a bool"},
      {R"({"id":null})", "row 3, column 'id': null in a non-nullable column"},
      {R"({"name":"x"})", "row 3, column 'id': is missing, and the column is not nullable"},
      {R"({"ID":1})", "row 3, column 'ID': the table has no such column"},
      {R"({"id":1,"id":2})", "row 3, column 'id': the key stands twice in the object"},
      {R"({"id":1,"\u0069d":2})", "row 3, column 'id': the key stands twice in the object"},
      {R"({"id":1,"name":"\ud83d"})", "row 3, column 'name': \\ud83d has half of a surrogate pair, which is no character"},
      {R"({"id":1,"name":"\udc00"})", "row 3, column 'name': \\udc00 has half of a surrogate pair, which is no character"},
      {R"({"id":1,"name":"\x"})", "row 3, column 'name': \\x has an unknown escape"},
      {"{\"id\":1,\"name\":\"\xff\xfe\"}", "row 3, column 'name': \"\\xff\\xfe\" is not valid UTF-8 at its byte 1"},
      {"{\"id\":1,\"name\":\"a\tb\"}", "row 3, column 'name': \"a\\x09b\" has a raw control character"},
      {R"({"id":1,"name":"abc)", "row 3, column 'name': \"abc is a string without an end"},
      {R"({"id":1,)", "row 3: the JSON text is cut off"},
      {R"({"id":1)", "row 3: the JSON text is cut off"},
      {R"({"id":1,})", "row 3: the object is not closed or lacks a quoted key, at "},
      {R"({"id" 1})", "row 3, column 'id': no colon behind the key, at 1"},
      {R"({"id":1 "qty":2})", "row 3: the object is not closed or lacks a comma, at \"qty\""},
      {R"({"id":1}{"id":2})", "row 3: more text behind the object, at {\"id\":2}"},
      {R"({"id":1} x)", "row 3: more text behind the object, at x"},
      {"[1,2]", "row 3: [1,2] is not a JSON object"},
      {"hello", "row 3: hello is not a JSON object"},
  };
  for (const auto& [line, message] : cases) ExpectRefused("a.jsonl", good + line + "\n", Simple(), message);
  ExpectRefused("a.jsonl", good + R"({"id":1,"name":"abc)", Simple(), "row 3, column 'name': \"abc is a string without an end");
}

TEST_F(RowsIn, ErrorHasItsPlaceAndNoBatchBehindIt) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "{\"id\":" + std::to_string(i) + ",\"name\":\"some text\"}\n";
  text += "{\"id\":\"abc\"}\n{\"id\":1}\n";
  const std::string path = Put("a.jsonl", text);
  RowReaderOptions options;
  options.schema = Simple();
  options.batch_bytes = 1000;
  auto reader = RowReader::Open(path, RowFormat::kJsonl, Compression::kNone, options);
  ASSERT_TRUE(reader.ok());
  int64_t rows = 0;
  Status status;
  while (status.ok()) {
    auto batch = (*reader)->Next(OpContext());
    status = batch.status();
    if (batch.ok()) rows += (*batch)->num_rows();
  }
  EXPECT_LE(rows, 20000);
  ASSERT_TRUE((*reader)->error().has_value());
  EXPECT_EQ((*reader)->error()->row, 20001u);
  EXPECT_EQ((*reader)->error()->column, "id");
  EXPECT_EQ((*reader)->error()->value, "\"abc\"");
  EXPECT_EQ((*reader)->error()->reason, "is not an int64");
  EXPECT_EQ((*reader)->Next(OpContext()).status().message(), status.message()) << "a failed reader stays failed";
}

SchemaPtr Rich() {
  const auto uuid = arrow::key_value_metadata({"ARROW:extension:name"}, {"arrow.uuid"});
  return arrow::schema({field("d", arrow::date32()),
                        field("d64", arrow::date64()),
                        field("t", arrow::time64(arrow::TimeUnit::NANO)),
                        field("ts", arrow::timestamp(arrow::TimeUnit::MICRO)),
                        field("tz", arrow::timestamp(arrow::TimeUnit::MILLI, "Europe/Zurich")),
                        field("dec", arrow::decimal128(12, 2)),
                        field("dec256", arrow::decimal256(60, 4)),
                        field("bin", arrow::binary()),
                        field("fsb", arrow::fixed_size_binary(2)),
                        field("uuid", arrow::fixed_size_binary(16), true, uuid),
                        field("u64", arrow::uint64()),
                        field("f16", arrow::float16()),
                        field("f32", arrow::float32()),
                        field("dict", arrow::dictionary(arrow::int8(), arrow::utf8())),
                        field("dur", arrow::duration(arrow::TimeUnit::SECOND)),
                        field("list", arrow::list(arrow::int16())),
                        field("vec", arrow::fixed_size_list(arrow::float32(), 2)),
                        field("big", arrow::large_list(arrow::large_utf8())),
                        field("map", arrow::map(arrow::utf8(), arrow::int64())),
                        field("view", arrow::utf8_view()),
                        field("st", arrow::struct_({field("x", arrow::int64(), false),
                                                    field("deep", arrow::struct_({field("k", arrow::list(arrow::int32()))}))}))});
}

TEST_F(RowsIn, JsonlRichTypes) {
  const std::string text =
      R"({"d":"2020-02-29","d64":"-290308-12-21","t":"23:59:59.123456789","ts":"2020-01-31T01:02:03.5","tz":"2020-01-31T01:02:03.250Z",)"
      R"("dec":"-12.50","dec256":12345678901234567890.5,"bin":"AQI=","fsb":"AQI=","uuid":"01234567-89ab-cdef-0123-456789abcdef",)"
      R"("u64":18446744073709551615,"f16":1.5,"f32":0.1,"dict":"red","dur":-7,"list":[1,null,-2],"vec":[1,2.5],"big":["a",""],)"
      R"("map":[{"key":"k","value":1},{"key":"l","value":null}],"view":"a longer text than twelve bytes","st":{"x":1,"deep":{"k":[]}}})"
      "\n{}\n"
      R"({"tz":"2020-01-31 01:02:03+02:00","dec":7,"list":[],"st":{"x":2},"map":[],"bin":""})"
      "\n";
  const Outcome got = Read("a.jsonl", text, Rich());
  EXPECT_EQ(Cells(got, "d"), "2020-02-29|-|-");
  EXPECT_EQ(Cells(got, "t"), "23:59:59.123456789|-|-");
  EXPECT_EQ(Cells(got, "ts"), "2020-01-31 01:02:03.500000|-|-");
  EXPECT_EQ(Cells(got, "tz"), "2020-01-31 01:02:03.250Z|-|2020-01-30 23:02:03.000Z");
  EXPECT_EQ(Cells(got, "dec"), "-12.50|-|7.00");
  EXPECT_EQ(Cells(got, "dec256"), "12345678901234567890.5000|-|-");
  EXPECT_EQ(Cells(got, "bin"), std::string("\x01\x02|-|", 5));
  EXPECT_EQ(Cells(got, "fsb"), "\x01\x02|-|-");
  EXPECT_EQ(Cells(got, "uuid"), "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef|-|-");
  EXPECT_EQ(Cells(got, "u64"), "18446744073709551615|-|-");
  EXPECT_EQ(Cells(got, "f16"), "1.5|-|-");
  EXPECT_EQ(Cells(got, "f32"), "0.1|-|-");
  EXPECT_EQ(Cells(got, "dur"), "-7|-|-");
  EXPECT_EQ(Cells(got, "list"), "list<item: int16>[1, null, -2]|-|list<item: int16>[]");
  EXPECT_EQ(Cells(got, "vec"), "fixed_size_list<item: float>[2][1, 2.5]|-|-");
  EXPECT_EQ(Cells(got, "view"), "a longer text than twelve bytes|-|-");
  EXPECT_EQ(Cells(got, "st"),
            "{x:int64 = 1, deep:struct<k: list<item: int32>> = {k:list<item: int32> = list<item: int32>[]}}|-|"
            "{x:int64 = 2, deep:struct<k: list<item: int32>> = null}");
  EXPECT_EQ(got.table->schema()->ToString(), Rich()->ToString());
}

TEST_F(RowsIn, JsonlRichRefusals) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"d":"2021-02-29"})", "column 'd': \"2021-02-29\" is not a date (YYYY-MM-DD)"},
      {R"({"d":1})", "column 'd': 1 is not a date (YYYY-MM-DD)"},
      {R"({"t":"24:00:00"})", "column 't': \"24:00:00\" is not a time (hh:mm:ss)"},
      {R"({"ts":"2020-01-31"})", "column 'ts': \"2020-01-31\" is not a timestamp (YYYY-MM-DDThh:mm:ss)"},
      {R"({"ts":"2020-01-31T01:02:03.1234567"})",
       "column 'ts': \"2020-01-31T01:02:03.1234567\" does not fit timestamp[us] without loss"},
      {R"({"ts":"2020-01-31T01:02:03+01:00"})",
       "column 'ts': \"2020-01-31T01:02:03+01:00\" is not a timestamp (YYYY-MM-DDThh:mm:ss)"},
      {R"({"dec":"12345678901.00"})", "column 'dec': \"12345678901.00\" is out of range for decimal128(12, 2)"},
      {R"({"dec":1.005})", "column 'dec': 1.005 does not fit decimal128(12, 2) without loss"},
      {R"({"dec":"NaN"})", "column 'dec': \"NaN\" is not a decimal128(12, 2)"},
      {R"({"bin":"AQ"})", "column 'bin': \"AQ\" is not base64 text of binary"},
      {R"({"fsb":"AQID"})", "column 'fsb': \"AQID\" does not have the length of fixed_size_binary[2]"},
      {R"({"uuid":"01234567-89ab-cdef-0123-456789abcdeg"})",
       "column 'uuid': \"01234567-89ab-cdef-0123-456789abcdeg\" is not a uuid"},
      {R"({"u64":-1})", "column 'u64': -1 is out of range for uint64"},
      {R"({"f16":70000})", "column 'f16': 70000 is out of range for halffloat"},
      {R"({"f32":1e39})", "column 'f32': 1e39 is out of range for float"},
      {R"({"list":[1,2,"x"]})", "column 'list[2]': \"x\" is not an int16"},
      {R"({"list":[1,40000]})", "column 'list[1]': 40000 is out of range for int16"},
      {R"({"list":"a"})", "column 'list': \"a\" is not a JSON array"},
      {R"({"vec":[1]})", "column 'vec': [1] does not have 2 values"},
      {R"({"vec":[1,2,3]})", "column 'vec': [1,2,3] does not have 2 values"},
      {R"({"st":{"x":1,"deep":{"k":[1,true]}}})", "column 'st.deep.k[1]': true is not an int32"},
      {R"({"st":{"deep":null}})", "column 'st.x': is missing, and the field is not nullable"},
      {R"({"st":{"x":1,"y":2}})", "column 'st.y': the column's type has no such field"},
      {R"({"st":[1]})", "column 'st': [1] is not a JSON object"},
      {R"({"map":{"k":1}})", "column 'map': {\"k\":1} is not a JSON array of {\"key\":...,\"value\":...}"},
      {R"({"map":[{"value":1}]})", "column 'map[0].key': is missing, and the field is not nullable"},
  };
  for (const auto& [line, message] : cases) ExpectRefused("a.jsonl", "{}\n" + line + "\n", Rich(), "row 2, " + message);
  const auto json = arrow::key_value_metadata({"ARROW:extension:name"}, {"lance.json"});
  const Outcome refused = Read("a.jsonl", "{}", arrow::schema({field("j", arrow::large_binary(), true, json)}));
  EXPECT_EQ(refused.status.code(), StatusCode::kNotSupported);
  EXPECT_NE(refused.status.message().find("lance.json"), std::string::npos);
}

TEST_F(RowsIn, JsonArrayAndSequence) {
  const auto schema = arrow::schema({field("a", arrow::int64()), field("s", arrow::utf8())});
  const std::string rows = "[\n{\"a\":1,\"s\":\"x]},{\"},\n{\"a\":2},{\n \"a\" :\n3}\n]\n";
  for (const int64_t bytes : {1 << 20, 16, 25}) {
    EXPECT_EQ(Cells(Read("a.json", rows, schema, bytes), "a"), "1|2|3");
    EXPECT_EQ(Cells(Read("a.json", rows, schema, bytes), "s"), "x]},{|-|-");
    EXPECT_EQ(Cells(Read("b.json", "\xef\xbb\xbf{\"a\":1}{\"a\":\n2}\n\n{\"a\":3}", schema, bytes), "a"), "1|2|3");
    EXPECT_EQ(Cells(Read("c.json", "[]\n", schema, bytes), "a"), "");
    EXPECT_EQ(Cells(Read("c.json", " [ ] ", schema, bytes), "a"), "");
  }
  ExpectRefused("a.json", "[{\"a\":1},{\"a\":2}", schema, "row 2: the JSON text is cut off");
  ExpectRefused("a.json", "[{\"a\":1},]", schema, "row 1: a comma before the end of the array");
  ExpectRefused("a.json", "[{\"a\":1} {\"a\":2}]", schema, "row 1: no comma behind the object, at {\"a\":2}");
  ExpectRefused("a.json", "[{\"a\":1}] x", schema, "row 1: more text behind the end of the array");
  ExpectRefused("a.json", "[{\"a\":1},{\"a\":{}}]", schema, "row 2, column 'a': {} is not an int64");
  ExpectRefused("a.json", "[1]", schema, "row 1: 1 is not a JSON object");
  ExpectRefused("a.json", "{\"a\":1", schema, "row 1: the JSON text is cut off");
}

// ---- CSV

TEST_F(RowsIn, CsvHappyPath) {
  const std::string text =
      "price,id,name,ok\r\n"
      "1.5,1,\"with \"\"quotes\"\"\",TRUE\r\n"
      "-0.25,+2,\"comma, inside\",false\r\n"
      ",3,\"a\r\nb\",\r\n"
      "inf,9007199254740993,\"\",true\r\n"
      "\r\n"
      "1e3,\"5\",,\"\"\r\n"
      "NaN,6, ü日本🙂 ,";
  for (const int64_t bytes : {1 << 20, 16, 17, 18, 19, 20, 33}) {
    for (const bool mark : {false, true}) {
      const Outcome got = Read("a.csv", (mark ? "\xef\xbb\xbf" : "") + text, Simple(), bytes);
      EXPECT_EQ(Cells(got, "id"), "1|2|3|9007199254740993|5|6");
      EXPECT_EQ(Cells(got, "name"), "with \"quotes\"|comma, inside|a\r\nb||-| ü日本🙂 ");
      EXPECT_EQ(Cells(got, "price"), "1.5|-0.25|-|inf|1000|nan");
      EXPECT_EQ(Cells(got, "ok"), "true|false|-|true|-|-");
      EXPECT_EQ(Cells(got, "qty"), "-|-|-|-|-|-");
    }
  }
}

TEST_F(RowsIn, TsvAndNestedCells) {
  const std::string text = "id\tst\tlist\n1\t\"{\"\"x\"\":5}\"\t[1, 2]\n2\t\t\n";
  const auto schema = arrow::schema({field("id", arrow::int64()), field("st", arrow::struct_({field("x", arrow::int64())})),
                                     field("list", arrow::list(arrow::int64()))});
  EXPECT_EQ(Cells(Read("a.tsv", text, schema), "st"), "{x:int64 = 5}|-");
  EXPECT_EQ(Cells(Read("a.tsv", text, schema), "list"), "list<item: int64>[1, 2]|-");
  ExpectRefused("a.tsv", "id\tlist\n1\t[1]\n2\t[1,x]\n", schema, "row 2, column 'list[1]': x is not a JSON value");
  ExpectRefused("a.tsv", "id\tlist\n2\t[1] 2\n", schema, "row 1, column 'list': more text behind the JSON value, at 2");
}

TEST_F(RowsIn, CsvOneColumn) {
  const auto schema = arrow::schema({field("s", arrow::utf8())});
  for (const int64_t bytes : {1 << 20, 16}) EXPECT_EQ(Cells(Read("a.csv", "s\na\n\n\"\"\nb\n", schema, bytes), "s"), "a|-||b");
}

TEST_F(RowsIn, CsvRefusals) {
  const std::string good = "id,name,qty,price,ok\n1,\"two\nlines\",1,1.0,true\n\n2,y,2,2.0,false\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"3,x,seven,1.0,true", "row 3, column 'qty': \"seven\" is not an int32"},
      {"3,x,1.0,1.0,true", "row 3, column 'qty': \"1.0\" is not an int32"},
      {"3,x, 1,1.0,true", "row 3, column 'qty': \" 1\" is not an int32"},
      {"3,x,2147483648,1.0,true", "row 3, column 'qty': \"2147483648\" is out of range for int32"},
      {"3,x,1,abc,true", "row 3, column 'price': \"abc\" is not a double"},
      {"3,x,1,1e999,true", "row 3, column 'price': \"1e999\" is out of range for double"},
      {"3,x,1,1_0,true", "row 3, column 'price': \"1_0\" is not a double"},
      {"3,x,1,1,yes", "row 3, column 'ok': \"yes\" is not a bool"},
      {",x,1,1.0,true", "row 3, column 'id': the field is empty, and the column is not nullable"},
      {"3,x,1", "row 3: 3 fields where the header has 5"},
      {"3,x,1,1.0,true,9", "row 3: 6 fields where the header has 5"},
      {"3,\"x,1,1.0,true", "row 3, column 'name': \"\"x,1,1.0,true\" is a quoted field without a closing quote"},
      {"3,\"x\"y,1,1.0,true", "row 3, column 'name': \"\"x\"y,1,1.0,true\" has text behind its closing quote"},
      {"3,5\" pipe,1,1.0,true", "row 3, column 'name': \"5\" pipe,1,1.0,true\" has a quote inside an unquoted field"},
      {"3,a \"b\" c,1,1.0,true", "row 3, column 'name': \"a \"b\" c,1,1.0,true\" has a quote inside an unquoted field"},
      {"3,x,1\"1\",1.0,true", "row 3, column 'qty': \"1\"1\",1.0,true\" has a quote inside an unquoted field"},
      {"3,a\rb,1,1.0,true", "row 3, column 'name': \"a\" has a carriage return inside an unquoted field"},
      {"3,\xff\xfe,1,1.0,true", "row 3, column 'name': \"\\xff\\xfe\" is not valid UTF-8"},
      {std::string("3,a\0b,1,1.0,true", 16), "row 3, column 'name': \"a\\x00b\" has a NUL byte, so it is no text"},
  };
  for (const auto& [line, message] : cases) ExpectRefused("a.csv", good + line + "\n", Simple(), message);
  ExpectRefused("a.csv", good + "3,x,1,1.0,maybe", Simple(), "row 3, column 'ok': \"maybe\" is not a bool");
  // The earliest row counts, whatever the column.
  ExpectRefused("a.csv", "id,name,qty,price,ok\n1,x,1,bad,true\nx,y,1,1,true\n", Simple(),
                "row 1, column 'price': \"bad\" is not a double");
  ExpectRefused("a.csv", "id,name\n1,x\ny,2\n3\n", Simple(), "row 2, column 'id': \"y\" is not an int64");
}

TEST_F(RowsIn, CsvHeaders) {
  ExpectRefused("a.csv", "id,name,name\n1,x,y\n", Simple(), "column 'name': stands twice in the header");
  ExpectRefused("a.csv", "id,nope\n1,x\n", Simple(), "column 'nope': the table has no such column");
  ExpectRefused("a.csv", "Id\n1\n", Simple(), "column 'Id': the table has no such column");
  ExpectRefused("a.csv", "name\nx\n", Simple(), "column 'id': is missing from the header, and the column is not nullable");
  ExpectRefused("a.csv", "id,\"na\n", Simple(), "the header: \"\"na\" is a quoted field without a closing quote");
  ExpectRefused("a.csv", "\xff\xfei\0d\0", Simple(), "the file is UTF-16 text; UTF-8 is needed");
  for (const std::string text : {"", "\n", "id,name\n", "id,name", "\xef\xbb\xbf"}) {
    EXPECT_EQ(Cells(Read("a.csv", text, Simple()), "id"), "") << text;
  }
}

TEST_F(RowsIn, CsvManyChunksKeepOrderAndRowNumbers) {
  std::string text = "id,name\n";
  int64_t sum = 0;
  for (int i = 0; i < 50000; ++i) {
    text += std::to_string(i) + (i % 7 == 0 ? ",\"quoted, \"\"text\"\"\nwith a line\"\n" : ",plain ü text\n");
    sum += i;
  }
  for (const int64_t bytes : {100, 4096, 1 << 20}) {
    const Outcome got = Read("a.csv", text, Simple(), bytes);
    ASSERT_TRUE(got.status.ok()) << got.status.message();
    ASSERT_EQ(got.table->num_rows(), 50000);
    int64_t expected = 0;
    for (const auto& chunk : got.table->column(0)->chunks()) {
      const auto& ids = static_cast<const arrow::Int64Array&>(*chunk);
      for (int64_t i = 0; i < ids.length(); ++i) ASSERT_EQ(ids.Value(i), expected++);
    }
  }
  const Outcome refused = Read("a.csv", text + "x,y\n", Simple(), 4096);
  EXPECT_EQ(refused.status.message(), "row 50001, column 'id': \"x\" is not an int64");
}

TEST_F(RowsIn, BatchRowsAreBounded) {
  std::string text = "id\n";
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + "\n";
  const Outcome got = ReadFile(Put("a.csv", text), Simple(), 16 << 20, 300);
  EXPECT_EQ(got.batch_rows, (std::vector<int64_t>{300, 300, 300, 100}));
  // Null vectors of a wide column take room that the text does not show.
  const auto wide = arrow::schema({field("id", arrow::int64()), field("v", arrow::fixed_size_list(arrow::float32(), 1 << 20))});
  const Outcome bounded = ReadFile(Put("a.csv", text.substr(0, 40)), wide, 16 << 20, 65536);
  for (const int64_t rows : bounded.batch_rows) EXPECT_LE(rows * 4, 64);
}

// ---- compression, detection

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST_F(RowsIn, CompressedText) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "{\"id\":" + std::to_string(i * 7919) + "}\n";
  const std::string plain = Cells(Read("a.jsonl", text, Simple()), "id");
  for (const auto& [suffix, packed] : {std::pair<std::string, std::string>{"gz", Gzip(text)}, {"zst", Zstd(text)}}) {
    EXPECT_EQ(Cells(Read("a.jsonl." + suffix, packed, Simple(), 500), "id"), plain);
    EXPECT_EQ(Cells(Read("noname", packed, Simple()), "id"), plain);
    EXPECT_EQ(Cells(Read("a.jsonl." + suffix, packed + packed, Simple()), "id"), plain + "|" + plain) << "joined members";
    for (const size_t cut : {size_t{1}, size_t{5}, packed.size() / 2}) {
      const Outcome refused = Read("a.jsonl." + suffix, packed.substr(0, packed.size() - cut), Simple());
      EXPECT_EQ(refused.status.code(), StatusCode::kInvalidArgument) << suffix << " without the last " << cut;
    }
    EXPECT_FALSE(Read("a.jsonl." + suffix, packed + "garbage", Simple()).status.ok());
  }
  EXPECT_FALSE(Read("a.jsonl.gz", text, Simple()).status.ok());
}

TEST_F(RowsIn, Detection) {
  const auto detect = [&](const std::string& name, const std::string& bytes) { return DetectRowFormat(name, Put("x", bytes)); };
  EXPECT_EQ(detect("a.CSV", "")->format, RowFormat::kCsv);
  EXPECT_EQ(detect("dir.d/a.ndjson", "")->format, RowFormat::kJsonl);
  EXPECT_EQ(detect("a.tsv.zst", "")->compression, Compression::kZstd);
  EXPECT_EQ(detect("a.feather", "")->format, RowFormat::kArrowFile);
  EXPECT_EQ(detect("a", "PAR1...")->format, RowFormat::kParquet);
  EXPECT_EQ(detect("a", "ARROW1")->format, RowFormat::kArrowFile);
  EXPECT_EQ(detect("a", "\xff\xff\xff\xff....")->format, RowFormat::kArrowStream);
  EXPECT_EQ(detect("a", "{}")->format, RowFormat::kJsonl);
  EXPECT_EQ(detect("a", "[{}]")->format, RowFormat::kJson);
  EXPECT_EQ(detect("a", "id,name\n").status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(detect("a.xyz", "{}").status().message().find("'.xyz'"), std::string::npos);
  EXPECT_EQ(detect("a.parquet.gz", "").status().code(), StatusCode::kInvalidArgument);
}

// ---- inference

TEST_F(RowsIn, InferCsv) {
  const std::string text =
      "i,f,b,s,zip,big,none,q,nan\n"
      "1,1,true,a,00501,9223372036854775807,,\"7\",NaN\n"
      "-2,2.5,False,,10001,9223372036854775808,,8,1\n"
      ",nan,,2020-01-01,,,,9,\n";
  for (const int64_t bytes : {1 << 20, 16}) {
    const Outcome got = Read("a.csv", text, nullptr, bytes);
    ASSERT_TRUE(got.status.ok()) << got.status.message();
    EXPECT_EQ(got.table->schema()->ToString(),
              "i: int64\nf: double\nb: bool\ns: string\nzip: string\nbig: string\nnone: string\nq: int64\nnan: double");
    EXPECT_EQ(Cells(got, "zip"), "00501|10001|-");
  }
  ExpectRefused("a.csv", "a,b\n1,2\n1\n", nullptr, "row 2: 1 field where the header has 2");
}

TEST_F(RowsIn, InferJsonl) {
  const std::string text = R"({"i":1,"f":1,"b":true,"s":"2020-01-01","o":{"x":1},"l":[],"n":null,"d":"NaN"})"
                           "\n"
                           R"({"i":null,"f":-0.5,"o":{"y":["a"],"x":2},"l":[1,2.5],"d":1.5,"late":7})"
                           "\n";
  const Outcome got = Read("a.jsonl", text, nullptr);
  ASSERT_TRUE(got.status.ok()) << got.status.message();
  EXPECT_EQ(got.table->schema()->ToString(),
            "i: int64\nf: double\nb: bool\ns: string\no: struct<x: int64, y: list<item: string>>\nl: list<item: double>\n"
            "n: string\nd: double\nlate: int64");
  EXPECT_EQ(Cells(got, "late"), "-|7");
  EXPECT_EQ(Cells(got, "d"), "nan|1.5");
  ExpectRefused("a.jsonl", "{\"a\":1}\n{\"a\":\"x\"}\n", nullptr,
                "row 2, column 'a': \"x\" is of another kind than the values in rows before it");
  ExpectRefused("a.jsonl", "{\"a\":{\"b\":1}}\n{\"a\":{\"b\":[1]}}\n", nullptr,
                "row 2, column 'a.b': [1] is of another kind than the values in rows before it");
  ExpectRefused("a.jsonl", "{\"a\":18446744073709551615}\n", nullptr,
                "row 1, column 'a': 18446744073709551615 is out of range for int64; give the table a schema first");
}

// ---- Arrow and Parquet

std::shared_ptr<arrow::Array> Ints(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}

class TypedIn : public RowsIn, public testing::WithParamInterface<std::string> {
 protected:
  std::string Write(const BatchPtr& batch) {
    const std::string path = (dir_ / ("t." + GetParam())).string();
    auto out = *arrow::io::FileOutputStream::Open(path);
    if (GetParam() == "parquet") {
      const auto table = *arrow::Table::FromRecordBatches({batch});
      auto properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
      EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 3, parquet::default_writer_properties(),
                                             properties)
                      .ok());
    } else {
      auto writer = GetParam() == "arrow" ? *arrow::ipc::MakeFileWriter(out, batch->schema())
                                          : *arrow::ipc::MakeStreamWriter(out, batch->schema());
      for (int64_t at = 0; at < batch->num_rows(); at += 3) EXPECT_TRUE(writer->WriteRecordBatch(*batch->Slice(at, 3)).ok());
      EXPECT_TRUE(writer->Close().ok());
    }
    EXPECT_TRUE(out->Close().ok());
    return path;
  }
  std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static BatchPtr One(const std::string& name, const std::shared_ptr<arrow::Array>& array) {
    return arrow::RecordBatch::Make(arrow::schema({field(name, array->type())}), array->length(), {array});
  }
};

TEST_P(TypedIn, CastsWhatFits) {
  const auto source = One("a", Ints({1, -2, 3, 4, 5, 6, 7}));
  const std::string path = Write(source);
  for (const auto& type : {arrow::int64(), arrow::int8(), arrow::float64(), arrow::float32(), arrow::decimal128(9, 2)}) {
    const Outcome got = ReadFile(path, arrow::schema({field("a", type, false), field("b", arrow::utf8())}));
    ASSERT_TRUE(got.status.ok()) << type->ToString() << got.status.message();
    EXPECT_EQ(got.table->num_rows(), 7);
    EXPECT_EQ(got.table->schema()->field(0)->type()->ToString(), type->ToString());
  }
  const Outcome inferred = ReadFile(path, nullptr);
  EXPECT_TRUE(inferred.table->column(0)->Equals(arrow::ChunkedArray(source->column(0))));
}

TEST_P(TypedIn, RefusesLossWithTheRow) {
  const std::string path = Write(One("a", Ints({1, 2, 3, 4, 300, 6})));
  const Outcome got = ReadFile(path, arrow::schema({field("a", arrow::int8())}));
  EXPECT_EQ(got.status.message(), "row 5, column 'a': 300 does not fit int8 without loss");
  ASSERT_TRUE(got.error.has_value());
  EXPECT_EQ(got.error->row, 5u);
  const std::string big = Write(One("a", Ints({1, 9007199254740993})));
  EXPECT_EQ(ReadFile(big, arrow::schema({field("a", arrow::float64())})).status.message(),
            "row 2, column 'a': 9007199254740993 does not fit double without loss");
  EXPECT_EQ(ReadFile(path, arrow::schema({field("a", arrow::utf8())})).status.message(),
            "column 'a': int64 cannot be taken as string");
  EXPECT_EQ(ReadFile(path, arrow::schema({field("b", arrow::int64())})).status.message(),
            "column 'a': the table has no such column");
  EXPECT_EQ(ReadFile(path, arrow::schema({field("a", arrow::int64()), field("b", arrow::int64(), false)})).status.message(),
            "column 'b': is missing, and the column is not nullable");
  arrow::DoubleBuilder doubles;
  ASSERT_TRUE(doubles.AppendValues({0.5, 0.1}).ok());
  EXPECT_EQ(ReadFile(Write(One("a", *doubles.Finish())), arrow::schema({field("a", arrow::float32())})).status.message(),
            "row 2, column 'a': 0.1 does not fit float without loss");
}

TEST_P(TypedIn, NullsAndTimestamps) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MILLI), arrow::default_memory_pool());
  ASSERT_TRUE(builder.AppendValues(std::vector<int64_t>{1000, 2000, 3000, 4000}).ok() && builder.AppendNull().ok() &&
              builder.Append(5500).ok());
  const std::string path = Write(One("a", *builder.Finish()));
  EXPECT_EQ(ReadFile(path, arrow::schema({field("a", arrow::timestamp(arrow::TimeUnit::NANO), false)})).status.message(),
            "row 5, column 'a': null in a non-nullable column");
  EXPECT_EQ(ReadFile(path, arrow::schema({field("a", arrow::timestamp(arrow::TimeUnit::SECOND))})).status.message(),
            "row 6, column 'a': 1970-01-01 00:00:05.500 does not fit timestamp[s] without loss");
  EXPECT_TRUE(ReadFile(path, arrow::schema({field("a", arrow::timestamp(arrow::TimeUnit::MICRO))})).status.ok());
  EXPECT_FALSE(ReadFile(path, arrow::schema({field("a", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"))})).status.ok());
}

TEST_P(TypedIn, NestedByName) {
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  auto& items = static_cast<arrow::Int64Builder&>(*lists.value_builder());
  for (int64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE((i == 2 ? lists.AppendNull() : lists.Append()).ok());
    if (i == 2) continue;
    ASSERT_TRUE(items.AppendValues({i, i == 4 ? int64_t{70000} : i}).ok());
  }
  const auto inner = *lists.Finish();
  const auto row = *arrow::StructArray::Make({inner, Ints({1, 2, 3, 4, 5})}, std::vector<std::string>{"l", "x"});
  const std::string path = Write(One("st", row));
  const auto target = [](const std::shared_ptr<arrow::DataType>& list) {
    return arrow::schema(
        {field("st", arrow::struct_({field("x", arrow::int32()), field("new", arrow::utf8()), field("l", list)}))});
  };
  const Outcome got = ReadFile(path, target(arrow::large_list(arrow::int32())));
  ASSERT_TRUE(got.status.ok()) << got.status.message();
  const auto& shaped =
      static_cast<const arrow::StructArray&>(*got.table->column(0)->chunk(got.table->column(0)->num_chunks() - 1));
  EXPECT_EQ(shaped.GetFieldByName("l")->ToString().find("70000") != std::string::npos, true);
  EXPECT_EQ(ReadFile(path, target(arrow::list(arrow::int16()))).status.message().substr(0, 24), "row 5, column 'st.l.item")
      << "dotted path";
  EXPECT_TRUE(ReadFile(path, target(arrow::fixed_size_list(arrow::int64(), 2))).status.ok());
  EXPECT_FALSE(ReadFile(path, target(arrow::fixed_size_list(arrow::int64(), 3))).status.ok());
  EXPECT_FALSE(ReadFile(path, arrow::schema({field("st", arrow::struct_({field("x", arrow::int64())}))})).status.ok());
}

TEST_P(TypedIn, Truncated) {
  const std::string whole = Bytes(Write(One("a", Ints({1, 2, 3, 4, 5, 6, 7, 8, 9}))));
  const auto schema = arrow::schema({field("a", arrow::int64())});
  for (size_t size = 0; size < whole.size(); ++size) {
    const Outcome got = ReadFile(Put("cut." + GetParam(), whole.substr(0, size)), schema);
    EXPECT_EQ(got.status.code(), StatusCode::kInvalidArgument) << size << " of " << whole.size() << ": " << got.status.ToString();
  }
  if (GetParam() == "arrows") {
    EXPECT_FALSE(ReadFile(Put("two.arrows", whole + whole), schema).status.ok()) << "joined streams";
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, TypedIn, testing::Values("arrow", "arrows", "parquet"));

}  // namespace
}  // namespace lancefs
