// SPDX-License-Identifier: Apache-2.0
#include "backends/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <vector>

#include "backends/auth/digest.h"

namespace lancefs {
namespace {

constexpr uint64_t kBlock = 64 * 1024;   // one checksum each
constexpr uint32_t kMagic = 0x4353464c;  // "LFSC"
constexpr uint32_t kFormat = 1;
constexpr uint64_t kLongestExtent = uint64_t{256} << 20;
constexpr int64_t kTouchEvery = 60;           // seconds
constexpr int64_t kPauseNs = 10'000'000'000;  // after a failed write
constexpr size_t kMostObjects = 100'000;      // that are remembered
constexpr uint64_t kDiskPage = 4096;          // what small files take at least

struct Header {
  uint32_t magic = kMagic;
  uint32_t format = kFormat;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t object_size = 0;
  uint64_t reserved = 0;
  uint64_t checksum = 0;  // of the folder's name, the header with 0 here, and the table
};
static_assert(sizeof(Header) == 48);

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

// The file `path`, made if it is missing and locked (flock's `operation`), or -1 with errno. Closing it unlocks.
int OpenLocked(const std::string& path, int operation) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -1;
  int failed = ::flock(fd, operation);
  while (failed != 0 && errno == EINTR) failed = ::flock(fd, operation);
  if (failed == 0) return fd;
  const int why = errno;
  ::close(fd);
  errno = why;
  return -1;
}

bool ReadFully(int fd, void* to, size_t size, uint64_t offset) {
  auto* bytes = static_cast<uint8_t*>(to);
  while (size > 0) {
    const ssize_t got = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

bool WriteFully(int fd, const void* from, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  while (size > 0) {
    const ssize_t put = ::write(fd, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

uint64_t Blocks(uint64_t length) { return (length + kBlock - 1) / kBlock; }
uint64_t FileBytes(uint64_t length) { return sizeof(Header) + Blocks(length) * 8 + length; }
uint64_t OnDisk(uint64_t file_bytes) { return (file_bytes + kDiskPage - 1) / kDiskPage * kDiskPage; }

uint64_t HeaderChecksum(Header header, const std::vector<uint64_t>& table, const std::string& folder) {
  header.checksum = 0;
  // Of the folder's name, so that a file in the wrong place is not believed; not of where the cache lies.
  const std::string_view name = std::string_view(folder).substr(folder.rfind('/') + 1);
  const uint64_t seed = XXH3_64bits(name.data(), name.size());
  const uint64_t first = XXH3_64bits_withSeed(&header, sizeof(header), seed);
  return XXH3_64bits_withSeed(table.data(), table.size() * 8, first);
}

std::string Hex(uint64_t value) {
  char text[17];
  const auto end = std::to_chars(text, text + sizeof(text), value, 16).ptr;
  return std::string(text, end);
}

std::string NameOf(uint64_t offset, uint64_t length, uint64_t object_size) {
  return Hex(offset) + "-" + Hex(length) + "-" + Hex(object_size);
}

bool TakeHex(std::string_view* text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *value, 16);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (!text->empty() && text->front() == '-') text->remove_prefix(1);
  return true;
}

bool ParseName(std::string_view name, uint64_t* offset, uint64_t* length, uint64_t* object_size) {
  return TakeHex(&name, offset) && TakeHex(&name, length) && TakeHex(&name, object_size) && name.empty() && *length > 0 &&
         *length <= kLongestExtent && *offset <= UINT64_MAX - *length;
}

int64_t SteadyNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
int64_t ModifiedNs(const struct stat& info) {
  return static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

// Mapped by all processes.
struct DiskCache::Usage {
  std::atomic<uint64_t> bytes;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

DiskCache::DiskCache(Options options)
    : options_(std::move(options)),
      root_(options_.directory + "/v1"),
      hits_(options_.metrics->counter("lancefs_disk_cache_hits_total")),
      misses_(options_.metrics->counter("lancefs_disk_cache_misses_total")),
      hit_bytes_(options_.metrics->counter("lancefs_disk_cache_hit_bytes_total")),
      written_bytes_(options_.metrics->counter("lancefs_disk_cache_written_bytes_total")),
      write_errors_(options_.metrics->counter("lancefs_disk_cache_write_errors_total")),
      broken_(options_.metrics->counter("lancefs_disk_cache_broken_files_total")),
      evicted_bytes_(options_.metrics->counter("lancefs_disk_cache_evicted_bytes_total")) {}

DiskCache::~DiskCache() {
  if (usage_ != nullptr) ::munmap(usage_, kDiskPage);
}

Result<std::shared_ptr<DiskCache>> DiskCache::Open(Options options) {
  std::shared_ptr<DiskCache> cache(new DiskCache(std::move(options)));
  LANCEFS_RETURN_NOT_OK(cache->Prepare());
  return cache;
}

Status DiskCache::Prepare() {
  const auto failed = [&](const std::string& what) {
    return Status::IoError("the cache " + options_.directory + " cannot be used: " + what);
  };
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return failed(error.message());
  // What is in it was read with our credentials.
  if (::mkdir(root_.c_str(), 0700) != 0 && errno != EEXIST) return failed(std::strerror(errno));
  const Fd fd(::open((root_ + "/usage").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.ok() || ::ftruncate(fd.get(), static_cast<off_t>(kDiskPage)) != 0) return failed(std::strerror(errno));
  void* memory = ::mmap(nullptr, kDiskPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return failed(std::strerror(errno));
  usage_ = static_cast<Usage*>(memory);
  if (usage_->bytes.load() == 0) MakeRoom(0);  // new, or lost with the machine's power
  return Status::OK();
}

uint64_t DiskCache::used() const { return usage_->bytes.load(); }

std::shared_ptr<DiskCache::Object> DiskCache::Find(const std::string& key) {
  auto known = objects_.find(key);
  if (known != objects_.end()) return known->second;
  if (objects_.size() >= kMostObjects) objects_.clear();  // it is only what is on the disk anyway
  const Sha256Digest digest = Sha256(key);
  const std::string name = HexEncode(std::span(digest).first(16));
  auto object = std::make_shared<Object>();
  object->folder = root_ + "/" + name.substr(0, 2) + "/" + name;
  objects_.emplace(key, object);
  return object;
}

bool DiskCache::Refresh(Object* object) {
  struct stat info = {};
  if (::stat(object->folder.c_str(), &info) != 0) {
    const bool changed = !object->extents.empty();
    object->extents.clear();
    object->listed_ns = -1;
    return changed;
  }
  if (ModifiedNs(info) == object->listed_ns) return false;
  DIR* directory = ::opendir(object->folder.c_str());
  if (directory == nullptr) return false;
  object->listed_ns = ModifiedNs(info);
  object->extents.clear();
  while (const dirent* entry = ::readdir(directory)) {
    uint64_t offset = 0;
    Extent extent;
    if (!ParseName(entry->d_name, &offset, &extent.length, &extent.object_size)) continue;
    if (extent.object_size != 0) object->size = extent.object_size;
    object->extents.emplace(offset, extent);
  }
  ::closedir(directory);
  return true;
}

std::vector<std::pair<uint64_t, DiskCache::Extent>> DiskCache::Cover(const Object& object, const ByteRange& range) const {
  std::vector<std::pair<uint64_t, Extent>> cover;
  uint64_t position = range.offset;
  auto next = object.extents.begin();
  while (position < range.end()) {
    // Of those that begin no later than where we are, the one that reaches furthest.
    auto best = object.extents.end();
    uint64_t reached = position;
    for (; next != object.extents.end() && next->first <= position; ++next) {
      if (next->first + next->second.length > reached) {
        reached = next->first + next->second.length;
        best = next;
      }
    }
    if (best == object.extents.end()) return {};
    cover.emplace_back(best->first, best->second);
    position = reached;
  }
  return cover;
}

bool DiskCache::ReadExtent(const std::string& folder, uint64_t offset, const Extent& extent, const ByteRange& part, uint8_t* to) {
  const std::string path = folder + "/" + NameOf(offset, extent.length, extent.object_size);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.ok()) return false;
  std::vector<uint64_t> table(Blocks(extent.length));
  std::vector<uint8_t> front(sizeof(Header) + table.size() * 8);
  if (!ReadFully(fd.get(), front.data(), front.size(), 0)) return false;
  Header header;
  std::memcpy(&header, front.data(), sizeof(header));
  std::memcpy(table.data(), front.data() + sizeof(header), table.size() * 8);
  if (header.magic != kMagic || header.format != kFormat || header.offset != offset || header.length != extent.length ||
      header.object_size != extent.object_size || header.checksum != HeaderChecksum(header, table, folder)) {
    return false;
  }
  // Whole blocks are checked; where a part of one is wanted it goes through memory of its own.
  const uint64_t begin = part.offset - offset;
  const uint64_t end = begin + part.length;
  std::vector<uint8_t> block;
  for (uint64_t index = begin / kBlock; index * kBlock < end; ++index) {
    const uint64_t start = index * kBlock;
    const uint64_t length = std::min(kBlock, extent.length - start);
    const bool whole = start >= begin && start + length <= end;
    if (!whole) block.resize(length);
    uint8_t* into = whole ? to + (start - begin) : block.data();
    if (!ReadFully(fd.get(), into, length, front.size() + start)) return false;
    if (XXH3_64bits(into, length) != table[index]) return false;
    if (whole) continue;
    const uint64_t from = std::max(start, begin);
    std::memcpy(to + (from - begin), block.data() + (from - start), std::min(start + length, end) - from);
  }
  struct stat info = {};
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (::fstat(fd.get(), &info) == 0 && now - info.st_mtim.tv_sec > kTouchEvery) ::futimens(fd.get(), nullptr);
  return true;
}

// The file is not what it should be, or not there any more.
void DiskCache::Drop(const std::string& key, uint64_t offset, const Extent& extent) {
  const Fd writing(OpenLocked(root_ + "/lock", LOCK_SH));  // before mutex_, as MakeRoom does
  std::lock_guard lock(mutex_);
  const std::shared_ptr<Object> object = Find(key);
  const auto [begin, end] = object->extents.equal_range(offset);
  for (auto it = begin; it != end; ++it) {
    if (it->second.length != extent.length) continue;
    object->extents.erase(it);
    break;
  }
  const std::string path = object->folder + "/" + NameOf(offset, extent.length, extent.object_size);
  if (::unlink(path.c_str()) != 0) return;
  broken_.fetch_add(1);
  Release(OnDisk(FileBytes(extent.length)));
}

std::optional<Bytes> DiskCache::Read(const std::string& key, const ByteRange& range) {
  std::vector<std::pair<uint64_t, Extent>> cover;
  std::string folder;
  {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Object> object = Find(key);
    if (object->listed_ns < 0) Refresh(object.get());
    cover = Cover(*object, range);
    if (cover.empty() && Refresh(object.get())) cover = Cover(*object, range);
    folder = object->folder;
  }
  if (cover.empty()) {
    misses_.fetch_add(1);
    return std::nullopt;
  }
  uint8_t* to = nullptr;
  Bytes bytes = Bytes::Allocate(range.length, &to);
  uint64_t position = range.offset;
  for (const auto& [offset, extent] : cover) {
    const uint64_t end = std::min(range.end(), offset + extent.length);
    if (!ReadExtent(folder, offset, extent, {position, end - position}, to + (position - range.offset))) {
      Drop(key, offset, extent);
      misses_.fetch_add(1);
      return std::nullopt;
    }
    position = end;
  }
  hits_.fetch_add(1);
  hit_bytes_.fetch_add(range.length);
  return bytes;
}

std::optional<uint64_t> DiskCache::ObjectSize(const std::string& key) {
  std::lock_guard lock(mutex_);
  const std::shared_ptr<Object> object = Find(key);
  if (object->size == 0) Refresh(object.get());
  if (object->size == 0) return std::nullopt;
  return object->size;
}

void DiskCache::Write(const std::string& key, uint64_t offset, const Bytes& bytes, uint64_t object_size) {
  if (bytes.empty() || bytes.size() > kLongestExtent || OnDisk(FileBytes(bytes.size())) > options_.max_bytes / 4) return;
  if (SteadyNs() < no_writes_before_ns_.load()) return;
  std::string folder;
  {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Object> object = Find(key);
    // Read by two at once.
    const auto [begin, end] = object->extents.equal_range(offset);
    const bool there = std::any_of(begin, end, [&](const auto& extent) { return extent.second.length >= bytes.size(); });
    if (there && (object_size == 0 || object->size != 0)) return;
    folder = object->folder;
  }
  const uint64_t size = OnDisk(FileBytes(bytes.size()));
  if (usage_->bytes.load() + size > options_.max_bytes) MakeRoom(size);
  // From the reservation to the file under its name: who counts meets both or none. Nothing is kept while somebody does.
  const Fd writing(OpenLocked(root_ + "/lock", LOCK_SH | LOCK_NB));
  if (!writing.ok() && errno != EWOULDBLOCK) return FailedToWrite();
  if (!writing.ok() || !Reserve(size)) return;
  const std::string name = NameOf(offset, bytes.size(), object_size);
  if (!WriteFile(folder, name, offset, bytes, object_size)) {
    Release(size);
    return FailedToWrite();
  }
  written_bytes_.fetch_add(bytes.size());
  std::lock_guard lock(mutex_);
  const std::shared_ptr<Object> object = Find(key);
  object->extents.emplace(offset, Extent{bytes.size(), object_size, 0});
  if (object_size != 0) object->size = object_size;
}

void DiskCache::FailedToWrite() {
  write_errors_.fetch_add(1);
  no_writes_before_ns_.store(SteadyNs() + kPauseNs);
}

bool DiskCache::WriteFile(const std::string& folder, const std::string& name, uint64_t offset, const Bytes& bytes,
                          uint64_t object_size) {
  const std::string aside =
      root_ + "/aside-" + std::to_string(::getpid()) + "-" + Hex(reinterpret_cast<uintptr_t>(this)) + "-" + Hex(next_name_++);
  Header header;
  header.offset = offset;
  header.length = bytes.size();
  header.object_size = object_size;
  std::vector<uint64_t> table(Blocks(bytes.size()));
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = XXH3_64bits(bytes.data() + i * kBlock, std::min(kBlock, bytes.size() - i * kBlock));
  header.checksum = HeaderChecksum(header, table, folder);
  {
    const Fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.ok()) return false;
    if (!WriteFully(fd.get(), &header, sizeof(header)) || !WriteFully(fd.get(), table.data(), table.size() * 8) ||
        !WriteFully(fd.get(), bytes.data(), bytes.size())) {
      ::unlink(aside.c_str());
      return false;
    }
  }
  const std::string path = folder + "/" + name;
  // The folder may go meanwhile, when its last file is evicted.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (::rename(aside.c_str(), path.c_str()) == 0) return true;
    if (errno != ENOENT) break;
    ::mkdir(folder.substr(0, folder.rfind('/')).c_str(), 0700);
    ::mkdir(folder.c_str(), 0700);
  }
  ::unlink(aside.c_str());
  return false;
}

void DiskCache::Forget(const std::string& key) {
  std::string folder;
  {
    std::lock_guard lock(mutex_);
    folder = Find(key)->folder;
    objects_.erase(key);
  }
  const Fd writing(OpenLocked(root_ + "/lock", LOCK_SH));
  std::error_code error;
  std::filesystem::remove_all(folder, error);  // the counter is mended with the next eviction
}

bool DiskCache::Reserve(uint64_t bytes) {
  if (usage_->bytes.fetch_add(bytes) + bytes <= options_.max_bytes) return true;
  Release(bytes);
  return false;
}

void DiskCache::Release(uint64_t bytes) {
  uint64_t now = usage_->bytes.load();
  while (!usage_->bytes.compare_exchange_weak(now, now - std::min(now, bytes))) {
  }
}

void DiskCache::MakeRoom(uint64_t bytes) {
  std::lock_guard one(making_room_);
  const Fd lock(OpenLocked(root_ + "/lock", LOCK_EX));
  if (!lock.ok()) return;
  const uint64_t counted = usage_->bytes.load();
  if (counted != 0 && counted + bytes <= options_.max_bytes) return;  // somebody else did
  struct File {
    int64_t used_ns;
    uint64_t bytes;
    std::string path;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk it(root_, std::filesystem::directory_options::skip_permission_denied, error), end; !error && it != end;
       it.increment(error)) {
    struct stat info = {};
    const std::string path = it->path().string();
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    const std::string name = it->path().filename().string();
    if (it.depth() == 0) {
      if (name.starts_with("aside-")) ::unlink(path.c_str());  // nobody writes now: of one that was killed
      continue;
    }
    const uint64_t bytes = OnDisk(static_cast<uint64_t>(info.st_size));
    total += bytes;
    files.push_back({ModifiedNs(info), bytes, path});
  }
  if (error) return;
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.used_ns < b.used_ns; });
  const uint64_t wanted = options_.max_bytes - std::max(options_.max_bytes / 10, bytes);
  uint64_t removed = 0;
  for (const File& file : files) {
    if (total - removed <= wanted) break;
    if (::unlink(file.path.c_str()) != 0) continue;
    removed += file.bytes;
    ::rmdir(file.path.substr(0, file.path.rfind('/')).c_str());  // fails unless that was the last
  }
  evicted_bytes_.fetch_add(removed);
  usage_->bytes.store(total - removed);
  std::lock_guard known(mutex_);
  objects_.clear();
}

}  // namespace lancefs
