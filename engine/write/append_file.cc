// SPDX-License-Identifier: Apache-2.0
#include "engine/write/append_file.h"

namespace lancefs {
namespace {

Result<CommitResult> Pump(RowReader* reader, AppendWriter* writer, std::optional<RowError>* error, const OpContext& ctx) {
  while (true) {
    Result<std::shared_ptr<arrow::RecordBatch>> batch = reader->Next(ctx);
    if (!batch.ok()) {
      if (error != nullptr) *error = reader->error();
      return batch.status();
    }
    if (*batch == nullptr) break;
    LANCEFS_RETURN_NOT_OK(writer->Write(**batch, ctx));
  }
  return writer->Commit(ctx);
}

bool SameTypes(const arrow::Schema& left, const arrow::Schema& right) {
  if (left.num_fields() != right.num_fields()) return false;
  for (int i = 0; i < left.num_fields(); ++i) {
    if (!left.field(i)->type()->Equals(*right.field(i)->type(), /*check_metadata=*/false)) return false;
  }
  return true;
}

}  // namespace

Result<CommitResult> AppendFile(std::shared_ptr<const Dataset> dataset, const std::string& path, RowFileFormat format,
                                const WriteOptions& options, std::optional<RowError>* error, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(auto writer, AppendWriter::Make(std::move(dataset), options));
  RowReaderOptions reader_options;
  reader_options.schema = writer->schema();
  LANCEFS_ASSIGN_OR_RETURN(auto reader, RowReader::Open(path, format.format, format.compression, reader_options));
  return Pump(reader.get(), writer.get(), error, ctx);
}

Result<CommitResult> CreateFromFile(std::shared_ptr<ObjectStore> store, const std::string& dataset_path, const std::string& path,
                                    RowFileFormat format, std::shared_ptr<arrow::Schema> schema, FileVersion version,
                                    const WriteOptions& options, std::optional<RowError>* error, const OpContext& ctx) {
  RowReaderOptions reader_options;
  reader_options.schema = std::move(schema);
  LANCEFS_ASSIGN_OR_RETURN(auto reader, RowReader::Open(path, format.format, format.compression, reader_options));
  LANCEFS_ASSIGN_OR_RETURN(auto writer,
                           AppendWriter::MakeCreate(std::move(store), dataset_path, reader->schema(), version, options));
  if (!SameTypes(*reader->schema(), *writer->schema())) {  // extension types: the table knows their storage
    reader_options.schema = writer->schema();
    LANCEFS_ASSIGN_OR_RETURN(reader, RowReader::Open(path, format.format, format.compression, reader_options));
  }
  return Pump(reader.get(), writer.get(), error, ctx);
}

}  // namespace lancefs
