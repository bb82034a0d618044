// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/seeds.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backends/memory_store.h"
#include "engine/arrow_status.h"
#include "engine/write/append.h"

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
      {arrow::field("none", arrow::int32()), "[null,null,null,null,null,null]"},
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

Objects MakeTable(const arrow::RecordBatch& rows, FileVersion version) {
  const std::shared_ptr<ObjectStore> store = MakeMemoryStore();
  auto writer = Must(AppendWriter::MakeCreate(store, kPath, rows.schema(), version, WriteOptions()));
  if (!writer->Write(rows, OpContext()).ok()) std::abort();
  (void)Must(writer->Commit(OpContext()));
  Objects objects;
  ListRequest everything;
  everything.prefix = std::string(kPath) + "/";
  everything.recursive = true;
  for (const ObjectMeta& object : Must(store->List(everything, OpContext())).objects)
    objects[object.path] = Must(store->ReadAll(object.path, OpContext()));
  return objects;
}

}  // namespace

Objects SeedTable(FileVersion version) { return MakeTable(*Rows(), version); }

std::vector<std::string> SeedDataFiles(FileVersion version) {
  std::vector<std::string> files;
  const auto rows = Rows();
  for (int column = 0; column < rows->num_columns(); ++column) {
    const auto one = Must(FromArrow(rows->SelectColumns({column})));
    for (const auto& [path, bytes] : MakeTable(*one, version)) {
      if (path.ends_with(".lance")) files.emplace_back(bytes.view());
    }
  }
  return files;
}

std::vector<std::string> SeedsFromFolders(std::string_view part, size_t max_size) {
  std::vector<std::string> files;
  const char* variable = std::getenv("LANCEFS_FUZZ_SEEDS");
  std::istringstream folders(variable == nullptr ? "" : variable);
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
      if (!entry.is_regular_file() || entry.path().native().find(part) == std::string::npos || entry.file_size() > max_size)
        continue;
      std::ifstream file(entry.path(), std::ios::binary);
      files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return files;
}

}  // namespace lancefs
