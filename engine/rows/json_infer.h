// SPDX-License-Identifier: Apache-2.0
//
// The schema of JSON rows: one pass over all of them (RULES 10: int64, double, bool, else utf8; objects
// are structs, arrays lists; no guessing of dates).
//
// Thread safety: one thread.
#pragma once

#include <arrow/type.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/rows/json_parse.h"

namespace lancefs::rows {

class JsonInferrer {
 public:
  // Notes the fields of the object at the parser's position and steps over it. False: see error().
  bool AddRow(JsonParser& parser);
  const CellError& error() const { return error_; }
  std::shared_ptr<arrow::Schema> Finish() const;

 private:
  // What the values of one place were so far.
  struct Node {
    bool integer = false;
    bool floating = false;
    bool boolean = false;
    bool text = false;
    bool special = false;  // "NaN", "Infinity", "-Infinity": text, or a double among numbers
    bool object = false;
    bool list = false;
    uint64_t seen = 0;
    uint64_t objects = 0;
    std::vector<std::string> names;  // in the order of appearance
    std::vector<std::unique_ptr<Node>> children;
    std::unordered_map<std::string, size_t> index;
  };

  bool AddValue(JsonParser& parser, Node& node, int depth);
  bool AddObject(JsonParser& parser, Node& node, int depth);
  bool AddList(JsonParser& parser, Node& node, int depth);
  bool AddScalar(JsonParser& parser, Node& node, int depth);
  bool Fail(std::string value, std::string reason);
  bool FromParser(const JsonParser& parser);
  bool Inside(const std::string& name);
  // False if `node` has values of kinds that no column can hold together.
  static bool Agrees(const Node& node);
  static std::shared_ptr<arrow::DataType> TypeOf(const Node& node);

  Node root_;
  CellError error_;
  std::string scratch_;
};

}  // namespace lancefs::rows
