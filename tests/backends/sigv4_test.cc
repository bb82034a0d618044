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
