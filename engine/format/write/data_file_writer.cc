// SPDX-License-Identifier: Apache-2.0
#include "engine/format/data_file_writer.h"

#include <thread>

#include "base/executor.h"
#include "engine/format/write/batch_check.h"
#include "engine/format/write/container_writer.h"
#include "engine/format/write/shred.h"
#include "engine/format/write/structural_encoder.h"
#include "engine/format/write/v20_encoder.h"

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

// Columns whose pages are cut together: in 2.0 all of a top-level field, later each leaf alone.
struct ColumnGroup {
  const Field* field = nullptr;  // top level
  size_t field_index = 0;
  size_t first_column = 0;
  std::vector<LeafPath> paths;
  ArraySlices pending;  // rows that are in no page yet
  uint64_t bytes = 0;   // in them, of the largest column
  uint64_t first_row = 0;

  uint64_t BytesOf(const ArraySlice& slice) const {
    uint64_t largest = 0;
    for (const LeafPath& path : paths) largest = std::max(largest, LeafBytes(slice, path));
    return largest;
  }
};

class FileWriter : public DataFileWriter {
 public:
  FileWriter(std::unique_ptr<ObjectWriter> sink, const Schema& schema, const DataFileWriterOptions& options)
      : schema_(schema), options_(options), columns_(PhysicalFields(schema_, options.version)) {
    size_t next_column = 0;
    for (size_t i = 0; i < schema_.fields.size(); ++i) {
      const Field& field = schema_.fields[i];
      std::vector<LeafPath> paths = LeafPaths(field);
      if (options.version == FileVersion::kV2_0) {
        Schema alone;
        alone.fields.push_back(field);
        groups_.push_back({&field, i, next_column, std::move(paths)});
        next_column += PhysicalFields(alone, options.version).size();
        continue;
      }
      for (LeafPath& path : paths) groups_.push_back({&field, i, next_column++, {std::move(path)}});
    }
    container_ = std::make_unique<ContainerWriter>(std::move(sink), options.version, columns_.size());
  }

  Status Write(const arrow::RecordBatch& batch, const OpContext& ctx) override {
    if (static_cast<size_t>(batch.num_columns()) != schema_.fields.size()) {
      return Status::InvalidArgument("a batch has " + std::to_string(batch.num_columns()) + " columns instead of " +
                                     std::to_string(schema_.fields.size()));
    }
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < schema_.fields.size(); ++i) {
      LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> array,
                               ConformArray(batch.column(static_cast<int>(i)), schema_.fields[i]));
      LANCEFS_RETURN_NOT_OK(CheckNulls(*array, schema_.fields[i], options_.version, rows_));
      arrays.push_back(std::move(array));
    }
    rows_ += static_cast<uint64_t>(batch.num_rows());
    for (ColumnGroup& group : groups_) LANCEFS_RETURN_NOT_OK(Add(&group, {arrays[group.field_index], 0, batch.num_rows()}, ctx));
    return Status::OK();
  }

  uint64_t EstimatedSize() const override {
    uint64_t size = container_->position() + job_bytes_;
    for (const ColumnGroup& group : groups_) size += group.bytes;
    return size;
  }
  uint64_t rows() const override { return rows_; }

  Result<WrittenDataFile> Finish(const OpContext& ctx) override {
    for (ColumnGroup& group : groups_) LANCEFS_RETURN_NOT_OK(Flush(&group, ctx));
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
      written.fields.push_back(columns_[c]->id);
      written.column_indices.push_back(static_cast<int32_t>(c));
    }
    return written;
  }

 private:
  struct Job {
    const ColumnGroup* group;
    ArraySlices rows;
    uint64_t first_row;
    std::vector<ColumnPage> pages;
  };

  // Takes the rows, cutting pages where they are full.
  Status Add(ColumnGroup* group, ArraySlice slice, const OpContext& ctx) {
    while (slice.length > 0) {
      const uint64_t bytes = group->BytesOf(slice);
      if (group->bytes + bytes <= options_.page_bytes) {
        group->pending.push_back(slice);
        group->bytes += bytes;
        return Status::OK();
      }
      const uint64_t room = options_.page_bytes > group->bytes ? options_.page_bytes - group->bytes : 0;
      const auto fits =
          static_cast<int64_t>(static_cast<double>(slice.length) * (static_cast<double>(room) / static_cast<double>(bytes)));
      const int64_t take = std::clamp<int64_t>(fits, group->pending.empty() ? 1 : 0, slice.length);
      if (take > 0) group->pending.push_back({slice.array, slice.offset, take});
      group->bytes = options_.page_bytes;
      LANCEFS_RETURN_NOT_OK(Flush(group, ctx));
      slice.offset += take;
      slice.length -= take;
    }
    return Status::OK();
  }

  Status Flush(ColumnGroup* group, const OpContext& ctx) {
    if (group->pending.empty()) return Status::OK();
    const auto count = static_cast<uint64_t>(CountRows(group->pending));
    jobs_.push_back({group, std::move(group->pending), group->first_row, {}});
    job_bytes_ += group->bytes;
    group->pending.clear();
    group->bytes = 0;
    group->first_row += count;
    static const size_t kJobs = std::max<size_t>(2, std::thread::hardware_concurrency());
    return jobs_.size() < kJobs ? Status::OK() : RunJobs(ctx);
  }

  Status Encode(Job* job) const {
    const ColumnGroup& group = *job->group;
    if (options_.version == FileVersion::kV2_0) return EncodeV20Pages(*group.field, job->rows, &job->pages);
    std::vector<EncodedPage> pages;
    LANCEFS_RETURN_NOT_OK(EncodeStructuralPages(group.paths[0], job->rows, job->first_row, options_.version, &pages));
    for (EncodedPage& page : pages) job->pages.push_back({0, std::move(page)});
    return Status::OK();
  }

  // Encodes the waiting pages side by side and writes them in order.
  Status RunJobs(const OpContext& ctx) {
    LANCEFS_RETURN_NOT_OK(ParallelFor(jobs_.size(), [this, &ctx](size_t i) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      return Encode(&jobs_[i]);
    }));
    for (Job& job : jobs_) {
      for (ColumnPage& page : job.pages) {
        LANCEFS_RETURN_NOT_OK(container_->WritePage(job.group->first_column + page.column, std::move(page.page), ctx));
      }
    }
    jobs_.clear();
    job_bytes_ = 0;
    return Status::OK();
  }

  const Schema schema_;  // the groups point into it
  const DataFileWriterOptions options_;
  const std::vector<const Field*> columns_;
  std::vector<ColumnGroup> groups_;
  std::unique_ptr<ContainerWriter> container_;
  std::vector<Job> jobs_;
  uint64_t job_bytes_ = 0;
  uint64_t rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Make(std::unique_ptr<ObjectWriter> sink, const Schema& schema,
                                                             const DataFileWriterOptions& options) {
  LANCEFS_RETURN_NOT_OK(CheckStorable(schema, options.version));
  return std::unique_ptr<DataFileWriter>(std::make_unique<FileWriter>(std::move(sink), schema, options));
}

}  // namespace lancefs
