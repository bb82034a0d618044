// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/xml_upload.h"

#include "backends/xml.h"
#include "base/dates.h"

namespace lancefs {

CloudRequest XmlUpload::WholeRequest(std::vector<Bytes> body) const {
  CloudRequest request{RequestKind::kPut, HttpMethod::kPut, path_};
  request.body = std::move(body);
  request.headers = client_->NewObjectHeaders();
  AddChecksum(&request);
  return request;
}

Status XmlUpload::Start(const OpContext& ctx) {
  CloudRequest request{RequestKind::kMultipart, HttpMethod::kPost, path_};
  request.query = {{"uploads", ""}};
  request.headers = StartHeaders();
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(std::move(request), ctx));
  if (!response.http.ok()) return client_->ErrorFrom(response, "start the upload of", path_);
  LANCEFS_ASSIGN_OR_RETURN(const XmlElement document, ParseXml(response.http.body.view()));
  upload_id_ = document.Text("UploadId");
  started_ns_ = ParseHttpDate(response.http.header("date"));
  if (upload_id_.empty())
    return Status::Corruption("start the upload of " + client_->Name(path_) + ": the answer has no upload id");
  return Status::OK();
}

CloudRequest XmlUpload::PartRequest(size_t number, std::vector<Bytes> body) const {
  CloudRequest request{RequestKind::kPut, HttpMethod::kPut, path_};
  request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}};
  request.headers = client_->ReadHeaders();
  request.body = std::move(body);
  AddChecksum(&request);
  return request;
}

Result<UploadedPart> XmlUpload::ResultOf(size_t number, const HttpHeaders& headers, const HttpResponse& response) const {
  UploadedPart part{std::string(response.header("etag")), ChecksumElement(headers)};
  if (part.id.empty()) {
    return Status::IoError("write part " + std::to_string(number) + " of " + client_->Name(path_) + ": the answer has no ETag");
  }
  return part;
}

void XmlUpload::Cancel(const OpContext& ctx) {
  CloudRequest request{RequestKind::kMultipart, HttpMethod::kDelete, path_};
  request.query = {{"uploadId", upload_id_}};
  (void)client_->ExecuteAndWait(std::move(request), ctx);
}

Status XmlUpload::Complete(const std::vector<UploadedPart>& parts, uint64_t size, const OpContext& ctx) {
  std::string document = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < parts.size(); ++i) {
    document += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + XmlEscape(parts[i].id) + "</ETag>" +
                parts[i].checksum + "</Part>";
  }
  document += "</CompleteMultipartUpload>";
  CloudRequest request{RequestKind::kMultipart, HttpMethod::kPost, path_};
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

Status XmlUpload::CheckCompleted(const CloudResponse& response, size_t num_parts, uint64_t size, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse found, client_->ExecuteAndWait(client_->HeadRequest(path_), ctx));
  const bool same_size = found.http.ok() && found.http.header("content-length") == std::to_string(size);
  if (same_size && IsFromThisUpload(found.http, num_parts)) return Status::OK();
  return client_->ErrorFrom(response, "complete the upload of", path_);
}

}  // namespace lancefs
