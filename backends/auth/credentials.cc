// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/credentials.h"

namespace lancefs {
namespace {

class StaticAwsCredentials : public AwsCredentialProvider {
 public:
  explicit StaticAwsCredentials(AwsCredentials credentials)
      : credentials_(std::make_shared<const AwsCredentials>(std::move(credentials))) {}
  Future<AwsCredentialsPtr> Get(const OpContext&) override { return Future<AwsCredentialsPtr>::Ready(credentials_); }
  bool Invalidate(const AwsCredentialsPtr&) override { return false; }

 private:
  AwsCredentialsPtr credentials_;
};

}  // namespace

std::shared_ptr<AwsCredentialProvider> MakeStaticAwsCredentials(AwsCredentials credentials) {
  return std::make_shared<StaticAwsCredentials>(std::move(credentials));
}

}  // namespace lancefs
