#pragma once
#include "base/bytes.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/table.pb.h"
namespace lancefs {
class DeletionVector {
 public:
  static Result<std::shared_ptr<const DeletionVector>> Parse(const pb::DeletionFile& file, const Bytes& bytes, uint64_t physical_rows);
  uint64_t Count() const;
  RowSelection LiveRanges(uint64_t start, uint64_t end) const;
  uint64_t NthLive(uint64_t k) const;
};
std::string DeletionFileName(uint64_t fragment_id, const pb::DeletionFile& file);
}
