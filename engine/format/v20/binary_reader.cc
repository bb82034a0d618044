// SPDX-License-Identifier: Apache-2.0
//
// String and binary columns: the pages' parts joined into one array.
#include "engine/arrow_status.h"
#include "engine/format/v20/binary_part.h"

namespace lancefs::v20 {
namespace {

class BinaryReader : public Reader {
 public:
  BinaryReader(std::shared_ptr<arrow::DataType> type, std::vector<std::unique_ptr<BinaryPart>> parts, uint64_t limit)
      : type_(std::move(type)), parts_(std::move(parts)), limit_(limit) {}

  Status Next(std::vector<ByteRange>* reads) override {
    for (const auto& part : parts_) LANCEFS_RETURN_NOT_OK(part->Next(reads));
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    for (const auto& part : parts_) LANCEFS_RETURN_NOT_OK(part->Take(answers));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    BinaryOutput out;
    out.large = type_->id() == arrow::Type::LARGE_STRING || type_->id() == arrow::Type::LARGE_BINARY;
    uint64_t bytes = 0;
    for (const auto& part : parts_) {
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t part_bytes, part->Measure());
      bytes += part_bytes;
      out.rows += part->rows();
    }
    if (!out.large && bytes > INT32_MAX) {
      return Status::TooLarge(std::to_string(out.rows) + " rows hold " + std::to_string(bytes) + " bytes of " +
                              type_->ToString() + ", more than the 2 GiB of one array; read fewer rows at once");
    }
    Bytes whole;
    std::shared_ptr<arrow::Buffer> data;
    if (parts_.size() == 1 && parts_[0]->Whole(&whole) && whole.data() != nullptr) {
      data = ToArrowBuffer(std::move(whole));
    } else {
      LANCEFS_ASSIGN_OR_RETURN(data, AllocateOutput(bytes, limit_));
      out.data = data->mutable_data();
    }
    if (out.rows > (uint64_t{1} << 40)) return Status::TooLarge("the selection holds too many values for one array");
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> offsets,
                             AllocateOutput((out.rows + 1) * (out.large ? 8 : 4), limit_));
    out.offsets = offsets->mutable_data();
    out.SetOffset(0, 0);
    for (const auto& part : parts_) LANCEFS_RETURN_NOT_OK(part->Write(&out));
    const int64_t nulls = out.validity == nullptr ? 0 : arrow::kUnknownNullCount;
    return arrow::MakeArray(arrow::ArrayData::Make(type_, static_cast<int64_t>(out.rows), {out.validity, offsets, data}, nulls));
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  std::vector<std::unique_ptr<BinaryPart>> parts_;
  uint64_t limit_;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakeBinaryReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> leaves) {
  std::vector<std::unique_ptr<BinaryPart>> parts;
  parts.reserve(leaves.size());
  for (const LeafPart& leaf : leaves) {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BinaryPart> part,
                             MakeBinaryPart(leaf.page, leaf.encoding, leaf.length, leaf.ranges, 0));
    parts.push_back(std::move(part));
  }
  return std::unique_ptr<Reader>(std::make_unique<BinaryReader>(type, std::move(parts), OutputLimit(leaves)));
}

}  // namespace lancefs::v20
