// SPDX-License-Identifier: Apache-2.0
//
// Miniblock pages (docs/lance/file.md 3.3): values in chunks of a few KiB, each with its own levels.
// Buffers: chunk words, chunk data, [dictionary], [repetition index].
#include <algorithm>
#include <string>

#include "engine/format/structural/page_read.h"

namespace lancefs::structural {
namespace {

// The chunk table stores a logarithm of at most 15; the last chunk's count is a remainder.
constexpr uint64_t kMaxChunkValues = 65536;
constexpr uint64_t kFreeLevels = uint64_t{1} << 24;
constexpr uint64_t kLevelsPerByte = 16;  // more than that is not the rule

uint64_t Pad8(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

// What random access needs of a page; shared by all readers through the file's cache.
struct MiniBlockState {
  std::vector<uint64_t> chunk_start;  // bytes, one more than chunks
  std::vector<uint64_t> value_start;  // visible values before each chunk, one more than chunks
  // With lists: rows that start before each chunk (one more than chunks), and whether the chunk
  // begins with the rest of an earlier row.
  std::vector<uint64_t> row_start;
  std::vector<bool> preamble;
  std::shared_ptr<const PageDictionary> dictionary;

  size_t num_chunks() const { return chunk_start.size() - 1; }
};

// A run of chunks with the rows wanted from it.
struct ChunkRun {
  size_t begin = 0;
  size_t end = 0;
  RowSelection rows;
  Bytes bytes;
};

struct Chunk {
  uint64_t num_levels = 0;
  std::span<const uint8_t> rep;
  std::span<const uint8_t> def;
  std::vector<std::span<const uint8_t>> buffers;
};

class MiniBlockRead final : public PageRead {
 public:
  MiniBlockRead(PageContext context, RowSelection rows) : context_(std::move(context)), rows_(std::move(rows)) {}

  Status Init(const pb::v21::MiniBlockLayout& layout);
  std::vector<ByteRange> NextReads() override;
  Status Supply(std::vector<Bytes> answers) override;
  Status Decode(LeafColumn* out) override;

 private:
  const PageInfo& page() const { return *context_.page; }
  Status ParseState(const std::vector<Bytes>& buffers);
  Status ParseChunkWords(const Bytes& words, MiniBlockState* state) const;
  Status ParseRepetitionIndex(const Bytes& index, MiniBlockState* state) const;
  Status ParseDictionary(const Bytes& bytes, MiniBlockState* state) const;
  uint64_t GuessFront() const;
  ByteRange MissingOf(const ChunkRun& run) const;
  Bytes WithFront(const ChunkRun& run, Bytes rest) const;
  void PlanRuns();
  void ChunksOf(const RowRange& range, size_t* begin, size_t* end) const;
  Status ParseChunk(const ChunkRun& run, size_t index, Chunk* chunk) const;
  Status ReadLevels(const Chunk& chunk, size_t index, Levels* levels) const;
  Status DecodeRun(const ChunkRun& run, Levels* selected, LeafColumn* out);
  Status DecodeValues(const ChunkRun& run, const std::vector<Chunk>& chunks, const RowSelection& values, LeafColumn* out);

  PageContext context_;
  RowSelection rows_;
  PageLayers layers_;
  std::unique_ptr<BlockCodec> rep_codec_;
  std::unique_ptr<BlockCodec> def_codec_;
  std::unique_ptr<BlockCodec> dictionary_codec_;
  std::unique_ptr<ValueCodec> value_codec_;
  uint64_t num_dictionary_items_ = 0;
  uint64_t num_items_ = 0;
  size_t num_buffers_ = 0;
  size_t index_depth_ = 0;
  bool large_ = false;

  std::shared_ptr<const MiniBlockState> state_;
  bool whole_ = false;
  uint64_t front_bytes_ = 0;  // of the chunks that are read before their table is known
  Bytes front_;
  bool supplied_ = false;
  std::vector<ChunkRun> runs_;
};

Status MiniBlockRead::Init(const pb::v21::MiniBlockLayout& layout) {
  LANCEFS_ASSIGN_OR_RETURN(layers_, PageLayers::Make(layout.layers(), context_.path));
  if (layout.has_rep_compression()) {
    LANCEFS_ASSIGN_OR_RETURN(rep_codec_, BlockCodec::Make(layout.rep_compression()));
  }
  if (layout.has_def_compression()) {
    LANCEFS_ASSIGN_OR_RETURN(def_codec_, BlockCodec::Make(layout.def_compression()));
  }
  LANCEFS_ASSIGN_OR_RETURN(value_codec_, ValueCodec::Make(layout.value_compression()));
  num_items_ = layout.num_items();
  num_buffers_ = layout.num_buffers();
  index_depth_ = layout.repetition_index_depth();
  large_ = layout.has_large_chunk();
  if (large_ != (context_.file->version() != FileVersion::kV2_1))
    return Status::Corruption("the chunk grammar of the page is not that of the file's version");
  if (num_buffers_ != value_codec_->num_buffers()) {
    return Status::Corruption("chunks have " + std::to_string(num_buffers_) + " buffers instead of " +
                              std::to_string(value_codec_->num_buffers()));
  }
  if ((layers_.max_rep > 0) != (rep_codec_ != nullptr) || (layers_.max_rep > 0) != (index_depth_ > 0)) {
    return Status::Corruption("the page's lists and its repetition levels do not fit");
  }
  size_t wanted_buffers = 2 + (index_depth_ > 0 ? 1 : 0);
  if (layout.has_dictionary()) {
    ++wanted_buffers;
    num_dictionary_items_ = layout.num_dictionary_items();
    LANCEFS_ASSIGN_OR_RETURN(dictionary_codec_, BlockCodec::Make(layout.dictionary()));
    LANCEFS_RETURN_NOT_OK(value_codec_->CheckIndices());
  } else if (context_.shape.kind == ShapeKind::kDictionary) {
    return Status::NotSupported("a page without a dictionary in a column of type " + context_.shape.type->ToString() +
                                " is not supported");
  } else {
    LANCEFS_RETURN_NOT_OK(value_codec_->CheckChunkShape(context_.shape));
  }
  if (page().buffers.size() < wanted_buffers) {
    return Status::Corruption("the page has " + std::to_string(page().buffers.size()) + " buffers instead of " +
                              std::to_string(wanted_buffers));
  }
  if (layers_.max_rep == 0 && num_items_ != page().length) {
    return Status::Corruption("the page has " + std::to_string(page().length) + " rows but " + std::to_string(num_items_) +
                              " values");
  }
  state_ = std::static_pointer_cast<const MiniBlockState>(context_.file->CachedPageState(context_.column, context_.page_index));
  if (state_ != nullptr) {
    PlanRuns();
  } else {
    whole_ = WantsWholePage(context_, rows_, page().buffers[1].length);
    if (!whole_) front_bytes_ = GuessFront();
  }
  return Status::OK();
}

// The rows that a page begins with lie in its first chunks, whose size is guessed by the mean, so that the first rows of a table
// are there a round earlier. 0: the wanted rows lie elsewhere or in many chunks.
uint64_t MiniBlockRead::GuessFront() const {
  constexpr uint64_t kMostGuessed = 32 * 1024;
  const uint64_t chunks = page().buffers[0].length / (large_ ? 4 : 2);
  if (rows_.size() != 1 || rows_[0].start != 0 || chunks == 0) return 0;
  const uint64_t bytes = page().buffers[1].length;
  const uint64_t rows_in_chunk = std::max<uint64_t>(1, page().length / chunks);
  const uint64_t wanted = (rows_[0].end - 1) / rows_in_chunk + 1;
  const uint64_t mean = bytes / chunks + 8;
  if (wanted > chunks || wanted * mean > kMostGuessed) return 0;
  return std::min(bytes, wanted * mean + mean / 2 + 256);
}

// What is not read yet of a run of chunks.
ByteRange MiniBlockRead::MissingOf(const ChunkRun& run) const {
  const uint64_t end = state_->chunk_start[run.end];
  const uint64_t start = std::min(end, std::max<uint64_t>(state_->chunk_start[run.begin], front_.size()));
  return PartOf(page(), 1, start, end - start);
}

std::vector<ByteRange> MiniBlockRead::NextReads() {
  std::vector<ByteRange> ranges;
  if (state_ == nullptr) {
    ranges.push_back(page().buffers[0]);
    if (dictionary_codec_ != nullptr) ranges.push_back(page().buffers[2]);
    if (index_depth_ > 0) ranges.push_back(page().buffers[dictionary_codec_ != nullptr ? 3 : 2]);
    if (whole_) ranges.push_back(page().buffers[1]);
    if (front_bytes_ > 0) ranges.push_back(PartOf(page(), 1, 0, front_bytes_));
    return ranges;
  }
  if (supplied_) return ranges;
  for (const ChunkRun& run : runs_) ranges.push_back(MissingOf(run));
  return ranges;
}

Status MiniBlockRead::Supply(std::vector<Bytes> answers) {
  if (state_ == nullptr) {
    LANCEFS_RETURN_NOT_OK(ParseState(answers));
    PlanRuns();
    if (whole_ || front_bytes_ > 0) front_ = answers.back();
    for (ChunkRun& run : runs_) {
      const uint64_t start = state_->chunk_start[run.begin];
      const uint64_t end = state_->chunk_start[run.end];
      if (end > front_.size()) return Status::OK();  // the rest has to be asked for
      run.bytes = front_.Slice(start, end - start);
    }
  } else {
    for (size_t i = 0; i < runs_.size(); ++i) runs_[i].bytes = WithFront(runs_[i], std::move(answers[i]));
  }
  front_ = Bytes();
  supplied_ = true;
  return Status::OK();
}

// The bytes of a run whose beginning may have been read before.
Bytes MiniBlockRead::WithFront(const ChunkRun& run, Bytes rest) const {
  const uint64_t start = state_->chunk_start[run.begin];
  if (start >= front_.size()) return rest;
  const uint64_t known = std::min<uint64_t>(front_.size(), state_->chunk_start[run.end]) - start;
  uint8_t* to = nullptr;
  Bytes both = Bytes::Allocate(known + rest.size(), &to);
  std::memcpy(to, front_.data() + start, known);
  if (!rest.empty()) std::memcpy(to + known, rest.data(), rest.size());
  return both;
}

Status MiniBlockRead::ParseState(const std::vector<Bytes>& buffers) {
  auto state = std::make_shared<MiniBlockState>();
  LANCEFS_RETURN_NOT_OK(ParseChunkWords(buffers[0], state.get()));
  size_t next = 1;
  if (dictionary_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(ParseDictionary(buffers[next++], state.get()));
  if (index_depth_ > 0) LANCEFS_RETURN_NOT_OK(ParseRepetitionIndex(buffers[next], state.get()));
  state_ = state;
  context_.file->CachePageState(context_.column, context_.page_index, state);
  return Status::OK();
}

Status MiniBlockRead::ParseChunkWords(const Bytes& words, MiniBlockState* state) const {
  const size_t width = large_ ? 4 : 2;
  if (words.size() % width != 0) return Status::Corruption("the chunk table has " + std::to_string(words.size()) + " bytes");
  const size_t count = words.size() / width;
  state->chunk_start.reserve(count + 1);
  state->value_start.reserve(count + 1);
  state->chunk_start.push_back(0);
  state->value_start.push_back(0);
  uint64_t bytes = 0;
  uint64_t values = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t word =
        large_ ? LoadLittleEndian<uint32_t>(words.data() + i * 4) : LoadLittleEndian<uint16_t>(words.data() + i * 2);
    const unsigned log = word & 15;
    bytes += (uint64_t{word >> 4} + 1) * 8;
    const uint64_t rest = num_items_ - values;
    const uint64_t mine = i + 1 < count ? uint64_t{1} << log : rest;
    if (mine > rest || mine > kMaxChunkValues || (i + 1 == count && log != 0 && mine != uint64_t{1} << log)) {
      return Status::Corruption("the chunk table does not fit the page's " + std::to_string(num_items_) + " values");
    }
    values += mine;
    state->chunk_start.push_back(bytes);
    state->value_start.push_back(values);
  }
  if (bytes != page().buffers[1].length) {
    return Status::Corruption("chunks have " + std::to_string(bytes) + " bytes together but their buffer " +
                              std::to_string(page().buffers[1].length));
  }
  if (values != num_items_)
    return Status::Corruption("chunks have " + std::to_string(values) + " values instead of " + std::to_string(num_items_));
  return Status::OK();
}

Status MiniBlockRead::ParseRepetitionIndex(const Bytes& index, MiniBlockState* state) const {
  const size_t chunks = state->num_chunks();
  const size_t stride = (index_depth_ + 1) * 8;
  if (index_depth_ > 64 || index.size() != chunks * stride) {
    return Status::Corruption("the repetition index has " + std::to_string(index.size()) + " bytes for " +
                              std::to_string(chunks) + " chunks");
  }
  state->row_start.assign(1, 0);
  state->row_start.reserve(chunks + 1);
  state->preamble.assign(chunks, false);
  uint64_t rows = 0;
  bool preamble = false;
  for (size_t i = 0; i < chunks; ++i) {
    const auto finished = LoadLittleEndian<uint64_t>(index.data() + i * stride);
    const bool trailer = LoadLittleEndian<uint64_t>(index.data() + i * stride + 8) != 0;
    const uint64_t ends = finished + (trailer ? 1 : 0);
    if (finished > page().length || ends < (preamble ? 1U : 0U))
      return Status::Corruption("the repetition index is broken at chunk " + std::to_string(i));
    state->preamble[i] = preamble;
    rows += ends - (preamble ? 1 : 0);
    if (rows > page().length) return Status::Corruption("the repetition index has too many rows");
    state->row_start.push_back(rows);
    preamble = trailer;
  }
  if (rows != page().length || preamble) return Status::Corruption("the repetition index does not have the page's rows");
  return Status::OK();
}

Status MiniBlockRead::ParseDictionary(const Bytes& bytes, MiniBlockState* state) const {
  auto dictionary = std::make_shared<PageDictionary>();
  LANCEFS_RETURN_NOT_OK(dictionary_codec_->Decode(bytes.span(), num_dictionary_items_, &dictionary->block));
  const LeafShape& shape = context_.shape;
  const Block& block = dictionary->block;
  if (block.count > INT32_MAX) return Status::Corruption("the dictionary is too large");
  if (shape.kind == ShapeKind::kDictionary) {
    LANCEFS_ASSIGN_OR_RETURN(dictionary->array, BlockToArray(block, shape.children[0]));
  }
  state->dictionary = std::move(dictionary);
  return Status::OK();
}

void MiniBlockRead::ChunksOf(const RowRange& range, size_t* begin, size_t* end) const {
  const bool lists = layers_.max_rep > 0;
  const std::vector<uint64_t>& starts = lists ? state_->row_start : state_->value_start;
  const auto chunk_of = [&](uint64_t row) {  // the last chunk with no more than `row` rows before it
    return static_cast<size_t>(std::upper_bound(starts.begin(), starts.end() - 1, row) - starts.begin()) - 1;
  };
  *begin = chunk_of(range.start);
  if (range.end >= starts.back()) {
    *end = state_->num_chunks();
    return;
  }
  const size_t next = chunk_of(range.end);  // where the row behind the range starts
  const bool needed = range.end > starts[next] || (lists && state_->preamble[next]);
  *end = needed ? next + 1 : next;
  // Chunks in front of `next` without values are of no use, but harmless.
}

void MiniBlockRead::PlanRuns() {
  for (const RowRange& range : rows_) {
    size_t begin = 0;
    size_t end = 0;
    ChunksOf(range, &begin, &end);
    if (!runs_.empty() && begin <= runs_.back().end) {
      runs_.back().end = std::max(runs_.back().end, end);
      runs_.back().rows.push_back(range);
    } else {
      runs_.push_back({begin, end, {range}, {}});
    }
  }
}

Status MiniBlockRead::ParseChunk(const ChunkRun& run, size_t index, Chunk* chunk) const {
  const uint64_t base = state_->chunk_start[run.begin];
  const uint64_t start = state_->chunk_start[index] - base;
  const uint64_t size = state_->chunk_start[index + 1] - state_->chunk_start[index];
  if (run.bytes.size() < start + size) return Status::Corruption("the chunk's bytes are missing");
  const std::span<const uint8_t> bytes = run.bytes.span().subspan(start, size);
  ByteReader reader(bytes);
  uint16_t num_levels = 0;
  uint16_t rep_bytes = 0;
  uint16_t def_bytes = 0;
  LANCEFS_RETURN_NOT_OK(reader.Read(&num_levels));
  if (rep_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(reader.Read(&rep_bytes));
  if (def_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(reader.Read(&def_bytes));
  uint64_t sizes[72];
  if (num_buffers_ > std::size(sizes)) return Status::Corruption("too many buffers in a chunk");
  for (size_t i = 0; i < num_buffers_; ++i) {
    if (large_) {
      uint32_t value = 0;
      LANCEFS_RETURN_NOT_OK(reader.Read(&value));
      sizes[i] = value;
    } else {
      uint16_t value = 0;
      LANCEFS_RETURN_NOT_OK(reader.Read(&value));
      sizes[i] = value;
    }
  }
  const auto take = [&](uint64_t length, std::span<const uint8_t>* out) -> Status {
    LANCEFS_RETURN_NOT_OK(reader.Skip(Pad8(reader.position()) - reader.position()));
    return reader.ReadSpan(length, out);
  };
  chunk->num_levels = num_levels;
  if (rep_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(take(rep_bytes, &chunk->rep));
  if (def_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(take(def_bytes, &chunk->def));
  chunk->buffers.resize(num_buffers_);
  for (size_t i = 0; i < num_buffers_; ++i) LANCEFS_RETURN_NOT_OK(take(sizes[i], &chunk->buffers[i]));
  return Status::OK();
}

Status MiniBlockRead::ReadLevels(const Chunk& chunk, size_t index, Levels* levels) const {
  const uint64_t values = state_->value_start[index + 1] - state_->value_start[index];
  Levels mine;
  // Old writers stored the count modulo 65536; either stream may tell the true one.
  uint64_t count = chunk.num_levels;
  for (const auto& [codec, bytes] : {std::pair(rep_codec_.get(), chunk.rep), std::pair(def_codec_.get(), chunk.def)}) {
    if (codec == nullptr) continue;
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t told, codec->LevelCount(bytes, chunk.num_levels));
    count = std::max(count, told);
  }
  if (rep_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(rep_codec_->AppendLevels(chunk.rep, count, &mine.rep));
  if (def_codec_ != nullptr) LANCEFS_RETURN_NOT_OK(def_codec_->AppendLevels(chunk.def, count, &mine.def));
  mine.items = rep_codec_ != nullptr ? mine.rep.size() : mine.def.size();
  LANCEFS_RETURN_NOT_OK(CheckLevels(layers_, mine));
  if (CountVisible(layers_, mine) != values) {
    return Status::Corruption("the chunk has levels for " + std::to_string(CountVisible(layers_, mine)) + " values instead of " +
                              std::to_string(values));
  }
  if (layers_.max_rep > 0) {
    const auto starts = static_cast<uint64_t>(std::count(mine.rep.begin(), mine.rep.end(), layers_.max_rep));
    const bool preamble = !mine.rep.empty() && mine.rep[0] != layers_.max_rep;
    if (starts != state_->row_start[index + 1] - state_->row_start[index] || (preamble && !state_->preamble[index])) {
      return Status::Corruption("the repetition index does not fit the chunk's levels");
    }
  }
  levels->rep.insert(levels->rep.end(), mine.rep.begin(), mine.rep.end());
  levels->def.insert(levels->def.end(), mine.def.begin(), mine.def.end());
  levels->items += mine.items;
  return Status::OK();
}

Status MiniBlockRead::DecodeValues(const ChunkRun& run, const std::vector<Chunk>& chunks, const RowSelection& values,
                                   LeafColumn* out) {
  const uint64_t base = state_->value_start[run.begin];
  size_t next = 0;
  RowSelection in_chunk;
  for (size_t i = run.begin; i < run.end; ++i) {
    const uint64_t begin = state_->value_start[i] - base;
    const uint64_t end = state_->value_start[i + 1] - base;
    in_chunk.clear();
    for (; next < values.size() && values[next].start < end; ++next) {
      const RowRange part{std::max(values[next].start, begin) - begin, std::min(values[next].end, end) - begin};
      if (part.start < part.end) in_chunk.push_back(part);
      if (values[next].end > end) break;  // goes on in the next chunk
    }
    if (in_chunk.empty()) continue;
    const Chunk& chunk = chunks[i - run.begin];
    Status status;
    if (state_->dictionary != nullptr) {
      status = value_codec_->DecodeIndices(chunk.buffers, end - begin, &out->scratch);
      for (size_t k = 0; status.ok() && k < in_chunk.size(); ++k) {
        status =
            out->values.AppendLookups(state_->dictionary, out->scratch.indices.data() + in_chunk[k].start, in_chunk[k].length());
      }
    } else {
      status = value_codec_->AppendChunk(chunk.buffers, end - begin, in_chunk, &out->scratch, &out->values);
    }
    if (!status.ok()) return status.WithContext("chunk " + std::to_string(i));
  }
  return Status::OK();
}

Status MiniBlockRead::DecodeRun(const ChunkRun& run, Levels* selected, LeafColumn* out) {
  std::vector<Chunk> chunks(run.end - run.begin);
  Levels levels;
  const bool has_levels = rep_codec_ != nullptr || def_codec_ != nullptr;
  for (size_t i = run.begin; i < run.end; ++i) {
    Status status = ParseChunk(run, i, &chunks[i - run.begin]);
    if (status.ok() && has_levels) status = ReadLevels(chunks[i - run.begin], i, &levels);
    // Chunks of a few bytes may have levels by the ten thousands.
    if (status.ok() && levels.items > std::max<uint64_t>(kFreeLevels, run.bytes.size() * kLevelsPerByte))
      status = Status::TooLarge("the lists have too many items; read fewer rows at once");
    if (!status.ok()) return status.WithContext("chunk " + std::to_string(i));
  }
  const bool lists = layers_.max_rep > 0;
  if (!has_levels) levels.items = state_->value_start[run.end] - state_->value_start[run.begin];
  RowSelection values;
  const uint64_t first_row = lists ? state_->row_start[run.begin] : state_->value_start[run.begin];
  LANCEFS_RETURN_NOT_OK(SelectRows(layers_, levels, first_row, run.rows, selected, &values));
  LANCEFS_RETURN_NOT_OK(out->values.Reserve(CountRows(values)));
  return DecodeValues(run, chunks, values, out);
}

Status MiniBlockRead::Decode(LeafColumn* out) {
  Levels selected;
  for (const ChunkRun& run : runs_) LANCEFS_RETURN_NOT_OK(DecodeRun(run, &selected, out));
  return Unravel(layers_, &selected, &out->layers);
}

}  // namespace

Result<std::unique_ptr<PageRead>> MakeMiniBlockRead(const PageContext& context, const pb::v21::MiniBlockLayout& layout,
                                                    RowSelection rows) {
  auto read = std::make_unique<MiniBlockRead>(context, std::move(rows));
  LANCEFS_RETURN_NOT_OK(read->Init(layout));
  return std::unique_ptr<PageRead>(std::move(read));
}

}  // namespace lancefs::structural
