// SPDX-License-Identifier: Apache-2.0
//
// Results: the bytes behind `rows.jsonl` and its kin, made by running a query once and shared by
// everybody who asks the same question at the same version (RULES 14-19, DESIGN 4).
//
// A QueryResult is a spilled file and a state:
//
//        first Open                 producer is through
//   idle ----------> growing ------------------------------> final
//                       |  ^                                  (kept until the spill space is needed)
//        last reader    |  | a reader wants more
//        leaves: gone   v  |
//                     paused          any error: failed (remembered for 1 s)
//
// The producer makes pieces (a rendered batch) and runs in a pool of its own, one run at a time,
// until the result is as long as `target`. Readers raise the target: a sequential reader to what he
// asks for plus a lookahead that doubles as he goes on, somebody who needs the true size (OPEN within
// its budget, lseek to the end, a read far ahead) to the end. So `head` on a huge table costs a
// batch, and `cat` keeps the producer busy without a pause.
//
// Bytes go to an unlinked file in the spill directory (small results stay in memory). All results
// share one space; when it is used up, finished results that nobody reads go first, the oldest
// ahead. If that does not help, a streaming result becomes a window: what its readers have passed
// is punched out of the file, and it goes on only when one of them waits (so each may exceed the space by a piece). Its size can
// then not be asked for any more (kTooLarge), a reader who goes back gets kStale, and nobody else joins it. Formats whose readers
// begin at the end cannot be a window: kTooLarge at open.
//
// A wrong answer never looks like a short file: a failure is an error from Open or from every Read
// behind it, and an offset behind the true end is kStale (somebody trusted an estimate).
//
// Locks: ResultCache::mutex_ (the map) before QueryResult::mutex_ (one result) before
// SpillSpace (atomic). The producer, pread and pwrite run outside all of them.
// Thread safety: all calls, from any thread; a ResultReader is used by one open file.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/context.h"
#include "base/executor.h"
#include "base/status.h"
#include "engine/rows/row_writer.h"

namespace lancefs {

// Makes a result's bytes, piece by piece. Belongs to one thread at a time.
class ResultProducer {
 public:
  virtual ~ResultProducer() = default;
  // Gives the next piece to `sink`; false when that was the last. `ahead`: more will be wanted soon,
  // so the next piece may be prepared while this one is rendered.
  virtual Result<bool> Next(const ByteSink& sink, bool ahead, const OpContext& ctx) = 0;
};

struct ResultSpec {
  std::string key;      // (dataset, version, canonical query, format): equal keys, equal bytes
  bool streams = true;  // may be read while it grows
  std::function<Result<std::unique_ptr<ResultProducer>>(const OpContext&)> make;
};

// Disk space that all results of a mount share.
class SpillSpace {
 public:
  SpillSpace(std::string directory, uint64_t cap) : directory_(std::move(directory)), cap_(cap) {}
  // False when `bytes` more would exceed the cap.
  bool Reserve(uint64_t bytes);
  // The same whatever the cap says.
  void Take(uint64_t bytes) { used_.fetch_add(bytes); }
  void Release(uint64_t bytes) { used_.fetch_sub(bytes); }
  uint64_t used() const { return used_.load(); }
  uint64_t cap() const { return cap_; }
  // A new file without a name. Errors: kIoError.
  Result<int> OpenFile() const;

 private:
  const std::string directory_;
  const uint64_t cap_;
  std::atomic<uint64_t> used_{0};
};

class ResultCache;
class QueryResult;

// One open file on a result: where it reads and how far it looks ahead. The result lives as long.
class ResultReader {
 public:
  ~ResultReader();
  ResultReader(const ResultReader&) = delete;
  ResultReader& operator=(const ResultReader&) = delete;

  // Whether the result was final when it was opened: exact size, cached pages. Otherwise the file is streamed.
  bool exact() const { return exact_; }
  // Up to `size` bytes; none only at the true end. Errors: kStale (behind the end, or a window that
  // has moved on), the producer's error.
  Result<Bytes> Read(uint64_t offset, size_t size, const OpContext& ctx);
  // The same if it can be answered without waiting, else absent.
  std::optional<Result<Bytes>> TryRead(uint64_t offset, size_t size);
  // Runs the query to its end and gives the true size. Errors: kTooLarge for a window; the producer's.
  Result<uint64_t> Complete(const OpContext& ctx);

 private:
  friend class QueryResult;
  friend class ResultCache;
  ResultReader(std::shared_ptr<QueryResult> result, bool exact) : result_(std::move(result)), exact_(exact) {}

  const std::shared_ptr<QueryResult> result_;
  const bool exact_;
  // Guarded by the result's mutex:
  uint64_t high_ = 0;  // end of the furthest read
  uint64_t lookahead_ = 1 << 20;
};

class QueryResult : public std::enable_shared_from_this<QueryResult> {
 public:
  enum class State { kIdle, kGrowing, kFinal, kFailed };

  ~QueryResult();
  State state() const;
  // Bytes so far; the true size once final.
  uint64_t size() const;
  const std::string& key() const { return spec_.key; }

 private:
  friend class ResultCache;
  friend class ResultReader;
  using Clock = std::chrono::steady_clock;

  QueryResult(ResultSpec spec, std::shared_ptr<SpillSpace> space, ResultCache* cache, Executor* executor);

  // Waits for the end at most until `budget` is over; OK also when it is over (the state tells).
  Status RunFor(std::optional<std::chrono::milliseconds> budget, const OpContext& ctx);
  // REQUIRES: mutex_ held. Starts the producer if somebody wants more than there is.
  void Kick();
  bool WantsMore() const;
  void Run();
  Status RunPiece(bool ahead, bool* more);
  Status Append(std::span<const uint8_t> bytes);
  Status MakeRoom(uint64_t bytes);
  bool PunchBehindReaders();
  static Status WriteOut(int fd, std::span<const uint8_t> bytes, uint64_t offset);
  Result<Bytes> Fetch(uint64_t offset, size_t size);
  std::optional<Result<Bytes>> ReadReady(ResultReader* reader, uint64_t offset, size_t size, bool partial, uint64_t* end);
  void AddReader() { ++readers_; }
  void Leave(ResultReader* reader);

  const ResultSpec spec_;
  const std::shared_ptr<SpillSpace> space_;
  ResultCache* const cache_;  // outlives all results
  Executor* const executor_;
  CancelToken cancel_;

  // Touched by the producer's run alone (one at a time).
  std::unique_ptr<ResultProducer> producer_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;  // guarded by mutex_, like all below
  Status error_;
  Clock::time_point failed_at_;
  bool running_ = false;
  size_t readers_ = 0;
  size_t completers_ = 0;  // who waits for the end, within a budget or without
  size_t finishers_ = 0;   // those without
  bool full_ = false;      // the spill space was used up once
  uint64_t target_ = 0;
  uint64_t wanted_ = 0;  // where the furthest read that had to wait ends
  uint64_t size_ = 0;
  uint64_t start_ = 0;  // a window's first byte that is still there
  uint64_t reserved_ = 0;
  std::string memory_;  // the bytes while there is no file
  int fd_ = -1;
  std::map<ResultReader*, uint64_t> open_;  // readers of a growing result -> where they are
};

// All results of a mount.
class ResultCache {
 public:
  struct Options {
    std::string spill_directory;
    uint64_t spill_bytes = 4ULL << 30;
    size_t max_idle = 1024;  // finished results without a reader
  };
  explicit ResultCache(Options options);
  // REQUIRES: no reader is left. Cancels what runs and waits for it.
  ~ResultCache();

  // Opens the result of `spec`, running it for `budget` (absent = to its end, 0 = not at all).
  // Errors: what the run failed with; kTooLarge where it cannot be spilled; kCancelled.
  Result<std::unique_ptr<ResultReader>> Open(const ResultSpec& spec, std::optional<std::chrono::milliseconds> budget,
                                             const OpContext& ctx);
  // The true size, if it is known (also of results that were dropped since, while remembered).
  std::optional<uint64_t> KnownSize(const std::string& key) const;
  // Bytes that a growing result has so far.
  uint64_t GrownSize(const std::string& key) const;
  // The failure that is remembered for `key`: newest run-time error.
  std::optional<Status> LastFailure(const std::string& key) const;
  SpillSpace& space() { return *space_; }
  size_t size() const;

 private:
  friend class QueryResult;
  // Frees the oldest finished results without readers until `bytes` were given back or none is left.
  void Evict(uint64_t bytes);
  void Finished(const QueryResult& result, uint64_t size);
  void Failed(const QueryResult& result, const Status& error);
  // The last reader of `result` has gone.
  void Idle(const std::shared_ptr<QueryResult>& result, bool keep);
  // A window: nobody else may join.
  void Detach(const QueryResult& result);

  const Options options_;
  const std::shared_ptr<SpillSpace> space_;
  std::unique_ptr<Executor> executor_;  // constant but for the destructor
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<QueryResult>> results_;  // guarded by mutex_, like all below
  std::list<std::string> idle_;                                            // keys, oldest first
  std::unordered_map<std::string, uint64_t> sizes_;                        // of finished results; bounded
  std::unordered_map<std::string, Status> failures_;                       // bounded
};

}  // namespace lancefs
