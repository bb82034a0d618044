// SPDX-License-Identifier: Apache-2.0
//
// DeletionVector: the deleted rows of one fragment, from its deletion file of either kind (docs/lance/table.md 4).
//
// Thread safety: immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/table.pb.h"
#include "engine/format/roaring_codec.h"

namespace lancefs {

class DeletionVector {
 public:
  // `bytes` is the whole file that `file` names; `physical_rows` are the fragment's rows, deleted ones included.
  // Errors: kCorruption (bytes that are no such file, an offset beyond the rows, a count other than the manifest's).
  static Result<std::shared_ptr<const DeletionVector>> Parse(const pb::DeletionFile& file, const Bytes& bytes,
                                                             uint64_t physical_rows);
  // From offsets in any order, repeated or not. Errors: kInvalidArgument for an offset beyond the rows.
  static Result<std::shared_ptr<const DeletionVector>> FromOffsets(std::vector<uint32_t> offsets, uint64_t physical_rows);

  uint64_t physical_rows() const { return physical_rows_; }
  // The deleted rows as ranges, ascending, with live rows between them.
  RowSelection DeletedRanges() const;
  // Every deleted offset, ascending. Errors: kTooLarge where they are too many to be held as numbers.
  Result<std::vector<uint32_t>> Offsets() const;
  uint64_t Count() const { return count_; }
  uint64_t live_rows() const { return physical_rows_ - count_; }
  bool Contains(uint64_t offset) const;
  // Deleted rows in [start, end).
  uint64_t CountInRange(uint64_t start, uint64_t end) const;
  // The live rows in [start, end), as physical offsets.
  RowSelection LiveRanges(uint64_t start, uint64_t end) const;
  // The physical offset of live row `k`. REQUIRES: k < live_rows().
  uint64_t NthLive(uint64_t k) const;

  // The bytes of a deletion file of that kind. Errors: only from Arrow (memory).
  Result<Bytes> Serialize(pb::DeletionFile::FileType type) const;

 private:
  DeletionVector(const std::vector<RoaringRun>& runs, uint64_t physical_rows);

  // Neighbouring deleted rows. Runs, since a bitmap of a few KiB may delete hundreds of millions.
  struct Run {
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t before = 0;  // deleted rows before it
  };
  // The run that holds `offset` or, if none does, the first one behind it.
  std::vector<Run>::const_iterator FindRun(uint64_t offset) const;

  std::vector<Run> runs_;
  uint64_t count_ = 0;
  uint64_t physical_rows_;
};

// "_deletions/{fragment}-{read version}-{id}.{arrow|bin}", relative to the dataset (or to the base that file.base_id names).
std::string DeletionFilePath(uint64_t fragment_id, const pb::DeletionFile& file);

}  // namespace lancefs
