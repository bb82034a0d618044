// SPDX-License-Identifier: Apache-2.0
//
// Spool: where dropped files lie on local disk, from their first byte until their name is forgotten.
//
//   <directory>/<n>/lock              held (flock) by the mount that uses folder n
//   <directory>/<n>/receipts          one JSON line a committed drop (RULES 26)
//   <directory>/<n>/d<id>/data        the bytes
//   <directory>/<n>/d<id>/journal     8 bytes "LFSPOOL1", then records: u32 length, u64 xxh3 of the payload, JSON payload
//   <directory>/incomplete/...        drops that a crash left unfinished, kept for people
//
// A journal's last record tells the state: "open" (being written), "sealed" (complete; name, size and the transaction's uuid
// are fixed and everything is fsynced), "done". After a crash a sealed drop is committed once: the uuid
// tells whether it was already. A folder whose lock is free belonged to a mount that is gone.
//
// Thread safety: Spool: all calls, from any thread. SpoolFile: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace lancefs {

// What was fixed when a drop was complete.
struct SealedDrop {
  std::string name;          // relative to append/
  uint64_t size = 0;         // bytes of data
  uint64_t tail_offset = 0;  // only the bytes from here on are rows to commit (a grown file)
  std::string transaction_uuid;
  int64_t mtime_ns = 0;
};

class Spool;

class SpoolFile {
 public:
  ~SpoolFile();
  const std::string& data_path() const { return data_path_; }
  const std::string& directory() const { return directory_; }
  uint64_t size() const { return size_; }
  // Errors: kResourceExhausted when the spool's cap or the disk is full; nothing is written then.
  Status Write(uint64_t offset, std::span<const uint8_t> bytes);
  Status Truncate(uint64_t size);
  Result<Bytes> Read(uint64_t offset, size_t size) const;
  Status Sync();
  // xxh3 of the whole data.
  Result<uint64_t> Hash() const;
  Status Seal(const SealedDrop& sealed);
  Status MarkDone();
  // The folder stays when this object goes (for people, or for the next mount).
  void Keep(bool keep = true) { keep_ = keep; }

 private:
  friend class Spool;
  SpoolFile() = default;
  Status AppendRecord(const std::string& json);

  std::shared_ptr<std::atomic<uint64_t>> used_;  // bytes of all files of the spool
  uint64_t cap_ = 0;
  std::string directory_;
  std::string data_path_;
  int fd_ = -1;
  int journal_ = -1;
  uint64_t size_ = 0;
  bool keep_ = false;
};

struct Receipt {
  std::string name;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  uint64_t hash = 0;    // xxh3 of the bytes
  int64_t time_ns = 0;  // of the commit
  uint64_t version = 0;
  uint64_t rows = 0;
};

// A drop that a crash left behind.
struct LeftDrop {
  std::string directory;
  std::optional<SealedDrop> sealed;  // absent: incomplete
};

class Spool {
 public:
  // Takes a free folder below `directory`. Errors: kIoError; kNotSupported for a journal of a newer format.
  static Result<std::shared_ptr<Spool>> Open(const std::string& directory, uint64_t cap_bytes);
  ~Spool();

  Result<std::shared_ptr<SpoolFile>> Create();
  // Drops of mounts that are gone, moved into this folder. Call once, before Create.
  Result<std::vector<LeftDrop>> TakeLeftovers();
  Result<std::shared_ptr<SpoolFile>> Reopen(const LeftDrop& left);
  // Moves an unfinished drop to incomplete/ and returns where it lies now.
  Result<std::string> KeepIncomplete(const LeftDrop& left);

  std::optional<Receipt> FindReceipt(const std::string& name, uint64_t size, int64_t mtime_ns, uint64_t hash) const;
  void AddReceipt(const Receipt& receipt);
  // A tool set the times after the commit (unzip, install).
  void TouchReceipt(const std::string& name, uint64_t size, int64_t old_mtime_ns, int64_t mtime_ns);
  uint64_t used_bytes() const { return used_->load(); }
  uint64_t cap_bytes() const { return cap_; }

 private:
  Spool() = default;
  void LoadReceipts(const std::string& path);

  std::string root_;
  std::string directory_;
  uint64_t cap_ = 0;
  int lock_ = -1;
  std::shared_ptr<std::atomic<uint64_t>> used_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::atomic<uint64_t> next_id_{1};
  mutable std::mutex mutex_;
  std::vector<Receipt> receipts_;  // guarded by mutex_
};

}  // namespace lancefs
