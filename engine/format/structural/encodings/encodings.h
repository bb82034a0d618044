// SPDX-License-Identifier: Apache-2.0
//
// The compressive encodings, one file each (docs/encodings.md has the table). Only registry.cc and the
// encodings themselves include this: the factories of every encoding in the positions that it has, and
// the small helpers that they share.
//
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/value_codec.h"

namespace lancefs::structural {

using BlockResult = Result<std::unique_ptr<BlockCodec>>;
using ValueResult = Result<std::unique_ptr<ValueCodec>>;
using Buffers = std::span<const std::span<const uint8_t>>;

// -- block position
BlockResult MakeFlatBlock(const pb::v21::Flat& encoding);
BlockResult MakeVariableBlock();
BlockResult MakeConstantBlock(const pb::v21::Constant& encoding);
BlockResult MakeOutOfLineBitpackingBlock(const pb::v21::OutOfLineBitpacking& encoding);
BlockResult MakeInlineBitpackingBlock(const pb::v21::InlineBitpacking& encoding);
BlockResult MakeRleBlock(const pb::v21::Rle& encoding, int depth);
BlockResult MakeGeneralBlock(const pb::v21::General& encoding, int depth);
BlockResult MakeFixedSizeListBlock(const pb::v21::FixedSizeList& encoding, int depth);
BlockResult MakeRangeBlock(const pb::v21::Range& encoding);
BlockResult MakeDeltaBlock(const pb::v21::Delta& encoding, int depth);
BlockResult MakeDictionaryBlock(const pb::v21::Dictionary& encoding, int depth);

// -- values of a chunk, single values
ValueResult MakeFlatValues(const pb::v21::Flat& encoding);
ValueResult MakeVariableValues(const pb::v21::Variable& encoding, int depth);
ValueResult MakeConstantValues(const pb::v21::Constant& encoding);
ValueResult MakeInlineBitpackingValues(const pb::v21::InlineBitpacking& encoding);
ValueResult MakeFsstValues(const pb::v21::Fsst& encoding, int depth);
ValueResult MakeRleValues(const pb::v21::Rle& encoding, int depth);
ValueResult MakeByteStreamSplitValues(const pb::v21::ByteStreamSplit& encoding);
ValueResult MakeGeneralValues(const pb::v21::General& encoding, int depth);
ValueResult MakeFixedSizeListValues(const pb::v21::FixedSizeList& encoding, int depth);
ValueResult MakePackedStructValues(const pb::v21::PackedStruct& encoding, int depth);
ValueResult MakeVariablePackedStructValues(const pb::v21::VariablePackedStruct& encoding, int depth);

// -- helpers
inline bool IsWordBits(uint64_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }
inline uint64_t BytesFor(uint64_t bits) { return (bits + 7) / 8; }

inline Status WrongSize(const char* what, uint64_t have, uint64_t want) {
  return Status::Corruption(std::string(what) + " has " + std::to_string(have) + " bytes instead of " + std::to_string(want));
}
inline Status Misfit(const std::string& what, const LeafShape& shape) {
  return Status::Corruption(what + " do not fit type " + shape.type->ToString());
}
// Levels, positions and indices are words: the widths that integer encodings may have.
inline Status CheckWordBits(const char* what, uint64_t bits) {
  return IsWordBits(bits) ? Status::OK() : Status::Corruption(std::string(what) + " of " + std::to_string(bits) + " bits");
}

// Calls `f` with a value of the unsigned type of that width. REQUIRES: IsWordBits.
template <typename F>
auto ForWord(uint64_t bits, F&& f) {
  switch (bits) {
    case 8: return f(uint8_t{});
    case 16: return f(uint16_t{});
    case 32: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

// Values of 32 or 64 bits as 64-bit values.
Result<std::vector<uint64_t>> DecodeWords(const BlockCodec& codec, std::span<const uint8_t> in, uint64_t count);

}  // namespace lancefs::structural
