// SPDX-License-Identifier: Apache-2.0
#include <random>

#include "engine/format/manifest_tail.h"
#include "test_table.h"

namespace lancefs {
namespace {

TEST(ManifestName, BothSchemes) {
  EXPECT_EQ(ManifestName(1, ManifestNaming::kV2), "18446744073709551614.manifest");
  EXPECT_EQ(ManifestName(12, ManifestNaming::kV1), "12.manifest");
  EXPECT_EQ(ParseManifestName("18446744073709551614.manifest")->version, 1u);
  EXPECT_EQ(ParseManifestName("7.manifest")->naming, ManifestNaming::kV1);
  for (const char* other :
       {"latest_version_hint.json", "d9223372036854775809.manifest", "5.manifest#1", "x.manifest", ".manifest"}) {
    EXPECT_FALSE(ParseManifestName(other).has_value()) << other;
  }
}

std::string SampleFile() {
  pb::Manifest manifest;
  manifest.set_version(7);
  manifest.mutable_data_format()->set_version("2.2");
  pb::Transaction transaction;
  transaction.set_uuid("u");
  transaction.mutable_append();
  return SerializeManifestFile(manifest, "index bytes", &transaction);
}

TEST(ManifestFile, RoundTripsItsThreeParts) {
  const auto parsed = ParseManifestFile(Bytes::FromString(SampleFile()));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_EQ(parsed->manifest->version(), 7u);
  EXPECT_EQ(parsed->index_section, "index bytes");
  EXPECT_EQ(parsed->transaction->uuid(), "u");
  EXPECT_TRUE(parsed->manifest->has_transaction_section());
}

// However much of its end was read.
TEST(ManifestFile, TellsWhatItsEndLeavesOut) {
  const std::string file = SampleFile();
  const auto position = LoadLittleEndian<uint64_t>(file.data() + file.size() - 16);
  const auto whole = ParseManifestFile(Bytes::FromString(file));
  ASSERT_GT(whole->manifest->transaction_section(), whole->manifest->index_section());
  for (uint64_t offset = 0; offset <= position; ++offset) {
    const auto parsed = ParseManifestTail(Bytes::FromString(file.substr(offset)), offset);
    ASSERT_TRUE(parsed.ok()) << offset << ": " << parsed.status().ToString();
    EXPECT_EQ(parsed->file.manifest->version(), 7u);
    EXPECT_EQ(parsed->file.transaction.has_value(), offset <= whole->manifest->transaction_section());
    EXPECT_EQ(parsed->index_section.length > 0, offset > whole->manifest->index_section());
    if (parsed->index_section.length == 0) {
      EXPECT_EQ(parsed->file.index_section, "index bytes");
    } else {
      const ByteRange place = parsed->index_section;
      EXPECT_LE(place.end(), whole->manifest->transaction_section());
      EXPECT_EQ(*CutIndexSection(Bytes::FromString(file.substr(place.offset, place.length))), "index bytes");
    }
  }
  EXPECT_EQ(*ManifestPosition(Bytes::FromString(file.substr(file.size() - 16)), file.size()), position);
  for (const uint64_t offset : {position + 1, file.size() - 16, file.size() - 15, uint64_t{file.size()}})
    EXPECT_TRUE(ParseManifestTail(Bytes::FromString(file.substr(offset)), offset).status().Is(StatusCode::kCorruption)) << offset;
}

// Of the newest version's large manifest only the end is read; what stands before it is there all the same for whom wants it.
TEST(ManifestFile, LargeOnesLoseNothing) {
  auto store = MakeMemoryStore("large");
  const auto base = CreateTable(store, "t.lance", 10);
  for (const uint64_t version : {uint64_t{2}, uint64_t{3}}) {
    pb::Manifest manifest = base->manifest();
    pb::Transaction transaction;
    transaction.set_uuid("transaction " + std::to_string(version));
    // A manifest that the first guess holds, and one that it does not.
    for (uint64_t id = 1; id <= (version == 2 ? 5000u : 10u); ++id) {
      *manifest.add_fragments() = manifest.fragments(0);
      manifest.mutable_fragments()->rbegin()->set_id(id);
    }
    for (int i = 0; i < 5000; ++i) *transaction.mutable_append()->add_fragments() = manifest.fragments(0);
    manifest.set_max_fragment_id(5000);
    manifest.set_version(version);
    const std::string file = SerializeManifestFile(manifest, "index bytes", &transaction);
    ASSERT_GT(file.size(), 200'000u);
    const std::string path = base->ObjectPath("_versions/" + ManifestName(version, base->naming()));
    ASSERT_TRUE(store->Put(path, Bytes::FromString(file), OpContext()).ok());
    const auto newest = Dataset::Open(store, "t.lance", OpenOptions(), OpContext());
    ASSERT_TRUE(newest.ok()) << newest.status().ToString();
    EXPECT_EQ((*newest)->version(), version);
    EXPECT_EQ((*newest)->fragments().size(), static_cast<size_t>(manifest.fragments_size()));
    EXPECT_EQ((*newest)->index_section(), "index bytes");
    const auto made = (*newest)->Transaction(OpContext());
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    EXPECT_EQ((*made)->uuid(), transaction.uuid());
    EXPECT_EQ((*made)->append().fragments_size(), 5000);
    const auto appended = AppendRows(*newest, 10, 5);
    ASSERT_TRUE(appended.ok()) << appended.status().ToString();
    EXPECT_EQ(appended->dataset->index_section(), "index bytes");
    ASSERT_TRUE(store->Delete(base->ObjectPath("_versions/" + ManifestName(version + 1, base->naming())), OpContext()).ok());
  }
}

TEST(ManifestFile, EndsExactlyAtTheFooter) {
  const std::string file = SampleFile();
  const auto position = LoadLittleEndian<uint64_t>(file.data() + file.size() - 16);
  const auto length = LoadLittleEndian<uint32_t>(file.data() + position);
  EXPECT_EQ(length, file.size() - position - 4 - 16);
  EXPECT_EQ(file.substr(file.size() - 8, 4), std::string("\0\0\2\0", 4));
}

TEST(ManifestFile, BrokenBytesNeverCrash) {
  const std::string good = SampleFile();
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    if (i % 4 == 0) bad.resize(random() % bad.size());
    for (int k = 0; k < 1 + i % 3 && !bad.empty(); ++k) bad[random() % bad.size()] = static_cast<char>(random());
    const auto parsed = ParseManifestFile(Bytes::FromString(bad));
    if (parsed.ok()) (void)SchemaFromManifest(*parsed->manifest).ok();
  }
}

// What a release of the reference does with a table whose words have just that bit (docs/lance/table.md 3).
struct FlagCase {
  int bit;
  const char* name;
  bool reads;   // set in the reader word (and in the writer word where they must agree)
  bool writes;  // set in the writer word (and in the reader word where they must agree)
};
constexpr FlagCase kFlagCases[] = {
    {0, "deletion files", true, true},
    {1, "stable row ids", true, true},
    {2, "old v2 format", true, true},
    {3, "table config", true, true},
    {4, "base paths", true, true},
    {5, "inline transactions only", true, true},
    {6, "data overlay files", false, false},
    {7, "covering index columns", true, true},
    {8, "mixed data file versions", true, true},
    {9, "stable row ids with a fragment reuse index", false, false},
    {10, "tagged fragment reuse index", true, true},
    {11, "spilled row lineage", true, true},
    {12, "fragment tree", false, false},
    {13, "independent covering fields", false, false},
    {14, "managed blobs", true, true},
    {16, "zone write seeds", false, false},
    {17, "object metadata", false, false},
    {18, "unknown", false, false},
    {63, "unknown", false, false},
};

TEST(Flags, EveryBitIsTakenOrRefusedByName) {
  for (const FlagCase& flag : kFlagCases) {
    const uint64_t value = uint64_t{1} << flag.bit;
    const bool paired = flag.bit == 8 || flag.bit == 10 || flag.bit == 14 || flag.bit == 16;
    const std::string name = "bit " + std::to_string(flag.bit) + " (" + flag.name + ")";
    pb::Manifest reader;
    reader.set_reader_feature_flags(value);
    pb::Manifest writer;
    writer.set_writer_feature_flags(value);
    if (paired) {
      for (const pb::Manifest& half : {reader, writer}) {
        EXPECT_EQ(CheckReaderFlags(half).code(), StatusCode::kCorruption) << name;
        EXPECT_EQ(CheckWriterFlags(half).code(), StatusCode::kCorruption) << name;
        EXPECT_NE(CheckReaderFlags(half).message().find(name), std::string::npos) << CheckReaderFlags(half).message();
      }
      reader.set_writer_feature_flags(value);
      writer.set_reader_feature_flags(value);
    }
    const Status reads = CheckReaderFlags(reader);
    const Status writes = CheckWriterFlags(writer);
    EXPECT_EQ(reads.code(), flag.reads ? StatusCode::kOk : StatusCode::kNotSupported) << name;
    EXPECT_EQ(writes.code(), flag.writes ? StatusCode::kOk : StatusCode::kNotSupported) << name;
    if (!flag.reads) EXPECT_NE(reads.message().find(name), std::string::npos) << reads.message();
    if (!flag.writes) EXPECT_NE(writes.message().find(name), std::string::npos) << writes.message();
    // What only writers must know does not keep readers out.
    if (!paired) EXPECT_TRUE(CheckReaderFlags(writer).ok()) << name;
  }
}

TEST(Flags, HighestFieldIdAndItsBitGoTogether) {
  pb::Manifest manifest;
  manifest.set_max_allocated_field_id(4);
  EXPECT_EQ(CheckReaderFlags(manifest).code(), StatusCode::kCorruption);
  manifest.set_writer_feature_flags(32768);
  EXPECT_TRUE(CheckReaderFlags(manifest).ok());
  EXPECT_TRUE(CheckWriterFlags(manifest).ok());
  manifest.set_reader_feature_flags(32768);
  EXPECT_EQ(CheckReaderFlags(manifest).code(), StatusCode::kCorruption);
  manifest.set_reader_feature_flags(0);
  manifest.clear_max_allocated_field_id();
  EXPECT_EQ(CheckWriterFlags(manifest).code(), StatusCode::kCorruption);
}

TEST(Names, DetachedVersions) {
  const uint64_t version = kDetachedBit | 12345;
  EXPECT_EQ(ManifestName(version, ManifestNaming::kV2), "d9223372036854788153.manifest");
  EXPECT_FALSE(ParseManifestName(ManifestName(version, ManifestNaming::kV2)));
}

TEST(Schema, LogicalTypesRoundTrip) {
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::null(),
      arrow::boolean(),
      arrow::int8(),
      arrow::uint64(),
      arrow::float16(),
      arrow::float64(),
      arrow::utf8(),
      arrow::large_utf8(),
      arrow::binary(),
      arrow::fixed_size_binary(16),
      arrow::date32(),
      arrow::date64(),
      arrow::time32(arrow::TimeUnit::MILLI),
      arrow::time64(arrow::TimeUnit::NANO),
      arrow::timestamp(arrow::TimeUnit::MICRO),
      arrow::timestamp(arrow::TimeUnit::NANO, "+08:00"),
      arrow::duration(arrow::TimeUnit::SECOND),
      arrow::decimal128(10, -2),
      arrow::decimal256(50, 3),
      arrow::list(arrow::field("item", arrow::int32())),
      arrow::large_list(arrow::struct_({arrow::field("a", arrow::utf8())})),
      arrow::fixed_size_list(arrow::field("item", arrow::float32()), 4),
      arrow::fixed_size_list(arrow::field("item", arrow::fixed_size_list(arrow::field("item", arrow::float32()), 2)), 3),
      arrow::map(arrow::utf8(), arrow::int32()),
      arrow::dictionary(arrow::int32(), arrow::utf8()),
      arrow::struct_({arrow::field("x", arrow::int64(), false)})};
  for (const auto& type : types) {
    const auto schema = SchemaFromArrow(*arrow::schema({arrow::field("c", type)}));
    ASSERT_TRUE(schema.ok()) << type->ToString() << ": " << schema.status().ToString();
    google::protobuf::RepeatedPtrField<pb::Field> fields;
    SchemaToProto(*schema, &fields);
    EXPECT_EQ(fields[0].parent_id(), -1);
    const auto back = SchemaFromProto(fields, {});
    ASSERT_TRUE(back.ok()) << type->ToString() << ": " << back.status().ToString();
    EXPECT_TRUE(back->fields[0].type->Equals(*type)) << type->ToString() << " became " << back->fields[0].type->ToString();
  }
}

TEST(Schema, JsonOfOldWritersIsTheBinaryFormWhateverItsNameSays) {
  google::protobuf::RepeatedPtrField<pb::Field> fields;
  pb::Field* field = fields.Add();
  field->set_name("j");
  field->set_parent_id(-1);
  field->set_logical_type("json");
  (*field->mutable_metadata())["ARROW:extension:name"] = "arrow.json";
  const auto schema = SchemaFromProto(fields, {});
  ASSERT_TRUE(schema.ok()) << schema.status().ToString();
  const auto column = schema->ToArrow()->field(0);
  EXPECT_EQ(column->type()->id(), arrow::Type::LARGE_BINARY);
  EXPECT_EQ(column->metadata()->Get("ARROW:extension:name").ValueOr(""), "lance.json");
  EXPECT_EQ(schema->fields[0].metadata.at("ARROW:extension:name"), "arrow.json");  // what is written back
}

TEST(Schema, RefusesWhatLanceRefuses) {
  for (const auto& schema : {arrow::schema({arrow::field("a.b", arrow::int8())}),
                             arrow::schema({arrow::field("a", arrow::int8()), arrow::field("a", arrow::int8())}),
                             arrow::schema({arrow::field("i", arrow::month_interval())}),
                             arrow::schema({arrow::field("d", arrow::decimal32(5, 1))})}) {
    EXPECT_FALSE(SchemaFromArrow(*schema).ok()) << schema->ToString();
  }
}

TEST(Schema, MalformedLogicalTypesAreErrors) {
  for (const char* bad :
       {"", "int", "fixed_size_list:float", "fixed_size_list:float:0", "fixed_size_list:float:x", "decimal:128:99:0",
        "decimal:64:5:1", "timestamp:us", "timestamp:xx:-", "dict:string", "fixed_size_binary:-1", "duration:h", "list", "map"}) {
    EXPECT_FALSE(TypeFromLogical(bad, {}).ok()) << bad;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "fixed_size_list:";
  EXPECT_FALSE(TypeFromLogical(deep + "float:2", {}).ok());
}

}  // namespace
}  // namespace lancefs
