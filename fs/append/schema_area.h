// SPDX-License-Identifier: Apache-2.0
//
// SchemaArea: `schema.json` of a table that has no version yet (RULES 10). It is an append area with room for that one file, kept
// in memory: closing it takes the schema, which the first dropped file then has to fit; a bad one fails the close.
//
// Thread safety: all calls, from any thread; none blocks.
#pragma once

#include <arrow/type.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "fs/append_area.h"

namespace lancefs {

class SchemaArea : public AppendArea {
 public:
  static constexpr const char* kName = "schema.json";
  // Of `options`, only what files look like and where errors go is used.
  explicit SchemaArea(const AppendAreaOptions& options);

  // What was written, null until then.
  std::shared_ptr<arrow::Schema> schema() const;

  Result<Entry> Lookup(Id parent, const std::string& name) override;
  Result<FileAttr> GetAttr(Id id, std::optional<uint64_t> handle) override;
  Result<std::vector<ListEntry>> ReadDir(Id id) override;
  Result<std::optional<std::string>> GetXattr(Id id, const std::string& name) override;
  Result<std::vector<std::string>> ListXattr(Id id) override;
  Result<FileAttr> SetAttr(Id id, std::optional<uint64_t> handle, const AttrChange& change, const Caller& caller,
                           const OpContext& ctx) override;
  Status SetXattr(Id id, const std::string& name, const std::string& value) override;
  Status RemoveXattr(Id id, const std::string& name) override;
  Result<Entry> Mkdir(Id parent, const std::string& name, uint32_t mode, const Caller& caller, const OpContext& ctx) override;
  Status Rmdir(Id parent, const std::string& name, const OpContext& ctx) override;
  Status Unlink(Id parent, const std::string& name, const OpContext& ctx) override;
  Status Rename(Id parent, const std::string& name, Id new_parent, const std::string& new_name, bool no_replace,
                const Caller& caller, const OpContext& ctx) override;
  Result<Created> Create(Id parent, const std::string& name, uint32_t mode, int flags, const Caller& caller,
                         const OpContext& ctx) override;
  Result<Opened> Open(Id id, int flags, const Caller& caller, const OpContext& ctx) override;
  Result<Bytes> Read(Id id, uint64_t handle, uint64_t offset, size_t size, const OpContext& ctx) override;
  Status Write(Id id, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner, const Caller& caller,
               const OpContext& ctx) override;
  Status Flush(Id id, uint64_t handle, std::optional<uint64_t> lock_owner, const Caller& caller, const OpContext& ctx) override;
  Status Fsync(Id id, uint64_t handle, const OpContext& ctx) override;
  void Release(Id id, uint64_t handle, const OpContext& ctx) override;
  Result<FsStats> StatFs() override;
  bool HasPending() override { return false; }
  void WaitForPending(const OpContext& ctx) override {}
  Status Shutdown(const OpContext& ctx) override { return Status::OK(); }

 private:
  struct File {
    Id id = 0;
    FileAttr attr;
    std::string text;
    bool dirty = false;  // the schema does not tell the text's yet
    std::map<std::string, std::string> xattrs;
  };
  Result<File*> Find(Id id);
  // Takes the text as the schema. REQUIRES: mutex_ is held.
  Status Take(File& file);

  const AppendAreaOptions options_;
  mutable std::mutex mutex_;
  std::optional<File> file_;  // guarded by mutex_, like all below
  std::shared_ptr<arrow::Schema> schema_;
  Id next_id_ = kRoot + 1;
  uint64_t next_handle_ = 1;
};

}  // namespace lancefs
