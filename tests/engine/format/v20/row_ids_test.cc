// SPDX-License-Identifier: Apache-2.0
#include "engine/format/row_ids.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/format/proto/table.pb.h"

namespace lancefs {
namespace {

using Ids = std::vector<uint64_t>;

std::span<const uint8_t> Span(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }
Result<Ids> Decode(const pb::RowIdSequence& sequence, uint64_t rows) {
  return DecodeRowIds(Span(sequence.SerializeAsString()), rows);
}
void ExpectCorrupt(const pb::RowIdSequence& sequence, uint64_t rows, const std::string& what) {
  const Result<Ids> ids = Decode(sequence, rows);
  ASSERT_FALSE(ids.ok()) << what;
  EXPECT_TRUE(ids.status().Is(StatusCode::kCorruption));
  EXPECT_NE(ids.status().message().find(what), std::string::npos) << ids.status().message();
}
pb::RowIdSequence Range(uint64_t start, uint64_t end) {
  pb::RowIdSequence sequence;
  sequence.add_segments()->mutable_range()->set_start(start);
  sequence.mutable_segments(0)->mutable_range()->set_end(end);
  return sequence;
}
pb::RowIdSequence Bitmap(uint64_t start, uint64_t end, const std::string& bits) {
  pb::RowIdSequence sequence;
  auto* bitmap = sequence.add_segments()->mutable_range_with_bitmap();
  bitmap->set_start(start);
  bitmap->set_end(end);
  bitmap->set_bitmap(bits);
  return sequence;
}
pb::RowIdSequence Holes(uint64_t start, uint64_t end, uint64_t base, const std::string& offsets) {
  pb::RowIdSequence sequence;
  auto* range = sequence.add_segments()->mutable_range_with_holes();
  range->set_start(start);
  range->set_end(end);
  range->mutable_holes()->mutable_u16_array()->set_base(base);
  range->mutable_holes()->mutable_u16_array()->set_offsets(offsets);
  return sequence;
}

TEST(RowIds, CompactedSequence) {
  // Range 3..10, all but 12 of 10..18, Range 12..13, Range 18..23: what a compaction leaves.
  pb::RowIdSequence sequence = Range(3, 10);
  *sequence.add_segments() = Bitmap(10, 18, "\xFB").segments(0);
  *sequence.add_segments() = Range(12, 13).segments(0);
  *sequence.add_segments() = Range(18, 23).segments(0);
  const Result<Ids> ids = Decode(sequence, 20);
  ASSERT_TRUE(ids.ok()) << ids.status().ToString();
  EXPECT_EQ(*ids, (Ids{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 12, 18, 19, 20, 21, 22}));
  ExpectCorrupt(sequence, 19, "more than");
  ExpectCorrupt(sequence, 21, "20 ids");
}

TEST(RowIds, HolesAndArrays) {
  EXPECT_EQ(*Decode(Holes(5, 10, 6, std::string("\0\0\2\0", 4)), 3), (Ids{5, 7, 9}));
  EXPECT_EQ(*Decode(Holes(5, 7, 5, std::string("\0\0\1\0", 4)), 0), Ids());
  pb::RowIdSequence sequence;
  sequence.add_segments()->mutable_sorted_array()->mutable_u32_array()->set_base(1000);
  sequence.mutable_segments(0)->mutable_sorted_array()->mutable_u32_array()->set_offsets(std::string("\0\0\0\0\0\0\1\0", 8));
  sequence.add_segments()->mutable_array()->mutable_u64_array()->set_values(
      std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(*Decode(sequence, 4), (Ids{1000, 66536, UINT64_MAX, 1}));
}

TEST(RowIds, RefusesBrokenBytes) {
  ExpectCorrupt(Range(5, 4), 10, "ends before");
  ExpectCorrupt(Range(0, UINT64_MAX), 10, "more than");
  ExpectCorrupt(Range(0, 10), uint64_t{1} << 40, "a fragment of");
  ExpectCorrupt(Bitmap(0, 8, ""), 8, "0 bytes");
  ExpectCorrupt(Bitmap(0, 8, "ab"), 8, "2 bytes");
  ExpectCorrupt(Bitmap(0, 7, "\xFF"), 7, "padding");
  ExpectCorrupt(Bitmap(0, UINT64_MAX, "a"), 7, "bitmap of 1 bytes");
  ExpectCorrupt(Bitmap(9, 2, "a"), 7, "ends before");
  ExpectCorrupt(Holes(5, 10, 6, std::string("\2\0\0\0", 4)), 3, "ascend");
  ExpectCorrupt(Holes(5, 10, 6, std::string("\1\0\1\0", 4)), 3, "ascend");
  ExpectCorrupt(Holes(5, 10, 6, std::string("\4\0", 2)), 3, "outside");
  ExpectCorrupt(Holes(5, 10, 4, std::string("\0\0", 2)), 3, "outside");
  ExpectCorrupt(Holes(5, 10, 6, "abc"), 3, "3 bytes");
  ExpectCorrupt(Holes(0, UINT64_MAX, UINT64_MAX - 1, std::string("\2\0", 2)), 3, "overflows");
  pb::RowIdSequence sequence;
  sequence.add_segments();
  ExpectCorrupt(sequence, 0, "without a kind");
  sequence.mutable_segments(0)->mutable_array();
  ExpectCorrupt(sequence, 0, "without values");
  sequence.mutable_segments(0)->mutable_sorted_array()->mutable_u16_array()->set_offsets(std::string("\1\0\1\0", 4));
  ExpectCorrupt(sequence, 2, "ascend");
  const std::string unknown = Range(0, 3).SerializeAsString() + std::string("\x10\x01", 2);
  EXPECT_FALSE(DecodeRowIds(Span(unknown), 3).ok());
  EXPECT_FALSE(DecodeRowIds(Span("\x0A"), 3).ok());
  EXPECT_TRUE(DecodeRowIds(Span(""), 0).ok());
}

TEST(RowIds, Encoders) {
  EXPECT_EQ(EncodeRowIdRange(5, 300), std::string("\x0A\x07\x0A\x05\x08\x05\x10\xAC\x02", 9));
  EXPECT_EQ(DecodeRowIds(Span(EncodeRowIdRange(0, 0)), 0)->size(), 0u);
  Ids ids(100);
  std::iota(ids.begin(), ids.end(), 40);
  EXPECT_EQ(EncodeRowIds(ids), EncodeRowIdRange(40, 140));
  ids.insert(ids.begin() + 50, {7, 3, UINT64_MAX, 9, uint64_t{1} << 33});
  ids.push_back(UINT64_MAX);
  EXPECT_EQ(*DecodeRowIds(Span(EncodeRowIds(ids)), ids.size()), ids);
  for (const Ids& few : {Ids{UINT64_MAX}, Ids{5}, Ids{5, 4}, Ids{UINT64_MAX - 1, UINT64_MAX}, Ids{0, 70000, 1}}) {
    EXPECT_EQ(*DecodeRowIds(Span(EncodeRowIds(few)), few.size()), few);
  }
}

TEST(RowVersions, ReadsSpansByLengthOnly) {
  // {3..10 v1}{bitmap of 8 v2}{0..1 v2}
  pb::RowDatasetVersionSequence sequence;
  *sequence.add_runs()->mutable_span() = Range(3, 10).segments(0);
  sequence.mutable_runs(0)->set_version(1);
  *sequence.add_runs()->mutable_span() = Bitmap(10, 19, std::string("\xFB\x01", 2)).segments(0);
  sequence.mutable_runs(1)->set_version(2);
  *sequence.add_runs()->mutable_span() = Range(0, 1).segments(0);
  sequence.mutable_runs(2)->set_version(2);
  Ids want(7, 1);
  want.resize(16, 2);
  EXPECT_EQ(*DecodeRowVersions(Span(sequence.SerializeAsString()), 16), want);
  EXPECT_FALSE(DecodeRowVersions(Span(sequence.SerializeAsString()), 15).ok());
  EXPECT_FALSE(DecodeRowVersions(Span(sequence.SerializeAsString()), 17).ok());
  EXPECT_EQ(*DecodeRowVersions(Span(EncodeFreshRowVersions(3, 9)), 3), (Ids{9, 9, 9}));
}

// Every part of a sequence of all kinds of segments, and one that no memory could hold as numbers.
TEST(RowIds, PartsAreCopied) {
  pb::RowIdSequence sequence;
  auto* range = sequence.add_segments()->mutable_range();
  range->set_start(10);
  range->set_end(15);
  auto* holes = sequence.add_segments()->mutable_range_with_holes();
  holes->set_start(100);
  holes->set_end(110);
  for (const uint64_t hole : {100, 103, 104, 109})
    holes->mutable_holes()->mutable_u64_array()->mutable_values()->append(reinterpret_cast<const char*>(&hole), 8);
  auto* bitmap = sequence.add_segments()->mutable_range_with_bitmap();
  bitmap->set_start(1000);
  bitmap->set_end(1000 + 9000);
  std::string bits(1125, '\0');
  bits[0] = 5;  // 1000 and 1002
  bits[600] = 1;
  bits[1124] = static_cast<char>(0x80);
  bitmap->set_bitmap(bits);
  const std::vector<uint64_t> want = {10, 11, 12, 13, 14, 101, 102, 105, 106, 107, 108, 1000, 1002, 5800, 9999};
  const auto ids = RowIdSequence::Parse(Span(sequence.SerializeAsString()), want.size());
  ASSERT_TRUE(ids.ok()) << ids.status().ToString();
  for (uint64_t start = 0; start <= want.size(); ++start) {
    for (uint64_t end = start; end <= want.size(); ++end) {
      std::vector<uint64_t> part(end - start);
      ids->Copy(start, end, part.data());
      EXPECT_EQ(part, (std::vector<uint64_t>(want.begin() + static_cast<ptrdiff_t>(start),
                                             want.begin() + static_cast<ptrdiff_t>(end))));
    }
  }
  constexpr uint64_t kMany = (uint64_t{1} << 32) - 1;
  const auto many = RowIdSequence::Parse(Span(EncodeRowIdRange(7, kMany + 7)), kMany);
  ASSERT_TRUE(many.ok());
  uint64_t last = 0;
  many->Copy(kMany - 1, kMany, &last);
  EXPECT_EQ(last, kMany + 6);
  EXPECT_EQ(DecodeRowIds(Span(EncodeRowIdRange(7, kMany + 7)), kMany).status().code(), StatusCode::kTooLarge);
}

TEST(RowIds, PartsOfVersionsAreCopied) {
  const auto versions = RowVersionSequence::Parse(Span(EncodeFreshRowVersions(4'000'000'000, 9)), 4'000'000'000);
  ASSERT_TRUE(versions.ok());
  uint64_t two[2] = {0, 0};
  versions->Copy(3'999'999'998, 4'000'000'000, two);
  EXPECT_EQ(two[1], 9u);
  RowVersionSequence::Uniform(3, 1).Copy(1, 3, two);
  EXPECT_EQ(two[0], 1u);
}

}  // namespace
}  // namespace lancefs
