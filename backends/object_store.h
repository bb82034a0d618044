// SPDX-License-Identifier: Apache-2.0
//
// ObjectStore: the one interface through which lancefs reads and writes bytes. Implementations:
// local files, memory, S3 (later GCS and Azure); decorators add retry, metering, throttling,
// faults. Every implementation passes tests/conformance/object_store_suite.h.
//
// Paths are store-relative keys with '/' between segments, no leading '/', never empty segments
// (for the local store: relative to its root directory).
//
// Thread safety: all calls, from any thread, concurrently. Calls without "Async" block until the
// answer is there, the context is cancelled or its deadline passes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

// Half-open [offset, offset + length) in an object.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t end() const { return offset + length; }
};

struct ObjectMeta {
  std::string path;
  uint64_t size = 0;             // bytes
  int64_t last_modified_ns = 0;  // since the Unix epoch, UTC; 0 = unknown
  std::string etag;              // opaque; empty = unknown
};

struct ListRequest {
  std::string prefix;       // a directory ("a/b/", or "" for the root); ends with '/' unless empty
  std::string start_after;  // only keys that sort behind this full key (ordered stores)
  bool recursive = false;   // false: one level, sub-directories as `directories`
  bool names_only = false;  // sizes, times and etags may be left unknown (saves local stat calls)
  size_t max_keys = 0;      // 0 = all (the store pages by itself); else at most one page of that many
};

struct ListResult {
  std::vector<ObjectMeta> objects;       // sorted by key where lists_in_order(), else in any order
  std::vector<std::string> directories;  // full prefixes that end with '/'
  bool truncated = false;                // more would follow (only with max_keys)
};

enum class PutOutcome { kCreated, kAlreadyExists };

// The last bytes of an object together with its true size.
struct ObjectTail {
  Bytes bytes;
  uint64_t object_size = 0;
  uint64_t offset() const { return object_size - bytes.size(); }
};

// A streaming upload: nothing is visible before Finish() returned OK. Belongs to one thread.
// Destruction without Finish() aborts.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  // Appends; may return before the bytes were sent. The bytes are copied or kept alive through `bytes`.
  virtual Status Write(Bytes bytes, const OpContext& ctx) = 0;
  // Bytes taken so far.
  virtual uint64_t position() const = 0;
  // Makes the object durable and visible under its name (replacing one of the same name).
  virtual Status Finish(const OpContext& ctx) = 0;
  // Drops what was sent; never fails. Idempotent.
  virtual void Abort() = 0;
};

// What cost depends on; constant for a store's life.
struct StoreTraits {
  bool is_local = false;
  // Listings come back in key order and honour start_after (S3 standard, GCS, Azure, memory).
  bool lists_in_order = true;
  // Reads closer than this are worth one request (bytes).
  uint64_t coalesce_gap = 64 * 1024;
  // Longer reads are split into parallel requests of at most this size (bytes).
  uint64_t max_request = 16 * 1024 * 1024;
  // First guess when only the end of a file is wanted (bytes).
  uint64_t tail_guess = 64 * 1024;
};

struct CommitCoordination;  // backends/coordination.h

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual const StoreTraits& traits() const = 0;
  // For messages: "s3://bucket" or "/path"; no secrets.
  virtual std::string name() const = 0;
  // How commits here find an order; null = by PutIfAbsent. Decorators give their inner store's.
  virtual const CommitCoordination* coordination() const { return nullptr; }

  // Reads all ranges in parallel, coalescing near ones; result i belongs to ranges[i] and has
  // exactly its length. Ranges of length 0 cost nothing.
  // Errors: kNotFound, kCorruption when a range lies beyond the object's end, transport errors.
  virtual Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                                     const OpContext& ctx) = 0;
  Result<std::vector<Bytes>> ReadRanges(const std::string& path, std::vector<ByteRange> ranges, const OpContext& ctx) {
    return ReadRangesAsync(path, std::move(ranges), ctx).Get(ctx);
  }
  // The whole object in one request. Errors: kNotFound.
  virtual Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) = 0;
  // The last min(max_bytes, size) bytes and the size, in one request. Errors: kNotFound.
  virtual Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) = 0;
  // Absence is a value.
  virtual Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) = 0;
  // A prefix without objects gives an empty result.
  virtual Result<ListResult> List(const ListRequest& request, const OpContext& ctx) = 0;

  // Atomic: readers see the old object or the whole new one. Durable when it returns OK.
  virtual Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) = 0;
  // Creates the object only if no object has that name, atomically against all other writers.
  // Errors: kUnknownOutcome (or kUnavailable, kIoError) when the answer was lost: the caller must read back.
  virtual Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) = 0;
  virtual Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) = 0;
  // Copies inside the store, atomically like Put; the default reads and writes. Errors: kNotFound.
  virtual Status Copy(const std::string& from, const std::string& to, const OpContext& ctx);
  // A missing object is OK.
  virtual Status Delete(const std::string& path, const OpContext& ctx) = 0;
};

// ---- Helpers for implementations ----------------------------------------------------------------

// How wanted ranges become requests: near ones joined, long ones split.
struct RangePlan {
  struct Piece {
    size_t request;   // index into requests
    uint64_t offset;  // inside that request's bytes
    uint64_t length;
  };
  std::vector<ByteRange> requests;         // sorted, disjoint
  std::vector<std::vector<Piece>> pieces;  // per wanted range, in order; empty for length 0
};
RangePlan PlanRanges(const std::vector<ByteRange>& wanted, uint64_t gap, uint64_t max_request);
// Cuts the answers of plan.requests into the wanted ranges; zero-copy unless a range was split.
std::vector<Bytes> AssembleRanges(const RangePlan& plan, const std::vector<Bytes>& answers);

}  // namespace lancefs
