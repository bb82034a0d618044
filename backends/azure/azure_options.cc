// SPDX-License-Identifier: Apache-2.0
#include "backends/azure/azure_options.h"

#include <algorithm>
#include <cctype>

#include "backends/auth/azure_shared_key.h"
#include "backends/auth/digest.h"
#include "base/ascii.h"
#include "base/uri.h"

namespace lancefs {
namespace {

constexpr std::string_view kEmulatorAccount = "devstoreaccount1";
// The emulator's well-known key, which its documentation publishes.
constexpr std::string_view kEmulatorKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

// Part of host names and paths: letters, digits, dashes and, where a form has them, dots and underscores.
bool IsName(std::string_view text, std::string_view also) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [also](unsigned char c) {
    return std::isalnum(c) || c == '-' || also.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

Status NotAnAccountHost(const std::string& host) {
  return Status::InvalidArgument("'" + host +
                                 "' is not the host of a storage account: <account>.dfs.core.windows.net, "
                                 "<account>.blob.core.windows.net or one of fabric.microsoft.com");
}

Result<std::string> PlainUrl(const std::string& name, std::string url) {
  while (url.ends_with('/')) url.pop_back();
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return Status::InvalidArgument("the option '" + name + "' must start with http:// or https://");
  }
  if (url.find_first_of("?#@ ") != std::string::npos) {
    return Status::InvalidArgument("the option '" + name + "' must be a plain URL without user, query or fragment");
  }
  return url;
}

class AzureOptionParser {
 public:
  AzureOptionParser(const StorageOptions& options, const Environment& environment) : reader_(options, environment, "azure_") {}

  Result<AzureOptions> Parse(const std::string& authority) {
    LANCEFS_ASSIGN_OR_RETURN(location_, ParseAzureAuthority(authority));
    out_.container = location_.container;
    LANCEFS_ASSIGN_OR_RETURN(out_.client, ParseClientOptions(reader_));
    LANCEFS_RETURN_NOT_OK(ParseFlags());
    LANCEFS_RETURN_NOT_OK(ParseAccount());
    LANCEFS_RETURN_NOT_OK(ParseEncryption());
    LANCEFS_RETURN_NOT_OK(ParseCredentials());
    return std::move(out_);
  }

 private:
  using Names = std::vector<std::string_view>;

  std::string Text(std::string_view canonical, const Names& aliases) const {
    return reader_.Get(canonical, aliases).value_or("");
  }
  // "azure_<name>" with the alias "<name>".
  std::string Text(const std::string& name) const { return Text("azure_" + name, {name}); }

  Status Bool(std::string_view canonical, const Names& aliases, bool* field) const {
    if (const auto value = reader_.Get(canonical, aliases)) {
      LANCEFS_ASSIGN_OR_RETURN(*field, ParseBool(canonical, *value));
    }
    return Status::OK();
  }

  Status ParseFlags() {
    if (!reader_.GetClient("allow_http")) {
      LANCEFS_RETURN_NOT_OK(Bool("azure_storage_allow_http", {"azure_storage_use_http"}, &out_.client.http.allow_http));
    }
    LANCEFS_RETURN_NOT_OK(Bool("azure_storage_use_emulator", {"use_emulator", "azure_use_emulator"}, &emulator_));
    LANCEFS_RETURN_NOT_OK(Bool("azure_use_fabric_endpoint", {"use_fabric_endpoint"}, &location_.fabric));
    LANCEFS_RETURN_NOT_OK(Bool("azure_use_azure_cli", {"use_azure_cli"}, &use_cli_));
    LANCEFS_RETURN_NOT_OK(Bool("azure_skip_signature", {"skip_signature"}, &out_.skip_signature));
    // Nothing here tags objects; the key is checked all the same.
    bool ignored = false;
    return Bool("azure_disable_tagging", {"disable_tagging"}, &ignored);
  }

  Status ParseAccount() {
    out_.account = location_.account;
    if (out_.account.empty()) out_.account = Text("azure_storage_account_name", {"account_name", "azure_account_name"});
    if (out_.account.empty() && emulator_) out_.account = kEmulatorAccount;
    if (out_.account.empty()) {
      return Status::InvalidArgument("az://" + out_.container +
                                     "/ needs the name of a storage account: give azure_storage_account_name (as an option or "
                                     "AZURE_STORAGE_ACCOUNT_NAME in the environment), or use "
                                     "az://" +
                                     out_.container + "@<account>.dfs.core.windows.net/...");
    }
    if (!IsName(out_.account, "._"))
      return Status::InvalidArgument("'" + out_.account + "' is not the name of a storage account");
    return ParseEndpoint();
  }

  Status ParseEndpoint() {
    if (emulator_) {
      const std::string* url = reader_.FindEnvironment("AZURITE_BLOB_STORAGE_URL");
      const std::string base = url == nullptr || url->empty() ? "http://127.0.0.1:10000" : *url;
      LANCEFS_ASSIGN_OR_RETURN(out_.endpoint, PlainUrl("AZURITE_BLOB_STORAGE_URL", base));
      out_.endpoint += "/" + out_.account;
      out_.client.http.allow_http = true;
      return Status::OK();
    }
    out_.endpoint = location_.endpoint;
    if (!out_.endpoint.empty()) return Status::OK();
    const std::string given = Text("azure_storage_endpoint", {"azure_endpoint", "endpoint"});
    if (!given.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(out_.endpoint, PlainUrl("azure_storage_endpoint", given));
    } else {
      out_.endpoint = "https://" + out_.account + ".blob." + (location_.fabric ? "fabric.microsoft.com" : location_.cloud);
    }
    return Status::OK();
  }

  Status ParseEncryption() {
    out_.encryption_key_base64 = Text("azure_storage_encryption_key", {"encryption_key", "azure_encryption_key"});
    if (out_.encryption_key_base64.empty()) return Status::OK();
    const Result<std::string> key = Base64Decode(out_.encryption_key_base64);
    if (!key.ok() || key->size() != 32) {
      return Status::InvalidArgument("the option 'azure_storage_encryption_key' must be the base64 of a 32-byte key");
    }
    out_.encryption_key_sha256_base64 = Base64Encode(Sha256(*key));
    return Status::OK();
  }

  // ---- Credentials ----

  void ReadCredentials() {
    key_ = Text("azure_storage_account_key",
                {"azure_storage_access_key", "azure_storage_master_key", "account_key", "access_key", "master_key"});
    sas_ = Text("azure_storage_sas_key", {"azure_storage_sas_token", "sas_key", "sas_token"});
    token_ = Text("azure_storage_token", {"bearer_token", "token"});
    AzureIdentity& id = identity_;
    id.http = out_.client.http;
    id.client_id = Text("azure_storage_client_id", {"azure_client_id", "client_id"});
    id.client_secret = Text("azure_storage_client_secret", {"azure_client_secret", "client_secret"});
    id.tenant_id = Text("azure_storage_tenant_id",
                        {"azure_storage_authority_id", "azure_tenant_id", "azure_authority_id", "tenant_id", "authority_id"});
    id.federated_token_file = Text("federated_token_file");
    id.object_id = Text("object_id");
    id.msi_resource_id = Text("msi_resource_id");
    id.fabric_token_service_url = Text("fabric_token_service_url");
    id.fabric_workload_host = Text("fabric_workload_host");
    id.fabric_session_token = Text("fabric_session_token");
    id.fabric_cluster_identifier = Text("fabric_cluster_identifier");
    id.fabric_first_token = token_;
    if (const std::string* header = reader_.FindEnvironment("IDENTITY_HEADER")) id.identity_header = *header;
  }

  Status ReadAddresses() {
    const std::string authority = Text("azure_storage_authority_host", {"azure_authority_host", "authority_host"});
    if (!authority.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(identity_.authority_host, PlainUrl("azure_storage_authority_host", authority));
    }
    std::string msi = Text("azure_msi_endpoint", {"azure_identity_endpoint", "identity_endpoint", "msi_endpoint"});
    // The name under which App Service and its kin give it.
    if (const std::string* platform = reader_.FindEnvironment("IDENTITY_ENDPOINT"); msi.empty() && platform != nullptr) {
      msi = *platform;
    }
    if (msi.empty()) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(identity_.msi_endpoint, PlainUrl("azure_msi_endpoint", msi));
    return Status::OK();
  }

  static Status Missing(const std::string& type, const std::string& what) {
    return Status::Unauthenticated("azure_credential_type=" + type + " needs " + what);
  }

  Status ParseCredentials() {
    ReadCredentials();
    const std::string type = AsciiLower(Text("credential_type"));
    if (out_.skip_signature) return Status::OK();
    LANCEFS_RETURN_NOT_OK(ReadAddresses());
    if (emulator_) return UseEmulator();
    if (type.empty() || type == "auto") return UseFirst();
    if (type == "bearer_token") return token_.empty() ? Missing(type, "azure_storage_token") : UseToken();
    if (type == "access_key") return key_.empty() ? Missing(type, "azure_storage_account_key") : UseKey(key_);
    if (type == "sas_token") return sas_.empty() ? Missing(type, "azure_storage_sas_token") : UseSas();
    if (type == "client_secret") {
      if (!HasClientSecret()) return Missing(type, "azure_client_id, azure_client_secret and azure_tenant_id");
      return Use(MakeAzureClientSecretSource(identity_));
    }
    if (type == "workload_identity") {
      if (!HasWorkloadIdentity()) return Missing(type, "azure_client_id, azure_tenant_id and azure_federated_token_file");
      return Use(MakeAzureWorkloadIdentitySource(identity_));
    }
    if (type == "azure_cli") return Use(MakeAzureCliSource());
    if (type == "managed_identity") return Use(MakeAzureManagedIdentitySource(identity_));
    return Status::InvalidArgument(
        "the option 'azure_credential_type' must be auto, bearer_token, access_key, client_secret, workload_identity, sas_token, "
        "azure_cli or managed_identity");
  }

  bool HasClientSecret() const {
    return !identity_.client_id.empty() && !identity_.client_secret.empty() && !identity_.tenant_id.empty();
  }
  bool HasWorkloadIdentity() const {
    return !identity_.client_id.empty() && !identity_.tenant_id.empty() && !identity_.federated_token_file.empty();
  }
  bool HasFabric() const {
    return !identity_.fabric_token_service_url.empty() && !identity_.fabric_workload_host.empty() &&
           !identity_.fabric_session_token.empty() && !identity_.fabric_cluster_identifier.empty();
  }

  Status UseFirst() {
    if (HasFabric()) return Use(MakeAzureFabricSource(identity_));
    if (!token_.empty()) return UseToken();
    if (!key_.empty()) return UseKey(key_);
    if (HasWorkloadIdentity()) return Use(MakeAzureWorkloadIdentitySource(identity_));
    if (HasClientSecret()) return Use(MakeAzureClientSecretSource(identity_));
    if (!sas_.empty()) return UseSas();
    if (use_cli_) return Use(MakeAzureCliSource());
    return Use(MakeAzureManagedIdentitySource(identity_));
  }

  Status UseEmulator() {
    if (!key_.empty()) return UseKey(key_);
    if (!token_.empty()) return UseToken();
    if (!sas_.empty()) return UseSas();
    return UseKey(std::string(kEmulatorKey));
  }

  Status Use(TokenSourcePtr source) {
    out_.tokens = MakeCachedToken(std::move(source));
    return Status::OK();
  }
  Status UseToken() {
    if (!IsTokenText(token_)) return Status::InvalidArgument("the option 'azure_storage_token' has spaces or control characters");
    out_.tokens = MakeStaticToken(token_);
    return Status::OK();
  }
  Status UseKey(const std::string& key) {
    const Result<std::string> decoded = Base64Decode(key);
    if (!decoded.ok() || decoded->empty()) {
      return Status::InvalidArgument("the option 'azure_storage_account_key' is not base64 text");
    }
    out_.account_key = *decoded;
    return Status::OK();
  }
  Status UseSas() {
    auto pairs = ParseSas(sas_);
    if (!pairs.ok()) return pairs.status().WithContext("the option 'azure_storage_sas_token'");
    out_.sas = *std::move(pairs);
    return Status::OK();
  }

  OptionReader reader_;
  AzureOptions out_;
  AzureLocation location_;
  AzureIdentity identity_;
  bool emulator_ = false;
  bool use_cli_ = false;
  std::string key_;
  std::string sas_;
  std::string token_;
};

}  // namespace

Result<AzureLocation> ParseAzureAuthority(const std::string& authority) {
  AzureLocation out;
  const size_t at = authority.find('@');
  out.container = authority.substr(0, at);
  // "$web", "$root" and "$logs" are containers of their own kind; Fabric's workspaces may have dots.
  const std::string_view plain = std::string_view(out.container).substr(out.container.starts_with('$') ? 1 : 0);
  if (!IsName(plain, at == std::string::npos ? "_" : "_.")) {
    return Status::InvalidArgument("'" + out.container + "' is not the name of a container");
  }
  if (at == std::string::npos) return out;
  const std::string host = AsciiLower(authority.substr(at + 1));
  const size_t dot = host.find('.');
  if (dot == std::string::npos || dot == 0 || !IsName(host, ".")) return NotAnAccountHost(authority.substr(at + 1));
  const std::string rest = host.substr(dot + 1);
  out.account = host.substr(0, dot);
  if (rest.starts_with('z') && rest.ends_with(".fabric.microsoft.com")) {
    // A private link of a workspace: <workspace>.z??.(onelake|dfs|blob).fabric.microsoft.com
    out.account += "." + rest.substr(0, rest.find('.'));
    out.endpoint = "https://" + host;
    out.fabric = true;
    return out;
  }
  if (rest == "dfs.fabric.microsoft.com" || rest == "blob.fabric.microsoft.com") {
    out.fabric = true;
    return out;
  }
  // The public cloud, China's and the US government's.
  for (const char* cloud : {"core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net"}) {
    if (rest != std::string("dfs.") + cloud && rest != std::string("blob.") + cloud) continue;
    out.cloud = cloud;
    return out;
  }
  return NotAnAccountHost(authority.substr(at + 1));
}

Result<AzureOptions> ParseAzureOptions(const std::string& authority, const StorageOptions& options,
                                       const Environment& environment) {
  return AzureOptionParser(options, environment).Parse(authority);
}

}  // namespace lancefs
