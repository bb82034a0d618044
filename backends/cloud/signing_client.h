// SPDX-License-Identifier: Apache-2.0
//
// SigningClient: a CloudClient whose requests carry credentials that a provider keeps: AWS' or a bearer token.
//
// Thread safety: as CloudClient.
#pragma once

#include <memory>
#include <utility>

#include "backends/cloud/cloud_client.h"

namespace lancefs {

template <typename Credential, typename Provider>
class SigningClient : public CloudClient {
 protected:
  using CredentialPtr = std::shared_ptr<const Credential>;

  // Without a provider requests go without credentials.
  SigningClient(ClientOptions options, std::shared_ptr<Provider> provider, Metrics* metrics)
      : CloudClient(std::move(options), metrics), provider_(std::move(provider)) {}

  virtual HttpRequest MakeHttpRequest(const CloudRequest& request, const CredentialPtr& credential) const = 0;

  Future<HttpRequest> Prepare(const CloudRequest& request, CallState* state, const OpContext& ctx) override {
    if (provider_ == nullptr) return Future<HttpRequest>::Ready(MakeHttpRequest(request, nullptr));
    Promise<HttpRequest> prepared;
    // `request` and `state` belong to the call, which waits for this future.
    provider_->Get(ctx).OnDone([this, &request, state, prepared](const Result<CredentialPtr>& credential) {
      if (!credential.ok()) return prepared.Set(credential.status());
      state->credentials = *credential;
      prepared.Set(MakeHttpRequest(request, *credential));
    });
    return prepared.future();
  }

  // The store refused what the last attempt carried; false when there is nothing else to try it with. Once an operation.
  bool RenewCredentials(CallState* state) {
    if (state->credentials == nullptr || state->credentials_renewed) return false;
    state->credentials_renewed = true;
    return provider_->Invalidate(std::static_pointer_cast<const Credential>(state->credentials));
  }

 private:
  const std::shared_ptr<Provider> provider_;
};

}  // namespace lancefs
