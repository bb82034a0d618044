// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/cloud_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <new>

#include "base/dates.h"

namespace lancefs {
namespace {

constexpr uint64_t kFirstLook = 256 * 1024;
constexpr uint64_t kMaxObject = 5ull << 40;
constexpr uint64_t kMaxWholeRead = 64ull << 30;
constexpr uint64_t kMaxSinglePut = 64ull << 20;  // larger ones would not finish within `timeout` on slow lines
constexpr uint64_t kMaxConditionalPut = 5ull << 30;

// "bytes 0-9/100"
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t total = 0;
};

bool TakeNumber(std::string_view* text, char end, uint64_t* value) {
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), *value);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(stop - text->data()));
  if (end == '\0') return text->empty();
  if (text->empty() || text->front() != end) return false;
  text->remove_prefix(1);
  return true;
}

bool ParseContentRange(std::string_view text, ContentRange* range) {
  if (!text.starts_with("bytes ")) return false;
  text.remove_prefix(6);
  return TakeNumber(&text, '-', &range->first) && TakeNumber(&text, '/', &range->last) &&
         TakeNumber(&text, '\0', &range->total) && range->first <= range->last && range->last < range->total;
}

// "s3://bucket" of "s3://bucket/".
std::string StoreName(const CloudClient& client) {
  std::string name = client.Name("");
  while (name.ends_with('/')) name.pop_back();
  return name;
}

Status WrongTail(const CloudClient& client, const std::string& path, const HttpResponse& http) {
  return Status::Corruption("read the end of " + client.Name(path) + ": the server answered with '" +
                            std::string(http.header("content-range")) + "' and " + std::to_string(http.body.size()) + " bytes");
}

std::string RangeText(const ByteRange& range) { return std::to_string(range.offset) + "-" + std::to_string(range.end()); }

// Requests that serve one split range write into one buffer, so that nothing is put together later.
struct SharedBuffers {
  std::vector<Bytes> buffers;
  std::vector<std::pair<size_t, uint64_t>> place;  // per request: buffer and offset in it
  std::vector<uint8_t*> data;                      // per buffer
};

SharedBuffers MakeBuffers(const RangePlan& plan) {
  std::vector<bool> continues(plan.requests.size(), false);
  for (const auto& pieces : plan.pieces) {
    for (size_t i = 1; i < pieces.size(); ++i) continues[pieces[i].request] = true;
  }
  SharedBuffers out;
  out.place.resize(plan.requests.size());
  std::vector<uint64_t> sizes;
  for (size_t i = 0; i < plan.requests.size(); ++i) {
    if (!continues[i]) sizes.push_back(0);
    out.place[i] = {sizes.size() - 1, sizes.back()};
    sizes.back() += plan.requests[i].length;
  }
  out.data.resize(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) out.buffers.push_back(Bytes::Allocate(sizes[i], &out.data[i]));
  return out;
}

// Gathers the answers of the requests of one ReadRanges call.
class RangeRead {
 public:
  RangeRead(std::shared_ptr<CloudClient> client, std::string path, RangePlan plan)
      : client_(std::move(client)),
        path_(std::move(path)),
        plan_(std::move(plan)),
        buffers_(MakeBuffers(plan_)),
        left_(plan_.requests.size()) {}

  Future<std::vector<Bytes>> future() const { return promise_.future(); }

  static void Start(const std::shared_ptr<RangeRead>& self, const OpContext& ctx) {
    for (size_t i = 0; i < self->plan_.requests.size(); ++i) {
      const ByteRange& range = self->plan_.requests[i];
      const auto [buffer, offset] = self->buffers_.place[i];
      CloudRequest request = self->client_->GetRequest(self->path_);
      request.headers.emplace_back("range", "bytes=" + std::to_string(range.offset) + "-" + std::to_string(range.end() - 1));
      request.sink = {self->buffers_.buffers[buffer].owner(), self->buffers_.data[buffer] + offset, range.length};
      self->client_->Execute(std::move(request), ctx).OnDone([self, i](const Result<CloudResponse>& response) {
        self->OnAnswer(i, response);
      });
    }
  }

 private:
  void OnAnswer(size_t index, const Result<CloudResponse>& response) {
    Status status = response.ok() ? Check(plan_.requests[index], *response) : response.status();
    if (!status.ok()) promise_.Set(std::move(status));
    if (left_.fetch_sub(1) == 1) promise_.Set(Assemble());
  }

  Status Check(const ByteRange& range, const CloudResponse& response) {
    const HttpResponse& http = response.http;
    if (http.status == 416) return Beyond(range);
    if (!http.ok()) return client_->ErrorFrom(response, "read", path_);
    const std::string what = "read " + client_->Name(path_) + " bytes " + RangeText(range) + ": ";
    ContentRange got;
    // Azurite's answer when the range begins where the object ends.
    if (http.body.empty()) return Beyond(range);
    if (http.status != 206 || !ParseContentRange(http.header("content-range"), &got)) {
      return Status::IoError(what + "the server did not answer with a range");
    }
    if (got.first == range.offset && got.last + 1 < range.end() && got.last + 1 == got.total) return Beyond(range);
    if (got.first != range.offset || got.last + 1 != range.end() || http.body.size() != range.length) {
      return Status::Corruption(what + "the server answered with bytes " + std::to_string(got.first) + "-" +
                                std::to_string(got.last + 1) + " (" + std::to_string(http.body.size()) + " bytes)");
    }
    return CheckSameObject(http.header("etag"));
  }

  // All pieces must come from one state of the object.
  Status CheckSameObject(std::string_view etag) {
    std::lock_guard lock(mutex_);
    if (etag_.empty()) etag_ = etag;
    if (!etag.empty() && etag != etag_) return Status::Stale(client_->Name(path_) + " changed while it was being read");
    return Status::OK();
  }

  Status Beyond(const ByteRange& range) const {
    return Status::Corruption("bytes " + RangeText(range) + " lie beyond the end of " + client_->Name(path_));
  }

  std::vector<Bytes> Assemble() const {
    std::vector<Bytes> out(plan_.pieces.size());
    for (size_t i = 0; i < out.size(); ++i) {
      const auto& pieces = plan_.pieces[i];
      if (pieces.empty()) continue;
      uint64_t total = 0;
      for (const auto& piece : pieces) total += piece.length;
      const auto [buffer, offset] = buffers_.place[pieces[0].request];
      out[i] = buffers_.buffers[buffer].Slice(offset + pieces[0].offset, total);
    }
    return out;
  }

  const std::shared_ptr<CloudClient> client_;
  const std::string path_;
  const RangePlan plan_;
  const SharedBuffers buffers_;
  std::atomic<size_t> left_;
  std::mutex mutex_;
  std::string etag_;  // guarded by mutex_
  Promise<std::vector<Bytes>> promise_;
};

StoreTraits WithBlockSize(StoreTraits traits, const ClientOptions& options) {
  if (!options.block_size) return traits;
  constexpr uint64_t kLeastTail = 4096;
  traits.coalesce_gap = std::min(*options.block_size, traits.max_request);
  traits.tail_guess = std::max(traits.coalesce_gap, kLeastTail);
  return traits;
}

}  // namespace

Status SetListedSize(std::string_view text, ObjectMeta* meta) {
  if (TakeNumber(&text, '\0', &meta->size)) return Status::OK();
  return Status::Corruption("the listed size of '" + meta->path + "' is no number");
}

CloudStore::CloudStore(std::shared_ptr<CloudClient> client, StoreTraits traits)
    : client_(std::move(client)), traits_(WithBlockSize(traits, client_->client_options())), name_(StoreName(*client_)) {}

CloudRequest CloudStore::PutRequest(const std::string& path, Bytes bytes) const {
  CloudRequest request{RequestKind::kPut, HttpMethod::kPut, path};
  request.headers = client_->NewObjectHeaders();
  if (!bytes.empty()) request.body.push_back(std::move(bytes));
  return request;
}

Future<std::vector<Bytes>> CloudStore::ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                                       const OpContext& ctx) {
  for (const ByteRange& range : ranges) {
    if (range.offset > kMaxObject || range.length > kMaxObject) {
      return Future<std::vector<Bytes>>::Ready(Status::Corruption("bytes " + std::to_string(range.offset) + "+" +
                                                                  std::to_string(range.length) + " lie beyond the end of " +
                                                                  client_->Name(path)));
    }
  }
  RangePlan plan = PlanRanges(ranges, traits_.coalesce_gap, traits_.max_request);
  if (plan.requests.empty()) {
    Status status = ctx.Check();
    if (!status.ok()) return Future<std::vector<Bytes>>::Ready(std::move(status));
    return Future<std::vector<Bytes>>::Ready(std::vector<Bytes>(ranges.size()));
  }
  std::shared_ptr<RangeRead> read;
  try {
    read = std::make_shared<RangeRead>(client_, path, std::move(plan));
  } catch (const std::bad_alloc&) {
    return Future<std::vector<Bytes>>::Ready(Status::ResourceExhausted("no memory to read " + client_->Name(path)));
  }
  Future<std::vector<Bytes>> future = read->future();
  RangeRead::Start(read, ctx);
  return future;
}

Result<Bytes> CloudStore::ReadAll(const std::string& path, const OpContext& ctx) {
  CloudRequest request = client_->GetRequest(path);
  request.max_body = kMaxWholeRead;
  LANCEFS_ASSIGN_OR_RETURN(CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
  if (response.http.status != 200) return client_->ErrorFrom(response, "read", path);
  if (response.http.header("content-length").empty() && response.http.header("transfer-encoding").empty()) {
    return Status::IoError("read " + client_->Name(path) + ": the answer does not say how long it is");
  }
  return std::move(response.http.body);
}

Result<ObjectTail> CloudStore::ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) {
  if (max_bytes == 0) return EmptyTail(path, ctx);
  max_bytes = std::min(max_bytes, kMaxObject);
  if (!has_suffix_ranges()) return ReadTailBySize(path, max_bytes, ctx);
  CloudRequest request = client_->GetRequest(path);
  request.headers.emplace_back("range", "bytes=-" + std::to_string(max_bytes));
  request.max_body = std::min(max_bytes, kMaxWholeRead);
  LANCEFS_ASSIGN_OR_RETURN(CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
  HttpResponse& http = response.http;
  // An empty object has no last byte.
  if (http.status == 416) return EmptyTail(path, ctx);
  if (!http.ok()) return client_->ErrorFrom(response, "read the end of", path);
  if (http.status == 200) return ObjectTail{http.body, http.body.size()};  // all of it, and no more than asked for
  // MinIO answers for an empty object with the impossible "bytes 0--1/0".
  if (http.body.empty() && http.header("content-range").ends_with("/0")) return ObjectTail{Bytes(), 0};
  ContentRange got;
  const bool valid = ParseContentRange(http.header("content-range"), &got) && got.last + 1 == got.total &&
                     got.last - got.first + 1 == std::min(max_bytes, got.total) && http.body.size() == got.last - got.first + 1;
  if (!valid) return WrongTail(*client_, path, http);
  return ObjectTail{std::move(http.body), got.total};
}

Result<std::optional<ObjectMeta>> CloudStore::Head(const std::string& path, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(client_->HeadRequest(path), ctx));
  const HttpResponse& http = response.http;
  if (http.status == 404) return std::optional<ObjectMeta>();
  if (!http.ok()) return client_->ErrorFrom(response, "look up", path);
  ObjectMeta meta;
  meta.path = path;
  std::string_view length = http.header("content-length");
  if (!TakeNumber(&length, '\0', &meta.size))
    return Status::IoError("look up " + client_->Name(path) + ": the answer has no size");
  meta.etag = http.header("etag");
  meta.last_modified_ns = ParseHttpDate(http.header("last-modified")).value_or(0);
  return std::optional<ObjectMeta>(std::move(meta));
}

Result<ListResult> CloudStore::List(const ListRequest& request, const OpContext& ctx) {
  ListResult result;
  std::string continuation;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(ListPage page, GetPage(request, continuation, ctx));
    std::move(page.objects.begin(), page.objects.end(), std::back_inserter(result.objects));
    std::move(page.directories.begin(), page.directories.end(), std::back_inserter(result.directories));
    if (!page.truncated) return result;
    // A page may hold nothing but what is not shown; the caller could not go on from that.
    if (request.max_keys != 0 && (!result.objects.empty() || !result.directories.empty())) {
      result.truncated = true;
      return result;
    }
    if (page.continuation == continuation)
      return Status::Corruption("list " + client_->Name(request.prefix) + ": the listing goes in circles");
    continuation = std::move(page.continuation);
  }
}

Status CloudStore::Put(const std::string& path, Bytes bytes, const OpContext& ctx) {
  if (bytes.size() > kMaxSinglePut) {
    const std::unique_ptr<ObjectWriter> writer = MakeWriter(path);
    LANCEFS_RETURN_NOT_OK(writer->Write(std::move(bytes), ctx));
    return writer->Finish(ctx);
  }
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(PutRequest(path, std::move(bytes)), ctx));
  return response.http.ok() ? Status::OK() : client_->ErrorFrom(response, "write", path);
}

Result<std::unique_ptr<ObjectWriter>> CloudStore::OpenWriter(const std::string& path, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  return MakeWriter(path);
}

Status CloudStore::Delete(const std::string& path, const OpContext& ctx) {
  CloudRequest request{RequestKind::kDelete, HttpMethod::kDelete, path};
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
  if (response.http.ok()) return Status::OK();
  const bool absent = response.http.status == 404 && !IsMissingBucket(client_->ParseError(response.http));
  return absent ? Status::OK() : client_->ErrorFrom(response, "delete", path);
}

Result<PutOutcome> CloudStore::PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  if (bytes.size() > kMaxConditionalPut)
    return Status::TooLarge("create " + client_->Name(path) + ": more than 5 GiB in one request");
  LANCEFS_RETURN_NOT_OK(BeforeCreate(path, ctx));
  CloudRequest request = PutRequest(path, std::move(bytes));
  MakeConditional(&request);
  request.idempotent = false;
  const Result<CloudResponse> result = client_->ExecuteAndWait(std::move(request), ctx);
  if (!result.ok()) {
    const StatusCode code = result.status().code();
    // The wait ended, the request perhaps did not.
    if (code == StatusCode::kCancelled || code == StatusCode::kDeadlineExceeded) {
      return Status::UnknownOutcome("create " + client_->Name(path) + ": " + result.status().message());
    }
    return result.status();
  }
  const CloudResponse& response = *result;
  if (response.http.ok()) return PutOutcome::kCreated;
  if (SaysExists(response.http) && !response.ambiguous) return PutOutcome::kAlreadyExists;
  const Status error = client_->ErrorFrom(response, "create", path);
  if (!response.ambiguous) return error;
  return Status::UnknownOutcome(error.message() + " (an earlier attempt may have been applied)");
}

Result<ObjectTail> CloudStore::EmptyTail(const std::string& path, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, Head(path, ctx));
  if (!meta) return Status::NotFound("no object " + client_->Name(path));
  return ObjectTail{Bytes(), meta->size};
}

Result<ObjectTail> CloudStore::ReadTailBySize(const std::string& path, uint64_t max_bytes, const OpContext& ctx) {
  uint64_t size = 0;
  if (max_bytes <= kFirstLook) {
    // The beginning is as cheap as a lookup, and of a small object it is all.
    CloudRequest request = client_->GetRequest(path);
    request.headers.emplace_back("range", "bytes=0-" + std::to_string(max_bytes - 1));
    request.max_body = max_bytes;
    LANCEFS_ASSIGN_OR_RETURN(CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
    HttpResponse& http = response.http;
    if (http.status == 416 || (http.ok() && http.body.empty())) return EmptyTail(path, ctx);
    if (!http.ok()) return client_->ErrorFrom(response, "read the end of", path);
    if (http.status == 200) return ObjectTail{http.body, http.body.size()};  // all of it, and no more than asked for
    ContentRange got;
    const bool valid = http.status == 206 && ParseContentRange(http.header("content-range"), &got) && got.first == 0 &&
                       got.last + 1 == http.body.size() && http.body.size() == std::min(max_bytes, got.total);
    if (!valid) return WrongTail(*client_, path, http);
    if (got.total <= max_bytes) return ObjectTail{std::move(http.body), got.total};
    size = got.total;
  } else {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, Head(path, ctx));
    if (!meta) return Status::NotFound("no object " + client_->Name(path));
    if (meta->size == 0) return ObjectTail{Bytes(), 0};
    size = meta->size;
  }
  const uint64_t length = std::min(max_bytes, size);
  LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> bytes, ReadRanges(path, {{size - length, length}}, ctx));
  return ObjectTail{std::move(bytes[0]), size};
}

}  // namespace lancefs
