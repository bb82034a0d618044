// SPDX-License-Identifier: Apache-2.0
//
// One page of a ListObjectsV2 answer.
//
// Thread safety: pure function.
#pragma once

#include <string>
#include <string_view>

#include "backends/object_store.h"

namespace lancefs {

struct S3ListPage {
  std::vector<ObjectMeta> objects;
  std::vector<std::string> directories;
  bool truncated = false;
  std::string continuation;  // set when truncated
};

// Errors: kCorruption (not such a document, a bad size, a page that goes on without a token).
Result<S3ListPage> ParseS3ListPage(std::string_view xml);

}  // namespace lancefs
