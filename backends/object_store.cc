// SPDX-License-Identifier: Apache-2.0
#include "backends/object_store.h"

#include <algorithm>
#include <numeric>

namespace lancefs {

Status ObjectStore::Copy(const std::string& from, const std::string& to, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, ReadAll(from, ctx));
  return Put(to, std::move(bytes), ctx);
}

RangePlan PlanRanges(const std::vector<ByteRange>& wanted, uint64_t gap, uint64_t max_request) {
  RangePlan plan;
  plan.pieces.resize(wanted.size());
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return wanted[a].offset < wanted[b].offset; });

  // Join neighbours into spans, which are then split evenly.
  struct Span {
    ByteRange range;
    std::vector<size_t> members;
  };
  std::vector<Span> spans;
  for (const size_t index : order) {
    const ByteRange& range = wanted[index];
    if (range.length == 0) continue;
    if (!spans.empty()) {
      ByteRange& last = spans.back().range;
      const uint64_t end = std::max(last.end(), range.end());
      if (range.offset <= last.end() + gap) {
        last.length = end - last.offset;
        spans.back().members.push_back(index);
        continue;
      }
    }
    spans.push_back({range, {index}});
  }

  for (const Span& span : spans) {
    const size_t first_request = plan.requests.size();
    const uint64_t count = (span.range.length + max_request - 1) / max_request;
    const uint64_t step = (span.range.length + count - 1) / count;
    for (uint64_t offset = 0; offset < span.range.length; offset += step) {
      plan.requests.push_back({span.range.offset + offset, std::min(step, span.range.length - offset)});
    }
    for (const size_t member : span.members) {
      uint64_t offset = wanted[member].offset - span.range.offset;
      uint64_t left = wanted[member].length;
      while (left > 0) {
        const size_t request = first_request + offset / step;
        const uint64_t inside = offset % step;
        const uint64_t length = std::min(left, plan.requests[request].length - inside);
        plan.pieces[member].push_back({request, inside, length});
        offset += length;
        left -= length;
      }
    }
  }
  return plan;
}

std::vector<Bytes> AssembleRanges(const RangePlan& plan, const std::vector<Bytes>& answers) {
  std::vector<Bytes> out(plan.pieces.size());
  for (size_t i = 0; i < plan.pieces.size(); ++i) {
    const auto& pieces = plan.pieces[i];
    if (pieces.empty()) continue;
    if (pieces.size() == 1) {
      out[i] = answers[pieces[0].request].Slice(pieces[0].offset, pieces[0].length);
      continue;
    }
    uint64_t total = 0;
    for (const auto& piece : pieces) total += piece.length;
    uint8_t* to = nullptr;
    out[i] = Bytes::Allocate(total, &to);
    for (const auto& piece : pieces) {
      std::memcpy(to, answers[piece.request].data() + piece.offset, piece.length);
      to += piece.length;
    }
  }
  return out;
}

}  // namespace lancefs
