// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/page_layout.h"

#include <cstring>

#include "engine/format/write/block_codec.h"

namespace lancefs {
namespace {

using pb::v21::PageLayout;

constexpr size_t kChunkAlignment = 8;
constexpr char kFillByte = static_cast<char>(0xFE);

template <typename T>
void AppendInt(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void AlignChunk(std::string* out) { out->append((kChunkAlignment - out->size() % kChunkAlignment) % kChunkAlignment, kFillByte); }

// Where each chunk's levels end. A chunk takes levels until it has its visible items; invisible ones
// behind them belong to the next chunk, and the last chunk takes all that is left.
std::vector<uint64_t> LevelEnds(const PageLevels& levels, const std::vector<uint32_t>& counts) {
  std::vector<uint64_t> ends;
  ends.reserve(counts.size());
  uint64_t item = 0;
  const bool all_visible = levels.def.empty() || levels.max_visible_def == levels.max_def;
  for (size_t chunk = 0; chunk < counts.size(); ++chunk) {
    if (all_visible) {
      item += counts[chunk];
    } else {
      for (uint32_t left = counts[chunk]; left > 0; ++item) left -= levels.def[item] <= levels.max_visible_def;
    }
    ends.push_back(chunk + 1 == counts.size() ? levels.num_levels : item);
  }
  return ends;
}

// Two numbers a chunk: rows that end in it, items behind the last finished row.
std::string RepetitionIndex(const PageLevels& levels, const std::vector<uint64_t>& ends) {
  std::string out;
  uint64_t start = 0;
  for (const uint64_t end : ends) {
    // The row that is open at the chunk's end is finished iff the next chunk starts with a new one.
    const bool complete = end == levels.num_levels || levels.rep[end] == levels.max_rep;
    uint64_t rows = complete ? 1 : 0;
    uint64_t last_start = start;
    bool starts = false;
    for (uint64_t i = start; i < end; ++i) {
      if (levels.rep[i] != levels.max_rep) continue;
      if (i > start) ++rows;
      last_start = i;
      starts = true;
    }
    AppendInt<uint64_t>(&out, rows);
    AppendInt<uint64_t>(&out, complete ? 0 : end - (starts ? last_start : start));
    start = end;
  }
  return out;
}

std::span<const uint16_t> Part(const std::vector<uint16_t>& levels, uint64_t start, uint64_t end) {
  return std::span<const uint16_t>(levels).subspan(start, end - start);
}

void SetLayers(const PageLevels& levels, google::protobuf::RepeatedField<int>* out) {
  for (const pb::v21::RepDefLayer layer : levels.layers) out->Add(layer);
}

std::string LevelBytes(const std::vector<uint16_t>& levels) {
  return {reinterpret_cast<const char*>(levels.data()), levels.size() * sizeof(uint16_t)};
}

// Appends chunk `index`; false when it breaks a limit.
class ChunkAssembler {
 public:
  ChunkAssembler(const PageLevels& levels, const ChunkedValues& values, FileVersion version)
      : levels_(levels), values_(values), large_(version == FileVersion::kV2_2), ends_(LevelEnds(levels, values.counts)) {
    if (!levels.rep.empty()) rep_ = LevelCodec::Choose(levels.rep, ends_);
    if (!levels.def.empty()) def_ = LevelCodec::Choose(levels.def, ends_);
    positions_.assign(values.buffers.size(), 0);
    data_.reserve(values.PageBytes() + 8 * values.counts.size() + levels.num_levels / 2);
  }

  bool Append(size_t chunk) {
    const uint64_t start = chunk == 0 ? 0 : ends_[chunk - 1];
    const uint64_t end = ends_[chunk];
    const size_t base = data_.size();
    std::string rep;
    std::string def;
    if (rep_) rep_->Encode(Part(levels_.rep, start, end), &rep);
    if (def_) def_->Encode(Part(levels_.def, start, end), &def);
    const bool has_levels = rep_ || def_;
    if (has_levels && (end - start > UINT16_MAX || rep.size() > UINT16_MAX || def.size() > UINT16_MAX)) return false;
    AppendInt<uint16_t>(&data_, has_levels ? static_cast<uint16_t>(end - start) : 0);
    if (rep_) AppendInt<uint16_t>(&data_, static_cast<uint16_t>(rep.size()));
    if (def_) AppendInt<uint16_t>(&data_, static_cast<uint16_t>(def.size()));
    const size_t num_buffers = values_.buffers.size();
    const uint32_t* sizes = values_.sizes.data() + chunk * num_buffers;
    for (size_t i = 0; i < num_buffers; ++i) {
      if (large_) {
        AppendInt<uint32_t>(&data_, sizes[i]);
      } else if (sizes[i] > UINT16_MAX) {
        return false;
      } else {
        AppendInt<uint16_t>(&data_, static_cast<uint16_t>(sizes[i]));
      }
    }
    AlignChunk(&data_);
    if (rep_) data_ += rep;
    AlignChunk(&data_);
    if (def_) data_ += def;
    AlignChunk(&data_);
    for (size_t i = 0; i < num_buffers; ++i) {
      if (sizes[i] != 0) data_.append(reinterpret_cast<const char*>(values_.buffers[i].data()) + positions_[i], sizes[i]);
      positions_[i] += sizes[i];
      AlignChunk(&data_);
    }
    return AppendWord(data_.size() - base, chunk);
  }

  std::string& data() { return data_; }
  std::string& words() { return words_; }
  const std::vector<uint64_t>& ends() const { return ends_; }
  const std::optional<LevelCodec>& rep() const { return rep_; }
  const std::optional<LevelCodec>& def() const { return def_; }

 private:
  bool AppendWord(uint64_t bytes, size_t chunk) {
    if (bytes > (large_ ? uint64_t{1} << 31 : uint64_t{32} * 1024)) return false;
    const bool last = chunk + 1 == values_.counts.size();
    const uint64_t log = last ? 0 : BitWidth(values_.counts[chunk]) - 1;
    const uint64_t word = ((bytes / kChunkAlignment - 1) << 4) | log;
    if (large_) {
      AppendInt<uint32_t>(&words_, static_cast<uint32_t>(word));
    } else {
      AppendInt<uint16_t>(&words_, static_cast<uint16_t>(word));
    }
    return true;
  }

  const PageLevels& levels_;
  const ChunkedValues& values_;
  const bool large_;
  std::vector<uint64_t> ends_;
  std::optional<LevelCodec> rep_;
  std::optional<LevelCodec> def_;
  std::vector<size_t> positions_;  // how much of each value buffer is used
  std::string data_;
  std::string words_;
};

}  // namespace

std::optional<EncodedPage> LayoutMiniBlock(const PageLevels& levels, const ChunkedValues& values,
                                           const EncodedDictionary* dictionary, FileVersion version) {
  ChunkAssembler chunks(levels, values, version);
  uint64_t num_values = 0;
  for (size_t chunk = 0; chunk < values.counts.size(); ++chunk) {
    if (!chunks.Append(chunk)) return std::nullopt;
    num_values += values.counts[chunk];
  }
  PageLayout layout;
  auto* mini = layout.mutable_mini_block_layout();
  if (chunks.rep()) *mini->mutable_rep_compression() = chunks.rep()->encoding();
  if (chunks.def()) *mini->mutable_def_compression() = chunks.def()->encoding();
  *mini->mutable_value_compression() = values.encoding;
  SetLayers(levels, mini->mutable_layers());
  mini->set_num_buffers(values.buffers.size());
  mini->set_num_items(num_values);
  mini->set_has_large_chunk(version == FileVersion::kV2_2);
  EncodedPage page;
  page.buffers.push_back(Bytes::FromString(std::move(chunks.words())));
  page.buffers.push_back(Bytes::FromString(std::move(chunks.data())));
  if (dictionary != nullptr) {
    *mini->mutable_dictionary() = dictionary->encoding;
    mini->set_num_dictionary_items(dictionary->num_items);
    page.buffers.push_back(dictionary->buffer);
  }
  if (levels.max_rep > 0) {
    mini->set_repetition_index_depth(1);
    page.buffers.push_back(Bytes::FromString(RepetitionIndex(levels, chunks.ends())));
  }
  page.encoding = layout.SerializeAsString();
  return page;
}

EncodedPage LayoutNoValues(const PageLevels& levels, FileVersion version) {
  PageLayout layout;
  auto* constant = layout.mutable_constant_layout();
  SetLayers(levels, constant->mutable_layers());
  EncodedPage page;
  if (levels.layers.size() == 1 && levels.max_rep == 0) {
    constant->set_layers(0, pb::v21::REPDEF_NULLABLE_ITEM);
    page.encoding = layout.SerializeAsString();
    return page;
  }
  const auto add = [&](const std::vector<uint16_t>& stream, auto&& set_encoding) {
    const uint64_t count = stream.size();
    const LevelCodec codec = LevelCodec::Choose(stream, std::span(&count, 1));
    if (version != FileVersion::kV2_2 || codec.is_flat() || stream.empty()) {
      page.buffers.push_back(Bytes::FromString(LevelBytes(stream)));
      return;
    }
    std::string bytes;
    codec.Encode(stream, &bytes);
    page.buffers.push_back(Bytes::FromString(std::move(bytes)));
    set_encoding(codec.encoding(), count);
  };
  add(levels.rep, [&](const pb::v21::CompressiveEncoding& encoding, uint64_t count) {
    *constant->mutable_rep_compression() = encoding;
    constant->set_num_rep_values(count);
  });
  add(levels.def, [&](const pb::v21::CompressiveEncoding& encoding, uint64_t count) {
    *constant->mutable_def_compression() = encoding;
    constant->set_num_def_values(count);
  });
  page.encoding = layout.SerializeAsString();
  return page;
}

namespace {

constexpr size_t kMaxInlineBytes = 32;

// The Arrow buffers of an array of one value: their number, their lengths, their bytes.
std::string ScalarBuffers(const LeafValues& values, size_t row) {
  std::string out;
  if (values.kind == LeafValues::Kind::kFixed) {
    AppendInt<uint32_t>(&out, 1);
    AppendInt<uint32_t>(&out, values.byte_width());
    return out.append(reinterpret_cast<const char*>(values.data) + row * values.byte_width(), values.byte_width());
  }
  const uint32_t length = values.length(row);
  AppendInt<uint32_t>(&out, 2);
  AppendInt<uint32_t>(&out, 2 * values.offset_bits / 8);
  AppendInt<uint32_t>(&out, length);
  if (values.offset_bits == 64) {
    AppendInt<uint64_t>(&out, 0);
    AppendInt<uint64_t>(&out, length);
  } else {
    AppendInt<uint32_t>(&out, 0);
    AppendInt<uint32_t>(&out, length);
  }
  return length == 0 ? out : out.append(reinterpret_cast<const char*>(values.data) + values.offsets[row], length);
}

}  // namespace

EncodedPage LayoutConstant(const PageLevels& levels, const LeafValues& values, size_t row) {
  PageLayout layout;
  auto* constant = layout.mutable_constant_layout();
  SetLayers(levels, constant->mutable_layers());
  EncodedPage page;
  const bool is_inline = values.kind == LeafValues::Kind::kFixed && values.byte_width() <= kMaxInlineBytes;
  if (is_inline && values.bits == 1) {
    constant->set_inline_value(std::string(1, static_cast<char>((values.data[row / 8] >> (row % 8)) & 1)));
  } else if (is_inline) {
    constant->set_inline_value(
        std::string(reinterpret_cast<const char*>(values.data) + row * values.byte_width(), values.byte_width()));
  } else {
    page.buffers.push_back(Bytes::FromString(ScalarBuffers(values, row)));
  }
  if (!levels.rep.empty() || !levels.def.empty()) {
    page.buffers.push_back(Bytes::FromString(LevelBytes(levels.rep)));
    page.buffers.push_back(Bytes::FromString(LevelBytes(levels.def)));
  }
  page.encoding = layout.SerializeAsString();
  return page;
}

EncodedPage LayoutFullZip(const PageLevels& levels, uint64_t num_values, const ZippedValues& values) {
  uint16_t all_rep = 0;
  uint16_t all_def = 0;
  for (const uint16_t rep : levels.rep) all_rep |= rep;
  for (const uint16_t def : levels.def) all_def |= def;
  const unsigned bits_rep = BitWidth(all_rep);
  const unsigned bits_def = BitWidth(all_def);
  const unsigned bits = bits_rep + bits_def;
  const size_t word_bytes = bits == 0 ? 0 : bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
  const bool variable = values.offset_bits != 0;
  const size_t prefix = values.offset_bits / 8;
  uint64_t size = levels.num_levels * word_bytes;
  size += variable ? num_values * prefix + values.offsets->back() : num_values * values.row_bytes;
  std::string zipped;
  zipped.reserve(size);
  std::vector<uint64_t> row_starts;
  const bool indexed = variable || bits_rep > 0;
  uint64_t value = 0;
  for (uint64_t item = 0; item < levels.num_levels; ++item) {
    const uint32_t rep = levels.rep.empty() ? 0 : levels.rep[item];
    const uint32_t def = levels.def.empty() ? 0 : levels.def[item];
    if (indexed && (levels.rep.empty() || rep == levels.max_rep)) row_starts.push_back(zipped.size());
    const uint32_t word = (rep << bits_def) | def;
    zipped.append(reinterpret_cast<const char*>(&word), word_bytes);
    if (def > levels.max_visible_def) continue;
    if (!variable) {
      zipped.append(reinterpret_cast<const char*>(values.data) + value * values.row_bytes, values.row_bytes);
    } else if (def == 0) {
      const uint32_t start = (*values.offsets)[value];
      const uint64_t length = (*values.offsets)[value + 1] - start;
      zipped.append(reinterpret_cast<const char*>(&length), prefix);
      if (length != 0) zipped.append(reinterpret_cast<const char*>(values.data) + start, length);
    }
    ++value;
  }
  PageLayout layout;
  auto* full = layout.mutable_full_zip_layout();
  full->set_bits_rep(bits_rep);
  full->set_bits_def(bits_def);
  if (variable) {
    full->set_bits_per_offset(values.offset_bits);
  } else {
    full->set_bits_per_value(static_cast<uint32_t>(values.row_bytes * 8));
  }
  full->set_num_items(static_cast<uint32_t>(levels.num_levels));
  full->set_num_visible_items(static_cast<uint32_t>(num_values));
  *full->mutable_value_compression() = values.encoding;
  SetLayers(levels, full->mutable_layers());
  EncodedPage page;
  page.encoding = layout.SerializeAsString();
  if (indexed) row_starts.push_back(zipped.size());
  const size_t width = zipped.size() <= UINT8_MAX ? 1 : zipped.size() <= UINT16_MAX ? 2 : zipped.size() <= UINT32_MAX ? 4 : 8;
  page.buffers.push_back(Bytes::FromString(std::move(zipped)));
  if (indexed) {
    std::string index;
    index.reserve(row_starts.size() * width);
    for (const uint64_t start : row_starts) index.append(reinterpret_cast<const char*>(&start), width);
    page.buffers.push_back(Bytes::FromString(std::move(index)));
  }
  return page;
}

}  // namespace lancefs
