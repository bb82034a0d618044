// SPDX-License-Identifier: Apache-2.0
//
// What the XML answers of STS and of S3 Express have in common: credentials and errors.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/auth/credentials.h"
#include "backends/xml.h"

namespace lancefs {

// From a <Credentials> element; none where there is no element (null), key or secret. A token and an end may be missing.
std::optional<AwsCredentials> CredentialsFromXml(const XmlElement* element);

// ": code: message" of an error document, cut to a length; "" where it is no XML.
std::string AwsErrorText(std::string_view document);

}  // namespace lancefs
