// SPDX-License-Identifier: Apache-2.0
//
// GatheredReads: rows that a filter left, read from a data file of an object store. Where hits lie near
// each other in pages that are neighbours, one request from the first to the last is cheaper than one each, up to kGap
// bytes read in vain for each request saved. What was read in vain is let go in waves, so that however many columns there are
// little is held. Meant for columns of narrow values of fixed width: of texts and vectors exactly the rows are read.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/scan/range_source.h"

namespace lancefs {

class GatheredReads : public RangeSource {
 public:
  // `memory`: so many bytes that were read in vain are held at a time.
  GatheredReads(std::shared_ptr<LanceFile> file, uint64_t memory) : file_(std::move(file)), memory_(memory) {}

  // Before the first read.
  void Add(const ColumnInfo& column);
  // Behind the last Add.
  void Sort();

  // Waits for the answers in this thread.
  Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) override;

 private:
  // The values of a page, and the number of the neighbourhood they stand in.
  struct Values {
    ByteRange place;
    size_t region = 0;
  };
  struct Wave;
  std::vector<Wave> Plan(const std::vector<ByteRange>& ranges) const;
  static void CutOut(const Wave& wave, const std::vector<Bytes>& read, const std::vector<ByteRange>& ranges,
                     std::vector<Bytes>* answers);
  // Absent: these are no values.
  std::optional<size_t> RegionOf(const ByteRange& range) const;

  const std::shared_ptr<LanceFile> file_;
  const uint64_t memory_;
  std::vector<Values> values_;  // by offset
};

}  // namespace lancefs
