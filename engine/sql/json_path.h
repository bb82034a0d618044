// SPDX-License-Identifier: Apache-2.0
//
// JSON paths as the reference takes them: `$.a.b`, `$["a"]`, `$:a`, `$[0, last - 1 to last]`, `[*]`, `.*`, `.**{1 to 2}`,
// filters `?(@.price < 10 && exists(@.name))` and, for a whole path, a predicate (`$.a > 3`).
//
// Thread safety: immutable once parsed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rows/jsonb.h"

namespace lancefs::sql {

struct JsonExpression;

struct JsonStep {
  enum class Kind : uint8_t { kMember, kAnyMember, kAnyElement, kElements, kDeep, kFilter };
  struct Index {
    bool from_last = false;
    int64_t value = 0;  // from the last one: 0 or less
  };
  struct Range {
    Index first;
    Index last;
  };
  Kind kind = Kind::kMember;
  std::string name;
  std::vector<Range> ranges;
  int min_depth = 0;  // kDeep
  int max_depth = 0;
  std::shared_ptr<const JsonExpression> filter;
};

class JsonPath {
 public:
  // Errors: kInvalidArgument with the place in the path.
  static Result<JsonPath> Parse(std::string_view text);
  // The values that it selects, in document order. Errors: kCorruption.
  Result<std::vector<JsonbItem>> Select(const JsonbItem& root) const;

 private:
  std::vector<JsonStep> steps_;
  std::shared_ptr<const JsonExpression> predicate_;  // instead of steps
};

}  // namespace lancefs::sql
