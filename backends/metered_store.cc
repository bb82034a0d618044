// SPDX-License-Identifier: Apache-2.0
#include "backends/metered_store.h"

#include <algorithm>

namespace lancefs {
namespace {

constexpr uint64_t kPartSize = 8ull << 20;
constexpr size_t kPageSize = 1000;

struct Counters {
  explicit Counters(Metrics* metrics)
      : all(metrics->counter("lancefs_store_requests_total")),
        get(metrics->counter("lancefs_store_get_requests_total")),
        head(metrics->counter("lancefs_store_head_requests_total")),
        list(metrics->counter("lancefs_store_list_requests_total")),
        put(metrics->counter("lancefs_store_put_requests_total")),
        remove(metrics->counter("lancefs_store_delete_requests_total")),
        multipart(metrics->counter("lancefs_store_multipart_requests_total")),
        bytes_read(metrics->counter("lancefs_store_bytes_read_total")),
        bytes_written(metrics->counter("lancefs_store_bytes_written_total")) {}

  void Count(Metrics::Counter& kind, uint64_t requests = 1) {
    all.fetch_add(requests, std::memory_order_relaxed);
    kind.fetch_add(requests, std::memory_order_relaxed);
  }

  Metrics::Counter& all;
  Metrics::Counter& get;
  Metrics::Counter& head;
  Metrics::Counter& list;
  Metrics::Counter& put;
  Metrics::Counter& remove;
  Metrics::Counter& multipart;
  Metrics::Counter& bytes_read;
  Metrics::Counter& bytes_written;
};

class MeteredWriter : public ObjectWriter {
 public:
  MeteredWriter(std::unique_ptr<ObjectWriter> inner, std::shared_ptr<Counters> counters)
      : inner_(std::move(inner)), counters_(std::move(counters)) {}

  Status Write(Bytes bytes, const OpContext& ctx) override { return inner_->Write(std::move(bytes), ctx); }
  uint64_t position() const override { return inner_->position(); }
  Status Finish(const OpContext& ctx) override {
    const uint64_t size = inner_->position();
    counters_->Count(counters_->put, std::max<uint64_t>(1, (size + kPartSize - 1) / kPartSize));
    if (size > kPartSize) counters_->Count(counters_->multipart, 2);
    counters_->bytes_written += size;
    return inner_->Finish(ctx);
  }
  void Abort() override { inner_->Abort(); }

 private:
  const std::unique_ptr<ObjectWriter> inner_;
  const std::shared_ptr<Counters> counters_;
};

class MeteredStore : public ObjectStore {
 public:
  MeteredStore(std::shared_ptr<ObjectStore> inner, Metrics* metrics)
      : inner_(std::move(inner)), counters_(std::make_shared<Counters>(metrics)) {}

  const StoreTraits& traits() const override { return inner_->traits(); }
  std::string name() const override { return inner_->name(); }
  const CommitCoordination* coordination() const override { return inner_->coordination(); }

  Future<std::vector<Bytes>> ReadRangesAsync(const std::string& path, std::vector<ByteRange> ranges,
                                             const OpContext& ctx) override {
    Future<std::vector<Bytes>> future = inner_->ReadRangesAsync(path, ranges, ctx);
    future.OnDone([counters = counters_, ranges = std::move(ranges), gap = traits().coalesce_gap,
                   longest = traits().max_request](const Result<std::vector<Bytes>>& result) {
      // Ranges that were refused may be too long to be planned.
      if (!result.ok()) return counters->Count(counters->get);
      const RangePlan plan = PlanRanges(ranges, gap, longest);
      counters->Count(counters->get, plan.requests.size());
      for (const ByteRange& request : plan.requests) counters->bytes_read += request.length;
    });
    return future;
  }
  Result<Bytes> ReadAll(const std::string& path, const OpContext& ctx) override {
    counters_->Count(counters_->get);
    Result<Bytes> result = inner_->ReadAll(path, ctx);
    if (result.ok()) counters_->bytes_read += (*result).size();
    return result;
  }
  Result<ObjectTail> ReadTail(const std::string& path, uint64_t max_bytes, const OpContext& ctx) override {
    counters_->Count(counters_->get);
    Result<ObjectTail> result = inner_->ReadTail(path, max_bytes, ctx);
    if (result.ok()) counters_->bytes_read += (*result).bytes.size();
    return result;
  }
  Result<std::optional<ObjectMeta>> Head(const std::string& path, const OpContext& ctx) override {
    counters_->Count(counters_->head);
    return inner_->Head(path, ctx);
  }
  Result<ListResult> List(const ListRequest& request, const OpContext& ctx) override {
    Result<ListResult> result = inner_->List(request, ctx);
    const size_t entries = result.ok() ? (*result).objects.size() + (*result).directories.size() : 0;
    counters_->Count(counters_->list, std::max<size_t>(1, (entries + kPageSize - 1) / kPageSize));
    return result;
  }
  Status Put(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    counters_->Count(counters_->put);
    counters_->bytes_written += bytes.size();
    return inner_->Put(path, std::move(bytes), ctx);
  }
  Result<PutOutcome> PutIfAbsent(const std::string& path, Bytes bytes, const OpContext& ctx) override {
    counters_->Count(counters_->put);
    counters_->bytes_written += bytes.size();
    return inner_->PutIfAbsent(path, std::move(bytes), ctx);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& path, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, inner_->OpenWriter(path, ctx));
    return std::unique_ptr<ObjectWriter>(new MeteredWriter(std::move(writer), counters_));
  }
  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    counters_->Count(counters_->put);
    return inner_->Copy(from, to, ctx);
  }
  Status Delete(const std::string& path, const OpContext& ctx) override {
    counters_->Count(counters_->remove);
    return inner_->Delete(path, ctx);
  }

 private:
  const std::shared_ptr<ObjectStore> inner_;
  const std::shared_ptr<Counters> counters_;
};

}  // namespace

std::shared_ptr<ObjectStore> MakeMeteredStore(std::shared_ptr<ObjectStore> inner, Metrics* metrics) {
  return std::make_shared<MeteredStore>(std::move(inner), metrics);
}

}  // namespace lancefs
