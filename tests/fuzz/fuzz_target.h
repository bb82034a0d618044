// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target gives: the entry point that libFuzzer knows, inputs to start from, and, where blind changes would not get
// far, changes of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Aborts where something is wrong; whatever the bytes are, nothing may be.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Optional. Changes data[0, size) in place, up to max_size; the new size. REQUIRES: room for max_size bytes.
extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed);
// A blind change; libFuzzer's, or the driver's own where that is not at hand.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace lancefs {
std::vector<std::string> FuzzSeeds();
}
