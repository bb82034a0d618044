// SPDX-License-Identifier: Apache-2.0
//
// For tests/interop/test_google_signing.py: each line of stdin is {"private_key", "private_key_id", "client_email", "now"}; the
// answer is the token of that service account.
#include <iostream>
#include <nlohmann/json.hpp>

#include "backends/auth/google_credentials.h"
#include "backends/auth/rsa_signer.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = nlohmann::json::parse(line);
    const auto signer = lancefs::RsaSigner::FromPem(request.at("private_key").get<std::string>());
    if (!signer.ok()) {
      std::cerr << signer.status().ToString() << "\n";
      return 1;
    }
    const auto token =
        lancefs::SignServiceAccountToken(**signer, request.at("client_email").get<std::string>(),
                                         request.at("private_key_id").get<std::string>(), request.at("now").get<int64_t>());
    if (!token.ok()) {
      std::cerr << token.status().ToString() << "\n";
      return 1;
    }
    std::cout << *token << "\n";
  }
  return 0;
}
