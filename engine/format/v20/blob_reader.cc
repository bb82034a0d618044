// SPDX-License-Identifier: Apache-2.0
//
// Blob columns: the pages hold {position, size} of every value, whose bytes stand elsewhere in the file.
// They are read as descriptors (blob_descriptor.h) or, for those who have a file only, with their bytes.
// The first writers of 2.0 knew no blobs and wrote the values as strings like others; those are read as
// descriptors of where the pages hold them, or with the bytes in the descriptors where pages are compressed.
#include <arrow/array/util.h>
#include <arrow/scalar.h>

#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/v20/binary_part.h"

namespace lancefs::v20 {
namespace {

// Descriptors of blobs of this kind. The other fields are of no use to it.
Result<std::shared_ptr<arrow::Array>> Descriptors(BlobKind kind, std::shared_ptr<arrow::Array> positions,
                                                  std::shared_ptr<arrow::Array> sizes, std::shared_ptr<arrow::Array> uris,
                                                  std::shared_ptr<arrow::Buffer> validity) {
  const int64_t rows = sizes->length();
  arrow::ArrayVector children = {nullptr, std::move(positions), std::move(sizes), nullptr, std::move(uris)};
  LANCEFS_ARROW_ASSIGN(children[0], arrow::MakeArrayFromScalar(arrow::UInt8Scalar(static_cast<uint8_t>(kind)), rows));
  if (children[1] == nullptr) {
    LANCEFS_ARROW_ASSIGN(children[1], arrow::MakeArrayFromScalar(arrow::UInt64Scalar(0), rows));
  }
  LANCEFS_ARROW_ASSIGN(children[3], arrow::MakeArrayFromScalar(arrow::UInt32Scalar(0), rows));
  if (children[4] == nullptr) {
    LANCEFS_ARROW_ASSIGN(children[4], arrow::MakeArrayFromScalar(arrow::StringScalar(""), rows));
  }
  return std::shared_ptr<arrow::Array>(
      std::make_shared<arrow::StructArray>(BlobDescriptorType(), rows, std::move(children), std::move(validity)));
}

// {position, size} as a descriptor; a null is a place without bytes that is not the file's beginning.
class BlobDescriptorReader : public Reader {
 public:
  explicit BlobDescriptorReader(std::unique_ptr<Reader> places) : places_(std::move(places)) {}

  Status Next(std::vector<ByteRange>* reads) override { return places_->Next(reads); }
  Status Take(Answers* answers) override { return places_->Take(answers); }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, places_->Decode());
    const auto& places = static_cast<const arrow::StructArray&>(*array);
    const auto& positions = static_cast<const arrow::UInt64Array&>(*places.field(0));
    const auto& sizes = static_cast<const arrow::UInt64Array&>(*places.field(1));
    const int64_t rows = array->length();
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> validity, AllocateOnes(static_cast<uint64_t>(rows)));
    for (int64_t i = 0; i < rows; ++i) {
      const bool null = places.IsNull(i) || (sizes.Value(i) == 0 && positions.Value(i) != 0);
      if (null) arrow::bit_util::ClearBit(validity->mutable_data(), i);
    }
    return Descriptors(BlobKind::kInline, places.field(0), places.field(1), nullptr, std::move(validity));
  }

 private:
  std::unique_ptr<Reader> places_;
};

class BlobReader : public Reader {
 public:
  BlobReader(std::shared_ptr<arrow::DataType> type, std::shared_ptr<LanceFile> file, std::unique_ptr<Reader> descriptions)
      : type_(std::move(type)), file_(std::move(file)), descriptions_(std::move(descriptions)) {}

  Status Next(std::vector<ByteRange>* reads) override {
    if (!places_known_) {
      const size_t before = reads->size();
      LANCEFS_RETURN_NOT_OK(descriptions_->Next(reads));
      if (reads->size() != before) return Status::OK();
      LANCEFS_RETURN_NOT_OK(FindPlaces());
    }
    if (asked_) return Status::OK();
    asked_ = true;
    for (const ByteRange& place : places_) {
      if (place.length != 0) reads->push_back(place);
    }
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    if (!places_known_) return descriptions_->Take(answers);
    if (taken_) return Status::OK();
    taken_ = true;
    for (const ByteRange& place : places_) {
      if (place.length != 0) bytes_.push_back(answers->Take());
    }
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    BinaryOutput out;
    out.large = type_->id() == arrow::Type::LARGE_BINARY || type_->id() == arrow::Type::LARGE_STRING;
    out.rows = places_.size();
    uint64_t total = 0;
    for (const Bytes& bytes : bytes_) total += bytes.size();
    if (!out.large && total > INT32_MAX)
      return Status::TooLarge(std::to_string(total) + " bytes are more than one array can hold; read fewer rows at once");
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> data,
                             AllocateOutput(total, std::max(total, kFreeArrayBytes)));  // read already
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> offsets, AllocateOutput((out.rows + 1) * (out.large ? 8 : 4)));
    out.offsets = offsets->mutable_data();
    out.SetOffset(0, 0);
    size_t next = 0;
    for (uint64_t row = 0; row < out.rows; ++row) {
      if (places_[row].length != 0) {
        const Bytes& bytes = bytes_[next++];
        std::memcpy(data->mutable_data() + out.position, bytes.data(), bytes.size());
        out.position += bytes.size();
      } else if (places_[row].offset == 1) {  // how the format marks null; nothing real stands there
        LANCEFS_RETURN_NOT_OK(out.SetNull(row));
      }
      out.SetOffset(row + 1, out.position);
    }
    const int64_t nulls = out.validity == nullptr ? 0 : arrow::kUnknownNullCount;
    return arrow::MakeArray(arrow::ArrayData::Make(type_, static_cast<int64_t>(out.rows), {out.validity, offsets, data}, nulls));
  }

 private:
  Status FindPlaces() {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, descriptions_->Decode());
    const auto& places = static_cast<const arrow::StructArray&>(*array);
    const auto& positions = static_cast<const arrow::UInt64Array&>(*places.field(0));
    const auto& sizes = static_cast<const arrow::UInt64Array&>(*places.field(1));
    places_.reserve(static_cast<size_t>(array->length()));
    uint64_t total = 0;
    for (int64_t i = 0; i < array->length(); ++i) {
      const ByteRange place = places.IsNull(i) ? ByteRange{1, 0} : ByteRange{positions.Value(i), sizes.Value(i)};
      if (place.length != 0 && (place.offset > file_->size() || place.length > file_->size() - place.offset)) {
        return Status::Corruption("data file " + file_->path() + ": a blob at " + std::to_string(place.offset) + "+" +
                                  std::to_string(place.length) + " lies beyond the end");
      }
      total += place.length;
      // Values may share bytes, so the file's size alone is no bound.
      if (total > std::min(uint64_t{1} << 35, std::max(kFreeArrayBytes, file_->size() * 64)))
        return Status::TooLarge("the selected blobs are too large for one array; read fewer rows at once");
      places_.push_back(place);
    }
    places_known_ = true;
    return Status::OK();
  }

  std::shared_ptr<arrow::DataType> type_;
  std::shared_ptr<LanceFile> file_;
  std::unique_ptr<Reader> descriptions_;
  bool places_known_ = false;
  bool asked_ = false;
  bool taken_ = false;
  std::vector<ByteRange> places_;
  std::vector<Bytes> bytes_;
};

const pb::v20::ArrayEncoding& WithoutNulls(const pb::v20::ArrayEncoding& encoding) {
  const pb::v20::ArrayEncoding* inner = &encoding;
  for (int depth = 0; depth < kMaxEncodingDepth && inner->has_nullable() && inner->nullable().has_no_nulls(); ++depth)
    inner = &inner->nullable().no_nulls().values();
  return *inner;
}

// The bytes of strings that stand in the file as they are; null if they do not.
const pb::v20::Flat* PlainBytes(const pb::v20::ArrayEncoding& encoding) {
  const pb::v20::ArrayEncoding& strings = WithoutNulls(encoding);
  if (!strings.has_binary()) return nullptr;
  const pb::v20::ArrayEncoding& bytes = WithoutNulls(strings.binary().bytes());
  if (!bytes.has_flat() || bytes.flat().bits_per_value() != 8) return nullptr;
  const std::string& scheme = bytes.flat().compression().scheme();
  return scheme.empty() || scheme == "none" ? &bytes.flat() : nullptr;
}

// Places in the pages.
class StringPlacesReader : public Reader {
 public:
  // `limit`: the most bytes that an array may take.
  explicit StringPlacesReader(uint64_t limit) : limit_(limit) {}

  Status Add(const LeafPart& leaf, const pb::v20::Flat& bytes) {
    const pb::v20::Binary& strings = WithoutNulls(leaf.encoding).binary();
    Part part;
    LANCEFS_ASSIGN_OR_RETURN(part.ends, EndOffsets::Make(leaf.page, strings.indices(), leaf.ranges, strings.null_adjustment()));
    LANCEFS_ASSIGN_OR_RETURN(part.place, leaf.page.Locate(bytes.buffer()));
    rows_ += part.ends.rows();
    parts_.push_back(std::move(part));
    return Status::OK();
  }

  Status Next(std::vector<ByteRange>* reads) override {
    if (asked_) return Status::OK();
    asked_ = true;
    for (const Part& part : parts_) part.ends.AppendReads(reads);
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    if (taken_) return Status::OK();
    taken_ = true;
    for (Part& part : parts_) LANCEFS_RETURN_NOT_OK(part.ends.Take(answers, part.place.length));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Buffer> starts, AllocateOutput(rows_ * sizeof(uint64_t), limit_));
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Buffer> sizes, AllocateOutput(rows_ * sizeof(uint64_t), limit_));
    auto* start = reinterpret_cast<uint64_t*>(starts->mutable_data());
    auto* size = reinterpret_cast<uint64_t*>(sizes->mutable_data());
    std::shared_ptr<arrow::Buffer> validity;
    uint64_t row = 0;
    for (const Part& part : parts_) {
      for (size_t i = 0; i < part.ends.num_ranges(); ++i) {
        uint64_t previous = part.place.offset + part.ends.first(i);
        LANCEFS_RETURN_NOT_OK(part.ends.Convert(i, previous, size + row, row, rows_, &validity));
        for (const uint64_t end = row + part.ends.rows_of(i); row < end; ++row) {
          start[row] = previous;
          previous = size[row];
          size[row] -= start[row];
        }
      }
    }
    const auto rows = static_cast<int64_t>(rows_);
    return Descriptors(BlobKind::kInline, std::make_shared<arrow::UInt64Array>(rows, starts),
                       std::make_shared<arrow::UInt64Array>(rows, sizes), nullptr, std::move(validity));
  }

 private:
  struct Part {
    EndOffsets ends;
    ByteRange place;
  };

  uint64_t limit_;
  std::vector<Part> parts_;
  uint64_t rows_ = 0;
  bool asked_ = false;
  bool taken_ = false;
};

// The strings themselves.
class StringsHereReader : public Reader {
 public:
  StringsHereReader(std::unique_ptr<Reader> strings, uint64_t limit) : strings_(std::move(strings)), limit_(limit) {}

  Status Next(std::vector<ByteRange>* reads) override { return strings_->Next(reads); }
  Status Take(Answers* answers) override { return strings_->Take(answers); }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, strings_->Decode());
    const auto& strings = static_cast<const arrow::BinaryArray&>(*array);
    const int64_t rows = strings.length();
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Buffer> sizes,
                             AllocateOutput(static_cast<uint64_t>(rows) * sizeof(uint64_t), limit_));
    auto* size = reinterpret_cast<uint64_t*>(sizes->mutable_data());
    for (int64_t i = 0; i < rows; ++i) size[i] = static_cast<uint64_t>(strings.value_length(i));
    auto uris = std::make_shared<arrow::StringArray>(rows, strings.value_offsets(), strings.value_data());
    return Descriptors(BlobKind::kHere, nullptr, std::make_shared<arrow::UInt64Array>(rows, sizes), std::move(uris),
                       strings.null_bitmap());
  }

 private:
  std::unique_ptr<Reader> strings_;
  uint64_t limit_;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakePlainBlobReader(std::vector<LeafPart> leaves) {
  const uint64_t limit = OutputLimit(leaves);
  auto places = std::make_unique<StringPlacesReader>(limit);
  for (const LeafPart& leaf : leaves) {
    const pb::v20::Flat* bytes = PlainBytes(leaf.encoding);
    if (bytes == nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> strings, MakeBinaryReader(arrow::binary(), std::move(leaves)));
      return std::unique_ptr<Reader>(std::make_unique<StringsHereReader>(std::move(strings), limit));
    }
    LANCEFS_RETURN_NOT_OK(places->Add(leaf, *bytes));
  }
  return std::unique_ptr<Reader>(std::move(places));
}

Result<std::unique_ptr<Reader>> MakeBlobReader(const std::shared_ptr<LanceFile>& file,
                                               const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts) {
  if (type->Equals(*BlobDescriptorType())) {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> places, MakeFixedReader(BlobPlaceType(), std::move(parts)));
    return std::unique_ptr<Reader>(std::make_unique<BlobDescriptorReader>(std::move(places)));
  }
  if (!arrow::is_base_binary_like(type->id())) return Status::NotSupported("blobs cannot be read as " + type->ToString());
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> descriptions, MakeFixedReader(BlobPlaceType(), std::move(parts)));
  return std::unique_ptr<Reader>(std::make_unique<BlobReader>(type, file, std::move(descriptions)));
}

}  // namespace lancefs::v20
