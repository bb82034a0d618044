// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/gathered_reads.h"

#include <algorithm>
#include <numeric>

namespace lancefs {
namespace {

constexpr uint64_t kGap = 1 << 20;

}  // namespace

void GatheredReads::Add(const ColumnInfo& column) {
  for (const PageInfo& page : column.pages) {
    buffers_.insert(buffers_.end(), page.buffers.begin(), page.buffers.end());
  }
}

void GatheredReads::Sort() {
  std::sort(buffers_.begin(), buffers_.end(), [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
}

bool GatheredReads::SameBuffer(const ByteRange& a, const ByteRange& b) const {
  const auto next = std::upper_bound(buffers_.begin(), buffers_.end(), a.offset,
                                     [](uint64_t offset, const ByteRange& buffer) { return offset < buffer.offset; });
  return next != buffers_.begin() && std::prev(next)->end() >= std::max(a.end(), b.end());
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
    if (gap <= kGap && SameBuffer(before, behind)) gaps.emplace_back(gap, i);
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
