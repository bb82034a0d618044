// SPDX-License-Identifier: Apache-2.0
//
// Bearer tokens, of Google Cloud Storage and Azure, and where they come from. A provider answers at once while it holds a valid
// token and asynchronously while it fetches one; a source is one way to sign in, or a chain of them.
//
// Thread safety: all calls, from any thread. TokenSource::Fetch blocks: it runs in the threads of the caching provider.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/context.h"
#include "base/future.h"
#include "base/status.h"

namespace lancefs {

struct AccessToken {
  std::string text;
  std::optional<std::chrono::system_clock::time_point> expires;
  std::chrono::seconds renew_ahead{300};  // renewed when less than that is left
};

using AccessTokenPtr = std::shared_ptr<const AccessToken>;

class TokenProvider {
 public:
  virtual ~TokenProvider() = default;
  // Errors: kUnauthenticated with what was tried.
  virtual Future<AccessTokenPtr> Get(const OpContext& ctx) = 0;
  // The store refused `token`: the next Get should bring another. False when there is none to be had.
  virtual bool Invalidate(const AccessTokenPtr& token) = 0;
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // For messages: "metadata server", "service account key".
  virtual std::string name() const = 0;
  // Errors: kNotFound (not set up here: the next of a chain may be tried), kUnauthenticated, kInvalidArgument (set up wrongly),
  // kUnavailable (no answer). None holds a secret.
  virtual Result<AccessToken> Fetch(const OpContext& ctx) = 0;
};
using TokenSourcePtr = std::unique_ptr<TokenSource>;

std::shared_ptr<TokenProvider> MakeStaticToken(std::string text);

// Keeps what the source brings until shortly before it expires (see credential_cache.h).
std::shared_ptr<TokenProvider> MakeCachedToken(TokenSourcePtr source);

// {"access_token": "..", "expires_in": 3599} of OAuth 2; expires_in may be text, and expires_on (seconds since 1970, number or
// text) may be there instead. Errors: kUnauthenticated naming what is missing; the message shows nothing of the answer.
Result<AccessToken> ParseTokenAnswer(std::string_view json);

// "invalid_grant: Token has been expired or revoked." of an OAuth 2 error answer, shortened; "" when there is none.
std::string OAuthErrorText(std::string_view json);

// Text that may stand in a header: no spaces, no control characters.
bool IsTokenText(std::string_view text);

}  // namespace lancefs
