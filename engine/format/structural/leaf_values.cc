// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/leaf_values.h"

#include <arrow/array/array_dict.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>

#include "engine/arrow_status.h"

namespace lancefs::structural {
namespace {

Status TooManyBytes() {
  return Status::TooLarge("the values need more than 2 GiB, which 32-bit offsets cannot address; read fewer rows at once");
}

uint64_t LoadOffset(const uint8_t* offsets, unsigned width, uint64_t index) {
  return width == 4 ? LoadLittleEndian<uint32_t>(offsets + index * 4) : LoadLittleEndian<uint64_t>(offsets + index * 8);
}

// Where the bytes of values [first, first + count) lie in a chunk. Checks both ends.
Status ByteSpan(const VariableChunk& chunk, uint64_t first, uint64_t count, uint64_t* begin, uint64_t* end) {
  if ((first + count + 1) * chunk.width > chunk.offsets.size())
    return Status::Corruption("a chunk of variable values is shorter than its offsets");
  *begin = LoadOffset(chunk.offsets.data(), chunk.width, first);
  *end = LoadOffset(chunk.offsets.data(), chunk.width, first + count);
  if (*begin > *end || *end > chunk.bytes.size()) return Status::Corruption("a chunk of variable values has broken offsets");
  return Status::OK();
}

// No page can hold values of such a type as one column; the writer takes it as long as all rows are null.
LeafShape NullsOnly(const std::shared_ptr<arrow::DataType>& type) {
  LeafShape shape;
  shape.type = type;
  return shape;
}

bool HasFixedItems(const arrow::DataType& item) {
  return arrow::is_fixed_width(item.id()) && item.id() != arrow::Type::DICTIONARY;
}

Result<LeafShape> ListShape(const std::shared_ptr<arrow::DataType>& type) {
  LeafShape shape;
  shape.kind = ShapeKind::kFixedSizeList;
  shape.type = type;
  uint64_t items = 1;
  const arrow::DataType* inner = type.get();
  while (inner->id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListType&>(*inner);
    items *= static_cast<uint64_t>(list.list_size());
    if (items == 0 || items > kFreeArrayBytes)
      return Status::NotSupported("a fixed-size list of " + std::to_string(items) + " items is not supported");
    shape.list_items.push_back(items);
    inner = list.value_type().get();
  }
  // Of other items no page holds values: the writer takes them as long as all items are null.
  if (!HasFixedItems(*inner)) return shape;
  shape.row_bits = items * static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(*inner).bit_width());
  if (shape.row_bits > kFreeArrayBytes * 8) return Status::NotSupported("values of type " + type->ToString() + " are too wide");
  return shape;
}

}  // namespace

Result<LeafShape> LeafShape::Make(const std::shared_ptr<arrow::DataType>& type, int depth) {
  if (depth > kMaxEncodingDepth) return Status::NotSupported("the type is nested too deeply");
  LeafShape shape;
  shape.type = type;
  switch (type->id()) {
    case arrow::Type::NA: return shape;
    case arrow::Type::STRING:
    case arrow::Type::BINARY: shape.kind = ShapeKind::kVariable; return shape;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      shape.kind = ShapeKind::kVariable;
      shape.wide_offsets = true;
      return shape;
    case arrow::Type::FIXED_SIZE_LIST: return ListShape(type);
    case arrow::Type::DICTIONARY: {
      shape.kind = ShapeKind::kDictionary;
      shape.row_bits = 32;  // positions; the index type comes in at the end
      LANCEFS_ASSIGN_OR_RETURN(LeafShape value, Make(static_cast<const arrow::DictionaryType&>(*type).value_type(), depth + 1));
      shape.children.push_back(std::move(value));
      return shape;
    }
    case arrow::Type::STRUCT: {
      shape.kind = type->num_fields() == 0 ? ShapeKind::kEmptyStruct : ShapeKind::kPackedStruct;
      for (const auto& field : type->fields()) {
        LANCEFS_ASSIGN_OR_RETURN(LeafShape child, Make(field->type(), depth + 1));
        if (child.kind == ShapeKind::kNull && field->type()->id() != arrow::Type::NA) return NullsOnly(type);
        shape.row_bits += child.row_bits;
        shape.children.push_back(std::move(child));
      }
      return shape;
    }
    default: break;
  }
  if (!arrow::is_fixed_width(type->id())) return NullsOnly(type);
  shape.kind = ShapeKind::kFixed;
  shape.row_bits = static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(*type).bit_width());
  return shape;
}

LeafValues::LeafValues(LeafShape shape, uint64_t limit) : shape_(std::move(shape)), item_validity_(shape_.list_items.size()) {
  for (GrowBuffer* buffer : {&rows_, &offsets_, &bytes_}) buffer->SetLimit(limit);
  if (shape_.kind == ShapeKind::kPackedStruct) {
    for (const LeafShape& child : shape_.children) children_.emplace_back(child, limit);
  }
  // The leading 0; Finish notices if there was no memory for it.
  if (shape_.kind == ShapeKind::kVariable) first_offset_ = AppendOffset();
}

Status LeafValues::Reserve(uint64_t count) {
  if (count > (uint64_t{1} << 36)) return Status::TooLarge("too many values at once; read fewer rows at once");
  for (LeafValues& child : children_) LANCEFS_RETURN_NOT_OK(child.Reserve(count));
  switch (shape_.kind) {
    case ShapeKind::kVariable: return offsets_.Reserve((count + 1) * (shape_.wide_offsets ? 8 : 4));
    case ShapeKind::kFixed:
    case ShapeKind::kFixedSizeList:
    case ShapeKind::kDictionary: {
      if (shape_.row_bits != 0 && count > (uint64_t{1} << 40) / shape_.row_bits)
        return Status::TooLarge("too many values at once; read fewer rows at once");
      return rows_.Reserve((count * shape_.row_bits + 7) / 8);
    }
    default: return Status::OK();
  }
}

Status LeafValues::PrepareRows(uint64_t count, size_t extra, uint8_t** out) {
  LANCEFS_RETURN_NOT_OK(rows_.Reserve(count * (shape_.row_bits / 8) + extra));
  *out = rows_.end();
  return Status::OK();
}

void LeafValues::CommitRows(uint64_t count) {
  rows_.Advance(count * (shape_.row_bits / 8));
  count_ += count;
}

Status LeafValues::AppendRows(const uint8_t* rows, uint64_t first, uint64_t count) {
  if (shape_.kind == ShapeKind::kPackedStruct) {
    const size_t stride = shape_.row_bits / 8;
    size_t at = 0;
    for (LeafValues& field : children_) {
      const size_t width = field.shape_.row_bits / 8;
      for (uint64_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(field.AppendRows(rows + (first + i) * stride + at, 0, 1));
      at += width;
    }
    count_ += count;
    return Status::OK();
  }
  const uint64_t bits = shape_.row_bits;
  if (bits % 8 == 0) {
    LANCEFS_RETURN_NOT_OK(rows_.Append(rows + first * (bits / 8), count * (bits / 8)));
  } else {
    const uint64_t end = ((count_ + count) * bits + 7) / 8;
    if (end > rows_.size()) LANCEFS_RETURN_NOT_OK(rows_.AppendZeros(end - rows_.size()));
    CopyBits(rows, first * bits, rows_.mutable_data(), count_ * bits, count * bits);
  }
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendRows(const Bytes& bytes, uint64_t count) {
  const bool plain = shape_.kind == ShapeKind::kFixed || shape_.kind == ShapeKind::kFixedSizeList;
  // Few bytes would keep all that were read with them.
  constexpr size_t kWorthKeeping = 64 * 1024;
  if (!plain || shape_.row_bits % 8 != 0 || bytes.size() != count * (shape_.row_bits / 8) || bytes.size() < kWorthKeeping ||
      !rows_.Adopt(bytes)) {
    return AppendRows(bytes.data(), 0, count);
  }
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendItemValidity(size_t layer, const uint8_t* bits, uint64_t first_row, uint64_t count) {
  const uint64_t items = shape_.list_items[layer];
  if (bits == nullptr) return item_validity_[layer].AppendValid(count * items);
  return item_validity_[layer].AppendBits(bits, first_row * items, count * items);
}

Status LeafValues::AppendItemNulls(size_t layer, uint64_t rows) {
  return item_validity_[layer].AppendNull(rows * shape_.list_items[layer]);
}

Status LeafValues::ReserveBytes(uint64_t more) {
  if (!shape_.wide_offsets && bytes_.size() + more > INT32_MAX) return TooManyBytes();
  return bytes_.Reserve(more);
}

Status LeafValues::AppendOffset() {
  if (shape_.wide_offsets) {
    const auto end = static_cast<int64_t>(bytes_.size());
    return offsets_.Append(&end, sizeof(end));
  }
  const auto end = static_cast<int32_t>(bytes_.size());
  return offsets_.Append(&end, sizeof(end));
}

template <typename Offset>
Status LeafValues::AppendVariableAs(const VariableChunk& chunk, uint64_t first, uint64_t count) {
  uint64_t begin = 0;
  uint64_t end = 0;
  LANCEFS_RETURN_NOT_OK(ByteSpan(chunk, first, count, &begin, &end));
  LANCEFS_RETURN_NOT_OK(ReserveBytes(end - begin));
  LANCEFS_RETURN_NOT_OK(offsets_.Reserve((count + 1) * sizeof(Offset)));
  const uint64_t base = bytes_.size() - begin;
  auto* out = reinterpret_cast<Offset*>(offsets_.end());
  bool ascending = true;
  const auto convert = [&]<typename In>(In) {
    const uint8_t* from = chunk.offsets.data() + (first + 1) * sizeof(In);
    In previous = static_cast<In>(begin);
    for (uint64_t i = 0; i < count; ++i) {
      const In offset = LoadLittleEndian<In>(from + i * sizeof(In));
      ascending &= previous <= offset;
      previous = offset;
      out[i] = static_cast<Offset>(base + offset);
    }
  };
  if (chunk.width == 4) {
    convert(uint32_t{});
  } else {
    convert(uint64_t{});
  }
  if (!ascending) return Status::Corruption("a chunk of variable values has descending offsets");
  offsets_.Advance(count * sizeof(Offset));
  LANCEFS_RETURN_NOT_OK(bytes_.Append(chunk.bytes.data() + begin, end - begin));
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendVariable(const VariableChunk& chunk, uint64_t first, uint64_t count) {
  return shape_.wide_offsets ? AppendVariableAs<int64_t>(chunk, first, count) : AppendVariableAs<int32_t>(chunk, first, count);
}

Status LeafValues::AppendFsst(const FsstTable& table, const VariableChunk& chunk, uint64_t first, uint64_t count) {
  if (!table.compressed()) return AppendVariable(chunk, first, count);
  uint64_t begin = 0;
  uint64_t end = 0;
  LANCEFS_RETURN_NOT_OK(ByteSpan(chunk, first, count, &begin, &end));
  // The bound of 8 bytes a code is for memory; the 2 GiB limit is checked with the true size.
  LANCEFS_RETURN_NOT_OK(bytes_.Reserve(FsstTable::MaxDecoded(end - begin)));
  LANCEFS_RETURN_NOT_OK(offsets_.Reserve((count + 1) * 8));
  uint64_t from = begin;
  const size_t start = bytes_.size();
  uint8_t* const base = bytes_.mutable_data();
  uint8_t* out = bytes_.end();
  const bool wide = shape_.wide_offsets;
  auto* narrow_out = reinterpret_cast<int32_t*>(offsets_.end());
  auto* wide_out = reinterpret_cast<int64_t*>(offsets_.end());
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t to = LoadOffset(chunk.offsets.data(), chunk.width, first + i + 1);
    if (to < from || to > end) return Status::Corruption("a chunk of variable values has descending offsets");
    out = table.Decode(chunk.bytes.subspan(from, to - from), out);
    if (out == nullptr) return Status::Corruption("broken FSST codes");
    from = to;
    if (wide) {
      wide_out[i] = out - base;
    } else {
      narrow_out[i] = static_cast<int32_t>(out - base);
    }
  }
  const auto total = static_cast<size_t>(out - base);
  if (!wide && total > INT32_MAX) return TooManyBytes();
  bytes_.Advance(total - start);
  offsets_.Advance(count * (wide ? 8 : 4));
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendValue(std::span<const uint8_t> value) {
  LANCEFS_RETURN_NOT_OK(ReserveBytes(value.size()));
  LANCEFS_RETURN_NOT_OK(bytes_.Append(value.data(), value.size()));
  ++count_;
  return AppendOffset();
}

Status LeafValues::AppendFsstValue(const FsstTable& table, std::span<const uint8_t> value) {
  if (!table.compressed()) return AppendValue(value);
  LANCEFS_RETURN_NOT_OK(bytes_.Reserve(FsstTable::MaxDecoded(value.size())));
  uint8_t* const end = table.Decode(value, bytes_.end());
  if (end == nullptr) return Status::Corruption("broken FSST codes");
  bytes_.Advance(static_cast<size_t>(end - bytes_.end()));
  if (!shape_.wide_offsets && bytes_.size() > INT32_MAX) return TooManyBytes();
  ++count_;
  return AppendOffset();
}

Status LeafValues::AppendZeroRows(uint64_t count) {
  LANCEFS_RETURN_NOT_OK(Reserve(count));
  const uint64_t end = ((count_ + count) * shape_.row_bits + 7) / 8;
  if (end > rows_.size()) LANCEFS_RETURN_NOT_OK(rows_.AppendZeros(end - rows_.size()));
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendDefault(uint64_t count) {
  switch (shape_.kind) {
    case ShapeKind::kVariable:
      for (uint64_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(AppendOffset());
      break;
    case ShapeKind::kFixedSizeList:
      // Items of null rows are null as far as anybody can tell; keep them valid zeros.
      for (size_t layer = 0; layer < item_validity_.size(); ++layer)
        LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, nullptr, 0, count));
      [[fallthrough]];
    case ShapeKind::kFixed:
    case ShapeKind::kDictionary: return AppendZeroRows(count);
    case ShapeKind::kPackedStruct:
      for (LeafValues& child : children_) LANCEFS_RETURN_NOT_OK(child.AppendDefault(count));
      break;
    case ShapeKind::kNull:
    case ShapeKind::kEmptyStruct: break;
  }
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendNullItems(uint64_t count) {
  if (shape_.kind != ShapeKind::kFixedSizeList) return AppendDefault(count);
  LANCEFS_RETURN_NOT_OK(AppendItemNulls(0, count));
  for (size_t layer = 1; layer < item_validity_.size(); ++layer)
    LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, nullptr, 0, count));
  return AppendZeroRows(count);
}

Status LeafValues::AppendRepeated(std::span<const uint8_t> value, uint64_t count) {
  if (shape_.kind == ShapeKind::kVariable) {
    if (value.size() != 0 && count > (uint64_t{1} << 36) / value.size())
      return Status::TooLarge("too many bytes at once; read fewer rows at once");
    LANCEFS_RETURN_NOT_OK(ReserveBytes(value.size() * count));
    LANCEFS_RETURN_NOT_OK(Reserve(count));
    for (uint64_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(AppendValue(value));
    return Status::OK();
  }
  if (shape_.kind == ShapeKind::kFixed && shape_.row_bits == 1) {
    if (value.size() != 1) return Status::Corruption("a constant of the wrong size");
    const uint64_t end = (count_ + count + 7) / 8;
    if (end > rows_.size()) LANCEFS_RETURN_NOT_OK(rows_.AppendZeros(end - rows_.size()));
    if (count != 0)
      arrow::bit_util::SetBitsTo(rows_.mutable_data(), static_cast<int64_t>(count_), static_cast<int64_t>(count), value[0] != 0);
    count_ += count;
    return Status::OK();
  }
  const bool rows =
      shape_.kind == ShapeKind::kFixed || shape_.kind == ShapeKind::kFixedSizeList || shape_.kind == ShapeKind::kPackedStruct;
  if (!rows || shape_.row_bits % 8 != 0 || value.size() != shape_.row_bits / 8)
    return Status::Corruption("a constant of the wrong size");
  LANCEFS_RETURN_NOT_OK(Reserve(count));
  for (size_t layer = 0; layer < item_validity_.size(); ++layer)
    LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, nullptr, 0, count));
  for (uint64_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(AppendRows(value.data(), 0, 1));
  return Status::OK();
}

Status LeafValues::AppendFrom(const LeafValues& other, uint64_t first, uint64_t count) {
  switch (shape_.kind) {
    case ShapeKind::kVariable: {
      const unsigned width = shape_.wide_offsets ? 8 : 4;
      return AppendVariable({{other.offsets_.data(), other.offsets_.size()}, {other.bytes_.data(), other.bytes_.size()}, width},
                            first, count);
    }
    case ShapeKind::kFixedSizeList:
      for (size_t layer = 0; layer < item_validity_.size(); ++layer) {
        const uint8_t* bits = other.item_validity_[layer].bits();
        LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, bits, first, count));
      }
      return AppendRows(other.rows_.data(), first, count);
    case ShapeKind::kFixed: return AppendRows(other.rows_.data(), first, count);
    case ShapeKind::kPackedStruct:
      for (size_t i = 0; i < children_.size(); ++i)
        LANCEFS_RETURN_NOT_OK(children_[i].AppendFrom(other.children_[i], first, count));
      break;
    case ShapeKind::kDictionary: return Status::Internal("values of a dictionary column cannot be copied");
    case ShapeKind::kNull:
    case ShapeKind::kEmptyStruct: break;
  }
  count_ += count;
  return Status::OK();
}

Result<Block> LeafValues::ToBlock() const {
  if (shape_.kind != ShapeKind::kVariable) return Status::Internal("only variable values make a dictionary");
  LANCEFS_RETURN_NOT_OK(first_offset_);
  Block block;
  block.variable = true;
  block.wide_offsets = shape_.wide_offsets;
  block.count = count_;
  block.data.assign(bytes_.data(), bytes_.data() + bytes_.size());
  block.offsets.resize(count_ + 1);
  for (uint64_t i = 0; i <= count_; ++i) block.offsets[i] = LoadOffset(offsets_.data(), shape_.wide_offsets ? 8 : 4, i);
  return block;
}

// Checked where it is used: the page's dictionary may have been cached by a read of another field, where a broken manifest
// gives one column to two fields.
bool LeafValues::Accepts(const PageDictionary& dictionary) const {
  const Block& block = dictionary.block;
  if (shape_.kind == ShapeKind::kDictionary)
    return dictionary.array != nullptr && dictionary.array->type()->Equals(*shape_.children[0].type);
  if (block.variable) return shape_.kind == ShapeKind::kVariable;
  if (shape_.kind == ShapeKind::kFixedSizeList)
    return shape_.list_items == block.list_items && (block.bits == 0 || shape_.row_bits == block.bits);
  return shape_.kind == ShapeKind::kFixed && shape_.row_bits == block.bits && block.bits % 8 == 0;
}

Status LeafValues::AppendLookups(const std::shared_ptr<const PageDictionary>& dictionary, const uint32_t* indices,
                                 uint64_t count) {
  if (!Accepts(*dictionary)) return Status::Corruption("the dictionary does not fit type " + shape_.type->ToString());
  if (shape_.kind == ShapeKind::kDictionary) {
    if (runs_.empty() || runs_.back().dictionary != dictionary) runs_.push_back({count_, dictionary});
    LANCEFS_RETURN_NOT_OK(Reserve(count));
    auto* out = reinterpret_cast<uint32_t*>(rows_.end());
    const auto limit = dictionary->block.count;
    for (uint64_t i = 0; i < count; ++i) {
      const bool good = indices[i] < limit;
      if (!good) bad_lookups_.push_back(count_ + i);
      out[i] = good ? indices[i] : 0;
    }
    rows_.Advance(count * 4);
    count_ += count;
    return Status::OK();
  }
  if (shape_.kind == ShapeKind::kVariable) return AppendLookupsVariable(dictionary->block, indices, count);
  return AppendLookupsFixed(dictionary->block, indices, count);
}

Status LeafValues::AppendLookupsVariable(const Block& block, const uint32_t* indices, uint64_t count) {
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (indices[i] < block.count) total += block.offsets[indices[i] + 1] - block.offsets[indices[i]];
  }
  LANCEFS_RETURN_NOT_OK(ReserveBytes(total));
  LANCEFS_RETURN_NOT_OK(offsets_.Reserve((count + 1) * (shape_.wide_offsets ? 8 : 4)));
  const uint8_t* bytes = block.data.data();
  uint8_t* const base = bytes_.mutable_data();
  uint8_t* out = bytes_.end();
  auto* narrow_out = reinterpret_cast<int32_t*>(offsets_.end());
  auto* wide_out = reinterpret_cast<int64_t*>(offsets_.end());
  const bool wide = shape_.wide_offsets;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t index = indices[i];
    if (index < block.count) {
      const uint64_t begin = block.offsets[index];
      const uint64_t length = block.offsets[index + 1] - begin;
      // Short values move as one fixed-size copy where both sides have the room.
      if (length <= 16 && begin + 16 <= block.data.size()) {
        std::memcpy(out, bytes + begin, 16);
      } else {
        std::memcpy(out, bytes + begin, length);
      }
      out += length;
    } else {
      bad_lookups_.push_back(count_ + i);
    }
    if (wide) {
      wide_out[i] = out - base;
    } else {
      narrow_out[i] = static_cast<int32_t>(out - base);
    }
  }
  bytes_.Advance(total);
  offsets_.Advance(count * (wide ? 8 : 4));
  count_ += count;
  return Status::OK();
}

Status LeafValues::AppendLookupsFixed(const Block& block, const uint32_t* indices, uint64_t count) {
  const size_t width = block.bits / 8;
  if (shape_.kind == ShapeKind::kFixedSizeList) {
    for (size_t layer = 0; layer < item_validity_.size(); ++layer) {
      const std::vector<uint8_t>& bits = block.item_validity[layer];
      if (bits.empty()) {
        LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, nullptr, 0, count));
        continue;
      }
      for (uint64_t i = 0; i < count; ++i)
        LANCEFS_RETURN_NOT_OK(AppendItemValidity(layer, indices[i] < block.count ? bits.data() : nullptr, indices[i], 1));
    }
    if (width == 0) {  // null items have no bytes
      for (uint64_t i = 0; i < count; ++i) {
        if (indices[i] >= block.count) bad_lookups_.push_back(count_ + i);
      }
      const uint64_t end = ((count_ + count) * shape_.row_bits + 7) / 8;
      if (end > rows_.size()) LANCEFS_RETURN_NOT_OK(rows_.AppendZeros(end - rows_.size()));
      count_ += count;
      return Status::OK();
    }
  }
  LANCEFS_RETURN_NOT_OK(Reserve(count));
  uint8_t* out = rows_.end();
  for (uint64_t i = 0; i < count; ++i) {
    if (indices[i] < block.count) {
      std::memcpy(out + i * width, block.data.data() + indices[i] * width, width);
    } else {
      std::memset(out + i * width, 0, width);
      bad_lookups_.push_back(count_ + i);
    }
  }
  CommitRows(count);
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> LeafValues::Finish(BitmapValues* validity) {
  if (validity->length() != count_) {
    return Status::Corruption("the column has " + std::to_string(count_) + " values but levels for " +
                              std::to_string(validity->length()));
  }
  for (const uint64_t bad : bad_lookups_) {
    if (validity->IsValid(bad))
      return Status::Corruption("value " + std::to_string(bad) + " has an index outside its dictionary");
  }
  const auto count = static_cast<int64_t>(count_);
  const auto nulls = static_cast<int64_t>(validity->null_count());
  switch (shape_.kind) {
    case ShapeKind::kNull: return FinishNulls(validity);
    case ShapeKind::kFixed:
      return arrow::MakeArray(arrow::ArrayData::Make(shape_.type, count, {validity->Finish(), rows_.Finish()}, nulls));
    case ShapeKind::kVariable: {
      LANCEFS_RETURN_NOT_OK(first_offset_);
      std::shared_ptr<arrow::Buffer> offsets = offsets_.Finish();
      return arrow::MakeArray(
          arrow::ArrayData::Make(shape_.type, count, {validity->Finish(), std::move(offsets), bytes_.Finish()}, nulls));
    }
    case ShapeKind::kFixedSizeList: return FinishFixedSizeList(validity);
    case ShapeKind::kDictionary: return FinishDictionary(validity);
    // Its levels only tell about what is around it: without children there is nothing that could be null.
    case ShapeKind::kEmptyStruct:
      if (shape_.packed) return FromArrow(arrow::MakeArrayOfNull(shape_.type, count));
      return arrow::MakeArray(arrow::ArrayData::Make(shape_.type, count, {nullptr}, 0));
    case ShapeKind::kPackedStruct: break;
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (LeafValues& child : children_) {
    BitmapValues all_valid;
    LANCEFS_RETURN_NOT_OK(all_valid.AppendValid(count_));
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> array, child.Finish(&all_valid));
    children.push_back(array->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(shape_.type, count, {validity->Finish()}, std::move(children), nulls));
}

Result<std::shared_ptr<arrow::Array>> LeafValues::FinishNulls(BitmapValues* validity) {
  if (shape_.type->id() != arrow::Type::NA && validity->null_count() != count_)
    return Status::Corruption("values of type " + shape_.type->ToString() + " that are not null in a page without values");
  return FromArrow(arrow::MakeArrayOfNull(shape_.type, static_cast<int64_t>(count_)));
}

Result<std::shared_ptr<arrow::Array>> LeafValues::FinishFixedSizeList(BitmapValues* validity) {
  std::vector<std::shared_ptr<arrow::DataType>> types;  // outermost list first, then the item
  for (std::shared_ptr<arrow::DataType> type = shape_.type;;
       type = static_cast<const arrow::FixedSizeListType&>(*type).value_type()) {
    types.push_back(type);
    if (type->id() != arrow::Type::FIXED_SIZE_LIST) break;
  }
  std::shared_ptr<arrow::ArrayData> data;
  for (size_t layer = types.size(); layer-- > 0;) {
    BitmapValues* valid = layer == 0 ? validity : &item_validity_[layer - 1];
    const auto length = static_cast<int64_t>(layer == 0 ? count_ : count_ * shape_.list_items[layer - 1]);
    if (valid->length() != static_cast<uint64_t>(length)) return Status::Corruption("item validity is missing");
    const auto nulls = static_cast<int64_t>(valid->null_count());
    if (data == nullptr && !HasFixedItems(*types[layer])) {
      LANCEFS_ARROW_ASSIGN(const auto items, arrow::MakeArrayOfNull(types[layer], length));
      data = items->data();
    } else if (data == nullptr) {
      data = arrow::ArrayData::Make(types[layer], length, {valid->Finish(), rows_.Finish()}, nulls);
    } else {
      data = arrow::ArrayData::Make(types[layer], length, {valid->Finish()}, {std::move(data)}, nulls);
    }
  }
  return arrow::MakeArray(std::move(data));
}

Result<std::shared_ptr<arrow::Array>> LeafValues::FinishDictionary(BitmapValues* validity) {
  const auto& type = static_cast<const arrow::DictionaryType&>(*shape_.type);
  auto* positions = reinterpret_cast<int32_t*>(rows_.mutable_data());
  std::shared_ptr<arrow::Array> dictionary;
  if (runs_.empty()) {
    LANCEFS_ARROW_ASSIGN(dictionary, arrow::MakeEmptyArray(type.value_type()));
  } else if (runs_.size() == 1) {
    dictionary = runs_[0].dictionary->array;
  } else {
    LANCEFS_ARROW_ASSIGN(auto unifier, arrow::DictionaryUnifier::Make(type.value_type()));
    for (size_t i = 0; i < runs_.size(); ++i) {
      std::shared_ptr<arrow::Buffer> map;
      LANCEFS_ARROW_NOT_OK(unifier->Unify(*runs_[i].dictionary->array, &map));
      const auto* transpose = reinterpret_cast<const int32_t*>(map->data());
      const uint64_t end = i + 1 < runs_.size() ? runs_[i + 1].start : count_;
      if (runs_[i].dictionary->block.count == 0) continue;  // only nulls
      for (uint64_t k = runs_[i].start; k < end; ++k) positions[k] = transpose[positions[k]];
    }
    std::shared_ptr<arrow::DataType> unified;
    LANCEFS_ARROW_NOT_OK(unifier->GetResult(&unified, &dictionary));
  }
  const auto narrow = [&]<typename T>(T) -> Result<std::shared_ptr<arrow::Buffer>> {
    GrowBuffer out;
    LANCEFS_RETURN_NOT_OK(out.Reserve(count_ * sizeof(T)));
    auto* to = reinterpret_cast<T*>(out.end());
    for (uint64_t i = 0; i < count_; ++i) {
      to[i] = static_cast<T>(positions[i]);
      if (static_cast<int64_t>(to[i]) != positions[i]) {
        return Status::TooLarge("the dictionaries of the rows' pages have " + std::to_string(dictionary->length()) +
                                " values together, too many for indices of type " + type.index_type()->ToString() +
                                "; read fewer rows at once");
      }
    }
    out.Advance(count_ * sizeof(T));
    return out.Finish();
  };
  Result<std::shared_ptr<arrow::Buffer>> indices = Status::Internal("no index type");
  switch (type.index_type()->id()) {
    case arrow::Type::INT8: indices = narrow(int8_t{}); break;
    case arrow::Type::UINT8: indices = narrow(uint8_t{}); break;
    case arrow::Type::INT16: indices = narrow(int16_t{}); break;
    case arrow::Type::UINT16: indices = narrow(uint16_t{}); break;
    case arrow::Type::INT64:
    case arrow::Type::UINT64: indices = narrow(int64_t{}); break;
    default: indices = rows_.Finish(); break;
  }
  if (!indices.ok()) return indices.status();
  const auto nulls = static_cast<int64_t>(validity->null_count());
  auto data = arrow::ArrayData::Make(shape_.type, static_cast<int64_t>(count_), {validity->Finish(), *indices}, nulls);
  data->dictionary = dictionary->data();
  return arrow::MakeArray(std::move(data));
}

Result<std::shared_ptr<arrow::Array>> BlockToArray(const Block& block, const LeafShape& shape) {
  LeafValues values(shape,
                    std::max<uint64_t>(kFreeArrayBytes, block.data.size() + (block.count + 1) * 8));  // it is there already
  if (block.variable) {
    if (shape.kind != ShapeKind::kVariable)
      return Status::Corruption("a dictionary of variable values for type " + shape.type->ToString());
    for (uint64_t i = 0; i < block.count; ++i) {
      LANCEFS_RETURN_NOT_OK(
          values.AppendValue(std::span(block.data).subspan(block.offsets[i], block.offsets[i + 1] - block.offsets[i])));
    }
  } else {
    if (shape.kind != ShapeKind::kFixed || block.bits != shape.row_bits)
      return Status::Corruption("a dictionary of " + std::to_string(block.bits) + "-bit values for type " +
                                shape.type->ToString());
    LANCEFS_RETURN_NOT_OK(values.AppendRows(block.data.data(), 0, block.count));
  }
  BitmapValues all_valid;
  LANCEFS_RETURN_NOT_OK(all_valid.AppendValid(block.count));
  return values.Finish(&all_valid);
}

}  // namespace lancefs::structural
