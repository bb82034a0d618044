// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_writer.h"

#include "backends/cloud/xml_upload.h"
#include "backends/xml.h"

namespace lancefs {
namespace {

constexpr uint64_t kConstantPartSize = 32ull << 20;

class S3Upload : public XmlUpload {
 public:
  S3Upload(std::shared_ptr<S3Client> client, std::string path)
      : XmlUpload(client, std::move(path)),
        client_(std::move(client)),
        constant_parts_(client_->options().endpoint.find("r2.cloudflarestorage.com") != std::string::npos) {}

  uint64_t PartSize(size_t index) const override { return S3PartSize(index, constant_parts_); }

 protected:
  void AddChecksum(CloudRequest* request) const override { client_->AddChecksum(request); }

  HttpHeaders StartHeaders() const override {
    HttpHeaders headers = client_->NewObjectHeaders();
    if (client_->options().checksum == S3Checksum::kSha256) headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
    if (client_->options().checksum == S3Checksum::kCrc64Nvme) headers.emplace_back("x-amz-checksum-algorithm", "CRC64NVME");
    return headers;
  }

  // "x-amz-checksum-sha256" is <ChecksumSHA256> in the completing document.
  std::string ChecksumElement(const HttpHeaders& headers) const override {
    for (const auto& [name, value] : headers) {
      for (const auto& [header, element] :
           {std::pair{"x-amz-checksum-sha256", "ChecksumSHA256"}, std::pair{"x-amz-checksum-crc64nvme", "ChecksumCRC64NVME"}}) {
        if (name == header) return "<" + std::string(element) + ">" + XmlEscape(value) + "</" + element + ">";
      }
    }
    return "";
  }

  bool IsFromThisUpload(const HttpResponse& head, size_t num_parts) const override {
    const std::string parts = "-" + std::to_string(num_parts);
    const std::string_view etag = head.header("etag");
    return etag.ends_with(parts + "\"") || etag.ends_with(parts);
  }

 private:
  const std::shared_ptr<S3Client> client_;
  const bool constant_parts_;
};

}  // namespace

uint64_t S3PartSize(size_t index, bool constant) { return constant ? kConstantPartSize : GrowingPartSize(index); }

std::unique_ptr<ObjectWriter> MakeS3Writer(std::shared_ptr<S3Client> client, std::string path) {
  auto upload = std::make_shared<S3Upload>(client, path);
  return MakePartWriter(std::move(client), std::move(path), std::move(upload));
}

}  // namespace lancefs
