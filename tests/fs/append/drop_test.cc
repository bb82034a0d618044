// SPDX-License-Identifier: Apache-2.0
//
// Names, owners and holes: what a drop knows without any table.
#include "fs/append/drop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "fs/append/drop_names.h"
#include "fs/append/process_state.h"

namespace lancefs {
namespace {

TEST(DropNames, TemporaryOnes) {
  for (const char* name : {".x", ".x.jsonl.Ab12Cd", "#x#", "x.jsonl~", "x.part", "x.jsonl.tmp", "x.swp", "x.crdownload",
                           "x.filepart", "sedAb12Cd"}) {
    EXPECT_TRUE(IsTemporaryName(name)) << name;
  }
  for (const char* name : {"x.jsonl", "x", "part", "x.parts.csv", "sed.jsonl", "sedition.csv", "sed-12345", "sedAb12Cde",
                           "a#b.csv", "a~b.csv", ""}) {
    EXPECT_FALSE(IsTemporaryName(name)) << name;
  }
}

TEST(ProcessState, OfLivingAndUnknownProcesses) {
  EXPECT_EQ(StateOfProcess(::getpid()), ProcessState::kAlive);
  EXPECT_EQ(StateOfProcess(0), ProcessState::kUnknown);
  EXPECT_EQ(StateOfProcess(-1), ProcessState::kUnknown);
  EXPECT_FALSE(IsDying(::getpid()));
  EXPECT_FALSE(IsDying(0));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(StateOfProcess(child), ProcessState::kUnknown);
  // A zombie that a signal ended still shows how it ended.
  const pid_t killed = ::fork();
  if (killed == 0) {
    ::pause();
    ::_exit(0);
  }
  ::kill(killed, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(killed), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(StateOfProcess(killed), ProcessState::kKilled);
  ::waitpid(killed, nullptr, 0);
}

class DropWithFile : public ::testing::Test {
 protected:
  DropWithFile() {
    char folder[] = "/tmp/lancefs-drop-XXXXXX";
    folder_ = ::mkdtemp(folder);
    spool_ = *Spool::Open(folder_ + "/spool", 1 << 20);
    drop_.file = *spool_->Create();
  }
  ~DropWithFile() override {
    drop_.file.reset();
    std::filesystem::remove_all(folder_);
  }
  void Write(uint64_t offset, const std::string& text) {
    const uint64_t old_size = drop_.size();
    const Bytes bytes = Bytes::FromString(text);
    ASSERT_TRUE(drop_.file->Write(offset, bytes.span()).ok());
    drop_.NoteWrite(offset, text.size(), old_size);
  }
  void Resize(uint64_t size) {
    drop_.NoteResize(size);
    ASSERT_TRUE(drop_.file->Truncate(size).ok());
  }

  std::string folder_;
  std::shared_ptr<Spool> spool_;
  Drop drop_;
};

using Holes = std::map<uint64_t, uint64_t>;

TEST_F(DropWithFile, HolesAreFilledInAnyOrder) {
  Write(20, "0123456789");
  EXPECT_EQ(drop_.holes, (Holes{{0, 20}}));
  Write(5, "01234");
  EXPECT_EQ(drop_.holes, (Holes{{0, 5}, {10, 20}}));
  Write(0, "0123456");
  EXPECT_EQ(drop_.holes, (Holes{{10, 20}}));
  Write(8, "01234567890123");
  EXPECT_EQ(drop_.holes, Holes());
  Resize(50);
  EXPECT_EQ(drop_.holes, (Holes{{30, 50}}));
  Resize(40);
  EXPECT_EQ(drop_.holes, (Holes{{30, 40}}));
  Write(60, "x");
  EXPECT_EQ(drop_.holes, (Holes{{30, 40}, {40, 60}}));
  Resize(35);
  EXPECT_EQ(drop_.holes, (Holes{{30, 35}}));
  Resize(10);
  EXPECT_EQ(drop_.holes, Holes());
}

TEST_F(DropWithFile, OnlyWrittenBytesAreOverwritten) {
  Write(10, "0123456789");
  Write(0, "0123456789");
  Write(20, "x");
  EXPECT_FALSE(drop_.overwritten);
  Write(19, "01");
  EXPECT_TRUE(drop_.overwritten);
  drop_.Reset();
  EXPECT_FALSE(drop_.overwritten);
  Write(21, "abc");
  Write(22, "x");
  EXPECT_TRUE(drop_.overwritten);
}

TEST_F(DropWithFile, OneOwnerOrSeveral) {
  drop_.handles[1].writable = true;
  DropHandle& handle = drop_.handles[1];
  EXPECT_TRUE(drop_.IsOnlyOwner(handle, 7));
  EXPECT_FALSE(drop_.IsOnlyOwner(handle, std::nullopt));
  handle.owners.insert(7);
  EXPECT_TRUE(drop_.IsOnlyOwner(handle, 7));
  EXPECT_FALSE(drop_.IsOnlyOwner(handle, 8));
  EXPECT_TRUE(drop_.IsWriter(7));
  EXPECT_FALSE(drop_.IsWriter(8));
  drop_.flush_owners.insert(8);  // a child closed its copy
  EXPECT_FALSE(drop_.IsOnlyOwner(handle, 7));
  drop_.flush_owners.clear();
  drop_.handles[2].writable = false;  // readers do not matter
  EXPECT_TRUE(drop_.IsOnlyOwner(handle, 7));
  drop_.handles[3].writable = true;
  EXPECT_FALSE(drop_.IsOnlyOwner(handle, 7));
  drop_.handles.erase(3);
  handle.unknown_owner = true;
  EXPECT_FALSE(drop_.IsOnlyOwner(handle, 7));
  drop_.Reset();
  EXPECT_TRUE(drop_.IsOnlyOwner(handle, 7));
}

TEST_F(DropWithFile, StartingOverKeepsWhatIsCommitted) {
  Write(0, "0123456789");
  drop_.committed_size = 6;
  drop_.refused = Status::InvalidArgument("no");
  drop_.dirty = true;
  ASSERT_TRUE(drop_.StartOver(/*append=*/true).ok());
  EXPECT_EQ(drop_.size(), 6u);
  EXPECT_TRUE(drop_.refused.ok());
  EXPECT_FALSE(drop_.dirty);
  drop_.refused = Status::InvalidArgument("no");
  drop_.only_appended = false;
  Write(6, "67");
  ASSERT_TRUE(drop_.StartOver(/*append=*/false).ok());
  EXPECT_EQ(drop_.size(), 8u);
}

}  // namespace
}  // namespace lancefs
