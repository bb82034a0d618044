// SPDX-License-Identifier: Apache-2.0
#include "engine/write/refs.h"

#include "backends/fault_store.h"
#include "test_table.h"

namespace lancefs {
namespace {

TEST(Refs, NamesOfTags) {
  for (const char* name : {"v1", "a.b-c_d", "-", "_", "2026.11.21", "x.locked"}) EXPECT_TRUE(CheckTagName(name).ok()) << name;
  for (const char* name : {"", ".a", "a.", "a..b", "a/b", "a b", "a.lock", "\xc3\xa4", "a\n", "a%"}) {
    EXPECT_TRUE(CheckTagName(name).Is(StatusCode::kInvalidArgument)) << name;
  }
}

TEST(Refs, ATagIsMadeOnce) {
  auto store = MakeMemoryStore("tags");
  auto dataset = CreateTable(store, "t.lance", 3);
  ASSERT_TRUE(CreateTag(*dataset, "mine", OpContext()).ok());
  EXPECT_TRUE(CreateTag(*dataset, "mine", OpContext()).Is(StatusCode::kAlreadyExists));
  const auto tags = dataset->ListTags(OpContext());
  ASSERT_TRUE(tags.ok()) << tags.status().ToString();
  ASSERT_EQ(tags->size(), 1u);
  EXPECT_EQ(tags->at("mine").version, 1u);
  EXPECT_EQ(tags->at("mine").branch, "");
  OpenOptions options;
  options.tag = "mine";
  EXPECT_TRUE(Dataset::Open(store, "t.lance", options, OpContext()).ok());
}

TEST(Refs, ALostReplyIsRecognisedAsOurOwn) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("lost-tag"));
  auto dataset = CreateTable(store, "t.lance", 3);
  store->LoseReply(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1);
  EXPECT_TRUE(CreateTag(*dataset, "mine", OpContext()).ok());
  // The same with a tag of somebody else in the way: his stays, and we are told.
  store->LoseReply(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1);
  EXPECT_TRUE(CreateTag(*dataset, "mine", OpContext()).Is(StatusCode::kAlreadyExists));
}

TEST(Refs, AFailedPutMakesNoTag) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("failed-tag"));
  auto dataset = CreateTable(store, "t.lance", 3);
  store->Fail(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1, Status::Unavailable("503"));
  EXPECT_TRUE(CreateTag(*dataset, "mine", OpContext()).Is(StatusCode::kUnavailable));
  EXPECT_TRUE(dataset->ListTags(OpContext())->empty());
}

}  // namespace
}  // namespace lancefs
