// SPDX-License-Identifier: Apache-2.0
//
// Workload identity: where the token of the other identity provider comes from: a file, a URL, a program, or AWS.
//
// Thread safety: MakeSubjectToken from any thread; Fetch from one thread at a time, which it blocks.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "backends/auth/google_credentials.h"

namespace lancefs {

class SubjectTokenSource {
 public:
  virtual ~SubjectTokenSource() = default;
  // Errors: kUnauthenticated, kUnavailable, kInvalidArgument; none shows a secret.
  virtual Result<std::string> Fetch(const OpContext& ctx) = 0;
};
using SubjectTokenSourcePtr = std::unique_ptr<SubjectTokenSource>;

// What the whole account says of itself.
struct SubjectTokenFor {
  std::string audience;
  std::string token_type;
  std::string impersonation_url;  // "" = none
  std::string where;              // the file, for messages
};

// The "credential_source" of an external account's file. Errors: kInvalidArgument, kNotSupported.
Result<SubjectTokenSourcePtr> MakeSubjectToken(const nlohmann::json& file, const SubjectTokenFor& account,
                                               const GoogleAuthOptions& options);

// "${NAME}" replaced by the environment's value. Errors: kInvalidArgument naming the variable that is not set.
Result<std::string> FillTemplate(std::string_view text, const std::map<std::string, std::string>& environment);

}  // namespace lancefs
