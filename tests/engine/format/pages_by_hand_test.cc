// SPDX-License-Identifier: Apache-2.0
//
// Whole pages made by hand: forms of 2.1 to 2.3 pages that the format allows, that old writers made or
// that the reference writes too rarely for the interop tests; and pages of one version in a file of another.
#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "backends/memory_store.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/encodings23.pb.h"
#include "engine/format/structural/bitpacking.h"
#include "engine/format/write/container_writer.h"

namespace lancefs::structural {
namespace {

using pb::v21::CompressiveEncoding;
using pb::v21::PageLayout;

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

CompressiveEncoding Flat(uint64_t bits) {
  CompressiveEncoding out;
  out.mutable_flat()->set_bits_per_value(bits);
  return out;
}
CompressiveEncoding Rle(const CompressiveEncoding& values, const CompressiveEncoding& lengths) {
  CompressiveEncoding out;
  *out.mutable_rle()->mutable_values() = values;
  *out.mutable_rle()->mutable_run_lengths() = lengths;
  return out;
}
CompressiveEncoding Variable(const CompressiveEncoding& offsets) {
  CompressiveEncoding out;
  *out.mutable_variable()->mutable_offsets() = offsets;
  return out;
}

struct Page {
  std::string layout;
  std::vector<std::string> buffers;
  uint64_t length = 0;
};

// Writes a file of one column with these pages and reads `rows` of it.
Result<std::shared_ptr<arrow::Array>> Read(const std::shared_ptr<arrow::DataType>& type, FileVersion version,
                                           const std::vector<Page>& pages, RowSelection rows) {
  const OpContext ctx;
  const auto store = MakeMemoryStore();
  LANCEFS_ASSIGN_OR_RETURN(const Schema schema, SchemaFromArrow(*arrow::schema({arrow::field("c", type)})));
  LANCEFS_ASSIGN_OR_RETURN(auto sink, store->OpenWriter("f", ctx));
  ContainerWriter writer(std::move(sink), version, 1);
  pb::FileDescriptor descriptor;
  uint64_t length = 0;
  for (const Page& page : pages) {
    EncodedPage encoded;
    encoded.encoding = page.layout;
    encoded.length = page.length;
    encoded.priority = length;
    length += page.length;
    for (const std::string& buffer : page.buffers) encoded.buffers.push_back(Bytes::FromString(buffer));
    LANCEFS_RETURN_NOT_OK(writer.WritePage(0, std::move(encoded), ctx));
  }
  descriptor.set_length(length);
  SchemaToProto(schema, descriptor.mutable_schema()->mutable_fields());
  LANCEFS_RETURN_NOT_OK(writer.Finish(descriptor, ctx).status());
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<LanceFile> file, LanceFile::Open(store, "f", 0, ctx));
  FieldColumns columns;
  const Field* leaf = &schema.fields[0];
  while (!leaf->IsPhysicalLeaf()) leaf = &leaf->children[0];
  columns.emplace(leaf->id, 0);
  LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns({0}, ctx));
  LANCEFS_ASSIGN_OR_RETURN(auto read, MakeColumnRead(file, schema.fields[0], columns, {{0, infos[0]}}, std::move(rows)));
  std::vector<std::unique_ptr<ColumnRead>> reads;
  reads.push_back(std::move(read));
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), ctx));
  const arrow::Status sound = arrays[0]->ValidateFull();
  EXPECT_TRUE(sound.ok()) << sound.ToString();
  return arrays[0];
}

void Expect(const std::shared_ptr<arrow::DataType>& type, FileVersion version, const std::vector<Page>& pages, RowSelection rows,
            const std::string& json) {
  const auto got = Read(type, version, pages, std::move(rows));
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  const auto want = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  EXPECT_TRUE((*got)->Equals(want)) << (*got)->ToString();
}

void Pad(std::string* bytes) { bytes->resize((bytes->size() + 7) / 8 * 8, '\xfe'); }

// A chunk: level count, level streams (absent = no stream) and value buffers.
std::string Chunk(uint16_t levels, const std::vector<std::string>& streams, const std::vector<std::string>& buffers, bool large) {
  std::string out = Raw<uint16_t>({levels});
  for (const std::string& stream : streams) out += Raw<uint16_t>({static_cast<uint16_t>(stream.size())});
  for (const std::string& buffer : buffers)
    out += large ? Raw<uint32_t>({static_cast<uint32_t>(buffer.size())}) : Raw<uint16_t>({static_cast<uint16_t>(buffer.size())});
  Pad(&out);
  for (const auto* parts : {&streams, &buffers}) {
    for (const std::string& part : *parts) {
      out += part;
      Pad(&out);
    }
  }
  return out;
}

uint32_t Word(const std::string& chunk, unsigned log) { return static_cast<uint32_t>(((chunk.size() / 8 - 1) << 4) | log); }

PageLayout MiniBlock(const CompressiveEncoding& values, uint64_t items, bool large, std::vector<int> layers) {
  PageLayout layout;
  pb::v21::MiniBlockLayout* mini = layout.mutable_mini_block_layout();
  *mini->mutable_value_compression() = values;
  mini->set_num_buffers(1);
  mini->set_num_items(items);
  mini->set_has_large_chunk(large);
  for (const int layer : layers) mini->add_layers(static_cast<pb::v21::RepDefLayer>(layer));
  return layout;
}

constexpr int kItem = pb::v21::REPDEF_ALL_VALID_ITEM;

TEST(MiniBlockByHand, ADeeperRepetitionIndex) {
  PageLayout layout = MiniBlock(Flat(32), 6, false, {kItem, pb::v21::REPDEF_ALL_VALID_LIST});
  *layout.mutable_mini_block_layout()->mutable_rep_compression() = Flat(16);
  layout.mutable_mini_block_layout()->set_repetition_index_depth(2);
  // The second list begins in the first chunk and ends in the second.
  const std::string first = Chunk(4, {Raw<uint16_t>({1, 0, 1, 0})}, {Raw<int32_t>({1, 2, 3, 4})}, false);
  const std::string second = Chunk(2, {Raw<uint16_t>({0, 1})}, {Raw<int32_t>({5, 6})}, false);
  const std::string words = Raw<uint16_t>({static_cast<uint16_t>(Word(first, 2)), static_cast<uint16_t>(Word(second, 0))});
  const std::string index = Raw<uint64_t>({1, 2, 0, 2, 0, 0});
  const Page page{layout.SerializeAsString(), {words, first + second, index}, 3};
  Expect(arrow::list(arrow::int32()), FileVersion::kV2_1, {page}, {{0, 3}}, "[[1,2],[3,4,5],[6]]");
  Expect(arrow::list(arrow::int32()), FileVersion::kV2_1, {page}, {{1, 2}}, "[[3,4,5]]");
  Expect(arrow::list(arrow::int32()), FileVersion::kV2_1, {page, page}, {{2, 4}}, "[[6],[1,2]]");
  EXPECT_FALSE(Read(arrow::list(arrow::int32()), FileVersion::kV2_2, {page}, {{0, 3}}).ok());
}

TEST(MiniBlockByHand, ChunksOf32768Values) {
  std::string bits(4096, '\0');
  bits[4095] = '\x80';
  const std::string first = Chunk(0, {}, {bits}, false);
  const std::string second = Chunk(0, {}, {std::string("\x05", 1)}, false);
  const std::string words = Raw<uint16_t>({static_cast<uint16_t>(Word(first, 15)), static_cast<uint16_t>(Word(second, 0))});
  const Page page{MiniBlock(Flat(1), 32771, false, {kItem}).SerializeAsString(), {words, first + second}, 32771};
  Expect(arrow::boolean(), FileVersion::kV2_1, {page}, {{32766, 32771}}, "[false,true,true,false,true]");
  const auto whole = Read(arrow::boolean(), FileVersion::kV2_1, {page}, {{0, 32771}});
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  EXPECT_EQ(static_cast<const arrow::BooleanArray&>(**whole).true_count(), 3);
}

// More levels than 16 bits can count: only the runs of one of the two streams tell the true number.
TEST(MiniBlockByHand, LevelCountsModulo65536) {
  PageLayout layout = MiniBlock(Flat(8), 2, true, {kItem, pb::v21::REPDEF_EMPTYABLE_LIST});
  pb::v21::MiniBlockLayout* mini = layout.mutable_mini_block_layout();
  *mini->mutable_rep_compression() = Rle(Flat(16), Flat(8));
  mini->mutable_def_compression()->mutable_out_of_line_bitpacking()->set_uncompressed_bits_per_value(16);
  *mini->mutable_def_compression()->mutable_out_of_line_bitpacking()->mutable_values() = Flat(1);
  mini->set_repetition_index_depth(1);
  constexpr size_t kEmpty = 70000;
  std::vector<uint16_t> values;
  std::vector<uint8_t> lengths;
  for (size_t left = kEmpty + 1; left > 0; left -= lengths.back()) {
    values.push_back(1);
    lengths.push_back(static_cast<uint8_t>(std::min<size_t>(left, 255)));
  }
  values.push_back(0);
  lengths.push_back(1);
  const std::string rep = Raw<uint64_t>({values.size() * 2}) + Raw(values) + Raw(lengths);
  std::vector<uint16_t> def(69 * kBlockValues, 1);
  def[kEmpty] = def[kEmpty + 1] = 0;
  std::vector<uint16_t> packed(69 * PackedWords<uint16_t>(1));
  for (size_t i = 0; i < 69; ++i) PackBlock<uint16_t>(&def[i * kBlockValues], 1, &packed[i * PackedWords<uint16_t>(1)]);
  const std::string chunk = Chunk(static_cast<uint16_t>(kEmpty + 2 - 65536), {rep, Raw(packed)}, {Raw<uint8_t>({7, 9})}, true);
  const Page page{
      layout.SerializeAsString(), {Raw<uint32_t>({Word(chunk, 0)}), chunk, Raw<uint64_t>({kEmpty + 1, 0})}, kEmpty + 1};
  Expect(arrow::list(arrow::uint8()), FileVersion::kV2_2, {page}, {{0, 2}, {kEmpty - 1, kEmpty + 1}}, "[[],[],[],[7,9]]");
}

// Old writers cut a chunk in a run and left the run as long as it was.
TEST(MiniBlockByHand, RunsBeyondTheChunk) {
  PageLayout layout = MiniBlock(Rle(Flat(32), Flat(8)), 3, true, {kItem});
  layout.mutable_mini_block_layout()->set_num_buffers(2);
  const std::string chunk = Chunk(0, {}, {Raw<int32_t>({5, 6}), Raw<uint8_t>({1, 200})}, true);
  const Page page{layout.SerializeAsString(), {Raw<uint32_t>({Word(chunk, 0)}), chunk}, 3};
  Expect(arrow::int32(), FileVersion::kV2_2, {page}, {{0, 3}}, "[5,6,6]");
  Expect(arrow::int32(), FileVersion::kV2_2, {page}, {{2, 3}}, "[6]");
}

// Keys of a dictionary column have the width of the column's index type.
TEST(MiniBlockByHand, DictionaryKeysOfEveryWidth) {
  const auto check = [](const std::shared_ptr<arrow::DataType>& keys, uint64_t bits, const std::string& indices) {
    PageLayout layout = MiniBlock(Flat(bits), 4, true, {kItem});
    *layout.mutable_mini_block_layout()->mutable_dictionary() = Variable(Flat(32));
    layout.mutable_mini_block_layout()->set_num_dictionary_items(2);
    const std::string chunk = Chunk(0, {}, {indices}, true);
    const std::string dictionary = Raw<uint32_t>({32, 20, 0, 1, 3}) + "abb";
    const Page page{layout.SerializeAsString(), {Raw<uint32_t>({Word(chunk, 0)}), chunk, dictionary}, 4};
    const auto type = arrow::dictionary(keys, arrow::utf8());
    const auto got = Read(type, FileVersion::kV2_2, {page, page}, {{1, 7}});
    ASSERT_TRUE(got.ok()) << keys->ToString() << got.status().ToString();
    const auto& array = static_cast<const arrow::DictionaryArray&>(**got);
    std::string text;
    for (int64_t i = 0; i < array.length(); ++i)
      text += static_cast<const arrow::StringArray&>(*array.dictionary()).GetString(array.GetValueIndex(i)) + ";";
    EXPECT_EQ(text, "a;bb;bb;bb;a;bb;") << keys->ToString();
    EXPECT_TRUE(array.type()->Equals(type));
  };
  check(arrow::int8(), 8, Raw<uint8_t>({1, 0, 1, 1}));
  check(arrow::uint8(), 8, Raw<uint8_t>({1, 0, 1, 1}));
  check(arrow::int16(), 16, Raw<uint16_t>({1, 0, 1, 1}));
  check(arrow::uint16(), 16, Raw<uint16_t>({1, 0, 1, 1}));
  check(arrow::uint32(), 32, Raw<uint32_t>({1, 0, 1, 1}));
  check(arrow::int64(), 64, Raw<uint64_t>({1, 0, 1, 1}));
  check(arrow::uint64(), 64, Raw<uint64_t>({1, 0, 1, 1}));
}

// Of three items in three rows.
PageLayout FullZip(const std::vector<int>& layers) {
  PageLayout layout;
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_num_items(3);
  zip->set_num_visible_items(3);
  for (const int layer : layers) zip->add_layers(static_cast<pb::v21::RepDefLayer>(layer));
  return layout;
}

TEST(FullZipByHand, ItemsWithoutBytes) {
  PageLayout layout = FullZip({kItem});
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_bits_per_value(0);
  zip->mutable_value_compression()->mutable_fixed_size_list()->set_items_per_value(2);
  zip->mutable_value_compression()->mutable_fixed_size_list()->mutable_values()->mutable_constant();
  const auto type = arrow::fixed_size_list(arrow::float32(), 2);
  const Page page{layout.SerializeAsString(), {""}, 3};
  Expect(type, FileVersion::kV2_1, {page}, {{0, 2}}, "[[null,null],[null,null]]");
  // With a control word of one bit a value.
  zip->set_bits_def(1);
  zip->set_layers(0, pb::v21::REPDEF_NULLABLE_ITEM);
  const Page with_nulls{layout.SerializeAsString(), {Raw<uint8_t>({0, 1, 0})}, 3};
  Expect(type, FileVersion::kV2_1, {with_nulls}, {{0, 3}}, "[[null,null],null,[null,null]]");
  // Numbers have bytes.
  *zip->mutable_value_compression() = Flat(32);
  EXPECT_FALSE(Read(arrow::float32(), FileVersion::kV2_1, {{layout.SerializeAsString(), {""}, 3}}, {{0, 3}}).ok());
}

// Values of which nothing is stored: null where no level says what they are, else lists of null items.
TEST(FullZipByHand, ConstantsWithoutAValue) {
  PageLayout layout = FullZip({kItem});
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_bits_per_value(0);
  zip->mutable_value_compression()->mutable_constant();
  for (const auto& type : {arrow::fixed_size_list(arrow::float16(), 2), arrow::fixed_size_list(arrow::decimal256(41, 16), 2)}) {
    zip->set_bits_def(0);
    zip->set_layers(0, pb::v21::REPDEF_ALL_VALID_ITEM);
    const Page all_null{layout.SerializeAsString(), {""}, 3};
    Expect(type, FileVersion::kV2_1, {all_null}, {{1, 3}}, "[null,null]");
    zip->set_layers(0, pb::v21::REPDEF_NULLABLE_ITEM);
    Expect(type, FileVersion::kV2_1, {{layout.SerializeAsString(), {""}, 3}}, {{0, 3}}, "[null,null,null]");
    zip->set_bits_def(1);
    const Page some{layout.SerializeAsString(), {Raw<uint8_t>({0, 1, 0})}, 3};
    Expect(type, FileVersion::kV2_1, {some, all_null}, {{0, 2}, {2, 4}}, "[[null,null],null,[null,null],null]");
    EXPECT_FALSE(Read(type, FileVersion::kV2_1, {{layout.SerializeAsString(), {Raw<uint8_t>({0, 2, 0})}, 3}}, {{0, 3}}).ok());
  }
  const auto nested = arrow::fixed_size_list(arrow::fixed_size_list(arrow::int8(), 2), 2);
  Expect(nested, FileVersion::kV2_1, {{layout.SerializeAsString(), {Raw<uint8_t>({0, 1, 0})}, 3}}, {{0, 2}},
         "[[null,null],null]");
  EXPECT_FALSE(
      Read(arrow::utf8(), FileVersion::kV2_1, {{layout.SerializeAsString(), {Raw<uint8_t>({0, 1, 0})}, 3}}, {{0, 3}}).ok());
  // In lists, where an empty one has an item without a value.
  zip->set_bits_rep(1);
  zip->set_layers(0, pb::v21::REPDEF_ALL_VALID_ITEM);
  zip->add_layers(pb::v21::REPDEF_EMPTYABLE_LIST);
  const Page lists{layout.SerializeAsString(), {Raw<uint8_t>({2, 0, 3}), Raw<uint8_t>({0, 2, 3})}, 2};
  Expect(arrow::list(arrow::fixed_size_list(arrow::int8(), 2)), FileVersion::kV2_1, {lists}, {{0, 2}}, "[[null,null],[]]");
}

// Old writers did not tell the width of levels that are all 0, but wrote them.
TEST(FullZipByHand, LevelsWithoutAWidth) {
  PageLayout layout = FullZip({pb::v21::REPDEF_NULLABLE_ITEM});
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_bits_per_value(32);
  zip->mutable_value_compression()->mutable_fixed_size_list()->set_items_per_value(2);
  *zip->mutable_value_compression()->mutable_fixed_size_list()->mutable_values() = Flat(16);
  const auto type = arrow::fixed_size_list(arrow::uint16(), 2);
  const auto page = [&](const std::string& bytes) { return Page{layout.SerializeAsString(), {bytes}, 3}; };
  const std::string zipped("\0\1\0\2\0\0\3\0\4\0\0\5\0\6\0", 15);
  Expect(type, FileVersion::kV2_1, {page(zipped)}, {{0, 3}}, "[[1,2],[3,4],[5,6]]");
  Expect(type, FileVersion::kV2_1, {page(zipped), page(Raw<uint16_t>({1, 2, 3, 4, 5, 6}))}, {{2, 4}}, "[[5,6],[1,2]]");
  EXPECT_FALSE(Read(type, FileVersion::kV2_1, {page("\1" + zipped.substr(1))}, {{0, 3}}).ok());  // no level that there is
  EXPECT_FALSE(Read(type, FileVersion::kV2_1, {page(zipped + "x")}, {{0, 3}}).ok());
  zip->set_layers(0, pb::v21::REPDEF_ALL_VALID_ITEM);
  EXPECT_FALSE(Read(type, FileVersion::kV2_1, {page(zipped)}, {{0, 3}}).ok());  // nothing would have levels
}

// Old writers put the validity of a blob around its descriptor's own. The outer one is not read.
TEST(FullZipByHand, ALayerBeyondTheSchema) {
  PageLayout layout = FullZip({kItem, pb::v21::REPDEF_NULLABLE_ITEM});
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_bits_def(1);
  zip->set_bits_per_offset(32);
  *zip->mutable_value_compression() = Variable(Flat(32));
  const std::string zipped = std::string("\0\1\0\0\0a", 6) + "\1" + std::string("\0\2\0\0\0bb", 7);
  const std::vector<std::string> buffers = {zipped, Raw<uint8_t>({0, 6, 7, 14})};
  Expect(arrow::utf8(), FileVersion::kV2_2, {{layout.SerializeAsString(), buffers, 3}}, {{0, 3}}, R"(["a","","bb"])");
  Expect(arrow::utf8(), FileVersion::kV2_2, {{layout.SerializeAsString(), buffers, 3}}, {{1, 2}}, R"([""])");
  zip->set_layers(1, pb::v21::REPDEF_ALL_VALID_LIST);
  EXPECT_FALSE(Read(arrow::utf8(), FileVersion::kV2_2, {{layout.SerializeAsString(), buffers, 3}}, {{0, 3}}).ok());
}

// Each value a zstd frame: behind its length, and bare as old writers left it.
TEST(FullZipByHand, BareZstdFrames) {
  PageLayout layout = FullZip({kItem});
  pb::v21::FullZipLayout* zip = layout.mutable_full_zip_layout();
  zip->set_bits_per_offset(32);
  pb::v21::General* general = zip->mutable_value_compression()->mutable_general();
  general->mutable_compression()->set_scheme(pb::v21::COMPRESSION_ALGORITHM_ZSTD);
  *general->mutable_values() = Variable(Flat(32));
  const auto frame = [](const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
  };
  const std::string values[] = {frame("bare frame"), Raw<uint64_t>({7}) + frame("with 8b"), ""};
  std::string zipped;
  std::vector<uint8_t> starts = {0};
  for (const std::string& value : values) {
    zipped += Raw<uint32_t>({static_cast<uint32_t>(value.size())}) + value;
    starts.push_back(static_cast<uint8_t>(zipped.size()));
  }
  const Page page{layout.SerializeAsString(), {zipped, Raw(starts)}, 3};
  Expect(arrow::utf8(), FileVersion::kV2_2, {page}, {{0, 3}}, R"(["bare frame","with 8b",""])");
  Expect(arrow::utf8(), FileVersion::kV2_2, {page}, {{1, 2}}, R"(["with 8b"])");
}

// What a version does not have is refused in its files, even where the decoders know it.
TEST(GrammarTest, VersionsKeepTheirEncodings) {
  PageLayout layout = MiniBlock(Rle(Flat(32), Flat(16)), 3, true, {kItem});
  layout.mutable_mini_block_layout()->set_num_buffers(2);
  const std::string chunk = Chunk(0, {}, {Raw<int32_t>({5, 6}), Raw<uint16_t>({1, 2})}, true);
  const Page wide{layout.SerializeAsString(), {Raw<uint32_t>({Word(chunk, 0)}), chunk}, 3};
  EXPECT_TRUE(Read(arrow::int32(), FileVersion::kV2_2, {wide}, {{0, 3}}).status().Is(StatusCode::kNotSupported));
  EXPECT_FALSE(Read(arrow::int32(), FileVersion::kV2_3, {wide}, {{0, 3}}).ok());  // another message

  pb::v23::PlanarLayout planar;
  planar.mutable_structure()->mutable_dense()->add_layers(pb::v21::REPDEF_ALL_VALID_ITEM);
  pb::v23::ChunkedValues* chunked = planar.mutable_values()->mutable_chunked();
  *chunked->mutable_compression() = Rle(Flat(32), Flat(16));
  chunked->mutable_levels();
  chunked->set_num_buffers(2);
  chunked->set_num_items(3);
  const Page dense{planar.SerializeAsString(), wide.buffers, 3};
  Expect(arrow::int32(), FileVersion::kV2_3, {dense}, {{0, 3}}, "[5,6,6]");
  EXPECT_FALSE(Read(arrow::int32(), FileVersion::kV2_2, {dense}, {{0, 3}}).ok());

  PageLayout constant;
  constant.mutable_constant_layout()->add_layers(pb::v21::REPDEF_ALL_VALID_ITEM);
  constant.mutable_constant_layout()->set_inline_value(Raw<int32_t>({8}));
  const Page inline_value{constant.SerializeAsString(), {}, 3};
  Expect(arrow::int32(), FileVersion::kV2_2, {inline_value}, {{1, 3}}, "[8,8]");
  EXPECT_TRUE(Read(arrow::int32(), FileVersion::kV2_1, {inline_value}, {{0, 3}}).status().Is(StatusCode::kNotSupported));
}

// Sparse pages with every kind of values.
class SparseByHand : public testing::Test {
 protected:
  // Rows 1 and 3 of 5 are valid.
  SparseByHand() {
    pb::v23::ValiditySet* validity = planar_.mutable_structure()->mutable_sparse()->add_layers()->mutable_validity();
    validity->set_meaning(pb::v23::ValiditySet::SPARSE_VALIDITY_VALID_POSITIONS);
    *validity->mutable_positions() = Flat(64);
    validity->set_num_positions(2);
  }
  Page WithValues(std::vector<std::string> buffers) const {
    buffers.push_back(Raw<uint64_t>({1, 3}));
    return {planar_.SerializeAsString(), std::move(buffers), 5};
  }

  pb::v23::PlanarLayout planar_;
};

TEST_F(SparseByHand, Zipped) {
  pb::v23::ZippedValues* zipped = planar_.mutable_values()->mutable_zipped();
  *zipped->mutable_compression() = Flat(16);
  zipped->set_bits_per_value(16);
  zipped->set_num_items(2);
  zipped->set_num_visible_items(2);
  const Page page = WithValues({Raw<uint16_t>({11, 33})});
  Expect(arrow::uint16(), FileVersion::kV2_3, {page}, {{0, 5}}, "[null,11,null,33,null]");
  Expect(arrow::uint16(), FileVersion::kV2_3, {page, page}, {{3, 4}, {6, 8}}, "[33,11,null]");
  zipped->set_num_items(3);
  zipped->set_num_visible_items(3);
  EXPECT_FALSE(Read(arrow::uint16(), FileVersion::kV2_3, {WithValues({Raw<uint16_t>({1, 2, 3})})}, {{0, 5}}).ok());
}

TEST_F(SparseByHand, Indexed) {
  pb::v23::IndexedValues* indexed = planar_.mutable_values()->mutable_indexed();
  *indexed->mutable_indices() = Flat(32);
  *indexed->mutable_items()->mutable_compression() = Variable(Flat(32));
  indexed->mutable_items()->set_bits_per_offset(32);
  indexed->mutable_items()->set_num_items(3);
  indexed->mutable_items()->set_num_visible_items(3);
  const std::string items = Raw<uint32_t>({1}) + "a" + Raw<uint32_t>({2}) + "bb" + Raw<uint32_t>({0});
  const std::string starts = Raw<uint8_t>({0, 5, 11, 15});
  const Page page = WithValues({Raw<uint32_t>({0, 1, 0, 2, 0}), items, starts});
  Expect(arrow::utf8(), FileVersion::kV2_3, {page}, {{0, 5}}, R"([null,"bb",null,"",null])");
  Expect(arrow::utf8(), FileVersion::kV2_3, {page}, {{1, 2}}, R"(["bb"])");
  EXPECT_FALSE(
      Read(arrow::utf8(), FileVersion::kV2_3, {WithValues({Raw<uint32_t>({0, 3, 0, 2, 0}), items, starts})}, {{0, 5}}).ok());
  EXPECT_FALSE(Read(arrow::int32(), FileVersion::kV2_3, {page}, {{0, 5}}).ok());
  // All rows have the item that the message names.
  *indexed->mutable_indices() = CompressiveEncoding();
  indexed->mutable_indices()->mutable_constant()->set_value(Raw<uint32_t>({1}));
  Expect(arrow::utf8(), FileVersion::kV2_3, {WithValues({"", items, starts})}, {{0, 5}}, R"([null,"bb",null,"bb",null])");
}

TEST_F(SparseByHand, ConstantsAndNothing) {
  planar_.mutable_values()->mutable_constant()->set_scalar(Raw<int64_t>({-4}));
  Expect(arrow::int64(), FileVersion::kV2_3, {WithValues({})}, {{0, 5}}, "[null,-4,null,-4,null]");
  EXPECT_FALSE(Read(arrow::int32(), FileVersion::kV2_3, {WithValues({})}, {{0, 5}}).ok());
  planar_.mutable_values()->mutable_none();
  EXPECT_FALSE(Read(arrow::int64(), FileVersion::kV2_3, {WithValues({})}, {{0, 5}}).ok());  // there must be two
}

}  // namespace
}  // namespace lancefs::structural
