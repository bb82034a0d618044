// SPDX-License-Identifier: Apache-2.0
//
// Columns of Arrow's dictionary type. Each page has its own dictionary, in which a null item stands for
// null rows; the array gets one dictionary without nulls, and null rows in its validity.
#include <arrow/array/builder_base.h>

#include "engine/arrow_status.h"
#include "engine/format/v20/reader.h"

namespace lancefs::v20 {
namespace {

constexpr uint64_t kNullKey = UINT64_MAX;

class DictionaryReader : public Reader {
 public:
  explicit DictionaryReader(std::shared_ptr<arrow::DataType> type)
      : type_(std::move(type)), dictionary_type_(static_cast<const arrow::DictionaryType&>(*type_)) {}

  Status AddPart(const LeafPart& leaf) {
    Part part;
    part.page = leaf.page;
    part.rows = CountRows(leaf.ranges);
    const pb::v20::ArrayEncoding* encoding = &leaf.encoding;
    for (int depth = 0; encoding->has_nullable(); ++depth) {
      if (depth > kMaxEncodingDepth) return leaf.page.Corrupt("the encoding is nested too deeply");
      const pb::v20::Nullable& nullable = encoding->nullable();
      if (nullable.has_some_nulls()) return leaf.page.Unsupported("dictionaries with a validity bitmap are not supported");
      if (nullable.has_all_nulls()) break;
      encoding = &nullable.no_nulls().values();
    }
    if (encoding->has_dictionary()) {
      LANCEFS_RETURN_NOT_OK(AddDictionary(leaf, encoding->dictionary(), &part));
    } else if (!encoding->has_nullable()) {
      return leaf.page.Unsupported("encoding " + std::to_string(static_cast<int>(encoding->array_encoding_case())) +
                                   " is not supported for dictionaries");
    }
    rows_ += part.rows;
    if (rows_ > (uint64_t{1} << 40)) return leaf.page.Corrupt("too many values");
    parts_.push_back(std::move(part));
    return Status::OK();
  }

  Status Next(std::vector<ByteRange>* reads) override {
    for (const Part& part : parts_) {
      if (part.items == nullptr) continue;
      if (!asked_) part.keys.AppendReads(reads);
      LANCEFS_RETURN_NOT_OK(part.items->Next(reads));
    }
    asked_ = true;
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    for (Part& part : parts_) {
      if (part.items == nullptr) continue;
      if (!taken_) LANCEFS_RETURN_NOT_OK(part.keys.Take(answers));
      LANCEFS_RETURN_NOT_OK(part.items->Take(answers));
    }
    taken_ = true;
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> dictionary, Unify());
    const auto width =
        static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(*dictionary_type_.index_type()).bit_width()) / 8;
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> keys, AllocateOutput(rows_ * width));
    std::memset(keys->mutable_data(), 0, static_cast<size_t>(keys->size()));
    std::shared_ptr<arrow::Buffer> validity;
    uint64_t row = 0;
    for (const Part& part : parts_) {
      LANCEFS_RETURN_NOT_OK(WriteKeys(part, width, row, keys->mutable_data(), &validity));
      row += part.rows;
    }
    const int64_t nulls = validity == nullptr ? 0 : arrow::kUnknownNullCount;
    auto data = arrow::ArrayData::Make(type_, static_cast<int64_t>(rows_), {validity, keys}, nulls);
    data->dictionary = dictionary->data();
    return arrow::MakeArray(data);
  }

 private:
  struct Part {
    PageRef page;
    uint64_t rows = 0;
    FixedSource keys;
    std::unique_ptr<Reader> items;  // null: all rows are null
    std::vector<uint64_t> new_key;  // of every item
  };

  Status AddDictionary(const LeafPart& leaf, const pb::v20::Dictionary& dictionary, Part* part) {
    const pb::v20::ArrayEncoding* keys = &dictionary.indices();
    for (int depth = 0; keys->has_nullable(); ++depth) {
      if (depth > kMaxEncodingDepth || !keys->nullable().has_no_nulls())
        return leaf.page.Unsupported("dictionary keys with nulls are not supported");
      keys = &keys->nullable().no_nulls().values();
    }
    LANCEFS_ASSIGN_OR_RETURN(part->keys, FixedSource::Make(leaf.page, *keys, leaf.ranges));
    LeafPart items;
    items.page = leaf.page;
    items.encoding = dictionary.items();
    items.length = dictionary.num_dictionary_items();
    AddRange(&items.ranges, 0, items.length);
    LANCEFS_ASSIGN_OR_RETURN(part->items, MakeLeafReader(dictionary_type_.value_type(), {std::move(items)}));
    return Status::OK();
  }

  // One dictionary for all parts; fills their new_key.
  Result<std::shared_ptr<arrow::Array>> Unify() {
    std::vector<std::shared_ptr<arrow::Array>> dictionaries;
    std::vector<Part*> with_items;
    for (Part& part : parts_) {
      if (part.items == nullptr) continue;
      LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> items, part.items->Decode());
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> live, DropNulls(items, &part.new_key));
      dictionaries.push_back(std::move(live));
      with_items.push_back(&part);
    }
    if (dictionaries.empty()) return FromArrow(arrow::MakeEmptyArray(dictionary_type_.value_type()));
    const auto key_bits = static_cast<const arrow::FixedWidthType&>(*dictionary_type_.index_type()).bit_width();
    const bool is_signed = arrow::is_signed_integer(dictionary_type_.index_type()->id());
    if (dictionaries.size() == 1) {
      if (key_bits < 64 && dictionaries[0]->length() > int64_t{1} << (key_bits - (is_signed ? 1 : 0))) {
        return with_items[0]->page.Corrupt(std::to_string(dictionaries[0]->length()) +
                                           " dictionary items are more than the keys can name");
      }
      return dictionaries[0];
    }
    LANCEFS_ARROW_ASSIGN(std::unique_ptr<arrow::DictionaryUnifier> unifier,
                         arrow::DictionaryUnifier::Make(dictionary_type_.value_type()));
    for (size_t i = 0; i < dictionaries.size(); ++i) {
      std::shared_ptr<arrow::Buffer> transposed;
      LANCEFS_ARROW_NOT_OK(unifier->Unify(*dictionaries[i], &transposed));
      const auto* moved = reinterpret_cast<const int32_t*>(transposed->data());
      for (uint64_t& key : with_items[i]->new_key) key = key == kNullKey ? kNullKey : static_cast<uint64_t>(moved[key]);
    }
    std::shared_ptr<arrow::Array> unified;
    const arrow::Status status = unifier->GetResultWithIndexType(dictionary_type_.index_type(), &unified);
    if (!status.ok())
      return Status::TooLarge("the dictionaries of the selected rows are too large together; read fewer rows at once");
    return unified;
  }

  // The items without nulls, and where each of them went.
  static Result<std::shared_ptr<arrow::Array>> DropNulls(const std::shared_ptr<arrow::Array>& items,
                                                         std::vector<uint64_t>* new_key) {
    new_key->resize(static_cast<size_t>(items->length()));
    uint64_t next = 0;
    for (int64_t i = 0; i < items->length(); ++i) (*new_key)[static_cast<size_t>(i)] = items->IsNull(i) ? kNullKey : next++;
    if (next == new_key->size()) return items;
    // The null is normally the last item.
    if (next == 0 || (*new_key)[next - 1] == next - 1) return items->Slice(0, static_cast<int64_t>(next));
    LANCEFS_ARROW_ASSIGN(std::unique_ptr<arrow::ArrayBuilder> builder, arrow::MakeBuilder(items->type()));
    for (int64_t i = 0; i < items->length(); ++i) {
      if (!items->IsNull(i)) LANCEFS_ARROW_NOT_OK(builder->AppendArraySlice(*items->data(), i, 1));
    }
    LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Array> live, builder->Finish());
    return live;
  }

  Status WriteKeys(const Part& part, uint64_t width, uint64_t row, uint8_t* out, std::shared_ptr<arrow::Buffer>* validity) const {
    std::vector<uint64_t> keys;
    if (part.items != nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(keys, part.keys.DecodeNumbers());
    }
    for (uint64_t i = 0; i < part.rows; ++i) {
      uint64_t key = kNullKey;
      if (part.items != nullptr) {
        if (keys[i] >= part.new_key.size()) {
          return part.page.Corrupt("key " + std::to_string(keys[i]) + " in a dictionary of " +
                                   std::to_string(part.new_key.size()) + " items");
        }
        key = part.new_key[keys[i]];
      }
      if (key != kNullKey) {
        std::memcpy(out + (row + i) * width, &key, width);  // little-endian: the low bytes
        continue;
      }
      if (*validity == nullptr) {
        LANCEFS_ASSIGN_OR_RETURN(*validity, AllocateOnes(rows_));
      }
      (*validity)->mutable_data()[(row + i) / 8] &= static_cast<uint8_t>(~(1U << ((row + i) % 8)));
    }
    return Status::OK();
  }

  std::shared_ptr<arrow::DataType> type_;
  const arrow::DictionaryType& dictionary_type_;
  std::vector<Part> parts_;
  uint64_t rows_ = 0;
  bool asked_ = false;
  bool taken_ = false;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakeDictionaryReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> leaves) {
  auto reader = std::make_unique<DictionaryReader>(type);
  for (const LeafPart& leaf : leaves) LANCEFS_RETURN_NOT_OK(reader->AddPart(leaf));
  return std::unique_ptr<Reader>(std::move(reader));
}

}  // namespace lancefs::v20
