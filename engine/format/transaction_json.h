// SPDX-License-Identifier: Apache-2.0
//
// A transaction as JSON for people: every field that is set, under the format's names; bytes in hex.
//
// Thread safety: a pure function.
#pragma once

#include <string>

#include "engine/format/proto/table.pb.h"

namespace lancefs {

// One object, pretty, LF at the end; "operation" names the operation.
std::string TransactionJson(const pb::Transaction& transaction);

}  // namespace lancefs
