// SPDX-License-Identifier: Apache-2.0
//
// rows_probe FORMAT FILE [REPEAT]: the rows of an Arrow IPC file in FORMAT (a suffix) on stdout. With REPEAT, nothing is
// printed but the times of each pass (stderr): a quick measure of rendering.
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "engine/arrow_status.h"
#include "engine/rows/row_writer.h"

namespace {

using namespace lancefs;

Status WriteAll(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0) return Status::IoError("write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status::OK();
}

Status Pass(RowFormat format, const std::shared_ptr<arrow::Schema>& schema,
            const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, ByteSink sink) {
  LANCEFS_ASSIGN_OR_RETURN(auto writer, RowWriter::Make(format, schema, std::move(sink)));
  for (const auto& batch : batches) LANCEFS_RETURN_NOT_OK(writer->Write(*batch));
  return writer->Finish();
}

Status Run(RowFormat format, const char* path, int repeat) {
  LANCEFS_ARROW_ASSIGN(auto file, arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
  LANCEFS_ARROW_ASSIGN(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    LANCEFS_ARROW_ASSIGN(auto batch, reader->ReadRecordBatch(i));
    batches.push_back(std::move(batch));
  }
  if (repeat == 0) return Pass(format, reader->schema(), batches, WriteAll);
  for (int i = 0; i < repeat; ++i) {
    size_t bytes = 0;
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    LANCEFS_RETURN_NOT_OK(Pass(format, reader->schema(), batches, [&](std::span<const uint8_t> piece) {
      bytes += piece.size();
      return Status::OK();
    }));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double cpu = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    std::cerr << seconds << " s, cpu " << cpu << " s, " << static_cast<double>(bytes) / 1e6 / cpu << " MB per cpu second\n";
  }
  return Status::OK();
}

}  // namespace

int main(int argc, char** argv) {
  const auto format = argc < 3 ? std::nullopt : RowFormatFromSuffix(argv[1]);
  if (!format) {
    std::cerr << "usage: rows_probe FORMAT FILE [REPEAT]\n";
    return 2;
  }
  const Status status = Run(*format, argv[2], argc > 3 ? std::atoi(argv[3]) : 0);
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
