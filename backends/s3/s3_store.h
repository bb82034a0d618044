// SPDX-License-Identifier: Apache-2.0
//
// An S3 bucket (or one of a compatible service) as an object store; paths are keys. Every request
// is retried by itself and counted by itself, so the store needs no retry or metering decorator.
// Asynchronous reads complete in the HTTP loop's thread: their continuations must not block.
#pragma once

#include <memory>

#include "backends/object_store.h"
#include "backends/s3/s3_options.h"
#include "base/metrics.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeS3Store(S3Options options, Metrics* metrics = &Metrics::Global());

}  // namespace lancefs
