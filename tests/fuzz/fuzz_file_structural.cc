// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of data files of versions 2.1 and later: the input is the whole file.
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_mutator.h"
#include "tests/fuzz/read_file.h"
#include "tests/fuzz/seeds.h"

namespace lancefs {
std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds = SeedDataFiles(FileVersion::kV2_1);
  for (std::string& file : SeedDataFiles(FileVersion::kV2_2)) seeds.push_back(std::move(file));
  for (const char* part : {"21", "22", "23"}) {
    for (std::string& file : SeedsFromFolders(part, 32 * 1024)) seeds.push_back(std::move(file));
  }
  return seeds;
}
}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lancefs::ReadFile({reinterpret_cast<const char*>(data), size}, [](lancefs::FileVersion version) {
    return version != lancefs::FileVersion::kV0_1 && version != lancefs::FileVersion::kV2_0;
  });
  return 0;
}
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return lancefs::MutateInput(data, size, max_size, seed, 0, lancefs::MutateDataFile);
}
