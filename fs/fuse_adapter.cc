// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_adapter.h"

#define FUSE_USE_VERSION 34
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/log.h"
#include "fs/filesystem.h"

extern char** environ;

namespace lancefs {
namespace {

constexpr unsigned kMaxTransfer = 1 << 20;
constexpr unsigned kReadAheadKb = 4096;

// ---- Requests -----------------------------------------------------------------------------------

// One request from its arrival to its reply: the interrupt callback points to it until then.
struct Request {
  explicit Request(fuse_req_t fuse_req) : req(fuse_req) {}
  const fuse_req_t req;
  CancelToken cancel;
};
using RequestPtr = std::shared_ptr<Request>;

Filesystem& Fs(fuse_req_t req) { return *static_cast<Filesystem*>(fuse_req_userdata(req)); }

Caller CallerOf(fuse_req_t req) {
  const fuse_ctx* ctx = fuse_req_ctx(req);
  return Caller{ctx->uid, ctx->gid, ctx->pid, ctx->umask};
}

RequestPtr Track(fuse_req_t req) {
  auto request = std::make_shared<Request>(req);
  // libfuse holds the request's lock while it calls this, and a reply takes the same lock: the
  // Request lives until the reply is through, because the reply's callback holds it.
  fuse_req_interrupt_func(
      req, [](fuse_req_t, void* data) { static_cast<Request*>(data)->cancel.Cancel(); }, request.get());
  return request;
}

OpContext ContextOf(const RequestPtr& request) {
  OpContext ctx;
  ctx.cancel = request->cancel;
  return ctx;
}

timespec ToTimespec(int64_t ns) {
  timespec time;
  time.tv_sec = ns / 1'000'000'000;
  time.tv_nsec = ns % 1'000'000'000;
  if (time.tv_nsec < 0) {
    time.tv_nsec += 1'000'000'000;
    --time.tv_sec;
  }
  return time;
}

int64_t FromTimespec(const timespec& time) { return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec; }

struct stat ToStat(const FileAttr& attr) {
  struct stat out;
  std::memset(&out, 0, sizeof(out));
  out.st_ino = attr.ino;
  out.st_mode = attr.mode;
  out.st_nlink = attr.nlink;
  out.st_uid = attr.uid;
  out.st_gid = attr.gid;
  out.st_size = static_cast<off_t>(attr.size);
  out.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  out.st_blksize = kMaxTransfer;  // what tools read at a time
  out.st_atim = ToTimespec(attr.atime_ns);
  out.st_mtim = ToTimespec(attr.mtime_ns);
  out.st_ctim = ToTimespec(attr.ctime_ns);
  return out;
}

fuse_entry_param ToEntry(const EntryReply& entry) {
  fuse_entry_param out;
  std::memset(&out, 0, sizeof(out));
  out.ino = entry.ino;
  out.attr = ToStat(entry.attr);
  out.attr_timeout = entry.attr_timeout;
  out.entry_timeout = entry.entry_timeout;
  return out;
}

void ReplyEntry(const RequestPtr& request, int error_number, const EntryReply& entry) {
  if (error_number != 0) {
    fuse_reply_err(request->req, error_number);
    return;
  }
  const fuse_entry_param param = ToEntry(entry);
  // The caller is gone: the kernel never learned of this inode.
  Filesystem& fs = Fs(request->req);
  if (fuse_reply_entry(request->req, &param) == -ENOENT && entry.ino != 0) fs.Forget(entry.ino, 1);
}

void FillInfo(const OpenReply& opened, fuse_file_info* info) {
  info->fh = opened.handle;
  info->direct_io = opened.direct_io;
  info->keep_cache = opened.keep_cache;
}

DoneReply ReplyDone(const RequestPtr& request) {
  return [request](int error_number) { fuse_reply_err(request->req, error_number); };
}

// ---- Operations ---------------------------------------------------------------------------------

void OnInit(void*, fuse_conn_info* conn) {
  conn->max_write = kMaxTransfer;
  conn->max_readahead = kReadAheadKb * 1024;
  conn->max_background = 64;
  conn->congestion_threshold = 48;
  // Written pages must come with their writer (lock owner, pid); listing must not look up every name.
  conn->want &= ~(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ);
}

void OnLookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  RequestPtr request = Track(req);
  Fs(req).Lookup(parent, name, CallerOf(req), ContextOf(request),
                 [request](int error, const EntryReply& entry) { ReplyEntry(request, error, entry); });
}

void OnForget(fuse_req_t req, fuse_ino_t ino, uint64_t count) {
  Fs(req).Forget(ino, count);
  fuse_reply_none(req);
}

void OnForgetMulti(fuse_req_t req, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) Fs(req).Forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

Reply<AttrReply> ReplyAttr(const RequestPtr& request) {
  return [request](int error, const AttrReply& attr) {
    if (error != 0) {
      fuse_reply_err(request->req, error);
      return;
    }
    const struct stat out = ToStat(attr.attr);
    fuse_reply_attr(request->req, &out, attr.attr_timeout);
  };
}

std::optional<uint64_t> HandleOf(const fuse_file_info* info) {
  if (info == nullptr) return std::nullopt;
  return info->fh;
}

void OnGetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).GetAttr(ino, HandleOf(info), CallerOf(req), ContextOf(request), ReplyAttr(request));
}

// The kernel asks for SEEK_DATA and SEEK_HOLE alone.
void OnLseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info) {
  if (info == nullptr || offset < 0 || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  RequestPtr request = Track(req);
  Fs(req).Lseek(ino, info->fh, static_cast<uint64_t>(offset), whence == SEEK_HOLE, CallerOf(req), ContextOf(request),
                [request](int error, const uint64_t& position) {
                  if (error != 0)
                    fuse_reply_err(request->req, error);
                  else
                    fuse_reply_lseek(request->req, static_cast<off_t>(position));
                });
}

void OnSetAttr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set, fuse_file_info* info) {
  AttrChange change;
  if (to_set & FUSE_SET_ATTR_MODE) change.mode = attr->st_mode & 07777;
  if (to_set & FUSE_SET_ATTR_UID) change.uid = attr->st_uid;
  if (to_set & FUSE_SET_ATTR_GID) change.gid = attr->st_gid;
  if (to_set & FUSE_SET_ATTR_SIZE) change.size = static_cast<uint64_t>(attr->st_size);
  if (to_set & FUSE_SET_ATTR_ATIME) change.atime_ns = FromTimespec(attr->st_atim);
  if (to_set & FUSE_SET_ATTR_MTIME) change.mtime_ns = FromTimespec(attr->st_mtim);
  if (to_set & FUSE_SET_ATTR_ATIME_NOW) change.atime_ns = AttrChange::kNow;
  if (to_set & FUSE_SET_ATTR_MTIME_NOW) change.mtime_ns = AttrChange::kNow;
  RequestPtr request = Track(req);
  Fs(req).SetAttr(ino, HandleOf(info), change, CallerOf(req), ContextOf(request), ReplyAttr(request));
}

void OnReadLink(fuse_req_t req, fuse_ino_t ino) {
  RequestPtr request = Track(req);
  Fs(req).ReadLink(ino, CallerOf(req), ContextOf(request), [request](int error, const std::string& target) {
    error != 0 ? fuse_reply_err(request->req, error) : fuse_reply_readlink(request->req, target.c_str());
  });
}

void OnOpenDir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).OpenDir(ino, CallerOf(req), ContextOf(request), [request](int error, const OpenReply& opened) {
    fuse_file_info out;
    std::memset(&out, 0, sizeof(out));
    FillInfo(opened, &out);
    Filesystem& fs = Fs(request->req);
    if (error != 0)
      fuse_reply_err(request->req, error);
    else if (fuse_reply_open(request->req, &out) == -ENOENT)
      fs.ReleaseDir(opened.handle);
  });
}

void OnReadDir(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  const DirListing listing = Fs(req).Listing(info->fh);
  if (!listing) {
    fuse_reply_err(req, EBADF);
    return;
  }
  std::string buffer(size, '\0');
  size_t used = 0;
  for (size_t i = static_cast<size_t>(offset); i < listing->size(); ++i) {
    const DirEntry& entry = (*listing)[i];
    struct stat attr;
    std::memset(&attr, 0, sizeof(attr));
    attr.st_ino = entry.ino;
    attr.st_mode = entry.type;
    const size_t needed =
        fuse_add_direntry(req, buffer.data() + used, size - used, entry.name.c_str(), &attr, static_cast<off_t>(i + 1));
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(req, buffer.data(), used);
}

void OnReleaseDir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  Fs(req).ReleaseDir(info->fh);
  fuse_reply_err(req, 0);
}

void OnOpen(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).Open(ino, info->flags, CallerOf(req), ContextOf(request), [request, ino](int error, const OpenReply& opened) {
    fuse_file_info out;
    std::memset(&out, 0, sizeof(out));
    FillInfo(opened, &out);
    Filesystem& fs = Fs(request->req);
    if (error != 0)
      fuse_reply_err(request->req, error);
    else if (fuse_reply_open(request->req, &out) == -ENOENT)
      fs.Release(ino, opened.handle, [](int) {});
  });
}

void OnRead(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).Read(ino, info->fh, static_cast<uint64_t>(offset), size, CallerOf(req), ContextOf(request),
               [request](int error, const Bytes& bytes) {
                 if (error != 0)
                   fuse_reply_err(request->req, error);
                 else
                   fuse_reply_buf(request->req, reinterpret_cast<const char*>(bytes.data()), bytes.size());
               });
}

// The lock owner is there only for files that are open with direct_io; 0 means none.
std::optional<uint64_t> LockOwner(const fuse_file_info* info) {
  if (info->lock_owner == 0) return std::nullopt;
  return info->lock_owner;
}

void OnWrite(fuse_req_t req, fuse_ino_t ino, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Bytes bytes = Bytes::Copy({reinterpret_cast<const uint8_t*>(data), size});
  Fs(req).Write(
      ino, info->fh, static_cast<uint64_t>(offset), std::move(bytes), LockOwner(info), CallerOf(req), ContextOf(request),
      [request, size](int error) { error != 0 ? fuse_reply_err(request->req, error) : fuse_reply_write(request->req, size); });
}

void OnFlush(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).Flush(ino, info->fh, LockOwner(info), CallerOf(req), ContextOf(request), ReplyDone(request));
}

void OnFsync(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).Fsync(ino, info->fh, CallerOf(req), ContextOf(request), ReplyDone(request));
}

void OnRelease(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  RequestPtr request = std::make_shared<Request>(req);  // nobody can interrupt it
  Fs(req).Release(ino, info->fh, ReplyDone(request));
}

void OnCreate(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  RequestPtr request = Track(req);
  Fs(req).Create(parent, name, mode, info->flags, CallerOf(req), ContextOf(request),
                 [request](int error, const CreateReply& created) {
                   if (error != 0) {
                     fuse_reply_err(request->req, error);
                     return;
                   }
                   const fuse_entry_param param = ToEntry(created.entry);
                   fuse_file_info out;
                   std::memset(&out, 0, sizeof(out));
                   FillInfo(created.opened, &out);
                   Filesystem& fs = Fs(request->req);
                   if (fuse_reply_create(request->req, &param, &out) != -ENOENT) return;
                   fs.Release(created.entry.ino, created.opened.handle, [](int) {});
                   fs.Forget(created.entry.ino, 1);
                 });
}

void OnMkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  RequestPtr request = Track(req);
  Fs(req).Mkdir(parent, name, mode, CallerOf(req), ContextOf(request),
                [request](int error, const EntryReply& entry) { ReplyEntry(request, error, entry); });
}

// mknod of a plain file is what create is where the kernel has no atomic open (NFS servers).
void OnMknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  if (!S_ISREG(mode)) {
    fuse_reply_err(req, EPERM);
    return;
  }
  RequestPtr request = Track(req);
  Fs(req).Create(parent, name, mode, O_WRONLY | O_CREAT | O_EXCL, CallerOf(req), ContextOf(request),
                 [request](int error, const CreateReply& created) {
                   if (error == 0) Fs(request->req).Release(created.entry.ino, created.opened.handle, [](int) {});
                   ReplyEntry(request, error, created.entry);
                 });
}

void OnUnlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  RequestPtr request = Track(req);
  Fs(req).Unlink(parent, name, CallerOf(req), ContextOf(request), ReplyDone(request));
}

void OnRmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  RequestPtr request = Track(req);
  Fs(req).Rmdir(parent, name, CallerOf(req), ContextOf(request), ReplyDone(request));
}

void OnRename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name, unsigned flags) {
  constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE
  if ((flags & ~kNoReplace) != 0) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  RequestPtr request = Track(req);
  Fs(req).Rename(parent, name, new_parent, new_name, (flags & kNoReplace) != 0, CallerOf(req), ContextOf(request),
                 ReplyDone(request));
}

void OnSymlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  RequestPtr request = Track(req);
  Fs(req).Symlink(parent, name, target, CallerOf(req), ContextOf(request),
                  [request](int error, const EntryReply& entry) { ReplyEntry(request, error, entry); });
}
void OnLink(fuse_req_t req, fuse_ino_t, fuse_ino_t, const char*) { fuse_reply_err(req, EPERM); }

// The kernel first asks for the size (0), then for the value.
void ReplySized(fuse_req_t req, const std::string& value, size_t size) {
  if (size == 0)
    fuse_reply_xattr(req, value.size());
  else if (value.size() > size)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, value.data(), value.size());
}

void OnGetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  Fs(req).GetXattr(ino, name, CallerOf(req), [req, size](int error, const std::string& value) {
    if (error != 0)
      fuse_reply_err(req, error);
    else
      ReplySized(req, value, size);
  });
}

void OnListXattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  Fs(req).ListXattr(ino, CallerOf(req), [req, size](int error, const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) list.append(name).append(1, '\0');
    if (error != 0)
      fuse_reply_err(req, error);
    else
      ReplySized(req, list, size);
  });
}

void OnSetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, size_t size, int) {
  Fs(req).SetXattr(ino, name, std::string(value, size), CallerOf(req), [req](int error) { fuse_reply_err(req, error); });
}

void OnRemoveXattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  Fs(req).RemoveXattr(ino, name, CallerOf(req), [req](int error) { fuse_reply_err(req, error); });
}

void OnStatFs(fuse_req_t req, fuse_ino_t ino) {
  Fs(req).StatFs(ino, [req](int error, const FsStats& stats) {
    if (error != 0) {
      fuse_reply_err(req, error);
      return;
    }
    struct statvfs out;
    std::memset(&out, 0, sizeof(out));
    out.f_bsize = out.f_frsize = stats.block_size;
    out.f_blocks = stats.blocks;
    out.f_bfree = out.f_bavail = stats.blocks_free;
    out.f_files = stats.files;
    out.f_ffree = out.f_favail = stats.files_free;
    out.f_namemax = stats.name_max;
    fuse_reply_statfs(req, &out);
  });
}

fuse_lowlevel_ops Operations() {
  fuse_lowlevel_ops ops;
  std::memset(&ops, 0, sizeof(ops));
  ops.init = OnInit;
  ops.lookup = OnLookup;
  ops.forget = OnForget;
  ops.forget_multi = OnForgetMulti;
  ops.getattr = OnGetAttr;
  ops.setattr = OnSetAttr;
  ops.lseek = OnLseek;
  ops.readlink = OnReadLink;
  ops.opendir = OnOpenDir;
  ops.readdir = OnReadDir;
  ops.releasedir = OnReleaseDir;
  ops.open = OnOpen;
  ops.read = OnRead;
  ops.write = OnWrite;
  ops.flush = OnFlush;
  ops.fsync = OnFsync;
  ops.release = OnRelease;
  ops.create = OnCreate;
  ops.mknod = OnMknod;
  ops.mkdir = OnMkdir;
  ops.unlink = OnUnlink;
  ops.rmdir = OnRmdir;
  ops.rename = OnRename;
  ops.symlink = OnSymlink;
  ops.link = OnLink;
  ops.getxattr = OnGetXattr;
  ops.listxattr = OnListXattr;
  ops.setxattr = OnSetXattr;
  ops.removexattr = OnRemoveXattr;
  ops.statfs = OnStatFs;
  return ops;
}

// ---- The mountpoint -----------------------------------------------------------------------------

std::string ErrnoText(const std::string& what) { return what + ": " + std::strerror(errno); }

void RunFusermount(const std::string& mountpoint) {
  const char* argv[] = {"fusermount3", "-u", "-z", "-q", "--", mountpoint.c_str(), nullptr};
  pid_t pid = 0;
  if (posix_spawnp(&pid, argv[0], nullptr, nullptr, const_cast<char**>(argv), environ) != 0) return;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Gives the absolute path of a directory that can be mounted on; clears what a killed daemon left.
Result<std::string> PrepareMountpoint(const std::string& mountpoint) {
  struct stat attr;
  // Opening asks the daemon; stat alone may be answered from what the kernel remembers of a dead one.
  const int fd = ::open(mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool stale = fd < 0 && errno == ENOTCONN;
  if (fd >= 0) ::close(fd);
  if (stale) {
    Log(LogLevel::kWarn, "stale_mount", {{"mountpoint", mountpoint}});
    const std::string absolute = std::filesystem::absolute(mountpoint).lexically_normal().string();
    if (::umount2(absolute.c_str(), MNT_DETACH) != 0) RunFusermount(absolute);
  }
  if (::stat(mountpoint.c_str(), &attr) != 0) return Status::NotFound(ErrnoText("the mountpoint " + mountpoint));
  if (!S_ISDIR(attr.st_mode)) return Status::InvalidArgument("the mountpoint " + mountpoint + " is not a directory");
  char* real = ::realpath(mountpoint.c_str(), nullptr);
  if (real == nullptr) return Status::IoError(ErrnoText("the mountpoint " + mountpoint));
  std::string out = real;
  ::free(real);
  return out;
}

// "a,b\c" as a value inside -o.
std::string EscapeOption(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string FuseOptions(const MountOptions& options, const std::string& uri) {
  std::string out = "fsname=" + EscapeOption(uri) + ",subtype=lancefs";
  if (options.default_permissions) out += ",default_permissions";
  if (options.allow_other) out += ",allow_other";
  if (options.auto_unmount) out += ",auto_unmount";
  if (options.filesystem.read_only) out += ",ro";
  for (const std::string& option : options.fuse_options) out += "," + option;
  return out;
}

// The page cache asks for as much at once as a request may carry. Needs root; without it the
// kernel's 128 KiB stay.
void RaiseReadAhead(const std::string& mountpoint) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line, device;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, dev, root, point;
    fields >> id >> parent >> dev >> root >> point;
    if (point == mountpoint) device = dev;
  }
  if (device.empty()) return;
  std::ofstream("/sys/class/bdi/" + device + "/read_ahead_kb") << kReadAheadKb;
}

// ---- State --------------------------------------------------------------------------------------

std::string DefaultStateDirectory() {
  if (::geteuid() == 0) return "/var/lib/lancefs";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string(state) + "/lancefs";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr && *home != '\0' ? home : "/tmp") + "/.local/state/lancefs";
}

// The directory of this URI and a lock on it. A second mount of one URI gets the next number: a
// spool belongs to one daemon at a time, and the next daemon finds what a crash left in number 0.
class StateDirectory {
 public:
  static Result<StateDirectory> Open(const std::string& base, const std::string& uri) {
    char name[32];
    std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(InodeOf(uri)));
    for (int number = 0; number < 1000; ++number) {
      StateDirectory state;
      state.path_ = base + "/" + name + "/" + std::to_string(number);
      std::error_code error;
      std::filesystem::create_directories(state.path_, error);
      if (error) return Status::IoError("cannot create the state directory " + state.path_ + ": " + error.message());
      ::chmod(state.path_.c_str(), 0700);
      state.fd_ = ::open((state.path_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (state.fd_ < 0) return Status::IoError(ErrnoText("the lock in " + state.path_));
      if (::flock(state.fd_, LOCK_EX | LOCK_NB) == 0) {
        std::ofstream(state.path_ + "/uri") << uri << "\n";
        return state;
      }
    }
    return Status::ResourceExhausted("too many mounts of " + uri);
  }
  StateDirectory(StateDirectory&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  ~StateDirectory() {
    if (fd_ >= 0) ::close(fd_);
  }
  const std::string& path() const { return path_; }

 private:
  StateDirectory() = default;
  std::string path_;
  int fd_ = -1;
};

// ---- The background -----------------------------------------------------------------------------

// Tells the parent process how the start went: one byte (0 = mounted), then the message.
class Readiness {
 public:
  explicit Readiness(int fd) : fd_(fd) {}
  void Tell(const Status& status) {
    if (fd_ < 0) return;
    std::string text(1, static_cast<char>(status.code()));
    text += status.message();
    (void)!::write(fd_, text.data(), std::min<size_t>(text.size(), 4096));
    ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Status WaitForChild(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  if (text.empty()) return Status::Internal("the daemon ended before the mount was ready; see its log");
  if (text[0] == 0) return Status::OK();
  return Status(static_cast<StatusCode>(text[0]), text.substr(1));
}

void CloseStandardFiles() {
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) return;
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// libfuse's objects, released in order whatever happens.
class Session {
 public:
  ~Session() {
    if (session_ == nullptr) return;
    Unmount();
    fuse_remove_signal_handlers(session_);
    fuse_session_destroy(session_);
  }
  Status Start(const MountOptions& options, const std::string& mountpoint, const std::string& uri, Filesystem* filesystem) {
    const std::string mount_options = FuseOptions(options, uri);
    std::vector<const char*> argv = {"lancefs", "-o", mount_options.c_str()};
    if (options.debug) argv.push_back("-d");
    fuse_args args = FUSE_ARGS_INIT(static_cast<int>(argv.size()), const_cast<char**>(argv.data()));
    const fuse_lowlevel_ops ops = Operations();
    session_ = fuse_session_new(&args, &ops, sizeof(ops), filesystem);
    fuse_opt_free_args(&args);
    if (session_ == nullptr) return Status::InvalidArgument("libfuse refuses the options '" + mount_options + "'");
    if (fuse_set_signal_handlers(session_) != 0) return Status::Internal("cannot set the signal handlers");
    if (fuse_session_mount(session_, mountpoint.c_str()) != 0) return Status::IoError("mounting on " + mountpoint + " failed");
    mounted_ = true;
    return Status::OK();
  }
  // Until the mount is gone or a signal comes.
  void Loop() {
    fuse_loop_config config;
    std::memset(&config, 0, sizeof(config));
    config.clone_fd = 0;
    config.max_idle_threads = 10;
    fuse_session_loop_mt(session_, &config);
  }
  void Unmount() {
    if (mounted_) fuse_session_unmount(session_);
    mounted_ = false;
  }

 private:
  fuse_session* session_ = nullptr;
  bool mounted_ = false;
};

Status Serve(const MountOptions& options, const std::string& mountpoint, Readiness* readiness) {
  // Signals go to this thread alone, whose wait in Loop() they end; all other threads inherit the mask.
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  LANCEFS_ASSIGN_OR_RETURN(MountSource source, options.open_source());
  const std::string base = options.state_directory.empty() ? DefaultStateDirectory() : options.state_directory;
  LANCEFS_ASSIGN_OR_RETURN(StateDirectory state,
                           StateDirectory::Open(base, source.uri + (source.endpoint.empty() ? "" : " at " + source.endpoint)));
  FilesystemOptions fs_options = options.filesystem;
  fs_options.store = source.store;
  fs_options.table_stores = source.table_stores;
  fs_options.path = source.path;
  fs_options.uri = source.uri;
  fs_options.state_directory = state.path();
  fs_options.uid = fs_options.append.uid = options.uid.value_or(::getuid());
  fs_options.gid = fs_options.append.gid = options.gid.value_or(::getgid());
  if (fs_options.umask != 0) fs_options.append.umask = fs_options.umask;
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<Filesystem> filesystem,
                           Filesystem::Make(std::move(fs_options), OpContext().WithTimeout(options.open_timeout)));
  Session session;
  LANCEFS_RETURN_NOT_OK(session.Start(options, mountpoint, source.uri, filesystem.get()));
  BlockingPool().Submit([mountpoint] {  // once the kernel has had the answer to INIT, which sets its own value
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    RaiseReadAhead(mountpoint);
  });
  Log(LogLevel::kInfo, "mounted", {{"uri", source.uri}, {"mountpoint", mountpoint}, {"state", state.path()}});
  readiness->Tell(Status::OK());

  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  session.Loop();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Log(LogLevel::kInfo, "unmounting", {{"mountpoint", mountpoint}});
  // Replies to what was asked still reach the kernel; then nothing new can come.
  const Status finished = filesystem->Shutdown(OpContext().WithTimeout(options.shutdown_timeout));
  session.Unmount();
  if (!finished.ok()) Log(LogLevel::kError, "shutdown_incomplete", {{"message", finished.ToString()}});
  return finished;
}

}  // namespace

Status MountAndServe(const MountOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(std::string mountpoint, PrepareMountpoint(options.mountpoint));
  if (options.foreground) {
    Readiness nobody(-1);
    return Serve(options, mountpoint, &nobody);
  }
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return Status::IoError(ErrnoText("pipe"));
  const pid_t pid = ::fork();
  if (pid < 0) return Status::IoError(ErrnoText("fork"));
  if (pid > 0) {
    ::close(pipe_fds[1]);
    return WaitForChild(pipe_fds[0]);
  }
  ::close(pipe_fds[0]);
  ::setsid();
  if (options.log_file.empty())
    LogToSyslog();
  else if (Status opened = OpenLogFile(options.log_file); !opened.ok()) {
    Readiness(pipe_fds[1]).Tell(opened);
    return opened;
  }
  CloseStandardFiles();
  (void)!::chdir("/");  // no directory is kept busy
  Readiness readiness(pipe_fds[1]);
  Status status = Serve(options, mountpoint, &readiness);
  readiness.Tell(status.ok() ? Status::Internal("the daemon ended before the mount was ready") : status);
  return status;
}

}  // namespace lancefs
