// SPDX-License-Identifier: Apache-2.0
//
// out_of_line_bitpacking (docs/lance/file.md 4.5): unsigned values of one width, which the message tells;
// the tail behind the last whole block of 1024 is packed or raw, as the buffer's length says.
#include "engine/format/structural/bitpacking.h"
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

template <typename T>
Status Unpack(std::span<const uint8_t> in, uint64_t count, unsigned width, uint8_t* out) {
  const size_t per_block = PackedWords<T>(width) * sizeof(T);
  const uint64_t full = count / kBlockValues;
  const size_t tail = count % kBlockValues;
  const uint64_t packed_size = (full + (tail != 0 ? 1 : 0)) * per_block;
  const uint64_t raw_size = full * per_block + tail * sizeof(T);
  const bool raw_tail = tail != 0 && in.size() == raw_size;
  if (!raw_tail && in.size() != packed_size) return WrongSize("a bitpacked buffer", in.size(), packed_size);
  alignas(64) T values[kBlockValues];
  for (uint64_t block = 0; block < full; ++block) {
    UnpackBlock<T>(in.data() + block * per_block, width, values);
    std::memcpy(out + block * sizeof(values), values, sizeof(values));
  }
  uint8_t* tail_out = out + full * sizeof(values);
  if (raw_tail) {
    std::memcpy(tail_out, in.data() + full * per_block, tail * sizeof(T));
  } else if (tail != 0) {
    UnpackBlock<T>(in.data() + full * per_block, width, values);
    std::memcpy(tail_out, values, tail * sizeof(T));
  }
  return Status::OK();
}

class OutOfLineBitpackingBlock final : public BlockCodec {
 public:
  OutOfLineBitpackingBlock(uint64_t bits, unsigned packed_bits) : BlockCodec(bits), packed_bits_(packed_bits) {}

  bool Plausible(size_t size, uint64_t count) const override {
    return packed_bits_ == 0 ? count <= kMaxExpanded : count / kBlockValues <= size;
  }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override {
    return ForWord(bits_, [&]<typename T>(T) { return Unpack<T>(in, count, packed_bits_, out); });
  }

 private:
  unsigned packed_bits_ = 0;
};

}  // namespace

BlockResult MakeOutOfLineBitpackingBlock(const pb::v21::OutOfLineBitpacking& encoding) {
  const uint64_t bits = encoding.uncompressed_bits_per_value();
  if (!encoding.values().has_flat()) return Status::NotSupported("bitpacking over an encoding other than flat is not supported");
  const uint64_t packed = encoding.values().flat().bits_per_value();
  if (!IsWordBits(bits) || packed > bits)
    return Status::Corruption("bitpacked values of " + std::to_string(packed) + " in " + std::to_string(bits) + " bits");
  return std::unique_ptr<BlockCodec>(std::make_unique<OutOfLineBitpackingBlock>(bits, static_cast<unsigned>(packed)));
}

}  // namespace lancefs::structural
