// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/row_writer.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "engine/rows/jsonb.h"

namespace lancefs {
namespace {

using arrow::Array;
using Batch = std::shared_ptr<arrow::RecordBatch>;

Batch BatchOf(const std::vector<std::shared_ptr<arrow::Field>>& fields, const std::vector<std::shared_ptr<Array>>& columns) {
  return arrow::RecordBatch::Make(arrow::schema(fields), columns.empty() ? 0 : columns[0]->length(), columns);
}
Batch One(const std::shared_ptr<Array>& array, const std::string& name = "a") {
  return BatchOf({arrow::field(name, array->type())}, {array});
}
std::string Jsonl(const arrow::RecordBatch& batch) {
  std::string out;
  const Status status = RenderJsonl(batch, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}
std::string Csv(const arrow::RecordBatch& batch, char separator = ',') {
  std::string out;
  const Status status = RenderCsv(batch, separator, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}
std::string Value(const Array& array, int64_t row) {
  std::string out;
  const Status status = RenderJsonValue(array, row, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

std::string InQuotes(const std::string& text) { return std::string(1, '"').append(text).append(1, '"'); }
std::string InObject(const std::string& value) { return std::string("{\"a\":").append(value).append("}\n"); }

template <typename Builder, typename T>
std::shared_ptr<Array> Make(const std::shared_ptr<arrow::DataType>& type, const std::vector<std::optional<T>>& values) {
  Builder builder(type, arrow::default_memory_pool());
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}
std::shared_ptr<Array> Strings(const std::vector<std::optional<std::string>>& values) {
  return Make<arrow::StringBuilder>(arrow::utf8(), values);
}
std::shared_ptr<Array> Ints(const std::vector<std::optional<int32_t>>& values) {
  return Make<arrow::Int32Builder>(arrow::int32(), values);
}

TEST(Jsonl, ScalarsAndNulls) {
  const auto ints =
      Make<arrow::Int64Builder>(arrow::int64(), std::vector<std::optional<int64_t>>{INT64_MIN, std::nullopt, INT64_MAX});
  const auto bools = Make<arrow::BooleanBuilder>(arrow::boolean(), std::vector<std::optional<bool>>{true, false, std::nullopt});
  const auto doubles = Make<arrow::DoubleBuilder>(arrow::float64(), std::vector<std::optional<double>>{NAN, -INFINITY, -0.0});
  const Batch batch =
      BatchOf({arrow::field("i", arrow::int64()), arrow::field("b", arrow::boolean()), arrow::field("d", arrow::float64())},
              {ints, bools, doubles});
  EXPECT_EQ(Jsonl(*batch),
            "{\"i\":-9223372036854775808,\"b\":true,\"d\":\"NaN\"}\n"
            "{\"i\":null,\"b\":false,\"d\":\"-Infinity\"}\n"
            "{\"i\":9223372036854775807,\"b\":null,\"d\":-0.0}\n");
  EXPECT_EQ(Csv(*batch), "-9223372036854775808,true,NaN\n,false,-Infinity\n9223372036854775807,,-0.0\n");
}

TEST(Jsonl, StringEscapes) {
  // Every byte, at every place of a 16-byte step.
  for (size_t before = 0; before < 20; ++before) {
    for (int c = 0; c < 256; ++c) {
      const std::string text = std::string(before, 'x') + static_cast<char>(c) + std::string(19 - before, 'y');
      std::string want = std::string(before, 'x');
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      if (c == '"' || c == '\\') {
        want += {'\\', static_cast<char>(c)};
      } else if (c == '\n') {
        want += "\\n";
      } else if (c == '\r') {
        want += "\\r";
      } else if (c == '\t') {
        want += "\\t";
      } else if (c == '\b') {
        want += "\\b";
      } else if (c == '\f') {
        want += "\\f";
      } else if (c < 32) {
        want += escape;
      } else {
        want += static_cast<char>(c);  // 0x7f and bytes that are no UTF-8 stay as they are
      }
      want += std::string(19 - before, 'y');
      ASSERT_EQ(Value(*Strings({text}), 0), InQuotes(want)) << c << " at " << before;
    }
  }
}

TEST(Jsonl, LongStringsOfAllLengths) {
  for (const size_t n : {0, 1, 3, 4, 7, 8, 15, 16, 17, 2047, 2048, 2049, 4096, 50000, 1000003}) {
    const std::string plain(n, 'p');
    EXPECT_EQ(Value(*Strings({plain}), 0), InQuotes(plain));
    const std::string controls(n, '\x01');
    const std::string escaped = Value(*Strings({controls}), 0);
    ASSERT_EQ(escaped.size(), 6 * n + 2);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(escaped.compare(1 + 6 * i, 6, "\\u0001"), 0);
    const std::string quotes(n, '"');
    EXPECT_EQ(Csv(*One(Strings({quotes}))), InQuotes(std::string(2 * n, '"')) + "\n");
    EXPECT_EQ(Csv(*One(Strings({plain}))), (n > 0 ? plain : "\"\"") + "\n");
  }
}

TEST(Jsonl, KeysAreEscaped) {
  EXPECT_EQ(Jsonl(*One(Ints({1}), "a\"\n\\b")), "{\"a\\\"\\n\\\\b\":1}\n");
  const std::string name(100, 'k');
  EXPECT_EQ(Jsonl(*One(Ints({1, std::nullopt}), name)), "{\"" + name + "\":1}\n{\"" + name + "\":null}\n");
}

TEST(Jsonl, NoColumns) {
  EXPECT_EQ(Jsonl(*arrow::RecordBatch::Make(arrow::schema({}), 2, std::vector<std::shared_ptr<Array>>{})), "{}\n{}\n");
}

TEST(Jsonl, NoRows) {
  for (const auto& type : {arrow::int32(), arrow::utf8(), arrow::list(arrow::int8()), arrow::boolean(), arrow::null(),
                           arrow::struct_({arrow::field("x", arrow::utf8())}), arrow::map(arrow::utf8(), arrow::int8()),
                           arrow::dictionary(arrow::int8(), arrow::utf8()), arrow::utf8_view(), arrow::list_view(arrow::int8()),
                           arrow::fixed_size_list(arrow::int8(), 3), arrow::decimal256(40, 2), arrow::fixed_size_binary(0)}) {
    const auto empty = arrow::MakeEmptyArray(type).ValueOrDie();
    EXPECT_EQ(Jsonl(*One(empty)), "") << type->ToString();
    EXPECT_EQ(Csv(*One(empty)), "") << type->ToString();
  }
}

// Any slice of any type says what the whole says of those rows.
TEST(Jsonl, SlicesOfAllTypes) {
  auto list_builder =
      std::make_shared<arrow::ListBuilder>(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>());
  auto& list_values = static_cast<arrow::StringBuilder&>(*list_builder->value_builder());
  auto fixed_builder =
      std::make_shared<arrow::FixedSizeListBuilder>(arrow::default_memory_pool(), std::make_shared<arrow::BooleanBuilder>(), 3);
  auto& fixed_values = static_cast<arrow::BooleanBuilder&>(*fixed_builder->value_builder());
  for (int i = 0; i < 40; ++i) {
    if (i % 7 == 3) {
      ASSERT_TRUE(list_builder->AppendNull().ok() && fixed_builder->AppendNull().ok());
      continue;
    }
    ASSERT_TRUE(list_builder->Append().ok() && fixed_builder->Append().ok());
    for (int k = 0; k < i % 4; ++k)
      ASSERT_TRUE((k == 1 ? list_values.AppendNull() : list_values.Append(std::string("v").append(std::to_string(i)))).ok());
    for (int k = 0; k < 3; ++k)
      ASSERT_TRUE((k == i % 5 ? fixed_values.AppendNull() : fixed_values.Append((i + k) % 2 == 0)).ok());
  }
  const auto lists = list_builder->Finish().ValueOrDie();
  const auto fixed = fixed_builder->Finish().ValueOrDie();
  arrow::BooleanBuilder bool_builder;
  arrow::StringDictionaryBuilder dictionary_builder;
  arrow::Int16Builder int_builder;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE((i % 5 == 0 ? bool_builder.AppendNull() : bool_builder.Append(i % 3 == 0)).ok());
    ASSERT_TRUE((i % 6 == 0 ? dictionary_builder.AppendNull() : dictionary_builder.Append(std::string(1, "abc"[i % 3]))).ok());
    ASSERT_TRUE((i % 4 == 2 ? int_builder.AppendNull() : int_builder.Append(static_cast<int16_t>(-i))).ok());
  }
  const auto bools = bool_builder.Finish().ValueOrDie();
  const auto dictionary = dictionary_builder.Finish().ValueOrDie();
  const auto ints = int_builder.Finish().ValueOrDie();
  const auto structs = arrow::StructArray::Make({bools, lists}, std::vector<std::string>{"b", "l"}).ValueOrDie();
  const std::vector<std::shared_ptr<Array>> columns{lists, fixed, bools, dictionary, ints, structs};
  for (const auto& column : columns) {
    std::vector<std::string> whole;
    for (int64_t i = 0; i < column->length(); ++i) whole.push_back(Value(*column, i));
    for (int64_t from = 0; from < 20; ++from) {
      const auto slice = column->Slice(from, 17);
      std::string want;
      for (int i = 0; i < 17; ++i) want += InObject(whole[from + i]);
      ASSERT_EQ(Jsonl(*One(slice)), want) << column->type()->ToString() << " from " << from;
      // A slice of a slice.
      ASSERT_EQ(Value(*slice->Slice(5, 3), 2), whole[from + 7]);
    }
  }
}

TEST(Jsonl, NullStructHidesItsFields) {
  const auto ints = Ints({1, 2, std::nullopt});
  const auto structs = std::make_shared<arrow::StructArray>(arrow::struct_({arrow::field("x", arrow::int32())}), 3,
                                                            arrow::ArrayVector{ints}, arrow::Buffer::FromString("\x05"));
  EXPECT_EQ(Jsonl(*One(structs)), "{\"a\":{\"x\":1}}\n{\"a\":null}\n{\"a\":{\"x\":null}}\n");
  EXPECT_EQ(Csv(*One(structs)), "\"{\"\"x\"\":1}\"\n\n\"{\"\"x\"\":null}\"\n");
}

TEST(Jsonl, ExtensionsByFieldMetadata) {
  const auto uuid = Make<arrow::FixedSizeBinaryBuilder>(arrow::fixed_size_binary(16),
                                                        std::vector<std::optional<std::string>>{std::string("0123456789abcdef")});
  const auto half = Make<arrow::FixedSizeBinaryBuilder>(arrow::fixed_size_binary(2),
                                                        std::vector<std::optional<std::string>>{std::string("\xcd\x3d")});
  auto extension = [](const std::string& name) { return arrow::key_value_metadata({"ARROW:extension:name"}, {name}); };
  const Batch batch =
      BatchOf({arrow::field("u", uuid->type(), true, extension("arrow.uuid")),
               arrow::field("h", half->type(), true, extension("lance.bfloat16")), arrow::field("plain", half->type())},
              {uuid, half, half});
  EXPECT_EQ(Jsonl(*batch), "{\"u\":\"30313233-3435-3637-3839-616263646566\",\"h\":0.100097656,\"plain\":\"zT0=\"}\n");
}

TEST(Jsonl, DictionaryIndexOutOfRange) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto indices = Make<arrow::Int8Builder>(arrow::int8(), std::vector<std::optional<int8_t>>{0, 5, -1});
  const auto array = std::make_shared<arrow::DictionaryArray>(type, indices, Strings({"x"}));
  std::string out = "before";
  const Status status = RenderJsonl(*One(array, "col"), &out);
  EXPECT_TRUE(status.Is(StatusCode::kCorruption));
  EXPECT_NE(status.message().find("'col', row 1"), std::string::npos) << status.message();
  EXPECT_EQ(out, "before");
}

TEST(Jsonl, DictionariesRepeatAndOverflowNothing) {
  // Few values (rendered once) and many (rendered per cell); values of any length.
  const std::string big(100000, '"');
  for (const int rows : {1, 100}) {
    std::vector<std::optional<int32_t>> indices;
    for (int i = 0; i < rows; ++i) indices.push_back(i % 3 == 2 ? std::nullopt : std::optional<int32_t>(i % 2));
    const auto array = std::make_shared<arrow::DictionaryArray>(arrow::dictionary(arrow::int32(), arrow::utf8()), Ints(indices),
                                                                Strings({"a,", big}));
    const std::string text = Jsonl(*One(array));
    const std::string csv = Csv(*One(array));
    std::string want, want_csv;
    for (const auto& index : indices) {
      const std::string value = !index ? "null" : *index == 0 ? "\"a,\"" : Value(*Strings({big}), 0);
      want += InObject(value);
      want_csv += (!index ? "" : *index == 0 ? "\"a,\"" : "\"" + big + big + "\"") + "\n";
    }
    EXPECT_EQ(text, want);
    EXPECT_EQ(csv, want_csv);
  }
}

TEST(Jsonl, UnsupportedTypesAreNamed) {
  const auto array = arrow::MakeArrayOfNull(arrow::month_interval(), 1).ValueOrDie();
  std::string out;
  const Status status = RenderJsonl(*One(array, "gap"), &out);
  EXPECT_TRUE(status.Is(StatusCode::kNotSupported));
  EXPECT_NE(status.message().find("'gap'"), std::string::npos);
  EXPECT_NE(status.message().find("month_interval"), std::string::npos);
}

TEST(Jsonl, ValueRowIsChecked) {
  std::string out;
  EXPECT_TRUE(RenderJsonValue(*Ints({1}), 1, &out).Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(RenderJsonValue(*Ints({1}), -1, &out).Is(StatusCode::kInvalidArgument));
}

TEST(Jsonl, WideRowsAndManyThreads) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<Array>> columns;
  std::vector<std::optional<int32_t>> values;
  for (int i = 0; i < 300; ++i) values.push_back(i % 2 == 0 ? std::optional<int32_t>(i) : std::nullopt);
  const auto ints = Ints(values);
  std::string want;
  for (int i = 0; i < 3000; ++i) {
    fields.push_back(arrow::field("column_with_a_name_" + std::to_string(i), arrow::int32()));
    columns.push_back(ints);
  }
  for (int row = 0; row < 300; ++row) {
    for (int i = 0; i < 3000; ++i) {
      want += (i == 0 ? "{\"" : ",\"") + fields[i]->name() + "\":" + (row % 2 == 0 ? std::to_string(row) : "null");
    }
    want += "}\n";
  }
  const Batch batch = BatchOf(fields, columns);
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (auto& text : texts) threads.emplace_back([&] { text = Jsonl(*batch); });
  for (auto& thread : threads) thread.join();
  for (const auto& text : texts) EXPECT_TRUE(text == want);
}

TEST(Csv, QuotesOnlyWhereNeeded) {
  const auto array = Strings(
      {"plain", "", "a,b", "a\tb", "a\"b", "a\nb", "a\rb", " a ", std::nullopt, "0123456789abcdef,", "0123456789abcdef0123\n"});
  EXPECT_EQ(
      Csv(*One(array)),
      "plain\n\"\"\n\"a,b\"\na\tb\n\"a\"\"b\"\n\"a\nb\"\n\"a\rb\"\n a \n\n\"0123456789abcdef,\"\n\"0123456789abcdef0123\n\"\n");
  EXPECT_EQ(Csv(*One(Strings({"a,b", "a\tb"})), '\t'), "a,b\n\"a\tb\"\n");
}

TEST(Csv, NestedValuesAreJsonText) {
  auto builder = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), builder);
  ASSERT_TRUE(lists.Append().ok() && builder->Append("q\"\\,").ok() && builder->AppendNull().ok() &&
              lists.AppendEmptyValue().ok());
  EXPECT_EQ(Csv(*One(lists.Finish().ValueOrDie())), "\"[\"\"q\\\"\"\\\\,\"\",null]\"\n\"[]\"\n");
}

// --- writers ---

struct Collected {
  std::string text;
  ByteSink Sink() {
    return [this](std::span<const uint8_t> bytes) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return Status::OK();
    };
  }
};

std::string WriteBatches(RowFormat format, const std::shared_ptr<arrow::Schema>& schema, const std::vector<Batch>& batches) {
  Collected out;
  auto writer = RowWriter::Make(format, schema, out.Sink());
  EXPECT_TRUE(writer.ok()) << writer.status().ToString();
  if (!writer.ok()) return "";
  for (const Batch& batch : batches) {
    const Status status = (*writer)->Write(*batch);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_TRUE((*writer)->Finish().ok());
  return out.text;
}

TEST(RowWriter, TextForms) {
  const Batch batch = One(Ints({1, std::nullopt}));
  const Batch empty = batch->Slice(0, 0);
  EXPECT_EQ(WriteBatches(RowFormat::kJsonl, batch->schema(), {batch, empty, batch}),
            "{\"a\":1}\n{\"a\":null}\n{\"a\":1}\n{\"a\":null}\n");
  EXPECT_EQ(WriteBatches(RowFormat::kJson, batch->schema(), {empty, batch, empty, batch->Slice(0, 1)}),
            "[\n{\"a\":1},\n{\"a\":null},\n{\"a\":1}\n]\n");
  EXPECT_EQ(WriteBatches(RowFormat::kJson, batch->schema(), {}), "[]\n");
  EXPECT_EQ(WriteBatches(RowFormat::kJson, batch->schema(), {empty}), "[]\n");
  EXPECT_EQ(WriteBatches(RowFormat::kCsv, batch->schema(), {}), "a\n");
  EXPECT_EQ(WriteBatches(RowFormat::kCsv, batch->schema(), {batch}), "a\n1\n\n");
  const auto odd = arrow::schema(
      {arrow::field("x,y", arrow::int32()), arrow::field("", arrow::int32()), arrow::field("t\tt", arrow::int32())});
  EXPECT_EQ(WriteBatches(RowFormat::kCsv, odd, {}), "\"x,y\",\"\",t\tt\n");
  EXPECT_EQ(WriteBatches(RowFormat::kTsv, odd, {}), "x,y\t\"\"\t\"t\tt\"\n");
}

TEST(RowWriter, ManyRowsArriveInPieces) {
  arrow::Int32Builder builder;
  std::string want;
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(builder.Append(i).ok());
    want += InObject(std::to_string(i));
  }
  const Batch batch = One(builder.Finish().ValueOrDie());
  EXPECT_TRUE(WriteBatches(RowFormat::kJsonl, batch->schema(), {batch}) == want);
}

TEST(RowWriter, SinkFailureComesBackAsItWas) {
  const Batch batch = One(Ints({1}));
  for (const RowFormat format :
       {RowFormat::kJsonl, RowFormat::kCsv, RowFormat::kArrowStream, RowFormat::kArrowFile, RowFormat::kParquet}) {
    auto writer = RowWriter::Make(format, batch->schema(),
                                  [](std::span<const uint8_t>) { return Status::ResourceExhausted("spill is full"); });
    Status status = writer.status();
    if (writer.ok()) status = (*writer)->Write(*batch);
    if (status.ok()) status = (*writer)->Finish();
    EXPECT_TRUE(status.Is(StatusCode::kResourceExhausted)) << RowFormatSuffix(format) << ": " << status.ToString();
  }
}

// Fragments bring their own dictionaries; a file may only extend its first.
TEST(RowWriter, ArrowFileMergesDictionaries) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  auto batch = [&](const std::vector<std::optional<std::string>>& values, const std::vector<std::optional<int8_t>>& indices) {
    const auto dictionary =
        std::make_shared<arrow::DictionaryArray>(type, Make<arrow::Int8Builder>(arrow::int8(), indices), Strings(values));
    const auto nested = arrow::StructArray::Make({dictionary}, std::vector<std::string>{"x"}).ValueOrDie();
    return BatchOf({arrow::field("d", type), arrow::field("s", nested->type())}, {dictionary, nested});
  };
  const std::vector<Batch> batches{batch({"a", "b"}, {0, 1, std::nullopt}), batch({"b", "c"}, {0, 1}), batch({"a"}, {0}),
                                   batch({"b", "c"}, {1, 0}), batch({std::nullopt, "z"}, {0, 1})};
  std::string want;
  for (const Batch& one : batches) want += Jsonl(*one);
  const std::string file = WriteBatches(RowFormat::kArrowFile, batches[0]->schema(), batches);
  auto source = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file));
  auto reader = arrow::ipc::RecordBatchFileReader::Open(source);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  std::string got;
  for (int i = 0; i < (*reader)->num_record_batches(); ++i) {
    auto read = (*reader)->ReadRecordBatch(i);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE((*read)->schema()->Equals(*batches[0]->schema()));
    got += Jsonl(**read);
  }
  EXPECT_EQ(got, want);
}

TEST(RowWriter, ArrowFileRefusesADictionaryThatOutgrowsItsIndices) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  auto batch = [&](const std::string& prefix) {
    std::vector<std::optional<std::string>> values;
    for (int i = 0; i < 100; ++i) values.push_back(prefix + std::to_string(i));
    const auto indices = Make<arrow::Int8Builder>(arrow::int8(), std::vector<std::optional<int8_t>>{99});
    return One(std::make_shared<arrow::DictionaryArray>(type, indices, Strings(values)), "many");
  };
  Collected out;
  auto writer = RowWriter::Make(RowFormat::kArrowFile, batch("a")->schema(), out.Sink());
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(*batch("a")).ok());
  const Status status = (*writer)->Write(*batch("b"));
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("'many'"), std::string::npos) << status.message();
}

TEST(RowFormats, Suffixes) {
  for (const char* suffix : {"jsonl", "json", "csv", "tsv", "arrow", "arrows", "parquet"}) {
    const auto format = RowFormatFromSuffix(suffix);
    ASSERT_TRUE(format.has_value()) << suffix;
    EXPECT_EQ(RowFormatSuffix(*format), suffix);
  }
  EXPECT_EQ(RowFormatFromSuffix("ndjson"), RowFormat::kJsonl);
  EXPECT_EQ(RowFormatFromSuffix("feather"), RowFormat::kArrowFile);
  EXPECT_EQ(RowFormatFromSuffix("ipc"), RowFormat::kArrowFile);
  EXPECT_EQ(RowFormatFromSuffix("txt"), std::nullopt);
  EXPECT_TRUE(RowFormatStreams(RowFormat::kArrowStream));
  EXPECT_FALSE(RowFormatStreams(RowFormat::kArrowFile));
  EXPECT_FALSE(RowFormatStreams(RowFormat::kParquet));
}

// The longest texts of each type stay below the estimate.
TEST(RowEstimate, NeverLessThanTheTruth) {
  auto check = [](const std::shared_ptr<Array>& array, uint64_t data_bytes = 0) {
    const Batch batch = One(array, "na\"me");
    const struct {
      RowFormat format;
      std::string text;
    } outputs[] = {{RowFormat::kJsonl, Jsonl(*batch)}, {RowFormat::kCsv, Csv(*batch)}};
    for (const auto& output : outputs) {
      const uint64_t bound = EstimateRowBytes(output.format, *batch->schema()) * static_cast<uint64_t>(batch->num_rows()) +
                             data_bytes * TextPerDataByte(output.format, *batch->schema());
      EXPECT_LE(output.text.size(), bound) << array->type()->ToString();
    }
  };
  check(Make<arrow::Int64Builder>(arrow::int64(), std::vector<std::optional<int64_t>>{INT64_MIN}));
  check(Make<arrow::Int8Builder>(arrow::int8(), std::vector<std::optional<int8_t>>{-128}));
  check(Make<arrow::DoubleBuilder>(arrow::float64(), std::vector<std::optional<double>>{-1.7976931348623157e308}));
  check(Make<arrow::DoubleBuilder>(arrow::float64(), std::vector<std::optional<double>>{-0.00012345678901234567}));
  check(Make<arrow::FloatBuilder>(arrow::float32(), std::vector<std::optional<float>>{-9.999999e15f}));
  check(Make<arrow::Date32Builder>(arrow::date32(), std::vector<std::optional<int32_t>>{INT32_MIN}));
  check(Make<arrow::Date64Builder>(arrow::date64(), std::vector<std::optional<int64_t>>{INT64_MIN}));
  for (const auto unit : {arrow::TimeUnit::SECOND, arrow::TimeUnit::MILLI, arrow::TimeUnit::MICRO, arrow::TimeUnit::NANO}) {
    check(Make<arrow::TimestampBuilder>(arrow::timestamp(unit, "UTC"), std::vector<std::optional<int64_t>>{INT64_MIN}));
  }
  check(Make<arrow::Time64Builder>(arrow::time64(arrow::TimeUnit::NANO), std::vector<std::optional<int64_t>>{INT64_MIN}));
  check(Make<arrow::Time64Builder>(arrow::time64(arrow::TimeUnit::MICRO), std::vector<std::optional<int64_t>>{INT64_MIN}));
  check(Strings({std::string(1000, '\x01')}), 1000);
  check(Strings({std::nullopt, ""}), 0);
  arrow::ListBuilder bools(arrow::default_memory_pool(), std::make_shared<arrow::BooleanBuilder>());
  ASSERT_TRUE(bools.Append().ok());
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(static_cast<arrow::BooleanBuilder*>(bools.value_builder())->Append(false).ok());
  check(bools.Finish().ValueOrDie(), 100);
}

// --- binary JSON ---

std::string FromHex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}
Result<std::string> JsonbText(const std::string& bytes) {
  std::string out;
  LANCEFS_RETURN_NOT_OK(AppendJsonbText({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, &out));
  return out;
}
std::string Jsonb(const std::string& hex) {
  auto text = JsonbText(FromHex(hex));
  return text.ok() ? *text : text.status().ToString();
}

TEST(Jsonb, ScalarsAndContainers) {
  EXPECT_EQ(Jsonb(""), "null");
  EXPECT_EQ(Jsonb("2000000000000000"), "null");
  EXPECT_EQ(Jsonb("2000000040000000"), "true");
  EXPECT_EQ(Jsonb("2000000030000000"), "false");
  EXPECT_EQ(Jsonb("200000002000000100"), "0");
  EXPECT_EQ(Jsonb("200000002000000240ff"), "-1");
  EXPECT_EQ(Jsonb("200000002000000950ffffffffffffffff"), "18446744073709551615");
  EXPECT_EQ(Jsonb("2000000020000009603ff8000000000000"), "1.5");
  EXPECT_EQ(Jsonb("200000002000000a70000000000000303902"), "123.45");
  EXPECT_EQ(Jsonb("2000000010000002610a"), "\"a\\n\"");
  EXPECT_EQ(Jsonb("80000000"), "[]");
  EXPECT_EQ(Jsonb("40000000"), "{}");
  EXPECT_EQ(Jsonb("8000000200000000200000025001"), "[null,1]");
  EXPECT_EQ(Jsonb("400000011000000150000004"
                  "61"
                  "80000000"),
            "{\"a\":[]}");
  EXPECT_EQ(Jsonb("2000000060000005"
                  "1000000000"),
            "\"1970-01-01\"");
  EXPECT_EQ(Jsonb("2000000060000003"
                  "00abcd"),
            "\"ABCD\"");
}

TEST(Jsonb, TextIsTakenAsText) {
  EXPECT_EQ(*JsonbText("{\"a\":1}"), "{\"a\":1}");
  EXPECT_EQ(*JsonbText("[1,2,3]"), "[1,2,3]");
  EXPECT_EQ(*JsonbText("12345678"), "12345678");
}

TEST(Jsonb, DamageIsAnErrorAtEveryCut) {
  const std::string whole = FromHex(
      "400000011000000150000010"
      "61"
      "8000000220000002"
      "20000002"
      "5001"
      "4002");
  ASSERT_TRUE(JsonbText(whole).ok());
  EXPECT_EQ(*JsonbText(whole), "{\"a\":[1,2]}");
  for (size_t n = 4; n < whole.size(); ++n) EXPECT_TRUE(JsonbText(whole.substr(0, n)).status().Is(StatusCode::kCorruption)) << n;
  std::string deep;
  for (int i = 0; i < 5000; ++i) {
    // An array around what follows: lengths do not matter, as the depth is refused first.
    std::string outer = FromHex("8000000150000000");
    const auto size = static_cast<uint32_t>(8 * (5000 - i - 1));
    outer[5] = static_cast<char>(size >> 16);
    outer[6] = static_cast<char>(size >> 8);
    outer[7] = static_cast<char>(size);
    deep += outer;
  }
  EXPECT_TRUE(JsonbText(deep).status().Is(StatusCode::kCorruption));
}

TEST(Jsonb, ColumnsOfLanceJson) {
  const auto type = arrow::large_binary();
  const auto array =
      Make<arrow::LargeBinaryBuilder>(type, std::vector<std::optional<std::string>>{FromHex("400000011000000150000004"
                                                                                            "61"
                                                                                            "80000000"),
                                                                                    std::nullopt});
  const auto field = arrow::field("j", type, true, arrow::key_value_metadata({"ARROW:extension:name"}, {"lance.json"}));
  EXPECT_EQ(Jsonl(*BatchOf({field}, {array})), "{\"j\":\"{\\\"a\\\":[]}\"}\n{\"j\":null}\n");
  EXPECT_EQ(Csv(*BatchOf({field}, {array})), "\"{\"\"a\"\":[]}\"\n\n");
  const auto bad = Make<arrow::LargeBinaryBuilder>(type, std::vector<std::optional<std::string>>{FromHex("40000001")});
  std::string out;
  const Status status = RenderJsonl(*BatchOf({field}, {bad}), &out);
  EXPECT_TRUE(status.Is(StatusCode::kCorruption));
  EXPECT_NE(status.message().find("'j', row 0"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace lancefs
