// SPDX-License-Identifier: Apache-2.0
//
// One page's share of a string or binary column, in any of the encodings that 2.0 has for it.
//
// Thread safety: one thread at a time.
#pragma once

#include <memory>

#include "engine/format/v20/reader.h"

namespace lancefs::v20 {

// Where parts write their values, one after the other.
struct BinaryOutput {
  bool large = false;                       // 64-bit offsets
  uint8_t* offsets = nullptr;               // rows + 1 of them; the first is set
  uint8_t* data = nullptr;                  // with kSlack bytes behind it; null: bytes are not wanted
  uint64_t rows = 0;                        // of all parts
  uint64_t row = 0;                         // the next value
  uint64_t position = 0;                    // its first byte
  std::shared_ptr<arrow::Buffer> validity;  // made at the first null

  void SetOffset(uint64_t index, uint64_t value) const {
    if (large) {
      StoreLittleEndian<int64_t>(offsets + index * 8, static_cast<int64_t>(value));
    } else {
      StoreLittleEndian<int32_t>(offsets + index * 4, static_cast<int32_t>(value));
    }
  }
  Status SetNull(uint64_t index) {
    if (validity == nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(validity, AllocateOnes(rows));
    }
    validity->mutable_data()[index / 8] &= static_cast<uint8_t>(~(1U << (index % 8)));
    return Status::OK();
  }
};

class BinaryPart {
 public:
  virtual ~BinaryPart() = default;
  virtual uint64_t rows() const = 0;
  virtual Status Next(std::vector<ByteRange>* reads) = 0;
  virtual Status Take(Answers* answers) = 0;
  // Once all is there: the bytes of all values together. Call once, before Write.
  virtual Result<uint64_t> Measure() = 0;
  // Appends all values. REQUIRES: room for what Measure said.
  virtual Status Write(BinaryOutput* out) = 0;
  // All values' bytes in one piece, as Write would write them, if they stand so in the file.
  virtual bool Whole(Bytes* out) const { return false; }
};

// `ranges` counts the values of `encoding`, which has `length`. Errors: kCorruption, kNotSupported naming the encoding.
Result<std::unique_ptr<BinaryPart>> MakeBinaryPart(const PageRef& page, const pb::v20::ArrayEncoding& encoding, uint64_t length,
                                                   const RowSelection& ranges, int depth);

}  // namespace lancefs::v20
