// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/value_codec.h"

#include <algorithm>
#include <string>

#include "engine/format/structural/bitpacking.h"

namespace lancefs::structural {
namespace {

using pb::v21::CompressiveEncoding;
using Buffers = std::span<const std::span<const uint8_t>>;

bool IsWordBits(uint64_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }
uint64_t BytesFor(uint64_t bits) { return (bits + 7) / 8; }

Status TooShort(const char* what, size_t have, uint64_t want) {
  return Status::Corruption(std::string(what) + " have " + std::to_string(have) + " bytes instead of " + std::to_string(want));
}

template <typename T>
Status UnpackInline(std::span<const uint8_t> in, uint64_t count, uint8_t* out) {
  if (count > kBlockValues) return Status::Corruption("a bitpacked chunk of " + std::to_string(count) + " values");
  if (in.size() < sizeof(T)) return TooShort("bitpacked values", in.size(), sizeof(T));
  const auto width = LoadLittleEndian<T>(in.data());
  if (width > sizeof(T) * 8) return Status::Corruption("bitpacked values of width " + std::to_string(width));
  const size_t wanted = (1 + PackedWords<T>(static_cast<unsigned>(width))) * sizeof(T);
  if (in.size() < wanted) return TooShort("bitpacked values", in.size(), wanted);
  UnpackBlock<T>(in.data() + sizeof(T), static_cast<unsigned>(width), reinterpret_cast<T*>(out));
  return Status::OK();
}

template <typename T>
void FillRun(uint8_t* out, const uint8_t* value, size_t count) {
  const auto v = LoadLittleEndian<T>(value);
  for (size_t i = 0; i < count; ++i) StoreLittleEndian<T>(out + i * sizeof(T), v);
}

void MergePlanes(const uint8_t* planes, uint64_t count, size_t width, uint8_t* out) {
  for (size_t plane = 0; plane < width; ++plane) {
    const uint8_t* from = planes + plane * count;
    for (uint64_t i = 0; i < count; ++i) out[i * width + plane] = from[i];
  }
}

template <typename T>
void Widen(const uint8_t* rows, uint64_t count, uint32_t* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = LoadLittleEndian<T>(rows + i * sizeof(T));
    // Larger indices are out of range anyway.
    out[i] = static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
  }
}

bool IsWhole(const RowSelection& ranges, uint64_t count) {
  return ranges.size() == 1 && ranges[0].start == 0 && ranges[0].end == count;
}

}  // namespace

Result<std::unique_ptr<ValueCodec>> ValueCodec::Make(const CompressiveEncoding& encoding, int depth) {
  if (depth >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
  auto codec = std::make_unique<ValueCodec>();
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kFlat:
      codec->kind_ = Kind::kFlat;
      codec->bits_ = encoding.flat().bits_per_value();
      if (codec->bits_ == 0 || codec->bits_ > (uint64_t{1} << 34) || (codec->bits_ != 1 && codec->bits_ % 8 != 0)) {
        return Status::Corruption("flat values of " + std::to_string(codec->bits_) + " bits");
      }
      if (encoding.flat().has_data()) return Status::NotSupported("compressed flat values are not supported");
      return codec;
    case CompressiveEncoding::kVariable:
      codec->kind_ = Kind::kVariable;
      if (!encoding.variable().offsets().has_flat()) {
        return Status::NotSupported(std::string("variable values with ") + EncodingName(encoding.variable().offsets()) +
                                    " offsets are not supported");
      }
      codec->bits_ = encoding.variable().offsets().flat().bits_per_value();
      if (codec->bits_ != 32 && codec->bits_ != 64)
        return Status::Corruption("offsets of " + std::to_string(codec->bits_) + " bits");
      if (encoding.variable().has_values()) return Status::NotSupported("compressed variable values are not supported");
      return codec;
    case CompressiveEncoding::kInlineBitpacking:
      codec->kind_ = Kind::kInline;
      codec->bits_ = encoding.inline_bitpacking().uncompressed_bits_per_value();
      if (!IsWordBits(codec->bits_)) return Status::Corruption("bitpacked values of " + std::to_string(codec->bits_) + " bits");
      return codec;
    case CompressiveEncoding::kConstant: codec->kind_ = Kind::kConstant; return codec;
    case CompressiveEncoding::kFsst: {
      codec->kind_ = Kind::kFsst;
      const std::string& table = encoding.fsst().symbol_table();
      LANCEFS_ASSIGN_OR_RETURN(codec->fsst_, FsstTable::Parse({reinterpret_cast<const uint8_t*>(table.data()), table.size()}));
      LANCEFS_ASSIGN_OR_RETURN(codec->child_, Make(encoding.fsst().values(), depth + 1));
      if (codec->child_->kind_ != Kind::kVariable)
        return Status::NotSupported("FSST over an encoding other than variable is not supported");
      codec->bits_ = codec->child_->bits_;
      return codec;
    }
    case CompressiveEncoding::kRle:
      codec->kind_ = Kind::kRle;
      if (!encoding.rle().values().has_flat() || !encoding.rle().run_lengths().has_flat() ||
          encoding.rle().run_lengths().flat().bits_per_value() != 8) {
        return Status::NotSupported("run-length encoding over anything but flat values and 8-bit lengths is not supported");
      }
      codec->bits_ = encoding.rle().values().flat().bits_per_value();
      if (!IsWordBits(codec->bits_)) return Status::Corruption("run values of " + std::to_string(codec->bits_) + " bits");
      return codec;
    case CompressiveEncoding::kByteStreamSplit:
      codec->kind_ = Kind::kByteStreamSplit;
      if (!encoding.byte_stream_split().values().has_flat())
        return Status::NotSupported("byte_stream_split over an encoding other than flat is not supported");
      codec->bits_ = encoding.byte_stream_split().values().flat().bits_per_value();
      if (!IsWordBits(codec->bits_))
        return Status::Corruption("byte_stream_split values of " + std::to_string(codec->bits_) + " bits");
      return codec;
    case CompressiveEncoding::kGeneral: {
      codec->kind_ = Kind::kGeneral;
      LANCEFS_ASSIGN_OR_RETURN(codec->scheme_, CompressionOf(encoding.general()));
      LANCEFS_ASSIGN_OR_RETURN(codec->child_, Make(encoding.general().values(), depth + 1));
      codec->bits_ = codec->child_->bits_;
      return codec;
    }
    case CompressiveEncoding::kFixedSizeList:
      codec->kind_ = Kind::kFixedSizeList;
      LANCEFS_RETURN_NOT_OK(codec->MakeFixedSizeList(encoding, depth));
      return codec;
    case CompressiveEncoding::kPackedStruct: {
      codec->kind_ = Kind::kPackedStruct;
      LANCEFS_ASSIGN_OR_RETURN(codec->child_, Make(encoding.packed_struct().values(), depth + 1));
      if (codec->child_->kind_ != Kind::kFlat)
        return Status::NotSupported("a packed struct over an encoding other than flat is not supported");
      codec->bits_ = codec->child_->bits_;
      codec->field_bits_.assign(encoding.packed_struct().bits_per_value().begin(),
                                encoding.packed_struct().bits_per_value().end());
      return codec;
    }
    case CompressiveEncoding::kVariablePackedStruct:
      codec->kind_ = Kind::kVariablePackedStruct;
      LANCEFS_RETURN_NOT_OK(codec->MakeVariablePackedStruct(encoding.variable_packed_struct(), depth));
      return codec;
    default: break;
  }
  return Status::NotSupported(std::string("values of encoding '") + EncodingName(encoding) + "' are not supported");
}

Status ValueCodec::MakeFixedSizeList(const CompressiveEncoding& encoding, int depth) {
  const CompressiveEncoding* inner = &encoding;
  uint64_t items = 1;
  for (int level = depth; inner->has_fixed_size_list(); ++level) {
    if (level >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
    const uint64_t dimension = inner->fixed_size_list().items_per_value();
    if (dimension == 0 || dimension > (uint64_t{1} << 32) / items)
      return Status::Corruption("a fixed-size list of " + std::to_string(dimension) + " items");
    items *= dimension;
    list_items_.push_back(items);
    list_validity_.push_back(inner->fixed_size_list().has_validity());
    inner = &inner->fixed_size_list().values();
  }
  if (inner->has_constant()) {
    if (inner->constant().has_value()) return Status::NotSupported("fixed-size lists of a constant item are not supported");
    items_null_ = true;
    return Status::OK();
  }
  if (!inner->has_flat())
    return Status::NotSupported(std::string("fixed-size lists over '") + EncodingName(*inner) + "' are not supported");
  bits_ = inner->flat().bits_per_value();
  if (bits_ == 0 || bits_ > (uint64_t{1} << 30) || (bits_ != 1 && bits_ % 8 != 0))
    return Status::Corruption("flat values of " + std::to_string(bits_) + " bits");
  data_bits_ = items * bits_;
  return Status::OK();
}

Status ValueCodec::MakeVariablePackedStruct(const pb::v21::VariablePackedStruct& encoding, int depth) {
  for (const auto& field : encoding.fields()) {
    PackedField packed;
    LANCEFS_ASSIGN_OR_RETURN(packed.codec, Make(field.value(), depth + 1));
    if (field.layout_case() == pb::v21::VariablePackedStruct::FieldEncoding::kBitsPerValue) {
      packed.bits = field.bits_per_value();
      if (packed.bits == 0 || packed.bits % 8 != 0 || packed.bits > (uint64_t{1} << 34))
        return Status::Corruption("a packed field of " + std::to_string(packed.bits) + " bits");
    } else {
      packed.length_bits = field.bits_per_length();
      if (packed.length_bits != 32 && packed.length_bits != 64)
        return Status::Corruption("a packed field's length of " + std::to_string(packed.length_bits) + " bits");
    }
    fields_.push_back(std::move(packed));
  }
  return Status::OK();
}

size_t ValueCodec::num_buffers() const {
  switch (kind_) {
    case Kind::kRle: return 2;
    case Kind::kGeneral: return child_->num_buffers();
    case Kind::kFixedSizeList:
      return (items_null_ ? 0U : 1U) + static_cast<size_t>(std::count(list_validity_.begin(), list_validity_.end(), true));
    default: return 1;
  }
}

Status ValueCodec::CheckListShape(const LeafShape& shape) const {
  if (shape.kind != ShapeKind::kFixedSizeList || shape.list_items != list_items_ ||
      (!items_null_ && shape.row_bits != data_bits_)) {
    return Status::Corruption("the fixed-size lists of the page do not fit type " + shape.type->ToString());
  }
  return Status::OK();
}

Status ValueCodec::CheckChunkShape(const LeafShape& shape) const {
  const auto misfit = [&](const std::string& what) {
    return Status::Corruption(what + " do not fit type " + shape.type->ToString());
  };
  switch (kind_) {
    case Kind::kFlat:
    case Kind::kInline:
    case Kind::kRle:
    case Kind::kByteStreamSplit:
      if (shape.kind != ShapeKind::kFixed || shape.row_bits != bits_)
        return misfit("values of " + std::to_string(bits_) + " bits");
      return Status::OK();
    case Kind::kVariable:
    case Kind::kFsst: return shape.kind == ShapeKind::kVariable ? Status::OK() : misfit("values of variable width");
    case Kind::kGeneral: return child_->CheckChunkShape(shape);
    case Kind::kFixedSizeList: return CheckListShape(shape);
    case Kind::kPackedStruct: {
      if (shape.kind != ShapeKind::kPackedStruct || shape.children.size() != field_bits_.size() || shape.row_bits != bits_)
        return misfit("packed structs");
      for (size_t i = 0; i < field_bits_.size(); ++i) {
        const LeafShape& child = shape.children[i];
        const bool fixed = child.kind == ShapeKind::kFixed || child.kind == ShapeKind::kFixedSizeList;
        if (!fixed || child.row_bits != field_bits_[i] || field_bits_[i] % 8 != 0) return misfit("packed structs");
      }
      return Status::OK();
    }
    case Kind::kConstant:
    case Kind::kVariablePackedStruct: break;
  }
  return Status::NotSupported("this encoding is not supported in a miniblock page");
}

Status ValueCodec::CheckIndices() const {
  switch (kind_) {
    case Kind::kFlat:
    case Kind::kInline:
    case Kind::kRle:
    case Kind::kByteStreamSplit:
      return IsWordBits(bits_) ? Status::OK() : Status::Corruption("dictionary indices of " + std::to_string(bits_) + " bits");
    case Kind::kGeneral: return child_->CheckIndices();
    default: return Status::Corruption("dictionary indices are not of fixed width");
  }
}

Status ValueCodec::DecodeRle(Buffers buffers, uint64_t count, uint8_t* out) const {
  const size_t width = bits_ / 8;
  const std::span<const uint8_t> values = buffers[0];
  const std::span<const uint8_t> lengths = buffers[1];
  if (values.size() / width < lengths.size()) return Status::Corruption("there are more run lengths than run values");
  uint64_t done = 0;
  for (size_t run = 0; run < lengths.size() && done < count; ++run) {
    if (lengths[run] == 0) return Status::Corruption("a run of length 0");
    // Old writers let the last run reach beyond the chunk.
    const size_t length = std::min<uint64_t>(lengths[run], count - done);
    uint8_t* to = out + done * width;
    const uint8_t* value = values.data() + run * width;
    switch (width) {
      case 1: std::memset(to, *value, length); break;
      case 2: FillRun<uint16_t>(to, value, length); break;
      case 4: FillRun<uint32_t>(to, value, length); break;
      default: FillRun<uint64_t>(to, value, length); break;
    }
    done += length;
  }
  if (done != count)
    return Status::Corruption("run lengths add up to " + std::to_string(done) + " instead of " + std::to_string(count));
  return Status::OK();
}

Status ValueCodec::DecodeRows(Buffers buffers, uint64_t count, uint8_t* dest, Scratch* scratch, const uint8_t** rows) const {
  if (kind_ == Kind::kFlat || kind_ == Kind::kPackedStruct) {
    const uint64_t wanted = BytesFor(count * bits_);
    if (buffers[0].size() < wanted) return TooShort("flat values", buffers[0].size(), wanted);
    *rows = buffers[0].data();
    return Status::OK();
  }
  if (dest == nullptr) {
    const size_t wanted = std::max<uint64_t>(count, kBlockValues) * (bits_ / 8);
    if (scratch->rows.size() < wanted) scratch->rows.resize(wanted);
    dest = scratch->rows.data();
  }
  *rows = dest;
  switch (kind_) {
    case Kind::kInline:
      switch (bits_) {
        case 8: return UnpackInline<uint8_t>(buffers[0], count, dest);
        case 16: return UnpackInline<uint16_t>(buffers[0], count, dest);
        case 32: return UnpackInline<uint32_t>(buffers[0], count, dest);
        default: return UnpackInline<uint64_t>(buffers[0], count, dest);
      }
    case Kind::kRle: return DecodeRle(buffers, count, dest);
    case Kind::kByteStreamSplit: {
      const uint64_t wanted = count * (bits_ / 8);
      if (buffers[0].size() < wanted) return TooShort("byte_stream_split values", buffers[0].size(), wanted);
      MergePlanes(buffers[0].data(), count, bits_ / 8, dest);
      return Status::OK();
    }
    default: break;
  }
  return Status::Internal("not a fixed-width encoding");
}

Status ValueCodec::AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                               LeafValues* out) const {
  switch (kind_) {
    case Kind::kGeneral: {
      std::vector<uint8_t> plain = std::move(scratch->plain);
      LANCEFS_RETURN_NOT_OK(Decompress(scheme_, buffers[0], &plain));
      std::vector<std::span<const uint8_t>> inner(buffers.begin(), buffers.end());
      inner[0] = plain;
      const Status status = child_->AppendChunk(inner, count, ranges, scratch, out);
      scratch->plain = std::move(plain);
      return status;
    }
    case Kind::kVariable:
      for (const RowRange& range : ranges)
        LANCEFS_RETURN_NOT_OK(out->AppendVariable(buffers[0], static_cast<unsigned>(bits_ / 8), range.start, range.length()));
      return Status::OK();
    case Kind::kFsst:
      for (const RowRange& range : ranges)
        LANCEFS_RETURN_NOT_OK(out->AppendFsst(fsst_, buffers[0], static_cast<unsigned>(bits_ / 8), range.start, range.length()));
      return Status::OK();
    case Kind::kFixedSizeList: return AppendListChunk(buffers, count, ranges, out);
    case Kind::kFlat:
    case Kind::kPackedStruct: break;
    default:
      if (IsWhole(ranges, count)) {  // straight into the output
        uint8_t* dest = nullptr;
        LANCEFS_RETURN_NOT_OK(out->PrepareRows(count, kBlockValues * (bits_ / 8), &dest));
        const uint8_t* rows = nullptr;
        LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, dest, scratch, &rows));
        out->CommitRows(count);
        return Status::OK();
      }
  }
  const uint8_t* rows = nullptr;
  LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, nullptr, scratch, &rows));
  for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendRows(rows, range.start, range.length()));
  return Status::OK();
}

Status ValueCodec::AppendListChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, LeafValues* out) const {
  size_t next = 0;
  for (size_t layer = 0; layer < list_items_.size(); ++layer) {
    const uint8_t* bits = nullptr;
    if (list_validity_[layer]) {
      const uint64_t wanted = BytesFor(count * list_items_[layer]);
      if (buffers[next].size() < wanted) return TooShort("item validity bits", buffers[next].size(), wanted);
      bits = buffers[next++].data();
    }
    const bool items = layer + 1 == list_items_.size();
    for (const RowRange& range : ranges) {
      if (items && items_null_) {
        LANCEFS_RETURN_NOT_OK(out->AppendItemNulls(layer, range.length()));
      } else {
        LANCEFS_RETURN_NOT_OK(out->AppendItemValidity(layer, bits, range.start, range.length()));
      }
    }
  }
  if (items_null_) {
    std::vector<uint8_t> zeros(BytesFor(out->shape().row_bits), 0);
    for (const RowRange& range : ranges) {
      for (uint64_t i = 0; i < range.length(); ++i) LANCEFS_RETURN_NOT_OK(out->AppendRows(zeros.data(), 0, 1));
    }
    return Status::OK();
  }
  const uint64_t wanted = BytesFor(count * data_bits_);
  if (buffers[next].size() < wanted) return TooShort("fixed-size list items", buffers[next].size(), wanted);
  for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendRows(buffers[next].data(), range.start, range.length()));
  return Status::OK();
}

Status ValueCodec::DecodeIndices(Buffers buffers, uint64_t count, Scratch* scratch) const {
  if (kind_ == Kind::kGeneral) {
    std::vector<uint8_t> plain = std::move(scratch->plain);
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, buffers[0], &plain));
    std::vector<std::span<const uint8_t>> inner(buffers.begin(), buffers.end());
    inner[0] = plain;
    const Status status = child_->DecodeIndices(inner, count, scratch);
    scratch->plain = std::move(plain);
    return status;
  }
  if (scratch->indices.size() < std::max<uint64_t>(count, kBlockValues))
    scratch->indices.resize(std::max<uint64_t>(count, kBlockValues));
  const uint8_t* rows = nullptr;
  auto* dest = bits_ == 32 ? reinterpret_cast<uint8_t*>(scratch->indices.data()) : nullptr;
  LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, dest, scratch, &rows));
  if (rows == dest) return Status::OK();
  switch (bits_) {
    case 8: Widen<uint8_t>(rows, count, scratch->indices.data()); break;
    case 16: Widen<uint16_t>(rows, count, scratch->indices.data()); break;
    case 32: Widen<uint32_t>(rows, count, scratch->indices.data()); break;
    default: Widen<uint64_t>(rows, count, scratch->indices.data()); break;
  }
  return Status::OK();
}

Status ValueCodec::CheckValueShape(const LeafShape& shape, uint64_t bits) const {
  const auto misfit = [&](const std::string& what) {
    return Status::Corruption(what + " do not fit type " + shape.type->ToString());
  };
  if (bits != 0) {
    switch (kind_) {
      case Kind::kFlat: {
        if (bits != bits_) return Status::Corruption("the page's value width is contradictory");
        const bool wide_bool = shape.kind == ShapeKind::kFixed && shape.row_bits == 1 && bits == 8;
        const bool fits = shape.kind == ShapeKind::kFixed && shape.row_bits == bits;
        return wide_bool || fits ? Status::OK() : misfit("values of " + std::to_string(bits) + " bits");
      }
      case Kind::kPackedStruct: {
        if (bits != bits_) return Status::Corruption("the page's value width is contradictory");
        return CheckChunkShape(shape);
      }
      case Kind::kFixedSizeList: {
        LANCEFS_RETURN_NOT_OK(CheckListShape(shape));
        uint64_t total = BytesFor(data_bits_) * 8;
        for (size_t i = 0; i < list_items_.size(); ++i) total += list_validity_[i] ? BytesFor(list_items_[i]) * 8 : 0;
        return total == bits ? Status::OK() : Status::Corruption("the page's value width is contradictory");
      }
      default: return Status::NotSupported("this encoding is not supported for values of fixed width in a full-zip page");
    }
  }
  switch (kind_) {
    case Kind::kVariable:
    case Kind::kFsst: return shape.kind == ShapeKind::kVariable ? Status::OK() : misfit("values of variable width");
    case Kind::kGeneral: return child_->CheckValueShape(shape, 0);
    case Kind::kVariablePackedStruct: {
      if (shape.kind != ShapeKind::kPackedStruct || shape.children.size() != fields_.size()) return misfit("packed structs");
      for (size_t i = 0; i < fields_.size(); ++i)
        LANCEFS_RETURN_NOT_OK(fields_[i].codec->CheckValueShape(shape.children[i], fields_[i].bits));
      return Status::OK();
    }
    default: return Status::NotSupported("this encoding is not supported for values of variable width in a full-zip page");
  }
}

Status ValueCodec::AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const {
  switch (kind_) {
    case Kind::kFlat:
      if (bytes.size() * 8 != bits_) return TooShort("a flat value's bytes", bytes.size(), bits_ / 8);
      if (out->shape().row_bits == 1) {
        const uint8_t bit = bytes[0] != 0 ? 1 : 0;
        return out->AppendRows(&bit, 0, 1);
      }
      return out->AppendRows(bytes.data(), 0, 1);
    case Kind::kPackedStruct:
      if (bytes.size() * 8 != bits_) return TooShort("a packed struct's bytes", bytes.size(), bits_ / 8);
      return out->AppendRows(bytes.data(), 0, 1);
    case Kind::kFixedSizeList: return AppendListValue(bytes, out);
    case Kind::kVariable: return out->AppendValue(bytes);
    case Kind::kFsst: return out->AppendFsstValue(fsst_, bytes);
    case Kind::kGeneral: {
      std::vector<uint8_t> plain = std::move(scratch->plain);
      LANCEFS_RETURN_NOT_OK(Decompress(scheme_, bytes, &plain));
      const Status status = child_->AppendValue(plain, scratch, out);
      scratch->plain = std::move(plain);
      return status;
    }
    case Kind::kVariablePackedStruct: return AppendPackedValue(bytes, scratch, out);
    default: break;
  }
  return Status::Internal("not an encoding of single values");
}

Status ValueCodec::AppendListValue(std::span<const uint8_t> bytes, LeafValues* out) const {
  size_t at = 0;
  for (size_t layer = 0; layer < list_items_.size(); ++layer) {
    const uint8_t* bits = nullptr;
    if (list_validity_[layer]) {
      if (bytes.size() - at < BytesFor(list_items_[layer]))
        return TooShort("a fixed-size list's bytes", bytes.size(), at + BytesFor(list_items_[layer]));
      bits = bytes.data() + at;
      at += BytesFor(list_items_[layer]);
    }
    if (items_null_ && layer + 1 == list_items_.size()) {
      LANCEFS_RETURN_NOT_OK(out->AppendItemNulls(layer, 1));
    } else {
      LANCEFS_RETURN_NOT_OK(out->AppendItemValidity(layer, bits, 0, 1));
    }
  }
  if (items_null_) {
    std::vector<uint8_t> zeros(BytesFor(out->shape().row_bits), 0);
    return out->AppendRows(zeros.data(), 0, 1);
  }
  if (bytes.size() - at < BytesFor(data_bits_))
    return TooShort("a fixed-size list's bytes", bytes.size(), at + BytesFor(data_bits_));
  return out->AppendRows(bytes.data() + at, 0, 1);
}

Status ValueCodec::AppendPackedValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const {
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

}  // namespace lancefs::structural
