// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/leaf_values.h"

#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <cstring>
#include <numeric>
#include <unordered_map>

#include "engine/arrow_status.h"

namespace lancefs {
namespace {

bool GetBit(const std::vector<uint8_t>& bits, size_t i) { return (bits[i / 8] >> (i % 8)) & 1; }

// Memory that `values->data` then points to; zeroed behind the wanted size.
uint8_t* AllocateData(LeafValues* values, size_t size) {
  uint8_t* data = nullptr;
  const Bytes bytes = Bytes::Allocate(size, &data);
  values->data = data;
  values->owner = bytes.owner();
  return data;
}

const uint8_t* RawData(const arrow::Array& array, int buffer = 1) {
  const auto& buffers = array.data()->buffers;
  return buffers[static_cast<size_t>(buffer)] == nullptr ? nullptr : buffers[static_cast<size_t>(buffer)]->data();
}

// Bits of the elements of `slices`, gathered from each array's values buffer.
void GatherBits(const ArraySlices& slices, uint64_t count, LeafValues* values) {
  uint8_t* out = AllocateData(values, (count + 7) / 8);
  if (count != 0) out[(count - 1) / 8] = 0;  // no garbage behind the last bit
  int64_t at = 0;
  for (const ArraySlice& slice : slices) {
    arrow::internal::CopyBitmap(RawData(*slice.array), slice.array->offset() + slice.offset, slice.length, out, at);
    at += slice.length;
  }
  if (count % 8 != 0) out[count / 8] &= static_cast<uint8_t>((1 << (count % 8)) - 1);
}

void GatherBytes(const ArraySlices& slices, uint64_t count, size_t width, LeafValues* values) {
  if (slices.size() == 1) {
    const ArraySlice& slice = slices[0];
    values->data = RawData(*slice.array) + static_cast<size_t>(slice.array->offset() + slice.offset) * width;
    values->owner = slice.array->data();
    return;
  }
  uint8_t* out = AllocateData(values, count * width);
  for (const ArraySlice& slice : slices) {
    const size_t size = static_cast<size_t>(slice.length) * width;
    std::memcpy(out, RawData(*slice.array) + static_cast<size_t>(slice.array->offset() + slice.offset) * width, size);
    out += size;
  }
}

void Gather(const ArraySlices& slices, uint64_t count, uint32_t bits, LeafValues* values) {
  values->bits = bits;
  if (bits == 1) {
    GatherBits(slices, count, values);
  } else {
    GatherBytes(slices, count, bits / 8, values);
  }
}

// Zeros under the nulls, so that garbage neither leaks nor costs width. `units` are bits or bytes per row.
void ZeroNulls(const std::vector<uint8_t>& validity, uint64_t row_bits, LeafValues* values) {
  if (validity.empty() || values->count == 0 || row_bits == 0) return;
  const size_t size = (values->count * row_bits + 7) / 8;
  const uint8_t* from = values->data;
  const std::shared_ptr<const void> keep = values->owner;
  uint8_t* out = AllocateData(values, size);
  std::memcpy(out, from, size);
  for (size_t i = 0; i < values->count; ++i) {
    if (GetBit(validity, i)) continue;
    if (row_bits % 8 == 0) {
      std::memset(out + i * (row_bits / 8), 0, row_bits / 8);
    } else {
      arrow::bit_util::SetBitsTo(out, static_cast<int64_t>(i * row_bits), static_cast<int64_t>(row_bits), false);
    }
  }
}

template <typename Offset>
Status GatherStrings(const ShreddedPage& page, const std::string& name, LeafValues* values) {
  uint64_t total = 0;
  for (const ArraySlice& slice : page.values) {
    const auto* offsets = reinterpret_cast<const Offset*>(RawData(*slice.array)) + slice.array->offset() + slice.offset;
    total += static_cast<uint64_t>(offsets[slice.length] - offsets[0]);
  }
  if (total > UINT32_MAX) return Status::TooLarge("column '" + name + "': one page would hold more than 4 GiB of strings");
  values->kind = LeafValues::Kind::kVariable;
  values->offset_bits = sizeof(Offset) * 8;
  values->offsets.resize(values->count + 1);
  const bool zero_copy = page.values.size() == 1 && page.validity.empty();
  uint8_t* out = zero_copy ? nullptr : AllocateData(values, total);
  size_t i = 0;
  uint32_t at = 0;
  for (const ArraySlice& slice : page.values) {
    const auto* offsets = reinterpret_cast<const Offset*>(RawData(*slice.array)) + slice.array->offset() + slice.offset;
    const uint8_t* bytes = RawData(*slice.array, 2);
    if (zero_copy) {
      values->data = bytes == nullptr ? nullptr : bytes + offsets[0];
      values->owner = slice.array->data();
    }
    if (page.validity.empty()) {
      const auto size = static_cast<size_t>(offsets[slice.length] - offsets[0]);
      if (!zero_copy && size != 0) std::memcpy(out + at, bytes + offsets[0], size);
      for (int64_t k = 0; k < slice.length; ++k) values->offsets[i++] = at + static_cast<uint32_t>(offsets[k] - offsets[0]);
      at += static_cast<uint32_t>(size);
      continue;
    }
    for (int64_t k = 0; k < slice.length; ++k) {
      values->offsets[i] = at;
      if (GetBit(page.validity, i++)) {
        const auto size = static_cast<size_t>(offsets[k + 1] - offsets[k]);
        if (size != 0) std::memcpy(out + at, bytes + offsets[k], size);
        at += static_cast<uint32_t>(size);
      }
    }
  }
  values->offsets[i] = at;
  return Status::OK();
}

// The validity of the children of one list level; children of null parents count as valid.
std::vector<uint8_t> ChildValidity(const ArraySlices& children, uint64_t count, const std::vector<uint8_t>& parents,
                                   uint64_t dimension) {
  bool any = false;
  for (const ArraySlice& slice : children) any |= slice.array->null_count() != 0;
  if (!any) return {};
  std::vector<uint8_t> validity((count + 7) / 8, 0);
  int64_t at = 0;
  for (const ArraySlice& slice : children) {
    const uint8_t* bitmap = slice.array->null_bitmap_data();
    if (bitmap == nullptr) {
      arrow::bit_util::SetBitsTo(validity.data(), at, slice.length, true);
    } else {
      arrow::internal::CopyBitmap(bitmap, slice.array->offset() + slice.offset, slice.length, validity.data(), at);
    }
    at += slice.length;
  }
  for (size_t parent = 0; !parents.empty() && parent < count / dimension; ++parent) {
    if (GetBit(parents, parent)) continue;
    arrow::bit_util::SetBitsTo(validity.data(), static_cast<int64_t>(parent * dimension), static_cast<int64_t>(dimension), true);
  }
  const auto valid = arrow::internal::CountSetBits(validity.data(), 0, static_cast<int64_t>(count));
  return static_cast<uint64_t>(valid) == count ? std::vector<uint8_t>() : validity;
}

// Which children are live: valid ones below live parents. Empty = all.
std::vector<uint8_t> LiveBelow(const std::vector<uint8_t>& parents, const LeafValues::ListLevel& level, uint64_t count) {
  if (parents.empty()) return level.validity;
  std::vector<uint8_t> live = level.validity.empty() ? std::vector<uint8_t>((count + 7) / 8, 0xFF) : level.validity;
  for (size_t parent = 0; parent < count / level.dimension; ++parent) {
    if (GetBit(parents, parent)) continue;
    arrow::bit_util::SetBitsTo(live.data(), static_cast<int64_t>(parent * level.dimension), static_cast<int64_t>(level.dimension),
                               false);
  }
  return live;
}

Status CollectLists(const ShreddedPage& page, const std::string& name, LeafValues* values) {
  values->kind = LeafValues::Kind::kFixedLists;
  ArraySlices slices = page.values;
  uint64_t count = page.num_values;
  std::vector<uint8_t> parents = page.validity;
  while (!slices.empty() && slices[0].array->type_id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto dimension = static_cast<const arrow::FixedSizeListType&>(*slices[0].array->type()).list_size();
    for (ArraySlice& slice : slices) {
      const auto& array = static_cast<const arrow::FixedSizeListArray&>(*slice.array);
      slice.offset = array.value_offset(slice.offset);
      slice.length *= dimension;
      slice.array = StorageOf(array.values());
    }
    LeafValues::ListLevel level;
    level.dimension = static_cast<uint64_t>(dimension);
    count *= level.dimension;
    level.validity = ChildValidity(slices, count, parents, level.dimension);
    parents = LiveBelow(parents, level, count);
    values->lists.push_back(std::move(level));
  }
  if (slices.empty()) return Status::Internal("column '" + name + "': a page of lists without values");
  const auto bits = static_cast<const arrow::FixedWidthType&>(*slices[0].array->type()).bit_width();
  Gather(slices, count, static_cast<uint32_t>(bits), values);
  values->count = page.num_values;
  ZeroNulls(page.validity, values->row_bits(), values);
  return Status::OK();
}

Status CollectPacked(const ShreddedPage& page, const arrow::StructType& type, const std::string& name, LeafValues* values) {
  values->kind = LeafValues::Kind::kFixed;
  size_t width = 0;
  for (const auto& child : type.fields()) {
    const auto bits = static_cast<uint32_t>(static_cast<const arrow::FixedWidthType&>(*child->type()).bit_width());
    values->packed_bits.push_back(bits);
    values->bits += bits;
  }
  width = values->byte_width();
  uint8_t* out = AllocateData(values, values->count * width);
  std::memset(out, 0, values->count * width);
  size_t row = 0;
  for (const ArraySlice& slice : page.values) {
    const auto& array = static_cast<const arrow::StructArray&>(*slice.array);
    size_t column = 0;
    for (int c = 0; c < type.num_fields(); ++c) {
      const std::shared_ptr<arrow::Array> child = StorageOf(array.field(c));
      const size_t size = values->packed_bits[static_cast<size_t>(c)] / 8;
      const uint8_t* from = RawData(*child) + static_cast<size_t>(child->offset() + slice.offset) * size;
      for (int64_t i = 0; i < slice.length; ++i) {
        if (array.IsNull(slice.offset + i)) continue;
        if (child->IsNull(slice.offset + i)) {
          return Status::InvalidArgument("column '" + name + "': the packed struct's field '" + type.field(c)->name() +
                                         "' is null, which Lance cannot store");
        }
        std::memcpy(out + (row + static_cast<size_t>(i)) * width + column, from + static_cast<size_t>(i) * size, size);
      }
      column += size;
    }
    row += static_cast<size_t>(slice.length);
  }
  return Status::OK();
}

// Keys of a dictionary column: one dictionary for the page, nulls only in the levels.
Status CollectDictionary(const ShreddedPage& page, const arrow::DictionaryType& type, const std::string& name,
                         LeafValues* values);

}  // namespace

Result<LeafValues> CollectValues(const ShreddedPage& page, const arrow::DataType& type, const std::string& name) {
  LeafValues values;
  values.count = page.num_values;
  switch (type.id()) {
    case arrow::Type::NA: return values;
    case arrow::Type::STRING: LANCEFS_RETURN_NOT_OK(GatherStrings<int32_t>(page, name, &values)); return values;
    case arrow::Type::LARGE_STRING: LANCEFS_RETURN_NOT_OK(GatherStrings<int64_t>(page, name, &values)); return values;
    case arrow::Type::BINARY:
      values.is_binary = true;
      LANCEFS_RETURN_NOT_OK(GatherStrings<int32_t>(page, name, &values));
      return values;
    case arrow::Type::LARGE_BINARY:
      values.is_binary = true;
      LANCEFS_RETURN_NOT_OK(GatherStrings<int64_t>(page, name, &values));
      return values;
    case arrow::Type::FIXED_SIZE_LIST: LANCEFS_RETURN_NOT_OK(CollectLists(page, name, &values)); return values;
    case arrow::Type::STRUCT:
      if (type.num_fields() == 0) return values;
      LANCEFS_RETURN_NOT_OK(CollectPacked(page, static_cast<const arrow::StructType&>(type), name, &values));
      return values;
    case arrow::Type::DICTIONARY:
      LANCEFS_RETURN_NOT_OK(CollectDictionary(page, static_cast<const arrow::DictionaryType&>(type), name, &values));
      return values;
    default: break;
  }
  values.kind = LeafValues::Kind::kFixed;
  Gather(page.values, page.num_values, static_cast<uint32_t>(static_cast<const arrow::FixedWidthType&>(type).bit_width()),
         &values);
  ZeroNulls(page.validity, values.bits, &values);
  return values;
}

namespace {

// Position in the page's dictionary of every item of an array's dictionary; -1 for nulls.
class DictionaryUnion {
 public:
  explicit DictionaryUnion(std::shared_ptr<arrow::DataType> type) : type_(std::move(type)) {}

  const std::vector<int64_t>& Add(const std::shared_ptr<arrow::Array>& dictionary) {
    if (last_ != nullptr && last_->data() == dictionary->data()) return positions_;
    last_ = dictionary;
    if (pieces_.empty() && dictionary->null_count() == 0) {
      pieces_.push_back(dictionary);
      size_ = dictionary->length();
    }
    if (!pieces_.empty() && dictionary->Equals(*pieces_[0])) {
      positions_.resize(static_cast<size_t>(dictionary->length()));
      std::iota(positions_.begin(), positions_.end(), 0);
    } else {
      AddOther(*dictionary);
    }
    return positions_;
  }

  // The items without nulls, each once (a first dictionary without nulls is taken as it is).
  Result<std::shared_ptr<arrow::Array>> Finish() {
    if (pieces_.empty()) {
      LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Array> none, arrow::MakeEmptyArray(type_));
      return none;
    }
    if (pieces_.size() == 1) return pieces_[0];
    LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Array> all, arrow::Concatenate(pieces_));
    return all;
  }

 private:
  std::string KeyOf(const arrow::Array& array, int64_t i) const {
    switch (array.type_id()) {
      case arrow::Type::STRING:
      case arrow::Type::BINARY: return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(i));
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY: return std::string(static_cast<const arrow::LargeBinaryArray&>(array).GetView(i));
      case arrow::Type::BOOL: return static_cast<const arrow::BooleanArray&>(array).Value(i) ? "1" : "0";
      default: break;
    }
    const auto width = static_cast<size_t>(static_cast<const arrow::FixedWidthType&>(*type_).bit_width() / 8);
    return {reinterpret_cast<const char*>(RawData(array)) + static_cast<size_t>(array.offset() + i) * width, width};
  }

  void AddOther(const arrow::Array& dictionary) {
    if (known_.empty() && !pieces_.empty()) {
      for (int64_t i = 0; i < pieces_[0]->length(); ++i) known_.try_emplace(KeyOf(*pieces_[0], i), i);
    }
    positions_.assign(static_cast<size_t>(dictionary.length()), -1);
    for (int64_t i = 0; i < dictionary.length(); ++i) {
      if (dictionary.IsNull(i)) continue;
      const auto [it, added] = known_.try_emplace(KeyOf(dictionary, i), size_);
      if (added) {
        pieces_.push_back(dictionary.Slice(i, 1));
        ++size_;
      }
      positions_[static_cast<size_t>(i)] = it->second;
    }
  }

  std::shared_ptr<arrow::DataType> type_;
  std::shared_ptr<arrow::Array> last_;  // what positions_ belongs to
  std::vector<int64_t> positions_;
  arrow::ArrayVector pieces_;  // the first dictionary, then single new items
  std::unordered_map<std::string, int64_t> known_;
  int64_t size_ = 0;
};

Status CollectDictionary(const ShreddedPage& page, const arrow::DictionaryType& type, const std::string& name,
                         LeafValues* values) {
  values->kind = LeafValues::Kind::kFixed;
  values->bits = static_cast<uint32_t>(type.bit_width());
  const size_t width = values->byte_width();
  uint8_t* out = AllocateData(values, values->count * width);
  std::memset(out, 0, values->count * width);
  DictionaryUnion dictionary(type.value_type());
  const bool is_signed = arrow::is_signed_integer(type.index_type()->id());
  const uint64_t limit = width == 8 ? UINT64_MAX : (uint64_t{1} << (width * 8 - (is_signed ? 1 : 0)));
  size_t i = 0;
  for (const ArraySlice& slice : page.values) {
    const auto& array = static_cast<const arrow::DictionaryArray&>(*slice.array);
    const std::vector<int64_t>& positions = dictionary.Add(StorageOf(array.dictionary()));
    for (int64_t k = 0; k < slice.length; ++k, ++i) {
      if (!page.validity.empty() && !GetBit(page.validity, i)) continue;
      const int64_t key = array.GetValueIndex(slice.offset + k);
      if (key < 0 || static_cast<uint64_t>(key) >= positions.size()) {
        return Status::InvalidArgument("column '" + name + "': key " + std::to_string(key) +
                                       " lies outside of its dictionary of " + std::to_string(positions.size()) + " items");
      }
      const auto position = static_cast<uint64_t>(positions[static_cast<size_t>(key)]);
      if (position >= limit)
        return Status::ResourceExhausted("column '" + name + "': the dictionaries together outgrow the key type");
      std::memcpy(out + i * width, &position, width);
    }
  }
  std::shared_ptr<arrow::Array> items;
  LANCEFS_ASSIGN_OR_RETURN(items, dictionary.Finish());
  // The items as a page of their own, so that they get the same plain form.
  ShreddedPage item_page;
  item_page.values = {{items, 0, items->length()}};
  item_page.num_values = static_cast<uint64_t>(items->length());
  LANCEFS_ASSIGN_OR_RETURN(LeafValues item_values, CollectValues(item_page, *type.value_type(), name));
  values->dictionary = std::make_shared<LeafValues>(std::move(item_values));
  return Status::OK();
}

}  // namespace
namespace {

template <typename T>
void RepeatTyped(const std::vector<uint8_t>& validity, size_t count, uint8_t* data) {
  constexpr size_t kBlock = 1024;
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t end = std::min(count, first + kBlock);
    size_t known = first;
    while (known < end && !GetBit(validity, known)) ++known;
    if (known == end) continue;
    T value = LoadLittleEndian<T>(data + known * sizeof(T));
    for (size_t i = first; i < end; ++i) {
      if (GetBit(validity, i)) {
        value = LoadLittleEndian<T>(data + i * sizeof(T));
      } else {
        StoreLittleEndian<T>(data + i * sizeof(T), value);
      }
    }
  }
}

}  // namespace

void RepeatUnderNulls(const std::vector<uint8_t>& validity, LeafValues* values) {
  if (validity.empty() || values->kind != LeafValues::Kind::kFixed || !values->packed_bits.empty()) return;
  const uint32_t bits = values->bits;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return;
  const uint8_t* from = values->data;
  const std::shared_ptr<const void> keep = values->owner;
  uint8_t* data = AllocateData(values, values->data_bytes());
  std::memcpy(data, from, values->data_bytes());
  switch (bits) {
    case 8: return RepeatTyped<uint8_t>(validity, values->count, data);
    case 16: return RepeatTyped<uint16_t>(validity, values->count, data);
    case 32: return RepeatTyped<uint32_t>(validity, values->count, data);
    default: return RepeatTyped<uint64_t>(validity, values->count, data);
  }
}

}  // namespace lancefs
