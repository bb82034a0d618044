// SPDX-License-Identifier: Apache-2.0
#include "fs/filesystem.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/log.h"
#include "base/uri.h"
#include "fs/errno_map.h"
#include "fs/tree.h"

namespace lancefs {
namespace {

constexpr std::chrono::minutes kOpeningWait{10};  // the caller's deadline ends it sooner
constexpr double kAppendTimeout = 0;              // names and attributes of drops change behind the kernel's back

struct Nothing {};

std::shared_ptr<AppendNode> AsAppend(const NodePtr& node) { return std::dynamic_pointer_cast<AppendNode>(node); }

Reply<Nothing> Wrap(DoneReply reply) {
  return [reply = std::move(reply)](int error_number, const Nothing&) { reply(error_number); };
}

Result<Nothing> Done(const Status& status) {
  if (!status.ok()) return status;
  return Nothing{};
}

Status BadHandle() { return Status::Stale("the file is not open"); }

uint32_t FinalMode(uint32_t mode, const Caller& caller) { return mode & 07777 & ~caller.umask; }

}  // namespace

Result<std::shared_ptr<Filesystem>> Filesystem::Make(FilesystemOptions options, const OpContext& ctx) {
  // A name that says "table" is opened at once: asking first would cost a round trip, and the open fails as clearly.
  const std::string_view place = std::string_view(options.uri).substr(0, QueryStart(options.uri));
  bool is_dataset = !options.is_database && (place.ends_with(".lance") || place.ends_with(".lance/"));
  if (!is_dataset) {
    LANCEFS_ASSIGN_OR_RETURN(is_dataset, IsDataset(*options.store, options.path, ctx));
  }
  options.is_database = !is_dataset;
  if (!options.state_directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.state_directory + "/spill", error);
    if (error) return Status::IoError("cannot create " + options.state_directory + "/spill: " + error.message());
  }
  std::shared_ptr<Filesystem> filesystem(new Filesystem(std::move(options), !is_dataset));
  if (is_dataset) {  // one read of the manifest now, instead of in the first lookup
    Scope scope{ctx, Caller{}, true, kOpeningWait};
    Result<std::vector<DirEntry>> listing = filesystem->root_->List(scope);
    if (!listing.ok()) return listing.status();
  }
  TakeUpLeftDrops(filesystem->root_, filesystem->options().state_directory);
  return filesystem;
}

Filesystem::Filesystem(FilesystemOptions options, bool) : mount_(std::make_shared<Mount>(std::move(options))) {
  root_ = MakeRoot(mount_);
  inodes_[kRootInode] = Inode{root_, 1};
  pool_ = MakeThreadPool(4, 512, "lancefs-fs");
}

Filesystem::~Filesystem() {
  pool_.reset();
  handles_.clear();
  inodes_.clear();
}

// ---- Inodes and handles -------------------------------------------------------------------------

NodePtr Filesystem::Find(uint64_t ino) const {
  std::lock_guard lock(mutex_);
  auto it = inodes_.find(ino);
  return it == inodes_.end() ? nullptr : it->second.node;
}

size_t Filesystem::inode_count() const {
  std::lock_guard lock(mutex_);
  return inodes_.size();
}

std::shared_ptr<Filesystem::FileHandle> Filesystem::FindHandle(uint64_t handle) const {
  std::lock_guard lock(mutex_);
  auto it = handles_.find(handle);
  return it == handles_.end() ? nullptr : it->second;
}

uint64_t Filesystem::AddHandle(FileHandle handle) {
  std::lock_guard lock(mutex_);
  const uint64_t id = next_handle_++;
  handles_.emplace(id, std::make_shared<FileHandle>(std::move(handle)));
  return id;
}

std::shared_ptr<Filesystem::FileHandle> Filesystem::RemoveHandle(uint64_t handle) {
  std::lock_guard lock(mutex_);
  auto it = handles_.find(handle);
  if (it == handles_.end()) return nullptr;
  std::shared_ptr<FileHandle> removed = std::move(it->second);
  handles_.erase(it);
  return removed;
}

EntryReply Filesystem::Remember(const NodePtr& node, const FileAttr& attr, double entry_timeout) {
  EntryReply entry;
  entry.ino = node == root_ ? kRootInode : node->ino();
  entry.attr = attr;
  entry.attr_timeout = node->attr_timeout();
  entry.entry_timeout = entry_timeout;
  std::lock_guard lock(mutex_);
  Inode& inode = inodes_[entry.ino];
  inode.node = node;
  ++inode.lookups;
  return entry;
}

void Filesystem::Forget(uint64_t ino, uint64_t count) {
  NodePtr gone;  // ends outside the lock
  std::lock_guard lock(mutex_);
  auto it = inodes_.find(ino);
  if (it == inodes_.end() || ino == kRootInode) return;
  it->second.lookups -= std::min(count, it->second.lookups);
  if (it->second.lookups > 0) return;
  gone = std::move(it->second.node);
  inodes_.erase(it);
}

std::string Filesystem::PathOf(uint64_t parent, const std::string& name) const {
  const NodePtr node = Find(parent);
  const std::string base = node && !node->path().empty() ? "/" + node->path() : "";
  return name.empty() ? (base.empty() ? "/" : base) : base + "/" + name;
}

// ---- Running ------------------------------------------------------------------------------------

template <typename T>
void Filesystem::Answer(const char* operation, const std::string& path, const Caller& caller, const Result<T>& result,
                        const Reply<T>& reply) {
  if (result.ok()) {
    reply(0, *result);
    return;
  }
  reply(ReportError(result.status(), operation, path, caller, mount_->log.get()), T{});
}

template <typename T, typename Work>
void Filesystem::RunInPool(const char* operation, std::string path, const Caller& caller, const OpContext& ctx, Reply<T> reply,
                           Work work) {
  pool_->Submit(
      [this, operation, path = std::move(path), caller, ctx, reply = std::move(reply), work = std::move(work)]() mutable {
        Scope scope{ctx, caller, true, options().lookup_wait};
        Result<T> result = work(scope);
        Answer<T>(operation, path, caller, result, reply);
      });
}

template <typename T, typename Work>
void Filesystem::Run(const char* operation, std::string path, const Caller& caller, const OpContext& ctx, Reply<T> reply,
                     Work work) {
  Scope scope{ctx, caller, false, options().lookup_wait};
  Result<T> result = work(scope);
  if (!result.ok() && result.status().Is(StatusCode::kUnavailable)) {
    RunInPool<T>(operation, std::move(path), caller, ctx, std::move(reply), std::move(work));
    return;
  }
  Answer<T>(operation, path, caller, result, reply);
}

// ---- Names and attributes -----------------------------------------------------------------------

Result<FileAttr> Filesystem::AttrOf(const NodePtr& node, const Scope& scope) {
  if (auto append = AsAppend(node)) return append->AreaAttr(std::nullopt);
  FileAttr attr = node->Attr(scope);
  if (node == root_) attr.ino = kRootInode;
  return attr;
}

Result<EntryReply> Filesystem::LookupIn(const NodePtr& parent, const std::string& name, const Scope& scope) {
  if (auto append = AsAppend(parent)) {
    LANCEFS_ASSIGN_OR_RETURN(AppendArea::Entry found, append->area()->Lookup(append->id(), name));
    const NodePtr node = MakeAppendNode(*mount_, *append, name, found.id);
    found.attr.ino = node->ino();
    return Remember(node, found.attr, kAppendTimeout);
  }
  LANCEFS_ASSIGN_OR_RETURN(Child child, parent->Lookup(name, scope));
  LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, AttrOf(child.node, scope));
  return Remember(child.node, attr, child.entry_timeout);
}

void Filesystem::Lookup(uint64_t parent, std::string name, Caller caller, OpContext ctx, Reply<EntryReply> reply) {
  const NodePtr node = Find(parent);
  if (!node) return reply(ESTALE, {});
  std::string path = PathOf(parent, name);
  Run<EntryReply>("lookup", std::move(path), caller, ctx, std::move(reply),
                  [this, node, name](const Scope& scope) -> Result<EntryReply> {
                    Result<EntryReply> found = LookupIn(node, name, scope);
                    const double keep = node->negative_timeout();
                    if (found.ok() || !found.status().Is(StatusCode::kNotFound) || keep <= 0) return found;
                    EntryReply absent;
                    absent.entry_timeout = keep;
                    return absent;
                  });
}

void Filesystem::GetAttr(uint64_t ino, std::optional<uint64_t> handle, Caller caller, OpContext ctx, Reply<AttrReply> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  std::shared_ptr<FileHandle> open = handle ? FindHandle(*handle) : nullptr;
  if (auto append = AsAppend(node)) {
    std::optional<uint64_t> area_handle;
    if (open && open->node == node && !open->listing) area_handle = open->area_handle;
    Result<FileAttr> attr = append->AreaAttr(area_handle);
    Result<AttrReply> result = attr.ok() ? Result<AttrReply>(AttrReply{*attr, 0}) : attr.status();
    return Answer<AttrReply>("getattr", PathOf(ino, ""), caller, result, reply);
  }
  auto answer = [this, node](const Scope& scope, std::optional<uint64_t> size) -> Result<AttrReply> {
    LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, AttrOf(node, scope));
    if (size) {
      attr.size = *size;
      attr.blocks = (*size + 511) / 512;
    }
    return AttrReply{attr, node->attr_timeout()};
  };
  if (!open || !open->file || !open->file->direct_io()) {
    return Run<AttrReply>("getattr", PathOf(ino, ""), caller, ctx, std::move(reply),
                          [answer](const Scope& scope) { return answer(scope, std::nullopt); });
  }
  // lseek to the end of a stream: somebody needs the true size.
  RunInPool<AttrReply>("getattr", PathOf(ino, ""), caller, ctx, std::move(reply),
                       [answer, open](const Scope& scope) -> Result<AttrReply> {
                         LANCEFS_ASSIGN_OR_RETURN(std::optional<uint64_t> size, open->file->TrueSize(scope.ctx));
                         return answer(scope, size);
                       });
}

void Filesystem::Lseek(uint64_t ino, uint64_t handle, uint64_t offset, bool hole, Caller caller, OpContext ctx,
                       Reply<uint64_t> reply) {
  const NodePtr node = Find(ino);
  const std::shared_ptr<FileHandle> open = FindHandle(handle);
  if (!node || !open) return reply(EBADF, 0);
  if (open->file && open->file->direct_io()) return reply(EINVAL, 0);
  Run<uint64_t>(
      "lseek", PathOf(ino, ""), caller, ctx,
      [offset, hole, reply](int error, const uint64_t& size) {
        if (error != 0) return reply(error, 0);
        if (offset >= size) return reply(ENXIO, 0);
        reply(0, hole ? size : offset);
      },
      [this, node, open](const Scope& scope) -> Result<uint64_t> {
        if (auto append = AsAppend(node)) {
          LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, append->AreaAttr(open->area_handle));
          return attr.size;
        }
        LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, AttrOf(node, scope));
        return attr.size;
      });
}

Result<std::shared_ptr<AppendNode>> Filesystem::Writable(uint64_t ino, const std::string& name) const {
  const NodePtr node = Find(ino);
  if (!node) return Status::Stale("the directory is gone");
  if (auto append = AsAppend(node)) return append;
  LANCEFS_ASSIGN_OR_RETURN(const NodePtr directory, node->WritableDirectory(name));
  return AsAppend(directory);
}

void Filesystem::SetAttr(uint64_t ino, std::optional<uint64_t> handle, AttrChange change, Caller caller, OpContext ctx,
                         Reply<AttrReply> reply) {
  std::shared_ptr<FileHandle> open = handle ? FindHandle(*handle) : nullptr;
  auto work = [this, ino, open, change](const Scope& scope) -> Result<AttrReply> {
    LANCEFS_ASSIGN_OR_RETURN(auto append, Writable(ino, ""));
    std::optional<uint64_t> area_handle;
    if (open) area_handle = open->area_handle;
    LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, append->area()->SetAttr(append->id(), area_handle, change, scope.caller, scope.ctx));
    attr.ino = append->ino();
    return AttrReply{attr, 0};
  };
  RunInPool<AttrReply>("setattr", PathOf(ino, ""), caller, ctx, std::move(reply), std::move(work));
}

void Filesystem::ReadLink(uint64_t ino, Caller caller, OpContext ctx, Reply<std::string> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  Run<std::string>("readlink", PathOf(ino, ""), caller, ctx, std::move(reply),
                   [node](const Scope& scope) { return node->ReadLink(scope); });
}

// ---- Directories --------------------------------------------------------------------------------

void Filesystem::OpenDir(uint64_t ino, Caller caller, OpContext ctx, Reply<OpenReply> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  Run<OpenReply>("opendir", PathOf(ino, ""), caller, ctx, std::move(reply),
                 [this, node, ino](const Scope& scope) -> Result<OpenReply> {
                   std::vector<DirEntry> entries = {{".", ino, S_IFDIR}, {"..", ino, S_IFDIR}};
                   if (auto append = AsAppend(node)) {
                     LANCEFS_ASSIGN_OR_RETURN(auto list, append->area()->ReadDir(append->id()));
                     for (auto& entry : list)
                       entries.push_back({std::move(entry.name), InodeOf(AppendNodeKey(*append, entry.id)), entry.type});
                   } else {
                     LANCEFS_ASSIGN_OR_RETURN(auto list, node->List(scope));
                     std::move(list.begin(), list.end(), std::back_inserter(entries));
                   }
                   FileHandle handle;
                   handle.node = node;
                   handle.listing = std::make_shared<const std::vector<DirEntry>>(std::move(entries));
                   return OpenReply{AddHandle(std::move(handle)), false, false};
                 });
}

DirListing Filesystem::Listing(uint64_t handle) const {
  const auto open = FindHandle(handle);
  return open ? open->listing : nullptr;
}

void Filesystem::ReleaseDir(uint64_t handle) { RemoveHandle(handle); }

// ---- Files --------------------------------------------------------------------------------------

void Filesystem::Open(uint64_t ino, int flags, Caller caller, OpContext ctx, Reply<OpenReply> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  const std::string path = PathOf(ino, "");
  if (auto append = AsAppend(node)) {
    return RunInPool<OpenReply>(
        "open", path, caller, ctx, std::move(reply), [this, node, append, flags](const Scope& scope) -> Result<OpenReply> {
          LANCEFS_ASSIGN_OR_RETURN(AppendArea::Opened opened, append->area()->Open(append->id(), flags, scope.caller, scope.ctx));
          FileHandle handle;
          handle.node = node;
          handle.area_handle = opened.handle;
          return OpenReply{AddHandle(std::move(handle)), opened.direct_io, opened.keep_cache};
        });
  }
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) return reply(EROFS, {});
  Run<OpenReply>("open", path, caller, ctx, std::move(reply), [this, node](const Scope& scope) -> Result<OpenReply> {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<OpenFile> file, node->Open(scope));
    FileHandle handle;
    handle.node = node;
    handle.file = std::move(file);
    OpenReply opened{0, handle.file->direct_io(), handle.file->keep_cache()};
    opened.handle = AddHandle(std::move(handle));
    return opened;
  });
}

void Filesystem::Read(uint64_t ino, uint64_t handle, uint64_t offset, size_t size, Caller caller, OpContext ctx,
                      Reply<Bytes> reply) {
  const std::shared_ptr<FileHandle> open = FindHandle(handle);
  if (!open || open->listing) return reply(EBADF, {});
  if (open->file) {
    if (std::optional<Result<Bytes>> ready = open->file->TryRead(offset, size)) {
      return Answer<Bytes>("read", open->node->path(), caller, *ready, reply);
    }
    return RunInPool<Bytes>("read", open->node->path(), caller, ctx, std::move(reply),
                            [open, offset, size](const Scope& scope) { return open->file->Read(offset, size, scope.ctx); });
  }
  RunInPool<Bytes>("read", open->node->path(), caller, ctx, std::move(reply),
                   [open, offset, size](const Scope& scope) -> Result<Bytes> {
                     auto append = AsAppend(open->node);
                     if (!append) return BadHandle();
                     return append->area()->Read(append->id(), open->area_handle, offset, size, scope.ctx);
                   });
}

void Filesystem::Write(uint64_t ino, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner,
                       Caller caller, OpContext ctx, DoneReply reply) {
  const std::shared_ptr<FileHandle> open = FindHandle(handle);
  RunInPool<Nothing>(
      "write", PathOf(ino, ""), caller, ctx, Wrap(std::move(reply)),
      [open, offset, data, lock_owner](const Scope& scope) -> Result<Nothing> {
        auto append = open ? AsAppend(open->node) : nullptr;
        if (!append) return BadHandle();
        return Done(append->area()->Write(append->id(), open->area_handle, offset, data, lock_owner, scope.caller, scope.ctx));
      });
}

void Filesystem::Flush(uint64_t ino, uint64_t handle, std::optional<uint64_t> lock_owner, Caller caller, OpContext ctx,
                       DoneReply reply) {
  const std::shared_ptr<FileHandle> open = FindHandle(handle);
  auto append = open ? AsAppend(open->node) : nullptr;
  if (!append) return reply(0);
  RunInPool<Nothing>("close", PathOf(ino, ""), caller, ctx, Wrap(std::move(reply)),
                     [open, append, lock_owner](const Scope& scope) {
                       return Done(append->area()->Flush(append->id(), open->area_handle, lock_owner, scope.caller, scope.ctx));
                     });
}

void Filesystem::Fsync(uint64_t ino, uint64_t handle, Caller caller, OpContext ctx, DoneReply reply) {
  const std::shared_ptr<FileHandle> open = FindHandle(handle);
  auto append = open && !open->listing ? AsAppend(open->node) : nullptr;
  if (!append) return reply(0);
  RunInPool<Nothing>("fsync", PathOf(ino, ""), caller, ctx, Wrap(std::move(reply)), [open, append](const Scope& scope) {
    return Done(append->area()->Fsync(append->id(), open->area_handle, scope.ctx));
  });
}

void Filesystem::Release(uint64_t ino, uint64_t handle, DoneReply reply) {
  std::shared_ptr<FileHandle> open = RemoveHandle(handle);
  if (!open) return reply(0);
  if (!AsAppend(open->node)) {
    // The end of a stream may have to wait for the scan that it stops.
    if (open->file && open->file->direct_io()) pool_->Submit([open = std::move(open)]() mutable { open.reset(); });
    open.reset();
    return reply(0);
  }
  RunInPool<Nothing>("release", PathOf(ino, ""), Caller{}, OpContext(), Wrap(std::move(reply)),
                     [open](const Scope& scope) -> Result<Nothing> {
                       auto append = AsAppend(open->node);
                       append->area()->Release(append->id(), open->area_handle, scope.ctx);
                       return Nothing{};
                     });
}

// ---- Changes ------------------------------------------------------------------------------------

void Filesystem::Create(uint64_t parent, std::string name, uint32_t mode, int flags, Caller caller, OpContext ctx,
                        Reply<CreateReply> reply) {
  Result<std::shared_ptr<AppendNode>> append = Writable(parent, name);
  std::string path = PathOf(parent, name);
  if (!append.ok()) return Answer<CreateReply>("create", path, caller, append.status(), reply);
  RunInPool<CreateReply>(
      "create", std::move(path), caller, ctx, std::move(reply),
      [this, dir = *append, name, mode, flags](const Scope& scope) -> Result<CreateReply> {
        LANCEFS_ASSIGN_OR_RETURN(AppendArea::Created created, dir->area()->Create(dir->id(), name, FinalMode(mode, scope.caller),
                                                                                  flags, scope.caller, scope.ctx));
        const NodePtr node = MakeAppendNode(*mount_, *dir, name, created.entry.id);
        created.entry.attr.ino = node->ino();
        FileHandle handle;
        handle.node = node;
        handle.area_handle = created.opened.handle;
        CreateReply out;
        out.entry = Remember(node, created.entry.attr, kAppendTimeout);
        out.opened = OpenReply{AddHandle(std::move(handle)), created.opened.direct_io, created.opened.keep_cache};
        return out;
      });
}

void Filesystem::Mkdir(uint64_t parent, std::string name, uint32_t mode, Caller caller, OpContext ctx, Reply<EntryReply> reply) {
  const NodePtr node = Find(parent);
  if (!node) return reply(ESTALE, {});
  auto work = [this, node, name, mode](const Scope& scope) -> Result<EntryReply> {
    if (auto dir = AsAppend(node)) {
      LANCEFS_ASSIGN_OR_RETURN(AppendArea::Entry made,
                               dir->area()->Mkdir(dir->id(), name, FinalMode(mode, scope.caller), scope.caller, scope.ctx));
      const NodePtr child = MakeAppendNode(*mount_, *dir, name, made.id);
      made.attr.ino = child->ino();
      return Remember(child, made.attr, kAppendTimeout);
    }
    LANCEFS_ASSIGN_OR_RETURN(Child child, node->Mkdir(name, scope));
    LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, AttrOf(child.node, scope));
    return Remember(child.node, attr, child.entry_timeout);
  };
  RunInPool<EntryReply>("mkdir", PathOf(parent, name), caller, ctx, std::move(reply), std::move(work));
}

void Filesystem::Symlink(uint64_t parent, std::string name, std::string target, Caller caller, OpContext ctx,
                         Reply<EntryReply> reply) {
  const NodePtr node = Find(parent);
  if (!node) return reply(ESTALE, {});
  if (AsAppend(node)) return reply(EPERM, {});  // what is dropped has bytes of its own
  RunInPool<EntryReply>("symlink", PathOf(parent, name), caller, ctx, std::move(reply),
                        [this, node, name, target](const Scope& scope) -> Result<EntryReply> {
                          LANCEFS_ASSIGN_OR_RETURN(Child child, node->Symlink(name, target, scope));
                          LANCEFS_ASSIGN_OR_RETURN(FileAttr attr, AttrOf(child.node, scope));
                          return Remember(child.node, attr, child.entry_timeout);
                        });
}

void Filesystem::Unlink(uint64_t parent, std::string name, Caller caller, OpContext ctx, DoneReply reply) {
  RunInPool<Nothing>("unlink", PathOf(parent, name), caller, ctx, Wrap(std::move(reply)),
                     [this, parent, name](const Scope& scope) -> Result<Nothing> {
                       LANCEFS_ASSIGN_OR_RETURN(auto dir, Writable(parent, name));
                       return Done(dir->area()->Unlink(dir->id(), name, scope.ctx));
                     });
}

void Filesystem::Rmdir(uint64_t parent, std::string name, Caller caller, OpContext ctx, DoneReply reply) {
  RunInPool<Nothing>("rmdir", PathOf(parent, name), caller, ctx, Wrap(std::move(reply)),
                     [this, parent, name](const Scope& scope) -> Result<Nothing> {
                       LANCEFS_ASSIGN_OR_RETURN(auto dir, Writable(parent, name));
                       return Done(dir->area()->Rmdir(dir->id(), name, scope.ctx));
                     });
}

void Filesystem::Rename(uint64_t parent, std::string name, uint64_t new_parent, std::string new_name, bool no_replace,
                        Caller caller, OpContext ctx, DoneReply reply) {
  Result<std::shared_ptr<AppendNode>> from = Writable(parent, name), to = Writable(new_parent, new_name);
  const std::string path = PathOf(parent, name);
  if (!from.ok() || !to.ok())
    return Answer<Nothing>("rename", path, caller, from.ok() ? to.status() : from.status(), Wrap(std::move(reply)));
  if ((*from)->area() != (*to)->area()) return reply(EXDEV);  // mv copies then, and the copy is a drop
  RunInPool<Nothing>(
      "rename", path, caller, ctx, Wrap(std::move(reply)),
      [from = *from, to = *to, name, new_name, no_replace](const Scope& scope) {
        return Done(from->area()->Rename(from->id(), name, to->id(), new_name, no_replace, scope.caller, scope.ctx));
      });
}

// ---- Extended attributes, statfs ----------------------------------------------------------------

void Filesystem::GetXattr(uint64_t ino, std::string name, Caller caller, Reply<std::string> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  std::optional<std::string> value;
  if (auto append = AsAppend(node)) {
    Result<std::optional<std::string>> found = append->area()->GetXattr(append->id(), name);
    if (!found.ok()) return Answer<std::string>("getxattr", PathOf(ino, ""), caller, found.status(), reply);
    value = std::move(*found);
  } else {
    value = node->GetXattr(name);
  }
  value ? reply(0, *value) : reply(ENODATA, {});
}

void Filesystem::ListXattr(uint64_t ino, Caller caller, Reply<std::vector<std::string>> reply) {
  const NodePtr node = Find(ino);
  if (!node) return reply(ESTALE, {});
  auto append = AsAppend(node);
  Result<std::vector<std::string>> names =
      append ? append->area()->ListXattr(append->id()) : Result<std::vector<std::string>>(node->ListXattr());
  Answer<std::vector<std::string>>("listxattr", PathOf(ino, ""), caller, names, reply);
}

void Filesystem::SetXattr(uint64_t ino, std::string name, std::string value, Caller caller, DoneReply reply) {
  RunInPool<Nothing>("setxattr", PathOf(ino, ""), caller, OpContext(), Wrap(std::move(reply)),
                     [this, ino, name, value](const Scope&) -> Result<Nothing> {
                       LANCEFS_ASSIGN_OR_RETURN(auto append, Writable(ino, ""));
                       return Done(append->area()->SetXattr(append->id(), name, value));
                     });
}

void Filesystem::RemoveXattr(uint64_t ino, std::string name, Caller caller, DoneReply reply) {
  RunInPool<Nothing>("removexattr", PathOf(ino, ""), caller, OpContext(), Wrap(std::move(reply)),
                     [this, ino, name](const Scope&) -> Result<Nothing> {
                       LANCEFS_ASSIGN_OR_RETURN(auto append, Writable(ino, ""));
                       return Done(append->area()->RemoveXattr(append->id(), name));
                     });
}

void Filesystem::StatFs(uint64_t ino, Reply<FsStats> reply) {
  if (auto append = AsAppend(Find(ino))) {
    Result<FsStats> stats = append->area()->StatFs();
    return Answer<FsStats>("statfs", PathOf(ino, ""), Caller{}, stats, reply);
  }
  FsStats stats;
  stats.blocks = stats.blocks_free = options().read_only ? 0 : options().append.spool_bytes / stats.block_size;
  std::vector<std::shared_ptr<AppendArea>> areas = AppendAreas(root_);
  if (areas.size() == 1) {
    if (Result<FsStats> area = areas[0]->StatFs(); area.ok()) stats = *area;
  }
  reply(0, stats);
}

Status Filesystem::Shutdown(const OpContext& ctx) {
  pool_.reset();  // what was asked is answered
  Status first;
  for (const auto& area : AppendAreas(root_)) {
    Status status = area->Shutdown(ctx);
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace lancefs
