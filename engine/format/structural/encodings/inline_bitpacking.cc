// SPDX-License-Identifier: Apache-2.0
//
// inline_bitpacking (docs/lance/file.md 4.3): at most 1024 unsigned values whose width stands before them.
#include "engine/format/structural/bitpacking.h"
#include "engine/format/structural/encodings/encodings.h"
#include "engine/format/structural/encodings/rows_codec.h"

namespace lancefs::structural {
namespace {

// Unpacks the whole block of 1024 values to `out`.
template <typename T>
Status Unpack(std::span<const uint8_t> in, uint64_t count, T* out) {
  if (count > kBlockValues) return Status::Corruption("a bitpacked chunk of " + std::to_string(count) + " values");
  if (in.size() < sizeof(T)) return WrongSize("a bitpacked block", in.size(), sizeof(T));
  const auto width = LoadLittleEndian<T>(in.data());
  if (width > sizeof(T) * 8) return Status::Corruption("bitpacked values of width " + std::to_string(width));
  const size_t wanted = (1 + PackedWords<T>(static_cast<unsigned>(width))) * sizeof(T);
  if (in.size() < wanted) return WrongSize("a bitpacked block", in.size(), wanted);
  UnpackBlock<T>(in.data() + sizeof(T), static_cast<unsigned>(width), out);
  return Status::OK();
}

Status CheckInline(const pb::v21::InlineBitpacking& encoding) {
  if (encoding.has_values()) return Status::NotSupported("compressed bitpacked values are not supported");
  return CheckWordBits("bitpacked values", encoding.uncompressed_bits_per_value());
}

class InlineBitpackingBlock final : public BlockCodec {
 public:
  explicit InlineBitpackingBlock(uint64_t bits) : BlockCodec(bits) {}

  bool Plausible(size_t /*size*/, uint64_t count) const override { return count <= kBlockValues; }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override {
    if (count == 0) return Status::OK();
    return ForWord(bits_, [&]<typename T>(T) -> Status {
      alignas(64) T values[kBlockValues];
      LANCEFS_RETURN_NOT_OK(Unpack<T>(in, count, values));
      std::memcpy(out, values, count * sizeof(T));
      return Status::OK();
    });
  }
};

class InlineBitpackingValues final : public RowsCodec {
 public:
  explicit InlineBitpackingValues(uint64_t bits) : RowsCodec(bits) {}

 protected:
  Status DecodeRows(Buffers buffers, uint64_t count, uint8_t* dest, Scratch* /*scratch*/, const uint8_t** rows) const override {
    *rows = dest;
    return ForWord(bits_, [&]<typename T>(T) { return Unpack<T>(buffers[0], count, reinterpret_cast<T*>(dest)); });
  }
};

}  // namespace

BlockResult MakeInlineBitpackingBlock(const pb::v21::InlineBitpacking& encoding) {
  LANCEFS_RETURN_NOT_OK(CheckInline(encoding));
  return std::unique_ptr<BlockCodec>(std::make_unique<InlineBitpackingBlock>(encoding.uncompressed_bits_per_value()));
}

ValueResult MakeInlineBitpackingValues(const pb::v21::InlineBitpacking& encoding) {
  LANCEFS_RETURN_NOT_OK(CheckInline(encoding));
  return std::unique_ptr<ValueCodec>(std::make_unique<InlineBitpackingValues>(encoding.uncompressed_bits_per_value()));
}

}  // namespace lancefs::structural
