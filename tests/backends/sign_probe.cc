// SPDX-License-Identifier: Apache-2.0
//
// Signs the requests that come as JSON lines on stdin and prints a JSON line for each: the URL that
// would be sent and the Authorization header. tests/interop/test_aws_signing.py compares them with botocore's,
// test_azure_signing.py with azure-storage-blob's ("service": "azure").
#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/auth/azure_shared_key.h"
#include "backends/auth/digest.h"
#include "backends/auth/sigv4.h"
#include "base/uri.h"

namespace {

using Json = nlohmann::json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

Json Sign(const Json& in, lancefs::SigV4KeyCache* cache) {
  const std::string path = "/" + lancefs::PercentEncode(in.at("key").get<std::string>(), "/");
  const Pairs query = in.at("query").get<Pairs>();
  const Pairs headers = in.at("headers").get<Pairs>();
  const std::string method = in.at("method");
  const std::string hash = in.at("payload_hash");
  const std::string date = in.at("date");
  const std::string region = in.at("region");
  const std::string service = in.at("service");
  const lancefs::AwsCredentials credentials{in.at("access_key"), in.at("secret_key"), in.at("token"), std::nullopt};
  const lancefs::SigV4Request request{method, path, query, headers, hash};
  const std::string text = lancefs::CanonicalQuery(query);
  return {{"url", path + (text.empty() ? "" : "?" + text)},
          {"authorization", lancefs::SigV4Authorization(request, credentials, date, region, service, cache)}};
}

Json SignAzure(const Json& in) {
  const std::string path = in.at("base").get<std::string>() + "/" + lancefs::PercentEncode(in.at("key").get<std::string>(), "/");
  const std::string method = in.at("method");
  const Pairs query = in.at("query").get<Pairs>();
  const lancefs::AzureRequest request{method, path, query, in.at("headers").get<Pairs>(),
                                      in.at("content_length").get<uint64_t>()};
  const std::string text = lancefs::CanonicalQuery(query);
  const std::string key = *lancefs::Base64Decode(in.at("account_key").get<std::string>());
  return {{"url", path + (text.empty() ? "" : "?" + text)},
          {"authorization", lancefs::AzureSharedKeyAuthorization(request, in.at("account").get<std::string>(), key)}};
}

}  // namespace

int main() {
  lancefs::SigV4KeyCache cache;
  for (std::string line; std::getline(std::cin, line);) {
    const Json in = Json::parse(line);
    std::cout << (in.at("service") == "azure" ? SignAzure(in) : Sign(in, &cache)).dump() << "\n";
  }
  return 0;
}
