// SPDX-License-Identifier: Apache-2.0
//
// How long rows get, from their types alone.
#include <arrow/extension_type.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "engine/rows/row_writer.h"
#include "engine/rows/text_column.h"

namespace lancefs {
namespace {

using arrow::Type;

// Longest texts with quotes: "-9223372036854775808", "-1.7976931348623157e+308", "\"-Infinity\"" and so on.
uint64_t TextWidth(const arrow::DataType& type);

uint64_t EscapedKey(const std::string& name) { return 6 * name.size() + 6; }  // quotes (doubled in CSV), colon, comma

uint64_t StructWidth(const arrow::DataType& type) {
  uint64_t width = 4;
  for (const auto& field : type.fields()) width += EscapedKey(field->name()) + TextWidth(*field->type());
  return width;
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
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
      return 4 + static_cast<uint64_t>(list.list_size()) * (TextWidth(*list.value_type()) + 1);
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
    case Type::MAP: return 4;
    case Type::STRUCT: return StructWidth(type);
    case Type::DICTIONARY: return TextWidth(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::RUN_END_ENCODED: return TextWidth(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    case Type::EXTENSION: return TextWidth(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    default: return 32;
  }
}

// Bytes of a value in Arrow buffers, with its validity and its offset, without variable data.
uint64_t BinaryWidth(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListType&>(type);
      return 1 + static_cast<uint64_t>(list.list_size()) * BinaryWidth(*list.value_type());
    }
    case Type::STRUCT: {
      uint64_t width = 1;
      for (const auto& field : type.fields()) width += BinaryWidth(*field->type());
      return width;
    }
    case Type::EXTENSION: return BinaryWidth(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    case Type::DICTIONARY: return 1 + 8;
    case Type::RUN_END_ENCODED: return 8 + BinaryWidth(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    default: break;
  }
  const int bits = arrow::is_fixed_width(type) ? type.bit_width() : 0;
  return 1 + (bits > 0 ? static_cast<uint64_t>(bits + 7) / 8 : 16);  // else offsets, sizes or a view
}

// The most text that one byte of variable data becomes.
double Expansion(const arrow::DataType& type) {
  double worst = 1;
  switch (type.id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW: return 6;  // \u0001
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW: return 6;  // base64 takes 4/3, binary JSON up to 6
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::LIST_VIEW:
    case Type::LARGE_LIST_VIEW:
    case Type::MAP: {
      const auto& element = *type.field(0)->type();
      // An element may take a single bit (bools) and be as wide as its type allows.
      const double bytes = element.id() == Type::BOOL || element.id() == Type::NA
                               ? 0.125
                               : std::max(1.0, arrow::is_fixed_width(element) ? element.bit_width() / 8.0 : 4.0);
      worst = (static_cast<double>(TextWidth(element)) + 6) / bytes;
      break;
    }
    case Type::DICTIONARY: return Expansion(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::RUN_END_ENCODED: return Expansion(*static_cast<const arrow::RunEndEncodedType&>(type).value_type());
    case Type::EXTENSION: return Expansion(*static_cast<const arrow::ExtensionType&>(type).storage_type());
    default: break;
  }
  for (const auto& field : type.fields()) worst = std::max(worst, Expansion(*field->type()));
  return worst;
}

bool IsText(RowFormat format) {
  return format == RowFormat::kJsonl || format == RowFormat::kJson || format == RowFormat::kCsv || format == RowFormat::kTsv;
}

}  // namespace

uint64_t EstimateRowBytes(RowFormat format, const arrow::Schema& schema) {
  const bool keys = format == RowFormat::kJsonl || format == RowFormat::kJson;
  uint64_t width = 4;  // braces, line end, comma
  for (const auto& field : schema.fields()) {
    if (!IsText(format)) {
      width += BinaryWidth(*field->type());
    } else {
      width += TextWidth(*field->type()) + (keys ? EscapedKey(field->name()) : 1);
    }
  }
  return width;
}

uint64_t TextPerDataByte(RowFormat format, const arrow::Schema& schema) {
  if (!IsText(format)) return 2;
  double worst = 1;
  for (const auto& field : schema.fields()) worst = std::max(worst, Expansion(*field->type()));
  return static_cast<uint64_t>(std::ceil(worst));
}

}  // namespace lancefs
