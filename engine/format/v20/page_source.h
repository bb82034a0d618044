// SPDX-License-Identifier: Apache-2.0
//
// The bottom of the 2.0 page grammar (docs/lance/file.md 2): where a page's buffers lie, and FixedSource,
// the values of one fixed-width encoding (flat, compressed flat, both bit-packed forms) for some ranges
// of a page. A source needs exactly one round of reads, known as soon as it is made.
//
// Thread safety: one thread at a time; sources are independent of each other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/format/column_read.h"
#include "engine/format/proto/encodings20.pb.h"

namespace lancefs::v20 {

// Encodings nest; deeper ones are hostile.
constexpr int kMaxEncodingDepth = 16;
// Wider values are no value of any type.
constexpr uint64_t kMaxValueBits = kFreeArrayBytes * 8;
// Spare bytes behind output buffers, so that short values may be copied in whole words.
constexpr uint64_t kSlack = 32;

// One page of one column, for addressing and messages.
struct PageRef {
  std::shared_ptr<LanceFile> file;
  std::shared_ptr<const ColumnInfo> info;
  uint32_t column = 0;
  size_t page = 0;

  const PageInfo& page_info() const { return info->pages[page]; }
  Status Corrupt(const std::string& what) const;
  Status Unsupported(const std::string& what) const;
  // Where that buffer stands in the file. Errors: kCorruption for an unknown index.
  Result<ByteRange> Locate(const pb::v20::Buffer& buffer) const;
};

// The page's encoding message. Errors: kCorruption.
Result<pb::v20::ArrayEncoding> ParseEncoding(const PageRef& page);

// The answers of one round, handed out in the order of asking.
class Answers {
 public:
  explicit Answers(std::vector<Bytes> list) : list_(std::move(list)) {}
  // REQUIRES: as many calls as ranges were asked.
  Bytes Take() { return next_ < list_.size() ? std::move(list_[next_++]) : Bytes(); }

 private:
  std::vector<Bytes> list_;
  size_t next_ = 0;
};

class FixedSource {
 public:
  FixedSource() = default;
  // Values of `encoding` (flat, bitpacked, bitpacked_for_non_neg) for `ranges`, counted in values of this encoding.
  // Errors: kCorruption when a range lies outside the buffer, kNotSupported for other encodings.
  static Result<FixedSource> Make(const PageRef& page, const pb::v20::ArrayEncoding& encoding, RowSelection ranges);
  // Plain values of `bits` (1 or whole bytes) in `buffer`.
  static Result<FixedSource> MakeFlat(const PageRef& page, const pb::v20::Buffer& buffer, uint64_t bits, RowSelection ranges);

  // Width of the decoded values.
  uint64_t bits() const { return bits_; }
  uint64_t count() const { return count_; }
  const RowSelection& ranges() const { return ranges_; }

  void AppendReads(std::vector<ByteRange>* reads) const;
  // Takes what AppendReads asked for; decompresses.
  Status Take(Answers* answers);

  // Where the values of range `index` stand as they are (flat; for bitmaps: the byte of the first bit), or null.
  const uint8_t* Direct(size_t index) const;
  // All values in one piece, if there is one range of whole-byte values, or of bits that start at a byte.
  bool Whole(Bytes* out) const;
  // Writes all values one after the other; `out_bit` is used with 1-bit values, `out` is at the first value otherwise.
  Status DecodeTo(uint8_t* out, uint64_t out_bit = 0) const;
  // All values as numbers. REQUIRES: bits() is 8, 16, 32 or 64.
  Result<std::vector<uint64_t>> DecodeNumbers() const;

 private:
  enum class Kind { kFlat, kCompressed, kBitpacked, kBitpackedForNonNeg };
  struct Span {
    uint64_t start = 0;  // in the buffer
    uint64_t end = 0;
    Bytes bytes;
  };

  static Result<FixedSource> MakePacked(const PageRef& page, const pb::v20::Buffer& buffer, Kind kind, uint64_t packed_bits,
                                        uint64_t bits, RowSelection ranges);
  // The bytes of the buffer that hold `range`.
  std::pair<uint64_t, uint64_t> BytesOf(const RowRange& range) const;
  Status PlanSpans();
  const uint8_t* At(size_t index, uint64_t position) const;
  void DecodeBits(uint8_t* out, uint64_t out_bit) const;
  void DecodePacked(uint8_t* out) const;

  PageRef page_;
  Kind kind_ = Kind::kFlat;
  ByteRange buffer_;
  std::string scheme_;
  bool signed_ = false;
  uint64_t bits_ = 0;
  uint64_t packed_bits_ = 0;
  uint64_t count_ = 0;
  RowSelection ranges_;
  std::vector<Span> spans_;
  std::vector<uint32_t> span_of_range_;
  Bytes plain_;  // the decompressed buffer
};

// The plain bytes of a whole compressed buffer. Scheme "zstd" or "lz4"; the result is kept with the file for the next
// reader of the same buffer (one buffer a column).
Result<Bytes> DecompressBuffer(const PageRef& page, const std::string& scheme, const ByteRange& place, const Bytes& bytes);
// Errors: kCorruption (bad frame, wrong size), kNotSupported (scheme).
Result<Bytes> Decompress(const std::string& scheme, const Bytes& bytes);

}  // namespace lancefs::v20
