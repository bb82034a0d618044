// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/json_infer.h"

namespace lancefs::rows {
namespace {

constexpr int kMaxDepth = 64;

}  // namespace

bool JsonInferrer::Fail(std::string value, std::string reason) {
  error_ = CellError{"", Shorten(value), std::move(reason)};
  return false;
}

bool JsonInferrer::FromParser(const JsonParser& parser) {
  error_ = parser.error();
  return false;
}

bool JsonInferrer::Inside(const std::string& name) {
  error_.column = error_.column.empty() ? name : name + "." + error_.column;
  return false;
}

bool JsonInferrer::Agrees(const Node& node) {
  const bool number = node.integer || node.floating;
  return number + node.boolean + node.text + node.object + node.list <= 1 &&
         !(node.special && (node.boolean || node.object || node.list));
}

bool JsonInferrer::AddScalar(JsonParser& parser, Node& node, int depth) {
  const char* begin = parser.position();
  std::string_view token;
  bool flag = false;
  switch (*begin) {
    case '"':
      if (!parser.ScanString(&token, &flag)) return FromParser(parser);
      if (flag) {  // check the escapes
        scratch_.resize(token.size());
        size_t size = 0;
        if (!parser.Unescape(token, scratch_.data(), &size)) return FromParser(parser);
      }
      if (token == "NaN" || token == "Infinity" || token == "-Infinity") {
        node.special = true;
      } else {
        node.text = true;
      }
      return true;
    case 't':
    case 'f':
      if (!parser.ScanWord("true") && !parser.ScanWord("false")) break;
      node.boolean = true;
      return true;
    case 'n':
      if (!parser.ScanWord("null")) break;
      return true;
    default: {
      if (*begin != '-' && (*begin < '0' || *begin > '9')) break;
      if (!parser.ScanNumber(&token, &flag)) return FromParser(parser);
      int64_t value = 0;
      if (!flag) {
        node.floating = true;
      } else if (ParseInt64(token.data(), token.data() + token.size(), /*lenient=*/false, &value) == Fault::kNone) {
        node.integer = true;
      } else {
        // Rounding it to a double would lose digits silently.
        return Fail(std::string(token), "is out of range for int64; give the table a schema first");
      }
      return true;
    }
  }
  parser.FailAt("no JSON value");
  return FromParser(parser);
}

bool JsonInferrer::AddValue(JsonParser& parser, Node& node, int depth) {
  const char* begin = parser.position();
  if (depth > kMaxDepth) return Fail("", "is nested more than " + std::to_string(kMaxDepth) + " levels deep");
  const bool good = *begin == '{'   ? AddObject(parser, node, depth)
                    : *begin == '[' ? AddList(parser, node, depth)
                                    : AddScalar(parser, node, depth);
  if (!good) return false;
  if (!Agrees(node)) {
    return Fail(std::string(begin, parser.position()), "is of another kind than the values in rows before it");
  }
  return true;
}

bool JsonInferrer::AddList(JsonParser& parser, Node& node, int depth) {
  node.list = true;
  if (node.children.empty()) node.children.push_back(std::make_unique<Node>());
  parser.Seek(parser.position() + 1);
  parser.SkipSpace();
  if (*parser.position() == ']') {
    parser.Seek(parser.position() + 1);
    return true;
  }
  for (int64_t item = 0;; ++item) {
    parser.SkipSpace();
    if (!AddValue(parser, *node.children[0], depth + 1)) return Inside(std::string("[").append(std::to_string(item)).append("]"));
    parser.SkipSpace();
    const char c = *parser.position();
    if (c != ',' && c != ']') {
      parser.FailAt("the list is not closed or lacks a comma");
      return FromParser(parser);
    }
    parser.Seek(parser.position() + 1);
    if (c == ']') return true;
  }
}

bool JsonInferrer::AddObject(JsonParser& parser, Node& node, int depth) {
  if (node.list) return Fail("", "an object where rows before have a list");
  node.object = true;
  ++node.objects;
  parser.Seek(parser.position() + 1);
  parser.SkipSpace();
  if (*parser.position() == '}') {
    parser.Seek(parser.position() + 1);
    return true;
  }
  while (true) {
    parser.SkipSpace();
    std::string_view raw;
    bool escaped = false;
    if (*parser.position() != '"') {
      parser.FailAt("the object is not closed or lacks a quoted key");
      return FromParser(parser);
    }
    if (!parser.ScanString(&raw, &escaped)) return FromParser(parser);
    std::string key(raw);
    if (escaped) {
      size_t size = 0;
      if (!parser.Unescape(raw, key.data(), &size)) return FromParser(parser);
      key.resize(size);
    }
    const auto [it, is_new] = node.index.emplace(key, node.children.size());
    if (is_new) {
      node.names.push_back(key);
      node.children.push_back(std::make_unique<Node>());
    }
    Node& child = *node.children[it->second];
    if (child.seen == node.objects) {
      Fail("", "the key stands twice in the object");
      return Inside(key);
    }
    child.seen = node.objects;
    parser.SkipSpace();
    if (*parser.position() != ':') {
      parser.FailAt("no colon behind the key");
      FromParser(parser);
      return Inside(key);
    }
    parser.Seek(parser.position() + 1);
    parser.SkipSpace();
    if (!AddValue(parser, child, depth + 1)) return Inside(key);
    parser.SkipSpace();
    const char c = *parser.position();
    if (c != ',' && c != '}') {
      parser.FailAt("the object is not closed or lacks a comma");
      return FromParser(parser);
    }
    parser.Seek(parser.position() + 1);
    if (c == '}') return true;
  }
}

bool JsonInferrer::AddRow(JsonParser& parser) {
  if (*parser.position() != '{') {
    parser.FailAt("a JSON object is expected");
    return FromParser(parser);
  }
  return AddObject(parser, root_, 0);
}

std::shared_ptr<arrow::DataType> JsonInferrer::TypeOf(const Node& node) {
  if (node.object) {
    arrow::FieldVector fields;
    for (size_t i = 0; i < node.children.size(); ++i) fields.push_back(arrow::field(node.names[i], TypeOf(*node.children[i])));
    return arrow::struct_(std::move(fields));
  }
  if (node.list) return arrow::list(TypeOf(*node.children[0]));
  if (node.boolean) return arrow::boolean();
  if (node.floating || (node.integer && node.special)) return arrow::float64();
  if (node.integer) return arrow::int64();
  return arrow::utf8();
}

std::shared_ptr<arrow::Schema> JsonInferrer::Finish() const {
  arrow::FieldVector fields;
  for (size_t i = 0; i < root_.children.size(); ++i) fields.push_back(arrow::field(root_.names[i], TypeOf(*root_.children[i])));
  return arrow::schema(std::move(fields));
}

}  // namespace lancefs::rows
