// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_json.h"

#include <nlohmann/json.hpp>

#include "backends/auth/aws_context.h"
#include "base/ascii.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;

FlatJson Flatten(const Json& object) {
  FlatJson out;
  for (const auto& [name, value] : object.items()) {
    if (value.is_string()) {
      out[AsciiLower(name)] = value.get_ref<const std::string&>();
    } else if (value.is_number() || value.is_boolean()) {
      out[AsciiLower(name)] = value.dump();
    }
  }
  return out;
}

Status NotAnObject() { return Status::Corruption("the answer is not a JSON object"); }

}  // namespace

Result<FlatJson> ParseFlatJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NotAnObject();
  return Flatten(json);
}

Result<FlatJson> ParseFlatJsonMember(std::string_view text, std::string_view name) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NotAnObject();
  for (const auto& [key, value] : json.items()) {
    if (AsciiLower(key) == AsciiLower(std::string(name)) && value.is_object()) return Flatten(value);
  }
  return Status::Corruption("the answer has no '" + std::string(name) + "'");
}

Result<AwsCredentials> CredentialsFromJson(const FlatJson& json) {
  auto find = [&json](const char* name) {
    const auto it = json.find(name);
    return it == json.end() ? std::string() : it->second;
  };
  AwsCredentials out;
  out.access_key_id = find("accesskeyid");
  out.secret_access_key = find("secretaccesskey");
  out.session_token = find("token");
  if (out.session_token.empty()) out.session_token = find("sessiontoken");
  if (out.access_key_id.empty()) return Status::Corruption("the answer has no AccessKeyId");
  if (out.secret_access_key.empty()) return Status::Corruption("the answer has no SecretAccessKey");
  if (const std::string text = find("expiration"); !text.empty()) {
    out.expires = ParseTimestamp(text);
    if (!out.expires) return Status::Corruption("the answer's Expiration is not a timestamp");
  }
  return out;
}

std::string WriteFlatJson(const std::map<std::string, std::string>& members) {
  Json json = Json::object();
  for (const auto& [name, value] : members) json[name] = value;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lancefs
