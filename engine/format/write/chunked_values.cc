// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/chunked_values.h"

#include <arrow/util/bitmap_ops.h>

#include <cstring>

#include "engine/format/write/block_codec.h"

namespace lancefs {
namespace {

constexpr uint32_t kMaxChunkValues = 4096;
constexpr uint64_t kMaxChunkBytes = 8186;
constexpr uint8_t kPaddingByte = 72;

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
  for (const uint32_t count : chunked.counts) chunked.sizes.push_back(static_cast<uint32_t>((uint64_t{count} * values.bits + 7) / 8));
  chunked.buffers.emplace_back(values.owner, values.data, values.data_bytes());
  return chunked;
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
    arrow::internal::CopyBitmap(from, static_cast<int64_t>(first), static_cast<int64_t>(count), reinterpret_cast<uint8_t*>(out->data()) + at, 0);
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
    chunked.sizes.push_back(values.bits == 1 ? append_bits(values.data, row * values.row_bits(), bits, &bools) : static_cast<uint32_t>(bits / 8));
    row += count;
  }
  for (std::string& bitmap : bitmaps) chunked.buffers.push_back(Bytes::FromString(std::move(bitmap)));
  chunked.buffers.push_back(values.bits == 1 ? Bytes::FromString(std::move(bools)) : Bytes(values.owner, values.data, values.data_bytes()));
  return chunked;
}

ChunkedValues ChunkVariable(const LeafValues& values, uint32_t target_bytes) {
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

}  // namespace lancefs
