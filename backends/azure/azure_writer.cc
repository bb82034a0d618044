// SPDX-License-Identifier: Apache-2.0
#include "backends/azure/azure_writer.h"

#include <cstdio>
#include <random>

#include "backends/auth/digest.h"
#include "backends/cloud/part_writer.h"
#include "backends/xml.h"

namespace lancefs {
namespace {

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

class AzureUpload : public PartProtocol {
 public:
  AzureUpload(std::shared_ptr<AzureClient> client, std::string path) : client_(std::move(client)), path_(std::move(path)) {}

  CloudRequest WholeRequest(std::vector<Bytes> body) const override {
    CloudRequest request{RequestKind::kPut, HttpMethod::kPut, path_};
    request.body = std::move(body);
    request.headers = client_->NewObjectHeaders();
    return request;
  }

  // Nothing to be said to the service; the number tells blocks of this upload from others' of the same blob.
  Status Start(const OpContext&) override {
    std::random_device random;
    prefix_ = Hex((static_cast<uint64_t>(random()) << 32) | random());
    return Status::OK();
  }

  CloudRequest PartRequest(size_t number, std::vector<Bytes> body) const override {
    CloudRequest request{RequestKind::kPut, HttpMethod::kPut, path_};
    request.query = {{"comp", "block"}, {"blockid", BlockId(number)}};
    request.body = std::move(body);
    request.headers = client_->ReadHeaders();
    return request;
  }

  Result<UploadedPart> ResultOf(size_t number, const HttpHeaders&, const HttpResponse&) const override {
    return UploadedPart{BlockId(number), ""};
  }

  Status Complete(const std::vector<UploadedPart>& parts, uint64_t, const OpContext& ctx) override {
    // "Latest" and not "Uncommitted": should the first attempt have done it already, the second one does it again.
    std::string document = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    for (const UploadedPart& part : parts) document += "<Latest>" + XmlEscape(part.id) + "</Latest>";
    document += "</BlockList>";
    CloudRequest request{RequestKind::kMultipart, HttpMethod::kPut, path_};
    request.query = {{"comp", "blocklist"}};
    request.headers = client_->ReadHeaders();
    request.headers.emplace_back("content-type", "application/xml");
    if (const std::string& type = client_->client_options().default_content_type; !type.empty()) {
      request.headers.emplace_back("x-ms-blob-content-type", type);
    }
    request.body = {Bytes::FromString(std::move(document))};
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
    return response.http.ok() ? Status::OK() : client_->ErrorFrom(response, "complete the upload of", path_);
  }

  // There is no request for it.
  void Cancel(const OpContext&) override {}

 private:
  // All of one blob must be of equal length.
  std::string BlockId(size_t number) const {
    const std::string text = prefix_ + Hex(number);
    return Base64Encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  const std::shared_ptr<AzureClient> client_;
  const std::string path_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<ObjectWriter> MakeAzureWriter(std::shared_ptr<AzureClient> client, std::string path) {
  auto upload = std::make_shared<AzureUpload>(client, path);
  return MakePartWriter(std::move(client), std::move(path), std::move(upload));
}

}  // namespace lancefs
