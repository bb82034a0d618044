// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/text_column.h"

#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/rows/jsonb.h"
#include "engine/rows/number_format.h"
#include "engine/rows/text_escape.h"

namespace lancefs {
namespace {

using arrow::Type;
using WriteFn = TextColumn::WriteFn;

// What stands for a quote around a scalar, and for one inside nested text.
template <TextStyle kStyle>
inline char* PutQuote(char* p) {
  if constexpr (kStyle == TextStyle::kJson) *p++ = '"';
  if constexpr (kStyle == TextStyle::kJsonInCsv) {
    std::memcpy(p, "\"\"", 2);
    p += 2;
  }
  return p;
}
inline constexpr size_t kQuotes = 4;  // the most that the quotes of one scalar take

template <TextStyle kStyle>
inline char* PutQuoted(char* p, const char* text, size_t size) {
  p = PutQuote<kStyle>(p);
  std::memcpy(p, text, size);
  return PutQuote<kStyle>(p + size);
}
inline char* PutNull(char* p) {
  std::memcpy(p, "null", 4);
  return p + 4;
}

template <typename T>
inline T ValueAt(const TextColumn& column, int64_t row) {
  return static_cast<const T*>(column.values)[row];
}

// --- scalars ---

char* WriteBool(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  const int64_t bit = column.offset + row;
  const bool value = (column.data[bit >> 3] >> (bit & 7) & 1) != 0;
  std::memcpy(p, value ? "true " : "false", 5);
  return p + (value ? 4 : 5);
}
template <typename T>
char* WriteInteger(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  if constexpr (std::is_signed_v<T>) {
    return WriteInt(p, ValueAt<T>(column, row));
  } else {
    return WriteUInt(p, ValueAt<T>(column, row));
  }
}

template <TextStyle kStyle, typename T>
char* PutNonFinite(char* p, T value) {
  if (std::isnan(value)) return PutQuoted<kStyle>(p, "NaN", 3);
  return value > 0 ? PutQuoted<kStyle>(p, "Infinity", 8) : PutQuoted<kStyle>(p, "-Infinity", 9);
}
template <TextStyle kStyle>
char* WriteFloat64(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  const auto value = ValueAt<double>(column, row);
  return std::isfinite(value) ? WriteDouble(p, value) : PutNonFinite<kStyle>(p, value);
}
template <TextStyle kStyle>
inline char* PutFloat(char* p, float value) {
  return std::isfinite(value) ? WriteFloat(p, value) : PutNonFinite<kStyle>(p, value);
}
template <TextStyle kStyle>
char* WriteFloat32(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  return PutFloat<kStyle>(p, ValueAt<float>(column, row));
}
template <TextStyle kStyle>
char* WriteFloat16(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  return PutFloat<kStyle>(p, HalfToFloat(ValueAt<uint16_t>(column, row)));
}
// Two bytes that are the upper half of a float32.
template <TextStyle kStyle>
char* WriteBfloat16(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  uint16_t half;
  std::memcpy(&half, static_cast<const uint8_t*>(column.values) + 2 * row, 2);
  return PutFloat<kStyle>(p, std::bit_cast<float>(uint32_t{half} << 16));
}

template <TextStyle kStyle>
inline char* PutDecimal(char* p, const char* digits, size_t length, int scale) {
  p = WriteDecimalDigits(PutQuote<kStyle>(p), digits, static_cast<int>(length), scale);
  return PutQuote<kStyle>(p);
}
template <TextStyle kStyle, typename T>
char* WriteSmallDecimal(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  char digits[kMaxIntegerText + 1];
  const char* end = WriteInt(digits, ValueAt<T>(column, row));
  return PutDecimal<kStyle>(p, digits, end - digits, column.scale);
}
template <TextStyle kStyle>
char* WriteDecimal128(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  __int128 value;
  std::memcpy(&value, static_cast<const uint8_t*>(column.values) + 16 * row, 16);
  char digits[kMaxInt128Text + 1];
  return PutDecimal<kStyle>(p, digits, WriteInt128(digits, value) - digits, column.scale);
}
template <TextStyle kStyle>
char* WriteDecimal256(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  const uint8_t* bytes = static_cast<const uint8_t*>(column.values) + 32 * row;
  uint64_t limbs[4];
  std::memcpy(limbs, bytes, 32);
  const uint64_t sign = static_cast<uint64_t>(static_cast<int64_t>(limbs[1]) >> 63);
  if (limbs[2] == sign && limbs[3] == sign) {
    char digits[kMaxInt128Text + 1];
    const auto value = static_cast<__int128>(static_cast<unsigned __int128>(limbs[1]) << 64 | limbs[0]);
    return PutDecimal<kStyle>(p, digits, WriteInt128(digits, value) - digits, column.scale);
  }
  const std::string digits = arrow::Decimal256(bytes).ToIntegerString();
  return PutDecimal<kStyle>(p, digits.data(), digits.size(), column.scale);
}

template <TextStyle kStyle>
char* WriteDate32(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  return PutQuote<kStyle>(WriteDate(PutQuote<kStyle>(p), ValueAt<int32_t>(column, row)));
}
template <TextStyle kStyle>
char* WriteDate64(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  const auto millis = ValueAt<int64_t>(column, row);
  const int64_t day = millis / 86400000 - (millis % 86400000 < 0);
  return PutQuote<kStyle>(WriteDate(PutQuote<kStyle>(p), day));
}
template <TextStyle kStyle, typename T, int kDigits>
char* WriteTimeOfDay(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  return PutQuote<kStyle>(WriteTime<kDigits>(PutQuote<kStyle>(p), ValueAt<T>(column, row)));
}
template <TextStyle kStyle, int kDigits, bool kUtc>
char* WriteInstant(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  p = WriteTimestamp<kDigits>(PutQuote<kStyle>(p), ValueAt<int64_t>(column, row));
  if constexpr (kUtc) *p++ = 'Z';
  return PutQuote<kStyle>(p);
}

// --- strings and bytes ---

// How the bytes of one row are found.
template <typename Offset>
struct ByOffsets {
  static std::string_view At(const TextColumn& column, int64_t row) {
    const Offset* offsets = static_cast<const Offset*>(column.values) + row;
    return {reinterpret_cast<const char*>(column.data) + offsets[0], static_cast<size_t>(offsets[1] - offsets[0])};
  }
};
struct ByView {
  static std::string_view At(const TextColumn& column, int64_t row) {
    return static_cast<const arrow::BinaryViewArray&>(*column.array).GetView(row);
  }
};
struct ByWidth {
  static std::string_view At(const TextColumn& column, int64_t row) {
    return {static_cast<const char*>(column.values) + int64_t{column.width} * row, static_cast<size_t>(column.width)};
  }
};

template <TextStyle kStyle>
inline char* PutString(const TextColumn& column, char* p, std::string_view text, TextBuffer& out) {
  if constexpr (kStyle == TextStyle::kCsv) {
    return WriteCsvString(p, text, column.separator, out);
  } else {
    p = PutQuote<kStyle>(p);
    p = EscapeJson(p, text, kStyle == TextStyle::kJson ? kJsonEscapes : kJsonInCsvEscapes, out);
    return PutQuote<kStyle>(p);
  }
}
template <TextStyle kStyle, typename Access>
char* WriteString(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  return PutString<kStyle>(column, p, Access::At(column, row), out);
}

template <TextStyle kStyle, typename Access>
char* WriteBinary(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  constexpr size_t kPiece = 6144;  // a multiple of 3, so that pieces need no padding between them
  std::string_view bytes = Access::At(column, row);
  if (kStyle == TextStyle::kCsv && bytes.empty()) return PutQuoted<TextStyle::kJson>(p, "", 0);
  p = out.Room(PutQuote<kStyle>(p));
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kPiece);
    p = out.Room(WriteBase64(p, reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(n)));
    bytes.remove_prefix(n);
  }
  return PutQuote<kStyle>(p);
}
template <TextStyle kStyle>
char* WriteUuidCell(const TextColumn& column, int64_t row, char* p, TextBuffer&) {
  return PutQuote<kStyle>(WriteUuid(PutQuote<kStyle>(p), static_cast<const uint8_t*>(column.values) + 16 * row));
}
template <TextStyle kStyle, typename Access>
char* WriteJsonb(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  const std::string_view bytes = Access::At(column, row);
  std::string text;
  Status status = AppendJsonbText({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, &text);
  if (!status.ok()) {
    out.Fail(status.WithContext("column '" + column.name + "', row " + std::to_string(row)));
    return p;
  }
  return PutString<kStyle>(column, p, text, out);
}

// --- nested ---

inline char* WriteCell(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  return column.IsNull(row) ? PutNull(p) : column.write(column, row, p, out);
}

// `[` values begin..end of the child `]`.
char* WriteElements(const TextColumn& child, int64_t begin, int64_t end, char* p, TextBuffer& out) {
  p = out.Room(p);
  *p++ = '[';
  const WriteFn write = child.write;
  if (child.validity == nullptr && child.is_null == nullptr) {
    for (int64_t i = begin; i < end; ++i) {
      p = out.Room(write(child, i, p, out));
      *p++ = ',';
    }
  } else {
    for (int64_t i = begin; i < end; ++i) {
      p = out.Room(child.IsNull(i) ? PutNull(p) : write(child, i, p, out));
      *p++ = ',';
    }
  }
  if (end > begin) --p;
  *p++ = ']';
  return p;
}

// How the elements of one row are found.
template <typename Offset>
struct ListByOffsets {
  static std::pair<int64_t, int64_t> At(const TextColumn& column, int64_t row) {
    const Offset* offsets = static_cast<const Offset*>(column.values) + row;
    return {offsets[0], offsets[1]};
  }
};
template <typename Offset>
struct ListByView {
  static std::pair<int64_t, int64_t> At(const TextColumn& column, int64_t row) {
    const int64_t begin = static_cast<const Offset*>(column.values)[row];
    return {begin, begin + static_cast<const Offset*>(column.sizes)[row]};
  }
};
struct ListByWidth {
  static std::pair<int64_t, int64_t> At(const TextColumn& column, int64_t row) {
    const int64_t begin = (column.offset + row) * column.width;
    return {begin, begin + column.width};
  }
};

// The whole nested value is one quoted cell in CSV.
template <TextStyle kStyle>
inline char* PutCellQuote(char* p) {
  if constexpr (kStyle == TextStyle::kCsv) *p++ = '"';
  return p;
}

template <TextStyle kStyle, typename Access>
char* WriteList(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  const auto [begin, end] = Access::At(column, row);
  return PutCellQuote<kStyle>(WriteElements(column.children[0], begin, end, PutCellQuote<kStyle>(p), out));
}

inline char* PutFields(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  if (column.children.empty()) {
    *p++ = '{';
  } else {
    for (size_t i = 0; i < column.children.size(); ++i) {
      p = column.keys[i].CopyTo(p);
      p = WriteCell(column.children[i], row, p, out);
    }
  }
  *p++ = '}';
  return p;
}
template <TextStyle kStyle>
char* WriteStruct(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  return PutCellQuote<kStyle>(PutFields(column, row, PutCellQuote<kStyle>(p), out));
}

template <TextStyle kStyle>
char* WriteMap(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  const auto [begin, end] = ListByOffsets<int32_t>::At(column, row);
  p = out.Room(PutCellQuote<kStyle>(p));
  *p++ = '[';
  for (int64_t i = begin; i < end; ++i) {
    p = column.keys[0].CopyTo(p);
    p = WriteCell(column.children[0], i, p, out);
    p = column.keys[1].CopyTo(p);
    p = out.Room(WriteCell(column.children[1], i, p, out));
    *p++ = '}';
    *p++ = ',';
  }
  if (end > begin) --p;
  *p++ = ']';
  return PutCellQuote<kStyle>(p);
}

// --- values that stand elsewhere ---

template <typename Index>
char* WriteDictionary(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  const auto index = static_cast<uint64_t>(ValueAt<Index>(column, row));
  if (index >= static_cast<uint64_t>(column.width)) [[unlikely]] {
    out.Fail(Status::Corruption("column '" + column.name + "', row " + std::to_string(row) + ": dictionary index " +
                                std::to_string(ValueAt<Index>(column, row)) + " of " + std::to_string(column.width) + " values"));
    return p;
  }
  if (column.rendered_ends.empty()) return column.children[0].write(column.children[0], static_cast<int64_t>(index), p, out);
  const size_t begin = column.rendered_ends[index];
  return CopyBytes(p, std::string_view(column.rendered).substr(begin, column.rendered_ends[index + 1] - begin), out);
}
template <typename Index>
bool DictionaryValueIsNull(const TextColumn& column, int64_t row) {
  const auto index = static_cast<uint64_t>(ValueAt<Index>(column, row));
  return index < static_cast<uint64_t>(column.width) && column.children[0].IsNull(static_cast<int64_t>(index));
}

template <typename RunEnd>
int64_t RunOf(const TextColumn& column, int64_t row) {
  const RunEnd* ends = static_cast<const RunEnd*>(column.values);
  return std::upper_bound(ends, ends + column.width, static_cast<RunEnd>(column.offset + row)) - ends;
}
template <typename RunEnd>
char* WriteRun(const TextColumn& column, int64_t row, char* p, TextBuffer& out) {
  return column.children[0].write(column.children[0], RunOf<RunEnd>(column, row), p, out);
}
template <typename RunEnd>
bool RunIsNull(const TextColumn& column, int64_t row) {
  return column.children[0].IsNull(RunOf<RunEnd>(column, row));
}

bool AlwaysNull(const TextColumn&, int64_t) { return true; }
char* WriteNothing(const TextColumn&, int64_t, char* p, TextBuffer&) { return p; }

// --- preparation ---

std::string Quoted(TextStyle style, std::string_view text) {
  std::string out;
  const JsonEscapes& escapes = style == TextStyle::kJson ? kJsonEscapes : kJsonInCsvEscapes;
  const std::string_view quote = style == TextStyle::kJson ? "\"" : "\"\"";
  out += quote;
  for (const char c : text)
    out.append(escapes.entry[static_cast<uint8_t>(c)].text, escapes.entry[static_cast<uint8_t>(c)].length);
  out += quote;
  return out;
}

template <TextStyle kStyle>
class Preparer {
 public:
  // What nested values are written in.
  static constexpr TextStyle kInner = kStyle == TextStyle::kJson ? TextStyle::kJson : TextStyle::kJsonInCsv;

  Preparer(TextColumn* column, const arrow::Field* field, char separator)
      : column_(*column), field_(field), separator_(separator) {}

  Status Run(std::shared_ptr<arrow::Array> array) {
    if (field_ != nullptr) {
      column_.name = field_->name();
      extension_ = ExtensionNameOf(*field_);
    }
    while (array->type_id() == Type::EXTENSION) {
      const auto& outer = static_cast<const arrow::ExtensionArray&>(*array);
      extension_ = outer.extension_type()->extension_name();
      array = outer.storage();
    }
    column_.array = std::move(array);
    column_.separator = separator_;
    column_.offset = this->array().offset();
    if (this->array().type_id() != Type::NA && this->array().null_count() > 0)
      column_.validity = this->array().null_bitmap_data();
    return Dispatch();
  }

 private:
  const arrow::Array& array() const { return *column_.array; }
  const arrow::DataType& type() const { return *column_.array->type(); }

  Status Dispatch() {
    switch (type().id()) {
      case Type::NA: return Set(WriteNothing, 0, AlwaysNull);
      case Type::BOOL: column_.data = Buffer(1); return Set(WriteBool, 8);
      case Type::INT8: return Fixed<int8_t>(WriteInteger<int8_t>, kMaxIntegerText);
      case Type::INT16: return Fixed<int16_t>(WriteInteger<int16_t>, kMaxIntegerText);
      case Type::INT32: return Fixed<int32_t>(WriteInteger<int32_t>, kMaxIntegerText);
      case Type::INT64:
      case Type::DURATION: return Fixed<int64_t>(WriteInteger<int64_t>, kMaxIntegerText + 1);
      case Type::UINT8: return Fixed<uint8_t>(WriteInteger<uint8_t>, kMaxIntegerText);
      case Type::UINT16: return Fixed<uint16_t>(WriteInteger<uint16_t>, kMaxIntegerText);
      case Type::UINT32: return Fixed<uint32_t>(WriteInteger<uint32_t>, kMaxIntegerText);
      case Type::UINT64: return Fixed<uint64_t>(WriteInteger<uint64_t>, kMaxIntegerText);
      case Type::HALF_FLOAT: return Fixed<uint16_t>(WriteFloat16<kStyle>, kMaxFloatText);
      case Type::FLOAT: return Fixed<float>(WriteFloat32<kStyle>, kMaxFloatText);
      case Type::DOUBLE: return Fixed<double>(WriteFloat64<kStyle>, kMaxDoubleText);
      case Type::DATE32: return Fixed<int32_t>(WriteDate32<kStyle>, kMaxDateText);
      case Type::DATE64: return Fixed<int64_t>(WriteDate64<kStyle>, kMaxDateText);
      case Type::TIME32:
      case Type::TIME64:
      case Type::TIMESTAMP: return Time();
      case Type::DECIMAL32:
      case Type::DECIMAL64:
      case Type::DECIMAL128:
      case Type::DECIMAL256: return Decimal();
      case Type::STRING: return Offsets<int32_t>(), StringOrJsonb<ByOffsets<int32_t>>(true);
      case Type::LARGE_STRING: return Offsets<int64_t>(), StringOrJsonb<ByOffsets<int64_t>>(true);
      case Type::STRING_VIEW: return StringOrJsonb<ByView>(true);
      case Type::BINARY: return Offsets<int32_t>(), StringOrJsonb<ByOffsets<int32_t>>(false);
      case Type::LARGE_BINARY: return Offsets<int64_t>(), StringOrJsonb<ByOffsets<int64_t>>(false);
      case Type::BINARY_VIEW: return StringOrJsonb<ByView>(false);
      case Type::FIXED_SIZE_BINARY: return FixedSizeBinary();
      case Type::LIST:
      case Type::LARGE_LIST:
      case Type::LIST_VIEW:
      case Type::LARGE_LIST_VIEW:
      case Type::FIXED_SIZE_LIST: return List();
      case Type::MAP: return Map();
      case Type::STRUCT: return Struct();
      case Type::DICTIONARY: return Dictionary();
      case Type::RUN_END_ENCODED: return RunEnds();
      default: return Status::NotSupported("column '" + column_.name + "': type " + type().ToString() + " has no text form");
    }
  }

  Status Set(WriteFn write, size_t fixed_width, bool (*is_null)(const TextColumn&, int64_t) = nullptr) {
    column_.write = write;
    column_.is_null = is_null;
    column_.fixed_width = std::max<size_t>(fixed_width, 4) + kQuotes + 8;
    return Status::OK();
  }
  const uint8_t* Buffer(int i) const {
    const auto& buffer = array().data()->buffers[i];
    return buffer == nullptr ? nullptr : buffer->data();
  }
  template <typename T>
  Status Fixed(WriteFn write, size_t fixed_width) {
    column_.values = reinterpret_cast<const T*>(Buffer(1)) + array().offset();
    return Set(write, fixed_width);
  }
  // Empty arrays may come without an offsets buffer; no row will ask for one.
  template <typename Offset>
  void Offsets() {
    column_.values = reinterpret_cast<const Offset*>(Buffer(1)) + array().offset();
    column_.data = Buffer(2);
  }

  Status Time() {
    const auto unit = type().id() == Type::TIMESTAMP ? static_cast<const arrow::TimestampType&>(type()).unit()
                                                     : static_cast<const arrow::TimeType&>(type()).unit();
    switch (unit) {
      case arrow::TimeUnit::SECOND: return TimeOf<0>();
      case arrow::TimeUnit::MILLI: return TimeOf<3>();
      case arrow::TimeUnit::MICRO: return TimeOf<6>();
      default: return TimeOf<9>();
    }
  }
  template <int kDigits>
  Status TimeOf() {
    if (type().id() == Type::TIME32) return Fixed<int32_t>(WriteTimeOfDay<kStyle, int32_t, kDigits>, kMaxTimeText);
    if (type().id() == Type::TIME64) return Fixed<int64_t>(WriteTimeOfDay<kStyle, int64_t, kDigits>, kMaxTimeText);
    if (static_cast<const arrow::TimestampType&>(type()).timezone().empty()) {
      return Fixed<int64_t>(WriteInstant<kStyle, kDigits, false>, kMaxTimestampText);
    }
    return Fixed<int64_t>(WriteInstant<kStyle, kDigits, true>, kMaxTimestampText + 1);
  }

  Status Decimal() {
    const auto& decimal = static_cast<const arrow::DecimalType&>(type());
    column_.scale = decimal.scale();
    column_.width = decimal.byte_width();
    column_.values = Buffer(1) + int64_t{column_.width} * array().offset();
    const size_t room = 80 + static_cast<size_t>(std::abs(column_.scale)) + 4;
    switch (type().id()) {
      case Type::DECIMAL32: return Set(WriteSmallDecimal<kStyle, int32_t>, room);
      case Type::DECIMAL64: return Set(WriteSmallDecimal<kStyle, int64_t>, room);
      case Type::DECIMAL128: return Set(WriteDecimal128<kStyle>, room);
      default: return Set(WriteDecimal256<kStyle>, room);
    }
  }

  template <typename Access>
  Status StringOrJsonb(bool is_text) {
    if (is_text) return Set(WriteString<kStyle, Access>, 0);
    if (extension_ == "lance.json") return Set(WriteJsonb<kStyle, Access>, 0);
    return Set(WriteBinary<kStyle, Access>, 0);
  }
  Status FixedSizeBinary() {
    column_.width = static_cast<const arrow::FixedSizeBinaryType&>(type()).byte_width();
    column_.values = Buffer(1) + int64_t{column_.width} * array().offset();
    if (extension_ == "arrow.uuid" && column_.width == 16) return Set(WriteUuidCell<kStyle>, 36);
    if (extension_ == "lance.bfloat16" && column_.width == 2) return Set(WriteBfloat16<kStyle>, kMaxFloatText);
    return Set(WriteBinary<kStyle, ByWidth>, 0);
  }

  // Adds a nested child; counts its width.
  Status AddChild(std::shared_ptr<arrow::Array> child, const arrow::Field* field, size_t extra) {
    LANCEFS_ASSIGN_OR_RETURN(TextColumn prepared, PrepareTextColumn(std::move(child), field, kInner));
    if (prepared.name.empty() || !column_.name.empty()) prepared.name = column_.name + "." + prepared.name;
    children_width_ += prepared.fixed_width + extra;
    column_.children.push_back(std::move(prepared));
    return Status::OK();
  }
  Status SetNested(WriteFn write) { return Set(write, children_width_ + 8); }

  Status List() {
    const auto& list = static_cast<const arrow::BaseListType&>(type());
    switch (type().id()) {
      case Type::LIST: return ListOf<int32_t, ListByOffsets<int32_t>>(static_cast<const arrow::ListArray&>(array()), list);
      case Type::LARGE_LIST:
        return ListOf<int64_t, ListByOffsets<int64_t>>(static_cast<const arrow::LargeListArray&>(array()), list);
      case Type::LIST_VIEW:
        column_.sizes = reinterpret_cast<const int32_t*>(Buffer(2)) + array().offset();
        return ListOf<int32_t, ListByView<int32_t>>(static_cast<const arrow::ListViewArray&>(array()), list);
      case Type::LARGE_LIST_VIEW:
        column_.sizes = reinterpret_cast<const int64_t*>(Buffer(2)) + array().offset();
        return ListOf<int64_t, ListByView<int64_t>>(static_cast<const arrow::LargeListViewArray&>(array()), list);
      default:
        column_.width = static_cast<const arrow::FixedSizeListType&>(type()).list_size();
        LANCEFS_RETURN_NOT_OK(
            AddChild(static_cast<const arrow::FixedSizeListArray&>(array()).values(), list.value_field().get(), 2));
        return SetNested(WriteList<kStyle, ListByWidth>);
    }
  }
  template <typename Offset, typename Access, typename ArrayType>
  Status ListOf(const ArrayType& list_array, const arrow::BaseListType& list) {
    column_.values = reinterpret_cast<const Offset*>(Buffer(1)) + array().offset();
    LANCEFS_RETURN_NOT_OK(AddChild(list_array.values(), list.value_field().get(), 2));
    return SetNested(WriteList<kStyle, Access>);
  }

  Status Map() {
    const auto& map = static_cast<const arrow::MapType&>(type());
    column_.values = reinterpret_cast<const int32_t*>(Buffer(1)) + array().offset();
    // Through the struct array, which minds its own offset.
    const auto& pairs = static_cast<const arrow::StructArray&>(*static_cast<const arrow::MapArray&>(array()).values());
    AddKey('{', "key");
    AddKey(',', "value");
    LANCEFS_RETURN_NOT_OK(AddChild(pairs.field(0), map.key_field().get(), 0));
    LANCEFS_RETURN_NOT_OK(AddChild(pairs.field(1), map.item_field().get(), 4));
    return SetNested(WriteMap<kStyle>);
  }

  Status Struct() {
    const auto& rows = static_cast<const arrow::StructArray&>(array());
    for (int i = 0; i < rows.num_fields(); ++i) {
      const auto& field = type().field(i);
      AddKey(i == 0 ? '{' : ',', field->name());
      LANCEFS_RETURN_NOT_OK(AddChild(rows.field(i), field.get(), 0));
    }
    return SetNested(WriteStruct<kStyle>);
  }
  void AddKey(char before, std::string_view name) {
    std::string text(1, before);
    text.append(Quoted(kInner, name)).append(1, ':');
    column_.keys.emplace_back(text);
    children_width_ += column_.keys.back().room();
  }

  Status Dictionary() {
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array());
    if (dictionary.dictionary()->length() > INT32_MAX) {
      return Status::NotSupported("column '" + column_.name + "': a dictionary of more than 2^31 values");
    }
    column_.width = static_cast<int32_t>(dictionary.dictionary()->length());
    // The extension is about the values.
    const auto field = field_ == nullptr ? nullptr : field_->WithType(dictionary.dictionary()->type());
    LANCEFS_ASSIGN_OR_RETURN(TextColumn values, PrepareTextColumn(dictionary.dictionary(), field.get(), kStyle, separator_));
    const size_t width = values.fixed_width;
    column_.children.push_back(std::move(values));
    LANCEFS_RETURN_NOT_OK(RenderValues());
    switch (static_cast<const arrow::DictionaryType&>(type()).index_type()->id()) {
      case Type::INT8: return Indices<int8_t>(width);
      case Type::INT16: return Indices<int16_t>(width);
      case Type::INT32: return Indices<int32_t>(width);
      case Type::INT64: return Indices<int64_t>(width);
      case Type::UINT8: return Indices<uint8_t>(width);
      case Type::UINT16: return Indices<uint16_t>(width);
      case Type::UINT32: return Indices<uint32_t>(width);
      default: return Indices<uint64_t>(width);
    }
  }
  template <typename Index>
  Status Indices(size_t width) {
    const TextColumn& values = column_.children[0];
    const bool has_null = values.validity != nullptr || values.is_null != nullptr;
    column_.values = reinterpret_cast<const Index*>(Buffer(1)) + array().offset();
    return Set(WriteDictionary<Index>, width, has_null ? DictionaryValueIsNull<Index> : nullptr);
  }
  // Worth it where values repeat: then a cell is one copy.
  Status RenderValues() {
    const TextColumn& values = column_.children[0];
    const int64_t count = column_.width;
    if (count > array().length() / 4) return Status::OK();
    std::vector<size_t> ends{0};
    ends.reserve(count + 1);
    std::string rendered;
    for (int64_t i = 0; i < count; ++i) {
      TextBuffer out(&rendered, values.fixed_width);
      char* p = out.begin();
      if (!values.IsNull(i)) p = values.write(values, i, p, out);
      LANCEFS_RETURN_NOT_OK(out.Finish(p));
      ends.push_back(rendered.size());
    }
    column_.rendered = std::move(rendered);
    column_.rendered_ends = std::move(ends);
    return Status::OK();
  }

  Status RunEnds() {
    const auto& runs = static_cast<const arrow::RunEndEncodedArray&>(array());
    const auto field = field_ == nullptr ? nullptr : field_->WithType(runs.values()->type());
    LANCEFS_ASSIGN_OR_RETURN(TextColumn values, PrepareTextColumn(runs.values(), field.get(), kStyle, separator_));
    const size_t width = values.fixed_width;
    column_.children.push_back(std::move(values));
    const auto& ends = *runs.run_ends();
    column_.width = static_cast<int32_t>(ends.length());
    const uint8_t* first = ends.data()->buffers[1]->data();
    const int64_t skip = ends.offset();
    switch (ends.type_id()) {
      case Type::INT16:
        column_.values = reinterpret_cast<const int16_t*>(first) + skip;
        return Set(WriteRun<int16_t>, width, RunIsNull<int16_t>);
      case Type::INT32:
        column_.values = reinterpret_cast<const int32_t*>(first) + skip;
        return Set(WriteRun<int32_t>, width, RunIsNull<int32_t>);
      default:
        column_.values = reinterpret_cast<const int64_t*>(first) + skip;
        return Set(WriteRun<int64_t>, width, RunIsNull<int64_t>);
    }
  }

  TextColumn& column_;
  const arrow::Field* const field_;
  const char separator_;
  std::string extension_;
  size_t children_width_ = 0;
};

}  // namespace

std::string ExtensionNameOf(const arrow::Field& field) {
  if (field.type()->id() == Type::EXTENSION) return static_cast<const arrow::ExtensionType&>(*field.type()).extension_name();
  if (field.metadata() == nullptr) return "";
  const int i = field.metadata()->FindKey("ARROW:extension:name");
  return i < 0 ? "" : field.metadata()->value(i);
}

Result<TextColumn> PrepareTextColumn(std::shared_ptr<arrow::Array> array, const arrow::Field* field, TextStyle style,
                                     char separator) {
  TextColumn column;
  Status status;
  switch (style) {
    case TextStyle::kJson: status = Preparer<TextStyle::kJson>(&column, field, separator).Run(std::move(array)); break;
    case TextStyle::kCsv: status = Preparer<TextStyle::kCsv>(&column, field, separator).Run(std::move(array)); break;
    case TextStyle::kJsonInCsv: status = Preparer<TextStyle::kJsonInCsv>(&column, field, separator).Run(std::move(array)); break;
  }
  if (!status.ok()) return status;
  return column;
}

}  // namespace lancefs
