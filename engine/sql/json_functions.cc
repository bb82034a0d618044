// SPDX-License-Identifier: Apache-2.0
//
// Functions on JSON columns (binary JSON, extension lance.json), with the reference's names, arguments and
// results; they take JSON text as well.
#include <charconv>
#include <cmath>
#include <optional>

#include "engine/sql/function_support.h"
#include "engine/sql/json_path.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;
using MaybeItem = std::optional<JsonbItem>;

// The documents of a column; of text columns made row by row.
class Documents {
 public:
  explicit Documents(const Column& column) : values_(column), text_(IsString(*column.array->type())) {}

  Result<JsonbItem> Root(int64_t row) {
    std::string_view bytes = values_[row];
    const bool text = text_ || (!bytes.empty() && (bytes[0] & 0x1f) != 0);  // as columns hold it that were text once
    if (text) {
      made_.clear();
      LANCEFS_RETURN_NOT_OK(AppendJsonb(bytes, &made_));
      bytes = made_;
    }
    if (bytes.empty()) return JsonbItem();
    return JsonbRoot({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }

 private:
  Strings values_;
  bool text_;
  std::string made_;
};

// The paths of a column, which is constant almost always.
class Paths {
 public:
  explicit Paths(const Column& column) : values_(column) {}
  Result<const JsonPath*> At(int64_t row) {
    const std::string_view text = values_[row];
    if (!path_ || text != text_of_path_) {
      LANCEFS_ASSIGN_OR_RETURN(path_, JsonPath::Parse(text));
      text_of_path_ = text;
    }
    return &*path_;
  }

 private:
  Strings values_;
  std::string text_of_path_;
  std::optional<JsonPath> path_;
};

// The member of that name or the element of that number.
Result<MaybeItem> ByKey(const JsonbItem& root, std::string_view key) {
  if (root.is_object()) return JsonbMember(root, key);
  if (!root.is_array()) return MaybeItem();
  size_t index = 0;
  const auto parsed = std::from_chars(key.data() + (key.starts_with('+') ? 1 : 0), key.data() + key.size(), index);
  if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size()) return MaybeItem();
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> elements, JsonbElements(root));
  return index < elements.size() ? MaybeItem(elements[index]) : MaybeItem();
}

Status CannotConvert(const char* what, const JsonbItem& item) {
  std::string text;
  if (!AppendJsonbItemText(item, &text).ok()) text = "damaged JSON";
  if (text.size() > 64) text = text.substr(0, 64) + "...";
  return Status::InvalidArgument(std::string("cannot convert ") + text + " to " + what);
}

std::optional<int64_t> RoundToInt(double value) {
  const double rounded = std::round(value);
  if (!(rounded >= -0x1p63 && rounded < 0x1p63)) return std::nullopt;
  return static_cast<int64_t>(rounded);
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Status ToInt(const JsonbItem& item, int64_t* out) {
  std::optional<int64_t> value;
  if (item.type == JsonbType::kTrue || item.type == JsonbType::kFalse) value = item.type == JsonbType::kTrue ? 1 : 0;
  if (item.type == JsonbType::kNumber) {
    LANCEFS_ASSIGN_OR_RETURN(const JsonbNumber number, JsonbNumberOf(item));
    if (const auto* i = std::get_if<int64_t>(&number)) value = *i;
    if (const auto* u = std::get_if<uint64_t>(&number); u != nullptr && *u <= INT64_MAX) value = static_cast<int64_t>(*u);
    if (const auto* d = std::get_if<double>(&number)) value = RoundToInt(*d);
  }
  if (item.type == JsonbType::kString) {
    int64_t parsed = 0;
    const std::string_view text = item.text().starts_with('+') ? item.text().substr(1) : item.text();
    const auto done = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (done.ec == std::errc() && done.ptr == text.data() + text.size()) {
      value = parsed;
    } else if (const std::optional<double> number = ParseDouble(text)) {
      value = RoundToInt(*number);
    }
  }
  if (!value) return CannotConvert("an integer", item);
  *out = *value;
  return Status::OK();
}

Status ToDouble(const JsonbItem& item, double* out) {
  std::optional<double> value;
  if (item.type == JsonbType::kTrue || item.type == JsonbType::kFalse) value = item.type == JsonbType::kTrue ? 1 : 0;
  if (item.type == JsonbType::kNumber) {
    LANCEFS_ASSIGN_OR_RETURN(const JsonbNumber number, JsonbNumberOf(item));
    value = std::visit([](auto number) { return static_cast<double>(number); }, number);
  }
  if (item.type == JsonbType::kString) value = ParseDouble(item.text());
  if (!value) return CannotConvert("a number", item);
  *out = *value;
  return Status::OK();
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         });
}

Status ToBool(const JsonbItem& item, bool* out) {
  const bool text = item.type == JsonbType::kString;
  *out = item.type == JsonbType::kTrue ||
         (text && (EqualsIgnoringCase(item.text(), "true") || EqualsIgnoringCase(item.text(), "yes")));
  if (*out || item.type == JsonbType::kFalse) return Status::OK();
  if (text && (EqualsIgnoringCase(item.text(), "false") || EqualsIgnoringCase(item.text(), "no"))) return Status::OK();
  return CannotConvert("a boolean", item);
}

Status ToText(const JsonbItem& item, std::string* out) {
  if (item.type == JsonbType::kContainer || item.type == JsonbType::kExtension) return CannotConvert("a string", item);
  if (item.type != JsonbType::kString) return AppendJsonbItemText(item, out);
  out->append(item.text());
  return Status::OK();
}

// One text of several selected values: an array.
Status TextOf(const std::vector<JsonbItem>& items, std::string* out) {
  if (items.size() > 1) out->push_back('[');
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out->push_back(',');
    LANCEFS_RETURN_NOT_OK(AppendJsonbItemText(items[i], out));
  }
  if (items.size() > 1) out->push_back(']');
  return Status::OK();
}

// Runs `body(row, &found)` in a row loop that knows no errors; the first one ends up as the result.
template <typename Body>
class Checked {
 public:
  explicit Checked(Body body) : body_(std::move(body)) {}
  template <typename Out>
  bool operator()(int64_t row, Out* out) {
    if (!status_.ok()) return false;
    Result<bool> found = body_(row, out);
    if (!found.ok()) status_ = found.status();
    return found.ok() && *found;
  }
  Result<Column> Finish(Result<Column> column) const {
    if (!status_.ok()) return status_;
    return column;
  }

 private:
  Body body_;
  Status status_;
};

template <typename T, typename Body>
Result<Column> MapChecked(const std::vector<Column>& in, int64_t rows, const TypePtr& type, Body body) {
  Checked<Body> checked(std::move(body));
  return checked.Finish(MapValues<T>(in, rows, type, [&](int64_t row, T* out) { return checked(row, out); }));
}

template <typename Body>
Result<Column> MapCheckedText(const std::vector<Column>& in, int64_t rows, Body body) {
  Checked<Body> checked(std::move(body));
  return checked.Finish(MapStrings(in, rows, arrow::utf8(), [&](int64_t row, std::string* out) { return checked(row, out); }));
}

template <typename Body>
Result<Column> MapCheckedBools(const std::vector<Column>& in, int64_t rows, Body body) {
  if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
  const int64_t count = ResultRows(in, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto inputs, ValidityOf(in, count));
  LANCEFS_ASSIGN_OR_RETURN(auto validity, NewBitmap(count));
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  for (int64_t i = 0; i < count; ++i) {
    if (inputs && !arrow::bit_util::GetBit(inputs->data(), i)) continue;
    bool value = false;
    LANCEFS_ASSIGN_OR_RETURN(const bool found, body(i, &value));
    if (found) arrow::bit_util::SetBit(validity->mutable_data(), i);
    if (found && value) arrow::bit_util::SetBit(bits->mutable_data(), i);
  }
  return MakeBools(std::move(bits), std::move(validity), count, AllConstant(in));
}

// Argument types: a document, then strings (numbers are taken as keys).
Result<Types> ArgumentTypes(const std::string& name, const Types& types) {
  Types out = {types[0]};
  if (types[0]->id() == arrow::Type::NA) out[0] = arrow::large_binary();
  if (!IsString(*out[0]) && !IsBinary(*out[0]))
    return Status::InvalidArgument(name + "() needs a JSON column as argument 1, this is " + types[0]->ToString());
  for (size_t i = 1; i < types.size(); ++i) {
    if (!IsString(*types[i]) && !CanCast(*types[i], *arrow::utf8())) return NeedsString(name, i, types[i]);
    out.push_back(arrow::utf8());
  }
  return out;
}

// get(item, out) for the value that the key names; JSON's null is null.
template <typename Get, typename Out>
Result<bool> GetByKey(Documents* documents, const Strings& keys, int64_t row, const Get& get, Out* out) {
  LANCEFS_ASSIGN_OR_RETURN(const JsonbItem root, documents->Root(row));
  LANCEFS_ASSIGN_OR_RETURN(const MaybeItem item, ByKey(root, keys[row]));
  if (!item || item->type == JsonbType::kNull) return false;
  LANCEFS_RETURN_NOT_OK(get(*item, out));
  return true;
}

Result<BoundFunction> GetFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  if (name == "json_get_int") {
    return BoundFunction{arguments, arrow::int64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                           if (AnyConstantNull(in)) return NullColumn(arrow::int64());
                           return MapChecked<int64_t>(
                               in, rows, arrow::int64(),
                               [documents = Documents(in[0]), keys = Strings(in[1])](int64_t row, int64_t* out) mutable {
                                 return GetByKey(&documents, keys, row, ToInt, out);
                               });
                         }};
  }
  if (name == "json_get_float") {
    return BoundFunction{arguments, arrow::float64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                           if (AnyConstantNull(in)) return NullColumn(arrow::float64());
                           return MapChecked<double>(
                               in, rows, arrow::float64(),
                               [documents = Documents(in[0]), keys = Strings(in[1])](int64_t row, double* out) mutable {
                                 return GetByKey(&documents, keys, row, ToDouble, out);
                               });
                         }};
  }
  if (name == "json_get_bool") {
    return BoundFunction{arguments, arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                           if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                           return MapCheckedBools(
                               in, rows, [documents = Documents(in[0]), keys = Strings(in[1])](int64_t row, bool* out) mutable {
                                 return GetByKey(&documents, keys, row, ToBool, out);
                               });
                         }};
  }
  return BoundFunction{arguments, arrow::utf8(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::utf8());
                         return MapCheckedText(
                             in, rows,
                             [documents = Documents(in[0]), keys = Strings(in[1])](int64_t row, std::string* out) mutable {
                               return GetByKey(&documents, keys, row, ToText, out);
                             });
                       }};
}

// json_get: the value itself, for further functions.
Result<BoundFunction> GetDocumentFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  return BoundFunction{arguments, arrow::large_binary(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::large_binary());
                         const int64_t count = ResultRows(in, rows);
                         LANCEFS_ASSIGN_OR_RETURN(auto inputs, ValidityOf(in, count));
                         Documents documents(in[0]);
                         const Strings keys(in[1]);
                         arrow::LargeBinaryBuilder builder;
                         std::string bytes;
                         for (int64_t row = 0; row < count; ++row) {
                           MaybeItem item;
                           if (!inputs || arrow::bit_util::GetBit(inputs->data(), row)) {
                             LANCEFS_ASSIGN_OR_RETURN(const JsonbItem root, documents.Root(row));
                             LANCEFS_ASSIGN_OR_RETURN(item, ByKey(root, keys[row]));
                           }
                           bytes.clear();
                           if (item) AppendJsonbDocument(*item, &bytes);
                           LANCEFS_ARROW_NOT_OK(item ? builder.Append(bytes) : builder.AppendNull());
                         }
                         LANCEFS_ARROW_ASSIGN(auto array, builder.Finish());
                         return Column{std::move(array), AllConstant(in)};
                       }};
}

Result<std::vector<JsonbItem>> SelectAt(Documents* documents, Paths* paths, int64_t row) {
  LANCEFS_ASSIGN_OR_RETURN(const JsonPath* path, paths->At(row));
  LANCEFS_ASSIGN_OR_RETURN(const JsonbItem root, documents->Root(row));
  return path->Select(root);
}

// Constant paths are checked when the expression is bound.
Status CheckPath(const Constants& constants) {
  if (constants[1] == nullptr || constants[1]->ConstantNull() || !IsString(*constants[1]->array->type())) return Status::OK();
  return JsonPath::Parse(Strings(*constants[1])[0]).status();
}

Result<BoundFunction> ExtractFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  LANCEFS_RETURN_NOT_OK(CheckPath(constants));
  return BoundFunction{
      arguments, arrow::utf8(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::utf8());
        return MapCheckedText(
            in, rows,
            [documents = Documents(in[0]), paths = Paths(in[1])](int64_t row, std::string* out) mutable -> Result<bool> {
              LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> items, SelectAt(&documents, &paths, row));
              LANCEFS_RETURN_NOT_OK(TextOf(items, out));
              return !items.empty();
            });
      }};
}

Result<BoundFunction> ExistsFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  LANCEFS_RETURN_NOT_OK(CheckPath(constants));
  return BoundFunction{
      arguments, arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
        return MapCheckedBools(
            in, rows, [documents = Documents(in[0]), paths = Paths(in[1])](int64_t row, bool* out) mutable -> Result<bool> {
              LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> items, SelectAt(&documents, &paths, row));
              *out = !items.empty();
              return true;
            });
      }};
}

Result<BoundFunction> ContainsFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  LANCEFS_RETURN_NOT_OK(CheckPath(constants));
  return BoundFunction{arguments, arrow::boolean(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         return MapCheckedBools(
                             in, rows,
                             [documents = Documents(in[0]), paths = Paths(in[1]), wanted = Strings(in[2])](
                                 int64_t row, bool* out) mutable -> Result<bool> {
                               LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> items, SelectAt(&documents, &paths, row));
                               std::string text;
                               for (const JsonbItem& item : items) {
                                 if (!item.is_array()) continue;
                                 LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> elements, JsonbElements(item));
                                 for (const JsonbItem& element : elements) {
                                   text.clear();
                                   LANCEFS_RETURN_NOT_OK(AppendJsonbItemText(element, &text));
                                   *out |= text == wanted[row] || text == "\"" + std::string(wanted[row]) + "\"";
                                 }
                               }
                               return true;
                             });
                       }};
}

Result<BoundFunction> LengthFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(Types arguments, ArgumentTypes(name, types));
  LANCEFS_RETURN_NOT_OK(CheckPath(constants));
  return BoundFunction{
      arguments, arrow::int64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::int64());
        return MapChecked<int64_t>(
            in, rows, arrow::int64(),
            [documents = Documents(in[0]), paths = Paths(in[1])](int64_t row, int64_t* out) mutable -> Result<bool> {
              LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> items, SelectAt(&documents, &paths, row));
              if (items.empty()) return false;
              if (!items[0].is_array()) return true;  // as the reference counts what is no array
              LANCEFS_ASSIGN_OR_RETURN(const std::vector<JsonbItem> elements, JsonbElements(items[0]));
              *out = static_cast<int64_t>(elements.size());
              return true;
            });
      }};
}

}  // namespace

const std::vector<FunctionEntry>& JsonFunctions() {
  static const std::vector<FunctionEntry> entries = {
      {"json_array_contains", 3, 3, ContainsFunction}, {"json_array_length", 2, 2, LengthFunction},
      {"json_exists", 2, 2, ExistsFunction},           {"json_extract", 2, 2, ExtractFunction},
      {"json_get", 2, 2, GetDocumentFunction},         {"json_get_bool", 2, 2, GetFunction},
      {"json_get_float", 2, 2, GetFunction},           {"json_get_int", 2, 2, GetFunction},
      {"json_get_string", 2, 2, GetFunction},
  };
  return entries;
}

}  // namespace lancefs::sql
