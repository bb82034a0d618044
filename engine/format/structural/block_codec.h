// SPDX-License-Identifier: Apache-2.0
//
// Encodings in block position (docs/lance/file.md 4): one opaque buffer, or none at all, with the number
// of values known from outside. Level streams, page dictionaries, and the sequences of 2.3 pages. One
// class an encoding, each in its file in encodings/.
//
// Thread safety: a built codec is immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "engine/format/compression.h"
#include "engine/format/structural/grammar.h"

namespace lancefs::structural {

// A decoded block: fixed-width rows, or variable values with count + 1 offsets into `data`.
struct Block {
  bool variable = false;
  bool wide_offsets = false;
  uint64_t bits = 0;  // of a fixed-width value
  uint64_t count = 0;
  std::vector<uint8_t> data;
  std::vector<uint64_t> offsets;
  // Rows that are fixed-size lists: items a row of every list, outermost first, cumulated, and a bitmap
  // of the items each (1 = valid; empty = all are).
  std::vector<uint64_t> list_items;
  std::vector<std::vector<uint8_t>> item_validity;
};

// What a buffer may claim to expand to if its size does not bound it.
inline constexpr uint64_t kMaxExpanded = uint64_t{1} << 26;

class BlockCodec {
 public:
  // Errors: kNotSupported naming the encoding, kCorruption.
  static Result<std::unique_ptr<BlockCodec>> Make(const pb::v21::CompressiveEncoding& encoding, int depth = 0);
  virtual ~BlockCodec() = default;

  // The width of a decoded value; 0 = variable.
  uint64_t bits() const { return bits_; }
  // Whether there is a buffer at all; values may stand in the message alone.
  virtual bool has_payload() const { return true; }
  // Whether so many bytes can hold `count` values; checked before memory is taken.
  virtual bool Plausible(size_t size, uint64_t count) const = 0;
  // Decodes exactly `count` values.
  virtual Status Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const;
  // The same for fixed-width values into `out`, which has room for them and for whole bytes.
  Status DecodeTo(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const;
  // Decodes exactly `count` levels (16-bit values) and appends them to `out`.
  virtual Status AppendLevels(std::span<const uint8_t> in, uint64_t count, std::vector<uint16_t>* out) const;
  // The number of levels where only its remainder modulo 65536 is stored (old writers): run lengths tell the true
  // count, all else has as many as stored. Errors: kCorruption if the two do not fit.
  virtual Result<uint64_t> LevelCount(std::span<const uint8_t> in, uint64_t stored_count) const;

  // -- for run lengths, whose number nobody states
  // Whether the buffer itself tells how many values it has: then DecodeAll gives them.
  virtual bool tells_count() const { return false; }
  virtual Status DecodeAll(std::span<const uint8_t> in, std::vector<uint8_t>* out) const;
  // The number of values that add up to `sum`. Only for values that stand in the message.
  virtual Result<uint64_t> CountForSum(uint64_t sum) const;

 protected:
  explicit BlockCodec(uint64_t bits) : bits_(bits) {}
  // REQUIRES: Plausible, fixed width.
  virtual Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const;
  uint64_t bits_ = 0;
};

}  // namespace lancefs::structural
