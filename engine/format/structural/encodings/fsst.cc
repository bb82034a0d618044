// SPDX-License-Identifier: Apache-2.0
//
// fsst (docs/lance/file.md 4.6): strings of variable width, each compressed with the page's symbol table,
// which stands in the message. The codes themselves: structural/fsst.h.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

class FsstValues final : public ValueCodec {
 public:
  FsstValues(FsstTable table, std::unique_ptr<ValueCodec> child) : table_(std::move(table)), child_(std::move(child)) {}

  size_t num_buffers() const override { return child_->num_buffers(); }
  Status CheckChunkShape(const LeafShape& shape) const override { return child_->CheckChunkShape(shape); }
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override { return child_->CheckValueShape(shape, bits); }
  Status AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                     LeafValues* out) const override {
    VariableChunk chunk;
    LANCEFS_RETURN_NOT_OK(child_->ChunkOf(buffers, count, scratch, &chunk));
    for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendFsst(table_, chunk, range.start, range.length()));
    return Status::OK();
  }
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* /*scratch*/, LeafValues* out) const override {
    return out->AppendFsstValue(table_, bytes);
  }

 private:
  FsstTable table_;
  std::unique_ptr<ValueCodec> child_;
};

}  // namespace

ValueResult MakeFsstValues(const pb::v21::Fsst& encoding, int depth) {
  const std::string& table = encoding.symbol_table();
  LANCEFS_ASSIGN_OR_RETURN(FsstTable parsed, FsstTable::Parse({reinterpret_cast<const uint8_t*>(table.data()), table.size()}));
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<ValueCodec> child, ValueCodec::Make(encoding.values(), depth + 1));
  if (!child->is_variable()) return Status::NotSupported("FSST over an encoding other than variable is not supported");
  return std::unique_ptr<ValueCodec>(std::make_unique<FsstValues>(std::move(parsed), std::move(child)));
}

}  // namespace lancefs::structural
