// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/encoding_wishes.h"

#include <charconv>
#include <cstdlib>

namespace lancefs {
namespace {

const std::string* Find(const Field& field, const char* key) {
  const auto it = field.metadata.find(std::string("lance-encoding:") + key);
  return it == field.metadata.end() ? nullptr : &it->second;
}

template <typename T>
void Parse(const Field& field, const char* key, T least, T most, T* out) {
  const std::string* text = Find(field, key);
  if (text == nullptr) return;
  T value{};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc() && end == text->data() + text->size() && value >= least && value <= most) *out = value;
}

EncodingWishes::Compression ParseCompression(const std::string* text) {
  using Compression = EncodingWishes::Compression;
  if (text == nullptr) return Compression::kAuto;
  if (*text == "none") return Compression::kNone;
  if (*text == "fsst") return Compression::kFsst;
  if (*text == "lz4") return Compression::kLz4;
  if (*text == "zstd") return Compression::kZstd;
  return Compression::kAuto;
}

}  // namespace

EncodingWishes WishesOf(const Field& leaf, const Field& root) {
  EncodingWishes wishes;
  wishes.compression = ParseCompression(Find(leaf, "compression"));
  Parse(leaf, "compression-level", -22, 22, &wishes.level);
  if (const std::string* bss = Find(leaf, "bss")) {
    if (*bss == "off") wishes.byte_stream_split = EncodingWishes::Switch::kOff;
    if (*bss == "on") wishes.byte_stream_split = EncodingWishes::Switch::kOn;
  }
  Parse(leaf, "rle-threshold", 0.0, 1.0, &wishes.rle_threshold);
  Parse<uint32_t>(leaf, "minichunk-size", 64, 32767, &wishes.string_chunk_bytes);
  if (const std::string* structure = Find(root, "structural-encoding")) {
    if (*structure == "miniblock") wishes.structure = EncodingWishes::Structure::kMiniBlock;
    if (*structure == "fullzip") wishes.structure = EncodingWishes::Structure::kFullZip;
  }
  Parse<uint64_t>(leaf, "dict-divisor", 1, UINT64_MAX, &wishes.dictionary_divisor);
  Parse(leaf, "dict-size-ratio", 0.0, 1.0, &wishes.dictionary_size_ratio);
  Parse<uint64_t>(leaf, "dict-max-size", 0, uint64_t{1} << 30, &wishes.dictionary_max_bytes);
  wishes.dictionary_compression = ParseCompression(Find(leaf, "dict-values-compression"));
  Parse(leaf, "dict-values-compression-level", -22, 22, &wishes.dictionary_level);
  return wishes;
}

}  // namespace lancefs
