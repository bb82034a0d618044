// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_region.h"

#include <optional>

#include "backends/auth/aws_chain.h"
#include "base/executor.h"

namespace lancefs {
namespace {

constexpr auto kTimeout = std::chrono::seconds(40);
constexpr int kAttempts = 3;

class RegionProvider : public AwsRegionProvider, public std::enable_shared_from_this<RegionProvider> {
 public:
  RegionProvider(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata, AwsRegionSearch search)
      : context_(std::move(context)), metadata_(std::move(metadata)), search_(std::move(search)) {}

  Future<std::string> Get(const OpContext&) override {
    std::lock_guard lock(mutex_);
    if (!region_.empty()) return Future<std::string>::Ready(region_);
    if (!searching_) {
      searching_ = true;
      promise_ = Promise<std::string>();
      FetchPool().Submit([self = shared_from_this()] { self->Finish(self->Search(OpContext().WithTimeout(kTimeout))); });
    }
    return promise_.future();
  }

 private:
  void Finish(Result<std::string> found) {
    std::unique_lock lock(mutex_);
    searching_ = false;
    if (found.ok()) region_ = *found;
    const Promise<std::string> promise = promise_;
    lock.unlock();
    promise.Set(std::move(found));
  }

  Result<std::string> Search(const OpContext& ctx) {
    if (search_.ask_s3) {
      LANCEFS_ASSIGN_OR_RETURN(const std::string region, AskS3(ctx));
      if (!region.empty()) return region;
    }
    const bool named = !context_->Variable("AWS_PROFILE").empty();
    const Result<AwsProfiles> profiles = LoadAwsProfiles(*context_);
    const std::string of_profile = profiles.ok() ? profiles->Get(SelectedAwsProfile(*context_), "region") : "";
    if (named && IsRegionName(of_profile)) return of_profile;
    if (IsRegionName(search_.default_region)) return search_.default_region;
    if (IsRegionName(of_profile)) return of_profile;
    // The instance's region says something about AWS' buckets only.
    if (search_.ask_s3) {
      const Result<std::string> region = metadata_->Read("/latest/meta-data/placement/region", ctx);
      if (region.ok() && IsRegionName(TrimSpace(*region))) return std::string(TrimSpace(*region));
    }
    if (!search_.express) return std::string("us-west-2");
    return Status::InvalidArgument("the region of the bucket '" + search_.bucket + "' is not known; set aws_region");
  }

  // "" when S3 cannot be reached. Every answer but 404 names the region, also a refusal.
  Result<std::string> AskS3(const OpContext& ctx) {
    HttpRequest request;
    request.method = HttpMethod::kHead;
    // A dot in the bucket's name would break the match with the certificate *.s3.amazonaws.com.
    const bool dotted = search_.bucket.find('.') != std::string::npos;
    request.url = dotted ? "https://s3.amazonaws.com/" + search_.bucket : "https://" + search_.bucket + ".s3.amazonaws.com";
    const Result<HttpResponse> response = SendAndWait(context_->services(), request, kAttempts, ctx);
    if (response.status().Is(StatusCode::kUnavailable)) return std::string();
    if (!response.ok()) return response.status();
    if (response->status == 404 && search_.express) return std::string();
    if (response->status == 404) return Status::NotFound("the S3 bucket '" + search_.bucket + "' does not exist");
    const std::string region(response->header("x-amz-bucket-region"));
    return IsRegionName(region) ? region : std::string();
  }

  const AwsContextPtr context_;
  const std::shared_ptr<AwsInstanceMetadata> metadata_;
  const AwsRegionSearch search_;
  std::mutex mutex_;
  std::string region_;  // guarded by mutex_, like all below
  bool searching_ = false;
  Promise<std::string> promise_;
};

}  // namespace

std::shared_ptr<AwsRegionProvider> MakeAwsRegionProvider(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata,
                                                         AwsRegionSearch search) {
  return std::make_shared<RegionProvider>(std::move(context), std::move(metadata), std::move(search));
}

}  // namespace lancefs
