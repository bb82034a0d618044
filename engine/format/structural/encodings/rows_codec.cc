// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/encodings/rows_codec.h"

#include "engine/format/structural/bitpacking.h"
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

template <typename T>
void Widen(const uint8_t* rows, uint64_t count, uint32_t* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = LoadLittleEndian<T>(rows + i * sizeof(T));
    // Larger indices are out of range anyway.
    out[i] = static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
  }
}

bool IsWhole(const RowSelection& ranges, uint64_t count) {
  return ranges.size() == 1 && ranges[0].start == 0 && ranges[0].end == count;
}

}  // namespace

Status RowsCodec::CheckChunkShape(const LeafShape& shape) const {
  if (shape.kind != ShapeKind::kFixed || shape.row_bits != bits_)
    return Misfit("values of " + std::to_string(bits_) + " bits", shape);
  return Status::OK();
}

Status RowsCodec::CheckIndices() const { return CheckWordBits("dictionary indices", bits_); }

Status RowsCodec::AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                              LeafValues* out) const {
  const uint8_t* rows = nullptr;
  uint8_t* dest = nullptr;
  if (!in_place() && IsWhole(ranges, count)) {  // straight into the output
    LANCEFS_RETURN_NOT_OK(out->PrepareRows(count, kBlockValues * (bits_ / 8), &dest));
    LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, dest, scratch, &rows));
    out->CommitRows(count);
    return Status::OK();
  }
  if (!in_place()) {
    const size_t wanted = std::max<uint64_t>(count, kBlockValues) * (bits_ / 8);
    if (scratch->rows.size() < wanted) scratch->rows.resize(wanted);
    dest = scratch->rows.data();
  }
  LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, dest, scratch, &rows));
  for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendRows(rows, range.start, range.length()));
  return Status::OK();
}

Status RowsCodec::DecodeIndices(Buffers buffers, uint64_t count, Scratch* scratch) const {
  const size_t room = std::max<uint64_t>(count, kBlockValues);
  if (scratch->indices.size() < room) scratch->indices.resize(room);
  if (bits_ != 32 && !in_place() && scratch->rows.size() < room * (bits_ / 8)) scratch->rows.resize(room * (bits_ / 8));
  const uint8_t* rows = nullptr;
  uint8_t* dest = bits_ == 32 ? reinterpret_cast<uint8_t*>(scratch->indices.data()) : scratch->rows.data();
  LANCEFS_RETURN_NOT_OK(DecodeRows(buffers, count, dest, scratch, &rows));
  if (bits_ == 32 && rows == dest) return Status::OK();
  ForWord(bits_, [&]<typename T>(T) { Widen<T>(rows, count, scratch->indices.data()); });
  return Status::OK();
}

}  // namespace lancefs::structural
