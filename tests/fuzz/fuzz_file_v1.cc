// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of data files of version 0.1: the first byte chooses the schema, which these files do not tell; the rest is the
// file.
#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <cstdlib>

#include "engine/format/proto/file.pb.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/read_file.h"
#include "tests/fuzz/seeds.h"

namespace lancefs {
namespace {

// One column of each type; what stands behind a type are its members, all at one level.
const std::vector<Schema>& Schemas() {
  static const std::vector<std::vector<const char*>> kTypes = {{"int32"},
                                                               {"int64"},
                                                               {"double"},
                                                               {"bool"},
                                                               {"string"},
                                                               {"large_binary"},
                                                               {"fixed_size_list:float:4"},
                                                               {"fixed_size_list:bool:3"},
                                                               {"fixed_size_binary:5"},
                                                               {"halffloat"},
                                                               {"timestamp:us:UTC"},
                                                               {"decimal:128:12:2"},
                                                               {"null"},
                                                               {"dict:string:int8:false"},
                                                               {"list", "int32"},
                                                               {"large_list", "string"},
                                                               {"struct", "int32", "string"},
                                                               {"struct", "int64", "bool", "dict:string:int8:false"}};
  static const std::vector<Schema> schemas = [] {
    std::vector<Schema> made;
    for (const auto& types : kTypes) {
      google::protobuf::RepeatedPtrField<pb::Field> fields;
      for (size_t i = 0; i < types.size(); ++i) {
        pb::Field* field = fields.Add();
        field->set_name("f" + std::to_string(i));
        field->set_id(static_cast<int32_t>(i));
        field->set_parent_id(i == 0 ? -1 : 0);
        field->set_logical_type(types[i]);
        field->set_nullable(true);
      }
      Result<Schema> schema = SchemaFromProto(fields, {});
      if (!schema.ok()) std::abort();
      const auto dictionary = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a","b",null,"c"])").ValueOrDie();
      Field& top = schema->fields[0];
      if (top.type->id() == arrow::Type::DICTIONARY) top.dictionary = dictionary;
      for (Field& child : top.children) {
        if (child.type->id() == arrow::Type::DICTIONARY) child.dictionary = dictionary;
      }
      made.push_back(schema.MoveValue());
    }
    return made;
  }();
  return schemas;
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  for (const std::string& file : SeedsFromFolders(".lance", 32 * 1024)) {
    for (size_t i = 0; i < Schemas().size(); ++i) {
      if (!ReadLegacyFile(file, Schemas()[i])) continue;
      seeds.push_back(std::string(1, static_cast<char>(i)).append(file));
    }
  }
  // One batch of two int32; the page table, the metadata, the footer.
  const uint64_t values[] = {7ULL << 32 | 5};
  const uint64_t table[] = {0, 2};
  pb::LegacyMetadata metadata;
  metadata.add_batch_offsets(0);
  metadata.add_batch_offsets(2);
  metadata.set_page_table_position(8);
  const std::string message = metadata.SerializeAsString();
  std::string small(1, '\0');
  auto put = [&small](const auto& value) { small.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(values);
  put(table);
  put(static_cast<uint32_t>(message.size()));
  small.append(message);
  put(uint64_t{24});
  put(uint32_t{2 << 16});
  small.append("LANC");
  seeds.push_back(std::move(small));
  return seeds;
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::vector<lancefs::Schema>& schemas = lancefs::Schemas();
  lancefs::ReadLegacyFile({reinterpret_cast<const char*>(data) + 1, size - 1}, schemas[data[0] % schemas.size()]);
  return 0;
}
