// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "base/block_cache.h"
#include "base/bytes.h"
#include "base/dates.h"
#include "base/executor.h"
#include "base/future.h"
#include "base/metrics.h"
#include "base/uri.h"

namespace lancefs {
namespace {

TEST(ByteReader, StopsAtTheEnd) {
  const uint8_t bytes[] = {1, 0, 2, 0};
  ByteReader reader(bytes);
  uint16_t value = 0;
  ASSERT_TRUE(reader.Read(&value).ok());
  EXPECT_EQ(value, 1);
  uint32_t wide = 0;
  const Status status = reader.Read(&wide);
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_EQ(status.message(), "need 4 bytes at offset 2 but only 2 are left");
}

TEST(Bytes, SlicesKeepTheOwnerAlive) {
  Bytes slice;
  {
    const Bytes whole = Bytes::FromString(std::string(100, 'a') + "tail");
    slice = whole.Slice(100, 4);
  }
  EXPECT_EQ(slice.view(), "tail");
}

TEST(Bytes, LargeBlocksAreUsedAgain) {
  // Sizes around those that are cut from one piece of memory; all are there at once and none overlaps another.
  std::vector<std::pair<Bytes, uint8_t>> all;
  for (size_t i = 0; i < 200; ++i) {
    const size_t size = 200'000 + i * 37'001;
    uint8_t* data = nullptr;
    Bytes bytes = Bytes::Allocate(size, &data);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0U);
    EXPECT_TRUE(std::all_of(data + size, data + size + 64, [](uint8_t b) { return b == 0; })) << "behind " << size;
    const auto mark = static_cast<uint8_t>(i + 1);
    std::memset(data, mark, size);
    all.emplace_back(std::move(bytes), mark);
    if (i % 3 == 2) all.erase(all.begin() + static_cast<ptrdiff_t>(i % 5));
  }
  for (const auto& [bytes, mark] : all) {
    const uint8_t wanted = mark;
    EXPECT_TRUE(std::all_of(bytes.data(), bytes.data() + bytes.size(), [&](uint8_t b) { return b == wanted; })) << bytes.size();
  }
}

TEST(BlockCache, ManyThreadsShareIt) {
  std::vector<std::thread> threads;
  std::atomic<bool> good{true};
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 300; ++i) {
        const size_t size = kSmallestBlock + (i * 7919 + t * 104729) % (6 * kSmallestBlock);
        uint8_t* block = TakeBlock(size);
        if (block == nullptr || BlockCapacity(block) < size) good = false;
        std::memset(block, static_cast<int>(t), 4096);
        std::memset(block + size - 4096, static_cast<int>(t), 4096);
        std::this_thread::yield();
        if (block[17] != t || block[size - 17] != t) good = false;
        GiveBlock(block);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(good);
}

TEST(Future, ADroppedPromiseFailsItsFuture) {
  Future<int> future;
  { future = Promise<int>().future(); }
  EXPECT_EQ(future.Get(OpContext()).status().code(), StatusCode::kInternal);
}

TEST(Future, CancellationEndsTheWait) {
  Promise<int> promise;
  OpContext ctx;
  std::thread canceller([&ctx] { ctx.cancel.Cancel(); });
  EXPECT_EQ(promise.future().Get(ctx).status().code(), StatusCode::kCancelled);
  canceller.join();
}

TEST(Future, DeadlineEndsTheWait) {
  Promise<int> promise;
  const OpContext ctx = OpContext().WithTimeout(std::chrono::milliseconds(1));
  EXPECT_EQ(promise.future().Get(ctx).status().code(), StatusCode::kDeadlineExceeded);
}

TEST(ParallelFor, RunsEveryIndexOnceAndReportsAnError) {
  std::vector<std::atomic<int>> hits(1000);
  const Status status = ParallelFor(hits.size(), [&](size_t i) {
    ++hits[i];
    return i == 500 ? Status::Corruption("here") : Status::OK();
  });
  EXPECT_EQ(status.message(), "here");
  for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
}

TEST(ParallelFor, NestsInsideTheCpuPool) {
  std::atomic<int> count = 0;
  const Status status = ParallelFor(8, [&](size_t) {
    return ParallelFor(8, [&](size_t) {
      ++count;
      return Status::OK();
    });
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(count.load(), 64);
}

TEST(Uri, LocalPathsAreLiteral) {
  EXPECT_EQ(ParseUri("/a%20b/c.lance/")->path, "/a%20b/c.lance");
  EXPECT_EQ(ParseUri("file:///a%20b/c.lance")->path, "/a b/c.lance");
}

TEST(Uri, CloudKeysAreDecodedOnce) {
  const Result<Uri> uri = ParseUri("S3://bucket/a/b%2520c.lance/");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->scheme, "s3");
  EXPECT_EQ(uri->authority, "bucket");
  EXPECT_EQ(uri->path, "a/b%20c.lance");
  EXPECT_EQ(uri->ToString(), "s3://bucket/a/b%2520c.lance");
}

TEST(Uri, RefusesWhatPylanceRefuses) {
  for (const char* bad : {"s3a://b/k", "gcs://b/k", "http://h/k", "s3:///k", "s3://b/a//c", "s3://b/%zz"}) {
    EXPECT_EQ(ParseUri(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(PercentCoding, RoundTrips) {
  const std::string all = "a/b%c d\n\xff";
  EXPECT_EQ(*PercentDecode(PercentEncode(all)), all);
  EXPECT_FALSE(PercentDecode("100%").ok());
  EXPECT_FALSE(PercentDecode("%2").ok());
}

TEST(Metrics, PrintsPrometheusText) {
  Metrics metrics;
  metrics.counter("lancefs_requests_total") += 2;
  EXPECT_EQ(metrics.ToPrometheusText(), "# TYPE lancefs_requests_total counter\nlancefs_requests_total 2\n");
}

TEST(Dates, OfAnswers) {
  EXPECT_EQ(ParseHttpDate("Mon, 12 Oct 2009 17:50:30 GMT"), 1255369830000000000);
  EXPECT_EQ(ParseIsoDate("2009-10-12T17:50:30Z"), 1255369830000000000);
  EXPECT_EQ(ParseIsoDate("2009-10-12T17:50:30.000000001Z"), 1255369830000000001);
  for (const char* bad : {"", "x", "Mon, 12 Foo 2009 17:50:30 GMT", "Mon, 12 Oct", "2009-10-12", "2009-1x-12T17:50:30Z"}) {
    EXPECT_FALSE(ParseHttpDate(bad).has_value()) << bad;
    EXPECT_FALSE(ParseIsoDate(bad).has_value()) << bad;
  }
}

TEST(Dates, Iso) {
  EXPECT_EQ(ParseIsoTime("1970-01-02")->ns, 86400ll * 1'000'000'000);
  EXPECT_FALSE(ParseIsoTime("1970-01-02")->has_time);
  EXPECT_EQ(ParseIsoTime("1970-01-01 00:30+01:00")->ns, -1800ll * 1'000'000'000);
  EXPECT_FALSE(ParseIsoTime("2026-11-21T08:19:24")->has_zone);
  EXPECT_TRUE(ParseIsoTime("2026-11-21T08:19:24UTC")->has_zone);
  EXPECT_EQ(ParseIsoTime("9999-12-31T23:59:59Z")->ns, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseIsoTime("0001-01-01")->ns, std::numeric_limits<int64_t>::min());
  for (const char* bad :
       {"2026-02-29", "2026-00-10", "2026-11-21T", "2026-11-21T24:00:00Z", "2026-11-21T08:19:24.Z", "2026-11-21Z"}) {
    EXPECT_FALSE(ParseIsoTime(bad).has_value()) << bad;
  }
  EXPECT_FALSE(ParseHttpDate("Mon, 31 Feb 2009 17:50:30 GMT").has_value());
}

TEST(Dates, EveryDayFollowsItsPredecessor) {
  CivilDate before = CivilFromDays(-719529);
  EXPECT_EQ(before.year, -1);
  for (int64_t day = -719528; day <= 2932897; ++day) {
    const CivilDate date = CivilFromDays(day);
    ASSERT_EQ(DaysFromCivil(date.year, date.month, date.day), day);
    const bool same_month = date.day != 1;
    ASSERT_EQ(date.day, same_month ? before.day + 1 : 1);
    ASSERT_TRUE(same_month || before.day == DaysInMonth(before.year, before.month));
    ASSERT_EQ(date.month, same_month ? before.month : before.month % 12 + 1);
    ASSERT_EQ(date.year, before.year + (!same_month && date.month == 1));
    before = date;
  }
}

}  // namespace
}  // namespace lancefs
