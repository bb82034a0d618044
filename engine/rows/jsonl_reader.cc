// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <cstring>

#include "engine/rows/convert.h"
#include "engine/rows/json_infer.h"
#include "engine/rows/json_parse.h"
#include "engine/rows/text_reader.h"

namespace lancefs::rows {
namespace {

// How the objects follow each other.
enum class Layout { kLines, kArray, kSequence };

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

size_t CutLines(const char* data, size_t size, bool) {
  const void* at = ::memrchr(data, '\n', size);
  return at == nullptr ? 0 : static_cast<size_t>(static_cast<const char*>(at) - data) + 1;
}

// Steps over a string from behind its opening quote; `end` if it is not closed.
const char* SkipString(const char* p, const char* end) {
  while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
  return p < end ? p + 1 : end;
}

// Behind the last object that is complete, and behind the comma that follows it in an array.
size_t CutObjects(const char* data, size_t size, bool first, Layout layout) {
  const char* p = data;
  const char* end = data + size;
  const char* cut = data;
  if (first && layout == Layout::kArray) {
    while (p < end && IsSpace(*p)) ++p;
    if (p < end) ++p;  // the bracket
  }
  int64_t depth = 0;
  while (p < end) {
    const char c = *p++;
    if (c == '"') {
      p = SkipString(p, end);
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth < 0) return size;  // the end of the array, or nonsense that the parser will name
      if (depth == 0 && layout == Layout::kSequence) cut = p;
    } else if (c == ',' && depth == 0 && layout == Layout::kArray) {
      cut = p;
    }
  }
  return static_cast<size_t>(cut - data);
}

// The first byte that is not part of valid UTF-8, or null.
const char* FindInvalidUtf8(const char* begin, const char* end) {
  if (simdjson::validate_utf8(begin, static_cast<size_t>(end - begin))) return nullptr;
  // Halve: the longest valid front ends at the first bad sequence or inside it.
  const char* p = begin;
  while (p < end) {
    const auto lead = static_cast<unsigned char>(*p);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (static_cast<size_t>(end - p) < length || !simdjson::validate_utf8(p, length)) return p;
    p += length;
  }
  return begin;
}

// Walks over the objects of a chunk, whatever the layout.
class ObjectWalker {
 public:
  ObjectWalker(const TextChunk& chunk, Layout layout)
      : parser_(chunk.begin, chunk.end, layout == Layout::kLines), layout_(layout), first_(chunk.first), last_(chunk.last) {
    parser_.SetInvalidUtf8(FindInvalidUtf8(chunk.begin, chunk.end));
  }
  JsonParser& parser() { return parser_; }

  // Steps to the next object. False at the end of the chunk, or with an error.
  bool NextObject(CellError* error) {
    if (first_ && layout_ == Layout::kArray) {
      first_ = false;
      parser_.SkipSpace();
      parser_.Seek(parser_.position() + 1);
      parser_.SkipSpace();
      if (*parser_.position() == ']') return EndArray(error);
    }
    SkipBetween();
    if (!AtEnd()) return true;
    if (layout_ == Layout::kArray && last_ && !closed_) *error = CellError{"", "", "the array is not closed"};
    return false;
  }
  // Checks what follows an object. False: end of the array, or an error.
  bool AfterObject(CellError* error) {
    parser_.SkipSpace();
    if (layout_ == Layout::kSequence) return true;
    const char* p = parser_.position();
    if (layout_ == Layout::kLines) {
      if (p >= parser_.end()) return true;
      if (*p == '\n') {
        parser_.Seek(p + 1);
        return true;
      }
      parser_.FailAt("more text behind the object");
      *error = parser_.error();
      return false;
    }
    if (p < parser_.end() && *p == ',') {
      parser_.Seek(p + 1);
      parser_.SkipSpace();
      if (!AtEnd() && *parser_.position() == ']') {
        *error = CellError{"", "", "a comma before the end of the array"};
        return false;
      }
      return true;
    }
    if (p < parser_.end() && *p == ']') return EndArray(error);
    parser_.FailAt("no comma behind the object");
    *error = parser_.error();
    return false;
  }

 private:
  bool AtEnd() const { return parser_.position() >= parser_.end(); }
  void SkipBetween() {
    while (!AtEnd() && IsSpace(*parser_.position())) parser_.Seek(parser_.position() + 1);
  }
  bool EndArray(CellError* error) {
    parser_.Seek(parser_.position() + 1);
    closed_ = true;
    SkipBetween();
    if (!AtEnd() || !last_) *error = CellError{"", "", "more text behind the end of the array"};
    parser_.Seek(parser_.end());
    return false;
  }

  JsonParser parser_;
  Layout layout_;
  bool first_;
  bool last_;
  bool closed_ = false;
};

RowError At(uint64_t row, const CellError& error) { return RowError{row, error.column, error.value, error.reason}; }

class JsonChunkParser : public ChunkParser {
 public:
  JsonChunkParser(std::unique_ptr<ColumnBuilder> root, std::shared_ptr<arrow::Schema> schema, Layout layout)
      : root_(std::move(root)), schema_(std::move(schema)), layout_(layout) {}

  void Start(TextChunk chunk) override {
    walker_.reset();
    chunk_ = std::move(chunk);
    rows_ = 0;
    ended_ = false;
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Parse(int64_t max_rows, std::optional<RowError>* error) override {
    if (chunk_.too_long) return Refuse(CellError{"", "", "the row is longer than 256 MiB, or it never ends"}, error);
    if (!walker_) walker_.emplace(chunk_, layout_);
    while (!ended_ && root_->length < max_rows) {
      CellError cell;
      if (!walker_->NextObject(&cell)) {
        if (!cell.reason.empty()) return Refuse(cell, error);
        ended_ = true;
        break;
      }
      if (!walker_->parser().ParseRow(*root_)) return Refuse(walker_->parser().error(), error);
      if (!walker_->AfterObject(&cell)) {
        if (!cell.reason.empty()) {
          --root_->length;  // it belongs to the row just read
          return Refuse(cell, error);
        }
        ended_ = true;
      }
    }
    if (root_->length == 0) {
      walker_.reset();
      chunk_ = TextChunk();
      return std::shared_ptr<arrow::RecordBatch>();
    }
    rows_ += static_cast<uint64_t>(root_->length);
    return FinishBatch(*root_, schema_);
  }

 private:
  Status Refuse(const CellError& cell, std::optional<RowError>* error) {
    *error = At(rows_ + static_cast<uint64_t>(root_->length) + 1, cell);
    return ToStatus(**error);
  }

  std::unique_ptr<ColumnBuilder> root_;
  std::shared_ptr<arrow::Schema> schema_;
  Layout layout_;
  TextChunk chunk_;
  std::optional<ObjectWalker> walker_;
  uint64_t rows_ = 0;  // in batches that are finished
  bool ended_ = false;
};

Cutter MakeCutter(Layout layout) {
  if (layout == Layout::kLines) return &CutLines;
  return [layout](const char* data, size_t size, bool first) { return CutObjects(data, size, first, layout); };
}

Result<std::unique_ptr<ChunkSource>> MakeSource(const std::string& path, Compression compression, Layout layout,
                                                const RowReaderOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto bytes, OpenByteSource(path, compression));
  return std::make_unique<ChunkSource>(std::move(bytes), ChunkBytes(options), MakeCutter(layout));
}

// .json files are an array if their first character is a bracket.
Result<Layout> DetectLayout(const std::string& path, Compression compression) {
  LANCEFS_ASSIGN_OR_RETURN(auto bytes, OpenByteSource(path, compression));
  char head[4096];
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(const size_t got, bytes->Read(head, sizeof(head)));
    for (size_t i = 0; i < got; ++i) {
      const bool mark = static_cast<unsigned char>(head[i]) >= 0xbb;  // a byte order mark; anything else will be refused
      if (!IsSpace(head[i]) && !mark) return head[i] == '[' ? Layout::kArray : Layout::kSequence;
    }
    if (got == 0) return Layout::kSequence;
  }
}

Result<std::shared_ptr<arrow::Schema>> InferSchema(ChunkSource& source, Layout layout) {
  JsonInferrer inferrer;
  TextChunk chunk;
  uint64_t row = 0;
  while (true) {
    LANCEFS_ASSIGN_OR_RETURN(const bool more, source.Next(&chunk));
    if (!more) return inferrer.Finish();
    if (chunk.too_long) return ToStatus(RowError{row + 1, "", "", "the row is longer than 256 MiB, or it never ends"});
    ObjectWalker walker(chunk, layout);
    CellError cell;
    while (walker.NextObject(&cell)) {
      ++row;
      if (!inferrer.AddRow(walker.parser())) return ToStatus(At(row, inferrer.error()));
      if (!walker.AfterObject(&cell)) break;
    }
    if (!cell.reason.empty()) return ToStatus(At(std::max<uint64_t>(row, 1), cell));
  }
}

}  // namespace

Result<std::unique_ptr<RowReader>> OpenJson(const std::string& path, bool array, Compression compression,
                                            const RowReaderOptions& options) {
  Layout layout = Layout::kLines;
  if (array) {
    LANCEFS_ASSIGN_OR_RETURN(layout, DetectLayout(path, compression));
  }
  std::shared_ptr<arrow::Schema> schema = options.schema;
  if (schema == nullptr) {
    LANCEFS_ASSIGN_OR_RETURN(auto source, MakeSource(path, compression, layout, options));
    LANCEFS_ASSIGN_OR_RETURN(schema, InferSchema(*source, layout));
  }
  LANCEFS_ASSIGN_OR_RETURN(auto root, MakeRootBuilder(*schema));  // refuses types early
  const int64_t rows = BoundedRows(options, *root);
  LANCEFS_ASSIGN_OR_RETURN(auto source, MakeSource(path, compression, layout, options));
  auto factory = [schema, layout]() -> Result<std::unique_ptr<ChunkParser>> {
    LANCEFS_ASSIGN_OR_RETURN(auto builder, MakeRootBuilder(*schema));
    return std::make_unique<JsonChunkParser>(std::move(builder), schema, layout);
  };
  return std::make_unique<TextReader>(schema, std::move(source), std::nullopt, rows, std::move(factory));
}

}  // namespace lancefs::rows
