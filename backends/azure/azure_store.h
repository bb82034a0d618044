// SPDX-License-Identifier: Apache-2.0
//
// Azure Blob storage.
//
// Thread safety: as ObjectStore.
#pragma once

#include <memory>
#include <string_view>

#include "backends/azure/azure_options.h"
#include "backends/cloud/cloud_store.h"
#include "base/metrics.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeAzureStore(AzureOptions options, Metrics* metrics = &Metrics::Global());

// One page of a List Blobs answer. What sorts at or before `start_after` is left out: the service begins with it, and older ones
// know no such beginning. Errors: kCorruption (not such a document, a bad size).
Result<ListPage> ParseAzureListing(std::string_view xml, std::string_view start_after);

}  // namespace lancefs
