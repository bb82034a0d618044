// SPDX-License-Identifier: Apache-2.0
//
// General compression with the framing of Lance (docs/lance/file.md 4.10).
//
// Thread safety: all functions, from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace lancefs {

// Appends u64 uncompressed length and one zstd frame; level 0 is zstd's default.
void AppendZstd(std::span<const uint8_t> bytes, int level, std::string* out);
// Appends u32 uncompressed length and one LZ4 block. REQUIRES: bytes.size() < 2 GiB - 16 MiB.
void AppendLz4(std::span<const uint8_t> bytes, std::string* out);

}  // namespace lancefs
