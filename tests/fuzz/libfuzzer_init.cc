// SPDX-License-Identifier: Apache-2.0
//
// With libFuzzer: `fuzz_X write_seeds=DIR` writes the target's seeds into DIR, to be given to the run itself.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr char kOption[] = "write_seeds=";
  for (int i = 1; i < *argc; ++i) {
    if (std::strncmp((*argv)[i], kOption, sizeof kOption - 1) != 0) continue;
    const std::filesystem::path folder = (*argv)[i] + sizeof kOption - 1;
    std::filesystem::create_directories(folder);
    size_t number = 0;
    for (const std::string& seed : lancefs::FuzzSeeds())
      std::ofstream(folder / ("seed" + std::to_string(number++)), std::ios::binary) << seed;
    std::printf("%zu seeds\n", number);
    std::exit(0);
  }
  return 0;
}
