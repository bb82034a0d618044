// SPDX-License-Identifier: Apache-2.0
//
// From rows of a top-level field to the pages of one of its leaves in 2.1 and 2.2 files: shreds,
// looks at the values, chooses the layout and the encodings (docs/lance/file.md 3.2, 5).
//
// Thread safety: a function without state; several pages may be encoded at once.
#pragma once

#include <vector>

#include "engine/format/write/container_writer.h"
#include "engine/format/write/shred.h"

namespace lancefs {

// Appends one or more pages: rows that do not fit one page's limits are split. `first_row` is the
// number of the first row in the file.
Status EncodeStructuralPages(const LeafPath& path, const ArraySlices& rows, uint64_t first_row, FileVersion version,
                             std::vector<EncodedPage>* out);

}  // namespace lancefs
