// SPDX-License-Identifier: Apache-2.0
//
// The small values that all of fs/ passes around: who asks, what a file looks like, what a
// directory lists. They mirror what the kernel knows, without any header of libfuse.
//
// Thread safety: values.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/status.h"

namespace lancefs {

// The process behind a request. `pid` is 0 where the kernel does not know it (RELEASE, writeback)
// or cannot say it (another pid namespace).
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;
  uint32_t umask = 0;
};

// Attributes. `mode` has the type bits (S_IFREG, S_IFDIR, S_IFLNK). Times are nanoseconds since
// the Unix epoch, UTC.
struct FileAttr {
  uint64_t ino = 0;
  uint32_t mode = 0;
  uint32_t nlink = 1;  // 1 for directories too: find must not guess the number of sub-directories
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // of 512 bytes; 0 where the size is an estimate
  int64_t atime_ns = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;

  bool is_directory() const { return S_ISDIR(mode); }
};

// What chmod, chown, truncate, utimens ask for; absent = leave. kNow means "the time of the call".
struct AttrChange {
  static constexpr int64_t kNow = INT64_MIN;
  std::optional<uint32_t> mode;  // permission bits only
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size;
  std::optional<int64_t> atime_ns;
  std::optional<int64_t> mtime_ns;
};

struct DirEntry {
  std::string name;
  uint64_t ino = 0;
  uint32_t type = S_IFREG;  // S_IFREG, S_IFDIR or S_IFLNK
};

struct FsStats {
  uint64_t block_size = 4096;
  uint64_t blocks = 0;       // in all
  uint64_t blocks_free = 0;  // for writers
  uint64_t files = 0;
  uint64_t files_free = 0;
  uint64_t name_max = 255;
};

}  // namespace lancefs
