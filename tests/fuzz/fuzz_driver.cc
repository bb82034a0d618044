// SPDX-License-Identifier: Apache-2.0
//
// A driver for the fuzz targets where libFuzzer is not at hand (it comes with clang only):
//
//   fuzz_X [--runs N] [--seed S] [--only I] [--seconds T] [FILE|FOLDER...]
//
// First the files are run as they are (what was found before lies in regressions/fuzz_X). Then every run changes one of the
// target's seeds in a few places. A run depends on its number and the seed alone, so the number that a crash or a hang prints is
// enough to repeat it with --only.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/mutators.h"

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace {

constexpr unsigned kSecondsPerRun = 60;
char current_name[512] = "";  // of what is run, for the message when it ends badly

void OnSignal(int signal) {
  char text[600];
  const int size = std::snprintf(text, sizeof text, "\nsignal %d in %s\n", signal, current_name);
  (void)!::write(STDERR_FILENO, text, static_cast<size_t>(size));
  ::signal(signal, SIG_DFL);
  ::raise(signal == SIGALRM ? SIGABRT : signal);
}

using lancefs::Below;
using lancefs::Random;

constexpr size_t kRoom = 4096;  // that a change may add
Random* current_random = nullptr;
const std::vector<std::string>* current_seeds = nullptr;

// One change: the target's own kind where it has one.
void Change(std::string* input, Random& random) {
  const size_t size = input->size();
  input->resize(size + kRoom);
  auto* data = reinterpret_cast<uint8_t*>(input->data());
  const size_t changed = LLVMFuzzerCustomMutator != nullptr
                             ? LLVMFuzzerCustomMutator(data, size, input->size(), static_cast<unsigned>(random()))
                             : LLVMFuzzerMutate(data, size, input->size());
  input->resize(changed);
}

void RunInput(const std::string& input) {
  ::alarm(kSecondsPerRun);
  // A copy of exactly that size, so that reads beyond the end are noticed.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  ::alarm(0);
}

// Files, and what lies in folders: inputs as they are.
void RunFiles(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
  } else {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    std::snprintf(current_name, sizeof current_name, "%s", file.c_str());
    std::ifstream stream(file, std::ios::binary);
    if (!stream) std::abort();
    RunInput({std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()});
  }
  std::printf("%zu files of %s\n", files.size(), path.c_str());
}

void RunOnce(unsigned long long number, unsigned long long seed, const std::vector<std::string>& seeds) {
  std::snprintf(current_name, sizeof current_name, "run %llu", number);
  Random random(seed * 1'000'003 + number);
  std::string input = seeds[number % seeds.size()];
  const size_t changes = number < seeds.size() ? 0 : 1 + Below(random, 8);
  current_random = &random;
  current_seeds = &seeds;
  for (size_t i = 0; i < changes; ++i) Change(&input, random);
  RunInput(input);
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string>& seeds = *current_seeds;
  const std::string_view other = seeds.empty() ? std::string_view() : seeds[Below(*current_random, seeds.size())];
  lancefs::MutateBytes(&bytes, other, *current_random);
  bytes.resize(std::min(bytes.size(), max_size));
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

int main(int argc, char** argv) {
  unsigned long long runs = 1000, seed = 1, only = ~0ULL, seconds = ~0ULL;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    unsigned long long* value = name == "--runs"      ? &runs
                                : name == "--seed"    ? &seed
                                : name == "--only"    ? &only
                                : name == "--seconds" ? &seconds
                                                      : nullptr;
    if (value == nullptr && !name.starts_with("-")) {
      files.emplace_back(name);
    } else if (value == nullptr || i + 1 == argc) {
      std::fprintf(stderr, "usage: %s [--runs N] [--seed S] [--only I] [--seconds T] [FILE|FOLDER...]\n", argv[0]);
      return 2;
    } else {
      *value = std::strtoull(argv[++i], nullptr, 10);
    }
  }
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback([] { std::fprintf(stderr, "in %s\n", current_name); });  // it reports signals itself
  for (const int signal : {SIGABRT, SIGALRM}) ::signal(signal, OnSignal);
#else
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) ::signal(signal, OnSignal);
#endif
  for (const std::filesystem::path& path : files) {
    if (std::filesystem::exists(path)) RunFiles(path);
  }
  const std::vector<std::string> seeds = lancefs::FuzzSeeds();
  if (only != ~0ULL) {
    RunOnce(only, seed, seeds);
    return 0;
  }
  const auto start = std::chrono::steady_clock::now();
  unsigned long long done = 0;
  for (; done < runs; ++done) {
    if (seconds != ~0ULL && std::chrono::steady_clock::now() - start > std::chrono::seconds(seconds)) break;
    RunOnce(done, seed, seeds);
  }
  std::printf("%llu runs, seed %llu\n", done, seed);
  return 0;
}
