// SPDX-License-Identifier: Apache-2.0
#include <arrow/util/bitmap_ops.h>

#include "engine/arrow_status.h"
#include "engine/format/v1/reader.h"

namespace lancefs::v1 {
namespace {

// More than this for one value is a broken schema.
constexpr uint64_t kMaxWidth = uint64_t{1} << 40;

class FixedReader : public Reader {
 public:
  FixedReader(Pages pages, std::shared_ptr<arrow::DataType> type, uint64_t bits, PageRanges ranges)
      : pages_(std::move(pages)),
        type_(std::move(type)),
        bits_(bits),
        ranges_(std::move(ranges)),
        joined_(pages_.value_reach()) {}

  Status Next(std::vector<ByteRange>* reads) override {
    if (asked_) return Status::OK();
    asked_ = true;
    std::vector<ByteRange> mine;
    for (const PageRange& range : ranges_) {
      LANCEFS_ASSIGN_OR_RETURN(const ByteRange read, pages_.Locate(range, bits_, pages_.LengthOf(range.batch)));
      if (bits_ == 0) continue;
      mine.push_back(read);
      joined_.Add(range.batch, read);
    }
    LANCEFS_RETURN_NOT_OK(pages_.CheckTotal(mine));
    joined_.AppendReads(reads);
    return Status::OK();
  }

  Status Take(Answers* answers) override {
    bytes_ = joined_.Take(answers);
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    const uint64_t rows = CountValues(ranges_);
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> values, v20::AllocateOutput((rows * bits_ + 7) / 8, UINT64_MAX));
    uint8_t* out = values->mutable_data();
    if (bits_ % 8 == 0) {
      for (const Bytes& bytes : bytes_) {
        std::memcpy(out, bytes.data(), bytes.size());
        out += bytes.size();
      }
    } else {
      uint64_t position = 0;
      for (size_t i = 0; i < bytes_.size(); ++i) {
        const uint64_t count = ranges_[i].length() * bits_;
        arrow::internal::CopyBitmap(bytes_[i].data(), static_cast<int64_t>(ranges_[i].start * bits_ % 8),
                                    static_cast<int64_t>(count), out, static_cast<int64_t>(position));
        position += count;
      }
    }
    return arrow::MakeArray(MakeFixedData(type_, std::move(values), rows));
  }

 private:
  Pages pages_;
  std::shared_ptr<arrow::DataType> type_;
  uint64_t bits_;
  PageRanges ranges_;
  JoinedReads joined_;
  std::vector<Bytes> bytes_;
  bool asked_ = false;
};

template <typename Key>
bool KeysFit(const uint8_t* raw, int64_t count, uint64_t limit) {
  bool fit = true;
  for (int64_t i = 0; i < count; ++i) {
    // Negative keys become large ones.
    fit &=
        static_cast<uint64_t>(static_cast<int64_t>(LoadLittleEndian<Key>(raw + i * static_cast<int64_t>(sizeof(Key))))) < limit;
  }
  return fit;
}

bool KeysFit(const arrow::ArrayData& keys, uint64_t limit) {
  const uint8_t* raw = keys.buffers[1]->data();
  switch (keys.type->id()) {
    case arrow::Type::INT8: return KeysFit<int8_t>(raw, keys.length, limit);
    case arrow::Type::INT16: return KeysFit<int16_t>(raw, keys.length, limit);
    case arrow::Type::INT32: return KeysFit<int32_t>(raw, keys.length, limit);
    case arrow::Type::INT64: return KeysFit<int64_t>(raw, keys.length, limit);
    case arrow::Type::UINT8: return KeysFit<uint8_t>(raw, keys.length, limit);
    case arrow::Type::UINT16: return KeysFit<uint16_t>(raw, keys.length, limit);
    case arrow::Type::UINT32: return KeysFit<uint32_t>(raw, keys.length, limit);
    case arrow::Type::UINT64: return KeysFit<uint64_t>(raw, keys.length, limit);
    default: return false;
  }
}

class DictionaryReader : public Reader {
 public:
  DictionaryReader(std::shared_ptr<arrow::DataType> type, std::unique_ptr<Reader> keys, std::shared_ptr<arrow::Array> values)
      : type_(std::move(type)), keys_(std::move(keys)), values_(std::move(values)) {}

  Status Next(std::vector<ByteRange>* reads) override { return keys_->Next(reads); }
  Status Take(Answers* answers) override { return keys_->Take(answers); }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> keys, keys_->Decode());
    const auto limit = static_cast<uint64_t>(values_->length());
    if (!KeysFit(*keys->data(), limit))
      return Status::Corruption("a key lies outside the dictionary of " + std::to_string(limit) + " values");
    std::shared_ptr<arrow::ArrayData> data = keys->data()->Copy();
    data->type = type_;
    data->dictionary = values_->data();
    return arrow::MakeArray(data);
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  std::unique_ptr<Reader> keys_;
  std::shared_ptr<arrow::Array> values_;
};

}  // namespace

Result<uint64_t> WidthOf(const arrow::DataType& type) {
  if (type.id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t item, WidthOf(*list.value_type()));
    const auto size = static_cast<uint64_t>(list.list_size());
    if (item != 0 && size > kMaxWidth / item) return Status::Corruption("values of " + type.ToString() + " are too wide");
    return item * size;
  }
  if (type.id() == arrow::Type::FIXED_SIZE_BINARY)
    return static_cast<uint64_t>(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width()) * 8;
  if (!arrow::is_fixed_width(type.id()) || type.id() == arrow::Type::DICTIONARY)
    return Status::NotSupported("columns of " + type.ToString() + " cannot stand in files of version 0.1");
  return static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(type).bit_width());
}

std::shared_ptr<arrow::ArrayData> MakeFixedData(const std::shared_ptr<arrow::DataType>& type,
                                                std::shared_ptr<arrow::Buffer> values, uint64_t rows) {
  const auto length = static_cast<int64_t>(rows);
  if (type->id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListType&>(*type);
    auto items = MakeFixedData(list.value_type(), std::move(values), rows * static_cast<uint64_t>(list.list_size()));
    return arrow::ArrayData::Make(type, length, {nullptr}, {std::move(items)}, /*null_count=*/0);
  }
  return arrow::ArrayData::Make(type, length, {nullptr, std::move(values)}, /*null_count=*/0);
}

Result<std::unique_ptr<Reader>> MakeFixedReader(Pages pages, const std::shared_ptr<arrow::DataType>& type, PageRanges ranges) {
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t bits, WidthOf(*type));
  return std::unique_ptr<Reader>(std::make_unique<FixedReader>(std::move(pages), type, bits, std::move(ranges)));
}

Result<std::unique_ptr<Reader>> MakeDictionaryReader(Pages pages, const std::shared_ptr<arrow::DataType>& type,
                                                     std::shared_ptr<arrow::Array> values, PageRanges ranges) {
  const auto& dictionary = static_cast<const arrow::DictionaryType&>(*type);
  if (values == nullptr) return Status::Corruption("the manifest does not hold the values of its dictionary");
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> keys,
                           MakeFixedReader(std::move(pages), dictionary.index_type(), std::move(ranges)));
  return std::unique_ptr<Reader>(std::make_unique<DictionaryReader>(type, std::move(keys), std::move(values)));
}

}  // namespace lancefs::v1
