// SPDX-License-Identifier: Apache-2.0
//
// The building blocks of 2.1 to 2.3 pages, and what broken files do to the reader.
#include <arrow/api.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "backends/memory_store.h"
#include "engine/format/block_pool.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/file.pb.h"
#include "engine/format/structural/bitpacking.h"
#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/fsst.h"
#include "engine/format/structural/grow_buffer.h"
#include "engine/format/structural/rep_def.h"

namespace lancefs {
namespace structural {
namespace {

template <typename T>
class BitpackingTest : public testing::Test {};
using Words = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(BitpackingTest, Words);

TYPED_TEST(BitpackingTest, RoundTripsEveryWidth) {
  using T = TypeParam;
  constexpr unsigned kBits = sizeof(T) * 8;
  std::mt19937_64 random(kBits);
  for (unsigned width = 0; width <= kBits; ++width) {
    std::vector<T> values(kBlockValues);
    const T mask = width == kBits ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << width) - 1);
    for (T& value : values) value = static_cast<T>(random()) & mask;
    EXPECT_LE(BitsNeeded(values.data(), values.size()), width);
    std::vector<T> packed(PackedWords<T>(width) + 1, T{0x5A});
    PackBlock<T>(values.data(), width, packed.data());
    EXPECT_EQ(packed.back(), T{0x5A}) << "wrote behind the block of width " << width;
    std::vector<T> back(kBlockValues);
    UnpackBlock<T>(packed.data(), width, back.data());
    EXPECT_EQ(back, values) << "width " << width;
    // At an odd address too.
    std::vector<uint8_t> shifted(packed.size() * sizeof(T) + 1);
    std::memcpy(shifted.data() + 1, packed.data(), packed.size() * sizeof(T));
    std::fill(back.begin(), back.end(), T{0});
    UnpackBlock<T>(shifted.data() + 1, width, back.data());
    EXPECT_EQ(back, values) << "width " << width << " unaligned";
  }
}

// The order of values is the format's, not only our own: checked against its definition.
TYPED_TEST(BitpackingTest, FollowsTheDefinition) {
  using T = TypeParam;
  constexpr unsigned kBits = sizeof(T) * 8;
  constexpr unsigned kLanes = 1024 / kBits;
  constexpr unsigned kOrder[] = {0, 4, 2, 6, 1, 5, 3, 7};
  std::mt19937_64 random(1);
  for (unsigned width = 1; width <= kBits; ++width) {
    std::vector<T> packed(PackedWords<T>(width));
    for (T& word : packed) word = static_cast<T>(random());
    std::vector<T> got(kBlockValues);
    UnpackBlock<T>(packed.data(), width, got.data());
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      for (unsigned row = 0; row < kBits; ++row) {
        T want = 0;
        for (unsigned bit = 0; bit < width; ++bit) {
          const unsigned at = row * width + bit;
          want |= static_cast<T>(static_cast<T>((packed[kLanes * (at / kBits) + lane] >> (at % kBits)) & 1) << bit);
        }
        ASSERT_EQ(got[kOrder[row / 8] * 16 + (row % 8) * 128 + lane], want)
            << "width " << width << " row " << row << " lane " << lane;
      }
    }
  }
}

std::vector<uint8_t> SymbolTable(const std::vector<std::string>& symbols, bool compressed = true) {
  std::vector<uint8_t> table(2312, 0);
  const uint64_t header = (uint64_t{0x46535354} << 32) | (uint64_t{compressed} << 24) | symbols.size();
  std::memcpy(table.data(), &header, 8);
  for (size_t i = 0; i < symbols.size(); ++i) {
    std::memcpy(table.data() + 8 + 8 * i, symbols[i].data(), symbols[i].size());
    table[8 + 8 * symbols.size() + i] = static_cast<uint8_t>(symbols[i].size());
  }
  return table;
}

std::string Decoded(const FsstTable& table, const std::vector<uint8_t>& codes) {
  std::vector<uint8_t> out(FsstTable::MaxDecoded(codes.size()));
  const uint8_t* end = table.Decode(codes, out.data());
  return end == nullptr ? "(broken)" : std::string(out.data(), out.data() + (end - out.data()));
}

TEST(FsstTest, Decodes) {
  const Result<FsstTable> table = FsstTable::Parse(SymbolTable({"a", "hello wo", "rld"}));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_TRUE(table->compressed());
  EXPECT_EQ(Decoded(*table, {1, 2, 255, '!', 0}), "hello world!a");
  EXPECT_EQ(Decoded(*table, {}), "");
  EXPECT_EQ(Decoded(*table, {255, 255}), "\xff");
  EXPECT_EQ(Decoded(*table, {3}), "(broken)");
  EXPECT_EQ(Decoded(*table, {1, 255}), "(broken)");
}

TEST(FsstTest, RefusesBrokenTables) {
  EXPECT_FALSE(FsstTable::Parse(std::vector<uint8_t>(2311)).ok());
  EXPECT_FALSE(FsstTable::Parse(std::vector<uint8_t>(2312)).ok());
  std::vector<uint8_t> table = SymbolTable({"ab"});
  table[16] = 9;
  EXPECT_FALSE(FsstTable::Parse(table).ok());
  EXPECT_FALSE(FsstTable::Parse(SymbolTable({"ab"}, false))->compressed());
}

TEST(GrowBufferTest, AdoptsBytesAndCopiesThemOnlyToGrow) {
  uint8_t* to = nullptr;
  const Bytes bytes = Bytes::Allocate(300'000, &to);
  for (size_t i = 0; i < bytes.size(); ++i) to[i] = static_cast<uint8_t>(i * 31);
  GrowBuffer alone;
  ASSERT_TRUE(alone.Reserve(10).ok());
  ASSERT_TRUE(alone.Adopt(bytes));
  const std::shared_ptr<arrow::Buffer> same = alone.Finish();
  EXPECT_EQ(same->data(), bytes.data());
  EXPECT_EQ(same->size(), 300'000);
  EXPECT_EQ(alone.size(), 0U);

  GrowBuffer more;
  ASSERT_TRUE(more.Adopt(bytes.Slice(64, 128)));
  ASSERT_TRUE(more.Append("tail", 4).ok());
  EXPECT_FALSE(more.Adopt(bytes)) << "there is content already";
  const std::shared_ptr<arrow::Buffer> copied = more.Finish();
  ASSERT_EQ(copied->size(), 132);
  EXPECT_EQ(std::memcmp(copied->data(), bytes.data() + 64, 128), 0);
  EXPECT_EQ(std::memcmp(copied->data() + 128, "tail", 4), 0);

  GrowBuffer unaligned;
  EXPECT_FALSE(unaligned.Adopt(bytes.Slice(1, 128)));
}

TEST(BlockPoolTest, GrowsAndShrinksAcrossTheBorder) {
  auto buffer = arrow::AllocateResizableBuffer(100'000, BlockPool());
  ASSERT_TRUE(buffer.ok());
  for (int64_t i = 0; i < 100'000; ++i) (*buffer)->mutable_data()[i] = static_cast<uint8_t>(i % 251);
  for (const int64_t size : {400'000, 3'000'000, 2'900'000, 500'000, 120'000, 30'000'000, 100'000}) {
    ASSERT_TRUE((*buffer)->Resize(size, true).ok());
    for (int64_t i = 0; i < 100'000; ++i) ASSERT_EQ((*buffer)->data()[i], i % 251) << "at " << size;
    EXPECT_GE(BlockPool()->bytes_allocated(), size);
  }
}

// list<struct<a: list<int32>>> = [[null, {a: null}], null, [], [{a: [1, null]}], [{a: []}]]
TEST(RepDefTest, UnravelsNestedLists) {
  using namespace pb::v21;  // NOLINT
  google::protobuf::RepeatedField<int> kinds;
  for (const int kind : {REPDEF_NULLABLE_ITEM, REPDEF_NULL_AND_EMPTY_LIST, REPDEF_NULLABLE_ITEM, REPDEF_NULL_AND_EMPTY_LIST})
    kinds.Add(kind);
  const LeafPath path = {{false, 0}, {true, 0}, {false, 0}, {true, 0}};
  const Result<PageLayers> layers = PageLayers::Make(kinds, path);
  ASSERT_TRUE(layers.ok()) << layers.status().ToString();
  EXPECT_EQ(layers->max_rep, 2);
  EXPECT_EQ(layers->max_def, 6);
  EXPECT_EQ(layers->max_visible_def, 1);
  Levels levels{{2, 1, 2, 2, 2, 0, 2}, {4, 2, 5, 6, 0, 1, 3}, 7};
  ASSERT_TRUE(CheckLevels(*layers, levels).ok());
  EXPECT_EQ(CountVisible(*layers, levels), 2U);

  Levels some;
  RowSelection values;
  ASSERT_TRUE(SelectRows(*layers, levels, 0, {{0, 1}, {3, 5}}, &some, &values).ok());
  EXPECT_EQ(some.rep, (std::vector<uint16_t>{2, 1, 2, 0, 2}));
  EXPECT_EQ(some.def, (std::vector<uint16_t>{4, 2, 0, 1, 3}));
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values[0].start, 0U);
  EXPECT_EQ(values[0].end, 2U);
  EXPECT_FALSE(SelectRows(*layers, levels, 0, {{4, 7}}, &some, &values).ok());

  std::vector<LayerValues> out(4);
  ASSERT_TRUE(Unravel(*layers, &levels, &out).ok());
  const auto valid = [](const LayerValues& layer) {
    std::string text;
    for (uint64_t i = 0; i < layer.slots; ++i) text += layer.validity.IsValid(i) ? '1' : '0';
    return text;
  };
  EXPECT_EQ(valid(out[0]), "10");    // 1, null
  EXPECT_EQ(valid(out[1]), "0011");  // a of: null struct, {a: null}, [1, null], []
  EXPECT_EQ(out[1].offsets, (std::vector<int64_t>{0, 0, 2, 2}));
  EXPECT_EQ(valid(out[2]), "0111");
  EXPECT_EQ(valid(out[3]), "10111");
  EXPECT_EQ(out[3].offsets, (std::vector<int64_t>{2, 2, 2, 3, 4}));
}

TEST(RepDefTest, RefusesLevelsThatDoNotFit) {
  using namespace pb::v21;  // NOLINT
  google::protobuf::RepeatedField<int> kinds;
  kinds.Add(REPDEF_ALL_VALID_ITEM);
  kinds.Add(REPDEF_EMPTYABLE_LIST);
  EXPECT_FALSE(PageLayers::Make(kinds, {{false, 0}}).ok());
  EXPECT_FALSE(PageLayers::Make(kinds, {{false, 0}, {false, 0}}).ok());
  const Result<PageLayers> layers = PageLayers::Make(kinds, {{false, 0}, {true, 0}});
  ASSERT_TRUE(layers.ok());
  EXPECT_FALSE(CheckLevels(*layers, Levels{{1, 2}, {0, 0}, 2}).ok());
  EXPECT_FALSE(CheckLevels(*layers, Levels{{1, 1}, {0, 2}, 2}).ok());
  EXPECT_FALSE(CheckLevels(*layers, Levels{{}, {0, 0}, 2}).ok());
  Levels orphan{{1, 0}, {1, 0}, 2};  // an item goes on in an empty list
  std::vector<LayerValues> out(2);
  EXPECT_FALSE(Unravel(*layers, &orphan, &out).ok());
}

TEST(BlockCodecTest, ReadsOutOfLineTails) {
  // 1024 + 3 values of 3 bits: a packed block, then the tail as it is.
  pb::v21::CompressiveEncoding message;
  message.mutable_out_of_line_bitpacking()->set_uncompressed_bits_per_value(16);
  message.mutable_out_of_line_bitpacking()->mutable_values()->mutable_flat()->set_bits_per_value(3);
  std::vector<uint16_t> values(1027);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i % 8);
  std::vector<uint16_t> stored(PackedWords<uint16_t>(3) + 3);
  PackBlock<uint16_t>(values.data(), 3, stored.data());
  std::copy(values.begin() + 1024, values.end(), stored.end() - 3);
  const auto codec = BlockCodec::Make(message);
  ASSERT_TRUE(codec.ok());
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(stored.data()), stored.size() * 2);
  std::vector<uint16_t> got;
  ASSERT_TRUE((*codec)->AppendLevels(bytes, 1027, &got).ok());
  EXPECT_EQ(got, values);
  EXPECT_FALSE((*codec)->AppendLevels(bytes.first(bytes.size() - 2), 1027, &got).ok());
}

TEST(BlockCodecTest, RunLengthsDecideTheCountOfLevels) {
  pb::v21::CompressiveEncoding message;
  message.mutable_rle()->mutable_values()->mutable_flat()->set_bits_per_value(16);
  message.mutable_rle()->mutable_run_lengths()->mutable_flat()->set_bits_per_value(8);
  const auto codec = BlockCodec::Make(message);
  ASSERT_TRUE(codec.ok());
  const size_t runs = 300;  // of 255 each: 76500 levels, stored as 76500 - 65536
  std::vector<uint8_t> bytes(8 + runs * 3);
  const uint64_t value_bytes = runs * 2;
  std::memcpy(bytes.data(), &value_bytes, 8);
  std::fill(bytes.begin() + 8 + runs * 2, bytes.end(), 255);
  std::vector<uint16_t> got;
  const Result<uint64_t> count = (*codec)->LevelCount(bytes, 76500 - 65536);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, 76500U);
  ASSERT_TRUE((*codec)->AppendLevels(bytes, *count, &got).ok());
  EXPECT_EQ(got.size(), 76500U);
  EXPECT_FALSE((*codec)->LevelCount(bytes, 76501 - 65536).ok());
  EXPECT_FALSE((*codec)->AppendLevels(bytes, 76500 - 65536, &got).ok());
}

TEST(BlockCodecTest, DecompressionBelievesNoSize) {
  std::vector<uint8_t> out;
  std::vector<uint8_t> bomb(12, 0xff);
  EXPECT_FALSE(Decompress(Compression::kZstd, bomb, &out).ok());
  EXPECT_FALSE(Decompress(Compression::kLz4, bomb, &out).ok());
}

// -- broken files

std::string Fixture(const std::string& name) {
  std::ifstream in(std::string(LANCEFS_SOURCE_DIR) + "/tests/engine/format/data/" + name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The schema that the file carries.
Result<Schema> SchemaOf(LanceFile& file) {
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, file.GlobalBuffer(0, OpContext()));
  pb::FileDescriptor descriptor;
  if (!descriptor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Status::Corruption("descriptor");
  return SchemaFromProto(descriptor.schema().fields(), {});
}

// Reads all columns of the file; `selections` each.
Status ReadFile(const std::string& bytes, const std::vector<RowSelection>& selections, int* columns_read) {
  const OpContext ctx;
  const auto store = MakeMemoryStore();
  LANCEFS_RETURN_NOT_OK(store->Put("f", Bytes::FromString(bytes), ctx));
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<LanceFile> file, LanceFile::Open(store, "f", 0, ctx));
  LANCEFS_ASSIGN_OR_RETURN(Schema schema, SchemaOf(*file));
  FieldColumns columns;
  for (const Field* field : PhysicalFields(schema, file->version()))
    columns.emplace(field->id, static_cast<uint32_t>(columns.size()));
  Status first = Status::OK();
  for (const Field& field : schema.fields) {
    for (const RowSelection& rows : selections) {
      const Status status = [&]() -> Status {
        const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
        LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns(indices, ctx));
        ColumnInfos by_index;
        for (size_t i = 0; i < indices.size(); ++i) by_index[indices[i]] = infos[i];
        LANCEFS_ASSIGN_OR_RETURN(auto read, MakeColumnRead(file, field, columns, by_index, rows));
        std::vector<std::unique_ptr<ColumnRead>> reads;
        reads.push_back(std::move(read));
        LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), ctx));
        // What is handed out must be sound, whatever the bytes were.
        const arrow::Status sound = arrays[0]->Validate();
        EXPECT_TRUE(sound.ok()) << field.name << ": " << sound.ToString();
        EXPECT_EQ(static_cast<uint64_t>(arrays[0]->length()), CountRows(rows));
        ++*columns_read;
        return Status::OK();
      }();
      if (first.ok()) first = status;
    }
  }
  return first;
}

class BrokenFileTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { google::protobuf::SetLogHandler(nullptr); }  // it tells of every broken message

  const std::string bytes_ = Fixture(GetParam());
  const std::vector<RowSelection> selections_ = {{{0, 20}}, {{1, 2}, {5, 6}, {11, 19}}};
};

TEST_P(BrokenFileTest, IntactIsRead) {
  ASSERT_FALSE(bytes_.empty());
  int columns = 0;
  const Status status = ReadFile(bytes_, selections_, &columns);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_GE(columns, 8);
}

TEST_P(BrokenFileTest, TruncatedIsRefused) {
  for (size_t size = 0; size < bytes_.size(); size += 1 + bytes_.size() / 200) {
    int columns = 0;
    EXPECT_FALSE(ReadFile(bytes_.substr(0, size), selections_, &columns).ok());
  }
  // The end is there, but bytes in the middle are gone.
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    std::string cut = bytes_;
    cut.erase(random() % (bytes_.size() - 41), 1 + random() % 100);
    int columns = 0;
    (void)ReadFile(cut, selections_, &columns);
  }
}

TEST_P(BrokenFileTest, FlippedBytesNeverCrash) {
  std::mt19937 random(2);
  const char* more = std::getenv("LANCEFS_FUZZ_ROUNDS");
  const int rounds = more == nullptr ? 1500 : std::atoi(more);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string broken = bytes_;
    const unsigned flips = 1 + random() % 4;
    for (unsigned k = 0; k < flips; ++k) {
      // Half of them in the metadata at the end, where they hurt most.
      const size_t at = random() % 2 == 0 ? random() % broken.size()
                                          : broken.size() - 40 - random() % std::min<size_t>(broken.size() - 40, 2500);
      broken[at] = random() % 3 == 0 ? static_cast<char>(0xff) : static_cast<char>(random());
    }
    int columns = 0;
    refused += ReadFile(broken, selections_, &columns).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, rounds / 20);
}

// Reads `field` of a file in memory with the columns given.
Result<std::shared_ptr<arrow::Array>> ReadField(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                const FieldColumns& columns, RowSelection rows) {
  const OpContext ctx;
  const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
  LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns(indices, ctx));
  ColumnInfos by_index;
  for (size_t i = 0; i < indices.size(); ++i) by_index[indices[i]] = infos[i];
  LANCEFS_ASSIGN_OR_RETURN(auto read, MakeColumnRead(file, field, columns, by_index, std::move(rows)));
  std::vector<std::unique_ptr<ColumnRead>> reads;
  reads.push_back(std::move(read));
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), ctx));
  return arrays[0];
}

class PartialFieldTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store_->Put("f", Bytes::FromString(Fixture("small_2_2.lance")), OpContext()).ok());
    Open();
    for (const Field* leaf : PhysicalFields(schema_, file_->version()))
      columns_.emplace(leaf->id, static_cast<uint32_t>(columns_.size()));
  }
  // Anew, without what earlier reads kept of its pages.
  void Open() {
    auto file = LanceFile::Open(store_, "f", 0, OpContext());
    ASSERT_TRUE(file.ok());
    file_ = *file;
    auto schema = SchemaOf(*file_);
    ASSERT_TRUE(schema.ok());
    schema_ = *schema;
  }

  const std::shared_ptr<ObjectStore> store_ = MakeMemoryStore();
  std::shared_ptr<LanceFile> file_;
  Schema schema_;
  FieldColumns columns_;
};

TEST_F(PartialFieldTest, MissingAndLeftOutChildren) {
  const Field field = *schema_.Find("x");  // list<struct<a: int8, b: list<bool>>>
  auto whole = ReadField(file_, field, columns_, {{0, 48}});
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  const auto& whole_list = static_cast<const arrow::ListArray&>(**whole);
  const auto& whole_items = static_cast<const arrow::StructArray&>(*whole_list.values());

  FieldColumns without_a = columns_;
  without_a.erase(field.children[0].children[0].id);
  auto holes = ReadField(file_, field, without_a, {{0, 48}});
  ASSERT_TRUE(holes.ok()) << holes.status().ToString();
  const auto& holes_list = static_cast<const arrow::ListArray&>(**holes);
  const auto& holes_items = static_cast<const arrow::StructArray&>(*holes_list.values());
  EXPECT_EQ(holes_items.length(), whole_items.length());
  EXPECT_EQ(holes_items.field(0)->null_count(), holes_items.length());
  EXPECT_TRUE(holes_items.field(1)->Equals(whole_items.field(1)));
  EXPECT_TRUE(holes_list.offsets()->Equals(whole_list.offsets()));
  EXPECT_EQ(holes_list.null_count(), whole_list.null_count());

  Field only_b = field;
  only_b.children[0].children.erase(only_b.children[0].children.begin());
  only_b.children[0].type = *TypeFromLogical(only_b.children[0].logical_type, only_b.children[0].children);
  only_b.type = *TypeFromLogical(only_b.logical_type, only_b.children);
  auto part = ReadField(file_, only_b, columns_, {{3, 9}, {20, 21}});
  ASSERT_TRUE(part.ok()) << part.status().ToString();
  EXPECT_TRUE((*part)->ValidateFull().ok());
  const auto first = (*part)->Slice(0, 6);
  const auto& part_list = static_cast<const arrow::ListArray&>(*first);
  const auto& part_items = static_cast<const arrow::StructArray&>(*part_list.values());
  EXPECT_EQ(part_items.num_fields(), 1);
  const int64_t from = whole_list.value_offset(3);
  const int64_t count = whole_list.value_offset(9) - from;
  EXPECT_TRUE(part_items.field(0)->Slice(0, count)->Equals(whole_items.field(1)->Slice(from, count)));
}

// Arrow aborts on maps with null keys; a broken manifest makes a map of any list of structs, or leaves the keys' column out.
TEST_F(PartialFieldTest, MapsWithoutKeys) {
  Field field = *schema_.Find("x");  // list<struct<a: int8, b: list<bool>>>
  field.logical_type = "map";
  field.type = *TypeFromLogical(field.logical_type, field.children);
  columns_.erase(field.children[0].children[0].id);
  const auto without_keys = ReadField(file_, field, columns_, {{0, 48}});
  EXPECT_EQ(without_keys.status().code(), StatusCode::kCorruption) << without_keys.status().ToString();
}

// A broken manifest may give one column to several fields; what a read keeps of a page must not be trusted by the next.
TEST_F(PartialFieldTest, OneColumnForFieldsOfOtherTypes) {
  const std::vector<std::vector<std::string>> orders = {{"d", "i"}, {"d", "v"}, {"s", "d"}, {"s", "i"}};
  for (const auto& names : orders) {
    Open();
    const auto read = [&](const std::string& name) {
      const Field field = *schema_.Find(name);
      return ReadField(file_, field, {{field.id, 2}}, {{0, 48}});  // column 2 has a dictionary of strings
    };
    EXPECT_TRUE(read(names[0]).ok()) << names[0];
    EXPECT_EQ(read(names[1]).status().code(), StatusCode::kCorruption) << names[1] << " after " << names[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Files, BrokenFileTest,
                         testing::Values("small_2_1.lance", "small_2_2.lance", "chunks_2_2.lance", "wide_2_2.lance",
                                         "small_2_3.lance", "sparse_2_3.lance"));

}  // namespace
}  // namespace structural
}  // namespace lancefs
