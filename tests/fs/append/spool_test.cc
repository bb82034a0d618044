// SPDX-License-Identifier: Apache-2.0
//
// The spool's journal and receipts over the ends of mounts: clean, crashed, torn, newer.
#include "fs/append/spool.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace lancefs {
namespace {

namespace stdfs = std::filesystem;

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    char folder[] = "/tmp/lancefs-spool-XXXXXX";
    root_ = ::mkdtemp(folder);
  }
  ~SpoolTest() override { stdfs::remove_all(root_); }
  std::shared_ptr<Spool> Open(uint64_t cap = 1 << 20) {
    Result<std::shared_ptr<Spool>> spool = Spool::Open(root_, cap);
    EXPECT_TRUE(spool.ok()) << spool.status().ToString();
    return *spool;
  }
  static std::shared_ptr<SpoolFile> Make(Spool& spool, const std::string& text) {
    std::shared_ptr<SpoolFile> file = *spool.Create();
    const Bytes bytes = Bytes::FromString(text);
    EXPECT_TRUE(file->Write(0, bytes.span()).ok());
    return file;
  }
  static int64_t Now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  std::string root_;
};

TEST_F(SpoolTest, CleanEndLeavesNothing) {
  {
    auto spool = Open();
    auto file = Make(*spool, "abc");
    EXPECT_EQ(spool->used_bytes(), 3u);
    EXPECT_TRUE(stdfs::exists(file->data_path()));
    file.reset();
    EXPECT_EQ(spool->used_bytes(), 0u);
  }
  EXPECT_TRUE(Open()->TakeLeftovers()->empty());
}

TEST_F(SpoolTest, CrashLeavesSealedAndUnfinishedDrops) {
  {
    auto spool = Open();
    auto sealed = Make(*spool, "sealed");
    ASSERT_TRUE(sealed->Seal({"a/ü.jsonl", 6, 2, "uuid-1", 42}).ok());
    sealed->Keep();
    auto unfinished = Make(*spool, "half");
    unfinished->Keep();
    auto done = Make(*spool, "done");
    ASSERT_TRUE(done->Seal({"b.jsonl", 4, 0, "uuid-2", 43}).ok());
    ASSERT_TRUE(done->MarkDone().ok());
    done->Keep();
    auto empty = *spool->Create();
    empty->Keep();
  }
  auto spool = Open();
  Result<std::vector<LeftDrop>> left = spool->TakeLeftovers();
  ASSERT_TRUE(left.ok());
  ASSERT_EQ(left->size(), 2u);
  const LeftDrop& sealed = (*left)[0].sealed ? (*left)[0] : (*left)[1];
  const LeftDrop& open = (*left)[0].sealed ? (*left)[1] : (*left)[0];
  ASSERT_TRUE(sealed.sealed.has_value());
  EXPECT_FALSE(open.sealed.has_value());
  EXPECT_EQ(sealed.sealed->name, "a/ü.jsonl");
  EXPECT_EQ(sealed.sealed->size, 6u);
  EXPECT_EQ(sealed.sealed->tail_offset, 2u);
  EXPECT_EQ(sealed.sealed->transaction_uuid, "uuid-1");
  EXPECT_EQ(sealed.sealed->mtime_ns, 42);
  auto file = spool->Reopen(sealed);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Read(0, 100)->view(), "sealed");
  const Result<std::string> kept = spool->KeepIncomplete(open);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(stdfs::file_size(*kept + "/data"), 4u);
  // New drops do not collide with old ones, and what is kept for people is not taken up again.
  EXPECT_TRUE(spool->Create().ok());
  file->reset();
  spool.reset();
  EXPECT_EQ(Open()->TakeLeftovers()->size(), 1u);
}

TEST_F(SpoolTest, TornRecordsCountAsNotWritten) {
  std::string directory;
  {
    auto spool = Open();
    auto file = Make(*spool, "sealed");
    ASSERT_TRUE(file->Seal({"a.jsonl", 6, 0, "uuid-1", 42}).ok());
    directory = file->directory();
    file->Keep();
  }
  const std::string journal = directory + "/journal";
  const auto whole = stdfs::file_size(journal);
  std::string bytes(whole, '\0');
  std::ifstream(journal, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(whole));
  for (size_t cut = 0; cut < whole; ++cut) {
    std::ofstream(journal, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(cut));
    auto left = Open()->TakeLeftovers();
    ASSERT_TRUE(left.ok()) << cut;
    ASSERT_EQ(left->size(), 1u) << cut;
    EXPECT_FALSE((*left)[0].sealed.has_value()) << cut;
  }
  // A flipped bit in the last record.
  for (size_t at : {whole - 1, whole - 20}) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    std::ofstream(journal, std::ios::binary | std::ios::trunc).write(bad.data(), static_cast<std::streamsize>(whole));
    EXPECT_FALSE((*Open()->TakeLeftovers())[0].sealed.has_value()) << at;
  }
  // Sealed, but the bytes are not all there.
  std::ofstream(journal, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(whole));
  stdfs::resize_file(directory + "/data", 5);
  EXPECT_FALSE((*Open()->TakeLeftovers())[0].sealed.has_value());
}

TEST_F(SpoolTest, NewerVersionIsRefusedAndNeverDeleted) {
  std::string directory;
  {
    auto spool = Open();
    auto file = Make(*spool, "bytes");
    directory = file->directory();
    file->Keep();
  }
  std::fstream(directory + "/journal", std::ios::binary | std::ios::in | std::ios::out).write("LFSPOOL2", 8);
  auto left = Open()->TakeLeftovers();
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->empty());
  EXPECT_EQ(stdfs::file_size(directory + "/data"), 5u);
}

TEST_F(SpoolTest, LiveMountsKeepTheirDrops) {
  auto first = Open();
  auto file = Make(*first, "mine");
  auto second = Open();
  EXPECT_TRUE(second->TakeLeftovers()->empty());
  EXPECT_TRUE(stdfs::exists(file->data_path()));
  // After both are gone, the next mount finds the drop.
  auto other = Make(*second, "the second's");
  file->Keep();
  other->Keep();
  file.reset();
  other.reset();
  second.reset();
  first.reset();
  auto third = Open();  // uses folder 0 and moves what lies in folder 1
  const auto left = third->TakeLeftovers();
  ASSERT_EQ(left->size(), 2u);
  for (const LeftDrop& drop : *left) EXPECT_TRUE(drop.directory.starts_with(root_ + "/0/d")) << drop.directory;
  EXPECT_NE((*left)[0].directory, (*left)[1].directory);
}

TEST_F(SpoolTest, CapIsKept) {
  auto spool = Open(10);
  auto file = Make(*spool, "12345678");
  const Bytes more = Bytes::FromString("abc");
  EXPECT_TRUE(file->Write(8, more.span()).Is(StatusCode::kResourceExhausted));
  EXPECT_EQ(file->size(), 8u);
  EXPECT_TRUE(file->Truncate(11).Is(StatusCode::kResourceExhausted));
  EXPECT_TRUE(file->Write(0, more.span()).ok());
  ASSERT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(spool->used_bytes(), 2u);
  EXPECT_TRUE(file->Write(2, Bytes::FromString("12345678").span()).ok());
}

TEST_F(SpoolTest, ReceiptsOutliveTheMount) {
  const int64_t now = Now();
  {
    auto spool = Open();
    spool->AddReceipt({"a.jsonl", 5, 100, 7, now, 3, 2});
    spool->AddReceipt({"old.jsonl", 5, 100, 7, now - 31LL * 24 * 3600 * 1'000'000'000, 3, 2});
    spool->TouchReceipt("a.jsonl", 5, 100, 200);
    std::ofstream(root_ + "/0/receipts", std::ios::app) << "{\"name\":\"torn";
  }
  auto spool = Open();
  ASSERT_TRUE(spool->FindReceipt("a.jsonl", 5, 100, 7).has_value());
  EXPECT_EQ(spool->FindReceipt("a.jsonl", 5, 200, 7)->version, 3u);
  EXPECT_FALSE(spool->FindReceipt("a.jsonl", 5, 300, 7).has_value());
  EXPECT_FALSE(spool->FindReceipt("a.jsonl", 5, 100, 8).has_value());
  EXPECT_FALSE(spool->FindReceipt("a.jsonl", 6, 100, 7).has_value());
  EXPECT_FALSE(spool->FindReceipt("b.jsonl", 5, 100, 7).has_value());
  EXPECT_FALSE(spool->FindReceipt("old.jsonl", 5, 100, 7).has_value());
}

}  // namespace
}  // namespace lancefs
