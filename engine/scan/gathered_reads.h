// SPDX-License-Identifier: Apache-2.0
//
// GatheredReads: rows that a filter left, read from a data file of an object store. Where hits lie near
// each other in a page, one request from the first to the last is cheaper than one each, up to kGap
// bytes read in vain for each request saved. Meant for columns of narrow values of fixed width: of texts
// and vectors exactly the rows are read.
#pragma once

#include <memory>

#include "engine/scan/range_source.h"

namespace lancefs {

class GatheredReads : public RangeSource {
 public:
  // `memory`: so many bytes may be read in vain by one call.
  GatheredReads(std::shared_ptr<LanceFile> file, uint64_t memory) : file_(std::move(file)), memory_(memory) {}

  // Before the first read.
  void Add(const ColumnInfo& column);
  // Behind the last Add.
  void Sort();

  Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) override;

 private:
  // Whether both lie in one buffer of a page.
  bool SameBuffer(const ByteRange& a, const ByteRange& b) const;

  const std::shared_ptr<LanceFile> file_;
  const uint64_t memory_;
  std::vector<ByteRange> buffers_;  // by offset
};

}  // namespace lancefs
