// SPDX-License-Identifier: Apache-2.0
//
// ContainerWriter: the outer form of a 2.x data file (docs/lance/file.md 1): page buffers on 64-byte
// boundaries as they come, then the descriptor, the column metadata, the two offset tables and the
// footer.
//
// Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/object_store.h"
#include "engine/format/file_version.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs {

// A page ready to be written.
struct EncodedPage {
  std::vector<Bytes> buffers;
  std::string encoding;   // serialized ArrayEncoding (2.0), PageLayout (2.1, 2.2) or PlanarLayout (2.3)
  uint64_t length = 0;    // in the column's own domain
  uint64_t priority = 0;  // the first top-level row
  bool joins = false;     // has no buffers and only lengthens the column's one page
};

class ContainerWriter {
 public:
  ContainerWriter(std::unique_ptr<ObjectWriter> sink, FileVersion version, size_t num_columns);

  Status WritePage(size_t column, EncodedPage page, const OpContext& ctx);
  // A buffer outside of any page, for instance a blob's bytes; gives its place in the file.
  Result<uint64_t> WriteBuffer(Bytes bytes, const OpContext& ctx);
  // Marks the column as a 2.0 blob column.
  void SetBlobColumn(size_t column);
  uint64_t position() const { return position_; }
  // Writes everything behind the pages and finishes the sink; gives the file's size.
  Result<uint64_t> Finish(const pb::FileDescriptor& descriptor, const OpContext& ctx);

 private:
  Status Append(Bytes bytes, const OpContext& ctx);
  Status Pad(const OpContext& ctx);

  std::unique_ptr<ObjectWriter> sink_;
  FileVersion version_;
  uint64_t position_ = 0;
  std::vector<pb::ColumnMetadata> columns_;
};

}  // namespace lancefs
