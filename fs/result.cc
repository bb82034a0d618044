// SPDX-License-Identifier: Apache-2.0
#include "fs/result.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace lancefs {
namespace {

constexpr uint64_t kInMemory = 64 * 1024;  // longer results go to a file
constexpr uint64_t kMaxLookahead = 32ULL << 20;
constexpr uint64_t kSequentialSkip = 4ULL << 20;  // how far ahead a sequential reader's requests may arrive
constexpr uint64_t kKeepBehind = 2ULL << 20;      // of a window, behind its furthest reader: more than one request
constexpr auto kWaitSlice = std::chrono::milliseconds(20);
constexpr auto kPartialAfter = std::chrono::milliseconds(100);
constexpr auto kRememberFailure = std::chrono::seconds(1);
constexpr size_t kMaxRemembered = 4096;

std::string ErrnoText(const char* call) { return std::string(call) + ": " + std::strerror(errno); }

}  // namespace

bool SpillSpace::Reserve(uint64_t bytes) {
  uint64_t used = used_.load();
  do {
    if (bytes > cap_ || used > cap_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

Result<int> SpillSpace::OpenFile() const {
  int fd = ::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  std::string name = directory_ + "/spill-XXXXXX";
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return Status::IoError("cannot make a spill file in " + directory_ + ": " + std::strerror(errno));
  ::unlink(name.c_str());
  return fd;
}

// ---- ResultReader -------------------------------------------------------------------------------

ResultReader::~ResultReader() { result_->Leave(this); }

std::optional<Result<Bytes>> ResultReader::TryRead(uint64_t offset, size_t size) {
  uint64_t end = 0;
  return result_->ReadReady(this, offset, size, /*partial=*/false, &end);
}

Result<Bytes> ResultReader::Read(uint64_t offset, size_t size, const OpContext& ctx) {
  const auto begin = QueryResult::Clock::now();
  while (true) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    // A streamed file may answer with less than was asked for; a cached one would be zero-filled.
    const bool partial = !exact_ && QueryResult::Clock::now() - begin > kPartialAfter;
    uint64_t wanted = 0;
    if (auto ready = result_->ReadReady(this, offset, size, partial, &wanted)) return std::move(*ready);
    std::unique_lock lock(result_->mutex_);
    if (offset > high_ + kSequentialSkip) {
      lock.unlock();
      LANCEFS_RETURN_NOT_OK(Complete(ctx).status());
      continue;
    }
    result_->target_ = std::max(result_->target_, wanted + lookahead_);
    result_->wanted_ = std::max(result_->wanted_, wanted);
    result_->Kick();
    const auto done = [&] { return result_->size_ >= wanted || result_->state_ != QueryResult::State::kGrowing; };
    result_->changed_.wait_for(lock, kWaitSlice, done);
  }
}

Result<uint64_t> ResultReader::Complete(const OpContext& ctx) {
  {
    std::lock_guard lock(result_->mutex_);
    if (result_->start_ > 0) return Status::TooLarge("the result is too large for the spill space; its size cannot be told");
  }
  LANCEFS_RETURN_NOT_OK(result_->RunFor(std::nullopt, ctx));
  return result_->size();
}

// ---- QueryResult --------------------------------------------------------------------------------

QueryResult::QueryResult(ResultSpec spec, std::shared_ptr<SpillSpace> space, ResultCache* cache, Executor* executor)
    : spec_(std::move(spec)), space_(std::move(space)), cache_(cache), executor_(executor) {}

QueryResult::~QueryResult() {
  if (fd_ >= 0) ::close(fd_);
  space_->Release(reserved_);
}

QueryResult::State QueryResult::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

uint64_t QueryResult::size() const {
  std::lock_guard lock(mutex_);
  return size_;
}

bool QueryResult::WantsMore() const {
  if (cancel_.cancelled() || state_ == State::kFinal || state_ == State::kFailed) return false;
  if (completers_ > 0) return true;
  const bool tight = space_->used() >= space_->cap();
  return size_ < (tight ? wanted_ : target_);
}

void QueryResult::Kick() {
  if (running_ || !WantsMore()) return;
  running_ = true;
  state_ = State::kGrowing;
  executor_->Submit([self = shared_from_this()] { self->Run(); });
}

void QueryResult::Run() {
  while (true) {
    bool ahead = false;
    {
      std::lock_guard lock(mutex_);
      if (!WantsMore()) {
        running_ = false;
        changed_.notify_all();
        return;
      }
      ahead = completers_ > 0 || target_ - size_ > (4 << 20);
    }
    bool more = true;
    Status status = RunPiece(ahead, &more);
    if (status.ok() && more) continue;
    producer_.reset();
    uint64_t size = 0;
    {
      std::lock_guard lock(mutex_);
      error_ = status;
      failed_at_ = Clock::now();
      size = size_;
    }
    // The cache learns it before the readers do: who looks again after his read finds it there.
    if (status.ok())
      cache_->Finished(*this, size);
    else if (!cancel_.cancelled())
      cache_->Failed(*this, status);
    std::lock_guard lock(mutex_);
    state_ = status.ok() ? State::kFinal : State::kFailed;
    running_ = false;
    changed_.notify_all();
    return;
  }
}

Status QueryResult::RunPiece(bool ahead, bool* more) {
  OpContext ctx;
  ctx.cancel = cancel_;
  if (!producer_) {
    Result<std::unique_ptr<ResultProducer>> made = spec_.make(ctx);
    if (!made.ok()) return made.status();
    producer_ = made.MoveValue();
  }
  Result<bool> next = producer_->Next([this](std::span<const uint8_t> bytes) { return Append(bytes); }, ahead, ctx);
  if (!next.ok()) return next.status();
  *more = *next;
  return Status::OK();
}

// REQUIRES: called by the producer's run; only it changes size_, memory_ and fd_.
Status QueryResult::Append(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return Status::OK();
  if (cancel_.cancelled()) return Status::Cancelled("nobody reads the result any more");
  LANCEFS_RETURN_NOT_OK(MakeRoom(bytes.size()));
  if (fd_ < 0 && size_ + bytes.size() > kInMemory) {
    LANCEFS_ASSIGN_OR_RETURN(int fd, space_->OpenFile());
    const Status moved = WriteOut(fd, {reinterpret_cast<const uint8_t*>(memory_.data()), memory_.size()}, 0);
    std::lock_guard lock(mutex_);
    fd_ = fd;  // closed by the destructor in any case
    std::string().swap(memory_);
    LANCEFS_RETURN_NOT_OK(moved);
  }
  if (fd_ >= 0) LANCEFS_RETURN_NOT_OK(WriteOut(fd_, bytes, size_));
  std::lock_guard lock(mutex_);
  if (fd_ < 0) memory_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_ += bytes.size();
  changed_.notify_all();
  return Status::OK();
}

Status QueryResult::MakeRoom(uint64_t bytes) {
  while (!space_->Reserve(bytes)) {
    if (cancel_.cancelled()) return Status::Cancelled("nobody reads the result any more");
    const uint64_t before = space_->used();
    cache_->Evict(bytes);
    if (space_->used() < before) continue;
    if (!spec_.streams) {
      return Status::TooLarge("the result does not fit into the spill space of " + std::to_string(space_->cap()) + " bytes");
    }
    if (PunchBehindReaders()) continue;
    std::lock_guard lock(mutex_);
    full_ = true;
    changed_.notify_all();  // who waits within a budget streams from here on
    if (finishers_ > 0) {
      return Status::TooLarge("the result does not fit into the spill space of " + std::to_string(space_->cap()) +
                              " bytes; read it from its start to its end, as a stream");
    }
    // Never a wait here, which would hold a thread of the pool: each stream may have one piece beyond the cap, and the
    // next only when a reader waits for it (WantsMore).
    space_->Take(bytes);
    break;
  }
  std::lock_guard lock(mutex_);
  reserved_ += bytes;
  return Status::OK();
}

// Frees what lies behind the furthest reader. False when that is nothing yet.
bool QueryResult::PunchBehindReaders() {
  uint64_t from = 0, to = 0;
  {
    std::lock_guard lock(mutex_);
    if (fd_ < 0 || completers_ > 0) return false;
    uint64_t furthest = 0;
    for (const auto& [reader, position] : open_) furthest = std::max(furthest, position);
    furthest = std::min(furthest, size_);
    if (furthest < kKeepBehind) return false;
    from = start_;
    to = (furthest - kKeepBehind) & ~uint64_t{4095};
    if (to <= from) return false;
    start_ = to;
    reserved_ -= to - from;
  }
  cache_->Detach(*this);
  ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(to - from));
  space_->Release(to - from);
  return true;
}

Status QueryResult::WriteOut(int fd, std::span<const uint8_t> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOSPC) return Status::ResourceExhausted(ErrnoText("writing the spill file"));
    if (n <= 0) return Status::IoError(ErrnoText("writing the spill file"));
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return Status::OK();
}

// What is there already. Sets `*end` to where the result must reach to answer in full.
std::optional<Result<Bytes>> QueryResult::ReadReady(ResultReader* reader, uint64_t offset, size_t size, bool partial,
                                                    uint64_t* end) {
  {
    std::lock_guard lock(mutex_);
    *end = offset + size;
    if (state_ == State::kFailed) return Result<Bytes>(error_);
    const bool final = state_ == State::kFinal;
    if (final && offset > size_ && !reader->exact_) {
      return Result<Bytes>(Status::Stale("offset " + std::to_string(offset) + " is behind the end of the result at " +
                                         std::to_string(size_) + " (its size was an estimate); open it again"));
    }
    if (!final && !(partial && offset < size_) && *end > size_) return std::nullopt;
    if (offset < start_) {
      return Result<Bytes>(
          Status::Stale("the result is too large for the spill space, and its start is not kept; open it again"));
    }
    size = offset >= size_ ? 0 : static_cast<size_t>(std::min<uint64_t>(size, size_ - offset));
    const bool sequential = offset <= reader->high_ + kSequentialSkip;
    reader->high_ = std::max(reader->high_, offset + size);
    if (!final) {
      open_[reader] = reader->high_;
      if (sequential) {
        reader->lookahead_ = std::min(reader->lookahead_ * 2, kMaxLookahead);
        target_ = std::max(target_, reader->high_ + reader->lookahead_);
        Kick();
      }
    }
    if (size == 0) return Result<Bytes>(Bytes());
    if (fd_ < 0) return Result<Bytes>(Bytes::FromString(memory_.substr(offset, size)));
  }
  return Fetch(offset, size);
}

Result<Bytes> QueryResult::Fetch(uint64_t offset, size_t size) {
  uint8_t* data = nullptr;
  Bytes bytes = Bytes::Allocate(size, &data);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd_, data + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Status::IoError(n < 0 ? ErrnoText("reading the spill file") : "the spill file is shorter than it was");
    done += static_cast<size_t>(n);
  }
  std::lock_guard lock(mutex_);
  if (offset < start_)
    return Status::Stale("the result is too large for the spill space, and its start is not kept; open it again");
  return bytes;
}

Status QueryResult::RunFor(std::optional<std::chrono::milliseconds> budget, const OpContext& ctx) {
  const auto until = Clock::now() + budget.value_or(std::chrono::milliseconds(0));
  std::unique_lock lock(mutex_);
  ++completers_;
  if (!budget) ++finishers_;
  Kick();
  Status status;
  while (state_ != State::kFinal && state_ != State::kFailed) {
    status = ctx.Check();
    if (!status.ok() || cancel_.cancelled()) break;
    if (budget && (full_ || Clock::now() >= until)) break;
    auto slice = std::chrono::duration_cast<std::chrono::milliseconds>(kWaitSlice);
    if (budget)
      slice = std::min(
          slice, std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()) + std::chrono::milliseconds(1));
    changed_.wait_for(lock, slice);
  }
  --completers_;
  if (!budget) --finishers_;
  if (!status.ok()) return status;
  if (state_ == State::kFailed) return error_;
  if (state_ != State::kFinal && cancel_.cancelled()) return Status::Cancelled("the query was stopped");
  return Status::OK();
}

void QueryResult::Leave(ResultReader* reader) {
  bool last = false, keep = false;
  {
    std::lock_guard lock(mutex_);
    open_.erase(reader);
    last = --readers_ == 0;
    keep = state_ == State::kFinal && start_ == 0;
    changed_.notify_all();
  }
  if (last) cache_->Idle(shared_from_this(), keep);
}

// ---- ResultCache --------------------------------------------------------------------------------

ResultCache::ResultCache(Options options)
    : options_(std::move(options)),
      space_(std::make_shared<SpillSpace>(options_.spill_directory, options_.spill_bytes)),
      executor_(MakeThreadPool(2, 64, "lancefs-result")) {}

ResultCache::~ResultCache() {
  {
    std::lock_guard lock(mutex_);
    for (auto& [key, result] : results_) result->cancel_.Cancel();
  }
  executor_.reset();  // waits for the runs; they still call Failed and Finished, so the map goes last
}

Result<std::unique_ptr<ResultReader>> ResultCache::Open(const ResultSpec& spec, std::optional<std::chrono::milliseconds> budget,
                                                        const OpContext& ctx) {
  std::shared_ptr<QueryResult> result;
  {
    std::lock_guard lock(mutex_);
    std::shared_ptr<QueryResult>& slot = results_[spec.key];
    if (slot) {
      std::lock_guard result_lock(slot->mutex_);
      const bool failed = slot->state_ == QueryResult::State::kFailed;
      if (slot->cancel_.cancelled() || (failed && QueryResult::Clock::now() - slot->failed_at_ > kRememberFailure))
        slot = nullptr;
    }
    if (!slot) slot.reset(new QueryResult(spec, space_, this, executor_.get()));
    result = slot;
    std::lock_guard result_lock(result->mutex_);
    result->AddReader();
    idle_.remove(spec.key);
  }
  // From here on the reader's end gives the place back, whatever happens.
  const bool run = !spec.streams || !budget || budget->count() > 0;
  if (!spec.streams) budget.reset();
  Status status = run ? result->RunFor(budget, ctx) : Status::OK();
  bool exact = false;
  {
    std::lock_guard lock(result->mutex_);
    exact = result->state_ == QueryResult::State::kFinal && result->start_ == 0;
    if (status.ok() && result->state_ == QueryResult::State::kFailed) status = result->error_;
    if (status.ok() && !exact) {
      result->target_ = std::max(result->target_, uint64_t{1});  // the first bytes, at once
      result->Kick();
    }
  }
  std::unique_ptr<ResultReader> reader(new ResultReader(std::move(result), exact));
  if (!status.ok()) return status;
  return reader;
}

void ResultCache::Evict(uint64_t bytes) {
  std::vector<std::shared_ptr<QueryResult>> gone;  // their files are closed outside the lock
  std::lock_guard lock(mutex_);
  uint64_t freed = 0;
  while (freed < bytes && !idle_.empty()) {
    auto it = results_.find(idle_.front());
    idle_.pop_front();
    if (it == results_.end()) continue;
    freed += it->second->size();
    gone.push_back(std::move(it->second));
    results_.erase(it);
  }
}

void ResultCache::Finished(const QueryResult& result, uint64_t size) {
  std::lock_guard lock(mutex_);
  if (sizes_.size() >= kMaxRemembered) sizes_.erase(sizes_.begin());
  sizes_[result.key()] = size;
  failures_.erase(result.key());
}

void ResultCache::Failed(const QueryResult& result, const Status& error) {
  std::lock_guard lock(mutex_);
  if (failures_.size() >= kMaxRemembered) failures_.erase(failures_.begin());
  failures_.insert_or_assign(result.key(), error);
}

void ResultCache::Idle(const std::shared_ptr<QueryResult>& result, bool keep) {
  std::vector<std::shared_ptr<QueryResult>> gone;
  std::lock_guard lock(mutex_);
  std::lock_guard result_lock(result->mutex_);
  if (result->readers_ > 0) return;  // somebody came meanwhile
  auto it = results_.find(result->key());
  const bool mine = it != results_.end() && it->second == result;
  const bool failed = result->state_ == QueryResult::State::kFailed;
  if ((keep || failed) && mine) {  // a failure is remembered, and replaced when it is asked for again
    idle_.push_back(result->key());
    while (idle_.size() > options_.max_idle) {
      auto oldest = results_.find(idle_.front());
      idle_.pop_front();
      if (oldest == results_.end() || oldest->second == result) continue;
      gone.push_back(std::move(oldest->second));
      results_.erase(oldest);
    }
    return;
  }
  result->cancel_.Cancel();
  if (mine) results_.erase(it);
}

void ResultCache::Detach(const QueryResult& result) {
  std::shared_ptr<QueryResult> gone;
  std::lock_guard lock(mutex_);
  auto it = results_.find(result.key());
  if (it == results_.end() || it->second.get() != &result) return;
  gone = std::move(it->second);
  results_.erase(it);
}

std::optional<uint64_t> ResultCache::KnownSize(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = sizes_.find(key);
  if (it == sizes_.end()) return std::nullopt;
  return it->second;
}

uint64_t ResultCache::GrownSize(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = results_.find(key);
  return it == results_.end() ? 0 : it->second->size();
}

std::optional<Status> ResultCache::LastFailure(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = failures_.find(key);
  if (it == failures_.end()) return std::nullopt;
  return it->second;
}

size_t ResultCache::size() const {
  std::lock_guard lock(mutex_);
  return results_.size();
}

}  // namespace lancefs
