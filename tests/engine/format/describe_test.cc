// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "backends/registry.h"
#include "engine/format/deletion_vector.h"
#include "engine/format/describe_file.h"
#include "engine/format/manifest.h"
#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

using nlohmann::json;

class Describe : public testing::Test {
 protected:
  void SetUp() override { store_ = OpenStore("memory://describe/").MoveValue().store; }

  Result<std::string> Ask(const std::string& name, const std::string& bytes, uint64_t leading = 0) {
    EXPECT_TRUE(store_->Put(name, Bytes::FromString(bytes), ctx_).ok());
    DescribeOptions options;
    options.leading_bytes = leading;
    return DescribeFile(*store_, name, options, ctx_);
  }

  std::shared_ptr<ObjectStore> store_;
  OpContext ctx_;
};

template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// A 2.1 file of one column with one page of 4 bytes.
std::string SampleFile(const std::string& type_url = "/lance.encodings21.PageLayout") {
  std::string out = "\1\2\3\4";
  pb::v21::PageLayout layout;
  layout.mutable_constant_layout()->add_layers(pb::v21::REPDEF_NULLABLE_ITEM);
  google::protobuf::Any any;
  any.set_type_url(type_url);
  any.set_value(layout.SerializeAsString());
  pb::ColumnMetadata column;
  pb::ColumnMetadata::Page* page = column.add_pages();
  page->add_buffer_offsets(0);
  page->add_buffer_sizes(4);
  page->set_length(9);
  page->mutable_encoding()->mutable_direct()->set_encoding(any.SerializeAsString());
  pb::FileDescriptor descriptor;
  descriptor.set_length(9);
  pb::Field* field = descriptor.mutable_schema()->add_fields();
  field->set_name("n");
  field->set_parent_id(-1);
  field->set_logical_type("int32");
  const uint64_t schema_at = out.size();
  out += descriptor.SerializeAsString();
  const uint64_t column_at = out.size();
  out += column.SerializeAsString();
  const uint64_t tables = out.size();
  Append(column_at, &out);
  Append(tables - column_at, &out);
  Append(schema_at, &out);
  Append(column_at - schema_at, &out);
  Append(column_at, &out);
  Append(tables, &out);
  Append(tables + 16, &out);
  Append(uint32_t{1}, &out);
  Append(uint32_t{1}, &out);
  Append(uint16_t{2}, &out);
  Append(uint16_t{1}, &out);
  return out + "LANC";
}

TEST_F(Describe, DataFile) {
  const auto text = Ask("a.lance", SampleFile(), 2);
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  const json whole = json::parse(*text);
  EXPECT_EQ(whole["version"], "2.1");
  EXPECT_EQ(whole["rows"], 9);
  const json& column = whole["columns"][0];
  EXPECT_EQ(column["field"], "n");
  EXPECT_EQ(column["pages"][0]["rows"], 9);
  EXPECT_EQ(column["pages"][0]["buffers"][0], (json{{"position", 0}, {"size", 4}, {"bytes", "0102"}}));
  EXPECT_EQ(column["pages"][0]["encoding"]["is"], (json{{"constant_layout", {{"layers", {"REPDEF_NULLABLE_ITEM"}}}}}));
  const std::string shown = DescriptionText(*text);
  EXPECT_NE(shown.find("column 0 n (field 0): 9 rows, 4 bytes in 1 pages"), std::string::npos) << shown;
  EXPECT_NE(shown.find("constant_layout:"), std::string::npos) << shown;
  EXPECT_NE(shown.find("layers: [NULLABLE_ITEM]"), std::string::npos) << shown;
  EXPECT_NE(shown.find("buffer 0 at 0, 4 bytes: 0102"), std::string::npos) << shown;
}

TEST_F(Describe, UnknownEncodingsAreShownAsTheyAre) {
  const auto text = Ask("a.lance", SampleFile("/lance.encodings99.Later"));
  ASSERT_TRUE(text.ok());
  const json page = json::parse(*text)["columns"][0]["pages"][0];
  EXPECT_EQ(page["encoding"]["type"], "/lance.encodings99.Later");
  EXPECT_EQ(page["encoding"]["bytes"], "12032a0103");
}

TEST_F(Describe, Deletions) {
  const auto vector = DeletionVector::FromOffsets({5, 1, 900}, 1000).MoveValue();
  for (const auto& [name, type] :
       {std::pair{"0-1-2.bin", pb::DeletionFile::BITMAP}, std::pair{"0-1-2.arrow", pb::DeletionFile::ARROW_ARRAY}}) {
    const auto text = Ask(name, std::string(vector->Serialize(type).MoveValue().view()));
    ASSERT_TRUE(text.ok()) << text.status().ToString();
    EXPECT_EQ(json::parse(*text)["offsets"], (json{1, 5, 900}));
  }
}

TEST_F(Describe, ManifestsAndTransactions) {
  pb::Manifest manifest;
  manifest.set_version(7);
  manifest.set_reader_feature_flags(kFlagDeletionFiles | kFlagStableRowIds);
  pb::Transaction transaction;
  transaction.set_uuid("u");
  transaction.mutable_delete_()->set_predicate("a > 1");
  const auto text = Ask("7.manifest", SerializeManifestFile(manifest, "", &transaction));
  ASSERT_TRUE(text.ok()) << text.status().ToString();
  EXPECT_EQ(json::parse(*text)["version"], 7);
  EXPECT_EQ(json::parse(*text)["reader_features"], "bit 0 (deletion files), bit 1 (stable row ids)");
  EXPECT_EQ(json::parse(*text)["transaction"]["delete"]["predicate"], "a > 1");
  const auto alone = Ask("6-u.txn", transaction.SerializeAsString());
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(json::parse(*alone)["transaction"]["delete"]["predicate"], "a > 1");
}

TEST_F(Describe, BrokenFilesAreRefusedWithoutHarm) {
  const std::string good = SampleFile();
  EXPECT_EQ(Ask("a.lance", "no file of Lance").status().code(), StatusCode::kInvalidArgument);
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    if (i % 3 == 0) bad.erase(random() % bad.size(), random() % 8);
    for (int k = 0; k <= i % 4 && !bad.empty(); ++k) bad[random() % bad.size()] = static_cast<char>(random());
    const auto text = Ask(i % 2 == 0 ? "a.lance" : "a.manifest", bad, 4);
    if (text.ok()) (void)DescriptionText(*text);
  }
}

}  // namespace
}  // namespace lancefs
