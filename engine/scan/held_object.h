// SPDX-License-Identifier: Apache-2.0
//
// One object whose bytes are at hand already, behind the interface of a store: for blobs that came with their rows.
//
// Thread safety: immutable.
#pragma once

#include <memory>

#include "backends/object_store.h"

namespace lancefs {

// Every path names the object. Writing is refused.
std::shared_ptr<ObjectStore> HoldObject(Bytes bytes);

}  // namespace lancefs
