// SPDX-License-Identifier: Apache-2.0
//
// Blob columns: the pages hold {position, size} of every value, whose bytes stand elsewhere in the file.
// They are read as descriptors (blob_descriptor.h) or, for those who have a file only, with their bytes.
#include <arrow/array/util.h>
#include <arrow/scalar.h>

#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/v20/binary_part.h"

namespace lancefs::v20 {
namespace {

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
    arrow::ArrayVector children = {nullptr, places.field(0), places.field(1), nullptr, nullptr};
    LANCEFS_ARROW_ASSIGN(children[0], arrow::MakeArrayFromScalar(arrow::UInt8Scalar(0), rows));
    LANCEFS_ARROW_ASSIGN(children[3], arrow::MakeArrayFromScalar(arrow::UInt32Scalar(0), rows));
    LANCEFS_ARROW_ASSIGN(children[4], arrow::MakeArrayFromScalar(arrow::StringScalar(""), rows));
    return std::shared_ptr<arrow::Array>(
        std::make_shared<arrow::StructArray>(BlobDescriptorType(), rows, std::move(children), std::move(validity)));
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

}  // namespace

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
