// SPDX-License-Identifier: Apache-2.0
//
// RowsCodec: the common half of the encodings whose chunks decode to rows of one fixed width: whole
// chunks straight into the output, parts of a chunk by way of scratch memory, dictionary indices.
//
// Thread safety: as ValueCodec.
#pragma once

#include "engine/format/structural/value_codec.h"

namespace lancefs::structural {

class RowsCodec : public ValueCodec {
 public:
  Status CheckChunkShape(const LeafShape& shape) const override;
  Status CheckIndices() const override;
  Status AppendChunk(std::span<const std::span<const uint8_t>> buffers, uint64_t count, const RowSelection& ranges,
                     Scratch* scratch, LeafValues* out) const override;
  Status DecodeIndices(std::span<const std::span<const uint8_t>> buffers, uint64_t count, Scratch* scratch) const override;

 protected:
  explicit RowsCodec(uint64_t bits) : bits_(bits) {}
  // Whether DecodeRows only points into the chunk.
  virtual bool in_place() const { return false; }
  // The chunk's rows: in place, or in `dest`, which has room for whole blocks of 1024.
  virtual Status DecodeRows(std::span<const std::span<const uint8_t>> buffers, uint64_t count, uint8_t* dest, Scratch* scratch,
                            const uint8_t** rows) const = 0;

  uint64_t bits_ = 0;  // of a row
};

}  // namespace lancefs::structural
