// SPDX-License-Identifier: Apache-2.0
//
// Stable row ids and row versions as fragments store them (docs/lance/table.md 5).
//
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

// Field ids of the hidden columns that hold long sequences in a data file: uint64, no nulls, one value a physical row.
inline constexpr int32_t kRowIdField = -3;
inline constexpr int32_t kCreatedAtField = -4;
inline constexpr int32_t kLastUpdatedAtField = -5;

namespace pb {
class U64Segment;
}

// The ids of one fragment, as compact as they are stored: a few bytes may name billions of rows, of which a read wants some.
class RowIdSequence {
 public:
  // From a serialized RowIdSequence, which must hold exactly `expected_rows`. Errors: kCorruption.
  static Result<RowIdSequence> Parse(std::span<const uint8_t> bytes, uint64_t expected_rows);
  uint64_t rows() const { return rows_; }
  // Writes the ids of the physical rows [start, end). REQUIRES: start <= end <= rows().
  void Copy(uint64_t start, uint64_t end, uint64_t* out) const;

 private:
  friend class RowVersionSequence;
  // The ids start, start + 1, ... without holes, those of set bits, or any in any order.
  struct Segment {
    enum class Kind : uint8_t { kRange, kHoles, kBitmap, kArray } kind = Kind::kRange;
    uint64_t first_row = 0;
    uint64_t rows = 0;
    uint64_t start = 0;
    std::vector<uint64_t> values;       // holes, ascending, or the ids of an array
    std::string bits;                   // bitmap
    std::vector<uint64_t> rows_before;  // bitmap: set bits before every block
  };
  static Result<Segment> MakeSegment(const pb::U64Segment& segment);
  static void CopyFrom(const Segment& segment, uint64_t start, uint64_t end, uint64_t* out);

  std::vector<Segment> segments_;
  uint64_t rows_ = 0;
};

// The dataset version of every row of one fragment, likewise.
class RowVersionSequence {
 public:
  // From a serialized RowDatasetVersionSequence, which must hold exactly `expected_rows`. Errors: kCorruption.
  static Result<RowVersionSequence> Parse(std::span<const uint8_t> bytes, uint64_t expected_rows);
  // All rows of one version.
  static RowVersionSequence Uniform(uint64_t rows, uint64_t version);
  uint64_t rows() const { return runs_.empty() ? 0 : runs_.back().end; }
  void Copy(uint64_t start, uint64_t end, uint64_t* out) const;

 private:
  struct Run {
    uint64_t end = 0;  // the row behind the run
    uint64_t version = 0;
  };
  std::vector<Run> runs_;
};

// All at once. Errors: kCorruption; kTooLarge where that would take more memory than rows are worth (use the classes above).
Result<std::vector<uint64_t>> DecodeRowIds(std::span<const uint8_t> bytes, uint64_t expected_rows);
// One segment of consecutive ids [start, end). REQUIRES: start <= end.
std::string EncodeRowIdRange(uint64_t start, uint64_t end);
// Any ids in physical order: consecutive runs as ranges, the rest as arrays.
std::string EncodeRowIds(std::span<const uint64_t> ids);

// The version of every row of a serialized RowDatasetVersionSequence, all at once. Errors: as DecodeRowIds.
Result<std::vector<uint64_t>> DecodeRowVersions(std::span<const uint8_t> bytes, uint64_t expected_rows);
// The sequence of `rows` fresh rows, all of that version.
std::string EncodeFreshRowVersions(uint64_t rows, uint64_t version);

}  // namespace lancefs
