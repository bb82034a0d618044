// SPDX-License-Identifier: Apache-2.0
#include <arrow/compute/api.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "engine/sql/function_support.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;
using arrow::Type;

Status NeedsNumber(const std::string& name, size_t argument, const TypePtr& type) {
  return Status::InvalidArgument(name + "() needs a number as argument " + std::to_string(argument + 1) + ", this is " +
                                 type->ToString());
}
Status CheckNumbers(const std::string& name, const Types& types) {
  for (size_t i = 0; i < types.size(); ++i) {
    if (!IsNumeric(*types[i]) && types[i]->id() != Type::NA) return NeedsNumber(name, i, types[i]);
  }
  return Status::OK();
}
// float for float, else double.
TypePtr FloatFor(const TypePtr& type) { return type->id() == Type::FLOAT ? arrow::float32() : arrow::float64(); }

template <typename T>
T RoundHalfAway(T value) {
  return std::round(value);
}

// The reference's logarithms give a positive NaN, which is greater than all numbers; of floats ln and log2 give a
// negative one (UnaryFunction).
double Ln(double x) { return x < 0 ? std::numeric_limits<double>::quiet_NaN() : std::log(x); }
double Log2(double x) { return x < 0 ? std::numeric_limits<double>::quiet_NaN() : std::log2(x); }
double Log10(double x) { return x < 0 ? std::numeric_limits<double>::quiet_NaN() : std::log10(x); }
double Cot(double x) { return 1.0 / std::tan(x); }
double Sign(double x) { return std::isnan(x) ? x : x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0; }
double Degrees(double x) { return x * (180.0 / std::numbers::pi); }
double Radians(double x) { return x * (std::numbers::pi / 180.0); }

struct UnaryEntry {
  const char* name;
  double (*function)(double);
};
constexpr UnaryEntry kUnary[] = {
    {"sqrt", std::sqrt},   {"exp", std::exp},     {"ln", Ln},          {"log2", Log2},        {"log10", Log10},
    {"sin", std::sin},     {"cos", std::cos},     {"tan", std::tan},   {"asin", std::asin},   {"acos", std::acos},
    {"atan", std::atan},   {"sinh", std::sinh},   {"cosh", std::cosh}, {"tanh", std::tanh},   {"asinh", std::asinh},
    {"acosh", std::acosh}, {"atanh", std::atanh}, {"cbrt", std::cbrt}, {"cot", Cot},          {"signum", Sign},
    {"degrees", Degrees},  {"radians", Radians},  {"ceil", std::ceil}, {"floor", std::floor},
};

Result<BoundFunction> UnaryFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  double (*function)(double) = nullptr;
  for (const UnaryEntry& entry : kUnary) {
    if (name == entry.name) function = entry.function;
  }
  const TypePtr type = FloatFor(types[0]);
  return BoundFunction{{type}, type, [type, function](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         if (type->id() == Type::FLOAT) {
                           const Values<float> values(in[0]);
                           const bool negative_nan = function == Ln || function == Log2;
                           return MapValues<float>(in, rows, type, [&](int64_t row, float* out) {
                             *out = static_cast<float>(function(values[row]));
                             if (negative_nan && values[row] < 0) *out = -std::numeric_limits<float>::quiet_NaN();
                             return true;
                           });
                         }
                         const Values<double> values(in[0]);
                         return MapValues<double>(in, rows, type,
                                                  [&](int64_t row, double* out) { return *out = function(values[row]), true; });
                       }};
}

Result<BoundFunction> AbsFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  const TypePtr type = types[0]->id() == Type::HALF_FLOAT ? arrow::float32()
                       : types[0]->id() == Type::NA       ? arrow::float64()
                                                          : types[0];
  return BoundFunction{
      {type}, type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(type);
        if (IsDecimal(*type)) {
          LANCEFS_ARROW_ASSIGN(arrow::Datum result, arrow::compute::AbsoluteValue(in[0].array));
          LANCEFS_ARROW_ASSIGN(auto array, arrow::compute::Cast(*result.make_array(), type));
          return Column{std::move(array), in[0].constant};
        }
        Result<Column> result = Status::Internal("abs");
        Status error;
        LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) {
          using T = decltype(tag);
          const Values<T> values(in[0]);
          result = MapValues<T>(in, rows, type, [&](int64_t row, T* out) {
            if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
              if (values[row] == std::numeric_limits<T>::min()) error = Status::InvalidArgument("integer overflow in abs()");
              *out = static_cast<T>(values[row] < 0 ? T{0} - static_cast<std::make_unsigned_t<T>>(values[row]) : values[row]);
            } else if constexpr (std::is_floating_point_v<T>) {
              *out = std::fabs(values[row]);
            } else {
              *out = values[row];
            }
            return true;
          });
          return Status::OK();
        }));
        if (!error.ok()) return error;
        return result;
      }};
}

template <typename T>
T RoundTo(T value, int64_t digits, bool truncate) {
  if (digits == 0) return truncate ? std::trunc(value) : RoundHalfAway(value);
  const T factor = std::pow(T{10}, static_cast<T>(digits));
  return (truncate ? std::trunc(value * factor) : RoundHalfAway(value * factor)) / factor;
}

Result<BoundFunction> RoundFunction(const std::string& name, const Types& types, const Constants&) {  // round, trunc
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  const TypePtr type = FloatFor(types[0]);
  const bool truncate = name == "trunc";
  Types arguments = {type};
  if (types.size() > 1) arguments.push_back(arrow::int64());
  return BoundFunction{std::move(arguments), type, [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(type);
                         const bool has_digits = in.size() > 1;
                         auto digits = [&](int64_t row) { return has_digits ? Values<int64_t>(in[1])[row] : 0; };
                         if (type->id() == Type::FLOAT) {
                           const Values<float> values(in[0]);
                           return MapValues<float>(in, rows, type, [&](int64_t row, float* out) {
                             return *out = RoundTo(values[row], digits(row), truncate), true;
                           });
                         }
                         const Values<double> values(in[0]);
                         return MapValues<double>(in, rows, type, [&](int64_t row, double* out) {
                           return *out = RoundTo(values[row], digits(row), truncate), true;
                         });
                       }};
}

// base ^ exponent without overflow; false if there is one.
bool IntegerPower(int64_t base, int64_t exponent, int64_t* out) {
  *out = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(*out, base, out)) return false;
    exponent >>= 1;
    if (exponent == 0) return true;
    if (__builtin_mul_overflow(base, base, &base)) return false;
  }
}

Result<BoundFunction> PowerFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  if (IsInteger(*types[0]) && IsInteger(*types[1])) {
    return BoundFunction{
        {arrow::int64(), arrow::int64()}, arrow::int64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
          if (AnyConstantNull(in)) return NullColumn(arrow::int64());
          const Values<int64_t> bases(in[0]);
          const Values<int64_t> exponents(in[1]);
          Status error;
          LANCEFS_ASSIGN_OR_RETURN(Column result, MapValues<int64_t>(in, rows, arrow::int64(), [&](int64_t row, int64_t* out) {
                                     if (exponents[row] < 0)
                                       error = Status::InvalidArgument("power(): a negative exponent needs a float base");
                                     else if (!IntegerPower(bases[row], exponents[row], out))
                                       error = Status::InvalidArgument("integer overflow in power()");
                                     return true;
                                   }));
          if (!error.ok()) return error;
          return result;
        }};
  }
  return BoundFunction{
      {arrow::float64(), arrow::float64()}, arrow::float64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::float64());
        const Values<double> bases(in[0]);
        const Values<double> exponents(in[1]);
        return MapValues<double>(in, rows, arrow::float64(),
                                 [&](int64_t row, double* out) { return *out = std::pow(bases[row], exponents[row]), true; });
      }};
}

Result<BoundFunction> PairFunction(const std::string& name, const Types& types, const Constants&) {  // atan2, log(b, x), nanvl
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  const bool single = types.size() == 1;
  const char kind = name[0];
  return BoundFunction{Types(types.size(), arrow::float64()), arrow::float64(),
                       [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::float64());
                         const Values<double> a(in[0]);
                         const Values<double> b(in[single ? 0 : 1]);
                         return MapValues<double>(in, rows, arrow::float64(), [&](int64_t row, double* out) {
                           if (kind == 'a')
                             *out = std::atan2(a[row], b[row]);
                           else if (kind == 'n')
                             *out = std::isnan(a[row]) ? b[row] : a[row];
                           else
                             *out = single ? std::log10(a[row]) : std::log(b[row]) / std::log(a[row]);
                           return true;
                         });
                       }};
}

Result<BoundFunction> IntegerPairFunction(const std::string& name, const Types& types, const Constants&) {  // gcd, lcm
  for (size_t i = 0; i < types.size(); ++i) {
    if (!IsInteger(*types[i]) && types[i]->id() != Type::NA)
      return Status::InvalidArgument(name + "() needs integers, this is " + types[i]->ToString());
  }
  const bool gcd = name == "gcd";
  return BoundFunction{
      {arrow::int64(), arrow::int64()}, arrow::int64(), [gcd](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
        if (AnyConstantNull(in)) return NullColumn(arrow::int64());
        const Values<int64_t> a(in[0]);
        const Values<int64_t> b(in[1]);
        Status error;
        auto magnitude = [](int64_t value) {
          return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
        };
        LANCEFS_ASSIGN_OR_RETURN(
            Column result, MapValues<int64_t>(in, rows, arrow::int64(), [&](int64_t row, int64_t* out) {
              uint64_t value = std::gcd(magnitude(a[row]), magnitude(b[row]));
              if (!gcd && value != 0 && __builtin_mul_overflow(magnitude(a[row]) / value, magnitude(b[row]), &value))
                value = ~uint64_t{0};
              if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
                error = Status::InvalidArgument("integer overflow in gcd() or lcm()");
              return *out = static_cast<int64_t>(value), true;
            }));
        if (!error.ok()) return error;
        return result;
      }};
}

Result<BoundFunction> FactorialFunction(const std::string& name, const Types& types, const Constants&) {
  if (!IsInteger(*types[0]) && types[0]->id() != Type::NA) return NeedsNumber(name, 0, types[0]);
  return BoundFunction{{arrow::int64()}, arrow::int64(), [](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::int64());
                         const Values<int64_t> values(in[0]);
                         Status error;
                         LANCEFS_ASSIGN_OR_RETURN(Column result,
                                                  MapValues<int64_t>(in, rows, arrow::int64(), [&](int64_t row, int64_t* out) {
                                                    *out = 1;
                                                    if (values[row] > 20)
                                                      error = Status::InvalidArgument("integer overflow in factorial()");
                                                    for (int64_t i = 2; i <= std::min<int64_t>(values[row], 20); ++i) *out *= i;
                                                    return true;
                                                  }));
                         if (!error.ok()) return error;
                         return result;
                       }};
}

Result<BoundFunction> IsNanFunction(const std::string& name, const Types& types, const Constants&) {  // isnan, iszero
  LANCEFS_RETURN_NOT_OK(CheckNumbers(name, types));
  const bool nan = name == "isnan";
  const TypePtr type = FloatFor(types[0]);
  return BoundFunction{{type}, arrow::boolean(), [=](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
                         if (type->id() == Type::FLOAT) {
                           const Values<float> values(in[0]);
                           return MapBools(in, rows,
                                           [&](int64_t row) { return nan ? std::isnan(values[row]) : values[row] == 0; });
                         }
                         const Values<double> values(in[0]);
                         return MapBools(in, rows, [&](int64_t row) { return nan ? std::isnan(values[row]) : values[row] == 0; });
                       }};
}

Result<BoundFunction> PiFunction(const std::string&, const Types&, const Constants&) {
  return BoundFunction{{}, arrow::float64(), [](const std::vector<Column>&, int64_t) -> Result<Column> {
                         LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayFromScalar(arrow::DoubleScalar(std::numbers::pi), 1));
                         return Column{std::move(array), true};
                       }};
}

Result<BoundFunction> RandomFunction(const std::string&, const Types&, const Constants&) {
  BoundFunction bound{{}, arrow::float64(), [](const std::vector<Column>&, int64_t rows) -> Result<Column> {
                        thread_local std::mt19937_64 generator{std::random_device{}()};
                        LANCEFS_ASSIGN_OR_RETURN(auto buffer, NewBuffer(rows * 8));
                        std::uniform_real_distribution<double> distribution;
                        for (int64_t i = 0; i < rows; ++i)
                          reinterpret_cast<double*>(buffer->mutable_data())[i] = distribution(generator);
                        return Column{std::make_shared<arrow::DoubleArray>(rows, std::move(buffer)), false};
                      }};
  bound.is_volatile = true;
  return bound;
}

// ---- choices ----

Result<TypePtr> CommonType(const std::string& name, const Types& types) {
  TypePtr type = types[0];
  for (size_t i = 1; i < types.size(); ++i) {
    TypePtr wider = ComparisonType(type, types[i]);
    if (!wider) return Status::InvalidArgument(name + "() cannot combine " + type->ToString() + " and " + types[i]->ToString());
    type = std::move(wider);
  }
  return type;
}

// One array whose i-th row comes from in[pick(i)]; -1: null.
template <typename Pick>
Result<Column> Choose(const std::vector<Column>& in, int64_t rows, const TypePtr& type, Pick&& pick) {
  const int64_t count = ResultRows(in, rows);
  arrow::ArrayVector arrays;
  std::vector<int64_t> starts;
  int64_t total = 0;
  for (const Column& column : in) {
    arrays.push_back(column.array);
    starts.push_back(total);
    total += column.array->length();
  }
  LANCEFS_ARROW_ASSIGN(auto all, arrow::Concatenate(arrays));
  arrow::Int64Builder indices;
  LANCEFS_ARROW_NOT_OK(indices.Reserve(count));
  for (int64_t i = 0; i < count; ++i) {
    const int chosen = pick(i);
    if (chosen < 0) {
      LANCEFS_ARROW_NOT_OK(indices.AppendNull());
    } else {
      const auto at = static_cast<size_t>(chosen);
      LANCEFS_ARROW_NOT_OK(indices.Append(starts[at] + (in[at].constant ? 0 : i)));
    }
  }
  LANCEFS_ARROW_ASSIGN(auto index_array, indices.Finish());
  LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(all, index_array));
  return Column{taken.make_array(), AllConstant(in)};
}

Result<BoundFunction> CoalesceFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, CommonType(name, types));
  return BoundFunction{Types(types.size(), type), type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         return Choose(in, rows, type, [&](int64_t row) {
                           for (size_t i = 0; i < in.size(); ++i) {
                             if (!in[i].IsNull(row)) return static_cast<int>(i);
                           }
                           return -1;
                         });
                       }};
}

Result<BoundFunction> Nvl2Function(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, CommonType(name, {types[1], types[2]}));
  return BoundFunction{{types[0], type, type}, type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         if (in[0].constant) {
                           const Column& chosen = in[in[0].ConstantNull() ? 2 : 1];
                           return chosen;
                         }
                         std::vector<Column> choices = {in[1], in[2]};
                         LANCEFS_ASSIGN_OR_RETURN(choices[0].array, Materialize(in[1], rows));
                         choices[0].constant = false;
                         return Choose(choices, rows, type, [&](int64_t row) { return in[0].IsNull(row) ? 1 : 0; });
                       }};
}

Result<BoundFunction> NullifFunction(const std::string& name, const Types& types, const Constants&) {
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, CommonType(name, types));
  if (type->id() == Type::HALF_FLOAT) type = arrow::float32();
  return BoundFunction{{type, type}, type, [type](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         LANCEFS_ASSIGN_OR_RETURN(Column same, Compare(CompareOp::kEq, in[0], in[1], rows));
                         const bool both_constant = AllConstant(in);
                         std::vector<Column> choices = {in[0]};
                         if (in[0].constant && !both_constant) {
                           LANCEFS_ASSIGN_OR_RETURN(choices[0].array, Materialize(in[0], rows));
                           choices[0].constant = false;
                         }
                         if (same.constant && same.array->IsNull(0)) return choices[0];
                         const Bools equal(same);
                         return Choose(choices, rows, type,
                                       [&](int64_t row) { return !same.IsNull(row) && equal[row] ? -1 : 0; });
                       }};
}

Result<BoundFunction> GreatestFunction(const std::string& name, const Types& types, const Constants&) {  // greatest, least
  LANCEFS_ASSIGN_OR_RETURN(TypePtr type, CommonType(name, types));
  if (type->id() == Type::HALF_FLOAT) type = arrow::float32();
  const CompareOp op = name == "greatest" ? CompareOp::kGt : CompareOp::kLt;
  return BoundFunction{Types(types.size(), type), type,
                       [type, op](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
                         Column best = in[0];
                         for (size_t i = 1; i < in.size(); ++i) {
                           const std::vector<Column> pair = {best, in[i]};
                           LANCEFS_ASSIGN_OR_RETURN(Column better, Compare(op, in[i], best, rows));
                           const bool unknown = better.constant && better.array->IsNull(0);
                           LANCEFS_ASSIGN_OR_RETURN(best, Choose(pair, rows, type, [&](int64_t row) {
                                                      if (pair[1].IsNull(row)) return 0;
                                                      if (pair[0].IsNull(row)) return 1;
                                                      return !unknown && Bools(better)[row] ? 1 : 0;
                                                    }));
                         }
                         return best;
                       }};
}

}  // namespace

const std::vector<FunctionEntry>& MathFunctions() {
  static const std::vector<FunctionEntry> entries = [] {
    std::vector<FunctionEntry> list = {
        {"abs", 1, 1, AbsFunction},
        {"round", 1, 2, RoundFunction},
        {"trunc", 1, 2, RoundFunction},
        {"power", 2, 2, PowerFunction},
        {"pow", 2, 2, PowerFunction},
        {"atan2", 2, 2, PairFunction},
        {"log", 1, 2, PairFunction},
        {"nanvl", 2, 2, PairFunction},
        {"gcd", 2, 2, IntegerPairFunction},
        {"lcm", 2, 2, IntegerPairFunction},
        {"factorial", 1, 1, FactorialFunction},
        {"isnan", 1, 1, IsNanFunction},
        {"iszero", 1, 1, IsNanFunction},
        {"pi", 0, 0, PiFunction},
        {"random", 0, 0, RandomFunction},
        {"coalesce", 1, -1, CoalesceFunction},
        {"nvl", 2, 2, CoalesceFunction},
        {"ifnull", 2, 2, CoalesceFunction},
        {"nvl2", 3, 3, Nvl2Function},
        {"nullif", 2, 2, NullifFunction},
        {"greatest", 1, -1, GreatestFunction},
        {"least", 1, -1, GreatestFunction},
    };
    for (const UnaryEntry& entry : kUnary) list.push_back({entry.name, 1, 1, UnaryFunction});
    return list;
  }();
  return entries;
}

}  // namespace lancefs::sql
