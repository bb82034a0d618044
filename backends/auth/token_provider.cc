// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/token_provider.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "backends/auth/credential_cache.h"

namespace lancefs {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxErrorText = 300;
constexpr int64_t kLongestLife = 10ll * 366 * 86400;

class StaticToken : public TokenProvider {
 public:
  explicit StaticToken(std::string text) : token_(std::make_shared<const AccessToken>(AccessToken{std::move(text), {}})) {}
  Future<AccessTokenPtr> Get(const OpContext&) override { return Future<AccessTokenPtr>::Ready(token_); }
  bool Invalidate(const AccessTokenPtr&) override { return false; }

 private:
  const AccessTokenPtr token_;
};

class CachedToken : public TokenProvider {
 public:
  explicit CachedToken(std::shared_ptr<TokenSource> source)
      : cache_(std::make_shared<CredentialCache<AccessToken>>([source](const OpContext& ctx) { return source->Fetch(ctx); },
                                                              [](const AccessToken& token) { return token.renew_ahead; })) {}
  Future<AccessTokenPtr> Get(const OpContext&) override { return cache_->Get(); }
  bool Invalidate(const AccessTokenPtr& token) override { return cache_->Invalidate(token); }

 private:
  const std::shared_ptr<CredentialCache<AccessToken>> cache_;
};

// A number, or a text that is one.
std::optional<int64_t> NumberOf(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) return std::nullopt;
  if (it->is_number_integer()) return it->get<int64_t>();
  if (it->is_number()) return static_cast<int64_t>(std::clamp(it->get<double>(), -1e15, 1e15));
  if (!it->is_string()) return std::nullopt;
  const auto& text = it->get_ref<const std::string&>();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text.substr(0, kMaxErrorText);
}

}  // namespace

std::shared_ptr<TokenProvider> MakeStaticToken(std::string text) { return std::make_shared<StaticToken>(std::move(text)); }

std::shared_ptr<TokenProvider> MakeCachedToken(TokenSourcePtr source) {
  return std::make_shared<CachedToken>(std::shared_ptr<TokenSource>(std::move(source)));
}

bool IsTokenText(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

Result<AccessToken> ParseTokenAnswer(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Status::Unauthenticated("the answer is not a JSON object");
  AccessToken token;
  if (const auto it = json.find("access_token"); it != json.end() && it->is_string()) token.text = it->get<std::string>();
  if (token.text.empty()) return Status::Unauthenticated("the answer has no access_token");
  if (!IsTokenText(token.text)) return Status::Unauthenticated("the answer's access_token is not a token");
  const auto now = std::chrono::system_clock::now();
  if (const auto seconds = NumberOf(json, "expires_in")) {
    token.expires = now + std::chrono::seconds(std::clamp<int64_t>(*seconds, 0, kLongestLife));
  } else if (const auto when = NumberOf(json, "expires_on")) {
    const int64_t today = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    token.expires = now + std::chrono::seconds(std::clamp<int64_t>(*when, today, today + kLongestLife) - today);
  } else if (json.contains("expires_in") || json.contains("expires_on")) {
    return Status::Unauthenticated("the answer does not say when its token expires");
  }
  return token;
}

std::string OAuthErrorText(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  auto member = [](const Json& object, const char* name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  // Google's own services nest it: {"error": {"status": "..", "message": ".."}}
  if (const auto it = json.find("error"); it != json.end() && it->is_object()) {
    const std::string status = member(*it, "status");
    const std::string message = member(*it, "message");
    return Printable(status + (status.empty() || message.empty() ? "" : ": ") + message);
  }
  const std::string error = member(json, "error");
  const std::string description = member(json, "error_description");
  return Printable(error + (error.empty() || description.empty() ? "" : ": ") + description);
}

}  // namespace lancefs
