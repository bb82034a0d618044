// SPDX-License-Identifier: Apache-2.0
//
// Objects in memory: for tests and for memory:// URIs. Ordered listings, atomic creates.
#pragma once

#include "backends/object_store.h"

namespace lancefs {

std::shared_ptr<ObjectStore> MakeMemoryStore(std::string name = "memory");

}  // namespace lancefs
