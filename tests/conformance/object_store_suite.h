// SPDX-License-Identifier: Apache-2.0
//
// What every ObjectStore must do. A test binary includes this header once and instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreSuite, testing::Values(StoreUnderTest{"Memory", [] { ... }}), StoreName);
//
// Each test works below a directory of its own, so that stores may be shared between tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "backends/object_store.h"
#include "base/executor.h"

namespace lancefs {

struct StoreUnderTest {
  std::string name;
  std::function<std::shared_ptr<ObjectStore>()> make;
  size_t many_keys = 1100;  // enough for a second page where the store pages at 1,000
};

inline std::string StoreName(const testing::TestParamInfo<StoreUnderTest>& info) { return info.param.name; }
inline void PrintTo(const StoreUnderTest& store, std::ostream* out) { *out << store.name; }

class ObjectStoreSuite : public testing::TestWithParam<StoreUnderTest> {
 protected:
  void SetUp() override {
    store_ = GetParam().make();
    static std::atomic<uint64_t> counter{std::random_device{}()};
    dir_ = "suite-" + std::to_string(counter.fetch_add(1)) + "/";
  }

  std::string Key(const std::string& name) const { return dir_ + name; }
  static Bytes Text(std::string text) { return Bytes::FromString(std::move(text)); }
  // Bytes that differ at every place and do not repeat with the page size.
  static Bytes Pattern(size_t size, uint32_t seed = 1) {
    uint8_t* to = nullptr;
    Bytes bytes = Bytes::Allocate(size, &to);
    std::minstd_rand random(seed);
    for (size_t i = 0; i < size; ++i) to[i] = static_cast<uint8_t>(random() >> 8);
    return bytes;
  }
  void MustPut(const std::string& name, Bytes bytes) {
    const Status status = store_->Put(Key(name), std::move(bytes), ctx_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void ExpectContent(const std::string& name, const Bytes& expected) {
    const Result<Bytes> read = store_->ReadAll(Key(name), ctx_);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ((*read).size(), expected.size());
    EXPECT_TRUE((*read).view() == expected.view()) << "the content of " << name << " differs";
  }
  void ExpectRanges(const std::string& name, const Bytes& content, const std::vector<ByteRange>& ranges) {
    const Result<std::vector<Bytes>> read = store_->ReadRanges(Key(name), ranges, ctx_);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_EQ((*read).size(), ranges.size());
    for (size_t i = 0; i < ranges.size(); ++i) {
      ASSERT_EQ((*read)[i].size(), ranges[i].length) << "range " << i;
      ASSERT_TRUE((*read)[i].view() == content.view().substr(ranges[i].offset, ranges[i].length)) << "range " << i;
    }
  }
  ListResult MustList(ListRequest request) {
    request.prefix = dir_ + request.prefix;
    if (!request.start_after.empty()) request.start_after = dir_ + request.start_after;
    const Result<ListResult> result = store_->List(request, ctx_);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : ListResult();
  }
  std::vector<std::string> Names(const ListResult& result) const {
    std::vector<std::string> names;
    for (const ObjectMeta& object : result.objects) names.push_back(object.path.substr(dir_.size()));
    return names;
  }
  std::vector<std::string> Directories(const ListResult& result) const {
    std::vector<std::string> names;
    for (const std::string& path : result.directories) names.push_back(path.substr(dir_.size()));
    return names;
  }
  static OpContext CancelledContext() {
    OpContext ctx;
    ctx.cancel.Cancel();
    return ctx;
  }

  std::shared_ptr<ObjectStore> store_;
  std::string dir_;
  OpContext ctx_;
};

TEST_P(ObjectStoreSuite, PutReplacesAndReadsBack) {
  MustPut("a", Text("first"));
  ExpectContent("a", Text("first"));
  MustPut("a", Text("second, longer"));
  ExpectContent("a", Text("second, longer"));
  MustPut("empty", Bytes());
  ExpectContent("empty", Bytes());
}

TEST_P(ObjectStoreSuite, LargePutReadsBack) {
  const Bytes content = Pattern(20 << 20);
  MustPut("large", content);
  ExpectContent("large", content);
}

TEST_P(ObjectStoreSuite, AbsentObjects) {
  EXPECT_EQ(store_->ReadAll(Key("none"), ctx_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store_->ReadTail(Key("none"), 10, ctx_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store_->ReadTail(Key("none"), 0, ctx_).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(store_->ReadRanges(Key("none"), {{0, 1}}, ctx_).status().code(), StatusCode::kNotFound);
  const auto head = store_->Head(Key("none"), ctx_);
  ASSERT_TRUE(head.ok()) << head.status().ToString();
  EXPECT_FALSE((*head).has_value());
}

TEST_P(ObjectStoreSuite, ADirectoryIsNoObject) {
  MustPut("dir/file", Text("x"));
  const auto head = store_->Head(Key("dir"), ctx_);
  ASSERT_TRUE(head.ok()) << head.status().ToString();
  EXPECT_FALSE((*head).has_value());
  EXPECT_EQ(store_->ReadAll(Key("dir"), ctx_).status().code(), StatusCode::kNotFound);
}

TEST_P(ObjectStoreSuite, HeadTellsSizeTimeAndEtag) {
  MustPut("a", Text("12345"));
  const auto first = store_->Head(Key("a"), ctx_);
  ASSERT_TRUE(first.ok() && (*first).has_value());
  EXPECT_EQ((*first)->path, Key("a"));
  EXPECT_EQ((*first)->size, 5u);
  EXPECT_FALSE((*first)->etag.empty());
  const int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LT(std::abs(now - (*first)->last_modified_ns), 60'000'000'000) << "a minute of difference";
  MustPut("a", Text("other"));
  const auto second = store_->Head(Key("a"), ctx_);
  ASSERT_TRUE(second.ok() && (*second).has_value());
  EXPECT_NE((*first)->etag, (*second)->etag);
}

TEST_P(ObjectStoreSuite, Ranges) {
  const Bytes content = Pattern(1 << 20);
  MustPut("r", content);
  ExpectRanges("r", content, {});
  ExpectRanges("r", content, {{5, 0}});
  ExpectRanges("r", content, {{0, 1}, {0, 1 << 20}, {(1 << 20) - 1, 1}});
  ExpectRanges("r", content, {{100, 50}, {150, 50}, {200, 1}});                          // adjacent
  ExpectRanges("r", content, {{100, 500}, {300, 500}, {100, 500}, {250, 10}});           // overlapping, twice
  ExpectRanges("r", content, {{900000, 10}, {10, 10}, {500000, 10}, {0, 0}, {20, 10}});  // any order
}

TEST_P(ObjectStoreSuite, ManySmallRanges) {
  const Bytes content = Pattern(4 << 20);
  MustPut("many", content);
  std::mt19937_64 random(7);
  std::vector<ByteRange> ranges;
  for (int i = 0; i < 500; ++i) {
    const uint64_t offset = random() % content.size();
    ranges.push_back({offset, std::min<uint64_t>(random() % 300, content.size() - offset)});
  }
  ExpectRanges("many", content, ranges);
}

TEST_P(ObjectStoreSuite, RangesLongerThanARequest) {
  const uint64_t limit = store_->traits().max_request;
  const Bytes content = Pattern(2 * limit + 12345);
  MustPut("long", content);
  ExpectRanges("long", content, {{1, 2 * limit + 1000}, {limit - 5, 10}, {2 * limit + 12344, 1}, {limit, limit}});
}

TEST_P(ObjectStoreSuite, RangesBeyondTheEndAreErrors) {
  MustPut("short", Text("0123456789"));
  for (const ByteRange& range :
       {ByteRange{0, 11}, ByteRange{9, 2}, ByteRange{10, 1}, ByteRange{1000, 5}, ByteRange{UINT64_MAX - 1, 1}}) {
    const auto read = store_->ReadRanges(Key("short"), {range}, ctx_);
    EXPECT_EQ(read.status().code(), StatusCode::kCorruption)
        << range.offset << "+" << range.length << ": " << read.status().ToString();
  }
  EXPECT_EQ(store_->ReadRanges(Key("short"), {{0, 5}, {8, 5}}, ctx_).status().code(), StatusCode::kCorruption);
  MustPut("empty", Bytes());
  EXPECT_EQ(store_->ReadRanges(Key("empty"), {{0, 1}}, ctx_).status().code(), StatusCode::kCorruption);
}

TEST_P(ObjectStoreSuite, AsynchronousReadsRunSideBySide) {
  const Bytes content = Pattern(300000);
  MustPut("async", content);
  std::vector<Future<std::vector<Bytes>>> reads;
  for (uint64_t i = 0; i < 100; ++i) reads.push_back(store_->ReadRangesAsync(Key("async"), {{i * 3000, 3000}}, ctx_));
  for (uint64_t i = 0; i < 100; ++i) {
    const auto read = reads[i].Get(ctx_);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_TRUE((*read)[0].view() == content.view().substr(i * 3000, 3000)) << i;
  }
}

TEST_P(ObjectStoreSuite, Tails) {
  const Bytes content = Pattern(100000);
  MustPut("t", content);
  for (const uint64_t wanted :
       {uint64_t{0}, uint64_t{1}, uint64_t{99999}, uint64_t{100000}, uint64_t{100001}, uint64_t{1} << 40}) {
    const auto tail = store_->ReadTail(Key("t"), wanted, ctx_);
    ASSERT_TRUE(tail.ok()) << wanted << ": " << tail.status().ToString();
    EXPECT_EQ((*tail).object_size, 100000u) << wanted;
    const uint64_t length = std::min<uint64_t>(wanted, 100000);
    EXPECT_EQ((*tail).bytes.size(), length);
    EXPECT_TRUE((*tail).bytes.view() == content.view().substr(100000 - length)) << wanted;
    EXPECT_EQ((*tail).offset(), 100000 - length);
  }
  MustPut("empty", Bytes());
  const auto tail = store_->ReadTail(Key("empty"), 100, ctx_);
  ASSERT_TRUE(tail.ok()) << tail.status().ToString();
  EXPECT_EQ((*tail).object_size, 0u);
  EXPECT_EQ((*tail).bytes.size(), 0u);
}

TEST_P(ObjectStoreSuite, ListsOneLevel) {
  for (const char* name : {"b", "a", "sub/x", "sub/y", "sub/deep/z", "sub2/x", "sub.txt"}) MustPut(name, Text(name));
  const ListResult root = MustList({""});
  EXPECT_EQ(Names(root), (std::vector<std::string>{"a", "b", "sub.txt"}));
  EXPECT_EQ(Directories(root), (std::vector<std::string>{"sub/", "sub2/"}));
  EXPECT_FALSE(root.truncated);
  ASSERT_EQ(root.objects.size(), 3u);
  EXPECT_EQ(root.objects[2].size, 7u);
  EXPECT_GT(root.objects[2].last_modified_ns, 0);
  const ListResult sub = MustList({"sub/"});
  EXPECT_EQ(Names(sub), (std::vector<std::string>{"sub/x", "sub/y"}));
  EXPECT_EQ(Directories(sub), (std::vector<std::string>{"sub/deep/"}));
  const ListResult none = MustList({"none/"});
  EXPECT_TRUE(none.objects.empty() && none.directories.empty() && !none.truncated);
}

TEST_P(ObjectStoreSuite, ListsRecursively) {
  for (const char* name : {"b", "a", "sub/x", "sub/deep/z", "sub2/x"}) MustPut(name, Text(name));
  const ListResult all = MustList({.prefix = "", .start_after = "", .recursive = true});
  EXPECT_EQ(Names(all), (std::vector<std::string>{"a", "b", "sub/deep/z", "sub/x", "sub2/x"}));
  EXPECT_TRUE(all.directories.empty());
  EXPECT_EQ(Names(MustList({.prefix = "sub/", .start_after = "", .recursive = true})),
            (std::vector<std::string>{"sub/deep/z", "sub/x"}));
}

TEST_P(ObjectStoreSuite, ListStartsAfterAKey) {
  for (const char* name : {"k1", "k2", "k3", "k4"}) MustPut(name, Text(name));
  EXPECT_EQ(Names(MustList({"", "k2"})), (std::vector<std::string>{"k3", "k4"}));
  EXPECT_EQ(Names(MustList({"", "k25"})), (std::vector<std::string>{"k3", "k4"}));
  EXPECT_EQ(Names(MustList({"", "k4"})), (std::vector<std::string>{}));
}

TEST_P(ObjectStoreSuite, ListInPages) {
  for (int i = 0; i < 7; ++i) MustPut(std::string("p").append(std::to_string(i)), Text("x"));
  std::vector<std::string> seen;
  ListRequest request;
  request.max_keys = 3;
  for (int page = 0; page < 10; ++page) {
    const ListResult result = MustList(request);
    for (const std::string& name : Names(result)) seen.push_back(name);
    EXPECT_LE(result.objects.size(), 3u);
    if (!result.truncated) break;
    ASSERT_FALSE(result.objects.empty());
    request.start_after = seen.back();
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"p0", "p1", "p2", "p3", "p4", "p5", "p6"}));
}

TEST_P(ObjectStoreSuite, ListsMoreThanAPage) {
  const size_t count = GetParam().many_keys;
  const Status status = [&] {
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    std::mutex mutex;
    Status first;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
          Status put = store_->Put(Key("many/" + std::to_string(100000 + i)), Text("x"), ctx_);
          std::lock_guard lock(mutex);
          if (!put.ok()) first = put;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    return first;
  }();
  ASSERT_TRUE(status.ok()) << status.ToString();
  const ListResult result = MustList({"many/"});
  ASSERT_EQ(result.objects.size(), count);
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(result.objects[i].path, Key("many/" + std::to_string(100000 + i)));
  EXPECT_EQ(MustList({"many/", "many/" + std::to_string(100000 + count - 3)}).objects.size(), 2u);
}

TEST_P(ObjectStoreSuite, KeysWithSpecialCharacters) {
  const std::vector<std::string> names = {
      "with space", "plus+plus",     "percent%",  "escape%41%2F",       "uml\xC3\xA4ut", "\xE6\x97\xA5\xE6\x9C\xAC",
      "amp&lt;<x>", "quote'\"q",     "q?a=b&c",   "hash#tag",           "semi;colon",    "at@col:on",
      "eq=s,comma", "(paren)[b]{c}", "tilde~!$*", "dir with space/k v", "a.b-c_d",       "caret^`|"};
  for (const std::string& name : names) MustPut("s/" + name, Text("content of " + name));
  for (const std::string& name : names) {
    ExpectContent("s/" + name, Text("content of " + name));
    const auto head = store_->Head(Key("s/" + name), ctx_);
    ASSERT_TRUE(head.ok() && (*head).has_value()) << name;
    EXPECT_EQ((*head)->size, 11 + name.size());
  }
  std::set<std::string> expected;
  for (const std::string& name : names) expected.insert("s/" + name);
  const std::vector<std::string> listed = Names(MustList({.prefix = "s/", .start_after = "", .recursive = true}));
  EXPECT_EQ(std::set<std::string>(listed.begin(), listed.end()), expected);
  EXPECT_EQ(Directories(MustList({"s/"})), (std::vector<std::string>{"s/dir with space/"}));
  EXPECT_EQ(Names(MustList({"s/dir with space/"})), (std::vector<std::string>{"s/dir with space/k v"}));
  for (const std::string& name : names) EXPECT_TRUE(store_->Delete(Key("s/" + name), ctx_).ok()) << name;
  EXPECT_TRUE(Names(MustList({.prefix = "s/", .start_after = "", .recursive = true})).empty());
}

TEST_P(ObjectStoreSuite, PutIfAbsentKeepsTheFirst) {
  const auto first = store_->PutIfAbsent(Key("c/one"), Text("first"), ctx_);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(*first, PutOutcome::kCreated);
  const auto second = store_->PutIfAbsent(Key("c/one"), Text("second"), ctx_);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(*second, PutOutcome::kAlreadyExists);
  ExpectContent("c/one", Text("first"));
}

TEST_P(ObjectStoreSuite, PutIfAbsentHasOneWinner) {
  constexpr int kThreads = 32;
  const char* full = std::getenv("LANCEFS_FULL");
  const int rounds = full != nullptr && std::string(full) == "1" ? 1000 : 30;
  for (int round = 0; round < rounds; ++round) {
    const std::string name = "race/" + std::to_string(round);
    std::atomic<int> created{0};
    std::atomic<int> winner{-1};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        while (!go) std::this_thread::yield();
        const auto outcome = store_->PutIfAbsent(Key(name), Text("writer " + std::to_string(t)), ctx_);
        EXPECT_TRUE(outcome.ok()) << outcome.status().ToString();
        if (outcome.ok() && *outcome == PutOutcome::kCreated) {
          ++created;
          winner = t;
        }
      });
    }
    go = true;
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(created, 1);
    ExpectContent(name, Text("writer " + std::to_string(winner)));
  }
}

TEST_P(ObjectStoreSuite, WriterMakesAnObjectAtFinish) {
  auto writer = store_->OpenWriter(Key("w/small"), ctx_);
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  EXPECT_TRUE((*writer)->Write(Text("hello "), ctx_).ok());
  EXPECT_TRUE((*writer)->Write(Bytes(), ctx_).ok());
  EXPECT_TRUE((*writer)->Write(Text("world"), ctx_).ok());
  EXPECT_EQ((*writer)->position(), 11u);
  const auto before = store_->Head(Key("w/small"), ctx_);
  ASSERT_TRUE(before.ok());
  EXPECT_FALSE((*before).has_value()) << "visible before Finish";
  const Status finished = (*writer)->Finish(ctx_);
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  ExpectContent("w/small", Text("hello world"));
  EXPECT_FALSE((*writer)->Write(Text("more"), ctx_).ok());
  (*writer)->Abort();  // too late to matter
  ExpectContent("w/small", Text("hello world"));
}

TEST_P(ObjectStoreSuite, WriterOfNothingMakesAnEmptyObject) {
  auto writer = store_->OpenWriter(Key("w/empty"), ctx_);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Finish(ctx_).ok());
  ExpectContent("w/empty", Bytes());
}

TEST_P(ObjectStoreSuite, WriterOfManyParts) {
  const Bytes content = Pattern(20 << 20, 5);
  auto writer = store_->OpenWriter(Key("w/large"), ctx_);
  ASSERT_TRUE(writer.ok());
  std::mt19937_64 random(11);
  for (size_t at = 0; at < content.size();) {
    const size_t length = std::min<size_t>(random() % (random() % 8 == 0 ? 3000000 : 30000), content.size() - at);
    ASSERT_TRUE((*writer)->Write(content.Slice(at, length), ctx_).ok());
    at += length;
  }
  EXPECT_EQ((*writer)->position(), content.size());
  const auto before = store_->Head(Key("w/large"), ctx_);
  ASSERT_TRUE(before.ok());
  EXPECT_FALSE((*before).has_value()) << "visible before Finish";
  const Status finished = (*writer)->Finish(ctx_);
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  ExpectContent("w/large", content);
}

TEST_P(ObjectStoreSuite, WriterReplacesAnObject) {
  MustPut("w/old", Text("old"));
  auto writer = store_->OpenWriter(Key("w/old"), ctx_);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(Text("new"), ctx_).ok());
  ExpectContent("w/old", Text("old"));
  ASSERT_TRUE((*writer)->Finish(ctx_).ok());
  ExpectContent("w/old", Text("new"));
}

TEST_P(ObjectStoreSuite, AbortedWritersLeaveNothing) {
  for (const size_t size : {size_t{10}, size_t{17 << 20}}) {
    auto writer = store_->OpenWriter(Key("ab/a"), ctx_);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Write(Pattern(size), ctx_).ok());
    (*writer)->Abort();
    (*writer)->Abort();
    EXPECT_FALSE((*writer)->Finish(ctx_).ok());
    auto dropped = store_->OpenWriter(Key("ab/b"), ctx_);
    ASSERT_TRUE(dropped.ok());
    ASSERT_TRUE((*dropped)->Write(Pattern(size), ctx_).ok());
  }
  EXPECT_TRUE(Names(MustList({.prefix = "ab/", .start_after = "", .recursive = true})).empty());
}

TEST_P(ObjectStoreSuite, CopiesReplaceTheirTarget) {
  const Bytes content = Pattern(300'000);
  const std::string odd = "copy/a b+c%41/\xC3\xA4&=?";
  MustPut(odd, content);
  MustPut("copy/target", Text("old"));
  for (const std::string target : {"copy/target", "copy/new dir/b+%"}) {
    const Status copied = store_->Copy(Key(odd), Key(target), ctx_);
    ASSERT_TRUE(copied.ok()) << target << ": " << copied.ToString();
    ExpectContent(target, content);
  }
  ExpectContent(odd, content);
  EXPECT_EQ(store_->Copy(Key("copy/absent"), Key("copy/target"), ctx_).code(), StatusCode::kNotFound);
  ExpectContent("copy/target", content);
}

TEST_P(ObjectStoreSuite, DeleteIsIdempotent) {
  MustPut("d/a", Text("x"));
  EXPECT_TRUE(store_->Delete(Key("d/a"), ctx_).ok());
  EXPECT_TRUE(store_->Delete(Key("d/a"), ctx_).ok());
  EXPECT_TRUE(store_->Delete(Key("never/was"), ctx_).ok());
  EXPECT_EQ(store_->ReadAll(Key("d/a"), ctx_).status().code(), StatusCode::kNotFound);
}

TEST_P(ObjectStoreSuite, CancelledAndLateCallsFail) {
  MustPut("x", Text("content"));
  const OpContext late = OpContext().WithTimeout(std::chrono::milliseconds(0));
  for (const auto& [ctx, code] :
       {std::pair{CancelledContext(), StatusCode::kCancelled}, std::pair{late, StatusCode::kDeadlineExceeded}}) {
    EXPECT_EQ(store_->ReadRanges(Key("x"), {{0, 3}}, ctx).status().code(), code);
    EXPECT_EQ(store_->ReadAll(Key("x"), ctx).status().code(), code);
    EXPECT_EQ(store_->ReadTail(Key("x"), 3, ctx).status().code(), code);
    EXPECT_EQ(store_->Head(Key("x"), ctx).status().code(), code);
    EXPECT_EQ(store_->List({dir_}, ctx).status().code(), code);
    EXPECT_EQ(store_->Put(Key("y"), Text("y"), ctx).code(), code);
    EXPECT_EQ(store_->PutIfAbsent(Key("y"), Text("y"), ctx).status().code(), code);
    EXPECT_EQ(store_->OpenWriter(Key("y"), ctx).status().code(), code);
    EXPECT_EQ(store_->Delete(Key("x"), ctx).code(), code);
    auto writer = store_->OpenWriter(Key("y"), ctx_);
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ((*writer)->Write(Text("y"), ctx).code(), code);
    EXPECT_EQ((*writer)->Finish(ctx).code(), code);
  }
  EXPECT_EQ(Names(MustList({""})), (std::vector<std::string>{"x"}));
}

TEST_P(ObjectStoreSuite, ManyThreadsWorkSideBySide) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const std::string key = Key("th/" + std::to_string(t) + "/" + std::to_string(i));
        const Bytes content =
            Pattern(1000 + static_cast<size_t>(t) * 100 + static_cast<size_t>(i), static_cast<uint32_t>(t * 10 + i + 1));
        if (!store_->Put(key, content, ctx_).ok()) ++wrong;
        const auto read = store_->ReadAll(key, ctx_);
        if (!read.ok() || (*read).view() != content.view()) ++wrong;
        const auto list = store_->List({Key("th/" + std::to_string(t) + "/")}, ctx_);
        if (!list.ok() || (*list).objects.size() != static_cast<size_t>(i) + 1) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace lancefs
