// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v20/page_source.h"

#include <arrow/util/bitmap_ops.h>

#include "engine/format/v20/bitpack.h"

namespace lancefs::v20 {
namespace {

// Nearer pieces of one buffer are read together; no store would read them apart.
constexpr uint64_t kJoinGap = 4096;

std::string Place(const PageRef& page) {
  return "data file " + page.file->path() + ", column " + std::to_string(page.column) + ", page " + std::to_string(page.page);
}

}  // namespace

Status PageRef::Corrupt(const std::string& what) const { return Status::Corruption(Place(*this) + ": " + what); }
Status PageRef::Unsupported(const std::string& what) const { return Status::NotSupported(Place(*this) + ": " + what); }

Result<ByteRange> PageRef::Locate(const pb::v20::Buffer& buffer) const {
  const std::vector<ByteRange>* list = nullptr;
  switch (buffer.buffer_type()) {
    case pb::v20::Buffer::PAGE: list = &page_info().buffers; break;
    case pb::v20::Buffer::COLUMN: list = &info->buffers; break;
    default: return Unsupported("values in file buffers are not supported");
  }
  if (buffer.buffer_index() >= list->size()) {
    return Corrupt("buffer " + std::to_string(buffer.buffer_index()) + " is named but there are " + std::to_string(list->size()));
  }
  return (*list)[buffer.buffer_index()];
}

Result<pb::v20::ArrayEncoding> ParseEncoding(const PageRef& page) {
  pb::v20::ArrayEncoding encoding;
  const std::string& bytes = page.page_info().encoding;
  if (bytes.size() > INT32_MAX || !encoding.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return page.Corrupt("the encoding is no valid message");
  }
  return encoding;
}

Result<FixedSource> FixedSource::Make(const PageRef& page, const pb::v20::ArrayEncoding& encoding, RowSelection ranges) {
  using pb::v20::ArrayEncoding;
  switch (encoding.array_encoding_case()) {
    case ArrayEncoding::kFlat: {
      const std::string& scheme = encoding.flat().compression().scheme();
      LANCEFS_ASSIGN_OR_RETURN(const ByteRange place, page.Locate(encoding.flat().buffer()));
      if (scheme.empty() || scheme == "none")
        return MakeFlat(page, encoding.flat().buffer(), encoding.flat().bits_per_value(), std::move(ranges));
      FixedSource source;
      source.page_ = page;
      source.kind_ = Kind::kCompressed;
      source.buffer_ = place;
      source.scheme_ = scheme;
      source.bits_ = source.packed_bits_ = encoding.flat().bits_per_value();
      source.count_ = CountRows(ranges);
      source.ranges_ = std::move(ranges);
      if (source.bits_ > kMaxValueBits || (source.bits_ != 1 && source.bits_ % 8 != 0)) {
        return page.Corrupt("values of " + std::to_string(source.bits_) + " bits");
      }
      if (place.length == 0 && source.count_ != 0 && source.bits_ != 0) return page.Corrupt("a compressed buffer is empty");
      return source;
    }
    case ArrayEncoding::kBitpacked: {
      const pb::v20::Bitpacked& packed = encoding.bitpacked();
      LANCEFS_ASSIGN_OR_RETURN(FixedSource source,
                               MakePacked(page, packed.buffer(), Kind::kBitpacked, packed.compressed_bits_per_value(),
                                          packed.uncompressed_bits_per_value(), std::move(ranges)));
      source.signed_ = packed.is_signed();
      return source;
    }
    case ArrayEncoding::kBitpackedForNonNeg: {
      const pb::v20::BitpackedForNonNeg& packed = encoding.bitpacked_for_non_neg();
      return MakePacked(page, packed.buffer(), Kind::kBitpackedForNonNeg, packed.compressed_bits_per_value(),
                        packed.uncompressed_bits_per_value(), std::move(ranges));
    }
    default: break;
  }
  return page.Unsupported("encoding " + std::to_string(static_cast<int>(encoding.array_encoding_case())) +
                          " is not supported for fixed-width values");
}

Result<FixedSource> FixedSource::MakeFlat(const PageRef& page, const pb::v20::Buffer& buffer, uint64_t bits,
                                          RowSelection ranges) {
  FixedSource source;
  source.page_ = page;
  LANCEFS_ASSIGN_OR_RETURN(source.buffer_, page.Locate(buffer));
  source.bits_ = source.packed_bits_ = bits;
  source.count_ = CountRows(ranges);
  source.ranges_ = std::move(ranges);
  if (bits > kMaxValueBits || (bits != 1 && bits % 8 != 0)) return page.Corrupt("values of " + std::to_string(bits) + " bits");
  LANCEFS_RETURN_NOT_OK(source.PlanSpans());
  return source;
}

Result<FixedSource> FixedSource::MakePacked(const PageRef& page, const pb::v20::Buffer& buffer, Kind kind, uint64_t packed_bits,
                                            uint64_t bits, RowSelection ranges) {
  FixedSource source;
  source.page_ = page;
  source.kind_ = kind;
  LANCEFS_ASSIGN_OR_RETURN(source.buffer_, page.Locate(buffer));
  source.bits_ = bits;
  source.packed_bits_ = packed_bits;
  source.count_ = CountRows(ranges);
  source.ranges_ = std::move(ranges);
  if ((bits != 8 && bits != 16 && bits != 32 && bits != 64) || packed_bits > bits) {
    return page.Corrupt("values of " + std::to_string(bits) + " bits packed into " + std::to_string(packed_bits));
  }
  // No bytes bound the number of values of 0 bits.
  if (packed_bits == 0 && source.count_ > kFreeArrayBytes / 8)
    return Status::TooLarge(std::to_string(source.count_) + " values that take no bytes; read fewer rows at once");
  LANCEFS_RETURN_NOT_OK(source.PlanSpans());
  return source;
}

std::pair<uint64_t, uint64_t> FixedSource::BytesOf(const RowRange& range) const {
  if (kind_ == Kind::kBitpackedForNonNeg) {
    const uint64_t block = kFastLanesBlock / 8 * packed_bits_;
    return {range.start / kFastLanesBlock * block, (range.end + kFastLanesBlock - 1) / kFastLanesBlock * block};
  }
  return {range.start * packed_bits_ / 8, (range.end * packed_bits_ + 7) / 8};
}

Status FixedSource::PlanSpans() {
  span_of_range_.reserve(ranges_.size());
  for (const RowRange& range : ranges_) {
    // The bound keeps the products below from overflowing.
    if (packed_bits_ != 0 && range.end > (UINT64_MAX - 64 * kFastLanesBlock) / (packed_bits_ + 1))
      return page_.Corrupt("too many values");
    const auto [start, end] = BytesOf(range);
    if (end > buffer_.length) {
      return page_.Corrupt("values up to " + std::to_string(range.end) + " of " + std::to_string(packed_bits_) + " bits need " +
                           std::to_string(end) + " bytes, the buffer has " + std::to_string(buffer_.length));
    }
    if (!spans_.empty() && start <= spans_.back().end + kJoinGap) {
      spans_.back().end = std::max(spans_.back().end, end);
    } else {
      spans_.push_back({start, end, Bytes()});
    }
    span_of_range_.push_back(static_cast<uint32_t>(spans_.size() - 1));
  }
  return Status::OK();
}

void FixedSource::AppendReads(std::vector<ByteRange>* reads) const {
  if (kind_ == Kind::kCompressed) {
    if (count_ != 0 && buffer_.length != 0) reads->push_back(buffer_);
    return;
  }
  for (const Span& span : spans_) {
    if (span.end != span.start) reads->push_back({buffer_.offset + span.start, span.end - span.start});
  }
}

Status FixedSource::Take(Answers* answers) {
  if (kind_ != Kind::kCompressed) {
    for (Span& span : spans_) {
      if (span.end == span.start) continue;
      span.bytes = answers->Take();
      if (span.bytes.size() != span.end - span.start) return page_.Corrupt("a read came back short");
    }
    return Status::OK();
  }
  if (count_ == 0) return Status::OK();
  const Bytes packed = buffer_.length == 0 ? Bytes() : answers->Take();
  LANCEFS_ASSIGN_OR_RETURN(plain_, DecompressBuffer(page_, scheme_, buffer_, packed));
  for (const RowRange& range : ranges_) {
    if (bits_ != 0 && range.end > UINT64_MAX / 2 / bits_) return page_.Corrupt("too many values");
    if (BytesOf(range).second > plain_.size()) {
      return page_.Corrupt("values up to " + std::to_string(range.end) + " are wanted but the buffer has only " +
                           std::to_string(plain_.size()) + " bytes");
    }
  }
  return Status::OK();
}

const uint8_t* FixedSource::At(size_t index, uint64_t position) const {
  if (kind_ == Kind::kCompressed) return plain_.data() + position;
  const Span& span = spans_[span_of_range_[index]];
  return span.bytes.data() + (position - span.start);
}

const uint8_t* FixedSource::Direct(size_t index) const {
  if (kind_ != Kind::kFlat && kind_ != Kind::kCompressed) return nullptr;
  return At(index, BytesOf(ranges_[index]).first);
}

bool FixedSource::Whole(Bytes* out) const {
  if (ranges_.size() != 1 || (kind_ != Kind::kFlat && kind_ != Kind::kCompressed)) return false;
  if (bits_ == 1 && ranges_[0].start % 8 != 0) return false;
  const auto [start, end] = BytesOf(ranges_[0]);
  const Bytes& bytes = kind_ == Kind::kCompressed ? plain_ : spans_[0].bytes;
  *out = kind_ == Kind::kCompressed ? bytes.Slice(start, end - start) : bytes;
  return true;
}

void FixedSource::DecodeBits(uint8_t* out, uint64_t out_bit) const {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const RowRange& range = ranges_[i];
    arrow::internal::CopyBitmap(Direct(i), static_cast<int64_t>(range.start % 8), static_cast<int64_t>(range.length()), out,
                                static_cast<int64_t>(out_bit));
    out_bit += range.length();
  }
}

void FixedSource::DecodePacked(uint8_t* out) const {
  const uint64_t width = bits_ / 8;
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const RowRange& range = ranges_[i];
    const auto [start, end] = BytesOf(range);
    const uint8_t* packed = packed_bits_ == 0 ? nullptr : At(i, start);
    if (kind_ == Kind::kBitpacked) {
      UnpackBits(packed, end - start, range.start * packed_bits_ % 8, range.length(), packed_bits_, bits_, signed_, out);
    } else {
      UnpackFastLanes(packed, range.start % kFastLanesBlock, range.length(), packed_bits_, bits_, out);
    }
    out += range.length() * width;
  }
}

Status FixedSource::DecodeTo(uint8_t* out, uint64_t out_bit) const {
  if (bits_ == 0 || count_ == 0) return Status::OK();
  if (bits_ == 1) {
    DecodeBits(out, out_bit);
    return Status::OK();
  }
  if (kind_ == Kind::kBitpacked || kind_ == Kind::kBitpackedForNonNeg) {
    DecodePacked(out);
    return Status::OK();
  }
  const uint64_t width = bits_ / 8;
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const uint64_t length = ranges_[i].length() * width;
    // Takes of single rows would spend their time in calls of memcpy.
    if (length == 8) {
      std::memcpy(out, Direct(i), 8);
    } else if (length == 4) {
      std::memcpy(out, Direct(i), 4);
    } else {
      std::memcpy(out, Direct(i), length);
    }
    out += length;
  }
  return Status::OK();
}

Result<std::vector<uint64_t>> FixedSource::DecodeNumbers() const {
  std::vector<uint64_t> numbers(count_);
  if (count_ == 0) return numbers;
  if (bits_ == 64) {
    LANCEFS_RETURN_NOT_OK(DecodeTo(reinterpret_cast<uint8_t*>(numbers.data())));
    return numbers;
  }
  if (bits_ != 8 && bits_ != 16 && bits_ != 32) return page_.Corrupt("numbers of " + std::to_string(bits_) + " bits");
  std::vector<uint8_t> narrow(count_ * (bits_ / 8));
  LANCEFS_RETURN_NOT_OK(DecodeTo(narrow.data()));
  for (uint64_t i = 0; i < count_; ++i) {
    switch (bits_) {
      case 8: numbers[i] = narrow[i]; break;
      case 16: numbers[i] = LoadLittleEndian<uint16_t>(narrow.data() + i * 2); break;
      default: numbers[i] = LoadLittleEndian<uint32_t>(narrow.data() + i * 4); break;
    }
  }
  return numbers;
}

}  // namespace lancefs::v20
