// SPDX-License-Identifier: Apache-2.0
//
// Files of version 0.1 made by hand: every kind of page, reading parts of them, and broken ones.
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <gtest/gtest.h>

#include <random>

#include "backends/memory_store.h"
#include "backends/metered_store.h"
#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/file.pb.h"
#include "engine/format/v1/dictionary.h"
#include "engine/format/v1/statistics.h"

namespace lancefs {
namespace {

template <typename T>
std::string Packed(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}
std::string Message(const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  return Packed<uint32_t>({static_cast<uint32_t>(bytes.size())}) + bytes;
}

// A file under construction; fields 0 to `fields` - 1.
class FileMaker {
 public:
  FileMaker(std::vector<int32_t> batch_offsets, size_t fields)
      : offsets_(std::move(batch_offsets)), fields_(fields), table_(fields * Batches() * 2, 0) {}

  void Page(size_t field, size_t batch, const std::string& bytes, uint64_t length) {
    Entry(field, batch, bytes_.size(), length);
    bytes_ += bytes;
  }
  void Strings(size_t field, size_t batch, const std::vector<std::string>& values) {
    std::vector<uint64_t> places = {bytes_.size()};
    for (const std::string& value : values) {
      bytes_ += value;
      places.push_back(bytes_.size());
    }
    Entry(field, batch, bytes_.size(), values.size());
    bytes_ += Packed(places);
  }
  void Entry(size_t field, size_t batch, uint64_t position, uint64_t length) {
    table_[(field * Batches() + batch) * 2] = position;
    table_[(field * Batches() + batch) * 2 + 1] = length;
  }
  uint64_t size() const { return bytes_.size(); }
  uint64_t Raw(const std::string& bytes) {
    bytes_ += bytes;
    return bytes_.size() - bytes.size();
  }
  void set_statistics(const pb::LegacyStatistics& statistics) { statistics_ = statistics.SerializeAsString(); }
  std::string Finish(uint16_t minor = 2) const {
    std::string file = bytes_;
    pb::LegacyMetadata metadata;
    for (const int32_t offset : offsets_) metadata.add_batch_offsets(offset);
    metadata.set_page_table_position(file.size());
    metadata.set_statistics(statistics_);
    file += Packed(table_);
    const uint64_t position = file.size();
    file += Message(metadata) + Packed<uint64_t>({position}) + Packed<uint16_t>({0, minor});
    return file + "LANC";
  }

 private:
  size_t Batches() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  std::vector<int32_t> offsets_;
  size_t fields_;
  std::vector<uint64_t> table_;
  std::string bytes_ = "x";  // pages stand unaligned
  std::string statistics_;
};

Field MakeField(const std::string& logical_type, int32_t id = 0, std::vector<Field> children = {}) {
  Field field;
  field.id = id;
  field.name = "f" + std::to_string(id);
  field.logical_type = logical_type;
  field.children = std::move(children);
  field.type = *TypeFromLogical(logical_type, field.children);
  return field;
}

Result<std::shared_ptr<LanceFile>> OpenBytes(const std::string& bytes) {
  const auto store = MakeMemoryStore();
  LANCEFS_RETURN_NOT_OK(store->Put("f.lance", Bytes::FromString(bytes), OpContext()));
  return LanceFile::Open(store, "f.lance", 0, OpContext());
}

Result<std::unique_ptr<ColumnRead>> StartRead(const std::shared_ptr<LanceFile>& file, const Field& field, RowSelection rows) {
  FieldColumns columns;
  field.ForEach([&](const Field& each) { columns[each.id] = static_cast<uint32_t>(each.id); });
  const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
  LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns(indices, OpContext()));
  ColumnInfos by_index;
  for (size_t i = 0; i < indices.size(); ++i) by_index[indices[i]] = infos[i];
  return MakeColumnRead(file, field, columns, by_index, std::move(rows));
}

Result<std::shared_ptr<arrow::Array>> ReadField(const std::string& bytes, const Field& field, RowSelection rows = {}) {
  LANCEFS_ASSIGN_OR_RETURN(const auto file, OpenBytes(bytes));
  if (rows.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t count, file->CountRows(OpContext()));
    if (count > 0) rows = {{0, count}};
  }
  std::vector<std::unique_ptr<ColumnRead>> reads(1);
  LANCEFS_ASSIGN_OR_RETURN(reads[0], StartRead(file, field, std::move(rows)));
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), OpContext()));
  LANCEFS_ARROW_NOT_OK(arrays[0]->ValidateFull());
  return arrays[0];
}

// The values as text, "null" for nulls; the error's text where there is one.
std::string Text(const Result<std::shared_ptr<arrow::Array>>& array) {
  if (!array.ok()) return "error: " + array.status().ToString();
  std::string text;
  for (int64_t i = 0; i < (*array)->length(); ++i) text += (i == 0 ? "" : " ") + (*(*array)->GetScalar(i))->ToString();
  return text;
}
std::string Read(const std::string& bytes, const Field& field, RowSelection rows = {}) {
  return Text(ReadField(bytes, field, std::move(rows)));
}
void ExpectError(const std::string& bytes, const Field& field, const std::string& what) {
  const std::string text = Read(bytes, field);
  EXPECT_TRUE(text.starts_with("error:") && text.find(what) != std::string::npos) << text << " should say " << what;
}

std::string Numbers() {
  FileMaker file({0, 3, 3, 8}, 1);
  file.Page(0, 0, Packed<int32_t>({1, 2, 3}), 3);
  file.Page(0, 2, Packed<int32_t>({4, 5, 6, 7, 8}), 5);
  return file.Finish();
}

TEST(LegacyPages, NumbersInBatches) {
  const Field field = MakeField("int32");
  EXPECT_EQ(Read(Numbers(), field), "1 2 3 4 5 6 7 8");
  EXPECT_EQ(Read(Numbers(), field, {{1, 2}, {2, 5}, {7, 8}}), "2 3 4 5 8");
  EXPECT_EQ(Read(Numbers(), field, {{5, 7}}), "6 7");
  ExpectError(FileMaker({0, 2}, 1).Finish(), field, "values up to 2 are wanted but the page has 0");
  EXPECT_NE(Read(Numbers(), field, {{7, 9}}).find("rows up to 9 are wanted but it has 8"), std::string::npos);
  EXPECT_EQ(Read(FileMaker({}, 1).Finish(), field), "");
  EXPECT_EQ(Read(FileMaker({0}, 1).Finish(), field), "");
}

TEST(LegacyPages, VersionsZeroToTwo) {
  FileMaker file({0, 1}, 1);
  file.Page(0, 0, Packed<int64_t>({-1}), 1);
  for (const uint16_t minor : {0, 1, 2}) EXPECT_EQ(Read(file.Finish(minor), MakeField("int64")), "-1");
  ExpectError(file.Finish(4), MakeField("int64"), "0.4");
}

TEST(LegacyPages, OnlyWhatIsWantedIsRead) {
  FileMaker file({0, 1000, 2000}, 2);
  std::vector<int64_t> numbers(1000);
  std::vector<std::string> strings(1000, "string");
  for (size_t i = 0; i < 1000; ++i) numbers[i] = static_cast<int64_t>(i);
  file.Page(0, 0, Packed(numbers), 1000);
  file.Strings(1, 0, strings);
  const uint64_t second = file.size();
  file.Page(0, 1, Packed(numbers), 1000);
  file.Strings(1, 1, strings);
  auto opened = OpenBytes(file.Finish());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  auto read = StartRead(*opened, MakeField("int64"), {{1500, 1502}});
  ASSERT_TRUE(read.ok());
  auto reads = (*read)->NextReads();
  ASSERT_TRUE(reads.ok());
  ASSERT_EQ(reads->size(), 1U);
  EXPECT_EQ((*reads)[0].offset, second + 500 * 8);
  EXPECT_EQ((*reads)[0].length, 16U);
  read = StartRead(*opened, MakeField("string", 1), {{1500, 1502}});
  ASSERT_TRUE(read.ok());
  reads = (*read)->NextReads();
  ASSERT_TRUE(reads.ok());
  ASSERT_EQ(reads->size(), 1U);
  EXPECT_EQ((*reads)[0].length, 3U * 8);  // two places and one more
  auto answers = (*opened)->ReadRangesAsync(*reads, OpContext()).Get(OpContext());
  ASSERT_TRUE(answers.ok() && (*read)->Supply(*answers).ok());
  reads = (*read)->NextReads();
  ASSERT_TRUE(reads.ok());
  ASSERT_EQ(reads->size(), 1U);
  EXPECT_EQ((*reads)[0].length, 12U);  // two strings
}

// What a read of `field` asks for first.
std::vector<ByteRange> FirstReads(const std::shared_ptr<LanceFile>& file, const Field& field, RowSelection rows) {
  auto read = StartRead(file, field, std::move(rows));
  if (!read.ok()) return {};
  auto reads = (*read)->NextReads();
  return reads.ok() ? *reads : std::vector<ByteRange>();
}

TEST(LegacyPages, RowsWithin64KiBOfTheFirstAreReadAtOnce) {
  constexpr int32_t kRows = 40'000;
  FileMaker file({0, kRows, 2 * kRows}, 3);
  std::vector<int64_t> numbers(kRows);
  std::vector<int32_t> offsets(kRows + 1);
  for (size_t i = 0; i < kRows; ++i) numbers[i] = static_cast<int64_t>(i);
  for (size_t i = 0; i <= kRows; ++i) offsets[i] = static_cast<int32_t>(i / 2);
  for (size_t batch = 0; batch < 2; ++batch) {
    file.Page(0, batch, Packed(numbers), kRows);
    file.Page(1, batch, Packed(offsets), kRows + 1);
    file.Page(2, batch, Packed(numbers), kRows / 2);
  }
  auto opened = OpenBytes(file.Finish());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const Field number = MakeField("int64");
  const RowSelection near = {{10, 11}, {500, 502}, {8202, 8203}};
  auto reads = FirstReads(*opened, number, near);
  ASSERT_EQ(reads.size(), 1U);
  EXPECT_EQ(reads[0].length, (8203U - 10) * 8);
  EXPECT_EQ(Read(file.Finish(), number, near), "10 500 501 8202");
  const RowSelection far = {{10, 11}, {8203, 8204}, {39'999, 40'001}};
  EXPECT_EQ(FirstReads(*opened, number, far).size(), 4U) << "two batches have no page together";
  EXPECT_EQ(Read(file.Finish(), number, far), "10 8203 39999 0");

  // All offsets at once, but every list for itself.
  const Field list = MakeField("list", 1, {MakeField("int64", 2)});
  const RowSelection rows = {{11, 12}, {8205, 8206}, {30'001, 30'002}};
  auto read = StartRead(*opened, list, rows);
  ASSERT_TRUE(read.ok());
  auto places = (*read)->NextReads();
  ASSERT_TRUE(places.ok());
  ASSERT_EQ(places->size(), 1U);
  auto answers = (*opened)->ReadRangesAsync(*places, OpContext()).Get(OpContext());
  ASSERT_TRUE(answers.ok() && (*read)->Supply(*answers).ok());
  auto items = (*read)->NextReads();
  ASSERT_TRUE(items.ok());
  ASSERT_EQ(items->size(), 3U);
  for (const ByteRange& item : *items) EXPECT_EQ(item.length, 8U);
  const auto lists = ReadField(file.Finish(), list, rows);
  ASSERT_TRUE(lists.ok());
  EXPECT_EQ((*lists)->ToString(), "[\n  [\n    5\n  ],\n  [\n    4102\n  ],\n  [\n    15000\n  ]\n]");
}

TEST(LegacyPages, TheRowsBetweenAreNotReadForOneRowOfManyColumns) {
  constexpr size_t kFields = 60;
  FileMaker file({0, 1024}, kFields);
  std::vector<int64_t> numbers(1024);
  for (size_t field = 0; field < kFields; ++field) {
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(field * 10'000 + i);
    file.Page(field, 0, Packed(numbers), numbers.size());
    // Gaps of 8 KiB, and small ones that cost less than a request.
    if (field < 10) file.Raw(std::string(8, 'x'));
  }
  file.Raw(std::string(100'000, 'x'));  // nothing stands in the tail
  Metrics metrics;
  const auto store = MakeMeteredStore(MakeMemoryStore(), &metrics);
  ASSERT_TRUE(store->Put("f.lance", Bytes::FromString(file.Finish()), OpContext()).ok());
  auto opened = LanceFile::Open(store, "f.lance", 0, OpContext());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const auto cost = [&](const RowSelection& rows) {
    std::vector<std::unique_ptr<ColumnRead>> reads;
    for (size_t field = 0; field < kFields; ++field)
      reads.push_back(StartRead(*opened, MakeField("int64", static_cast<int32_t>(field)), rows).MoveValue());
    const uint64_t requests = metrics.counter("lancefs_store_get_requests_total");
    const uint64_t bytes = metrics.counter("lancefs_store_bytes_read_total");
    const auto arrays = RunColumnReads(*opened, std::move(reads), OpContext());
    EXPECT_TRUE(arrays.ok()) << arrays.status().ToString();
    for (size_t field = 0; arrays.ok() && field < kFields; ++field)
      EXPECT_EQ((*(*arrays)[field]->GetScalar(0))->ToString(), std::to_string(field * 10'000 + rows[0].start));
    return std::pair(metrics.counter("lancefs_store_get_requests_total") - requests,
                     metrics.counter("lancefs_store_bytes_read_total") - bytes);
  };
  EXPECT_EQ(cost({{1000, 1001}}), std::pair(uint64_t{kFields}, uint64_t{kFields * 8}));
  // Next to whole pages: little stands between them.
  const auto [requests, bytes] = cost({{0, 1023}});
  EXPECT_EQ(requests, 1U);
  EXPECT_EQ(bytes, kFields * 1024 * 8 + 10 * 8 - 8);
}

TEST(LegacyPages, Booleans) {
  FileMaker file({0, 10, 13}, 2);
  file.Page(0, 0, std::string("\x0f\x02", 2), 10);  // 1111 0000 01
  file.Page(0, 1, std::string("\x05", 1), 3);
  file.Page(1, 0, std::string("\x55\x55\x55\x55", 4), 10);  // lists of 3 bits
  file.Page(1, 1, std::string("\xff\x01", 2), 3);
  EXPECT_EQ(Read(file.Finish(), MakeField("bool"), {{2, 5}, {9, 12}}), "true true false true true false");
  EXPECT_EQ(Read(file.Finish(), MakeField("fixed_size_list:bool:3", 1), {{1, 2}, {9, 11}}),
            "fixed_size_list<item: bool>[3][false, true, false] fixed_size_list<item: bool>[3][false, true, false] "
            "fixed_size_list<item: bool>[3][true, true, true]");
}

TEST(LegacyPages, StringsWithoutBytesAreNullWhereTheyMay) {
  FileMaker file({0, 3, 5}, 1);
  file.Strings(0, 0, {"a", "", "bcd"});
  file.Strings(0, 1, {"", "e"});
  for (const char* type : {"string", "large_string", "binary", "large_binary"}) {
    Field field = MakeField(type);
    const auto array = ReadField(file.Finish(), field);
    ASSERT_TRUE(array.ok()) << array.status().ToString();
    EXPECT_EQ((*array)->null_count(), 2);
    EXPECT_TRUE((*array)->IsNull(1) && (*array)->IsNull(3));
    field.nullable = false;
    const auto filled = ReadField(file.Finish(), field);
    ASSERT_TRUE(filled.ok());
    EXPECT_EQ((*filled)->null_count(), 0);
  }
  EXPECT_EQ(Read(file.Finish(), MakeField("string"), {{0, 1}, {2, 3}, {4, 5}}), "a bcd e");
}

TEST(LegacyPages, Lists) {
  FileMaker file({0, 3, 4}, 2);
  file.Page(0, 0, Packed<int32_t>({0, 2, 2, 3}), 4);
  file.Strings(1, 0, {"a", "b", "c"});
  file.Page(0, 1, Packed<int32_t>({0, 1}), 2);
  file.Strings(1, 1, {"d"});
  const Field list = MakeField("list", 0, {MakeField("string", 1)});
  auto array = ReadField(file.Finish(), list);
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  EXPECT_EQ((*array)->ToString(), "[\n  [\n    \"a\",\n    \"b\"\n  ],\n  [],\n  [\n    \"c\"\n  ],\n  [\n    \"d\"\n  ]\n]");
  array = ReadField(file.Finish(), list, {{0, 1}, {2, 4}});
  ASSERT_TRUE(array.ok());
  EXPECT_EQ((*array)->ToString(), "[\n  [\n    \"a\",\n    \"b\"\n  ],\n  [\n    \"c\"\n  ],\n  [\n    \"d\"\n  ]\n]");

  FileMaker large({0, 2}, 4);
  large.Page(0, 0, Packed<int64_t>({0, 1, 3}), 3);
  large.Page(2, 0, Packed<int32_t>({1, 2, 3}), 3);
  large.Page(3, 0, std::string("\x05", 1), 3);
  const Field item = MakeField("struct", 1, {MakeField("int32", 2), MakeField("bool", 3)});
  array = ReadField(large.Finish(), MakeField("large_list.struct", 0, {item}), {{1, 2}});
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  EXPECT_EQ((*(*array)->GetScalar(0))->ToString().find("null"), std::string::npos);
  EXPECT_EQ((*array)->data()->child_data[0]->length, 2);
}

TEST(LegacyPages, OtherTypes) {
  FileMaker file({0, 2}, 5);
  file.Page(0, 0, "abcdef", 2);
  file.Page(1, 0, Packed<int64_t>({12345, 0, -1, -1}), 2);
  file.Page(2, 0, Packed<float>({1, 2, 3, 4, 5, 6, 7, 8}), 2);
  file.Page(3, 0, Packed<int64_t>({0, 1'000'000}), 2);
  EXPECT_EQ(Read(file.Finish(), MakeField("fixed_size_binary:3")), "abc def");
  EXPECT_EQ(Read(file.Finish(), MakeField("decimal:128:10:2", 1)), "123.45 -0.01");
  const auto nested = ReadField(file.Finish(), MakeField("fixed_size_list:fixed_size_list:float:2:2", 2), {{1, 2}});
  ASSERT_TRUE(nested.ok()) << nested.status().ToString();
  EXPECT_EQ((*nested)->length(), 1);
  EXPECT_EQ(Read(file.Finish(), MakeField("timestamp:us:-", 3)), "1970-01-01 00:00:00.000000 1970-01-01 00:00:01.000000");
  EXPECT_EQ(Read(file.Finish(), MakeField("null", 4)), "null null");
  ExpectError(file.Finish(), MakeField("fixed_size_list:string:2"), "cannot stand in files of version 0.1");
}

// The bytes of a manifest file that holds the dictionary `values` at `offset`.
pb::Field DictionaryMessage(const std::string& type, int64_t offset, int64_t length) {
  pb::Field message;
  message.set_id(0);
  message.set_logical_type(type);
  message.mutable_dictionary()->set_offset(offset);
  message.mutable_dictionary()->set_length(length);
  return message;
}
v1::Dictionaries ReadOne(const std::string& file, const pb::Field& message) {
  google::protobuf::RepeatedPtrField<pb::Field> fields;
  *fields.Add() = message;
  return v1::ReadDictionaries(Bytes::FromString(file), fields);
}

TEST(LegacyPages, Dictionaries) {
  const std::string manifest = "..redblue" + Packed<uint64_t>({2, 5, 5, 9}) + Packed<int32_t>({7, 8});
  Field field = MakeField("dict:string:int8:false");
  v1::Dictionaries found = ReadOne(manifest, DictionaryMessage(field.logical_type, 9, 3));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(Text(found[0]), "red null blue");
  FileMaker file({0, 4}, 1);
  file.Page(0, 0, Packed<int8_t>({2, 0, 1, 2}), 4);
  ExpectError(file.Finish(), field, "the manifest does not hold the values of its dictionary");
  field.dictionary = found[0];
  const auto array = ReadField(file.Finish(), field);
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  arrow::compute::Initialize().ok();
  EXPECT_EQ(Text(*arrow::compute::Cast(**array, arrow::utf8())), "blue red null blue");
  for (const int8_t key : {3, -1}) {
    FileMaker bad({0, 1}, 1);
    bad.Page(0, 0, Packed<int8_t>({key}), 1);
    ExpectError(bad.Finish(), field, "a key lies outside the dictionary of 3 values");
  }
  found = ReadOne(manifest, DictionaryMessage("dict:int32:int8:false", 41, 2));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(Text(found[0]), "7 8");
}

TEST(LegacyPages, BrokenDictionaries) {
  const std::string type = "dict:string:int8:false";
  const std::string good = "..redblue" + Packed<uint64_t>({2, 5, 5, 9});
  EXPECT_EQ(ReadOne(good, DictionaryMessage(type, 9, 3)).size(), 1U);
  for (const auto& [offset, length] : std::vector<std::pair<int64_t, int64_t>>{
           {9, 4}, {10, 3}, {-1, 3}, {9, -1}, {INT64_MAX, 3}, {9, INT64_MAX}, {9, INT64_MAX / 8}, {1000, 0}}) {
    EXPECT_TRUE(ReadOne(good, DictionaryMessage(type, offset, length)).empty()) << offset << " " << length;
  }
  for (const std::vector<uint64_t>& places : std::vector<std::vector<uint64_t>>{
           {2, 5, 4, 9}, {5, 2, 5, 9}, {2, 5, 5, 900}, {UINT64_MAX, 0, 0, 0}, {2, UINT64_MAX, 5, 9}}) {
    EXPECT_TRUE(ReadOne("..redblue" + Packed(places), DictionaryMessage(type, 9, 3)).empty());
  }
  for (const int64_t length : {int64_t{5}, INT64_MAX, INT64_MAX / 8})
    EXPECT_TRUE(ReadOne(good, DictionaryMessage("dict:int64:int8:false", 9, length)).empty()) << length;
  EXPECT_TRUE(ReadOne(good, DictionaryMessage("dict:nonsense:int8:false", 9, 3)).empty());
  EXPECT_TRUE(ReadOne(good, DictionaryMessage("dict:list:int8:false", 9, 3)).empty());
}

TEST(LegacyPages, BlobsAsDescriptors) {
  FileMaker file({0, 3}, 1);
  const uint64_t start = file.size();
  file.Strings(0, 0, {"abc", "", "de"});
  Field field = MakeField("large_binary");
  field.metadata["lance-encoding:blob"] = "true";
  EXPECT_EQ(Read(file.Finish(), field), "abc null de");
  const auto array = ReadField(file.Finish(), WithBlobDescriptors(field), {{0, 3}});
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  ASSERT_TRUE((*array)->type()->Equals(*BlobDescriptorType()));
  EXPECT_TRUE((*array)->IsNull(1) && (*array)->IsValid(2));
  const auto& places = static_cast<const arrow::StructArray&>(**array);
  EXPECT_EQ(places.field(1)->ToString(),
            "[\n  " + std::to_string(start) + ",\n  " + std::to_string(start + 3) + ",\n  " + std::to_string(start + 3) + "\n]");
  EXPECT_EQ(places.field(2)->ToString(), "[\n  3,\n  0,\n  2\n]");
}

// Statistics of fields 7 and 9; that of 9 has no null counts.
pb::LegacyStatistics Statistics() {
  pb::LegacyStatistics statistics;
  auto add = [&](int32_t id, int32_t parent, const std::string& name, const std::string& type) {
    pb::Field* field = statistics.add_schema();
    field->set_id(id);
    field->set_parent_id(parent);
    field->set_name(name);
    field->set_logical_type(type);
  };
  add(0, -1, "9", "struct");
  add(1, 0, "min_value", "int32");
  add(2, -1, "7", "struct");
  add(3, 2, "null_count", "int64");
  return statistics;
}
std::string NullsOf(const std::string& bytes) {
  const auto file = OpenBytes(bytes);
  if (!file.ok()) return file.status().ToString();
  const auto nulls = v1::ReadBatchNulls(*file, {7, 8, 9}, OpContext());
  if (!nulls.ok()) return nulls.status().ToString();
  std::string text;
  for (const auto& [field, batches] : *nulls) {
    text += std::to_string(field) + ":";
    for (const v1::Nulls each : batches) text += each == v1::Nulls::kNone ? "n" : each == v1::Nulls::kAll ? "a" : "?";
  }
  return text;
}

TEST(LegacyStatistics, NullsOfBatches) {
  FileMaker file({0, 3, 6, 9, 9}, 1);
  pb::LegacyStatistics statistics = Statistics();
  const uint64_t counts = file.Raw(Packed<int64_t>({0, 3, 1, 0}));
  statistics.set_page_table_position(file.Raw(Packed<uint64_t>({0, 0, 0, 0, 0, 0, counts, 4})));
  file.set_statistics(statistics);
  EXPECT_EQ(NullsOf(file.Finish()), "7:na?n");
  EXPECT_EQ(NullsOf(Numbers()), "");
  for (const auto& [position, length] : std::vector<std::pair<uint64_t, uint64_t>>{
           {counts, 3}, {counts, 5}, {counts, UINT64_MAX}, {counts, (uint64_t{1} << 61) + 4}, {UINT64_MAX, 4}, {100000, 4}}) {
    statistics.set_page_table_position(file.Raw(Packed<uint64_t>({0, 0, 0, 0, 0, 0, position, length})));
    file.set_statistics(statistics);
    EXPECT_EQ(NullsOf(file.Finish()), "") << position << " " << length;
  }
  for (const uint64_t position : {UINT64_MAX, UINT64_MAX - 40, uint64_t{100000}}) {
    statistics.set_page_table_position(position);
    file.set_statistics(statistics);
    EXPECT_EQ(NullsOf(file.Finish()), "");
  }
  statistics.set_page_table_position(0);
  for (pb::Field& field : *statistics.mutable_schema()) field.set_id(field.id() - 100);
  file.set_statistics(statistics);
  EXPECT_EQ(NullsOf(file.Finish()), "");
}

TEST(LegacyPages, BrokenFooters) {
  const Field field = MakeField("int32");
  const std::string good = Numbers();
  const size_t footer = good.size() - 16;
  auto with_position = [&](uint64_t position) {
    return good.substr(0, footer) + Packed<uint64_t>({position}) + good.substr(footer + 8);
  };
  for (const uint64_t position : {uint64_t{footer}, uint64_t{footer - 3}, uint64_t{good.size()}, UINT64_MAX, UINT64_MAX - 3})
    ExpectError(with_position(position), field, "the footer points outside the file");
  ExpectError(with_position(0), field, "");
  ExpectError(good.substr(good.size() - 16), field, "outside");
  ExpectError("LANC", field, "has only 4 bytes");
  ExpectError(std::string(8, '\0') + std::string("\0\0\2\0LANC", 8), field, "outside");
  for (const std::vector<int32_t>& offsets :
       std::vector<std::vector<int32_t>>{{-1, 3}, {0, -5}, {0, 5, 3}, {1, 2}, {0, INT32_MIN}}) {
    ExpectError(FileMaker(offsets, 1).Finish(), field, "starts at row");
  }
}

TEST(LegacyPages, BrokenTables) {
  const Field field = MakeField("int32");
  ExpectError(Numbers(), MakeField("int32", 100), "the page table has no place for column 100");
  ExpectError(Numbers(), MakeField("int32", INT32_MAX), "the page table has no place");
  const uint64_t places[] = {5000, UINT64_MAX, UINT64_MAX - 7, INT64_MAX};
  for (const uint64_t position : places) {
    FileMaker file({0, 3}, 1);
    file.Entry(0, 0, position, 3);
    ExpectError(file.Finish(), field, "beyond the end");
    ExpectError(file.Finish(), MakeField("string"), "beyond the end");
    ExpectError(file.Finish(), MakeField("bool"), "beyond the end");
    file.Entry(0, 0, position, 4);
    ExpectError(file.Finish(), MakeField("list", 0, {MakeField("int32", 0)}), "beyond the end");
  }
  FileMaker huge({0, INT32_MAX}, 1);
  huge.Entry(0, 0, 0, UINT64_MAX);
  ExpectError(huge.Finish(), field, "beyond the end");
  ExpectError(huge.Finish(), MakeField("string"), "beyond the end");
  ExpectError(huge.Finish(), MakeField("bool"), "beyond the end");
  ExpectError(huge.Finish(), MakeField("fixed_size_list:double:2147483647"), "beyond the end");
  ExpectError(huge.Finish(), MakeField("fixed_size_list:fixed_size_list:double:2147483647:2147483647"), "too wide");
  ExpectError(huge.Finish(), MakeField("list", 0, {MakeField("int32", 0)}), "beyond the end");
}

TEST(LegacyPages, BrokenStrings) {
  for (const std::vector<uint64_t>& places : std::vector<std::vector<uint64_t>>{
           {1, 3, 2, 4}, {4, 3, 2, 1}, {1, 2, 3, 90000}, {UINT64_MAX, 2, 3, 4}, {1, UINT64_MAX, 2, 3}, {0, 0, 0, UINT64_MAX}}) {
    FileMaker file({0, 3}, 1);
    file.Page(0, 0, Packed(places), 3);
    for (const char* type : {"string", "large_binary"}) {
      const std::string text = Read(file.Finish(), MakeField(type));
      EXPECT_TRUE(text.starts_with("error: corruption")) << text;
    }
  }
}

TEST(LegacyPages, BrokenLists) {
  for (const std::vector<int32_t>& offsets : std::vector<std::vector<int32_t>>{
           {0, 2, 1, 3}, {-1, 0, 1, 2}, {0, 1, 2, INT32_MAX}, {INT32_MIN, 0, 0, INT32_MAX}, {5, 5, 5, 4}, {0, 0, 0, 4}}) {
    FileMaker file({0, 3}, 2);
    file.Page(0, 0, Packed(offsets), 4);
    file.Page(1, 0, Packed<int32_t>({1, 2, 3}), 3);
    const std::string text = Read(file.Finish(), MakeField("list", 0, {MakeField("int32", 1)}));
    EXPECT_TRUE(text.starts_with("error: corruption")) << text;
  }
  FileMaker large({0, 1}, 2);
  large.Page(0, 0, Packed<int64_t>({0, INT64_MAX}), 2);
  large.Entry(1, 0, 0, INT64_MAX);
  EXPECT_TRUE(Read(large.Finish(), MakeField("large_list", 0, {MakeField("int32", 1)})).starts_with("error: corruption"));
}

// A small file whose pages all point to the same bytes would otherwise grow without end.
TEST(LegacyPages, PagesThatOverlap) {
  constexpr int kBatches = 2000;
  std::vector<int32_t> offsets;
  for (int i = 0; i <= kBatches; ++i) offsets.push_back(i * 1000);
  FileMaker file(offsets, 1);
  for (size_t i = 0; i < kBatches; ++i) file.Entry(0, i, 0, 1000);
  ExpectError(file.Finish(), MakeField("int64"), "its pages overlap");
  ExpectError(file.Finish(), MakeField("string"), "its pages overlap");
  ExpectError(file.Finish(), MakeField("fixed_size_binary:9"), "its pages overlap");
}

// Bytes that were changed at random give an error or some rows, never a crash.
TEST(LegacyPages, ChangedBytes) {
  FileMaker file({0, 3, 5}, 5);
  file.Page(0, 0, Packed<int32_t>({0, 2, 2, 3}), 4);
  file.Strings(1, 0, {"a", "b", "c"});
  file.Strings(2, 0, {"some", "", "text"});
  file.Page(3, 0, std::string("\x05", 1), 3);
  file.Page(0, 1, Packed<int32_t>({0, 1, 1}), 3);
  file.Strings(1, 1, {"d"});
  file.Strings(2, 1, {"and", "more"});
  file.Page(3, 1, std::string("\x02", 1), 2);
  file.Page(4, 0, Packed<double>({1, 2, 3}), 3);
  file.Page(4, 1, Packed<double>({4, 5}), 2);
  const std::string good = file.Finish();
  const std::vector<Field> fields = {MakeField("list", 0, {MakeField("string", 1)}), MakeField("string", 2), MakeField("bool", 3),
                                     MakeField("double", 4)};
  std::mt19937 random(7);
  const std::vector<uint8_t> odd = {0, 1, 0x7f, 0x80, 0xff};
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = good;
    for (int i = 0; i <= round % 4; ++i) {
      const size_t place = random() % bytes.size();
      bytes[place] = static_cast<char>(round % 2 == 0 ? odd[random() % odd.size()] : random());
    }
    if (round % 16 == 0) bytes.resize(random() % bytes.size());
    for (const Field& field : fields) {
      const auto array = ReadField(bytes, field);
      if (array.ok()) EXPECT_LE((*array)->length(), 1 << 20);
    }
  }
}

}  // namespace
}  // namespace lancefs
