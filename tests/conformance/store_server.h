// SPDX-License-Identifier: Apache-2.0
//
// What the tests of stores against a server share, besides the suite: the server's whereabouts, options, and what every way to
// reach it must be good for.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "backends/object_store.h"
#include "backends/registry.h"
#include "base/metrics.h"

namespace lancefs {

// What the server's wrapper (tests/servers) told; "" when it told nothing.
inline std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// `more` and, where it says nothing, `options`.
inline StorageOptions Merged(StorageOptions more, StorageOptions options) {
  more.merge(std::move(options));
  return more;
}

// What differs between ways to sign in and request options is only how requests are signed and look.
inline void ExpectStoreWorks(const std::shared_ptr<ObjectStore>& store, const std::string& dir) {
  SCOPED_TRACE(dir);
  const OpContext ctx;
  Status status = store->Put(dir + "a b+c%", Bytes::FromString("hello"), ctx);
  ASSERT_TRUE(status.ok()) << status.ToString();
  auto created = store->PutIfAbsent(dir + "once", Bytes::FromString("1"), ctx);
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  EXPECT_EQ(*created, PutOutcome::kCreated);
  created = store->PutIfAbsent(dir + "once", Bytes::FromString("2"), ctx);
  ASSERT_TRUE(created.ok()) << created.status().ToString();
  EXPECT_EQ(*created, PutOutcome::kAlreadyExists);
  const auto ranges = store->ReadRanges(dir + "a b+c%", {{1, 3}}, ctx);
  ASSERT_TRUE(ranges.ok()) << ranges.status().ToString();
  EXPECT_EQ((*ranges)[0].view(), "ell");
  auto writer = store->OpenWriter(dir + "multi", ctx);
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 3; ++i) {
    status = (*writer)->Write(Bytes::FromString(std::string(6 << 20, static_cast<char>('a' + i))), ctx);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  status = (*writer)->Finish(ctx);
  ASSERT_TRUE(status.ok()) << status.ToString();
  const auto tail = store->ReadTail(dir + "multi", 4, ctx);
  ASSERT_TRUE(tail.ok()) << tail.status().ToString();
  EXPECT_EQ((*tail).bytes.view(), "cccc");
  EXPECT_EQ((*tail).object_size, 18u << 20);
  const auto list = store->List({dir}, ctx);
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  ASSERT_EQ((*list).objects.size(), 3u);
  const auto head = store->Head(dir + "once", ctx);
  ASSERT_TRUE(head.ok() && (*head).has_value());
  EXPECT_EQ((*head)->etag, (*list).objects[2].etag);
  // Headers have whole seconds.
  constexpr int64_t kSecond = 1'000'000'000;
  EXPECT_EQ((*head)->last_modified_ns / kSecond, (*list).objects[2].last_modified_ns / kSecond);
  EXPECT_TRUE(store->Delete(dir + "once", ctx).ok());
}

// Every request is counted, and none is sent without need. A store may take more than one for a tail (`tail_requests`), and takes
// `upload_requests` besides the parts of an upload.
inline void ExpectEveryRequestIsCounted(const std::shared_ptr<ObjectStore>& store, Metrics* metrics, uint64_t tail_requests,
                                        uint64_t upload_requests) {
  const OpContext ctx;
  auto count = [&](const char* kind) { return metrics->counter(std::string("lancefs_store_") + kind + "_total").load(); };
  ASSERT_TRUE(store->Put("count/a", Bytes::FromString(std::string(300000, 'x')), ctx).ok());
  EXPECT_EQ(count("put_requests"), 1u);
  EXPECT_EQ(count("bytes_written"), 300000u);
  ASSERT_TRUE(store->ReadRanges("count/a", {{0, 10}, {20, 10}, {200000, 10}}, ctx).ok());
  EXPECT_EQ(count("get_requests"), 2u) << "near ranges are one request";
  EXPECT_EQ(count("bytes_read"), 40u);
  ASSERT_TRUE(store->ReadTail("count/a", 100, ctx).ok());
  EXPECT_EQ(count("get_requests"), 2u + tail_requests);
  ASSERT_TRUE(store->ReadAll("count/a", ctx).ok());
  EXPECT_EQ(count("get_requests"), 3u + tail_requests);
  ASSERT_TRUE(store->Head("count/a", ctx).ok());
  EXPECT_EQ(count("head_requests"), 1u);
  ASSERT_TRUE(store->List({"count/"}, ctx).ok());
  EXPECT_EQ(count("list_requests"), 1u);
  ASSERT_TRUE(store->PutIfAbsent("count/b", Bytes::FromString("x"), ctx).ok());
  EXPECT_EQ(count("put_requests"), 2u);
  ASSERT_TRUE(store->PutIfAbsent("count/b", Bytes::FromString("x"), ctx).ok());
  EXPECT_EQ(count("put_requests"), 3u) << "that it exists is an answer and no reason to try again";
  auto writer = store->OpenWriter("count/c", ctx);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(Bytes::FromString(std::string(8 << 20, 'y')), ctx).ok());
  ASSERT_TRUE((*writer)->Finish(ctx).ok());
  EXPECT_EQ(count("put_requests"), 4u) << "what fits into a part is one PUT";
  EXPECT_EQ(count("multipart_requests"), 0u);
  writer = store->OpenWriter("count/d", ctx);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Write(Bytes::FromString(std::string((16 << 20) + 1, 'y')), ctx).ok());
  ASSERT_TRUE((*writer)->Finish(ctx).ok());
  EXPECT_EQ(count("put_requests"), 7u) << "three parts";
  EXPECT_EQ(count("multipart_requests"), upload_requests);
  EXPECT_EQ(count("requests"), 3u + tail_requests + 2u + 7u + upload_requests);
  EXPECT_EQ(count("retries"), 0u);
}

}  // namespace lancefs
