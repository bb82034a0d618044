// SPDX-License-Identifier: Apache-2.0
//
// Planar pages of 2.3 files (docs/lance/file.md 3.10): a dense page is a 2.2 page in another message, a
// sparse page (sparse_page.cc) has its structure and its values apart.
//
// Thread safety: pure functions.
#pragma once

#include "engine/format/proto/encodings23.pb.h"
#include "engine/format/structural/page_read.h"

namespace lancefs::structural {

// The same page as a page of 2.2. Errors: kCorruption for what the format does not allow.
Result<pb::v21::PageLayout> DenseLayout(const pb::v23::DenseStructure& structure, const pb::v23::ValuePlane& values);

// A sparse page (sparse_page.cc).
Result<std::unique_ptr<PageRead>> MakeSparseRead(const PageContext& context, const pb::v23::PlanarLayout& layout,
                                                 RowSelection rows);

// The zipped part of a page as a full-zip layout whose layers are left to the caller.
Result<pb::v21::FullZipLayout> ZippedLayout(const pb::v23::ZippedValues& values);

}  // namespace lancefs::structural
