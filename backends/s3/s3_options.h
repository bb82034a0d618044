// SPDX-License-Identifier: Apache-2.0
//
// The options of an S3 store: every key and alias of object_store, from options and environment.
//
// Thread safety: values and pure functions.
#pragma once

#include <memory>
#include <string>

#include "backends/auth/aws_region.h"
#include "backends/auth/credentials.h"
#include "backends/store_options.h"

namespace lancefs {

enum class S3Checksum { kNone, kSha256, kCrc64Nvme };
enum class S3Encryption { kNone, kSseS3, kKms, kKmsDsse, kCustomerKey };

struct S3Options {
  std::string bucket;
  std::string region;  // "" = find_region knows it
  std::shared_ptr<AwsRegionProvider> find_region;
  std::string endpoint;  // without a last '/'; "" = AWS
  bool virtual_hosted = false;
  bool express = false;  // a directory bucket: sessions, listings in any order
  bool unsigned_payload = false;
  bool skip_signature = false;
  bool conditional_put = true;
  bool probe_conditional_put = true;  // whether other stores than AWS' are tried first
  bool request_payer = false;
  S3Checksum checksum = S3Checksum::kNone;
  S3Encryption encryption = S3Encryption::kNone;
  std::string kms_key_id;
  std::string bucket_key_enabled;   // "", "true" or "false"
  std::string customer_key_base64;  // kCustomerKey
  std::string customer_key_md5_base64;
  ClientOptions client;
  std::shared_ptr<AwsCredentialProvider> credentials;  // null with skip_signature
};

// Sends nothing: credentials are looked for with the first request.
// Errors: kInvalidArgument (a bad value, named), kUnauthenticated (aws_provider_scheme=token without
// keys).
Result<S3Options> ParseS3Options(const std::string& bucket, const StorageOptions& options, const Environment& environment);

}  // namespace lancefs
