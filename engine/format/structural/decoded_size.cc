// SPDX-License-Identifier: Apache-2.0
//
// What pages of 2.1 to 2.3 decode to (docs/lance/file.md 3).
#include "engine/format/decoded_size.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/format/proto/encodings23.pb.h"
#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/fsst.h"
#include "engine/format/structural/planar_page.h"

namespace lancefs {
namespace {

using pb::v21::CompressiveEncoding;

constexpr uint64_t kLevelsOfChunk = 65535;
constexpr uint64_t kConstantHeader = 20;  // number of buffers, their two lengths, two offsets

VariableSize Multiplied(const VariableSize& size, uint64_t bytes_factor, uint64_t text_factor) {
  return {BoundedProduct(size.bytes, bytes_factor), BoundedProduct(size.bytes, text_factor)};
}

bool HasGeneral(const CompressiveEncoding& encoding, int depth) {
  if (depth > structural::kMaxEncodingDepth || encoding.has_general()) return true;
  return encoding.has_fsst() && HasGeneral(encoding.fsst().values(), depth + 1);
}

// `stored` bytes of a page whose values have that encoding. Levels and lengths among them count as values.
VariableSize Expanded(const CompressiveEncoding& encoding, uint64_t stored) {
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kVariable: return encoding.variable().has_values() ? UnknownSize(stored) : PlainSize(stored);
    case CompressiveEncoding::kFsst: {
      if (!encoding.fsst().values().has_variable()) return UnknownSize(stored);
      const std::string& table = encoding.fsst().symbol_table();
      const auto fsst = structural::FsstTable::Parse({reinterpret_cast<const uint8_t*>(table.data()), table.size()});
      if (!fsst.ok()) return UnknownSize(stored);
      return Multiplied({stored, 0}, fsst->MostOfCode(), fsst->MostOfCode(kTextOfByte));
    }
    case CompressiveEncoding::kVariablePackedStruct: {
      bool fsst = false;
      for (const auto& field : encoding.variable_packed_struct().fields()) {
        if (HasGeneral(field.value(), 0)) return UnknownSize(stored);
        fsst |= field.value().has_fsst();
      }
      constexpr uint64_t kSymbol = 8;
      return PlainSize(BoundedProduct(stored, fsst ? kSymbol : 1));
    }
    case CompressiveEncoding::kConstant: return {};  // nothing but nulls
    default: return UnknownSize(stored);
  }
}

// Offsets that stand among the chunks' bytes, at least one a value.
uint64_t OffsetBytes(const CompressiveEncoding& encoding, uint64_t values) {
  const CompressiveEncoding& inner = encoding.has_fsst() ? encoding.fsst().values() : encoding;
  if (!inner.has_variable() || !inner.variable().offsets().has_flat()) return 0;
  return BoundedProduct(values, inner.variable().offsets().flat().bits_per_value() / 8);
}

// The most levels that `bytes` of chunks hold.
uint64_t MostLevels(const CompressiveEncoding& encoding, uint64_t bytes) {
  constexpr uint64_t kOfRun = 255, kBlock = 1024;
  if (encoding.has_rle()) return BoundedProduct(bytes, kOfRun);
  if (encoding.has_flat()) return BoundedProduct(bytes, 8) / std::max<uint64_t>(1, encoding.flat().bits_per_value());
  const auto& packed = encoding.out_of_line_bitpacking();
  if (!encoding.has_out_of_line_bitpacking() || !packed.values().has_flat()) return kMostBytes;
  return BoundedProduct(bytes, 8) / std::max<uint64_t>(1, packed.values().flat().bits_per_value()) + kBlock;
}

StoredItems DictionaryItems(const ByteRange& place, const CompressiveEncoding& encoding, uint64_t items, uint64_t values,
                            uint64_t page_bytes) {
  StoredItems stored;
  stored.ranges = {place};
  stored.measure = [encoding, items, values](const StoredItems::Answers& answers) -> Result<VariableSize> {
    LANCEFS_ASSIGN_OR_RETURN(const auto codec, structural::BlockCodec::Make(encoding));
    structural::Block block;
    LANCEFS_RETURN_NOT_OK(codec->Decode(answers[0].span(), items, &block));
    if (!block.variable) return Times(PlainSize(block.bits / 8), values);
    LANCEFS_ASSIGN_OR_RETURN(const VariableSize longest, LongestOf(block.offsets, block.data));
    return Times(longest, values);
  };
  constexpr uint64_t kLz4 = 255;
  const bool general = encoding.has_general();
  const bool lz4 = general && encoding.general().compression().scheme() == pb::v21::COMPRESSION_ALGORITHM_LZ4;
  const VariableSize longest = general && !lz4 ? UnknownSize(place.length) : PlainSize(place.length * (general ? kLz4 : 1));
  const VariableSize all = Times(longest, values), page = UnknownSize(page_bytes);
  stored.otherwise = {std::min(all.bytes, page.bytes), std::min(all.text, page.text)};
  return stored;
}

StoredItems ConstantItem(const ByteRange& place, uint64_t values) {
  StoredItems stored;
  stored.ranges = {place};
  stored.otherwise = Times(PlainSize(place.length - std::min(place.length, kConstantHeader)), values);
  stored.measure = [values](const StoredItems::Answers& answers) -> Result<VariableSize> {
    const Bytes& bytes = answers[0];
    uint64_t header = kConstantHeader;
    // The offsets may be wide.
    if (bytes.size() > header) header = 12 + uint64_t{LoadLittleEndian<uint32_t>(bytes.data() + 4)};
    header = std::min<uint64_t>(bytes.size(), header);
    LANCEFS_ASSIGN_OR_RETURN(const VariableSize longest, LongestOf({header, bytes.size()}, bytes.span()));
    return Times(longest, values);
  };
  return stored;
}

// Values compressed one by one, without lists: the row index tells where each begins, and there it says how long it gets.
std::optional<StoredItems> CompressedItems(const PageInfo& page, const pb::v21::FullZipLayout& layout) {
  constexpr uint64_t kWorthReading = 4096;  // bytes of a value; smaller ones are not worth a read each
  const uint64_t rows = page.length;
  if (!layout.value_compression().has_general() || !layout.value_compression().general().values().has_variable() ||
      layout.bits_rep() > 0 || page.buffers.size() < 2 || rows == 0 || page.buffers[0].length / rows < kWorthReading ||
      page.buffers[1].length % (rows + 1) != 0)
    return std::nullopt;
  const uint64_t entry = page.buffers[1].length / (rows + 1);
  if (entry != 1 && entry != 2 && entry != 4 && entry != 8) return std::nullopt;
  const uint64_t word = layout.bits_def() == 0 ? 0 : layout.bits_def() <= 8 ? 1 : layout.bits_def() <= 16 ? 2 : 4;
  const bool lz4 = layout.value_compression().general().compression().scheme() == pb::v21::COMPRESSION_ALGORITHM_LZ4;
  const uint64_t skip = word + layout.bits_per_offset() / 8, width = lz4 ? 4 : 8;
  StoredItems stored;
  stored.ranges = {page.buffers[1]};
  stored.reads = rows;
  stored.otherwise = UnknownSize(page.buffers[0].length);
  stored.next = [=, items = page.buffers[0]](const StoredItems::Answers& answers) -> Result<std::vector<ByteRange>> {
    const auto at = [&](uint64_t row) {
      uint64_t start = 0;
      std::memcpy(&start, answers[0].data() + row * entry, entry);
      return start;
    };
    std::vector<ByteRange> headers;
    for (uint64_t row = 0; row < rows; ++row) {
      const uint64_t start = at(row), end = at(row + 1);
      if (start > end || end > items.length) return Status::Corruption("the row index points outside the page");
      if (end - start >= skip + width) headers.push_back({items.offset + start + skip, width});
    }
    return headers;
  };
  stored.measure = [lz4](const StoredItems::Answers& answers) -> Result<VariableSize> {
    uint64_t bytes = 0;
    for (const Bytes& header : answers) {
      const uint64_t length = lz4 ? LoadLittleEndian<uint32_t>(header.data()) : LoadLittleEndian<uint64_t>(header.data());
      // A frame without a length before it begins with a magic number.
      constexpr uint32_t kZstdMagic = 0xfd2fb528;
      if (!lz4 && static_cast<uint32_t>(length) == kZstdMagic) return Status::NotSupported("a bare zstd frame");
      bytes = BoundedSum(bytes, length);
    }
    return PlainSize(bytes);
  };
  return stored;
}

class PageMeasure {
 public:
  PageMeasure(const PageInfo& page, bool variable, ColumnSize* out) : page_(page), variable_(variable), out_(*out) {
    for (const ByteRange& buffer : page.buffers) bytes_ += buffer.length;
  }

  Status Layout(const pb::v21::PageLayout& layout, int depth = 0) {
    if (depth > structural::kMaxEncodingDepth) return Status::Corruption("layouts are nested too deeply");
    switch (layout.layout_case()) {
      case pb::v21::PageLayout::kMiniBlockLayout: return MiniBlock(layout.mini_block_layout());
      case pb::v21::PageLayout::kFullZipLayout: return FullZip(layout.full_zip_layout());
      case pb::v21::PageLayout::kConstantLayout: return Constant(layout.constant_layout());
      case pb::v21::PageLayout::kBlobLayout: return Layout(layout.blob_layout().inner_layout(), depth + 1);
      default: return Status::NotSupported("a page without a layout");
    }
  }

  Status Planar(const pb::v23::PlanarLayout& planar) {
    if (!planar.structure().has_sparse()) {
      LANCEFS_ASSIGN_OR_RETURN(const auto layout, structural::DenseLayout(planar.structure().dense(), planar.values()));
      return Layout(layout);
    }
    // Every list layer tells how many slots there are further in.
    uint64_t slots = page_.length;
    for (const auto& layer : planar.structure().sparse().layers()) {
      if (layer.has_list()) slots = std::max(slots, layer.list().num_child_slots());
      if (layer.has_fixed_size_list()) slots = BoundedProduct(slots, std::max<uint64_t>(1, layer.fixed_size_list().dimension()));
    }
    Count(slots, slots);
    if (!variable_) return Status::OK();
    const pb::v23::ValuePlane& values = planar.values();
    switch (values.codec_case()) {
      case pb::v23::ValuePlane::kChunked:
        LANCEFS_RETURN_NOT_OK(Need(values.chunked().has_dictionary() ? 3 : 2));
        if (values.chunked().has_dictionary()) {
          // Where the dictionary stands depends on the structure's own buffers.
          Add(UnknownSize(bytes_));
        } else {
          Add(Expanded(values.chunked().compression(), bytes_));
        }
        return Status::OK();
      case pb::v23::ValuePlane::kZipped: Add(Expanded(values.zipped().compression(), bytes_)); return Status::OK();
      case pb::v23::ValuePlane::kConstant:
        Add(Times(PlainSize(values.constant().scalar().size() + bytes_), slots));
        return Status::OK();
      case pb::v23::ValuePlane::kNone: return Status::OK();
      case pb::v23::ValuePlane::kIndexed:
        Add(Times(Expanded(values.indexed().items().compression(), bytes_), slots));
        return Status::OK();
      default: return Status::Corruption("the page does not say how its values are stored");
    }
  }

 private:
  void Count(uint64_t values, uint64_t levels) {
    DecodedSize size;
    size.values = std::min(values, kMostBytes);
    size.levels = std::min(std::max(values, levels), kMostBytes);
    out_.known.Add(size);
  }
  void Add(const VariableSize& size) { out_.known.Add(size); }
  Status Need(size_t buffers) const {
    return page_.buffers.size() >= buffers ? Status::OK() : Status::Corruption("the page has too few buffers");
  }

  Status MiniBlock(const pb::v21::MiniBlockLayout& layout) {
    LANCEFS_RETURN_NOT_OK(Need(layout.has_dictionary() ? 3 : 2));
    const uint64_t values = layout.num_items();
    const uint64_t chunk_bytes = page_.buffers[1].length;
    uint64_t levels = std::max(values, page_.length);
    if (layout.has_rep_compression()) {
      const uint64_t chunks = page_.buffers[0].length / (layout.has_large_chunk() ? 4 : 2);
      levels = std::max(levels, std::min(chunks * kLevelsOfChunk, MostLevels(layout.rep_compression(), chunk_bytes)));
    }
    Count(values, levels);
    if (!variable_) return Status::OK();
    if (layout.has_dictionary()) {
      out_.items.push_back(DictionaryItems(page_.buffers[2], layout.dictionary(), layout.num_dictionary_items(), values, bytes_));
      return Status::OK();
    }
    const uint64_t offsets = OffsetBytes(layout.value_compression(), values);
    Add(Expanded(layout.value_compression(), chunk_bytes - std::min(chunk_bytes, offsets)));
    return Status::OK();
  }

  Status FullZip(const pb::v21::FullZipLayout& layout) {
    LANCEFS_RETURN_NOT_OK(Need(1));
    Count(std::max<uint64_t>(layout.num_items(), layout.num_visible_items()), page_.length);
    if (!variable_) return Status::OK();
    if (std::optional<StoredItems> items = CompressedItems(page_, layout)) {
      out_.items.push_back(std::move(*items));
    } else {
      Add(Expanded(layout.value_compression(), page_.buffers[0].length));
    }
    return Status::OK();
  }

  Status Constant(const pb::v21::ConstantLayout& layout) {
    const size_t buffers = page_.buffers.size();
    uint64_t levels = page_.length;
    if (buffers >= 2) {
      const uint64_t raw = page_.buffers[buffers - 2].length / 2;
      levels = std::max(levels, layout.has_rep_compression() ? layout.num_rep_values() : raw);
    }
    Count(levels, levels);
    if (!variable_) return Status::OK();
    if (layout.has_inline_value()) {
      Add(Times(PlainSize(layout.inline_value().size()), levels));
    } else if (buffers == 1 || buffers == 3) {
      out_.items.push_back(ConstantItem(page_.buffers[0], levels));
    }
    return Status::OK();
  }

  const PageInfo& page_;
  const bool variable_;
  ColumnSize& out_;
  uint64_t bytes_ = 0;
};

}  // namespace

Status MeasurePageStructural(FileVersion version, const PageInfo& page, bool variable, ColumnSize* out) {
  PageMeasure measure(page, variable, out);
  if (version == FileVersion::kV2_3) {
    pb::v23::PlanarLayout planar;
    if (!planar.ParseFromString(page.encoding)) return Status::Corruption("the page's layout is no valid message");
    return measure.Planar(planar);
  }
  pb::v21::PageLayout layout;
  if (!layout.ParseFromString(page.encoding)) return Status::Corruption("the page's layout is no valid message");
  return measure.Layout(layout);
}

}  // namespace lancefs
