// SPDX-License-Identifier: Apache-2.0
//
// GcsClient: requests of Google Cloud Storage's XML API, with bearer tokens.
//
// Thread safety: as CloudClient.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/cloud/signing_client.h"
#include "backends/gcs/gcs_options.h"

namespace lancefs {

// Every byte but letters and digits as %XX: what buckets and keys are in a URL.
std::string GcsEncode(std::string_view text);

class GcsClient : public SigningClient<AccessToken, TokenProvider> {
 public:
  GcsClient(GcsOptions options, Metrics* metrics);

  std::string Name(const std::string& key) const override { return "gs://" + options_.bucket + "/" + key; }
  CloudError ParseError(const HttpResponse& response) const override;
  HttpHeaders NewObjectHeaders() const override;
  // What names an object as the source of a copy.
  std::string CopySource(const std::string& key) const { return options_.bucket + "/" + GcsEncode(key); }

 protected:
  HttpRequest MakeHttpRequest(const CloudRequest& request, const AccessTokenPtr& token) const override;
  bool Adapt(const HttpResponse& http, CallState* state) override;

 private:
  const GcsOptions options_;
  const std::string bucket_url_;
};

}  // namespace lancefs
