// SPDX-License-Identifier: Apache-2.0
//
// Protobuf messages as JSON for people: every field that is set, under the format's names.
//
// Thread safety: pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lancefs {

std::string HexText(std::string_view bytes);
// Bytes in hex, enums by name. Deeper than 64 levels nothing is shown.
nlohmann::ordered_json MessageJson(const google::protobuf::Message& message);
// The message of an Any's type ("/lance.encodings21.PageLayout") and bytes; nothing if the type is unknown or the bytes are no
// such message.
std::optional<nlohmann::ordered_json> AnyJson(std::string_view type_url, const std::string& bytes);

}  // namespace lancefs
