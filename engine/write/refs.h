// SPDX-License-Identifier: Apache-2.0
//
// Making tags (docs/lance/table.md 8.2): one small object under `_refs/tags/` of the dataset's root, created only if
// nobody has that name.
//
// Thread safety: free functions; any number may run at once, in any number of processes.
#pragma once

#include <string>
#include <string_view>

#include "engine/table/dataset.h"

namespace lancefs {

// Whether a tag may be called so: letters, digits, '.', '-' and '_', no '.' at either end, no "..", no ".lock" at the end.
// ASCII only: the reference takes other letters too, but cannot list the tags of a local dataset any more once there is one.
Status CheckTagName(std::string_view name);

// Makes `name` a tag of the version that `dataset` is. Errors: kInvalidArgument (the name), kAlreadyExists, the store's.
Status CreateTag(const Dataset& dataset, const std::string& name, const OpContext& ctx);

}  // namespace lancefs
