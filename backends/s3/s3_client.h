// SPDX-License-Identifier: Apache-2.0
//
// S3Client: signed S3 requests; knows buckets, regions and encryption headers, but not what the store makes of them.
//
// Thread safety: as CloudClient.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "backends/auth/sigv4.h"
#include "backends/cloud/signing_client.h"
#include "backends/s3/s3_options.h"

namespace lancefs {

class S3Client : public SigningClient<AwsCredentials, AwsCredentialProvider> {
 public:
  S3Client(S3Options options, Metrics* metrics);

  const S3Options& options() const { return options_; }
  std::string Name(const std::string& key) const override { return "s3://" + options_.bucket + "/" + key; }
  CloudError ParseError(const HttpResponse& response) const override;
  HttpHeaders NewObjectHeaders() const override;  // encryption
  HttpHeaders ReadHeaders() const override;       // the customer's key
  // Adds the checksum header for `request.body`, hashing it once.
  void AddChecksum(CloudRequest* request) const;

 protected:
  void BeforeFirst(CloudRequest* request) const override;
  Future<HttpRequest> Prepare(const CloudRequest& request, CallState* state, const OpContext& ctx) override;
  HttpRequest MakeHttpRequest(const CloudRequest& request, const AwsCredentialsPtr& credentials) const override;
  bool Adapt(const HttpResponse& http, CallState* state) override;
  StatusCode CodeFor(int status, const std::string& code) const override;

 private:
  std::string region() const;  // "" until it was found out
  void set_region(std::string region);
  bool AdaptRegionFromBody(const HttpResponse& http, CallState* state);
  std::string BaseUrl(const std::string& region) const;

  const S3Options options_;
  mutable SigV4KeyCache keys_;
  mutable std::mutex mutex_;
  std::string region_;  // guarded by mutex_
};

}  // namespace lancefs
