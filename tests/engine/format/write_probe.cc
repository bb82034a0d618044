// SPDX-License-Identifier: Apache-2.0
//
// write_probe FILE [--version 2.2] [--batch N] [--page-bytes N] [--repeat N]
// Reads an Arrow IPC stream from stdin and writes its rows as one Lance data file, in batches as
// they come or in slices of N rows. --repeat writes the file again and prints the best MB/s. Prints
// what the manifest would need as one JSON line. Exit 1 and a message on errors.
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/util/byte_size.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "backends/local_store.h"
#include "engine/arrow_status.h"
#include "engine/format/data_file_writer.h"

namespace lancefs {
namespace {

struct Options {
  std::filesystem::path path;
  DataFileWriterOptions writer;
  int64_t batch = 0;
  int repeat = 1;
};

Result<WrittenDataFile> WriteFile(const arrow::RecordBatchVector& batches, const Schema& schema, const Options& options) {
  const OpContext ctx;
  const auto store = MakeLocalStore(options.path.parent_path().string(), {.fsync = false});
  LANCEFS_ASSIGN_OR_RETURN(auto sink, store->OpenWriter(options.path.filename().string(), ctx));
  LANCEFS_ASSIGN_OR_RETURN(auto writer, DataFileWriter::Make(std::move(sink), schema, options.writer));
  for (const auto& batch : batches) {
    const int64_t step = options.batch == 0 ? batch->num_rows() : options.batch;
    for (int64_t row = 0; row < batch->num_rows(); row += step)
      LANCEFS_RETURN_NOT_OK(writer->Write(*batch->Slice(row, step), ctx));
  }
  return writer->Finish(ctx);
}

void Print(const WrittenDataFile& written, double megabytes_per_second) {
  const auto list = [](const std::vector<int32_t>& numbers) {
    std::string text;
    for (const int32_t number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
    return "[" + text + "]";
  };
  std::printf("{\"rows\":%llu,\"bytes\":%llu,\"fields\":%s,\"column_indices\":%s,\"mb_per_s\":%.0f}\n",
              static_cast<unsigned long long>(written.rows), static_cast<unsigned long long>(written.size_bytes),
              list(written.fields).c_str(), list(written.column_indices).c_str(), megabytes_per_second);
}

Status Run(const Options& options) {
  std::string bytes;
  char block[1 << 16];
  while (const size_t size = std::fread(block, 1, sizeof(block), stdin)) bytes.append(block, size);
  const auto in = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
  LANCEFS_ARROW_ASSIGN(auto reader, arrow::ipc::RecordBatchStreamReader::Open(in));
  LANCEFS_ARROW_ASSIGN(auto batches, reader->ToRecordBatches());
  LANCEFS_ASSIGN_OR_RETURN(const Schema schema, SchemaFromArrow(*reader->schema()));
  int64_t arrow_bytes = 0;
  for (const auto& batch : batches) arrow_bytes += arrow::util::TotalBufferSize(*batch);
  double best = 0;
  WrittenDataFile written;
  for (int i = 0; i < options.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    LANCEFS_ASSIGN_OR_RETURN(written, WriteFile(batches, schema, options));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(arrow_bytes) / 1e6 / seconds.count());
  }
  Print(written, best);
  return Status::OK();
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: write_probe FILE [--version 2.2] [--batch N] [--page-bytes N] [--repeat N]\n");
    return 2;
  }
  lancefs::Options options;
  options.path = std::filesystem::absolute(argv[1]);
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--batch") options.batch = std::stoll(value);
    if (option == "--page-bytes") options.writer.page_bytes = std::stoull(value);
    if (option == "--repeat") options.repeat = std::stoi(value);
    if (option == "--version") {
      const auto version = lancefs::FileVersionFromName(value);
      if (!version.ok()) {
        std::fprintf(stderr, "%s\n", version.status().ToString().c_str());
        return 2;
      }
      options.writer.version = *version;
    }
  }
  const lancefs::Status status = lancefs::Run(options);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
