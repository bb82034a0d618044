// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/throttle.h"

#include <gtest/gtest.h>

#include "backends/s3/s3_store.h"
#include "backends/store_options.h"
#include "tests/backends/loopback_server.h"

namespace lancefs {
namespace {

using std::chrono::milliseconds;

AimdOptions Slow() {
  AimdOptions options;
  options.initial_rate = 10;
  options.max_rate = 40;
  options.burst_capacity = 2;
  options.additive_increment = 15;
  return options;
}

TEST(Throttle, BurstsThenOneByOne) {
  const auto start = AimdThrottle::Clock::now();
  AimdThrottle throttle(Slow(), start);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, start).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kHead, start).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, start).count(), 100);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, start).count(), 200);
  // The other kinds have buckets of their own.
  EXPECT_EQ(throttle.Reserve(RequestKind::kPut, start).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kDelete, start).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kList, start).count(), 0);
  // What was promised is paid back first; a long rest fills no more than a burst.
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, start + milliseconds(300)).count(), 0);
  const auto later = start + std::chrono::hours(1);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, later).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, later).count(), 0);
  EXPECT_EQ(throttle.Reserve(RequestKind::kGet, later).count(), 100);
}

TEST(Throttle, TheRateFollowsTheStore) {
  auto now = AimdThrottle::Clock::now();
  AimdThrottle throttle(Slow(), now);
  const auto window = [&](bool throttled) {
    throttle.Record(RequestKind::kGet, false, now);
    throttle.Record(RequestKind::kGet, throttled, now);
    now += milliseconds(1001);
    throttle.Record(RequestKind::kGet, false, now);  // closes the window
    return throttle.rate(RequestKind::kGet);
  };
  EXPECT_EQ(window(false), 25);
  EXPECT_EQ(window(false), 40);
  EXPECT_EQ(window(false), 40) << "max_rate";
  EXPECT_EQ(window(true), 20);
  EXPECT_EQ(window(true), 10);
  for (int i = 0; i < 10; ++i) window(true);
  EXPECT_EQ(throttle.rate(RequestKind::kGet), 1) << "min_rate";
  EXPECT_EQ(throttle.rate(RequestKind::kPut), 10);
}

TEST(Throttle, IsSharedByBucketAndSwitchedOff) {
  const auto one = AimdThrottle::Shared("s3://throttle-a", Slow());
  EXPECT_EQ(one, AimdThrottle::Shared("s3://throttle-a", Slow()));
  EXPECT_NE(one, AimdThrottle::Shared("s3://throttle-b", Slow()));
  EXPECT_NE(one, AimdThrottle::Shared("s3://throttle-a", AimdOptions()));
  AimdOptions off = Slow();
  off.enabled = false;
  AimdThrottle throttle(off);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(throttle.Reserve(RequestKind::kGet).count(), 0);
}

TEST(Throttle, Options) {
  const Environment environment = {{"LANCE_AIMD_MIN_RATE", "3"}, {"LANCE_AIMD_MAX_RATE", "77"}};
  const StorageOptions options = {
      {"lance_aimd_initial_rate", "50.5"}, {"lance_aimd_max_rate", "0"}, {"lance_aimd_max_retries", "0"}};
  const auto parsed = ParseClientOptions(OptionReader(options, environment, "aws_"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_EQ(parsed->aimd.initial_rate, 50.5);
  EXPECT_EQ(parsed->aimd.min_rate, 3);
  EXPECT_EQ(parsed->aimd.max_rate, 0) << "options beat the environment";
  EXPECT_FALSE(parsed->aimd.enabled);
  const std::pair<const char*, const char*> bad[] = {
      {"lance_aimd_initial_rate", "0"},     {"lance_aimd_decrease_factor", "1"}, {"lance_aimd_burst_capacity", "many"},
      {"lance_aimd_min_backoff_ms", "301"}, {"lance_aimd_min_rate", "20000"},    {"lance_aimd_additive_increment", "nan"}};
  for (const auto& [key, value] : bad) {
    const StorageOptions one = {{key, value}};
    const auto refused = ParseClientOptions(OptionReader(one, {}, "aws_"));
    ASSERT_FALSE(refused.ok()) << key;
    EXPECT_NE(refused.status().message().find(key), std::string::npos) << refused.status().ToString();
  }
}

// A store that says "slow down" is asked again, and counted against.
TEST(Throttle, OnTheWire) {
  std::atomic<int> requests{0};
  LoopbackServer server([&](const LoopbackServer::Request&, int) {
    if (++requests <= 2) return LoopbackServer::Answer{503, {}, "<Error><Code>SlowDown</Code></Error>"};
    return LoopbackServer::Answer{200, {}, "bytes"};
  });
  const StorageOptions options = {{"endpoint", server.url()},         {"allow_http", "true"},
                                  {"skip_signature", "true"},         {"lance_aimd_min_backoff_ms", "1"},
                                  {"lance_aimd_max_backoff_ms", "2"}, {"lance_aimd_burst_capacity", "1"},
                                  {"lance_aimd_initial_rate", "50"}};
  Metrics metrics;
  const auto store = MakeS3Store(ParseS3Options("throttled", options, {}).MoveValue(), &metrics);
  const auto started = AimdThrottle::Clock::now();
  const auto bytes = store->ReadAll("key", OpContext());
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  EXPECT_EQ(requests, 3);
  EXPECT_EQ(metrics.counter("lancefs_store_throttled_requests_total"), 2u) << "the second and the third waited for their turn";
  EXPECT_GE(AimdThrottle::Clock::now() - started, milliseconds(35));
}

}  // namespace
}  // namespace lancefs
