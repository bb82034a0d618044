// SPDX-License-Identifier: Apache-2.0
//
// The real AppendArea: a tree of names in memory over spooled files.
//
// Locks: `mutex_` guards the names and their attributes and is never held over I/O; a Drop's own mutex
// guards its bytes and is held over spool I/O. Order: a drop's mutex first, then `mutex_`; nothing takes
// a drop's mutex while it holds `mutex_`. Commits run on the blocking pool under neither (Drop::committing).
#include "fs/append_area.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>
#include <unordered_map>

#include "base/executor.h"
#include "base/log.h"
#include "fs/append/drop.h"
#include "fs/append/drop_committer.h"
#include "fs/append/drop_names.h"
#include "fs/append/process_state.h"

namespace lancefs {
namespace {

// A close that left its commit to RELEASE counts as pending for so long; a file that a child process
// closed but its parent goes on writing must not slow every lookup.
constexpr int64_t kPendingWindowNs = 1'000'000'000;

int64_t WallNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}
int64_t SteadyNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Node {
  AppendArea::Id id = 0;
  AppendArea::Id parent = 0;
  std::string name;
  FileAttr attr;
  bool linked = true;
  int64_t finished_ns = 0;  // steady time of the last commit or refusal; 0 = not yet
  std::map<std::string, AppendArea::Id> children;
  std::map<std::string, std::string> xattrs;  // set by tools
  std::string version, rows, error;           // user.lancefs.*; empty = none
  std::shared_ptr<Drop> drop;                 // files only
  size_t open_handles_hint = 0;               // of the drop; kept here so that names can be swept without its lock
};

bool IsTemporaryPath(const std::string& path) { return IsTemporaryName(std::string_view(path).substr(path.rfind('/') + 1)); }
bool CanWrite(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

class RealAppendArea : public AppendArea {
 public:
  RealAppendArea(AppendAreaOptions options, std::shared_ptr<Spool> spool)
      : options_(options), spool_(spool), committer_(options, spool) {
    Node root;
    root.id = kRoot;
    root.attr.mode = S_IFDIR | (0755 & ~options_.umask);
    root.attr.uid = options_.uid;
    root.attr.gid = options_.gid;
    root.attr.atime_ns = root.attr.mtime_ns = root.attr.ctime_ns = WallNs();
    nodes_[kRoot] = std::move(root);
  }

  void StartRecovery(std::vector<LeftDrop> left) {
    if (left.empty()) return;
    // Commits that an earlier mount promised count as pending until they are done.
    recovering_.fetch_add(1);
    for (const LeftDrop& drop : left) {
      if (drop.sealed) recovering_names_.insert(drop.sealed->name);
    }
    BlockingPool().Submit([self = shared_.lock(), this, left = std::move(left)] {
      for (const LeftDrop& drop : left) RecoverOne(drop);
      recovering_.fetch_sub(1);
    });
  }
  void set_self(std::weak_ptr<RealAppendArea> self) { shared_ = std::move(self); }

  Result<Entry> Lookup(Id parent, const std::string& name) override {
    std::lock_guard lock(mutex_);
    ForgetOld();
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Child(parent, name));
    return Entry{node->id, node->attr};
  }

  Result<FileAttr> GetAttr(Id id, std::optional<uint64_t>) override {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    return node->attr;
  }

  Result<std::vector<ListEntry>> ReadDir(Id id) override {
    std::lock_guard lock(mutex_);
    ForgetOld();
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    std::vector<ListEntry> entries;
    for (const auto& [name, child] : node->children) entries.push_back({name, child, nodes_.at(child).attr.mode & S_IFMT});
    return entries;
  }

  Result<std::optional<std::string>> GetXattr(Id id, const std::string& name) override {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    const std::string* own = OwnXattr(*node, name);
    if (own != nullptr) return own->empty() ? std::optional<std::string>() : std::optional<std::string>(*own);
    const auto it = node->xattrs.find(name);
    return it == node->xattrs.end() ? std::optional<std::string>() : std::optional<std::string>(it->second);
  }

  Result<std::vector<std::string>> ListXattr(Id id) override {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    std::vector<std::string> names;
    for (const char* name : {"user.lancefs.version", "user.lancefs.rows", "user.lancefs.error"}) {
      if (!OwnXattr(*node, name)->empty()) names.emplace_back(name);
    }
    for (const auto& [name, value] : node->xattrs) names.push_back(name);
    return names;
  }

  Result<FileAttr> SetAttr(Id id, std::optional<uint64_t>, const AttrChange& change, const Caller&, const OpContext&) override {
    std::shared_ptr<Drop> drop;
    {
      std::lock_guard lock(mutex_);
      LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
      drop = node->drop;
    }
    if (change.size && drop != nullptr) LANCEFS_RETURN_NOT_OK(Resize(id, *drop, *change.size));
    std::function<void()> touch_receipt;  // writes to disk, so not under the lock
    FileAttr after;
    {
      std::lock_guard lock(mutex_);
      LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
      touch_receipt = Apply(*node, change);
      after = node->attr;
    }
    if (touch_receipt) touch_receipt();
    return after;
  }

  // REQUIRES mutex_.
  std::function<void()> Apply(Node& changed, const AttrChange& change) {
    Node* node = &changed;
    std::function<void()> touch_receipt;
    const int64_t now = WallNs();
    if (change.mode) node->attr.mode = (node->attr.mode & S_IFMT) | (*change.mode & 07777);
    if (change.uid) node->attr.uid = *change.uid;
    if (change.gid) node->attr.gid = *change.gid;
    if (change.atime_ns) node->attr.atime_ns = *change.atime_ns == AttrChange::kNow ? now : *change.atime_ns;
    if (change.mtime_ns) {
      const int64_t mtime = *change.mtime_ns == AttrChange::kNow ? now : *change.mtime_ns;
      if (node->finished_ns != 0 && node->error.empty()) {
        touch_receipt = [this, path = PathOf(*node), size = node->attr.size, old = node->attr.mtime_ns, mtime] {
          spool_->TouchReceipt(path, size, old, mtime);
        };
      }
      node->attr.mtime_ns = mtime;
    }
    node->attr.ctime_ns = now;
    return touch_receipt;
  }

  Status SetXattr(Id id, const std::string& name, const std::string& value) override {
    if (name.starts_with("user.lancefs.")) return Status::PermissionDenied("the attribute " + name + " is the mount's own");
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    node->xattrs[name] = value;
    return Status::OK();
  }

  Status RemoveXattr(Id id, const std::string& name) override {
    if (name.starts_with("user.lancefs.")) return Status::PermissionDenied("the attribute " + name + " is the mount's own");
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    if (node->xattrs.erase(name) == 0) return Status::NotFound("there is no attribute " + name);
    return Status::OK();
  }

  Result<Entry> Mkdir(Id parent, const std::string& name, uint32_t mode, const Caller& caller, const OpContext&) override {
    LANCEFS_RETURN_NOT_OK(CheckOpen());
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, AddNode(parent, name, S_IFDIR | (mode & 07777), caller));
    return Entry{node->id, node->attr};
  }

  Status Rmdir(Id parent, const std::string& name, const OpContext&) override {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Child(parent, name));
    if (!node->attr.is_directory()) return Status::InvalidArgument("not a folder: " + name);
    if (!node->children.empty()) return Status::Conflict("the folder " + name + " is not empty");
    Detach(node);
    nodes_.erase(node->id);
    return Status::OK();
  }

  Status Unlink(Id parent, const std::string& name, const OpContext&) override {
    std::shared_ptr<Drop> drop;
    Id id = 0;
    {
      std::lock_guard lock(mutex_);
      LANCEFS_ASSIGN_OR_RETURN(Node * node, Child(parent, name));
      if (node->attr.is_directory()) return Status::InvalidArgument("a folder: " + name);
      drop = node->drop;
      id = node->id;
      Detach(node);
    }
    GiveUp(id, *drop);
    return Status::OK();
  }

  Status Rename(Id parent, const std::string& name, Id new_parent, const std::string& new_name, bool no_replace,
                const Caller& caller, const OpContext& ctx) override;

  Result<Created> Create(Id parent, const std::string& name, uint32_t mode, int flags, const Caller& caller,
                         const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(CheckOpen());
    Id existing = 0;
    {
      std::lock_guard lock(mutex_);
      Result<Node*> node = Child(parent, name);
      if (node.ok()) {
        if ((flags & O_EXCL) != 0) return Status::AlreadyExists(name + " exists");
        existing = (*node)->id;
      } else {
        LANCEFS_ASSIGN_OR_RETURN(Node * made, AddNode(parent, name, S_IFREG | (mode & 07777), caller));
        made->drop = std::make_shared<Drop>();
        existing = made->id;
      }
    }
    LANCEFS_ASSIGN_OR_RETURN(const Opened opened, Open(existing, flags, caller, ctx));
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(existing));
    return Created{Entry{existing, node->attr}, opened};
  }

  Result<Opened> Open(Id id, int flags, const Caller&, const OpContext&) override {
    if (CanWrite(flags)) LANCEFS_RETURN_NOT_OK(CheckOpen());
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<Drop> drop, DropOf(id));
    if (CanWrite(flags) && (flags & O_TRUNC) != 0) LANCEFS_RETURN_NOT_OK(Resize(id, *drop, 0));
    Opened opened;
    opened.handle = next_handle_.fetch_add(1);
    DropHandle handle;
    handle.flags = flags;
    handle.writable = CanWrite(flags);
    opened.direct_io = handle.writable || !IsFinal(id);
    opened.keep_cache = !opened.direct_io;
    std::unique_lock lock = handle.writable ? drop->LockIdle() : std::unique_lock(drop->mutex);
    if (handle.writable && drop->writers() == 0 && (drop->killed || !drop->refused.ok())) {
      LANCEFS_RETURN_NOT_OK(drop->StartOver((flags & O_APPEND) != 0));
      NoteSize(id, drop->size(), false);
    }
    drop->handles[opened.handle] = std::move(handle);
    NoteHandles(id, *drop);
    return opened;
  }

  Result<Bytes> Read(Id id, uint64_t, uint64_t offset, size_t size, const OpContext&) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<Drop> drop, DropOf(id));
    std::lock_guard lock(drop->mutex);
    if (drop->file == nullptr) return Bytes();
    return drop->file->Read(offset, size);
  }

  Status Write(Id id, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner, const Caller& caller,
               const OpContext& ctx) override;
  Status Flush(Id id, uint64_t handle, std::optional<uint64_t> lock_owner, const Caller& caller, const OpContext& ctx) override;

  Status Fsync(Id id, uint64_t, const OpContext&) override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<Drop> drop, DropOf(id));
    const std::string name = NameOf(id);
    const auto lock = drop->LockIdle();
    return committer_.CheckAll(*drop, name, Caller());
  }

  void Release(Id id, uint64_t handle, const OpContext& ctx) override;

  Result<FsStats> StatFs() override {
    FsStats stats;
    stats.blocks = spool_->cap_bytes() / stats.block_size;
    stats.blocks_free = (spool_->cap_bytes() - std::min(spool_->cap_bytes(), spool_->used_bytes())) / stats.block_size;
    stats.files = 1 << 20;
    stats.files_free = stats.files;
    return stats;
  }

  bool HasPending() override {
    if (recovering_.load() > 0 || committing_.load() > 0) return true;
    std::lock_guard lock(pending_mutex_);
    const int64_t now = SteadyNs();
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const auto& entry) { return now - entry.second < kPendingWindowNs; });
  }

  void WaitForPending(const OpContext& ctx) override {
    while (HasPending() && ctx.Check().ok()) {
      std::unique_lock lock(pending_mutex_);
      pending_changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
  }

  Status Shutdown(const OpContext& ctx) override {
    closed_.store(true);
    while (committing_.load() > 0 || recovering_.load() > 0) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // Bytes of files that are still open are no whole drops; they stay on disk for people.
    std::vector<std::shared_ptr<Drop>> drops;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [id, node] : nodes_) {
        if (node.drop != nullptr) drops.push_back(node.drop);
      }
    }
    for (const auto& drop : drops) {
      const auto lock = drop->LockIdle();
      if (drop->dirty && drop->file != nullptr && drop->size() > 0) drop->file->Keep();
    }
    return Status::OK();
  }

 private:
  Status CheckOpen() const { return closed_.load() ? Status::ReadOnly("the mount is going away") : Status::OK(); }

  // ---- names; REQUIRE mutex_ --------------------------------------------------------------------
  Result<Node*> Find(Id id) {
    const auto it = nodes_.find(id);
    if (it == nodes_.end()) return Status::NotFound("no such file in append/");
    return &it->second;
  }
  Result<Node*> Child(Id parent, const std::string& name) {
    LANCEFS_ASSIGN_OR_RETURN(Node * folder, Find(parent));
    const auto it = folder->children.find(name);
    if (it == folder->children.end()) return Status::NotFound("no " + name + " in append/");
    return Find(it->second);
  }
  Result<Node*> AddNode(Id parent, const std::string& name, uint32_t mode, const Caller& caller) {
    LANCEFS_ASSIGN_OR_RETURN(Node * folder, Find(parent));
    if (!folder->attr.is_directory()) return Status::NotFound("not a folder");
    const Id id = next_id_++;
    if (!folder->children.try_emplace(name, id).second) return Status::AlreadyExists(name + " exists");
    Node& node = nodes_[id];
    node.id = id;
    node.parent = parent;
    node.name = name;
    node.attr.mode = mode;
    node.attr.uid = caller.uid;
    node.attr.gid = caller.gid;
    node.attr.atime_ns = node.attr.mtime_ns = node.attr.ctime_ns = WallNs();
    return &node;
  }
  void Detach(Node* node) {
    const auto parent = nodes_.find(node->parent);
    if (parent != nodes_.end()) parent->second.children.erase(node->name);
    node->linked = false;
  }
  std::string PathOf(const Node& node) const {
    std::string path = node.name;
    for (auto it = nodes_.find(node.parent); it != nodes_.end() && it->first != kRoot; it = nodes_.find(it->second.parent)) {
      path = it->second.name + "/" + path;
    }
    return path;
  }
  const std::string* OwnXattr(const Node& node, const std::string& name) const {
    if (name == "user.lancefs.version") return &node.version;
    if (name == "user.lancefs.rows") return &node.rows;
    if (name == "user.lancefs.error") return &node.error;
    return nullptr;
  }
  // Names of finished drops go after the retention time.
  void ForgetOld() {
    const int64_t now = SteadyNs();
    if (now - last_sweep_ns_ < 1'000'000'000) return;
    last_sweep_ns_ = now;
    const int64_t oldest = now - std::chrono::duration_cast<std::chrono::nanoseconds>(options_.retention).count();
    std::vector<Id> old;
    for (auto& [id, node] : nodes_) {
      if (node.drop != nullptr && node.finished_ns != 0 && node.finished_ns < oldest && node.open_handles_hint == 0)
        old.push_back(id);
    }
    if (old.empty()) return;
    std::vector<std::shared_ptr<Drop>> drops;  // their spool files are removed elsewhere: this may be a lookup
    for (const Id id : old) {
      Node& node = nodes_.at(id);
      drops.push_back(std::move(node.drop));
      Detach(&node);
      nodes_.erase(id);
    }
    BlockingPool().Submit([drops = std::move(drops)]() mutable { drops.clear(); });
  }

  // ---- drops ------------------------------------------------------------------------------------
  Result<std::shared_ptr<Drop>> DropOf(Id id) {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    if (node->drop == nullptr) return Status::InvalidArgument("a folder");
    return node->drop;
  }
  std::string NameOf(Id id) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    return it == nodes_.end() ? std::string() : PathOf(it->second);
  }
  // Whether the bytes stay as they are until somebody opens the file for writing.
  bool IsFinal(Id id) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    return it != nodes_.end() && it->second.finished_ns != 0 && it->second.open_handles_hint == 0;
  }
  int64_t MtimeOf(Id id) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    return it == nodes_.end() ? 0 : it->second.attr.mtime_ns;
  }
  void NoteSize(Id id, uint64_t size, bool modified) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    if (it == nodes_.end()) return;
    it->second.attr.size = size;
    it->second.attr.blocks = (size + 511) / 512;
    if (modified) {
      it->second.attr.mtime_ns = it->second.attr.ctime_ns = WallNs();
      it->second.finished_ns = 0;
    }
  }
  void NoteHandles(Id id, const Drop& drop) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    if (it != nodes_.end()) it->second.open_handles_hint = drop.handles.size();
  }
  void NoteOutcome(Id id, const Drop& drop, const Status& status) {
    std::lock_guard lock(mutex_);
    const auto it = nodes_.find(id);
    if (it == nodes_.end()) return;
    it->second.finished_ns = SteadyNs();
    it->second.version = status.ok() && drop.version != 0 ? std::to_string(drop.version) : "";
    it->second.rows = status.ok() ? std::to_string(drop.rows) : "";
    it->second.error = status.ok() ? "" : status.message();
  }

  Status Resize(Id id, Drop& drop, uint64_t size) {
    const auto lock = drop.LockIdle();
    if (size == 0) {
      drop.Reset();
      // The old bytes may still be what a committed name shows to nobody: a new drop starts with a new spool file.
      drop.file.reset();
    } else {
      LANCEFS_RETURN_NOT_OK(EnsureFile(drop));
      if (size < drop.committed_size) drop.only_appended = false;
      drop.NoteResize(size);
      LANCEFS_RETURN_NOT_OK(drop.file->Truncate(size));
    }
    NoteSize(id, drop.size(), true);
    return Status::OK();
  }

  Status EnsureFile(Drop& drop) {
    if (drop.file != nullptr) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(drop.file, spool_->Create());
    return Status::OK();
  }

  // Commits and notes the outcome. REQUIRES: `lock` holds drop->mutex, and no commit is under way; so it is again at the end.
  // A commit that has begun goes on to its end, whatever happens to the caller: half a commit could not be told from a
  // whole one. A signal that the caller survives does not end the wait either, or its close() would fail for no reason.
  Status CommitNow(std::unique_lock<std::mutex>& lock, Id id, const std::shared_ptr<Drop>& drop, const std::string& name,
                   const Caller& caller, bool seen, const OpContext& ctx) {
    committing_.fetch_add(1);
    drop->committing = true;
    lock.unlock();
    auto outcome = std::make_shared<std::optional<Status>>();
    BlockingPool().Submit([self = shared_.lock(), this, id, drop, name, caller, seen, outcome] {
      AwaitRecovery(name);
      const Status status = committer_.Commit(*drop, name, MtimeOf(id), caller, seen, OpContext());
      NoteOutcome(id, *drop, status);
      SetPending(id, false);
      committing_.fetch_sub(1);  // before the caller learns of it: nothing is pending for whoever saw the close return
      {
        std::lock_guard done(drop->mutex);
        *outcome = status;
        drop->committing = false;
      }
      drop->idle.notify_all();
    });
    lock.lock();
    while (!outcome->has_value()) {
      drop->idle.wait_for(lock, std::chrono::milliseconds(50));
      if (outcome->has_value() || ctx.Check().ok()) continue;
      lock.unlock();
      const bool dying = IsDying(caller.pid);
      lock.lock();
      if (dying && !outcome->has_value())
        return Status::Cancelled("the writer ended; status/commits.jsonl tells whether its rows were committed");
    }
    return **outcome;
  }

  // The same file may come again while its drop from before a crash is still being committed: its receipt must be there first.
  void AwaitRecovery(const std::string& name) {
    std::unique_lock lock(pending_mutex_);
    pending_changed_.wait(lock, [&] { return !recovering_names_.contains(name); });
  }

  void SetPending(Id id, bool pending) {
    {
      std::lock_guard lock(pending_mutex_);
      if (pending) {
        pending_[id] = SteadyNs();
      } else {
        pending_.erase(id);
      }
    }
    pending_changed_.notify_all();
  }

  // The name is gone: bytes that are not rows yet never will be.
  void GiveUp(Id id, Drop& drop) {
    const auto lock = drop.LockIdle();
    drop.unlinked = true;
    if (!drop.handles.empty()) return;  // the last Release forgets it
    drop.file.reset();
    SetPending(id, false);
    std::lock_guard names(mutex_);
    nodes_.erase(id);
  }

  void RecoverOne(const LeftDrop& left) {
    if (left.sealed) {
      const Status status = committer_.Recover(left);
      if (!status.ok())
        committer_.Report(left.sealed->name, Caller(), status.WithContext("a drop that was complete before a restart"),
                          std::nullopt, false);
      {
        std::lock_guard lock(pending_mutex_);
        recovering_names_.erase(recovering_names_.find(left.sealed->name));
      }
      pending_changed_.notify_all();
      return;
    }
    const Result<std::string> kept = spool_->KeepIncomplete(left);
    const std::string where = kept.ok() ? *kept : left.directory;
    committer_.Report("(unfinished)", Caller(),
                      Status::IoError("a drop was not finished when the mount ended; its bytes are kept in " + where),
                      std::nullopt, false);
  }

  const AppendAreaOptions options_;
  const std::shared_ptr<Spool> spool_;
  DropCommitter committer_;
  std::weak_ptr<RealAppendArea> shared_;
  std::atomic<bool> closed_{false};
  std::atomic<int> committing_{0};
  std::atomic<int> recovering_{0};
  std::atomic<uint64_t> next_handle_{1};

  std::mutex mutex_;
  std::unordered_map<Id, Node> nodes_;  // guarded by mutex_, like next_id_ and last_sweep_ns_
  Id next_id_ = kRoot + 1;
  int64_t last_sweep_ns_ = 0;

  std::mutex pending_mutex_;
  std::condition_variable pending_changed_;
  std::map<Id, int64_t> pending_;                // guarded by pending_mutex_
  std::multiset<std::string> recovering_names_;  // of drops from before a crash; guarded by pending_mutex_
};

Status RealAppendArea::Write(Id id, uint64_t handle, uint64_t offset, Bytes data, std::optional<uint64_t> lock_owner,
                             const Caller& caller, const OpContext&) {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<Drop> drop, DropOf(id));
  const std::string name = NameOf(id);
  const auto lock = drop->LockIdle();
  const auto it = drop->handles.find(handle);
  if (it == drop->handles.end() || !it->second.writable) return Status::PermissionDenied("the file is not open for writing");
  if (!drop->refused.ok()) return drop->refused;
  LANCEFS_RETURN_NOT_OK(EnsureFile(*drop));
  if ((it->second.flags & O_APPEND) != 0) {
    offset = drop->size();
  } else {
    drop->only_appended = false;
  }
  const uint64_t old_size = drop->size();
  if (const Status written = drop->file->Write(offset, data.span()); !written.ok()) {
    drop->refused = written;  // the rows before it are half a file: the close must not commit them
    return written;
  }
  drop->NoteWrite(offset, data.size(), old_size);
  if (lock_owner) {
    it->second.owners.insert(*lock_owner);
  } else {
    it->second.unknown_owner = true;
  }
  drop->dirty = true;
  NoteSize(id, drop->size(), true);
  if (IsTemporaryPath(name)) return Status::OK();
  return committer_.CheckEarly(*drop, name, caller);
}

Status RealAppendArea::Flush(Id id, uint64_t handle, std::optional<uint64_t> lock_owner, const Caller& caller,
                             const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<Drop> drop, DropOf(id));
  auto lock = drop->LockIdle();
  bool may_be_killed = drop->dirty && drop->IsWriter(lock_owner);
  if (may_be_killed) {
    lock.unlock();  // reading /proc may block
    may_be_killed = StateOfProcess(caller.pid) == ProcessState::kKilled;
    lock = drop->LockIdle();
  }
  const std::string name = NameOf(id);
  const auto it = drop->handles.find(handle);
  if (it == drop->handles.end() || !it->second.writable) return Status::OK();
  const bool only_owner = drop->IsOnlyOwner(it->second, lock_owner);
  if (lock_owner) drop->flush_owners.insert(*lock_owner);
  if (!drop->refused.ok()) {
    NoteOutcome(id, *drop, drop->refused);
    return drop->refused;
  }
  if (!drop->dirty || drop->size() == 0 || drop->unlinked) return Status::OK();
  if (may_be_killed) {
    drop->killed = true;
    const Status killed = Status::Cancelled("the writer was killed; the file was not committed");
    NoteOutcome(id, *drop, killed);
    committer_.Report(name, caller, killed, std::nullopt, false);
    return Status::OK();
  }
  if (IsTemporaryPath(name)) return Status::OK();
  if (!only_owner || drop->killed) {
    SetPending(id, true);
    return Status::OK();
  }
  return CommitNow(lock, id, drop, name, caller, true, ctx);
}

void RealAppendArea::Release(Id id, uint64_t handle, const OpContext& ctx) {
  const Result<std::shared_ptr<Drop>> found = DropOf(id);
  if (!found.ok()) return;
  const std::shared_ptr<Drop> drop = *found;
  auto lock = drop->LockIdle();
  const std::string name = NameOf(id);
  drop->handles.erase(handle);
  NoteHandles(id, *drop);
  if (drop->writers() > 0) return;
  if (drop->unlinked) {
    if (!drop->handles.empty()) return;
    drop->file.reset();
    SetPending(id, false);
    std::lock_guard names(mutex_);
    nodes_.erase(id);
    return;
  }
  const bool wanted = drop->dirty && drop->size() > 0 && !drop->killed && drop->refused.ok() && !IsTemporaryPath(name);
  if (wanted) (void)CommitNow(lock, id, drop, name, Caller(), false, ctx);
  drop->flush_owners.clear();  // whoever opens the file next has nothing to do with them
  SetPending(id, false);
}

Status RealAppendArea::Rename(Id parent, const std::string& name, Id new_parent, const std::string& new_name, bool no_replace,
                              const Caller& caller, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(CheckOpen());
  std::shared_ptr<Drop> drop;
  std::string new_path;
  Id id = 0;
  {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Child(parent, name));
    LANCEFS_ASSIGN_OR_RETURN(Node * folder, Find(new_parent));
    if (!folder->attr.is_directory()) return Status::NotFound("the target's folder is none");
    const auto target = folder->children.find(new_name);
    if (target != folder->children.end() && target->second != node->id) {
      if (no_replace) return Status::AlreadyExists(new_name + " exists");
      if (!nodes_.at(target->second).children.empty()) return Status::Conflict("the folder " + new_name + " is not empty");
    }
    id = node->id;
    drop = node->drop;
    new_path = (new_parent == kRoot ? "" : PathOf(*folder) + "/") + new_name;
  }
  if (drop != nullptr && IsTemporaryName(name) && !IsTemporaryName(new_name)) {
    auto lock = drop->LockIdle();
    // A file that is still being written commits at its close, under its new name.
    const bool wanted = drop->dirty && drop->size() > 0 && !drop->killed && drop->writers() == 0;
    if (drop->writers() == 0) {
      // mv asks a second time, without RENAME_NOREPLACE.
      if (!drop->refused.ok()) return drop->refused;
      if (drop->killed) return Status::InvalidArgument("the writer of " + name + " was killed; the file is not complete");
    }
    if (wanted) LANCEFS_RETURN_NOT_OK(CommitNow(lock, id, drop, new_path, caller, true, ctx));
  }
  std::shared_ptr<Drop> replaced;
  Id replaced_id = 0;
  {
    std::lock_guard lock(mutex_);
    LANCEFS_ASSIGN_OR_RETURN(Node * node, Find(id));
    LANCEFS_ASSIGN_OR_RETURN(Node * folder, Find(new_parent));
    const auto target = folder->children.find(new_name);
    if (target != folder->children.end() && target->second != id) {
      Node& old = nodes_.at(target->second);
      replaced = old.drop;
      replaced_id = old.id;
      Detach(&old);
      if (replaced == nullptr) nodes_.erase(replaced_id);
    }
    Detach(node);
    node->parent = new_parent;
    node->name = new_name;
    node->linked = true;
    node->attr.ctime_ns = WallNs();
    folder->children[new_name] = id;
  }
  if (replaced != nullptr) GiveUp(replaced_id, *replaced);
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<AppendArea>> MakeAppendArea(AppendAreaOptions options) {
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<Spool> spool, Spool::Open(options.state_directory + "/spool", options.spool_bytes));
  LANCEFS_ASSIGN_OR_RETURN(std::vector<LeftDrop> left, spool->TakeLeftovers());
  auto area = std::make_shared<RealAppendArea>(std::move(options), std::move(spool));
  area->set_self(area);
  area->StartRecovery(std::move(left));
  return std::shared_ptr<AppendArea>(std::move(area));
}

}  // namespace lancefs
