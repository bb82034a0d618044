// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/gathered_reads.h"

#include <algorithm>
#include <cstring>

namespace lancefs {
namespace {

constexpr uint64_t kGap = 1 << 20;
// What stands between the values of pages that are neighbours, at most: tables of chunks, small dictionaries. It was read before.
constexpr uint64_t kBetween = 4 * 1024;

// With little memory for what is read in vain, more requests at once are better than many one after the other.
constexpr size_t kMostWaves = 16;

}  // namespace

void GatheredReads::Add(const ColumnInfo& column) {
  for (const PageInfo& page : column.pages) {
    const ByteRange values = ValuesOf(page, file_->version());
    if (values.length > 0) values_.push_back({values, 0});
  }
}

void GatheredReads::Sort() {
  std::sort(values_.begin(), values_.end(), [](const Values& a, const Values& b) { return a.place.offset < b.place.offset; });
  for (size_t i = 1; i < values_.size(); ++i) {
    const bool near = values_[i].place.offset <= values_[i - 1].place.end() + kBetween;
    values_[i].region = values_[i - 1].region + (near ? 0 : 1);
  }
}

std::optional<size_t> GatheredReads::RegionOf(const ByteRange& range) const {
  const auto next = std::upper_bound(values_.begin(), values_.end(), range.offset,
                                     [](uint64_t offset, const Values& values) { return offset < values.place.offset; });
  if (next == values_.begin() || std::prev(next)->place.end() < range.end()) return std::nullopt;
  return std::prev(next)->region;
}

// Some of the wanted ranges, and what is read for them together.
struct GatheredReads::Wave {
  struct Place {
    size_t index = 0;   // in the wanted ranges
    size_t merged = 0;  // in merged
  };
  std::vector<Place> places;
  std::vector<ByteRange> merged;
  uint64_t wasted = 0;
};

std::vector<GatheredReads::Wave> GatheredReads::Plan(const std::vector<ByteRange>& ranges) const {
  std::vector<size_t> order;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].length > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranges[a].offset < ranges[b].offset; });
  std::vector<Wave> waves(1);
  std::optional<size_t> region_before;
  for (const size_t index : order) {
    const ByteRange& range = ranges[index];
    const std::optional<size_t> region = RegionOf(range);
    Wave* wave = &waves.back();
    bool join = false;
    if (!wave->merged.empty() && region && region == region_before) {
      const uint64_t end = wave->merged.back().end();
      const uint64_t gap = range.offset > end ? range.offset - end : 0;
      join = gap <= std::min(kGap, memory_) && (gap <= memory_ - wave->wasted || waves.size() < kMostWaves);
      if (join && gap > memory_ - wave->wasted) {
        wave = &waves.emplace_back();
        join = false;
      }
      if (join) wave->wasted += gap;
    }
    if (join) {
      ByteRange& last = wave->merged.back();
      last.length = std::max(last.end(), range.end()) - last.offset;
    } else {
      wave->merged.push_back(range);
    }
    wave->places.push_back({index, wave->merged.size() - 1});
    region_before = region;
  }
  return waves;
}

// What was read in vain goes with `read`, before the next wave comes.
void GatheredReads::CutOut(const Wave& wave, const std::vector<Bytes>& read, const std::vector<ByteRange>& ranges,
                           std::vector<Bytes>* answers) {
  auto joined = [&](const Wave::Place& place) { return wave.merged[place.merged].length > ranges[place.index].length; };
  uint64_t wanted = 0;
  for (const Wave::Place& place : wave.places) wanted += joined(place) ? ranges[place.index].length : 0;
  uint8_t* to = nullptr;
  const Bytes kept = Bytes::Allocate(wanted, &to);
  uint64_t position = 0;
  for (const Wave::Place& place : wave.places) {
    const ByteRange& range = ranges[place.index];
    if (!joined(place)) {
      (*answers)[place.index] = read[place.merged];
      continue;
    }
    const uint64_t offset = range.offset - wave.merged[place.merged].offset;
    std::memcpy(to + position, read[place.merged].data() + offset, range.length);
    (*answers)[place.index] = kept.Slice(position, range.length);
    position += range.length;
  }
}

Future<std::vector<Bytes>> GatheredReads::ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t /*piece*/,
                                                          const OpContext& ctx) {
  const std::vector<Wave> waves = Plan(ranges);
  if (waves.size() == 1 && waves[0].wasted == 0) return file_->ReadRangesAsync(std::move(ranges), ctx);
  std::vector<Bytes> answers(ranges.size());
  for (const Wave& wave : waves) {
    const Result<std::vector<Bytes>> read = file_->ReadRangesAsync(wave.merged, ctx).Get(ctx);
    if (!read.ok()) return Future<std::vector<Bytes>>::Ready(read.status());
    CutOut(wave, *read, ranges, &answers);
  }
  return Future<std::vector<Bytes>>::Ready(std::move(answers));
}

}  // namespace lancefs
