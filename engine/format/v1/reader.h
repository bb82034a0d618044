// SPDX-License-Identifier: Apache-2.0
//
// The readers of 0.1 columns (docs/lance/file.md 7). A file's rows are cut into batches, and every field has one page a
// batch: plain values, list offsets, or the places of strings in the file. Readers form the same trees and take part in the
// same rounds as those of 2.0.
//
// Nulls are not stored: numbers come back as they are, lists empty, nullable strings without bytes as null.
//
// Thread safety: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/format/v20/reader.h"

namespace lancefs::v1 {

using v20::Answers;
using v20::ReadContext;
using v20::Reader;

// Half-open [start, end) of a page's values.
struct PageRange {
  size_t batch = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t length() const { return end - start; }
};
using PageRanges = std::vector<PageRange>;
uint64_t CountValues(const PageRanges& ranges);
// Adds a range, joining it with the last one where it goes on there.
void AddRange(PageRanges* ranges, const PageRange& added);

// Whether ranges are rows, or items of lists.
enum class Level { kRows, kItems };

// The pages of one field.
class Pages {
 public:
  Pages(std::shared_ptr<LanceFile> file, std::shared_ptr<const ColumnInfo> info, std::string field, Level level)
      : file_(std::move(file)), info_(std::move(info)), field_(std::move(field)), level_(level) {}

  Status Corrupt(size_t batch, const std::string& what) const;
  // The bytes that hold the values of `range`, `bits` each. Errors: kCorruption when they lie behind the page's
  // `length` values or outside the file.
  Result<ByteRange> Locate(const PageRange& range, uint64_t bits, uint64_t length) const;
  uint64_t LengthOf(size_t batch) const { return batch < info_->legacy_pages.size() ? info_->legacy_pages[batch].length : 0; }
  // Pages do not overlap: together they are no longer than the file. Keeps hostile tables from multiplying it.
  Status CheckTotal(const std::vector<ByteRange>& reads) const;
  uint64_t file_size() const { return file_->size(); }
  // How far apart values of one page may start to be read at once, and offsets and places. pylance's measures: it reads rows
  // within 64 KiB of another at once, all places between the first row and the last of a page, and every list for itself.
  uint64_t value_reach() const { return level_ == Level::kItems ? 0 : file_->store()->traits().coalesce_gap; }
  uint64_t offset_reach() const { return value_reach() * (file_->store()->traits().is_local ? 1 : 16); }

 private:
  std::shared_ptr<LanceFile> file_;
  std::shared_ptr<const ColumnInfo> info_;
  std::string field_;
  Level level_;
};

// Wanted ranges of pages, those of one batch joined where they are near each other.
class JoinedReads {
 public:
  // Ranges of one batch are read at once while they start within `reach` of the first of them.
  explicit JoinedReads(uint64_t reach) : reach_(reach) {}
  void Add(size_t batch, const ByteRange& range);
  void AppendReads(std::vector<ByteRange>* reads) const { reads->insert(reads->end(), reads_.begin(), reads_.end()); }
  // The bytes of every added range.
  std::vector<Bytes> Take(Answers* answers) const;

 private:
  struct Piece {
    size_t read;
    uint64_t offset;
    uint64_t length;
  };
  uint64_t reach_;
  size_t batch_ = SIZE_MAX;  // of the last read that holds bytes
  size_t last_ = 0;          // that read
  std::vector<ByteRange> reads_;
  std::vector<Piece> pieces_;
};

// A reader for `field` and all below it.
Result<std::unique_ptr<Reader>> MakeReader(const ReadContext& context, const Field& field, PageRanges ranges,
                                           Level level = Level::kRows);
// Values of a fixed width: numbers, booleans, fixed-size lists and binaries.
Result<std::unique_ptr<Reader>> MakeFixedReader(Pages pages, const std::shared_ptr<arrow::DataType>& type, PageRanges ranges);
// Strings and binaries; where `type` is BlobDescriptorType(), only where their bytes are.
Result<std::unique_ptr<Reader>> MakeBinaryReader(Pages pages, const std::shared_ptr<arrow::DataType>& type, bool nullable,
                                                 PageRanges ranges);
Result<std::unique_ptr<Reader>> MakeListReader(const ReadContext& context, Pages pages, const Field& field, PageRanges ranges);
// Keys of the index type into `values`.
Result<std::unique_ptr<Reader>> MakeDictionaryReader(Pages pages, const std::shared_ptr<arrow::DataType>& type,
                                                     std::shared_ptr<arrow::Array> values, PageRanges ranges);

// Bits of one value, 0 for types that have no fixed width in 0.1.
Result<uint64_t> WidthOf(const arrow::DataType& type);
// An array of `rows` values of a fixed width without nulls over `values`.
std::shared_ptr<arrow::ArrayData> MakeFixedData(const std::shared_ptr<arrow::DataType>& type,
                                                std::shared_ptr<arrow::Buffer> values, uint64_t rows);

// Strings under construction.
struct StringOutput {
  std::shared_ptr<arrow::Buffer> offsets;
  std::shared_ptr<arrow::Buffer> data;
  std::shared_ptr<arrow::Buffer> validity;  // null = no nulls
  bool large = false;
  uint64_t rows = 0;   // filled so far
  uint64_t bytes = 0;  // filled so far
};
// Memory for `rows` strings of `bytes` together. REQUIRES: both were read already, or checked against the file. Errors: kTooLarge
// where the type's offsets do not reach.
Result<StringOutput> AllocateStrings(const arrow::DataType& type, uint64_t rows, uint64_t bytes);
// Appends `rows` strings: their rows + 1 absolute places (unaligned) and the bytes from the first place to the last.
// False: the places descend. `total_rows` is what was allocated for.
Result<bool> AppendStrings(const uint8_t* places, const Bytes& data, uint64_t rows, bool nullable, uint64_t total_rows,
                           StringOutput* out);
std::shared_ptr<arrow::ArrayData> FinishStrings(const std::shared_ptr<arrow::DataType>& type, StringOutput out);

}  // namespace lancefs::v1
