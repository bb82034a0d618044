// SPDX-License-Identifier: Apache-2.0
#include "engine/format/data_file_writer.h"

#include <thread>

#include "base/executor.h"
#include "engine/format/write/batch_check.h"
#include "engine/format/write/container_writer.h"
#include "engine/format/write/shred.h"
#include "engine/format/write/structural_encoder.h"

namespace lancefs {
namespace {

// Arrow bytes that the leaf has in the slice, near enough to cut pages.
uint64_t LeafBytes(const ArraySlice& slice, const LeafPath& path) {
  const arrow::Array* array = slice.array.get();
  std::shared_ptr<arrow::Array> holder;
  int64_t offset = slice.offset;
  int64_t length = slice.length;
  uint64_t bytes = 0;
  const auto enter = [&](std::shared_ptr<arrow::Array> child) {
    holder = StorageOf(std::move(child));
    array = holder.get();
  };
  const auto enter_list = [&](const auto& list) {
    const auto* offsets = list.raw_value_offsets() + offset;
    bytes += static_cast<uint64_t>(length) * sizeof(*offsets);
    const int64_t begin = offsets[0];
    length = offsets[length] - begin;
    offset = begin;
    enter(list.values());
  };
  for (const LeafPath::Step& step : path.steps) {
    switch (step.kind) {
      case LeafPath::Kind::kStruct: enter(static_cast<const arrow::StructArray&>(*array).field(step.child)); break;
      case LeafPath::Kind::kList: enter_list(static_cast<const arrow::ListArray&>(*array)); break;
      case LeafPath::Kind::kLargeList: enter_list(static_cast<const arrow::LargeListArray&>(*array)); break;
      case LeafPath::Kind::kFixedSizeList: {
        const auto& list = static_cast<const arrow::FixedSizeListArray&>(*array);
        offset = list.value_offset(offset);
        length *= step.dimension;
        enter(list.values());
        break;
      }
      case LeafPath::Kind::kLeaf: break;
    }
  }
  const auto rows = static_cast<uint64_t>(length);
  if (array->null_count() != 0) bytes += rows / 8;
  const auto add_strings = [&](const auto& strings) {
    const auto* offsets = strings.raw_value_offsets() + offset;
    bytes += rows * sizeof(*offsets) + static_cast<uint64_t>(offsets[length] - offsets[0]);
  };
  uint64_t row_bits = 0;
  const arrow::DataType* type = array->type().get();
  uint64_t elements = 1;
  while (type->id() == arrow::Type::FIXED_SIZE_LIST) {
    elements *= static_cast<uint64_t>(static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    type = type->field(0)->type().get();
    if (type->id() == arrow::Type::EXTENSION) type = static_cast<const arrow::ExtensionType&>(*type).storage_type().get();
  }
  if (arrow::is_binary_like(type->id())) {
    add_strings(static_cast<const arrow::BinaryArray&>(*array));
  } else if (arrow::is_large_binary_like(type->id())) {
    add_strings(static_cast<const arrow::LargeBinaryArray&>(*array));
  } else if (type->id() == arrow::Type::STRUCT) {
    for (const auto& child : type->fields()) row_bits += static_cast<uint64_t>(std::max(0, child->type()->bit_width()));
  } else if (arrow::is_fixed_width(type->id())) {
    row_bits = static_cast<uint64_t>(static_cast<const arrow::FixedWidthType&>(*type).bit_width());
  }
  return bytes + rows * row_bits * elements / 8;
}

class StructuralFileWriter : public DataFileWriter {
 public:
  StructuralFileWriter(std::unique_ptr<ObjectWriter> sink, const Schema& schema, const DataFileWriterOptions& options)
      : schema_(schema), options_(options) {
    for (size_t i = 0; i < schema_.fields.size(); ++i) {
      for (LeafPath& path : LeafPaths(schema_.fields[i])) columns_.push_back({i, std::move(path), {}, 0, 0});
    }
    container_ = std::make_unique<ContainerWriter>(std::move(sink), options.version, columns_.size());
  }

  Status Write(const arrow::RecordBatch& batch, const OpContext& ctx) override {
    if (static_cast<size_t>(batch.num_columns()) != schema_.fields.size()) {
      return Status::InvalidArgument("a batch has " + std::to_string(batch.num_columns()) + " columns instead of " + std::to_string(schema_.fields.size()));
    }
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < schema_.fields.size(); ++i) {
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> array, ConformArray(batch.column(static_cast<int>(i)), schema_.fields[i]));
      LANCEFS_RETURN_NOT_OK(CheckRequired(*array, schema_.fields[i], rows_));
      arrays.push_back(std::move(array));
    }
    rows_ += static_cast<uint64_t>(batch.num_rows());
    for (size_t c = 0; c < columns_.size(); ++c) LANCEFS_RETURN_NOT_OK(Add(c, {arrays[columns_[c].field], 0, batch.num_rows()}, ctx));
    return Status::OK();
  }

  uint64_t EstimatedSize() const override {
    uint64_t size = container_->position() + job_bytes_;
    for (const Column& column : columns_) size += column.bytes;
    return size;
  }
  uint64_t rows() const override { return rows_; }

  Result<WrittenDataFile> Finish(const OpContext& ctx) override {
    for (size_t c = 0; c < columns_.size(); ++c) LANCEFS_RETURN_NOT_OK(Flush(c, ctx));
    LANCEFS_RETURN_NOT_OK(RunJobs(ctx));
    pb::FileDescriptor descriptor;
    SchemaToProto(schema_, descriptor.mutable_schema()->mutable_fields());
    for (const auto& [key, value] : schema_.metadata) (*descriptor.mutable_schema()->mutable_metadata())[key] = value;
    descriptor.set_length(rows_);
    WrittenDataFile written;
    LANCEFS_ASSIGN_OR_RETURN(written.size_bytes, container_->Finish(descriptor, ctx));
    written.rows = rows_;
    written.version = options_.version;
    for (size_t c = 0; c < columns_.size(); ++c) {
      written.fields.push_back(columns_[c].path.field->id);
      written.column_indices.push_back(static_cast<int32_t>(c));
    }
    return written;
  }

 private:
  struct Column {
    size_t field;         // index of the top-level field
    LeafPath path;
    ArraySlices pending;  // rows that are in no page yet
    uint64_t bytes = 0;   // of the leaf in them
    uint64_t first_row = 0;
  };
  struct Job {
    size_t column;
    ArraySlices rows;
    uint64_t first_row;
    std::vector<EncodedPage> pages;
  };

  // Takes the rows, cutting pages where they are full.
  Status Add(size_t c, ArraySlice slice, const OpContext& ctx) {
    Column& column = columns_[c];
    while (slice.length > 0) {
      const uint64_t bytes = LeafBytes(slice, column.path);
      if (column.bytes + bytes <= options_.page_bytes) {
        column.pending.push_back(slice);
        column.bytes += bytes;
        return Status::OK();
      }
      const uint64_t room = options_.page_bytes > column.bytes ? options_.page_bytes - column.bytes : 0;
      const auto fits = static_cast<int64_t>(static_cast<double>(slice.length) * (static_cast<double>(room) / static_cast<double>(bytes)));
      const int64_t take = std::clamp<int64_t>(fits, column.pending.empty() ? 1 : 0, slice.length);
      if (take > 0) column.pending.push_back({slice.array, slice.offset, take});
      column.bytes = options_.page_bytes;
      LANCEFS_RETURN_NOT_OK(Flush(c, ctx));
      slice.offset += take;
      slice.length -= take;
    }
    return Status::OK();
  }

  Status Flush(size_t c, const OpContext& ctx) {
    Column& column = columns_[c];
    if (column.pending.empty()) return Status::OK();
    const auto count = static_cast<uint64_t>(CountRows(column.pending));
    jobs_.push_back({c, std::move(column.pending), column.first_row, {}});
    job_bytes_ += column.bytes;
    column.pending.clear();
    column.bytes = 0;
    column.first_row += count;
    static const size_t kJobs = std::max<size_t>(2, std::thread::hardware_concurrency());
    return jobs_.size() < kJobs ? Status::OK() : RunJobs(ctx);
  }

  // Encodes the waiting pages side by side and writes them in order.
  Status RunJobs(const OpContext& ctx) {
    LANCEFS_RETURN_NOT_OK(ParallelFor(jobs_.size(), [this, &ctx](size_t i) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      Job& job = jobs_[i];
      return EncodeStructuralPages(columns_[job.column].path, job.rows, job.first_row, options_.version, &job.pages);
    }));
    for (Job& job : jobs_) {
      for (EncodedPage& page : job.pages) LANCEFS_RETURN_NOT_OK(container_->WritePage(job.column, std::move(page), ctx));
    }
    jobs_.clear();
    job_bytes_ = 0;
    return Status::OK();
  }

  const Schema schema_;  // the paths point into it
  const DataFileWriterOptions options_;
  std::vector<Column> columns_;
  std::unique_ptr<ContainerWriter> container_;
  std::vector<Job> jobs_;
  uint64_t job_bytes_ = 0;
  uint64_t rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Make(std::unique_ptr<ObjectWriter> sink, const Schema& schema,
                                                             const DataFileWriterOptions& options) {
  LANCEFS_RETURN_NOT_OK(CheckStorable(schema, options.version));
  if (options.version == FileVersion::kV2_1 || options.version == FileVersion::kV2_2) {
    return std::unique_ptr<DataFileWriter>(std::make_unique<StructuralFileWriter>(std::move(sink), schema, options));
  }
  return Status::NotSupported("data files of version " + std::string(FileVersionName(options.version)) + " cannot be written");
}

}  // namespace lancefs
