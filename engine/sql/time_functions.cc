// SPDX-License-Identifier: Apache-2.0
#include <arrow/compute/api.h>

#include <charconv>
#include <chrono>
#include <cmath>

#include "base/ascii.h"
#include "engine/sql/function_support.h"
#include "engine/sql/temporal.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;
using arrow::Type;

arrow::TimeUnit::type TimestampUnit(const arrow::DataType& type) { return static_cast<const arrow::TimestampType&>(type).unit(); }
bool IsDate(const arrow::DataType& type) { return type.id() == Type::DATE32 || type.id() == Type::DATE64; }

Result<std::string> ConstantText(const std::string& name, const Constants& constants, size_t index) {
  const Column* column = constants[index];
  if (!column || !IsString(*column->type()) || column->ConstantNull()) {
    return Status::InvalidArgument(name + "() needs a constant string as argument " + std::to_string(index + 1));
  }
  return AsciiLower(Strings(*column)[0]);
}

// The wall clock of a date or timestamp as ticks; zoned ones in their zone.
Result<Column> WallClock(const Column& in) {
  if (in.type()->id() != Type::TIMESTAMP || static_cast<const arrow::TimestampType&>(*in.type()).timezone().empty()) return in;
  LANCEFS_ARROW_ASSIGN(arrow::Datum local, arrow::compute::LocalTimestamp(in.array));
  return Column{local.make_array(), in.constant};
}

enum class Field : uint8_t {
  kYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kDayOfWeek,
  kIsoDayOfWeek,
  kDayOfYear,
  kHour,
  kMinute,
  kSecond,
  kMilli,
  kMicro,
  kNano,
  kEpoch,
  kIsoYear,
};
std::optional<Field> FieldOf(const std::string& name) {
  static const std::pair<const char*, Field> kFields[] = {
      {"year", Field::kYear},
      {"years", Field::kYear},
      {"quarter", Field::kQuarter},
      {"month", Field::kMonth},
      {"months", Field::kMonth},
      {"week", Field::kWeek},
      {"weeks", Field::kWeek},
      {"day", Field::kDay},
      {"days", Field::kDay},
      {"dow", Field::kDayOfWeek},
      {"isodow", Field::kIsoDayOfWeek},
      {"doy", Field::kDayOfYear},
      {"hour", Field::kHour},
      {"hours", Field::kHour},
      {"minute", Field::kMinute},
      {"minutes", Field::kMinute},
      {"second", Field::kSecond},
      {"seconds", Field::kSecond},
      {"millisecond", Field::kMilli},
      {"milliseconds", Field::kMilli},
      {"microsecond", Field::kMicro},
      {"microseconds", Field::kMicro},
      {"nanosecond", Field::kNano},
      {"nanoseconds", Field::kNano},
      {"epoch", Field::kEpoch},
      {"isoyear", Field::kIsoYear},
  };
  for (const auto& [field_name, field] : kFields) {
    if (name == field_name) return field;
  }
  return std::nullopt;
}

int64_t DayOfYear(int64_t days) { return days - DaysFromCivil(CivilFromDays(days).year, 1, 1) + 1; }
int IsoWeekday(int64_t days) { return static_cast<int>(FloorMod(days + 3, 7)) + 1; }  // Monday = 1
std::pair<int64_t, int64_t> IsoWeek(int64_t days) {                                   // year, week
  const int64_t thursday = days + 4 - IsoWeekday(days);
  const int64_t year = CivilFromDays(thursday).year;
  return {year, (thursday - DaysFromCivil(year, 1, 1)) / 7 + 1};
}

// `days` and nanoseconds of the day to a field.
int64_t FieldValue(Field field, int64_t days, int64_t nanos) {
  const CivilDate date = CivilFromDays(days);
  switch (field) {
    case Field::kYear: return date.year;
    case Field::kQuarter: return (date.month - 1) / 3 + 1;
    case Field::kMonth: return date.month;
    case Field::kWeek: return IsoWeek(days).second;
    case Field::kIsoYear: return IsoWeek(days).first;
    case Field::kDay: return date.day;
    case Field::kDayOfWeek: return IsoWeekday(days) % 7;
    case Field::kIsoDayOfWeek: return IsoWeekday(days);
    case Field::kDayOfYear: return DayOfYear(days);
    case Field::kHour: return nanos / 3600000000000;
    case Field::kMinute: return nanos / 60000000000 % 60;
    case Field::kSecond: return nanos / 1000000000 % 60;
    case Field::kMilli: return nanos / 1000000 % 60000;
    case Field::kMicro: return nanos / 1000 % 60000000;
    case Field::kNano: return nanos % 60000000000;
    case Field::kEpoch: return 0;
  }
  return 0;
}

// Splits ticks of any date, time or timestamp into days and nanoseconds of the day.
struct Clock {
  int64_t per_day;
  int64_t nanos_per_tick;
  explicit Clock(const arrow::DataType& type) {
    int64_t per_second = 0;
    if (type.id() == Type::TIMESTAMP)
      per_second = UnitsPerSecond(TimestampUnit(type));
    else if (type.id() == Type::DATE64)
      per_second = 1000;
    else if (type.id() == Type::TIME32 || type.id() == Type::TIME64)
      per_second = UnitsPerSecond(static_cast<const arrow::TimeType&>(type).unit());
    per_day = per_second == 0 ? 1 : per_second * 86400;
    nanos_per_tick = per_second == 0 ? 0 : 1000000000 / per_second;
  }
  int64_t Days(int64_t ticks) const { return FloorDiv(ticks, per_day); }
  int64_t Nanos(int64_t ticks) const { return FloorMod(ticks, per_day) * nanos_per_tick; }
};

int64_t Ticks(const Column& column, int64_t row) {
  return PhysOf(*column.type()) == Phys::kInt32 ? int64_t{Values<int32_t>(column)[row]} : Values<int64_t>(column)[row];
}

Result<BoundFunction> DatePartFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string field_name, ConstantText(name, constants, 0));
  const auto field = FieldOf(field_name);
  if (!field) return Status::InvalidArgument(name + "(): unknown field '" + field_name + "'");
  TypePtr type = types[1];
  if (IsString(*type)) type = arrow::timestamp(arrow::TimeUnit::NANO);
  if (!IsDate(*type) && type->id() != Type::TIMESTAMP && type->id() != Type::TIME32 && type->id() != Type::TIME64 &&
      type->id() != Type::NA) {
    return Status::InvalidArgument(name + "() needs a date or timestamp, this is " + type->ToString());
  }
  if (type->id() == Type::NA) type = arrow::timestamp(arrow::TimeUnit::NANO);
  const bool epoch = *field == Field::kEpoch;
  const TypePtr result = epoch ? arrow::float64() : arrow::int32();
  return BoundFunction{
      {types[0], type}, result, [=, field = *field](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(result);
        const Clock clock(*in[1].type());
        if (epoch) {
          return MapValues<double>(in, rows, result, [&](int64_t row, double* out) {
            const int64_t ticks = Ticks(in[1], row);
            if (clock.nanos_per_tick == 0) return *out = static_cast<double>(ticks) * 86400.0, true;
            return *out = static_cast<double>(ticks) / (static_cast<double>(clock.per_day) / 86400.0), true;
          });
        }
        LANCEFS_ASSIGN_OR_RETURN(const Column local, WallClock(in[1]));
        return MapValues<int32_t>(in, rows, result, [&](int64_t row, int32_t* out) {
          const int64_t ticks = Ticks(local, row);
          return *out = static_cast<int32_t>(FieldValue(field, clock.Days(ticks), clock.Nanos(ticks))), true;
        });
      }};
}

// a * b; false where it does not fit.
bool Multiply(int64_t a, int64_t b, int64_t* out) { return !__builtin_mul_overflow(a, b, out); }

// The start of the unit in which `ticks` lies; false for an unknown unit, and where that is before the first tick there is.
bool Truncate(const std::string& unit, const Clock& clock, int64_t ticks, int64_t* out) {
  const int64_t days = clock.Days(ticks);
  const CivilDate date = CivilFromDays(days);
  if (unit == "year") return Multiply(DaysFromCivil(date.year, 1, 1), clock.per_day, out);
  if (unit == "quarter") return Multiply(DaysFromCivil(date.year, (date.month - 1) / 3 * 3 + 1, 1), clock.per_day, out);
  if (unit == "month") return Multiply(DaysFromCivil(date.year, date.month, 1), clock.per_day, out);
  if (unit == "week") return Multiply(days - IsoWeekday(days) + 1, clock.per_day, out);
  if (unit == "day") return Multiply(days, clock.per_day, out);
  static const std::pair<const char*, int64_t> kNanos[] = {{"hour", 3600000000000}, {"minute", 60000000000},
                                                           {"second", 1000000000},  {"millisecond", 1000000},
                                                           {"microsecond", 1000},   {"nanosecond", 1}};
  for (const auto& [name, nanos] : kNanos) {
    if (unit != name) continue;
    const int64_t step = std::max<int64_t>(nanos / std::max<int64_t>(clock.nanos_per_tick, 1), 1);
    return Multiply(FloorDiv(ticks, step), step, out);
  }
  return false;
}

Result<BoundFunction> DateTruncFunction(const std::string& name, const Types& types, const Constants& constants) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string unit, ConstantText(name, constants, 0));
  TypePtr type = types[1];
  if (IsString(*type) || type->id() == Type::NA || IsDate(*type)) type = arrow::timestamp(arrow::TimeUnit::NANO);
  if (IsDate(*types[1])) type = arrow::timestamp(arrow::TimeUnit::MICRO);
  if (type->id() != Type::TIMESTAMP)
    return Status::InvalidArgument(name + "() needs a date or timestamp, this is " + type->ToString());
  int64_t unused;
  if (!Truncate(unit, Clock(*type), 0, &unused)) return Status::InvalidArgument(name + "(): unknown unit '" + unit + "'");
  return BoundFunction{
      {types[0], type}, type, [type, unit](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(type);
        const Clock clock(*type);
        LANCEFS_ASSIGN_OR_RETURN(const Column local, WallClock(in[1]));
        bool overflow = false;
        LANCEFS_ASSIGN_OR_RETURN(Column truncated, MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) {
                                   if (!Truncate(unit, clock, Ticks(local, row), out)) overflow = true;
                                   return true;
                                 }));
        if (overflow) return Status::InvalidArgument("date_trunc(): the start of the " + unit + " is out of the type's range");
        if (static_cast<const arrow::TimestampType&>(*type).timezone().empty()) return truncated;
        LANCEFS_ASSIGN_OR_RETURN(truncated.array, LocalToUtc(truncated.array, type));
        return truncated;
      }};
}

Result<BoundFunction> ToTimestampFunction(const std::string& name, const Types& types, const Constants&) {
  const auto unit = name == "to_timestamp_seconds"  ? arrow::TimeUnit::SECOND
                    : name == "to_timestamp_millis" ? arrow::TimeUnit::MILLI
                    : name == "to_timestamp_micros" ? arrow::TimeUnit::MICRO
                                                    : arrow::TimeUnit::NANO;
  const TypePtr type = arrow::timestamp(unit);
  const TypePtr& from = types[0];
  if (IsString(*from) || from->id() == Type::TIMESTAMP || IsDate(*from) || from->id() == Type::NA) {
    return BoundFunction{{type}, type, [](const std::vector<Column>& in, int64_t) -> Result<Column> { return in[0]; }};
  }
  if (!IsNumeric(*from)) return Status::InvalidArgument(name + "() cannot take " + from->ToString());
  // Numbers are seconds for to_timestamp(), ticks of the unit for the others.
  const double factor = name == "to_timestamp" ? 1e9 : 1;
  const bool integer = IsInteger(*from);
  return BoundFunction{
      {integer ? arrow::int64() : arrow::float64()}, type, [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(type);
        bool overflow = false;
        Result<Column> result = MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) {
          if (integer) {
            if (__builtin_mul_overflow(Values<int64_t>(in[0])[row], static_cast<int64_t>(factor), out)) overflow = true;
            return true;
          }
          const double value = Values<double>(in[0])[row] * factor;
          if (!(std::fabs(value) < 9.2e18))
            overflow = true;
          else
            *out = static_cast<int64_t>(value);
          return true;
        });
        if (overflow) return Status::InvalidArgument("to_timestamp(): the value is out of range");
        return result;
      }};
}

Result<BoundFunction> ToDateFunction(const std::string& name, const Types& types, const Constants&) {
  if (!CanCast(*types[0], *arrow::date32())) return Status::InvalidArgument(name + "() cannot take " + types[0]->ToString());
  return BoundFunction{
      {arrow::date32()}, arrow::date32(), [](const std::vector<Column>& in, int64_t) -> Result<Column> { return in[0]; }};
}

Result<BoundFunction> ToUnixtimeFunction(const std::string& name, const Types& types, const Constants&) {
  if (IsInteger(*types[0])) {
    return BoundFunction{
        {arrow::int64()}, arrow::int64(), [](const std::vector<Column>& in, int64_t) -> Result<Column> { return in[0]; }};
  }
  const TypePtr seconds = arrow::timestamp(arrow::TimeUnit::SECOND);
  if (!CanCast(*types[0], *seconds)) return Status::InvalidArgument(name + "() cannot take " + types[0]->ToString());
  return BoundFunction{{seconds}, arrow::int64(), [](const std::vector<Column>& in, int64_t) -> Result<Column> {
                         return CastColumn(in[0], arrow::int64(), false);
                       }};
}

Result<BoundFunction> FromUnixtimeFunction(const std::string& name, const Types& types, const Constants&) {
  if (!IsInteger(*types[0])) return Status::InvalidArgument(name + "() needs an integer, this is " + types[0]->ToString());
  const TypePtr type = arrow::timestamp(arrow::TimeUnit::SECOND);
  return BoundFunction{
      {arrow::int64()}, type, [type](const std::vector<Column>& in, int64_t) { return CastColumn(in[0], type, false); }};
}

Result<BoundFunction> MakeDateFunction(const std::string& name, const Types& types, const Constants&) {
  for (const TypePtr& type : types) {
    if (!IsInteger(*type) && !IsString(*type) && type->id() != Type::NA)
      return Status::InvalidArgument(name + "() needs integers, this is " + type->ToString());
  }
  return BoundFunction{
      Types(3, arrow::int32()), arrow::date32(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::date32());
        const Values<int32_t> years(in[0]);
        const Values<int32_t> months(in[1]);
        const Values<int32_t> days(in[2]);
        Status error;
        LANCEFS_ASSIGN_OR_RETURN(Column result, MapValues<int32_t>(in, rows, arrow::date32(), [&](int64_t row, int32_t* out) {
                                   const int month = months[row];
                                   if (std::abs(int64_t{years[row]}) > 262142 || month < 1 || month > 12 || days[row] < 1 ||
                                       days[row] > DaysInMonth(years[row], month)) {
                                     error = Status::InvalidArgument("make_date(): there is no such day");
                                     return true;
                                   }
                                   return *out = static_cast<int32_t>(DaysFromCivil(years[row], month, days[row])), true;
                                 }));
        if (!error.ok()) return error;
        return result;
      }};
}

// The time at which the text was bound, so that all rows see one value.
Result<BoundFunction> NowFunction(const std::string& name, const Types&, const Constants&) {
  const int64_t nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::shared_ptr<arrow::Scalar> scalar;
  if (name == "current_date" || name == "today") {
    scalar = std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(FloorDiv(nanos, 86400000000000)));
  } else {
    scalar = std::make_shared<arrow::TimestampScalar>(nanos, arrow::timestamp(arrow::TimeUnit::NANO, "+00:00"));
  }
  LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayFromScalar(*scalar, 1));
  const Column value{std::move(array), true};
  return BoundFunction{{}, value.type(), [value](const std::vector<Column>&, int64_t) -> Result<Column> { return value; }};
}

// date_bin(interval, timestamp[, origin])
Result<BoundFunction> DateBinFunction(const std::string& name, const Types& types, const Constants& constants) {
  if (types[0]->id() != Type::INTERVAL_MONTH_DAY_NANO || !constants[0])
    return Status::InvalidArgument(name + "() needs an interval first");
  const auto interval = static_cast<const arrow::MonthDayNanoIntervalArray&>(*constants[0]->array).GetValue(0);
  const TypePtr type = types[1]->id() == Type::TIMESTAMP ? types[1] : arrow::timestamp(arrow::TimeUnit::NANO);
  if (!CanCast(*types[1], *type)) return Status::InvalidArgument(name + "() needs a timestamp, this is " + types[1]->ToString());
  const int64_t per_second = UnitsPerSecond(TimestampUnit(*type));
  const int64_t step =
      interval.months != 0 ? 0 : interval.days * 86400LL * per_second + interval.nanoseconds / (1000000000 / per_second);
  if (step <= 0) return Status::InvalidArgument(name + "(): the interval must be positive and without months");
  Types arguments = {types[0], type};
  if (types.size() > 2) arguments.push_back(type);
  return BoundFunction{std::move(arguments), type, [type, step](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         const std::vector<Column> used(in.begin() + 1, in.end());
                         const Values<int64_t> values(in[1]);
                         bool overflow = false;
                         auto binned = MapValues<int64_t>(used, rows, type, [&](int64_t row, int64_t* out) {
                           const int64_t origin = in.size() > 2 ? Values<int64_t>(in[2])[row] : 0;
                           int64_t distance;
                           if (__builtin_sub_overflow(values[row], origin, &distance) ||
                               !Multiply(FloorDiv(distance, step), step, &distance) ||
                               __builtin_add_overflow(distance, origin, out)) {
                             overflow = true;
                           }
                           return true;
                         });
                         if (overflow)
                           return Status::InvalidArgument("date_bin(): the start of the interval is out of the type's range");
                         return binned;
                       }};
}

using Interval = arrow::MonthDayNanoIntervalType::MonthDayNanos;

// `days` moved by months, the day of the month clipped to the new month.
int64_t AddMonths(int64_t days, int64_t months) {
  const CivilDate date = CivilFromDays(days);
  const int64_t month_index = date.year * 12 + date.month - 1 + months;
  const int64_t year = FloorDiv(month_index, 12);
  const int month = static_cast<int>(FloorMod(month_index, 12)) + 1;
  return DaysFromCivil(year, month, std::min(date.day, DaysInMonth(year, month)));
}

Result<Column> AddInterval(const Column& points, const Column& intervals, int64_t sign, int64_t rows, const TypePtr& type) {
  const std::vector<Column> in = {points, intervals};
  if (AnyConstantNull(in)) return NullColumn(type);
  const Clock clock(*type);
  const auto& values = static_cast<const arrow::MonthDayNanoIntervalArray&>(*intervals.array);
  bool overflow = false;
  auto add = [&](int64_t row, auto* out) {
    const Interval interval = values.GetValue(intervals.constant ? 0 : row);
    const int64_t ticks = Ticks(points, row);
    const int64_t days = AddMonths(clock.Days(ticks), sign * interval.months) + sign * interval.days;
    const __int128 nanos = static_cast<__int128>(sign) * interval.nanoseconds;
    const __int128 sum = clock.nanos_per_tick == 0 ? days + nanos / 86400000000000
                                                   : static_cast<__int128>(days) * clock.per_day +
                                                         FloorMod(ticks, clock.per_day) + nanos / clock.nanos_per_tick;
    *out = static_cast<std::remove_pointer_t<decltype(out)>>(sum);
    if (*out != sum) overflow = true;
    return true;
  };
  Result<Column> result = PhysOf(*type) == Phys::kInt32
                              ? MapValues<int32_t>(in, rows, type, [&](int64_t row, int32_t* out) { return add(row, out); })
                              : MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) { return add(row, out); });
  if (overflow) return Status::InvalidArgument("overflow in date arithmetic");
  return result;
}

// date +- days.
Result<Column> AddDays(char op, const Column& dates, const Column& days, int64_t rows, const TypePtr& type) {
  const std::vector<Column> in = {dates, days};
  if (AnyConstantNull(in)) return NullColumn(type);
  const Values<int64_t> counts(days);
  const int64_t unit = type->id() == Type::DATE64 ? 86400000 : 1;
  bool overflow = false;
  auto add = [&](int64_t row, auto* out) {
    int64_t change = 0;
    int64_t sum = 0;
    if (__builtin_mul_overflow(counts[row], unit, &change)) overflow = true;
    const int64_t date = Ticks(dates, row);
    if (op == '+' ? __builtin_add_overflow(date, change, &sum) : __builtin_sub_overflow(date, change, &sum)) overflow = true;
    *out = static_cast<std::remove_pointer_t<decltype(out)>>(sum);
    if (*out != sum) overflow = true;
    return true;
  };
  Result<Column> result = unit == 1
                              ? MapValues<int32_t>(in, rows, type, [&](int64_t row, int32_t* out) { return add(row, out); })
                              : MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) { return add(row, out); });
  if (overflow) return Status::InvalidArgument("overflow in date arithmetic");
  return result;
}

}  // namespace

Result<Column> TemporalArithmetic(char op, const Column& left, const Column& right, int64_t rows, const TypePtr& type) {
  if (right.type()->id() == Type::INTERVAL_MONTH_DAY_NANO) return AddInterval(left, right, op == '-' ? -1 : 1, rows, type);
  if (left.type()->id() == Type::INTERVAL_MONTH_DAY_NANO) return AddInterval(right, left, 1, rows, type);
  if (IsInteger(*right.type())) return AddDays(op, left, right, rows, type);
  if (IsInteger(*left.type())) return AddDays(op, right, left, rows, type);
  const std::vector<Column> in = {left, right};
  if (AnyConstantNull(in)) return NullColumn(type);
  const int64_t divisor = left.type()->id() == Type::DATE64 ? 86400000 : 1;
  bool overflow = false;
  Result<Column> result = MapValues<int64_t>(in, rows, type, [&](int64_t row, int64_t* out) {
    const int64_t l = Ticks(left, row) / divisor;
    const int64_t r = Ticks(right, row) / divisor;
    if (op == '+' ? __builtin_add_overflow(l, r, out) : __builtin_sub_overflow(l, r, out)) overflow = true;
    return true;
  });
  if (overflow) return Status::InvalidArgument("overflow in date arithmetic");
  return result;
}

bool ParseInterval(std::string_view text, Interval* value) {
  int64_t months = 0;
  int64_t days = 0;
  double nanos = 0;
  std::vector<std::string> words;
  std::string word;
  for (char c : std::string(text) + " ") {
    const bool digit_edge =
        !word.empty() && std::isalpha(static_cast<unsigned char>(c)) && std::isdigit(static_cast<unsigned char>(word.back()));
    if (c == ' ' || digit_edge) {
      if (!word.empty()) words.push_back(AsciiLower(word));
      word.clear();
    }
    if (c != ' ') word.push_back(c);
  }
  if (words.empty()) return false;
  if (words.size() % 2 == 1) words.push_back("second");
  for (size_t i = 0; i < words.size(); i += 2) {
    double amount = 0;
    const char* end = words[i].data() + words[i].size();
    const char* begin = words[i][0] == '+' ? words[i].data() + 1 : words[i].data();
    if (const auto parsed = std::from_chars(begin, end, amount); parsed.ec != std::errc() || parsed.ptr != end) return false;
    if (std::fabs(amount) > 1e9) return false;
    std::string unit = words[i + 1];
    if (unit.size() > 1 && unit.back() == 's' && unit != "ms" && unit != "us" && unit != "ns") unit.pop_back();
    if (unit == "century" || unit == "centurie") {
      months += static_cast<int64_t>(amount * 1200);
      continue;
    }
    if (unit == "decade") {
      months += static_cast<int64_t>(amount * 120);
      continue;
    }
    if (unit == "year" || unit == "y") {
      months += static_cast<int64_t>(amount * 12);
      continue;
    }
    if (unit == "month" || unit == "mon") {
      months += static_cast<int64_t>(amount);
      continue;
    }
    if (unit == "week" || unit == "w") amount *= 7;
    if (unit == "week" || unit == "w" || unit == "day" || unit == "d") {
      days += static_cast<int64_t>(amount);
      nanos += (amount - std::trunc(amount)) * 86400e9;
    } else if (unit == "hour" || unit == "h")
      nanos += amount * 3600e9;
    else if (unit == "minute" || unit == "min" || unit == "m")
      nanos += amount * 60e9;
    else if (unit == "second" || unit == "sec" || unit == "s")
      nanos += amount * 1e9;
    else if (unit == "millisecond" || unit == "ms")
      nanos += amount * 1e6;
    else if (unit == "microsecond" || unit == "us")
      nanos += amount * 1e3;
    else if (unit == "nanosecond" || unit == "ns")
      nanos += amount;
    else
      return false;
  }
  if (std::llabs(months) > 12000000 || std::llabs(days) > 2000000000 || std::fabs(nanos) > 9e18) return false;
  *value = {static_cast<int32_t>(months), static_cast<int32_t>(days), static_cast<int64_t>(nanos)};
  return true;
}

const std::vector<FunctionEntry>& TimeFunctions() {
  static const std::vector<FunctionEntry> entries = {
      {"date_part", 2, 2, DatePartFunction},
      {"datepart", 2, 2, DatePartFunction},
      {"date_trunc", 2, 2, DateTruncFunction},
      {"datetrunc", 2, 2, DateTruncFunction},
      {"to_timestamp", 1, 1, ToTimestampFunction},
      {"to_timestamp_seconds", 1, 1, ToTimestampFunction},
      {"to_timestamp_millis", 1, 1, ToTimestampFunction},
      {"to_timestamp_micros", 1, 1, ToTimestampFunction},
      {"to_timestamp_nanos", 1, 1, ToTimestampFunction},
      {"to_date", 1, 1, ToDateFunction},
      {"to_unixtime", 1, 1, ToUnixtimeFunction},
      {"from_unixtime", 1, 1, FromUnixtimeFunction},
      {"make_date", 3, 3, MakeDateFunction},
      {"date_bin", 2, 3, DateBinFunction},
      {"now", 0, 0, NowFunction},
      {"current_timestamp", 0, 0, NowFunction},
      {"current_date", 0, 0, NowFunction},
      {"today", 0, 0, NowFunction},
  };
  return entries;
}

}  // namespace lancefs::sql
