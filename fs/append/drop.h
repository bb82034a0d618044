// SPDX-License-Identifier: Apache-2.0
//
// Drop: one dropped file: its spooled bytes, who wrote them, whether they are committed, and the rule
// that says when they are (RULES 22-27).
//
// The rule. A close (FLUSH) commits when the closer is the only owner that the file ever had: one
// open writing handle, every WRITE by the closer's lock owner, no close by anybody else. Then close(2) of the tool
// returns the commit's result. Descriptors that were duplicated into other processes make that impossible to
// know, and the RELEASE of the last handle commits. Temporary names wait for their rename.
//
// Thread safety: `mutex` guards everything; it is held during the spool's I/O and during a commit, so
// writers of one file wait for each other and never for another file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/status.h"
#include "fs/append/spool.h"

namespace lancefs {

struct DropHandle {
  int flags = 0;
  bool writable = false;
  std::set<uint64_t> owners;     // lock owners of its WRITEs
  bool unknown_owner = false;    // a WRITE came without one
};

struct Drop {
  std::mutex mutex;
  std::shared_ptr<SpoolFile> file;             // null: nothing was written yet
  std::map<uint64_t, DropHandle> handles;
  std::set<uint64_t> flush_owners;             // who closed while the bytes were not committed
  bool dirty = false;                          // bytes that no commit has taken
  bool has_hole = false;                       // a range that nobody wrote: refused
  bool killed = false;                         // a writer was killed: not committed any more
  bool unlinked = false;
  bool only_appended = true;                   // since the last commit, all WRITEs went behind committed_size
  uint64_t committed_size = 0;                 // bytes that are rows already
  Status refused;                              // why the bytes were not taken; OK = not refused
  std::string transaction_uuid;                // of the commit under way
  int64_t flushed_at_ns = 0;                   // steady clock; a close that left the commit to RELEASE
  uint64_t version = 0;                        // of the last commit
  uint64_t rows = 0;

  uint64_t size() const { return file == nullptr ? 0 : file->size(); }
  size_t writers() const;
  // Starts anew under the same name, with nothing written (O_TRUNC, truncate to 0).
  void Reset();
  // Whether a close by `owner` on `handle` is the last one by the only owner.
  bool IsOnlyOwner(const DropHandle& handle, std::optional<uint64_t> owner) const;
  // Whether `owner` wrote any of the bytes.
  bool IsWriter(std::optional<uint64_t> owner) const;
};

}  // namespace lancefs
