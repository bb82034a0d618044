// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v20/binary_part.h"

#include <arrow/util/bit_util.h>

#include "engine/arrow_status.h"
#include "engine/format/structural/fsst.h"

namespace lancefs::v20 {
namespace {

// With this share of a page's rows wanted, all its bytes are asked for together with the offsets.
constexpr uint64_t kWholeNumerator = 9;
constexpr uint64_t kWholeDenominator = 10;

// The first rows of a page have the first bytes; so many are guessed at most, so that a table's first rows are there a round
// earlier.
constexpr uint64_t kMostGuessed = 16 * 1024;

// Writers use it below 100 distinct values.
constexpr uint64_t kMaxItems = uint64_t{1} << 24;

// Offsets and bytes, the bytes possibly compressed as a whole or FSST by value.
class PlainPart : public BinaryPart {
 public:
  static Result<std::unique_ptr<BinaryPart>> Make(const PageRef& page, const pb::v20::Binary& binary, uint64_t length,
                                                  const RowSelection& ranges) {
    auto part = std::make_unique<PlainPart>();
    part->page_ = page;
    LANCEFS_ASSIGN_OR_RETURN(part->ends_, EndOffsets::Make(page, binary.indices(), ranges, binary.null_adjustment()));
    part->rows_ = CountRows(ranges);
    const pb::v20::ArrayEncoding* bytes = &binary.bytes();
    for (int depth = 0; bytes->has_nullable(); ++depth) {
      if (depth > kMaxEncodingDepth || !bytes->nullable().has_no_nulls()) return page.Corrupt("bytes cannot be null");
      bytes = &bytes->nullable().no_nulls().values();
    }
    if (!bytes->has_flat() || bytes->flat().bits_per_value() != 8)
      return page.Unsupported("the bytes of strings are not stored as flat bytes");
    LANCEFS_ASSIGN_OR_RETURN(part->place_, page.Locate(bytes->flat().buffer()));
    const std::string& scheme = bytes->flat().compression().scheme();
    part->scheme_ = scheme == "none" ? "" : scheme;
    const bool nearly_all = part->rows_ >= length / kWholeDenominator * kWholeNumerator;
    part->whole_ = !part->scheme_.empty() || nearly_all || part->place_.length <= page.file->store()->traits().coalesce_gap / 4;
    if (!part->whole_ && ranges.size() == 1 && ranges[0].start == 0 && length > 0 && part->rows_ < kMostGuessed) {
      const uint64_t mean = part->place_.length / length * part->rows_;
      const uint64_t guess = mean + mean / 2 + 512;
      if (guess <= kMostGuessed) part->front_ = std::min(guess, part->place_.length);
    }
    return std::unique_ptr<BinaryPart>(std::move(part));
  }
  void SetFsst(const structural::FsstTable& table) { fsst_ = std::make_unique<structural::FsstTable>(table); }

  uint64_t rows() const override { return rows_; }

  Status Next(std::vector<ByteRange>* reads) override {
    if (state_ == State::kStart) {
      ends_.AppendReads(reads);
      if (whole_ && place_.length != 0) reads->push_back(place_);
      if (front_ != 0) reads->push_back({place_.offset, front_});
      state_ = State::kAskedOffsets;
    } else if (state_ == State::kHaveOffsets) {
      for (const ByteRange& span : spans_) reads->push_back({place_.offset + span.offset, span.length});
      state_ = State::kAskedBytes;
    }
    return Status::OK();
  }

  Status Take(Answers* answers) override {
    if (state_ == State::kAskedBytes) {
      for (size_t i = 0; i < spans_.size(); ++i) span_bytes_.push_back(answers->Take());
      state_ = State::kDone;
      return Status::OK();
    }
    if (state_ != State::kAskedOffsets) return Status::OK();
    // The plain size of compressed bytes is known only afterwards.
    LANCEFS_RETURN_NOT_OK(ends_.Take(answers, scheme_.empty() ? place_.length : UINT64_MAX));
    if (!whole_) {
      PlanSpans();
      state_ = State::kHaveOffsets;
      if (front_ == 0) return Status::OK();
      const Bytes front = answers->Take();
      if (!spans_.empty() && (spans_.size() > 1 || spans_[0].end() > front.size())) return Status::OK();  // guessed too few
      for (const ByteRange& span : spans_) span_bytes_.push_back(front.Slice(span.offset, span.length));
      state_ = State::kDone;
      return Status::OK();
    }
    Bytes all = place_.length == 0 ? Bytes() : answers->Take();
    if (!scheme_.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(all, DecompressBuffer(page_, scheme_, place_, all));
    }
    for (size_t i = 0; i < ends_.num_ranges(); ++i) {
      if (ends_.last(i) > all.size())
        return page_.Corrupt("strings end at " + std::to_string(ends_.last(i)) + " of " + std::to_string(all.size()) + " bytes");
      span_of_range_.push_back(0);
    }
    spans_ = {{0, all.size()}};
    span_bytes_ = {std::move(all)};
    state_ = State::kDone;
    return Status::OK();
  }

  Result<uint64_t> Measure() override {
    if (fsst_ == nullptr) return ends_.total();
    // The decoded ends of all values, wanted twice.
    fsst_ends_.resize(rows_);
    LANCEFS_ASSIGN_OR_RETURN(packed_ends_, PackedEnds());
    uint64_t total = 0;
    uint64_t row = 0;
    for (size_t i = 0; i < ends_.num_ranges(); ++i) {
      const uint8_t* data = DataOf(i);
      uint64_t start = 0;
      for (uint64_t k = 0; k < ends_.rows_of(i); ++k, ++row) {
        LANCEFS_ASSIGN_OR_RETURN(const uint64_t length, fsst_->Measure({data + start, packed_ends_[row] - start}));
        total += length;
        fsst_ends_[row] = total;
        start = packed_ends_[row];
      }
    }
    return total;
  }

  Status Write(BinaryOutput* out) override {
    const uint64_t base = out->position;
    uint64_t row = 0;
    for (size_t i = 0; i < ends_.num_ranges(); ++i) {
      // With FSST these are the packed ends; the bitmap is right, and the offsets are written again below.
      LANCEFS_RETURN_NOT_OK(WriteEnds(i, out));
      const uint8_t* data = DataOf(i);
      const uint64_t size = ends_.last(i) - ends_.first(i);
      if (fsst_ == nullptr) {
        if (out->data != nullptr && size != 0) std::memcpy(out->data + out->position, data, size);
        out->position += size;
      } else {
        uint64_t start = 0;
        uint8_t* to = out->data + out->position;
        for (uint64_t k = 0; k < ends_.rows_of(i); ++k, ++row) {
          to = fsst_->Decode({data + start, packed_ends_[row] - start}, to);
          start = packed_ends_[row];
          out->SetOffset(out->row + k + 1, base + fsst_ends_[row]);
        }
        out->position = static_cast<uint64_t>(to - out->data);
      }
      out->row += ends_.rows_of(i);
    }
    return Status::OK();
  }

  bool Whole(Bytes* out) const override {
    if (ends_.num_ranges() != 1 || fsst_ != nullptr || span_bytes_.empty()) return false;
    *out = span_bytes_[0].Slice(ends_.first(0) - spans_[0].offset, ends_.last(0) - ends_.first(0));
    return true;
  }

 private:
  enum class State { kStart, kAskedOffsets, kHaveOffsets, kAskedBytes, kDone };

  void PlanSpans() {
    constexpr uint64_t kJoinGap = 4096;
    for (size_t i = 0; i < ends_.num_ranges(); ++i) {
      const uint64_t start = ends_.first(i);
      const uint64_t end = ends_.last(i);
      if (start != end) {
        if (!spans_.empty() && start >= spans_.back().offset && start <= spans_.back().end() + kJoinGap) {
          spans_.back().length = std::max(spans_.back().end(), end) - spans_.back().offset;
        } else {
          spans_.push_back({start, end - start});
        }
      }
      span_of_range_.push_back(spans_.empty() ? 0 : spans_.size() - 1);
    }
  }
  const uint8_t* DataOf(size_t range) const {
    if (ends_.first(range) == ends_.last(range)) return nullptr;
    const size_t span = span_of_range_[range];
    return span_bytes_[span].data() + (ends_.first(range) - spans_[span].offset);
  }
  Status WriteEnds(size_t range, BinaryOutput* out) const {
    const uint64_t next = out->row + 1;
    if (out->large) {
      return ends_.Convert(range, out->position, reinterpret_cast<int64_t*>(out->offsets) + next, out->row, out->rows,
                           &out->validity);
    }
    return ends_.Convert(range, out->position, reinterpret_cast<int32_t*>(out->offsets) + next, out->row, out->rows,
                         &out->validity);
  }
  // The ends inside each range's packed bytes, range after range.
  Result<std::vector<uint64_t>> PackedEnds() const {
    std::vector<uint64_t> ends(rows_);
    uint64_t row = 0;
    for (size_t i = 0; i < ends_.num_ranges(); ++i) {
      std::shared_ptr<arrow::Buffer> unused;
      LANCEFS_RETURN_NOT_OK(ends_.Convert(i, 0, ends.data() + row, row, rows_, &unused));
      row += ends_.rows_of(i);
    }
    return ends;
  }

  PageRef page_;
  State state_ = State::kStart;
  EndOffsets ends_;
  uint64_t rows_ = 0;
  ByteRange place_;
  std::string scheme_;
  bool whole_ = false;
  uint64_t front_ = 0;            // bytes that are asked for together with the offsets
  std::vector<ByteRange> spans_;  // in the (plain) bytes
  std::vector<Bytes> span_bytes_;
  std::vector<size_t> span_of_range_;
  std::unique_ptr<structural::FsstTable> fsst_;
  std::vector<uint64_t> packed_ends_;
  std::vector<uint64_t> fsst_ends_;
};

// Strings that the writer chose to keep as a dictionary: index 0 is null, k is item k - 1.
class DictionaryPart : public BinaryPart {
 public:
  static Result<std::unique_ptr<BinaryPart>> Make(const PageRef& page, const pb::v20::Dictionary& dictionary,
                                                  const RowSelection& ranges, int depth) {
    auto part = std::make_unique<DictionaryPart>();
    part->page_ = page;
    const pb::v20::ArrayEncoding* indices = &dictionary.indices();
    for (int peeled = 0; indices->has_nullable(); ++peeled) {
      if (peeled > kMaxEncodingDepth || !indices->nullable().has_no_nulls())
        return page.Corrupt("indices of a string dictionary cannot be null");
      indices = &indices->nullable().no_nulls().values();
    }
    LANCEFS_ASSIGN_OR_RETURN(part->indices_, FixedSource::Make(page, *indices, ranges));
    const uint64_t items = dictionary.num_dictionary_items();
    if (items > kMaxItems) return page.Corrupt("a string dictionary of " + std::to_string(items) + " items");
    const RowSelection all = items == 0 ? RowSelection() : RowSelection{{0, items}};
    LANCEFS_ASSIGN_OR_RETURN(part->items_, MakeBinaryPart(page, dictionary.items(), items, all, depth + 1));
    return std::unique_ptr<BinaryPart>(std::move(part));
  }

  uint64_t rows() const override { return indices_.count(); }
  Status Next(std::vector<ByteRange>* reads) override {
    if (!asked_) indices_.AppendReads(reads);
    asked_ = true;
    return items_->Next(reads);
  }
  Status Take(Answers* answers) override {
    if (!taken_) LANCEFS_RETURN_NOT_OK(indices_.Take(answers));
    taken_ = true;
    return items_->Take(answers);
  }

  Result<uint64_t> Measure() override {
    LANCEFS_RETURN_NOT_OK(DecodeItems());
    LANCEFS_ASSIGN_OR_RETURN(keys_, indices_.DecodeNumbers());
    uint64_t highest = 0;
    for (const uint64_t key : keys_) highest = std::max(highest, key);
    if (highest > items_->rows()) {
      return page_.Corrupt("index " + std::to_string(highest) + " in a dictionary of " + std::to_string(items_->rows()) +
                           " items");
    }
    uint64_t total = 0;
    for (const uint64_t key : keys_) total += starts_[key + 1] - starts_[key];
    return total;
  }

  Status Write(BinaryOutput* out) override {
    const uint8_t* items = item_bytes_->data();
    for (uint64_t i = 0; i < keys_.size(); ++i) {
      const uint64_t key = keys_[i];
      const auto length = static_cast<uint64_t>(starts_[key + 1] - starts_[key]);
      uint8_t* to = out->data + out->position;
      const uint8_t* from = items + starts_[key];
      // Short values as one word of fixed size; both sides have the slack.
      if (length <= 16) {
        std::memcpy(to, from, 16);
      } else {
        std::memcpy(to, from, length);
      }
      out->position += length;
      out->SetOffset(out->row + i + 1, out->position);
      if (is_null_[key] != 0) LANCEFS_RETURN_NOT_OK(out->SetNull(out->row + i));
    }
    out->row += keys_.size();
    return Status::OK();
  }

 private:
  // Entry 0 of starts_ and is_null_ is the null, entry k item k - 1.
  Status DecodeItems() {
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t size, items_->Measure());
    LANCEFS_ASSIGN_OR_RETURN(item_bytes_, AllocateOutput(size, MaxArrayBytes(*page_.file, *page_.info)));
    const uint64_t count = items_->rows();
    starts_.assign(count + 2, 0);
    is_null_.assign(count + 1, 0);
    is_null_[0] = 1;
    BinaryOutput out;
    out.large = true;
    out.offsets = reinterpret_cast<uint8_t*>(starts_.data() + 1);
    out.data = item_bytes_->mutable_data();
    out.rows = count;
    LANCEFS_RETURN_NOT_OK(items_->Write(&out));
    for (uint64_t i = 0; i < count && out.validity != nullptr; ++i) {
      is_null_[i + 1] = arrow::bit_util::GetBit(out.validity->data(), static_cast<int64_t>(i)) ? 0 : 1;
    }
    return Status::OK();
  }

  PageRef page_;
  FixedSource indices_;
  std::unique_ptr<BinaryPart> items_;
  bool asked_ = false;
  bool taken_ = false;
  std::shared_ptr<arrow::Buffer> item_bytes_;
  std::vector<int64_t> starts_;
  std::vector<uint8_t> is_null_;
  std::vector<uint64_t> keys_;
};

// Values that all have the same number of bytes.
class FixedSizePart : public BinaryPart {
 public:
  static Result<std::unique_ptr<BinaryPart>> Make(const PageRef& page, const pb::v20::FixedSizeBinary& encoding,
                                                  const RowSelection& ranges) {
    auto part = std::make_unique<FixedSizePart>();
    part->width_ = encoding.byte_width();
    part->rows_ = CountRows(ranges);
    const pb::v20::ArrayEncoding* bytes = &encoding.bytes();
    for (int depth = 0; bytes->has_nullable() || bytes->has_fixed_size_list(); ++depth) {
      const bool nulls = bytes->has_nullable() && !bytes->nullable().has_no_nulls();
      if (depth > kMaxEncodingDepth || nulls) return page.Corrupt("bytes cannot be null");
      bytes = bytes->has_nullable() ? &bytes->nullable().no_nulls().values() : &bytes->fixed_size_list().items();
    }
    if (!bytes->has_flat() || bytes->flat().bits_per_value() != 8)
      return page.Unsupported("the bytes of strings are not stored as flat bytes");
    RowSelection scaled;
    for (const RowRange& range : ranges) {
      if (range.end > UINT64_MAX / 64 / std::max<uint64_t>(1, part->width_)) return page.Corrupt("too many values");
      AddRange(&scaled, range.start * part->width_, range.end * part->width_);
    }
    LANCEFS_ASSIGN_OR_RETURN(part->bytes_, FixedSource::Make(page, *bytes, std::move(scaled)));
    return std::unique_ptr<BinaryPart>(std::move(part));
  }
  uint64_t rows() const override { return rows_; }
  Status Next(std::vector<ByteRange>* reads) override {
    if (!asked_) bytes_.AppendReads(reads);
    asked_ = true;
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    const bool first = !taken_;
    taken_ = true;
    return first ? bytes_.Take(answers) : Status::OK();
  }
  Result<uint64_t> Measure() override { return rows_ * width_; }
  Status Write(BinaryOutput* out) override {
    if (out->data != nullptr) LANCEFS_RETURN_NOT_OK(bytes_.DecodeTo(out->data + out->position));
    for (uint64_t i = 0; i < rows_; ++i) {
      out->position += width_;
      out->SetOffset(out->row + i + 1, out->position);
    }
    out->row += rows_;
    return Status::OK();
  }
  bool Whole(Bytes* out) const override { return bytes_.Whole(out); }

 private:
  uint64_t width_ = 0;
  uint64_t rows_ = 0;
  FixedSource bytes_;
  bool asked_ = false;
  bool taken_ = false;
};

class AllNullPart : public BinaryPart {
 public:
  explicit AllNullPart(uint64_t rows) : rows_(rows) {}
  uint64_t rows() const override { return rows_; }
  Status Next(std::vector<ByteRange>*) override { return Status::OK(); }
  Status Take(Answers*) override { return Status::OK(); }
  Result<uint64_t> Measure() override { return uint64_t{0}; }
  Status Write(BinaryOutput* out) override {
    if (rows_ == 0) return Status::OK();
    LANCEFS_RETURN_NOT_OK(out->SetNull(out->row));
    arrow::bit_util::SetBitsTo(out->validity->mutable_data(), static_cast<int64_t>(out->row), static_cast<int64_t>(rows_), false);
    for (uint64_t i = 0; i < rows_; ++i) out->SetOffset(out->row + i + 1, out->position);
    out->row += rows_;
    return Status::OK();
  }

 private:
  uint64_t rows_;
};

// A validity bitmap around one of the others.
class NullablePart : public BinaryPart {
 public:
  NullablePart(FixedSource validity, std::unique_ptr<BinaryPart> values)
      : validity_(std::move(validity)), values_(std::move(values)) {}
  uint64_t rows() const override { return values_->rows(); }
  Status Next(std::vector<ByteRange>* reads) override {
    if (!asked_) validity_.AppendReads(reads);
    asked_ = true;
    return values_->Next(reads);
  }
  Status Take(Answers* answers) override {
    if (!taken_) LANCEFS_RETURN_NOT_OK(validity_.Take(answers));
    taken_ = true;
    return values_->Take(answers);
  }
  Result<uint64_t> Measure() override { return values_->Measure(); }
  Status Write(BinaryOutput* out) override {
    const uint64_t first = out->row;
    LANCEFS_RETURN_NOT_OK(values_->Write(out));
    std::vector<uint8_t> bits((rows() + 7) / 8);
    LANCEFS_RETURN_NOT_OK(validity_.DecodeTo(bits.data()));
    for (uint64_t i = 0; i < rows(); ++i) {
      if (!arrow::bit_util::GetBit(bits.data(), static_cast<int64_t>(i))) LANCEFS_RETURN_NOT_OK(out->SetNull(first + i));
    }
    return Status::OK();
  }
  bool Whole(Bytes* out) const override { return values_->Whole(out); }

 private:
  FixedSource validity_;
  std::unique_ptr<BinaryPart> values_;
  bool asked_ = false;
  bool taken_ = false;
};

Result<std::unique_ptr<BinaryPart>> MakeFsst(const PageRef& page, const pb::v20::Fsst& fsst, uint64_t length,
                                             const RowSelection& ranges) {
  const pb::v20::ArrayEncoding* inner = &fsst.binary();
  for (int depth = 0; inner->has_nullable(); ++depth) {
    if (depth > kMaxEncodingDepth || !inner->nullable().has_no_nulls())
      return page.Unsupported("nulls around FSST strings are not supported");
    inner = &inner->nullable().no_nulls().values();
  }
  if (!inner->has_binary()) return page.Unsupported("FSST around anything but strings is not supported");
  Result<structural::FsstTable> table =
      structural::FsstTable::Parse({reinterpret_cast<const uint8_t*>(fsst.symbol_table().data()), fsst.symbol_table().size()});
  if (!table.ok()) return page.Corrupt(table.status().message());
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BinaryPart> part, PlainPart::Make(page, inner->binary(), length, ranges));
  static_cast<PlainPart&>(*part).SetFsst(*table);
  return part;
}

}  // namespace

Result<std::unique_ptr<BinaryPart>> MakeBinaryPart(const PageRef& page, const pb::v20::ArrayEncoding& encoding, uint64_t length,
                                                   const RowSelection& ranges, int depth) {
  using pb::v20::ArrayEncoding;
  if (depth > kMaxEncodingDepth) return page.Corrupt("the encoding is nested too deeply");
  switch (encoding.array_encoding_case()) {
    case ArrayEncoding::kNullable: {
      const pb::v20::Nullable& nullable = encoding.nullable();
      if (nullable.has_all_nulls()) return std::unique_ptr<BinaryPart>(std::make_unique<AllNullPart>(CountRows(ranges)));
      if (!nullable.has_some_nulls()) return MakeBinaryPart(page, nullable.no_nulls().values(), length, ranges, depth + 1);
      LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BinaryPart> values,
                               MakeBinaryPart(page, nullable.some_nulls().values(), length, ranges, depth + 1));
      LANCEFS_ASSIGN_OR_RETURN(FixedSource validity, FixedSource::Make(page, nullable.some_nulls().validity(), ranges));
      if (validity.bits() != 1) return page.Corrupt("validity is no bitmap");
      return std::unique_ptr<BinaryPart>(std::make_unique<NullablePart>(std::move(validity), std::move(values)));
    }
    case ArrayEncoding::kBinary: return PlainPart::Make(page, encoding.binary(), length, ranges);
    case ArrayEncoding::kFsst: return MakeFsst(page, encoding.fsst(), length, ranges);
    case ArrayEncoding::kDictionary: return DictionaryPart::Make(page, encoding.dictionary(), ranges, depth);
    case ArrayEncoding::kFixedSizeBinary: return FixedSizePart::Make(page, encoding.fixed_size_binary(), ranges);
    default: break;
  }
  return page.Unsupported("encoding " + std::to_string(static_cast<int>(encoding.array_encoding_case())) +
                          " is not supported for strings");
}

}  // namespace lancefs::v20
