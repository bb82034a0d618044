// SPDX-License-Identifier: Apache-2.0
#include "fs/append/schema_area.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/format/schema.h"
#include "fs/schema_json.h"

namespace lancefs {
namespace {

constexpr uint64_t kMaxBytes = 16 << 20;

int64_t WallNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Status OnlyTheSchema() { return Status::ReadOnly("only schema.json can be written here; rows go into append/"); }

}  // namespace

SchemaArea::SchemaArea(const AppendAreaOptions& options) : options_(options) {}

std::shared_ptr<arrow::Schema> SchemaArea::schema() const {
  std::lock_guard lock(mutex_);
  return schema_;
}

Result<SchemaArea::File*> SchemaArea::Find(Id id) {
  if (!file_ || file_->id != id) return Status::NotFound("there is no such file any more");
  return &*file_;
}

Result<AppendArea::Entry> SchemaArea::Lookup(Id parent, const std::string& name) {
  std::lock_guard lock(mutex_);
  if (parent != kRoot || name != kName || !file_) return Status::NotFound("no schema was written yet");
  return Entry{file_->id, file_->attr};
}

Result<FileAttr> SchemaArea::GetAttr(Id id, std::optional<uint64_t>) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  return file->attr;
}

Result<std::vector<AppendArea::ListEntry>> SchemaArea::ReadDir(Id) {
  std::lock_guard lock(mutex_);
  std::vector<ListEntry> entries;
  if (file_) entries.push_back({kName, file_->id, S_IFREG});
  return entries;
}

Result<std::optional<std::string>> SchemaArea::GetXattr(Id id, const std::string& name) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  const auto it = file->xattrs.find(name);
  return it == file->xattrs.end() ? std::optional<std::string>() : std::optional<std::string>(it->second);
}

Result<std::vector<std::string>> SchemaArea::ListXattr(Id id) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  std::vector<std::string> names;
  for (const auto& [name, value] : file->xattrs) names.push_back(name);
  return names;
}

Result<FileAttr> SchemaArea::SetAttr(Id id, std::optional<uint64_t>, const AttrChange& change, const Caller&, const OpContext&) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  if (change.size) {
    if (*change.size > kMaxBytes) return Status::TooLarge("a schema has at most 16 MiB");
    file->text.resize(*change.size);
    file->attr.size = *change.size;
    file->dirty = true;
  }
  const auto time = [](int64_t asked) { return asked == AttrChange::kNow ? WallNs() : asked; };
  if (change.mode) file->attr.mode = (file->attr.mode & S_IFMT) | *change.mode;
  if (change.uid) file->attr.uid = *change.uid;
  if (change.gid) file->attr.gid = *change.gid;
  if (change.atime_ns) file->attr.atime_ns = time(*change.atime_ns);
  if (change.mtime_ns) file->attr.mtime_ns = time(*change.mtime_ns);
  file->attr.ctime_ns = WallNs();
  return file->attr;
}

Status SchemaArea::SetXattr(Id id, const std::string& name, const std::string& value) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  file->xattrs[name] = value;
  return Status::OK();
}

Status SchemaArea::RemoveXattr(Id id, const std::string& name) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  file->xattrs.erase(name);
  return Status::OK();
}

Result<AppendArea::Entry> SchemaArea::Mkdir(Id, const std::string&, uint32_t, const Caller&, const OpContext&) {
  return OnlyTheSchema();
}
Status SchemaArea::Rmdir(Id, const std::string&, const OpContext&) { return OnlyTheSchema(); }
Status SchemaArea::Rename(Id, const std::string&, Id, const std::string&, bool, const Caller&, const OpContext&) {
  return OnlyTheSchema();
}

Status SchemaArea::Unlink(Id parent, const std::string& name, const OpContext&) {
  std::lock_guard lock(mutex_);
  if (parent != kRoot || name != kName || !file_) return Status::NotFound("no schema was written yet");
  file_.reset();
  schema_.reset();
  return Status::OK();
}

Result<AppendArea::Created> SchemaArea::Create(Id parent, const std::string& name, uint32_t mode, int flags, const Caller& caller,
                                               const OpContext&) {
  if (parent != kRoot || name != kName) return OnlyTheSchema();
  std::lock_guard lock(mutex_);
  if (file_ && (flags & O_EXCL) != 0) return Status::AlreadyExists("schema.json is there already");
  if (!file_) {
    file_.emplace();
    file_->id = next_id_++;
    file_->attr.mode = S_IFREG | mode;
    file_->attr.uid = caller.uid;
    file_->attr.gid = caller.gid;
    file_->attr.atime_ns = file_->attr.mtime_ns = file_->attr.ctime_ns = WallNs();
  }
  Created created;
  created.entry = {file_->id, file_->attr};
  created.opened.handle = next_handle_++;
  return created;
}

Result<AppendArea::Opened> SchemaArea::Open(Id id, int flags, const Caller&, const OpContext&) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  if ((flags & O_TRUNC) != 0) {
    file->text.clear();
    file->attr.size = 0;
    file->dirty = true;
  }
  Opened opened;
  opened.handle = next_handle_++;
  return opened;
}

Result<Bytes> SchemaArea::Read(Id id, uint64_t, uint64_t offset, size_t size, const OpContext&) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  return offset >= file->text.size() ? Bytes() : Bytes::FromString(file->text.substr(offset, size));
}

Status SchemaArea::Write(Id id, uint64_t, uint64_t offset, Bytes data, std::optional<uint64_t>, const Caller&, const OpContext&) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  if (offset > kMaxBytes || data.size() > kMaxBytes - offset) return Status::TooLarge("a schema has at most 16 MiB");
  file->text.resize(std::max<size_t>(file->text.size(), offset + data.size()));
  if (!data.empty()) std::memcpy(file->text.data() + offset, data.data(), data.size());
  file->attr.size = file->text.size();
  file->attr.mtime_ns = file->attr.ctime_ns = WallNs();
  file->dirty = true;
  // Some tools do not look at close(): a text that is whole already fails the write.
  return IsWholeJson(file->text) ? Take(*file) : Status::OK();
}

Status SchemaArea::Take(File& file) {
  file.dirty = false;
  if (file.text.empty()) {  // created, or truncated to be written again
    schema_.reset();
    return Status::OK();
  }
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Schema> schema, ParseSchemaJson(file.text));
  LANCEFS_RETURN_NOT_OK(SchemaFromArrow(*schema).status());
  schema_ = std::move(schema);
  return Status::OK();
}

Status SchemaArea::Flush(Id id, uint64_t, std::optional<uint64_t>, const Caller&, const OpContext&) {
  std::lock_guard lock(mutex_);
  LANCEFS_ASSIGN_OR_RETURN(File * file, Find(id));
  return file->dirty ? Take(*file) : Status::OK();
}

Status SchemaArea::Fsync(Id, uint64_t, const OpContext&) { return Status::OK(); }

void SchemaArea::Release(Id id, uint64_t, const OpContext&) {
  Status status;
  {
    std::lock_guard lock(mutex_);
    Result<File*> file = Find(id);
    if (!file.ok() || !(*file)->dirty) return;
    status = Take(**file);
  }
  if (status.ok()) return;
  // Nobody sees this error but the log; those of Write and Flush are reported by who asked.
  ErrorRecord record;
  record.table = options_.table->options().name;
  record.operation = "schema";
  record.path = record.table + "/" + kName;
  record.code = std::string(StatusCodeName(status.code()));
  record.message = status.message();
  options_.log->AddError(std::move(record));
}

Result<FsStats> SchemaArea::StatFs() { return FsStats(); }

}  // namespace lancefs
