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

// Collects the ids of segments, never more than the limit.
class Collector {
 public:
  explicit Collector(uint64_t limit) : limit_(limit) {}

  Status Add(const pb::U64Segment& segment) {
    switch (segment.segment_case()) {
      case pb::U64Segment::kRange: return AddRange(segment.range().start(), segment.range().end());
      case pb::U64Segment::kRangeWithHoles: return AddHoles(segment.range_with_holes());
      case pb::U64Segment::kRangeWithBitmap: return AddBitmap(segment.range_with_bitmap());
      case pb::U64Segment::kSortedArray: return AddArray(segment.sorted_array(), true);
      case pb::U64Segment::kArray: return AddArray(segment.array(), false);
      default: return Bad("a segment without a kind");
    }
  }
  std::vector<uint64_t>& ids() { return ids_; }

 private:
  Status Reserve(uint64_t count) {
    if (count > limit_ - ids_.size()) return Bad("more than the fragment's " + std::to_string(limit_) + " rows");
    ids_.reserve(std::max<uint64_t>(ids_.capacity(), ids_.size() + count));
    return Status::OK();
  }
  Status AddRange(uint64_t start, uint64_t end) {
    if (start > end) return Bad("the range " + Interval(start, end) + " ends before it starts");
    LANCEFS_RETURN_NOT_OK(Reserve(end - start));
    for (uint64_t id = start; id < end; ++id) ids_.push_back(id);
    return Status::OK();
  }
  Status AddHoles(const pb::U64Segment::RangeWithHoles& range) {
    if (range.start() > range.end()) return Bad("the range " + Interval(range.start(), range.end()) + " ends before it starts");
    if (!range.has_holes()) return Bad("a range without its holes");
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<uint64_t> holes, DecodeArray(range.holes()));
    if (!StrictlyAscends(holes)) return Bad("holes do not ascend");
    if (!holes.empty() && (holes.front() < range.start() || holes.back() >= range.end())) {
      return Bad("a hole outside of " + Interval(range.start(), range.end()));
    }
    LANCEFS_RETURN_NOT_OK(Reserve(range.end() - range.start() - holes.size()));
    uint64_t id = range.start();
    for (const uint64_t hole : holes) {
      for (; id < hole; ++id) ids_.push_back(id);
      ++id;
    }
    for (; id < range.end(); ++id) ids_.push_back(id);
    return Status::OK();
  }
  Status AddBitmap(const pb::U64Segment::RangeWithBitmap& range) {
    if (range.start() > range.end()) return Bad("the range " + Interval(range.start(), range.end()) + " ends before it starts");
    const uint64_t slots = range.end() - range.start();
    const std::string& bits = range.bitmap();
    if (bits.size() != slots / 8 + (slots % 8 == 0 ? 0 : 1)) {
      return Bad("a bitmap of " + std::to_string(bits.size()) + " bytes for " + Interval(range.start(), range.end()));
    }
    if (slots % 8 != 0 && static_cast<uint8_t>(bits.back()) >> (slots % 8) != 0)
      return Bad("the padding of a bitmap is not zero");
    uint64_t count = 0;
    for (const char byte : bits) count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(byte)));
    LANCEFS_RETURN_NOT_OK(Reserve(count));
    for (uint64_t i = 0; i < slots; ++i) {
      if ((static_cast<uint8_t>(bits[i / 8]) >> (i % 8) & 1) != 0) ids_.push_back(range.start() + i);
    }
    return Status::OK();
  }
  Status AddArray(const pb::EncodedU64Array& array, bool sorted) {
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<uint64_t> values, DecodeArray(array));
    if (sorted && !StrictlyAscends(values)) return Bad("a sorted array does not ascend");
    LANCEFS_RETURN_NOT_OK(Reserve(values.size()));
    ids_.insert(ids_.end(), values.begin(), values.end());
    return Status::OK();
  }

  uint64_t limit_;
  std::vector<uint64_t> ids_;
};

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

Result<std::vector<uint64_t>> DecodeRowIds(std::span<const uint8_t> bytes, uint64_t expected_rows) {
  LANCEFS_ASSIGN_OR_RETURN(const pb::RowIdSequence sequence, ParseWhole<pb::RowIdSequence>(bytes, expected_rows));
  Collector collector(expected_rows);
  for (const pb::U64Segment& segment : sequence.segments()) LANCEFS_RETURN_NOT_OK(collector.Add(segment));
  if (collector.ids().size() != expected_rows) {
    return Bad(std::to_string(collector.ids().size()) + " ids for a fragment of " + std::to_string(expected_rows) + " rows");
  }
  return std::move(collector.ids());
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
  LANCEFS_ASSIGN_OR_RETURN(const pb::RowDatasetVersionSequence sequence,
                           ParseWhole<pb::RowDatasetVersionSequence>(bytes, expected_rows));
  std::vector<uint64_t> versions;
  for (const pb::RowDatasetVersionRun& run : sequence.runs()) {
    // Only the number of rows counts, not the span's numbers.
    Collector collector(expected_rows - versions.size());
    LANCEFS_RETURN_NOT_OK(collector.Add(run.span()));
    versions.insert(versions.end(), collector.ids().size(), run.version());
  }
  if (versions.size() != expected_rows)
    return Bad(std::to_string(versions.size()) + " versions for a fragment of " + std::to_string(expected_rows) + " rows");
  return versions;
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
