// SPDX-License-Identifier: Apache-2.0
//
// What a token endpoint was asked with.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include "base/uri.h"

namespace lancefs {

// "a=b%20c&d=" of a form's body or of a query, decoded.
inline std::map<std::string, std::string> FormOf(const std::string& text) {
  std::map<std::string, std::string> form;
  std::stringstream stream(text);
  for (std::string pair; std::getline(stream, pair, '&');) {
    const size_t equals = pair.find('=');
    form[*PercentDecode(pair.substr(0, equals))] = *PercentDecode(pair.substr(equals + 1));
  }
  return form;
}

}  // namespace lancefs
