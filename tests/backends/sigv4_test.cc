// SPDX-License-Identifier: Apache-2.0
//
// The examples of AWS' documentation ("Signature Calculations for the Authorization Header:
// Transferring Payload in a Single Chunk", bucket examplebucket).
#include "backends/auth/sigv4.h"

#include <gtest/gtest.h>

#include "base/uri.h"

namespace lancefs {
namespace {

const AwsCredentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", std::nullopt};
constexpr const char* kHost = "examplebucket.s3.amazonaws.com";
constexpr const char* kDate = "20130524T000000Z";

std::string SignatureOf(const SigV4Request& request) {
  SigV4KeyCache cache;
  const std::string first = SigV4Authorization(request, kExample, kDate, "us-east-1", "s3", &cache);
  EXPECT_EQ(first, SigV4Authorization(request, kExample, kDate, "us-east-1", "s3", &cache)) << "from the cached key";
  return first.substr(first.find("Signature=") + 10);
}

TEST(SigV4, GetObject) {
  const SigV4Request request{
      "GET",
      "/test.txt",
      {},
      {{"host", kHost}, {"x-amz-date", kDate}, {"range", "bytes=0-9"}, {"x-amz-content-sha256", std::string(kEmptySha256)}},
      kEmptySha256};
  EXPECT_EQ(SignatureOf(request), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  SigV4KeyCache cache;
  EXPECT_EQ(SigV4Authorization(request, kExample, kDate, "us-east-1", "s3", &cache),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, PutObject) {
  const std::string hash = HexEncode(Sha256("Welcome to Amazon S3."));
  EXPECT_EQ(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  const SigV4Request request{"PUT",
                             "/test%24file.text",
                             {},
                             {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                              {"host", kHost},
                              {"x-amz-date", kDate},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                              {"x-amz-content-sha256", hash}},
                             hash};
  EXPECT_EQ(SignatureOf(request), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, GetBucketLifecycle) {
  const SigV4Request request{"GET",
                             "/",
                             {{"lifecycle", ""}},
                             {{"host", kHost}, {"x-amz-date", kDate}, {"x-amz-content-sha256", std::string(kEmptySha256)}},
                             kEmptySha256};
  EXPECT_EQ(SignatureOf(request), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4, ListObjects) {
  const SigV4Request request{"GET",
                             "",
                             {{"prefix", "J"}, {"max-keys", "2"}},
                             {{"host", kHost}, {"x-amz-date", kDate}, {"x-amz-content-sha256", std::string(kEmptySha256)}},
                             kEmptySha256};
  EXPECT_EQ(SignatureOf(request), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// The requests of AWS' signing test suite, without the paths to be normalised
// (S3 signs paths as they are sent) and the header of several lines (which HttpClient refuses).
struct SuiteCase {
  const char* name;
  const char* method;
  const char* path;
  const char* signature;
  std::vector<std::pair<std::string, std::string>> query = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // beside those of all
  std::string_view payload_hash = kEmptySha256;
};

const std::vector<SuiteCase>& Suite() {
  static const std::vector<SuiteCase> suite = {
      {"get-header-key-duplicate",
       "GET",
       "/",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
       {},
       {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}}},
      {"get-header-value-order",
       "GET",
       "/",
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
       {},
       {{"my-header1", "value4"}, {"my-header1", "value1"}, {"my-header1", "value3"}, {"my-header1", "value2"}}},
      {"get-header-value-trim",
       "GET",
       "/",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
       {},
       {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}}},
      {"get-relative-relative-unnormalized", "GET", "/example1/example2/../..",
       "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"},
      {"get-relative-unnormalized", "GET", "/example/..", "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282"},
      {"get-slash-dot-slash-unnormalized", "GET", "/./", "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145"},
      {"get-slash-pointless-dot-unnormalized", "GET", "/./example",
       "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff"},
      {"get-slash-unnormalized", "GET", "//", "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e"},
      {"get-slashes-unnormalized", "GET", "//example//", "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
      {"get-space-normalized", "GET", "/example%20space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-space-unnormalized", "GET", "/example%20space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8", "GET", "/%E1%88%B4", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-vanilla", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-empty-query-key",
       "GET",
       "/",
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
       {{"Param1", "value1"}}},
      {"get-vanilla-query", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-encoded",
       "GET",
       "/",
       "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
       {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\341\210\264", "Value1"}}},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
       {{"Param2", "value2"}, {"Param1", "value1"}}},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
       {{"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
         "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}}},
      {"get-vanilla-utf8-query",
       "GET",
       "/",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
       {{"\341\210\264", "bar"}}},
      {"get-vanilla-with-session-token",
       "GET",
       "/",
       "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
       {},
       {{"x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}}},
      {"post-header-key-case", "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-sort",
       "POST",
       "/",
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
       {},
       {{"my-header1", "value1"}}},
      {"post-header-value-case",
       "POST",
       "/",
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
       {},
       {{"my-header1", "VALUE1"}}},
      {"post-sts-header-after", "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-sts-header-before",
       "POST",
       "/",
       "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
       {},
       {{"x-amz-security-token",
         "AQoDYXdzEPT//////////"
         "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
         "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
         "xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="}}},
      {"post-vanilla", "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-vanilla-empty-query-value",
       "POST",
       "/",
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
       {{"Param1", "value1"}}},
      {"post-vanilla-query",
       "POST",
       "/",
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
       {{"Param1", "value1"}}},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
       {},
       {{"content-type", "application/x-www-form-urlencoded"},
        {"content-length", "13"},
        {"x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
       "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
      {"post-x-www-form-urlencoded-parameters",
       "POST",
       "/",
       "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
       {},
       {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
        {"content-length", "13"},
        {"x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
       "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
  };
  return suite;
}

TEST(SigV4, SigningTestSuite) {
  const AwsCredentials suite_key{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", std::nullopt};
  for (const SuiteCase& test : Suite()) {
    SigV4KeyCache cache;
    SigV4Request request{test.method, test.path, test.query, test.headers, test.payload_hash};
    request.headers.insert(request.headers.end(), {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}});
    const std::string value = SigV4Authorization(request, suite_key, "20150830T123600Z", "us-east-1", "service", &cache);
    EXPECT_EQ(value.substr(value.find("Signature=") + 10), test.signature) << test.name << "\n" << CanonicalRequest(request);
  }
}

TEST(SigV4, CanonicalForms) {
  EXPECT_EQ(CanonicalQuery({{"b", "a b+c/d=e&f"}, {"B", "\xC3\xA4~"}, {"a", ""}, {"a-", "x"}}),
            "B=%C3%A4~&a=&a-=x&b=a%20b%2Bc%2Fd%3De%26f");
  const SigV4Request request{
      "GET", "/p", {}, {{"x-b", "  two   words\t here "}, {"x-a", "1"}, {"x-a", "2"}, {"host", "h"}}, "hash"};
  EXPECT_EQ(CanonicalRequest(request), "GET\n/p\n\nhost:h\nx-a:1,2\nx-b:two words here\n\nhost;x-a;x-b\nhash");
}

TEST(SigV4, KeyCacheTellsKeysApart) {
  SigV4KeyCache cache;
  const auto first = cache.Get("secret", "20130524", "us-east-1", "s3");
  EXPECT_NE(HexEncode(first), HexEncode(cache.Get("other", "20130524", "us-east-1", "s3")));
  EXPECT_NE(HexEncode(first), HexEncode(cache.Get("secret", "20130525", "us-east-1", "s3")));
  EXPECT_NE(HexEncode(first), HexEncode(cache.Get("secret", "20130524", "us-east-2", "s3")));
  EXPECT_NE(HexEncode(first), HexEncode(cache.Get("secret", "20130524", "us-east-1", "sts")));
  EXPECT_EQ(HexEncode(first), HexEncode(cache.Get("secret", "20130524", "us-east-1", "s3")));
}

TEST(Digest, KnownValues) {
  EXPECT_EQ(HexEncode(Sha256("")), kEmptySha256);
  EXPECT_EQ(Sha256({Bytes::FromString("Welcome to "), Bytes(), Bytes::FromString("Amazon S3.")}),
            Sha256("Welcome to Amazon S3."));
  EXPECT_EQ(HexEncode(HmacSha256("key", "The quick brown fox jumps over the lazy dog")),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  EXPECT_EQ(HexEncode(Md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    const std::string encoded = Base64Encode(Bytes::FromString(text).span());
    EXPECT_EQ(encoded.size(), (text.size() + 2) / 3 * 4);
    const auto decoded = Base64Decode(encoded);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, text);
  }
  EXPECT_FALSE(Base64Decode("abc").ok());
  EXPECT_FALSE(Base64Decode("ab!$").ok());
  EXPECT_FALSE(Base64Decode("====").ok());
}

TEST(Digest, DatesForSigning) { EXPECT_EQ(AmzDate(std::chrono::system_clock::from_time_t(1369353600)), "20130524T000000Z"); }

}  // namespace
}  // namespace lancefs
