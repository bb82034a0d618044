// SPDX-License-Identifier: Apache-2.0
//
// One page of a ListObjectsV2 answer, as S3 and GCS give it.
//
// Thread safety: pure functions.
#pragma once

#include <string_view>

#include "backends/cloud/cloud_store.h"
#include "base/status.h"

namespace lancefs {

// Errors: kCorruption (not such a document, a bad size, a page that goes on without a token).
Result<ListPage> ParseListBucketResult(std::string_view xml);

// The request of one page in the second version of the protocol (list-type=2).
CloudRequest ListBucketRequest(const ListRequest& request, const std::string& continuation);

}  // namespace lancefs
