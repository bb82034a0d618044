// SPDX-License-Identifier: Apache-2.0
//
// Google Cloud Storage over its XML API. New objects are made only where none is by the generation that they replace (0 = none).
//
// Thread safety: as ObjectStore.
#pragma once

#include <memory>

#include "backends/gcs/gcs_options.h"
#include "backends/object_store.h"
#include "base/metrics.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeGcsStore(GcsOptions options, Metrics* metrics = &Metrics::Global());

}  // namespace lancefs
