// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/kernels.h"

#include <arrow/compute/api.h>
#include <arrow/util/bitmap_ops.h>

#include <cmath>
#include <limits>

#include "engine/sql/types.h"

namespace lancefs::sql {
namespace {

using arrow::Decimal128;
using arrow::Decimal256;
using arrow::bit_util::GetBit;

int64_t RowsOf(const Column& a, const Column& b, int64_t rows) { return a.constant && b.constant ? 1 : rows; }

// Writes test(row) for every row, 64 at a time so that the compiler can vectorise the tests.
template <typename Test>
void FillBits(int64_t rows, uint8_t* bits, Test&& test) {
  uint8_t flags[64];
  int64_t row = 0;
  for (; row + 64 <= rows; row += 64) {
    for (int i = 0; i < 64; ++i) flags[i] = test(row + i);
    for (int i = 0; i < 8; ++i) {
      uint64_t eight;
      std::memcpy(&eight, flags + i * 8, 8);
      bits[row / 8 + i] = static_cast<uint8_t>((eight * 0x0102040810204080ULL) >> 56);
    }
  }
  for (; row < rows; ++row) arrow::bit_util::SetBitTo(bits, row, test(row));
}

void FlipBits(uint8_t* bits, int64_t rows) {
  for (int64_t i = 0; i < arrow::bit_util::BytesForBits(rows); ++i) bits[i] = static_cast<uint8_t>(~bits[i]);
}

// The three tests that all operators reduce to; the order is total, so the others are negations.
enum class Test : uint8_t { kEq, kLt, kGt };
struct Plan {
  Test test;
  bool negate;
};
Plan PlanOf(CompareOp op) {
  switch (op) {
    case CompareOp::kEq:
    case CompareOp::kNotDistinct: return {Test::kEq, false};
    case CompareOp::kNe:
    case CompareOp::kDistinct: return {Test::kEq, true};
    case CompareOp::kLt: return {Test::kLt, false};
    case CompareOp::kGe: return {Test::kLt, true};
    case CompareOp::kGt: return {Test::kGt, false};
    case CompareOp::kLe: return {Test::kGt, true};
  }
  return {Test::kEq, false};
}
CompareOp Mirror(CompareOp op) {
  switch (op) {
    case CompareOp::kLt: return CompareOp::kGt;
    case CompareOp::kLe: return CompareOp::kGe;
    case CompareOp::kGt: return CompareOp::kLt;
    case CompareOp::kGe: return CompareOp::kLe;
    default: return op;
  }
}

template <typename Left, typename Right>
void FillTest(Test test, int64_t rows, uint8_t* bits, const Left& left, const Right& right) {
  switch (test) {
    case Test::kEq: return FillBits(rows, bits, [&](int64_t i) { return left(i) == right(i); });
    case Test::kLt: return FillBits(rows, bits, [&](int64_t i) { return left(i) < right(i); });
    case Test::kGt: return FillBits(rows, bits, [&](int64_t i) { return right(i) < left(i); });
  }
}

template <typename Key>
void FillPair(Test test, const Column& left, const Column& right, int64_t rows, uint8_t* bits, const Key& left_key,
              const Key& right_key) {
  if (right.constant) {
    const auto constant = right_key(0);
    FillTest(test, rows, bits, left_key, [&](int64_t) { return constant; });
  } else {
    FillTest(test, rows, bits, left_key, right_key);
  }
}

template <typename T>
struct PlainKey {
  Values<T> values;
  T operator()(int64_t i) const { return values[i]; }
};
template <typename T>
struct OrderKey {
  Values<T> values;
  auto operator()(int64_t i) const { return TotalOrder(values[i]); }
};

// Floats: a constant zero stands for both zeros, whichever was written.
template <typename T>
void CompareFloats(CompareOp op, const Column& left, const Column& right, int64_t rows, uint8_t* bits) {
  const Plan plan = PlanOf(op);
  const OrderKey<T> left_key{Values<T>(left)};
  const OrderKey<T> right_key{Values<T>(right)};
  if (right.constant && Values<T>(right)[0] == 0) {
    const Values<T> values(left);
    if (plan.test == Test::kEq) return FillBits(rows, bits, [&](int64_t i) { return values[i] == 0; });
    const auto zero = TotalOrder(plan.test == Test::kLt ? -T{0} : T{0});
    return FillTest(plan.test, rows, bits, left_key, [&](int64_t) { return zero; });
  }
  FillPair(plan.test, left, right, rows, bits, left_key, right_key);
}

struct Int128Key {
  const char* data;
  int64_t step;
  explicit Int128Key(const Column& column)
      : data(reinterpret_cast<const char*>(column.array->data()->buffers[1]->data()) + column.array->offset() * 16),
        step(column.constant ? 0 : 1) {}
  __int128 operator()(int64_t i) const {
    __int128 value;
    std::memcpy(&value, data + i * step * 16, 16);
    return value;
  }
};
struct Decimal256Key {
  const uint8_t* data;
  int64_t step;
  explicit Decimal256Key(const Column& column)
      : data(column.array->data()->buffers[1]->data() + column.array->offset() * 32), step(column.constant ? 0 : 1) {}
  Decimal256 operator()(int64_t i) const { return Decimal256(data + i * step * 32); }
};
struct StringKey {
  Strings values;
  std::string_view operator()(int64_t i) const { return values[i]; }
};
struct BoolKey {
  Bools values;
  bool operator()(int64_t i) const { return values[i]; }
};

void CompareStrings(Plan plan, const Column& left, const Column& right, int64_t rows, uint8_t* bits) {
  const Strings l(left);
  const Strings r(right);
  if (plan.test == Test::kEq && right.constant) {
    const std::string_view constant = r[0];
    for (int64_t i = 0; i < rows; ++i) {
      const std::string_view value = l[i];
      arrow::bit_util::SetBitTo(
          bits, i, value.size() == constant.size() && std::memcmp(value.data(), constant.data(), constant.size()) == 0);
    }
    return;
  }
  FillPair(plan.test, left, right, rows, bits, StringKey{l}, StringKey{r});
}

Status CompareValues(CompareOp op, const Column& left, const Column& right, int64_t rows, uint8_t* bits) {
  const Plan plan = PlanOf(op);
  const Phys phys = PhysOf(*left.type());
  switch (phys) {
    case Phys::kBool: FillPair(plan.test, left, right, rows, bits, BoolKey{Bools(left)}, BoolKey{Bools(right)}); break;
    case Phys::kFloat: CompareFloats<float>(op, left, right, rows, bits); break;
    case Phys::kDouble: CompareFloats<double>(op, left, right, rows, bits); break;
    case Phys::kDecimal128: FillPair(plan.test, left, right, rows, bits, Int128Key(left), Int128Key(right)); break;
    case Phys::kDecimal256: FillPair(plan.test, left, right, rows, bits, Decimal256Key(left), Decimal256Key(right)); break;
    case Phys::kBytes: CompareStrings(plan, left, right, rows, bits); break;
    case Phys::kNull: break;
    case Phys::kHalf: return Status::Internal("half floats are compared as floats");
    case Phys::kOther:
      if (plan.test != Test::kEq) return Status::InvalidArgument("values of type " + left.type()->ToString() + " have no order");
      FillBits(rows, bits, [&](int64_t i) {
        const int64_t l = left.constant ? 0 : i;
        const int64_t r = right.constant ? 0 : i;
        return left.array->RangeEquals(*right.array, l, l + 1, r, arrow::EqualOptions::Defaults().nans_equal(true));
      });
      break;
    default:
      LANCEFS_RETURN_NOT_OK(VisitNumeric(phys, [&](auto tag) {
        using T = decltype(tag);
        if constexpr (std::is_integral_v<T>) {
          FillPair(plan.test, left, right, rows, bits, PlainKey<T>{Values<T>(left)}, PlainKey<T>{Values<T>(right)});
        }
        return Status::OK();
      }));
  }
  if (plan.negate) FlipBits(bits, rows);
  return Status::OK();
}

// IS [NOT] DISTINCT FROM: like = and <>, but null is a value.
Result<Column> CompareDistinct(CompareOp op, const Column& left, const Column& right, int64_t rows) {
  const bool distinct = op == CompareOp::kDistinct;
  if (left.ConstantNull() || right.ConstantNull() || PhysOf(*left.type()) == Phys::kNull) {
    const Column& other = left.ConstantNull() ? right : left;
    return IsNull(other, RowsOf(left, right, rows), distinct);
  }
  const int64_t count = RowsOf(left, right, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  LANCEFS_RETURN_NOT_OK(CompareValues(CompareOp::kEq, left, right, count, bits->mutable_data()));
  const bool any_null = (!left.constant && left.array->null_count() > 0) || (!right.constant && right.array->null_count() > 0);
  for (int64_t i = 0; any_null && i < count; ++i) {
    const bool l = left.IsNull(i);
    const bool r = right.IsNull(i);
    if (l || r) arrow::bit_util::SetBitTo(bits->mutable_data(), i, l && r);
  }
  if (distinct) FlipBits(bits->mutable_data(), count);
  return MakeBools(std::move(bits), nullptr, count, left.constant && right.constant);
}

}  // namespace

Column MakeBools(std::shared_ptr<arrow::Buffer> bits, std::shared_ptr<arrow::Buffer> validity, int64_t rows, bool constant) {
  return Column{std::make_shared<arrow::BooleanArray>(rows, std::move(bits), std::move(validity)), constant};
}

Result<Column> Compare(CompareOp op, const Column& left, const Column& right, int64_t rows) {
  if (left.constant && !right.constant) return Compare(Mirror(op), right, left, rows);
  if (op == CompareOp::kDistinct || op == CompareOp::kNotDistinct) return CompareDistinct(op, left, right, rows);
  if (left.ConstantNull() || right.ConstantNull()) return NullColumn(arrow::boolean());
  const int64_t count = RowsOf(left, right, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  LANCEFS_RETURN_NOT_OK(CompareValues(op, left, right, count, bits->mutable_data()));
  const Column* columns[] = {&left, &right};
  int64_t nulls;
  LANCEFS_ASSIGN_OR_RETURN(auto validity, CombineValidity(columns, 2, count, &nulls));
  return MakeBools(std::move(bits), std::move(validity), count, left.constant && right.constant);
}

namespace {

// Truth and validity of a boolean column as bitmaps that start at bit 0.
struct Trits {
  std::shared_ptr<arrow::Buffer> values;
  std::shared_ptr<arrow::Buffer> validity;  // null: all valid
};

Result<Trits> TritsOf(const Column& in, int64_t rows) {
  LANCEFS_ASSIGN_OR_RETURN(auto array, Materialize(in, rows));
  const auto& data = *array->data();
  Trits out;
  if (array->type_id() == arrow::Type::NA) {
    LANCEFS_ASSIGN_OR_RETURN(out.values, NewBitmap(rows, false));
    out.validity = out.values;
    return out;
  }
  if (data.offset == 0) {
    out.values = data.buffers[1];
    if (array->null_count() > 0) out.validity = data.buffers[0];
    return out;
  }
  LANCEFS_ASSIGN_OR_RETURN(out.values, NewBitmap(rows));
  arrow::internal::CopyBitmap(data.buffers[1]->data(), data.offset, rows, out.values->mutable_data(), 0);
  if (array->null_count() > 0) {
    LANCEFS_ASSIGN_OR_RETURN(out.validity, NewBitmap(rows));
    arrow::internal::CopyBitmap(data.buffers[0]->data(), data.offset, rows, out.validity->mutable_data(), 0);
  }
  return out;
}

}  // namespace

Result<Column> Combine(bool is_and, const Column& left, const Column& right, int64_t rows) {
  const int64_t count = RowsOf(left, right, rows);
  LANCEFS_ASSIGN_OR_RETURN(const Trits l, TritsOf(left, count));
  LANCEFS_ASSIGN_OR_RETURN(const Trits r, TritsOf(right, count));
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  std::shared_ptr<arrow::Buffer> validity;
  const bool nulls = l.validity || r.validity;
  if (nulls) {
    LANCEFS_ASSIGN_OR_RETURN(validity, NewBitmap(count));
  }
  for (int64_t i = 0; i < arrow::bit_util::BytesForBits(count); ++i) {
    const uint8_t lv = l.validity ? l.validity->data()[i] : 0xFF;
    const uint8_t rv = r.validity ? r.validity->data()[i] : 0xFF;
    const uint8_t lt = l.values->data()[i] & lv;  // true
    const uint8_t rt = r.values->data()[i] & rv;
    const uint8_t lf = static_cast<uint8_t>(~l.values->data()[i]) & lv;  // false
    const uint8_t rf = static_cast<uint8_t>(~r.values->data()[i]) & rv;
    bits->mutable_data()[i] = is_and ? (lt & rt) : (lt | rt);
    if (nulls) validity->mutable_data()[i] = is_and ? ((lt & rt) | lf | rf) : (lt | rt | (lf & rf));
  }
  return MakeBools(std::move(bits), std::move(validity), count, left.constant && right.constant);
}

Result<Column> Not(const Column& in) {
  const int64_t count = in.array->length();
  LANCEFS_ASSIGN_OR_RETURN(const Trits trits, TritsOf(Column{in.array, false}, count));
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  for (int64_t i = 0; i < arrow::bit_util::BytesForBits(count); ++i) {
    bits->mutable_data()[i] = static_cast<uint8_t>(~trits.values->data()[i]);
  }
  return MakeBools(std::move(bits), trits.validity, count, in.constant);
}

Result<Column> IsNull(const Column& in, int64_t rows, bool negated) {
  const int64_t count = in.constant ? 1 : rows;
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count, !negated));
  if (in.array->type_id() != arrow::Type::NA) {
    const auto& data = *in.array->data();
    const bool any = in.array->null_count() > 0 && data.buffers[0];
    if (any) {
      arrow::internal::CopyBitmap(data.buffers[0]->data(), data.offset, count, bits->mutable_data(), 0);
      if (!negated) FlipBits(bits->mutable_data(), count);
    } else {
      std::memset(bits->mutable_data(), negated ? 0xFF : 0, static_cast<size_t>(bits->size()));
    }
  }
  return MakeBools(std::move(bits), nullptr, count, in.constant);
}

Result<Column> IsTruth(const Column& in, int64_t rows, bool truth, bool negated) {
  const int64_t count = in.constant ? 1 : rows;
  LANCEFS_ASSIGN_OR_RETURN(const Trits trits, TritsOf(in, count));
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  for (int64_t i = 0; i < arrow::bit_util::BytesForBits(count); ++i) {
    const uint8_t valid = trits.validity ? trits.validity->data()[i] : 0xFF;
    const uint8_t value = trits.values->data()[i];
    const uint8_t is = static_cast<uint8_t>((truth ? value : ~value) & valid);
    bits->mutable_data()[i] = static_cast<uint8_t>(negated ? ~is : is);
  }
  return MakeBools(std::move(bits), nullptr, count, in.constant);
}

namespace {

Status DivisionByZero() { return Status::InvalidArgument("division by zero"); }

template <typename T>
Status IntegerLoop(char op, const Column& left, const Column& right, int64_t rows, const uint8_t* valid, T* out) {
  using U = std::make_unsigned_t<T>;
  const Values<T> l(left);
  const Values<T> r(right);
  switch (op) {  // like the reference: + - * wrap around, / and % fail on zero
    case '+':
      for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(static_cast<U>(static_cast<U>(l[i]) + static_cast<U>(r[i])));
      return Status::OK();
    case '-':
      for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(static_cast<U>(static_cast<U>(l[i]) - static_cast<U>(r[i])));
      return Status::OK();
    case '*':
      for (int64_t i = 0; i < rows; ++i) {
        out[i] = static_cast<T>(static_cast<uint64_t>(l[i]) * static_cast<uint64_t>(r[i]));
      }
      return Status::OK();
    default:
      for (int64_t i = 0; i < rows; ++i) {
        out[i] = 0;
        if (valid && !GetBit(valid, i)) continue;
        if (r[i] == 0) return DivisionByZero();
        if constexpr (std::is_signed_v<T>) {
          if (r[i] == -1) {
            if (op == '/' && l[i] == std::numeric_limits<T>::min())
              return Status::InvalidArgument("integer overflow in division");
            out[i] = op == '/' ? static_cast<T>(-l[i]) : T{0};
            continue;
          }
        }
        out[i] = static_cast<T>(op == '/' ? l[i] / r[i] : l[i] % r[i]);
      }
      return Status::OK();
  }
}

template <typename T>
void FloatLoop(char op, const Column& left, const Column& right, int64_t rows, T* out) {
  const Values<T> l(left);
  const Values<T> r(right);
  switch (op) {
    case '+':
      for (int64_t i = 0; i < rows; ++i) out[i] = l[i] + r[i];
      break;
    case '-':
      for (int64_t i = 0; i < rows; ++i) out[i] = l[i] - r[i];
      break;
    case '*':
      for (int64_t i = 0; i < rows; ++i) out[i] = l[i] * r[i];
      break;
    case '/':
      for (int64_t i = 0; i < rows; ++i) out[i] = l[i] / r[i];
      break;
    default:
      for (int64_t i = 0; i < rows; ++i) out[i] = std::fmod(l[i], r[i]);
      break;
  }
}

int ScaleOf(const arrow::DataType& type) { return static_cast<const arrow::DecimalType&>(type).scale(); }

Decimal256 TenTo(int exponent) {
  Decimal256 value(1);
  for (int i = 0; i < exponent; ++i) value *= Decimal256(10);
  return value;
}

bool MultiplyExact(const Decimal256& a, const Decimal256& b, Decimal256* out) {
  *out = a * b;
  if (a.FitsInPrecision(38) && b.FitsInPrecision(38)) return true;  // 76 digits are no overflow
  return a == Decimal256(0) || (*out / a == b);
}

Status DecimalValue(char op, const Decimal256& l, const Decimal256& r, const Decimal256& l_factor, const Decimal256& r_factor,
                    Decimal256* out) {
  Decimal256 a;
  Decimal256 b;
  if (!MultiplyExact(l, l_factor, &a) || !MultiplyExact(r, r_factor, &b)) return Status::InvalidArgument("decimal overflow");
  switch (op) {
    case '+': *out = a + b; return Status::OK();
    case '-':
      b.Negate();
      *out = a + b;
      return Status::OK();
    case '*': return MultiplyExact(a, b, out) ? Status::OK() : Status::InvalidArgument("decimal overflow");
    default:
      if (b == Decimal256(0)) return DivisionByZero();
      *out = op == '/' ? a / b : a % b;
      return Status::OK();
  }
}

Result<Column> DecimalArithmetic(char op, const Column& left, const Column& right, int64_t rows, const TypePtr& type,
                                 std::shared_ptr<arrow::Buffer> validity) {
  const int ls = ScaleOf(*left.type());
  const int rs = ScaleOf(*right.type());
  const int scale = ScaleOf(*type);
  // Both sides are brought to a scale at which the plain integer operation gives the result's scale.
  int l_power = 0;
  int r_power = 0;
  if (op == '/') {
    const int shift = scale - ls + rs;
    (shift >= 0 ? l_power : r_power) = std::abs(shift);
  } else if (op != '*') {
    l_power = std::max(rs - ls, 0);
    r_power = std::max(ls - rs, 0);
  }
  const Decimal256 l_factor = TenTo(l_power);
  const Decimal256 r_factor = TenTo(r_power);
  const bool wide = type->id() == arrow::Type::DECIMAL256;
  const int64_t width = wide ? 32 : 16;
  LANCEFS_ASSIGN_OR_RETURN(auto buffer, NewBuffer(rows * width));
  auto read = [wide](const Column& column) {
    return [data = column.array->data()->buffers[1]->data() + column.array->offset() * (wide ? 32 : 16),
            step = column.constant ? 0 : (wide ? 32 : 16),
            wide](int64_t i) { return wide ? Decimal256(data + i * step) : Decimal256(Decimal128(data + i * step)); };
  };
  const auto l = read(left);
  const auto r = read(right);
  for (int64_t i = 0; i < rows; ++i) {
    Decimal256 value(0);
    if (!validity || GetBit(validity->data(), i)) {
      LANCEFS_RETURN_NOT_OK(DecimalValue(op, l(i), r(i), l_factor, r_factor, &value));
      // Only what the memory cannot hold is an overflow: the reference gives 39 digits, too, where they fit.
      const auto words = value.little_endian_array();
      const uint64_t sign = words[1] >> 63 ? ~uint64_t{0} : 0;
      const bool fits = wide ? value.FitsInPrecision(76) : words[2] == sign && words[3] == sign;
      if (!fits) return Status::InvalidArgument("decimal overflow");
    }
    if (wide) {
      value.ToBytes(buffer->mutable_data() + i * width);
    } else {
      const auto words = value.little_endian_array();
      std::memcpy(buffer->mutable_data() + i * width, words.data(), 16);
    }
  }
  auto data = arrow::ArrayData::Make(type, rows, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), left.constant && right.constant};
}

}  // namespace

Result<Column> Arithmetic(char op, const Column& left, const Column& right, int64_t rows, const TypePtr& type) {
  if (left.ConstantNull() || right.ConstantNull()) return NullColumn(type);
  const int64_t count = RowsOf(left, right, rows);
  const Column* columns[] = {&left, &right};
  int64_t nulls;
  LANCEFS_ASSIGN_OR_RETURN(auto validity, CombineValidity(columns, 2, count, &nulls));
  if (IsDecimal(*type)) return DecimalArithmetic(op, left, right, count, type, std::move(validity));
  std::shared_ptr<arrow::Buffer> buffer;
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) -> Status {
    using T = decltype(tag);
    LANCEFS_ASSIGN_OR_RETURN(buffer, NewBuffer(count * static_cast<int64_t>(sizeof(T))));
    auto* out = reinterpret_cast<T*>(buffer->mutable_data());
    if constexpr (std::is_floating_point_v<T>) {
      FloatLoop<T>(op, left, right, count, out);
      return Status::OK();
    } else {
      return IntegerLoop<T>(op, left, right, count, validity ? validity->data() : nullptr, out);
    }
  }));
  auto data = arrow::ArrayData::Make(type, count, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), left.constant && right.constant};
}

Result<Column> Negate(const Column& in, int64_t rows) {
  const TypePtr& type = in.type();
  if (IsDecimal(*type)) {
    LANCEFS_ARROW_ASSIGN(arrow::Datum negated, arrow::compute::Negate(in.array));
    LANCEFS_ARROW_ASSIGN(auto array, arrow::compute::Cast(*negated.make_array(), type));
    return Column{std::move(array), in.constant};
  }
  const int64_t count = in.constant ? 1 : rows;
  std::shared_ptr<arrow::Buffer> buffer;
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) -> Status {
    using T = decltype(tag);
    LANCEFS_ASSIGN_OR_RETURN(buffer, NewBuffer(count * static_cast<int64_t>(sizeof(T))));
    auto* out = reinterpret_cast<T*>(buffer->mutable_data());
    const Values<T> values(in);
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        out[i] = -values[i];
      } else {
        using U = std::make_unsigned_t<T>;
        out[i] = static_cast<T>(static_cast<U>(U{0} - static_cast<U>(values[i])));
      }
    }
    return Status::OK();
  }));
  const Column whole{in.array, false};
  const Column* columns[] = {&whole};
  int64_t nulls;
  LANCEFS_ASSIGN_OR_RETURN(auto validity, CombineValidity(columns, 1, count, &nulls));
  auto data = arrow::ArrayData::Make(type, count, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), in.constant};
}

Result<Column> Shift(bool left_shift, const Column& left, const Column& right, int64_t rows) {
  const TypePtr type = left.type();
  if (left.ConstantNull() || right.ConstantNull()) return NullColumn(type);
  const int64_t count = RowsOf(left, right, rows);
  const Column* columns[] = {&left, &right};
  int64_t nulls;
  LANCEFS_ASSIGN_OR_RETURN(auto validity, CombineValidity(columns, 2, count, &nulls));
  std::shared_ptr<arrow::Buffer> buffer;
  LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*type), [&](auto tag) -> Status {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;
      LANCEFS_ASSIGN_OR_RETURN(buffer, NewBuffer(count * static_cast<int64_t>(sizeof(T))));
      auto* out = reinterpret_cast<T*>(buffer->mutable_data());
      const Values<T> l(left);
      const Values<T> r(right);
      for (int64_t i = 0; i < count; ++i) {  // the distance is taken modulo the width
        const auto distance = static_cast<unsigned>(static_cast<U>(r[i]) % (sizeof(T) * 8));
        out[i] = left_shift ? static_cast<T>(static_cast<U>(l[i]) << distance) : static_cast<T>(l[i] >> distance);
      }
      return Status::OK();
    }
    return Status::InvalidArgument("shifts take integers");
  }));
  auto data = arrow::ArrayData::Make(type, count, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), left.constant && right.constant};
}

}  // namespace lancefs::sql
