// SPDX-License-Identifier: Apache-2.0
//
// XmlUpload: uploads in parts as S3 and the XML API of Google Cloud Storage know them: an upload id, numbered parts with an ETag
// each, a document that puts them together.
//
// Thread safety: as PartProtocol.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/cloud/part_writer.h"

namespace lancefs {

class XmlUpload : public PartProtocol {
 public:
  XmlUpload(std::shared_ptr<CloudClient> client, std::string path) : client_(std::move(client)), path_(std::move(path)) {}

  CloudRequest WholeRequest(std::vector<Bytes> body) const override;
  Status Start(const OpContext& ctx) override;
  CloudRequest PartRequest(size_t number, std::vector<Bytes> body) const override;
  Result<UploadedPart> ResultOf(size_t number, const HttpHeaders& headers, const HttpResponse& response) const override;
  Status Complete(const std::vector<UploadedPart>& parts, uint64_t size, const OpContext& ctx) override;
  void Cancel(const OpContext& ctx) override;

 protected:
  // Adds the checksum of the request's body, if the store checks one.
  virtual void AddChecksum(CloudRequest*) const {}
  virtual HttpHeaders StartHeaders() const { return client_->NewObjectHeaders(); }
  // What the completing document repeats of a part's checksum, from the headers that it was sent with.
  virtual std::string ChecksumElement(const HttpHeaders&) const { return ""; }
  // Whether an object of the right size came from this upload, whose id is gone since an earlier attempt to complete it.
  virtual bool IsFromThisUpload(const HttpResponse& head, size_t num_parts) const = 0;
  const std::optional<int64_t>& started_ns() const { return started_ns_; }  // by the server's clock

 private:
  Status CheckCompleted(const CloudResponse& response, size_t num_parts, uint64_t size, const OpContext& ctx);

  const std::shared_ptr<CloudClient> client_;
  const std::string path_;
  std::string upload_id_;
  std::optional<int64_t> started_ns_;
};

}  // namespace lancefs
