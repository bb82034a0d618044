// SPDX-License-Identifier: Apache-2.0
//
// Commits with a list of manifests outside of the store: every step may be the last one of a writer or of a reader, any answer
// may be lost, and whoever comes next sees all of a commit or nothing.
#include <algorithm>
#include <set>
#include <thread>

#include "engine/table/commit_handler.h"
#include "engine/write/commit.h"
#include "external_manifests.h"
#include "test_table.h"

namespace lancefs {
namespace {

constexpr char kPath[] = "db/t.lance";

Result<std::shared_ptr<const Dataset>> OpenIn(std::shared_ptr<ObjectStore> store) {
  return Dataset::Open(std::move(store), kPath, OpenOptions(), OpContext());
}

// What a process does until it dies; whether it came to its end and that was a success.
template <typename Work>
bool Live(Work work) {
  try {
    return work();
  } catch (const ProcessDied&) {
    return false;
  }
}

std::set<std::string> Manifests(const SharedPlace& place) {
  ListRequest request;
  request.prefix = std::string(kPath) + "/_versions/";
  const auto listing = place.objects->List(request, OpContext());
  EXPECT_TRUE(listing.ok());
  std::set<std::string> names;
  for (const ObjectMeta& object : listing->objects) names.insert(object.path);
  return names;
}

std::string FinalName(uint64_t version) {
  return std::string(kPath) + "/_versions/" + ManifestName(version, ManifestNaming::kV2);
}

// What is left must be complete: final names in all entries, a file of the right size under each, nothing staged.
void ExpectSettled(const SharedPlace& place, uint64_t versions) {
  std::set<std::string> names;
  for (uint64_t version = 1; version <= versions; ++version) {
    const auto entry = place.list->entries.find({kPath, version});
    ASSERT_NE(entry, place.list->entries.end()) << version;
    EXPECT_EQ(entry->second.path, FinalName(version));
    const auto meta = place.objects->Head(FinalName(version), OpContext());
    ASSERT_TRUE(meta.ok() && *meta) << version;
    EXPECT_EQ((*meta)->size, entry->second.size);
    names.insert(FinalName(version));
  }
  EXPECT_EQ(place.list->entries.size(), versions);
  EXPECT_EQ(Manifests(place), names);
}

TEST(ExternalCommit, MakesVersionsInTheList) {
  SharedPlace place;
  auto dataset = CreateTable(place.Process(), kPath, 10);
  const auto second = AppendRows(dataset, 10, 5);
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(second->version, 2u);
  ExpectSettled(place, 2);
  const auto opened = OpenIn(place.Process());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_EQ(*ReadIds(*opened), Numbers(0, 15));
  const auto first = (*opened)->Checkout(1, OpContext());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*ReadIds(*first), Numbers(0, 10));
  EXPECT_EQ((*opened)->Checkout(3, OpContext()).status().code(), StatusCode::kNotFound);
  EXPECT_EQ((*opened)->ListVersions(OpContext())->size(), 2u);
}

TEST(ExternalCommit, TheRequestsOfACommitAndOfAnOpen) {
  SharedPlace place;
  auto life = std::make_shared<Lifetime>();
  auto dataset = CreateTable(place.Process(life), kPath, 1);
  const uint64_t before = life->requests();
  ASSERT_TRUE(AppendRows(dataset, 1, 1).ok());
  EXPECT_EQ(life->requests() - before, 7u);  // transaction, look, staged file, entry, copy, entry, delete
  auto reader = std::make_shared<Lifetime>();
  ASSERT_TRUE(OpenIn(place.Process(reader)).ok());
  EXPECT_EQ(reader->requests(), 2u);  // entry, manifest
}

// The first process dies before its n-th request; then the second one reads and writes.
TEST(ExternalCommit, AWriterThatDiesAtAnyStepLeavesAllOrNothing) {
  for (uint64_t n = 1;; ++n) {
    SCOPED_TRACE("dies at request " + std::to_string(n));
    SharedPlace place;
    CreateTable(place.Process(), kPath, 10);
    auto life = std::make_shared<Lifetime>(n);
    const bool finished = Live([&] { return AppendRows(*OpenIn(place.Process(life)), 10, 5).ok(); });
    const bool reserved = place.list->entries.contains({kPath, 2});

    const auto reader = OpenIn(place.Process());
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    EXPECT_EQ((*reader)->version(), reserved ? 2u : 1u);
    EXPECT_EQ(*ReadIds(*reader), Numbers(0, reserved ? 15 : 10));
    if (reserved) EXPECT_EQ(place.list->entries.at({kPath, 2}).path, FinalName(2));

    const auto next = AppendRows(*reader, 15, 5);
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    EXPECT_EQ(next->version, reserved ? 3u : 2u);
    std::vector<int64_t> expected = Numbers(0, reserved ? 15 : 10);
    for (const int64_t id : Numbers(15, 20)) expected.push_back(id);
    EXPECT_EQ(*ReadIds(next->dataset), expected);
    for (uint64_t version = 1; version <= next->version; ++version) {
      EXPECT_EQ(place.list->entries.at({kPath, version}).path, FinalName(version));
    }
    if (finished) {
      EXPECT_EQ(n, 10u);
      ExpectSettled(place, 3);
      break;
    }
  }
}

// A writer dies in the middle of its commit, then a reader dies while it completes that; the third one sees it all.
TEST(ExternalCommit, AReaderThatDiesWhileItHelpsDoesNoHarm) {
  for (uint64_t writer_dies = 6; writer_dies <= 9; ++writer_dies) {
    for (uint64_t n = 1; n <= 6; ++n) {
      SCOPED_TRACE("writer dies at " + std::to_string(writer_dies) + ", reader at " + std::to_string(n));
      SharedPlace place;
      CreateTable(place.Process(), kPath, 10);
      auto life = std::make_shared<Lifetime>(writer_dies);
      EXPECT_FALSE(Live([&] { return AppendRows(*OpenIn(place.Process(life)), 10, 5).ok(); }));
      ASSERT_TRUE(place.list->entries.contains({kPath, 2}) || writer_dies == 6);
      Live([&] { return OpenIn(place.Process(std::make_shared<Lifetime>(n))).ok(); });
      const auto reader = OpenIn(place.Process());
      ASSERT_TRUE(reader.ok()) << reader.status().ToString();
      EXPECT_EQ(*ReadIds(*reader), Numbers(0, place.list->entries.contains({kPath, 2}) ? 15 : 10));
    }
  }
}

// Each answer in turn is lost; the writer lives on and must end with exactly its rows, once.
TEST(ExternalCommit, ALostAnswerAtAnyStepIsMadeOut) {
  for (uint64_t n = 1; n <= 9; ++n) {
    SCOPED_TRACE("lost answer " + std::to_string(n));
    SharedPlace place;
    CreateTable(place.Process(), kPath, 10);
    auto life = std::make_shared<Lifetime>();
    life->LoseAnswer(n);
    auto dataset = OpenIn(place.Process(life));
    if (!dataset.ok()) continue;  // retrying reads is the store's business
    const auto result = AppendRows(*dataset, 10, 5);
    const auto latest = OpenIn(place.Process());
    ASSERT_TRUE(latest.ok());
    EXPECT_EQ(*ReadIds(*latest), Numbers(0, result.ok() ? 15 : 10)) << result.status().ToString();
    EXPECT_EQ(result.ok(), n > 3) << result.status().ToString();  // without its transaction file a commit does not begin
    if (result.ok()) EXPECT_EQ(result->version, 2u);
  }
}

TEST(ExternalCommit, ManyWritersLoseNothing) {
  SharedPlace place;
  CreateTable(place.Process(), kPath, 0);
  std::vector<std::thread> writers;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&, w] {
      auto dataset = OpenIn(place.Process());
      ASSERT_TRUE(dataset.ok());
      for (int i = 0; i < 10; ++i) {
        const auto result = AppendRows(*dataset, w * 10 + i, 1);
        EXPECT_TRUE(result.ok()) << result.status().ToString();
      }
    });
  }
  std::thread reader([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(OpenIn(place.Process()).ok());
  });
  for (auto& writer : writers) writer.join();
  reader.join();
  const auto latest = OpenIn(place.Process());
  ASSERT_TRUE(latest.ok());
  EXPECT_EQ((*latest)->version(), 81u);
  auto ids = *ReadIds(*latest);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, Numbers(0, 80));
  ExpectSettled(place, 81);
}

TEST(ExternalCommit, TwoCreatorsMakeOneTable) {
  SharedPlace place;
  std::vector<std::thread> creators;
  std::atomic<int> created{0};
  for (int i = 0; i < 4; ++i) {
    creators.emplace_back([&] {
      auto writer = AppendWriter::MakeCreate(place.Process(), kPath, IdSchema(), FileVersion::kV2_2, WriteOptions());
      ASSERT_TRUE(writer.ok());
      EXPECT_TRUE((*writer)->Write(*IdBatch(0, 3), OpContext()).ok());
      const auto result = (*writer)->Commit(OpContext());
      if (result.ok())
        ++created;
      else
        EXPECT_EQ(result.status().code(), StatusCode::kAlreadyExists) << result.status().ToString();
    });
  }
  for (auto& creator : creators) creator.join();
  EXPECT_EQ(created, 1);
  ExpectSettled(place, 1);
}

// Tables from before the list was used: read as they are, and the next commit enters its version.
TEST(ExternalCommit, AnOlderTableHasNoEntries) {
  SharedPlace place;
  auto dataset = CreateTable(place.objects, kPath, 2);
  ASSERT_TRUE(AppendRows(dataset, 2, 2).ok());
  const auto reader = OpenIn(place.Process());
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->version(), 2u);
  ASSERT_TRUE((*reader)->Checkout(1, OpContext()).ok());
  EXPECT_TRUE(place.list->entries.empty()) << "the entry of an old version would hide the newer ones";
  const auto third = AppendRows(*reader, 4, 2);
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->version, 3u);
  EXPECT_EQ(place.list->entries.size(), 1u);
  EXPECT_EQ(*ReadIds(*(*reader)->Latest(OpContext())), Numbers(0, 6));
}

// An older table of which the list got only an old version: what it does not know is not replaced.
TEST(ExternalCommit, AVersionThatTheListDoesNotKnowIsNotReplaced) {
  SharedPlace place;
  auto dataset = CreateTable(place.objects, kPath, 2);
  ASSERT_TRUE(AppendRows(dataset, 2, 2).ok());
  place.list->entries[{kPath, 1}] = {1, FinalName(1), std::nullopt};
  const auto reader = OpenIn(place.Process());
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->version(), 1u);
  const auto refused = AppendRows(*reader, 10, 2);
  EXPECT_EQ(refused.status().code(), StatusCode::kConflict) << refused.status().ToString();
  EXPECT_EQ(*ReadIds(*Dataset::Open(place.objects, kPath, OpenOptions(), OpContext())), Numbers(0, 4));
  EXPECT_EQ(place.list->entries.size(), 1u);
}

TEST(ExternalCommit, EntriesOfOldWritersHaveNoSize) {
  SharedPlace place;
  CreateTable(place.Process(), kPath, 4);
  // As a writer left it that died before the copy.
  const std::string staged = FinalName(1) + "-0a0b0c0d-0000-4000-8000-000000000000";
  ASSERT_TRUE(place.objects->Copy(FinalName(1), staged, OpContext()).ok());
  ASSERT_TRUE(place.objects->Delete(FinalName(1), OpContext()).ok());
  place.list->entries[{kPath, 1}] = {1, staged, std::nullopt};
  const auto reader = OpenIn(place.Process());
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ(*ReadIds(*reader), Numbers(0, 4));
  ExpectSettled(place, 1);
}

TEST(ExternalCommit, ABrokenListIsNamed) {
  SharedPlace place;
  CreateTable(place.Process(), kPath, 4);
  const auto good = place.list->entries.at({kPath, 1});
  place.list->entries[{kPath, 1}].size = 1;
  auto opened = OpenIn(place.Process());
  EXPECT_EQ(opened.status().code(), StatusCode::kCorruption) << opened.status().ToString();
  // A staged file that is gone, and no final one of that size either.
  place.list->entries[{kPath, 1}] = {1, good.path + "-0a0b0c0d", 7};
  opened = OpenIn(place.Process());
  EXPECT_EQ(opened.status().code(), StatusCode::kCorruption) << opened.status().ToString();
  // The same with the right size is a commit that another process completed.
  place.list->entries[{kPath, 1}].size = good.size;
  opened = OpenIn(place.Process());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_EQ(place.list->entries.at({kPath, 1}).path, good.path);
  place.list->entries[{kPath, 2}] = {2, FinalName(2) + "-0a0b0c0d", 7};
  EXPECT_FALSE(OpenIn(place.Process()).ok()) << "a version that is reserved and lost is no reason to show an older one";
}

// Names that a table got when it was migrated to the other naming while the list kept the old names.
TEST(ExternalCommit, RenamedManifestsAreFound) {
  SharedPlace place;
  CreateTable(place.Process(), kPath, 4);
  place.list->entries[{kPath, 1}].path = std::string(kPath) + "/_versions/1.manifest";
  const auto opened = OpenIn(place.Process());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_EQ((*opened)->naming(), ManifestNaming::kV2);
}

}  // namespace
}  // namespace lancefs
