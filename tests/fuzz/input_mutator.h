// SPDX-License-Identifier: Apache-2.0
//
// What LLVMFuzzerCustomMutator of a target does: mostly a change inside of the input's parts, else a blind one.
//
// Thread safety: free functions.
#pragma once

#include <functional>

#include "tests/fuzz/mutators.h"

namespace lancefs {

// One change inside of the input (without its first `header` bytes), or nothing if it has no parts.
using PartMutator = std::function<std::optional<std::string>(std::string_view input, const ByteMutator&, Random&)>;
size_t MutateInput(uint8_t* data, size_t size, size_t max_size, unsigned seed, size_t header, const PartMutator& change);

}  // namespace lancefs
