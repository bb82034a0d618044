// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/gathered_reads.h"

#include <random>

#include "../table/test_table.h"

namespace lancefs {
namespace {

// A file of 200,000 numbers, read by rows that lie some thousand apart.
class GatheredReadsTest : public testing::TestWithParam<FileVersion> {
 protected:
  void SetUp() override {
    store_ = MakeMemoryStore("gathered");
    const auto dataset = CreateTable(store_, "t.lance", 200'000, GetParam());
    const std::string path = "t.lance/data/" + dataset->manifest().fragments(0).files(0).path();
    content_ = *store_->ReadAll(path, OpContext());
    file_ = *LanceFile::Open(store_, path, 0, OpContext());
    column_ = (*file_->Columns({0}, OpContext()))[0];
    std::mt19937_64 random(1);
    for (const PageInfo& page : column_->pages) {
      const ByteRange values = ValuesOf(page, GetParam());
      for (uint64_t offset = 0; offset + 8 < values.length; offset += 1 + random() % 200'000) {
        ranges_.push_back({values.offset + offset, 1 + random() % 8});
      }
    }
    std::shuffle(ranges_.begin(), ranges_.end(), random);
    ranges_.push_back({0, 0});
  }

  void Check(uint64_t memory) {
    GatheredReads reads(file_, memory);
    reads.Add(*column_);
    reads.Sort();
    const auto answers = reads.ReadRangesAsync(ranges_, 0, OpContext()).Get(OpContext());
    ASSERT_TRUE(answers.ok()) << answers.status().ToString();
    ASSERT_EQ(answers->size(), ranges_.size());
    for (size_t i = 0; i < ranges_.size(); ++i)
      EXPECT_EQ((*answers)[i].view(), content_.view().substr(ranges_[i].offset, ranges_[i].length)) << i;
  }

  std::shared_ptr<ObjectStore> store_;
  Bytes content_;
  std::shared_ptr<LanceFile> file_;
  std::shared_ptr<const ColumnInfo> column_;
  std::vector<ByteRange> ranges_;
};

TEST_P(GatheredReadsTest, GivesWhatWasAskedForHoweverLittleIsHeld) {
  EXPECT_GT(ranges_.size(), 3u);
  for (const uint64_t memory : {uint64_t{0}, uint64_t{1}, uint64_t{150'000}, uint64_t{1} << 20, uint64_t{1} << 30}) Check(memory);
}

TEST_P(GatheredReadsTest, ErrorsOfTheStoreAreTold) {
  ASSERT_TRUE(store_->Delete(file_->path(), OpContext()).ok());
  GatheredReads reads(file_, 1 << 30);
  reads.Add(*column_);
  reads.Sort();
  EXPECT_TRUE(reads.ReadRangesAsync(ranges_, 0, OpContext()).Get(OpContext()).status().Is(StatusCode::kNotFound));
}

INSTANTIATE_TEST_SUITE_P(Versions, GatheredReadsTest,
                         testing::Values(FileVersion::kV2_0, FileVersion::kV2_1, FileVersion::kV2_2));

}  // namespace
}  // namespace lancefs
