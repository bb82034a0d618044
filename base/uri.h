// SPDX-License-Identifier: Apache-2.0
//
// Store URIs as pylance takes them: s3://bucket/key, gs://, az://, file:///abs, memory://, or a
// plain local path (which is taken literally, "%20" included; "~" only at the start).
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

struct Uri {
  std::string scheme;     // lower case; "file" for local paths
  std::string authority;  // bucket, container or empty
  std::string path;       // decoded key without leading '/'; for "file" the absolute path
  std::string query;      // without '?'
  std::string ToString() const;
};

// Errors: kInvalidArgument for an unknown scheme, an empty bucket, a malformed escape or an empty
// path segment inside a cloud key.
Result<Uri> ParseUri(std::string_view text);

// Where the query of a normalised URI begins, or its length; local paths have none.
size_t QueryStart(std::string_view uri);
// The URI of `name` in the directory `uri`, with the same query.
std::string ChildUri(std::string_view uri, std::string_view name);

// Decodes %XX once. Errors: kInvalidArgument naming the position of a malformed escape.
Result<std::string> PercentDecode(std::string_view text);
// Encodes every byte but A-Z a-z 0-9 - _ . ~ and those in `keep`.
std::string PercentEncode(std::string_view text, std::string_view keep = "");

}  // namespace lancefs
