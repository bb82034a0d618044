// SPDX-License-Identifier: Apache-2.0
//
// A driver for the fuzz targets where libFuzzer is not at hand (it comes with clang only):
//
//   fuzz_X [--runs N] [--seed S] [--only I] [--seconds T]
//
// Every run changes one of the target's seeds in a few places. A run depends on its number and the seed alone, so the number that
// a crash or a hang prints is enough to repeat it with --only.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "tests/fuzz/fuzz_target.h"

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace {

constexpr unsigned kSecondsPerRun = 60;
volatile unsigned long long current_run = 0;

void OnSignal(int signal) {
  char text[96];
  const int size = std::snprintf(text, sizeof text, "\nsignal %d in run %llu\n", signal, current_run);
  (void)!::write(STDERR_FILENO, text, static_cast<size_t>(size));
  ::signal(signal, SIG_DFL);
  ::raise(signal == SIGALRM ? SIGABRT : signal);
}

using Random = std::mt19937_64;

size_t Below(Random& random, size_t limit) { return limit == 0 ? 0 : random() % limit; }

// What parsers get wrong: borders of integers, lengths that lie, text that ends early.
void Mutate(std::string* input, const std::vector<std::string>& seeds, Random& random) {
  static constexpr uint64_t kBorders[] = {
      0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, ~0ULL};
  const size_t at = Below(random, input->size());
  switch (random() % 8) {
    case 0:
      if (!input->empty()) (*input)[at] = static_cast<char>((*input)[at] ^ (1 << (random() % 8)));
      break;
    case 1:
      if (!input->empty()) (*input)[at] = static_cast<char>(random());
      break;
    case 2: {
      const uint64_t value = kBorders[Below(random, std::size(kBorders))];
      const size_t width = size_t{1} << (random() % 4);
      if (at + width <= input->size()) std::memcpy(input->data() + at, &value, width);
      break;
    }
    case 3: input->resize(at); break;
    case 4: input->erase(at, 1 + Below(random, 16)); break;
    case 5: input->insert(at, input->substr(Below(random, input->size()), 1 + Below(random, 32))); break;
    case 6: {
      const std::string& other = seeds[Below(random, seeds.size())];
      const size_t from = Below(random, other.size());
      const std::string part = other.substr(from, 1 + Below(random, 64));
      input->replace(at, std::min(part.size(), input->size() - at), part);
      break;
    }
    default:
      if (input->size() > 4) {  // the end of a file often says where all else lies
        const size_t tail = input->size() - 1 - Below(random, std::min<size_t>(input->size(), 64));
        (*input)[tail] = static_cast<char>(random());
      }
  }
}

void RunOnce(unsigned long long number, unsigned long long seed, const std::vector<std::string>& seeds) {
  current_run = number;
  Random random(seed * 1'000'003 + number);
  std::string input = seeds[number % seeds.size()];
  const size_t changes = number < seeds.size() ? 0 : 1 + Below(random, 8);
  for (size_t i = 0; i < changes; ++i) Mutate(&input, seeds, random);
  ::alarm(kSecondsPerRun);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  ::alarm(0);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned long long runs = 1000, seed = 1, only = ~0ULL, seconds = ~0ULL;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    unsigned long long* value = name == "--runs"      ? &runs
                                : name == "--seed"    ? &seed
                                : name == "--only"    ? &only
                                : name == "--seconds" ? &seconds
                                                      : nullptr;
    if (value == nullptr) {
      std::fprintf(stderr, "usage: %s [--runs N] [--seed S] [--only I] [--seconds T]\n", argv[0]);
      return 2;
    }
    *value = std::strtoull(argv[i + 1], nullptr, 10);
  }
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback([] { std::fprintf(stderr, "in run %llu\n", current_run); });  // it reports signals itself
  for (const int signal : {SIGABRT, SIGALRM}) ::signal(signal, OnSignal);
#else
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) ::signal(signal, OnSignal);
#endif
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
