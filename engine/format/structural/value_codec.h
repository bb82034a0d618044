// SPDX-License-Identifier: Apache-2.0
//
// Value encodings in miniblock and full-zip position (docs/lance/file.md 4): built once per page from
// its message, checked against the column's shape, then applied chunk by chunk or value by value.
//
// Thread safety: a built codec is immutable; a Scratch belongs to one thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/structural/leaf_values.h"

namespace lancefs::structural {

// Reused memory of decoders.
struct Scratch {
  std::vector<uint8_t> rows;
  std::vector<uint8_t> plain;
  std::vector<uint32_t> indices;
};

class ValueCodec {
 public:
  // Errors: kNotSupported naming the encoding, kCorruption.
  static Result<std::unique_ptr<ValueCodec>> Make(const pb::v21::CompressiveEncoding& encoding, int depth = 0);

  // -- miniblock
  // Buffers that a chunk has.
  size_t num_buffers() const;
  // Whether chunks of this encoding can fill values of that shape.
  Status CheckChunkShape(const LeafShape& shape) const;
  // Whether the codec gives indices of a dictionary.
  Status CheckIndices() const;
  // Appends the values `ranges` of a chunk of `count` values.
  Status AppendChunk(std::span<const std::span<const uint8_t>> buffers, uint64_t count, const RowSelection& ranges,
                     Scratch* scratch, LeafValues* out) const;
  // The chunk's values, widened to 32 bits, in scratch->indices.
  Status DecodeIndices(std::span<const std::span<const uint8_t>> buffers, uint64_t count, Scratch* scratch) const;

  // -- full zip
  // Whether single values of this encoding, `bits` wide (0 = variable), can fill values of that shape.
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const;
  // `bytes` is one value, of the page's fixed width or as long as its length prefix says.
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const;
  // Values that are nothing but their bytes, so that many can be copied at once.
  bool IsPlainRows(const LeafShape& shape) const {
    return kind_ == Kind::kFlat && shape.row_bits == bits_ && shape.kind != ShapeKind::kPackedStruct;
  }

 private:
  enum class Kind : uint8_t {
    kFlat,
    kVariable,
    kConstant,
    kInline,
    kFsst,
    kRle,
    kByteStreamSplit,
    kGeneral,
    kFixedSizeList,
    kPackedStruct,
    kVariablePackedStruct
  };
  struct PackedField {
    std::unique_ptr<ValueCodec> codec;
    uint64_t bits = 0;         // fixed width, or
    uint64_t length_bits = 0;  // width of the length prefix
  };

  Status MakeFixedSizeList(const pb::v21::CompressiveEncoding& encoding, int depth);
  Status MakeVariablePackedStruct(const pb::v21::VariablePackedStruct& encoding, int depth);
  // Fixed-width rows of a chunk: in place, in `dest` (room for whole blocks of 1024) or in scratch.
  Status DecodeRows(std::span<const std::span<const uint8_t>> buffers, uint64_t count, uint8_t* dest, Scratch* scratch,
                    const uint8_t** rows) const;
  Status DecodeRle(std::span<const std::span<const uint8_t>> buffers, uint64_t count, uint8_t* out) const;
  Status AppendListChunk(std::span<const std::span<const uint8_t>> buffers, uint64_t count, const RowSelection& ranges,
                         LeafValues* out) const;
  Status AppendPackedValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const;
  Status AppendListValue(std::span<const uint8_t> bytes, LeafValues* out) const;
  Status CheckListShape(const LeafShape& shape) const;

  Kind kind_ = Kind::kFlat;
  uint64_t bits_ = 0;  // fixed width of one value; variable: of an offset
  Compression scheme_ = Compression::kLz4;
  std::unique_ptr<ValueCodec> child_;
  FsstTable fsst_;
  std::vector<uint64_t> field_bits_;  // packed struct
  std::vector<PackedField> fields_;   // variable packed struct
  std::vector<uint64_t> list_items_;  // fixed-size lists, outermost first, cumulated
  std::vector<bool> list_validity_;   // which of them have a bitmap for their items
  bool items_null_ = false;           // all items are null, no data is stored
  uint64_t data_bits_ = 0;            // of the items of one row
};

}  // namespace lancefs::structural
