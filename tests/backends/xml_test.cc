// SPDX-License-Identifier: Apache-2.0
#include "backends/xml.h"

#include <gtest/gtest.h>

#include <random>

#include "backends/cloud/xml_listing.h"
#include "backends/s3/crc64nvme.h"
#include "backends/s3/s3_writer.h"

namespace lancefs {
namespace {

TEST(Xml, TreesTextAndEntities) {
  const auto parsed = ParseXml(
      "\xEF\xBB\xBF<?xml version=\"1.0\"?><!-- c --> <a:root xmlns:a='x>y' b = "
      "\"1\">\n<k>a&amp;b&lt;&gt;&quot;&apos;&#65;&#xe4;&#x1F600;</k>"
      "<k> second </k><empty/><c><![CDATA[<raw>&amp;]]]]><!-- in --></c><?pi?></a:root>\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  const XmlElement& root = *parsed;
  EXPECT_EQ(root.name, "root");
  ASSERT_EQ(root.children.size(), 4u);
  EXPECT_EQ(root.Text("k"), "a&b<>\"'A\xC3\xA4\xF0\x9F\x98\x80");
  EXPECT_EQ(root.children[1].text, " second ");
  EXPECT_EQ(root.Text("empty"), "");
  EXPECT_EQ(root.Text("c"), "<raw>&amp;]]");
  EXPECT_EQ(root.Find("none"), nullptr);
  EXPECT_EQ(root.Text("none"), "");
}

TEST(Xml, RefusesWhatIsNotXml) {
  for (const char* text : {"",
                           " ",
                           "text",
                           "<",
                           "<a",
                           "<a>",
                           "<a></b>",
                           "<a></a",
                           "<a></a><b/>",
                           "<a></a>x",
                           "<a b></a>",
                           "<a b=1></a>",
                           "<a b='></a>",
                           "<a>&nope;</a>",
                           "<a>&amp</a>",
                           "<a>&#0;</a>",
                           "<a>&#xD800;</a>",
                           "<a>&#x110000;</a>",
                           "<a>&#99999999999;</a>",
                           "<a>&#;</a>",
                           "<a>&#x;</a>",
                           "<a><![CDATA[x</a>",
                           "<a><![CDATA[]]",
                           "<a><!-- x</a>",
                           "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
                           "<a/",
                           "</a>",
                           "<a><?pi</a>",
                           "<?xml?>"}) {
    EXPECT_EQ(ParseXml(text).status().code(), StatusCode::kCorruption) << text;
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_EQ(ParseXml(deep).status().code(), StatusCode::kCorruption);
}

TEST(Xml, SurvivesMutations) {
  const std::string text = "<?xml version=\"1.0\"?><L a='b'><K>x&amp;y&#x41;</K><!-- c --><![CDATA[d]]><E/></L>";
  std::mt19937 random(5);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string mutant = text;
    for (uint32_t n = random() % 4 + 1; n > 0; --n) {
      const size_t at = random() % mutant.size();
      if (random() % 3 == 0) {
        mutant.erase(at, random() % 5);
      } else {
        mutant[at] = static_cast<char>("<>&;/!-[]='\"?# aK\x01"[random() % 18]);
      }
      if (mutant.empty()) mutant.push_back('<');
    }
    if (ParseXml(mutant).ok()) ++accepted;
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 20000);
}

TEST(Xml, EscapesRoundTrip) {
  const std::string text = "a<b>&\"' &amp; \xC3\xA4";
  const auto parsed = ParseXml("<t>" + XmlEscape(text) + "</t>");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ((*parsed).text, text);
}

TEST(S3Listing, ReadsAPage) {
  const auto page = ParseListBucketResult(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>"
      "<Contents><Key>p/a&amp;b "
      "c</Key><LastModified>2009-10-12T17:50:30.125Z</LastModified><ETag>&quot;e&quot;</ETag><Size>434234</Size></Contents>"
      "<Contents><Key>p/marker/</Key><Size>0</Size></Contents>"
      "<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status().ToString();
  ASSERT_EQ((*page).objects.size(), 1u);
  EXPECT_EQ((*page).objects[0].path, "p/a&b c");
  EXPECT_EQ((*page).objects[0].size, 434234u);
  EXPECT_EQ((*page).objects[0].etag, "\"e\"");
  EXPECT_EQ((*page).objects[0].last_modified_ns, 1255369830125000000);
  EXPECT_EQ((*page).directories, std::vector<std::string>{"p/d/"});
  EXPECT_TRUE((*page).truncated);
  EXPECT_EQ((*page).continuation, "t/+=");
  for (const char* bad :
       {"<Error/>", "<ListBucketResult><Contents/></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_EQ(ParseListBucketResult(bad).status().code(), StatusCode::kCorruption) << bad;
  }
}

TEST(Crc64Nvme, KnownValues) {
  const std::string check = "123456789";
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(check.data()), check.size());
  EXPECT_EQ(Crc64Nvme(bytes), 0xAE8B14860A799888u);
  EXPECT_EQ(Crc64Nvme(bytes.subspan(4), Crc64Nvme(bytes.first(4))), 0xAE8B14860A799888u);
  EXPECT_EQ(Crc64Nvme({}), 0u);
}

TEST(S3PartSize, TenThousandPartsHoldFiveTebibytes) {
  uint64_t total = 0;
  for (size_t i = 0; i < 10000; ++i) {
    const uint64_t size = S3PartSize(i, false);
    EXPECT_GE(size, 5u << 20);
    EXPECT_LE(size, 5ull << 30);
    total += size;
  }
  EXPECT_GE(total, 5ull << 40);
  EXPECT_EQ(S3PartSize(0, false), 8u << 20);
  EXPECT_EQ(S3PartSize(0, true), S3PartSize(9999, true));
}

}  // namespace
}  // namespace lancefs
