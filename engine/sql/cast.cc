// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/cast.h"

#include <arrow/compute/api.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "engine/sql/temporal.h"

namespace lancefs::sql {
namespace {

using arrow::Decimal128;
using arrow::Decimal256;
using arrow::Type;

arrow::TimeUnit::type UnitOf(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::TIMESTAMP: return static_cast<const arrow::TimestampType&>(type).unit();
    case Type::DURATION: return static_cast<const arrow::DurationType&>(type).unit();
    case Type::TIME32:
    case Type::TIME64: return static_cast<const arrow::TimeType&>(type).unit();
    default: return arrow::TimeUnit::SECOND;
  }
}

// Runs `convert(row, &value)` over the valid rows; false = does not fit.
template <typename Out, typename Convert>
Result<Column> Loop(const Column& in, const TypePtr& type, bool try_cast, Convert&& convert) {
  const int64_t rows = in.array->length();
  LANCEFS_ASSIGN_OR_RETURN(auto buffer, NewBuffer(rows * static_cast<int64_t>(sizeof(Out))));
  auto* out = reinterpret_cast<Out*>(buffer->mutable_data());
  const bool any_null = in.array->null_count() != 0;
  std::shared_ptr<arrow::Buffer> validity;
  if (any_null) {
    const Column whole{in.array, false};
    const Column* columns[] = {&whole};
    int64_t unused;
    LANCEFS_ASSIGN_OR_RETURN(validity, CombineValidity(columns, 1, rows, &unused));
  }
  bool own_validity = false;
  for (int64_t i = 0; i < rows; ++i) {
    if (any_null && in.array->IsNull(i)) {
      out[i] = Out{};
      continue;
    }
    if (convert(i, &out[i])) continue;
    if (!try_cast) {
      return Status::InvalidArgument("cannot cast '" + ValueText(Column{in.array->Slice(i, 1), true}, 0) + "' (" +
                                     in.type()->ToString() + ") to " + type->ToString());
    }
    if (!own_validity) {
      LANCEFS_ASSIGN_OR_RETURN(auto copy, NewBitmap(rows, true));
      if (validity) std::memcpy(copy->mutable_data(), validity->data(), static_cast<size_t>(arrow::bit_util::BytesForBits(rows)));
      validity = std::move(copy);
      own_validity = true;
    }
    arrow::bit_util::ClearBit(validity->mutable_data(), i);
    out[i] = Out{};
  }
  auto data = arrow::ArrayData::Make(type, rows, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), in.constant};
}

// As Loop, for booleans.
template <typename Convert>
Result<Column> BoolLoop(const Column& in, bool try_cast, Convert&& convert) {
  LANCEFS_ASSIGN_OR_RETURN(Column bytes, Loop<uint8_t>(in, arrow::uint8(), try_cast, [&](int64_t row, uint8_t* out) {
                             bool value = false;
                             const bool ok = convert(row, &value);
                             *out = value;
                             return ok;
                           }));
  LANCEFS_ARROW_ASSIGN(auto array, arrow::compute::Cast(*bytes.array, arrow::boolean()));
  return Column{std::move(array), in.constant};
}

template <typename Out, typename In>
bool FitNumber(In value, Out* out) {
  if constexpr (std::is_floating_point_v<Out>) {
    *out = static_cast<Out>(value);
    return true;
  } else if constexpr (std::is_floating_point_v<In>) {
    const double truncated = std::trunc(static_cast<double>(value));
    constexpr double kLow = static_cast<double>(std::numeric_limits<Out>::min());
    const double high = std::ldexp(1.0, std::numeric_limits<Out>::digits);
    if (!(truncated >= kLow && truncated < high)) return false;
    *out = static_cast<Out>(truncated);
    return true;
  } else {
    if (!std::in_range<Out>(value)) return false;
    *out = static_cast<Out>(value);
    return true;
  }
}

bool IsPlainNumber(const arrow::DataType& type) { return IsInteger(type) || IsFloat(type); }

// Halves and booleans, widened so that the other kernels need not know them.
Result<Column> Widen(const Column& in) {
  if (in.type()->id() == Type::HALF_FLOAT) {
    const Values<uint16_t> values(in);
    return Loop<float>(Column{in.array, in.constant}, arrow::float32(), false, [&](int64_t row, float* out) {
      *out = HalfToFloat(values.data[row]);
      return true;
    });
  }
  const Bools values(in);
  return Loop<uint8_t>(in, arrow::uint8(), false, [&](int64_t row, uint8_t* out) {
    *out = arrow::bit_util::GetBit(values.data, values.offset + row);
    return true;
  });
}

Result<Column> NumberToNumber(const Column& in, const TypePtr& type, bool try_cast) {
  Result<Column> result = Status::Internal("cast");
  const Phys from = PhysOf(*in.type());
  const Phys to = PhysOf(*type);
  if (to == Phys::kHalf) {
    return VisitNumeric(
               from,
               [&](auto tag) {
                 const Values<decltype(tag)> values(in);
                 result = Loop<uint16_t>(in, type, try_cast, [&](int64_t row, uint16_t* out) {
                   *out = DoubleToHalf(static_cast<double>(values.data[row]));
                   return true;
                 });
                 return Status::OK();
               }).ok()
               ? std::move(result)
               : Result<Column>(Status::Internal("cast to half"));
  }
  LANCEFS_RETURN_NOT_OK(VisitNumeric(from, [&](auto from_tag) {
    return VisitNumeric(to, [&](auto to_tag) {
      const Values<decltype(from_tag)> values(in);
      using Out = decltype(to_tag);
      result = Loop<Out>(in, type, try_cast, [&](int64_t row, Out* out) { return FitNumber<Out>(values.data[row], out); });
      return Status::OK();
    });
  }));
  return result;
}

Result<Column> NumberToBool(const Column& in) {
  Result<Column> result = Status::Internal("cast");
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*in.type()), [&](auto tag) {
    const Values<decltype(tag)> values(in);
    result = BoolLoop(in, false, [&](int64_t row, bool* out) {
      *out = values.data[row] != 0;
      return true;
    });
    return Status::OK();
  }));
  return result;
}

// ---- decimals: everything goes through 256 bits ----

Decimal256 PowerOfTen(int exponent) {
  Decimal256 value(1);
  for (int i = 0; i < exponent; ++i) value *= Decimal256(10);
  return value;
}

struct DecimalReader {
  const Column& column;
  bool wide;
  const uint8_t* data;

  explicit DecimalReader(const Column& column)
      : column(column),
        wide(column.type()->id() == Type::DECIMAL256),
        data(column.array->data()->buffers[1]->data() + column.array->offset() * (wide ? 32 : 16)) {}
  Decimal256 operator[](int64_t row) const {
    if (wide) return Decimal256(data + row * 32);
    return Decimal256(Decimal128(data + row * 16));
  }
};

// `value` of scale `from` in scale `to`, halves rounded away from zero; false if it needs more than
// `precision` digits.
bool Rescale(Decimal256 value, int from, int to, int precision, Decimal256* out) {
  if (to >= from) {
    if (to - from > 76) return value == Decimal256(0);
    const Decimal256 factor = PowerOfTen(to - from);
    *out = value * factor;
    if (*out / factor != value) return false;
  } else {
    const Decimal256 factor = PowerOfTen(std::min(from - to, 76));
    Decimal256 half = factor / Decimal256(2);
    if (value < Decimal256(0)) half.Negate();
    *out = (value + half) / factor;
  }
  return out->FitsInPrecision(precision);
}

bool DoubleToDecimal(double value, int scale, int precision, Decimal256* out) {
  if (!std::isfinite(value)) return false;
  const double scaled = std::round(value * std::pow(10.0, scale));
  auto decimal = Decimal256::FromReal(scaled, 76, 0);
  if (!decimal.ok()) return false;
  *out = *decimal;
  return out->FitsInPrecision(precision);
}

bool TextToDecimal(std::string_view text, int scale, int precision, Decimal256* out) {
  Decimal256 value;
  int32_t parsed_precision = 0;
  int32_t parsed_scale = 0;
  if (text.size() > 200) return false;
  if (std::none_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    *out = Decimal256(0);  // as the reference reads '', '-' and '.'
    return text.empty() || text == " " || text == "-" || text == "+" || text == ".";
  }
  if (!Decimal256::FromString(text, &value, &parsed_precision, &parsed_scale).ok()) return false;
  if (parsed_scale < 0) {
    if (!Rescale(value, parsed_scale, 0, 76, &value)) return false;
    parsed_scale = 0;
  }
  return Rescale(value, parsed_scale, scale, precision, out);
}

// Writes what `read(row, &decimal)` gives.
template <typename Read>
Result<Column> ToDecimal(const Column& in, const TypePtr& type, bool try_cast, Read&& read) {
  if (type->id() == Type::DECIMAL256) {
    return Loop<std::array<uint8_t, 32>>(in, type, try_cast, [&](int64_t row, std::array<uint8_t, 32>* out) {
      Decimal256 value;
      if (!read(row, &value)) return false;
      value.ToBytes(out->data());
      return true;
    });
  }
  return Loop<std::array<uint8_t, 16>>(in, type, try_cast, [&](int64_t row, std::array<uint8_t, 16>* out) {
    Decimal256 value;
    if (!read(row, &value)) return false;
    const auto words = value.little_endian_array();
    std::memcpy(out->data(), words.data(), 16);
    return true;
  });
}

Result<Column> CastToDecimal(const Column& in, const TypePtr& type, bool try_cast) {
  const auto& target = static_cast<const arrow::DecimalType&>(*type);
  const int scale = target.scale();
  const int precision = target.precision();
  if (IsDecimal(*in.type())) {
    const DecimalReader reader(in);
    const int from = static_cast<const arrow::DecimalType&>(*in.type()).scale();
    return ToDecimal(in, type, try_cast,
                     [&](int64_t row, Decimal256* out) { return Rescale(reader[row], from, scale, precision, out); });
  }
  if (IsString(*in.type())) {
    const Strings strings(in);
    return ToDecimal(in, type, try_cast,
                     [&](int64_t row, Decimal256* out) { return TextToDecimal(strings[row], scale, precision, out); });
  }
  Result<Column> result = Status::Internal("cast");
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*in.type()), [&](auto tag) {
    using In = decltype(tag);
    const Values<In> values(in);
    result = ToDecimal(in, type, try_cast, [&](int64_t row, Decimal256* out) {
      if constexpr (std::is_floating_point_v<In>) {
        return DoubleToDecimal(values.data[row], scale, precision, out);
      } else {
        const Decimal256 value = std::is_unsigned_v<In> ? Decimal256(static_cast<uint64_t>(values.data[row]))
                                                        : Decimal256(static_cast<int64_t>(values.data[row]));
        return Rescale(value, 0, scale, precision, out);
      }
    });
    return Status::OK();
  }));
  return result;
}

Result<Column> DecimalToNumber(const Column& in, const TypePtr& type, bool try_cast) {
  const DecimalReader reader(in);
  const int scale = static_cast<const arrow::DecimalType&>(*in.type()).scale();
  Result<Column> result = Status::Internal("cast");
  const Decimal256 factor = PowerOfTen(std::max(scale, 0));
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) {
    using Out = decltype(tag);
    result = Loop<Out>(in, type, try_cast, [&](int64_t row, Out* out) {
      if constexpr (std::is_floating_point_v<Out>) {
        *out = static_cast<Out>(reader[row].ToDouble(scale));
        return true;
      } else {
        const Decimal256 whole = scale >= 0 ? reader[row] / factor : reader[row] * PowerOfTen(-scale);
        const auto words = whole.little_endian_array();
        const bool negative = whole < Decimal256(0);
        const uint64_t fill = negative ? ~uint64_t{0} : 0;
        if (words[1] != fill || words[2] != fill || words[3] != fill) return false;
        if constexpr (std::is_unsigned_v<Out>) {
          return !negative && FitNumber<Out>(words[0], out);
        } else {
          const auto narrow = static_cast<int64_t>(words[0]);
          return (narrow < 0) == negative && FitNumber<Out>(narrow, out);
        }
      }
    });
    return Status::OK();
  }));
  return result;
}

// ---- text to values ----

template <typename Out>
bool ParseInteger(std::string_view text, Out* out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  if (text.empty() || text[0] == '+') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != b[i]) return false;
  }
  return true;
}

template <typename Out>
bool ParseReal(std::string_view text, Out* out) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text[0] == '+' || text[0] == '-') return false;
  if (EqualsIgnoreCase(text, "inf") || EqualsIgnoreCase(text, "infinity")) {
    *out = std::numeric_limits<Out>::infinity();
  } else if (EqualsIgnoreCase(text, "nan")) {
    *out = std::numeric_limits<Out>::quiet_NaN();
  } else {
    if ((text[0] < '0' || text[0] > '9') && text[0] != '.') return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
    if (end != text.data() + text.size()) return false;
    if (error == std::errc::result_out_of_range) {
      *out = static_cast<Out>(std::strtod(std::string(text).c_str(), nullptr));
    } else if (error != std::errc()) {
      return false;
    }
  }
  if (negative) *out = -*out;
  return true;
}

bool ParseBool(std::string_view text, bool* out) {
  for (const char* word : {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}) {
    if (EqualsIgnoreCase(text, word)) return *out = true, true;
  }
  for (const char* word : {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}) {
    if (EqualsIgnoreCase(text, word)) return *out = false, true;
  }
  return false;
}

Result<Column> TextToTimestamp(const Column& in, const TypePtr& type, bool try_cast) {
  const Strings strings(in);
  const auto unit = UnitOf(*type);
  const bool zoned = !static_cast<const arrow::TimestampType&>(*type).timezone().empty();
  LANCEFS_ASSIGN_OR_RETURN(Column utc, Loop<int64_t>(in, type, try_cast, [&](int64_t row, int64_t* out) {
                             const auto parsed = ParseTimestampText(strings[row]);
                             if (!parsed) return false;
                             const auto value = ToUnits(*parsed, unit);
                             if (value) *out = *value;
                             return value.has_value();
                           }));
  if (!zoned) return utc;
  // Texts without an offset are wall clocks of the zone.
  LANCEFS_ASSIGN_OR_RETURN(auto local, LocalToUtc(utc.array, type));
  const Column local_column{local, false};
  const Values<int64_t> as_local(local_column);
  const Column utc_column{utc.array, false};
  const Values<int64_t> as_utc(utc_column);
  LANCEFS_ASSIGN_OR_RETURN(Column mixed, Loop<int64_t>(utc, type, false, [&](int64_t row, int64_t* out) {
                             const auto parsed = ParseTimestampText(strings[row]);
                             *out = parsed && parsed->has_offset ? as_utc[row] : as_local[row];
                             return true;
                           }));
  return mixed;
}

Result<Column> TextToTemporal(const Column& in, const TypePtr& type, bool try_cast) {
  const Strings strings(in);
  switch (type->id()) {
    case Type::DATE32:
      return Loop<int32_t>(in, type, try_cast, [&](int64_t row, int32_t* out) {
        const auto days = ParseDateDays(strings[row]);
        return days && FitNumber<int32_t>(*days, out);
      });
    case Type::DATE64:
      return Loop<int64_t>(in, type, try_cast, [&](int64_t row, int64_t* out) {
        const auto days = ParseDateDays(strings[row]);
        if (days) *out = *days * 86400000;
        return days.has_value();
      });
    case Type::TIME32:
    case Type::TIME64: {
      const int64_t divisor = 1000000000 / UnitsPerSecond(UnitOf(*type));
      auto parse = [&](int64_t row, auto* out) {
        const auto nanos = ParseTimeNanos(strings[row]);
        if (nanos) *out = static_cast<std::remove_pointer_t<decltype(out)>>(*nanos / divisor);
        return nanos.has_value();
      };
      if (type->id() == Type::TIME32) return Loop<int32_t>(in, type, try_cast, parse);
      return Loop<int64_t>(in, type, try_cast, parse);
    }
    default: return TextToTimestamp(in, type, try_cast);
  }
}

Result<Column> Retype(const Column& in, const TypePtr& type) {
  auto data = in.array->data()->Copy();
  data->type = type;
  return Column{arrow::MakeArray(std::move(data)), in.constant};
}

Result<Column> TextToBytes(const Column& in, const TypePtr& type, bool try_cast);

Result<Column> CastFromText(const Column& in, const TypePtr& type, bool try_cast) {
  const Strings strings(in);
  if (IsDecimal(*type)) return CastToDecimal(in, type, try_cast);
  if (type->id() == Type::BOOL) {
    return BoolLoop(in, try_cast, [&](int64_t row, bool* out) { return ParseBool(strings[row], out); });
  }
  if (type->id() == Type::HALF_FLOAT) {
    return Loop<uint16_t>(in, type, try_cast, [&](int64_t row, uint16_t* out) {
      double value;
      if (!ParseReal(strings[row], &value)) return false;
      *out = DoubleToHalf(value);
      return true;
    });
  }
  if (IsPlainNumber(*type)) {
    Result<Column> result = Status::Internal("cast");
    LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) {
      using Out = decltype(tag);
      result = Loop<Out>(in, type, try_cast, [&](int64_t row, Out* out) {
        if constexpr (std::is_floating_point_v<Out>) {
          return ParseReal(strings[row], out);
        } else {
          return ParseInteger(strings[row], out);
        }
      });
      return Status::OK();
    }));
    return result;
  }
  if (IsTemporal(*type)) return TextToTemporal(in, type, try_cast);
  return TextToBytes(in, type, try_cast);
}

// ---- values to text, bytes ----

// As Rust prints floats with serde's shortest form: 1.0, 0.1, 1e16, NaN, inf.
template <typename T>
std::string FormatReal(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific).ptr;
  std::string_view scientific(text, static_cast<size_t>(end - text));
  const size_t mark = scientific.find('e');
  int exponent = 0;
  std::string_view exponent_text = scientific.substr(mark + 1);
  if (exponent_text[0] == '+') exponent_text.remove_prefix(1);
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  if (exponent >= 16 || exponent < -5) return std::string(scientific.substr(0, mark)) + "e" + std::to_string(exponent);
  char fixed[64];
  const auto fixed_end = std::to_chars(fixed, fixed + sizeof(fixed), value, std::chars_format::fixed).ptr;
  std::string out(fixed, static_cast<size_t>(fixed_end - fixed));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

// As Rust displays floats: never an exponent, no ".0".
template <typename T>
std::string DisplayReal(T value) {
  if (!std::isfinite(value)) return FormatReal(value);
  char text[512];  // the longest double in plain digits has 309 before or 1,100 behind the point
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed);
  return error == std::errc() ? std::string(text, static_cast<size_t>(end - text)) : FormatReal(value);
}

std::string ZoneSuffix(const std::string& zone) {
  if (zone.empty()) return "";
  if (zone == "UTC" || zone == "Z" || zone == "+00:00") return "Z";
  return zone[0] == '+' || zone[0] == '-' ? zone : "Z";
}

// A zone's wall clock for printing: fixed offsets directly, named zones through Arrow.
int64_t LocalValue(int64_t value, const arrow::TimestampType& type, std::string* suffix) {
  *suffix = ZoneSuffix(type.timezone());
  if (suffix->size() == 6 && *suffix != "Z") {
    const int sign = (*suffix)[0] == '-' ? -1 : 1;
    const int64_t seconds = std::atoi(suffix->substr(1, 2).c_str()) * 3600 + std::atoi(suffix->substr(4, 2).c_str()) * 60;
    return value + sign * seconds * UnitsPerSecond(type.unit());
  }
  if (type.timezone().empty() || *suffix == ZoneSuffix("UTC")) {
    if (type.timezone() == "UTC" || type.timezone().empty() || type.timezone() == "Z" || type.timezone() == "+00:00")
      return value;
    auto scalar = std::make_shared<arrow::TimestampScalar>(value, arrow::timestamp(type.unit(), type.timezone()));
    auto local = arrow::compute::LocalTimestamp(scalar);
    if (!local.ok()) return value;
    const int64_t shifted = static_cast<const arrow::TimestampScalar&>(*local->scalar()).value;
    const int64_t minutes = (shifted - value) / UnitsPerSecond(type.unit()) / 60;
    char text[16];
    std::snprintf(text, sizeof(text), "%c%02d:%02d", minutes < 0 ? '-' : '+', static_cast<int>(std::abs(minutes) / 60),
                  static_cast<int>(std::abs(minutes) % 60));
    *suffix = text;
    return shifted;
  }
  return value;
}

std::string TemporalText(const Column& column, int64_t row) {
  const auto& type = *column.type();
  const int64_t value = PhysOf(type) == Phys::kInt32 ? Values<int32_t>(column)[row] : Values<int64_t>(column)[row];
  switch (type.id()) {
    case Type::DATE32: return FormatDate(value);
    case Type::DATE64: return FormatTimestamp(value, arrow::TimeUnit::MILLI, "");
    case Type::TIME32:
    case Type::TIME64: return FormatTime(value, UnitOf(type));
    case Type::TIMESTAMP: {
      std::string suffix;
      const int64_t local = LocalValue(value, static_cast<const arrow::TimestampType&>(type), &suffix);
      return FormatTimestamp(local, UnitOf(type), suffix);
    }
    default: return std::to_string(value);
  }
}

std::string ListText(const Column& column, int64_t row) {
  const Lists lists(column);
  std::string text = "[";
  auto items = Plain(lists.items);
  if (!items.ok()) return "[]";
  const Column item_column{*items, false};
  for (int64_t i = 0; i < lists.Size(row); ++i) {
    const int64_t at = lists.Begin(row) + i;
    if (i > 0) text += ", ";
    if (!item_column.array->IsNull(at)) text += ValueText(item_column, at);
  }
  return text + "]";
}

Result<Column> MakeText(const Column& in, const TypePtr& type) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  LANCEFS_ARROW_ASSIGN(builder, arrow::MakeBuilder(type));
  const int64_t rows = in.array->length();
  const Column whole{in.array, false};
  for (int64_t i = 0; i < rows; ++i) {
    if (in.array->IsNull(i)) {
      LANCEFS_ARROW_NOT_OK(builder->AppendNull());
      continue;
    }
    const std::string text = ValueText(whole, i);
    if (type->id() == Type::LARGE_STRING) {
      LANCEFS_ARROW_NOT_OK(static_cast<arrow::LargeStringBuilder&>(*builder).Append(text));
    } else {
      LANCEFS_ARROW_NOT_OK(static_cast<arrow::StringBuilder&>(*builder).Append(text));
    }
  }
  LANCEFS_ARROW_ASSIGN(auto array, builder->Finish());
  return Column{std::move(array), in.constant};
}

// Between the string and binary types.
Result<Column> TextToBytes(const Column& in, const TypePtr& type, bool try_cast) {
  if (try_cast && IsString(*type) && IsBinary(*in.type())) {  // what is no UTF-8 becomes null
    const Strings strings(in);
    arrow::StringBuilder builder;
    for (int64_t i = 0; i < in.array->length(); ++i) {
      if (in.array->IsNull(i) || !arrow::StringScalar(std::string(strings[i])).ValidateFull().ok()) {
        LANCEFS_ARROW_NOT_OK(builder.AppendNull());
      } else {
        LANCEFS_ARROW_NOT_OK(builder.Append(strings[i]));
      }
    }
    LANCEFS_ARROW_ASSIGN(auto array, builder.Finish());
    LANCEFS_ARROW_ASSIGN(array, arrow::compute::Cast(*array, type));
    return Column{std::move(array), in.constant};
  }
  LANCEFS_ARROW_ASSIGN(auto array, arrow::compute::Cast(*in.array, type));
  return Column{std::move(array), in.constant};
}

// ---- temporal ----

Result<Column> TimestampToTimestamp(const Column& in, const TypePtr& type, bool try_cast) {
  const auto& from = static_cast<const arrow::TimestampType&>(*in.type());
  const auto& to = static_cast<const arrow::TimestampType&>(*type);
  const int64_t from_units = UnitsPerSecond(from.unit());
  const int64_t to_units = UnitsPerSecond(to.unit());
  const Values<int64_t> values(in);
  LANCEFS_ASSIGN_OR_RETURN(Column scaled, Loop<int64_t>(in, type, try_cast, [&](int64_t row, int64_t* out) {
                             const int64_t value = values.data[row];
                             if (to_units >= from_units) return !__builtin_mul_overflow(value, to_units / from_units, out);
                             *out = value / (from_units / to_units);
                             return true;
                           }));
  if (!from.timezone().empty() || to.timezone().empty()) return scaled;
  LANCEFS_ASSIGN_OR_RETURN(scaled.array, LocalToUtc(scaled.array, type));
  return scaled;
}

Result<Column> CastTemporal(const Column& in, const TypePtr& type, bool try_cast) {
  const Type::type from = in.type()->id();
  const Type::type to = type->id();
  if (from == Type::TIMESTAMP && to == Type::TIMESTAMP) return TimestampToTimestamp(in, type, try_cast);
  const int64_t per_day = UnitsPerSecond(UnitOf(from == Type::TIMESTAMP ? *in.type() : *type)) * 86400;
  Column source = in;
  if (from == Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(*in.type()).timezone().empty() &&
      (to == Type::DATE32 || to == Type::DATE64 || to == Type::TIME32 || to == Type::TIME64)) {
    LANCEFS_ARROW_ASSIGN(arrow::Datum local, arrow::compute::LocalTimestamp(in.array));  // the zone's wall clock
    source.array = local.make_array();
  }
  auto read = [&](int64_t row) {
    return PhysOf(*source.type()) == Phys::kInt32
               ? int64_t{reinterpret_cast<const int32_t*>(source.array->data()->buffers[1]->data())[source.array->offset() + row]}
               : reinterpret_cast<const int64_t*>(source.array->data()->buffers[1]->data())[source.array->offset() + row];
  };
  const int64_t from_units = UnitsPerSecond(UnitOf(*in.type()));
  const int64_t to_units = UnitsPerSecond(UnitOf(*type));
  auto convert = [&](int64_t row, int64_t* out) -> bool {
    const int64_t value = read(row);
    if (from == Type::DATE32 && to == Type::DATE64) return !__builtin_mul_overflow(value, int64_t{86400000}, out);
    if (from == Type::DATE64 && to == Type::DATE32) return *out = FloorDiv(value, 86400000), true;
    if (from == Type::DATE32 && to == Type::TIMESTAMP) return !__builtin_mul_overflow(value, per_day, out);
    if (from == Type::DATE64 && to == Type::TIMESTAMP) {
      if (to_units < 1000) return *out = FloorDiv(value, 1000 / to_units), true;
      return !__builtin_mul_overflow(value, to_units / 1000, out);
    }
    if (from == Type::TIMESTAMP && to == Type::DATE32) return *out = FloorDiv(value, per_day), true;
    if (from == Type::TIMESTAMP && to == Type::DATE64) {
      if (from_units >= 1000) return *out = FloorDiv(value, from_units / 1000), true;
      return !__builtin_mul_overflow(value, 1000 / from_units, out);
    }
    const int64_t base = from == Type::TIMESTAMP ? FloorMod(value, per_day) : value;  // times and durations
    if (to_units >= from_units) return !__builtin_mul_overflow(base, to_units / from_units, out);
    return *out = base / (from_units / to_units), true;
  };
  if (PhysOf(*type) == Phys::kInt32) {
    return Loop<int32_t>(source, type, try_cast, [&](int64_t row, int32_t* out) {
      int64_t wide = 0;
      return convert(row, &wide) && FitNumber<int32_t>(wide, out);
    });
  }
  return Loop<int64_t>(source, type, try_cast, convert);
}

TypePtr IntegerUnder(const arrow::DataType& type) { return PhysOf(type) == Phys::kInt32 ? arrow::int32() : arrow::int64(); }

Result<Column> CastList(const Column& in, const TypePtr& type, bool try_cast) {
  const TypePtr item_type = static_cast<const arrow::BaseListType&>(*type).value_type();
  const Lists lists(in);
  const int64_t rows = in.array->length();
  LANCEFS_ASSIGN_OR_RETURN(auto items, Plain(lists.items));
  LANCEFS_ASSIGN_OR_RETURN(Column cast, CastColumn(Column{items, false}, item_type, try_cast));
  LANCEFS_ASSIGN_OR_RETURN(auto offsets, NewBuffer((rows + 1) * 8));
  auto* out = reinterpret_cast<int64_t*>(offsets->mutable_data());
  // A compact copy: rows of a fixed size list may lie apart from their neighbours under nulls.
  arrow::Int64Builder indices;
  out[0] = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t size = in.array->IsNull(i) ? 0 : lists.Size(i);
    out[i + 1] = out[i] + size;
    for (int64_t k = 0; k < size; ++k) LANCEFS_ARROW_NOT_OK(indices.Append(lists.Begin(i) + k));
  }
  LANCEFS_ARROW_ASSIGN(auto index_array, indices.Finish());
  LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(cast.array, index_array));
  LANCEFS_ASSIGN_OR_RETURN(auto validity, NewBitmap(rows, true));
  for (int64_t i = 0; i < rows; ++i) {
    if (in.array->IsNull(i)) arrow::bit_util::ClearBit(validity->mutable_data(), i);
  }
  auto data = arrow::ArrayData::Make(arrow::large_list(item_type), rows, {validity, offsets}, {taken.make_array()->data()});
  std::shared_ptr<arrow::Array> array = arrow::MakeArray(data);
  if (type->id() != Type::LARGE_LIST) {
    LANCEFS_ARROW_ASSIGN(array, arrow::compute::Cast(*array, type));
  }
  return Column{std::move(array), in.constant};
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> LocalToUtc(const std::shared_ptr<arrow::Array>& timestamps, const TypePtr& type) {
  const auto& target = static_cast<const arrow::TimestampType&>(*type);
  auto data = timestamps->data()->Copy();
  if (target.timezone() == "UTC" || target.timezone() == "+00:00" || target.timezone() == "Z") {
    data->type = type;
    return arrow::MakeArray(std::move(data));
  }
  data->type = arrow::timestamp(target.unit());
  arrow::compute::AssumeTimezoneOptions options(target.timezone(), arrow::compute::AssumeTimezoneOptions::AMBIGUOUS_EARLIEST,
                                                arrow::compute::AssumeTimezoneOptions::NONEXISTENT_EARLIEST);
  LANCEFS_ARROW_ASSIGN(arrow::Datum zoned, arrow::compute::AssumeTimezone(arrow::MakeArray(data), options));
  return zoned.make_array();
}

std::string ValueText(const Column& column, int64_t row) {
  const auto& type = *column.type();
  if (column.IsNull(row)) return "NULL";
  if (IsTemporal(type) && PhysOf(type) != Phys::kOther) return TemporalText(column, row);
  switch (PhysOf(type)) {
    case Phys::kBool: return Bools(column)[row] ? "true" : "false";
    case Phys::kHalf: return DisplayReal(HalfToFloat(Values<uint16_t>(column)[row]));
    case Phys::kFloat: return FormatReal(Values<float>(column)[row]);
    case Phys::kDouble: return FormatReal(Values<double>(column)[row]);
    case Phys::kDecimal128:
    case Phys::kDecimal256:
      return DecimalReader(column)[column.constant ? 0 : row].ToString(static_cast<const arrow::DecimalType&>(type).scale());
    case Phys::kBytes: return std::string(Strings(column)[row]);
    case Phys::kNull: return "NULL";
    case Phys::kOther: break;
    default: {
      std::string text;
      (void)VisitNumeric(PhysOf(type), [&](auto tag) {
        text = std::to_string(Values<decltype(tag)>(column)[row]);
        return Status::OK();
      });
      return text;
    }
  }
  if (IsListLike(type)) return ListText(column, row);
  auto scalar = column.array->GetScalar(column.constant ? 0 : row);
  return scalar.ok() ? (*scalar)->ToString() : "";
}

std::string DisplayText(const Column& column, int64_t row) {
  if (!column.IsNull(row) && column.type()->id() == Type::FLOAT) return DisplayReal(Values<float>(column)[row]);
  if (!column.IsNull(row) && column.type()->id() == Type::DOUBLE) return DisplayReal(Values<double>(column)[row]);
  return ValueText(column, row);
}

bool CanCast(const arrow::DataType& from, const arrow::DataType& to) {
  if (from.Equals(to) || from.id() == Type::NA) return true;
  const bool from_number = IsNumeric(from);
  const bool to_number = IsNumeric(to);
  if (IsString(from)) {
    return to_number || IsString(to) || IsBinary(to) || to.id() == Type::BOOL ||
           (IsTemporal(to) && to.id() != Type::DURATION && PhysOf(to) != Phys::kOther);
  }
  if (IsString(to)) return PhysOf(from) != Phys::kOther || IsListLike(from);
  if (from_number && to_number) return true;
  if (from.id() == Type::BOOL) return IsPlainNumber(to);
  if (to.id() == Type::BOOL) return IsPlainNumber(from);
  if (IsBinary(from) && IsBinary(to)) return true;
  const bool from_time = IsTemporal(from) && PhysOf(from) != Phys::kOther;
  const bool to_time = IsTemporal(to) && PhysOf(to) != Phys::kOther;
  if (from_time && IsInteger(to)) return true;
  if (from_time && IsFloat(to)) return from.id() != Type::DATE32 && from.id() != Type::DATE64;
  if (IsInteger(from) && to_time) return true;
  if (from_time && to_time) {
    auto is_date = [](const arrow::DataType& type) { return type.id() == Type::DATE32 || type.id() == Type::DATE64; };
    auto is_clock = [](const arrow::DataType& type) { return type.id() == Type::TIME32 || type.id() == Type::TIME64; };
    if (from.id() == Type::DURATION || to.id() == Type::DURATION) return from.id() == to.id();
    return (is_date(from) && !is_clock(to)) || (is_clock(from) && is_clock(to)) || from.id() == Type::TIMESTAMP;
  }
  if (IsListLike(from) && (to.id() == Type::LIST || to.id() == Type::LARGE_LIST)) {
    return CanCast(*PlainType(static_cast<const arrow::BaseListType&>(from).value_type()),
                   *static_cast<const arrow::BaseListType&>(to).value_type());
  }
  return false;
}

Result<Column> CastColumn(const Column& in, const TypePtr& type, bool try_cast) {
  const TypePtr from = in.type();
  if (from->Equals(*type)) return in;
  if (from->id() == Type::NA) {
    LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayOfNull(type, in.array->length()));
    return Column{std::move(array), in.constant};
  }
  if (IsString(*from)) return CastFromText(in, type, try_cast);
  if (IsString(*type) && IsBinary(*from)) return TextToBytes(in, type, try_cast);
  if (IsString(*type)) return MakeText(in, type);
  if (IsBinary(*from)) return TextToBytes(in, type, try_cast);
  if (from->id() == Type::HALF_FLOAT || from->id() == Type::BOOL) {
    LANCEFS_ASSIGN_OR_RETURN(Column wide, Widen(in));
    return CastColumn(wide, type, try_cast);
  }
  if (type->id() == Type::BOOL) return NumberToBool(in);
  if (IsDecimal(*type)) return CastToDecimal(in, type, try_cast);
  if (IsDecimal(*from)) {
    if (type->id() != Type::HALF_FLOAT) return DecimalToNumber(in, type, try_cast);
    LANCEFS_ASSIGN_OR_RETURN(Column wide, DecimalToNumber(in, arrow::float64(), try_cast));
    return CastColumn(wide, type, try_cast);
  }
  if (IsPlainNumber(*from) && IsPlainNumber(*type)) return NumberToNumber(in, type, try_cast);
  if (IsTemporal(*from) && IsTemporal(*type)) return CastTemporal(in, type, try_cast);
  if (IsTemporal(*from)) {
    LANCEFS_ASSIGN_OR_RETURN(Column ticks, Retype(in, IntegerUnder(*from)));
    return CastColumn(ticks, type, try_cast);
  }
  if (IsTemporal(*type)) {
    LANCEFS_ASSIGN_OR_RETURN(Column ticks, CastColumn(in, IntegerUnder(*type), try_cast));
    return Retype(ticks, type);
  }
  if (IsListLike(*from)) return CastList(in, type, try_cast);
  return Status::InvalidArgument("cannot cast " + from->ToString() + " to " + type->ToString());
}

}  // namespace lancefs::sql
