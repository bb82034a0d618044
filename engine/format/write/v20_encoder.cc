// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/v20_encoder.h"

#include <arrow/util/bit_util.h>

#include <cstring>
#include <unordered_map>

#include "engine/format/proto/encodings20.pb.h"
#include "engine/format/write/compress.h"
#include "engine/format/write/fsst.h"
#include "engine/format/write/leaf_values.h"

namespace lancefs {
namespace {

using Kind = LeafValues::Kind;
using pb::v20::ArrayEncoding;

constexpr size_t kMaxDictionaryItems = 254;  // keys are one byte and 0 means null
constexpr size_t kMinDictionaryRows = 100;

std::string BytesOf(const std::vector<uint8_t>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Slices as a page of leaf values without levels.
ShreddedPage PlainPage(const ArraySlices& slices) {
  ShreddedPage page;
  page.values = slices;
  page.num_values = page.length = static_cast<uint64_t>(CountRows(slices));
  bool any = false;
  for (const ArraySlice& slice : slices) any |= slice.array->ComputeLogicalNullCount() != 0;
  if (!any) return page;
  page.validity.assign((page.num_values + 7) / 8, 0);
  int64_t row = 0;
  for (const ArraySlice& slice : slices) {
    const bool dictionary = slice.array->type_id() == arrow::Type::DICTIONARY;
    for (int64_t i = 0; i < slice.length; ++i, ++row) {
      bool valid = slice.array->IsValid(slice.offset + i);
      if (valid && dictionary) {
        const auto& keys = static_cast<const arrow::DictionaryArray&>(*slice.array);
        valid = keys.dictionary()->IsValid(keys.GetValueIndex(slice.offset + i));
      }
      page.num_null += !valid;
      if (valid) arrow::bit_util::SetBit(page.validity.data(), row);
    }
  }
  if (page.num_null == 0) page.validity.clear();
  return page;
}

// One page: the tree of encodings and the buffers that its leaves name.
class PageBuilder {
 public:
  explicit PageBuilder(const Field& field) {
    const auto compression = field.metadata.find("lance-encoding:compression");
    if (compression != field.metadata.end()) compression_ = compression->second;
    const auto level = field.metadata.find("lance-encoding:compression-level");
    if (level != field.metadata.end()) level_ = std::atoi(level->second.c_str());
  }

  void AddStruct() { root_.mutable_struct_(); }
  void AddList(const std::vector<uint64_t>& ends, uint64_t num_items) {
    auto* list = root_.mutable_list();
    AddOffsets(ends, list->mutable_offsets());
    list->set_null_offset_adjustment(num_items + 1);
    list->set_num_items(num_items);
  }
  void AddLeaf(const ShreddedPage& page, const LeafValues& values, const arrow::DataType& type) {
    Add(page, values, type, &root_);
  }

  EncodedPage Finish(uint64_t length) {
    EncodedPage page;
    page.buffers = std::move(buffers_);
    page.encoding = root_.SerializeAsString();
    page.length = length;
    return page;
  }

 private:
  void SetBuffer(Bytes bytes, uint64_t bits, ArrayEncoding* out) {
    out->mutable_flat()->set_bits_per_value(bits);
    out->mutable_flat()->mutable_buffer()->set_buffer_index(static_cast<uint32_t>(buffers_.size()));
    buffers_.push_back(std::move(bytes));
  }
  static ArrayEncoding* NoNulls(ArrayEncoding* out) { return out->mutable_nullable()->mutable_no_nulls()->mutable_values(); }
  // The node for the values; validity comes before it where there are nulls.
  ArrayEncoding* Nullable(const std::vector<uint8_t>& validity, ArrayEncoding* out) {
    if (validity.empty()) return NoNulls(out);
    auto* some = out->mutable_nullable()->mutable_some_nulls();
    SetBuffer(Bytes::FromString(BytesOf(validity)), 1, some->mutable_validity());
    return some->mutable_values();
  }
  void AddOffsets(const std::vector<uint64_t>& ends, ArrayEncoding* out) {
    std::string bytes(reinterpret_cast<const char*>(ends.data()), ends.size() * sizeof(uint64_t));
    SetBuffer(Bytes::FromString(std::move(bytes)), 64, NoNulls(out));
  }

  void Add(const ShreddedPage& page, const LeafValues& values, const arrow::DataType& type, ArrayEncoding* out) {
    if (values.dictionary != nullptr) return AddDictionary(page, values, out);
    if (values.kind == Kind::kVariable) {
      if (type.id() == arrow::Type::STRING && compression_.empty() && AddStringDictionary(page, values, out)) return;
      return AddStrings(page.validity, values, out);
    }
    if (page.num_null == page.num_values || values.kind == Kind::kNone) {
      out->mutable_nullable()->mutable_all_nulls();
      return;
    }
    ArrayEncoding* node = values.packed_bits.empty() ? Nullable(page.validity, out) : out;
    if (values.kind == Kind::kFixedLists) return AddFixedLists(values, node);
    if (values.packed_bits.empty()) return SetBuffer(RawValues(values), values.bits, node);
    for (const uint32_t bits : values.packed_bits) {
      auto* flat = NoNulls(node->mutable_packed_struct()->add_inner())->mutable_flat();
      flat->set_bits_per_value(bits);
      flat->mutable_buffer();
    }
    node->mutable_packed_struct()->mutable_buffer()->set_buffer_index(static_cast<uint32_t>(buffers_.size()));
    buffers_.push_back(RawValues(values));
  }

  static Bytes RawValues(const LeafValues& values) { return Bytes(values.owner, values.data, values.data_bytes()); }

  void AddFixedLists(const LeafValues& values, ArrayEncoding* node) {
    for (const LeafValues::ListLevel& level : values.lists) {
      node->mutable_fixed_size_list()->set_dimension(static_cast<uint32_t>(level.dimension));
      node = Nullable(level.validity, node->mutable_fixed_size_list()->mutable_items());
    }
    SetBuffer(RawValues(values), values.bits, node);
  }

  // Nulls are in the offsets alone.
  void AddStrings(const std::vector<uint8_t>& validity, const LeafValues& values, ArrayEncoding* out) {
    LeafValues squeezed;
    const LeafValues* written = &values;
    if (compression_ == "fsst") {
      const FsstTable table = FsstTable::Train(values);
      squeezed = table.Encode(values);
      written = &squeezed;
      out->mutable_fsst()->set_symbol_table(table.Serialize());
      out = out->mutable_fsst()->mutable_binary();
    }
    const uint64_t adjustment = written->data_bytes() + 1;
    std::vector<uint64_t> ends(written->count);
    for (size_t i = 0; i < written->count; ++i) {
      const bool valid = validity.empty() || arrow::bit_util::GetBit(validity.data(), static_cast<int64_t>(i));
      ends[i] = written->offsets[i + 1] + (valid ? 0 : adjustment);
    }
    AddOffsets(ends, out->mutable_binary()->mutable_indices());
    out->mutable_binary()->set_null_adjustment(adjustment);
    ArrayEncoding* bytes = out->mutable_binary()->mutable_bytes();
    const std::span<const uint8_t> raw(written->data, written->data_bytes());
    const bool compressed = (compression_ == "zstd" || compression_ == "lz4") && !raw.empty();
    if (!compressed) return SetBuffer(Bytes(written->owner, raw.data(), raw.size()), 8, bytes);
    std::string frame;
    auto* scheme = bytes->mutable_flat()->mutable_compression();
    scheme->set_scheme(compression_);
    if (compression_ == "zstd") {
      AppendZstd(raw, level_, &frame);
    } else {
      AppendLz4(raw, &frame);
    }
    SetBuffer(Bytes::FromString(std::move(frame)), 8, bytes);
  }

  // Few distinct strings: one-byte keys, 0 = null, k = item k - 1. False when there are too many.
  bool AddStringDictionary(const ShreddedPage& page, const LeafValues& values, ArrayEncoding* out) {
    if (values.count < kMinDictionaryRows) return false;
    std::unordered_map<std::string_view, uint8_t> keys;
    std::string indices(values.count, '\0');
    LeafValues items;
    items.kind = Kind::kVariable;
    items.offsets.push_back(0);
    std::string bytes;
    for (size_t i = 0; i < values.count; ++i) {
      if (!page.validity.empty() && !arrow::bit_util::GetBit(page.validity.data(), static_cast<int64_t>(i))) continue;
      const std::string_view text(reinterpret_cast<const char*>(values.data) + values.offsets[i], values.length(i));
      const auto [it, added] = keys.try_emplace(text, static_cast<uint8_t>(keys.size() + 1));
      if (added) {
        if (keys.size() > kMaxDictionaryItems) return false;
        bytes.append(text);
        items.offsets.push_back(static_cast<uint32_t>(bytes.size()));
      }
      indices[i] = static_cast<char>(it->second);
    }
    std::vector<uint8_t> item_validity;
    if (keys.empty()) {  // all null: one null item
      items.offsets.push_back(0);
      item_validity.push_back(0);
    }
    items.count = items.offsets.size() - 1;
    const Bytes item_bytes = Bytes::FromString(std::move(bytes));
    items.data = item_bytes.data();
    items.owner = item_bytes.owner();
    out->mutable_dictionary()->set_num_dictionary_items(static_cast<uint32_t>(items.count));
    SetBuffer(Bytes::FromString(std::move(indices)), 8, NoNulls(out->mutable_dictionary()->mutable_indices()));
    AddStrings(item_validity, items, out->mutable_dictionary()->mutable_items());
    return true;
  }

  // Arrow dictionaries: 0-based keys; null rows point at an extra item that is null itself.
  void AddDictionary(const ShreddedPage& page, const LeafValues& values, ArrayEncoding* out) {
    LeafValues keys = values;
    LeafValues items = *values.dictionary;
    ShreddedPage item_page;
    item_page.num_values = items.count;
    std::string key_bytes;
    if (page.num_null != 0) {
      const uint64_t null_key = items.count;
      key_bytes.assign(reinterpret_cast<const char*>(values.data), values.data_bytes());
      for (size_t i = 0; i < values.count; ++i) {
        if (!arrow::bit_util::GetBit(page.validity.data(), static_cast<int64_t>(i)))
          std::memcpy(key_bytes.data() + i * values.byte_width(), &null_key, values.byte_width());
      }
      AppendNullItem(&items);
      item_page.num_values = items.count;
      item_page.num_null = 1;
      item_page.validity.assign((items.count + 7) / 8, 0xFF);
      arrow::bit_util::ClearBit(item_page.validity.data(), static_cast<int64_t>(null_key));
    } else {
      key_bytes.assign(reinterpret_cast<const char*>(values.data), values.data_bytes());
    }
    out->mutable_dictionary()->set_num_dictionary_items(static_cast<uint32_t>(items.count));
    SetBuffer(Bytes::FromString(std::move(key_bytes)), values.bits, NoNulls(out->mutable_dictionary()->mutable_indices()));
    ArrayEncoding* node = out->mutable_dictionary()->mutable_items();
    if (items.kind == Kind::kVariable) return AddStrings(item_page.validity, items, node);
    if (items.count == item_page.num_null) {
      node->mutable_nullable()->mutable_all_nulls();
      return;
    }
    node = Nullable(item_page.validity, node);
    SetBuffer(RawValues(items), items.bits, node);
  }

  static void AppendNullItem(LeafValues* items) {
    ++items->count;
    if (items->kind == Kind::kVariable) {
      items->offsets.push_back(items->offsets.back());
      return;
    }
    uint8_t* data = nullptr;
    const size_t size = items->data_bytes();
    const Bytes grown = Bytes::Allocate(size, &data);
    std::memset(data, 0, size);
    const size_t old_size = ((items->count - 1) * items->bits + 7) / 8;
    if (old_size != 0) std::memcpy(data, items->data, old_size);
    items->data = data;
    items->owner = grown.owner();
  }

  ArrayEncoding root_;
  std::vector<Bytes> buffers_;
  std::string compression_;
  int level_ = 0;
};

class FieldEncoder {
 public:
  explicit FieldEncoder(std::vector<ColumnPage>* out) : out_(out) {}

  Status Encode(const Field& field, const std::string& name, const ArraySlices& slices) {
    const arrow::Type::type id = field.type->id();
    if (!field.IsPackedStruct()) {
      if (id == arrow::Type::STRUCT) return EncodeStruct(field, name, slices);
      if (id == arrow::Type::LIST) return EncodeList<arrow::ListArray>(field, name, slices);
      if (id == arrow::Type::LARGE_LIST) return EncodeList<arrow::LargeListArray>(field, name, slices);
    }
    const ShreddedPage page = PlainPage(slices);
    PageBuilder builder(field);
    LANCEFS_ASSIGN_OR_RETURN(const LeafValues values, Collect(page, field, name));
    LANCEFS_RETURN_NOT_OK(CheckNullKey(page, values, field, name));
    builder.AddLeaf(page, values, *field.type);
    Emit(builder.Finish(page.num_values));
    return Status::OK();
  }

 private:
  void Emit(EncodedPage page) { out_->push_back({next_column_++, std::move(page)}); }

  static Result<LeafValues> Collect(const ShreddedPage& page, const Field& field, const std::string& name) {
    const bool lists_of_nulls = field.type->id() == arrow::Type::FIXED_SIZE_LIST && page.num_null == page.num_values;
    if (lists_of_nulls) return LeafValues();
    return CollectValues(page, *field.type, name);
  }

  // Null rows need one more dictionary item, which the keys must be able to count.
  static Status CheckNullKey(const ShreddedPage& page, const LeafValues& values, const Field& field, const std::string& name) {
    if (values.dictionary == nullptr || page.num_null == 0 || values.byte_width() == 8) return Status::OK();
    const auto& type = static_cast<const arrow::DictionaryType&>(*field.type);
    const bool is_signed = arrow::is_signed_integer(type.index_type()->id());
    const uint64_t limit = uint64_t{1} << (values.bits - (is_signed ? 1 : 0));
    if (values.dictionary->count < limit) return Status::OK();
    return Status::ResourceExhausted("column '" + name + "': the dictionary with an item for null outgrows the key type");
  }

  Status EncodeStruct(const Field& field, const std::string& name, const ArraySlices& slices) {
    PageBuilder builder(field);
    builder.AddStruct();
    EncodedPage header = builder.Finish(static_cast<uint64_t>(CountRows(slices)));
    header.joins = true;  // readers want a struct column to have a single page
    Emit(std::move(header));
    for (size_t c = 0; c < field.children.size(); ++c) {
      ArraySlices children;
      for (const ArraySlice& slice : slices) {
        children.push_back({StorageOf(static_cast<const arrow::StructArray&>(*slice.array).field(static_cast<int>(c))),
                            slice.offset, slice.length});
      }
      LANCEFS_RETURN_NOT_OK(Encode(field.children[c], name + "." + field.children[c].name, children));
    }
    return Status::OK();
  }

  template <typename ListArray>
  Status EncodeList(const Field& field, const std::string& name, const ArraySlices& slices) {
    std::vector<uint64_t> ends;
    std::vector<bool> nulls;
    ArraySlices items;
    uint64_t num_items = 0;
    for (const ArraySlice& slice : slices) {
      const auto& array = static_cast<const ListArray&>(*slice.array);
      const auto* offsets = array.raw_value_offsets() + slice.offset;
      const std::shared_ptr<arrow::Array> values = StorageOf(array.values());
      for (int64_t i = 0; i < slice.length; ++i) {
        nulls.push_back(array.IsNull(slice.offset + i));
        const int64_t count = nulls.back() ? 0 : offsets[i + 1] - offsets[i];
        num_items += static_cast<uint64_t>(count);
        ends.push_back(num_items);
        if (count == 0) continue;
        const bool joins =
            !items.empty() && items.back().array == values && items.back().offset + items.back().length == offsets[i];
        if (joins) {
          items.back().length += count;
        } else {
          items.push_back({values, offsets[i], count});
        }
      }
    }
    for (size_t i = 0; i < ends.size(); ++i) ends[i] += nulls[i] ? num_items + 1 : 0;
    PageBuilder builder(field);
    builder.AddList(ends, num_items);
    Emit(builder.Finish(ends.size()));
    if (items.empty()) return SkipColumns(field.children[0]);
    return Encode(field.children[0], name + "." + field.children[0].name, items);
  }

  // No items at all: the columns below get no page, but for structs, by whose page readers tell what they are.
  Status SkipColumns(const Field& field) {
    const arrow::Type::type id = field.type->id();
    const bool is_struct = id == arrow::Type::STRUCT && !field.IsPackedStruct();
    if (!is_struct && id != arrow::Type::LIST && id != arrow::Type::LARGE_LIST) {
      Schema schema;
      schema.fields.push_back(field);
      next_column_ += PhysicalFields(schema, FileVersion::kV2_0).size();
      return Status::OK();
    }
    if (is_struct) {
      PageBuilder builder(field);
      builder.AddStruct();
      EncodedPage header = builder.Finish(0);
      header.joins = true;
      Emit(std::move(header));
    } else {
      ++next_column_;
    }
    for (const Field& child : field.children) LANCEFS_RETURN_NOT_OK(SkipColumns(child));
    return Status::OK();
  }

  std::vector<ColumnPage>* out_;
  size_t next_column_ = 0;
};

}  // namespace

Status EncodeV20Pages(const Field& field, const ArraySlices& rows, std::vector<ColumnPage>* out) {
  ArraySlices storage;
  for (const ArraySlice& slice : rows) storage.push_back({StorageOf(slice.array), slice.offset, slice.length});
  std::vector<ColumnPage> pages;
  const Status status = FieldEncoder(&pages).Encode(field, field.name, storage);
  const int64_t count = CountRows(rows);
  if (status.Is(StatusCode::kResourceExhausted) && count > 1) {  // dictionaries outgrow their keys together
    LANCEFS_RETURN_NOT_OK(EncodeV20Pages(field, SliceRows(rows, 0, count / 2), out));
    return EncodeV20Pages(field, SliceRows(rows, count / 2, count - count / 2), out);
  }
  LANCEFS_RETURN_NOT_OK(status);
  out->insert(out->end(), std::make_move_iterator(pages.begin()), std::make_move_iterator(pages.end()));
  return Status::OK();
}

}  // namespace lancefs
