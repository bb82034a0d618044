// SPDX-License-Identifier: Apache-2.0
//
// flat (docs/lance/file.md 4.1): raw values; bits_per_value = 1 is a bitmap.
#include "engine/format/structural/encodings/encodings.h"
#include "engine/format/structural/encodings/rows_codec.h"

namespace lancefs::structural {
namespace {

Status CheckFlat(const pb::v21::Flat& encoding, uint64_t max_bits) {
  const uint64_t bits = encoding.bits_per_value();
  if (bits == 0 || bits > max_bits || (bits != 1 && bits % 8 != 0))
    return Status::Corruption("flat values of " + std::to_string(bits) + " bits");
  if (encoding.has_data()) return Status::NotSupported("compressed flat values are not supported");
  return Status::OK();
}

class FlatBlock final : public BlockCodec {
 public:
  explicit FlatBlock(uint64_t bits) : BlockCodec(bits) {}

  bool tells_count() const override { return bits_ != 1; }
  Status DecodeAll(std::span<const uint8_t> in, std::vector<uint8_t>* out) const override {
    if (in.size() % (bits_ / 8) != 0)
      return Status::Corruption("flat values of " + std::to_string(bits_) + " bits in " + std::to_string(in.size()) + " bytes");
    out->assign(in.begin(), in.end());
    return Status::OK();
  }

  bool Plausible(size_t size, uint64_t count) const override {
    return count < (uint64_t{1} << 40) && size >= BytesFor(count * bits_);
  }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override {
    const uint64_t wanted = BytesFor(count * bits_);
    if (wanted != 0) std::memcpy(out, in.data(), wanted);
    return Status::OK();
  }
};

class FlatValues final : public RowsCodec {
 public:
  explicit FlatValues(uint64_t bits) : RowsCodec(bits) {}

  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    if (bits != bits_) return Status::Corruption("the page's value width is contradictory");
    const bool wide_bool = shape.kind == ShapeKind::kFixed && shape.row_bits == 1 && bits == 8;
    const bool fits = shape.kind == ShapeKind::kFixed && shape.row_bits == bits;
    return wide_bool || fits ? Status::OK() : Misfit("values of " + std::to_string(bits) + " bits", shape);
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* /*scratch*/, LeafValues* out) const override {
    if (bytes.size() * 8 != bits_) return WrongSize("a flat value", bytes.size(), bits_ / 8);
    if (out->shape().row_bits == 1) {
      const uint8_t bit = bytes[0] != 0 ? 1 : 0;
      return out->AppendRows(&bit, 0, 1);
    }
    return out->AppendRows(bytes.data(), 0, 1);
  }
  bool IsPlainRows(const LeafShape& shape) const override {
    return shape.row_bits == bits_ && shape.kind != ShapeKind::kPackedStruct;
  }

 protected:
  bool in_place() const override { return true; }
  Status DecodeRows(Buffers buffers, uint64_t count, uint8_t* /*dest*/, Scratch* /*scratch*/,
                    const uint8_t** rows) const override {
    const uint64_t wanted = BytesFor(count * bits_);
    if (buffers[0].size() < wanted) return WrongSize("a buffer of flat values", buffers[0].size(), wanted);
    *rows = buffers[0].data();
    return Status::OK();
  }
};

}  // namespace

BlockResult MakeFlatBlock(const pb::v21::Flat& encoding) {
  LANCEFS_RETURN_NOT_OK(CheckFlat(encoding, uint64_t{1} << 20));
  return std::unique_ptr<BlockCodec>(std::make_unique<FlatBlock>(encoding.bits_per_value()));
}

ValueResult MakeFlatValues(const pb::v21::Flat& encoding) {
  LANCEFS_RETURN_NOT_OK(CheckFlat(encoding, uint64_t{1} << 34));
  return std::unique_ptr<ValueCodec>(std::make_unique<FlatValues>(encoding.bits_per_value()));
}

}  // namespace lancefs::structural
