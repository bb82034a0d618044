// SPDX-License-Identifier: Apache-2.0
//
// packed_struct (docs/lance/file.md 4.11): rows of the fields' fixed-width values next to each other.
#include "engine/format/structural/encodings/encodings.h"
#include "engine/format/structural/encodings/rows_codec.h"

namespace lancefs::structural {
namespace {

class PackedStructValues final : public RowsCodec {
 public:
  PackedStructValues(uint64_t bits, std::vector<uint64_t> field_bits) : RowsCodec(bits), field_bits_(std::move(field_bits)) {}

  Status CheckChunkShape(const LeafShape& shape) const override {
    bool fits = shape.kind == ShapeKind::kPackedStruct && shape.children.size() == field_bits_.size() && shape.row_bits == bits_;
    for (size_t i = 0; fits && i < field_bits_.size(); ++i) {
      const LeafShape& child = shape.children[i];
      fits = (child.kind == ShapeKind::kFixed || child.kind == ShapeKind::kFixedSizeList) && child.row_bits == field_bits_[i] &&
             field_bits_[i] % 8 == 0;
    }
    return fits ? Status::OK() : Misfit("packed structs", shape);
  }
  Status CheckIndices() const override { return ValueCodec::CheckIndices(); }
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    if (bits != bits_) return Status::Corruption("the page's value width is contradictory");
    return CheckChunkShape(shape);
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* /*scratch*/, LeafValues* out) const override {
    if (bytes.size() * 8 != bits_) return WrongSize("a packed struct", bytes.size(), bits_ / 8);
    return out->AppendRows(bytes.data(), 0, 1);
  }

 protected:
  bool in_place() const override { return true; }
  Status DecodeRows(Buffers buffers, uint64_t count, uint8_t* /*dest*/, Scratch* /*scratch*/,
                    const uint8_t** rows) const override {
    const uint64_t wanted = count * (bits_ / 8);
    if (buffers[0].size() < wanted) return WrongSize("a buffer of packed structs", buffers[0].size(), wanted);
    *rows = buffers[0].data();
    return Status::OK();
  }

 private:
  std::vector<uint64_t> field_bits_;
};

}  // namespace

ValueResult MakePackedStructValues(const pb::v21::PackedStruct& encoding, int /*depth*/) {
  if (!encoding.values().has_flat() || encoding.values().flat().has_data())
    return Status::NotSupported("a packed struct over an encoding other than flat is not supported");
  const uint64_t bits = encoding.values().flat().bits_per_value();
  if (bits == 0 || bits % 8 != 0 || bits > (uint64_t{1} << 34))
    return Status::Corruption("packed structs of " + std::to_string(bits) + " bits");
  std::vector<uint64_t> fields(encoding.bits_per_value().begin(), encoding.bits_per_value().end());
  return std::unique_ptr<ValueCodec>(std::make_unique<PackedStructValues>(bits, std::move(fields)));
}

}  // namespace lancefs::structural
