// SPDX-License-Identifier: Apache-2.0
//
// General compression of one buffer with its framing (docs/lance/file.md 4.10): lz4 = u32 length and a
// block, zstd = u64 length and a frame, or (old writers) a bare zstd frame. Used by the pages of every
// version.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"

namespace lancefs {

enum class Compression : uint8_t { kLz4, kZstd };

// Gives the memory for `size` decompressed bytes; asked once.
using AllocateBytes = std::function<uint8_t*(size_t size)>;

// The payload of a framed buffer, empty for an empty one. What a buffer says of its length is believed
// only as far as its size can hold. Errors: kCorruption.
Status Decompress(Compression scheme, std::span<const uint8_t> in, const AllocateBytes& allocate);
// The same; `out` is resized.
Status Decompress(Compression scheme, std::span<const uint8_t> in, std::vector<uint8_t>* out);

}  // namespace lancefs
