// SPDX-License-Identifier: Apache-2.0
#include "backends/option_catalog.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>

#include "base/ascii.h"

namespace lancefs {
namespace {

using enum OptionOwner;

constexpr std::array<std::string_view, 3> kPrefixes = {"aws_", "google_", "azure_"};

std::vector<StorageOptionName> ClientOptionNames() {
  std::vector<StorageOptionName> names = {{kClient, "allow_http", {"azure_storage_allow_http", "azure_storage_use_http"}}};
  for (const char* name : {"allow_invalid_certificates",
                           "disable_system_certificates",
                           "ca_bundle",
                           "connect_timeout",
                           "timeout",
                           "read_timeout",
                           "hedge_delay",
                           "pool_idle_timeout",
                           "pool_max_idle_per_host",
                           "http1_only",
                           "http2_only",
                           "http2_keep_alive_interval",
                           "http2_keep_alive_timeout",
                           "http2_keep_alive_while_idle",
                           "http2_max_frame_size",
                           "proxy_url",
                           "proxy_ca_certificate",
                           "proxy_excludes",
                           "user_agent",
                           "default_content_type",
                           "randomize_addresses",
                           "client_max_retries",
                           "client_retry_timeout"}) {
    names.push_back({kClient, name, {}});
  }
  for (const char* name : {"block_size", "download_retry_count", "use_opendal", "expires_at_millis", "refresh_offset_millis",
                           "dynamodb_endpoint", "lance_aimd_initial_rate", "lance_aimd_min_rate", "lance_aimd_max_rate",
                           "lance_aimd_decrease_factor", "lance_aimd_additive_increment", "lance_aimd_burst_capacity",
                           "lance_aimd_max_retries", "lance_aimd_min_backoff_ms", "lance_aimd_max_backoff_ms"}) {
    names.push_back({kLance, name, {}});
  }
  names.push_back({kLance, "commit_lock", {"lancefs_commit_lock"}});
  names.push_back({kLance, "commit_lock_timeout", {"lancefs_commit_lock_timeout"}});
  return names;
}

std::vector<StorageOptionName> S3OptionNames() {
  return {
      {kS3, "aws_access_key_id", {"access_key_id"}},
      {kS3, "aws_secret_access_key", {"secret_access_key"}, true},
      {kS3, "aws_session_token", {"aws_token", "session_token", "token"}, true},
      {kS3, "aws_region", {"region"}},
      {kS3, "aws_default_region", {"default_region"}},
      {kS3, "aws_endpoint", {"aws_endpoint_url", "endpoint", "endpoint_url"}},
      {kS3, "aws_endpoint_url_s3", {}},
      {kS3, "aws_virtual_hosted_style_request", {"virtual_hosted_style_request"}},
      {kS3, "aws_s3_express", {"s3_express"}},
      {kS3, "aws_bucket", {"aws_bucket_name", "bucket_name", "bucket"}},
      {kS3, "aws_unsigned_payload", {"unsigned_payload"}},
      {kS3, "aws_checksum_algorithm", {"checksum_algorithm"}},
      {kS3, "aws_skip_signature", {"skip_signature"}},
      {kS3, "aws_conditional_put", {"conditional_put"}},
      {kS3, "aws_copy_if_not_exists", {"copy_if_not_exists"}},
      {kS3, "aws_disable_tagging", {"disable_tagging"}},
      {kS3, "aws_disable_bulk_delete", {"disable_bulk_delete"}},
      {kS3, "aws_request_payer", {"request_payer"}},
      {kS3, "aws_server_side_encryption", {"server_side_encryption"}},
      {kS3, "aws_sse_kms_key_id", {"sse_kms_key_id"}},
      {kS3, "aws_sse_bucket_key_enabled", {"sse_bucket_key_enabled"}},
      {kS3, "aws_sse_customer_key_base64", {"sse_customer_key_base64"}, true},
      {kS3, "aws_metadata_endpoint", {"metadata_endpoint"}},
      {kS3, "aws_imdsv1_fallback", {"imdsv1_fallback"}},
      {kS3, "aws_container_credentials_relative_uri", {"container_credentials_relative_uri"}},
      {kS3, "aws_container_credentials_full_uri", {"container_credentials_full_uri"}},
      {kS3, "aws_container_authorization_token_file", {"container_authorization_token_file"}},
      {kS3, "aws_web_identity_token_file", {"web_identity_token_file"}},
      {kS3, "aws_role_arn", {"role_arn"}},
      {kS3, "aws_role_session_name", {"role_session_name"}},
      {kS3, "aws_endpoint_url_sts", {"endpoint_url_sts"}},
      {kS3, "aws_provider_scheme", {}},
      {kS3, "aws_profile", {"profile"}},
  };
}

std::vector<StorageOptionName> GcsOptionNames() {
  return {
      {kGcs, "google_service_account", {"service_account", "google_service_account_path", "service_account_path"}},
      {kGcs, "google_service_account_key", {"service_account_key"}, true},
      {kGcs, "google_application_credentials", {"application_credentials"}},
      {kGcs, "google_bearer_token", {"bearer_token"}, true},
      {kGcs, "google_storage_token", {}, true},
      {kGcs, "google_base_url", {"base_url"}},
      {kGcs, "google_bucket", {"google_bucket_name", "bucket", "bucket_name"}},
      {kGcs, "google_skip_signature", {"skip_signature"}},
  };
}

std::vector<StorageOptionName> AzureOptionNames() {
  return {
      {kAzure, "azure_storage_account_name", {"account_name", "azure_account_name"}},
      {kAzure,
       "azure_storage_account_key",
       {"azure_storage_access_key", "azure_storage_master_key", "account_key", "access_key", "master_key"},
       true},
      {kAzure, "azure_storage_sas_key", {"azure_storage_sas_token", "sas_key", "sas_token"}, true},
      {kAzure, "azure_storage_token", {"bearer_token", "token"}, true},
      {kAzure, "azure_storage_client_id", {"azure_client_id", "client_id"}},
      {kAzure, "azure_storage_client_secret", {"azure_client_secret", "client_secret"}, true},
      {kAzure,
       "azure_storage_tenant_id",
       {"azure_storage_authority_id", "azure_tenant_id", "azure_authority_id", "tenant_id", "authority_id"}},
      {kAzure, "azure_storage_authority_host", {"azure_authority_host", "authority_host"}},
      {kAzure, "azure_federated_token_file", {"federated_token_file"}},
      {kAzure, "azure_msi_endpoint", {"azure_identity_endpoint", "identity_endpoint", "msi_endpoint"}},
      {kAzure, "azure_object_id", {"object_id"}},
      {kAzure, "azure_msi_resource_id", {"msi_resource_id"}},
      {kAzure, "azure_use_azure_cli", {"use_azure_cli"}},
      {kAzure, "azure_credential_type", {"credential_type"}},
      {kAzure, "azure_storage_endpoint", {"azure_endpoint", "endpoint"}},
      {kAzure, "azure_storage_use_emulator", {"use_emulator", "azure_use_emulator"}},
      {kAzure, "azure_use_fabric_endpoint", {"use_fabric_endpoint"}},
      {kAzure, "azure_fabric_token_service_url", {"fabric_token_service_url"}},
      {kAzure, "azure_fabric_workload_host", {"fabric_workload_host"}},
      {kAzure, "azure_fabric_session_token", {"fabric_session_token"}, true},
      {kAzure, "azure_fabric_cluster_identifier", {"fabric_cluster_identifier"}},
      {kAzure, "azure_container_name", {"container_name"}},
      {kAzure, "azure_skip_signature", {"skip_signature"}},
      {kAzure, "azure_disable_tagging", {"disable_tagging"}},
      {kAzure, "azure_storage_encryption_key", {"encryption_key", "azure_encryption_key"}, true},
  };
}

// Stores that the Lance libraries reach in other ways: their keys are no spelling mistakes.
constexpr std::array<std::string_view, 5> kForeignPrefixes = {"oss_", "cos_", "tos_", "hf_", "goosefs_"};

// From a spelling to the options that it names; several where clouds share it ("endpoint").
const std::unordered_map<std::string, std::vector<const StorageOptionName*>>& BySpelling() {
  static const auto* index = [] {
    auto* map = new std::unordered_map<std::string, std::vector<const StorageOptionName*>>;
    for (const StorageOptionName& option : AllStorageOptions()) {
      (*map)[std::string(option.name)].push_back(&option);
      for (const std::string_view alias : option.aliases) (*map)[std::string(alias)].push_back(&option);
      if (option.owner != kClient) continue;
      for (const std::string_view prefix : kPrefixes) (*map)[std::string(prefix) + std::string(option.name)].push_back(&option);
    }
    return map;
  }();
  return *index;
}

// "base_<id>." of a normal key, or nothing.
std::string_view BaseScope(std::string_view key) {
  if (!key.starts_with("base_")) return {};
  size_t end = 5;
  while (end < key.size() && std::isdigit(static_cast<unsigned char>(key[end])) != 0) ++end;
  return end > 5 && end < key.size() && key[end] == '.' ? key.substr(0, end + 1) : std::string_view();
}
std::string WithoutScope(const std::string& key) { return key.substr(BaseScope(key).size()); }

const std::vector<const StorageOptionName*>* Find(const std::string& unscoped) {
  const auto it = BySpelling().find(unscoped);
  return it == BySpelling().end() ? nullptr : &it->second;
}

bool SoundsSecret(std::string_view key) {
  static constexpr std::array<std::string_view, 13> kParts = {
      "secret",     "token",        "password",      "passwd",         "sas_key", "account_key",        "access_key",
      "master_key", "customer_key", "authorization", "encryption_key", "cookie",  "service_account_key"};
  if (key.ends_with("access_key_id") || key.ends_with("_file") || key.ends_with("token_path")) return false;
  return std::any_of(kParts.begin(), kParts.end(),
                     [key](std::string_view part) { return key.find(part) != std::string_view::npos; });
}

bool IsHeader(std::string_view unscoped) { return unscoped.starts_with("headers.") && unscoped.size() > 8; }

bool ChooseTheEndpoint(std::string_view name) { return name == "aws_endpoint" || name == "aws_endpoint_url_s3"; }

}  // namespace

const std::vector<StorageOptionName>& AllStorageOptions() {
  static const auto* all = [] {
    auto* names = new std::vector<StorageOptionName>(ClientOptionNames());
    for (const auto& more : {S3OptionNames(), GcsOptionNames(), AzureOptionNames()})
      names->insert(names->end(), more.begin(), more.end());
    return names;
  }();
  return *all;
}

const std::vector<std::string>& AllOptionSpellings() {
  static const auto* all = [] {
    auto* names = new std::vector<std::string>;
    for (const auto& [spelling, options] : BySpelling()) names->push_back(spelling);
    std::sort(names->begin(), names->end());  // the same suggestion every time
    return names;
  }();
  return *all;
}

std::string NormalOptionKey(std::string_view key) {
  std::string normal = AsciiLower(key);
  size_t header = normal.find("headers.");
  if (header != 0 && (header == std::string::npos || normal[header - 1] != '.')) header = normal.size();
  std::replace(normal.begin(), normal.begin() + static_cast<ptrdiff_t>(header), '-', '_');
  return normal;
}

bool IsKnownOption(std::string_view key) {
  const std::string name = WithoutScope(NormalOptionKey(key));
  if (IsHeader(name) || Find(name) != nullptr) return true;
  return std::any_of(kForeignPrefixes.begin(), kForeignPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool IsSecretOption(std::string_view key) {
  const std::string name = WithoutScope(NormalOptionKey(key));
  if (const auto* options = Find(name)) {
    return std::any_of(options->begin(), options->end(), [](const StorageOptionName* option) { return option->secret; });
  }
  std::string sound = name;
  std::replace(sound.begin(), sound.end(), '-', '_');
  return SoundsSecret(sound) || (IsHeader(name) && sound.find("key") != std::string::npos);
}

bool IsSecretOptionValue(std::string_view key, std::string_view value) {
  if (IsSecretOption(key)) return true;
  const size_t scheme = value.find("://");
  if (scheme == std::string_view::npos) {
    // A proxy may be written without its scheme.
    return WithoutScope(NormalOptionKey(key)).ends_with("proxy_url") && value.find('@') != std::string_view::npos;
  }
  const std::string_view authority = value.substr(scheme + 3, value.find_first_of("/?#", scheme + 3) - scheme - 3);
  return authority.find('@') != std::string_view::npos || value.find("sig=") != std::string_view::npos;
}

bool IsSameOption(std::string_view a, std::string_view b) {
  const std::string first = NormalOptionKey(a);
  const std::string second = NormalOptionKey(b);
  if (first == second) return true;
  if (BaseScope(first) != BaseScope(second)) return false;
  const auto* of_first = Find(WithoutScope(first));
  const auto* of_second = Find(WithoutScope(second));
  if (of_first == nullptr || of_second == nullptr) return false;
  for (const StorageOptionName* x : *of_first) {
    for (const StorageOptionName* y : *of_second) {
      if (x == y || (ChooseTheEndpoint(x->name) && ChooseTheEndpoint(y->name))) return true;
    }
  }
  return false;
}

StorageOptions OverlaidOptions(StorageOptions options, const StorageOptions& stronger) {
  for (const auto& [key, value] : stronger) {
    std::erase_if(options, [&, &name = key](const auto& entry) { return IsSameOption(entry.first, name); });
  }
  options.insert(stronger.begin(), stronger.end());
  return options;
}

StorageOptions OptionsOfBase(const StorageOptions& options, uint32_t id) {
  StorageOptions common;
  StorageOptions own;
  const std::string scope = "base_" + std::to_string(id) + ".";
  for (const auto& [key, value] : options) {
    const std::string normal = NormalOptionKey(key);
    const std::string_view of = BaseScope(normal);
    if (of.empty()) {
      common[key] = value;
    } else if (of == scope) {
      own[key.substr(scope.size())] = value;
    }
  }
  return OverlaidOptions(std::move(common), own);
}

}  // namespace lancefs
