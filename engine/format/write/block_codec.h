// SPDX-License-Identifier: Apache-2.0
//
// Block encodings: one opaque buffer for a known number of values. Levels of mini-blocks and of
// constant pages, dictionary values (docs/lance/file.md 4, 4.13).
//
// Thread safety: functions without state; LevelCodec is a value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/format/proto/encodings21.pb.h"

namespace lancefs {

// Number of bits that hold `value` (0 for 0).
unsigned BitWidth(uint64_t value);
pb::v21::CompressiveEncoding FlatEncoding(uint64_t bits);

// One encoding for all the level buffers of a page. `ends` are the chunk borders in `levels` (the
// last is their number): every chunk's levels become a buffer of their own.
class LevelCodec {
 public:
  static LevelCodec Choose(std::span<const uint16_t> levels, std::span<const uint64_t> ends);
  const pb::v21::CompressiveEncoding& encoding() const { return encoding_; }
  bool is_flat() const { return kind_ == Kind::kFlat; }
  // Appends the encoded levels of one chunk.
  void Encode(std::span<const uint16_t> levels, std::string* out) const;

 private:
  enum class Kind { kFlat, kInline, kOutOfLine, kRle };
  Kind kind_ = Kind::kFlat;
  unsigned width_ = 16;
  pb::v21::CompressiveEncoding encoding_;
};

}  // namespace lancefs
