// SPDX-License-Identifier: Apache-2.0
//
// PageRead: reading selected rows of one page. Like ColumnRead it names what it needs and never does
// I/O; decoding appends to the column's LeafColumn. One implementation a page layout.
//
// Thread safety: one thread at a time. What they share through the file's page cache is immutable.
#pragma once

#include <memory>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/structural/leaf_values.h"
#include "engine/format/structural/rep_def.h"
#include "engine/format/structural/value_codec.h"

namespace lancefs::structural {

// What the pages of one column are decoded into.
struct LeafColumn {
  LeafColumn(LeafShape shape, size_t num_layers, uint64_t limit = kFreeArrayBytes)
      : values(std::move(shape), limit), layers(num_layers) {}
  LeafValues values;
  std::vector<LayerValues> layers;  // innermost first
  Scratch scratch;
};

// What a PageRead is told about its page.
struct PageContext {
  std::shared_ptr<LanceFile> file;
  uint32_t column = 0;
  size_t page_index = 0;
  const PageInfo* page = nullptr;  // lives as long as the column read
  LeafPath path;
  LeafShape shape;
};

class PageRead {
 public:
  virtual ~PageRead() = default;
  // As ColumnRead::NextReads and Supply.
  virtual std::vector<ByteRange> NextReads() = 0;
  virtual Status Supply(std::vector<Bytes> answers) = 0;
  virtual Status Decode(LeafColumn* out) = 0;
};

// `rows` are counted from the page's first row, and none lies behind its last.
Result<std::unique_ptr<PageRead>> MakePageRead(const PageContext& context, RowSelection rows);

// The same for a layout that stands inside another one.
Result<std::unique_ptr<PageRead>> MakePageRead(const PageContext& context, const pb::v21::PageLayout& layout, RowSelection rows);

// The pages of 2.3 files (planar_page.h), and the layouts behind MakePageRead.
Result<std::unique_ptr<PageRead>> MakePlanarRead(const PageContext& context, RowSelection rows);
Result<std::unique_ptr<PageRead>> MakeMiniBlockRead(const PageContext& context, const pb::v21::MiniBlockLayout& layout,
                                                    RowSelection rows);
Result<std::unique_ptr<PageRead>> MakeFullZipRead(const PageContext& context, const pb::v21::FullZipLayout& layout,
                                                  RowSelection rows);
Result<std::unique_ptr<PageRead>> MakeConstantRead(const PageContext& context, const pb::v21::ConstantLayout& layout,
                                                   RowSelection rows);
// Blob pages give descriptors (blob_descriptor.h).
Result<std::unique_ptr<PageRead>> MakeBlobPageRead(const PageContext& context, const pb::v21::BlobLayout& layout,
                                                   RowSelection rows);

// The part [start, start + length) of page buffer `index`. REQUIRES: it lies inside.
inline ByteRange PartOf(const PageInfo& page, size_t index, uint64_t start, uint64_t length) {
  return {page.buffers[index].offset + start, length};
}

// Whether so much of a page is wanted that it is read all at once, without asking first where the rows are.
bool WantsWholePage(const PageContext& context, const RowSelection& rows, uint64_t data_bytes);

}  // namespace lancefs::structural
