// SPDX-License-Identifier: Apache-2.0
#include "engine/format/deletion_vector.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>

#include <algorithm>

#include "engine/arrow_status.h"
#include "engine/format/roaring_codec.h"

namespace lancefs {
namespace {

Status Bad(const std::string& what) { return Status::Corruption("deletion file: " + what); }

// One record batch of one column row_id: uint32, without nulls, in any order.
Result<std::vector<uint32_t>> ReadArrowFile(const Bytes& bytes) {
  auto input = std::make_shared<arrow::io::BufferReader>(ToArrowBuffer(bytes));
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  auto opened = arrow::ipc::RecordBatchFileReader::Open(input, options);
  if (!opened.ok()) return Bad("no Arrow file: " + opened.status().message());
  arrow::ipc::RecordBatchFileReader& reader = **opened;
  const arrow::Schema& schema = *reader.schema();
  if (schema.num_fields() != 1 || schema.field(0)->name() != "row_id" || schema.field(0)->type()->id() != arrow::Type::UINT32) {
    return Bad("the schema is [" + schema.ToString() + "] instead of row_id: uint32");
  }
  if (reader.num_record_batches() != 1)
    return Bad(std::to_string(reader.num_record_batches()) + " record batches instead of one");
  auto batch = reader.ReadRecordBatch(0);
  if (!batch.ok()) return Bad("no readable record batch: " + batch.status().message());
  const arrow::Status valid = (*batch)->ValidateFull();
  if (!valid.ok()) return Bad("broken record batch: " + valid.message());
  const auto& column = static_cast<const arrow::UInt32Array&>(*(*batch)->column(0));
  if (column.null_count() != 0) return Bad("row_id holds nulls");
  if (column.length() == 0) return std::vector<uint32_t>();
  return std::vector<uint32_t>(column.raw_values(), column.raw_values() + column.length());
}

void SortUnique(std::vector<uint32_t>* offsets) {
  if (!std::is_sorted(offsets->begin(), offsets->end())) std::sort(offsets->begin(), offsets->end());
  offsets->erase(std::unique(offsets->begin(), offsets->end()), offsets->end());
}

}  // namespace

Result<std::shared_ptr<const DeletionVector>> DeletionVector::Parse(const pb::DeletionFile& file, const Bytes& bytes,
                                                                    uint64_t physical_rows) {
  std::vector<uint32_t> offsets;
  switch (file.file_type()) {
    case pb::DeletionFile::ARROW_ARRAY: {
      LANCEFS_ASSIGN_OR_RETURN(offsets, ReadArrowFile(bytes));
      break;
    }
    case pb::DeletionFile::BITMAP: {
      Result<std::vector<uint32_t>> values = DecodeRoaring(bytes.span());
      if (!values.ok()) return Bad(values.status().message());
      offsets = values.MoveValue();
      break;
    }
    default:
      return Status::NotSupported("deletion files of type " + std::to_string(static_cast<int>(file.file_type())) +
                                  " are not supported");
  }
  SortUnique(&offsets);
  if (!offsets.empty() && offsets.back() >= physical_rows) {
    return Bad("row " + std::to_string(offsets.back()) + " is deleted but the fragment has " + std::to_string(physical_rows));
  }
  // 0 stands for unknown.
  if (file.num_deleted_rows() != 0 && file.num_deleted_rows() != offsets.size()) {
    return Bad(std::to_string(offsets.size()) + " rows are deleted, the manifest says " +
               std::to_string(file.num_deleted_rows()));
  }
  return std::shared_ptr<const DeletionVector>(new DeletionVector(std::move(offsets), physical_rows));
}

Result<std::shared_ptr<const DeletionVector>> DeletionVector::FromOffsets(std::vector<uint32_t> offsets, uint64_t physical_rows) {
  SortUnique(&offsets);
  if (!offsets.empty() && offsets.back() >= physical_rows) {
    return Status::InvalidArgument("row " + std::to_string(offsets.back()) + " cannot be deleted, there are " +
                                   std::to_string(physical_rows));
  }
  return std::shared_ptr<const DeletionVector>(new DeletionVector(std::move(offsets), physical_rows));
}

bool DeletionVector::Contains(uint64_t offset) const {
  return offset <= UINT32_MAX && std::binary_search(offsets_.begin(), offsets_.end(), static_cast<uint32_t>(offset));
}

uint64_t DeletionVector::CountInRange(uint64_t start, uint64_t end) const {
  if (start >= end) return 0;
  const auto first = std::lower_bound(offsets_.begin(), offsets_.end(), start);
  return static_cast<uint64_t>(std::lower_bound(first, offsets_.end(), end) - first);
}

RowSelection DeletionVector::LiveRanges(uint64_t start, uint64_t end) const {
  RowSelection live;
  end = std::min(end, physical_rows_);
  for (auto it = std::lower_bound(offsets_.begin(), offsets_.end(), start); start < end; ++it) {
    const uint64_t stop = it == offsets_.end() ? end : std::min<uint64_t>(*it, end);
    if (stop > start) live.push_back({start, stop});
    if (stop == end) break;
    start = stop + 1;
  }
  return live;
}

uint64_t DeletionVector::NthLive(uint64_t k) const {
  // Before deleted row i stand offsets_[i] - i live ones, which grows with i: find how many deleted rows stand before live row k.
  size_t low = 0;
  size_t high = offsets_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (offsets_[middle] - middle <= k) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return k + low;
}

Result<Bytes> DeletionVector::Serialize(pb::DeletionFile::FileType type) const {
  if (type == pb::DeletionFile::BITMAP) return Bytes::FromString(EncodeRoaring(offsets_));
  const auto schema = arrow::schema({arrow::field("row_id", arrow::uint32(), false)});
  const auto values = arrow::Buffer::Wrap(offsets_.data(), offsets_.size());
  const auto column = std::make_shared<arrow::UInt32Array>(static_cast<int64_t>(offsets_.size()), values);
  const auto batch = arrow::RecordBatch::Make(schema, column->length(), {column});
  LANCEFS_ARROW_ASSIGN(const std::shared_ptr<arrow::io::BufferOutputStream> sink, arrow::io::BufferOutputStream::Create());
  arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  if (arrow::util::Codec::IsAvailable(arrow::Compression::ZSTD)) {
    LANCEFS_ARROW_ASSIGN(options.codec, arrow::util::Codec::Create(arrow::Compression::ZSTD));
  }
  LANCEFS_ARROW_ASSIGN(const std::shared_ptr<arrow::ipc::RecordBatchWriter> writer,
                       arrow::ipc::MakeFileWriter(sink, schema, options));
  LANCEFS_ARROW_NOT_OK(writer->WriteRecordBatch(*batch));
  LANCEFS_ARROW_NOT_OK(writer->Close());
  LANCEFS_ARROW_ASSIGN(const std::shared_ptr<arrow::Buffer> written, sink->Finish());
  return Bytes(written, written->data(), static_cast<size_t>(written->size()));
}

std::string DeletionFilePath(uint64_t fragment_id, const pb::DeletionFile& file) {
  const char* suffix = file.file_type() == pb::DeletionFile::BITMAP ? ".bin" : ".arrow";
  return "_deletions/" + std::to_string(fragment_id) + "-" + std::to_string(file.read_version()) + "-" +
         std::to_string(file.id()) + suffix;
}

}  // namespace lancefs
