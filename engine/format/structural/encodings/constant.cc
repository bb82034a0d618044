// SPDX-License-Identifier: Apache-2.0
//
// constant (docs/lance/file.md 4.12): one value, in the message, for all. A block has no buffer; in
// full-zip pages the stored bytes say nothing. Without a value, as old writers left fixed-size lists of
// nothing but null items, values have no bytes.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

class ConstantBlock final : public BlockCodec {
 public:
  // An empty value belongs to a sequence without values.
  explicit ConstantBlock(const std::string& value) : BlockCodec(value.empty() ? 64 : value.size() * 8), value_(value) {}

  bool has_payload() const override { return false; }
  Result<uint64_t> CountForSum(uint64_t sum) const override {
    uint64_t length = 0;
    if (value_.size() <= sizeof(length)) std::memcpy(&length, value_.data(), value_.size());
    if (length == 0 || sum % length != 0)
      return Status::Corruption("runs of length " + std::to_string(length) + " do not add up to " + std::to_string(sum));
    return sum / length;
  }

  bool Plausible(size_t /*size*/, uint64_t count) const override {
    return value_.empty() ? count == 0 : count <= 8 * kMaxExpanded / value_.size();
  }

 protected:
  Status DecodeFixed(std::span<const uint8_t> /*in*/, uint64_t count, uint8_t* out) const override {
    for (uint64_t i = 0; i < count; ++i) std::memcpy(out + i * value_.size(), value_.data(), value_.size());
    return Status::OK();
  }

 private:
  std::string value_;
};

class NullValues final : public ValueCodec {
 public:
  // Of values without bytes full-zip pages ask this.
  Status CheckChunkShape(const LeafShape& shape) const override {
    const bool fits = shape.kind == ShapeKind::kFixed || shape.kind == ShapeKind::kFixedSizeList;
    return fits ? Status::OK() : Misfit("values that are all null", shape);
  }
  Status AppendValue(std::span<const uint8_t> /*bytes*/, Scratch* /*scratch*/, LeafValues* out) const override {
    return out->AppendNullItems(1);
  }
};

class ConstantValues final : public ValueCodec {
 public:
  explicit ConstantValues(std::string value) : value_(std::move(value)) {}

  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    if (bits == 0) return ValueCodec::CheckValueShape(shape, bits);
    const bool fits =
        shape.kind == ShapeKind::kFixed && (value_.size() * 8 == shape.row_bits || (shape.row_bits == 1 && value_.size() == 1));
    return fits ? Status::OK() : Misfit("a constant of " + std::to_string(value_.size()) + " bytes", shape);
  }
  Status AppendValue(std::span<const uint8_t> /*bytes*/, Scratch* /*scratch*/, LeafValues* out) const override {
    return out->AppendRepeated({reinterpret_cast<const uint8_t*>(value_.data()), value_.size()}, 1);
  }

 private:
  std::string value_;
};

}  // namespace

BlockResult MakeConstantBlock(const pb::v21::Constant& encoding) {
  return std::unique_ptr<BlockCodec>(std::make_unique<ConstantBlock>(encoding.value()));
}

ValueResult MakeConstantValues(const pb::v21::Constant& encoding) {
  if (!encoding.has_value()) return std::unique_ptr<ValueCodec>(std::make_unique<NullValues>());
  return std::unique_ptr<ValueCodec>(std::make_unique<ConstantValues>(encoding.value()));
}

}  // namespace lancefs::structural
