// SPDX-License-Identifier: Apache-2.0
//
// Fixed-width columns: numbers, booleans, fixed_size_binary, packed structs, and fixed-size lists of any
// of them, with validity at every level.
#include <arrow/util/bit_util.h>

#include "engine/arrow_status.h"
#include "engine/format/v20/reader.h"

namespace lancefs::v20 {
namespace {

// A type taken apart: the fixed-size lists from the outside in, and what stands in the innermost.
struct Shape {
  std::vector<std::shared_ptr<arrow::DataType>> levels;  // the list types, then the leaf
  std::vector<uint64_t> multiplicity;                    // values of each level per row
  uint64_t leaf_bits = 0;

  const std::shared_ptr<arrow::DataType>& leaf() const { return levels.back(); }
  uint64_t dimension(size_t level) const {
    return static_cast<uint64_t>(static_cast<const arrow::FixedSizeListType&>(*levels[level]).list_size());
  }
};

// Bits of one value, or kNotSupported.
Result<uint64_t> BitsOf(const arrow::DataType& type, int depth) {
  if (depth > kMaxEncodingDepth) return Status::NotSupported("the type is nested too deeply");
  if (type.id() == arrow::Type::STRUCT) {
    uint64_t bits = 0;
    for (const auto& child : type.fields()) {
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t child_bits, BitsOf(*child->type(), depth + 1));
      if (child_bits % 8 != 0)
        return Status::NotSupported("packed structs of " + child->type()->ToString() + " are not supported");
      bits += child_bits;
    }
    return bits;
  }
  if (type.id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t item_bits, BitsOf(*list.value_type(), depth + 1));
    const auto size = static_cast<uint64_t>(list.list_size());
    if (item_bits != 0 && size > kMaxValueBits / item_bits)
      return Status::NotSupported("the type " + type.ToString() + " is too wide");
    return item_bits * size;
  }
  if (type.id() == arrow::Type::NA) return uint64_t{0};
  if (!arrow::is_fixed_width(type.id()) || type.id() == arrow::Type::DICTIONARY || type.id() == arrow::Type::EXTENSION) {
    return Status::NotSupported("the type " + type.ToString() + " has no fixed width");
  }
  return static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(type).bit_width());
}

Result<Shape> ShapeOf(const std::shared_ptr<arrow::DataType>& type) {
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t bits, BitsOf(*type, 0));
  if (bits > kMaxValueBits) return Status::NotSupported("the type " + type->ToString() + " is too wide");
  Shape shape;
  uint64_t multiplicity = 1;
  std::shared_ptr<arrow::DataType> level = type;
  while (true) {
    shape.levels.push_back(level);
    shape.multiplicity.push_back(multiplicity);
    if (level->id() != arrow::Type::FIXED_SIZE_LIST) break;
    multiplicity *= shape.dimension(shape.levels.size() - 1);
    level = static_cast<const arrow::FixedSizeListType&>(*level).value_type();
  }
  LANCEFS_ASSIGN_OR_RETURN(shape.leaf_bits, BitsOf(*level, 0));
  return shape;
}

RowSelection Scale(const RowSelection& rows, uint64_t factor) {
  RowSelection scaled = rows;
  for (RowRange& range : scaled) {
    range.start *= factor;
    range.end *= factor;
  }
  return factor == 0 ? RowSelection() : scaled;
}

// One page's share.
class FixedPart {
 public:
  static Result<FixedPart> Make(const Shape& shape, const LeafPart& leaf) {
    FixedPart part;
    part.rows_ = CountRows(leaf.ranges);
    part.validity_.resize(shape.levels.size());
    if (leaf.length > UINT64_MAX / 4 / std::max<uint64_t>(1, shape.multiplicity.back()))
      return leaf.page.Corrupt("too many values");
    LANCEFS_RETURN_NOT_OK(part.Parse(shape, leaf));
    return part;
  }

  uint64_t rows() const { return rows_; }
  bool has_values() const { return has_values_; }
  const FixedSource& values() const { return values_; }
  bool HasValidity(size_t level) const { return validity_[level].kind != Validity::kNone; }

  void AppendReads(std::vector<ByteRange>* reads) const {
    for (const Validity& validity : validity_) {
      if (validity.kind == Validity::kBitmap) validity.bits.AppendReads(reads);
    }
    if (has_values_) values_.AppendReads(reads);
  }
  Status Take(Answers* answers) {
    for (Validity& validity : validity_) {
      if (validity.kind == Validity::kBitmap) LANCEFS_RETURN_NOT_OK(validity.bits.Take(answers));
    }
    return has_values_ ? values_.Take(answers) : Status::OK();
  }
  // Writes the bits of that level from bit `at` on; `count` of them.
  Status DecodeValidity(size_t level, uint8_t* bits, uint64_t at, uint64_t count) const {
    const Validity& validity = validity_[level];
    if (validity.kind == Validity::kBitmap) return validity.bits.DecodeTo(bits, at);
    arrow::bit_util::SetBitsTo(bits, static_cast<int64_t>(at), static_cast<int64_t>(count), validity.kind == Validity::kNone);
    return Status::OK();
  }

 private:
  struct Validity {
    enum Kind { kNone, kBitmap, kAllNull } kind = kNone;
    FixedSource bits;
  };

  // Walks the encoding from the outside in, along with the levels of the type.
  Status Parse(const Shape& shape, const LeafPart& leaf) {
    const PageRef& page = leaf.page;
    const pb::v20::ArrayEncoding* encoding = &leaf.encoding;
    size_t level = 0;
    uint64_t multiplicity = 1;  // of the encoding
    for (int depth = 0; depth <= 2 * kMaxEncodingDepth; ++depth) {
      if (encoding->has_nullable()) {
        const pb::v20::Nullable& nullable = encoding->nullable();
        if (nullable.has_all_nulls()) {
          validity_[level].kind = Validity::kAllNull;
          return Status::OK();
        }
        if (nullable.has_some_nulls()) {
          if (multiplicity != shape.multiplicity[level] || HasValidity(level))
            return page.Corrupt("validity stands where the type has none");
          LANCEFS_ASSIGN_OR_RETURN(validity_[level].bits,
                                   FixedSource::Make(page, nullable.some_nulls().validity(), Scale(leaf.ranges, multiplicity)));
          if (validity_[level].bits.bits() != 1) return page.Corrupt("validity is no bitmap");
          validity_[level].kind = Validity::kBitmap;
        }
        encoding = nullable.has_some_nulls() ? &nullable.some_nulls().values() : &nullable.no_nulls().values();
      } else if (encoding->has_fixed_size_list()) {
        const uint64_t dimension = encoding->fixed_size_list().dimension();
        const bool in_type = level + 1 < shape.levels.size();
        if (in_type && dimension != shape.dimension(level)) {
          return page.Corrupt("lists of " + std::to_string(dimension) + " items, the type says " +
                              std::to_string(shape.dimension(level)));
        }
        if (dimension != 0 && multiplicity > kMaxValueBits / dimension) return page.Corrupt("lists are too long");
        multiplicity *= dimension;
        if (in_type) ++level;
        encoding = &encoding->fixed_size_list().items();
      } else {
        return MakeValues(shape, leaf, *encoding, multiplicity);
      }
    }
    return page.Corrupt("the encoding is nested too deeply");
  }

  Status MakeValues(const Shape& shape, const LeafPart& leaf, const pb::v20::ArrayEncoding& encoding, uint64_t multiplicity) {
    const PageRef& page = leaf.page;
    if (multiplicity != 0 && leaf.length > UINT64_MAX / 4 / multiplicity) return page.Corrupt("too many values");
    RowSelection ranges = Scale(leaf.ranges, multiplicity);
    const uint64_t row_bits = shape.leaf_bits * shape.multiplicity.back();
    if (encoding.has_packed_struct()) {
      if (multiplicity == 0 || shape.leaf()->id() != arrow::Type::STRUCT)
        return page.Corrupt("a packed struct stands where the type has none");
      if (encoding.packed_struct().inner_size() != shape.leaf()->num_fields()) {
        return page.Unsupported("a packed struct of " + std::to_string(encoding.packed_struct().inner_size()) +
                                " fields can only be read with all of them");
      }
      LANCEFS_ASSIGN_OR_RETURN(
          values_, FixedSource::MakeFlat(page, encoding.packed_struct().buffer(), row_bits / multiplicity, std::move(ranges)));
    } else {
      if (shape.leaf()->id() == arrow::Type::STRUCT) return page.Unsupported("the struct is not stored packed");
      LANCEFS_ASSIGN_OR_RETURN(values_, FixedSource::Make(page, encoding, std::move(ranges)));
    }
    if (values_.bits() * multiplicity != row_bits) {
      return page.Corrupt("rows of " + std::to_string(multiplicity) + " x " + std::to_string(values_.bits()) +
                          " bits, the type " + shape.levels[0]->ToString() + " has " + std::to_string(row_bits));
    }
    has_values_ = true;
    return Status::OK();
  }

  uint64_t rows_ = 0;
  std::vector<Validity> validity_;
  bool has_values_ = false;
  FixedSource values_;
};

class FixedReader : public Reader {
 public:
  FixedReader(Shape shape, std::vector<FixedPart> parts, uint64_t limit)
      : shape_(std::move(shape)), parts_(std::move(parts)), limit_(limit) {
    for (const FixedPart& part : parts_) rows_ += part.rows();
  }

  Status Next(std::vector<ByteRange>* reads) override {
    if (asked_) return Status::OK();
    asked_ = true;
    for (const FixedPart& part : parts_) part.AppendReads(reads);
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    if (taken_) return Status::OK();
    taken_ = true;
    for (FixedPart& part : parts_) LANCEFS_RETURN_NOT_OK(part.Take(answers));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> values, DecodeValues());
    std::shared_ptr<arrow::ArrayData> data;
    for (size_t level = shape_.levels.size(); level-- > 0;) {
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> validity, DecodeValidity(level));
      const auto length = static_cast<int64_t>(rows_ * shape_.multiplicity[level]);
      const int64_t nulls = validity == nullptr ? 0 : arrow::kUnknownNullCount;
      if (data != nullptr) {
        data = arrow::ArrayData::Make(shape_.levels[level], length, {validity}, {data}, nulls);
      } else if (shape_.leaf()->id() == arrow::Type::STRUCT) {
        LANCEFS_ASSIGN_OR_RETURN(data, Unpack(shape_.leaf(), values->data(), RowBytes(), length));
        data->buffers[0] = validity;
        data->null_count = nulls;
      } else if (shape_.leaf()->id() == arrow::Type::NA) {
        data = arrow::ArrayData::Make(shape_.leaf(), length, {nullptr}, length);
      } else {
        data = arrow::ArrayData::Make(shape_.levels[level], length, {validity, values}, nulls);
      }
    }
    return arrow::MakeArray(data);
  }

 private:
  uint64_t RowBytes() const { return shape_.leaf_bits / 8; }

  Result<std::shared_ptr<arrow::Buffer>> DecodeValues() const {
    const uint64_t per_row = shape_.leaf_bits * shape_.multiplicity.back();
    Bytes whole;
    if (parts_.size() == 1 && parts_[0].has_values() && parts_[0].values().Whole(&whole) && whole.data() != nullptr) {
      // Old files are not aligned; Arrow wants values at multiples of their width.
      const uint64_t width = std::min<uint64_t>(8, std::max<uint64_t>(1, shape_.leaf_bits / 8));
      const bool byte_wise = shape_.leaf()->id() == arrow::Type::FIXED_SIZE_BINARY || shape_.leaf()->id() == arrow::Type::STRUCT;
      if (byte_wise || reinterpret_cast<uintptr_t>(whole.data()) % width == 0) return ToArrowBuffer(std::move(whole));
    }
    if (per_row != 0 && rows_ > (uint64_t{1} << 60) / per_row)
      return Status::TooLarge("the selection holds too many values for one array");
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> out, AllocateOutput((rows_ * per_row + 7) / 8, limit_));
    uint8_t* data = out->mutable_data();
    if (shape_.leaf_bits == 1) std::memset(data, 0, static_cast<size_t>(out->size()));
    uint64_t bit = 0;
    for (const FixedPart& part : parts_) {
      const uint64_t bits = part.rows() * per_row;
      if (part.has_values()) {
        LANCEFS_RETURN_NOT_OK(part.values().DecodeTo(shape_.leaf_bits == 1 ? data : data + bit / 8, bit));
      } else if (shape_.leaf_bits != 1) {
        std::memset(data + bit / 8, 0, bits / 8);
      }
      bit += bits;
    }
    return out;
  }

  Result<std::shared_ptr<arrow::Buffer>> DecodeValidity(size_t level) const {
    bool any = false;
    for (const FixedPart& part : parts_) any |= part.HasValidity(level);
    if (!any) return std::shared_ptr<arrow::Buffer>();
    const uint64_t multiplicity = shape_.multiplicity[level];
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> bits, AllocateOnes(rows_ * multiplicity));
    uint64_t at = 0;
    for (const FixedPart& part : parts_) {
      const uint64_t count = part.rows() * multiplicity;
      if (part.HasValidity(level)) LANCEFS_RETURN_NOT_OK(part.DecodeValidity(level, bits->mutable_data(), at, count));
      at += count;
    }
    return bits;
  }

  // Rows of concatenated values into columns. REQUIRES: the type passed BitsOf.
  Result<std::shared_ptr<arrow::ArrayData>> Unpack(const std::shared_ptr<arrow::DataType>& type, const uint8_t* rows,
                                                   uint64_t stride, int64_t length) const {
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (const auto& field : type->fields()) {
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t bits, BitsOf(*field->type(), 0));
      const uint64_t width = bits / 8;
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> values,
                               AllocateOutput(width * static_cast<uint64_t>(length), limit_));
      Gather(rows, stride, width, static_cast<uint64_t>(length), values->mutable_data());
      rows += width;
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ArrayData> child, Wrap(field->type(), values, length));
      children.push_back(std::move(child));
    }
    return arrow::ArrayData::Make(type, length, {nullptr}, std::move(children), 0);
  }

  static void Gather(const uint8_t* from, uint64_t stride, uint64_t width, uint64_t count, uint8_t* to) {
    switch (width) {
      case 4:
        for (uint64_t i = 0; i < count; ++i) std::memcpy(to + i * 4, from + i * stride, 4);
        return;
      case 8:
        for (uint64_t i = 0; i < count; ++i) std::memcpy(to + i * 8, from + i * stride, 8);
        return;
      default:
        for (uint64_t i = 0; i < count; ++i) std::memcpy(to + i * width, from + i * stride, width);
    }
  }

  // A child's values, which may be fixed-size lists or structs in turn.
  Result<std::shared_ptr<arrow::ArrayData>> Wrap(const std::shared_ptr<arrow::DataType>& type,
                                                 const std::shared_ptr<arrow::Buffer>& values, int64_t length) const {
    if (type->id() == arrow::Type::FIXED_SIZE_LIST) {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(*type);
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ArrayData> items,
                               Wrap(list.value_type(), values, length * list.list_size()));
      return arrow::ArrayData::Make(type, length, {nullptr}, {std::move(items)}, 0);
    }
    if (type->id() == arrow::Type::STRUCT) {
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t bits, BitsOf(*type, 0));
      return Unpack(type, values->data(), bits / 8, length);
    }
    if (type->id() == arrow::Type::NA) return arrow::ArrayData::Make(type, length, {nullptr}, length);
    return arrow::ArrayData::Make(type, length, {nullptr, values}, 0);
  }

  Shape shape_;
  std::vector<FixedPart> parts_;
  uint64_t limit_;
  uint64_t rows_ = 0;
  bool asked_ = false;
  bool taken_ = false;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakeFixedReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> leaves) {
  LANCEFS_ASSIGN_OR_RETURN(Shape shape, ShapeOf(type));
  std::vector<FixedPart> parts;
  parts.reserve(leaves.size());
  uint64_t rows = 0;
  for (const LeafPart& leaf : leaves) {
    LANCEFS_ASSIGN_OR_RETURN(FixedPart part, FixedPart::Make(shape, leaf));
    parts.push_back(std::move(part));
    rows += parts.back().rows();
    // All-null pages have no bytes that would bound their length.
    if (rows > (uint64_t{1} << 40) / std::max<uint64_t>(1, shape.multiplicity.back()))
      return leaf.page.Corrupt("too many values");
  }
  return std::unique_ptr<Reader>(std::make_unique<FixedReader>(std::move(shape), std::move(parts), OutputLimit(leaves)));
}

}  // namespace lancefs::v20
