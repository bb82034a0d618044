// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_xml.h"

#include "backends/auth/auth_io.h"

namespace lancefs {
namespace {

constexpr size_t kMaxErrorText = 300;

}  // namespace

std::optional<AwsCredentials> CredentialsFromXml(const XmlElement* element) {
  if (element == nullptr) return std::nullopt;
  AwsCredentials out;
  out.access_key_id = TrimSpace(element->Text("AccessKeyId"));
  out.secret_access_key = TrimSpace(element->Text("SecretAccessKey"));
  out.session_token = TrimSpace(element->Text("SessionToken"));
  out.expires = ParseTimestamp(TrimSpace(element->Text("Expiration")));
  if (out.access_key_id.empty() || out.secret_access_key.empty()) return std::nullopt;
  return out;
}

std::string AwsErrorText(std::string_view document) {
  const Result<XmlElement> parsed = ParseXml(document);
  if (!parsed.ok()) return "";
  const XmlElement* error = (*parsed).Find("Error");
  if (error == nullptr) error = &*parsed;
  return ": " + std::string(error->Text("Code")).substr(0, kMaxErrorText) + ": " +
         std::string(error->Text("Message")).substr(0, kMaxErrorText);
}

}  // namespace lancefs
