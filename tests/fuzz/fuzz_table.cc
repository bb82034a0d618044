// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the table formats: small tables of each file version of which one object (manifest, transaction or data file) is
// replaced by the input. The first byte tells which. Whatever stands in it: an error or rows, never a crash.
#include <algorithm>
#include <cstdlib>

#include "backends/memory_store.h"
#include "engine/scan/scanner.h"
#include "engine/scan/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_mutator.h"
#include "tests/fuzz/read_file.h"
#include "tests/fuzz/seeds.h"

namespace lancefs {
namespace {

constexpr char kPath[] = "t.lance";
// A manifest may say that billions of rows are null, which is all there is to read then.
constexpr uint64_t kMaxRows = 10'000;

const std::vector<Objects>& Tables() {
  static const std::vector<Objects> tables = {SeedTable(FileVersion::kV2_0), SeedTable(FileVersion::kV2_1),
                                              SeedTable(FileVersion::kV2_2)};
  return tables;
}

// Reads everything that a reader of the table would.
void Use(const std::shared_ptr<ObjectStore>& store) {
  const OpContext ctx;
  auto dataset = Dataset::Open(store, kPath, OpenOptions(), ctx);
  if (!dataset.ok()) return;
  (void)(*dataset)->ListVersions(ctx).ok();
  (void)VerifyDataset(*dataset, VerifyOptions(), ctx).ok();
  for (const bool few : {false, true}) {
    ScanOptions options;
    options.with_row_id = true;
    options.limit = kMaxRows;
    if (few) options.take = std::vector<uint64_t>{0, 7, 8, 299};
    auto stream = Scan(*dataset, options);
    if (!stream.ok()) continue;
    while (true) {
      auto batch = (*stream)->Next(ctx);
      if (!batch.ok() || *batch == nullptr) break;
      UseBatch(**batch);
    }
  }
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  size_t number = 0;
  for (const Objects& table : Tables()) {
    for (const auto& [path, bytes] : table) seeds.push_back(static_cast<char>(number++) + std::string(bytes.view()));
  }
  return seeds;
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  size_t number = 0;
  for (const lancefs::Objects& table : lancefs::Tables()) {
    for (const auto& [changed, unused] : table) {
      if (number++ != data[0]) continue;
      const std::shared_ptr<lancefs::ObjectStore> store = lancefs::MakeMemoryStore();
      for (const auto& [path, bytes] : table) {
        const lancefs::Bytes content =
            path == changed ? lancefs::Bytes::FromString(std::string(reinterpret_cast<const char*>(data) + 1, size - 1)) : bytes;
        if (!store->Put(path, content, lancefs::OpContext()).ok()) std::abort();
      }
      lancefs::Use(store);
    }
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return lancefs::MutateInput(data, size, max_size, seed, 1,
                              [](std::string_view object, const lancefs::ByteMutator& mutate_bytes, lancefs::Random& random) {
                                auto changed = lancefs::MutateDataFile(object, mutate_bytes, random);
                                return changed ? changed : lancefs::MutateManifestFile(object, mutate_bytes, random);
                              });
}
