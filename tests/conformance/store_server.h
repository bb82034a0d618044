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

}  // namespace lancefs
