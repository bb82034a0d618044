// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/gathered_reads.h"

#include <algorithm>
#include <numeric>

namespace lancefs {
namespace {

constexpr uint64_t kGap = 1 << 20;
// What stands between the values of pages that are neighbours, at most: tables of chunks, small dictionaries. It was read before.
constexpr uint64_t kBetween = 4 * 1024;

}  // namespace

void GatheredReads::Add(const ColumnInfo& column) {
  for (const PageInfo& page : column.pages) {
    // The largest has the values; the others tell where they are, and are read on the way to them.
    const auto values = std::max_element(page.buffers.begin(), page.buffers.end(),
                                         [](const ByteRange& a, const ByteRange& b) { return a.length < b.length; });
    if (values != page.buffers.end() && values->length > 0) values_.push_back({*values, 0});
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

Future<std::vector<Bytes>> GatheredReads::ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t /*piece*/,
                                                          const OpContext& ctx) {
  std::vector<size_t> order;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].length > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranges[a].offset < ranges[b].offset; });
  // Which neighbours are worth joining; the nearest first, as far as the memory goes.
  std::vector<std::pair<uint64_t, size_t>> gaps;  // bytes, place in `order` of the range behind
  for (size_t i = 1; i < order.size(); ++i) {
    const ByteRange& before = ranges[order[i - 1]];
    const ByteRange& behind = ranges[order[i]];
    const uint64_t gap = behind.offset > before.end() ? behind.offset - before.end() : 0;
    const std::optional<size_t> region = RegionOf(behind);
    if (gap <= kGap && region && RegionOf(before) == region) gaps.emplace_back(gap, i);
  }
  std::sort(gaps.begin(), gaps.end());
  std::vector<bool> joined(order.size(), false);
  uint64_t wasted = 0;
  for (const auto& [gap, place] : gaps) {
    wasted += gap;
    if (wasted > memory_) break;
    joined[place] = true;
  }
  struct Place {
    size_t merged = 0;
    uint64_t offset = 0;
  };
  std::vector<Place> places(ranges.size());
  std::vector<ByteRange> merged;
  for (size_t i = 0; i < order.size(); ++i) {
    const ByteRange& range = ranges[order[i]];
    if (joined[i]) {
      merged.back().length = std::max(merged.back().end(), range.end()) - merged.back().offset;
    } else {
      merged.push_back(range);
    }
    places[order[i]] = {merged.size() - 1, range.offset - merged.back().offset};
  }
  if (merged.size() == order.size()) return file_->ReadRangesAsync(std::move(ranges), ctx);
  Promise<std::vector<Bytes>> promise;
  file_->ReadRangesAsync(std::move(merged), ctx)
      .OnDone([promise, places = std::move(places), ranges = std::move(ranges)](const Result<std::vector<Bytes>>& result) {
        if (!result.ok()) {
          promise.Set(result.status());
          return;
        }
        std::vector<Bytes> answers(ranges.size());
        for (size_t i = 0; i < ranges.size(); ++i) {
          if (ranges[i].length > 0) answers[i] = (*result)[places[i].merged].Slice(places[i].offset, ranges[i].length);
        }
        promise.Set(std::move(answers));
      });
  return promise.future();
}

}  // namespace lancefs
