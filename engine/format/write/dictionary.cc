// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/dictionary.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/format/structural/bitpacking.h"
#include "engine/format/write/block_codec.h"
#include "engine/format/write/compress.h"

namespace lancefs {
namespace {

using Kind = LeafValues::Kind;

constexpr uint64_t kMinValues = 100;
constexpr uint64_t kMaxItems = 100'000;
constexpr uint64_t kSample = 4096;
constexpr size_t kMinGeneralBytes = 64;
constexpr double kPackedOverhead = 20.0 / 1024;  // bytes a value that chunks of indices cost
constexpr double kRunOverhead = 20.0 / 4096;
constexpr double kTextShrinks = 0.6;  // what compression leaves of strings, as a first guess

std::string_view ValueAt(const LeafValues& values, size_t i) {
  const char* data = reinterpret_cast<const char*>(values.data);
  if (values.kind == Kind::kVariable) return {data + values.offsets[i], values.length(i)};
  return {data + i * values.byte_width(), values.byte_width()};
}

// Whether two rows have the same bytes; the common widths without a call.
bool SameValue(const LeafValues& values, size_t a, size_t b) {
  if (values.kind == Kind::kFixed && values.bits == 64)
    return LoadLittleEndian<uint64_t>(values.data + 8 * a) == LoadLittleEndian<uint64_t>(values.data + 8 * b);
  if (values.kind == Kind::kFixed && values.bits == 32)
    return LoadLittleEndian<uint32_t>(values.data + 4 * a) == LoadLittleEndian<uint32_t>(values.data + 4 * b);
  return ValueAt(values, a) == ValueAt(values, b);
}

bool IsValid(const std::vector<uint8_t>& validity, size_t i) { return validity.empty() || ((validity[i / 8] >> (i % 8)) & 1); }

// Distinct values by first appearance, in an open-addressed table.
class DistinctValues {
 public:
  explicit DistinctValues(const LeafValues& values) : values_(values), slots_(1024, kEmpty) {}

  size_t size() const { return first_.size(); }
  // The value rows where each item appeared first.
  const std::vector<uint32_t>& first() const { return first_; }

  uint32_t IndexOf(size_t row) {
    const uint64_t hash = Hash(ValueAt(values_, row));
    for (size_t slot = hash & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      const uint32_t index = slots_[slot];
      if (index == kEmpty) return Insert(row, hash, slot);
      if (hashes_[index] == static_cast<uint32_t>(hash >> 32) && SameValue(values_, first_[index], row)) return index;
    }
  }

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;

  static uint64_t Hash(std::string_view value) {
    if (value.size() == 8) return Mix(LoadLittleEndian<uint64_t>(value.data()));
    if (value.size() == 4) return Mix(LoadLittleEndian<uint32_t>(value.data()));
    return XXH3_64bits(value.data(), value.size());
  }
  static uint64_t Mix(uint64_t value) {
    value = (value ^ (value >> 32)) * 0x9E3779B97F4A7C15u;
    return value ^ (value >> 29);
  }

  uint32_t Insert(size_t row, uint64_t hash, size_t slot) {
    const auto index = static_cast<uint32_t>(first_.size());
    slots_[slot] = index;
    first_.push_back(static_cast<uint32_t>(row));
    hashes_.push_back(static_cast<uint32_t>(hash >> 32));
    if (first_.size() * 2 > slots_.size()) Grow();
    return index;
  }
  void Grow() {
    slots_.assign(slots_.size() * 4, kEmpty);
    for (uint32_t index = 0; index < first_.size(); ++index) {
      size_t slot = Hash(ValueAt(values_, first_[index])) & (slots_.size() - 1);
      while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = index;
    }
  }

  const LeafValues& values_;
  std::vector<uint32_t> slots_;
  std::vector<uint32_t> first_;
  std::vector<uint32_t> hashes_;  // upper halves
};

// How many distinct values there are if `seen` of `drawn` evenly drawn ones were distinct and all are
// equally frequent: solves D * (1 - exp(-drawn / D)) = seen. More frequent ones only make it less.
double EstimateDistinct(double seen, double drawn, double total) {
  double low = seen;
  double high = total;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    if (middle * (1 - std::exp(-drawn / middle)) < seen) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

// Bits that every value of a fixed width of 32 or 64 bits fits in; else the width itself.
unsigned CommonWidth(const LeafValues& values) {
  uint64_t all = 0;
  if (values.bits == 32) {
    for (size_t i = 0; i < values.count; ++i) all |= LoadLittleEndian<uint32_t>(values.data + 4 * i);
  } else if (values.bits == 64) {
    for (size_t i = 0; i < values.count; ++i) all |= LoadLittleEndian<uint64_t>(values.data + 8 * i);
  } else {
    return values.bits;
  }
  return BitWidth(all);
}

double ItemBytes(const LeafValues& values, uint64_t num_valid) {
  if (values.kind == Kind::kFixed) return std::max(0.25, CommonWidth(values) / 8.0);
  return 4 + kTextShrinks * static_cast<double>(values.data_bytes()) / static_cast<double>(std::max<uint64_t>(1, num_valid));
}

size_t CountRuns(const LeafValues& values) {
  size_t runs = 1;
  for (size_t i = 1; i < values.count; ++i) runs += !SameValue(values, i, i - 1);
  return runs;
}

// The most items with which indices, bit-packed or as runs, and items stay below the budget.
double MostItems(double values, double runs, double item_bytes, double budget) {
  double most = 0;
  for (int width = 1; width <= 32; ++width) {
    const int index_bytes = width <= 8 ? 1 : width <= 16 ? 2 : 4;
    const double packed = values * (width / 8.0 + kPackedOverhead);
    const double indices = std::min(packed, values * kRunOverhead + runs * (index_bytes + 1));
    most = std::max(most, std::min((budget - indices) / item_bytes, std::ldexp(1.0, width)));
  }
  return most;
}

double SampledDistinct(const LeafValues& values, const std::vector<uint8_t>& validity, double num_valid) {
  DistinctValues sample(values);
  const size_t step = std::max<size_t>(1, values.count / kSample);
  double drawn = 0;
  for (size_t i = 0; i < values.count; i += step) {
    if (!IsValid(validity, i)) continue;
    sample.IndexOf(i);
    ++drawn;
  }
  if (drawn == 0) return num_valid;
  return step == 1 ? static_cast<double>(sample.size()) : EstimateDistinct(static_cast<double>(sample.size()), drawn, num_valid);
}

template <typename T>
void NarrowIndices(const std::vector<uint32_t>& indices, LeafValues* out) {
  uint8_t* data = nullptr;
  const Bytes bytes = Bytes::Allocate(indices.size() * sizeof(T), &data);
  for (size_t i = 0; i < indices.size(); ++i) StoreLittleEndian<T>(data + i * sizeof(T), static_cast<T>(indices[i]));
  out->kind = Kind::kFixed;
  out->count = indices.size();
  out->bits = sizeof(T) * 8;
  out->data = data;
  out->owner = bytes.owner();
}

LeafValues ItemsOf(const LeafValues& values, const std::vector<uint32_t>& rows) {
  LeafValues items;
  items.kind = values.kind;
  items.count = rows.size();
  items.bits = values.bits;
  items.offset_bits = values.offset_bits;
  items.is_binary = values.is_binary;
  std::string bytes;
  for (const uint32_t row : rows) {
    if (items.kind == Kind::kVariable) items.offsets.push_back(static_cast<uint32_t>(bytes.size()));
    bytes.append(ValueAt(values, row));
  }
  if (items.kind == Kind::kVariable) items.offsets.push_back(static_cast<uint32_t>(bytes.size()));
  const Bytes owned = Bytes::FromString(std::move(bytes));
  items.data = owned.data();
  items.owner = owned.owner();
  return items;
}

// Out-of-line bitpacking: blocks of 1024 of one width, the rest raw where that is shorter.
template <typename T>
void TryPacked(const LeafValues& items, EncodedDictionary* out) {
  const unsigned width = CommonWidth(items);
  if (width == 0 || width == items.bits) return;
  const size_t words = structural::PackedWords<T>(width);
  const size_t blocks = items.count / structural::kBlockValues;
  const size_t rest = items.count % structural::kBlockValues;
  const bool packs_rest = words < rest;
  const size_t size = (blocks * words + (packs_rest ? words : rest)) * sizeof(T);
  if (size >= out->buffer.size()) return;
  uint8_t* to = nullptr;
  const Bytes packed = Bytes::Allocate(size, &to);
  T block[structural::kBlockValues];
  T result[structural::kBlockValues];
  for (size_t i = 0; i < blocks + (packs_rest ? 1 : 0); ++i) {
    const size_t count = i < blocks ? structural::kBlockValues : rest;
    std::memset(block, 0, sizeof(block));
    std::memcpy(block, items.data + i * sizeof(block), count * sizeof(T));
    structural::PackBlock<T>(block, width, result);
    std::memcpy(to, result, words * sizeof(T));
    to += words * sizeof(T);
  }
  if (!packs_rest && rest != 0) std::memcpy(to, items.data + blocks * sizeof(block), rest * sizeof(T));
  out->encoding.Clear();
  out->encoding.mutable_out_of_line_bitpacking()->set_uncompressed_bits_per_value(items.bits);
  *out->encoding.mutable_out_of_line_bitpacking()->mutable_values() = FlatEncoding(width);
  out->buffer = packed;
}

}  // namespace

std::optional<DictionaryValues> BuildDictionary(const LeafValues& values, const std::vector<uint8_t>& validity, uint64_t budget,
                                                const EncodingWishes& wishes) {
  const bool suits =
      values.kind == Kind::kVariable || (values.kind == Kind::kFixed && values.bits >= 32 && values.packed_bits.empty());
  if (!suits) return std::nullopt;
  uint64_t num_valid = values.count;
  if (!validity.empty()) {
    num_valid = 0;
    for (const uint8_t byte : validity) num_valid += static_cast<uint64_t>(std::popcount(byte));
  }
  if (values.count < kMinValues || num_valid == 0) return std::nullopt;
  const auto count = static_cast<double>(values.count);
  const auto runs = static_cast<double>(CountRuns(values));
  double most = MostItems(count, runs, ItemBytes(values, num_valid), static_cast<double>(budget));
  most = std::min({most, static_cast<double>(kMaxItems), std::max(1.0, count / static_cast<double>(wishes.dictionary_divisor))});
  if (most < 1) return std::nullopt;
  if (runs > most && SampledDistinct(values, validity, static_cast<double>(num_valid)) > most) return std::nullopt;

  DistinctValues distinct(values);
  std::vector<uint32_t> indices(values.count);
  uint64_t item_bytes = 0;
  uint32_t previous = 0;
  for (size_t i = 0; i < values.count; ++i) {
    if (IsValid(validity, i)) {
      const size_t before = distinct.size();
      previous = distinct.IndexOf(i);
      if (distinct.size() != before) item_bytes += ValueAt(values, i).size();
      if (static_cast<double>(distinct.size()) > most || item_bytes > wishes.dictionary_max_bytes) return std::nullopt;
    }
    indices[i] = previous;  // a null repeats its neighbour's index, which makes long runs
  }
  DictionaryValues dictionary;
  dictionary.items = ItemsOf(values, distinct.first());
  if (distinct.size() <= 256) {
    NarrowIndices<uint8_t>(indices, &dictionary.indices);
  } else if (distinct.size() <= 65536) {
    NarrowIndices<uint16_t>(indices, &dictionary.indices);
  } else {
    NarrowIndices<uint32_t>(indices, &dictionary.indices);
  }
  return dictionary;
}

EncodedDictionary EncodeDictionaryItems(const LeafValues& items, const EncodingWishes& wishes) {
  using Compression = EncodingWishes::Compression;
  EncodedDictionary out;
  out.num_items = items.count;
  if (items.kind != Kind::kVariable) {
    out.encoding = FlatEncoding(items.bits);
    out.buffer = Bytes(items.owner, items.data, items.data_bytes());
  } else {
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
  }
  if (wishes.dictionary_compression == Compression::kNone || out.buffer.size() < kMinGeneralBytes) return out;
  EncodedDictionary raw = out;
  if (items.bits == 32) TryPacked<uint32_t>(items, &out);
  if (items.bits == 64) TryPacked<uint64_t>(items, &out);
  std::string frame;
  const bool lz4 = wishes.dictionary_compression == Compression::kLz4;
  if (lz4) {
    AppendLz4(raw.buffer.span(), &frame);
  } else {
    AppendZstd(raw.buffer.span(), wishes.dictionary_level, &frame);
  }
  if (frame.size() >= out.buffer.size()) return out;
  pb::v21::CompressiveEncoding encoding;
  encoding.mutable_general()->mutable_compression()->set_scheme(lz4 ? pb::v21::COMPRESSION_ALGORITHM_LZ4
                                                                    : pb::v21::COMPRESSION_ALGORITHM_ZSTD);
  *encoding.mutable_general()->mutable_values() = std::move(raw.encoding);
  out.encoding = std::move(encoding);
  out.buffer = Bytes::FromString(std::move(frame));
  return out;
}

}  // namespace lancefs
