// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of what describes a table: the first byte says as what the rest is put into a table without data (0 manifest,
// 1 transaction file, 2 tag, 3 branch), which is then opened and described.
#include <cstdlib>

#include "backends/memory_store.h"
#include "engine/format/row_ids.h"
#include "engine/format/transaction_json.h"
#include "engine/scan/scanner.h"
#include "engine/scan/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_mutator.h"
#include "tests/fuzz/seeds.h"

namespace lancefs {
namespace {

constexpr char kManifest[] = "t.lance/_versions/18446744073709551614.manifest";
constexpr char kTransaction[] = "t.lance/_transactions/0-0.txn";

// A sound manifest that names kTransaction.
const Bytes& SoundManifest() {
  static const Bytes bytes = [] {
    for (const auto& [path, content] : SeedTable(FileVersion::kV2_2)) {
      if (!path.ends_with(".manifest")) continue;
      pb::Manifest manifest = *ParseManifestFile(content)->manifest;
      manifest.clear_index_section();
      manifest.set_transaction_file("0-0.txn");
      return Bytes::FromString(SerializeManifestFile(manifest, "", nullptr));
    }
    std::abort();
  }();
  return bytes;
}

void Describe(const std::shared_ptr<ObjectStore>& store) {
  const OpContext ctx;
  const auto dataset = Dataset::Open(store, "t.lance", OpenOptions(), ctx);
  if (!dataset.ok()) return;
  (void)(*dataset)->timestamp_ns();
  (void)CheckWriterFlags((*dataset)->manifest()).ok();
  (void)(*dataset)->arrow_schema()->ToString();
  (void)(*dataset)->ListVersions(ctx).ok();
  (void)(*dataset)->ListTags(ctx).ok();
  (void)(*dataset)->ListBranches(ctx).ok();
  if (const auto transaction = (*dataset)->Transaction(ctx); transaction.ok() && *transaction)
    (void)TransactionJson(**transaction);
  (void)VerifyDataset(*dataset, VerifyOptions(), ctx).ok();
  (void)CountRows(*dataset, ScanOptions(), ctx).ok();
  ScanOptions options;
  options.with_row_id = true;
  if (const auto stream = Scan(*dataset, options); stream.ok()) (void)(*stream)->Next(ctx).ok();
}

std::string Seed(char kind, std::string_view bytes) {
  std::string seed(1, kind);
  return seed.append(bytes);
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  for (const FileVersion version : {FileVersion::kV2_0, FileVersion::kV2_2}) {
    for (const auto& [path, content] : SeedTable(version)) {
      if (path.ends_with(".manifest")) seeds.push_back(Seed(0, content.view()));
      if (path.ends_with(".txn")) seeds.push_back(Seed(1, content.view()));
    }
  }
  seeds.push_back(Seed(2, R"({"branch":null,"version":1,"createdAt":"2025-01-01T00:00:00Z","manifestSize":1000})"));
  seeds.push_back(Seed(3, R"({"parentBranch":null,"parentVersion":1,"createAt":1735689600,"manifestSize":1000})"));
  constexpr size_t kMaxSeed = 16 * 1024;
  for (const std::string& file : SeedsFromFolders(".manifest", kMaxSeed)) seeds.push_back(Seed(0, file));
  for (const std::string& file : SeedsFromFolders(".txn", kMaxSeed)) seeds.push_back(Seed(1, file));
  return seeds;
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const char* const kPaths[] = {lancefs::kManifest, lancefs::kTransaction, "t.lance/_refs/tags/a.json",
                                       "t.lance/_refs/branches/b%2Fc.json"};
  const std::shared_ptr<lancefs::ObjectStore> store = lancefs::MakeMemoryStore();
  if (!store->Put(lancefs::kManifest, lancefs::SoundManifest(), lancefs::OpContext()).ok()) std::abort();
  if (!store->Put(kPaths[data[0] % std::size(kPaths)], lancefs::Bytes::Copy({data + 1, size - 1}), lancefs::OpContext()).ok())
    std::abort();
  lancefs::Describe(store);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  const bool transaction = size != 0 && data[0] % 4 == 1;
  return lancefs::MutateInput(data, size, max_size, seed, 1,
                              [transaction](std::string_view object, const lancefs::ByteMutator& mutate_bytes,
                                            lancefs::Random& random) -> std::optional<std::string> {
                                lancefs::pb::Transaction message;
                                if (!transaction) return lancefs::MutateManifestFile(object, mutate_bytes, random);
                                if (!message.ParseFromArray(object.data(), static_cast<int>(object.size()))) return std::nullopt;
                                lancefs::MutateMessage(&message, mutate_bytes, random);
                                return message.SerializeAsString();
                              });
}
