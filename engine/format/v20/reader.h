// SPDX-License-Identifier: Apache-2.0
//
// The readers of 2.0 columns; the tree and its rounds serve 0.1 too. A Reader is a node of a tree: leaves read the values of one
// column, lists and structs drive their children; all take part in the same rounds of I/O.
//
// Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/format/v20/page_source.h"

namespace lancefs::v20 {

class Reader {
 public:
  virtual ~Reader() = default;
  // Appends what this reader needs next; appends nothing when it is complete. Called once a round.
  virtual Status Next(std::vector<ByteRange>* reads) = 0;
  // Takes exactly the answers to what the last Next appended.
  virtual Status Take(Answers* answers) = 0;
  // REQUIRES: Next appended nothing. Call once.
  virtual Result<std::shared_ptr<arrow::Array>> Decode() = 0;
};

// The part of a selection that lies in one page, counted from the page's first value.
struct PagePart {
  PageRef page;
  RowSelection ranges;
  uint64_t count = 0;
  bool whole = false;  // the entire page
};
// Cuts `rows` at the page borders. Errors: kCorruption when rows lie behind the column's end.
Result<std::vector<PagePart>> SplitByPages(const std::shared_ptr<LanceFile>& file, const std::shared_ptr<const ColumnInfo>& info,
                                           uint32_t column, const RowSelection& rows);

// One page's share of a leaf column: the encoding of its values and what is wanted of them.
struct LeafPart {
  PageRef page;
  pb::v20::ArrayEncoding encoding;
  RowSelection ranges;
  uint64_t length = 0;  // all values of the encoding
};

// What readers need to know of where they stand; lists keep it, as they make their children late.
struct Surroundings {
  std::shared_ptr<LanceFile> file;
  Field root;            // fields below it are named by reference
  FieldColumns columns;  // of the root and all below it
  ColumnInfos infos;
};
using ReadContext = std::shared_ptr<const Surroundings>;
// What of `columns` and `infos` is the field's or stands below it.
ReadContext MakeContext(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns,
                        const ColumnInfos& infos);

// The ColumnRead that drives `reader`; its errors begin with `context`.
std::unique_ptr<ColumnRead> MakeColumnRead(std::unique_ptr<Reader> reader, std::string context);

// A reader for `field` and all below it.
Result<std::unique_ptr<Reader>> MakeReader(const ReadContext& context, const Field& field, RowSelection rows);
std::unique_ptr<Reader> MakeNullReader(const Field& field, uint64_t rows);
Result<std::unique_ptr<Reader>> MakeListReader(const ReadContext& context, const Field& field, std::vector<PagePart> parts);
Result<std::unique_ptr<Reader>> MakeStructReader(const ReadContext& context, const Field& field, RowSelection rows);
// Fixed-width values, fixed-size lists of them, packed structs, dictionaries, strings: by `type`.
Result<std::unique_ptr<Reader>> MakeLeafReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts);
Result<std::unique_ptr<Reader>> MakeFixedReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts);
Result<std::unique_ptr<Reader>> MakeBinaryReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts);
Result<std::unique_ptr<Reader>> MakeDictionaryReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts);
// The bytes of blobs, or their descriptors where `type` is BlobDescriptorType().
Result<std::unique_ptr<Reader>> MakeBlobReader(const std::shared_ptr<LanceFile>& file,
                                               const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts);

// The descriptors of blobs that are strings like others, as the first writers of 2.0 left them.
Result<std::unique_ptr<Reader>> MakePlainBlobReader(std::vector<LeafPart> parts);

// Memory for `size` bytes and kSlack more behind them. Errors: kTooLarge above `limit`, kResourceExhausted.
Result<std::shared_ptr<arrow::Buffer>> AllocateOutput(uint64_t size, uint64_t limit = kFreeArrayBytes);
// The limit of an array that these parts make, all of one column.
uint64_t OutputLimit(const std::vector<LeafPart>& parts);

// End offsets as binary and list pages store them (no leading 0; a null has the adjustment added) into Arrow offsets:
// out[i] = base + (end of value i - first). Sets `*nulls` to the number of nulls.
// False: the ends descend; then `out` is garbage.
template <typename Offset>
bool ConvertEnds(const uint8_t* raw, uint64_t count, uint64_t adjustment, uint64_t first, uint64_t base, Offset* out,
                 uint64_t* nulls) {
  uint64_t previous = first;
  uint64_t found = 0;
  bool descends = false;
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = LoadLittleEndian<uint64_t>(raw + i * 8);
    const bool is_null = value >= adjustment;
    const uint64_t end = value - (is_null ? adjustment : 0);
    descends |= end < previous;
    previous = end;
    out[i] = static_cast<Offset>(base + (end - first));
    found += is_null ? 1 : 0;
  }
  *nulls = found;
  return !descends;
}

// The end offsets of a page's binary or list encoding for some of its rows, with the one before each range where there is one.
class EndOffsets {
 public:
  // `rows` counts the page's values.
  static Result<EndOffsets> Make(const PageRef& page, const pb::v20::ArrayEncoding& encoding, const RowSelection& rows,
                                 uint64_t adjustment);
  void AppendReads(std::vector<ByteRange>* reads) const { source_.AppendReads(reads); }
  // Reads the ends of every range. Errors: kCorruption when one lies above `limit` or they descend at the borders.
  Status Take(Answers* answers, uint64_t limit);

  size_t num_ranges() const { return ranges_.size(); }
  uint64_t rows_of(size_t index) const { return ranges_[index].rows; }
  // Where the range's first value starts and its last one ends.
  uint64_t first(size_t index) const { return ranges_[index].first; }
  uint64_t last(size_t index) const { return ranges_[index].last; }
  uint64_t rows() const { return rows_; }
  uint64_t total() const { return total_; }  // sum of last - first

  // Converts range `index`; sets bits of nulls to 0 in `*validity` (allocated with `bitmap_rows` ones at the first null).
  template <typename Offset>
  Status Convert(size_t index, uint64_t base, Offset* out, uint64_t row, uint64_t bitmap_rows,
                 std::shared_ptr<arrow::Buffer>* validity) const;

 private:
  struct Range {
    const uint8_t* raw = nullptr;  // ends of the values
    uint64_t rows = 0;
    uint64_t first = 0;
    uint64_t last = 0;
    bool has_previous = false;
  };
  uint64_t Normalize(uint64_t value) const { return value >= adjustment_ ? value - adjustment_ : value; }

  PageRef page_;
  FixedSource source_;
  uint64_t adjustment_ = 0;
  uint64_t rows_ = 0;
  uint64_t total_ = 0;
  std::vector<Range> ranges_;
  std::vector<uint64_t> numbers_;  // where the ends are not stored plainly
};

// A bitmap of `rows` ones.
Result<std::shared_ptr<arrow::Buffer>> AllocateOnes(uint64_t rows);

template <typename Offset>
Status EndOffsets::Convert(size_t index, uint64_t base, Offset* out, uint64_t row, uint64_t bitmap_rows,
                           std::shared_ptr<arrow::Buffer>* validity) const {
  const Range& range = ranges_[index];
  uint64_t nulls = 0;
  if (!ConvertEnds<Offset>(range.raw, range.rows, adjustment_, range.first, base, out, &nulls))
    return page_.Corrupt("the offsets descend");
  if (nulls == 0) return Status::OK();
  if (*validity == nullptr) {
    LANCEFS_ASSIGN_OR_RETURN(*validity, AllocateOnes(bitmap_rows));
  }
  uint8_t* bits = (*validity)->mutable_data();
  for (uint64_t i = 0; i < range.rows; ++i) {
    const bool is_null = LoadLittleEndian<uint64_t>(range.raw + i * 8) >= adjustment_;
    bits[(row + i) / 8] &= static_cast<uint8_t>(~(static_cast<unsigned>(is_null) << ((row + i) % 8)));
  }
  return Status::OK();
}

}  // namespace lancefs::v20
