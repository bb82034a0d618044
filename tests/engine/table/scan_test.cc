// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/verify.h"
#include "test_table.h"

namespace lancefs {
namespace {

std::shared_ptr<const Dataset> Sample() {
  static const auto dataset = CreateTable(MakeMemoryStore("scan"), "t.lance", 1000, FileVersion::kV2_2, 300);
  return dataset;
}

ScanOptions Where(const std::string& sql) {
  ScanOptions options;
  auto filter = ParseFilter(sql, *Sample()->arrow_schema());
  EXPECT_TRUE(filter.ok()) << filter.status().ToString();
  options.filter = *filter;
  return options;
}

TEST(Scan, FragmentsInOrder) {
  EXPECT_EQ(Sample()->fragments().size(), 4u);
  EXPECT_EQ(*ReadIds(Sample()), Numbers(0, 1000));
}

TEST(Scan, SmallBatchesGiveTheSameRows) {
  ScanOptions options;
  options.batch_bytes = 1;
  EXPECT_EQ(*ReadIds(Sample(), options), Numbers(0, 1000));
}

TEST(Scan, LimitAndOffsetAcrossFragments) {
  for (const uint64_t offset : {0u, 1u, 299u, 300u, 650u, 999u, 1000u, 5000u}) {
    for (const uint64_t limit : {0u, 1u, 2u, 400u, 5000u}) {
      ScanOptions options;
      options.offset = offset;
      options.limit = limit;
      const auto first = static_cast<int64_t>(std::min<uint64_t>(offset, 1000));
      const auto end = static_cast<int64_t>(std::min<uint64_t>(offset + limit, 1000));
      EXPECT_EQ(*ReadIds(Sample(), options), Numbers(first, std::max(first, end))) << offset << " " << limit;
      EXPECT_EQ(*CountRows(Sample(), options, OpContext()), static_cast<uint64_t>(std::max(first, end) - first));
    }
  }
}

TEST(Scan, FilterThenOffsetAndLimit) {
  ScanOptions options = Where("id % 7 = 0");
  options.offset = 10;
  options.limit = 3;
  EXPECT_EQ(*ReadIds(Sample(), options), (std::vector<int64_t>{70, 77, 84}));
  EXPECT_EQ(*CountRows(Sample(), Where("id % 7 = 0"), OpContext()), 143u);
  EXPECT_EQ(*CountRows(Sample(), Where("name IS NULL"), OpContext()), 334u);
}

TEST(Scan, RowsThatLackTheFiltersColumnsAreNotReadOneByOne) {
  auto store = MakeMemoryStore("lacking");
  const auto base = CreateTable(store, "t.lance", 10);
  CommitAsOther(*base, [](pb::Manifest* manifest, pb::Transaction*) {
    for (uint32_t id = 1; id <= 1000; ++id) {  // 4 trillion rows of which no data file tells
      pb::DataFragment* fragment = manifest->add_fragments();
      fragment->set_id(id);
      fragment->set_physical_rows(UINT32_MAX);
    }
    manifest->set_max_fragment_id(1000);
  });
  const auto dataset = Dataset::Open(store, "t.lance", OpenOptions(), OpContext());
  ASSERT_TRUE(dataset.ok()) << dataset.status().ToString();
  const OpContext ctx = OpContext().WithTimeout(std::chrono::seconds(60));
  const auto count = CountRows(*dataset, Where("name = 'n1' OR id > 7"), ctx);
  ASSERT_TRUE(count.ok()) << count.status().ToString();
  EXPECT_EQ(*count, 3u);
  ScanOptions first_nulls = Where("id IS NULL");
  first_nulls.limit = 5;
  const auto nulls = CountRows(*dataset, first_nulls, ctx);
  ASSERT_TRUE(nulls.ok()) << nulls.status().ToString();
  EXPECT_EQ(*nulls, 5u);
}

TEST(Scan, OnlySomeFragments) {
  ScanOptions options;
  options.fragments = std::vector<uint64_t>{3, 1};
  auto expected = Numbers(300, 600);
  const auto tail = Numbers(900, 1000);
  expected.insert(expected.end(), tail.begin(), tail.end());
  EXPECT_EQ(*ReadIds(Sample(), options), expected);
  options.fragments = std::vector<uint64_t>{9};
  EXPECT_EQ(Scan(Sample(), options).status().code(), StatusCode::kInvalidArgument);
}

TEST(Scan, TakeInAnyOrderWithRepeats) {
  const auto batch = Take(Sample(), {999, 0, 0, 301, 300}, {"id"}, OpContext());
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  const auto& ids = static_cast<const arrow::Int64Array&>(*(*batch)->column(0));
  EXPECT_EQ(std::vector<int64_t>(ids.raw_values(), ids.raw_values() + ids.length()), (std::vector<int64_t>{999, 0, 0, 301, 300}));
  EXPECT_EQ(Take(Sample(), {1000}, {"id"}, OpContext()).status().code(), StatusCode::kInvalidArgument);
}

TEST(Scan, SelectsNothingButCountsRows) {
  ScanOptions options;
  options.select.emplace();
  auto stream = Scan(Sample(), options);
  ASSERT_TRUE(stream.ok());
  int64_t rows = 0;
  while (true) {
    const auto batch = (*stream)->Next(OpContext());
    ASSERT_TRUE(batch.ok());
    if (*batch == nullptr) break;
    EXPECT_EQ((*batch)->num_columns(), 0);
    rows += (*batch)->num_rows();
  }
  EXPECT_EQ(rows, 1000);
}

TEST(Scan, RowIdsAreAddressesWithoutStableOnes) {
  ScanOptions options = Where("_rowid = 4294967298");  // fragment 1, offset 2
  EXPECT_EQ(*ReadIds(Sample(), options), (std::vector<int64_t>{302}));
}

TEST(Scan, CancellationEndsIt) {
  auto stream = Scan(Sample(), ScanOptions());
  OpContext ctx;
  ctx.cancel.Cancel();
  EXPECT_EQ((*stream)->Next(ctx).status().code(), StatusCode::kCancelled);
}

TEST(Verify, FindsAMissingFile) {
  auto dataset = CreateTable(MakeMemoryStore("verify"), "t.lance", 10);
  EXPECT_TRUE(VerifyDataset(dataset, {true}, OpContext())->problems.empty());
  ASSERT_TRUE(dataset->store()->Delete("t.lance/data/" + dataset->manifest().fragments(0).files(0).path(), OpContext()).ok());
  OpenOptions open;
  const auto fresh = Dataset::Open(dataset->store(), "t.lance", open, OpContext());
  const auto report = VerifyDataset(*fresh, {}, OpContext());
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_NE(report->problems[0].find("data file"), std::string::npos);
}

}  // namespace
}  // namespace lancefs
