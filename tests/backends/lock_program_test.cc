// SPDX-License-Identifier: Apache-2.0
//
// The commit lock of a program: given, refused, late, lost, and given back in every case.
#include "backends/lock_program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace lancefs {
namespace {

class LockProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "lock_program_" + std::to_string(::getpid()) + "_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A lock that `body`, a shell script, keeps; its working files are under $D.
  std::shared_ptr<CommitLock> Make(const std::string& body, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    const std::string path = folder_ + "/lock.sh";
    std::ofstream(path) << "#!/bin/sh\nD=" << folder_ << "\n" << body << "\n";
    ::chmod(path.c_str(), 0755);
    return MakeLockProgram({path, "s3://bucket", timeout, std::chrono::seconds(5)});
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder_;
  OpContext ctx_;
};

constexpr char kFlock[] = "exec 9>$D/lock\nflock 9\necho locked\nread how\necho $how >>$D/how";

TEST_F(LockProgramTest, IsToldWhatAndHow) {
  const auto lock = Make("echo \"$@\" >$D/arguments\necho locked\ncat >$D/how");
  auto lease = lock->Acquire("a/t.lance", 7, ctx_);
  ASSERT_TRUE(lease.ok()) << lease.status().ToString();
  EXPECT_TRUE((*lease)->Check().ok());
  EXPECT_TRUE((*lease)->Release(true).ok());
  EXPECT_EQ(Read("arguments"), "lock s3://bucket/a/t.lance 7\n");
  EXPECT_EQ(Read("how"), "committed\n");
  EXPECT_FALSE((*lease)->Check().ok());
  lease = lock->Acquire("a/t.lance", 8, ctx_);
  ASSERT_TRUE(lease.ok());
  lease->reset();
  EXPECT_EQ(Read("how"), "failed\n");
}

TEST_F(LockProgramTest, ExcludesOthers) {
  const auto lock = Make(kFlock);
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const auto lease = lock->Acquire("t", 1, ctx_);
        ASSERT_TRUE(lease.ok()) << lease.status().ToString();
        EXPECT_EQ(++inside, 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        --inside;
        EXPECT_TRUE((*lease)->Release(true).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(LockProgramTest, ALateLockIsACommitConflict) {
  const auto lock = Make(kFlock, std::chrono::milliseconds(300));
  auto held = lock->Acquire("t", 1, ctx_);
  ASSERT_TRUE(held.ok());
  const Status late = lock->Acquire("t", 1, ctx_).status();
  EXPECT_EQ(late.code(), StatusCode::kConflict) << late.ToString();
  EXPECT_NE(late.message().find("CommitConflict"), std::string::npos);
  EXPECT_NE(late.message().find("version 1 of s3://bucket/t"), std::string::npos);
  EXPECT_TRUE((*held)->Release(true).ok());
  EXPECT_TRUE(lock->Acquire("t", 1, ctx_).ok()) << "who waited in vain is not in the way";
}

TEST_F(LockProgramTest, RefusalsSayWhy) {
  const Status refused = Make("echo cannot reach the keeper >&2\nexit 3")->Acquire("t", 1, ctx_).status();
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
  EXPECT_NE(refused.message().find("status 3: cannot reach the keeper"), std::string::npos) << refused.ToString();
  EXPECT_EQ(Make("exit 0")->Acquire("t", 1, ctx_).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Make("kill -9 $$")->Acquire("t", 1, ctx_).status().code(), StatusCode::kPermissionDenied);
  const auto absent = MakeLockProgram({folder_ + "/absent", "", std::chrono::seconds(20), std::chrono::seconds(5)});
  EXPECT_EQ(absent->Acquire("t", 1, ctx_).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Make("echo unlocked\nsleep 60", std::chrono::milliseconds(200))->Acquire("t", 1, ctx_).status().code(),
            StatusCode::kConflict);
}

TEST_F(LockProgramTest, ALockThatIsLostIsSeen) {
  const auto lease = Make("echo locked\nexit 4")->Acquire("t", 1, ctx_);
  ASSERT_TRUE(lease.ok());
  Status held = (*lease)->Check();
  for (int i = 0; i < 500 && held.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    held = (*lease)->Check();
  }
  EXPECT_EQ(held.code(), StatusCode::kConflict);
  EXPECT_EQ((*lease)->Release(true).code(), StatusCode::kIoError);
}

TEST_F(LockProgramTest, AProgramThatDoesNotEndIsKilled) {
  const std::string path = folder_ + "/lock.sh";
  std::ofstream(path) << "#!/bin/sh\ntrap '' TERM\necho $$ >" << folder_ << "/pid\necho locked\nwhile :; do sleep 1; done\n";
  ::chmod(path.c_str(), 0755);
  const auto lock = MakeLockProgram({path, "", std::chrono::seconds(20), std::chrono::milliseconds(100)});
  const auto lease = lock->Acquire("t", 1, ctx_);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ((*lease)->Release(true).code(), StatusCode::kIoError);
  EXPECT_NE(::kill(std::stoi(Read("pid")), 0), 0);
}

TEST_F(LockProgramTest, ACancelEndsTheWait) {
  const auto lock = Make("sleep 60");
  std::thread canceller([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ctx_.cancel.Cancel();
  });
  EXPECT_EQ(lock->Acquire("t", 1, ctx_).status().code(), StatusCode::kCancelled);
  canceller.join();
}

}  // namespace
}  // namespace lancefs
