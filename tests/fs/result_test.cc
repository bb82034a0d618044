// SPDX-License-Identifier: Apache-2.0
//
// Results with a producer that tests hold by the hand: states, budgets, windows, failures.
#include "fs/result.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

namespace lancefs {
namespace {

using std::chrono::milliseconds;

// What a test decides about a producer, and what it did.
struct Script {
  uint64_t pieces = 10;
  uint64_t piece_bytes = 100'000;
  milliseconds pause{0};
  uint64_t fail_at = UINT64_MAX;
  Status failure = Status::InvalidArgument("division by zero in row 7");
  std::atomic<uint64_t> produced{0};
  std::atomic<uint64_t> made{0};
  std::atomic<uint64_t> ended{0};
  uint64_t size() const { return pieces * piece_bytes; }
  static char ByteAt(uint64_t offset) { return static_cast<char>('a' + (offset * 2654435761u >> 7) % 26); }
};

class ScriptedProducer : public ResultProducer {
 public:
  explicit ScriptedProducer(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedProducer() override { ++script_->ended; }
  Result<bool> Next(const ByteSink& sink, bool, const OpContext& ctx) override {
    if (next_ >= script_->pieces) return false;
    if (next_ == script_->fail_at) return script_->failure;
    std::this_thread::sleep_for(script_->pause);
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::string piece(script_->piece_bytes, ' ');
    for (size_t i = 0; i < piece.size(); ++i) piece[i] = Script::ByteAt(next_ * script_->piece_bytes + i);
    LANCEFS_RETURN_NOT_OK(sink({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()}));
    ++next_;
    ++script_->produced;
    return true;
  }

 private:
  const std::shared_ptr<Script> script_;
  uint64_t next_ = 0;
};

class ResultTest : public ::testing::Test {
 protected:
  ResultTest() { Restart(1ULL << 30); }
  ~ResultTest() override {
    cache_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Restart(uint64_t spill_bytes) {
    cache_.reset();
    cache_ = std::make_unique<ResultCache>(ResultCache::Options{directory_, spill_bytes, 1024});
  }
  ResultSpec Spec(const std::string& key, std::shared_ptr<Script> script, bool streams = true) {
    ResultSpec spec;
    spec.key = key;
    spec.streams = streams;
    spec.make = [script](const OpContext&) -> Result<std::unique_ptr<ResultProducer>> {
      ++script->made;
      return std::unique_ptr<ResultProducer>(new ScriptedProducer(script));
    };
    return spec;
  }
  std::unique_ptr<ResultReader> Open(const ResultSpec& spec, std::optional<milliseconds> budget) {
    auto reader = cache_->Open(spec, budget, OpContext());
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    return reader.ok() ? reader.MoveValue() : nullptr;
  }
  static bool Right(const Bytes& bytes, uint64_t offset) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (static_cast<char>(bytes.data()[i]) != Script::ByteAt(offset + i)) return false;
    }
    return true;
  }
  // Reads like cat; the number of bytes that were right.
  static Result<uint64_t> ReadAll(ResultReader& reader, size_t step = 128 * 1024) {
    uint64_t offset = 0;
    while (true) {
      LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, reader.Read(offset, step, OpContext().WithTimeout(std::chrono::seconds(20))));
      if (bytes.empty()) return offset;
      if (!Right(bytes, offset)) return Status::Corruption("wrong bytes at " + std::to_string(offset));
      offset += bytes.size();
    }
  }

  std::string directory_ = [] {
    std::string name = std::filesystem::temp_directory_path() / "lancefs-result-XXXXXX";
    return std::string(::mkdtemp(name.data()));
  }();
  std::unique_ptr<ResultCache> cache_;
};

TEST_F(ResultTest, FinishedWithinItsBudgetItIsExactAndKept) {
  auto script = std::make_shared<Script>();
  auto reader = Open(Spec("q", script), milliseconds(5000));
  EXPECT_TRUE(reader->exact());
  EXPECT_EQ(cache_->KnownSize("q"), script->size());
  EXPECT_EQ(*ReadAll(*reader), script->size());
  reader.reset();
  auto again = Open(Spec("q", script), milliseconds(0));
  EXPECT_TRUE(again->exact());
  EXPECT_EQ(script->made, 1u);
  EXPECT_TRUE(again->TryRead(script->size(), 10)->ok());  // a cached file may be read at its end and behind
  EXPECT_TRUE((*again->TryRead(script->size() + 5, 10))->empty());
}

TEST_F(ResultTest, SmallOnesStayInMemory) {
  auto script = std::make_shared<Script>();
  script->pieces = 3;
  script->piece_bytes = 11;
  auto reader = Open(Spec("small", script), std::nullopt);
  EXPECT_EQ(*ReadAll(*reader, 7), 33u);
}

TEST_F(ResultTest, AStreamIsProducedOnlyAsFarAsItIsRead) {
  auto script = std::make_shared<Script>();
  script->pieces = 2000;  // 200 MB
  auto reader = Open(Spec("head", script), milliseconds(0));
  EXPECT_FALSE(reader->exact());
  Result<Bytes> first = reader->Read(0, 4096, OpContext());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->size(), 4096u);
  EXPECT_TRUE(Right(*first, 0));
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_LT(script->produced, 100u);  // of 2,000
  reader.reset();
  EXPECT_EQ(cache_->size(), 0u);  // the last reader left it unfinished
  for (int i = 0; i < 200 && script->ended == 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(script->ended, 1u);
}

TEST_F(ResultTest, AStreamIsReadToItsTrueEnd) {
  auto script = std::make_shared<Script>();
  script->pieces = 300;
  auto reader = Open(Spec("cat", script), milliseconds(0));
  EXPECT_EQ(*ReadAll(*reader), script->size());
  EXPECT_EQ(cache_->KnownSize("cat"), script->size());
  // Behind the end of something whose size was an estimate: loud.
  EXPECT_EQ(reader->Read(script->size() + 1, 10, OpContext()).status().code(), StatusCode::kStale);
  EXPECT_TRUE(reader->Read(script->size(), 10, OpContext())->empty());
}

TEST_F(ResultTest, ReadersShareOneRun) {
  auto script = std::make_shared<Script>();
  script->pieces = 200;
  auto spec = Spec("shared", script);
  auto a = Open(spec, milliseconds(0)), b = Open(spec, milliseconds(0));
  std::thread other([&] { EXPECT_EQ(*ReadAll(*b, 50'000), script->size()); });
  EXPECT_EQ(*ReadAll(*a), script->size());
  other.join();
  EXPECT_EQ(script->made, 1u);
}

TEST_F(ResultTest, WhoAsksForTheSizeOrReadsFarAheadCompletesIt) {
  auto script = std::make_shared<Script>();
  script->pieces = 500;
  auto reader = Open(Spec("tail", script), milliseconds(0));
  EXPECT_EQ(*reader->Complete(OpContext()), script->size());
  auto other = std::make_shared<Script>();
  other->pieces = 500;
  auto far = Open(Spec("far", other), milliseconds(0));
  Result<Bytes> bytes = far->Read(40'000'000, 1000, OpContext());
  ASSERT_TRUE(bytes.ok());
  EXPECT_TRUE(Right(*bytes, 40'000'000));
  EXPECT_EQ(other->produced, 500u);
}

TEST_F(ResultTest, ABudgetEndsAndTheRestIsStreamed) {
  auto script = std::make_shared<Script>();
  script->pieces = 100;
  script->pause = milliseconds(10);
  const auto begin = std::chrono::steady_clock::now();
  auto reader = Open(Spec("slow", script), milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(900));
  EXPECT_FALSE(reader->exact());
  EXPECT_EQ(*ReadAll(*reader), script->size());
}

TEST_F(ResultTest, FormatsThatStartAtTheEndAlwaysFinishInOpen) {
  auto script = std::make_shared<Script>();
  script->pause = milliseconds(20);
  auto reader = Open(Spec("parquet", script, /*streams=*/false), milliseconds(1));
  EXPECT_TRUE(reader->exact());
  EXPECT_EQ(*ReadAll(*reader), script->size());
}

TEST_F(ResultTest, AFailureIsAnErrorAndNeverAShortFile) {
  auto script = std::make_shared<Script>();
  script->fail_at = 5;
  auto opened = cache_->Open(Spec("bad", script), milliseconds(5000), OpContext());
  EXPECT_EQ(opened.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(cache_->LastFailure("bad")->message(), script->failure.message());
  // Remembered for a second: nobody runs it again meanwhile.
  EXPECT_FALSE(cache_->Open(Spec("bad", script), milliseconds(5000), OpContext()).ok());
  EXPECT_EQ(script->made, 1u);
  std::this_thread::sleep_for(milliseconds(1100));
  script->fail_at = UINT64_MAX;
  EXPECT_TRUE(Open(Spec("bad", script), milliseconds(5000))->exact());
  EXPECT_FALSE(cache_->LastFailure("bad"));

  auto late = std::make_shared<Script>();
  late->pieces = 100;
  late->fail_at = 50;
  auto reader = Open(Spec("late", late), milliseconds(0));
  Result<uint64_t> read = ReadAll(*reader);
  EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ResultTest, WhatDoesNotFitIsRefusedWhereItCannotBeAWindow) {
  Restart(5'000'000);
  auto script = std::make_shared<Script>();
  script->pieces = 100;
  auto opened = cache_->Open(Spec("big", script, /*streams=*/false), std::nullopt, OpContext());
  EXPECT_EQ(opened.status().code(), StatusCode::kTooLarge);
  EXPECT_LE(cache_->space().used(), 5'000'000u);
}

TEST_F(ResultTest, AStreamLargerThanTheSpaceIsAWindow) {
  Restart(30'000'000);
  auto script = std::make_shared<Script>();
  script->pieces = 2000;  // 200 MB through 30
  auto reader = Open(Spec("window", script), milliseconds(0));
  Result<uint64_t> read = ReadAll(*reader);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, script->size());
  EXPECT_LE(cache_->space().used(), 30'000'000u);
  EXPECT_EQ(reader->Read(0, 10, OpContext()).status().code(), StatusCode::kStale);  // its start is not kept
  EXPECT_EQ(reader->Complete(OpContext()).status().code(), StatusCode::kTooLarge);
  reader.reset();
  for (int i = 0; i < 200 && cache_->space().used() > 0; ++i) std::this_thread::sleep_for(milliseconds(10));  // the last run ends
  EXPECT_EQ(cache_->space().used(), 0u);
}

TEST_F(ResultTest, ManyWindowsInASmallSpaceAllComeToTheirEnd) {
  Restart(1'000'000);
  std::vector<std::unique_ptr<ResultReader>> readers;
  std::vector<std::shared_ptr<Script>> scripts;
  for (int i = 0; i < 80; ++i) {  // more than the pool has threads
    scripts.push_back(std::make_shared<Script>());
    scripts.back()->pieces = 40;
    readers.push_back(Open(Spec("window" + std::to_string(i), scripts.back()), milliseconds(0)));
    ASSERT_TRUE(readers.back()->Read(0, 1000, OpContext().WithTimeout(std::chrono::seconds(20))).ok());
  }
  // The last comes to its end while all others stand still.
  for (size_t i = readers.size(); i-- > 0;) {
    Result<uint64_t> read = ReadAll(*readers[i]);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(*read, scripts[i]->size());
  }
}

TEST_F(ResultTest, OldResultsMakeRoomForNewOnes) {
  Restart(5'000'000);
  for (int i = 0; i < 20; ++i) {
    auto script = std::make_shared<Script>();  // 1 MB each
    auto reader = Open(Spec("r" + std::to_string(i), script), std::nullopt);
    ASSERT_TRUE(reader);
    EXPECT_EQ(*ReadAll(*reader), script->size());
  }
  EXPECT_LE(cache_->space().used(), 5'000'000u);
  EXPECT_EQ(cache_->KnownSize("r0"), 1'000'000u);  // its size is still known
}

TEST_F(ResultTest, AnInterruptedOpenStopsTheRun) {
  auto script = std::make_shared<Script>();
  script->pieces = 100'000;
  script->pause = milliseconds(1);
  OpContext ctx;
  std::thread killer([&] {
    std::this_thread::sleep_for(milliseconds(50));
    ctx.cancel.Cancel();
  });
  auto opened = cache_->Open(Spec("killed", script), std::nullopt, ctx);
  killer.join();
  EXPECT_EQ(opened.status().code(), StatusCode::kCancelled);
  for (int i = 0; i < 200 && script->ended == 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(script->ended, 1u);
  EXPECT_EQ(cache_->size(), 0u);
}

}  // namespace
}  // namespace lancefs
