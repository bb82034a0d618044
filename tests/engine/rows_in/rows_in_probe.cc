// SPDX-License-Identifier: Apache-2.0
//
// Reads a row file and writes what was read as an Arrow IPC file, for the Python tests.
//   rows_in_probe [--batch-bytes=N] [--batch-rows=N] SCHEMA INPUT OUTPUT
// SCHEMA: an Arrow IPC stream with the target schema, or "-" to infer it. OUTPUT "-": nothing is written, the time goes
// to stdout. A refusal goes to stderr, exit status 1.
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "engine/arrow_status.h"
#include "engine/rows/row_reader.h"

namespace lancefs {
namespace {

Result<std::shared_ptr<arrow::Schema>> ReadSchema(const std::string& path) {
  if (path == "-") return std::shared_ptr<arrow::Schema>();
  LANCEFS_ARROW_ASSIGN(auto file, arrow::io::ReadableFile::Open(path));
  LANCEFS_ARROW_ASSIGN(auto reader, arrow::ipc::RecordBatchStreamReader::Open(file));
  return reader->schema();
}

Status Run(const std::vector<std::string>& args, RowReaderOptions options) {
  LANCEFS_ASSIGN_OR_RETURN(options.schema, ReadSchema(args[0]));
  LANCEFS_ASSIGN_OR_RETURN(const RowFileFormat format, DetectRowFormat(args[1], args[1]));
  const auto start = std::chrono::steady_clock::now();
  LANCEFS_ASSIGN_OR_RETURN(auto reader, RowReader::Open(args[1], format.format, format.compression, options));
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer;
  if (args[2] != "-") {
    LANCEFS_ARROW_ASSIGN(auto out, arrow::io::FileOutputStream::Open(args[2]));
    LANCEFS_ARROW_ASSIGN(writer, arrow::ipc::MakeFileWriter(out, reader->schema()));
  }
  int64_t rows = 0;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(const auto batch, reader->Next(OpContext()));
    if (batch == nullptr) break;
    if (writer != nullptr) {
      LANCEFS_ARROW_NOT_OK(batch->ValidateFull());
      LANCEFS_ARROW_NOT_OK(writer->WriteRecordBatch(*batch));
    }
    rows += batch->num_rows();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%lld rows in %.3f s\n", static_cast<long long>(rows), seconds.count());
  return writer == nullptr ? Status::OK() : FromArrow(writer->Close());
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  lancefs::RowReaderOptions options;
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with("--batch-bytes=")) {
      options.batch_bytes = std::atoll(argv[i] + sizeof("--batch-bytes=") - 1);
    } else if (arg.starts_with("--batch-rows=")) {
      options.batch_rows = std::atoll(argv[i] + sizeof("--batch-rows=") - 1);
    } else {
      args.emplace_back(arg);
    }
  }
  if (args.size() != 3) {
    std::fprintf(stderr, "usage: rows_in_probe [--batch-bytes=N] [--batch-rows=N] SCHEMA INPUT OUTPUT\n");
    return 2;
  }
  const lancefs::Status status = lancefs::Run(args, options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}
