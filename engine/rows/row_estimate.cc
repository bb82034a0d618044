// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/row_estimate.h"

#include <arrow/extension_type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/bounded.h"
#include "engine/rows/text_column.h"
#include "engine/rows/text_escape.h"

namespace lancefs {
namespace {

using arrow::Type;

// Longest texts with quotes: "-9223372036854775808", "-1.7976931348623157e+308", "\"-Infinity\"" and so on; of nested
// types without what is in them.
uint64_t TextWidth(const arrow::DataType& type);

// With quotes (doubled in CSV), colon, comma.
uint64_t EscapedKey(const std::string& name) {
  uint64_t length = 6;
  for (const char c : name) length += kJsonInCsvEscapes.entry[static_cast<uint8_t>(c)].length;
  return length;
}

uint64_t DecimalWidth(const arrow::DecimalType& type) {
  return static_cast<uint64_t>(type.precision()) + static_cast<uint64_t>(std::abs(type.scale())) + 7;
}

uint64_t TimestampWidth(const arrow::DataType& type) {
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND: return 36;  // years of up to 12 digits
    case arrow::TimeUnit::MILLI: return 37;
    default: return 36;
  }
}

uint64_t TextWidth(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA: return 4;
    case Type::BOOL: return 5;
    case Type::UINT8:
    case Type::INT8: return 4;
    case Type::UINT16:
    case Type::INT16: return 6;
    case Type::UINT32:
    case Type::INT32: return 11;
    case Type::UINT64:
    case Type::INT64:
    case Type::DURATION: return 20;
    case Type::HALF_FLOAT:
    case Type::FLOAT: return 19;
    case Type::DOUBLE: return 24;
    case Type::DATE32: return 18;
    case Type::DATE64: return 22;
    case Type::TIME32:
    case Type::TIME64: return 34;
    case Type::TIMESTAMP: return TimestampWidth(type);
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: return DecimalWidth(static_cast<const arrow::DecimalType&>(type));
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW: return 4;
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW: return 4 + 4;  // padding
    case Type::FIXED_SIZE_BINARY:          // a uuid is the longer of its forms
      return std::max<uint64_t>(40, (static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() + 2) / 3 * 4 + 4);
    case Type::FIXED_SIZE_LIST:
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
    case Type::MAP:
    case Type::STRUCT: return 4;
    case Type::DICTIONARY: return TextWidth(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::RUN_END_ENCODED: return TextWidth(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    case Type::EXTENSION: return TextWidth(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    default: return 32;
  }
}

// Bytes of a value in Arrow buffers, with its validity and its offset, without variable data and what is in it.
uint64_t BinaryWidth(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT: return 1;
    case Type::EXTENSION: return BinaryWidth(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case Type::DICTIONARY: return 1 + 8;
    case Type::RUN_END_ENCODED: return 8 + BinaryWidth(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    default: break;
  }
  const int bits = arrow::is_fixed_width(type) ? type.bit_width() : 0;
  return 1 + (bits > 0 ? static_cast<uint64_t>(bits + 7) / 8 : 16);  // else offsets, sizes or a view
}

bool IsText(RowFormat format) {
  return format == RowFormat::kJsonl || format == RowFormat::kJson || format == RowFormat::kCsv || format == RowFormat::kTsv;
}

bool HasKeys(RowFormat format) { return format == RowFormat::kJsonl || format == RowFormat::kJson; }

bool IsVariableBinary(const arrow::DataType& type) {
  return arrow::is_base_binary_like(type.id()) || arrow::is_binary_view_like(type.id());
}
bool IsVariableList(const arrow::DataType& type) { return arrow::is_var_length_list_like(type.id()); }

// The type whose values are written.
const arrow::DataType& Written(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::EXTENSION: return Written(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case Type::DICTIONARY: return Written(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::RUN_END_ENCODED: return Written(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    default: return type;
  }
}

// The most text of a byte, which is binary JSON's.
constexpr uint64_t kTextOfByte = 14;

// What a field's values take.
class Estimate {
 public:
  explicit Estimate(RowFormat format) : format_(format) {}

  uint64_t Values(const arrow::Field& field, uint64_t count, const KnownValues& known, bool top) const {
    const arrow::DataType& type = IsText(format_) ? Written(*field.type()) : *field.type();
    uint64_t bytes = BoundedProduct(count, IsText(format_) ? TextWidth(type) : BinaryWidth(type));
    if (IsVariableBinary(Written(type))) return BoundedSum(bytes, VariableBytes(field, known, top));
    uint64_t items = count;  // of each child
    if (IsVariableList(type)) items = known.children.empty() ? 0 : known.children[0].values;
    if (type.id() == Type::FIXED_SIZE_LIST)
      items = BoundedProduct(count, static_cast<const arrow::FixedSizeListType&>(type).list_size());
    static const KnownValues kNothing;
    for (int i = 0; i < type.num_fields(); ++i) {
      const KnownValues& below = static_cast<size_t>(i) < known.children.size() ? known.children[i] : kNothing;
      const arrow::Field& child = *type.field(i);
      bytes = BoundedSum(bytes, Values(child, items, below, false));
      if (!IsText(format_)) continue;
      // The pairs of a map have keys of their own names.
      const uint64_t key = type.id() == Type::STRUCT ? std::max<uint64_t>(EscapedKey(child.name()), 12) : 1;
      bytes = BoundedSum(bytes, BoundedProduct(items, key));
    }
    return bytes;
  }

 private:
  uint64_t VariableBytes(const arrow::Field& field, const KnownValues& known, bool top) const {
    if (!IsText(format_)) return known.bytes;
    const Type::type id = Written(*field.type()).id();
    if (id != Type::STRING && id != Type::LARGE_STRING && id != Type::STRING_VIEW) {
      // Binary JSON is text in text: a control character becomes 7 bytes, a decimal as many digits as its scale says.
      if (ExtensionNameOf(field).find("json") != std::string::npos) return BoundedProduct(known.bytes, kTextOfByte);
      return BoundedSum(known.bytes, known.bytes / 3 + 1);  // base64
    }
    const bool cell = top && (format_ == RowFormat::kCsv || format_ == RowFormat::kTsv);
    return cell ? std::min(known.text_bytes, BoundedProduct(known.bytes, 2)) : known.text_bytes;
  }

  const RowFormat format_;
};

// The most text that one byte of variable data becomes, where nothing is known of it.
double Expansion(const arrow::Field& field) {
  const arrow::DataType& type = Written(*field.type());
  if (IsVariableBinary(type)) return arrow::is_string(type.id()) || type.id() == Type::STRING_VIEW ? 6 : kTextOfByte;
  double worst = 1;
  if (IsVariableList(type)) {
    const arrow::Field& element = *type.field(0);
    // An element may take a single bit (bools) and be as wide as its type allows.
    const Type::type id = element.type()->id();
    const bool bit = id == Type::BOOL || id == Type::NA;
    const double bytes =
        bit ? 0.125 : std::max(1.0, arrow::is_fixed_width(*element.type()) ? element.type()->bit_width() / 8.0 : 4.0);
    worst = (static_cast<double>(Estimate(RowFormat::kJsonl).Values(element, 1, {}, false)) + 6) / bytes;
  }
  for (const auto& child : type.fields()) worst = std::max(worst, Expansion(*child));
  return worst;
}

size_t CountFields(const arrow::DataType& type) {
  size_t count = 1;
  for (const auto& field : type.fields()) count += CountFields(*field->type());
  return count;
}

// What the batches of an Arrow stream have beside their values, which are `bytes` together. The larger the rows, the fewer may
// be in a batch; of small ones few batches have less than kRows, but for the last of every piece.
uint64_t FrameBytes(const arrow::Schema& schema, uint64_t rows, uint64_t pieces, uint64_t bytes) {
  constexpr uint64_t kRows = 16, kSmall = 256, kLargeRow = 4096, kMessage = 512, kField = 128;
  uint64_t batch = kMessage;
  for (const auto& field : schema.fields()) batch += CountFields(*field->type()) * kField;
  const bool large = rows > 0 && bytes / rows >= kLargeRow;
  return BoundedProduct(large ? rows : std::min(rows, rows / kRows + kSmall + pieces), batch);
}

}  // namespace

bool HasVariableData(const arrow::DataType& outer) {
  const arrow::DataType& type = Written(outer);
  if (IsVariableBinary(type) || IsVariableList(type)) return true;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return HasVariableData(*field->type()); });
}

bool RepeatsDictionaries(RowFormat format, const arrow::DataType& type) {
  if (IsText(format)) return false;
  if (type.id() == Type::DICTIONARY) return true;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [&](const auto& field) { return RepeatsDictionaries(format, *field->type()); });
}

uint64_t EstimateRowsBytes(RowFormat format, const arrow::Schema& schema, uint64_t rows, uint64_t pieces,
                           const std::vector<KnownValues>& known) {
  const Estimate estimate(format);
  uint64_t bytes = BoundedProduct(rows, 4);  // braces, line end, comma
  for (int i = 0; i < schema.num_fields(); ++i) {
    const arrow::Field& field = *schema.field(i);
    bytes = BoundedSum(bytes, estimate.Values(field, rows, known[static_cast<size_t>(i)], true));
    if (IsText(format)) bytes = BoundedSum(bytes, BoundedProduct(rows, HasKeys(format) ? EscapedKey(field.name()) : 1));
  }
  return IsText(format) ? bytes : BoundedSum(bytes, FrameBytes(schema, rows, pieces, bytes));
}

uint64_t EstimateHeaderBytes(const arrow::Schema& schema) {
  uint64_t bytes = 4096;
  for (const auto& field : schema.fields()) {
    bytes += field->name().size() * 8 + 256 * CountFields(*field->type());
    if (field->metadata() == nullptr) continue;
    for (int64_t i = 0; i < field->metadata()->size(); ++i)
      bytes += field->metadata()->key(i).size() + field->metadata()->value(i).size() + 64;
  }
  if (schema.metadata() == nullptr) return bytes;
  for (int64_t i = 0; i < schema.metadata()->size(); ++i)
    bytes += schema.metadata()->key(i).size() + schema.metadata()->value(i).size() + 64;
  return bytes;
}

uint64_t EstimateRowBytes(RowFormat format, const arrow::Schema& schema) {
  const Estimate estimate(format);
  const KnownValues nothing;
  uint64_t bytes = 4;
  for (const auto& field : schema.fields()) {
    bytes = BoundedSum(bytes, estimate.Values(*field, 1, nothing, true));
    if (IsText(format)) bytes = BoundedSum(bytes, HasKeys(format) ? EscapedKey(field->name()) : 1);
  }
  return bytes;
}

uint64_t TextPerDataByte(RowFormat format, const arrow::Schema& schema) {
  if (!IsText(format)) return 2;
  double worst = 1;
  for (const auto& field : schema.fields()) worst = std::max(worst, Expansion(*field));
  return static_cast<uint64_t>(std::ceil(worst));
}

}  // namespace lancefs
