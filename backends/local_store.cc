// SPDX-License-Identifier: Apache-2.0
#include "backends/local_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

#include "base/executor.h"

namespace lancefs {
namespace {

Status FromErrno(int error, const std::string& what) {
  const std::string text = what + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR: return Status::NotFound(text);
    case EACCES:
    case EPERM: return Status::PermissionDenied(text);
    case EEXIST: return Status::AlreadyExists(text);
    case EROFS: return Status::ReadOnly(text);
    case ENOSPC:
    case EDQUOT: return Status::ResourceExhausted(text);
    default: return Status::IoError(text);
  }
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // The close whose error counts.
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

Status PreadAll(int fd, uint8_t* to, ByteRange range, const std::string& path) {
  uint64_t done = 0;
  while (done < range.length) {
    const ssize_t n = ::pread(fd, to + done, range.length - done, static_cast<off_t>(range.offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno(errno, "read " + path);
    }
    if (n == 0) {
      return Status::Corruption("read beyond the end of " + path + ": wanted bytes " + std::to_string(range.offset) + "-" +
                                std::to_string(range.end()) + ", the file ends at " + std::to_string(range.offset + done));
    }
    done += static_cast<uint64_t>(n);
  }
  return Status::OK();
}

Status WriteAll(int fd, std::span<const uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno(errno, "write " + path);
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status::OK();
}

int64_t ModifiedNs(const struct stat& st) { return st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec; }

std::string Etag(const struct stat& st) {
  return std::to_string(st.st_ino) + "-" + std::to_string(ModifiedNs(st)) + "-" + std::to_string(st.st_size);
}

class LocalStore : public ObjectStore {
 public:
  LocalStore(std::string root, LocalStoreOptions options) : root_(std::move(root)), options_(options) {
    while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
    traits_.is_local = true;
    traits_.lists_in_order = false;
    traits_.coalesce_gap = 4 * 1024;
    traits_.max_request = 256 * 1024 * 1024;  // a split range costs a copy, and gains nothing here
    traits_.tail_guess = 64 * 1024;
  }

  const StoreTraits& traits() const override { return traits_; }
  std::string name() const override { return root_; }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    uint64_t total = 0;
    for (const ByteRange& range : ranges) total += range.length;
    // Below this a thread hop costs more than the copy out of the page cache.
    constexpr uint64_t kInline = 256 * 1024;
    if (total <= kInline) return Future<std::vector<Bytes>>::Ready(ReadNow(path, ranges, ctx));
    return Async<std::vector<Bytes>>(BlockingPool(),
                                     [this, path, ranges = std::move(ranges), ctx] { return ReadNow(path, ranges, ctx); });
  }

  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(ObjectTail tail, ReadTail(path, UINT64_MAX, ctx));
    return std::move(tail.bytes);
  }

  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    FileDescriptor fd;
    struct stat st;
    LANCEFS_RETURN_NOT_OK(OpenForRead(path, &fd, &st));
    ObjectTail tail;
    tail.object_size = static_cast<uint64_t>(st.st_size);
    const uint64_t length = std::min(max_bytes, tail.object_size);
    uint8_t* to = nullptr;
    tail.bytes = Bytes::Allocate(length, &to);
    LANCEFS_RETURN_NOT_OK(PreadAll(fd.get(), to, {tail.object_size - length, length}, path));
    return tail;
  }

  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    struct stat st;
    if (::stat(Full(path).c_str(), &st) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return std::optional<ObjectMeta>();
      return FromErrno(errno, "stat " + path);
    }
    if (!S_ISREG(st.st_mode)) return std::optional<ObjectMeta>();
    return std::optional<ObjectMeta>(ObjectMeta{path, static_cast<uint64_t>(st.st_size), ModifiedNs(st), Etag(st)});
  }

  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    ListResult result;
    LANCEFS_RETURN_NOT_OK(ListInto(request.prefix, request, ctx, &result));
    auto by_path = [](const ObjectMeta& a, const ObjectMeta& b) { return a.path < b.path; };
    std::sort(result.objects.begin(), result.objects.end(), by_path);
    std::sort(result.directories.begin(), result.directories.end());
    if (request.max_keys != 0 && result.objects.size() > request.max_keys) {
      result.objects.resize(request.max_keys);
      result.truncated = true;
    }
    return result;
  }

  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    std::string staged;
    LANCEFS_RETURN_NOT_OK(Stage(path, bytes, &staged));
    if (::rename(staged.c_str(), Full(path).c_str()) != 0) {
      const int error = errno;
      ::unlink(staged.c_str());
      return FromErrno(error, "rename to " + path);
    }
    return SyncParent(path);
  }

  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    const std::string full = Full(path);
    std::string staged;
    LANCEFS_RETURN_NOT_OK(Stage(path, bytes, &staged));
    int error = ::link(staged.c_str(), full.c_str()) == 0 ? 0 : errno;
    if (error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK) {
      // No hard links here: an atomic rename that refuses to replace does the same.
      error = ::syscall(SYS_renameat2, AT_FDCWD, staged.c_str(), AT_FDCWD, full.c_str(), RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
    ::unlink(staged.c_str());
    if (error == EEXIST) return PutOutcome::kAlreadyExists;
    if (error != 0) return FromErrno(error, "create " + path);
    LANCEFS_RETURN_NOT_OK(SyncParent(path));
    return PutOutcome::kCreated;
  }

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override;

  Status Delete(const std::string& path, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (::unlink(Full(path).c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) return FromErrno(errno, "delete " + path);
    return Status::OK();
  }

 private:
  friend class LocalWriter;

  std::string Full(const std::string& path) const { return root_ + "/" + path; }

  Status OpenForRead(const std::string& path, FileDescriptor* fd, struct stat* st) const {
    *fd = FileDescriptor(::open(Full(path).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd->valid()) return FromErrno(errno, "open " + Full(path));
    if (::fstat(fd->get(), st) != 0) return FromErrno(errno, "stat " + Full(path));
    if (!S_ISREG(st->st_mode)) return Status::NotFound("open " + Full(path) + ": not a regular file");
    return Status::OK();
  }

  Result<std::vector<Bytes>> ReadNow(const std::string& path, const std::vector<ByteRange>& ranges, const OpContext& ctx) const {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    FileDescriptor fd;
    struct stat st;
    LANCEFS_RETURN_NOT_OK(OpenForRead(path, &fd, &st));
    const auto size = static_cast<uint64_t>(st.st_size);
    for (const ByteRange& range : ranges) {
      if (range.offset > size || range.length > size - range.offset) {
        return Status::Corruption("bytes " + std::to_string(range.offset) + "+" + std::to_string(range.length) +
                                  " lie beyond the end of " + Full(path) + " (" + std::to_string(size) + " bytes)");
      }
    }
    const RangePlan plan = PlanRanges(ranges, traits_.coalesce_gap, traits_.max_request);
    std::vector<Bytes> answers(plan.requests.size());
    for (size_t i = 0; i < plan.requests.size(); ++i) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      uint8_t* to = nullptr;
      answers[i] = Bytes::Allocate(plan.requests[i].length, &to);
      LANCEFS_RETURN_NOT_OK(PreadAll(fd.get(), to, plan.requests[i], Full(path)));
    }
    return AssembleRanges(plan, answers);
  }

  Status ListInto(const std::string& prefix, const ListRequest& request, const OpContext& ctx, ListResult* result) const {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    const std::string directory = Full(prefix);
    DIR* raw = ::opendir(directory.c_str());
    if (raw == nullptr) {
      if (errno == ENOENT || errno == ENOTDIR) return Status::OK();
      return FromErrno(errno, "list " + directory);
    }
    std::unique_ptr<DIR, int (*)(DIR*)> dir(raw, ::closedir);
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string path = prefix + name;
      if (request.names_only && entry->d_type == DT_REG) {
        if (path > request.start_after) result->objects.push_back({path, 0, 0, ""});
        continue;
      }
      struct stat st;
      if (::fstatat(::dirfd(dir.get()), entry->d_name, &st, 0) != 0) continue;  // deleted meanwhile
      if (S_ISDIR(st.st_mode)) {
        if (request.recursive) {
          LANCEFS_RETURN_NOT_OK(ListInto(path + "/", request, ctx, result));
        } else {
          result->directories.push_back(path + "/");
        }
      } else if (S_ISREG(st.st_mode) && path > request.start_after) {
        result->objects.push_back({path, static_cast<uint64_t>(st.st_size), ModifiedNs(st), Etag(st)});
      }
    }
    return Status::OK();
  }

  // A new file beside `path`, created with its parents. Such names are ignored by readers of
  // Lance directories (no known suffix).
  Status OpenStaging(const std::string& path, FileDescriptor* fd, std::string* staged) const {
    static std::atomic<uint64_t> counter{std::random_device{}()};
    const std::string full = Full(path);
    for (int attempt = 0; attempt < 2; ++attempt) {
      *staged = full + "#" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
      *fd = FileDescriptor(::open(staged->c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (fd->valid()) return Status::OK();
      if (errno != ENOENT) break;
      std::error_code error;
      std::filesystem::create_directories(std::filesystem::path(full).parent_path(), error);
      if (error) return FromErrno(error.value(), "create the directory of " + full);
    }
    return FromErrno(errno, "create " + *staged);
  }

  Status FinishStaging(FileDescriptor* fd, const std::string& staged) const {
    if (options_.fsync && ::fsync(fd->get()) != 0) return FromErrno(errno, "fsync " + staged);
    if (fd->Close() != 0) return FromErrno(errno, "close " + staged);
    return Status::OK();
  }

  Status Stage(const std::string& path, const Bytes& bytes, std::string* staged) const {
    FileDescriptor fd;
    LANCEFS_RETURN_NOT_OK(OpenStaging(path, &fd, staged));
    Status status = WriteAll(fd.get(), bytes.span(), *staged);
    if (status.ok()) status = FinishStaging(&fd, *staged);
    if (!status.ok()) ::unlink(staged->c_str());
    return status;
  }

  // The name itself must survive a power cut, too.
  Status SyncParent(const std::string& path) const {
    if (!options_.fsync) return Status::OK();
    const std::string parent = std::filesystem::path(Full(path)).parent_path().string();
    const FileDescriptor fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || ::fsync(fd.get()) != 0) return FromErrno(errno, "fsync " + parent);
    return Status::OK();
  }

  std::string root_;
  LocalStoreOptions options_;
  StoreTraits traits_;
};

class LocalWriter : public ObjectWriter {
 public:
  LocalWriter(const LocalStore* store, std::string path, FileDescriptor fd, std::string staged)
      : store_(store), path_(std::move(path)), fd_(std::move(fd)), staged_(std::move(staged)) {}
  ~LocalWriter() override { Abort(); }

  Status Write(Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (staged_.empty()) return Status::Internal("write after the end of " + path_);
    LANCEFS_RETURN_NOT_OK(WriteAll(fd_.get(), bytes.span(), staged_));
    position_ += bytes.size();
    return Status::OK();
  }
  uint64_t position() const override { return position_; }
  Status Finish(const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (staged_.empty()) return Status::Internal("finish after the end of " + path_);
    LANCEFS_RETURN_NOT_OK(store_->FinishStaging(&fd_, staged_));
    if (::rename(staged_.c_str(), store_->Full(path_).c_str()) != 0) return FromErrno(errno, "rename to " + path_);
    staged_.clear();
    return store_->SyncParent(path_);
  }
  void Abort() override {
    if (staged_.empty()) return;
    ::unlink(staged_.c_str());
    staged_.clear();
  }

 private:
  const LocalStore* store_;
  std::string path_;
  FileDescriptor fd_;
  std::string staged_;  // empty once finished or aborted
  uint64_t position_ = 0;
};

Result<std::unique_ptr<ObjectWriter>> LocalStore::OpenWriter(const std::string& path, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  FileDescriptor fd;
  std::string staged;
  LANCEFS_RETURN_NOT_OK(OpenStaging(path, &fd, &staged));
  return std::unique_ptr<ObjectWriter>(new LocalWriter(this, path, std::move(fd), std::move(staged)));
}

}  // namespace

std::shared_ptr<ObjectStore> MakeLocalStore(std::string root, LocalStoreOptions options) {
  return std::make_shared<LocalStore>(std::move(root), options);
}

}  // namespace lancefs
