// SPDX-License-Identifier: Apache-2.0
//
// Loads an Arrow IPC file and answers requests from stdin, one JSON object a line: {"filter": text} or
// {"predicate": [column, op, value]} gives {"rows": [row numbers]}, {"select": text} gives the rendered
// columns; a failure gives {"error": text}. The differential tests compare these answers with the reference's.
#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/sql/expression.h"

namespace {

using lancefs::Expression;
using nlohmann::json;

struct Input {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};

arrow::Result<Input> Load(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
  Input input;
  arrow::FieldVector fields;
  for (const auto& field : reader->schema()->fields()) {  // the scanner supplies these, the schema has none
    if (field->name() != "_rowid" && field->name() != "_rowaddr" && field->name() != "_rowoffset") fields.push_back(field);
  }
  input.schema = arrow::schema(fields);
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->ReadRecordBatch(i));
    input.batches.push_back(std::move(batch));
  }
  return input;
}

json Matches(const Input& input, const Expression& filter) {
  json rows = json::array();
  int64_t base = 0;
  for (const auto& batch : input.batches) {
    auto bits = lancefs::EvaluateFilter(filter, *batch);
    if (!bits.ok()) return {{"error", bits.status().message()}};
    for (int64_t i = 0; i < (*bits)->length(); ++i) {
      if ((*bits)->Value(i)) rows.push_back(base + i);
    }
    base += batch->num_rows();
  }
  return {{"rows", std::move(rows)}};
}

json Answer(const Input& input, const json& request) {
  if (request.contains("select")) {
    auto items = lancefs::ParseSelectList(request["select"].get<std::string>(), *input.schema);
    if (!items.ok()) return {{"error", items.status().message()}};
    json columns = json::object();
    for (const auto& item : *items) {
      std::string text;
      for (const auto& batch : input.batches) {
        auto array = item.expression->Evaluate(*batch);
        if (!array.ok()) return {{"error", array.status().message()}};
        text += (*array)->ToString();
      }
      columns[item.name] = text;
    }
    return {{"columns", std::move(columns)}};
  }
  auto filter =
      request.contains("predicate")
          ? lancefs::MakeColumnPredicate(request["predicate"][0].get<std::string>(), request["predicate"][1].get<std::string>(),
                                         request["predicate"][2].get<std::string>(), *input.schema)
          : lancefs::ParseFilter(request["filter"].get<std::string>(), *input.schema);
  if (!filter.ok()) return {{"error", filter.status().message()}};
  json answer = Matches(input, **filter);
  answer["text"] = (*filter)->ToString();
  auto again = lancefs::ParseFilter((*filter)->ToString(), *input.schema);  // the canonical text must mean the same
  if (!again.ok()) {
    if (!request.contains("predicate")) answer["roundtrip"] = again.status().message();
  } else if (answer.contains("rows") && Matches(input, **again) != json{{"rows", answer["rows"]}}) {
    answer["roundtrip"] = "other rows";
  }
  return answer;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sql_probe FILE.arrow < requests\n";
    return 2;
  }
  auto input = Load(argv[1]);
  if (!input.ok()) {
    std::cerr << input.status().ToString() << "\n";
    return 1;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << Answer(*input, json::parse(line)).dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
  return 0;
}
