// SPDX-License-Identifier: Apache-2.0
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>

#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/v1/reader.h"

namespace lancefs::v1 {
namespace {

constexpr uint64_t kPlace = 8;  // bytes of a string's place

// The places of strings: one more than strings, each where one ends and the next begins.
class Places {
 public:
  Places(Pages pages, PageRanges ranges) : pages_(std::move(pages)), ranges_(std::move(ranges)), joined_(pages_.offset_reach()) {}

  const Pages& pages() const { return pages_; }
  const PageRanges& ranges() const { return ranges_; }
  // The places of range `index`, unaligned.
  const uint8_t* raw(size_t index) const { return bytes_[index].data(); }
  // The bytes of the strings of every range.
  const std::vector<ByteRange>& spans() const { return spans_; }

  Status Next(std::vector<ByteRange>* reads) {
    uint64_t total = 0;
    for (const PageRange& range : ranges_) {
      const uint64_t length = pages_.LengthOf(range.batch);
      if (range.end > length) {
        return pages_.Corrupt(
            range.batch, "strings up to " + std::to_string(range.end) + " are wanted but the page has " + std::to_string(length));
      }
      LANCEFS_ASSIGN_OR_RETURN(const ByteRange read,
                               pages_.Locate({range.batch, range.start, range.end + 1}, kPlace * 8, range.end + 1));
      joined_.Add(range.batch, read);
      total += read.length - kPlace;  // neighbouring ranges share one
    }
    joined_.AppendReads(reads);
    return pages_.CheckTotal({{0, total}});
  }

  Status Take(Answers* answers) {
    bytes_ = joined_.Take(answers);
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const PageRange& range = ranges_[i];
      const auto first = LoadLittleEndian<uint64_t>(raw(i));
      const auto last = LoadLittleEndian<uint64_t>(raw(i) + range.length() * kPlace);
      if (first > last || last > pages_.file_size()) {
        return pages_.Corrupt(range.batch, "strings stand from " + std::to_string(first) + " to " + std::to_string(last) +
                                               " in a file of " + std::to_string(pages_.file_size()) + " bytes");
      }
      spans_.push_back({first, last - first});
    }
    return Status::OK();
  }

 private:
  Pages pages_;
  PageRanges ranges_;
  JoinedReads joined_;
  std::vector<Bytes> bytes_;
  std::vector<ByteRange> spans_;
};

// First the places of the strings, then their bytes.
class BinaryReader : public Reader {
 public:
  BinaryReader(Places places, std::shared_ptr<arrow::DataType> type, bool nullable)
      : places_(std::move(places)), type_(std::move(type)), nullable_(nullable), joined_(places_.pages().value_reach()) {}

  Status Next(std::vector<ByteRange>* reads) override {
    if (stage_ == Stage::kPlaces) return places_.Next(reads);
    if (stage_ == Stage::kDone) return Status::OK();
    LANCEFS_RETURN_NOT_OK(places_.pages().CheckTotal(places_.spans()));
    for (size_t i = 0; i < places_.spans().size(); ++i) joined_.Add(places_.ranges()[i].batch, places_.spans()[i]);
    joined_.AppendReads(reads);
    return Status::OK();
  }

  Status Take(Answers* answers) override {
    if (stage_ == Stage::kPlaces) {
      stage_ = Stage::kBytes;
      return places_.Take(answers);
    }
    stage_ = Stage::kDone;
    bytes_ = joined_.Take(answers);
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    const PageRanges& ranges = places_.ranges();
    const uint64_t rows = CountValues(ranges);
    uint64_t total = 0;
    for (const ByteRange& span : places_.spans()) total += span.length;
    LANCEFS_ASSIGN_OR_RETURN(StringOutput out, AllocateStrings(*type_, rows, total));
    for (size_t i = 0; i < ranges.size(); ++i) {
      LANCEFS_ASSIGN_OR_RETURN(const bool ascends,
                               AppendStrings(places_.raw(i), bytes_[i], ranges[i].length(), nullable_, rows, &out));
      if (!ascends) return places_.pages().Corrupt(ranges[i].batch, "the places of its strings descend");
    }
    return arrow::MakeArray(FinishStrings(type_, std::move(out)));
  }

 private:
  enum class Stage { kPlaces, kBytes, kDone };

  Places places_;
  std::shared_ptr<arrow::DataType> type_;
  bool nullable_;
  Stage stage_ = Stage::kPlaces;
  JoinedReads joined_;
  std::vector<Bytes> bytes_;
};

// Blobs are binaries like others here; their places make descriptors.
class BlobReader : public Reader {
 public:
  BlobReader(Places places, bool nullable) : places_(std::move(places)), nullable_(nullable) {}

  Status Next(std::vector<ByteRange>* reads) override { return taken_ ? Status::OK() : places_.Next(reads); }
  Status Take(Answers* answers) override {
    taken_ = true;
    return places_.Take(answers);
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    const auto rows = static_cast<int64_t>(CountValues(places_.ranges()));
    arrow::UInt64Builder positions;
    arrow::UInt64Builder sizes;
    LANCEFS_ARROW_NOT_OK(positions.Reserve(rows));
    LANCEFS_ARROW_NOT_OK(sizes.Reserve(rows));
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> validity, v20::AllocateOnes(static_cast<uint64_t>(rows)));
    int64_t row = 0;
    for (size_t i = 0; i < places_.ranges().size(); ++i) {
      const PageRange& range = places_.ranges()[i];
      auto start = LoadLittleEndian<uint64_t>(places_.raw(i));
      for (uint64_t k = 1; k <= range.length(); ++k, ++row) {
        const auto end = LoadLittleEndian<uint64_t>(places_.raw(i) + k * kPlace);
        if (end < start) return places_.pages().Corrupt(range.batch, "the places of its blobs descend");
        positions.UnsafeAppend(start);
        sizes.UnsafeAppend(end - start);
        if (nullable_ && end == start) arrow::bit_util::ClearBit(validity->mutable_data(), row);
        start = end;
      }
    }
    arrow::ArrayVector children(5);
    LANCEFS_ARROW_ASSIGN(children[0], arrow::MakeArrayFromScalar(arrow::UInt8Scalar(0), rows));
    LANCEFS_ARROW_ASSIGN(children[1], positions.Finish());
    LANCEFS_ARROW_ASSIGN(children[2], sizes.Finish());
    LANCEFS_ARROW_ASSIGN(children[3], arrow::MakeArrayFromScalar(arrow::UInt32Scalar(0), rows));
    LANCEFS_ARROW_ASSIGN(children[4], arrow::MakeArrayFromScalar(arrow::StringScalar(""), rows));
    return std::shared_ptr<arrow::Array>(
        std::make_shared<arrow::StructArray>(BlobDescriptorType(), rows, std::move(children), std::move(validity)));
  }

 private:
  Places places_;
  bool nullable_;
  bool taken_ = false;
};

struct Converted {
  bool ascends = true;
  uint64_t empty = 0;
};

// Absolute places into offsets that go on at `base`.
template <typename Offset>
Converted Convert(const uint8_t* places, uint64_t rows, uint64_t base, Offset* out) {
  const auto first = LoadLittleEndian<uint64_t>(places);
  uint64_t previous = first;
  Converted result;
  for (uint64_t i = 1; i <= rows; ++i) {
    const auto place = LoadLittleEndian<uint64_t>(places + i * kPlace);
    result.ascends &= place >= previous;
    result.empty += place == previous ? 1 : 0;
    previous = place;
    out[i] = static_cast<Offset>(base + (place - first));
  }
  return result;
}

}  // namespace

Result<StringOutput> AllocateStrings(const arrow::DataType& type, uint64_t rows, uint64_t bytes) {
  StringOutput out;
  out.large = type.id() == arrow::Type::LARGE_STRING || type.id() == arrow::Type::LARGE_BINARY;
  if (!out.large && bytes > INT32_MAX) {
    return Status::TooLarge(std::to_string(rows) + " rows hold " + std::to_string(bytes) + " bytes of " + type.ToString() +
                            ", more than the 2 GiB of one array; read fewer rows at once");
  }
  const uint64_t width = out.large ? 8 : 4;
  LANCEFS_ASSIGN_OR_RETURN(out.offsets, v20::AllocateOutput((rows + 1) * width, UINT64_MAX));
  LANCEFS_ASSIGN_OR_RETURN(out.data, v20::AllocateOutput(bytes, UINT64_MAX));
  std::memset(out.offsets->mutable_data(), 0, width);
  return out;
}

Result<bool> AppendStrings(const uint8_t* places, const Bytes& data, uint64_t rows, bool nullable, uint64_t total_rows,
                           StringOutput* out) {
  uint8_t* offsets = out->offsets->mutable_data();
  const Converted converted = out->large ? Convert(places, rows, out->bytes, reinterpret_cast<int64_t*>(offsets) + out->rows)
                                         : Convert(places, rows, out->bytes, reinterpret_cast<int32_t*>(offsets) + out->rows);
  if (!converted.ascends) return false;
  if (!data.empty()) std::memcpy(out->data->mutable_data() + out->bytes, data.data(), data.size());
  if (nullable && converted.empty != 0) {
    if (out->validity == nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(out->validity, v20::AllocateOnes(total_rows));
    }
    uint8_t* bits = out->validity->mutable_data();
    auto previous = LoadLittleEndian<uint64_t>(places);
    for (uint64_t i = 0; i < rows; ++i) {
      const auto place = LoadLittleEndian<uint64_t>(places + (i + 1) * kPlace);
      const uint64_t row = out->rows + i;
      bits[row / 8] &= static_cast<uint8_t>(~(static_cast<unsigned>(place == previous) << (row % 8)));
      previous = place;
    }
  }
  out->rows += rows;
  out->bytes += data.size();
  return true;
}

std::shared_ptr<arrow::ArrayData> FinishStrings(const std::shared_ptr<arrow::DataType>& type, StringOutput out) {
  const int64_t nulls = out.validity == nullptr ? 0 : arrow::kUnknownNullCount;
  return arrow::ArrayData::Make(type, static_cast<int64_t>(out.rows),
                                {std::move(out.validity), std::move(out.offsets), std::move(out.data)}, nulls);
}

Result<std::unique_ptr<Reader>> MakeBinaryReader(Pages pages, const std::shared_ptr<arrow::DataType>& type, bool nullable,
                                                 PageRanges ranges) {
  Places places(std::move(pages), std::move(ranges));
  if (type->Equals(*BlobDescriptorType()))
    return std::unique_ptr<Reader>(std::make_unique<BlobReader>(std::move(places), nullable));
  return std::unique_ptr<Reader>(std::make_unique<BinaryReader>(std::move(places), type, nullable));
}

}  // namespace lancefs::v1
