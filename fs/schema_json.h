// SPDX-License-Identifier: Apache-2.0
//
// Reading `schema.json` back: the form that describe.h writes (RULES 11), as people write it for a table that is
// still to be created (RULES 10).
//
// Thread safety: functions without state.
#pragma once

#include <arrow/type.h>

#include <memory>
#include <string_view>

#include "base/status.h"

namespace lancefs {

// {"fields": [{"name", "type", "nullable"?, "metadata"?, "children"?}], "metadata"?}; types in Arrow's text ("int64",
// "timestamp[us, tz=UTC]", "list"); lists, structs and maps say their parts in "children", whatever stands between < and >.
// Other keys (such as "id") are passed over. Errors: kInvalidArgument naming the field and what is wrong.
Result<std::shared_ptr<arrow::Schema>> ParseSchemaJson(std::string_view text);

// Whether nothing is missing at the end of the text, for a check before it is closed.
bool IsWholeJson(std::string_view text);

}  // namespace lancefs
