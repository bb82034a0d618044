// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/chunked_values.h"

#include <arrow/util/bitmap_ops.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "engine/format/structural/bitpacking.h"
#include "engine/format/write/block_codec.h"
#include "engine/format/write/compress.h"
#include "engine/format/write/fsst.h"

namespace lancefs {
namespace {

constexpr uint32_t kMaxChunkValues = 4096;
constexpr uint64_t kMaxChunkBytes = 8186;
constexpr uint8_t kPaddingByte = 72;
constexpr uint64_t kChunkOverhead = 12;  // header and word
constexpr size_t kMaxRun = 255;
constexpr uint64_t kMinGeneralBytes = 4096;
constexpr double kSplitEntropy = 4;  // bits a byte position, below which splitting bytes pays

uint64_t Align8(uint64_t size) { return (size + 7) / 8 * 8; }

// Cuts `count` values into chunks of `rows`, the rest last.
std::vector<uint32_t> EqualChunks(uint64_t count, uint32_t rows) {
  std::vector<uint32_t> counts(count / rows, rows);
  if (count % rows != 0) counts.push_back(static_cast<uint32_t>(count % rows));
  return counts;
}

template <typename Offset>
void AppendStrings(const LeafValues& values, size_t first, size_t count, uint8_t* out) {
  const uint32_t start = values.offsets[first];
  const Offset header = static_cast<Offset>((count + 1) * sizeof(Offset));
  for (size_t i = 0; i <= count; ++i) {
    const Offset offset = header + static_cast<Offset>(values.offsets[first + i] - start);
    std::memcpy(out + i * sizeof(Offset), &offset, sizeof(Offset));
  }
  const size_t bytes = values.offsets[first + count] - start;
  if (bytes != 0) std::memcpy(out + header, values.data + start, bytes);
}

}  // namespace

uint32_t FixedChunkRows(uint64_t row_bits) {
  uint64_t rows = 2;
  while (rows < kMaxChunkValues && 2 * rows * row_bits < kMaxChunkBytes * 8) rows *= 2;
  return static_cast<uint32_t>(rows);
}

uint64_t ChunkedValues::PageBytes() const {
  uint64_t total = counts.size() * kChunkOverhead;
  for (const uint32_t size : sizes) total += Align8(size);
  return total;
}

namespace {

ChunkedValues ChunkFlat(const LeafValues& values) {
  ChunkedValues chunked;
  if (values.packed_bits.empty()) {
    chunked.encoding = FlatEncoding(values.bits);
  } else {
    auto* packed = chunked.encoding.mutable_packed_struct();
    for (const uint32_t bits : values.packed_bits) packed->add_bits_per_value(bits);
    *packed->mutable_values() = FlatEncoding(values.bits);
  }
  chunked.counts = EqualChunks(values.count, FixedChunkRows(values.bits));
  for (const uint32_t count : chunked.counts)
    chunked.sizes.push_back(static_cast<uint32_t>((uint64_t{count} * values.bits + 7) / 8));
  chunked.buffers.emplace_back(values.owner, values.data, values.data_bytes());
  return chunked;
}

// Reads value i of a page whose data may lie at any address.
template <typename T>
T At(const LeafValues& values, size_t i) {
  return LoadLittleEndian<T>(values.data + i * sizeof(T));
}

// ---- inline_bitpacking: a word with the width, then one FastLanes block of 1024 values -----------

template <typename T>
std::vector<uint8_t> BlockWidths(const LeafValues& values) {
  std::vector<uint8_t> widths;
  widths.reserve(values.count / structural::kBlockValues + 1);
  for (size_t first = 0; first < values.count; first += structural::kBlockValues) {
    const size_t end = std::min<size_t>(values.count, first + structural::kBlockValues);
    T all = 0;
    for (size_t i = first; i < end; ++i) all = static_cast<T>(all | At<T>(values, i));
    widths.push_back(static_cast<uint8_t>(BitWidth(all)));
  }
  return widths;
}

uint64_t BitpackedBytes(const std::vector<uint8_t>& widths, uint32_t bits) {
  uint64_t total = 0;
  for (const uint8_t width : widths) total += kChunkOverhead + Align8(bits / 8 + structural::kBlockValues / 8 * width);
  return total;
}

template <typename T>
ChunkedValues ChunkBitpacked(const LeafValues& values, const std::vector<uint8_t>& widths) {
  ChunkedValues chunked;
  chunked.encoding.mutable_inline_bitpacking()->set_uncompressed_bits_per_value(sizeof(T) * 8);
  chunked.counts = EqualChunks(values.count, structural::kBlockValues);
  uint64_t total = 0;
  for (const uint8_t width : widths) {
    chunked.sizes.push_back(static_cast<uint32_t>(sizeof(T) * (1 + structural::PackedWords<T>(width))));
    total += chunked.sizes.back();
  }
  uint8_t* out = nullptr;
  chunked.buffers.push_back(Bytes::Allocate(total, &out));
  T block[structural::kBlockValues];
  T packed[structural::kBlockValues];
  for (size_t i = 0; i < widths.size(); ++i) {
    const size_t count = chunked.counts[i];
    std::memcpy(block, values.data + i * sizeof(block), count * sizeof(T));
    std::memset(block + count, 0, (structural::kBlockValues - count) * sizeof(T));
    structural::PackBlock<T>(block, widths[i], packed);
    StoreLittleEndian<T>(out, widths[i]);
    std::memcpy(out + sizeof(T), packed, structural::PackedWords<T>(widths[i]) * sizeof(T));
    out += chunked.sizes[i];
  }
  return chunked;
}

// ---- rle: run values and run lengths of up to 255 ------------------------------------------------

// Calls emit(value, length) for the runs of values [first, end); stops when emit returns false.
template <typename T, typename Emit>
void ForEachRun(const LeafValues& values, size_t first, size_t end, Emit&& emit) {
  while (first < end) {
    const T value = At<T>(values, first);
    size_t next = first + 1;
    while (next < end && At<T>(values, next) == value) ++next;
    for (; next - first > kMaxRun; first += kMaxRun) emit(value, kMaxRun);
    emit(value, next - first);
    first = next;
  }
}

template <typename T>
size_t CountRuns(const LeafValues& values) {
  if (values.count == 0) return 0;
  size_t runs = 1;
  for (size_t i = 1; i < values.count; ++i) runs += At<T>(values, i) != At<T>(values, i - 1);
  return runs;
}

template <typename T>
ChunkedValues ChunkRle(const LeafValues& values) {
  ChunkedValues chunked;
  *chunked.encoding.mutable_rle()->mutable_values() = FlatEncoding(sizeof(T) * 8);
  *chunked.encoding.mutable_rle()->mutable_run_lengths() = FlatEncoding(8);
  std::string run_values;
  std::string run_lengths;
  for (size_t first = 0; first < values.count;) {
    size_t count = std::min<size_t>(values.count - first, kMaxChunkValues);
    size_t runs = 0;
    const auto count_run = [&runs](T, size_t) { ++runs; };
    while (true) {
      runs = 0;
      ForEachRun<T>(values, first, first + count, count_run);
      if (runs * (sizeof(T) + 1) <= kMaxChunkBytes || count <= 2) break;
      count = size_t{1} << (BitWidth(count - 1) - 1);  // the next smaller power of two
    }
    ForEachRun<T>(values, first, first + count, [&](T value, size_t length) {
      run_values.append(reinterpret_cast<const char*>(&value), sizeof(T));
      run_lengths.push_back(static_cast<char>(length));
    });
    chunked.counts.push_back(static_cast<uint32_t>(count));
    chunked.sizes.push_back(static_cast<uint32_t>(runs * sizeof(T)));
    chunked.sizes.push_back(static_cast<uint32_t>(runs));
    first += count;
  }
  chunked.buffers.push_back(Bytes::FromString(std::move(run_values)));
  chunked.buffers.push_back(Bytes::FromString(std::move(run_lengths)));
  return chunked;
}

// ---- byte_stream_split ---------------------------------------------------------------------------

// Mean entropy of the bytes at each position of a value, in bits, over a sample.
double BytePositionEntropy(const LeafValues& values) {
  const size_t width = values.byte_width();
  const size_t step = std::max<size_t>(1, values.count / 4096);
  double sum = 0;
  for (size_t position = 0; position < width; ++position) {
    uint32_t histogram[256] = {};
    double total = 0;
    for (size_t i = 0; i < values.count; i += step) {
      ++histogram[values.data[i * width + position]];
      ++total;
    }
    for (const uint32_t count : histogram) {
      if (count != 0) sum -= count / total * std::log2(count / total);
    }
  }
  return sum / static_cast<double>(width);
}

ChunkedValues ChunkByteStreamSplit(const LeafValues& values) {
  ChunkedValues chunked;
  const size_t width = values.byte_width();
  *chunked.encoding.mutable_byte_stream_split()->mutable_values() = FlatEncoding(values.bits);
  chunked.counts = EqualChunks(values.count, FixedChunkRows(values.bits));
  uint8_t* out = nullptr;
  chunked.buffers.push_back(Bytes::Allocate(values.data_bytes(), &out));
  const uint8_t* from = values.data;
  for (const uint32_t count : chunked.counts) {
    for (size_t position = 0; position < width; ++position) {
      for (size_t i = 0; i < count; ++i) *out++ = from[i * width + position];
    }
    from += count * width;
    chunked.sizes.push_back(static_cast<uint32_t>(count * width));
  }
  return chunked;
}

// ---- general -------------------------------------------------------------------------------------

// Compresses the first buffer of every chunk; what does not shrink stays as it is.
ChunkedValues Compressed(ChunkedValues chunked, const EncodingWishes& wishes) {
  if (!wishes.compresses() || chunked.buffers[0].size() < kMinGeneralBytes) return chunked;
  std::string out;
  std::vector<uint32_t> sizes = chunked.sizes;
  const size_t num_buffers = chunked.buffers.size();
  size_t at = 0;
  for (size_t chunk = 0; chunk < chunked.counts.size(); ++chunk) {
    const size_t size = chunked.sizes[chunk * num_buffers];
    const std::span<const uint8_t> bytes = chunked.buffers[0].span().subspan(at, size);
    const size_t start = out.size();
    if (wishes.compression == EncodingWishes::Compression::kZstd) {
      AppendZstd(bytes, wishes.level, &out);
    } else {
      AppendLz4(bytes, &out);
    }
    sizes[chunk * num_buffers] = static_cast<uint32_t>(out.size() - start);
    at += size;
  }
  if (out.size() >= chunked.buffers[0].size()) return chunked;
  pb::v21::CompressiveEncoding wrapped;
  auto* general = wrapped.mutable_general();
  const bool zstd = wishes.compression == EncodingWishes::Compression::kZstd;
  general->mutable_compression()->set_scheme(zstd ? pb::v21::COMPRESSION_ALGORITHM_ZSTD : pb::v21::COMPRESSION_ALGORITHM_LZ4);
  if (zstd && wishes.level != 0) general->mutable_compression()->set_level(wishes.level);
  *general->mutable_values() = std::move(chunked.encoding);
  chunked.encoding = std::move(wrapped);
  chunked.buffers[0] = Bytes::FromString(std::move(out));
  chunked.sizes = std::move(sizes);
  return chunked;
}

template <typename T>
ChunkedValues SmallestFixed(const LeafValues& values, const EncodingWishes& wishes) {
  const std::vector<uint8_t> widths = BlockWidths<T>(values);
  const uint64_t flat_chunks = (values.count + FixedChunkRows(values.bits) - 1) / FixedChunkRows(values.bits);
  uint64_t best = values.data_bytes() + flat_chunks * kChunkOverhead;
  const uint64_t packed = BitpackedBytes(widths, values.bits);
  const size_t runs = CountRuns<T>(values);
  const bool consider_rle =
      static_cast<double>(runs) < wishes.rle_threshold * static_cast<double>(values.count) || wishes.rle_threshold >= 1;
  // A lower bound: long runs and chunk borders add some.
  if (consider_rle && runs * (sizeof(T) + 1) < std::min(best, packed)) {
    ChunkedValues rle = ChunkRle<T>(values);
    if (rle.PageBytes() < std::min(best, packed)) return rle;
  }
  return packed < best ? ChunkBitpacked<T>(values, widths) : ChunkFlat(values);
}

}  // namespace

ChunkedValues ChunkFixed(const LeafValues& values, const EncodingWishes& wishes) {
  const bool plain = wishes.compression == EncodingWishes::Compression::kNone || !values.packed_bits.empty();
  if (plain) return Compressed(ChunkFlat(values), wishes);
  if (wishes.compresses() && (values.bits == 32 || values.bits == 64) &&
      wishes.byte_stream_split != EncodingWishes::Switch::kOff &&
      (wishes.byte_stream_split == EncodingWishes::Switch::kOn || BytePositionEntropy(values) < kSplitEntropy)) {
    return Compressed(ChunkByteStreamSplit(values), wishes);
  }
  switch (values.bits) {
    case 8: return Compressed(SmallestFixed<uint8_t>(values, wishes), wishes);
    case 16: return Compressed(SmallestFixed<uint16_t>(values, wishes), wishes);
    case 32: return Compressed(SmallestFixed<uint32_t>(values, wishes), wishes);
    case 64: return Compressed(SmallestFixed<uint64_t>(values, wishes), wishes);
    default: return Compressed(ChunkFlat(values), wishes);
  }
}

ChunkedValues ChunkFixedLists(const LeafValues& values) {
  ChunkedValues chunked;
  // The message from the outermost list inwards.
  pb::v21::CompressiveEncoding* encoding = &chunked.encoding;
  uint64_t validity_bits = 0;
  uint64_t elements = 1;
  for (const LeafValues::ListLevel& level : values.lists) {
    auto* list = encoding->mutable_fixed_size_list();
    list->set_items_per_value(level.dimension);
    list->set_has_validity(!level.validity.empty());
    elements *= level.dimension;
    if (!level.validity.empty()) validity_bits += elements;
    encoding = list->mutable_values();
  }
  *encoding = FlatEncoding(values.bits);

  chunked.counts = EqualChunks(values.count, FixedChunkRows(values.row_bits() + validity_bits));
  std::vector<std::string> bitmaps;
  std::vector<uint64_t> bitmap_elements;
  std::vector<const uint8_t*> sources;
  uint64_t cumulated = 1;
  for (const LeafValues::ListLevel& level : values.lists) {
    cumulated *= level.dimension;
    if (level.validity.empty()) continue;
    bitmaps.emplace_back();
    bitmap_elements.push_back(cumulated);
    sources.push_back(level.validity.data());
  }
  // Every chunk's bits start in a byte of their own.
  const auto append_bits = [](const uint8_t* from, uint64_t first, uint64_t count, std::string* out) {
    const size_t bytes = (count + 7) / 8;
    const size_t at = out->size();
    out->resize(at + bytes, '\0');
    arrow::internal::CopyBitmap(from, static_cast<int64_t>(first), static_cast<int64_t>(count),
                                reinterpret_cast<uint8_t*>(out->data()) + at, 0);
    if (count % 8 != 0) out->back() = static_cast<char>(out->back() & ((1 << (count % 8)) - 1));
    return static_cast<uint32_t>(bytes);
  };
  std::string bools;
  uint64_t row = 0;
  for (const uint32_t count : chunked.counts) {
    for (size_t i = 0; i < bitmaps.size(); ++i) {
      chunked.sizes.push_back(append_bits(sources[i], row * bitmap_elements[i], count * bitmap_elements[i], &bitmaps[i]));
    }
    const uint64_t bits = count * values.row_bits();
    chunked.sizes.push_back(values.bits == 1 ? append_bits(values.data, row * values.row_bits(), bits, &bools)
                                             : static_cast<uint32_t>(bits / 8));
    row += count;
  }
  for (std::string& bitmap : bitmaps) chunked.buffers.push_back(Bytes::FromString(std::move(bitmap)));
  chunked.buffers.push_back(values.bits == 1 ? Bytes::FromString(std::move(bools))
                                             : Bytes(values.owner, values.data, values.data_bytes()));
  return chunked;
}

namespace {

ChunkedValues ChunkStrings(const LeafValues& values, uint32_t target_bytes) {
  ChunkedValues chunked;
  const size_t width = values.offset_bits / 8;
  *chunked.encoding.mutable_variable()->mutable_offsets() = FlatEncoding(values.offset_bits);
  const auto bytes_of = [&](size_t first, size_t count) {
    return (count + 1) * width + (values.offsets[first + count] - values.offsets[first]);
  };
  uint64_t total = 0;
  for (size_t first = 0; first < values.count;) {
    const size_t rest = values.count - first;
    size_t count = 2;
    while (count < kMaxChunkValues && 2 * count <= rest && bytes_of(first, 2 * count) <= target_bytes) count *= 2;
    if (rest <= 2 || (rest <= 2 * count && rest <= kMaxChunkValues && bytes_of(first, rest) <= target_bytes)) count = rest;
    chunked.counts.push_back(static_cast<uint32_t>(count));
    const uint64_t bytes = (bytes_of(first, count) + width - 1) / width * width;
    chunked.sizes.push_back(static_cast<uint32_t>(bytes));
    total += bytes;
    first += count;
  }
  uint8_t* out = nullptr;
  chunked.buffers.push_back(Bytes::Allocate(total, &out));
  size_t first = 0;
  for (size_t i = 0; i < chunked.counts.size(); ++i) {
    const size_t count = chunked.counts[i];
    const size_t used = bytes_of(first, count);
    if (width == 4) {
      AppendStrings<uint32_t>(values, first, count, out);
    } else {
      AppendStrings<uint64_t>(values, first, count, out);
    }
    std::memset(out + used, kPaddingByte, chunked.sizes[i] - used);
    out += chunked.sizes[i];
    first += count;
  }
  return chunked;
}

}  // namespace

ChunkedValues ChunkVariable(const LeafValues& values, const EncodingWishes& wishes) {
  if (!WantsFsst(values, wishes)) return Compressed(ChunkStrings(values, wishes.string_chunk_bytes), wishes);
  const FsstTable table = FsstTable::Train(values);
  const LeafValues codes = table.Encode(values);
  if (codes.data_bytes() + FsstTable::kSerializedSize >= values.data_bytes())
    return ChunkStrings(values, wishes.string_chunk_bytes);
  ChunkedValues chunked = ChunkStrings(codes, wishes.string_chunk_bytes);
  pb::v21::CompressiveEncoding encoding;
  encoding.mutable_fsst()->set_symbol_table(table.Serialize());
  *encoding.mutable_fsst()->mutable_values() = std::move(chunked.encoding);
  chunked.encoding = std::move(encoding);
  return chunked;
}

}  // namespace lancefs
