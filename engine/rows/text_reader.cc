// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/text_reader.h"

#include <algorithm>
#include <new>
#include <thread>

#include "base/executor.h"
#include "engine/rows/convert.h"

namespace lancefs::rows {
namespace {

// Chunks of this size stay in a core's cache between the passes over them.
constexpr int64_t kChunkBytes = 2 << 20;
// Columns may take this many times the bytes of text that a batch may have.
constexpr int64_t kExpansion = 4;

}  // namespace

TextReader::TextReader(std::shared_ptr<arrow::Schema> schema, std::unique_ptr<ChunkSource> source, std::optional<TextChunk> first,
                       int64_t batch_rows, ParserFactory factory)
    : schema_(std::move(schema)),
      source_(std::move(source)),
      first_(std::move(first)),
      batch_rows_(batch_rows),
      factory_(std::move(factory)),
      width_(std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 8)) {}

Status TextReader::AddTasks() {
  while (tasks_.size() < width_ && !source_end_) {
    TextChunk chunk;
    if (first_) {
      chunk = std::move(*first_);
      first_.reset();
    } else {
      LANCEFS_ASSIGN_OR_RETURN(const bool more, source_->Next(&chunk));
      if (!more) {
        source_end_ = true;
        break;
      }
    }
    if (chunk.last) source_end_ = true;
    Task task;
    if (idle_.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(task.parser, factory_());
    } else {
      task.parser = std::move(idle_.back());
      idle_.pop_back();
    }
    task.parser->Start(std::move(chunk));
    tasks_.push_back(std::move(task));
  }
  return Status::OK();
}

// Lets every chunk in flight make its next batch.
Status TextReader::RunTasks() {
  std::vector<Task*> open;
  for (Task& task : tasks_) {
    if (!task.done && task.batch == nullptr) open.push_back(&task);
  }
  return ParallelFor(open.size(), [&](size_t i) {
    Task& task = *open[i];
    try {
      auto batch = task.parser->Parse(batch_rows_, &task.error);
      if (batch.ok()) {
        task.batch = std::move(batch).MoveValue();
      } else {
        task.status = batch.status();
      }
    } catch (const std::bad_alloc&) {
      task.status = Status::ResourceExhausted("not enough memory for the rows of a batch");
    }
    task.done = task.batch == nullptr;
    return Status::OK();
  });
}

Status TextReader::FailWith(Task& task) {
  failed_ = task.status;
  if (task.error) {
    error_ = std::move(task.error);
    error_->row += rows_before_;
    failed_ = ToStatus(*error_);
  }
  tasks_.clear();
  return failed_;
}

Result<std::shared_ptr<arrow::RecordBatch>> TextReader::Next(const OpContext& ctx) {
  if (!failed_.ok()) return failed_;
  while (true) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    while (!tasks_.empty() && tasks_.front().batch == nullptr && tasks_.front().done) {
      Task& task = tasks_.front();
      if (!task.status.ok()) return FailWith(task);
      rows_before_ += task.rows;
      idle_.push_back(std::move(task.parser));
      tasks_.pop_front();
    }
    if (!tasks_.empty() && tasks_.front().batch != nullptr) {
      tasks_.front().rows += static_cast<uint64_t>(tasks_.front().batch->num_rows());
      return std::move(tasks_.front().batch);
    }
    const Status added = AddTasks();
    if (!added.ok() && tasks_.empty()) return failed_ = added;
    if (!added.ok()) {
      source_end_ = true;
      late_ = added;
    }
    if (tasks_.empty()) {
      if (!late_.ok()) return failed_ = late_;
      return std::shared_ptr<arrow::RecordBatch>();
    }
    LANCEFS_RETURN_NOT_OK(RunTasks());
  }
}

int64_t BoundedRows(const RowReaderOptions& options, const ColumnBuilder& root) {
  const int64_t bytes = std::max<int64_t>(options.batch_bytes, 1 << 20) * kExpansion;
  return std::clamp<int64_t>(bytes / std::max<int64_t>(root.MinimumRowBytes(), 1), 1, std::max<int64_t>(options.batch_rows, 1));
}

size_t ChunkBytes(const RowReaderOptions& options) {
  return static_cast<size_t>(std::clamp<int64_t>(options.batch_bytes, 1, kChunkBytes));
}

Result<std::unique_ptr<ColumnBuilder>> MakeRootBuilder(const arrow::Schema& schema) {
  return ColumnBuilder::Make(arrow::Field("", arrow::struct_(schema.fields()), /*nullable=*/false));
}

Result<std::shared_ptr<arrow::RecordBatch>> FinishBatch(ColumnBuilder& root, const std::shared_ptr<arrow::Schema>& schema) {
  const int64_t rows = root.length;
  root.length = 0;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  columns.reserve(root.children.size());
  for (auto& child : root.children) {
    auto column = child->Finish();
    if (!column.ok()) return column.status().WithContext("column '" + child->name + "'");
    columns.push_back(std::move(column).MoveValue());
  }
  return arrow::RecordBatch::Make(schema, rows, std::move(columns));
}

}  // namespace lancefs::rows
