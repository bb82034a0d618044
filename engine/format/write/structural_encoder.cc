// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/structural_encoder.h"

#include <cstring>
#include <optional>

#include "engine/format/write/block_codec.h"
#include "engine/format/write/page_layout.h"

namespace lancefs {
namespace {

using Kind = LeafValues::Kind;

constexpr uint64_t kWideValue = 256;          // bytes from which values are zipped
constexpr uint32_t kStringChunkBytes = 4096;

const std::string* Metadata(const Field& field, const char* key) {
  const auto it = field.metadata.find(key);
  return it == field.metadata.end() ? nullptr : &it->second;
}

uint64_t LongestValue(const LeafValues& values) {
  uint32_t longest = 0;
  for (size_t i = 0; i < values.count; ++i) longest = std::max(longest, values.length(i));
  return longest;
}

// Raw block form of dictionary items (formats/file.md 4.2 and 4.1).
EncodedDictionary RawDictionary(const LeafValues& items) {
  EncodedDictionary out;
  out.num_items = items.count;
  if (items.kind != Kind::kVariable) {
    out.encoding = FlatEncoding(items.bits);
    out.buffer = Bytes(items.owner, items.data, items.data_bytes());
    return out;
  }
  *out.encoding.mutable_variable()->mutable_offsets() = FlatEncoding(items.offset_bits);
  std::string bytes;
  const auto append = [&](uint64_t value) {
    char raw[sizeof(value)];
    std::memcpy(raw, &value, sizeof(value));
    bytes.append(raw, items.offset_bits == 64 ? 8 : 4);
  };
  append(items.offset_bits);
  append((items.offset_bits / 8) * (2 + items.offsets.size()));
  for (const uint32_t offset : items.offsets) append(offset);
  bytes.append(reinterpret_cast<const char*>(items.data), items.data_bytes());
  out.buffer = Bytes::FromString(std::move(bytes));
  return out;
}

// Rows of nested fixed-size lists as the bytes of one value each: bitmaps, then the elements.
ZippedValues ZipFixedLists(const LeafValues& values, std::string* storage) {
  ZippedValues zipped;
  pb::v21::CompressiveEncoding* encoding = &zipped.encoding;
  uint64_t elements = 1;
  uint64_t bitmap_bytes = 0;
  for (const LeafValues::ListLevel& level : values.lists) {
    auto* list = encoding->mutable_fixed_size_list();
    list->set_items_per_value(level.dimension);
    list->set_has_validity(!level.validity.empty());
    elements *= level.dimension;
    if (!level.validity.empty()) bitmap_bytes += (elements + 7) / 8;
    encoding = list->mutable_values();
  }
  *encoding = FlatEncoding(values.bits);
  const uint64_t value_bytes = values.row_bits() / 8;
  zipped.row_bytes = bitmap_bytes + value_bytes;
  zipped.data = values.data;
  if (bitmap_bytes == 0) return zipped;
  storage->assign(values.count * zipped.row_bytes, '\0');
  char* out = storage->data();
  for (uint64_t row = 0; row < values.count; ++row) {
    elements = 1;
    for (const LeafValues::ListLevel& level : values.lists) {
      elements *= level.dimension;
      if (level.validity.empty()) continue;
      for (uint64_t i = 0; i < elements; ++i) {
        const uint64_t bit = row * elements + i;
        out[i / 8] = static_cast<char>(out[i / 8] | (((level.validity[bit / 8] >> (bit % 8)) & 1) << (i % 8)));
      }
      out += (elements + 7) / 8;
    }
    std::memcpy(out, values.data + row * value_bytes, value_bytes);
    out += value_bytes;
  }
  zipped.data = reinterpret_cast<const uint8_t*>(storage->data());
  return zipped;
}

class PageEncoder {
 public:
  PageEncoder(const LeafPath& path, FileVersion version) : path_(path), version_(version) {}

  // Nothing: the rows must be split.
  Result<std::optional<EncodedPage>> Encode(const ArraySlices& rows) {
    LANCEFS_ASSIGN_OR_RETURN(page_, Shred(rows, path_));
    LANCEFS_ASSIGN_OR_RETURN(std::optional<EncodedPage> encoded, EncodeValues());
    if (encoded) encoded->length = page_.length;
    return encoded;
  }

 private:
  Result<std::optional<EncodedPage>> EncodeValues() {
    if (path_.field->type->id() == arrow::Type::STRUCT && path_.field->type->num_fields() == 0) {
      if (page_.num_null != 0 || path_.num_lists != 0) {
        return Status::NotSupported("column '" + path_.name + "': a struct without fields can neither be null nor be in a list");
      }
      return std::optional<EncodedPage>(LayoutNoValues(page_.levels, version_));
    }
    if (page_.num_values == page_.num_null || path_.field->type->id() == arrow::Type::NA) {
      return std::optional<EncodedPage>(LayoutNoValues(page_.levels, version_));
    }
    LANCEFS_ASSIGN_OR_RETURN(values_, CollectValues(page_, *path_.field->type, path_.name));
    if (!WantsFullZip()) return EncodeMiniBlock();
    return std::optional<EncodedPage>(EncodeFullZip());
  }

  bool WantsFullZip() const {
    if (values_.dictionary != nullptr || !values_.packed_bits.empty()) return false;
    const std::string* wish = Metadata(*path_.root, "lance-encoding:structural-encoding");
    if (values_.kind == Kind::kFixedLists && values_.row_bits() % 8 != 0) return false;
    if (wish != nullptr && *wish == "fullzip") return true;
    if (wish != nullptr && *wish == "miniblock") return false;
    const uint64_t widest = values_.kind == Kind::kVariable ? LongestValue(values_) : values_.row_bits() / 8;
    return widest >= kWideValue;
  }

  Result<std::optional<EncodedPage>> EncodeMiniBlock() {
    if (!LevelsFit()) return std::optional<EncodedPage>();
    ChunkedValues chunked = values_.kind == Kind::kVariable     ? ChunkVariable(values_, kStringChunkBytes)
                            : values_.kind == Kind::kFixedLists ? ChunkFixedLists(values_)
                                                                : ChunkFlat(values_);
    std::optional<EncodedDictionary> dictionary;
    if (values_.dictionary != nullptr) dictionary = RawDictionary(*values_.dictionary);
    return LayoutMiniBlock(page_.levels, chunked, dictionary ? &*dictionary : nullptr, version_);
  }

  // Whether any chunk of up to 4096 values surely has few enough levels.
  bool LevelsFit() const {
    const PageLevels& levels = page_.levels;
    if (levels.num_levels == page_.num_values) return true;
    constexpr uint64_t kWindow = 4096;
    const unsigned bits = BitWidth(levels.max_rep) + BitWidth(levels.max_def);
    const uint64_t limit = std::min<uint64_t>(UINT16_MAX, 131072 / bits);
    uint64_t previous = 0;
    uint64_t current = 0;
    uint64_t values = 0;
    for (const uint16_t def : levels.def) {
      ++current;
      if (def > levels.max_visible_def || ++values % kWindow != 0) continue;
      if (previous + current > limit) return false;
      previous = current;
      current = 0;
    }
    return previous + current <= limit;
  }

  EncodedPage EncodeFullZip() const {
    ZippedValues zipped;
    std::string storage;
    if (values_.kind == Kind::kVariable) {
      *zipped.encoding.mutable_variable()->mutable_offsets() = FlatEncoding(values_.offset_bits);
      zipped.offset_bits = values_.offset_bits;
      zipped.offsets = &values_.offsets;
      zipped.data = values_.data;
    } else if (values_.kind == Kind::kFixedLists) {
      zipped = ZipFixedLists(values_, &storage);
    } else if (values_.bits == 1) {
      for (uint64_t i = 0; i < values_.count; ++i) storage.push_back(static_cast<char>((values_.data[i / 8] >> (i % 8)) & 1));
      zipped.encoding = FlatEncoding(8);
      zipped.row_bytes = 1;
      zipped.data = reinterpret_cast<const uint8_t*>(storage.data());
    } else {
      zipped.encoding = FlatEncoding(values_.bits);
      zipped.row_bytes = values_.byte_width();
      zipped.data = values_.data;
    }
    return LayoutFullZip(page_.levels, page_.num_values, zipped);
  }

 public:
  // A single row that no mini-block page can hold.
  Result<EncodedPage> EncodeSingleRow(const ArraySlices& rows) {
    LANCEFS_ASSIGN_OR_RETURN(page_, Shred(rows, path_));
    LANCEFS_ASSIGN_OR_RETURN(values_, CollectValues(page_, *path_.field->type, path_.name));
    if (values_.dictionary != nullptr || !values_.packed_bits.empty() || (values_.kind == Kind::kFixedLists && values_.row_bits() % 8 != 0)) {
      return Status::TooLarge("column '" + path_.name + "': one row has " + std::to_string(page_.levels.num_levels) +
                              " nested items, more than the file format can hold");
    }
    EncodedPage encoded = EncodeFullZip();
    encoded.length = page_.length;
    return encoded;
  }

 private:
  const LeafPath& path_;
  FileVersion version_;
  ShreddedPage page_;
  LeafValues values_;
};

}  // namespace

Status EncodeStructuralPages(const LeafPath& path, const ArraySlices& rows, uint64_t first_row, FileVersion version,
                             std::vector<EncodedPage>* out) {
  const int64_t count = CountRows(rows);
  PageEncoder encoder(path, version);
  Result<std::optional<EncodedPage>> encoded = encoder.Encode(rows);
  // Dictionaries that outgrow their keys together may do on their own.
  const bool outgrown = !encoded.ok() && encoded.status().Is(StatusCode::kResourceExhausted) && count > 1;
  if (!encoded.ok() && !outgrown) return encoded.status();
  if (encoded.ok() && encoded->has_value()) {
    (*encoded)->priority = first_row;
    out->push_back(std::move(**encoded));
    return Status::OK();
  }
  if (count > 1) {
    const int64_t half = count / 2;
    LANCEFS_RETURN_NOT_OK(EncodeStructuralPages(path, SliceRows(rows, 0, half), first_row, version, out));
    return EncodeStructuralPages(path, SliceRows(rows, half, count - half), first_row + static_cast<uint64_t>(half), version, out);
  }
  LANCEFS_ASSIGN_OR_RETURN(EncodedPage page, encoder.EncodeSingleRow(rows));
  page.priority = first_row;
  out->push_back(std::move(page));
  return Status::OK();
}

}  // namespace lancefs
