// SPDX-License-Identifier: Apache-2.0
//
// Stable row ids and row versions as fragments store them (docs/lance/table.md 5).
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

// The ids of a serialized RowIdSequence in physical order. It must hold exactly `expected_rows`; this is checked before memory is
// taken. Errors: kCorruption.
Result<std::vector<uint64_t>> DecodeRowIds(std::span<const uint8_t> bytes, uint64_t expected_rows);
// One segment of consecutive ids [start, end). REQUIRES: start <= end.
std::string EncodeRowIdRange(uint64_t start, uint64_t end);
// Any ids in physical order: consecutive runs as ranges, the rest as arrays.
std::string EncodeRowIds(std::span<const uint64_t> ids);

// The version of every row of a serialized RowDatasetVersionSequence. Errors: kCorruption.
Result<std::vector<uint64_t>> DecodeRowVersions(std::span<const uint8_t> bytes, uint64_t expected_rows);
// The sequence of `rows` fresh rows, all of that version.
std::string EncodeFreshRowVersions(uint64_t rows, uint64_t version);

}  // namespace lancefs
