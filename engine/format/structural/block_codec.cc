// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/block_codec.h"

#include <algorithm>
#include <string>

#include "engine/format/column_read.h"

namespace lancefs::structural {
namespace {

Status Claims(size_t size, uint64_t count) {
  return Status::Corruption("a block of " + std::to_string(size) + " bytes claims " + std::to_string(count) + " values");
}

}  // namespace

Status BlockCodec::Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const {
  if (!Plausible(in.size(), count)) return Claims(in.size(), count);
  // Values that take no bytes, or next to none, may not take any memory.
  constexpr uint64_t kExpansion = 1024;
  const uint64_t width = std::max<uint64_t>(1, bits_ / 8);
  if (count > std::max<uint64_t>(kFreeArrayBytes, in.size() * kExpansion) / width) return Claims(in.size(), count);
  out->variable = false;
  out->bits = bits_;
  out->count = count;
  out->data.resize(bits_ == 1 ? (count + 7) / 8 : count * (bits_ / 8));
  return DecodeFixed(in, count, out->data.data());
}

Status BlockCodec::DecodeTo(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  if (!Plausible(in.size(), count)) return Claims(in.size(), count);
  return DecodeFixed(in, count, out);
}

Status BlockCodec::AppendLevels(std::span<const uint8_t> in, uint64_t count, std::vector<uint16_t>* out) const {
  if (bits_ != 16) return Status::Corruption("levels are not stored as 16-bit values");
  if (!Plausible(in.size(), count)) return Claims(in.size(), count);
  const size_t start = out->size();
  out->resize(start + count);
  return DecodeFixed(in, count, reinterpret_cast<uint8_t*>(out->data() + start));
}

Status BlockCodec::DecodeAll(std::span<const uint8_t> /*in*/, std::vector<uint8_t>* /*out*/) const {
  return Status::Internal("a block that does not tell its count");
}

Result<uint64_t> BlockCodec::CountForSum(uint64_t /*sum*/) const {
  return Status::Corruption("nothing tells how many runs there are");
}

Status BlockCodec::DecodeFixed(std::span<const uint8_t> /*in*/, uint64_t /*count*/, uint8_t* /*out*/) const {
  return Status::Corruption("a block of values of variable width where fixed width is needed");
}

Result<uint64_t> BlockCodec::LevelCount(std::span<const uint8_t> /*in*/, uint64_t stored_count) const { return stored_count; }

}  // namespace lancefs::structural
