// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/input_mutator.h"

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

namespace lancefs {

size_t MutateInput(uint8_t* data, size_t size, size_t max_size, unsigned seed, size_t header, const PartMutator& change) {
  Random random(seed);
  if (size < header || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const ByteMutator mutate_bytes = [](std::string* bytes) {
    constexpr size_t kRoom = 16;
    const size_t old = bytes->size();
    bytes->resize(old + kRoom);
    bytes->resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes->data()), old, bytes->size()));
  };
  const std::string_view input(reinterpret_cast<const char*>(data) + header, size - header);
  const std::optional<std::string> changed = change(input, mutate_bytes, random);
  if (!changed || changed->size() > max_size - header) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(changed->begin(), changed->end(), data + header);
  return changed->size() + header;
}

}  // namespace lancefs
