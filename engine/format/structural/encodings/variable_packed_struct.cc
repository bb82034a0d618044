// SPDX-License-Identifier: Apache-2.0
//
// variable_packed_struct (docs/lance/file.md 4.11): a struct's fields behind each other, each with an
// encoding of its own, those of variable width behind their lengths. Single values only.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

struct PackedField {
  std::unique_ptr<ValueCodec> codec;
  uint64_t bits = 0;         // fixed width, or
  uint64_t length_bits = 0;  // width of the length prefix
};

class VariablePackedStructValues final : public ValueCodec {
 public:
  explicit VariablePackedStructValues(std::vector<PackedField> fields) : fields_(std::move(fields)) {}

  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    if (bits != 0) return ValueCodec::CheckValueShape(shape, bits);
    if (shape.kind != ShapeKind::kPackedStruct || shape.children.size() != fields_.size()) return Misfit("packed structs", shape);
    for (size_t i = 0; i < fields_.size(); ++i)
      LANCEFS_RETURN_NOT_OK(fields_[i].codec->CheckValueShape(shape.children[i], fields_[i].bits));
    return Status::OK();
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const override;

 private:
  std::vector<PackedField> fields_;
};

Status VariablePackedStructValues::AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const {
  if (bytes.empty()) return out->AppendDefault(1);  // a null row
  ByteReader reader(bytes);
  for (size_t i = 0; i < fields_.size(); ++i) {
    const PackedField& field = fields_[i];
    uint64_t length = field.bits / 8;
    if (field.bits == 0 && field.length_bits == 32) {
      uint32_t narrow = 0;
      LANCEFS_RETURN_NOT_OK(reader.Read(&narrow));
      length = narrow;
    } else if (field.bits == 0) {
      LANCEFS_RETURN_NOT_OK(reader.Read(&length));
    }
    std::span<const uint8_t> value;
    LANCEFS_RETURN_NOT_OK(reader.ReadSpan(length, &value));
    LANCEFS_RETURN_NOT_OK(field.codec->AppendValue(value, scratch, &out->child(i)));
  }
  if (reader.remaining() != 0) return Status::Corruption("a packed struct is longer than its fields");
  out->AddCount(1);
  return Status::OK();
}

}  // namespace

ValueResult MakeVariablePackedStructValues(const pb::v21::VariablePackedStruct& encoding, int depth) {
  std::vector<PackedField> fields;
  for (const auto& field : encoding.fields()) {
    PackedField packed;
    LANCEFS_ASSIGN_OR_RETURN(packed.codec, ValueCodec::Make(field.value(), depth + 1));
    if (field.layout_case() == pb::v21::VariablePackedStruct::FieldEncoding::kBitsPerValue) {
      packed.bits = field.bits_per_value();
      if (packed.bits == 0 || packed.bits % 8 != 0 || packed.bits > (uint64_t{1} << 34))
        return Status::Corruption("a packed field of " + std::to_string(packed.bits) + " bits");
    } else {
      packed.length_bits = field.bits_per_length();
      if (packed.length_bits != 32 && packed.length_bits != 64)
        return Status::Corruption("a packed field's length of " + std::to_string(packed.length_bits) + " bits");
    }
    fields.push_back(std::move(packed));
  }
  return std::unique_ptr<ValueCodec>(std::make_unique<VariablePackedStructValues>(std::move(fields)));
}

}  // namespace lancefs::structural
