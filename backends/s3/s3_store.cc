// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <new>
#include <random>

#include "backends/s3/s3_client.h"
#include "backends/s3/s3_listing.h"
#include "backends/s3/s3_time.h"
#include "backends/s3/s3_writer.h"

namespace lancefs {
namespace {

constexpr uint64_t kMaxObject = 5ull << 40;
constexpr uint64_t kMaxWholeRead = 64ull << 30;
constexpr uint64_t kMaxSinglePut = 64ull << 20;  // larger ones would not finish within `timeout` on slow lines
constexpr uint64_t kMaxConditionalPut = 5ull << 30;
constexpr size_t kMaxPage = 1000;

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
  RangeRead(std::shared_ptr<S3Client> client, std::string path, RangePlan plan)
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
      S3Request request;
      request.key = self->path_;
      request.headers = self->client_->CustomerKeyHeaders();
      request.headers.emplace_back("range", "bytes=" + std::to_string(range.offset) + "-" + std::to_string(range.end() - 1));
      request.sink = {self->buffers_.buffers[buffer].owner(), self->buffers_.data[buffer] + offset, range.length};
      self->client_->Execute(std::move(request), ctx).OnDone([self, i](const Result<S3Response>& response) {
        self->OnAnswer(i, response);
      });
    }
  }

 private:
  void OnAnswer(size_t index, const Result<S3Response>& response) {
    Status status = response.ok() ? Check(plan_.requests[index], *response) : response.status();
    if (!status.ok()) promise_.Set(std::move(status));
    if (left_.fetch_sub(1) == 1) promise_.Set(Assemble());
  }

  Status Check(const ByteRange& range, const S3Response& response) {
    const HttpResponse& http = response.http;
    if (http.status == 416) return Beyond(range);
    if (!http.ok()) return client_->ErrorFrom(response, "read", path_);
    const std::string what = "read " + client_->Name(path_) + " bytes " + RangeText(range) + ": ";
    ContentRange got;
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

  const std::shared_ptr<S3Client> client_;
  const std::string path_;
  const RangePlan plan_;
  const SharedBuffers buffers_;
  std::atomic<size_t> left_;
  std::mutex mutex_;
  std::string etag_;  // guarded by mutex_
  Promise<std::vector<Bytes>> promise_;
};

class S3Store : public ObjectStore {
 public:
  S3Store(S3Options options, Metrics* metrics) : client_(std::make_shared<S3Client>(std::move(options), metrics)) {}

  const StoreTraits& traits() const override { return traits_; }
  std::string name() const override { return "s3://" + client_->options().bucket; }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
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

  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    S3Request request;
    request.key = path;
    request.headers = client_->CustomerKeyHeaders();
    request.max_body = kMaxWholeRead;
    LANCEFS_ASSIGN_OR_RETURN(S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
    if (response.http.status != 200) return client_->ErrorFrom(response, "read", path);
    if (response.http.header("content-length").empty() && response.http.header("transfer-encoding").empty()) {
      return Status::IoError("read " + client_->Name(path) + ": the answer does not say how long it is");
    }
    return std::move(response.http.body);
  }

  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    if (max_bytes == 0) return EmptyTail(path, ctx);
    max_bytes = std::min(max_bytes, kMaxObject);
    S3Request request;
    request.key = path;
    request.headers = client_->CustomerKeyHeaders();
    request.headers.emplace_back("range", "bytes=-" + std::to_string(max_bytes));
    request.max_body = std::min(max_bytes, kMaxWholeRead);
    LANCEFS_ASSIGN_OR_RETURN(S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
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
    if (!valid) {
      return Status::Corruption("read the end of " + client_->Name(path) + ": the server answered with '" +
                                std::string(http.header("content-range")) + "' and " + std::to_string(http.body.size()) +
                                " bytes");
    }
    return ObjectTail{std::move(http.body), got.total};
  }

  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    S3Request request;
    request.kind = S3RequestKind::kHead;
    request.method = HttpMethod::kHead;
    request.key = path;
    request.headers = client_->CustomerKeyHeaders();
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
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

  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    ListResult result;
    std::string continuation;
    while (true) {
      LANCEFS_ASSIGN_OR_RETURN(S3ListPage page, ListPage(request, continuation, ctx));
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

  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    if (bytes.size() > kMaxSinglePut) {
      const std::unique_ptr<ObjectWriter> writer = MakeS3Writer(client_, path);
      LANCEFS_RETURN_NOT_OK(writer->Write(std::move(bytes), ctx));
      return writer->Finish(ctx);
    }
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(PutRequest(path, std::move(bytes)), ctx));
    return response.http.ok() ? Status::OK() : client_->ErrorFrom(response, "write", path);
  }

  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override;

  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    return MakeS3Writer(client_, path);
  }

  Status Delete(const std::string& path, const OpContext& ctx) override {
    S3Request request;
    request.kind = S3RequestKind::kDelete;
    request.method = HttpMethod::kDelete;
    request.key = path;
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
    if (response.http.ok()) return Status::OK();
    const bool absent = response.http.status == 404 && S3ErrorCode(response.http) != "NoSuchBucket";
    return absent ? Status::OK() : client_->ErrorFrom(response, "delete", path);
  }

 private:
  S3Request PutRequest(const std::string& path, Bytes bytes) const {
    S3Request request;
    request.kind = S3RequestKind::kPut;
    request.method = HttpMethod::kPut;
    request.key = path;
    request.headers = client_->EncryptionHeaders();
    const std::string& type = client_->options().client.default_content_type;
    if (!type.empty()) request.headers.emplace_back("content-type", type);
    if (!bytes.empty()) request.body.push_back(std::move(bytes));
    client_->AddChecksum(&request);
    return request;
  }

  Status ProbeConditionalPut(const std::string& path, const OpContext& ctx);

  Result<ObjectTail> EmptyTail(const std::string& path, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, Head(path, ctx));
    if (!meta) return Status::NotFound("no object " + client_->Name(path));
    return ObjectTail{Bytes(), meta->size};
  }

  Result<S3ListPage> ListPage(const ListRequest& request, const std::string& continuation, const OpContext& ctx) {
    S3Request http;
    http.kind = S3RequestKind::kList;
    http.query = {{"list-type", "2"}};
    if (!request.prefix.empty()) http.query.emplace_back("prefix", request.prefix);
    if (!request.recursive) http.query.emplace_back("delimiter", "/");
    if (!request.start_after.empty()) http.query.emplace_back("start-after", request.start_after);
    if (!continuation.empty()) http.query.emplace_back("continuation-token", continuation);
    if (request.max_keys != 0) http.query.emplace_back("max-keys", std::to_string(std::min(request.max_keys, kMaxPage)));
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(http), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "list", request.prefix);
    Result<S3ListPage> page = ParseS3ListPage(response.http.body.view());
    if (!page.ok()) return page.status().WithContext("list " + client_->Name(request.prefix));
    return page;
  }

  const std::shared_ptr<S3Client> client_;
  StoreTraits traits_;
};

// Tries once an endpoint whether its conditional puts hold: some services ignore If-None-Match,
// and commits would silently replace each other there. AWS itself is known to be right.
Status S3Store::ProbeConditionalPut(const std::string& path, const OpContext& ctx) {
  static std::mutex mutex;  // one probe at a time; others wait for its answer
  static auto* answers = new std::map<std::string, bool>;
  const std::string& endpoint = client_->options().endpoint;
  if (endpoint.empty() || !client_->options().probe_conditional_put || endpoint.find(".amazonaws.com") != std::string::npos)
    return Status::OK();
  std::lock_guard lock(mutex);
  auto known = answers->find(endpoint);
  if (known == answers->end()) {
    // Beside the object, where we may write; no reader of a dataset knows such names.
    const std::string probe = path + "#probe-" + std::to_string(std::random_device{}());
    int statuses[2] = {};
    for (int& status : statuses) {
      S3Request request = PutRequest(probe, Bytes::FromString("probe"));
      request.headers.emplace_back("if-none-match", "*");
      request.counted = false;
      LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
      status = response.http.status;
    }
    S3Request cleanup;
    cleanup.kind = S3RequestKind::kDelete;
    cleanup.method = HttpMethod::kDelete;
    cleanup.key = probe;
    cleanup.counted = false;
    (void)client_->ExecuteAndWait(std::move(cleanup), ctx);
    // Only two successes prove the lie; a refusal of both says nothing (no right to that name).
    const bool lies = statuses[1] >= 200 && statuses[1] < 300;
    known = answers->emplace(endpoint, !lies).first;
  }
  if (known->second) return Status::OK();
  return Status::NotSupported("create " + client_->Name(path) + ": the store at " + endpoint +
                              " ignores If-None-Match, so commits could replace each other");
}

Result<PutOutcome> S3Store::PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(ctx.Check());
  if (!client_->options().conditional_put) {
    return Status::NotSupported("create " + client_->Name(path) +
                                ": conditional puts are switched off (aws_conditional_put=disabled)");
  }
  if (bytes.size() > kMaxConditionalPut)
    return Status::TooLarge("create " + client_->Name(path) + ": more than 5 GiB in one request");
  LANCEFS_RETURN_NOT_OK(ProbeConditionalPut(path, ctx));
  S3Request request = PutRequest(path, std::move(bytes));
  request.headers.emplace_back("if-none-match", "*");
  request.idempotent = false;
  request.retry_conflict = true;
  const Result<S3Response> result = client_->ExecuteAndWait(std::move(request), ctx);
  if (!result.ok()) {
    const StatusCode code = result.status().code();
    // The wait ended, the request perhaps did not.
    if (code == StatusCode::kCancelled || code == StatusCode::kDeadlineExceeded) {
      return Status::UnknownOutcome("create " + client_->Name(path) + ": " + result.status().message());
    }
    return result.status();
  }
  const S3Response& response = *result;
  if (response.http.ok()) return PutOutcome::kCreated;
  const bool exists = response.http.status == 412 || response.http.status == 409;
  if (exists && !response.ambiguous) return PutOutcome::kAlreadyExists;
  const Status error = client_->ErrorFrom(response, "create", path);
  if (!response.ambiguous) return error;
  return Status::UnknownOutcome(error.message() + " (an earlier attempt may have been applied)");
}

}  // namespace

std::shared_ptr<ObjectStore> MakeS3Store(S3Options options, Metrics* metrics) {
  return std::make_shared<S3Store>(std::move(options), metrics);
}

}  // namespace lancefs
