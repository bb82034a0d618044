// SPDX-License-Identifier: Apache-2.0
#include "engine/format/deletion_vector.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>

#include <algorithm>

#include "engine/arrow_status.h"

namespace lancefs {
namespace {

Status Bad(const std::string& what) { return Status::Corruption("deletion file: " + what); }

// One record batch of one column row_id: uint32, without nulls, in any order.
Result<std::vector<uint32_t>> ReadArrowFile(const Bytes& bytes) {
  auto input = std::make_shared<arrow::io::BufferReader>(ToArrowBuffer(bytes));
  // Buffers may be compressed and say themselves how large they are.
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(),
                               arrow::default_memory_pool()->bytes_allocated() +
                                   static_cast<int64_t>(std::max(kFreeArrayBytes, bytes.size() * uint64_t{1024})));
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = &pool;
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

// Offsets in any order, repeated or not.
std::vector<RoaringRun> ToRuns(std::vector<uint32_t> offsets) {
  if (!std::is_sorted(offsets.begin(), offsets.end())) std::sort(offsets.begin(), offsets.end());
  std::vector<RoaringRun> runs;
  for (const uint32_t offset : offsets) {
    if (!runs.empty() && offset <= uint64_t{runs.back().last} + 1) {
      runs.back().last = offset;
    } else {
      runs.push_back({offset, offset});
    }
  }
  return runs;
}

}  // namespace

DeletionVector::DeletionVector(const std::vector<RoaringRun>& runs, uint64_t physical_rows) : physical_rows_(physical_rows) {
  runs_.reserve(runs.size());
  for (const RoaringRun& run : runs) {
    runs_.push_back({run.first, run.last, static_cast<uint32_t>(count_)});
    count_ += uint64_t{run.last} - run.first + 1;
  }
}

Result<std::shared_ptr<const DeletionVector>> DeletionVector::Parse(const pb::DeletionFile& file, const Bytes& bytes,
                                                                    uint64_t physical_rows) {
  std::vector<RoaringRun> runs;
  switch (file.file_type()) {
    case pb::DeletionFile::ARROW_ARRAY: {
      LANCEFS_ASSIGN_OR_RETURN(std::vector<uint32_t> offsets, ReadArrowFile(bytes));
      runs = ToRuns(std::move(offsets));
      break;
    }
    case pb::DeletionFile::BITMAP: {
      Result<std::vector<RoaringRun>> values = DecodeRoaringRuns(bytes.span());
      if (!values.ok()) return Bad(values.status().message());
      runs = values.MoveValue();
      break;
    }
    default:
      return Status::NotSupported("deletion files of type " + std::to_string(static_cast<int>(file.file_type())) +
                                  " are not supported");
  }
  if (!runs.empty() && runs.back().last >= physical_rows) {
    return Bad("row " + std::to_string(runs.back().last) + " is deleted but the fragment has " + std::to_string(physical_rows));
  }
  std::shared_ptr<const DeletionVector> vector(new DeletionVector(runs, physical_rows));
  // 0 stands for unknown.
  if (file.num_deleted_rows() != 0 && file.num_deleted_rows() != vector->Count()) {
    return Bad(std::to_string(vector->Count()) + " rows are deleted, the manifest says " +
               std::to_string(file.num_deleted_rows()));
  }
  return vector;
}

Result<std::shared_ptr<const DeletionVector>> DeletionVector::FromOffsets(std::vector<uint32_t> offsets, uint64_t physical_rows) {
  const std::vector<RoaringRun> runs = ToRuns(std::move(offsets));
  if (!runs.empty() && runs.back().last >= physical_rows) {
    return Status::InvalidArgument("row " + std::to_string(runs.back().last) + " cannot be deleted, there are " +
                                   std::to_string(physical_rows));
  }
  return std::shared_ptr<const DeletionVector>(new DeletionVector(runs, physical_rows));
}

std::vector<DeletionVector::Run>::const_iterator DeletionVector::FindRun(uint64_t offset) const {
  return std::lower_bound(runs_.begin(), runs_.end(), offset, [](const Run& run, uint64_t row) { return run.last < row; });
}

bool DeletionVector::Contains(uint64_t offset) const {
  const auto run = FindRun(offset);
  return run != runs_.end() && run->first <= offset;
}

uint64_t DeletionVector::CountInRange(uint64_t start, uint64_t end) const {
  if (start >= end) return 0;
  auto before = [this](uint64_t row) -> uint64_t {  // deleted rows before it
    const auto run = FindRun(row);
    if (run == runs_.end()) return count_;
    return run->before + (row > run->first ? row - run->first : 0);
  };
  return before(end) - before(start);
}

RowSelection DeletionVector::LiveRanges(uint64_t start, uint64_t end) const {
  RowSelection live;
  end = std::min(end, physical_rows_);
  for (auto run = FindRun(start); start < end; ++run) {
    const uint64_t stop = run == runs_.end() ? end : std::min<uint64_t>(run->first, end);
    if (stop > start) live.push_back({start, stop});
    if (run == runs_.end()) break;
    start = uint64_t{run->last} + 1;
  }
  return live;
}

uint64_t DeletionVector::NthLive(uint64_t k) const {
  // Before a run stand first - before live rows, which grows: those runs count that have no more than k.
  const auto run = std::upper_bound(runs_.begin(), runs_.end(), k,
                                    [](uint64_t row, const Run& each) { return row < uint64_t{each.first} - each.before; });
  if (run == runs_.begin()) return k;
  const Run& last = *(run - 1);
  return k + last.before + (uint64_t{last.last} - last.first + 1);
}

RowSelection DeletionVector::DeletedRanges() const {
  RowSelection ranges;
  ranges.reserve(runs_.size());
  for (const Run& run : runs_) ranges.push_back({run.first, uint64_t{run.last} + 1});
  return ranges;
}

Result<std::vector<uint32_t>> DeletionVector::Offsets() const {
  constexpr uint64_t kMost = uint64_t{1} << 26;
  if (count_ > kMost) return Status::TooLarge(std::to_string(count_) + " deleted rows are too many to be listed");
  std::vector<uint32_t> offsets;
  offsets.reserve(count_);
  for (const Run& run : runs_) {
    for (uint64_t row = run.first; row <= run.last; ++row) offsets.push_back(static_cast<uint32_t>(row));
  }
  return offsets;
}

Result<Bytes> DeletionVector::Serialize(pb::DeletionFile::FileType type) const {
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<uint32_t> offsets, Offsets());
  if (type == pb::DeletionFile::BITMAP) return Bytes::FromString(EncodeRoaring(offsets));
  const auto schema = arrow::schema({arrow::field("row_id", arrow::uint32(), false)});
  const auto values = arrow::Buffer::Wrap(offsets.data(), offsets.size());
  const auto column = std::make_shared<arrow::UInt32Array>(static_cast<int64_t>(offsets.size()), values);
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
