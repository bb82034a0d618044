// SPDX-License-Identifier: Apache-2.0
//
// The requests that tools really make, in their order, against an append area over a table in memory:
// how many versions they make, and which request makes them.
#include "fs/append_area.h"

#include <arrow/compute/initialize.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "backends/memory_store.h"

namespace lancefs {
namespace {

const std::string kRows = "{\"id\":1}\n{\"id\":2}\n";
constexpr uint64_t kShell = 100, kTool = 200;  // lock owners

class AppendAreaTest : public ::testing::Test {
 protected:
  AppendAreaTest() {
    EXPECT_TRUE(arrow::compute::Initialize().ok());
    char folder[] = "/tmp/lancefs-area-XXXXXX";
    folder_ = ::mkdtemp(folder);
    caller_.pid = ::getpid();
    Start();
  }
  ~AppendAreaTest() override {
    area_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start() {
    LiveTable::Options table;
    table.store = store_;
    table.path = "t.lance";
    table.uri = "memory://t.lance";
    table.may_be_absent = true;
    table.refresh = std::chrono::milliseconds(0);
    AppendAreaOptions options;
    options.table = std::make_shared<LiveTable>(table);
    options.log = log_;
    options.state_directory = folder_;
    options.retention = std::chrono::seconds(600);
    options.new_table_schema = [] { return arrow::schema({arrow::field("id", arrow::int64())}); };
    table_ = options.table;
    Result<std::shared_ptr<AppendArea>> area = MakeAppendArea(options);
    ASSERT_TRUE(area.ok()) << area.status().ToString();
    area_ = *area;
  }

  uint64_t Version() {
    const auto dataset = table_->Refresh(OpContext());
    EXPECT_TRUE(dataset.ok()) << dataset.status().ToString();
    return *dataset == nullptr ? 0 : (*dataset)->version();
  }
  AppendArea::Created Create(const std::string& name, int flags = O_WRONLY | O_CREAT | O_EXCL) {
    const auto made = area_->Create(AppendArea::kRoot, name, 0644, flags, caller_, OpContext());
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    id_ = made->entry.id;
    handle_ = made->opened.handle;
    return *made;
  }
  uint64_t Open(AppendArea::Id id, int flags) {
    const auto opened = area_->Open(id, flags, caller_, OpContext());
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    return handle_ = opened->handle;
  }
  Status Write(const std::string& text, uint64_t offset, std::optional<uint64_t> owner = kTool) {
    return area_->Write(id_, handle_, offset, Bytes::FromString(text), owner, caller_, OpContext());
  }
  Status Flush(uint64_t owner = kTool) { return area_->Flush(id_, handle_, owner, caller_, OpContext()); }
  void Release() { area_->Release(id_, handle_, OpContext()); }
  Status Rename(const std::string& from, const std::string& to, bool no_replace = false) {
    return area_->Rename(AppendArea::kRoot, from, AppendArea::kRoot, to, no_replace, caller_, OpContext());
  }
  Status Resize(uint64_t size) {
    AttrChange change;
    change.size = size;
    return area_->SetAttr(id_, handle_, change, caller_, OpContext()).status();
  }
  Status SetTime(int64_t mtime_ns) {
    AttrChange change;
    change.mtime_ns = mtime_ns;
    return area_->SetAttr(id_, std::nullopt, change, caller_, OpContext()).status();
  }
  std::string Xattr(const std::string& name) {
    const auto value = area_->GetXattr(id_, "user.lancefs." + name);
    return value.ok() && *value ? **value : "";
  }

  const std::shared_ptr<ObjectStore> store_ = MakeMemoryStore();
  const std::shared_ptr<StatusLog> log_ = std::make_shared<StatusLog>();
  std::string folder_;
  std::shared_ptr<LiveTable> table_;
  std::shared_ptr<AppendArea> area_;
  Caller caller_;
  AppendArea::Id id_ = 0;
  uint64_t handle_ = 0;
};

TEST_F(AppendAreaTest, CopyCommitsInFlush) {
  Create("a.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  EXPECT_EQ(Version(), 0u);
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Version(), 1u);
  Release();
  EXPECT_EQ(Version(), 1u);
  EXPECT_EQ(Xattr("rows"), "2");
  EXPECT_EQ(Xattr("version"), "1");
  EXPECT_FALSE(area_->HasPending());
}

TEST_F(AppendAreaTest, ShellRedirection) {
  Create("a.jsonl");
  ASSERT_TRUE(Flush(kShell).ok());  // dup2 and close, nothing written yet
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 1u);
}

TEST_F(AppendAreaTest, LoopOfAShellCommitsInRelease) {
  Create("a.jsonl");
  ASSERT_TRUE(Write("{\"id\":1}\n", 0, kShell).ok());
  ASSERT_TRUE(Flush(kTool).ok());  // a child with a copy of the descriptor ends
  EXPECT_EQ(Version(), 0u);
  EXPECT_TRUE(area_->HasPending());
  ASSERT_TRUE(Write("{\"id\":2}\n", 9, kShell).ok());
  ASSERT_TRUE(Flush(kShell).ok());
  EXPECT_EQ(Version(), 0u);
  Release();
  EXPECT_EQ(Version(), 1u);
  EXPECT_EQ(Xattr("rows"), "2");
  EXPECT_FALSE(area_->HasPending());
}

TEST_F(AppendAreaTest, WithoutLockOwnerReleaseCommits) {
  Create("a.jsonl");
  ASSERT_TRUE(Write(kRows, 0, std::nullopt).ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Version(), 0u);
  Release();
  EXPECT_EQ(Version(), 1u);
}

TEST_F(AppendAreaTest, RsyncCommitsInRename) {
  Create(".a.jsonl.Ab12Cd");
  const auto id = id_;
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  ASSERT_TRUE(SetTime(5'000'000'000).ok());
  Open(id, O_RDONLY);
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 0u);
  ASSERT_TRUE(Rename(".a.jsonl.Ab12Cd", "a.jsonl").ok());
  EXPECT_EQ(Version(), 1u);
  EXPECT_EQ(area_->Lookup(AppendArea::kRoot, "a.jsonl")->id, id);
  EXPECT_EQ(area_->Lookup(AppendArea::kRoot, "a.jsonl")->attr.mtime_ns, 5'000'000'000);
  // The same again, with the same time: a receipt is there.
  Create(".a.jsonl.Xy12Cd");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  ASSERT_TRUE(SetTime(5'000'000'000).ok());
  ASSERT_TRUE(Rename(".a.jsonl.Xy12Cd", "a.jsonl").ok());
  EXPECT_EQ(Version(), 1u);
  EXPECT_FALSE(area_->GetAttr(id, std::nullopt).ok());
}

TEST_F(AppendAreaTest, RefusedRenameStaysRefused) {
  Create("a.jsonl.part");
  ASSERT_TRUE(Write("{\"id\":\"x\"}\n", 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_TRUE(Rename("a.jsonl.part", "a.jsonl", /*no_replace=*/true).Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(Rename("a.jsonl.part", "a.jsonl").Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(area_->Lookup(AppendArea::kRoot, "a.jsonl.part").ok());
  EXPECT_FALSE(area_->Lookup(AppendArea::kRoot, "a.jsonl").ok());
  EXPECT_EQ(Version(), 0u);
  EXPECT_EQ(log_->Errors().size(), 1u);
}

TEST_F(AppendAreaTest, PolarsClosesAnEmptyFileFirst) {
  Create("a.jsonl", O_WRONLY | O_CREAT | O_TRUNC);
  const auto id = id_;
  ASSERT_TRUE(Flush().ok());
  Release();
  Open(id, O_WRONLY | O_TRUNC);
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Version(), 1u);
  Release();
  EXPECT_EQ(Version(), 1u);
}

TEST_F(AppendAreaTest, SizesAreSetBeforeAndAfter) {
  Create("duckdb.jsonl");
  ASSERT_TRUE(Resize(0).ok());
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 1u);
  Create("scp.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Resize(kRows.size()).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 2u);
  Create("first.jsonl");
  ASSERT_TRUE(Resize(kRows.size()).ok());
  ASSERT_TRUE(Write(kRows.substr(9), 9).ok());
  ASSERT_TRUE(Write(kRows.substr(0, 9), 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 3u);
  Create("hole.jsonl");
  ASSERT_TRUE(Write(kRows, 100).ok());
  EXPECT_TRUE(Flush().Is(StatusCode::kInvalidArgument));
  Release();
  Create("truncate.jsonl");
  ASSERT_TRUE(Resize(100).ok());
  EXPECT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 3u);
}

TEST_F(AppendAreaTest, GrowthCommitsTheTail) {
  Create("a.csv");
  const auto id = id_;
  ASSERT_TRUE(Write("id\n1\n", 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  Open(id, O_WRONLY | O_APPEND);
  ASSERT_TRUE(Flush().ok());
  ASSERT_TRUE(Write("2\n3\n", 5).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 2u);
  EXPECT_EQ(Xattr("rows"), "2");
  // Not O_APPEND: a whole drop.
  Open(id, O_WRONLY);
  ASSERT_TRUE(Write("4\n", 9).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 3u);
  EXPECT_EQ(Xattr("rows"), "4");
}

TEST_F(AppendAreaTest, BadRowFailsTheWriteThatBringsIt) {
  Create("first.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  Create("a.jsonl");
  const auto id = id_;
  ASSERT_TRUE(Write("{\"id\":1}\n", 0).ok());
  EXPECT_TRUE(Write("{\"id\":\"x\"}\n", 9).Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(Flush().Is(StatusCode::kInvalidArgument));
  Release();
  EXPECT_EQ(Version(), 1u);
  ASSERT_EQ(log_->Errors().size(), 1u);
  EXPECT_EQ(log_->Errors()[0].row, 2u);
  EXPECT_EQ(log_->Errors()[0].column, "id");
  EXPECT_NE(Xattr("error"), "");
  Open(id, O_WRONLY | O_TRUNC);
  ASSERT_TRUE(Write(kRows, 0).ok());
  EXPECT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 2u);
  EXPECT_EQ(Xattr("error"), "");
}

TEST_F(AppendAreaTest, UnlinkedIsNotCommitted) {
  Create("a.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(area_->Unlink(AppendArea::kRoot, "a.jsonl", OpContext()).ok());
  EXPECT_EQ(area_->Read(id_, handle_, 0, 100, OpContext())->view(), kRows);
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 0u);
  EXPECT_FALSE(area_->GetAttr(id_, std::nullopt).ok());
}

TEST_F(AppendAreaTest, FoldersAndNames) {
  const auto folder = area_->Mkdir(AppendArea::kRoot, "d", 0755, caller_, OpContext());
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE(area_->Mkdir(AppendArea::kRoot, "d", 0755, caller_, OpContext()).status().Is(StatusCode::kAlreadyExists));
  const auto made = area_->Create(folder->id, "x y.jsonl", 0644, O_WRONLY | O_CREAT, caller_, OpContext());
  ASSERT_TRUE(made.ok());
  id_ = made->entry.id;
  handle_ = made->opened.handle;
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 1u);
  EXPECT_NE(log_->CommitsJsonl().find("\"d/x y.jsonl\""), std::string::npos);
  EXPECT_TRUE(area_->Rmdir(AppendArea::kRoot, "d", OpContext()).Is(StatusCode::kConflict));
  ASSERT_TRUE(area_->Unlink(folder->id, "x y.jsonl", OpContext()).ok());
  EXPECT_TRUE(area_->Rmdir(AppendArea::kRoot, "d", OpContext()).ok());
  EXPECT_TRUE(area_->Create(AppendArea::kRoot, "x", 0644, O_WRONLY | O_CREAT, caller_, OpContext()).ok());
  EXPECT_TRUE(area_->Create(AppendArea::kRoot, "x", 0644, O_WRONLY | O_CREAT | O_EXCL, caller_, OpContext())
                  .status()
                  .Is(StatusCode::kAlreadyExists));
}

TEST_F(AppendAreaTest, ZeroRowsMakeNoVersion) {
  Create("a.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(Flush().ok());
  Release();
  Create("b.csv");
  ASSERT_TRUE(Write("id\n", 0).ok());
  EXPECT_TRUE(Flush().ok());
  Release();
  EXPECT_EQ(Version(), 1u);
  EXPECT_NE(log_->CommitsJsonl().find("0 rows"), std::string::npos);
}

TEST_F(AppendAreaTest, ManyFilesAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int n = 0; n < 16; ++n) {
    threads.emplace_back([&, n] {
      const auto made =
          area_->Create(AppendArea::kRoot, std::to_string(n) + ".jsonl", 0644, O_WRONLY | O_CREAT, caller_, OpContext());
      const AppendArea::Id id = made->entry.id;
      const uint64_t handle = made->opened.handle, owner = 1000 + static_cast<uint64_t>(n);
      if (!area_->Write(id, handle, 0, Bytes::FromString(kRows), owner, caller_, OpContext()).ok()) ++failures;
      if (!area_->Flush(id, handle, owner, caller_, OpContext()).ok()) ++failures;
      area_->Release(id, handle, OpContext());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(Version(), 16u);
}

TEST_F(AppendAreaTest, ShutdownRefusesNewDropsAndKeepsOpenOnes) {
  Create("a.jsonl");
  ASSERT_TRUE(Write(kRows, 0).ok());
  ASSERT_TRUE(area_->Shutdown(OpContext().WithTimeout(std::chrono::seconds(10))).ok());
  EXPECT_TRUE(area_->Create(AppendArea::kRoot, "b.jsonl", 0644, O_WRONLY | O_CREAT, caller_, OpContext())
                  .status()
                  .Is(StatusCode::kReadOnly));
  area_.reset();
  Start();
  for (int n = 0; n < 500 && log_->Errors().empty(); ++n) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_EQ(log_->Errors().size(), 1u);
  EXPECT_NE(log_->Errors()[0].message.find("kept in"), std::string::npos);
  EXPECT_EQ(Version(), 0u);
}

}  // namespace
}  // namespace lancefs
