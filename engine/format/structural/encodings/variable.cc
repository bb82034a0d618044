// SPDX-License-Identifier: Apache-2.0
//
// variable (docs/lance/file.md 4.2): values of any length. In chunks offsets and bytes share a buffer,
// or (2.3) the offsets are a block of their own; a single value is its bytes; a block has a header.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

class VariableBlock final : public BlockCodec {
 public:
  VariableBlock() : BlockCodec(0) {}

  Status Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const override;

  bool Plausible(size_t size, uint64_t count) const override { return count < size; }

 protected:
};

struct Header {
  size_t width = 0;  // of an offset
  size_t size = 0;
  uint64_t bytes_start = 0;
};

Result<Header> ReadHeader(std::span<const uint8_t> in) {
  Header header;
  if (in.size() < 8) return Status::Corruption("a block of variable values is cut off");
  const bool stable = in[1] == 0 && in[2] == 0 && in[3] == 0;
  if (in[0] != 32 && in[0] != 64)
    return Status::Corruption("a block of variable values has " + std::to_string(in[0]) + "-bit offsets");
  header.width = in[0] / 8;
  // Before the format was stable: u8 bits, count, start of the bytes.
  header.size = stable ? 2 * header.width : 1 + 2 * header.width;
  if (in.size() < header.size) return Status::Corruption("a block of variable values is cut off");
  const uint8_t* start = in.data() + header.size - header.width;
  header.bytes_start = header.width == 4 ? LoadLittleEndian<uint32_t>(start) : LoadLittleEndian<uint64_t>(start);
  return header;
}

Status VariableBlock::Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const {
  out->variable = true;
  out->count = count;
  out->offsets.assign(1, 0);
  out->data.clear();
  if (in.empty() && count == 0) return Status::OK();
  LANCEFS_ASSIGN_OR_RETURN(const Header header, ReadHeader(in));
  const size_t width = header.width;
  if (!Plausible(in.size(), count) || header.bytes_start > in.size() || header.bytes_start < header.size ||
      (header.bytes_start - header.size) / width < count + 1) {
    return Status::Corruption("a block of variable values has a broken header");
  }
  out->wide_offsets = width == 8;
  out->offsets.resize(count + 1);
  const uint8_t* offsets = in.data() + header.size;
  const uint64_t bytes = in.size() - header.bytes_start;
  uint64_t previous = 0;
  for (uint64_t i = 0; i <= count; ++i) {
    const uint64_t offset =
        width == 4 ? LoadLittleEndian<uint32_t>(offsets + i * 4) : LoadLittleEndian<uint64_t>(offsets + i * 8);
    if (offset < previous || offset > bytes) return Status::Corruption("a block of variable values has broken offsets");
    out->offsets[i] = previous = offset;
  }
  out->data.assign(in.begin() + static_cast<ptrdiff_t>(header.bytes_start), in.end());
  return Status::OK();
}

class VariableValues final : public ValueCodec {
 public:
  // `offsets` is null if they stand before the bytes.
  VariableValues(unsigned width, std::unique_ptr<BlockCodec> offsets) : width_(width), offsets_(std::move(offsets)) {}

  bool is_variable() const override { return true; }
  size_t num_buffers() const override { return offsets_ != nullptr && offsets_->has_payload() ? 2 : 1; }
  Status CheckChunkShape(const LeafShape& shape) const override { return CheckShape(shape); }
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    return bits == 0 ? CheckShape(shape) : ValueCodec::CheckValueShape(shape, bits);
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* /*scratch*/, LeafValues* out) const override {
    return out->AppendValue(bytes);
  }
  Status ChunkOf(Buffers buffers, uint64_t count, Scratch* scratch, VariableChunk* chunk) const override;
  Status AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                     LeafValues* out) const override;

 private:
  static Status CheckShape(const LeafShape& shape) {
    return shape.kind == ShapeKind::kVariable ? Status::OK() : Misfit("values of variable width", shape);
  }

  unsigned width_;  // bytes of an offset
  std::unique_ptr<BlockCodec> offsets_;
};

Status VariableValues::ChunkOf(Buffers buffers, uint64_t count, Scratch* scratch, VariableChunk* chunk) const {
  chunk->width = width_;
  if (offsets_ == nullptr) {  // relative to the buffer, which begins with them
    chunk->offsets = chunk->bytes = buffers[0];
    return Status::OK();
  }
  const std::span<const uint8_t> payload = offsets_->has_payload() ? buffers[0] : std::span<const uint8_t>();
  scratch->offsets.resize((count + 1) * width_);
  LANCEFS_RETURN_NOT_OK(offsets_->DecodeTo(payload, count + 1, scratch->offsets.data()));
  chunk->offsets = scratch->offsets;
  chunk->bytes = buffers.back();
  return Status::OK();
}

Status VariableValues::AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                                   LeafValues* out) const {
  VariableChunk chunk;
  LANCEFS_RETURN_NOT_OK(ChunkOf(buffers, count, scratch, &chunk));
  for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendVariable(chunk, range.start, range.length()));
  return Status::OK();
}

}  // namespace

BlockResult MakeVariableBlock() { return std::unique_ptr<BlockCodec>(std::make_unique<VariableBlock>()); }

ValueResult MakeVariableValues(const pb::v21::Variable& encoding, int depth) {
  if (encoding.has_values()) return Status::NotSupported("compressed variable values are not supported");
  uint64_t bits = 0;
  std::unique_ptr<BlockCodec> offsets;
  if (encoding.offsets().has_flat()) {
    bits = encoding.offsets().flat().bits_per_value();
  } else {
    LANCEFS_ASSIGN_OR_RETURN(offsets, BlockCodec::Make(encoding.offsets(), depth + 1));
    bits = offsets->bits();
  }
  if (bits != 32 && bits != 64) return Status::Corruption("offsets of " + std::to_string(bits) + " bits");
  return std::unique_ptr<ValueCodec>(std::make_unique<VariableValues>(static_cast<unsigned>(bits / 8), std::move(offsets)));
}

}  // namespace lancefs::structural
