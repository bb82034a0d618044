// SPDX-License-Identifier: Apache-2.0
//
// file_probe FILE [--rows a-b,c-d,...] [--batch N] [--columns x,y] [--io stderr]
// Reads one Lance data file with the schema of its own descriptor and writes an Arrow IPC stream to
// stdout, one batch for the selected rows or for every N of them. With --io it tells on stderr how many bytes
// the columns took in how many requests. Exit 1 and a message on errors.
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "backends/local_store.h"
#include "backends/metered_store.h"
#include "engine/arrow_status.h"
#include "engine/format/column_read.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

Status Run(int argc, char** argv) {
  std::filesystem::path path = argv[1];
  RowSelection rows;
  bool have_rows = false;
  bool io = false;
  uint64_t batch = UINT64_MAX;
  std::vector<std::string> only;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    std::stringstream value(argv[i + 1]);
    std::string part;
    if (option == "--io") io = true;
    if (option == "--batch") batch = std::stoull(argv[i + 1]);
    while (option == "--columns" && std::getline(value, part, ',')) only.push_back(part);
    if (option == "--rows") have_rows = true;
    while (option == "--rows" && std::getline(value, part, ',')) {
      const size_t dash = part.find('-');
      rows.push_back({std::stoull(part.substr(0, dash)), std::stoull(part.substr(dash + 1))});
    }
  }
  const OpContext ctx;
  Metrics metrics;
  const auto store = MakeMeteredStore(MakeLocalStore(path.parent_path().string()), &metrics);
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<LanceFile> file, LanceFile::Open(store, path.filename().string(), 0, ctx));
  LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, file->GlobalBuffer(0, ctx));
  pb::FileDescriptor descriptor;
  if (!descriptor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Status::Corruption("file descriptor");
  LANCEFS_ASSIGN_OR_RETURN(Schema schema, SchemaFromProto(descriptor.schema().fields(), {}));
  FieldColumns columns;
  for (const Field* field : PhysicalFields(schema, file->version())) {
    const auto index = static_cast<uint32_t>(columns.size());
    columns.emplace(field->id, index);
  }
  std::vector<const Field*> wanted;
  arrow::FieldVector arrow_fields;
  for (const Field& field : schema.fields) {
    if (!only.empty() && std::find(only.begin(), only.end(), field.name) == only.end()) continue;
    wanted.push_back(&field);
    arrow_fields.push_back(field.ToArrow());
  }
  if (!have_rows) rows = {{0, descriptor.length()}};
  std::vector<RowSelection> batches;
  for (const RowRange& range : rows) {
    if (batch == UINT64_MAX) {
      if (batches.empty()) batches.emplace_back();
      batches.back().push_back(range);
      continue;
    }
    for (uint64_t start = range.start; start < range.end; start += batch)
      batches.push_back({{start, std::min(range.end, start + batch)}});
  }
  const auto bytes_read = [&] { return metrics.counter("lancefs_store_bytes_read_total").load(); };
  const auto requests = [&] { return metrics.counter("lancefs_store_requests_total").load(); };
  uint64_t bytes_before = 0;
  uint64_t requests_before = 0;
  const auto arrow_schema = arrow::schema(arrow_fields);
  LANCEFS_ARROW_ASSIGN(auto out, arrow::io::FileOutputStream::Open("/dev/stdout", true));
  LANCEFS_ARROW_ASSIGN(auto writer, arrow::ipc::MakeStreamWriter(out, arrow_schema));
  for (const RowSelection& selection : batches) {
    std::vector<std::unique_ptr<ColumnRead>> reads;
    for (const Field* field : wanted) {
      const std::vector<uint32_t> indices = ColumnsOf(*field, columns, file->version());
      LANCEFS_ASSIGN_OR_RETURN(auto infos, file->Columns(indices, ctx));
      if (bytes_before == 0) {
        bytes_before = bytes_read();
        requests_before = requests();
      }
      ColumnInfos by_index;
      for (size_t i = 0; i < indices.size(); ++i) by_index[indices[i]] = infos[i];
      LANCEFS_ASSIGN_OR_RETURN(auto read, MakeColumnRead(file, *field, columns, by_index, selection));
      reads.push_back(std::move(read));
    }
    LANCEFS_ASSIGN_OR_RETURN(auto arrays, RunColumnReads(file, std::move(reads), ctx));
    const auto result = arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(CountRows(selection)), arrays);
    LANCEFS_ARROW_NOT_OK(result->ValidateFull());
    LANCEFS_ARROW_NOT_OK(writer->WriteRecordBatch(*result));
  }
  LANCEFS_ARROW_NOT_OK(writer->Close());
  if (io) std::cerr << "bytes " << bytes_read() - bytes_before << " requests " << requests() - requests_before << "\n";
  return Status::OK();
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: file_probe FILE [--rows a-b,...] [--batch N] [--columns x,y]\n");
    return 2;
  }
  const lancefs::Status status = lancefs::Run(argc, argv);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
