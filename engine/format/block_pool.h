// SPDX-License-Identifier: Apache-2.0
//
// The memory pool that decoders use for columns: large buffers come from base/block_cache.h, small ones
// from Arrow's default pool.
//
// Thread safety: all calls, from any thread. Lives until the process ends.
#pragma once

#include <arrow/memory_pool.h>

namespace lancefs {

arrow::MemoryPool* BlockPool();

}  // namespace lancefs
