// SPDX-License-Identifier: Apache-2.0
//
// Sessions of S3 Express: short-lived credentials that CreateSession hands out for one directory
// bucket, signed for with the user's own.
//
// Thread safety: as AwsCredentialSource.
#pragma once

#include <memory>
#include <string>

#include "backends/auth/aws_context.h"
#include "backends/auth/aws_region.h"

namespace lancefs {

// The zone in "name--usw2-az1--x-s3" (or "--xa-s3"); "" when the name has none.
std::string S3ExpressZone(const std::string& bucket);
// "https://bucket.s3express-zone.region.amazonaws.com"
std::string S3ExpressEndpoint(const std::string& bucket, const std::string& region);

struct S3SessionOptions {
  std::string bucket;
  std::string region;  // "" = ask `find_region`
  std::shared_ptr<AwsRegionProvider> find_region;
  std::shared_ptr<AwsCredentialProvider> credentials;
};
AwsSourcePtr MakeS3SessionSource(AwsContextPtr context, S3SessionOptions options);

}  // namespace lancefs
