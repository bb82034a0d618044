// SPDX-License-Identifier: Apache-2.0
//
// The dictionaries of a 0.1 table: their values stand in the manifest file, once for all data files.
//
// Thread safety: free functions.
#pragma once

#include <arrow/type_fwd.h>

#include <map>
#include <memory>

#include "base/bytes.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs::v1 {

using Dictionaries = std::map<int32_t, std::shared_ptr<arrow::Array>>;  // by field id

// The values of every dictionary field in `fields` whose place in the manifest `file` holds valid ones. Without them a table can
// be opened all the same; reading such a column says so.
Dictionaries ReadDictionaries(const Bytes& file, const google::protobuf::RepeatedPtrField<pb::Field>& fields);

}  // namespace lancefs::v1
