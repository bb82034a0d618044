// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/verify.h"

#include <set>

#include "engine/format/deletion_vector.h"
#include "engine/format/lance_file.h"
#include "engine/scan/fragment_reader.h"
#include "engine/scan/scanner.h"
#include "engine/scan/verify_deep.h"

namespace lancefs {
namespace {

class Verifier {
 public:
  Verifier(std::shared_ptr<const Dataset> dataset, const OpContext& ctx) : dataset_(std::move(dataset)), ctx_(ctx) {}

  void CheckFragment(size_t index) {
    const pb::DataFragment& fragment = dataset_->manifest().fragments(static_cast<int>(index));
    where_ = "fragment " + std::to_string(fragment.id());
    ++report.fragments;
    broken_.clear();
    report.rows += dataset_->fragments()[index].rows();
    for (const pb::DataFile& file : fragment.files()) {
      ++report.files;
      const Status status = CheckDataFile(fragment, file);
      if (!status.ok()) broken_.insert(file.path());
      Note(status, "data file " + file.path());
    }
    if (fragment.has_deletion_file()) {
      ++report.files;
      const auto deletions = dataset_->Deletions(index, ctx_);
      if (!deletions.ok()) {
        broken_.insert("");
        Note(deletions.status(), "deletion file");
      } else if (fragment.deletion_file().num_deleted_rows() != 0 &&
                 (*deletions)->Count() != fragment.deletion_file().num_deleted_rows()) {
        Problem("the deletion file holds " + std::to_string((*deletions)->Count()) + " rows, the manifest says " +
                std::to_string(fragment.deletion_file().num_deleted_rows()));
      }
    }
    if (dataset_->stable_row_ids() && !fragment.has_column_row_ids()) {
      const auto ids = dataset_->RowIds(index, ctx_);
      if (!ids.ok()) Note(ids.status(), "row ids");
    }
  }

  void CheckTransaction() {
    where_ = "manifest";
    const auto transaction = dataset_->Transaction(ctx_);
    if (!transaction.ok()) {
      Note(transaction.status(), "transaction");
    } else if (!transaction->has_value() && !dataset_->manifest().transaction_file().empty()) {
      Problem("the transaction file " + dataset_->manifest().transaction_file() + " is missing");
    }
  }

  Status ReadRows() {
    where_ = "rows";
    LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(dataset_, ScanOptions()));
    uint64_t rows = 0;
    while (true) {
      auto batch = stream->Next(ctx_);
      if (!batch.ok()) {
        Note(batch.status(), "reading after row " + std::to_string(rows));
        return Status::OK();
      }
      if (*batch == nullptr) break;
      rows += static_cast<uint64_t>((*batch)->num_rows());
      const arrow::Status valid = (*batch)->ValidateFull();
      if (!valid.ok()) Problem("invalid values before row " + std::to_string(rows) + ": " + valid.message());
    }
    if (rows != dataset_->num_rows())
      Problem(std::to_string(rows) + " rows were read, the manifest says " + std::to_string(dataset_->num_rows()));
    return Status::OK();
  }

  // Page by page, after CheckFragment has told what is wrong with whole files.
  Status CheckFragmentDeep(size_t index) {
    const pb::DataFragment& fragment = dataset_->manifest().fragments(static_cast<int>(index));
    for (const pb::DataFile& file : fragment.files()) {
      if (broken_.contains(file.path())) continue;
      const Status status = deep_.CheckPages(file, ctx_);
      LANCEFS_RETURN_NOT_OK(ctx_.Check());
      Note(status, "data file " + file.path());
    }
    return broken_.empty() ? deep_.CheckFragment(index, ctx_) : Status::OK();
  }

  Status CheckTableDeep() {
    where_ = "table";
    deep_.CheckWhole();
    return deep_.CheckIndices(ctx_);
  }

  VerifyReport report;

 private:
  void Problem(const std::string& text) { report.problems.push_back(where_ + ": " + text); }
  void Note(const Status& status, const std::string& what) {
    if (!status.ok()) Problem(what + ": " + status.ToString());
  }

  Status CheckDataFile(const pb::DataFragment& fragment, const pb::DataFile& file) {
    LANCEFS_ASSIGN_OR_RETURN(const auto opened, dataset_->OpenDataFile(file, ctx_));
    if (file.file_size_bytes() != 0 && opened->size() != file.file_size_bytes()) {
      return Status::Corruption("has " + std::to_string(opened->size()) + " bytes, the manifest says " +
                                std::to_string(file.file_size_bytes()));
    }
    LANCEFS_ASSIGN_OR_RETURN(const FileVersion version,
                             FileVersionFromDataFile(file.file_major_version(), file.file_minor_version()));
    if (version != opened->version()) {
      return Status::Corruption("has version " + std::string(FileVersionName(opened->version())) + ", the manifest says " +
                                std::string(FileVersionName(version)));
    }
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t rows, opened->CountRows(ctx_));
    if (rows != fragment.physical_rows()) {
      return Status::Corruption("has " + std::to_string(rows) + " rows, the manifest says " +
                                std::to_string(fragment.physical_rows()));
    }
    std::vector<uint32_t> columns;
    for (const auto& [field, column] : ColumnsIn(file)) columns.push_back(column);
    return opened->Columns(columns, ctx_).status();
  }

  std::shared_ptr<const Dataset> dataset_;
  const OpContext& ctx_;
  std::string where_;
  std::set<std::string> broken_;  // data files of the fragment that need no closer look; "" = its deletion file
  DeepVerifier deep_{dataset_, [this](const std::string& text) { Problem(text); }, &report};
};

}  // namespace

Result<VerifyReport> VerifyDataset(std::shared_ptr<const Dataset> dataset, const VerifyOptions& options, const OpContext& ctx) {
  Verifier verifier(dataset, ctx);
  verifier.CheckTransaction();
  for (size_t i = 0; i < dataset->fragments().size(); ++i) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    verifier.CheckFragment(i);
    if (options.deep) LANCEFS_RETURN_NOT_OK(verifier.CheckFragmentDeep(i));
    if (options.progress) options.progress(i + 1, dataset->fragments().size());
  }
  if (options.deep) LANCEFS_RETURN_NOT_OK(verifier.CheckTableDeep());
  if (options.read_rows && verifier.report.problems.empty()) LANCEFS_RETURN_NOT_OK(verifier.ReadRows());
  return std::move(verifier.report);
}

}  // namespace lancefs
