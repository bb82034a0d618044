// SPDX-License-Identifier: Apache-2.0
//
// What the statistics of a 0.1 file tell of nulls. The pages themselves do not keep them, but filters of pylance know from the
// statistics that a batch has no null in a column, or nothing else.
//
// Thread safety: free functions.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "engine/format/lance_file.h"

namespace lancefs::v1 {

enum class Nulls : uint8_t { kUnknown, kNone, kAll };
// By field id; one entry a batch.
using BatchNulls = std::map<int32_t, std::vector<Nulls>>;

// The nulls of those of `fields` that have statistics. Statistics that cannot be understood count as missing ones.
// Errors: of the store.
Result<BatchNulls> ReadBatchNulls(const std::shared_ptr<LanceFile>& file, const std::vector<int32_t>& fields,
                                  const OpContext& ctx);

}  // namespace lancefs::v1
