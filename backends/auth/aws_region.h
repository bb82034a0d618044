// SPDX-License-Identifier: Apache-2.0
//
// The region of an S3 bucket where none was given: asked of S3, else looked for in the profile, the
// environment and the instance's metadata.
//
// Thread safety: all calls, from any thread.
#pragma once

#include "backends/auth/aws_metadata.h"
#include "base/future.h"

namespace lancefs {

class AwsRegionProvider {
 public:
  virtual ~AwsRegionProvider() = default;
  // Looked for once; a failure is not remembered. Errors: kNotFound (there is no such bucket),
  // kUnavailable, ...
  virtual Future<std::string> Get(const OpContext& ctx) = 0;
};

struct AwsRegionSearch {
  std::string bucket;
  bool ask_s3 = true;          // the store is AWS' own
  std::string default_region;  // AWS_DEFAULT_REGION or the option
  bool express = false;        // a directory bucket: nothing but S3 Express itself knows it for certain
};

std::shared_ptr<AwsRegionProvider> MakeAwsRegionProvider(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata,
                                                         AwsRegionSearch search);

}  // namespace lancefs
