// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target gives: the entry point that libFuzzer knows, and inputs to start from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Aborts where something is wrong; whatever the bytes are, nothing may be.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace lancefs {
std::vector<std::string> FuzzSeeds();
}
