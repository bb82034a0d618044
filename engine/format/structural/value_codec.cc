// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/value_codec.h"

namespace lancefs::structural {

Status ValueCodec::CheckChunkShape(const LeafShape& /*shape*/) const {
  return Status::NotSupported("this encoding is not supported in a miniblock page");
}

Status ValueCodec::CheckIndices() const { return Status::Corruption("dictionary indices are not of fixed width"); }

Status ValueCodec::AppendChunk(std::span<const std::span<const uint8_t>> /*buffers*/, uint64_t /*count*/,
                               const RowSelection& /*ranges*/, Scratch* /*scratch*/, LeafValues* /*out*/) const {
  return Status::Internal("not an encoding of chunks");
}

Status ValueCodec::DecodeIndices(std::span<const std::span<const uint8_t>> /*buffers*/, uint64_t /*count*/,
                                 Scratch* /*scratch*/) const {
  return Status::Internal("not a fixed-width encoding");
}

Status ValueCodec::ChunkOf(std::span<const std::span<const uint8_t>> /*buffers*/, uint64_t /*count*/, Scratch* /*scratch*/,
                           VariableChunk* /*chunk*/) const {
  return Status::Internal("not an encoding of variable values");
}

Status ValueCodec::CheckValueShape(const LeafShape& /*shape*/, uint64_t bits) const {
  return Status::NotSupported(std::string("this encoding is not supported for values of ") + (bits != 0 ? "fixed" : "variable") +
                              " width in a full-zip page");
}

Status ValueCodec::AppendValue(std::span<const uint8_t> /*bytes*/, Scratch* /*scratch*/, LeafValues* /*out*/) const {
  return Status::Internal("not an encoding of single values");
}

}  // namespace lancefs::structural
