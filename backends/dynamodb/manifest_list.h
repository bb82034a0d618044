// SPDX-License-Identifier: Apache-2.0
//
// The DynamoDB table of s3+ddb:// as a list of manifests (docs/lance/table.md 7.6): hash key
// base_uri (S), range key version (N); attributes path, size and committer. The table's keys are
// checked once a process, at the first use.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <memory>
#include <string>

#include "backends/coordination.h"
#include "backends/dynamodb/dynamodb_client.h"

namespace lancefs {

std::shared_ptr<ExternalManifestStore> MakeDynamoDbManifestList(std::shared_ptr<DynamoDbClient> client, std::string table);

// The table's name in the query of an s3+ddb:// URI. Errors: kInvalidArgument.
Result<std::string> ParseManifestTable(const std::string& query);

}  // namespace lancefs
