// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_writer.h"

#include <algorithm>
#include <deque>

#include "backends/xml.h"
#include "base/executor.h"

namespace lancefs {
namespace {

constexpr uint64_t kPartSize = 8ull << 20;
constexpr uint64_t kConstantPartSize = 32ull << 20;
constexpr size_t kMaxParts = 10000;
constexpr size_t kPartsInFlight = 8;
constexpr uint64_t kBytesInFlight = 128ull << 20;
constexpr size_t kSmallWrite = 64 * 1024;  // smaller writes are gathered, larger ones kept as they are

struct PartResult {
  std::string etag;
  std::pair<std::string, std::string> checksum;  // header name and value
};

struct Part {
  uint64_t size = 0;
  Future<PartResult> result;
};

// "x-amz-checksum-sha256" is <ChecksumSHA256> in the completing document.
std::string ChecksumElement(const std::pair<std::string, std::string>& checksum) {
  if (checksum.first.empty()) return "";
  const std::string name = checksum.first == "x-amz-checksum-sha256" ? "ChecksumSHA256" : "ChecksumCRC64NVME";
  return "<" + name + ">" + XmlEscape(checksum.second) + "</" + name + ">";
}

class S3Writer : public ObjectWriter {
 public:
  S3Writer(std::shared_ptr<S3Client> client, std::string path)
      : client_(std::move(client)),
        path_(std::move(path)),
        constant_parts_(client_->options().endpoint.find("r2.cloudflarestorage.com") != std::string::npos) {}
  ~S3Writer() override { Abort(); }

  uint64_t position() const override { return position_; }

  Status Write(Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (ended_) return Status::Internal("write after the end of " + client_->Name(path_));
    position_ += bytes.size();
    while (!bytes.empty()) {
      const uint64_t wanted = S3PartSize(parts_.size() + in_flight_.size(), constant_parts_);
      const uint64_t length = std::min<uint64_t>(bytes.size(), wanted - buffered_);
      Buffer(bytes.Slice(0, length));
      bytes = bytes.Slice(length, bytes.size() - length);
      // A full part waits for the next byte: what ends exactly here may still be one PUT.
      if (buffered_ == wanted && !bytes.empty()) LANCEFS_RETURN_NOT_OK(SendPart(ctx));
    }
    return Status::OK();
  }

  Status Finish(const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (ended_) return Status::Internal("finish after the end of " + client_->Name(path_));
    if (upload_id_.empty()) {
      LANCEFS_RETURN_NOT_OK(PutWhole(ctx));
    } else {
      if (buffered_ > 0) LANCEFS_RETURN_NOT_OK(SendPart(ctx));
      while (!in_flight_.empty()) LANCEFS_RETURN_NOT_OK(WaitForOldest(ctx));
      LANCEFS_RETURN_NOT_OK(Complete(ctx));
    }
    ended_ = true;
    return Status::OK();
  }

  void Abort() override {
    if (ended_) return;
    ended_ = true;
    upload_ctx_.cancel.Cancel();
    body_.clear();
    if (upload_id_.empty()) return;
    const OpContext ctx = OpContext().WithTimeout(std::chrono::seconds(10));
    // A part that arrives behind the abort would be stored for ever.
    for (const Part& part : in_flight_) (void)part.result.Get(ctx);
    in_flight_.clear();
    S3Request request;
    request.kind = S3RequestKind::kMultipart;
    request.method = HttpMethod::kDelete;
    request.key = path_;
    request.query = {{"uploadId", upload_id_}};
    (void)client_->ExecuteAndWait(std::move(request), ctx);
  }

 private:
  void FlushSmall() {
    if (small_.empty()) return;
    body_.push_back(Bytes::FromString(std::move(small_)));
    small_ = std::string();
  }

  void Buffer(Bytes bytes) {
    buffered_ += bytes.size();
    if (bytes.size() < kSmallWrite) {
      small_.append(bytes.view());
      return;
    }
    FlushSmall();
    body_.push_back(std::move(bytes));
  }

  std::vector<Bytes> TakeBody() {
    FlushSmall();
    buffered_ = 0;
    return std::exchange(body_, {});
  }

  Status PutWhole(const OpContext& ctx) {
    S3Request request;
    request.kind = S3RequestKind::kPut;
    request.method = HttpMethod::kPut;
    request.key = path_;
    FlushSmall();
    request.body = body_;  // kept until it is sent: Finish may be tried again
    request.headers = client_->EncryptionHeaders();
    if (!client_->options().client.default_content_type.empty()) {
      request.headers.emplace_back("content-type", client_->options().client.default_content_type);
    }
    client_->AddChecksum(&request);
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "write", path_);
    body_.clear();
    return Status::OK();
  }

  Status Create(const OpContext& ctx) {
    S3Request request;
    request.kind = S3RequestKind::kMultipart;
    request.method = HttpMethod::kPost;
    request.key = path_;
    request.query = {{"uploads", ""}};
    request.headers = client_->EncryptionHeaders();
    if (!client_->options().client.default_content_type.empty()) {
      request.headers.emplace_back("content-type", client_->options().client.default_content_type);
    }
    if (client_->options().checksum == S3Checksum::kSha256) request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
    if (client_->options().checksum == S3Checksum::kCrc64Nvme)
      request.headers.emplace_back("x-amz-checksum-algorithm", "CRC64NVME");
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "start the upload of", path_);
    LANCEFS_ASSIGN_OR_RETURN(const XmlElement document, ParseXml(response.http.body.view()));
    upload_id_ = document.Text("UploadId");
    if (upload_id_.empty())
      return Status::Corruption("start the upload of " + client_->Name(path_) + ": the answer has no upload id");
    return Status::OK();
  }

  // Sends what is buffered as the next part, after room was made for it.
  Status SendPart(const OpContext& ctx) {
    if (upload_id_.empty()) LANCEFS_RETURN_NOT_OK(Create(ctx));
    const size_t number = parts_.size() + in_flight_.size() + 1;
    if (number > kMaxParts) return Status::TooLarge(client_->Name(path_) + " needs more than 10000 parts");
    while (!in_flight_.empty() && (in_flight_.size() >= kPartsInFlight || bytes_in_flight_ + buffered_ > kBytesInFlight)) {
      LANCEFS_RETURN_NOT_OK(WaitForOldest(ctx));
    }
    auto request = std::make_shared<S3Request>();
    request->kind = S3RequestKind::kPut;
    request->method = HttpMethod::kPut;
    request->key = path_;
    request->query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id_}};
    request->headers = client_->CustomerKeyHeaders();
    Part part{buffered_, {}};
    bytes_in_flight_ += buffered_;
    request->body = TakeBody();
    Promise<PartResult> promise;
    part.result = promise.future();
    in_flight_.push_back(std::move(part));
    // Hashing is work for the CPU pool, so that the caller can go on encoding.
    CpuPool().Submit([client = client_, request, promise, ctx = upload_ctx_, number, path = path_] {
      const auto checksum = client->AddChecksum(request.get());
      client->Execute(std::move(*request), ctx)
          .OnDone([client, promise, checksum, number, path](const Result<S3Response>& response) {
            promise.Set(PartResultFrom(*client, response, checksum, number, path));
          });
    });
    return Status::OK();
  }

  static Result<PartResult> PartResultFrom(const S3Client& client, const Result<S3Response>& response,
                                           const std::pair<std::string, std::string>& checksum, size_t number,
                                           const std::string& path) {
    if (!response.ok()) return response.status();
    const std::string what = "write part " + std::to_string(number) + " of";
    if (!(*response).http.ok()) return client.ErrorFrom(*response, what, path);
    PartResult result{std::string((*response).http.header("etag")), checksum};
    if (result.etag.empty()) return Status::IoError(what + " " + client.Name(path) + ": the answer has no ETag");
    return result;
  }

  Status WaitForOldest(const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(PartResult result, in_flight_.front().result.Get(ctx));
    bytes_in_flight_ -= in_flight_.front().size;
    in_flight_.pop_front();
    parts_.push_back(std::move(result));
    return Status::OK();
  }

  Status Complete(const OpContext& ctx) {
    std::string document = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (size_t i = 0; i < parts_.size(); ++i) {
      document += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + XmlEscape(parts_[i].etag) + "</ETag>" +
                  ChecksumElement(parts_[i].checksum) + "</Part>";
    }
    document += "</CompleteMultipartUpload>";
    S3Request request;
    request.kind = S3RequestKind::kMultipart;
    request.method = HttpMethod::kPost;
    request.key = path_;
    request.query = {{"uploadId", upload_id_}};
    request.headers = client_->CustomerKeyHeaders();
    request.headers.emplace_back("content-type", "application/xml");
    request.body = {Bytes::FromString(std::move(document))};
    request.error_in_success = true;
    LANCEFS_ASSIGN_OR_RETURN(const S3Response response, client_->ExecuteAndWait(std::move(request), ctx));
    const std::string code = S3ErrorCode(response.http);
    if (response.http.ok() && code.empty()) return Status::OK();
    // The first attempt may have completed the upload, whose id is gone then.
    if (response.ambiguous && (response.http.status == 404 || code == "NoSuchUpload")) return CheckCompleted(response, ctx);
    return client_->ErrorFrom(response, "complete the upload of", path_);
  }

  Status CheckCompleted(const S3Response& response, const OpContext& ctx) {
    S3Request head;
    head.kind = S3RequestKind::kHead;
    head.method = HttpMethod::kHead;
    head.key = path_;
    head.headers = client_->CustomerKeyHeaders();
    LANCEFS_ASSIGN_OR_RETURN(const S3Response found, client_->ExecuteAndWait(std::move(head), ctx));
    const bool same_size = found.http.ok() && found.http.header("content-length") == std::to_string(position_);
    const std::string parts = "-" + std::to_string(parts_.size());
    const std::string_view etag = found.http.header("etag");
    const bool same_parts = etag.ends_with(parts + "\"") || etag.ends_with(parts);
    if (same_size && same_parts) return Status::OK();
    return client_->ErrorFrom(response, "complete the upload of", path_);
  }

  const std::shared_ptr<S3Client> client_;
  const std::string path_;
  const bool constant_parts_;
  OpContext upload_ctx_;  // of the parts in flight: they outlive the call that sent them
  std::string upload_id_;
  std::vector<Bytes> body_;  // of the next part
  std::string small_;        // its last, small writes
  uint64_t buffered_ = 0;
  uint64_t position_ = 0;
  std::deque<Part> in_flight_;  // in order of their numbers
  uint64_t bytes_in_flight_ = 0;
  std::vector<PartResult> parts_;
  bool ended_ = false;
};

}  // namespace

uint64_t S3PartSize(size_t index, bool constant) {
  if (constant) return kConstantPartSize;
  constexpr size_t kGrowEvery = 75;
  return kPartSize * (1 + index / kGrowEvery);
}

std::unique_ptr<ObjectWriter> MakeS3Writer(std::shared_ptr<S3Client> client, std::string path) {
  return std::make_unique<S3Writer>(std::move(client), std::move(path));
}

}  // namespace lancefs
