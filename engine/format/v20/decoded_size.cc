// SPDX-License-Identifier: Apache-2.0
//
// What 2.0 pages decode to (docs/lance/file.md 2).
#include "engine/format/decoded_size.h"

#include <algorithm>
#include <optional>

#include "engine/format/proto/encodings20.pb.h"
#include "engine/format/structural/fsst.h"
#include "engine/format/v20/page_source.h"

namespace lancefs {
namespace {

using pb::v20::ArrayEncoding;

// Below the wrappers that say that no value is null; null: all are.
const ArrayEncoding* Below(const ArrayEncoding* encoding) {
  for (int depth = 0; encoding->has_nullable() && depth <= v20::kMaxEncodingDepth; ++depth) {
    const pb::v20::Nullable& nullable = encoding->nullable();
    if (nullable.has_all_nulls()) return nullptr;
    encoding = nullable.has_some_nulls() ? &nullable.some_nulls().values() : &nullable.no_nulls().values();
  }
  return encoding;
}

Result<ByteRange> Place(const PageInfo& page, const pb::v20::Buffer& buffer) {
  if (buffer.buffer_type() != pb::v20::Buffer::PAGE || buffer.buffer_index() >= page.buffers.size())
    return Status::Corruption("there is no buffer " + std::to_string(buffer.buffer_index()));
  return page.buffers[buffer.buffer_index()];
}

bool IsPlain(const pb::v20::Flat& flat) {
  return !flat.has_compression() || flat.compression().scheme().empty() || flat.compression().scheme() == "none";
}

// The bytes of the values, before FSST made them longer.
Result<VariableSize> BinarySize(const PageInfo& page, const pb::v20::Binary& binary) {
  const ArrayEncoding* bytes = Below(&binary.bytes());
  if (bytes == nullptr || !bytes->has_flat()) return Status::NotSupported("bytes that are not flat");
  LANCEFS_ASSIGN_OR_RETURN(const ByteRange place, Place(page, bytes->flat().buffer()));
  if (IsPlain(bytes->flat())) return PlainSize(place.length);
  // Ends from the adjustment on mean null, so no value ends there.
  if (binary.null_adjustment() > 0) return PlainSize(binary.null_adjustment());
  return UnknownSize(place.length);
}

std::optional<StoredItems> DictionaryItems(const PageInfo& page, const pb::v20::Dictionary& dictionary, uint64_t values) {
  const ArrayEncoding* items = Below(&dictionary.items());
  if (items == nullptr || !items->has_binary()) return std::nullopt;
  const pb::v20::Binary& binary = items->binary();
  const ArrayEncoding* ends = Below(&binary.indices());
  const ArrayEncoding* bytes = Below(&binary.bytes());
  if (ends == nullptr || bytes == nullptr || !ends->has_flat() || !bytes->has_flat() || !IsPlain(ends->flat()) ||
      !IsPlain(bytes->flat()) || ends->flat().bits_per_value() != 64)
    return std::nullopt;
  const Result<ByteRange> ends_place = Place(page, ends->flat().buffer());
  const Result<ByteRange> bytes_place = Place(page, bytes->flat().buffer());
  if (!ends_place.ok() || !bytes_place.ok()) return std::nullopt;
  StoredItems stored;
  stored.ranges = {*ends_place, *bytes_place};
  stored.otherwise = Times(PlainSize(bytes_place->length), values);
  // Of many bytes only the lengths are worth reading.
  constexpr uint64_t kFewBytes = 64 * 1024;
  if (bytes_place->length > kFewBytes) stored.ranges.pop_back();
  stored.measure = [values, adjustment = binary.null_adjustment()](const StoredItems::Answers& answers) -> Result<VariableSize> {
    std::vector<uint64_t> offsets{0};
    for (size_t i = 0; i + 8 <= answers[0].size(); i += 8) {
      const auto end = LoadLittleEndian<uint64_t>(answers[0].data() + i);
      offsets.push_back(end >= adjustment ? end - adjustment : end);
    }
    if (answers.size() == 1) {
      uint64_t longest = 0;
      for (size_t i = 0; i + 1 < offsets.size(); ++i) {
        if (offsets[i] > offsets[i + 1]) return Status::Corruption("broken offsets in a dictionary");
        longest = std::max(longest, offsets[i + 1] - offsets[i]);
      }
      return Times(PlainSize(longest), values);
    }
    LANCEFS_ASSIGN_OR_RETURN(const VariableSize longest, LongestOf(offsets, answers[1].span()));
    return Times(longest, values);
  };
  return stored;
}

Status MeasureVariable(const PageInfo& page, const ArrayEncoding& outer, uint64_t values, ColumnSize* out) {
  const ArrayEncoding* encoding = Below(&outer);
  if (encoding == nullptr) return Status::OK();
  switch (encoding->array_encoding_case()) {
    case ArrayEncoding::kBinary: {
      LANCEFS_ASSIGN_OR_RETURN(const VariableSize size, BinarySize(page, encoding->binary()));
      out->known.Add(size);
      return Status::OK();
    }
    case ArrayEncoding::kFsst: {
      const ArrayEncoding* inner = Below(&encoding->fsst().binary());
      if (inner == nullptr || !inner->has_binary()) return Status::NotSupported("FSST over what is no binary");
      LANCEFS_ASSIGN_OR_RETURN(const VariableSize packed, BinarySize(page, inner->binary()));
      const std::string& table = encoding->fsst().symbol_table();
      LANCEFS_ASSIGN_OR_RETURN(const auto fsst,
                               structural::FsstTable::Parse({reinterpret_cast<const uint8_t*>(table.data()), table.size()}));
      out->known.Add(VariableSize{BoundedProduct(packed.bytes, fsst.MostOfCode()),
                                  BoundedProduct(packed.bytes, fsst.MostOfCode(kTextOfByte))});
      return Status::OK();
    }
    case ArrayEncoding::kDictionary: {
      std::optional<StoredItems> items = DictionaryItems(page, encoding->dictionary(), values);
      if (items) {
        out->items.push_back(std::move(*items));
        return Status::OK();
      }
      uint64_t stored = 0;
      for (const ByteRange& buffer : page.buffers) stored += buffer.length;
      out->known.Add(UnknownSize(stored));
      return Status::OK();
    }
    case ArrayEncoding::kFixedSizeBinary:
      out->known.Add(Times(PlainSize(encoding->fixed_size_binary().byte_width()), values));
      return Status::OK();
    case ArrayEncoding::kConstant:
      out->known.Add(Times(PlainSize(encoding->constant().value().size()), values));
      return Status::OK();
    case ArrayEncoding::kList:
    case ArrayEncoding::kStruct:
    case ArrayEncoding::kPackedStruct: return Status::OK();  // those below have pages of their own, or fixed width
    default: return Status::NotSupported("encoding " + std::to_string(static_cast<int>(encoding->array_encoding_case())));
  }
}

}  // namespace

Status MeasurePageV20(const PageInfo& page, bool variable, ColumnSize* out) {
  DecodedSize size;
  size.values = size.levels = std::min(page.length, kMostBytes);
  out->known.Add(size);
  if (!variable) return Status::OK();
  ArrayEncoding encoding;
  if (!encoding.ParseFromString(page.encoding)) return Status::Corruption("the page's encoding is no valid message");
  return MeasureVariable(page, encoding, size.values, out);
}

}  // namespace lancefs
