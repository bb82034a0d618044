// SPDX-License-Identifier: Apache-2.0
//
// The binary JSON that columns of extension lance.json store: as compact JSON text (as the reference prints it), built from
// text, and its parts.
//
// Thread safety: pure functions; a JsonbItem refers to the bytes that it was made of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace lancefs {

// Appends the JSON text of `bytes` to `out`. No bytes at all are `null`; bytes that do not begin like binary JSON are taken
// as text, as the reference does. Errors: kCorruption with the byte offset.
Status AppendJsonbText(std::span<const uint8_t> bytes, std::string* out);

// Appends the binary form of a JSON text. Errors: kInvalidArgument with the byte offset.
Status AppendJsonb(std::string_view text, std::string* out);

enum class JsonbType : uint8_t { kNull = 0, kString = 1, kNumber = 2, kFalse = 3, kTrue = 4, kContainer = 5, kExtension = 6 };

// One value inside a document.
struct JsonbItem {
  JsonbType type = JsonbType::kNull;
  std::span<const uint8_t> bytes;  // containers: with their header; strings: the text; numbers: tag and value

  bool is_array() const { return type == JsonbType::kContainer && (bytes[0] & 0xe0) == 0x80; }
  bool is_object() const { return type == JsonbType::kContainer && (bytes[0] & 0xe0) == 0x40; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

// Errors (all): kCorruption.
Result<JsonbItem> JsonbRoot(std::span<const uint8_t> bytes);
// The items of an array, in order. REQUIRES: is_array().
Result<std::vector<JsonbItem>> JsonbElements(const JsonbItem& array);
// Keys and values of an object. REQUIRES: is_object().
Result<std::vector<std::pair<std::string_view, JsonbItem>>> JsonbMembers(const JsonbItem& object);
// The member of that name, or none. REQUIRES: is_object().
Result<std::optional<JsonbItem>> JsonbMember(const JsonbItem& object, std::string_view name);
// REQUIRES: type is kNumber.
using JsonbNumber = std::variant<int64_t, uint64_t, double>;
Result<JsonbNumber> JsonbNumberOf(const JsonbItem& item);
// The item's JSON text, and the item as a document of its own.
Status AppendJsonbItemText(const JsonbItem& item, std::string* out);
void AppendJsonbDocument(const JsonbItem& item, std::string* out);

}  // namespace lancefs
