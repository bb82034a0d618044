// SPDX-License-Identifier: Apache-2.0
//
// The structure of sparse pages (docs/lance/file.md 3.10): every layer, from the rows inwards, is a domain
// of slots. A layer says which of its slots are null, and how many slots of the next layer belong to
// each. What is regular stays a formula and takes no memory, however large a domain claims to be.
//
// Thread safety: values; a built structure is immutable.
#pragma once

#include <memory>
#include <vector>

#include "engine/format/proto/encodings23.pb.h"
#include "engine/format/structural/block_codec.h"
#include "engine/format/structural/rep_def.h"

namespace lancefs::structural {

// Unsigned numbers: start + step * i, or listed.
struct Sequence {
  std::vector<uint64_t> listed;
  uint64_t start = 0;
  uint64_t step = 0;
  uint64_t count = 0;
  bool is_listed = false;

  uint64_t At(uint64_t i) const { return is_listed ? listed[i] : start + step * i; }
};

// A stored sequence: what its message says, and its buffer if it needs one.
class SequenceSource {
 public:
  // `count` numbers of 64 bits. Errors: kNotSupported, kCorruption.
  static Result<SequenceSource> Make(const pb::v21::CompressiveEncoding& encoding, uint64_t count);
  bool has_payload() const { return codec_ != nullptr && codec_->has_payload(); }
  Result<Sequence> Decode(std::span<const uint8_t> in) const;

 private:
  std::unique_ptr<BlockCodec> codec_;  // null = `formula_` is all
  Sequence formula_;
};

// Ascending positions in a domain.
class PositionSet {
 public:
  static Result<PositionSet> Make(Sequence positions, uint64_t domain);
  uint64_t size() const { return positions_.count; }
  uint64_t At(uint64_t i) const { return positions_.At(i); }
  // How many lie before `position`.
  uint64_t Rank(uint64_t position) const;
  // The end of the run of neighbours that begins at position `i`, as an index.
  uint64_t RunEnd(uint64_t i) const;

 private:
  Sequence positions_;
};

struct SlotLayer {
  uint64_t slots = 0;
  uint64_t child_slots = 0;
  bool list = false;
  uint64_t dimension = 1;    // of a fixed-size list
  bool lists_valid = false;  // whether `validity` lists the valid slots instead of the null ones
  PositionSet validity;
  PositionSet non_empty;        // lists
  std::vector<uint64_t> ends;   // children up to the end of each list that is not empty, or
  uint64_t constant_count = 0;  // so many in each

  uint64_t ChildrenBefore(uint64_t ordinal) const {
    if (constant_count != 0) return ordinal * constant_count;
    return ordinal == 0 ? 0 : ends[ordinal - 1];
  }
};

// Slots that own a stored value in pages that store no others: those that can be reached and are not null.
struct StoredSlots {
  RowSelection ranges;
  std::vector<uint64_t> before;  // stored values before each range
  uint64_t count = 0;
};

class SparseStructure {
 public:
  // What the message says; the buffers come later. `encoded_rows` is the page's length, which counts
  // the items of fixed-size lists.
  static Result<SparseStructure> Make(const pb::v23::SparseStructure& message, uint64_t encoded_rows);
  // Whether the layers are those of the schema. `path` is innermost first.
  Status CheckPath(const LeafPath& path) const;

  uint64_t scale() const { return scale_; }
  uint64_t leaf_slots() const { return leaf_slots_; }
  size_t num_layers() const { return layers_.size(); }
  // Buffers that the sequences need, in this order.
  size_t num_buffers() const;
  Status Load(std::span<const Bytes> buffers);

  // REQUIRES: loaded.
  // Appends `rows` to the layers of the output (innermost first; null = only the slots are wanted) and
  // gives the slots of leaf values that belong to them. Errors: kTooLarge.
  Result<RowSelection> Select(const RowSelection& rows, std::vector<LayerValues>* out) const;
  // Errors: kCorruption if there are more than `limit`.
  Result<StoredSlots> FindStored(uint64_t limit) const;

 private:
  struct LayerSource {
    std::unique_ptr<SequenceSource> non_empty;
    std::unique_ptr<SequenceSource> counts;
    std::unique_ptr<SequenceSource> validity;
  };

  Status MakeValidity(const pb::v23::ValiditySet& message, SlotLayer* layer, LayerSource* source) const;
  Status MakeList(const pb::v23::ListLayer& message, SlotLayer* layer, LayerSource* source) const;

  uint64_t rows_ = 0;
  uint64_t scale_ = 1;
  uint64_t leaf_slots_ = 0;
  std::vector<SlotLayer> layers_;  // outermost first
  std::vector<LayerSource> sources_;
};

}  // namespace lancefs::structural
