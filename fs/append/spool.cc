// SPDX-License-Identifier: Apache-2.0
#include "fs/append/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace lancefs {
namespace {

namespace stdfs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kMagic = "LFSPOOL1";
constexpr int64_t kReceiptLifetimeNs = 30LL * 24 * 3600 * 1'000'000'000;
constexpr size_t kMaxReceipts = 100'000;
constexpr uint32_t kMaxRecord = 1 << 20;
constexpr int kMaxFolders = 1000;

Status FromErrno(const std::string& what) {
  const std::string text = what + ": " + std::strerror(errno);
  if (errno == ENOSPC || errno == EDQUOT) return Status::ResourceExhausted(text);
  return Status::IoError(text);
}

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Status WriteAt(int fd, uint64_t offset, std::span<const uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return FromErrno("write " + path);
    }
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status::OK();
}

std::span<const uint8_t> AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The last whole record of a journal; a torn end is what a crash leaves and is ignored.
Result<json> LastRecord(const std::string& path) {
  const std::string text = ReadFile(path);
  if (text.size() < kMagic.size()) return json::object();
  if (text.compare(0, kMagic.size(), kMagic) != 0) {
    if (text.starts_with("LFSPOOL")) return Status::NotSupported("the spool " + path + " was written by a newer version");
    return json::object();
  }
  json last = json::object();
  size_t position = kMagic.size();
  while (text.size() - position >= 12) {
    const auto length = LoadLittleEndian<uint32_t>(text.data() + position);
    const auto hash = LoadLittleEndian<uint64_t>(text.data() + position + 4);
    position += 12;
    if (length > kMaxRecord || length > text.size() - position || XXH3_64bits(text.data() + position, length) != hash) break;
    json record = json::parse(text.begin() + static_cast<ptrdiff_t>(position),
                              text.begin() + static_cast<ptrdiff_t>(position + length), nullptr, false);
    if (record.is_object()) last = std::move(record);
    position += length;
  }
  return last;
}

int OpenLocked(const std::string& folder) {
  std::error_code error;
  stdfs::create_directories(folder, error);
  if (error) return -1;
  const int fd = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

SpoolFile::~SpoolFile() {
  if (fd_ >= 0) ::close(fd_);
  if (journal_ >= 0) ::close(journal_);
  if (used_ != nullptr) used_->fetch_sub(size_);
  if (!keep_ && !directory_.empty()) {
    std::error_code error;
    stdfs::remove_all(directory_, error);
  }
}

Status SpoolFile::Write(uint64_t offset, std::span<const uint8_t> bytes) {
  const uint64_t end = offset + bytes.size();
  const uint64_t growth = end > size_ ? end - size_ : 0;
  if (used_->fetch_add(growth) + growth > cap_) {
    used_->fetch_sub(growth);
    return Status::ResourceExhausted("the spool is full (" + std::to_string(cap_) + " bytes)");
  }
  const Status status = WriteAt(fd_, offset, bytes, data_path_);
  if (!status.ok()) {
    used_->fetch_sub(growth);
    if (growth > 0) (void)!::ftruncate(fd_, static_cast<off_t>(size_));
    return status;
  }
  size_ += growth;
  return Status::OK();
}

Status SpoolFile::Truncate(uint64_t size) {
  if (size > size_ && used_->load() + (size - size_) > cap_)
    return Status::ResourceExhausted("the spool is full (" + std::to_string(cap_) + " bytes)");
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return FromErrno("truncate " + data_path_);
  if (size > size_) {
    used_->fetch_add(size - size_);
  } else {
    used_->fetch_sub(size_ - size);
  }
  size_ = size;
  return Status::OK();
}

Result<Bytes> SpoolFile::Read(uint64_t offset, size_t size) const {
  if (offset >= size_) return Bytes();
  const size_t wanted = std::min<uint64_t>(size, size_ - offset);
  uint8_t* to = nullptr;
  const Bytes bytes = Bytes::Allocate(wanted, &to);
  size_t done = 0;
  while (done < wanted) {
    const ssize_t n = ::pread(fd_, to + done, wanted - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FromErrno("read " + data_path_);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return bytes.Slice(0, done);
}

Status SpoolFile::Sync() { return ::fdatasync(fd_) == 0 ? Status::OK() : FromErrno("fsync " + data_path_); }

Result<uint64_t> SpoolFile::Hash() const {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (uint64_t offset = 0; offset < size_;) {
    LANCEFS_ASSIGN_OR_RETURN(const Bytes piece, Read(offset, 4 << 20));
    if (piece.empty()) return Status::IoError("the spooled file " + data_path_ + " is shorter than it was");
    XXH3_64bits_update(state.get(), piece.data(), piece.size());
    offset += piece.size();
  }
  return static_cast<uint64_t>(XXH3_64bits_digest(state.get()));
}

Status SpoolFile::AppendRecord(const std::string& payload) {
  std::string record(12, '\0');
  StoreLittleEndian(record.data(), static_cast<uint32_t>(payload.size()));
  StoreLittleEndian(record.data() + 4, static_cast<uint64_t>(XXH3_64bits(payload.data(), payload.size())));
  record += payload;
  struct stat st;
  if (::fstat(journal_, &st) != 0) return FromErrno("stat the journal of " + directory_);
  return WriteAt(journal_, static_cast<uint64_t>(st.st_size), AsBytes(record), directory_ + "/journal");
}

Status SpoolFile::Seal(const SealedDrop& sealed) {
  LANCEFS_RETURN_NOT_OK(Sync());
  const json record = {{"state", "sealed"},
                       {"name", sealed.name},
                       {"size", sealed.size},
                       {"tail_offset", sealed.tail_offset},
                       {"uuid", sealed.transaction_uuid},
                       {"mtime_ns", sealed.mtime_ns}};
  LANCEFS_RETURN_NOT_OK(AppendRecord(record.dump(-1, ' ', false, json::error_handler_t::replace)));
  return ::fdatasync(journal_) == 0 ? Status::OK() : FromErrno("fsync the journal of " + directory_);
}

Status SpoolFile::MarkDone() { return AppendRecord(R"({"state":"done"})"); }

Result<std::shared_ptr<Spool>> Spool::Open(const std::string& directory, uint64_t cap_bytes) {
  std::shared_ptr<Spool> spool(new Spool);
  spool->root_ = directory;
  spool->cap_ = cap_bytes;
  for (int n = 0; n < kMaxFolders && spool->lock_ < 0; ++n) {
    spool->directory_ = directory + "/" + std::to_string(n);
    spool->lock_ = OpenLocked(spool->directory_);
  }
  if (spool->lock_ < 0) return Status::IoError("no spool folder can be used below " + directory + ": " + std::strerror(errno));
  ::chmod(spool->directory_.c_str(), 0700);  // rows of private tables lie here
  std::error_code error;
  for (const auto& entry : stdfs::directory_iterator(directory, error)) spool->LoadReceipts(entry.path().string() + "/receipts");
  return spool;
}

Spool::~Spool() {
  if (lock_ >= 0) ::close(lock_);
}

Result<std::shared_ptr<SpoolFile>> Spool::Create() {
  std::shared_ptr<SpoolFile> file(new SpoolFile);
  file->used_ = used_;
  file->cap_ = cap_;
  for (int attempt = 0; attempt < 100'000; ++attempt) {
    const std::string path = directory_ + "/d" + std::to_string(next_id_.fetch_add(1));
    if (::mkdir(path.c_str(), 0700) == 0) {
      file->directory_ = path;
      break;
    }
    if (errno != EEXIST) return FromErrno("create " + path);
  }
  file->data_path_ = file->directory_ + "/data";
  file->fd_ = ::open(file->data_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  file->journal_ = ::open((file->directory_ + "/journal").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file->fd_ < 0 || file->journal_ < 0) return FromErrno("create a file in " + file->directory_);
  LANCEFS_RETURN_NOT_OK(WriteAt(file->journal_, 0, AsBytes(kMagic), file->directory_));
  LANCEFS_RETURN_NOT_OK(file->AppendRecord(R"({"state":"open"})"));
  return file;
}

Result<std::vector<LeftDrop>> Spool::TakeLeftovers() {
  std::vector<LeftDrop> left;
  std::error_code error;
  // The own folder first: what is moved into it must not be found there again.
  std::vector<stdfs::path> folders = {directory_};
  for (const auto& folder : stdfs::directory_iterator(root_, error)) {
    if (folder.is_directory() && folder.path().filename() != "incomplete" && folder.path() != folders[0])
      folders.push_back(folder.path());
  }
  for (const stdfs::path& folder : folders) {
    const bool own = folder == folders[0];
    const int lock = own ? -1 : OpenLocked(folder.string());
    if (!own && lock < 0) continue;  // in use by another mount
    for (const auto& entry : stdfs::directory_iterator(folder, error)) {
      if (!entry.is_directory() || !entry.path().filename().string().starts_with("d")) continue;
      Result<json> record = LastRecord(entry.path().string() + "/journal");
      if (!record.ok()) {
        Log(LogLevel::kError, "spool_not_readable", {{"path", entry.path().string()}, {"reason", record.status().message()}});
        continue;  // never deleted
      }
      const std::string state = record->value("state", "");
      std::error_code size_error;
      const uint64_t size = stdfs::file_size(entry.path() / "data", size_error);
      if (state == "done" || size_error || size == 0) {
        stdfs::remove_all(entry.path(), error);
        continue;
      }
      LeftDrop drop;
      drop.directory = entry.path().string();
      if (state == "sealed") {
        drop.sealed =
            SealedDrop{record->value("name", ""), record->value("size", uint64_t{0}), record->value("tail_offset", uint64_t{0}),
                       record->value("uuid", ""), record->value("mtime_ns", int64_t{0})};
        if (size < drop.sealed->size) drop.sealed.reset();
      }
      if (!own) {
        const std::string target = directory_ + "/d" + std::to_string(next_id_.fetch_add(1)) + "-" + std::to_string(::getpid());
        if (::rename(drop.directory.c_str(), target.c_str()) == 0) drop.directory = target;
      }
      left.push_back(std::move(drop));
    }
    if (lock >= 0) ::close(lock);
  }
  return left;
}

Result<std::shared_ptr<SpoolFile>> Spool::Reopen(const LeftDrop& left) {
  std::shared_ptr<SpoolFile> file(new SpoolFile);
  file->keep_ = true;
  file->directory_ = left.directory;
  file->data_path_ = left.directory + "/data";
  file->cap_ = cap_;
  file->fd_ = ::open(file->data_path_.c_str(), O_RDWR | O_CLOEXEC);
  file->journal_ = ::open((left.directory + "/journal").c_str(), O_RDWR | O_CLOEXEC);
  struct stat st;
  if (file->fd_ < 0 || file->journal_ < 0 || ::fstat(file->fd_, &st) != 0) return FromErrno("open " + file->data_path_);
  file->used_ = used_;
  file->size_ = static_cast<uint64_t>(st.st_size);
  used_->fetch_add(file->size_);
  return file;
}

Result<std::string> Spool::KeepIncomplete(const LeftDrop& left) {
  const std::string folder = root_ + "/incomplete";
  std::error_code error;
  stdfs::create_directories(folder, error);
  const std::string target = folder + "/" + std::to_string(NowNs()) + "-" + stdfs::path(left.directory).filename().string();
  if (::rename(left.directory.c_str(), target.c_str()) != 0) return FromErrno("move " + left.directory);
  return target;
}

void Spool::LoadReceipts(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  const int64_t oldest = NowNs() - kReceiptLifetimeNs;
  while (std::getline(in, line)) {
    const json record = json::parse(line, nullptr, false);
    if (!record.is_object()) continue;
    Receipt receipt{record.value("name", ""),          record.value("size", uint64_t{0}),   record.value("mtime_ns", int64_t{0}),
                    record.value("hash", uint64_t{0}), record.value("time_ns", int64_t{0}), record.value("version", uint64_t{0}),
                    record.value("rows", uint64_t{0})};
    if (receipt.time_ns >= oldest) receipts_.push_back(std::move(receipt));
  }
}

std::optional<Receipt> Spool::FindReceipt(const std::string& name, uint64_t size, int64_t mtime_ns, uint64_t hash) const {
  std::lock_guard lock(mutex_);
  for (auto it = receipts_.rbegin(); it != receipts_.rend(); ++it) {
    if (it->name == name && it->size == size && it->mtime_ns == mtime_ns && it->hash == hash) return *it;
  }
  return std::nullopt;
}

void Spool::AddReceipt(const Receipt& receipt) {
  const json record = {{"name", receipt.name}, {"size", receipt.size},       {"mtime_ns", receipt.mtime_ns},
                       {"hash", receipt.hash}, {"time_ns", receipt.time_ns}, {"version", receipt.version},
                       {"rows", receipt.rows}};
  std::lock_guard lock(mutex_);
  receipts_.push_back(receipt);
  if (receipts_.size() > kMaxReceipts) receipts_.erase(receipts_.begin(), receipts_.begin() + kMaxReceipts / 10);
  std::ofstream out(directory_ + "/receipts", std::ios::app);
  out << record.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
}

void Spool::TouchReceipt(const std::string& name, uint64_t size, int64_t old_mtime_ns, int64_t mtime_ns) {
  std::optional<Receipt> found;
  {
    std::lock_guard lock(mutex_);
    for (auto it = receipts_.rbegin(); it != receipts_.rend() && !found; ++it) {
      if (it->name == name && it->size == size && it->mtime_ns == old_mtime_ns) found = *it;
    }
  }
  if (!found) return;
  found->mtime_ns = mtime_ns;
  AddReceipt(*found);
}

}  // namespace lancefs
