// SPDX-License-Identifier: Apache-2.0
//
// Filesystem: the operations of the mount as the kernel asks for them, free of libfuse. Numbers in
// (inodes and handles as they were given out), a callback with an errno and a value out.
//
// Every operation is first tried in the calling thread without waiting (most answers are in memory);
// what has to wait goes to a pool of the filesystem's own, and the callback comes from there (RULES
// 21). Callbacks are called exactly once, also on failure. The pool is separate from the engine's:
// however many readers wait for a result, the scan that they wait for has threads.
//
// An inode lives as long as the kernel counts lookups of it (Lookup, Create, Mkdir count one up;
// Forget counts down) and while it is open.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/executor.h"
#include "fs/node.h"
#include "fs/table.h"
#include "fs/types.h"

namespace lancefs {

inline constexpr uint64_t kRootInode = 1;

struct EntryReply {
  uint64_t ino = 0;  // 0: no such name, and the kernel may remember that for entry_timeout
  FileAttr attr;
  double attr_timeout = 0;
  double entry_timeout = 0;
};
struct AttrReply {
  FileAttr attr;
  double attr_timeout = 0;
};
struct OpenReply {
  uint64_t handle = 0;
  bool direct_io = false;
  bool keep_cache = false;
};
struct CreateReply {
  EntryReply entry;
  OpenReply opened;
};
using DirListing = std::shared_ptr<const std::vector<DirEntry>>;  // with "." and ".."

template <typename T>
using Reply = std::function<void(int error_number, const T& value)>;
using DoneReply = std::function<void(int error_number)>;

class Filesystem {
 public:
  // Looks at the store: is there a dataset or a database? Errors: kNotFound, the store's.
  static Result<std::shared_ptr<Filesystem>> Make(FilesystemOptions options, const OpContext& ctx);
  ~Filesystem();

  // `ctx` of each operation: its cancel token is set when the caller was interrupted.
  void Lookup(uint64_t parent, std::string name, Caller caller, OpContext ctx, Reply<EntryReply> reply);
  void Forget(uint64_t ino, uint64_t count);
  void GetAttr(uint64_t ino, std::optional<uint64_t> handle, Caller caller, OpContext ctx, Reply<AttrReply> reply);
  void SetAttr(uint64_t ino, std::optional<uint64_t> handle, AttrChange change, Caller caller, OpContext ctx,
               Reply<AttrReply> reply);
  // lseek with SEEK_DATA or (`hole`) SEEK_HOLE. EINVAL where the size is not known yet: there the end would be a hole
  // for cp and grep, which compare it with the estimate that fstat gave them.
  void Lseek(uint64_t ino, uint64_t handle, uint64_t offset, bool hole, Caller caller, OpContext ctx, Reply<uint64_t> reply);
  void ReadLink(uint64_t ino, Caller caller, OpContext ctx, Reply<std::string> reply);

  // The listing is taken once, here; reading the directory costs nothing.
  void OpenDir(uint64_t ino, Caller caller, OpContext ctx, Reply<OpenReply> reply);
  DirListing Listing(uint64_t handle) const;
  void ReleaseDir(uint64_t handle);

  void Open(uint64_t ino, int flags, Caller caller, OpContext ctx, Reply<OpenReply> reply);
  void Read(uint64_t ino, uint64_t handle, uint64_t offset, size_t size, Caller caller, OpContext ctx, Reply<Bytes> reply);
  // `data` is copied into `Bytes` by the adapter: the kernel's buffer ends with the request.
  void Write(uint64_t ino, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner, Caller caller,
             OpContext ctx, DoneReply reply);
  void Flush(uint64_t ino, uint64_t handle, std::optional<uint64_t> lock_owner, Caller caller, OpContext ctx, DoneReply reply);
  void Fsync(uint64_t ino, uint64_t handle, Caller caller, OpContext ctx, DoneReply reply);
  void Release(uint64_t ino, uint64_t handle, DoneReply reply);

  void Create(uint64_t parent, std::string name, uint32_t mode, int flags, Caller caller, OpContext ctx,
              Reply<CreateReply> reply);
  void Mkdir(uint64_t parent, std::string name, uint32_t mode, Caller caller, OpContext ctx, Reply<EntryReply> reply);
  void Symlink(uint64_t parent, std::string name, std::string target, Caller caller, OpContext ctx, Reply<EntryReply> reply);
  void Unlink(uint64_t parent, std::string name, Caller caller, OpContext ctx, DoneReply reply);
  void Rmdir(uint64_t parent, std::string name, Caller caller, OpContext ctx, DoneReply reply);
  void Rename(uint64_t parent, std::string name, uint64_t new_parent, std::string new_name, bool no_replace, Caller caller,
              OpContext ctx, DoneReply reply);

  void GetXattr(uint64_t ino, std::string name, Caller caller, Reply<std::string> reply);  // ENODATA where absent
  void ListXattr(uint64_t ino, Caller caller, Reply<std::vector<std::string>> reply);
  void SetXattr(uint64_t ino, std::string name, std::string value, Caller caller, DoneReply reply);
  void RemoveXattr(uint64_t ino, std::string name, Caller caller, DoneReply reply);
  void StatFs(uint64_t ino, Reply<FsStats> reply);

  // Finishes promised commits; called once the kernel asks nothing more.
  Status Shutdown(const OpContext& ctx);

  const FilesystemOptions& options() const { return mount_->options; }
  StatusLog& log() { return *mount_->log; }
  // For tests: how many inodes the kernel holds.
  size_t inode_count() const;

 private:
  struct Inode {
    NodePtr node;
    uint64_t lookups = 0;
  };
  struct FileHandle {
    NodePtr node;
    std::shared_ptr<OpenFile> file;  // null for append files
    uint64_t area_handle = 0;
    DirListing listing;  // of directories
  };

  Filesystem(FilesystemOptions options, bool is_database);

  NodePtr Find(uint64_t ino) const;
  std::shared_ptr<FileHandle> FindHandle(uint64_t handle) const;
  uint64_t AddHandle(FileHandle handle);
  std::shared_ptr<FileHandle> RemoveHandle(uint64_t handle);
  EntryReply Remember(const NodePtr& node, const FileAttr& attr, double entry_timeout);
  // Runs `work` (Scope -> Result<T>) here without waiting and, if it has to wait, in the pool.
  template <typename T, typename Work>
  void Run(const char* operation, std::string path, const Caller& caller, const OpContext& ctx, Reply<T> reply, Work work);
  // Runs `work` in the pool.
  template <typename T, typename Work>
  void RunInPool(const char* operation, std::string path, const Caller& caller, const OpContext& ctx, Reply<T> reply, Work work);
  template <typename T>
  void Answer(const char* operation, const std::string& path, const Caller& caller, const Result<T>& result,
              const Reply<T>& reply);

  Result<EntryReply> LookupIn(const NodePtr& parent, const std::string& name, const Scope& scope);
  Result<FileAttr> AttrOf(const NodePtr& node, const Scope& scope);
  std::string PathOf(uint64_t parent, const std::string& name) const;
  // The append node of `ino`, or the Status that says why nothing can be changed there.
  Result<std::shared_ptr<class AppendNode>> Writable(uint64_t ino, const std::string& name) const;

  const std::shared_ptr<Mount> mount_;
  NodePtr root_;
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Inode> inodes_;  // guarded by mutex_, like all below
  std::unordered_map<uint64_t, std::shared_ptr<FileHandle>> handles_;
  uint64_t next_handle_ = 1;
  std::unique_ptr<Executor> pool_;  // last: its threads end first
};

}  // namespace lancefs
