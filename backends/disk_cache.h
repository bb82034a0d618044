// SPDX-License-Identifier: Apache-2.0
//
// DiskCache: parts of immutable objects on local disk (options `cache`, `cache-size`), used by any number of
// mounts and processes at once and kept when they end.
//
// Layout: <directory>/v1/<2 hex>/<32 hex>/<offset>-<length>-<object size> (hex), one file for each
// range that was read, with a header and a checksum (xxh3) for every 64 KiB. The folder's name is the
// SHA-256 of the object's key, cut to 128 bits: who chooses the names of objects cannot choose one
// that meets another object's folder. Files are written aside and renamed; what a crash, a full disk or somebody's
// editor left of one does not match its checksums, is removed and counts as a miss.
//
// Size: `v1/usage` is a counter that all processes map, never less than what the files take. Who would exceed the
// limit removes the files that were not used for the longest time (their mtime is the time of use, to the minute) until
// a tenth is free. One process at a time does so, counts anew what is there, and so mends the counter; nobody writes
// meanwhile: `v1/lock` is locked exclusively, by writers shared.
//
// Nothing here ever fails a reader: without memory, rights or space there are misses, and counters in
// the metrics (lancefs_disk_cache_*).
//
// Thread safety: all calls, from any thread. Calls block on local I/O.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "backends/object_store.h"
#include "base/metrics.h"

namespace lancefs {

class DiskCache {
 public:
  struct Options {
    std::string directory;             // made if it is missing; then readable for us alone
    uint64_t max_bytes = 10ULL << 30;  // of all files together
    Metrics* metrics = &Metrics::Global();
  };
  // Errors: kIoError where the directory cannot be made or written.
  static Result<std::shared_ptr<DiskCache>> Open(Options options);
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  // The bytes of `range` if they are there, in one file or several. `key` names the object and its content: equal keys, equal
  // bytes, for ever.
  std::optional<Bytes> Read(const std::string& key, const ByteRange& range);
  // The object's size, if a file tells it.
  std::optional<uint64_t> ObjectSize(const std::string& key);
  // Keeps `bytes`, which stand at `offset`; `object_size` 0 = unknown.
  void Write(const std::string& key, uint64_t offset, const Bytes& bytes, uint64_t object_size);
  // Drops all of an object.
  void Forget(const std::string& key);

  uint64_t used() const;
  const std::string& directory() const { return options_.directory; }

 private:
  struct Extent {
    uint64_t length = 0;
    uint64_t object_size = 0;
    int64_t touched_s = 0;  // when its time of use was last written
  };
  // What is known of an object's folder; other processes may have changed it since.
  struct Object {
    std::string folder;
    int64_t listed_ns = -1;                   // mtime of the folder when it was listed; -1: never
    std::multimap<uint64_t, Extent> extents;  // by offset
    uint64_t size = 0;                        // 0 = unknown
  };
  struct Usage;

  explicit DiskCache(Options options);
  Status Prepare();
  std::shared_ptr<Object> Find(const std::string& key);
  // Lists the folder again if it changed; true if so. REQUIRES: mutex_ held.
  bool Refresh(Object* object);
  // The extents that hold `range` one after the other; empty: none. REQUIRES: mutex_ held.
  std::vector<std::pair<uint64_t, Extent>> Cover(const Object& object, const ByteRange& range) const;
  bool ReadExtent(const std::string& folder, uint64_t offset, const Extent& extent, const ByteRange& part, uint8_t* to);
  void Drop(const std::string& key, uint64_t offset, const Extent& extent);
  bool WriteFile(const std::string& folder, const std::string& name, uint64_t offset, const Bytes& bytes, uint64_t object_size);
  // Counts it, and lets some seconds pass before the next write.
  void FailedToWrite();
  // Counts `bytes` as used unless that exceeds the limit. REQUIRES: `v1/lock` held shared, as for Release.
  bool Reserve(uint64_t bytes);
  void Release(uint64_t bytes);
  // Unless there is room for `bytes`: counts the files, and removes old ones until that and a tenth of the limit is free.
  void MakeRoom(uint64_t bytes);

  const Options options_;
  std::string root_;  // <directory>/v1
  Usage* usage_ = nullptr;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Object>> objects_;  // guarded by mutex_, as their content
  std::mutex making_room_;
  std::atomic<uint64_t> next_name_{0};
  std::atomic<int64_t> no_writes_before_ns_{0};  // after an error: steady clock

  Metrics::Counter& hits_;
  Metrics::Counter& misses_;
  Metrics::Counter& hit_bytes_;
  Metrics::Counter& written_bytes_;
  Metrics::Counter& write_errors_;
  Metrics::Counter& broken_;
  Metrics::Counter& evicted_bytes_;
};

}  // namespace lancefs
