// SPDX-License-Identifier: Apache-2.0
//
// From rows of a top-level field to one page for each of its columns in a 2.0 file (docs/lance/file.md
// 2). The columns of a field are cut together, because the items of a list page are the next ones
// of the item column.
//
// Thread safety: functions without state.
#pragma once

#include <vector>

#include "engine/format/write/container_writer.h"
#include "engine/format/write/shred.h"

namespace lancefs {

struct ColumnPage {
  size_t column = 0;  // counted from the field's first column
  EncodedPage page;
};

Status EncodeV20Pages(const Field& field, const ArraySlices& rows, std::vector<ColumnPage>* out);

}  // namespace lancefs
