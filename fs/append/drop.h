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
// Thread safety: `mutex` guards everything and is held during the spool's I/O, so writers of one file wait for
// each other and never for another file. While `committing` is set, one thread commits without the mutex: all others leave
// the drop as it is (LockIdle waits), and may read its bytes.
#pragma once

#include <condition_variable>
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
  std::set<uint64_t> owners;   // lock owners of its WRITEs
  bool unknown_owner = false;  // a WRITE came without one
};

struct Drop {
  std::mutex mutex;
  std::condition_variable idle;  // `committing` became false
  bool committing = false;
  std::shared_ptr<SpoolFile> file;  // null: nothing was written yet
  std::map<uint64_t, DropHandle> handles;
  std::set<uint64_t> flush_owners;     // who closed while the bytes were not committed
  bool dirty = false;                  // bytes that no commit has taken
  std::map<uint64_t, uint64_t> holes;  // ranges that nobody wrote, begin to end: refused
  bool killed = false;                 // a writer was killed: not committed any more
  bool unlinked = false;
  bool overwritten = false;      // since the last commit, bytes were written that were there: old and new ones may be mixed
  bool only_appended = true;     // since the last commit, all WRITEs went behind committed_size
  uint64_t committed_size = 0;   // bytes that are rows already
  Status refused;                // why the bytes were not taken; OK = not refused
  std::string transaction_uuid;  // of the commit under way
  uint64_t version = 0;          // of the last commit
  uint64_t rows = 0;

  uint64_t size() const { return file == nullptr ? 0 : file->size(); }
  size_t writers() const;
  // The mutex, once no commit is under way.
  std::unique_lock<std::mutex> LockIdle();
  // Keep `holes` up to date: after bytes were written to what was `old_size` long, and before a truncate.
  void NoteWrite(uint64_t offset, uint64_t length, uint64_t old_size);
  void NoteResize(uint64_t new_size);
  // A new writer of a drop that was refused or whose writer was killed: what was not committed does not count any
  // more. REQUIRES: no open writer. `append`: the writer continues behind the committed bytes.
  Status StartOver(bool append);
  // Starts anew under the same name, with nothing written (O_TRUNC, truncate to 0).
  void Reset();
  // Whether a close by `owner` on `handle` is the last one by the only owner.
  bool IsOnlyOwner(const DropHandle& handle, std::optional<uint64_t> owner) const;
  // Whether `owner` wrote any of the bytes.
  bool IsWriter(std::optional<uint64_t> owner) const;
};

}  // namespace lancefs
