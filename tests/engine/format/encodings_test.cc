// SPDX-License-Identifier: Apache-2.0
//
// Compressive encodings one by one: the forms that pylance does not write today but readers must know,
// and what hostile messages and bytes do. Whole files: structural_test.cc and tests/interop.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "engine/format/structural/bitpacking.h"
#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/sparse_structure.h"
#include "engine/format/structural/value_codec.h"

namespace lancefs::structural {
namespace {

using Encoding = pb::v21::CompressiveEncoding;

Encoding Flat(uint64_t bits) {
  Encoding out;
  out.mutable_flat()->set_bits_per_value(bits);
  return out;
}

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Encoding Constant(const std::string& value) {
  Encoding out;
  out.mutable_constant()->set_value(value);
  return out;
}
Encoding Constant64(uint64_t value) { return Constant(Raw<uint64_t>({value})); }
Encoding Constant32(uint32_t value) { return Constant(Raw<uint32_t>({value})); }

Encoding Nothing() {
  Encoding out;
  out.mutable_constant();
  return out;
}

Encoding Range(uint64_t bits, uint64_t start, uint64_t step) {
  Encoding out;
  out.mutable_range()->set_uncompressed_bits_per_value(bits);
  out.mutable_range()->set_start(start);
  out.mutable_range()->set_step(step);
  return out;
}

Encoding Delta(uint64_t bits, uint64_t base, const Encoding& deltas) {
  Encoding out;
  out.mutable_delta()->set_uncompressed_bits_per_value(bits);
  out.mutable_delta()->set_base(base);
  *out.mutable_delta()->mutable_deltas() = deltas;
  return out;
}

Encoding Rle(const Encoding& values, const Encoding& lengths) {
  Encoding out;
  *out.mutable_rle()->mutable_values() = values;
  *out.mutable_rle()->mutable_run_lengths() = lengths;
  return out;
}

Encoding OutOfLine(uint64_t bits, uint64_t packed) {
  Encoding out;
  out.mutable_out_of_line_bitpacking()->set_uncompressed_bits_per_value(bits);
  *out.mutable_out_of_line_bitpacking()->mutable_values() = Flat(packed);
  return out;
}

Encoding Dictionary(const Encoding& indices, const Encoding& items, uint32_t count) {
  Encoding out;
  *out.mutable_dictionary()->mutable_indices() = indices;
  *out.mutable_dictionary()->mutable_items() = items;
  out.mutable_dictionary()->set_num_dictionary_items(count);
  return out;
}

std::span<const uint8_t> Span(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

std::string Framed(const std::string& values, const std::string& lengths) {
  return Raw<uint64_t>({values.size()}) + values + lengths;
}

// The decoded values, or the error in `status`.
template <typename T>
std::vector<T> Decode(const Encoding& encoding, const std::string& bytes, uint64_t count, Status* status) {
  std::vector<T> out;
  auto codec = BlockCodec::Make(encoding);
  *status = codec.status();
  if (!codec.ok()) return out;
  Block block;
  *status = (*codec)->Decode(Span(bytes), count, &block);
  if (!status->ok()) return out;
  EXPECT_EQ(block.bits, sizeof(T) * 8);
  EXPECT_EQ(block.count, count);
  out.resize(count);
  EXPECT_EQ(block.data.size(), count * sizeof(T));
  std::memcpy(out.data(), block.data.data(), std::min(block.data.size(), count * sizeof(T)));
  return out;
}

template <typename T>
void Expect(const Encoding& encoding, const std::string& bytes, const std::vector<T>& want) {
  Status status;
  EXPECT_EQ(Decode<T>(encoding, bytes, want.size(), &status), want) << status.ToString();
  EXPECT_TRUE(status.ok()) << status.ToString();
}

template <typename T = uint64_t>
void ExpectRefused(const Encoding& encoding, const std::string& bytes, uint64_t count) {
  Status status;
  (void)Decode<T>(encoding, bytes, count, &status);
  EXPECT_FALSE(status.ok()) << EncodingName(encoding) << " of " << count;
}

TEST(RangeTest, CountsUp) {
  Expect<uint64_t>(Range(64, 5, 3), "", {5, 8, 11, 14});
  Expect<uint32_t>(Range(32, UINT32_MAX - 1, 1), "", {UINT32_MAX - 1, UINT32_MAX});
  ExpectRefused<uint32_t>(Range(32, UINT32_MAX - 1, 1), "", 3);
  ExpectRefused(Range(64, UINT64_MAX - 5, 2), "", 4);
  ExpectRefused(Range(64, 0, 1), "", uint64_t{1} << 60);
  ExpectRefused(Range(64, 0, 0), "", 5);
  ExpectRefused(Range(16, 0, 1), "", 5);
}

TEST(DeltaTest, AddsUp) {
  Expect<uint64_t>(Delta(64, 10, Flat(64)), Raw<uint64_t>({0, 1, 5}), {10, 10, 11, 16});
  Expect<uint32_t>(Delta(32, 1, Flat(32)), Raw<uint32_t>({2, 3}), {1, 3, 6});
  Expect<uint64_t>(Delta(64, 7, Constant64(2)), "", {7, 9, 11});
  Expect<uint64_t>(Delta(64, 0, Range(64, 1, 1)), "", {0, 1, 3, 6, 10});
  std::vector<uint64_t> deltas(1500);
  std::vector<uint64_t> sums = {100};
  for (size_t i = 0; i < deltas.size(); ++i) sums.push_back(sums.back() + (deltas[i] = i % 8));
  std::vector<uint64_t> packed(2 * PackedWords<uint64_t>(3));
  deltas.resize(2048);
  PackBlock<uint64_t>(deltas.data(), 3, packed.data());
  PackBlock<uint64_t>(deltas.data() + 1024, 3, packed.data() + PackedWords<uint64_t>(3));
  Expect<uint64_t>(Delta(64, 100, OutOfLine(64, 3)), Raw(packed), sums);

  ExpectRefused(Delta(64, UINT64_MAX, Flat(64)), Raw<uint64_t>({1}), 2);
  ExpectRefused<uint32_t>(Delta(32, UINT32_MAX, Flat(32)), Raw<uint32_t>({1}), 2);
  ExpectRefused(Delta(64, 0, Flat(64)), Raw<uint64_t>({1}), 3);
  ExpectRefused(Delta(64, 0, Flat(64)), Raw<uint64_t>({1}), 0);
  ExpectRefused(Delta(64, 0, Flat(64)), "", uint64_t{1} << 50);
  ExpectRefused(Delta(64, 0, Constant64(1)), "", uint64_t{1} << 50);
  ExpectRefused(Delta(64, 0, Flat(32)), Raw<uint32_t>({1}), 2);
  Encoding deep = Flat(64);
  for (int i = 0; i < 100; ++i) deep = Delta(64, 0, deep);
  ExpectRefused(deep, "", 200);
}

TEST(RleTest, EveryWidthOfLengths) {
  const std::string values = Raw<uint16_t>({7, 8});
  Expect<uint16_t>(Rle(Flat(16), Flat(8)), Framed(values, Raw<uint8_t>({2, 1})), {7, 7, 8});
  Expect<uint16_t>(Rle(Flat(16), Flat(16)), Framed(values, Raw<uint16_t>({2, 1})), {7, 7, 8});
  Expect<uint16_t>(Rle(Flat(16), Flat(32)), Framed(values, Raw<uint32_t>({2, 1})), {7, 7, 8});
  std::vector<uint16_t> long_run(70000, 7);
  long_run.push_back(8);
  Expect<uint16_t>(Rle(Flat(16), Flat(32)), Framed(values, Raw<uint32_t>({70000, 1})), long_run);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(32)), Framed(values, Raw<uint32_t>({UINT32_MAX, 1})), 5);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(32)), Framed(values, Raw<uint32_t>({UINT32_MAX, 1})), uint64_t{1} << 32);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(8)), Framed(values, Raw<uint8_t>({2, 0})), 2);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(8)), Framed(values, Raw<uint8_t>({2})), 2);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(8)), Raw<uint64_t>({1000}), 2);
  ExpectRefused<uint16_t>(Rle(Flat(16), Flat(8)), "", 2);
}

TEST(RleTest, ChildrenTellTheNumberOfRuns) {
  // Lengths in the message.
  Expect<uint64_t>(Rle(Flat(64), Constant32(2)), Framed(Raw<uint64_t>({4, 9}), ""), {4, 4, 9, 9});
  Expect<uint64_t>(Rle(Range(64, 5, 1), Constant32(2)), "", {5, 5, 6, 6, 7, 7});
  Expect<uint64_t>(Rle(Flat(64), Range(32, 1, 1)), Framed(Raw<uint64_t>({4, 9, 1}), ""), {4, 9, 9, 1, 1, 1});
  Expect<uint32_t>(Rle(Range(32, 1, 1), Range(32, 1, 1)), "", {1, 2, 2, 3, 3, 3});
  // Values packed, lengths flat; and the other way round.
  std::vector<uint32_t> values(1024);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint32_t>(i % 4);
  std::vector<uint32_t> packed(PackedWords<uint32_t>(2));
  PackBlock<uint32_t>(values.data(), 2, packed.data());
  std::vector<uint32_t> want;
  for (const uint32_t value : values) want.insert(want.end(), 3, value);
  Expect<uint32_t>(Rle(OutOfLine(32, 2), Flat(8)), Framed(Raw(packed), Raw(std::vector<uint8_t>(1024, 3))), want);
  std::vector<uint32_t> threes(1024, 3);
  PackBlock<uint32_t>(threes.data(), 2, packed.data());
  Expect<uint32_t>(Rle(Flat(32), OutOfLine(32, 2)), Framed(Raw(values), Raw(packed)), want);
  // Nobody tells.
  ExpectRefused<uint32_t>(Rle(OutOfLine(32, 2), OutOfLine(32, 2)), Framed(Raw(packed), Raw(packed)), 3072);
  ExpectRefused(Rle(Range(64, 5, 1), Constant32(2)), "", 5);
  ExpectRefused(Rle(Range(64, 5, 1), Constant32(0)), "", 5);
  ExpectRefused(Rle(Range(64, 5, 1), Range(32, 1, 1)), "", 5);
  ExpectRefused(Rle(Range(64, 5, 1), Constant32(1)), "", uint64_t{1} << 50);
}

TEST(DictionaryTest, LooksUp) {
  const auto framed = [](const std::string& indices, const std::string& items) {
    return Raw<uint64_t>({indices.size(), items.size()}) + indices + items;
  };
  Expect<uint64_t>(Dictionary(Flat(32), Flat(64), 2), framed(Raw<uint32_t>({1, 0, 1}), Raw<uint64_t>({5, 1000})),
                   {1000, 5, 1000});
  Expect<uint64_t>(Dictionary(Flat(32), Range(64, 5, 5), 2), framed(Raw<uint32_t>({1, 0}), ""), {10, 5});
  Expect<uint32_t>(Dictionary(Range(32, 0, 1), Range(32, 9, 9), 2), "", {9, 18});
  ExpectRefused(Dictionary(Flat(32), Flat(64), 2), framed(Raw<uint32_t>({2}), Raw<uint64_t>({5, 1000})), 1);
  ExpectRefused(Dictionary(Flat(32), Flat(64), 2), Raw<uint64_t>({UINT64_MAX, 16}) + Raw<uint64_t>({1, 2}), 1);
  ExpectRefused(Dictionary(Flat(32), Flat(64), 5000), framed(Raw<uint32_t>({1}), Raw(std::vector<uint64_t>(5000))), 1);
  ExpectRefused(Dictionary(Flat(16), Flat(64), 2), framed(Raw<uint16_t>({1}), Raw<uint64_t>({5, 1000})), 1);
  ExpectRefused(Dictionary(Flat(32), Flat(64), 2), "", 1);
}

TEST(ConstantTest, RepeatsWithoutABuffer) {
  Expect<uint64_t>(Constant64(9), "", {9, 9, 9});
  Expect<uint16_t>(Constant(Raw<uint16_t>({3})), "", {3, 3});
  Expect<uint64_t>(Nothing(), "", {});
  ExpectRefused(Nothing(), "", 1);
  ExpectRefused(Constant64(9), "", uint64_t{1} << 60);
}

TEST(VariableBlockTest, HeaderOfOldFiles) {
  // u8 bits, u32 count, u32 start of the bytes, offsets.
  const std::string old = std::string("\x20", 1) + Raw<uint32_t>({0x01010102, 21, 0, 1, 3}) + "abc";
  auto codec = BlockCodec::Make([] {
    Encoding out;
    *out.mutable_variable()->mutable_offsets() = Flat(32);
    return out;
  }());
  ASSERT_TRUE(codec.ok());
  Block block;
  ASSERT_TRUE((*codec)->Decode(Span(old), 2, &block).ok());
  EXPECT_EQ(block.offsets, (std::vector<uint64_t>{0, 1, 3}));
  EXPECT_FALSE((*codec)->Decode(Span(old), 3, &block).ok());
  const std::string stable = Raw<uint32_t>({32, 20, 0, 1, 3}) + "abc";
  ASSERT_TRUE((*codec)->Decode(Span(stable), 2, &block).ok());
  EXPECT_EQ(std::string(block.data.begin(), block.data.end()), "abc");
  const std::string wide = Raw<uint64_t>({64, 40, 0, 1, 3}) + "abc";
  ASSERT_TRUE((*codec)->Decode(Span(wide), 2, &block).ok());
  EXPECT_TRUE(block.wide_offsets);
}

TEST(FixedSizeListBlockTest, SplitsBitmapsFromItems) {
  Encoding message;
  message.mutable_fixed_size_list()->set_items_per_value(2);
  message.mutable_fixed_size_list()->set_has_validity(true);
  *message.mutable_fixed_size_list()->mutable_values() = Flat(16);
  auto codec = BlockCodec::Make(message);
  ASSERT_TRUE(codec.ok());
  const std::string bytes = std::string("\x01", 1) + Raw<uint16_t>({5, 0}) + std::string("\x03", 1) + Raw<uint16_t>({6, 7});
  Block block;
  ASSERT_TRUE((*codec)->Decode(Span(bytes), 2, &block).ok());
  EXPECT_EQ(std::string(block.data.begin(), block.data.end()), Raw<uint16_t>({5, 0, 6, 7}));
  ASSERT_EQ(block.item_validity.size(), 1U);
  EXPECT_EQ(block.item_validity[0], (std::vector<uint8_t>{0b1101}));
  EXPECT_FALSE((*codec)->Decode(Span(bytes), 1, &block).ok());
  EXPECT_FALSE((*codec)->Decode(Span(bytes), 3, &block).ok());
  EXPECT_FALSE((*codec)->Decode(Span(bytes), uint64_t{1} << 60, &block).ok());
}

// Lists of null items have bitmaps only; the reference puts a bit an item behind them.
TEST(FixedSizeListBlockTest, NullItems) {
  Encoding message;
  message.mutable_fixed_size_list()->set_items_per_value(9);
  message.mutable_fixed_size_list()->set_has_validity(true);
  message.mutable_fixed_size_list()->mutable_values()->mutable_constant();
  auto codec = BlockCodec::Make(message);
  ASSERT_TRUE(codec.ok());
  for (const size_t width : {2U, 4U}) {
    Block block;
    ASSERT_TRUE((*codec)->Decode(Span(std::string(3 * width, '\0')), 3, &block).ok()) << width;
    EXPECT_EQ(block.item_validity[0], std::vector<uint8_t>(4, 0));
    EXPECT_TRUE(block.data.empty());
  }
  Block block;
  EXPECT_FALSE((*codec)->Decode(Span(std::string(9, '\0')), 3, &block).ok());
}

// Values of a chunk whose offsets are a block of their own, of a formula, or in front of the bytes.
TEST(VariableValuesTest, OffsetsOfEveryKind) {
  const auto read = [](const Encoding& offsets, std::vector<std::string> buffers, uint64_t count) -> std::string {
    Encoding message;
    *message.mutable_variable()->mutable_offsets() = offsets;
    auto codec = ValueCodec::Make(message);
    if (!codec.ok()) return codec.status().ToString();
    if ((*codec)->num_buffers() != buffers.size()) return "buffers " + std::to_string((*codec)->num_buffers());
    std::vector<std::span<const uint8_t>> spans;
    for (const std::string& buffer : buffers) spans.push_back(Span(buffer));
    LeafValues values(*LeafShape::Make(arrow::utf8()));
    Scratch scratch;
    const Status status = (*codec)->AppendChunk(spans, count, {{1, count}}, &scratch, &values);
    if (!status.ok()) return "refused";
    BitmapValues valid;
    (void)valid.AppendValid(count - 1);
    auto array = values.Finish(&valid);
    if (!array.ok()) return array.status().ToString();
    std::string text;
    for (int64_t i = 0; i < (*array)->length(); ++i) text += static_cast<const arrow::StringArray&>(**array).GetString(i) + ";";
    return text;
  };
  EXPECT_EQ(read(Flat(32), {Raw<uint32_t>({16, 17, 19, 22}) + "abbccc"}, 3), "bb;ccc;");
  EXPECT_EQ(read(Delta(32, 0, Flat(32)), {Raw<uint32_t>({1, 2, 3}), "abbccc"}, 3), "bb;ccc;");
  EXPECT_EQ(read(Delta(64, 0, Flat(64)), {Raw<uint64_t>({1, 2, 3}), "abbccc"}, 3), "bb;ccc;");
  EXPECT_EQ(read(Range(32, 0, 2), {"aabbcc"}, 3), "bb;cc;");
  EXPECT_EQ(read(Delta(32, 0, Flat(32)), {Raw<uint32_t>({1, 2, 300}), "abbccc"}, 3), "refused");
  EXPECT_EQ(read(Range(32, 0, 2), {"aab"}, 3), "refused");
  EXPECT_EQ(read(Flat(32), {Raw<uint32_t>({16, 19, 17, 22}) + "abbccc"}, 3), "refused");
}

// -- the structure of sparse pages

void SetPositions(pb::v23::ValiditySet* set, pb::v23::ValiditySet::Meaning meaning, const Encoding& positions, uint64_t count) {
  set->set_meaning(meaning);
  *set->mutable_positions() = positions;
  set->set_num_positions(count);
}

void AddValidity(pb::v23::SparseStructure* out, pb::v23::ValiditySet::Meaning meaning, const Encoding& positions,
                 uint64_t count) {
  SetPositions(out->add_layers()->mutable_validity(), meaning, positions, count);
}

pb::v23::ListLayer* AddList(pb::v23::SparseStructure* out, const Encoding& positions, const Encoding& counts, uint64_t lists,
                            uint64_t children) {
  pb::v23::ListLayer* list = out->add_layers()->mutable_list();
  *list->mutable_non_empty_positions() = positions;
  *list->mutable_counts() = counts;
  list->set_num_non_empty_positions(lists);
  list->set_num_child_slots(children);
  SetPositions(list->mutable_validity(), pb::v23::ValiditySet::SPARSE_VALIDITY_NULL_POSITIONS, Nothing(), 0);
  return list;
}

Result<SparseStructure> Loaded(const pb::v23::SparseStructure& message, uint64_t rows, const std::vector<std::string>& buffers) {
  LANCEFS_ASSIGN_OR_RETURN(SparseStructure structure, SparseStructure::Make(message, rows));
  if (structure.num_buffers() != buffers.size()) return Status::InvalidArgument("buffers");
  std::vector<Bytes> bytes;
  for (const std::string& buffer : buffers) bytes.push_back(Bytes::FromString(buffer));
  LANCEFS_RETURN_NOT_OK(structure.Load(bytes));
  return structure;
}

std::string Text(const LayerValues& layer) {
  std::string text;
  for (uint64_t i = 0; i < layer.slots; ++i) text += layer.validity.IsValid(i) ? '1' : '0';
  return text;
}

constexpr auto kNulls = pb::v23::ValiditySet::SPARSE_VALIDITY_NULL_POSITIONS;
constexpr auto kValid = pb::v23::ValiditySet::SPARSE_VALIDITY_VALID_POSITIONS;

TEST(SparseStructureTest, SelectsRowsOfLists) {
  // Rows 0 to 9: row 2 has 2 items, row 5 has 1, row 8 has 3; row 3 is null; item 4 is null.
  pb::v23::SparseStructure message;
  pb::v23::ListLayer* list = AddList(&message, Flat(64), Flat(64), 3, 6);
  SetPositions(list->mutable_validity(), kNulls, Constant64(3), 1);
  AddValidity(&message, kValid, Flat(64), 5);
  auto structure = Loaded(message, 10, {Raw<uint64_t>({2, 5, 8}), Raw<uint64_t>({2, 1, 3}), Raw<uint64_t>({0, 1, 2, 3, 5})});
  ASSERT_TRUE(structure.ok()) << structure.status().ToString();
  EXPECT_TRUE(structure->CheckPath({{false, 0}, {true, 0}}).ok());
  EXPECT_FALSE(structure->CheckPath({{false, 0}, {false, 0}}).ok());
  EXPECT_FALSE(structure->CheckPath({{false, 0}}).ok());
  std::vector<LayerValues> out(2);
  auto slots = structure->Select({{1, 4}, {8, 10}}, &out);
  ASSERT_TRUE(slots.ok());
  ASSERT_EQ(slots->size(), 2U);
  EXPECT_EQ((*slots)[0].start, 0U);
  EXPECT_EQ((*slots)[0].end, 2U);
  EXPECT_EQ((*slots)[1].start, 3U);
  EXPECT_EQ((*slots)[1].end, 6U);
  EXPECT_EQ(Text(out[1]), "11011");
  EXPECT_EQ(out[1].offsets, (std::vector<int64_t>{0, 2, 2, 5, 5}));
  EXPECT_EQ(Text(out[0]), "11101");
  auto stored = structure->FindStored(5);
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->count, 5U);
  EXPECT_EQ(stored->before, (std::vector<uint64_t>{0, 4}));
  EXPECT_FALSE(structure->FindStored(4).ok());
}

TEST(SparseStructureTest, FormulasTakeNoMemory) {
  pb::v23::SparseStructure message;
  const uint64_t rows = uint64_t{1} << 50;
  AddValidity(&message, kValid, Range(64, 1, 2), rows / 2);
  auto structure = Loaded(message, rows, {});
  ASSERT_TRUE(structure.ok()) << structure.status().ToString();
  std::vector<LayerValues> out(1);
  ASSERT_TRUE(structure->Select({{rows - 4, rows}}, &out).ok());
  EXPECT_EQ(Text(out[0]), "0101");
  EXPECT_FALSE(structure->FindStored(1000).ok());
}

TEST(SparseStructureTest, HostileStructures) {
  const auto refused = [](const pb::v23::SparseStructure& message, uint64_t rows, const std::vector<std::string>& buffers) {
    const auto structure = Loaded(message, rows, buffers);
    EXPECT_FALSE(structure.ok());
    return structure.status().code();
  };
  {  // positions that do not ascend, or leave the domain
    pb::v23::SparseStructure message;
    AddValidity(&message, kNulls, Flat(64), 2);
    EXPECT_EQ(refused(message, 10, {Raw<uint64_t>({5, 5})}), StatusCode::kCorruption);
    EXPECT_EQ(refused(message, 10, {Raw<uint64_t>({5, 10})}), StatusCode::kCorruption);
    EXPECT_EQ(refused(message, 10, {Raw<uint64_t>({5})}), StatusCode::kCorruption);
    EXPECT_EQ(refused(message, 1, {Raw<uint64_t>({0, 1})}), StatusCode::kCorruption);
  }
  {  // without a meaning; empty layers; an empty sequence with values
    pb::v23::SparseStructure message;
    AddValidity(&message, pb::v23::ValiditySet::SPARSE_VALIDITY_UNSPECIFIED, Nothing(), 0);
    refused(message, 10, {});
    message.mutable_layers(0)->mutable_validity()->set_meaning(kNulls);
    EXPECT_TRUE(Loaded(message, 10, {}).ok());
    message.mutable_layers(0)->mutable_validity()->set_num_positions(1);
    refused(message, 10, {});
    *message.mutable_layers(0)->mutable_validity()->mutable_positions() = Constant64(3);
    EXPECT_TRUE(Loaded(message, 10, {}).ok());
    message.add_layers();
    refused(message, 10, {});
  }
  {  // a few bytes that claim very many items
    pb::v23::SparseStructure message;
    AddList(&message, Range(64, 0, 1), Constant64(uint64_t{1} << 40), 16, uint64_t{1} << 44);
    AddValidity(&message, kNulls, Nothing(), 0);
    auto structure = Loaded(message, 16, {});
    ASSERT_TRUE(structure.ok()) << structure.status().ToString();
    std::vector<LayerValues> out(2);
    EXPECT_EQ(structure->Select({{0, 1}}, &out).status().code(), StatusCode::kTooLarge);
  }
  {  // counts that are zero, or do not add up, or overflow
    const std::vector<std::vector<uint64_t>> wrong = {{0, 4}, {1, 4}, {UINT64_MAX, 5}, {5, UINT64_MAX}};
    for (const std::vector<uint64_t>& counts : wrong) {
      pb::v23::SparseStructure message;
      AddList(&message, Range(64, 0, 1), Flat(64), 2, 4);
      AddValidity(&message, kNulls, Nothing(), 0);
      EXPECT_EQ(refused(message, 10, {Raw(counts)}), StatusCode::kCorruption);
    }
    pb::v23::SparseStructure message;
    AddList(&message, Range(64, 0, 1), Constant64(UINT64_MAX), 2, UINT64_MAX - 1);
    refused(message, 10, {});
  }
  {  // fixed-size lists of no items, of too many, of a part of the rows
    pb::v23::SparseStructure message;
    SetPositions(message.add_layers()->mutable_fixed_size_list()->mutable_validity(), kNulls, Nothing(), 0);
    refused(message, 10, {});
    message.mutable_layers(0)->mutable_fixed_size_list()->set_dimension(uint64_t{1} << 40);
    refused(message, 10, {});
    message.mutable_layers(0)->mutable_fixed_size_list()->set_dimension(3);
    refused(message, 10, {});
    EXPECT_TRUE(Loaded(message, 9, {}).ok());
  }
  {  // positions that no bytes stand for
    pb::v23::SparseStructure message;
    AddValidity(&message, kNulls, Rle(Range(64, 0, 1), Constant32(1)), uint64_t{1} << 40);
    refused(message, uint64_t{1} << 41, {});
  }
}

// -- docs/encodings.md names every encoding file and every test that it promises

TEST(EncodingTableTest, NamesEveryFile) {
  const std::filesystem::path root = LANCEFS_SOURCE_DIR;
  std::ifstream in(root / "docs/encodings.md");
  const std::string table(std::istreambuf_iterator<char>(in), {});
  ASSERT_FALSE(table.empty());
  const std::set<std::string> shared = {"registry.cc", "rows_codec.cc", "rows_codec.h", "encodings.h"};
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "engine/format/structural/encodings")) {
    const std::string name = entry.path().filename().string();
    EXPECT_NE(table.find(name), std::string::npos) << name << " is missing in docs/encodings.md";
    if (shared.count(name) == 0) {
      EXPECT_NE(table.find("| " + name.substr(0, name.size() - 3) + " |"), std::string::npos) << name << " has no row";
    }
    ++files;
  }
  EXPECT_GE(files, 15U + shared.size());
}

}  // namespace
}  // namespace lancefs::structural
