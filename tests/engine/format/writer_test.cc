// SPDX-License-Identifier: Apache-2.0
// The parts of the data file writer, each against a small decoder written from the format's text.
#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <random>

#include "backends/memory_store.h"
#include "engine/format/data_file_writer.h"
#include "engine/format/proto/encodings20.pb.h"
#include "engine/format/proto/file.pb.h"
#include "engine/format/structural/bitpacking.h"
#include "engine/format/write/block_codec.h"
#include "engine/format/write/chunked_values.h"
#include "engine/format/write/dictionary.h"
#include "engine/format/write/fsst.h"
#include "engine/format/write/page_layout.h"
#include "engine/format/write/shred.h"

namespace lancefs {
namespace {

using pb::v21::RepDefLayer;
using Levels = std::vector<uint16_t>;

std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

Schema SchemaOf(const std::shared_ptr<arrow::DataType>& type, bool nullable = true) {
  return *SchemaFromArrow(*arrow::schema({arrow::field("c", type, nullable)}));
}

ShreddedPage ShredColumn(const std::shared_ptr<arrow::Array>& array, const ArraySlices& rows = {}) {
  static std::vector<std::unique_ptr<Schema>> schemas;  // paths point into them
  schemas.push_back(std::make_unique<Schema>(SchemaOf(array->type())));
  const std::vector<LeafPath> paths = LeafPaths(schemas.back()->fields[0]);
  return *Shred(rows.empty() ? ArraySlices{{array, 0, array->length()}} : rows, paths[0]);
}

std::vector<int> Layers(const ShreddedPage& page) { return {page.levels.layers.begin(), page.levels.layers.end()}; }

LeafValues Fixed(const std::vector<uint32_t>& numbers) {
  LeafValues values;
  values.kind = LeafValues::Kind::kFixed;
  values.bits = 32;
  values.count = numbers.size();
  values.data = reinterpret_cast<const uint8_t*>(numbers.data());
  return values;
}

struct Strings {
  std::string bytes;
  LeafValues values;
  explicit Strings(const std::vector<std::string>& texts) {
    values.kind = LeafValues::Kind::kVariable;
    values.offsets.push_back(0);
    for (const std::string& text : texts) {
      bytes += text;
      values.offsets.push_back(static_cast<uint32_t>(bytes.size()));
    }
    values.count = texts.size();
    values.data = reinterpret_cast<const uint8_t*>(bytes.data());
  }
};

// ---- levels --------------------------------------------------------------------------------------

TEST(Shred, WorkedExampleOfTheFormat) {
  const auto inner = arrow::list(arrow::int32());
  const auto type = arrow::list(arrow::struct_({arrow::field("a", inner)}));
  const auto array = FromJson(type, R"([[null, {"a": null}], null, [], [{"a": [1, null]}], [{"a": []}]])");
  const ShreddedPage page = ShredColumn(array);
  EXPECT_EQ(Layers(page), (std::vector<int>{pb::v21::REPDEF_NULLABLE_ITEM, pb::v21::REPDEF_NULL_AND_EMPTY_LIST,
                                            pb::v21::REPDEF_NULLABLE_ITEM, pb::v21::REPDEF_NULL_AND_EMPTY_LIST}));
  EXPECT_EQ(page.levels.rep, (Levels{2, 1, 2, 2, 2, 0, 2}));
  EXPECT_EQ(page.levels.def, (Levels{4, 2, 5, 6, 0, 1, 3}));
  EXPECT_EQ(page.levels.max_rep, 2);
  EXPECT_EQ(page.levels.max_visible_def, 1);
  EXPECT_EQ(page.num_values, 2u);
  EXPECT_EQ(page.num_null, 1u);
}

TEST(Shred, LayersFollowTheData) {
  const auto type = arrow::list(arrow::int32());
  EXPECT_EQ(Layers(ShredColumn(FromJson(type, "[[1], [2, 3]]"))),
            (std::vector<int>{pb::v21::REPDEF_ALL_VALID_ITEM, pb::v21::REPDEF_ALL_VALID_LIST}));
  EXPECT_EQ(Layers(ShredColumn(FromJson(type, "[[1], []]"))),
            (std::vector<int>{pb::v21::REPDEF_ALL_VALID_ITEM, pb::v21::REPDEF_EMPTYABLE_LIST}));
  EXPECT_EQ(Layers(ShredColumn(FromJson(type, "[[null], null]"))),
            (std::vector<int>{pb::v21::REPDEF_NULLABLE_ITEM, pb::v21::REPDEF_NULLABLE_LIST}));
  const ShreddedPage flat = ShredColumn(FromJson(arrow::int32(), "[1, 2]"));
  EXPECT_TRUE(flat.levels.rep.empty());
  EXPECT_TRUE(flat.levels.def.empty());
  EXPECT_EQ(flat.levels.num_levels, 2u);
}

TEST(Shred, SlicesCountFromTheirOffset) {
  const auto array = FromJson(arrow::list(arrow::int32()), "[[9, 9, 9], [1], [2, null], [], [3]]");
  const ShreddedPage page = ShredColumn(array->Slice(1, 3), {{array->Slice(1, 3), 1, 2}, {array, 4, 1}});
  EXPECT_EQ(page.levels.rep, (Levels{1, 0, 1, 1}));
  EXPECT_EQ(page.levels.def, (Levels{0, 1, 2, 0}));
  EXPECT_EQ(page.num_values, 3u);
}

TEST(Shred, GarbageUnderNullListsIsLeftOut) {
  const auto values = FromJson(arrow::int32(), "[1, 2, 77, 78, 3]");
  const auto offsets = FromJson(arrow::int32(), "[0, 2, 4, 5]");
  uint8_t bits = 0b101;
  const auto bitmap = std::make_shared<arrow::Buffer>(&bits, 1);
  const auto array =
      std::make_shared<arrow::ListArray>(arrow::list(arrow::int32()), 3, offsets->data()->buffers[1], values, bitmap);
  const ShreddedPage page = ShredColumn(array);
  EXPECT_EQ(page.num_values, 3u);
  EXPECT_EQ(page.levels.def, (Levels{0, 0, 1, 0}));
  const LeafValues leaf = *CollectValues(page, *arrow::int32(), "c");
  EXPECT_EQ(std::vector<int32_t>(reinterpret_cast<const int32_t*>(leaf.data), reinterpret_cast<const int32_t*>(leaf.data) + 3),
            (std::vector<int32_t>{1, 2, 3}));
}

TEST(Shred, OuterNullsWinOverInnerOnes) {
  const auto type = arrow::struct_({arrow::field("s", arrow::struct_({arrow::field("x", arrow::int32())}))});
  const ShreddedPage page = ShredColumn(FromJson(type, R"([{"s": {"x": 1}}, {"s": {"x": null}}, {"s": null}, null])"));
  EXPECT_EQ(page.levels.def, (Levels{0, 1, 2, 3}));
  EXPECT_EQ(page.levels.max_visible_def, 3);
  EXPECT_EQ(page.num_values, 4u);
}

TEST(Shred, FixedSizeListsOfStructsRepeatTheirLevel) {
  const auto type = arrow::fixed_size_list(arrow::struct_({arrow::field("x", arrow::int32())}), 2);
  const ShreddedPage page = ShredColumn(FromJson(type, R"([[{"x": 1}, {"x": null}], null])"));
  EXPECT_EQ(page.levels.def, (Levels{0, 1, 2, 2}));
  EXPECT_EQ(page.length, 4u);
}

// ---- packing -------------------------------------------------------------------------------------

template <typename T>
void CheckPacking(unsigned width) {
  constexpr unsigned kBits = sizeof(T) * 8;
  constexpr size_t kLanes = 1024 / kBits;
  std::mt19937_64 random(width);
  std::vector<T> values(1024);
  const T mask = width == kBits ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << width) - 1);
  for (T& value : values) value = static_cast<T>(random()) & mask;
  std::vector<T> packed(structural::PackedWords<T>(width) + 1, 0);
  structural::PackBlock<T>(values.data(), width, packed.data());
  const size_t order[8] = {0, 4, 2, 6, 1, 5, 3, 7};
  for (unsigned row = 0; row < kBits && width > 0; ++row) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const unsigned bit = row * width;
      const unsigned shift = bit % kBits;
      T value = static_cast<T>(packed[kLanes * (bit / kBits) + lane] >> shift);
      if (shift + width > kBits) value = static_cast<T>(value | (packed[kLanes * (bit / kBits + 1) + lane] << (kBits - shift)));
      ASSERT_EQ(value & mask, values[order[row / 8] * 16 + row % 8 * 128 + lane]) << "width " << width << " row " << row;
    }
  }
}

TEST(FastLanes, EveryWidthUnpacks) {
  for (unsigned width = 0; width <= 8; ++width) CheckPacking<uint8_t>(width);
  for (unsigned width = 0; width <= 16; ++width) CheckPacking<uint16_t>(width);
  for (unsigned width = 0; width <= 32; ++width) CheckPacking<uint32_t>(width);
  for (unsigned width = 0; width <= 64; ++width) CheckPacking<uint64_t>(width);
}

TEST(LevelCodec, PicksTheSmallestForm) {
  std::mt19937 random(1);
  Levels noise(5000);
  for (uint16_t& level : noise) level = random() % 4;
  const std::vector<uint64_t> ends = {1024, 2048, 5000};
  EXPECT_TRUE(LevelCodec::Choose(noise, ends).encoding().has_out_of_line_bitpacking());
  EXPECT_TRUE(LevelCodec::Choose(Levels(900, 1), std::vector<uint64_t>{900}).encoding().has_rle());
  std::vector<uint16_t> few(noise.begin(), noise.begin() + 900);
  EXPECT_TRUE(LevelCodec::Choose(few, std::vector<uint64_t>{900}).encoding().has_inline_bitpacking());
  EXPECT_TRUE(LevelCodec::Choose(Levels{0, 1, 0}, std::vector<uint64_t>{3}).is_flat());
}

TEST(LevelCodec, RunLengthsStayBelow256) {
  const LevelCodec codec = LevelCodec::Choose(Levels(1000, 2), std::vector<uint64_t>{1000});
  std::string out;
  codec.Encode(Levels(1000, 2), &out);
  ASSERT_EQ(out.size(), 8u + 4 * 3);
  EXPECT_EQ(LoadLittleEndian<uint64_t>(out.data()), 8u);
  EXPECT_EQ(out.substr(16), std::string("\xFF\xFF\xFF\xEB"));
}

TEST(LevelCodec, ShortTailsStayRaw) {
  Levels levels(2060);
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = (i * 7 % 5) & 1;
  const LevelCodec codec = LevelCodec::Choose(levels, std::vector<uint64_t>{2060});
  ASSERT_TRUE(codec.encoding().has_out_of_line_bitpacking());
  std::string out;
  codec.Encode(levels, &out);
  EXPECT_EQ(out.size(), 2u * (2 * 64 + 12));  // two packed blocks of width 1, 12 raw levels
}

// ---- chunks --------------------------------------------------------------------------------------

void CheckChunks(const ChunkedValues& chunked, uint64_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < chunked.counts.size(); ++i) {
    const uint32_t values = chunked.counts[i];
    if (i + 1 < chunked.counts.size()) {
      EXPECT_GE(values, 2u);
      EXPECT_EQ(values & (values - 1), 0u) << "chunk " << i;
    }
    EXPECT_LE(values, 4096u);
    total += values;
  }
  EXPECT_EQ(total, count);
  std::vector<uint64_t> used(chunked.buffers.size(), 0);
  ASSERT_EQ(chunked.sizes.size(), chunked.counts.size() * chunked.buffers.size());
  for (size_t i = 0; i < chunked.sizes.size(); ++i) used[i % used.size()] += chunked.sizes[i];
  for (size_t b = 0; b < used.size(); ++b) EXPECT_EQ(used[b], chunked.buffers[b].size());
}

TEST(Chunks, CountsArePowersOfTwoAndSizesAddUp) {
  std::mt19937 random(2);
  for (const size_t count : {1u, 2u, 3u, 1023u, 1024u, 1025u, 4097u, 20000u}) {
    std::vector<uint32_t> noise(count);
    std::vector<uint32_t> small(count);
    std::vector<uint32_t> runs(count);
    std::vector<std::string> texts(count);
    for (size_t i = 0; i < count; ++i) {
      noise[i] = static_cast<uint32_t>(random());
      small[i] = random() % 50;
      runs[i] = static_cast<uint32_t>(i / 3) * 1000003;
      texts[i] = std::string(random() % 60, static_cast<char>('a' + random() % 26));
    }
    CheckChunks(ChunkFixed(Fixed(noise), {}), count);
    CheckChunks(ChunkFixed(Fixed(small), {}), count);
    CheckChunks(ChunkFixed(Fixed(runs), {}), count);
    CheckChunks(ChunkVariable(Strings(texts).values, {}), count);
    EncodingWishes zstd;
    zstd.compression = EncodingWishes::Compression::kZstd;
    CheckChunks(ChunkFixed(Fixed(small), zstd), count);
    CheckChunks(ChunkVariable(Strings(texts).values, zstd), count);
  }
}

TEST(Chunks, EncodingFollowsTheValues) {
  std::mt19937 random(3);
  std::vector<uint32_t> numbers(20000);
  for (uint32_t& number : numbers) number = static_cast<uint32_t>(random());
  EXPECT_TRUE(ChunkFixed(Fixed(numbers), {}).encoding.has_flat());
  for (uint32_t& number : numbers) number %= 1000;
  EXPECT_TRUE(ChunkFixed(Fixed(numbers), {}).encoding.has_inline_bitpacking());
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<uint32_t>(i / 100) * 99991;
  EXPECT_TRUE(ChunkFixed(Fixed(numbers), {}).encoding.has_rle());
  EncodingWishes none;
  none.compression = EncodingWishes::Compression::kNone;
  EXPECT_TRUE(ChunkFixed(Fixed(numbers), none).encoding.has_flat());
}

TEST(MiniBlock, TooManyLevelsForAChunkAreRefused) {
  PageLevels levels;
  levels.layers = {pb::v21::REPDEF_ALL_VALID_ITEM, pb::v21::REPDEF_EMPTYABLE_LIST};
  levels.rep.assign(70001, 1);
  levels.def.assign(70001, 1);
  levels.def.back() = 0;
  levels.num_levels = 70001;
  levels.max_rep = levels.max_def = 1;
  const std::vector<uint32_t> one = {5};
  EXPECT_FALSE(LayoutMiniBlock(levels, ChunkFixed(Fixed(one), {}), nullptr, FileVersion::kV2_2).has_value());
}

TEST(MiniBlock, RepetitionIndexCountsRowsWhereTheyEnd) {
  // Chunks of 1024 values; the third row ends exactly with the fourth chunk.
  PageLevels levels;
  levels.layers = {pb::v21::REPDEF_ALL_VALID_ITEM, pb::v21::REPDEF_ALL_VALID_LIST};
  levels.max_rep = 1;
  for (const size_t length : {3000u, 1u, 1095u, 900u}) {
    levels.rep.push_back(1);
    levels.rep.insert(levels.rep.end(), length - 1, 0);
  }
  levels.num_levels = levels.rep.size();
  std::vector<uint32_t> numbers(levels.num_levels, 7);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<uint32_t>(i * 2654435761u);  // flat: 1024 a chunk
  const auto page = LayoutMiniBlock(levels, ChunkFixed(Fixed(numbers), {}), nullptr, FileVersion::kV2_2);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->buffers.size(), 3u);
  std::vector<uint64_t> index(page->buffers[2].size() / 8);
  std::memcpy(index.data(), page->buffers[2].data(), page->buffers[2].size());
  EXPECT_EQ(index, (std::vector<uint64_t>{0, 1024, 0, 1024, 2, 71, 1, 0, 1, 0}));
}

// ---- dictionary ----------------------------------------------------------------------------------

TEST(Dictionary, FewDistinctValuesGetNarrowIndices) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < 5000; ++i) texts.push_back("city number " + std::to_string(i * i % 97));
  const Strings strings(texts);
  const auto dictionary = BuildDictionary(strings.values, {}, strings.bytes.size(), {});
  ASSERT_TRUE(dictionary.has_value());
  EXPECT_EQ(dictionary->indices.bits, 8u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t item = dictionary->indices.data[i];
    const LeafValues& items = dictionary->items;
    ASSERT_EQ(std::string(reinterpret_cast<const char*>(items.data) + items.offsets[item], items.length(item)), texts[i]);
  }
}

TEST(Dictionary, DistinctValuesGetNone) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < 5000; ++i) texts.push_back(std::to_string(i * 7919));
  const Strings strings(texts);
  EXPECT_FALSE(BuildDictionary(strings.values, {}, strings.bytes.size(), {}).has_value());
}

// ---- FSST ----------------------------------------------------------------------------------------

std::string DecodeFsst(const std::string& table, std::string_view codes) {
  const size_t count = static_cast<uint8_t>(table[0]);
  std::string out;
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto code = static_cast<uint8_t>(codes[i]);
    if (code == 255) {
      out.push_back(codes[++i]);
      continue;
    }
    EXPECT_LT(code, count);
    out.append(table, 8 + size_t{code} * 8, static_cast<uint8_t>(table[8 + count * 8 + code]));
  }
  return out;
}

void CheckFsst(const std::vector<std::string>& texts, double at_most) {
  const Strings strings(texts);
  const FsstTable table = FsstTable::Train(strings.values);
  const LeafValues codes = table.Encode(strings.values);
  const std::string bytes = table.Serialize();
  ASSERT_EQ(bytes.size(), 2312u);
  EXPECT_EQ(LoadLittleEndian<uint64_t>(bytes.data()) >> 24, (uint64_t{0x46535354} << 8) | 1);
  for (const FsstTable::Symbol& symbol : table.symbols()) EXPECT_TRUE(symbol.length >= 1 && symbol.length <= 8);
  ASSERT_EQ(codes.count, texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string_view row(reinterpret_cast<const char*>(codes.data) + codes.offsets[i], codes.length(i));
    ASSERT_EQ(DecodeFsst(bytes, row), texts[i]) << "row " << i;
  }
  EXPECT_LE(static_cast<double>(codes.data_bytes()), at_most * static_cast<double>(strings.bytes.size()));
}

TEST(Fsst, TextShrinksAndComesBack) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < 4000; ++i)
    texts.push_back("https://example.org/articles/" + std::to_string(i * 37) + "?lang=" + (i % 3 == 0 ? "en" : "de"));
  CheckFsst(texts, 0.35);
}

TEST(Fsst, AnyBytesComeBack) {
  std::mt19937 random(4);
  std::vector<std::string> texts = {"", std::string(1, '\0'), std::string(100, '\xFF'), "a"};
  for (size_t i = 0; i < 500; ++i) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    texts.push_back(text);
  }
  CheckFsst(texts, 2.0);
  CheckFsst({}, 1);
  CheckFsst({"", "", ""}, 1);
  CheckFsst({"abcabcabcabcabcabcabcabcabcabc", "abc"}, 1);
}

// ---- files ---------------------------------------------------------------------------------------

struct FileParts {
  uint64_t size;
  uint16_t major;
  uint16_t minor;
  pb::FileDescriptor descriptor;
  std::vector<pb::ColumnMetadata> columns;
};

FileParts Parse(const Bytes& file) {
  FileParts parts;
  const uint8_t* footer = file.data() + file.size() - 40;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(footer) + 36, 4), "LANC");
  parts.size = file.size();
  parts.major = LoadLittleEndian<uint16_t>(footer + 32);
  parts.minor = LoadLittleEndian<uint16_t>(footer + 34);
  const auto num_columns = LoadLittleEndian<uint32_t>(footer + 28);
  const uint8_t* globals = file.data() + LoadLittleEndian<uint64_t>(footer + 16);
  const auto descriptor_at = LoadLittleEndian<uint64_t>(globals);
  EXPECT_EQ(descriptor_at % 64, 0u);
  EXPECT_TRUE(
      parts.descriptor.ParseFromArray(file.data() + descriptor_at, static_cast<int>(LoadLittleEndian<uint64_t>(globals + 8))));
  const uint8_t* offsets = file.data() + LoadLittleEndian<uint64_t>(footer + 8);
  for (uint32_t c = 0; c < num_columns; ++c) {
    const auto at = LoadLittleEndian<uint64_t>(offsets + 16 * c);
    parts.columns.emplace_back();
    EXPECT_TRUE(parts.columns.back().ParseFromArray(file.data() + at,
                                                    static_cast<int>(LoadLittleEndian<uint64_t>(offsets + 16 * c + 8))));
    for (const auto& page : parts.columns.back().pages()) {
      for (const uint64_t offset : page.buffer_offsets()) EXPECT_EQ(offset % 64, 0u);
    }
  }
  return parts;
}

Result<FileParts> WriteFile(const arrow::RecordBatchVector& batches, const Schema& schema, const DataFileWriterOptions& options,
                            WrittenDataFile* written = nullptr) {
  const OpContext ctx;
  const auto store = MakeMemoryStore();
  LANCEFS_ASSIGN_OR_RETURN(auto sink, store->OpenWriter("f", ctx));
  LANCEFS_ASSIGN_OR_RETURN(auto writer, DataFileWriter::Make(std::move(sink), schema, options));
  for (const auto& batch : batches) LANCEFS_RETURN_NOT_OK(writer->Write(*batch, ctx));
  LANCEFS_ASSIGN_OR_RETURN(const WrittenDataFile result, writer->Finish(ctx));
  if (written != nullptr) *written = result;
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, store->ReadAll("f", ctx));
  EXPECT_EQ(bytes.size(), result.size_bytes);
  return Parse(bytes);
}

TEST(DataFile, EmptyFilesAreLegalContainers) {
  for (const FileVersion version : {FileVersion::kV2_0, FileVersion::kV2_1, FileVersion::kV2_2}) {
    const Schema schema = SchemaOf(arrow::list(arrow::int32()));
    const FileParts parts = *WriteFile({}, schema, {.version = version});
    EXPECT_EQ(parts.descriptor.length(), 0u);
    EXPECT_EQ(parts.columns.size(), version == FileVersion::kV2_0 ? 2u : 1u);
    EXPECT_EQ(parts.major, version == FileVersion::kV2_0 ? 0 : 2);
    EXPECT_EQ(parts.minor, version == FileVersion::kV2_0 ? 3 : (version == FileVersion::kV2_1 ? 1 : 2));
  }
}

TEST(DataFile, PagesAreCutByBytesAndOrdered) {
  std::vector<int64_t> numbers(100000);
  std::mt19937_64 random(5);
  for (int64_t& number : numbers) number = static_cast<int64_t>(random());
  const auto array = std::make_shared<arrow::Int64Array>(100000, arrow::Buffer::Wrap(numbers));
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", arrow::int64())}), 100000, {array});
  // Zero-copy slices count by their own rows, one large batch is cut.
  arrow::RecordBatchVector slices;
  for (int64_t row = 0; row < 100000; row += 500) slices.push_back(batch->Slice(row, 500));
  for (const auto& batches : {arrow::RecordBatchVector{batch}, slices}) {
    const FileParts parts = *WriteFile(batches, SchemaOf(arrow::int64()), {.version = FileVersion::kV2_2, .page_bytes = 100000});
    ASSERT_EQ(parts.columns.size(), 1u);
    EXPECT_EQ(parts.columns[0].pages_size(), 8);
    uint64_t row = 0;
    for (const auto& page : parts.columns[0].pages()) {
      EXPECT_EQ(page.priority(), row);
      row += page.length();
    }
    EXPECT_EQ(row, 100000u);
  }
}

TEST(DataFile, StructColumnsOf20HaveOnePage) {
  const auto type = arrow::struct_({arrow::field("x", arrow::int32())});
  const auto array = FromJson(type, R"([{"x": 1}, {"x": 2}, {"x": null}])");
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), 3, {array});
  const FileParts parts = *WriteFile({batch, batch, batch}, SchemaOf(type), {.version = FileVersion::kV2_0, .page_bytes = 12});
  ASSERT_EQ(parts.columns.size(), 2u);
  ASSERT_EQ(parts.columns[0].pages_size(), 1);
  EXPECT_EQ(parts.columns[0].pages(0).length(), 9u);
  EXPECT_GT(parts.columns[1].pages_size(), 1);
}

TEST(DataFile, FieldsFollowTheVersion) {
  const auto type = arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::list(arrow::int8()))});
  const Schema schema = SchemaOf(type);
  WrittenDataFile written;
  ASSERT_TRUE(WriteFile({}, schema, {.version = FileVersion::kV2_2}, &written).ok());
  EXPECT_EQ(written.fields, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(written.column_indices, (std::vector<int32_t>{0, 1}));
  ASSERT_TRUE(WriteFile({}, schema, {.version = FileVersion::kV2_0}, &written).ok());
  EXPECT_EQ(written.fields, (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(DataFile, NullsWhereNoneMayBeAreNamed) {
  const auto type = arrow::list(arrow::field("item", arrow::int32(), false));
  const auto array = FromJson(type, "[[1], null, [2, null]]");
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), 3, {array});
  const auto result = WriteFile({batch}, SchemaOf(type), {.version = FileVersion::kV2_2});
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(result.status().Is(StatusCode::kInvalidArgument));
  EXPECT_NE(result.status().message().find("c.item"), std::string::npos) << result.status().message();
  EXPECT_NE(result.status().message().find("row 2"), std::string::npos) << result.status().message();
}

TEST(DataFile, WhatAVersionCannotStoreIsRefused) {
  const OpContext ctx;
  const auto map = arrow::map(arrow::utf8(), arrow::int32());
  for (const FileVersion version : {FileVersion::kV2_0, FileVersion::kV2_1}) {
    const auto result = WriteFile({}, SchemaOf(map), {.version = version});
    EXPECT_TRUE(!result.ok() && result.status().Is(StatusCode::kNotSupported));
  }
  EXPECT_TRUE(WriteFile({}, SchemaOf(map), {.version = FileVersion::kV2_2}).ok());
  EXPECT_TRUE(WriteFile({}, SchemaOf(map), {.version = FileVersion::kV2_3}).status().Is(StatusCode::kNotSupported));
  const auto type = arrow::struct_({arrow::field("x", arrow::int32())});
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), 2, {FromJson(type, R"([{"x": 1}, null])")});
  const auto nulls = WriteFile({batch}, SchemaOf(type), {.version = FileVersion::kV2_0});
  ASSERT_FALSE(nulls.ok());
  EXPECT_TRUE(nulls.status().Is(StatusCode::kNotSupported));
  EXPECT_NE(nulls.status().message().find("row 1"), std::string::npos);
}

}  // namespace
}  // namespace lancefs
