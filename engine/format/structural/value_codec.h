// SPDX-License-Identifier: Apache-2.0
//
// Value encodings in miniblock and full-zip position (docs/lance/file.md 4): built once per page from
// its message, checked against the column's shape, then applied chunk by chunk or value by value. One
// class an encoding, each in its file in encodings/.
//
// Thread safety: a built codec is immutable; a Scratch belongs to one thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/structural/leaf_values.h"

namespace lancefs::structural {

// Reused memory of decoders.
struct Scratch {
  std::vector<uint8_t> rows;
  std::vector<uint8_t> plain;
  std::vector<uint8_t> offsets;
  std::vector<uint32_t> indices;
};

class ValueCodec {
 public:
  // Errors: kNotSupported naming the encoding, kCorruption.
  static Result<std::unique_ptr<ValueCodec>> Make(const pb::v21::CompressiveEncoding& encoding, int depth = 0);
  virtual ~ValueCodec() = default;

  // -- miniblock
  // Buffers that a chunk has.
  virtual size_t num_buffers() const { return 1; }
  // Whether chunks of this encoding can fill values of that shape.
  virtual Status CheckChunkShape(const LeafShape& shape) const;
  // Whether the codec gives indices of a dictionary.
  virtual Status CheckIndices() const;
  // Appends the values `ranges` of a chunk of `count` values.
  virtual Status AppendChunk(std::span<const std::span<const uint8_t>> buffers, uint64_t count, const RowSelection& ranges,
                             Scratch* scratch, LeafValues* out) const;
  // The chunk's values, widened to 32 bits, in scratch->indices.
  virtual Status DecodeIndices(std::span<const std::span<const uint8_t>> buffers, uint64_t count, Scratch* scratch) const;
  // Where offsets and bytes of a chunk of variable values lie.
  virtual Status ChunkOf(std::span<const std::span<const uint8_t>> buffers, uint64_t count, Scratch* scratch,
                         VariableChunk* chunk) const;

  // -- full zip
  // Whether single values of this encoding, `bits` wide (0 = variable), can fill values of that shape.
  virtual Status CheckValueShape(const LeafShape& shape, uint64_t bits) const;
  // `bytes` is one value, of the page's fixed width or as long as its length prefix says.
  virtual Status AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const;
  // Values that are nothing but their bytes, so that many can be copied at once.
  virtual bool IsPlainRows(const LeafShape& /*shape*/) const { return false; }

  // -- what an encoding around another one may ask
  virtual bool is_variable() const { return false; }
};

}  // namespace lancefs::structural
