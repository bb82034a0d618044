// SPDX-License-Identifier: Apache-2.0
//
// The XML that object stores answer with: a small, strict parser into a tree. Elements, text,
// entities, CDATA; attributes are checked and dropped, comments and processing instructions are
// skipped; document types are refused. Namespace prefixes are cut off ("s3:Key" is "Key").
//
// Thread safety: pure functions; XmlElement is a value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace lancefs {

struct XmlElement {
  std::string name;
  std::string text;  // of this element alone, entities decoded, not trimmed
  std::vector<XmlElement> children;

  // The first child of that name, or null.
  const XmlElement* Find(std::string_view child) const;
  // The text of the first child of that name, or "".
  std::string_view Text(std::string_view child) const;
};

// Errors: kCorruption with the byte position (malformed, nested deeper than 64, not one root).
Result<XmlElement> ParseXml(std::string_view text);

// For text content and attribute values.
std::string XmlEscape(std::string_view text);

}  // namespace lancefs
