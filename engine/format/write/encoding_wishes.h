// SPDX-License-Identifier: Apache-2.0
//
// EncodingWishes: what the field metadata keys lance-encoding:* ask of the writer (docs/lance/file.md
// 5.4). Unknown keys and values are ignored.
//
// Thread safety: a value.
#pragma once

#include <cstdint>

#include "engine/format/schema.h"

namespace lancefs {

struct EncodingWishes {
  enum class Compression { kAuto, kNone, kFsst, kLz4, kZstd };
  enum class Switch { kOff, kOn, kAuto };
  enum class Structure { kAuto, kMiniBlock, kFullZip };

  Compression compression = Compression::kAuto;
  int level = 0;  // of zstd; 0 = its default
  Switch byte_stream_split = Switch::kAuto;
  double rle_threshold = 1;  // runs a value from which RLE is not considered
  uint32_t string_chunk_bytes = 4096;
  Structure structure = Structure::kAuto;
  uint64_t dictionary_divisor = 2;
  double dictionary_size_ratio = 0.8;
  uint64_t dictionary_max_bytes = 8 * 1024 * 1024;
  Compression dictionary_compression = Compression::kAuto;
  int dictionary_level = 0;

  bool compresses() const { return compression == Compression::kLz4 || compression == Compression::kZstd; }
};

// The wishes for a leaf; the structure is asked for at its top-level field.
EncodingWishes WishesOf(const Field& leaf, const Field& root);

}  // namespace lancefs
