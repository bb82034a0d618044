// SPDX-License-Identifier: Apache-2.0
#include "backends/azure/azure_store.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "backends/azure/azure_client.h"
#include "backends/azure/azure_writer.h"
#include "backends/xml.h"
#include "base/dates.h"

namespace lancefs {
namespace {

constexpr size_t kMaxPage = 5000;
constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{500};

class AzureStore : public CloudStore {
 public:
  explicit AzureStore(std::shared_ptr<AzureClient> client) : CloudStore(client, StoreTraits()), azure_(std::move(client)) {}

  Status Copy(const std::string& from, const std::string& to, const OpContext& ctx) override {
    // The service copies no blobs that are encrypted with the customer's key.
    if (azure_->has_customer_key()) return CloudStore::Copy(from, to, ctx);
    CloudRequest request{RequestKind::kPut, HttpMethod::kPut, to};
    request.headers = {{"x-ms-copy-source", azure_->CopySource(from)}};
    LANCEFS_ASSIGN_OR_RETURN(CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
    // An attempt whose answer was lost may still be at work.
    const bool at_work = response.http.status == 409 && client_->ParseError(response.http).code == "PendingCopyOperation";
    if (!response.http.ok() && !at_work) return client_->ErrorFrom(response, "copy", from);
    return AwaitCopy(to, at_work ? "pending" : response.http.header("x-ms-copy-status"), ctx);
  }

 protected:
  bool has_suffix_ranges() const override { return false; }
  bool IsMissingBucket(const CloudError& error) const override { return error.code == "ContainerNotFound"; }
  std::unique_ptr<ObjectWriter> MakeWriter(const std::string& path) override { return MakeAzureWriter(azure_, path); }

  void MakeConditional(CloudRequest* request) const override {
    CloudStore::MakeConditional(request);
    request->retry_conflict = false;  // 409 is how the service says that the blob is there
  }
  bool SaysExists(const HttpResponse& response) const override {
    if (response.status == 412) return true;
    const std::string code = client_->ParseError(response).code;
    return response.status == 409 && (code == "BlobAlreadyExists" || code.empty());
  }

  Result<ListPage> GetPage(const ListRequest& request, const std::string& continuation, const OpContext& ctx) override {
    CloudRequest http;
    http.kind = RequestKind::kList;
    http.query = {{"restype", "container"}, {"comp", "list"}};
    if (!request.prefix.empty()) http.query.emplace_back("prefix", request.prefix);
    if (!request.recursive) http.query.emplace_back("delimiter", "/");
    if (!continuation.empty()) {
      http.query.emplace_back("marker", continuation);
    } else if (!request.start_after.empty()) {
      http.query.emplace_back("startFrom", request.start_after);
    }
    if (request.max_keys != 0) {
      // One more: the page may begin with start_after itself.
      const size_t wanted = request.max_keys + (request.start_after.empty() ? 0 : 1);
      http.query.emplace_back("maxresults", std::to_string(std::min(wanted, kMaxPage)));
    }
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(http), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "list", request.prefix);
    Result<ListPage> page = ParseAzureListing(response.http.body.view(), request.start_after);
    if (!page.ok()) return page.status().WithContext("list " + client_->Name(request.prefix));
    return page;
  }

 private:
  // Within an account a copy is complete with the answer, as a rule.
  Status AwaitCopy(const std::string& to, std::string_view first_status, const OpContext& ctx) {
    std::string status(first_status);
    for (auto pause = kFirstPause; status == "pending"; pause = std::min(pause * 2, kLongestPause)) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      std::this_thread::sleep_for(pause);
      LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(client_->HeadRequest(to), ctx));
      if (!response.http.ok()) return client_->ErrorFrom(response, "copy to", to);
      status = response.http.header("x-ms-copy-status");
    }
    if (status.empty() || status == "success") return Status::OK();
    return Status::IoError("copy to " + client_->Name(to) + ": the service gave up (" + status + ")");
  }

  const std::shared_ptr<AzureClient> azure_;
};

Result<ObjectMeta> ParseBlob(const XmlElement& blob, const XmlElement& properties) {
  ObjectMeta meta;
  meta.path = blob.Text("Name");
  LANCEFS_RETURN_NOT_OK(SetListedSize(properties.Text("Content-Length"), &meta));
  meta.etag = properties.Text("Etag");
  // As answers to GET and HEAD have it.
  if (!meta.etag.empty() && !meta.etag.starts_with('"')) meta.etag = "\"" + meta.etag + "\"";
  meta.last_modified_ns = ParseHttpDate(properties.Text("Last-Modified")).value_or(0);
  return meta;
}

Status TakeBlob(const XmlElement& blob, std::string_view start_after, ListPage* page) {
  static const XmlElement kNone;
  const std::string_view name = blob.Text("Name");
  if (name.empty()) return Status::Corruption("a listed blob has no name");
  if (name <= start_after || name.ends_with('/')) return Status::OK();
  const XmlElement* properties = blob.Find("Properties");
  if (properties == nullptr) properties = &kNone;
  // Accounts with a hierarchical namespace list directories as blobs.
  if (properties->Text("ResourceType") == "directory") return Status::OK();
  LANCEFS_ASSIGN_OR_RETURN(ObjectMeta meta, ParseBlob(blob, *properties));
  page->objects.push_back(std::move(meta));
  return Status::OK();
}

}  // namespace

Result<ListPage> ParseAzureListing(std::string_view xml, std::string_view start_after) {
  LANCEFS_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(xml));
  if (root.name != "EnumerationResults") return Status::Corruption("a listing starts with <" + root.name + ">");
  const XmlElement* blobs = root.Find("Blobs");
  if (blobs == nullptr) return Status::Corruption("a listing has no <Blobs>");
  ListPage page;
  page.objects.reserve(blobs->children.size());
  for (const XmlElement& child : blobs->children) {
    if (child.name == "Blob") {
      LANCEFS_RETURN_NOT_OK(TakeBlob(child, start_after, &page));
    } else if (child.name == "BlobPrefix") {
      const std::string_view name = child.Text("Name");
      const bool behind = name > start_after || start_after.starts_with(name);
      if (behind) page.directories.emplace_back(name);
    }
  }
  page.continuation = root.Text("NextMarker");
  page.truncated = !page.continuation.empty();
  return page;
}

std::shared_ptr<ObjectStore> MakeAzureStore(AzureOptions options, Metrics* metrics) {
  return std::make_shared<AzureStore>(std::make_shared<AzureClient>(std::move(options), metrics));
}

}  // namespace lancefs
