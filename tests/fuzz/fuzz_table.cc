// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the table formats: small tables of each file version of which one object (manifest, transaction or data file) is
// replaced by the input. The first byte tells which. Whatever stands in it: an error or rows, never a crash.
#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <cstdlib>
#include <map>

#include "backends/memory_store.h"
#include "engine/scan/scanner.h"
#include "engine/scan/verify.h"
#include "engine/write/append.h"
#include "tests/fuzz/fuzz_target.h"

namespace lancefs {
namespace {

constexpr char kPath[] = "t.lance";

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::abort();
  }
  return std::move(result).MoveValue();
}

std::shared_ptr<arrow::RecordBatch> Rows() {
  const auto item = arrow::struct_({arrow::field("a", arrow::int16()), arrow::field("b", arrow::utf8())});
  const std::pair<arrow::FieldVector::value_type, const char*> columns[] = {
      {arrow::field("id", arrow::int64(), false), "[1,2,3,4,5,1000000]"},
      {arrow::field("small", arrow::int8()), "[1,null,3,null,5,1]"},
      {arrow::field("flag", arrow::boolean()), "[true,false,null,true,true,true]"},
      {arrow::field("text", arrow::utf8()), R"(["a","bb","",null,"a long text a long text a long text","a"])"},
      {arrow::field("bytes", arrow::large_binary()), R"(["a","bb","",null,"x","a"])"},
      {arrow::field("real", arrow::float64()), "[0.5,-1.25,null,1e300,0,7]"},
      {arrow::field("amount", arrow::decimal128(20, 2)), R"(["1.25","-3.50",null,"0.00","9.99","1.00"])"},
      {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 3)), "[[1,2,3],[4,5,6],[1,2,3],[4,5,6],[1,2,3],[4,5,6]]"},
      {arrow::field("list", arrow::list(item)),
       R"([[{"a":1,"b":"x"}],[],null,[{"a":null,"b":null},{"a":3,"b":"yy"}],[{"a":7,"b":""}],[]])"},
      {arrow::field("part", item),
       R"([{"a":1,"b":"x"},{"a":2,"b":"y"},{"a":null,"b":"z"},{"a":1,"b":"x"},{"a":2,"b":null},{"a":3,"b":"x"}])"}};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [field, json] : columns) {
    const auto once = arrow::json::ArrayFromJSONString(field->type(), json).ValueOrDie();
    fields.push_back(field);
    arrays.push_back(arrow::Concatenate(arrow::ArrayVector(50, once)).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), 300, std::move(arrays));
}

using Objects = std::map<std::string, Bytes>;

Objects MakeTable(FileVersion version) {
  const std::shared_ptr<ObjectStore> store = MakeMemoryStore();
  const auto rows = Rows();
  auto writer = Must(AppendWriter::MakeCreate(store, kPath, rows->schema(), version, WriteOptions()));
  if (!writer->Write(*rows, OpContext()).ok()) std::abort();
  (void)Must(writer->Commit(OpContext()));
  Objects objects;
  ListRequest everything;
  everything.prefix = std::string(kPath) + "/";
  everything.recursive = true;
  for (const ObjectMeta& object : Must(store->List(everything, OpContext())).objects)
    objects[object.path] = Must(store->ReadAll(object.path, OpContext()));
  return objects;
}

const std::vector<Objects>& Tables() {
  static const std::vector<Objects> tables = {MakeTable(FileVersion::kV2_0), MakeTable(FileVersion::kV2_1),
                                              MakeTable(FileVersion::kV2_2)};
  return tables;
}

// Reads everything that a reader of the table would.
void Use(const std::shared_ptr<ObjectStore>& store) {
  const OpContext ctx;
  auto dataset = Dataset::Open(store, kPath, OpenOptions(), ctx);
  if (!dataset.ok()) return;
  (void)(*dataset)->ListVersions(ctx).ok();
  (void)VerifyDataset(*dataset, VerifyOptions(), ctx).ok();
  for (const bool few : {false, true}) {
    ScanOptions options;
    options.with_row_id = true;
    if (few) options.take = std::vector<uint64_t>{0, 7, 8, 299};
    auto stream = Scan(*dataset, options);
    if (!stream.ok()) continue;
    while (true) {
      auto batch = (*stream)->Next(ctx);
      if (!batch.ok() || *batch == nullptr) break;
      const arrow::Status valid = (*batch)->ValidateFull();
      // A value that its type forbids is the writer's business; everything else would let others read where nothing is.
      if (!valid.ok() && valid.message().find("UTF8") == std::string::npos &&
          valid.message().find("Decimal value") == std::string::npos) {
        std::fprintf(stderr, "%s\n", valid.ToString().c_str());
        std::abort();
      }
    }
  }
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  size_t number = 0;
  for (const Objects& table : Tables()) {
    for (const auto& [path, bytes] : table) seeds.push_back(static_cast<char>(number++) + std::string(bytes.view()));
  }
  return seeds;
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  size_t number = 0;
  for (const lancefs::Objects& table : lancefs::Tables()) {
    for (const auto& [changed, unused] : table) {
      if (number++ != data[0]) continue;
      const std::shared_ptr<lancefs::ObjectStore> store = lancefs::MakeMemoryStore();
      for (const auto& [path, bytes] : table) {
        const lancefs::Bytes content =
            path == changed ? lancefs::Bytes::FromString(std::string(reinterpret_cast<const char*>(data) + 1, size - 1)) : bytes;
        if (!store->Put(path, content, lancefs::OpContext()).ok()) std::abort();
      }
      lancefs::Use(store);
    }
  }
  return 0;
}
