// SPDX-License-Identifier: Apache-2.0
#include "engine/arrow_status.h"
#include "engine/format/v1/reader.h"

namespace lancefs::v1 {
namespace {

constexpr uint64_t kPlace = 8;  // bytes of a string's place

// First the places of the strings, then their bytes.
class BinaryReader : public Reader {
 public:
  BinaryReader(Pages pages, std::shared_ptr<arrow::DataType> type, bool nullable, PageRanges ranges)
      : pages_(std::move(pages)), type_(std::move(type)), nullable_(nullable), ranges_(std::move(ranges)) {}

  Status Next(std::vector<ByteRange>* reads) override {
    std::vector<ByteRange> mine;
    if (stage_ == Stage::kPlaces) {
      for (const PageRange& range : ranges_) {
        const uint64_t length = pages_.LengthOf(range.batch);
        if (range.end > length) {
          return pages_.Corrupt(range.batch, "strings up to " + std::to_string(range.end) + " are wanted but the page has " +
                                                 std::to_string(length));
        }
        // One place more than strings.
        LANCEFS_ASSIGN_OR_RETURN(const ByteRange read,
                                 pages_.Locate({range.batch, range.start, range.end + 1}, kPlace * 8, range.end + 1));
        mine.push_back(read);
      }
    } else if (stage_ == Stage::kBytes) {
      mine = spans_;
    }
    LANCEFS_RETURN_NOT_OK(CheckReads(mine));
    reads->insert(reads->end(), mine.begin(), mine.end());
    return Status::OK();
  }

  Status Take(Answers* answers) override {
    std::vector<Bytes>& list = stage_ == Stage::kPlaces ? places_ : bytes_;
    for (size_t i = 0; i < ranges_.size(); ++i) list.push_back(answers->Take());
    if (stage_ == Stage::kBytes) {
      stage_ = Stage::kDone;
      return Status::OK();
    }
    stage_ = Stage::kBytes;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const auto first = LoadLittleEndian<uint64_t>(places_[i].data());
      const auto last = LoadLittleEndian<uint64_t>(places_[i].data() + ranges_[i].length() * kPlace);
      if (first > last || last > pages_.file_size()) {
        return pages_.Corrupt(ranges_[i].batch, "strings stand from " + std::to_string(first) + " to " + std::to_string(last) +
                                                    " in a file of " + std::to_string(pages_.file_size()) + " bytes");
      }
      spans_.push_back({first, last - first});
      total_ += last - first;
    }
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    const uint64_t rows = CountValues(ranges_);
    LANCEFS_ASSIGN_OR_RETURN(StringOutput out, AllocateStrings(*type_, rows, total_));
    for (size_t i = 0; i < ranges_.size(); ++i) {
      LANCEFS_ASSIGN_OR_RETURN(const bool ascends,
                               AppendStrings(places_[i].data(), bytes_[i], ranges_[i].length(), nullable_, rows, &out));
      if (!ascends) return pages_.Corrupt(ranges_[i].batch, "the places of its strings descend");
    }
    return arrow::MakeArray(FinishStrings(type_, std::move(out)));
  }

 private:
  enum class Stage { kPlaces, kBytes, kDone };
  Status CheckReads(const std::vector<ByteRange>& reads) const {
    if (stage_ == Stage::kBytes) return pages_.CheckTotal(reads);
    // Neighbouring ranges of places share one.
    uint64_t total = 0;
    for (const ByteRange& read : reads) total += read.length - kPlace;
    return pages_.CheckTotal({{0, total}});
  }

  Pages pages_;
  std::shared_ptr<arrow::DataType> type_;
  bool nullable_;
  PageRanges ranges_;
  Stage stage_ = Stage::kPlaces;
  std::vector<Bytes> places_;
  std::vector<ByteRange> spans_;
  std::vector<Bytes> bytes_;
  uint64_t total_ = 0;
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
  LANCEFS_ASSIGN_OR_RETURN(out.offsets, v20::AllocateOutput((rows + 1) * width));
  LANCEFS_ASSIGN_OR_RETURN(out.data, v20::AllocateOutput(bytes));
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
  return std::unique_ptr<Reader>(std::make_unique<BinaryReader>(std::move(pages), type, nullable, std::move(ranges)));
}

}  // namespace lancefs::v1
