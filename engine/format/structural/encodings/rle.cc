// SPDX-License-Identifier: Apache-2.0
//
// rle (docs/lance/file.md 4.7): run values and run lengths, in chunks as two buffers, as a block behind
// each other. Up to 2.2 both are flat and lengths have 8 bits; 2.3 has lengths of 16 and 32 bits and
// compresses the two as blocks of their own.
#include <optional>

#include "engine/format/structural/encodings/encodings.h"
#include "engine/format/structural/encodings/rows_codec.h"

namespace lancefs::structural {
namespace {

// The two halves as plain arrays, in place or in `storage`.
struct Runs {
  std::span<const uint8_t> values;
  std::span<const uint8_t> lengths;
  std::vector<uint8_t> storage[2];
};

// What both positions share.
class RunDecoder {
 public:
  static Result<RunDecoder> Make(const pb::v21::Rle& encoding, int depth);

  uint64_t bits() const { return bits_; }
  uint64_t length_bits() const { return length_bits_; }
  // Null if that half is stored as it is.
  const BlockCodec* values() const { return values_.get(); }
  const BlockCodec* lengths() const { return lengths_.get(); }
  bool has_values_payload() const { return values_ == nullptr || values_->has_payload(); }
  bool has_lengths_payload() const { return lengths_ == nullptr || lengths_->has_payload(); }

  // Decodes the halves of what gives `count` values.
  Status Plain(std::span<const uint8_t> values, std::span<const uint8_t> lengths, uint64_t count, Runs* runs) const;
  // Writes exactly `count` values. With `clamp` the last run may reach beyond the end (old writers).
  Status Expand(const Runs& runs, uint64_t count, bool clamp, uint8_t* out) const;

 private:
  uint64_t bits_ = 0;
  uint64_t length_bits_ = 0;
  std::unique_ptr<BlockCodec> values_;
  std::unique_ptr<BlockCodec> lengths_;
};

Result<RunDecoder> RunDecoder::Make(const pb::v21::Rle& encoding, int depth) {
  RunDecoder out;
  const auto half = [&](const pb::v21::CompressiveEncoding& child, uint64_t* bits, std::unique_ptr<BlockCodec>* codec) -> Status {
    LANCEFS_ASSIGN_OR_RETURN(*codec, BlockCodec::Make(child, depth + 1));
    *bits = (*codec)->bits();
    if (child.has_flat()) codec->reset();
    return Status::OK();
  };
  LANCEFS_RETURN_NOT_OK(half(encoding.values(), &out.bits_, &out.values_));
  LANCEFS_RETURN_NOT_OK(half(encoding.run_lengths(), &out.length_bits_, &out.lengths_));
  LANCEFS_RETURN_NOT_OK(CheckWordBits("run values", out.bits_));
  LANCEFS_RETURN_NOT_OK(CheckWordBits("run lengths", out.length_bits_));
  return out;
}

Status RunDecoder::Plain(std::span<const uint8_t> values, std::span<const uint8_t> lengths, uint64_t count, Runs* runs) const {
  const size_t widths[2] = {bits_ / 8, length_bits_ / 8};
  const BlockCodec* const codecs[2] = {values_.get(), lengths_.get()};
  const std::span<const uint8_t> stored[2] = {values, lengths};
  std::span<const uint8_t>* const plain[2] = {&runs->values, &runs->lengths};
  std::optional<uint64_t> number;
  for (int half = 0; half < 2; ++half) {
    if (codecs[half] == nullptr) {
      *plain[half] = stored[half];
    } else if (codecs[half]->tells_count()) {
      LANCEFS_RETURN_NOT_OK(codecs[half]->DecodeAll(stored[half], &runs->storage[half]));
      *plain[half] = runs->storage[half];
    } else {
      continue;
    }
    if (plain[half]->size() % widths[half] != 0) return Status::Corruption("run values or run lengths are cut off");
    const uint64_t mine = plain[half]->size() / widths[half];
    if (number.has_value() && *number != mine)
      return Status::Corruption("there are " + std::to_string(mine) + " run lengths for " + std::to_string(*number) + " runs");
    number = mine;
  }
  for (int half = 0; half < 2; ++half) {
    if (codecs[half] == nullptr || codecs[half]->tells_count()) continue;
    if (!number.has_value()) {
      if (lengths_ == nullptr) return Status::Internal("flat run lengths tell their number");
      LANCEFS_ASSIGN_OR_RETURN(number, lengths_->CountForSum(count));
    }
    if (*number > count) return Status::Corruption(std::to_string(*number) + " runs for " + std::to_string(count) + " values");
    runs->storage[half].resize(*number * widths[half]);
    LANCEFS_RETURN_NOT_OK(codecs[half]->DecodeTo(stored[half], *number, runs->storage[half].data()));
    *plain[half] = runs->storage[half];
  }
  return Status::OK();
}

template <typename T>
void Fill(uint8_t* out, const uint8_t* value, size_t count) {
  if constexpr (sizeof(T) == 1) {
    std::memset(out, *value, count);
  } else {
    const auto v = LoadLittleEndian<T>(value);
    for (size_t i = 0; i < count; ++i) StoreLittleEndian<T>(out + i * sizeof(T), v);
  }
}

template <typename T, typename Length>
Status ExpandRuns(const Runs& runs, uint64_t count, bool clamp, uint8_t* out) {
  const size_t number = runs.lengths.size() / sizeof(Length);
  uint64_t done = 0;
  for (size_t run = 0; run < number; ++run) {
    uint64_t length = LoadLittleEndian<Length>(runs.lengths.data() + run * sizeof(Length));
    if (length == 0) return Status::Corruption("a run of length 0");
    if (length > count - done) {
      if (!clamp) return Status::Corruption("run lengths do not add up to " + std::to_string(count));
      length = count - done;
    }
    Fill<T>(out + done * sizeof(T), runs.values.data() + run * sizeof(T), length);
    done += length;
    if (done == count && clamp) break;
  }
  if (done != count)
    return Status::Corruption("run lengths add up to " + std::to_string(done) + " instead of " + std::to_string(count));
  return Status::OK();
}

Status RunDecoder::Expand(const Runs& runs, uint64_t count, bool clamp, uint8_t* out) const {
  if (runs.values.size() / (bits_ / 8) != runs.lengths.size() / (length_bits_ / 8))
    return Status::Corruption("there are not as many run lengths as run values");
  return ForWord(bits_, [&]<typename T>(T) -> Status {
    return ForWord(length_bits_, [&]<typename L>(L) { return ExpandRuns<T, L>(runs, count, clamp, out); });
  });
}

class RleBlock final : public BlockCodec {
 public:
  explicit RleBlock(RunDecoder runs) : BlockCodec(runs.bits()), runs_(std::move(runs)) {}

  bool has_payload() const override { return runs_.has_values_payload() || runs_.has_lengths_payload(); }

  bool Plausible(size_t size, uint64_t count) const override {
    const bool bounded = runs_.length_bits() == 8 && runs_.values() == nullptr && runs_.lengths() == nullptr;
    return count <= (bounded ? static_cast<uint64_t>(size) * 255 : kMaxExpanded);
  }
  Result<uint64_t> LevelCount(std::span<const uint8_t> in, uint64_t stored_count) const override;

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override;

 private:
  static Status Split(std::span<const uint8_t> in, std::span<const uint8_t>* values, std::span<const uint8_t>* lengths);

  RunDecoder runs_;
};

Status RleBlock::Split(std::span<const uint8_t> in, std::span<const uint8_t>* values, std::span<const uint8_t>* lengths) {
  if (in.size() < 8) return Status::Corruption("a run-length block is cut off");
  const auto value_bytes = LoadLittleEndian<uint64_t>(in.data());
  if (value_bytes > in.size() - 8) return Status::Corruption("a run-length block has a broken header");
  *values = in.subspan(8, value_bytes);
  *lengths = in.subspan(8 + value_bytes);
  return Status::OK();
}

Status RleBlock::DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  if (count == 0) return Status::OK();
  std::span<const uint8_t> values;
  std::span<const uint8_t> lengths;
  if (has_payload()) LANCEFS_RETURN_NOT_OK(Split(in, &values, &lengths));
  Runs runs;
  LANCEFS_RETURN_NOT_OK(runs_.Plain(values, lengths, count, &runs));
  return runs_.Expand(runs, count, false, out);
}

// Only the oldest form can have more levels than its chunk says.
Result<uint64_t> RleBlock::LevelCount(std::span<const uint8_t> in, uint64_t stored_count) const {
  if (runs_.length_bits() != 8 || runs_.values() != nullptr || runs_.lengths() != nullptr || in.size() < 8) return stored_count;
  std::span<const uint8_t> values;
  std::span<const uint8_t> lengths;
  LANCEFS_RETURN_NOT_OK(Split(in, &values, &lengths));
  uint64_t count = 0;
  for (const uint8_t length : lengths) count += length;
  if (count % 65536 != stored_count) {
    return Status::Corruption("run lengths of levels add up to " + std::to_string(count) + ", which does not fit " +
                              std::to_string(stored_count));
  }
  return count;
}

class RleValues final : public RowsCodec {
 public:
  explicit RleValues(RunDecoder runs) : RowsCodec(runs.bits()), runs_(std::move(runs)) {}

  size_t num_buffers() const override { return 2; }

 protected:
  Status DecodeRows(Buffers buffers, uint64_t count, uint8_t* dest, Scratch* /*scratch*/, const uint8_t** rows) const override {
    *rows = dest;
    Runs runs;
    LANCEFS_RETURN_NOT_OK(runs_.Plain(buffers[0], buffers[1], count, &runs));
    return runs_.Expand(runs, count, true, dest);
  }

 private:
  RunDecoder runs_;
};

}  // namespace

BlockResult MakeRleBlock(const pb::v21::Rle& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(RunDecoder runs, RunDecoder::Make(encoding, depth));
  return std::unique_ptr<BlockCodec>(std::make_unique<RleBlock>(std::move(runs)));
}

ValueResult MakeRleValues(const pb::v21::Rle& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(RunDecoder runs, RunDecoder::Make(encoding, depth));
  if (!runs.has_values_payload() || !runs.has_lengths_payload()) return Status::Corruption("runs without buffers in a chunk");
  return std::unique_ptr<ValueCodec>(std::make_unique<RleValues>(std::move(runs)));
}

}  // namespace lancefs::structural
