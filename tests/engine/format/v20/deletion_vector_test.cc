// SPDX-License-Identifier: Apache-2.0
#include "engine/format/deletion_vector.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/arrow_status.h"
#include "engine/format/roaring_codec.h"

namespace lancefs {
namespace {

std::string Hex(const std::string& text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size();) {
    if (text[i] == ' ') {
      ++i;
      continue;
    }
    out.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    i += 2;
  }
  return out;
}
Result<std::vector<uint32_t>> Decode(const std::string& bytes, uint64_t limit = uint64_t{1} << 32) {
  return DecodeRoaring({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, limit);
}
void ExpectCorrupt(const std::string& hex, const std::string& what) {
  const auto result = Decode(Hex(hex));
  ASSERT_FALSE(result.ok()) << hex;
  EXPECT_TRUE(result.status().Is(StatusCode::kCorruption));
  EXPECT_NE(result.status().message().find(what), std::string::npos) << result.status().message();
}
using Values = std::vector<uint32_t>;

TEST(Roaring, ReadsEveryContainer) {
  EXPECT_EQ(*Decode(Hex("3a300000 00000000")), Values());
  // Array container of 1, 5 under key 0 and 0x20000 + 7 under key 2.
  EXPECT_EQ(*Decode(Hex("3a300000 02000000 0000 0100 0200 0000 18000000 1c000000 0100 0500 0700")), (Values{1, 5, 0x20007}));
  // One run container: 10..12, 65,535. No offset table below four containers.
  EXPECT_EQ(*Decode(Hex("3b300000 01 0000 0300 0200 0a00 0200 ffff 0000")), (Values{10, 11, 12, 65535}));
  // Four containers with runs have one; only the first is a run.
  EXPECT_EQ(*Decode(Hex("3b300300 01 0000 0100 0100 0000 0200 0000 0300 0000 25000000 2b000000 2d000000 2f000000 0100 0300 0100 "
                        "0100 0200 0300")),
            (Values{3, 4, 0x10001, 0x20002, 0x30003}));
}

TEST(Roaring, RefusesBrokenBytes) {
  ExpectCorrupt("", "need 4 bytes");
  ExpectCorrupt("39300000 00000000", "cookie");
  ExpectCorrupt("3a300100 00000000", "cookie");
  ExpectCorrupt("3a300000 01000100", "containers");
  ExpectCorrupt("3a300000 01000000 0000 0000", "need 4 bytes");
  ExpectCorrupt("3a300000 02000000 0200 0000 0100 0000 18000000 1a000000 0100 0100", "keys do not ascend");
  ExpectCorrupt("3a300000 02000000 0100 0000 0100 0000 18000000 1a000000 0100 0100", "keys do not ascend");
  ExpectCorrupt("3a300000 01000000 0000 0100 11000000 0100 0500", "offset");
  ExpectCorrupt("3a300000 01000000 0000 0100 10000000 0500 0100", "do not ascend");
  ExpectCorrupt("3a300000 01000000 0000 0100 10000000 0500 0500", "do not ascend");
  ExpectCorrupt("3a300000 01000000 0000 0100 10000000 0500", "need 4 bytes");
  ExpectCorrupt("3a300000 01000000 0000 0000 10000000 0500 00", "follow the end");
  // Runs: beyond 65,535, overlapping, touching backwards, more or fewer than said, cut off.
  ExpectCorrupt("3b300000 01 0000 0100 0100 ffff 0100", "too long");
  ExpectCorrupt("3b300000 01 0000 0500 0200 0a00 0200 0b00 0200", "out of order");
  ExpectCorrupt("3b300000 01 0000 0100 0200 0a00 0000 0500 0000", "out of order");
  ExpectCorrupt("3b300000 01 0000 0100 0100 0a00 0200", "what was said");
  ExpectCorrupt("3b300000 01 0000 0900 0100 0a00 0200", "what was said");
  ExpectCorrupt("3b300000 01 0000 0300 0200 0a00 0200 ff", "need 2 bytes");
  EXPECT_FALSE(Decode(Hex("3a300000 01000000 0000 0000 10000000 0500"), 5).ok());
  EXPECT_TRUE(Decode(Hex("3a300000 01000000 0000 0000 10000000 0500"), 6).ok());
}

TEST(Roaring, RoundTripsAndSurvivesEveryFlippedByte) {
  std::mt19937 random(7);
  Values values;
  for (uint32_t i = 0; i < 200000; i += 1 + random() % 3) values.push_back(i);
  for (uint32_t i = 1'000'000; i < 1'002'000; i += 1 + random() % 90) values.push_back(i);
  std::string bytes = EncodeRoaring(values);
  EXPECT_EQ(*Decode(bytes), values);
  size_t refused = 0;
  for (size_t i = 0; i < bytes.size(); i += i < 100 ? 1 : 97) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ (1 << (i % 8)));
    const auto result = Decode(broken);
    refused += result.ok() ? 0 : 1;
    if (result.ok()) {
      EXPECT_NE(*result, values);
    }
  }
  EXPECT_GT(refused, 200u);
  for (size_t size = 0; size < bytes.size(); size += 101) EXPECT_FALSE(Decode(bytes.substr(0, size)).ok());
}

std::string ArrowFile(const std::shared_ptr<arrow::Schema>& schema, const std::vector<std::shared_ptr<arrow::Array>>& arrays,
                      int batches = 1) {
  auto sink = *arrow::io::BufferOutputStream::Create();
  auto writer = *arrow::ipc::MakeFileWriter(sink, schema);
  for (int i = 0; i < batches; ++i)
    EXPECT_TRUE(writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, arrays[0]->length(), arrays)).ok());
  EXPECT_TRUE(writer->Close().ok());
  return (*sink->Finish())->ToString();
}
std::shared_ptr<arrow::Array> Numbers(const Values& values, bool with_null = false) {
  arrow::UInt32Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  if (with_null) {
    EXPECT_TRUE(builder.AppendNull().ok());
  }
  return *builder.Finish();
}
pb::DeletionFile File(pb::DeletionFile::FileType type, uint64_t count = 0) {
  pb::DeletionFile file;
  file.set_file_type(type);
  file.set_num_deleted_rows(count);
  return file;
}
Result<std::shared_ptr<const DeletionVector>> ParseArrow(const std::string& bytes, uint64_t count = 0, uint64_t rows = 10) {
  return DeletionVector::Parse(File(pb::DeletionFile::ARROW_ARRAY, count), Bytes::FromString(bytes), rows);
}

TEST(DeletionVector, ReadsArrowFiles) {
  const auto schema = arrow::schema({arrow::field("row_id", arrow::uint32(), false)});
  const auto vector = ParseArrow(ArrowFile(schema, {Numbers({7, 1, 3})}), 3);
  ASSERT_TRUE(vector.ok()) << vector.status().ToString();
  EXPECT_EQ(*(*vector)->Offsets(), (Values{1, 3, 7}));

  EXPECT_TRUE(ParseArrow("ARROW1").status().Is(StatusCode::kCorruption));
  EXPECT_TRUE(ParseArrow("").status().Is(StatusCode::kCorruption));
  EXPECT_TRUE(ParseArrow(ArrowFile(schema, {Numbers({7, 1, 3})}), 2).status().Is(StatusCode::kCorruption));
  EXPECT_TRUE(ParseArrow(ArrowFile(schema, {Numbers({7, 1, 10})}), 3).status().Is(StatusCode::kCorruption));
  EXPECT_TRUE(ParseArrow(ArrowFile(schema, {Numbers({7})}, 2)).status().Is(StatusCode::kCorruption));
  const auto nullable = arrow::schema({arrow::field("row_id", arrow::uint32())});
  EXPECT_TRUE(ParseArrow(ArrowFile(nullable, {Numbers({7}, true)})).status().Is(StatusCode::kCorruption));
  const auto other = arrow::schema({arrow::field("rows", arrow::uint32(), false)});
  EXPECT_TRUE(ParseArrow(ArrowFile(other, {Numbers({7})})).status().Is(StatusCode::kCorruption));
}

TEST(DeletionVector, BrokenArrowFilesDoNotCrash) {
  Values values;
  for (uint32_t i = 0; i < 500; ++i) values.push_back(i * 7 % 4001);
  const auto vector = DeletionVector::FromOffsets(values, 5000);
  ASSERT_TRUE(vector.ok());
  const auto bytes = (*vector)->Serialize(pb::DeletionFile::ARROW_ARRAY);
  ASSERT_TRUE(bytes.ok());
  const std::string good(bytes->view());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string broken = good;
    broken[i] = static_cast<char>(broken[i] ^ (1 << (i % 8)));
    (void)ParseArrow(broken, 500, 5000);
    if (i % 5 == 0) (void)ParseArrow(good.substr(0, i), 500, 5000);
  }
}

TEST(DeletionVector, AnswersQuestions) {
  std::mt19937 random(3);
  for (const uint64_t rows : {1u, 2u, 64u, 1000u}) {
    for (const int percent : {0, 3, 50, 97, 100}) {
      Values deleted;
      std::vector<uint64_t> live;
      for (uint32_t i = 0; i < rows; ++i) {
        if (static_cast<int>(random() % 100) < percent) {
          deleted.push_back(i);
        } else {
          live.push_back(i);
        }
      }
      const auto vector = *DeletionVector::FromOffsets(deleted, rows);
      EXPECT_EQ(vector->Count(), deleted.size());
      EXPECT_EQ(vector->live_rows(), live.size());
      for (size_t k = 0; k < live.size(); ++k) EXPECT_EQ(vector->NthLive(k), live[k]);
      for (int round = 0; round < 50; ++round) {
        const uint64_t start = random() % (rows + 1);
        const uint64_t end = start + random() % (rows + 2 - start);
        std::vector<uint64_t> want;
        for (uint64_t row = start; row < std::min(end, rows); ++row) {
          const bool gone = std::binary_search(deleted.begin(), deleted.end(), row);
          EXPECT_EQ(vector->Contains(row), gone);
          if (!gone) want.push_back(row);
        }
        std::vector<uint64_t> got;
        uint64_t behind = 0;
        for (const RowRange& range : vector->LiveRanges(start, end)) {
          EXPECT_LT(range.start, range.end);
          EXPECT_TRUE(got.empty() || range.start > behind);
          behind = range.end;
          for (uint64_t row = range.start; row < range.end; ++row) got.push_back(row);
        }
        EXPECT_EQ(got, want);
        EXPECT_EQ(vector->CountInRange(start, std::min(end, rows)), std::min(end, rows) - std::min(start, rows) - want.size());
      }
      for (const auto type : {pb::DeletionFile::ARROW_ARRAY, pb::DeletionFile::BITMAP}) {
        const auto bytes = vector->Serialize(type);
        ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
        const auto again = DeletionVector::Parse(File(type, deleted.size()), *bytes, rows);
        ASSERT_TRUE(again.ok()) << again.status().ToString();
        EXPECT_EQ(*(*again)->Offsets(), deleted);
      }
    }
  }
  EXPECT_FALSE((*DeletionVector::FromOffsets({1}, 10))->Contains((uint64_t{1} << 32) + 1));
  EXPECT_FALSE(DeletionVector::FromOffsets({10}, 10).ok());
}

TEST(DeletionVector, NamesFiles) {
  pb::DeletionFile file;
  file.set_read_version(12);
  file.set_id(18446744073709551615u);
  EXPECT_EQ(DeletionFilePath(3, file), "_deletions/3-12-18446744073709551615.arrow");
  file.set_file_type(pb::DeletionFile::BITMAP);
  EXPECT_EQ(DeletionFilePath(3, file), "_deletions/3-12-18446744073709551615.bin");
}

// 65,536 run containers that delete every row of the largest fragment: few bytes, and few stay in memory.
TEST(DeletionVector, BillionsOfRowsInAFewBytes) {
  std::string bytes;
  auto put = [&bytes](uint64_t value, size_t width) { bytes.append(reinterpret_cast<const char*>(&value), width); };
  constexpr uint32_t kContainers = 65536;
  put(12347 | (kContainers - 1) << 16, 4);
  bytes.append(kContainers / 8, static_cast<char>(0xFF));
  for (uint32_t i = 0; i < kContainers; ++i) put(i | 0xFFFF0000ULL, 4);
  const size_t body = bytes.size() + kContainers * 4;
  for (uint32_t i = 0; i < kContainers; ++i) put(body + i * 6, 4);
  for (uint32_t i = 0; i < kContainers; ++i) put(1 | 0xFFFFULL << 32, 6);
  constexpr uint64_t kRows = uint64_t{1} << 32;
  const auto vector = DeletionVector::Parse(File(pb::DeletionFile::BITMAP), Bytes::FromString(bytes), kRows);
  ASSERT_TRUE(vector.ok()) << vector.status().ToString();
  EXPECT_EQ((*vector)->Count(), kRows);
  EXPECT_EQ((*vector)->live_rows(), 0u);
  EXPECT_EQ((*vector)->CountInRange(5, 4'000'000'005), 4'000'000'000u);
  EXPECT_TRUE((*vector)->LiveRanges(0, kRows).empty());
  EXPECT_EQ((*vector)->DeletedRanges().size(), 1u);
  EXPECT_TRUE((*vector)->Offsets().status().Is(StatusCode::kTooLarge));
}

}  // namespace
}  // namespace lancefs
