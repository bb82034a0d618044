// SPDX-License-Identifier: Apache-2.0
//
// general (docs/lance/file.md 4.10): lz4 or zstd around another encoding: the first buffer of a chunk, a
// single value, a whole block.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

Result<Compression> SchemeOf(const pb::v21::General& encoding) {
  switch (encoding.compression().scheme()) {
    case pb::v21::COMPRESSION_ALGORITHM_LZ4: return Compression::kLz4;
    case pb::v21::COMPRESSION_ALGORITHM_ZSTD: return Compression::kZstd;
    default: break;
  }
  return Status::NotSupported("compression scheme " + std::to_string(encoding.compression().scheme()) + " is not supported");
}

class GeneralBlock final : public BlockCodec {
 public:
  GeneralBlock(Compression scheme, std::unique_ptr<BlockCodec> child)
      : BlockCodec(child->bits()), scheme_(scheme), child_(std::move(child)) {}

  bool tells_count() const override { return child_->tells_count(); }
  Status DecodeAll(std::span<const uint8_t> in, std::vector<uint8_t>* out) const override {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->DecodeAll(plain, out);
  }
  Status Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const override {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->Decode(plain, count, out);
  }
  Status AppendLevels(std::span<const uint8_t> in, uint64_t count, std::vector<uint16_t>* out) const override {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->AppendLevels(plain, count, out);
  }

  // Inside another block; alone the child checks what came out.
  bool Plausible(size_t /*size*/, uint64_t count) const override { return count <= kMaxExpanded; }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->DecodeTo(plain, count, out);
  }

 private:
  Compression scheme_;
  std::unique_ptr<BlockCodec> child_;
};

class GeneralValues final : public ValueCodec {
 public:
  GeneralValues(Compression scheme, std::unique_ptr<ValueCodec> child) : scheme_(scheme), child_(std::move(child)) {}

  size_t num_buffers() const override { return child_->num_buffers(); }
  Status CheckChunkShape(const LeafShape& shape) const override { return child_->CheckChunkShape(shape); }
  Status CheckIndices() const override { return child_->CheckIndices(); }
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    return bits == 0 ? child_->CheckValueShape(shape, 0) : ValueCodec::CheckValueShape(shape, bits);
  }

  Status AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                     LeafValues* out) const override {
    return WithPlain(buffers, scratch, [&](Buffers inner) { return child_->AppendChunk(inner, count, ranges, scratch, out); });
  }
  Status DecodeIndices(Buffers buffers, uint64_t count, Scratch* scratch) const override {
    return WithPlain(buffers, scratch, [&](Buffers inner) { return child_->DecodeIndices(inner, count, scratch); });
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const override {
    const std::span<const uint8_t> one[1] = {bytes};
    return WithPlain(one, scratch, [&](Buffers inner) { return child_->AppendValue(inner[0], scratch, out); });
  }

 private:
  // Calls `f` with the buffers of which the first is decompressed.
  template <typename F>
  Status WithPlain(Buffers buffers, Scratch* scratch, F&& f) const {
    if (buffers.empty()) return Status::Corruption("a compressed chunk has no buffer");
    std::vector<uint8_t> plain = std::move(scratch->plain);
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, buffers[0], &plain));
    std::span<const uint8_t> few[4];
    std::vector<std::span<const uint8_t>> many;
    std::span<std::span<const uint8_t>> inner(few, std::min(std::size(few), buffers.size()));
    if (buffers.size() > std::size(few)) {
      many.resize(buffers.size());
      inner = many;
    }
    std::copy(buffers.begin(), buffers.end(), inner.begin());
    inner[0] = plain;
    const Status status = f(Buffers(inner));
    scratch->plain = std::move(plain);
    return status;
  }

  Compression scheme_;
  std::unique_ptr<ValueCodec> child_;
};

}  // namespace

BlockResult MakeGeneralBlock(const pb::v21::General& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(const Compression scheme, SchemeOf(encoding));
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BlockCodec> child, BlockCodec::Make(encoding.values(), depth + 1));
  if (!child->has_payload()) return Status::Corruption("compression of what has no bytes");
  return std::unique_ptr<BlockCodec>(std::make_unique<GeneralBlock>(scheme, std::move(child)));
}

ValueResult MakeGeneralValues(const pb::v21::General& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(const Compression scheme, SchemeOf(encoding));
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<ValueCodec> child, ValueCodec::Make(encoding.values(), depth + 1));
  return std::unique_ptr<ValueCodec>(std::make_unique<GeneralValues>(scheme, std::move(child)));
}

}  // namespace lancefs::structural
