// SPDX-License-Identifier: Apache-2.0
#include "backends/s3/s3_options.h"

#include <algorithm>
#include <cctype>

#include "backends/auth/aws_chain.h"
#include "backends/auth/aws_sts.h"
#include "backends/auth/digest.h"
#include "backends/s3/s3_session.h"
#include "base/ascii.h"

namespace lancefs {
namespace {

Status CheckBucket(const std::string& bucket) {
  const bool valid = !bucket.empty() && bucket.size() <= 255 && std::all_of(bucket.begin(), bucket.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_';
  });
  if (!valid) return Status::InvalidArgument("'" + bucket + "' is not a bucket name");
  return Status::OK();
}

class S3OptionParser {
 public:
  S3OptionParser(const std::string& bucket, const StorageOptions& options, const Environment& environment)
      : environment_(environment), reader_(options, environment, "aws_") {
    out_.bucket = bucket;
  }

  Result<S3Options> Parse() {
    LANCEFS_RETURN_NOT_OK(CheckBucket(out_.bucket));
    LANCEFS_ASSIGN_OR_RETURN(out_.client, ParseClientOptions(reader_));
    LANCEFS_RETURN_NOT_OK(ParseFlags());
    LANCEFS_RETURN_NOT_OK(ParseContext());
    LANCEFS_RETURN_NOT_OK(ParseEndpoint());
    LANCEFS_RETURN_NOT_OK(ParseRegion());
    LANCEFS_RETURN_NOT_OK(ParseChecksum());
    LANCEFS_RETURN_NOT_OK(ParseEncryption());
    LANCEFS_RETURN_NOT_OK(ParseConditionalPut());
    LANCEFS_RETURN_NOT_OK(ParseCredentials());
    return std::move(out_);
  }

 private:
  // "aws_<name>" with the alias "<name>".
  std::optional<std::string> Get(const std::string& name) const { return reader_.Get("aws_" + name, {name}); }

  Status Bool(const std::string& name, bool* field) const {
    if (const auto value = Get(name)) {
      LANCEFS_ASSIGN_OR_RETURN(*field, ParseBool(name, *value));
    }
    return Status::OK();
  }

  Status ParseFlags() {
    LANCEFS_RETURN_NOT_OK(Bool("virtual_hosted_style_request", &out_.virtual_hosted));
    LANCEFS_RETURN_NOT_OK(Bool("unsigned_payload", &out_.unsigned_payload));
    LANCEFS_RETURN_NOT_OK(Bool("skip_signature", &out_.skip_signature));
    // Nothing here tags objects or deletes in bulk; the keys are checked all the same.
    bool ignored = false;
    LANCEFS_RETURN_NOT_OK(Bool("disable_tagging", &ignored));
    LANCEFS_RETURN_NOT_OK(Bool("disable_bulk_delete", &ignored));
    out_.express = out_.bucket.ends_with("--x-s3") || out_.bucket.ends_with("--xa-s3");
    LANCEFS_RETURN_NOT_OK(Bool("s3_express", &out_.express));
    if (out_.express && S3ExpressZone(out_.bucket).empty()) {
      return Status::InvalidArgument("the bucket '" + out_.bucket +
                                     "' names no zone; S3 Express buckets end with --<zone>--x-s3");
    }
    if (const auto payer = Get("request_payer")) {
      if (AsciiLower(*payer) == "requester") {
        out_.request_payer = true;
      } else {
        LANCEFS_ASSIGN_OR_RETURN(out_.request_payer, ParseBool("request_payer", *payer));
      }
    }
    return Status::OK();
  }

  Status ParseEndpoint() {
    // An option of either name beats the environment's value of either name.
    static const Environment kNoEnvironment;
    const OptionReader options_only = reader_.WithEnvironment(kNoEnvironment);
    auto endpoint = options_only.Get("aws_endpoint_url_s3", {});
    if (!endpoint) endpoint = options_only.Get("aws_endpoint", kEndpointAliases);
    if (!endpoint) endpoint = reader_.Get("aws_endpoint_url_s3", {});
    if (!endpoint) endpoint = reader_.Get("aws_endpoint", kEndpointAliases);
    // A profile is looked into for an endpoint only when it was chosen by name.
    if (!endpoint && !context_->Variable("AWS_PROFILE").empty()) {
      LANCEFS_ASSIGN_OR_RETURN(const AwsProfiles profiles, LoadAwsProfiles(*context_));
      endpoint = ConfiguredEndpoint(*context_, profiles, "s3");
    }
    if (!endpoint || endpoint->empty()) return Status::OK();
    out_.endpoint = *endpoint;
    while (out_.endpoint.ends_with('/')) out_.endpoint.pop_back();
    const std::string_view text = out_.endpoint;
    if (!text.starts_with("http://") && !text.starts_with("https://")) {
      return Status::InvalidArgument("the option 'aws_endpoint' must start with http:// or https://");
    }
    if (text.find_first_of("?#@ ") != std::string_view::npos) {
      return Status::InvalidArgument("the option 'aws_endpoint' must be a plain URL without user, query or fragment");
    }
    return Status::OK();
  }

  Status ParseChecksum() {
    const auto value = Get("checksum_algorithm");
    if (!value || value->empty()) return Status::OK();
    const std::string name = AsciiLower(*value);
    if (name == "sha256") {
      out_.checksum = S3Checksum::kSha256;
    } else if (name == "crc64nvme") {
      out_.checksum = S3Checksum::kCrc64Nvme;
    } else {
      return Status::InvalidArgument("the option 'aws_checksum_algorithm' must be sha256 or crc64nvme");
    }
    return Status::OK();
  }

  Status ParseEncryption() {
    const auto kind = Get("server_side_encryption");
    if (const auto key = Get("sse_kms_key_id")) out_.kms_key_id = *key;
    if (const auto flag = Get("sse_bucket_key_enabled"); flag && !flag->empty()) {
      LANCEFS_ASSIGN_OR_RETURN(const bool enabled, ParseBool("sse_bucket_key_enabled", *flag));
      out_.bucket_key_enabled = enabled ? "true" : "false";
    }
    if (!kind || kind->empty()) return Status::OK();
    if (*kind == "AES256") {
      out_.encryption = S3Encryption::kSseS3;
    } else if (*kind == "aws:kms") {
      out_.encryption = S3Encryption::kKms;
    } else if (*kind == "aws:kms:dsse") {
      out_.encryption = S3Encryption::kKmsDsse;
    } else if (*kind == "sse-c") {
      return ParseCustomerKey();
    } else {
      return Status::InvalidArgument("the option 'aws_server_side_encryption' must be AES256, aws:kms, aws:kms:dsse or sse-c");
    }
    return Status::OK();
  }

  Status ParseCustomerKey() {
    out_.encryption = S3Encryption::kCustomerKey;
    out_.customer_key_base64 = Get("sse_customer_key_base64").value_or("");
    const Result<std::string> key = Base64Decode(out_.customer_key_base64);
    if (!key.ok() || key->size() != 32) {
      return Status::InvalidArgument("the option 'aws_sse_customer_key_base64' must be the base64 of a 32-byte key");
    }
    out_.customer_key_md5_base64 = Base64Encode(Md5(*key));
    return Status::OK();
  }

  Status ParseConditionalPut() {
    const auto value = Get("conditional_put");
    if (!value || value->empty() || AsciiLower(*value) == "etag") return Status::OK();
    if (AsciiLower(*value) != "disabled")
      return Status::InvalidArgument("the option 'aws_conditional_put' must be etag or disabled");
    out_.conditional_put = false;
    return Status::OK();
  }

  // What the credential sources see: the environment, with options in the place of variables.
  Status ParseContext() {
    AwsContextOptions context;
    context.environment = environment_;
    context.http = out_.client.http;
    context.region = Get("region").value_or("");
    static constexpr std::pair<const char*, const char*> kOverrides[] = {
        {"profile", "AWS_PROFILE"},
        {"metadata_endpoint", "AWS_EC2_METADATA_SERVICE_ENDPOINT"},
        {"container_credentials_relative_uri", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
        {"container_credentials_full_uri", "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
        {"container_authorization_token_file", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
        {"web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"},
        {"role_arn", "AWS_ROLE_ARN"},
        {"role_session_name", "AWS_ROLE_SESSION_NAME"},
        {"endpoint_url_sts", "AWS_ENDPOINT_URL_STS"},
    };
    for (const auto& [option, variable] : kOverrides) {
      if (const auto value = Get(option)) context.environment[variable] = *value;
    }
    LANCEFS_RETURN_NOT_OK(Bool("imdsv1_fallback", &context.imdsv1_fallback));
    context_ = std::make_shared<const AwsContext>(std::move(context));
    metadata_ = std::make_shared<AwsInstanceMetadata>(context_);
    return Status::OK();
  }

  // AWS itself is asked for the region, with the first request; other stores take any, or say theirs.
  Status ParseRegion() {
    out_.region = Get("region").value_or("");
    if (!out_.region.empty()) return Status::OK();
    AwsRegionSearch search;
    search.bucket = out_.bucket;
    search.ask_s3 = out_.endpoint.empty();
    search.default_region = Get("default_region").value_or("");
    search.express = out_.express;
    out_.find_region = MakeAwsRegionProvider(context_, metadata_, std::move(search));
    return Status::OK();
  }

  Status ParseCredentials() {
    const std::string scheme = reader_.Get("aws_provider_scheme", {}).value_or("");
    if (!scheme.empty() && scheme != "token" && scheme != "ecs" && scheme != "irsa") {
      return Status::InvalidArgument("the option 'aws_provider_scheme' must be token, ecs or irsa");
    }
    if (out_.skip_signature) return Status::OK();
    LANCEFS_RETURN_NOT_OK(ParseSource(scheme));
    if (!out_.express) return Status::OK();
    // These wait for the user's own credentials, which other threads fetch.
    static Executor* session_pool = MakeThreadPool(0, 16, "lancefs-session").release();
    S3SessionOptions session{out_.bucket, out_.region, out_.find_region, out_.credentials};
    out_.credentials = MakeCachedAwsCredentials(MakeS3SessionSource(context_, std::move(session)), session_pool);
    return Status::OK();
  }

  Status ParseSource(const std::string& scheme) {
    AwsCredentials keys;
    keys.access_key_id = Get("access_key_id").value_or("");
    keys.secret_access_key = Get("secret_access_key").value_or("");
    keys.session_token = reader_.Get("aws_session_token", {"aws_token", "session_token", "token"}).value_or("");
    const bool have_keys = !keys.access_key_id.empty() && !keys.secret_access_key.empty();
    if (scheme == "token" && !have_keys) {
      return Status::Unauthenticated("aws_provider_scheme=token needs aws_access_key_id and aws_secret_access_key");
    }
    if (have_keys && scheme != "ecs" && scheme != "irsa") {
      out_.credentials = MakeStaticAwsCredentials(std::move(keys));
      return Status::OK();
    }
    AwsSourcePtr source;
    if (scheme.empty()) {
      source = MakeDefaultAwsSource(context_, metadata_);
    } else {
      std::vector<AwsSourcePtr> only;
      only.push_back(scheme == "ecs" ? MakeContainerSource(context_) : MakeWebIdentitySource(context_));
      source = MakeSourceChain(std::move(only));
    }
    out_.credentials = MakeCachedAwsCredentials(std::move(source));
    return Status::OK();
  }

  inline static const std::vector<std::string_view> kEndpointAliases = {"aws_endpoint_url", "endpoint", "endpoint_url"};
  const Environment& environment_;
  OptionReader reader_;
  S3Options out_;
  AwsContextPtr context_;
  std::shared_ptr<AwsInstanceMetadata> metadata_;
};

}  // namespace

Result<S3Options> ParseS3Options(const std::string& bucket, const StorageOptions& options, const Environment& environment) {
  return S3OptionParser(bucket, options, environment).Parse();
}

}  // namespace lancefs
