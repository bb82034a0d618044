// SPDX-License-Identifier: Apache-2.0
//
// Streaming uploads to Azure: blocks, put together by a block list. Blocks of an upload that is given up are dropped by the
// service after a week, and at once when somebody writes that blob.
//
// Thread safety: as ObjectWriter.
#pragma once

#include <memory>
#include <string>

#include "backends/azure/azure_client.h"
#include "backends/object_store.h"

namespace lancefs {

std::unique_ptr<ObjectWriter> MakeAzureWriter(std::shared_ptr<AzureClient> client, std::string path);

}  // namespace lancefs
