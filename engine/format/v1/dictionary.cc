// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v1/dictionary.h"

#include <arrow/array.h>

#include "engine/format/schema.h"
#include "engine/format/v1/reader.h"

namespace lancefs::v1 {
namespace {

Result<std::shared_ptr<arrow::Array>> ReadStrings(const Bytes& file, const std::shared_ptr<arrow::DataType>& type,
                                                  uint64_t position, uint64_t length) {
  if (length >= (file.size() - position) / 8) return Status::Corruption("it is longer than the file");
  const uint8_t* places = file.data() + position;
  const auto first = LoadLittleEndian<uint64_t>(places);
  const auto last = LoadLittleEndian<uint64_t>(places + length * 8);
  if (first > last || last > file.size()) return Status::Corruption("its strings lie outside the file");
  LANCEFS_ASSIGN_OR_RETURN(StringOutput out, AllocateStrings(*type, length, last - first));
  // As everywhere in 0.1, a string without bytes is null.
  LANCEFS_ASSIGN_OR_RETURN(const bool ascends,
                           AppendStrings(places, file.Slice(first, last - first), length, /*nullable=*/true, length, &out));
  if (!ascends) return Status::Corruption("the places of its strings descend");
  return arrow::MakeArray(FinishStrings(type, std::move(out)));
}

Result<std::shared_ptr<arrow::Array>> ReadValues(const Bytes& file, const std::shared_ptr<arrow::DataType>& type,
                                                 uint64_t position, uint64_t length) {
  if (position > file.size()) return Status::Corruption("it lies outside the file");
  if (arrow::is_base_binary_like(type->id())) return ReadStrings(file, type, position, length);
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t bits, WidthOf(*type));
  if (bits == 0 || length > (file.size() - position) * 8 / bits) return Status::Corruption("it is longer than the file");
  const uint64_t bytes = (length * bits + 7) / 8;
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> values, v20::AllocateOutput(bytes, UINT64_MAX));
  if (bytes != 0) std::memcpy(values->mutable_data(), file.data() + position, bytes);
  return arrow::MakeArray(MakeFixedData(type, std::move(values), length));
}

}  // namespace

Dictionaries ReadDictionaries(const Bytes& file, const google::protobuf::RepeatedPtrField<pb::Field>& fields) {
  Dictionaries dictionaries;
  for (const pb::Field& field : fields) {
    if (!field.has_dictionary() || !field.logical_type().starts_with("dict:")) continue;
    const auto type = TypeFromLogical(field.logical_type(), {});
    if (!type.ok() || field.dictionary().offset() < 0 || field.dictionary().length() < 0) continue;
    const auto values =
        ReadValues(file, static_cast<const arrow::DictionaryType&>(**type).value_type(),
                   static_cast<uint64_t>(field.dictionary().offset()), static_cast<uint64_t>(field.dictionary().length()));
    if (values.ok()) dictionaries[field.id()] = *values;
  }
  return dictionaries;
}

}  // namespace lancefs::v1
