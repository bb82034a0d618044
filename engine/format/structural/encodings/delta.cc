// SPDX-License-Identifier: Apache-2.0
//
// delta (docs/lance/file.md 3.10): unsigned values that never descend: the first in the message, the
// differences as a block.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

class DeltaBlock final : public BlockCodec {
 public:
  DeltaBlock(uint64_t bits, uint64_t base, std::unique_ptr<BlockCodec> deltas)
      : BlockCodec(bits), base_(base), deltas_(std::move(deltas)) {}

  bool has_payload() const override { return deltas_->has_payload(); }

  bool Plausible(size_t size, uint64_t count) const override { return count >= 1 && deltas_->Plausible(size, count - 1); }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override;

 private:
  uint64_t base_ = 0;
  std::unique_ptr<BlockCodec> deltas_;
};

Status DeltaBlock::DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  // The differences come to lie where their values will: value i replaces difference i - 1.
  LANCEFS_RETURN_NOT_OK(deltas_->DecodeTo(in, count - 1, out + bits_ / 8));
  return ForWord(bits_, [&]<typename T>(T) -> Status {
    auto value = static_cast<T>(base_);
    bool overflow = false;
    StoreLittleEndian<T>(out, value);
    for (uint64_t i = 1; i < count; ++i) {
      const auto next = static_cast<T>(value + LoadLittleEndian<T>(out + i * sizeof(T)));
      overflow |= next < value;
      value = next;
      StoreLittleEndian<T>(out + i * sizeof(T), value);
    }
    return overflow ? Status::Corruption("differences add up to too large values") : Status::OK();
  });
}

}  // namespace

BlockResult MakeDeltaBlock(const pb::v21::Delta& encoding, int depth) {
  const uint64_t bits = encoding.uncompressed_bits_per_value();
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BlockCodec> deltas, BlockCodec::Make(encoding.deltas(), depth + 1));
  if ((bits != 32 && bits != 64) || deltas->bits() != bits || (bits == 32 && encoding.base() > UINT32_MAX))
    return Status::Corruption("differences of " + std::to_string(deltas->bits()) + " bits for values of " + std::to_string(bits));
  return std::unique_ptr<BlockCodec>(std::make_unique<DeltaBlock>(bits, encoding.base(), std::move(deltas)));
}

}  // namespace lancefs::structural
