// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/part_writer.h"

#include <algorithm>
#include <deque>

#include "base/executor.h"

namespace lancefs {
namespace {

constexpr size_t kPartsInFlight = 8;
constexpr uint64_t kBytesInFlight = 128ull << 20;
constexpr size_t kSmallWrite = 64 * 1024;  // smaller writes are gathered, larger ones kept as they are

struct Part {
  uint64_t size = 0;
  Future<UploadedPart> result;
};

class PartWriter : public ObjectWriter {
 public:
  PartWriter(std::shared_ptr<CloudClient> client, std::string path, std::shared_ptr<PartProtocol> protocol)
      : client_(std::move(client)), path_(std::move(path)), protocol_(std::move(protocol)) {}
  ~PartWriter() override { Abort(); }

  uint64_t position() const override { return position_; }

  Status Write(Bytes bytes, const OpContext& ctx) override {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    if (ended_) return Status::Internal("write after the end of " + client_->Name(path_));
    position_ += bytes.size();
    while (!bytes.empty()) {
      const uint64_t wanted = protocol_->PartSize(parts_.size() + in_flight_.size());
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
    if (!started_) {
      LANCEFS_RETURN_NOT_OK(PutWhole(ctx));
    } else {
      if (buffered_ > 0) LANCEFS_RETURN_NOT_OK(SendPart(ctx));
      while (!in_flight_.empty()) LANCEFS_RETURN_NOT_OK(WaitForOldest(ctx));
      LANCEFS_RETURN_NOT_OK(protocol_->Complete(parts_, position_, ctx));
    }
    ended_ = true;
    return Status::OK();
  }

  void Abort() override {
    if (ended_) return;
    ended_ = true;
    upload_ctx_.cancel.Cancel();
    body_.clear();
    if (!started_) return;
    const OpContext ctx = OpContext().WithTimeout(std::chrono::seconds(10));
    // A part that arrives behind the abort would be stored for ever.
    for (const Part& part : in_flight_) (void)part.result.Get(ctx);
    in_flight_.clear();
    protocol_->Cancel(ctx);
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
    FlushSmall();
    // The body is kept until it is sent: Finish may be tried again.
    LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client_->ExecuteAndWait(protocol_->WholeRequest(body_), ctx));
    if (!response.http.ok()) return client_->ErrorFrom(response, "write", path_);
    body_.clear();
    return Status::OK();
  }

  // Sends what is buffered as the next part, after room was made for it.
  Status SendPart(const OpContext& ctx) {
    if (!started_) LANCEFS_RETURN_NOT_OK(protocol_->Start(ctx));
    started_ = true;
    const size_t number = parts_.size() + in_flight_.size() + 1;
    if (number > protocol_->max_parts())
      return Status::TooLarge(client_->Name(path_) + " needs more than " + std::to_string(protocol_->max_parts()) + " parts");
    while (!in_flight_.empty() && (in_flight_.size() >= kPartsInFlight || bytes_in_flight_ + buffered_ > kBytesInFlight)) {
      LANCEFS_RETURN_NOT_OK(WaitForOldest(ctx));
    }
    Part part{buffered_, {}};
    bytes_in_flight_ += buffered_;
    auto body = std::make_shared<std::vector<Bytes>>(TakeBody());
    Promise<UploadedPart> promise;
    part.result = promise.future();
    in_flight_.push_back(std::move(part));
    // Hashing is work for the CPU pool, so that the caller can go on encoding.
    CpuPool().Submit([client = client_, protocol = protocol_, body, promise, ctx = upload_ctx_, number, path = path_] {
      CloudRequest request = protocol->PartRequest(number, std::move(*body));
      HttpHeaders headers = request.headers;
      client->Execute(std::move(request), ctx)
          .OnDone([client, protocol, promise, headers = std::move(headers), number, path](const Result<CloudResponse>& response) {
            if (!response.ok()) return promise.Set(response.status());
            if ((*response).http.ok()) return promise.Set(protocol->ResultOf(number, headers, (*response).http));
            promise.Set(client->ErrorFrom(*response, "write part " + std::to_string(number) + " of", path));
          });
    });
    return Status::OK();
  }

  Status WaitForOldest(const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(UploadedPart result, in_flight_.front().result.Get(ctx));
    bytes_in_flight_ -= in_flight_.front().size;
    in_flight_.pop_front();
    parts_.push_back(std::move(result));
    return Status::OK();
  }

  const std::shared_ptr<CloudClient> client_;
  const std::string path_;
  const std::shared_ptr<PartProtocol> protocol_;
  OpContext upload_ctx_;     // of the parts in flight: they outlive the call that sent them
  std::vector<Bytes> body_;  // of the next part
  std::string small_;        // its last, small writes
  uint64_t buffered_ = 0;
  uint64_t position_ = 0;
  std::deque<Part> in_flight_;  // in order of their numbers
  uint64_t bytes_in_flight_ = 0;
  std::vector<UploadedPart> parts_;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace

uint64_t GrowingPartSize(size_t index) {
  constexpr uint64_t kStep = 8ull << 20;
  constexpr size_t kGrowEvery = 75;
  return kStep * (1 + index / kGrowEvery);
}

std::unique_ptr<ObjectWriter> MakePartWriter(std::shared_ptr<CloudClient> client, std::string path,
                                             std::shared_ptr<PartProtocol> protocol) {
  return std::make_unique<PartWriter>(std::move(client), std::move(path), std::move(protocol));
}

}  // namespace lancefs
