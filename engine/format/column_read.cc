// SPDX-License-Identifier: Apache-2.0
#include "engine/format/column_read.h"

#include <arrow/array/util.h>

#include <algorithm>

#include "base/executor.h"
#include "engine/arrow_status.h"

namespace lancefs {
namespace {

void CollectColumns(const Field& field, const FieldColumns& columns, FileVersion version, std::vector<uint32_t>* out) {
  const auto it = columns.find(field.id);
  if (version == FileVersion::kV0_1) {
    // Every field but structs has its pages; packed structs are no different.
    if (it != columns.end() && (field.type->id() != arrow::Type::STRUCT || field.IsBlob())) out->push_back(it->second);
    for (const Field& child : field.children) CollectColumns(child, columns, version, out);
    return;
  }
  const bool owns = version == FileVersion::kV2_0 || field.IsPhysicalLeaf();
  if (owns && it != columns.end()) out->push_back(it->second);
  if (field.IsPackedStruct() || field.IsBlob()) return;
  for (const Field& child : field.children) CollectColumns(child, columns, version, out);
}

}  // namespace

std::vector<uint32_t> ColumnsOf(const Field& field, const FieldColumns& columns, FileVersion version) {
  std::vector<uint32_t> out;
  CollectColumns(field, columns, version, &out);
  return out;
}

Result<std::unique_ptr<ColumnRead>> MakeColumnRead(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                   const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows) {
  switch (file->version()) {
    case FileVersion::kV0_1: return MakeColumnReadV1(file, field, columns, infos, std::move(rows));
    case FileVersion::kV2_0: return MakeColumnReadV20(file, field, columns, infos, std::move(rows));
    case FileVersion::kV2_1:
    case FileVersion::kV2_2:
    case FileVersion::kV2_3: return MakeColumnReadStructural(file, field, columns, infos, std::move(rows));
    default: break;
  }
  return Status::NotSupported("reading data files of version " + std::string(FileVersionName(file->version())) +
                              " is not supported");
}

Result<std::vector<std::shared_ptr<arrow::Array>>> RunColumnReads(const std::shared_ptr<LanceFile>& file,
                                                                  std::vector<std::unique_ptr<ColumnRead>> reads,
                                                                  const OpContext& ctx, const RangeReader& reader) {
  std::vector<size_t> active(reads.size());
  for (size_t i = 0; i < reads.size(); ++i) active[i] = i;
  while (!active.empty()) {
    std::vector<ByteRange> ranges;
    std::vector<std::pair<size_t, size_t>> asked;  // read, number of its ranges
    for (const size_t index : active) {
      LANCEFS_ASSIGN_OR_RETURN(std::vector<ByteRange> wanted, reads[index]->NextReads());
      if (wanted.empty()) continue;
      asked.emplace_back(index, wanted.size());
      ranges.insert(ranges.end(), wanted.begin(), wanted.end());
    }
    if (asked.empty()) break;
    LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> answers,
                             reader ? reader(std::move(ranges), ctx).Get(ctx) : file->ReadValues(std::move(ranges), ctx));
    size_t position = 0;
    active.clear();
    for (const auto& [index, count] : asked) {
      const auto begin = answers.begin() + static_cast<ptrdiff_t>(position);
      std::vector<Bytes> mine(std::make_move_iterator(begin), std::make_move_iterator(begin + static_cast<ptrdiff_t>(count)));
      position += count;
      LANCEFS_RETURN_NOT_OK(reads[index]->Supply(std::move(mine)));
      active.push_back(index);
    }
  }
  std::vector<std::shared_ptr<arrow::Array>> arrays(reads.size());
  LANCEFS_RETURN_NOT_OK(ParallelFor(reads.size(), [&](size_t i) -> Status {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    LANCEFS_ASSIGN_OR_RETURN(arrays[i], reads[i]->Decode());
    return Status::OK();
  }));
  return arrays;
}

uint64_t MaxArrayBytes(const LanceFile& file, const ColumnInfo& column) {
  constexpr uint64_t kExpansion = 64;  // more than any data does that is not constant
  // Pages may share bytes, so the sum of their sizes alone is no bound.
  return std::max(kFreeArrayBytes, std::min(column.data_bytes, file.size()) * kExpansion);
}

uint64_t FixedValueBytes(const arrow::DataType& type) {
  uint64_t total = 0;
  if (type.id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
    if (__builtin_mul_overflow(FixedValueBytes(*list.value_type()), static_cast<uint64_t>(list.list_size()), &total))
      return UINT64_MAX;
    return total;
  }
  if (type.id() == arrow::Type::STRUCT) {
    for (const auto& field : type.fields()) {
      if (__builtin_add_overflow(FixedValueBytes(*field->type()), total, &total)) return UINT64_MAX;
    }
    return total;
  }
  if (!arrow::is_fixed_width(type.id())) return 0;
  return (static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(type).bit_width()) + 7) / 8;
}

Result<std::shared_ptr<arrow::Array>> MakeNullArray(const Field& field, uint64_t rows) {
  const uint64_t bytes = std::max<uint64_t>(1, FixedValueBytes(*field.type));
  if (bytes > kFreeArrayBytes || rows > kFreeArrayBytes / bytes) {
    return Status::TooLarge(std::to_string(rows) + " null rows of " + field.type->ToString() +
                            " are too large for one array; read fewer rows at once");
  }
  return FromArrow(arrow::MakeArrayOfNull(field.type, static_cast<int64_t>(rows)));
}

}  // namespace lancefs
