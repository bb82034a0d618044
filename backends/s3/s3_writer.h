// SPDX-License-Identifier: Apache-2.0
//
// Streaming uploads to S3: one PUT for what fits into a part, else a multipart upload whose parts
// are sent while the writer still takes bytes.
//
// Thread safety: as ObjectWriter.
#pragma once

#include <memory>

#include "backends/object_store.h"
#include "backends/s3/s3_client.h"

namespace lancefs {

// The size of part `index` (from 0): GrowingPartSize, or `constant` for services that want all parts alike.
uint64_t S3PartSize(size_t index, bool constant);

std::unique_ptr<ObjectWriter> MakeS3Writer(std::shared_ptr<S3Client> client, std::string path);

}  // namespace lancefs
