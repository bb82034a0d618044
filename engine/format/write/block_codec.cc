// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/block_codec.h"

#include <bit>

#include "engine/format/structural/bitpacking.h"

namespace lancefs {
namespace {

using pb::v21::CompressiveEncoding;

constexpr size_t kMaxRun = 255;

void AppendWords(const uint16_t* words, size_t count, std::string* out) {
  out->append(reinterpret_cast<const char*>(words), count * sizeof(uint16_t));
}

void AppendPacked(std::span<const uint16_t> values, unsigned width, std::string* out) {
  uint16_t block[structural::kBlockValues];
  uint16_t packed[structural::kBlockValues];
  const uint16_t* from = values.data();
  if (values.size() < structural::kBlockValues) {
    std::memset(block, 0, sizeof(block));
    std::memcpy(block, values.data(), values.size_bytes());
    from = block;
  }
  structural::PackBlock<uint16_t>(from, width, packed);
  AppendWords(packed, structural::PackedWords<uint16_t>(width), out);
}

uint64_t OutOfLineSize(uint64_t count, unsigned width) {
  const uint64_t words = structural::PackedWords<uint16_t>(width);
  return 2 * (count / structural::kBlockValues * words + std::min<uint64_t>(words, count % structural::kBlockValues));
}

// Calls emit(value, length) for every run of at most 255.
template <typename Emit>
void ForEachRun(std::span<const uint16_t> levels, Emit&& emit) {
  for (size_t i = 0; i < levels.size();) {
    size_t end = i + 1;
    while (end < levels.size() && levels[end] == levels[i] && end - i < kMaxRun) ++end;
    emit(levels[i], end - i);
    i = end;
  }
}

}  // namespace

unsigned BitWidth(uint64_t value) { return static_cast<unsigned>(std::bit_width(value)); }

CompressiveEncoding FlatEncoding(uint64_t bits) {
  CompressiveEncoding encoding;
  encoding.mutable_flat()->set_bits_per_value(bits);
  return encoding;
}

LevelCodec LevelCodec::Choose(std::span<const uint16_t> levels, std::span<const uint64_t> ends) {
  uint16_t all = 0;
  for (const uint16_t level : levels) all |= level;
  LevelCodec codec;
  codec.width_ = std::max(1u, BitWidth(all));
  codec.encoding_ = FlatEncoding(16);
  uint64_t best = 2 * levels.size();
  uint64_t packed = 0;
  uint64_t rle = 0;
  uint64_t start = 0;
  const bool out_of_line = levels.size() > structural::kBlockValues;
  for (const uint64_t end : ends) {
    packed += out_of_line ? OutOfLineSize(end - start, codec.width_) : 2 + 2 * structural::PackedWords<uint16_t>(codec.width_);
    rle += 8;
    ForEachRun(levels.subspan(start, end - start), [&](uint16_t, size_t) { rle += 3; });
    start = end;
  }
  if (codec.width_ < 16 && packed < best) {
    best = packed;
    codec.kind_ = out_of_line ? Kind::kOutOfLine : Kind::kInline;
    codec.encoding_.Clear();
    if (out_of_line) {
      codec.encoding_.mutable_out_of_line_bitpacking()->set_uncompressed_bits_per_value(16);
      *codec.encoding_.mutable_out_of_line_bitpacking()->mutable_values() = FlatEncoding(codec.width_);
    } else {
      codec.encoding_.mutable_inline_bitpacking()->set_uncompressed_bits_per_value(16);
    }
  }
  if (rle < best) {
    codec.kind_ = Kind::kRle;
    codec.encoding_.Clear();
    *codec.encoding_.mutable_rle()->mutable_values() = FlatEncoding(16);
    *codec.encoding_.mutable_rle()->mutable_run_lengths() = FlatEncoding(8);
  }
  return codec;
}

void LevelCodec::Encode(std::span<const uint16_t> levels, std::string* out) const {
  switch (kind_) {
    case Kind::kFlat: AppendWords(levels.data(), levels.size(), out); return;
    case Kind::kInline: {
      const auto header = static_cast<uint16_t>(width_);
      AppendWords(&header, 1, out);
      AppendPacked(levels, width_, out);
      return;
    }
    case Kind::kOutOfLine: {
      size_t i = 0;
      for (; i + structural::kBlockValues <= levels.size(); i += structural::kBlockValues)
        AppendPacked(levels.subspan(i, structural::kBlockValues), width_, out);
      const std::span<const uint16_t> rest = levels.subspan(i);
      if (structural::PackedWords<uint16_t>(width_) < rest.size()) {
        AppendPacked(rest, width_, out);
      } else {
        AppendWords(rest.data(), rest.size(), out);
      }
      return;
    }
    case Kind::kRle: {
      std::string lengths;
      const size_t header = out->size();
      out->append(8, '\0');
      ForEachRun(levels, [&](uint16_t level, size_t length) {
        AppendWords(&level, 1, out);
        lengths.push_back(static_cast<char>(length));
      });
      const uint64_t value_bytes = out->size() - header - 8;
      std::memcpy(out->data() + header, &value_bytes, 8);
      out->append(lengths);
      return;
    }
  }
}

}  // namespace lancefs
