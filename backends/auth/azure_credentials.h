// SPDX-License-Identifier: Apache-2.0
//
// The ways to get a token for Azure storage: a client secret, a federated token (workload identity), the managed identity of the
// machine, the Azure CLI, and the token service of Fabric.
//
// Thread safety: as TokenSource.
#pragma once

#include <string>

#include "backends/auth/token_provider.h"
#include "backends/http/http_client.h"

namespace lancefs {

struct AzureIdentity {
  HttpConfig http;  // the store's client options: TLS roots, proxy, whether http:// is allowed
  std::string tenant_id;
  std::string client_id;
  std::string client_secret;
  std::string authority_host = "https://login.microsoftonline.com";
  std::string federated_token_file;
  // Managed identity.
  std::string msi_endpoint = "http://169.254.169.254/metadata/identity/oauth2/token";
  std::string identity_header;  // the platform's secret, where it gives one
  std::string object_id;
  std::string msi_resource_id;
  // Fabric.
  std::string fabric_token_service_url;
  std::string fabric_workload_host;
  std::string fabric_session_token;
  std::string fabric_cluster_identifier;
  std::string fabric_first_token;  // used while it is valid
};

// tenant_id, client_id, client_secret.
TokenSourcePtr MakeAzureClientSecretSource(const AzureIdentity& identity);
// tenant_id, client_id and the file, which is read anew for each fetch.
TokenSourcePtr MakeAzureWorkloadIdentitySource(const AzureIdentity& identity);
// The identity is named by msi_resource_id, else object_id, else client_id, else it is the machine's own.
TokenSourcePtr MakeAzureManagedIdentitySource(const AzureIdentity& identity);
// Runs `az account get-access-token`, without a shell.
TokenSourcePtr MakeAzureCliSource(std::string program = "az");
TokenSourcePtr MakeAzureFabricSource(const AzureIdentity& identity);

// When a JSON web token ends, if it says so; nothing is verified.
std::optional<std::chrono::system_clock::time_point> JwtExpiry(std::string_view token);
// What `az account get-access-token --output json` printed. Errors: kUnauthenticated; the message shows nothing of it.
Result<AccessToken> ParseAzureCliAnswer(std::string_view json);

}  // namespace lancefs
