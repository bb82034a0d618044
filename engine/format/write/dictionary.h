// SPDX-License-Identifier: Apache-2.0
//
// Dictionary pages (docs/lance/file.md 3.5, 5.3): whether a page's distinct values and their indices
// would be smaller than the values themselves, and both of them.
//
// Thread safety: functions without state.
#pragma once

#include <optional>

#include "engine/format/write/encoding_wishes.h"
#include "engine/format/write/leaf_values.h"
#include "engine/format/write/page_layout.h"

namespace lancefs {

struct DictionaryValues {
  LeafValues indices;  // 8, 16 or 32 bits wide, as many as are needed
  LeafValues items;
};

// `budget` is what the page takes without a dictionary, in bytes. Nothing when a sample or the
// building shows that a dictionary would not be smaller. Empty `validity` = no nulls.
std::optional<DictionaryValues> BuildDictionary(const LeafValues& values, const std::vector<uint8_t>& validity, uint64_t budget,
                                                const EncodingWishes& wishes);
// The items in their smallest block form.
EncodedDictionary EncodeDictionaryItems(const LeafValues& items, const EncodingWishes& wishes);

}  // namespace lancefs
