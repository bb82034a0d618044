// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>

#include "backends/cloud/cloud_store.h"
#include "backends/cloud/xml_copy.h"
#include "backends/cloud/xml_listing.h"
#include "backends/s3/s3_client.h"
#include "backends/s3/s3_writer.h"
#include "base/uri.h"

namespace lancefs {
namespace {

StoreTraits TraitsOf(const S3Options& options) {
  StoreTraits traits;
  traits.lists_in_order = !options.express;
  return traits;
}

class S3Store : public CloudStore {
 public:
  explicit S3Store(std::shared_ptr<S3Client> client) : CloudStore(client, TraitsOf(client->options())), s3_(std::move(client)) {}

  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    HttpHeaders headers = s3_->NewObjectHeaders();
    // What reading the source needs: the customer's key.
    for (const auto& [name, value] : s3_->ReadHeaders()) {
      headers.emplace_back("x-amz-copy-source-" + name.substr(std::string_view("x-amz-").size()), value);
    }
    headers.emplace_back("x-amz-copy-source", s3_->options().bucket + "/" + PercentEncode(from, "/"));
    return CopyByHeader(client_.get(), from, to, std::move(headers), ctx);
  }

 protected:
  CloudRequest PutRequest(const std::string& path, Bytes bytes) const override {
    CloudRequest request = CloudStore::PutRequest(path, std::move(bytes));
    s3_->AddChecksum(&request);
    return request;
  }
  Status BeforeCreate(const std::string& path, const OpContext& ctx) override;
  std::unique_ptr<ObjectWriter> MakeWriter(const std::string& path) override { return MakeS3Writer(s3_, path); }

  Result<ListPage> GetPage(const ListRequest& request, const std::string& continuation, const OpContext& ctx) override {
    if (traits().lists_in_order) return GetListBucketPage(client_.get(), request, continuation, ctx);
    ListRequest whole = request;
    whole.start_after.clear();
    Result<ListPage> page = GetListBucketPage(client_.get(), whole, continuation, ctx);
    if (page.ok()) std::erase_if(page->objects, [&](const ObjectMeta& object) { return object.path <= request.start_after; });
    return page;
  }

 private:
  const std::shared_ptr<S3Client> s3_;
};

// Tries once an endpoint whether its conditional puts hold: some services ignore If-None-Match,
// and commits would silently replace each other there. AWS itself is known to be right.
Status S3Store::BeforeCreate(const std::string& path, const OpContext& ctx) {
  if (!s3_->options().conditional_put) {
    return Status::NotSupported("create " + client_->Name(path) +
                                ": conditional puts are switched off (aws_conditional_put=disabled)");
  }
  static std::mutex mutex;  // one probe at a time; others wait for its answer
  static auto* answers = new std::map<std::string, bool>;
  const std::string& endpoint = s3_->options().endpoint;
  if (endpoint.empty() || !s3_->options().probe_conditional_put || endpoint.find(".amazonaws.com") != std::string::npos)
    return Status::OK();
  std::lock_guard lock(mutex);
  auto known = answers->find(endpoint);
  if (known == answers->end()) {
    // Beside the object, where we may write; no reader of a dataset knows such names.
    const std::string probe = path + "#probe-" + std::to_string(std::random_device{}());
    int statuses[2] = {};
    for (int& status : statuses) {
      CloudRequest request = PutRequest(probe, Bytes::FromString("probe"));
      request.headers.emplace_back("if-none-match", "*");
      request.counted = false;
      LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
      status = response.http.status;
    }
    CloudRequest cleanup{RequestKind::kDelete, HttpMethod::kDelete, probe};
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

}  // namespace

std::shared_ptr<ObjectStore> MakeS3Store(S3Options options, Metrics* metrics) {
  return std::make_shared<S3Store>(std::make_shared<S3Client>(std::move(options), metrics));
}

}  // namespace lancefs
