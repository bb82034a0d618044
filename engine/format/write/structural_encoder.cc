// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/structural_encoder.h"

#include <cstring>
#include <optional>

#include "engine/format/write/block_codec.h"
#include "engine/format/write/compress.h"
#include "engine/format/write/dictionary.h"
#include "engine/format/write/encoding_wishes.h"
#include "engine/format/write/fsst.h"
#include "engine/format/write/page_layout.h"

namespace lancefs {
namespace {

using Kind = LeafValues::Kind;

constexpr uint64_t kWideValue = 256;          // bytes from which values are zipped
constexpr uint64_t kLongText = 32 * 1024;     // bytes from which strings are compressed one by one
constexpr uint64_t kDictionaryOverhead = 96;  // one more buffer, a longer message
constexpr uint64_t kLeastSaving = 32;         // a dictionary of numbers must save one part of so many
constexpr uint64_t kSmallLevels = 512;        // levels that may stay raw in a constant page

uint64_t LongestValue(const LeafValues& values) {
  uint32_t longest = 0;
  for (size_t i = 0; i < values.count; ++i) longest = std::max(longest, values.length(i));
  return longest;
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
  PageEncoder(const LeafPath& path, FileVersion version)
      : path_(path), version_(version), wishes_(WishesOf(*path.field, *path.root)) {}

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
    if (std::optional<EncodedPage> constant = EncodeConstant()) return constant;
    RepeatUnderNulls(page_.validity, &values_);
    if (values_.dictionary != nullptr) return EncodeWithDictionary(values_, *values_.dictionary);
    const bool full_zip = WantsFullZip();
    if (std::optional<DictionaryValues> dictionary = MakeDictionary(full_zip)) {
      return EncodeWithDictionary(dictionary->indices, dictionary->items);
    }
    if (full_zip) return std::optional<EncodedPage>(EncodeFullZip());
    return EncodeMiniBlock();
  }

  bool WantsFullZip() const {
    if (values_.dictionary != nullptr || !values_.packed_bits.empty()) return false;
    if (values_.kind == Kind::kFixedLists && values_.row_bits() % 8 != 0) return false;
    if (wishes_.structure != EncodingWishes::Structure::kAuto) return wishes_.structure == EncodingWishes::Structure::kFullZip;
    const uint64_t widest = values_.kind == Kind::kVariable ? LongestValue(values_) : values_.row_bits() / 8;
    return widest >= kWideValue;
  }

  // All values alike (2.2): the value once, and the levels if there are any.
  std::optional<EncodedPage> EncodeConstant() const {
    const bool suits = (values_.kind == Kind::kFixed && values_.packed_bits.empty()) || values_.kind == Kind::kVariable;
    if (version_ != FileVersion::kV2_2 || !suits || values_.dictionary != nullptr) return std::nullopt;
    // Levels are stored raw there; many of them are smaller in mini-blocks.
    const bool has_levels = !page_.levels.rep.empty() || !page_.levels.def.empty();
    if (has_levels && page_.levels.num_levels > kSmallLevels) return std::nullopt;
    const std::optional<size_t> row = ConstantRow();
    if (!row) return std::nullopt;
    return LayoutConstant(page_.levels, values_, *row);
  }

  // A row with the value that all valid rows have.
  std::optional<size_t> ConstantRow() const {
    std::optional<size_t> first;
    for (size_t i = 0; i < values_.count; ++i) {
      if (!page_.validity.empty() && !((page_.validity[i / 8] >> (i % 8)) & 1)) continue;
      if (!first) {
        first = i;
      } else if (!SameValue(*first, i)) {
        return std::nullopt;
      }
    }
    return first;
  }
  bool SameValue(size_t a, size_t b) const {
    if (values_.kind == Kind::kVariable) {
      return values_.length(a) == values_.length(b) &&
             std::memcmp(values_.data + values_.offsets[a], values_.data + values_.offsets[b], values_.length(a)) == 0;
    }
    if (values_.bits == 1) return ((values_.data[a / 8] >> (a % 8)) & 1) == ((values_.data[b / 8] >> (b % 8)) & 1);
    return std::memcmp(values_.data + a * values_.byte_width(), values_.data + b * values_.byte_width(), values_.byte_width()) ==
           0;
  }

  // What the values would take without a dictionary.
  uint64_t PlainBytes(bool full_zip) {
    if (values_.kind == Kind::kVariable) {
      const bool text = wishes_.compression != EncodingWishes::Compression::kNone && !values_.is_binary;
      return values_.count * values_.offset_bits / 8 + (text ? values_.data_bytes() * 6 / 10 : values_.data_bytes());
    }
    if (full_zip) return values_.data_bytes();
    plain_ = ChunkFixed(values_, PlainWishes());
    return plain_->PageBytes();
  }
  // The field's wishes without general compression.
  EncodingWishes PlainWishes() const {
    EncodingWishes plain = wishes_;
    if (plain.compresses()) plain.compression = EncodingWishes::Compression::kAuto;
    return plain;
  }
  std::optional<DictionaryValues> MakeDictionary(bool full_zip) {
    const uint32_t least_bits = wishes_.compresses() ? 64 : 32;
    const bool fixed = values_.kind == Kind::kFixed && values_.bits >= least_bits;
    if (values_.kind != Kind::kVariable && !fixed) return std::nullopt;
    const uint64_t plain = PlainBytes(full_zip);
    if (plain < 2 * kDictionaryOverhead) return std::nullopt;
    // A few percent are not worth the second step of every read.
    const uint64_t budget = plain - kDictionaryOverhead - (fixed ? plain / kLeastSaving : 0);
    std::optional<DictionaryValues> dictionary = BuildDictionary(values_, page_.validity, budget, wishes_);
    // For strings the plain size is a guess with a margin; for fixed widths it is exact.
    if (dictionary && fixed) {
      const uint64_t bytes =
          ChunkFixed(dictionary->indices, {}).PageBytes() + EncodeDictionaryItems(dictionary->items, wishes_).buffer.size();
      if (bytes + kDictionaryOverhead >= plain) return std::nullopt;
    }
    return dictionary;
  }

  Result<std::optional<EncodedPage>> EncodeWithDictionary(const LeafValues& indices, const LeafValues& items) const {
    if (!LevelsFit()) return std::optional<EncodedPage>();
    EncodingWishes wishes = wishes_;
    wishes.byte_stream_split = EncodingWishes::Switch::kOff;
    const EncodedDictionary dictionary = EncodeDictionaryItems(items, wishes_);
    return LayoutMiniBlock(page_.levels, ChunkFixed(indices, wishes), &dictionary, version_);
  }

  Result<std::optional<EncodedPage>> EncodeMiniBlock() const {
    if (!LevelsFit()) return std::optional<EncodedPage>();
    const bool reuse = plain_ && !wishes_.compresses();
    const ChunkedValues chunked = reuse                               ? *plain_
                                  : values_.kind == Kind::kVariable   ? ChunkVariable(values_, wishes_)
                                  : values_.kind == Kind::kFixedLists ? ChunkFixedLists(values_)
                                                                      : ChunkFixed(values_, wishes_);
    std::optional<EncodedPage> page = LayoutMiniBlock(page_.levels, chunked, nullptr, version_);
    // Values too long for a chunk fit in no split either.
    if (!page && values_.kind == Kind::kVariable && LongestValue(values_) >= kWideValue)
      return std::optional<EncodedPage>(EncodeFullZip());
    return page;
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

  // The strings as they stand in a full-zip page: each compressed alone, as codes, or as they are.
  LeafValues SqueezeStrings(pb::v21::CompressiveEncoding* encoding) const {
    pb::v21::CompressiveEncoding plain;
    *plain.mutable_variable()->mutable_offsets() = FlatEncoding(values_.offset_bits);
    const bool wanted =
        wishes_.compresses() || (wishes_.compression == EncodingWishes::Compression::kAuto && LongestValue(values_) > kLongText);
    if (wanted && values_.data_bytes() >= kLongText) {
      LeafValues frames = CompressEach();
      if (frames.data_bytes() < values_.data_bytes()) {
        encoding->mutable_general()->mutable_compression()->set_scheme(pb::v21::COMPRESSION_ALGORITHM_ZSTD);
        encoding->mutable_general()->mutable_compression()->set_level(wishes_.level);
        *encoding->mutable_general()->mutable_values() = std::move(plain);
        return frames;
      }
    } else if (WantsFsst(values_, wishes_)) {
      const FsstTable table = FsstTable::Train(values_);
      LeafValues codes = table.Encode(values_);
      if (codes.data_bytes() + FsstTable::kSerializedSize < values_.data_bytes()) {
        encoding->mutable_fsst()->set_symbol_table(table.Serialize());
        *encoding->mutable_fsst()->mutable_values() = std::move(plain);
        return codes;
      }
    }
    *encoding = std::move(plain);
    return values_;
  }

  LeafValues CompressEach() const {
    LeafValues out = values_;
    std::string frames;
    for (size_t i = 0; i < values_.count; ++i) {
      out.offsets[i] = static_cast<uint32_t>(frames.size());
      const bool valid = page_.validity.empty() || ((page_.validity[i / 8] >> (i % 8)) & 1);
      if (valid) AppendZstd({values_.data + values_.offsets[i], values_.length(i)}, wishes_.level, &frames);
    }
    out.offsets[values_.count] = static_cast<uint32_t>(frames.size());
    const Bytes bytes = Bytes::FromString(std::move(frames));
    out.data = bytes.data();
    out.owner = bytes.owner();
    return out;
  }

  EncodedPage EncodeFullZip() const {
    ZippedValues zipped;
    std::string storage;
    LeafValues strings;
    if (values_.kind == Kind::kVariable) {
      strings = SqueezeStrings(&zipped.encoding);
      zipped.offset_bits = strings.offset_bits;
      zipped.offsets = &strings.offsets;
      zipped.data = strings.data;
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
    if (values_.dictionary != nullptr || !values_.packed_bits.empty() ||
        (values_.kind == Kind::kFixedLists && values_.row_bits() % 8 != 0)) {
      return Status::TooLarge("column '" + path_.name + "': one row has " + std::to_string(page_.levels.num_levels) +
                              " nested items, more than the file format can hold");
    }
    EncodedPage encoded = EncodeFullZip();
    encoded.length = page_.length;
    return encoded;
  }

 private:
  const LeafPath& path_;
  const FileVersion version_;
  const EncodingWishes wishes_;
  ShreddedPage page_;
  LeafValues values_;
  std::optional<ChunkedValues> plain_;  // fixed width, without a dictionary or general compression
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
    return EncodeStructuralPages(path, SliceRows(rows, half, count - half), first_row + static_cast<uint64_t>(half), version,
                                 out);
  }
  LANCEFS_ASSIGN_OR_RETURN(EncodedPage page, encoder.EncodeSingleRow(rows));
  page.priority = first_row;
  out->push_back(std::move(page));
  return Status::OK();
}

}  // namespace lancefs
