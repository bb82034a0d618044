// SPDX-License-Identifier: Apache-2.0
#include "engine/format/row_ids.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "engine/format/proto/table.pb.h"

namespace lancefs {
namespace {

// Row offsets inside a fragment are 32-bit numbers.
constexpr uint64_t kMaxRows = uint64_t{1} << 32;

Status Bad(const std::string& what) { return Status::Corruption("row ids: " + what); }

std::string Interval(uint64_t start, uint64_t end) {
  std::string text = "[";
  text.append(std::to_string(start)).append(", ").append(std::to_string(end)).append(")");
  return text;
}

// base + offsets of the given width; base 0 for u64 arrays.
template <typename T>
Result<std::vector<uint64_t>> Widen(uint64_t base, const std::string& packed) {
  if (packed.size() % sizeof(T) != 0)
    return Bad("an array of " + std::to_string(packed.size()) + " bytes with items of " + std::to_string(sizeof(T)));
  std::vector<uint64_t> values(packed.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t offset = LoadLittleEndian<T>(packed.data() + i * sizeof(T));
    if (offset > UINT64_MAX - base) return Bad("an array value overflows");
    values[i] = base + offset;
  }
  return values;
}

Result<std::vector<uint64_t>> DecodeArray(const pb::EncodedU64Array& array) {
  switch (array.array_case()) {
    case pb::EncodedU64Array::kU16Array: return Widen<uint16_t>(array.u16_array().base(), array.u16_array().offsets());
    case pb::EncodedU64Array::kU32Array: return Widen<uint32_t>(array.u32_array().base(), array.u32_array().offsets());
    case pb::EncodedU64Array::kU64Array: return Widen<uint64_t>(0, array.u64_array().values());
    default: return Bad("an array without values");
  }
}

bool StrictlyAscends(const std::vector<uint64_t>& values) {
  return std::adjacent_find(values.begin(), values.end(), [](uint64_t a, uint64_t b) { return a >= b; }) == values.end();
}

constexpr uint64_t kBlockBits = 4096;  // of a bitmap, for finding a row's bit
// More ids at once are refused: they are better copied in parts.
constexpr uint64_t kMaxAtOnce = uint64_t{1} << 24;

uint64_t CountBits(const std::string& bits, uint64_t from_byte, uint64_t to_byte) {
  uint64_t count = 0;
  for (uint64_t i = from_byte; i < to_byte; ++i) count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(bits[i])));
  return count;
}

template <typename Message>
Result<Message> ParseWhole(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  Message message;
  if (expected_rows > kMaxRows) return Bad("a fragment of " + std::to_string(expected_rows) + " rows");
  if (bytes.size() > INT32_MAX || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Bad("no valid message");
  // What a newer writer might have added could change the meaning.
  if (!message.GetReflection()->GetUnknownFields(message).empty()) return Bad("unknown fields");
  return message;
}

void SetArray(std::span<const uint64_t> ids, pb::EncodedU64Array* array) {
  const auto [low, high] = std::minmax_element(ids.begin(), ids.end());
  const uint64_t base = *low;
  auto pack = [&](auto zero, uint64_t from, std::string* out) {
    for (const uint64_t id : ids) {
      const auto value = static_cast<decltype(zero)>(id - from);
      out->append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
  };
  if (*high - base <= UINT16_MAX) {
    array->mutable_u16_array()->set_base(base);
    pack(uint16_t{0}, base, array->mutable_u16_array()->mutable_offsets());
  } else if (*high - base <= UINT32_MAX) {
    array->mutable_u32_array()->set_base(base);
    pack(uint32_t{0}, base, array->mutable_u32_array()->mutable_offsets());
  } else {
    pack(uint64_t{0}, 0, array->mutable_u64_array()->mutable_values());
  }
}

}  // namespace

Result<RowIdSequence::Segment> RowIdSequence::MakeSegment(const pb::U64Segment& message) {
  Segment segment;
  auto set_range = [&segment](const auto& range) -> Status {
    if (range.start() > range.end()) return Bad("the range " + Interval(range.start(), range.end()) + " ends before it starts");
    segment.start = range.start();
    segment.rows = range.end() - range.start();
    return Status::OK();
  };
  switch (message.segment_case()) {
    case pb::U64Segment::kRange: LANCEFS_RETURN_NOT_OK(set_range(message.range())); break;
    case pb::U64Segment::kRangeWithHoles: {
      const auto& range = message.range_with_holes();
      segment.kind = Segment::Kind::kHoles;
      LANCEFS_RETURN_NOT_OK(set_range(range));
      if (!range.has_holes()) return Bad("a range without its holes");
      LANCEFS_ASSIGN_OR_RETURN(segment.values, DecodeArray(range.holes()));
      if (!StrictlyAscends(segment.values)) return Bad("holes do not ascend");
      if (!segment.values.empty() && (segment.values.front() < range.start() || segment.values.back() >= range.end()))
        return Bad("a hole outside of " + Interval(range.start(), range.end()));
      segment.rows -= segment.values.size();
      break;
    }
    case pb::U64Segment::kRangeWithBitmap: {
      const auto& range = message.range_with_bitmap();
      segment.kind = Segment::Kind::kBitmap;
      LANCEFS_RETURN_NOT_OK(set_range(range));
      const uint64_t slots = segment.rows;
      segment.bits = range.bitmap();
      if (segment.bits.size() != slots / 8 + (slots % 8 == 0 ? 0 : 1)) {
        return Bad("a bitmap of " + std::to_string(segment.bits.size()) + " bytes for " + Interval(range.start(), range.end()));
      }
      if (slots % 8 != 0 && static_cast<uint8_t>(segment.bits.back()) >> (slots % 8) != 0)
        return Bad("the padding of a bitmap is not zero");
      segment.rows = 0;
      for (uint64_t byte = 0; byte < segment.bits.size(); byte += kBlockBits / 8) {
        segment.rows_before.push_back(segment.rows);
        segment.rows += CountBits(segment.bits, byte, std::min<uint64_t>(byte + kBlockBits / 8, segment.bits.size()));
      }
      break;
    }
    case pb::U64Segment::kSortedArray:
    case pb::U64Segment::kArray: {
      const bool sorted = message.segment_case() == pb::U64Segment::kSortedArray;
      segment.kind = Segment::Kind::kArray;
      LANCEFS_ASSIGN_OR_RETURN(segment.values, DecodeArray(sorted ? message.sorted_array() : message.array()));
      if (sorted && !StrictlyAscends(segment.values)) return Bad("a sorted array does not ascend");
      segment.rows = segment.values.size();
      break;
    }
    default: return Bad("a segment without a kind");
  }
  return segment;
}

Result<RowIdSequence> RowIdSequence::Parse(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  LANCEFS_ASSIGN_OR_RETURN(const pb::RowIdSequence sequence, ParseWhole<pb::RowIdSequence>(bytes, expected_rows));
  RowIdSequence ids;
  for (const pb::U64Segment& message : sequence.segments()) {
    LANCEFS_ASSIGN_OR_RETURN(Segment segment, MakeSegment(message));
    if (segment.rows > expected_rows - ids.rows_)
      return Bad("more than the fragment's " + std::to_string(expected_rows) + " rows");
    segment.first_row = ids.rows_;
    ids.rows_ += segment.rows;
    if (segment.rows != 0) ids.segments_.push_back(std::move(segment));
  }
  if (ids.rows_ != expected_rows)
    return Bad(std::to_string(ids.rows_) + " ids for a fragment of " + std::to_string(expected_rows) + " rows");
  return ids;
}

void RowIdSequence::CopyFrom(const Segment& segment, uint64_t start, uint64_t end, uint64_t* out) {
  switch (segment.kind) {
    case Segment::Kind::kRange:
      for (uint64_t row = start; row < end; ++row) *out++ = segment.start + row;
      return;
    case Segment::Kind::kArray: std::copy_n(segment.values.begin() + static_cast<ptrdiff_t>(start), end - start, out); return;
    case Segment::Kind::kHoles: {
      // Before hole h stand values[h] - start - h rows, which never falls with h.
      const std::vector<uint64_t>& holes = segment.values;
      size_t low = 0;
      size_t high = holes.size();
      while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (holes[middle] - segment.start - middle <= start) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      uint64_t id = segment.start + start + low;
      for (uint64_t row = start; row < end; ++row, ++id) {
        for (; low < holes.size() && holes[low] == id; ++low) ++id;
        *out++ = id;
      }
      return;
    }
    case Segment::Kind::kBitmap: {
      const auto block = std::upper_bound(segment.rows_before.begin(), segment.rows_before.end(), start) - 1;
      auto bit = static_cast<uint64_t>(block - segment.rows_before.begin()) * kBlockBits;
      for (uint64_t row = *block; row < end; ++bit) {
        if ((static_cast<uint8_t>(segment.bits[bit / 8]) >> (bit % 8) & 1) == 0) continue;
        if (row++ >= start) *out++ = segment.start + bit;
      }
      return;
    }
  }
}

void RowIdSequence::Copy(uint64_t start, uint64_t end, uint64_t* out) const {
  auto segment = std::upper_bound(segments_.begin(), segments_.end(), start,
                                  [](uint64_t row, const Segment& each) { return row < each.first_row + each.rows; });
  for (; start < end; ++segment) {
    const uint64_t stop = std::min(end, segment->first_row + segment->rows);
    CopyFrom(*segment, start - segment->first_row, stop - segment->first_row, out);
    out += stop - start;
    start = stop;
  }
}

Result<RowVersionSequence> RowVersionSequence::Parse(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  LANCEFS_ASSIGN_OR_RETURN(const pb::RowDatasetVersionSequence sequence,
                           ParseWhole<pb::RowDatasetVersionSequence>(bytes, expected_rows));
  RowVersionSequence versions;
  for (const pb::RowDatasetVersionRun& run : sequence.runs()) {
    // Only the number of rows counts, not the span's numbers.
    LANCEFS_ASSIGN_OR_RETURN(const RowIdSequence::Segment span, RowIdSequence::MakeSegment(run.span()));
    if (span.rows > expected_rows - versions.rows())
      return Bad("more than the fragment's " + std::to_string(expected_rows) + " rows");
    if (span.rows != 0) versions.runs_.push_back({versions.rows() + span.rows, run.version()});
  }
  if (versions.rows() != expected_rows)
    return Bad(std::to_string(versions.rows()) + " versions for a fragment of " + std::to_string(expected_rows) + " rows");
  return versions;
}

RowVersionSequence RowVersionSequence::Uniform(uint64_t rows, uint64_t version) {
  RowVersionSequence versions;
  if (rows != 0) versions.runs_.push_back({rows, version});
  return versions;
}

void RowVersionSequence::Copy(uint64_t start, uint64_t end, uint64_t* out) const {
  auto run = std::upper_bound(runs_.begin(), runs_.end(), start, [](uint64_t row, const Run& each) { return row < each.end; });
  for (; start < end; ++run) {
    const uint64_t stop = std::min(end, run->end);
    out = std::fill_n(out, stop - start, run->version);
    start = stop;
  }
}

Result<std::vector<uint64_t>> DecodeRowIds(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  LANCEFS_ASSIGN_OR_RETURN(const RowIdSequence ids, RowIdSequence::Parse(bytes, expected_rows));
  if (ids.rows() > kMaxAtOnce) return Status::TooLarge("too many row ids to be read at once");
  std::vector<uint64_t> all(ids.rows());
  ids.Copy(0, ids.rows(), all.data());
  return all;
}

std::string EncodeRowIdRange(uint64_t start, uint64_t end) {
  pb::RowIdSequence sequence;
  pb::U64Segment::Range* range = sequence.add_segments()->mutable_range();
  range->set_start(start);
  range->set_end(end);
  return sequence.SerializeAsString();
}

std::string EncodeRowIds(std::span<const uint64_t> ids) {
  // A run is worth a segment of its own from here on (a range takes about 10 bytes).
  constexpr size_t kWorthARange = 8;
  if (ids.empty()) return EncodeRowIdRange(0, 0);
  pb::RowIdSequence sequence;
  size_t done = 0;  // ids before it are written
  size_t start = 0;
  auto flush_array = [&](size_t end) {
    if (end > done) SetArray(ids.subspan(done, end - done), sequence.add_segments()->mutable_array());
    done = end;
  };
  while (start < ids.size()) {
    size_t end = start + 1;
    // A range's end must be a number, so the highest id cannot stand in one.
    while (end < ids.size() && ids[end] == ids[end - 1] + 1 && ids[end] != UINT64_MAX && ids[end - 1] != UINT64_MAX) ++end;
    if (end - start >= kWorthARange || (start == 0 && end == ids.size() && ids[0] != UINT64_MAX)) {
      flush_array(start);
      pb::U64Segment::Range* range = sequence.add_segments()->mutable_range();
      range->set_start(ids[start]);
      range->set_end(ids[end - 1] + 1);
      done = end;
    }
    start = end;
  }
  flush_array(ids.size());
  return sequence.SerializeAsString();
}

Result<std::vector<uint64_t>> DecodeRowVersions(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  LANCEFS_ASSIGN_OR_RETURN(const RowVersionSequence versions, RowVersionSequence::Parse(bytes, expected_rows));
  if (versions.rows() > kMaxAtOnce) return Status::TooLarge("too many row versions to be read at once");
  std::vector<uint64_t> all(versions.rows());
  versions.Copy(0, versions.rows(), all.data());
  return all;
}

std::string EncodeFreshRowVersions(uint64_t rows, uint64_t version) {
  pb::RowDatasetVersionSequence sequence;
  pb::RowDatasetVersionRun* run = sequence.add_runs();
  run->mutable_span()->mutable_range()->set_start(0);
  run->mutable_span()->mutable_range()->set_end(rows);
  run->set_version(version);
  return sequence.SerializeAsString();
}

}  // namespace lancefs
