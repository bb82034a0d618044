// SPDX-License-Identifier: Apache-2.0
#include "fs/append/drop_committer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "engine/format/blob_descriptor.h"
#include "engine/write/append_file.h"
#include "engine/write/commit.h"
#include "fs/errno_map.h"

namespace lancefs {
namespace {

// A bad row should fail the WRITE that brings it, since some tools do not look at close(). Checking from
// the start at every WRITE is quadratic, so only files up to this size are checked early.
constexpr uint64_t kEarlyCheckBytes = 64 * 1024;
// How often a commit starts anew when the table was overwritten or its schema changed meanwhile.
constexpr int kMaxRestarts = 20;
constexpr size_t kRecoverDepth = 200;

int64_t WallNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string BaseName(const std::string& name) { return name.substr(name.rfind('/') + 1); }

bool IsText(RowFormat format) { return format == RowFormat::kJsonl || format == RowFormat::kCsv || format == RowFormat::kTsv; }

// Whether the first line is a JSON object of its own.
bool StartsWithJsonLine(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string line(kEarlyCheckBytes, '\0');
  in.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(in.gcount()));
  const size_t end = line.find('\n');
  return end != std::string::npos && line.starts_with('{') &&
         nlohmann::json::accept(line.begin(), line.begin() + static_cast<ptrdiff_t>(end));
}

constexpr size_t kPiece = 4 << 20;
constexpr size_t kMaxHeaderLine = 1 << 20;

// A local file that goes away with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "we")) {
    if (file_ == nullptr) Fail();
  }
  ~TemporaryFile() {
    if (file_ != nullptr) std::fclose(file_);
    ::unlink(path_.c_str());
  }
  void Add(std::string_view bytes) {
    if (status_.ok() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) Fail();
  }
  // The bytes can be read by others now. Says what went wrong since the start.
  Status Finish() {
    if (file_ != nullptr && std::fclose(std::exchange(file_, nullptr)) != 0) Fail();
    return status_;
  }
  const std::string& path() const { return path_; }

 private:
  void Fail() {
    const std::string text = "cannot write " + path_ + ": " + std::strerror(errno);
    if (status_.ok()) status_ = errno == ENOSPC || errno == EDQUOT ? Status::ResourceExhausted(text) : Status::IoError(text);
  }
  std::string path_;
  std::FILE* file_;
  Status status_;
};

// The bytes from `offset` to `end` as a file of their own: CSV needs the header line again.
Status CopyTail(const SpoolFile& file, RowFormat format, uint64_t offset, uint64_t end, TemporaryFile* out) {
  if (offset > 0 && (format == RowFormat::kCsv || format == RowFormat::kTsv)) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes head, file.Read(0, std::min<uint64_t>(kMaxHeaderLine, offset)));
    const size_t line_end = head.view().find('\n');
    if (line_end == std::string_view::npos)
      return Status::InvalidArgument("the header line has no end, so nothing can be added behind it");
    out->Add(head.view().substr(0, line_end + 1));
  }
  while (offset < end) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes piece, file.Read(offset, std::min<uint64_t>(kPiece, end - offset)));
    if (piece.empty()) return Status::IoError("the spooled file " + file.data_path() + " is shorter than it was");
    out->Add(piece.view());
    offset += piece.size();
  }
  return out->Finish();
}

// Whether the same bytes may well be taken later: the store, not the rows, is at fault.
bool MayWorkLater(const Status& status) {
  return !status.Is(StatusCode::kInvalidArgument) && !status.Is(StatusCode::kNotSupported) && !status.Is(StatusCode::kTooLarge) &&
         !status.Is(StatusCode::kCorruption);
}

}  // namespace

Result<RowFileFormat> DropCommitter::FormatOf(const std::string& name, const std::string& path) const {
  Result<RowFileFormat> format = DetectRowFormat(BaseName(name), path);
  if (!format.ok() && !options_.append_format.empty()) format = DetectRowFormat("rows." + options_.append_format, path);
  // A .json file may well be lines (duckdb): then it can be checked early and grow.
  if (format.ok() && format->format == RowFormat::kJson && format->compression == Compression::kNone &&
      StartsWithJsonLine(path)) {
    format->format = RowFormat::kJsonl;
  }
  return format;
}

Result<CommitResult> DropCommitter::CommitFile(const std::string& path, RowFileFormat format, const std::string& uuid,
                                               bool* created, std::optional<RowError>* error, const OpContext& ctx) {
  WriteOptions write;
  write.transaction_uuid = uuid;
  for (int restart = 0;; ++restart) {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                             restart == 0 ? options_.table->Current(ctx) : options_.table->Refresh(ctx));
    Result<CommitResult> result = Status::Internal("not committed");
    bool again = false;
    *created = dataset == nullptr;
    if (dataset != nullptr) {
      result = AppendFile(dataset, path, format, write, error, ctx);
      again = result.status().Is(StatusCode::kConflict);
    } else {
      const LiveTable::Options& table = options_.table->options();
      result = CreateFromFile(table.store, table.path, path, format, NewTableSchema(), FileVersion::kV2_2, write, error, ctx);
      again = result.status().Is(StatusCode::kAlreadyExists);
    }
    if (result.ok() || !again || restart >= kMaxRestarts) return result;
    Log(LogLevel::kWarn, "append_restart", {{"reason", result.status().message()}});
  }
}

Status DropCommitter::CheckRows(const std::string& path, RowFileFormat format, std::optional<RowError>* error) {
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                           options_.table->Current(OpContext().WithTimeout(std::chrono::seconds(1))));
  RowReaderOptions reader_options;
  reader_options.schema = dataset != nullptr ? AppendSchema(dataset->schema()) : NewTableSchema();
  LANCEFS_ASSIGN_OR_RETURN(auto reader, RowReader::Open(path, format.format, format.compression, reader_options));
  while (true) {
    Result<std::shared_ptr<arrow::RecordBatch>> batch = reader->Next(OpContext());
    if (!batch.ok()) {
      *error = reader->error();
      return batch.status();
    }
    if (*batch == nullptr) return Status::OK();
  }
}

Status DropCommitter::CheckEarly(Drop& drop, const std::string& name, const Caller& caller) {
  if (drop.file == nullptr || drop.overwritten || !drop.holes.empty()) return Status::OK();
  const uint64_t offset = drop.only_appended ? drop.committed_size : 0;
  if (drop.size() <= offset || drop.size() - offset > kEarlyCheckBytes) return Status::OK();
  const Result<RowFileFormat> format = FormatOf(name, drop.file->data_path());
  if (!format.ok() || !IsText(format->format) || format->compression != Compression::kNone) return Status::OK();
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, drop.file->Read(offset, drop.size() - offset));
  const size_t line_end = bytes.view().rfind('\n');
  size_t end = line_end == std::string_view::npos ? 0 : line_end + 1;
  // A row may come in one WRITE and its line end in the next, which some tools do not look at any more.
  if (format->format == RowFormat::kJsonl && nlohmann::json::accept(bytes.view().substr(end))) end = bytes.size();
  if (end == 0) return Status::OK();
  const std::string_view lines = bytes.view().substr(0, end);
  // Inside a quoted CSV field a line end is no row end.
  if (format->format != RowFormat::kJsonl && std::count(lines.begin(), lines.end(), '"') % 2 != 0) return Status::OK();
  TemporaryFile file(drop.file->directory() + "/check");
  // What keeps the check from being made keeps no bytes from being taken.
  if (!CopyTail(*drop.file, format->format, offset, offset + lines.size(), &file).ok()) return Status::OK();
  std::optional<RowError> error;
  const Status status = CheckRows(file.path(), *format, &error);
  // Only what the rows themselves do wrong is the writer's fault.
  if (status.ok() || !status.Is(StatusCode::kInvalidArgument)) return Status::OK();
  drop.refused = status;
  Report(name, caller, status, error, true);
  return status;
}

Status DropCommitter::CheckAll(Drop& drop, const std::string& name, const Caller& caller) {
  if (!drop.refused.ok()) return drop.refused;
  if (drop.file == nullptr || drop.size() == 0) return Status::OK();
  LANCEFS_RETURN_NOT_OK(drop.file->Sync());
  return CheckEarly(drop, name, caller);
}

void DropCommitter::Report(const std::string& name, const Caller& caller, const Status& status,
                           const std::optional<RowError>& error, bool seen) {
  ErrorRecord record;
  record.uid = caller.uid;
  record.table = options_.table->options().name;
  record.operation = "append";
  record.path = (record.table.empty() ? "" : record.table + "/") + "append/" + name;
  record.error_number = seen ? ErrnoOf(status) : 0;
  record.code = std::string(StatusCodeName(status.code()));
  record.message = status.message();
  if (error) {
    record.row = error->row;
    record.column = error->column;
    record.value = error->value;
  }
  options_.log->AddError(std::move(record));
  Log(LogLevel::kWarn, "append_refused", {{"name", name}, {"reason", status.message()}});
}

Status DropCommitter::Commit(Drop& drop, const std::string& name, int64_t mtime_ns, const Caller& caller, bool error_is_seen,
                             const OpContext& ctx) {
  if (!drop.refused.ok()) return drop.refused;
  std::optional<RowError> error;
  auto commit = [&]() -> Status {
    if (!drop.holes.empty()) return Status::InvalidArgument("the file has a hole: some of its bytes were never written");
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t hash, drop.file->Hash());
    const std::optional<Receipt> receipt = spool_->FindReceipt(name, drop.size(), mtime_ns, hash);
    CommitRecord record;
    record.table = options_.table->options().name;
    record.name = name;
    record.bytes = drop.size();
    if (receipt) {
      record.note = "same name, time and bytes as a drop that was committed before";
      drop.version = receipt->version;
      drop.rows = receipt->rows;
      options_.log->AddCommit(std::move(record));
      return Status::OK();
    }
    LANCEFS_ASSIGN_OR_RETURN(const RowFileFormat format, FormatOf(name, drop.file->data_path()));
    const bool tail = drop.committed_size > 0 && drop.size() > drop.committed_size && drop.only_appended &&
                      IsText(format.format) && format.compression == Compression::kNone;
    const uint64_t offset = tail ? drop.committed_size : 0;
    if (drop.transaction_uuid.empty()) drop.transaction_uuid = UuidText(RandomUuidBytes());
    LANCEFS_RETURN_NOT_OK(drop.file->Seal({name, drop.size(), offset, drop.transaction_uuid, mtime_ns}));
    Result<CommitResult> result = Status::Internal("not committed");
    bool created = false;
    if (tail) {
      TemporaryFile file(drop.file->directory() + "/tail");
      LANCEFS_RETURN_NOT_OK(CopyTail(*drop.file, format.format, offset, drop.size(), &file));
      result = CommitFile(file.path(), format, drop.transaction_uuid, &created, &error, ctx);
      record.note = "tail of " + std::to_string(drop.size() - offset) + " bytes";
    } else {
      result = CommitFile(drop.file->data_path(), format, drop.transaction_uuid, &created, &error, ctx);
    }
    LANCEFS_RETURN_NOT_OK(result.status());
    record.transaction = result->transaction_uuid;
    record.rows = result->rows;
    if (result->rows > 0 || created) {
      record.version = result->version;
      drop.version = result->version;
      options_.table->Committed(result->dataset);
    } else {
      record.note = "0 rows: no version";
    }
    drop.rows = result->rows;
    options_.log->AddCommit(record);
    spool_->AddReceipt({name, drop.size(), mtime_ns, hash, WallNs(), record.version, result->rows});
    (void)drop.file->MarkDone();
    return Status::OK();
  };
  const Status status = commit();
  drop.transaction_uuid.clear();
  drop.dirty = false;
  drop.flush_owners.clear();
  if (status.ok()) {
    drop.committed_size = drop.size();
    drop.only_appended = true;
    drop.overwritten = false;
    return status;
  }
  drop.refused = status;
  if (!error_is_seen && MayWorkLater(status)) {
    // The tool believes that all went well. The drop stays sealed, and the next mount tries again.
    drop.file->Keep();
    Report(name, caller, status.WithContext("not committed yet; the next mount tries again"), error, false);
    return status;
  }
  (void)drop.file->MarkDone();  // refused for good: a restart must not try again
  Report(name, caller, status, error, error_is_seen);
  return status;
}

Status DropCommitter::Recover(const LeftDrop& left) {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<SpoolFile> file, spool_->Reopen(left));
  const SealedDrop& sealed = *left.sealed;
  const OpContext ctx = OpContext().WithTimeout(std::chrono::minutes(5));
  LANCEFS_RETURN_NOT_OK(file->Truncate(sealed.size));
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t hash, file->Hash());
  if (spool_->FindReceipt(sealed.name, sealed.size, sealed.mtime_ns, hash)) {  // dropped again, with success, after it had failed
    file->Keep(false);
    return file->MarkDone();
  }
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset, options_.table->Refresh(ctx));
  std::optional<uint64_t> found;
  if (dataset != nullptr) {
    LANCEFS_ASSIGN_OR_RETURN(found, FindTransaction(*dataset, sealed.transaction_uuid, kRecoverDepth, ctx));
  }
  if (found) {
    Log(LogLevel::kInfo, "drop_was_committed", {{"name", sealed.name}, {"version", std::to_string(*found)}});
    spool_->AddReceipt({sealed.name, sealed.size, sealed.mtime_ns, hash, WallNs(), *found, 0});
    file->Keep(false);
    return file->MarkDone();
  }
  Drop drop;
  drop.file = file;
  drop.dirty = true;
  drop.transaction_uuid = sealed.transaction_uuid;
  drop.committed_size = sealed.tail_offset;
  file->Keep(false);  // Commit keeps it where a later mount should try again
  return Commit(drop, sealed.name, sealed.mtime_ns, Caller(), false, ctx);
}

}  // namespace lancefs
