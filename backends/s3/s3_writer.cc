// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_writer.h"

#include "backends/cloud/part_writer.h"
#include "backends/xml.h"

namespace lancefs {
namespace {

constexpr uint64_t kPartSize = 8ull << 20;
constexpr uint64_t kConstantPartSize = 32ull << 20;

// "x-amz-checksum-sha256" is <ChecksumSHA256> in the completing document.
std::string ChecksumElement(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    for (const auto& [header, element] :
         {std::pair{"x-amz-checksum-sha256", "ChecksumSHA256"}, std::pair{"x-amz-checksum-crc64nvme", "ChecksumCRC64NVME"}}) {
      if (name == header) return "<" + std::string(element) + ">" + XmlEscape(value) + "</" + element + ">";
    }
  }
  return "";
}

class S3Upload : public PartProtocol {
 public:
  S3Upload(std::shared_ptr<S3Client> client, std::string path)
      : client_(std::move(client)),
        path_(std::move(path)),
        constant_parts_(client_->options().endpoint.find("r2.cloudflarestorage.com") != std::string::npos) {}

  uint64_t PartSize(size_t index) const override { return S3PartSize(index, constant_parts_); }

  CloudRequest WholeRequest(std::vector<Bytes> body) const override {
    CloudRequest request;
    request.kind = RequestKind::kPut;
    request.method = HttpMethod::kPut;
    request.key = path_;
    request.body = std::move(body);
    request.headers = client_->NewObjectHeaders();
    client_->AddChecksum(&request);
    return request;
  }

  Status Start(const OpContext& ctx) override {
    CloudRequest request;
    request.kind = RequestKind::kMultipart;
    request.method = HttpMethod::kPost;
    request.key = path_;
    request.query = {{"uploads", ""}};
    request.headers = client_->NewObjectHeaders();
    if (client_->options().checksum == S3Checksum::kSha256) request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
    if (client_->options().checksum == S3Checksum::kCrc64Nvme)
      request.headers.emplace_back("x-amz-checksum-algorithm", "CRC64NVME");
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "start the upload of", path_);
    LANCEFS_ASSIGN_OR_RETURN(const XmlElement document, ParseXml(response.http.body.view()));
    upload_id_ = document.Text("UploadId");
    if (upload_id_.empty())
      return Status::Corruption("start the upload of " + client_->Name(path_) + ": the answer has no upload id");
    return Status::OK();
  }

  CloudRequest PartRequest(size_t number, std::vector<Bytes> body) const override {
    CloudRequest request;
    request.kind = RequestKind::kPut;
    request.method = HttpMethod::kPut;
    request.key = path_;
    request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}};
    request.headers = client_->ReadHeaders();
    request.body = std::move(body);
    client_->AddChecksum(&request);
    return request;
  }

  Result<UploadedPart> ResultOf(size_t number, const HttpHeaders& headers, const HttpResponse& response) const override {
    UploadedPart part{std::string(response.header("etag")), ChecksumElement(headers)};
    if (part.id.empty()) {
      return Status::IoError("write part " + std::to_string(number) + " of " + client_->Name(path_) + ": the answer has no ETag");
    }
    return part;
  }

  void Cancel(const OpContext& ctx) override {
    CloudRequest request;
    request.kind = RequestKind::kMultipart;
    request.method = HttpMethod::kDelete;
    request.key = path_;
    request.query = {{"uploadId", upload_id_}};
    (void)client_->ExecuteAndWait(std::move(request), ctx);
  }

  Status Complete(const std::vector<UploadedPart>& parts, uint64_t size, const OpContext& ctx) override {
    std::string document = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (size_t i = 0; i < parts.size(); ++i) {
      document += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + XmlEscape(parts[i].id) + "</ETag>" +
                  parts[i].checksum + "</Part>";
    }
    document += "</CompleteMultipartUpload>";
    CloudRequest request;
    request.kind = RequestKind::kMultipart;
    request.method = HttpMethod::kPost;
    request.key = path_;
    request.query = {{"uploadId", upload_id_}};
    request.headers = client_->ReadHeaders();
    request.headers.emplace_back("content-type", "application/xml");
    request.body = {Bytes::FromString(std::move(document))};
    request.error_in_success = true;
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
    const std::string code = client_->ParseError(response.http).code;
    if (response.http.ok() && code.empty()) return Status::OK();
    // The first attempt may have completed the upload, whose id is gone then.
    if (response.ambiguous && (response.http.status == 404 || code == "NoSuchUpload"))
      return CheckCompleted(response, parts.size(), size, ctx);
    return client_->ErrorFrom(response, "complete the upload of", path_);
  }

 private:
  Status CheckCompleted(const CloudResponse& response, size_t num_parts, uint64_t size, const OpContext& ctx) {
    CloudRequest head;
    head.kind = RequestKind::kHead;
    head.method = HttpMethod::kHead;
    head.key = path_;
    head.headers = client_->ReadHeaders();
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse found, client_->ExecuteAndWait(std::move(head), ctx));
    const bool same_size = found.http.ok() && found.http.header("content-length") == std::to_string(size);
    const std::string parts = "-" + std::to_string(num_parts);
    const std::string_view etag = found.http.header("etag");
    const bool same_parts = etag.ends_with(parts + "\"") || etag.ends_with(parts);
    if (same_size && same_parts) return Status::OK();
    return client_->ErrorFrom(response, "complete the upload of", path_);
  }

  const std::shared_ptr<S3Client> client_;
  const std::string path_;
  const bool constant_parts_;
  std::string upload_id_;
};

}  // namespace

uint64_t S3PartSize(size_t index, bool constant) {
  if (constant) return kConstantPartSize;
  constexpr size_t kGrowEvery = 75;
  return kPartSize * (1 + index / kGrowEvery);
}

std::unique_ptr<ObjectWriter> MakeS3Writer(std::shared_ptr<S3Client> client, std::string path) {
  auto upload = std::make_shared<S3Upload>(client, path);
  return MakePartWriter(std::move(client), std::move(path), std::move(upload));
}

}  // namespace lancefs
