// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/page_read.h"

#include <algorithm>

#include "engine/format/structural/grammar.h"

namespace lancefs::structural {
namespace {

// About the size of one chunk, which any row needs whole.
constexpr uint64_t kSmallPage = 8 * 1024;
// More bytes than that may not be read in vain in one piece: stores join reads across such gaps anyway.
constexpr uint64_t kWasted = 64 * 1024;

}  // namespace

bool WantsWholePage(const PageContext& context, const RowSelection& rows, uint64_t data_bytes) {
  if (data_bytes <= kSmallPage) return true;
  const uint64_t length = context.page->length;
  if (CountRows(rows) < length - length / 4) return false;
  const uint64_t wasted_rows = std::max<uint64_t>(1, kWasted / (data_bytes / length + 1));
  uint64_t position = 0;
  for (const RowRange& range : rows) {
    if (range.start - position > wasted_rows) return false;
    position = range.end;
  }
  return length - position <= wasted_rows;
}

Result<std::unique_ptr<PageRead>> MakePageRead(const PageContext& context, RowSelection rows) {
  if (context.file->version() == FileVersion::kV2_3) return MakePlanarRead(context, std::move(rows));
  pb::v21::PageLayout layout;
  if (!layout.ParseFromString(context.page->encoding)) return Status::Corruption("the page layout is no valid message");
  return MakePageRead(context, layout, std::move(rows));
}

Result<std::unique_ptr<PageRead>> MakePageRead(const PageContext& context, const pb::v21::PageLayout& layout, RowSelection rows) {
  LANCEFS_RETURN_NOT_OK(CheckGrammar(layout, context.file->version()));
  switch (layout.layout_case()) {
    case pb::v21::PageLayout::kMiniBlockLayout: return MakeMiniBlockRead(context, layout.mini_block_layout(), std::move(rows));
    case pb::v21::PageLayout::kFullZipLayout: return MakeFullZipRead(context, layout.full_zip_layout(), std::move(rows));
    case pb::v21::PageLayout::kConstantLayout: return MakeConstantRead(context, layout.constant_layout(), std::move(rows));
    case pb::v21::PageLayout::kBlobLayout: return MakeBlobPageRead(context, layout.blob_layout(), std::move(rows));
    case pb::v21::PageLayout::LAYOUT_NOT_SET: break;
  }
  return Status::NotSupported("unknown page layout");
}

}  // namespace lancefs::structural
