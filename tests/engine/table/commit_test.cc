// SPDX-License-Identifier: Apache-2.0
//
// Commits under contention and with lost answers: nothing lost, nothing twice, nothing half done.
#include "engine/write/commit.h"

#include <algorithm>
#include <thread>

#include "backends/fault_store.h"
#include "engine/format/row_ids.h"
#include "test_table.h"

namespace lancefs {
namespace {

std::vector<uint64_t> AllOf(const RowIdSequence& sequence) {
  std::vector<uint64_t> ids(sequence.rows());
  sequence.Copy(0, ids.size(), ids.data());
  return ids;
}

std::vector<std::string> Names(ObjectStore& store, const std::string& prefix) {
  ListRequest request;
  request.prefix = prefix;
  request.recursive = true;
  std::vector<std::string> names;
  const auto listing = store.List(request, OpContext());
  EXPECT_TRUE(listing.ok());
  for (const ObjectMeta& object : listing->objects) names.push_back(object.path);
  return names;
}

TEST(Commit, AppendsMakeOneVersionEach) {
  auto dataset = CreateTable(MakeMemoryStore("appends"), "t.lance", 10);
  EXPECT_EQ(dataset->version(), 1u);
  const auto second = AppendRows(dataset, 10, 5);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(second->version, 2u);
  EXPECT_EQ(*ReadIds(second->dataset), Numbers(0, 15));
  EXPECT_EQ(*ReadIds(dataset), Numbers(0, 10));  // the old version stays as it was
  EXPECT_EQ(second->dataset->fragments()[1].id, 1u);
}

TEST(Commit, AStaleBaseIsRebased) {
  auto dataset = CreateTable(MakeMemoryStore("rebase"), "t.lance", 1);
  ASSERT_TRUE(AppendRows(dataset, 1, 1).ok());
  ASSERT_TRUE(AppendRows(dataset, 2, 1).ok());
  const auto fourth = AppendRows(dataset, 3, 1);
  ASSERT_TRUE(fourth.ok());
  EXPECT_EQ(fourth->version, 4u);
  EXPECT_EQ(*ReadIds(fourth->dataset), Numbers(0, 4));
}

TEST(Commit, ManyWritersLoseNothing) {
  auto dataset = CreateTable(MakeMemoryStore("contention"), "t.lance", 0);
  std::vector<std::thread> writers;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 10; ++i) {
        const auto result = AppendRows(dataset, w * 10 + i, 1);
        EXPECT_TRUE(result.ok()) << result.status().ToString();
      }
    });
  }
  for (auto& writer : writers) writer.join();
  const auto latest = dataset->Latest(OpContext());
  ASSERT_TRUE(latest.ok());
  EXPECT_EQ((*latest)->version(), 81u);
  auto ids = *ReadIds(*latest);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, Numbers(0, 80));
}

TEST(Commit, ALostReplyIsRecognisedAsOurOwn) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("lost-reply"));
  auto dataset = CreateTable(store, "t.lance", 3);
  store->LoseReply(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1);
  const auto result = AppendRows(dataset, 3, 2);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->version, 2u);
  EXPECT_EQ(*ReadIds(*dataset->Latest(OpContext())), Numbers(0, 5));
}

TEST(Commit, AFailedPutThatWroteNothingIsTriedAgain) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("failed-put"));
  auto dataset = CreateTable(store, "t.lance", 3);
  store->Fail(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1, Status::Unavailable("503"), 2);
  const auto result = AppendRows(dataset, 3, 2);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(result->version, 2u);
  EXPECT_EQ(*ReadIds(result->dataset), Numbers(0, 5));
}

TEST(Commit, ARefusedPutLeavesNothingBehind) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("refused"));
  auto dataset = CreateTable(store, "t.lance", 3);
  const auto before = Names(*store, "t.lance/");
  store->Fail(StoreCall::kPutIfAbsent, store->calls(StoreCall::kPutIfAbsent) + 1, Status::PermissionDenied("403"));
  const auto result = AppendRows(dataset, 3, 2);
  EXPECT_EQ(result.status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Names(*store, "t.lance/"), before);
}

TEST(Commit, AnOverwriteInBetweenIsAConflictAndCleansUp) {
  auto dataset = CreateTable(MakeMemoryStore("overwritten"), "t.lance", 3);
  CommitAsOther(*dataset, [](pb::Manifest* manifest, pb::Transaction* transaction) {
    manifest->clear_fragments();
    transaction->mutable_overwrite();
  });
  const auto before = Names(*dataset->store(), "t.lance/");
  const auto result = AppendRows(dataset, 3, 2);
  EXPECT_EQ(result.status().code(), StatusCode::kConflict) << result.status().ToString();
  EXPECT_EQ(Names(*dataset->store(), "t.lance/"), before);
}

TEST(Commit, AnUnknownOperationInBetweenIsAConflict) {
  auto dataset = CreateTable(MakeMemoryStore("unknown-op"), "t.lance", 3);
  CommitAsOther(*dataset, [](pb::Manifest*, pb::Transaction*) {});
  EXPECT_EQ(AppendRows(dataset, 3, 2).status().code(), StatusCode::kConflict);
}

TEST(Commit, ATighterSchemaInBetweenRefusesNullsOnly) {
  for (const bool with_nulls : {false, true}) {
    auto dataset = CreateTable(MakeMemoryStore(with_nulls ? "tight-nulls" : "tight"), "t.lance", 0);
    CommitAsOther(*dataset, [](pb::Manifest* manifest, pb::Transaction* transaction) {
      manifest->mutable_fields(1)->set_nullable(false);
      transaction->mutable_project();
    });
    const auto result = AppendRows(dataset, with_nulls ? 0 : 1, 2);  // id 0 has a null name, 1 and 2 have none
    EXPECT_EQ(result.ok(), !with_nulls) << result.status().ToString();
  }
}

TEST(Commit, UnknownWriterFlagsAreRefusedByBit) {
  auto dataset = CreateTable(MakeMemoryStore("flags"), "t.lance", 1);
  CommitAsOther(*dataset, [](pb::Manifest* manifest, pb::Transaction* transaction) {
    manifest->set_writer_feature_flags(manifest->writer_feature_flags() | (1ULL << 20));
    transaction->mutable_reserve_fragments();
  });
  const auto latest = dataset->Latest(OpContext());
  ASSERT_TRUE(latest.ok());  // readable
  const auto result = AppendRows(*latest, 1, 1);
  EXPECT_EQ(result.status().code(), StatusCode::kNotSupported);
  EXPECT_NE(result.status().message().find("bit 20"), std::string::npos);
  // The same when it is only found out while rebasing.
  EXPECT_EQ(AppendRows(dataset, 1, 1).status().code(), StatusCode::kNotSupported);
}

TEST(Commit, KeepsWhatOthersPutIntoTheManifest) {
  auto dataset = CreateTable(MakeMemoryStore("kept"), "t.lance", 1);
  CommitAsOther(*dataset, [](pb::Manifest* manifest, pb::Transaction* transaction) {
    (*manifest->mutable_config())["team"] = "blue";
    (*manifest->mutable_table_metadata())["k"] = "v";
    manifest->set_writer_feature_flags(manifest->writer_feature_flags() | kFlagTableConfig);
    manifest->set_max_fragment_id(41);
    transaction->mutable_update_config();
  });
  const auto result = AppendRows(dataset, 1, 1);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  const pb::Manifest& manifest = result->dataset->manifest();
  EXPECT_EQ(manifest.config().at("team"), "blue");
  EXPECT_EQ(manifest.table_metadata().at("k"), "v");
  EXPECT_NE(manifest.writer_feature_flags() & kFlagTableConfig, 0u);
  EXPECT_EQ(result->dataset->fragments()[1].id, 42u);  // ids are never used twice
}

TEST(Commit, StableRowIdsAreAssignedAtTheCommit) {
  auto dataset = CreateTable(MakeMemoryStore("row-ids"), "t.lance", 0);
  CommitAsOther(*dataset, [](pb::Manifest* manifest, pb::Transaction* transaction) {
    manifest->set_reader_feature_flags(kFlagStableRowIds);
    manifest->set_writer_feature_flags(kFlagStableRowIds);
    manifest->set_next_row_id(100);
    transaction->mutable_update_config();
  });
  const auto base = *dataset->Latest(OpContext());
  ASSERT_TRUE(AppendRows(base, 0, 3).ok());
  const auto result = AppendRows(base, 3, 2);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(AllOf(**result->dataset->RowIds(0, OpContext())), (std::vector<uint64_t>{100, 101, 102}));
  EXPECT_EQ(AllOf(**result->dataset->RowIds(1, OpContext())), (std::vector<uint64_t>{103, 104}));
  EXPECT_EQ(result->dataset->manifest().next_row_id(), 105u);
}

TEST(Commit, TwoCreatorsGiveOneTable) {
  auto store = MakeMemoryStore("creators");
  CreateTable(store, "t.lance", 1);
  auto writer = AppendWriter::MakeCreate(store, "t.lance", IdSchema(), FileVersion::kV2_2, WriteOptions());
  ASSERT_TRUE((*writer)->Write(*IdBatch(0, 5), OpContext()).ok());
  EXPECT_EQ((*writer)->Commit(OpContext()).status().code(), StatusCode::kAlreadyExists);
}

TEST(Commit, NoRowsMakeNoVersion) {
  auto dataset = CreateTable(MakeMemoryStore("no-rows"), "t.lance", 1);
  const auto result = AppendRows(dataset, 0, 0);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->version, 1u);
  EXPECT_EQ(*dataset->LatestVersion(OpContext()), 1u);
}

TEST(Commit, AWriterThatIsDroppedLeavesNoFiles) {
  auto dataset = CreateTable(MakeMemoryStore("dropped"), "t.lance", 1);
  const auto before = Names(*dataset->store(), "t.lance/");
  {
    WriteOptions options;
    options.max_rows_per_file = 2;
    auto writer = AppendWriter::Make(dataset, options);
    ASSERT_TRUE((*writer)->Write(*IdBatch(0, 5), OpContext()).ok());
  }
  EXPECT_EQ(Names(*dataset->store(), "t.lance/"), before);
}

TEST(Commit, ATransactionIsFoundByItsUuid) {
  auto dataset = CreateTable(MakeMemoryStore("find"), "t.lance", 1);
  const auto second = AppendRows(dataset, 1, 1);
  ASSERT_TRUE(AppendRows(dataset, 2, 1).ok());
  EXPECT_EQ(*FindTransaction(*dataset, second->transaction_uuid, 10, OpContext()), std::optional<uint64_t>(2));
  EXPECT_EQ(*FindTransaction(*dataset, UuidText(RandomUuidBytes()), 10, OpContext()), std::nullopt);
}

TEST(Commit, AnAppendCostsThreeWritesAndNoRead) {
  auto store = std::make_shared<FaultStore>(MakeMemoryStore("counts"));
  auto dataset = CreateTable(store, "t.lance", 1);
  const uint64_t lists = store->calls(StoreCall::kList);
  const uint64_t reads = store->calls(StoreCall::kReadAll);
  const uint64_t puts = store->calls(StoreCall::kPut) + store->calls(StoreCall::kPutIfAbsent) + store->calls(StoreCall::kFinish);
  ASSERT_TRUE(AppendRows(dataset, 1, 10).ok());
  EXPECT_EQ(store->calls(StoreCall::kList), lists);
  EXPECT_EQ(store->calls(StoreCall::kReadAll), reads);
  EXPECT_EQ(store->calls(StoreCall::kPut) + store->calls(StoreCall::kPutIfAbsent) + store->calls(StoreCall::kFinish), puts + 3);
}

}  // namespace
}  // namespace lancefs
