// SPDX-License-Identifier: Apache-2.0
//
// AppendArea: everything below one table's `append/`: the files that people drop, from the first
// byte to the commit and to the name that stays readable afterwards (RULES 22-27, 31-33).
//
// The filesystem hands every request for `append/` through to this interface and adds nothing but
// inode numbers, timeouts and errno. The area has its own node ids: kRoot is `append/` itself, all
// others are the area's to draw; an id is never used twice and stays valid while the node has a
// name or is open (a call on any other id is kNotFound). Rename keeps the id.
//
// Which call commits: Flush when the flusher is provably the only
// owner of the file, Rename when a temporary name becomes a final one, else Release of the last
// handle. The Status of Flush, Write and Rename is what close(), write() and rename() of the tool
// return, so a refusal comes from the earliest of them that can know it. kInvalidArgument for bad
// rows (EINVAL), kResourceExhausted for a full spool (ENOSPC), kTooLarge (EFBIG), kReadOnly (EROFS),
// kPermissionDenied (EACCES), kIoError and the store's codes (EIO).
//
// Thread safety: all calls, from any thread, concurrently (several handles of one file included).
// Calls may block, on the spool's disk and, where they commit, on the store; the filesystem calls
// them from a pool, never from a FUSE worker. Lookup, GetAttr, ReadDir and the xattr calls are the
// exception: they answer from memory, hold no lock over I/O, and are called from FUSE workers.
// A commit that has begun is finished. Cancellation of `ctx` (an interrupted close) ends the wait for it only when
// the caller is about to die; status/commits.jsonl tells what became of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "fs/live_table.h"
#include "fs/status_log.h"
#include "fs/types.h"

namespace lancefs {

class AppendArea {
 public:
  using Id = uint64_t;
  static constexpr Id kRoot = 1;

  struct Entry {
    Id id = 0;
    FileAttr attr;  // attr.ino is filled in by the filesystem; the rest (uid, gid, mode, times) by the area
  };
  struct ListEntry {
    std::string name;
    Id id = 0;
    uint32_t type = S_IFREG;  // S_IFREG or S_IFDIR
  };
  struct Opened {
    uint64_t handle = 0;      // the area's; passed back until Release
    bool direct_io = true;    // true for every handle that can write: only then WRITE carries the lock owner
    bool keep_cache = false;  // for read-only handles of a file whose bytes are final
  };
  struct Created {
    Entry entry;
    Opened opened;
  };

  virtual ~AppendArea() = default;

  // ---- Names and attributes (from memory) -------------------------------------------------------
  // Errors: kNotFound. Names of finished drops stay for the retention time, then they are gone.
  virtual Result<Entry> Lookup(Id parent, const std::string& name) = 0;
  // With a handle: of what that handle sees. Errors: kNotFound.
  virtual Result<FileAttr> GetAttr(Id id, std::optional<uint64_t> handle) = 0;
  // Every name in the folder but "." and "..", in any order. Errors: kNotFound.
  virtual Result<std::vector<ListEntry>> ReadDir(Id id) = 0;
  // user.lancefs.version, user.lancefs.rows, user.lancefs.error and what tools set. Absence is a value.
  virtual Result<std::optional<std::string>> GetXattr(Id id, const std::string& name) = 0;
  virtual Result<std::vector<std::string>> ListXattr(Id id) = 0;

  // ---- Changes of names and attributes ----------------------------------------------------------
  // chmod, chown and utimens always succeed and stick, also after the commit (cp -p, rsync, tar,
  // install, unzip fail otherwise). `size` truncates or grows the spooled bytes (a hole is no data:
  // a drop that still has one at the commit is refused) and never commits by itself. `handle` as in fstat.
  virtual Result<FileAttr> SetAttr(Id id, std::optional<uint64_t> handle, const AttrChange& change, const Caller& caller,
                                   const OpContext& ctx) = 0;
  // Accepted and kept with the name; user.lancefs.* is kPermissionDenied.
  virtual Status SetXattr(Id id, const std::string& name, const std::string& value) = 0;
  virtual Status RemoveXattr(Id id, const std::string& name) = 0;
  // `mode` is final (umask applied). Errors: kAlreadyExists, kNotFound (parent).
  virtual Result<Entry> Mkdir(Id parent, const std::string& name, uint32_t mode, const Caller& caller, const OpContext& ctx) = 0;
  // Errors: kConflict when the folder has names in it (ENOTEMPTY).
  virtual Status Rmdir(Id parent, const std::string& name, const OpContext& ctx) = 0;
  // Removes the name, never rows. Not committed yet: the drop is given up once its last handle is released.
  virtual Status Unlink(Id parent, const std::string& name, const OpContext& ctx) = 0;
  // Inside the area, an existing target is replaced unless `no_replace` (kAlreadyExists). From a
  // temporary name to a final one commits; a refusal leaves the old name in place. kConflict for a
  // folder that would replace one with names in it.
  virtual Status Rename(Id parent, const std::string& name, Id new_parent, const std::string& new_name, bool no_replace,
                        const Caller& caller, const OpContext& ctx) = 0;

  // ---- Open files -------------------------------------------------------------------------------
  // `flags` are those of open(2) and keep the access mode (FLUSH does not have it). O_EXCL:
  // kAlreadyExists. `mode` is final.
  virtual Result<Created> Create(Id parent, const std::string& name, uint32_t mode, int flags, const Caller& caller,
                                 const OpContext& ctx) = 0;
  // O_TRUNC starts a new drop under the old name. Opening read-only never commits.
  virtual Result<Opened> Open(Id id, int flags, const Caller& caller, const OpContext& ctx) = 0;
  // Up to `size` bytes; fewer only at the end.
  virtual Result<Bytes> Read(Id id, uint64_t handle, uint64_t offset, size_t size, const OpContext& ctx) = 0;
  // All of `data` or an error. `lock_owner` identifies the writing process' file table; absent in
  // writeback. Rows are checked while they arrive: bad ones fail the WRITE that brings them where possible.
  virtual Status Write(Id id, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner,
                       const Caller& caller, const OpContext& ctx) = 0;
  // close(2) of one descriptor, once per close. Commits, or does nothing, as above. A caller that
  // was killed (its pid says so) is not committed.
  virtual Status Flush(Id id, uint64_t handle, std::optional<uint64_t> lock_owner, const Caller& caller,
                       const OpContext& ctx) = 0;
  // Checks the rows so far and makes the spool durable; no commit.
  virtual Status Fsync(Id id, uint64_t handle, const OpContext& ctx) = 0;
  // The last descriptor is gone. Commits what no Flush could; nobody sees its error but the status log.
  virtual void Release(Id id, uint64_t handle, const OpContext& ctx) = 0;

  // ---- The area as a whole ----------------------------------------------------------------------
  virtual Result<FsStats> StatFs() = 0;
  // Whether a closed file has not been committed yet but will be (flushed, not released).
  virtual bool HasPending() = 0;
  // Waits until nothing is pending or `ctx` says stop. Lookups of the live tree give it 200 ms.
  virtual void WaitForPending(const OpContext& ctx) = 0;
  // Finishes commits that were promised; later calls that would change something are kReadOnly. Called once,
  // before the mount goes away.
  virtual Status Shutdown(const OpContext& ctx) = 0;
};

struct AppendAreaOptions {
  std::shared_ptr<LiveTable> table;  // Current() is null for a table that is still to be created
  // A schema that was written to `schema.json` of a table to be created; null = that of the first file.
  std::function<std::shared_ptr<arrow::Schema>()> new_table_schema;
  std::shared_ptr<StatusLog> log;  // commits and errors go here, and nowhere else
  std::string state_directory;     // of this mount's URI; the area uses `<state_directory>/spool` (RULES 31, 32)
  uint64_t spool_bytes = 10ULL << 30;
  std::chrono::seconds retention{600};  // how long a finished name stays
  std::string append_format;            // format of names with an unknown suffix; empty = refuse them
  uint32_t uid = 0;                     // owner of append/ itself
  uint32_t gid = 0;
  uint32_t umask = 0022;  // for folders and files that a request gives no mode
};

// Replays the spool (drops that a crash left behind) in the background; drops arrive meanwhile.
// Errors: kIoError (spool directory), kNotSupported (a spool of a newer format).
using AppendAreaFactory = std::function<Result<std::shared_ptr<AppendArea>>(AppendAreaOptions)>;
// The real one, in fs/append/ (see there).
Result<std::shared_ptr<AppendArea>> MakeAppendArea(AppendAreaOptions options);

}  // namespace lancefs
