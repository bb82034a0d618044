// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "engine/rows/convert.h"
#include "engine/rows/csv_grid.h"
#include "engine/rows/json_parse.h"
#include "engine/rows/text_reader.h"

namespace lancefs::rows {
namespace {

// Rows that are turned into columns at a time; their text stays in the cache.
constexpr size_t kBlockRows = 512;

std::string Shown(std::string_view value) { return std::string("\"").append(Shorten(value)).append("\""); }

// A fault of the structure as an error; `names` are the header's.
RowError FromFault(const CsvFault& fault, uint64_t row, const std::vector<std::string>& names) {
  RowError error;
  error.row = row;
  if (fault.column)
    error.column = *fault.column < names.size() ? names[*fault.column] : "field " + std::to_string(*fault.column + 1);
  if (fault.column) error.value = Shown(fault.value);
  error.reason = fault.reason;
  return error;
}

class CsvChunkParser : public ChunkParser {
 public:
  // `targets[i]` is the column of the schema that the header's name i is.
  CsvChunkParser(std::unique_ptr<ColumnBuilder> root, std::shared_ptr<arrow::Schema> schema, char separator,
                 const std::vector<std::string>* names, const std::vector<int>* targets)
      : root_(std::move(root)), schema_(std::move(schema)), names_(names), targets_(targets), grid_(separator, names->size()) {
    std::vector<bool> present(root_->children.size(), false);
    for (const int target : *targets_) present[static_cast<size_t>(target)] = true;
    for (size_t i = 0; i < present.size(); ++i) {
      if (!present[i]) absent_.push_back(root_->children[i].get());
    }
  }

  void Start(TextChunk chunk) override {
    chunk_ = std::move(chunk);
    row_ = 0;
    indexed_ = false;
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Parse(int64_t max_rows, std::optional<RowError>* error) override {
    if (!indexed_) {
      if (chunk_.too_long)
        return Refuse(RowError{1, "", "", "the row is longer than 256 MiB; is a closing quote missing?"}, error);
      grid_.Index(chunk_.begin, chunk_.end);
      indexed_ = true;
    }
    const size_t stop = std::min(grid_.rows(), row_ + static_cast<size_t>(max_rows));
    while (row_ < stop) {
      const size_t block_end = std::min(stop, row_ + kBlockRows);
      if (!ConvertBlock(row_, block_end)) return Refuse(std::move(cell_error_), error);
      root_->length += static_cast<int64_t>(block_end - row_);
      row_ = block_end;
    }
    if (root_->length > 0) return FinishBatch(*root_, schema_);
    if (grid_.fault()) return Refuse(FromFault(*grid_.fault(), grid_.fault()->row + 1, *names_), error);
    chunk_ = TextChunk();
    return std::shared_ptr<arrow::RecordBatch>();
  }

 private:
  Status Refuse(RowError refused, std::optional<RowError>* error) {
    *error = std::move(refused);
    return ToStatus(**error);
  }

  // False: cell_error_ is the first refusal of the block in row order.
  bool ConvertBlock(size_t first, size_t last) {
    bool good = true;
    for (size_t column = 0; column < names_->size(); ++column) {
      ColumnBuilder& builder = *root_->children[static_cast<size_t>((*targets_)[column])];
      const size_t stopped = ConvertColumn(builder, column, first, last);
      if (stopped == last) continue;
      good = false;
      last = stopped;  // of the other columns only rows before this one can be earlier
    }
    for (ColumnBuilder* builder : absent_) {
      for (size_t row = first; row < last; ++row) (void)builder->AppendNull();
    }
    if (!good && grid_.has_quotes()) PreferStructure();
    return good;
  }

  // A misplaced quote shifts the cells behind it: what is wrong is the quote, not the cell's value.
  void PreferStructure() {
    grid_.Diagnose();
    if (grid_.fault() && grid_.fault()->row + 1 <= cell_error_.row) {
      cell_error_ = FromFault(*grid_.fault(), grid_.fault()->row + 1, *names_);
    }
  }

  // Appends the cells of the rows; gives the row of the first refusal, or `last`.
  size_t ConvertColumn(ColumnBuilder& builder, size_t column, size_t first, size_t last) {
    if (builder.kind == Kind::kUtf8) return ConvertText(builder, column, first, last);
    CsvCell cell;
    for (size_t row = first; row < last; ++row) {
      if (!grid_.Get(row, column, &cell)) return FailQuotes(row, column);
      Fault fault = Fault::kNone;
      if (cell.text.empty() && !(cell.quoted && builder.HasEmptyText())) {
        fault = builder.AppendNull();
      } else if (builder.IsNested()) {
        if (!ConvertNested(builder, cell.text, row)) return row;
      } else {
        fault = builder.AppendText(cell.text, Cell::kCsv);
      }
      if (fault != Fault::kNone) return FailCell(builder, fault, cell.text, row);
    }
    return last;
  }

  // The loop for strings, which are most of the bytes.
  size_t ConvertText(ColumnBuilder& builder, size_t column, size_t first, size_t last) {
    CsvCell cell;
    for (size_t row = first; row < last; ++row) {
      if (!grid_.Get(row, column, &cell)) return FailQuotes(row, column);
      if (cell.text.empty() && !cell.quoted) {
        const Fault fault = builder.AppendNull();
        if (fault != Fault::kNone) return FailCell(builder, fault, cell.text, row);
        continue;
      }
      const auto size = static_cast<int64_t>(cell.text.size());
      builder.data.Reserve(size);
      if (size > 0) std::memcpy(builder.data.end(), cell.text.data(), cell.text.size());
      builder.CommitText(size);
    }
    return last;
  }

  bool ConvertNested(ColumnBuilder& builder, std::string_view text, size_t row) {
    json_.assign(text);
    json_.append(kPadding, '\0');
    JsonParser parser(json_.data(), json_.data() + text.size(), /*line_mode=*/false);
    parser.SkipSpace();
    bool good = parser.ParseValue(builder);
    if (good) {
      parser.SkipSpace();
      if (parser.position() < parser.end()) good = parser.FailAt("more text behind the JSON value");
    }
    if (good) return true;
    const CellError& error = parser.error();
    cell_error_ = RowError{row + 1, builder.name, error.value, error.reason};
    if (!error.column.empty()) cell_error_.column += (error.column[0] == '[' ? "" : ".") + error.column;
    return false;
  }

  size_t FailCell(const ColumnBuilder& builder, Fault fault, std::string_view text, size_t row) {
    if (fault == Fault::kNull) {
      cell_error_ = RowError{row + 1, builder.name, "", "the field is empty, and the column is not nullable"};
    } else {
      cell_error_ = RowError{row + 1, builder.name, Shown(text), FaultText(fault, builder)};
    }
    return row;
  }

  size_t FailQuotes(size_t row, size_t column) {
    const char* begin = nullptr;
    const char* end = nullptr;
    grid_.Bounds(row, column, &begin, &end);
    const std::string_view text(begin, static_cast<size_t>(end - begin));
    cell_error_ = RowError{row + 1, (*names_)[column], Shown(text), "has a quote where none may be"};
    return row;
  }

  std::unique_ptr<ColumnBuilder> root_;
  std::shared_ptr<arrow::Schema> schema_;
  const std::vector<std::string>* names_;
  const std::vector<int>* targets_;
  std::vector<ColumnBuilder*> absent_;
  CsvGrid grid_;
  TextChunk chunk_;
  bool indexed_ = false;
  size_t row_ = 0;
  std::string json_;
  RowError cell_error_;
};

// ---- inference

// What the cells of a column may all be (RULES 10).
struct Guess {
  bool any = false;
  bool number = false;  // one cell at least is a finite number
  bool integers = true;
  bool doubles = true;
  bool booleans = true;

  void Add(const CsvCell& cell) {
    if (cell.text.empty()) {
      if (cell.quoted) integers = doubles = booleans = false;
      any |= cell.quoted;
      return;
    }
    any = true;
    const char* begin = cell.text.data();
    const char* end = begin + cell.text.size();
    int64_t integer = 0;
    double real = 0;
    // Leading zeros and plus signs are kept by staying text (postcodes, telephone numbers).
    if (integers) integers = ParseInt64(begin, end, /*lenient=*/false, &integer) == Fault::kNone;
    if (doubles && !integers) doubles = IsDouble(begin, end, &real);
    number |= integers;
    if (booleans) booleans = IsBool(cell.text);
  }
  bool IsDouble(const char* begin, const char* end, double* real) {
    const Fault fault = ParseDouble(begin, end, /*lenient=*/false, real);
    if (fault == Fault::kNone) {
      number = true;
      // An integer that int64 cannot hold would be rounded.
      return std::find_if(begin, end, [](char c) { return c == '.' || c == 'e' || c == 'E'; }) != end || end - begin <= 15 ||
             ParseInt64(begin, end, /*lenient=*/false, &scratch) == Fault::kNone;
    }
    const bool special = ParseDouble(begin, end, /*lenient=*/true, real) == Fault::kNone && !std::isfinite(*real);
    number |= special && (std::string_view(begin, end) == "NaN" || std::string_view(begin, end).ends_with("Infinity"));
    return special;
  }
  static bool IsBool(std::string_view text) {
    if (text.size() != 4 && text.size() != 5) return false;
    char lower[5];
    for (size_t i = 0; i < text.size(); ++i) lower[i] = static_cast<char>(text[i] | 0x20);
    const std::string_view word(lower, text.size());
    return word == "true" || word == "false";
  }
  std::shared_ptr<arrow::DataType> Type() const {
    if (!any) return arrow::utf8();
    if (booleans) return arrow::boolean();
    if (integers) return arrow::int64();
    return doubles && number ? arrow::float64() : arrow::utf8();
  }
  int64_t scratch = 0;
};

struct CsvHeader {
  std::vector<std::string> names;
  std::vector<int> targets;
};

// Takes the first chunk and its header. A file without any record has no names.
Status ReadHeader(ChunkSource& source, char separator, CsvHeader* header, TextChunk* chunk) {
  LANCEFS_ASSIGN_OR_RETURN(const bool more, source.Next(chunk));
  if (!more) return Status::Internal("a text file has at least one chunk");
  if (chunk->too_long) return ToStatus(RowError{0, "", "", "the header is longer than 256 MiB; is a closing quote missing?"});
  const auto size = static_cast<size_t>(chunk->end - chunk->begin);
  const char* rest = nullptr;
  const auto fault = SplitHeader(chunk->begin, chunk->end, separator, &header->names, &rest);
  if (fault) return Status::InvalidArgument("the header: " + Shown(fault->value) + " " + fault->reason);
  const auto header_size = static_cast<size_t>(rest - chunk->begin);
  if (std::memchr(chunk->begin, 0, std::min(size, header_size)) != nullptr) {
    return Status::InvalidArgument("the header has a NUL byte, so the file is no text");
  }
  if (!simdjson::validate_utf8(chunk->begin, header_size)) return Status::InvalidArgument("the header is not valid UTF-8");
  chunk->begin += header_size;
  std::unordered_set<std::string> seen;
  for (const std::string& name : header->names) {
    if (!seen.insert(name).second) return ToStatus(RowError{0, name, "", "stands twice in the header"});
  }
  return Status::OK();
}

Status MatchHeader(const arrow::Schema& schema, CsvHeader* header) {
  std::vector<bool> present(static_cast<size_t>(schema.num_fields()), false);
  for (const std::string& name : header->names) {
    const int index = schema.GetFieldIndex(name);
    if (index < 0) return ToStatus(RowError{0, Shorten(name), "", "the table has no such column"});
    header->targets.push_back(index);
    present[static_cast<size_t>(index)] = true;
  }
  for (int i = 0; i < schema.num_fields() && !header->names.empty(); ++i) {
    if (!present[static_cast<size_t>(i)] && !schema.field(i)->nullable()) {
      return ToStatus(RowError{0, schema.field(i)->name(), "", "is missing from the header, and the column is not nullable"});
    }
  }
  return Status::OK();
}

Result<std::unique_ptr<ChunkSource>> MakeSource(const std::string& path, char separator, Compression compression,
                                                const RowReaderOptions& options) {
  LANCEFS_ASSIGN_OR_RETURN(auto bytes, OpenByteSource(path, compression));
  return std::make_unique<ChunkSource>(std::move(bytes), ChunkBytes(options), [separator](const char* data, size_t size, bool) {
    return CsvGrid::Cut(data, size, separator);
  });
}

Result<std::shared_ptr<arrow::Schema>> InferSchema(ChunkSource& source, char separator) {
  CsvHeader header;
  TextChunk chunk;
  LANCEFS_RETURN_NOT_OK(ReadHeader(source, separator, &header, &chunk));
  if (header.names.empty()) return Status::InvalidArgument("the file has no header");
  std::vector<Guess> guesses(header.names.size());
  CsvGrid grid(separator, header.names.size());
  uint64_t rows = 0;
  bool more = true;
  while (more) {
    if (chunk.too_long)
      return ToStatus(RowError{rows + 1, "", "", "the row is longer than 256 MiB; is a closing quote missing?"});
    grid.Index(chunk.begin, chunk.end);
    CsvCell cell;
    for (size_t row = 0; row < grid.rows(); ++row) {
      for (size_t column = 0; column < guesses.size(); ++column) {
        if (!grid.Get(row, column, &cell)) {
          grid.Refuse(row, column);
          row = grid.rows();
          break;
        }
        guesses[column].Add(cell);
      }
    }
    if (grid.fault()) return ToStatus(FromFault(*grid.fault(), rows + grid.fault()->row + 1, header.names));
    rows += grid.rows();
    LANCEFS_ASSIGN_OR_RETURN(more, source.Next(&chunk));
  }
  arrow::FieldVector fields;
  for (size_t i = 0; i < guesses.size(); ++i) fields.push_back(arrow::field(header.names[i], guesses[i].Type()));
  return arrow::schema(std::move(fields));
}

// A file of no bytes.
class NoRows : public ChunkParser {
 public:
  void Start(TextChunk) override {}
  Result<std::shared_ptr<arrow::RecordBatch>> Parse(int64_t, std::optional<RowError>*) override {
    return std::shared_ptr<arrow::RecordBatch>();
  }
};

}  // namespace

Result<std::unique_ptr<RowReader>> OpenCsv(const std::string& path, char separator, Compression compression,
                                           const RowReaderOptions& options) {
  std::shared_ptr<arrow::Schema> schema = options.schema;
  if (schema == nullptr) {
    LANCEFS_ASSIGN_OR_RETURN(auto source, MakeSource(path, separator, compression, options));
    LANCEFS_ASSIGN_OR_RETURN(schema, InferSchema(*source, separator));
  }
  LANCEFS_ASSIGN_OR_RETURN(auto source, MakeSource(path, separator, compression, options));
  auto header = std::make_shared<CsvHeader>();
  TextChunk first;
  LANCEFS_RETURN_NOT_OK(ReadHeader(*source, separator, header.get(), &first));
  LANCEFS_RETURN_NOT_OK(MatchHeader(*schema, header.get()));
  LANCEFS_ASSIGN_OR_RETURN(auto root, MakeRootBuilder(*schema));
  const int64_t rows = BoundedRows(options, *root);
  auto factory = [schema, header, separator]() -> Result<std::unique_ptr<ChunkParser>> {
    if (header->names.empty()) return std::make_unique<NoRows>();
    LANCEFS_ASSIGN_OR_RETURN(auto builder, MakeRootBuilder(*schema));
    return std::make_unique<CsvChunkParser>(std::move(builder), schema, separator, &header->names, &header->targets);
  };
  return std::make_unique<TextReader>(schema, std::move(source), std::move(first), rows, std::move(factory));
}

}  // namespace lancefs::rows
