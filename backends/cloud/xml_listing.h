// SPDX-License-Identifier: Apache-2.0
//
// Pages of ListObjectsV2, as S3 and GCS give them.
//
// Thread safety: functions without state of their own.
#pragma once

#include <string>
#include <string_view>

#include "backends/cloud/cloud_store.h"
#include "base/status.h"

namespace lancefs {

// Errors: kCorruption (not such a document, a bad size, a page that goes on without a token).
Result<ListPage> ParseListBucketResult(std::string_view xml);

// Asks for a page in the second version of the protocol (list-type=2). Errors: as ParseListBucketResult, and what the client
// says.
Result<ListPage> GetListBucketPage(CloudClient* client, const ListRequest& request, const std::string& continuation,
                                   const OpContext& ctx);

}  // namespace lancefs
