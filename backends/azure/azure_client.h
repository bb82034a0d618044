// SPDX-License-Identifier: Apache-2.0
//
// AzureClient: signed requests to one container of Azure Blob storage; knows accounts, keys, tokens and headers, but not what the
// store makes of them.
//
// Thread safety: as CloudClient.
#pragma once

#include <memory>
#include <string>

#include "backends/azure/azure_options.h"
#include "backends/cloud/signing_client.h"

namespace lancefs {

class AzureClient : public SigningClient<AccessToken, TokenProvider> {
 public:
  AzureClient(AzureOptions options, Metrics* metrics);

  std::string Name(const std::string& key) const override { return "az://" + options_.container + "/" + key; }
  CloudError ParseError(const HttpResponse& response) const override;
  HttpHeaders ReadHeaders() const override;       // the customer's key
  HttpHeaders NewObjectHeaders() const override;  // of PUT Blob
  bool has_customer_key() const { return !options_.encryption_key_base64.empty(); }
  // The URL of a blob as the source of a copy. Secret: it may carry a SAS.
  std::string CopySource(const std::string& key) const;

 protected:
  HttpRequest MakeHttpRequest(const CloudRequest& request, const AccessTokenPtr& token) const override;
  bool Adapt(const HttpResponse& http, CallState* state) override;
  bool IsPassing(std::string_view code) const override;
  StatusCode CodeFor(int status, const std::string& code) const override;

 private:
  std::string PathOf(const std::string& key) const;  // as it goes over the wire
  bool signs_with_sas() const;

  const AzureOptions options_;
};

}  // namespace lancefs
