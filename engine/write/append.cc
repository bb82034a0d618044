// SPDX-License-Identifier: Apache-2.0
#include "engine/write/append.h"

#include <algorithm>
#include <set>

#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/data_file_writer.h"
#include "engine/rows/json_columns.h"
#include "engine/write/commit.h"

namespace lancefs {
namespace {

class AppendWriterImpl : public AppendWriter {
 public:
  AppendWriterImpl(std::shared_ptr<ObjectStore> store, std::string path, Schema schema, FileVersion version, WriteOptions options)
      : store_(std::move(store)),
        path_(std::move(path)),
        schema_(std::move(schema)),
        arrow_schema_(AppendSchema(schema_)),
        version_(version),
        options_(std::move(options)) {
    if (options_.transaction_uuid.empty()) options_.transaction_uuid = UuidText(RandomUuidBytes());
  }
  ~AppendWriterImpl() override {
    if (keep_files_) return;
    writer_.reset();
    for (const pb::DataFragment& fragment : fragments_) {
      for (const pb::DataFile& file : fragment.files()) (void)store_->Delete(DataPath(file.path()), OpContext());
    }
  }

  void set_base(std::shared_ptr<const Dataset> base) { base_ = std::move(base); }

  const std::shared_ptr<arrow::Schema>& schema() const override { return arrow_schema_; }
  uint64_t rows() const override { return rows_; }

  Status Write(const arrow::RecordBatch& batch, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(CheckTypes(batch));
    NoteNulls(batch);
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::RecordBatch> stored, StoreJson(batch));
    int64_t offset = 0;
    while (offset < batch.num_rows()) {
      if (writer_ == nullptr) LANCEFS_RETURN_NOT_OK(StartFile(ctx));
      const auto room = static_cast<int64_t>(options_.max_rows_per_file - writer_->rows());
      const int64_t length = std::min(room, batch.num_rows() - offset);
      Status status = writer_->Write(*stored->Slice(offset, length), ctx);
      if (!status.ok()) return status;
      offset += length;
      rows_ += static_cast<uint64_t>(length);
      if (writer_->rows() >= options_.max_rows_per_file || writer_->EstimatedSize() >= options_.max_bytes_per_file) {
        LANCEFS_RETURN_NOT_OK(FinishFile(ctx));
      }
    }
    return Status::OK();
  }

  Result<CommitResult> Commit(const OpContext& ctx) override {
    if (committed_) return Status::Internal("commit was called twice");
    if (writer_ != nullptr) LANCEFS_RETURN_NOT_OK(FinishFile(ctx));
    committed_ = true;
    if (base_ != nullptr && rows_ == 0) return CommitResult{base_->version(), 0, options_.transaction_uuid, base_};
    pb::Transaction transaction;
    transaction.set_uuid(options_.transaction_uuid);
    for (const auto& [key, value] : options_.transaction_properties) (*transaction.mutable_transaction_properties())[key] = value;
    Result<std::shared_ptr<const Dataset>> dataset = Status::Internal("not committed");
    if (base_ != nullptr) {
      for (const pb::DataFragment& fragment : fragments_) *transaction.mutable_append()->add_fragments() = fragment;
      WrittenColumns written;
      for (const Field& field : schema_.fields) written.field_ids.push_back(field.id);
      written.fields_with_nulls.assign(fields_with_nulls_.begin(), fields_with_nulls_.end());
      dataset = CommitAppend(base_, std::move(transaction), written, ctx);
    } else {
      for (const pb::DataFragment& fragment : fragments_) *transaction.mutable_overwrite()->add_fragments() = fragment;
      SchemaToProto(schema_, transaction.mutable_overwrite()->mutable_schema());
      dataset = CommitCreate(store_, path_, schema_, version_, std::move(transaction), ctx);
    }
    // Files may only go when no version can refer to them.
    keep_files_ = dataset.ok() || dataset.status().Is(StatusCode::kUnknownOutcome);
    if (!dataset.ok()) return dataset.status();
    return CommitResult{(*dataset)->version(), rows_, options_.transaction_uuid, *dataset};
  }

 private:
  std::string DataPath(const std::string& name) const { return (path_.empty() ? "" : path_ + "/") + "data/" + name; }

  // The batch as files hold it: JSON is binary there.
  Result<std::shared_ptr<arrow::RecordBatch>> StoreJson(const arrow::RecordBatch& batch) const {
    arrow::ArrayVector columns = batch.columns();
    for (size_t i = 0; i < columns.size(); ++i) {
      const Field& field = schema_.fields[i];
      if (WithJsonText(field).type == field.type) continue;
      Result<std::shared_ptr<arrow::Array>> stored = JsonFromText(columns[i], field.type);
      if (!stored.ok()) return stored.status().WithContext("column '" + field.name + "', rows from " + std::to_string(rows_));
      columns[i] = std::move(*stored);
    }
    return arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), std::move(columns));
  }

  Status CheckTypes(const arrow::RecordBatch& batch) const {
    if (batch.num_columns() != arrow_schema_->num_fields()) {
      return Status::InvalidArgument("the rows have " + std::to_string(batch.num_columns()) + " columns, the table has " +
                                     std::to_string(arrow_schema_->num_fields()));
    }
    for (int i = 0; i < batch.num_columns(); ++i) {
      const arrow::Field& field = *arrow_schema_->field(i);
      if (!batch.column(i)->type()->Equals(*field.type(), /*check_metadata=*/false)) {
        return Status::InvalidArgument("column '" + field.name() + "' has the type " + batch.column(i)->type()->ToString() +
                                       ", the table wants " + field.type()->ToString());
      }
      if (!field.nullable() && batch.column(i)->null_count() > 0) {
        int64_t row = 0;
        while (batch.column(i)->IsValid(row)) ++row;
        return Status::InvalidArgument("row " + std::to_string(rows_ + static_cast<uint64_t>(row) + 1) + ", column '" +
                                       field.name() + "': null in a column that forbids it");
      }
    }
    return Status::OK();
  }

  void NoteNulls(const arrow::RecordBatch& batch) {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (batch.column(i)->null_count() > 0) fields_with_nulls_.insert(schema_.fields[static_cast<size_t>(i)].id);
    }
  }

  Status StartFile(const OpContext& ctx) {
    file_name_ = RandomDataFileName();
    LANCEFS_ASSIGN_OR_RETURN(auto sink, store_->OpenWriter(DataPath(file_name_), ctx));
    DataFileWriterOptions options;
    options.version = version_;
    LANCEFS_ASSIGN_OR_RETURN(writer_, DataFileWriter::Make(std::move(sink), schema_, options));
    return Status::OK();
  }

  Status FinishFile(const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(const WrittenDataFile written, writer_->Finish(ctx));
    writer_.reset();
    pb::DataFragment fragment;
    fragment.set_physical_rows(written.rows);
    pb::DataFile* file = fragment.add_files();
    file->set_path(file_name_);
    for (const int32_t id : written.fields) file->add_fields(id);
    for (const int32_t index : written.column_indices) file->add_column_indices(index);
    const VersionPair numbers = DataFileNumbers(written.version);
    file->set_file_major_version(numbers.major);
    file->set_file_minor_version(numbers.minor);
    file->set_file_size_bytes(written.size_bytes);
    fragments_.push_back(std::move(fragment));
    return Status::OK();
  }

  std::shared_ptr<ObjectStore> store_;
  std::string path_;
  Schema schema_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  FileVersion version_;
  WriteOptions options_;
  std::shared_ptr<const Dataset> base_;  // null: create
  std::unique_ptr<DataFileWriter> writer_;
  std::string file_name_;
  std::vector<pb::DataFragment> fragments_;
  std::set<int32_t> fields_with_nulls_;
  uint64_t rows_ = 0;
  bool committed_ = false;
  bool keep_files_ = false;
};

}  // namespace

Result<std::unique_ptr<AppendWriter>> AppendWriter::Make(std::shared_ptr<const Dataset> dataset, const WriteOptions& options) {
  LANCEFS_RETURN_NOT_OK(CheckWriterFlags(dataset->manifest()));
  if (IsDetachedVersion(dataset->version())) {
    return Status::InvalidArgument("version " + std::to_string(dataset->version()) +
                                   " is detached from the table's history; nothing can be appended to it");
  }
  const std::vector<Field>& fields = dataset->schema().fields;
  if ((dataset->manifest().writer_feature_flags() & kFlagManagedBlobs) != 0 &&
      std::any_of(fields.begin(), fields.end(), HasBlobs)) {
    return Status::NotSupported("appending blobs to a table with the feature " + FlagNames(kFlagManagedBlobs) +
                                " is not supported");
  }
  const FileVersion version = dataset->data_version();
  if (version == FileVersion::kV0_1 || version == FileVersion::kV2_3) {
    return Status::NotSupported("appending to tables of data version " + std::string(FileVersionName(version)) +
                                " is not supported");
  }
  auto writer = std::make_unique<AppendWriterImpl>(dataset->store(), dataset->path(), dataset->schema(), version, options);
  writer->set_base(std::move(dataset));
  return std::unique_ptr<AppendWriter>(std::move(writer));
}

Result<std::unique_ptr<AppendWriter>> AppendWriter::MakeCreate(std::shared_ptr<ObjectStore> store, std::string path,
                                                               std::shared_ptr<arrow::Schema> schema, FileVersion version,
                                                               const WriteOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(Schema lance_schema, SchemaFromArrow(*schema));
  return std::unique_ptr<AppendWriter>(
      std::make_unique<AppendWriterImpl>(std::move(store), std::move(path), std::move(lance_schema), version, options));
}

Result<std::optional<uint64_t>> FindTransaction(const Dataset& dataset, const std::string& uuid, size_t depth,
                                                const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> version, dataset.Latest(ctx));
  for (size_t i = 0; i < depth; ++i) {
    if (version->manifest().transaction_file().find(uuid) != std::string::npos)
      return std::optional<uint64_t>(version->version());
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<pb::Transaction> transaction, version->Transaction(ctx));
    if (transaction && transaction->uuid() == uuid) return std::optional<uint64_t>(version->version());
    if (version->version() <= 1) break;
    Result<std::shared_ptr<const Dataset>> older = version->Checkout(version->version() - 1, ctx);
    if (!older.ok()) {
      if (older.status().Is(StatusCode::kNotFound)) break;  // cleaned up
      return older.status();
    }
    version = std::move(*older);
  }
  return std::optional<uint64_t>();
}

}  // namespace lancefs
