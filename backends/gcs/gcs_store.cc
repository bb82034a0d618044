// SPDX-License-Identifier: Apache-2.0
#include "backends/gcs/gcs_store.h"

#include "backends/cloud/cloud_store.h"
#include "backends/cloud/xml_copy.h"
#include "backends/cloud/xml_listing.h"
#include "backends/cloud/xml_upload.h"
#include "backends/gcs/gcs_client.h"
#include "base/dates.h"

namespace lancefs {
namespace {

class GcsUpload : public XmlUpload {
 public:
  GcsUpload(std::shared_ptr<CloudClient> client, std::string path) : XmlUpload(std::move(client), std::move(path)) {}

 protected:
  bool IsFromThisUpload(const HttpResponse& head, size_t) const override {
    const std::optional<int64_t> modified = ParseHttpDate(head.header("last-modified"));
    return modified && started_ns() && *modified >= *started_ns();
  }
};

class GcsStore : public CloudStore {
 public:
  explicit GcsStore(std::shared_ptr<GcsClient> client) : CloudStore(client, StoreTraits()), gcs_(std::move(client)) {}

  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    HttpHeaders headers = gcs_->NewObjectHeaders();
    headers.emplace_back("x-goog-copy-source", gcs_->CopySource(from));
    return CopyByHeader(client_.get(), from, to, std::move(headers), ctx);
  }

 protected:
  void MakeConditional(CloudRequest* request) const override {
    request->headers.emplace_back("x-goog-if-generation-match", "0");
    request->retry_conflict = true;
  }
  bool SaysExists(const HttpResponse& response) const override { return response.status == 412; }

  std::unique_ptr<ObjectWriter> MakeWriter(const std::string& path) override {
    return MakePartWriter(client_, path, std::make_shared<GcsUpload>(client_, path));
  }

  Result<ListPage> GetPage(const ListRequest& request, const std::string& continuation, const OpContext& ctx) override {
    return GetListBucketPage(client_.get(), request, continuation, ctx);
  }

 private:
  const std::shared_ptr<GcsClient> gcs_;
};

}  // namespace

std::shared_ptr<ObjectStore> MakeGcsStore(GcsOptions options, Metrics* metrics) {
  return std::make_shared<GcsStore>(std::make_shared<GcsClient>(std::move(options), metrics));
}

}  // namespace lancefs
