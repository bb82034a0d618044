// SPDX-License-Identifier: Apache-2.0
//
// range (docs/lance/file.md 3.10): value i is start + step * i; all of it stands in the message.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

class RangeBlock final : public BlockCodec {
 public:
  RangeBlock(uint64_t bits, uint64_t start, uint64_t step) : BlockCodec(bits), start_(start), step_(step) {}

  bool has_payload() const override { return false; }
  Result<uint64_t> CountForSum(uint64_t sum) const override;

  bool Plausible(size_t /*size*/, uint64_t count) const override {
    const uint64_t max = bits_ == 32 ? UINT32_MAX : UINT64_MAX;
    return count >= 2 && count <= kMaxExpanded && start_ <= max && step_ <= (max - start_) / (count - 1);
  }

 protected:
  Status DecodeFixed(std::span<const uint8_t> /*in*/, uint64_t count, uint8_t* out) const override {
    ForWord(bits_, [&]<typename T>(T) {
      for (uint64_t i = 0; i < count; ++i) StoreLittleEndian<T>(out + i * sizeof(T), static_cast<T>(start_ + step_ * i));
    });
    return Status::OK();
  }

 private:
  uint64_t start_ = 0;
  uint64_t step_ = 0;
};

// Adding up is as cheap as decoding: the values ascend, so at most sqrt(2 * sum) of them fit.
Result<uint64_t> RangeBlock::CountForSum(uint64_t sum) const {
  uint64_t total = 0;
  uint64_t value = start_;
  for (uint64_t count = 1; count <= kMaxExpanded; ++count) {
    if (value == 0 || value > sum - total) break;
    total += value;
    if (total == sum) return count;
    if (step_ > UINT64_MAX - value) break;
    value += step_;
  }
  return Status::Corruption("ascending runs do not add up to " + std::to_string(sum));
}

}  // namespace

BlockResult MakeRangeBlock(const pb::v21::Range& encoding) {
  const uint64_t bits = encoding.uncompressed_bits_per_value();
  if ((bits != 32 && bits != 64) || encoding.step() == 0)
    return Status::Corruption("a range of " + std::to_string(bits) + "-bit values with step " + std::to_string(encoding.step()));
  return std::unique_ptr<BlockCodec>(std::make_unique<RangeBlock>(bits, encoding.start(), encoding.step()));
}

}  // namespace lancefs::structural
