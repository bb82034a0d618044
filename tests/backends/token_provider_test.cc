// SPDX-License-Identifier: Apache-2.0
//
// Tokens: how they are kept and renewed, and what token endpoints answer.
#include "backends/auth/token_provider.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace lancefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

class CountingSource : public TokenSource {
 public:
  using Answer = std::function<Result<AccessToken>(int)>;  // number of the fetch, from 1
  CountingSource(std::atomic<int>* fetches, Answer answer) : fetches_(fetches), answer_(std::move(answer)) {}
  std::string name() const override { return "test"; }
  Result<AccessToken> Fetch(const OpContext&) override { return answer_(++*fetches_); }

 private:
  std::atomic<int>* const fetches_;
  const Answer answer_;
};

AccessToken TokenFor(int number, milliseconds life, seconds renew_ahead = seconds(300)) {
  return {"token-" + std::to_string(number), system_clock::now() + life, renew_ahead};
}

class TokenCacheTest : public testing::Test {
 protected:
  std::shared_ptr<TokenProvider> Provider(CountingSource::Answer answer) {
    return MakeCachedToken(std::make_unique<CountingSource>(&fetches_, std::move(answer)));
  }
  std::string TextOf(const std::shared_ptr<TokenProvider>& provider) {
    const Result<AccessTokenPtr> token = provider->Get(ctx_).Get(ctx_);
    return token.ok() ? (*token)->text : token.status().ToString();
  }
  void WaitForFetches(int count) const {
    for (int i = 0; i < 1000 && fetches_ < count; ++i) std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(fetches_, count);
  }

  const OpContext ctx_ = OpContext().WithTimeout(seconds(20));
  std::atomic<int> fetches_{0};
};

TEST_F(TokenCacheTest, FetchesOnceForAll) {
  const auto provider = Provider([](int number) -> Result<AccessToken> {
    std::this_thread::sleep_for(milliseconds(50));
    return TokenFor(number, seconds(3600));
  });
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] { right += TextOf(provider) == "token-1"; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 16);
  EXPECT_EQ(TextOf(provider), "token-1");
  EXPECT_EQ(fetches_, 1);
}

TEST_F(TokenCacheTest, RenewsAheadWhileOthersGoOn) {
  std::atomic<bool> release{false};
  const auto provider = Provider([&](int number) -> Result<AccessToken> {
    if (number == 1) return TokenFor(1, milliseconds(2000), seconds(1));
    while (!release) std::this_thread::sleep_for(milliseconds(5));
    return TokenFor(number, seconds(3600));
  });
  EXPECT_EQ(TextOf(provider), "token-1");
  EXPECT_EQ(fetches_, 1);
  std::this_thread::sleep_for(milliseconds(1100));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(TextOf(provider), "token-1") << "nobody waits while it is valid";
  WaitForFetches(2);
  release = true;
  for (int i = 0; i < 1000 && TextOf(provider) != "token-2"; ++i) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(TextOf(provider), "token-2");
  EXPECT_EQ(fetches_, 2) << "one renewal";
}

TEST_F(TokenCacheTest, AFailedRenewalOfAValidTokenIsIgnored) {
  const auto provider = Provider([](int number) -> Result<AccessToken> {
    if (number == 1) return TokenFor(1, milliseconds(1200), seconds(300));
    return Status::Unavailable("no answer");
  });
  EXPECT_EQ(TextOf(provider), "token-1");
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_EQ(TextOf(provider), "token-1");
  WaitForFetches(2);
  EXPECT_EQ(TextOf(provider), "token-1");
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_NE(TextOf(provider).find("no answer"), std::string::npos) << "it has ended";
  const int before = fetches_;
  for (int i = 0; i < 10; ++i) (void)TextOf(provider);
  EXPECT_LE(fetches_, before + 1) << "a failure is remembered for a moment";
}

TEST_F(TokenCacheTest, ARefusedTokenIsReplacedOnce) {
  const auto provider = Provider([](int number) -> Result<AccessToken> { return TokenFor(number, seconds(3600)); });
  const AccessTokenPtr first = *provider->Get(ctx_).Get(ctx_);
  EXPECT_FALSE(provider->Invalidate(first)) << "what was fetched just now would come again";
  std::this_thread::sleep_for(milliseconds(1050));
  EXPECT_TRUE(provider->Invalidate(first));
  EXPECT_TRUE(provider->Invalidate(first));
  EXPECT_EQ(TextOf(provider), "token-2");
  EXPECT_TRUE(provider->Invalidate(first)) << "there is another already";
  EXPECT_EQ(TextOf(provider), "token-2");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(TokenCacheTest, AStaticTokenStays) {
  const auto provider = MakeStaticToken("constant");
  const AccessTokenPtr token = *provider->Get(ctx_).Get(ctx_);
  EXPECT_EQ(token->text, "constant");
  EXPECT_FALSE(token->expires.has_value());
  EXPECT_FALSE(provider->Invalidate(token));
  EXPECT_EQ(TextOf(provider), "constant");
}

int64_t SecondsLeft(const AccessToken& token) {
  return token.expires ? std::chrono::duration_cast<seconds>(*token.expires - system_clock::now() + milliseconds(500)).count()
                       : -1;
}

TEST(TokenAnswers, TheFormsOfALife) {
  const int64_t now = std::chrono::duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  const std::vector<std::pair<std::string, int64_t>> forms = {
      {R"({"access_token":"t","expires_in":3599,"token_type":"Bearer"})", 3599},
      {R"({"access_token":"t","expires_in":"60"})", 60},
      {R"({"access_token":"t","expires_in":59.5})", 59},
      {R"({"access_token":"t","expires_on":")" + std::to_string(now + 100) + "\"}", 100},
      {R"({"access_token":"t","expires_on":)" + std::to_string(now + 100) + "}", 100},
      {R"({"access_token":"t","expires_in":-5})", 0},
      {R"({"access_token":"t","expires_on":"1"})", 0},
      {R"({"access_token":"t"})", -1},
  };
  for (const auto& [json, left] : forms) {
    const Result<AccessToken> token = ParseTokenAnswer(json);
    ASSERT_TRUE(token.ok()) << json << token.status().ToString();
    EXPECT_EQ(token->text, "t");
    EXPECT_NEAR(static_cast<double>(SecondsLeft(*token)), static_cast<double>(left), 1.1) << json;
  }
  EXPECT_TRUE(ParseTokenAnswer(R"({"access_token":"t","expires_in":9223372036854775807})").ok()) << "no overflow";
  EXPECT_TRUE(ParseTokenAnswer(R"({"access_token":"t","expires_on":9223372036854775807})").ok());
  EXPECT_TRUE(ParseTokenAnswer(R"({"access_token":"t","expires_in":1e300})").ok());
}

TEST(TokenAnswers, WrongOnesAreErrorsThatTellNoSecret) {
  for (const char* json :
       {"", "[]", "{", "null", "\"hush-hush\"", R"({"token":"hush-hush"})", R"({"access_token":""})", R"({"access_token":7})",
        R"({"access_token":"hush-hush\r\nx: y"})", R"({"access_token":"hush hush"})",
        R"({"access_token":"hush-hush","expires_in":"soon"})", R"({"access_token":"hush-hush","expires_in":null})",
        R"({"access_token":"hush-hush","expires_on":[1]})"}) {
    const Result<AccessToken> token = ParseTokenAnswer(json);
    EXPECT_EQ(token.status().code(), StatusCode::kUnauthenticated) << json;
    EXPECT_EQ(token.status().ToString().find("hush"), std::string::npos) << token.status().ToString();
  }
}

TEST(TokenAnswers, ErrorsOfOAuth) {
  EXPECT_EQ(OAuthErrorText(R"({"error":"invalid_grant","error_description":"expired\nor revoked"})"),
            "invalid_grant: expired or revoked");
  EXPECT_EQ(OAuthErrorText(R"({"error":"invalid_client"})"), "invalid_client");
  EXPECT_EQ(OAuthErrorText(R"({"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}})"), "PERMISSION_DENIED: no");
  EXPECT_EQ(OAuthErrorText("<html>"), "");
  EXPECT_EQ(OAuthErrorText("{}"), "");
  EXPECT_LE(OAuthErrorText("{\"error\":\"" + std::string(5000, 'x') + "\"}").size(), 300u);
}

}  // namespace
}  // namespace lancefs
