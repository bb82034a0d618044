// SPDX-License-Identifier: Apache-2.0
//
// The mutation test: whole datasets of which one object is changed, read in every way that a reader would. Whatever stands in it:
// rows or an error, never a crash, in bounded time and memory.
//
//   mutate_corpus [--cases N] [--seed S] [--first I] [--only I] [--max-file-kib K] [--seconds T] FOLDER...
//
// A folder is a dataset, or is searched for datasets. Without folders: small tables that our own writer makes. A case depends on
// its number, the seed and the datasets alone; what ends badly prints the number, and --only repeats it.
#include <arrow/memory_pool.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backends/memory_store.h"
#include "engine/format/transaction_json.h"
#include "engine/rows/row_writer.h"
#include "engine/scan/scanner.h"
#include "engine/scan/verify.h"
#include "tests/fuzz/mutators.h"
#include "tests/fuzz/read_file.h"
#include "tests/fuzz/seeds.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1  // clang's name for it
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
extern "C" {
void __sanitizer_set_death_callback(void (*callback)());
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                              void (*on_free)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void* p);
}
#endif

namespace lancefs {
namespace {

namespace fs = std::filesystem;

constexpr double kMaxSeconds = 2;
constexpr uint64_t kMaxBytes = 512 << 20;
constexpr uint64_t kMaxRows = 20'000;  // of one scan; a manifest may say that billions of rows are null

char g_case[512] = "";  // what runs, for the message when it ends badly

// -- memory

std::atomic<int64_t> g_live{0};
std::atomic<int64_t> g_peak{0};

#ifdef __SANITIZE_ADDRESS__
void OnMalloc(const volatile void*, size_t size) {
  const int64_t live = g_live.fetch_add(static_cast<int64_t>(size)) + static_cast<int64_t>(size);
  int64_t peak = g_peak.load();
  while (live > peak && !g_peak.compare_exchange_weak(peak, live)) {
  }
}
void OnFree(const volatile void* p) {
  if (p != nullptr) g_live.fetch_sub(static_cast<int64_t>(__sanitizer_get_allocated_size(p)));
}
void StartMemory() { g_peak = g_live.load(); }
uint64_t MemorySinceStart(int64_t live_at_start) { return static_cast<uint64_t>(std::max<int64_t>(0, g_peak - live_at_start)); }
#else
// Without a sanitizer the growth of the process tells; it only ever shows the worst case so far.
int64_t Resident() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}
void StartMemory() { g_live = Resident(); }
uint64_t MemorySinceStart(int64_t live_at_start) {
  return static_cast<uint64_t>(std::max<int64_t>(0, Resident() - live_at_start));
}
#endif

// -- datasets

struct Table {
  std::string name;
  std::string root;  // in the store
  Objects objects;   // what a reader of the newest version needs, and whatever else is small
  std::vector<std::string> targets;
};

std::string ReadWhole(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void AddTargets(Table* table, uint64_t max_file) {
  for (const auto& [path, bytes] : table->objects) {
    const bool read = path.ends_with(".lance") || path.ends_with(".manifest") || path.ends_with(".txn") ||
                      path.ends_with(".arrow") || path.ends_with(".bin") || path.ends_with(".json") || path.ends_with(".blob");
    if (read && path.find("/_indices/") == std::string::npos && !bytes.empty() && bytes.size() <= max_file)
      table->targets.push_back(path);
  }
}

void AddDataset(const fs::path& folder, uint64_t max_file, std::vector<Table>* tables) {
  Table table;
  table.name = folder.string();
  table.root = "t.lance";
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.file_size() > (4 << 20)) continue;
    table.objects["t.lance/" + fs::relative(entry.path(), folder).generic_string()] = Bytes::FromString(ReadWhole(entry.path()));
  }
  AddTargets(&table, max_file);
  if (!table.targets.empty()) tables->push_back(std::move(table));
}

void FindDatasets(const fs::path& folder, uint64_t max_file, std::vector<Table>* tables) {
  if (fs::is_directory(folder / "_versions") || fs::is_directory(folder / "data")) return AddDataset(folder, max_file, tables);
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) below.push_back(entry.path());
  }
  std::sort(below.begin(), below.end());
  for (const fs::path& path : below) FindDatasets(path, max_file, tables);
}

std::vector<Table> OwnTables() {
  std::vector<Table> tables;
  for (const FileVersion version : {FileVersion::kV2_0, FileVersion::kV2_1, FileVersion::kV2_2}) {
    Table table;
    table.name = "own-" + std::string(FileVersionName(version));
    table.root = "t.lance";
    table.objects = SeedTable(version);
    AddTargets(&table, UINT64_MAX);
    tables.push_back(std::move(table));
  }
  return tables;
}

// -- changes

void Splice(std::string* bytes, std::string_view other, Random& random) {
  if (bytes->empty() || other.empty()) return;
  const size_t length = 1 + Below(random, std::min<size_t>(other.size(), 8192));
  const std::string_view part = other.substr(Below(random, other.size()), length);
  const size_t at = Below(random, bytes->size());
  bytes->replace(at, std::min(part.size(), bytes->size() - at), part);
}

void Overwrite(std::string* bytes, Random& random) {
  if (bytes->empty()) return;
  const size_t at = Below(random, bytes->size());
  const size_t length = std::min(bytes->size() - at, size_t{1} << Below(random, 12));
  switch (random() % 3) {
    case 0: std::memset(bytes->data() + at, 0, length); return;
    case 1: std::memset(bytes->data() + at, 0xFF, length); return;
    default:
      for (size_t i = 0; i < length; ++i) (*bytes)[at + i] = static_cast<char>(random());
  }
}

void SwapRanges(std::string* bytes, Random& random) {
  const size_t length = 1 + Below(random, 256);
  if (bytes->size() < 2 * length) return;
  const size_t a = Below(random, bytes->size() / 2 - length + 1);
  const size_t b = bytes->size() / 2 + Below(random, bytes->size() - bytes->size() / 2 - length + 1);
  std::swap_ranges(bytes->begin() + static_cast<ptrdiff_t>(a), bytes->begin() + static_cast<ptrdiff_t>(a + length),
                   bytes->begin() + static_cast<ptrdiff_t>(b));
}

// Bytes near the end, where metadata and footers stand.
void ChangeTail(std::string* bytes, std::string_view other, Random& random) {
  const size_t tail = std::min<size_t>(bytes->size(), size_t{32} << Below(random, 8));
  std::string end = bytes->substr(bytes->size() - tail);
  MutateBytes(&end, other, random);
  bytes->replace(bytes->size() - tail, tail, end);
}

std::string Change(std::string_view content, std::string_view other, Random& random) {
  std::string bytes(content);
  const ByteMutator mutate_bytes = [&](std::string* part) { MutateBytes(part, other, random); };
  const size_t changes = 1 + (random() % 3 == 0 ? Below(random, 6) : 0);
  for (size_t i = 0; i < changes; ++i) {
    switch (random() % 12) {
      case 0: ChangeTail(&bytes, other, random); break;
      case 1: Overwrite(&bytes, random); break;
      case 2: Splice(&bytes, other, random); break;
      case 3: SwapRanges(&bytes, random); break;
      case 4: bytes.resize(Below(random, bytes.size() + 1)); break;
      case 5: bytes.append(other.substr(0, Below(random, other.size() + 1))); break;
      case 6:
      case 7: MutateBytes(&bytes, other, random); break;
      default: {
        std::optional<std::string> inside = MutateDataFile(bytes, mutate_bytes, random);
        if (!inside) inside = MutateManifestFile(bytes, mutate_bytes, random);
        if (inside) {
          bytes = std::move(*inside);
        } else {
          MutateBytes(&bytes, other, random);
        }
      }
    }
  }
  return bytes;
}

// -- reading

uint64_t ReadRows(const std::shared_ptr<const Dataset>& dataset, ScanOptions options) {
  const OpContext ctx;
  options.limit = kMaxRows;
  const auto stream = Scan(dataset, std::move(options));
  uint64_t rows = 0;
  if (!stream.ok()) return rows;
  while (true) {
    const auto batch = (*stream)->Next(ctx);
    if (!batch.ok() || *batch == nullptr) return rows;
    UseBatch(**batch);
    rows += static_cast<uint64_t>((*batch)->num_rows());
  }
}

// True if it could be opened.
bool Use(const Table& table, const std::shared_ptr<ObjectStore>& store) {
  const OpContext ctx;
  const auto opened = Dataset::Open(store, table.root, OpenOptions(), ctx);
  if (!opened.ok()) return false;
  const std::shared_ptr<const Dataset> dataset = *opened;
  (void)dataset->arrow_schema()->ToString(true);
  (void)dataset->timestamp_ns();
  (void)dataset->ListVersions(ctx).ok();
  (void)dataset->ListTags(ctx).ok();
  (void)dataset->ListBranches(ctx).ok();
  if (const auto transaction = dataset->Transaction(ctx); transaction.ok() && *transaction) (void)TransactionJson(**transaction);
  (void)VerifyDataset(dataset, VerifyOptions(), ctx).ok();
  ScanOptions all;
  all.with_row_id = all.with_row_address = true;
  ReadRows(dataset, all);
  ScanOptions some;
  some.take.emplace();
  for (uint64_t row = 0; row < dataset->num_rows() && some.take->size() < 4; row = row * 3 + 1) some.take->push_back(row);
  ReadRows(dataset, some);
  if (!dataset->schema().fields.empty()) {
    const std::string& name = dataset->schema().fields.front().name;
    if (const auto filter = ParseFilter("`" + name + "` IS NOT NULL", *dataset->arrow_schema()); filter.ok()) {
      ScanOptions filtered;
      filtered.filter = *filter;
      ReadRows(dataset, filtered);
    }
  }
  return true;
}

struct Totals {
  uint64_t cases = 0;
  uint64_t opened = 0;
  uint64_t slow = 0;
  uint64_t large = 0;
  double slowest = 0;
  uint64_t largest = 0;
};

void RunCase(const std::vector<Table>& tables, uint64_t seed, uint64_t number, Totals* totals) {
  Random random(seed * 1'000'003 + number);
  const Table& table = tables[Below(random, tables.size())];
  // One kind of object first, so that a hundred versions do not hide the data files.
  static constexpr const char* kKinds[] = {".lance", ".lance", ".lance", ".manifest", ".txn", ".arrow", ".bin", ".json", ".blob"};
  std::vector<std::string> candidates;
  const std::string kind = kKinds[Below(random, std::size(kKinds))];
  for (const std::string& path : table.targets) {
    if (path.ends_with(kind)) candidates.push_back(path);
  }
  const std::vector<std::string>& from = candidates.empty() ? table.targets : candidates;
  const std::string& target = from[Below(random, from.size())];
  const Table& other_table = tables[Below(random, tables.size())];
  const Bytes& other = other_table.objects.at(other_table.targets[Below(random, other_table.targets.size())]);
  std::snprintf(g_case, sizeof g_case, "case %llu, seed %llu: %s %s", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(seed), table.name.c_str(), target.c_str());
  const std::shared_ptr<ObjectStore> store = MakeMemoryStore();
  for (const auto& [path, bytes] : table.objects) {
    if (path != target && !store->Put(path, bytes, OpContext()).ok()) std::abort();
  }
  if (!store->Put(target, Bytes::FromString(Change(table.objects.at(target).view(), other.view(), random)), OpContext()).ok())
    std::abort();
  StartMemory();
  const int64_t live = g_live;
  const auto start = std::chrono::steady_clock::now();
  struct timespec cpu_start, cpu_end;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_start);
  ::alarm(60);
  totals->opened += Use(table, store) ? 1 : 0;
  ::alarm(0);
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_end);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // A busy machine is not the reader's fault: both clocks must say that it was slow.
  const double cpu =
      static_cast<double>(cpu_end.tv_sec - cpu_start.tv_sec) + static_cast<double>(cpu_end.tv_nsec - cpu_start.tv_nsec) / 1e9;
  const double seconds = std::min(wall, cpu);
  const uint64_t memory = MemorySinceStart(live);
  ++totals->cases;
  totals->slowest = std::max(totals->slowest, seconds);
  totals->largest = std::max(totals->largest, memory);
  if (seconds > kMaxSeconds) {
    ++totals->slow;
    std::printf("slow (%.2f s): %s\n", seconds, g_case);
  }
  if (memory > kMaxBytes) {
    ++totals->large;
    std::printf("large (%llu MiB): %s\n", static_cast<unsigned long long>(memory >> 20), g_case);
  }
  std::fflush(stdout);
}

void OnSignal(int signal) {
  char text[640];
  const int size = std::snprintf(text, sizeof text, "\nsignal %d in %s\n", signal, g_case);
  (void)!::write(STDERR_FILENO, text, static_cast<size_t>(size));
  ::signal(signal, SIG_DFL);
  ::raise(signal == SIGALRM ? SIGABRT : signal);
}

void WatchForTheEnd() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback([] { std::fprintf(stderr, "in %s\n", g_case); });
  __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);
  for (const int signal : {SIGABRT, SIGALRM}) ::signal(signal, OnSignal);
#else
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) ::signal(signal, OnSignal);
#endif
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  using namespace lancefs;
  unsigned long long cases = 1000, seed = 1, first = 0, only = ~0ULL, max_file_kib = 1024, seconds = ~0ULL;
  std::vector<std::string> folders;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    unsigned long long* value = name == "--cases"          ? &cases
                                : name == "--seed"         ? &seed
                                : name == "--first"        ? &first
                                : name == "--only"         ? &only
                                : name == "--max-file-kib" ? &max_file_kib
                                : name == "--seconds"      ? &seconds
                                                           : nullptr;
    if (value == nullptr && !name.starts_with("-")) {
      folders.push_back(name);
    } else if (value == nullptr || i + 1 == argc) {
      std::fprintf(stderr,
                   "usage: %s [--cases N] [--seed S] [--first I] [--only I] [--max-file-kib K] [--seconds T] [FOLDER...]\n",
                   argv[0]);
      return 2;
    } else {
      *value = std::strtoull(argv[++i], nullptr, 10);
    }
  }
  WatchForTheEnd();
  std::vector<Table> tables;
  if (folders.empty()) tables = OwnTables();
  for (const std::string& folder : folders) {
    if (fs::is_directory(folder)) FindDatasets(folder, max_file_kib * 1024, &tables);
  }
  if (tables.empty()) {
    std::fprintf(stderr, "no datasets\n");
    return 2;
  }
  Totals totals;
  const auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  if (only != ~0ULL) {
    first = only;
    cases = 1;
  }
  for (unsigned long long i = 0; i < cases && (seconds == ~0ULL || elapsed() < static_cast<double>(seconds)); ++i)
    RunCase(tables, seed, first + i, &totals);
  std::printf(
      "%llu cases from %llu, seed %llu, %zu datasets: %llu opened, %llu slow, %llu large; %.0f s, slowest %.2f s, most %llu "
      "MiB\n",
      static_cast<unsigned long long>(totals.cases), first, seed, tables.size(), static_cast<unsigned long long>(totals.opened),
      static_cast<unsigned long long>(totals.slow), static_cast<unsigned long long>(totals.large), elapsed(), totals.slowest,
      static_cast<unsigned long long>(totals.largest >> 20));
  return totals.slow + totals.large == 0 ? 0 : 1;
}
