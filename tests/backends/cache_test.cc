// SPDX-License-Identifier: Apache-2.0
//
// What is kept of remote objects: which names, in memory, on disk; what crashes, full disks, other
// processes and small sizes do to it.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "backends/cache_store.h"
#include "backends/fault_store.h"
#include "backends/memory_cache.h"
#include "backends/memory_store.h"
#include "backends/metered_store.h"
#include "base/memory_budget.h"
#include "tests/backends/temporary_folder.h"
#include "tests/conformance/object_store_suite.h"

namespace lancefs {
namespace {

namespace fs = std::filesystem;

// One for the suite, whose objects are made anew for every case.
const TemporaryFolder& SuiteFolder() {
  static const TemporaryFolder folder;
  return folder;
}

Bytes RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return Bytes::FromString(std::move(text));
}

std::shared_ptr<DiskCache> OpenDisk(const std::string& folder, Metrics* metrics, uint64_t max_bytes = 1 << 30) {
  DiskCache::Options options;
  options.directory = folder;
  options.max_bytes = max_bytes;
  options.metrics = metrics;
  return DiskCache::Open(options).MoveValue();
}

std::vector<fs::path> FilesIn(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder + "/v1")) {
    if (entry.is_regular_file() && entry.path().filename() != "usage" && entry.path().filename() != "lock")
      files.push_back(entry.path());
  }
  return files;
}

uint64_t BytesIn(const std::string& folder) {
  uint64_t bytes = 0;
  for (const fs::path& file : FilesIn(folder)) bytes += fs::file_size(file);
  return bytes;
}

INSTANTIATE_TEST_SUITE_P(Stores, ObjectStoreSuite,
                         testing::Values(StoreUnderTest{"CachedInMemory",
                                                        [] { return MakeCacheStore(MakeMemoryStore(), "a", nullptr); }},
                                         StoreUnderTest{"CachedOnDisk",
                                                        [] {
                                                          static Metrics metrics;
                                                          return MakeCacheStore(MakeMemoryStore(), "b",
                                                                                OpenDisk(SuiteFolder().path(), &metrics));
                                                        }}),
                         StoreName);

constexpr char kFile[] = "t.lance/data/101110110011011110100111dba85c46aa9586e00181043ed0.lance";

TEST(ImmutableNames, AreThoseWithARandomNumber) {
  for (const char* name :
       {kFile, "a/b/data/7624cfc3-c608-4d04-9df4-e4327f5587e5.lance", "t.lance/_deletions/0-1-17301284350957123841.arrow",
        "t.lance/_deletions/12-7-9301284350957123841.bin", "t.lance/_transactions/0-7624cfc3-c608-4d04-9df4-e4327f5587e5.txn",
        "t.lance/_indices/7624cfc3-c608-4d04-9df4-e4327f5587e5/index.idx",
        "data/101110110011011110100111dba85c46aa9586e00181043ed0/00000001.blob"}) {
    EXPECT_TRUE(IsImmutableName(name)) << name;
  }
  for (const char* name : {"t.lance/data/part-1.lance", "data/t.lance/_versions/5.manifest", "data/trips.lance/_latest.manifest",
                           "t.lance/_versions/latest_version_hint.json", "t.lance/_refs/tags/a.json", "data/notes.txt", "data",
                           "t.lance/_indices/mine/index.idx", "t.lance/_deletions/0-1-5.arrow", "", "/",
                           "7624cfc3-c608-4d04-9df4-e4327f5587e5.lance"}) {
    EXPECT_FALSE(IsImmutableName(name)) << name;
  }
}

class CachedStore : public testing::Test {
 protected:
  void SetUp() override {
    content_ = RandomBytes(1'000'000, 5);
    ASSERT_TRUE(objects_->Put(kFile, content_, ctx_).ok());
    // Tests have a name space each: the memory tier is the process's.
    name_space_ = testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  std::shared_ptr<ObjectStore> Make(std::shared_ptr<DiskCache> disk) { return MakeCacheStore(counted_, name_space_, disk); }
  uint64_t Requests() { return counter_metrics_.counter("lancefs_store_requests_total").load(); }
  void ExpectRange(ObjectStore* store, uint64_t offset, uint64_t length) {
    const auto got = store->ReadRanges(kFile, {{offset, length}}, ctx_);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_EQ((*got)[0].view(), content_.view().substr(offset, length));
  }

  const OpContext ctx_;
  Bytes content_;
  std::string name_space_;
  Metrics counter_metrics_;
  Metrics disk_metrics_;
  TemporaryFolder folder_;
  std::shared_ptr<ObjectStore> objects_ = MakeMemoryStore();
  std::shared_ptr<ObjectStore> counted_ = MakeMeteredStore(objects_, &counter_metrics_);
};

TEST_F(CachedStore, SmallReadsAgainAreFree) {
  const auto store = Make(nullptr);
  ExpectRange(store.get(), 100'000, 4000);
  ASSERT_TRUE(store->ReadTail(kFile, 1000, ctx_).ok());
  EXPECT_EQ(Requests(), 2u);
  ExpectRange(store.get(), 100'000, 4000);
  ExpectRange(store.get(), 101'000, 2000);  // a part of it
  const auto tail = store->ReadTail(kFile, 500, ctx_);
  ASSERT_TRUE(tail.ok());
  EXPECT_EQ(tail->object_size, content_.size());
  EXPECT_EQ(tail->bytes.view(), content_.view().substr(content_.size() - 500));
  EXPECT_EQ(Requests(), 2u);
  ExpectRange(store.get(), 101'000, 4000);  // goes beyond
  EXPECT_EQ(Requests(), 3u);
  ExpectRange(store.get(), 0, 500'000);  // too long to be kept
  ExpectRange(store.get(), 0, 500'000);
  EXPECT_EQ(Requests(), 5u);
}

TEST_F(CachedStore, RandomReadsAreRight) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 3; ++round) {
    const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
    for (int i = 0; i < 200; ++i) {
      std::vector<ByteRange> ranges;
      for (uint64_t k = random() % 5; k > 0; --k) {
        const uint64_t offset = random() % content_.size();
        ranges.push_back({offset, random() % std::min<uint64_t>(content_.size() - offset + 1, 150'000)});
      }
      const auto got = store->ReadRanges(kFile, ranges, ctx_);
      ASSERT_TRUE(got.ok());
      for (size_t k = 0; k < ranges.size(); ++k)
        ASSERT_EQ((*got)[k].view(), content_.view().substr(ranges[k].offset, ranges[k].length));
    }
  }
  EXPECT_GT(disk_metrics_.counter("lancefs_disk_cache_hits_total").load(), 100u);
}

TEST_F(CachedStore, TheDiskOutlivesTheStore) {
  {
    const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
    ExpectRange(store.get(), 0, 300'000);
    ExpectRange(store.get(), 300'000, 300'000);
    ASSERT_TRUE(store->ReadAll(kFile, ctx_).ok());
  }
  const uint64_t before = Requests();
  const auto store = MakeCacheStore(counted_, name_space_, OpenDisk(folder_.path(), &disk_metrics_));
  ExpectRange(store.get(), 100'000, 400'000);  // of two files
  const auto all = store->ReadAll(kFile, ctx_);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->view(), content_.view());
  EXPECT_EQ(store->ReadTail(kFile, 70'000, ctx_)->bytes.view(), content_.view().substr(content_.size() - 70'000));
  EXPECT_EQ(Requests(), before);
  // Another bucket's object of that name is another object.
  const auto other = MakeCacheStore(counted_, name_space_ + "2", OpenDisk(folder_.path(), &disk_metrics_));
  ExpectRange(other.get(), 0, 300'000);
  EXPECT_EQ(Requests(), before + 1);
}

TEST_F(CachedStore, ManifestsAreKeptWithTheirEtag) {
  const std::string manifest = "t.lance/_versions/18446744073709551614.manifest";
  const auto put = [&](const std::string& text) { ASSERT_TRUE(objects_->Put(manifest, Bytes::FromString(text), ctx_).ok()); };
  put("first");
  const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
  const auto listed = [&] { ASSERT_TRUE(store->List({.prefix = "t.lance/_versions/", .names_only = true}, ctx_).ok()); };
  const auto read = [&] { return std::string(store->ReadAll(manifest, ctx_)->view()); };
  EXPECT_EQ(read(), "first");
  put("other");  // the dataset was deleted and made again; nothing was listed, so nothing may be kept
  EXPECT_EQ(read(), "other");
  listed();
  EXPECT_EQ(read(), "other");
  const uint64_t before = Requests();
  EXPECT_EQ(read(), "other");
  EXPECT_EQ(Requests(), before);
  put("third");
  listed();
  EXPECT_EQ(read(), "third");
}

TEST_F(CachedStore, DeletedObjectsAreForgotten) {
  const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
  ExpectRange(store.get(), 0, 1000);
  ASSERT_TRUE(store->Delete(kFile, ctx_).ok());
  EXPECT_TRUE(store->ReadRanges(kFile, {{0, 1000}}, ctx_).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(FilesIn(folder_.path()).empty());
}

TEST_F(CachedStore, ErrorsAreNotKept) {
  auto faulty = std::make_shared<FaultStore>(counted_);
  const auto store = MakeCacheStore(faulty, name_space_, OpenDisk(folder_.path(), &disk_metrics_));
  EXPECT_FALSE(store->ReadRanges(kFile, {{content_.size() - 10, 20}}, ctx_).ok());
  EXPECT_FALSE(store->ReadRanges("t.lance/data/7624cfc3-c608-4d04-9df4-e4327f5587e5.lance", {{0, 20}}, ctx_).ok());
  EXPECT_TRUE(FilesIn(folder_.path()).empty());
  ExpectRange(store.get(), content_.size() - 10, 10);
}

// Every byte of a kept file matters: whatever is changed or missing, the reader gets the object's bytes.
TEST_F(CachedStore, BrokenFilesAreMisses) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 60; ++round) {
    name_space_ = "broken" + std::to_string(round);
    {
      const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
      ExpectRange(store.get(), 1000, 200'000);
    }
    const std::vector<fs::path> files = FilesIn(folder_.path());
    ASSERT_EQ(files.size(), 1u);
    const uint64_t size = fs::file_size(files[0]);
    const uint64_t place = round < 12 ? static_cast<uint64_t>(round) * 8 : random() % size;
    if (round % 3 == 0) {
      fs::resize_file(files[0], place);
    } else {
      std::fstream file(files[0], std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(place));
      const char byte = static_cast<char>(file.get() ^ (1 << (round % 8)));
      file.seekp(static_cast<std::streamoff>(place));
      file.put(byte);
    }
    const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
    ExpectRange(store.get(), 1000, 200'000);
    fs::remove_all(folder_.path() + "/v1");
  }
  EXPECT_EQ(disk_metrics_.counter("lancefs_disk_cache_broken_files_total").load(), 60u);
}

TEST_F(CachedStore, AFileInAnotherObjectsPlaceIsNotBelieved) {
  const std::string other = "t.lance/data/000000000000000000000000dba85c46aa9586e00181043ed0.lance";
  const Bytes bytes = RandomBytes(1'000'000, 6);
  ASSERT_TRUE(objects_->Put(other, bytes, ctx_).ok());
  {
    const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
    ExpectRange(store.get(), 0, 100'000);
    ASSERT_TRUE(store->ReadRanges(other, {{0, 100'000}}, ctx_).ok());
  }
  std::vector<fs::path> files = FilesIn(folder_.path());
  ASSERT_EQ(files.size(), 2u);
  const fs::path aside = folder_.path() + "/aside";
  fs::rename(files[0], aside);
  fs::rename(files[1], files[0]);
  fs::rename(aside, files[1]);
  const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
  ExpectRange(store.get(), 0, 100'000);
  EXPECT_EQ((*store->ReadRanges(other, {{0, 100'000}}, ctx_))[0].view(), bytes.view().substr(0, 100'000));
}

TEST_F(CachedStore, AFolderThatGoesAwayOrIsReadOnlyIsNoError) {
  const auto store = Make(OpenDisk(folder_.path(), &disk_metrics_));
  ExpectRange(store.get(), 0, 100'000);
  fs::remove_all(folder_.path() + "/v1");
  ExpectRange(store.get(), 0, 100'000);
  ExpectRange(store.get(), 200'000, 100'000);
  EXPECT_GT(disk_metrics_.counter("lancefs_disk_cache_write_errors_total").load(), 0u);
}

TEST(DiskCacheSize, StaysWithinTheLimitAndKeepsWhatIsUsed) {
  const TemporaryFolder folder;
  Metrics metrics;
  constexpr uint64_t kMost = 4 << 20;
  const auto cache = OpenDisk(folder.path(), &metrics, kMost);
  const Bytes bytes = RandomBytes(100'000, 1);
  const auto age = [&](int64_t seconds) {  // as if that had been so long ago
    for (const fs::path& file : FilesIn(folder.path())) {
      const auto time = fs::last_write_time(file);
      fs::last_write_time(file, time - std::chrono::seconds(seconds));
    }
  };
  cache->Write("used", 0, bytes, 0);
  for (int i = 0; i < 200; ++i) {
    cache->Write("object" + std::to_string(i), 0, bytes, 0);
    if (i % 10 == 0) {
      age(100);
      EXPECT_TRUE(cache->Read("used", {5, 10}));
    }
    ASSERT_LE(BytesIn(folder.path()), kMost);
    ASSERT_LE(cache->used(), kMost);
  }
  EXPECT_TRUE(cache->Read("object199", {0, 100'000}));
  EXPECT_FALSE(cache->Read("object0", {0, 100'000}));
  EXPECT_GT(BytesIn(folder.path()), kMost / 2);
  EXPECT_GT(metrics.counter("lancefs_disk_cache_evicted_bytes_total").load(), 10u << 20);
  // What would push out nearly everything else is not kept at all.
  cache->Write("large", 0, RandomBytes(kMost / 2, 2), 0);
  EXPECT_FALSE(cache->Read("large", {0, 10}));
}

// Several processes, here caches of their own, fill one folder as fast as they can.
TEST(DiskCacheSize, StaysWithinTheLimitWhileOthersWrite) {
  const TemporaryFolder folder;
  constexpr uint64_t kMost = 2 << 20;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> refused{0};
  std::vector<std::thread> writers;
  for (uint64_t i = 0; i < 6; ++i) {
    writers.emplace_back([&, i] {
      Metrics metrics;
      const auto cache = OpenDisk(folder.path(), &metrics, kMost);
      const Bytes bytes = RandomBytes(400'000, i);
      std::mt19937_64 random(i);
      for (int k = 0; k < 150; ++k)
        cache->Write(std::to_string(i) + "-" + std::to_string(k), 0, bytes.Slice(0, 1 + random() % bytes.size()), 0);
      refused += metrics.counter("lancefs_disk_cache_write_errors_total").load();
    });
  }
  uint64_t most = 0;
  std::thread watcher([&] {
    while (!done) {
      uint64_t now = 0;
      std::error_code error;  // files come and go
      for (fs::recursive_directory_iterator it(folder.path() + "/v1", error), end; !error && it != end; it.increment(error)) {
        std::error_code gone;
        const uint64_t size = it->is_regular_file(gone) && it.depth() > 0 ? fs::file_size(it->path(), gone) : 0;
        if (!gone) now += size;
      }
      if (!error) most = std::max(most, now);
    }
  });
  for (std::thread& writer : writers) writer.join();
  done = true;
  watcher.join();
  EXPECT_LE(BytesIn(folder.path()), kMost);
  EXPECT_GT(BytesIn(folder.path()), kMost / 2);
  EXPECT_GT(most, 0u);
  EXPECT_EQ(refused, 0u);
}

// Several processes write and read at once; one is killed in the middle of it, again and again.
TEST(DiskCacheSharing, SurvivesProcessesAndTheirEnds) {
  const TemporaryFolder folder;
  constexpr uint64_t kMost = 8 << 20;
  std::vector<Bytes> contents;
  for (uint64_t i = 0; i < 40; ++i) contents.push_back(RandomBytes(50'000 + 20'000 * i, i));
  const auto work = [&](uint64_t seed, int rounds) {
    Metrics metrics;
    const auto cache = OpenDisk(folder.path(), &metrics, kMost);
    std::mt19937_64 random(seed);
    for (int i = 0; rounds == 0 || i < rounds; ++i) {
      const size_t which = random() % contents.size();
      const uint64_t offset = random() % contents[which].size();
      const uint64_t length = 1 + random() % (contents[which].size() - offset);
      const auto got = cache->Read(std::to_string(which), {offset, length});
      if (got && got->view() != contents[which].view().substr(offset, length)) return 1;
      if (!got) cache->Write(std::to_string(which), offset, contents[which].Slice(offset, length), contents[which].size());
    }
    return 0;
  };
  std::vector<pid_t> steady;
  for (uint64_t i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work(i, 600));
    steady.push_back(child);
  }
  for (uint64_t i = 0; i < 10; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work(100 + i, 0));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * i));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  for (const pid_t child : steady) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(work(77, 300), 0);
  EXPECT_LE(BytesIn(folder.path()), kMost);
}

TEST(MemoryCacheSize, DrawsOnTheBudget) {
  MemoryBudget budget(8 << 20);
  MemoryCache cache(&budget);
  const Bytes bytes = RandomBytes(10'000, 3);
  for (uint64_t i = 0; i < 1000; ++i) cache.Write("object" + std::to_string(i), 0, bytes, 0);
  EXPECT_LE(cache.used(), 2u << 20);
  EXPECT_GT(cache.used(), 1u << 20);
  EXPECT_TRUE(cache.Read("object999", {0, 10'000}));
  EXPECT_FALSE(cache.Read("object0", {0, 10'000}));
  MemoryBudget::Account* const other = budget.MakeAccount("other");
  other->Add(7 << 20);
  budget.Balance();
  EXPECT_LE(budget.used(), budget.limit());
  EXPECT_LE(cache.used(), 1u << 20);
  EXPECT_TRUE(cache.Read("object999", {0, 10'000}));
}

TEST(MemoryBudgetDefault, IsAtMostAQuarterOfTheCgroup) {
  const TemporaryFolder root;
  const auto write = [&](const std::string& name, const std::string& text) {
    const fs::path path = root.path() + name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  };
  EXPECT_EQ(CgroupMemoryLimit(root.path()), UINT64_MAX);
  write("/proc/self/cgroup", "0::/user.slice/job\n");
  write("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
  EXPECT_EQ(CgroupMemoryLimit(root.path()), UINT64_MAX);
  write("/sys/fs/cgroup/user.slice/memory.max", "268435456\n");
  EXPECT_EQ(CgroupMemoryLimit(root.path()), 268435456u);
  write("/proc/self/cgroup", "12:cpu:/\n4:pids,memory:/box\n0::/\n");
  write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "100000000\n");
  EXPECT_EQ(CgroupMemoryLimit(root.path()), 100000000u);
  EXPECT_LE(MemoryBudget::DefaultLimit(), uint64_t{1} << 30);
}

}  // namespace
}  // namespace lancefs
