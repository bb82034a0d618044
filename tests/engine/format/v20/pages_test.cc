// SPDX-License-Identifier: Apache-2.0
//
// Pages made by hand: encodings that today's writers do not produce, and broken ones.
#include <google/protobuf/any.pb.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <zstd.h>

#include <random>

#include "backends/memory_store.h"
#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/encodings20.pb.h"
#include "engine/format/proto/file.pb.h"
#include "engine/format/structural/fsst.h"
#include "engine/format/v20/bitpack.h"

namespace lancefs {
namespace {

using pb::v20::ArrayEncoding;

template <typename T>
std::string Packed(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}
ArrayEncoding Flat(uint64_t bits, uint32_t buffer, const std::string& scheme = "") {
  ArrayEncoding encoding;
  encoding.mutable_flat()->set_bits_per_value(bits);
  encoding.mutable_flat()->mutable_buffer()->set_buffer_index(buffer);
  if (!scheme.empty()) encoding.mutable_flat()->mutable_compression()->set_scheme(scheme);
  return encoding;
}
ArrayEncoding NoNulls(const ArrayEncoding& values) {
  ArrayEncoding encoding;
  *encoding.mutable_nullable()->mutable_no_nulls()->mutable_values() = values;
  return encoding;
}
ArrayEncoding AllNulls() {
  ArrayEncoding encoding;
  encoding.mutable_nullable()->mutable_all_nulls();
  return encoding;
}
ArrayEncoding Binary(uint32_t first_buffer, uint64_t adjustment, const std::string& scheme = "") {
  ArrayEncoding encoding;
  *encoding.mutable_binary()->mutable_indices() = NoNulls(Flat(64, first_buffer));
  *encoding.mutable_binary()->mutable_bytes() = NoNulls(Flat(8, first_buffer + 1, scheme));
  encoding.mutable_binary()->set_null_adjustment(adjustment);
  return encoding;
}

struct TestPage {
  uint64_t length = 0;
  ArrayEncoding encoding;
  std::vector<std::string> buffers;
};
using TestColumn = std::vector<TestPage>;

// A file of those columns. Buffers stand unaligned, as early writers put them.
std::string MakeFile(const std::vector<TestColumn>& columns) {
  std::string file = "x";
  std::vector<std::string> metadata;
  for (const TestColumn& column : columns) {
    pb::ColumnMetadata message;
    for (const TestPage& page : column) {
      auto* out = message.add_pages();
      out->set_length(page.length);
      for (const std::string& buffer : page.buffers) {
        out->add_buffer_offsets(file.size());
        out->add_buffer_sizes(buffer.size());
        file += buffer;
      }
      google::protobuf::Any any;
      any.set_type_url("/lance.encodings.ArrayEncoding");
      any.set_value(page.encoding.SerializeAsString());
      out->mutable_encoding()->mutable_direct()->set_encoding(any.SerializeAsString());
    }
    metadata.push_back(message.SerializeAsString());
  }
  const uint64_t metadata_start = file.size();
  std::vector<uint64_t> table;
  for (const std::string& message : metadata) {
    table.insert(table.end(), {file.size(), message.size()});
    file += message;
  }
  const uint64_t column_table = file.size();
  file += Packed(table);
  const uint64_t global_table = file.size();
  file += Packed<uint64_t>({0, 0});
  file += Packed<uint64_t>({metadata_start, column_table, global_table});
  file += Packed<uint32_t>({1, static_cast<uint32_t>(columns.size())});
  file += Packed<uint16_t>({0, 3});
  return file + "LANC";
}

Field MakeField(const std::string& logical_type, int32_t id = 0, std::vector<Field> children = {}) {
  Field field;
  field.id = id;
  field.name = "f" + std::to_string(id);
  field.logical_type = logical_type;
  field.children = std::move(children);
  field.type = *TypeFromLogical(logical_type, field.children);
  return field;
}

// Reads the field whose columns are numbered as its ids.
Result<std::shared_ptr<arrow::Array>> ReadField(const std::string& bytes, const Field& field, RowSelection rows) {
  const OpContext ctx;
  const auto store = MakeMemoryStore();
  LANCEFS_RETURN_NOT_OK(store->Put("f.lance", Bytes::FromString(bytes), ctx));
  LANCEFS_ASSIGN_OR_RETURN(auto file, LanceFile::Open(store, "f.lance", 0, ctx));
  FieldColumns columns;
  field.ForEach([&](const Field& each) { columns[each.id] = static_cast<uint32_t>(each.id); });
  const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
  LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns(indices, ctx));
  ColumnInfos by_index;
  for (size_t i = 0; i < indices.size(); ++i) by_index[indices[i]] = infos[i];
  std::vector<std::unique_ptr<ColumnRead>> reads(1);
  LANCEFS_ASSIGN_OR_RETURN(reads[0], MakeColumnRead(file, field, columns, by_index, std::move(rows)));
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), ctx));
  LANCEFS_ARROW_NOT_OK(arrays[0]->ValidateFull());
  return arrays[0];
}

std::string Text(const Result<std::shared_ptr<arrow::Array>>& array) {
  if (!array.ok()) return array.status().ToString();
  std::string text;
  for (int64_t i = 0; i < (*array)->length(); ++i) text += (i == 0 ? "" : " ") + (*(*array)->GetScalar(i))->ToString();
  return text;
}
void ExpectRefused(const TestColumn& column, const std::string& type, RowSelection rows, const std::string& what) {
  const auto array = ReadField(MakeFile({column}), MakeField(type), std::move(rows));
  ASSERT_FALSE(array.ok()) << what;
  EXPECT_TRUE(array.status().Is(StatusCode::kCorruption) || array.status().Is(StatusCode::kNotSupported))
      << array.status().ToString();
  EXPECT_NE(array.status().message().find(what), std::string::npos) << array.status().ToString();
}

// `values` as an LSB-first stream of `width` bits each.
std::string PackStream(const std::vector<uint64_t>& values, uint64_t width) {
  std::string out((values.size() * width + 7) / 8, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    for (uint64_t bit = 0; bit < width; ++bit) {
      const uint64_t at = i * width + bit;
      if ((values[i] >> bit & 1) != 0) out[at / 8] = static_cast<char>(out[at / 8] | 1 << (at % 8));
    }
  }
  return out;
}
// One FastLanes block, by the definition: value (row, lane) is at ORDER[row / 8] * 16 + (row % 8) * 128 + lane.
std::string PackFastLanes(const std::vector<uint64_t>& values, uint64_t width, uint64_t bits) {
  constexpr uint64_t kOrder[8] = {0, 4, 2, 6, 1, 5, 3, 7};
  const uint64_t lanes = 1024 / bits;
  std::string out(128 * width, '\0');
  for (uint64_t row = 0; row < bits; ++row) {
    for (uint64_t lane = 0; lane < lanes; ++lane) {
      const uint64_t value = values[kOrder[row / 8] * 16 + row % 8 * 128 + lane];
      for (uint64_t bit = 0; bit < width; ++bit) {
        const uint64_t stream = row * width + bit;
        const uint64_t at = (stream / bits * lanes + lane) * bits + stream % bits;
        if ((value >> bit & 1) != 0) out[at / 8] = static_cast<char>(out[at / 8] | 1 << (at % 8));
      }
    }
  }
  return out;
}

TEST(Bitpacking, EveryWidth) {
  std::mt19937_64 random(11);
  for (const uint64_t bits : {8u, 16u, 32u, 64u}) {
    for (uint64_t width = 1; width <= bits; ++width) {
      std::vector<uint64_t> values(1024);
      const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
      for (uint64_t& value : values) value = random() & mask;
      const std::string stream = PackStream(values, width);
      const std::string lanes = PackFastLanes(values, width, bits);
      const uint64_t skip = random() % 1024;
      const uint64_t count = 1 + random() % (1024 - skip);
      std::vector<uint8_t> out(count * bits / 8);
      auto number = [&](uint64_t i) {
        uint64_t value = 0;
        std::memcpy(&value, out.data() + i * bits / 8, bits / 8);
        return value;
      };
      const uint64_t start = skip * width;
      const auto* bytes = reinterpret_cast<const uint8_t*>(stream.data());
      const uint64_t size = (start % 8 + count * width + 7) / 8;
      v20::UnpackBits(bytes + start / 8, size, start % 8, count, width, bits, false, out.data());
      for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(number(i), values[skip + i]) << bits << " " << width;
      v20::UnpackBits(bytes + start / 8, size, start % 8, count, width, bits, true, out.data());
      for (uint64_t i = 0; i < count; ++i) {
        const uint64_t raw = values[skip + i];
        const uint64_t extended = (raw >> (width - 1) & 1) != 0 ? raw | ~mask : raw;
        ASSERT_EQ(number(i), bits == 64 ? extended : extended & ((uint64_t{1} << bits) - 1));
      }
      v20::UnpackFastLanes(reinterpret_cast<const uint8_t*>(lanes.data()), skip, count, width, bits, out.data());
      for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(number(i), values[skip + i]) << bits << " " << width;
    }
  }
}

TEST(Pages, Bitpacked) {
  TestPage page{5, {}, {PackStream({1, 2, 31, 16, 0}, 5)}};
  auto* packed = page.encoding.mutable_bitpacked();
  packed->set_compressed_bits_per_value(5);
  packed->set_uncompressed_bits_per_value(16);
  packed->mutable_buffer();
  EXPECT_EQ(Text(ReadField(MakeFile({{page}}), MakeField("uint16"), {{0, 5}})), "1 2 31 16 0");
  packed->set_is_signed(true);
  EXPECT_EQ(Text(ReadField(MakeFile({{page, page}}), MakeField("int16"), {{1, 4}, {7, 9}})), "2 -1 -16 -1 -16");
  page.length = 7;
  ExpectRefused({page}, "int16", {{0, 7}}, "need 5 bytes");
  packed->set_compressed_bits_per_value(17);
  ExpectRefused({page}, "int16", {{0, 1}}, "packed into 17");
  packed->set_compressed_bits_per_value(5);
  packed->mutable_buffer()->set_buffer_index(9);
  ExpectRefused({page}, "int16", {{0, 1}}, "buffer 9");
  ExpectRefused({page}, "string", {{0, 1}}, "not supported for strings");
}

TEST(Pages, BitpackedForNonNegative) {
  std::vector<uint64_t> values(3072);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i * i % 2039;
  std::string bytes;
  for (size_t block = 0; block < 3; ++block) {
    bytes += PackFastLanes(std::vector<uint64_t>(values.begin() + static_cast<ptrdiff_t>(block * 1024),
                                                 values.begin() + static_cast<ptrdiff_t>(block * 1024 + 1024)),
                           11, 32);
  }
  TestPage page{3000, {}, {bytes}};
  auto* packed = page.encoding.mutable_bitpacked_for_non_neg();
  packed->set_compressed_bits_per_value(11);
  packed->set_uncompressed_bits_per_value(32);
  packed->mutable_buffer();
  page.encoding = NoNulls(page.encoding);
  const auto array = ReadField(MakeFile({{page}}), MakeField("uint32"), {{5, 6}, {1000, 1030}, {2047, 3000}});
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  const auto& numbers = static_cast<const arrow::UInt32Array&>(**array);
  std::vector<size_t> rows = {5};
  for (size_t i = 1000; i < 1030; ++i) rows.push_back(i);
  for (size_t i = 2047; i < 3000; ++i) rows.push_back(i);
  ASSERT_EQ(numbers.length(), static_cast<int64_t>(rows.size()));
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(numbers.Value(static_cast<int64_t>(i)), values[rows[i]]);
  page.length = 4000;
  ExpectRefused({page}, "uint32", {{3500, 3501}}, "bytes");
}

TEST(Pages, FixedSizeBinaryStringsAndValidity) {
  TestPage page{4, {}, {"abcdefghijkl", std::string(1, '\x0D')}};
  page.encoding.mutable_nullable()->mutable_some_nulls();
  auto* values = page.encoding.mutable_nullable()->mutable_some_nulls()->mutable_values()->mutable_fixed_size_binary();
  *values->mutable_bytes() = Flat(8, 0);
  values->set_byte_width(3);
  *page.encoding.mutable_nullable()->mutable_some_nulls()->mutable_validity() = Flat(1, 1);
  EXPECT_EQ(Text(ReadField(MakeFile({{page}}), MakeField("string"), {{0, 4}})), "abc null ghi jkl");
  EXPECT_EQ(Text(ReadField(MakeFile({{page, page}}), MakeField("large_string"), {{1, 3}, {4, 6}})), "null ghi abc null");
  values->set_byte_width(4);
  ExpectRefused({page}, "string", {{0, 4}}, "bytes");
}

TEST(Pages, CompressedFrames) {
  const std::vector<int32_t> numbers = {1, 2, 3, 4};
  const std::string plain = Packed(numbers);
  std::string zstd(ZSTD_compressBound(plain.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), plain.data(), plain.size(), 3));
  std::string lz4(LZ4_compressBound(16), '\0');
  lz4.resize(static_cast<size_t>(LZ4_compress_default(plain.data(), lz4.data(), 16, static_cast<int>(lz4.size()))));
  auto read = [&](const std::string& scheme, const std::string& buffer) {
    return Text(ReadField(MakeFile({{TestPage{4, Flat(32, 0, scheme), {buffer}}}}), MakeField("int32"), {{1, 4}}));
  };
  EXPECT_EQ(read("zstd", Packed<uint64_t>({16}) + zstd), "2 3 4");
  EXPECT_EQ(read("zstd", zstd), "2 3 4");  // without our length
  EXPECT_EQ(read("lz4", Packed<uint32_t>({16}) + lz4), "2 3 4");
  EXPECT_NE(read("zstd", Packed<uint64_t>({17}) + zstd).find("corruption"), std::string::npos);
  EXPECT_NE(read("zstd", Packed<uint64_t>({uint64_t{1} << 40}) + zstd).find("claims"), std::string::npos);
  EXPECT_NE(read("zstd", zstd.substr(0, zstd.size() - 3)).find("corruption"), std::string::npos);
  EXPECT_NE(read("zstd", "").find("empty"), std::string::npos);
  EXPECT_NE(read("lz4", Packed<uint32_t>({15}) + lz4).find("corruption"), std::string::npos);
  EXPECT_NE(read("lz4", Packed<uint32_t>({1u << 30}) + lz4).find("claims"), std::string::npos);
  EXPECT_NE(read("brotli", zstd).find("'brotli' is not supported"), std::string::npos);
}

TEST(Pages, Fsst) {
  // Symbols: 0 = "ab", 1 = "the lance"[0..8).
  std::string table =
      Packed<uint64_t>({(uint64_t{0x46535354} << 32) | (1 << 24) | 2, 0x6261}) + "the lanc" + std::string("\x02\x08", 2);
  table.resize(structural::FsstTable::kTableSize, '\0');
  TestPage page{4, {}, {Packed<uint64_t>({2, 2 + 8, 5, 5 + 8}), std::string("\0\0\1\xFF!", 5)}};
  *page.encoding.mutable_fsst()->mutable_binary() = Binary(0, 8);
  page.encoding.mutable_fsst()->set_symbol_table(table);
  EXPECT_EQ(Text(ReadField(MakeFile({{page, page}}), MakeField("string"), {{0, 4}, {6, 7}})),
            "abab null the lanc! null the lanc!");
  page.buffers[1][4] = '\xFF';
  page.buffers[1][3] = '\0';
  ExpectRefused({page}, "string", {{0, 4}}, "escape");
  page.buffers[1][4] = '\7';
  ExpectRefused({page}, "string", {{0, 4}}, "without a symbol");
  page.encoding.mutable_fsst()->set_symbol_table("short");
  ExpectRefused({page}, "string", {{0, 4}}, "FSST table");
}

TEST(Pages, StringsOfEveryKind) {
  const TestPage plain{3, Binary(0, 6), {Packed<uint64_t>({3, 9, 5}), "abcde"}};
  const TestPage nulls{2, AllNulls(), {}};
  const TestPage empty{0, AllNulls(), {}};
  TestPage dictionary{4, {}, {std::string("\1\0\2\1", 4), Packed<uint64_t>({4, 7}), "wordsix"}};
  *dictionary.encoding.mutable_dictionary()->mutable_indices() = Flat(8, 0);
  *dictionary.encoding.mutable_dictionary()->mutable_items() = Binary(1, 8);
  dictionary.encoding.mutable_dictionary()->set_num_dictionary_items(2);
  const std::string file = MakeFile({{plain, empty, nulls, dictionary, empty}});
  EXPECT_EQ(Text(ReadField(file, MakeField("string"), {{0, 9}})), "abc null de null null word null six word");
  EXPECT_EQ(Text(ReadField(file, MakeField("string"), {{1, 4}, {6, 8}})), "null de null null six");
  EXPECT_EQ(Text(ReadField(file, MakeField("string"), {})), "");
  ExpectRefused({plain}, "string", {{0, 4}}, "rows up to 4");
  ExpectRefused({plain}, "int32", {{0, 1}}, "not supported for fixed-width");
  TestPage broken = plain;
  broken.buffers[0] = Packed<uint64_t>({3, 2, 5});
  ExpectRefused({broken}, "string", {{0, 3}}, "descend");
  broken.buffers[0] = Packed<uint64_t>({3, 9, 20});
  ExpectRefused({broken}, "string", {{0, 3}}, "offsets");
  broken.buffers[0] = Packed<uint64_t>({3, 9});
  ExpectRefused({broken}, "string", {{0, 3}}, "need 24 bytes");
  broken = dictionary;
  broken.buffers[0][2] = '\3';
  ExpectRefused({broken}, "string", {{0, 4}}, "index 3");
  broken.encoding.mutable_dictionary()->set_num_dictionary_items(4000000);
  ExpectRefused({broken}, "string", {{0, 4}}, "bytes");
}

TEST(Pages, ListsSpanPagesAndNest) {
  auto list = [](uint64_t items, const std::vector<uint64_t>& ends) {
    TestPage page{ends.size(), {}, {Packed(ends)}};
    page.encoding.mutable_list()->set_num_items(items);
    page.encoding.mutable_list()->set_null_offset_adjustment(items + 1);
    *page.encoding.mutable_list()->mutable_offsets() = NoNulls(Flat(64, 0));
    return page;
  };
  const Field field = MakeField("list", 0, {MakeField("int16", 1)});
  // [1,2] null [3] | [4] [] [5,6]; the items are cut at another place.
  const TestColumn offsets = {list(3, {2, 6, 3}), TestPage{0, AllNulls(), {}}, list(3, {1, 1, 3})};
  const TestColumn items = {TestPage{4, Flat(16, 0), {Packed<int16_t>({1, 2, 3, 4})}},
                            TestPage{2, Flat(16, 0), {Packed<int16_t>({5, 6})}}};
  const std::string file = MakeFile({offsets, items});
  auto lists = [&](const RowSelection& rows) {
    const auto array = ReadField(file, field, rows);
    std::string text;
    if (!array.ok()) return array.status().ToString();
    const auto& typed = static_cast<const arrow::ListArray&>(**array);
    for (int64_t i = 0; i < typed.length(); ++i) {
      text += typed.IsNull(i) ? "null;" : Text(std::static_pointer_cast<arrow::Array>(typed.value_slice(i))) + ";";
    }
    return text;
  };
  EXPECT_EQ(lists({{0, 6}}), "1 2;null;3;4;;5 6;");
  EXPECT_EQ(lists({{0, 1}, {2, 4}, {5, 6}}), "1 2;3;4;5 6;");
  EXPECT_EQ(lists({{1, 2}}), "null;");
  EXPECT_EQ(lists({{4, 5}}), ";");
  auto refused = [&](const TestColumn& broken, const std::string& what) {
    for (const RowSelection& rows : {RowSelection{{0, 3}}, RowSelection{{1, 3}}}) {
      const auto array = ReadField(MakeFile({broken, items}), field, rows);
      ASSERT_FALSE(array.ok()) << what;
      EXPECT_TRUE(array.status().Is(StatusCode::kCorruption)) << array.status().ToString();
    }
  };
  refused({list(7, {2, 8, 7})}, "more items than the child has");
  refused({list(3, {2, 1, 3})}, "descending");
  refused({list(3, {2, 6, 9})}, "null by the last end, wrong length");
  TestPage no_adjustment = list(3, {2, 3, 3});
  no_adjustment.encoding.mutable_list()->set_null_offset_adjustment(0);
  refused({no_adjustment}, "adjustment 0");
}

TEST(Pages, NestedFixedSizeLists) {
  // Rows [[1,null],null] null, of lists of 2 lists of 2.
  TestPage page{
      2, {}, {std::string("\1", 1), std::string("\1", 1), std::string("\xFD", 1), Packed<int32_t>({1, 0, 0, 0, 0, 0, 0, 0})}};
  auto* outer = page.encoding.mutable_nullable()->mutable_some_nulls();
  *outer->mutable_validity() = Flat(1, 0);
  outer->mutable_values()->mutable_fixed_size_list()->set_dimension(2);
  auto* middle = outer->mutable_values()->mutable_fixed_size_list()->mutable_items()->mutable_nullable()->mutable_some_nulls();
  *middle->mutable_validity() = Flat(1, 1);
  middle->mutable_values()->mutable_fixed_size_list()->set_dimension(2);
  auto* inner = middle->mutable_values()->mutable_fixed_size_list()->mutable_items()->mutable_nullable()->mutable_some_nulls();
  *inner->mutable_validity() = Flat(1, 2);
  *inner->mutable_values() = Flat(32, 3);
  const std::string type = "fixed_size_list:fixed_size_list:int32:2:2";
  const auto array = ReadField(MakeFile({{page, page}}), MakeField(type), {{0, 4}});
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  const auto& lists = static_cast<const arrow::FixedSizeListArray&>(**array);
  EXPECT_TRUE(lists.IsNull(1) && lists.IsNull(3) && lists.IsValid(0) && lists.IsValid(2));
  const auto& rows = static_cast<const arrow::FixedSizeListArray&>(*lists.values());
  EXPECT_TRUE(rows.IsValid(0) && rows.IsNull(1) && rows.IsValid(4) && rows.IsNull(5));
  EXPECT_TRUE(rows.values()->IsValid(0) && rows.values()->IsNull(1) && rows.values()->IsNull(9));
  middle->mutable_values()->mutable_fixed_size_list()->set_dimension(3);
  ExpectRefused({page}, type, {{0, 2}}, "lists of 3 items");
}

TEST(Pages, RefusesWrongWidthsAndDepth) {
  ExpectRefused({TestPage{1, Flat(16, 0), {"abcdefgh"}}}, "int32", {{0, 1}}, "16 bits");
  ExpectRefused({TestPage{1, Flat(12, 0), {"abcdefgh"}}}, "int32", {{0, 1}}, "12 bits");
  ExpectRefused({TestPage{uint64_t{1} << 61, Flat(64, 0), {"abcdefgh"}}}, "int64", {{0, uint64_t{1} << 61}}, "");
  ExpectRefused({TestPage{uint64_t{1} << 61, AllNulls(), {}}}, "int64", {{0, uint64_t{1} << 61}}, "too many");
  ArrayEncoding deep = Flat(64, 0);
  for (int i = 0; i < 40; ++i) deep = NoNulls(deep);
  ExpectRefused({TestPage{1, deep, {"abcdefgh"}}}, "int64", {{0, 1}}, "");
  ExpectRefused({TestPage{1, deep, {"abcdefgh"}}}, "string", {{0, 1}}, "");
  ExpectRefused({TestPage{1, ArrayEncoding(), {"abcdefgh"}}}, "int64", {{0, 1}}, "not supported");
}

TEST(Pages, DictionariesAreUnified) {
  auto page = [](const std::string& keys, const std::vector<uint64_t>& ends, const std::string& bytes, uint64_t adjustment) {
    TestPage made{keys.size(), {}, {keys, Packed(ends), bytes}};
    *made.encoding.mutable_dictionary()->mutable_indices() = NoNulls(Flat(8, 0));
    *made.encoding.mutable_dictionary()->mutable_items() = Binary(1, adjustment);
    made.encoding.mutable_dictionary()->set_num_dictionary_items(static_cast<uint32_t>(ends.size()));
    return made;
  };
  // The second page's item 1 is the null.
  const TestPage first = page(std::string("\1\0", 2), {1, 2}, "ab", 3);
  const TestPage second = page(std::string("\0\1\2", 3), {1, 4, 2}, "bc", 3);
  const std::string file = MakeFile({{first, TestPage{1, AllNulls(), {}}, second}});
  const auto array = ReadField(file, MakeField("dict:string:int8:false"), {{0, 6}});
  ASSERT_TRUE(array.ok()) << array.status().ToString();
  const auto& typed = static_cast<const arrow::DictionaryArray&>(**array);
  EXPECT_EQ(typed.dictionary()->length(), 3);
  EXPECT_EQ(typed.dictionary()->null_count(), 0);
  std::string text;
  for (int64_t i = 0; i < 6; ++i)
    text += typed.IsNull(i) ? "-" : static_cast<const arrow::StringArray&>(*typed.dictionary()).GetString(typed.GetValueIndex(i));
  EXPECT_EQ(text, "ba-b-c");
  ExpectRefused({page("\5", {1}, "a", 2)}, "dict:string:int8:false", {{0, 1}}, "key 5");
  std::vector<uint64_t> many(129);
  for (size_t i = 0; i < many.size(); ++i) many[i] = i + 1;
  ExpectRefused({page(std::string("\1", 1), many, std::string(129, 'x'), 130)}, "dict:string:int8:false", {{0, 1}},
                "more than the keys");
}

Field BlobField() {
  Field field = MakeField("large_binary");
  field.metadata["lance-encoding:blob"] = "true";
  return WithBlobDescriptors(field);
}

// The first writers of 2.0 marked blobs, but wrote them as other strings.
TEST(Pages, BlobsAsPlainStrings) {
  // The first buffer stands at 1 and has 32 bytes, the second at 33; those of the second page at 43 and 59.
  const TestPage first{4, Binary(0, 20), {Packed<uint64_t>({3, 23, 3, 10}), "abcdefghij"}};
  const TestPage second{2, NoNulls(Binary(0, 9)), {Packed<uint64_t>({2, 4}), "klmn"}};
  const std::string file = MakeFile({{first, second}});
  const auto fields = [&](const std::string& bytes, RowSelection rows) {
    const auto array = ReadField(bytes, BlobField(), std::move(rows));
    if (!array.ok()) return array.status().ToString();
    const auto& blobs = static_cast<const arrow::StructArray&>(**array);
    std::string text;
    for (int64_t i = 0; i < blobs.length(); ++i) {
      text += (i == 0 ? "" : " ");
      if (blobs.IsNull(i)) {
        text += "null";
        continue;
      }
      for (const int field : {0, 1, 2, 4}) text += (field == 0 ? "" : ",") + (*blobs.field(field)->GetScalar(i))->ToString();
    }
    return text;
  };
  EXPECT_EQ(fields(file, {{0, 6}}), "0,33,3, null 0,36,0, 0,36,7, 0,59,2, 0,61,2,");
  EXPECT_EQ(fields(file, {{3, 5}}), "0,36,7, 0,59,2,");
  EXPECT_EQ(fields(file, {{1, 2}, {5, 6}}), "null 0,61,2,");
  // Compressed bytes have no place: they come with the descriptors, from all pages of the read.
  TestPage packed{2, Binary(0, 9, "zstd"), {Packed<uint64_t>({3, 14})}};
  std::string frame(ZSTD_compressBound(5), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), "opqrs", 5, 3));
  packed.buffers.push_back(Packed<uint64_t>({5}) + frame);
  EXPECT_EQ(fields(MakeFile({{packed, second}}), {{0, 3}}), "255,0,3,opq null 255,0,2,kl");
  const TestPage nulls{3, AllNulls(), {}};
  EXPECT_EQ(fields(MakeFile({{nulls}}), {{0, 2}}), "null null");
  // Ends that descend or lie behind the bytes.
  for (const auto& ends : {std::vector<uint64_t>{3, 2}, std::vector<uint64_t>{3, 5}}) {
    const TestPage bad{2, Binary(0, 20), {Packed(ends), "abcd"}};
    const auto array = ReadField(MakeFile({{bad}}), BlobField(), {{0, 2}});
    EXPECT_TRUE(array.status().Is(StatusCode::kCorruption)) << array.status().ToString();
  }
}

// Every byte of small files flipped: an error or an answer, never a crash (run under sanitizers too).
TEST(Pages, FlippedBytes) {
  google::protobuf::SetLogHandler(nullptr);  // it complains about every broken message
  TestPage fsl{2, {}, {std::string("\1", 1), Packed<int32_t>({1, 2, 3, 4})}};
  *fsl.encoding.mutable_nullable()->mutable_some_nulls()->mutable_validity() = Flat(1, 0);
  fsl.encoding.mutable_nullable()->mutable_some_nulls()->mutable_values()->mutable_fixed_size_list()->set_dimension(2);
  *fsl.encoding.mutable_nullable()->mutable_some_nulls()->mutable_values()->mutable_fixed_size_list()->mutable_items() =
      NoNulls(Flat(32, 1));
  TestPage dictionary{4, {}, {std::string("\1\0\2\1", 4), Packed<uint64_t>({4, 7}), "wordsix"}};
  *dictionary.encoding.mutable_dictionary()->mutable_indices() = NoNulls(Flat(8, 0));
  *dictionary.encoding.mutable_dictionary()->mutable_items() = Binary(1, 8);
  dictionary.encoding.mutable_dictionary()->set_num_dictionary_items(2);
  TestPage keyed = dictionary;
  keyed.buffers[0] = std::string("\1\0\0\1", 4);
  TestPage list{3, {}, {Packed<uint64_t>({2, 6, 3})}};
  list.encoding.mutable_list()->set_num_items(3);
  list.encoding.mutable_list()->set_null_offset_adjustment(4);
  *list.encoding.mutable_list()->mutable_offsets() = NoNulls(Flat(64, 0));
  const TestPage items{3, Binary(0, 6), {Packed<uint64_t>({3, 9, 5}), "abcde"}};
  TestPage packed{2, {}, {"0123456789ab0123456789ab"}};
  *packed.encoding.mutable_packed_struct()->add_inner() = NoNulls(Flat(32, 0));
  *packed.encoding.mutable_packed_struct()->add_inner() = NoNulls(Flat(64, 0));
  packed.encoding.mutable_packed_struct()->mutable_buffer();
  Field packed_field = MakeField("struct", 0, {MakeField("int32", 7), MakeField("int64", 8)});
  packed_field.metadata["packed"] = "true";
  struct Case {
    std::vector<TestColumn> columns;
    Field field;
    uint64_t rows;
  };
  const TestPage blobs{3, Binary(0, 6), {Packed<uint64_t>({3, 9, 5}), "abcde"}};
  const std::vector<Case> cases = {
      {{{blobs, blobs}}, BlobField(), 6},
      {{{fsl, fsl}}, MakeField("fixed_size_list:int32:2"), 4},
      {{{dictionary}}, MakeField("string"), 4},
      {{{keyed, keyed}}, MakeField("dict:string:int8:false"), 8},
      {{{list}, {items}}, MakeField("list", 0, {MakeField("string", 1)}), 3},
      {{{packed}}, packed_field, 2},
  };
  for (const Case& each : cases) {
    const std::string good = MakeFile(each.columns);
    const auto whole = ReadField(good, each.field, {{0, each.rows}});
    ASSERT_TRUE(whole.ok()) << each.field.logical_type << ": " << whole.status().ToString();
    for (size_t i = 0; i < good.size(); ++i) {
      for (const int bit : {0, 3, 7}) {
        std::string broken = good;
        broken[i] = static_cast<char>(broken[i] ^ (1 << bit));
        (void)ReadField(broken, each.field, {{0, each.rows}});
        (void)ReadField(broken, each.field, {{1, each.rows}});
      }
    }
  }
}

}  // namespace
}  // namespace lancefs
