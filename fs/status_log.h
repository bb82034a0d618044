// SPDX-License-Identifier: Apache-2.0
//
// StatusLog: what `status/` shows of a mount: the commits, the last 100 errors, and the last error
// of every user. A database root has one for all its tables; entries name their table.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace lancefs {

// One line of status/commits.jsonl: a drop that became rows, or that rightly made no version.
struct CommitRecord {
  int64_t time_ns = 0;   // 0 = filled in by Add
  std::string table;     // empty when the mount is one dataset
  std::string name;      // of the drop, relative to append/
  uint64_t version = 0;  // 0 = no version was made
  uint64_t rows = 0;
  uint64_t bytes = 0;       // of the dropped file
  std::string transaction;  // uuid
  std::string note;         // "0 rows", "same bytes as before", "tail of 12 bytes", ...
};

// One file status/errors/<seq>-<name>.json.
struct ErrorRecord {
  uint64_t seq = 0;     // filled in by Add
  int64_t time_ns = 0;  // 0 = filled in by Add
  uint32_t uid = 0;
  std::string table;
  std::string operation;  // "lookup", "open", "read", "append", ...
  std::string path;       // below the mount
  int error_number = 0;   // errno that the tool saw; 0 = it saw none (a late failure)
  std::string code;       // "invalid argument"
  std::string message;
  uint64_t row = 0;  // of a refused drop, from 1; 0 = none
  std::string column;
  std::string value;
  std::string file_name() const;  // "<seq>-<name>.json", safe as a path component
  std::string ToJson() const;     // one object, pretty, LF at the end
};

class StatusLog {
 public:
  // Keeps the last `max_commits` and `max_errors`.
  explicit StatusLog(size_t max_commits = 1000, size_t max_errors = 100);

  void AddCommit(CommitRecord record);
  // The same failure of the same user on the same path within one second is kept once; so is what
  // repeats an "append" record of the same file.
  uint64_t AddError(ErrorRecord record);

  std::string CommitsJsonl() const;
  // "<code>: <message>" and the path, for people; empty when this user had none.
  std::string LastError(uint32_t uid) const;
  std::vector<ErrorRecord> Errors() const;
  std::optional<ErrorRecord> FindError(const std::string& file_name) const;

 private:
  const size_t max_commits_;
  const size_t max_errors_;
  mutable std::mutex mutex_;
  std::deque<CommitRecord> commits_;  // guarded by mutex_, like all below
  std::deque<ErrorRecord> errors_;
  std::map<uint32_t, ErrorRecord> last_error_;  // by uid; at most 1,000 users
  uint64_t next_seq_ = 1;
};

}  // namespace lancefs
