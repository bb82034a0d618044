// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/types.h"

#include <arrow/api.h>

#include <algorithm>

#include "engine/sql/column.h"

namespace lancefs::sql {
namespace {

using arrow::Type;

const arrow::DecimalType& AsDecimal(const arrow::DataType& type) { return static_cast<const arrow::DecimalType&>(type); }

TypePtr MakeDecimal(bool wide, int precision, int scale) {
  const int limit = wide ? 76 : 38;
  precision = std::clamp(precision, 1, limit);
  scale = std::min(scale, limit);
  return wide ? arrow::decimal256(precision, scale) : arrow::decimal128(precision, scale);
}

// The decimal that holds a number of `type`; for decimals `type` itself.
TypePtr DecimalFor(const TypePtr& type, bool wide) {
  switch (type->id()) {
    case Type::INT8:
    case Type::UINT8: return MakeDecimal(wide, 3, 0);
    case Type::INT16:
    case Type::UINT16: return MakeDecimal(wide, 5, 0);
    case Type::INT32:
    case Type::UINT32: return MakeDecimal(wide, 10, 0);
    case Type::INT64:
    case Type::UINT64: return MakeDecimal(wide, 20, 0);
    case Type::HALF_FLOAT: return MakeDecimal(wide, 6, 3);
    case Type::FLOAT: return MakeDecimal(wide, 14, 7);
    case Type::DOUBLE: return MakeDecimal(wide, 30, 15);
    default: return type;
  }
}

TypePtr WiderDecimal(const TypePtr& left, const TypePtr& right) {
  const auto& a = AsDecimal(*left);
  const auto& b = AsDecimal(*right);
  const int scale = std::max(a.scale(), b.scale());
  const int range = std::max(a.precision() - a.scale(), b.precision() - b.scale());
  const bool wide = left->id() == Type::DECIMAL256 || right->id() == Type::DECIMAL256;
  return MakeDecimal(wide, range + scale, scale);
}

TypePtr WiderInteger(const arrow::DataType& left, const arrow::DataType& right) {
  auto either = [&](Type::type id) { return left.id() == id || right.id() == id; };
  const bool any_signed = !IsUnsigned(left) || !IsUnsigned(right);
  if (either(Type::UINT64)) return any_signed ? arrow::decimal128(20, 0) : arrow::uint64();
  if (either(Type::INT64)) return arrow::int64();
  if (either(Type::UINT32)) return any_signed ? arrow::int64() : arrow::uint32();
  if (either(Type::INT32)) return arrow::int32();
  if (either(Type::UINT16)) return any_signed ? arrow::int32() : arrow::uint16();
  if (either(Type::INT16)) return arrow::int16();
  if (either(Type::INT8) && either(Type::UINT8)) return arrow::int16();
  return either(Type::INT8) ? arrow::int8() : arrow::uint8();
}

TypePtr WiderNumber(const TypePtr& left, const TypePtr& right) {
  auto either = [&](Type::type id) { return left->id() == id || right->id() == id; };
  if (either(Type::DOUBLE)) return arrow::float64();
  if (either(Type::FLOAT)) return arrow::float32();
  if (either(Type::HALF_FLOAT)) return arrow::float16();
  return WiderInteger(*left, *right);
}

TypePtr NumericPair(const TypePtr& left, const TypePtr& right) {
  if (!IsNumeric(*left) || !IsNumeric(*right)) return nullptr;
  if (IsDecimal(*left) || IsDecimal(*right)) {
    const bool wide = left->id() == Type::DECIMAL256 || right->id() == Type::DECIMAL256;
    return WiderDecimal(DecimalFor(left, wide), DecimalFor(right, wide));
  }
  return WiderNumber(left, right);
}

// The coarser unit: the reference compares timestamps of different units in it.
TypePtr TimestampPair(const arrow::TimestampType& left, const arrow::TimestampType& right) {
  return arrow::timestamp(std::min(left.unit(), right.unit()), left.timezone().empty() ? right.timezone() : left.timezone());
}

TypePtr TemporalPair(const TypePtr& left, const TypePtr& right) {
  auto either = [&](Type::type id) { return left->id() == id || right->id() == id; };
  if (left->id() == Type::TIMESTAMP && right->id() == Type::TIMESTAMP) {
    return TimestampPair(static_cast<const arrow::TimestampType&>(*left), static_cast<const arrow::TimestampType&>(*right));
  }
  const bool date = either(Type::DATE32) || either(Type::DATE64);
  if (date && (IsInteger(*left) || IsInteger(*right))) return either(Type::DATE32) ? arrow::date32() : arrow::date64();
  if (either(Type::DATE32) && either(Type::DATE64)) return arrow::date64();
  if (date && either(Type::TIMESTAMP)) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(left->id() == Type::TIMESTAMP ? *left : *right);
    return arrow::timestamp(timestamp.unit());
  }
  if (left->id() == Type::DURATION && right->id() == Type::DURATION) return arrow::duration(arrow::TimeUnit::NANO);
  return nullptr;
}

TypePtr StringPair(const TypePtr& left, const TypePtr& right) {
  if (!IsString(*left) || !IsString(*right)) return nullptr;
  const bool large = left->id() == Type::LARGE_STRING || right->id() == Type::LARGE_STRING;
  return large ? arrow::large_utf8() : arrow::utf8();
}

TypePtr BinaryPair(const TypePtr& left, const TypePtr& right) {
  const bool bytes = IsBinary(*left) || IsBinary(*right);
  auto fits = [](const TypePtr& type) { return IsBinary(*type) || IsString(*type); };
  if (!bytes || !fits(left) || !fits(right)) return nullptr;
  const bool fixed = left->id() == Type::FIXED_SIZE_BINARY || right->id() == Type::FIXED_SIZE_BINARY;
  if (fixed && (IsString(*left) || IsString(*right))) return nullptr;
  auto large = [](const TypePtr& type) { return type->id() == Type::LARGE_BINARY || type->id() == Type::LARGE_STRING; };
  return large(left) || large(right) ? arrow::large_binary() : arrow::binary();
}

// A string beside a date, time or timestamp is read as one.
TypePtr StringTemporal(const TypePtr& text, const TypePtr& temporal) {
  if (!IsString(*text)) return nullptr;
  switch (temporal->id()) {
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP: return temporal;
    default: return nullptr;
  }
}

using Rule = TypePtr (*)(const TypePtr&, const TypePtr&);

TypePtr ListPair(const TypePtr& left, const TypePtr& right, Rule rule) {
  auto is_list = [](const TypePtr& type) {
    return type->id() == Type::LIST || type->id() == Type::LARGE_LIST || type->id() == Type::FIXED_SIZE_LIST;
  };
  if (!is_list(left) || !is_list(right)) return nullptr;
  const auto& a = static_cast<const arrow::BaseListType&>(*left);
  const auto& b = static_cast<const arrow::BaseListType&>(*right);
  TypePtr item = rule(PlainType(a.value_type()), PlainType(b.value_type()));
  if (!item) return nullptr;
  if (left->id() == Type::LARGE_LIST || right->id() == Type::LARGE_LIST) return arrow::large_list(item);
  return arrow::list(item);
}

TypePtr Pair(const TypePtr& left, const TypePtr& right, bool is_union) {
  if (left->Equals(*right)) return left;
  if (TypePtr type = NumericPair(left, right)) return type;
  if (TypePtr type = TemporalPair(left, right)) return type;
  if (TypePtr type = StringPair(left, right)) return type;
  if (TypePtr type = ListPair(left, right, is_union ? UnionType : ComparisonType)) return type;
  if (left->id() == Type::NA) return right;
  if (right->id() == Type::NA) return left;
  if (IsString(*left) && IsNumeric(*right)) return is_union ? left : right;
  if (IsString(*right) && IsNumeric(*left)) return is_union ? right : left;
  if (TypePtr type = StringTemporal(left, right)) return type;
  if (TypePtr type = StringTemporal(right, left)) return type;
  return BinaryPair(left, right);
}

ArithmeticTypes DecimalArithmetic(const std::string& op, const TypePtr& left, const TypePtr& right) {
  const bool wide = left->id() == Type::DECIMAL256 || right->id() == Type::DECIMAL256;
  TypePtr l = DecimalFor(left, wide);
  TypePtr r = DecimalFor(right, wide);
  if (wide && l->id() != r->id()) l = r = WiderDecimal(l, r);
  const auto& a = AsDecimal(*l);
  const auto& b = AsDecimal(*r);
  const int limit = wide ? 76 : 38;
  const int scale = std::max(a.scale(), b.scale());
  if (op == "+" || op == "-") {
    return {l, r, MakeDecimal(wide, scale + std::max(a.precision() - a.scale(), b.precision() - b.scale()) + 1, scale)};
  }
  if (op == "*") {
    if (a.scale() + b.scale() > limit) return {};
    return {l, r, MakeDecimal(wide, a.precision() + b.precision() + 1, a.scale() + b.scale())};
  }
  if (op == "/") {
    const int result_scale = std::min(a.scale() + 4, limit);
    return {l, r, MakeDecimal(wide, a.precision() + result_scale - a.scale() + b.scale(), result_scale)};
  }
  return {l, r, MakeDecimal(wide, scale + std::min(a.precision() - a.scale(), b.precision() - b.scale()), scale)};
}

ArithmeticTypes TemporalArithmetic(const std::string& op, const TypePtr& left, const TypePtr& right) {
  auto is_date = [](const TypePtr& type) { return type->id() == Type::DATE32 || type->id() == Type::DATE64; };
  auto is_interval = [](const TypePtr& type) { return type->id() == Type::INTERVAL_MONTH_DAY_NANO; };
  const bool add = op == "+";
  if (!add && op != "-") return {};
  if (is_date(left) && IsInteger(*right)) return {left, arrow::int64(), left};  // days
  if (add && is_date(right) && IsInteger(*left)) return {arrow::int64(), right, right};
  if (!add && is_date(left) && left->Equals(*right)) return {left, right, arrow::int64()};
  if (!add && left->id() == Type::TIMESTAMP && right->id() == Type::TIMESTAMP) {
    TypePtr common =
        TimestampPair(static_cast<const arrow::TimestampType&>(*left), static_cast<const arrow::TimestampType&>(*right));
    return {common, common, arrow::duration(static_cast<const arrow::TimestampType&>(*common).unit())};
  }
  if (left->id() == Type::DURATION && right->Equals(*left)) return {left, right, left};
  const bool point = is_date(left) || left->id() == Type::TIMESTAMP;
  if (point && is_interval(right)) return {left, right, left};
  if (add && is_interval(left) && (is_date(right) || right->id() == Type::TIMESTAMP)) return {left, right, right};
  if (left->id() == Type::TIMESTAMP && right->id() == Type::DURATION) {
    return {left, arrow::duration(static_cast<const arrow::TimestampType&>(*left).unit()), left};
  }
  if (add && left->id() == Type::DURATION && right->id() == Type::TIMESTAMP) {
    return {arrow::duration(static_cast<const arrow::TimestampType&>(*right).unit()), right, right};
  }
  if (is_date(left) && right->id() == Type::TIMESTAMP && !add) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*right);
    return {right, right, arrow::duration(timestamp.unit())};
  }
  if (left->id() == Type::TIMESTAMP && is_date(right) && !add) {
    const auto& timestamp = static_cast<const arrow::TimestampType&>(*left);
    return {left, left, arrow::duration(timestamp.unit())};
  }
  return {};
}

}  // namespace

bool IsUnsigned(const arrow::DataType& type) {
  return type.id() == Type::UINT8 || type.id() == Type::UINT16 || type.id() == Type::UINT32 || type.id() == Type::UINT64;
}
bool IsInteger(const arrow::DataType& type) { return arrow::is_integer(type.id()); }
bool IsFloat(const arrow::DataType& type) {
  return type.id() == Type::HALF_FLOAT || type.id() == Type::FLOAT || type.id() == Type::DOUBLE;
}
bool IsDecimal(const arrow::DataType& type) { return type.id() == Type::DECIMAL128 || type.id() == Type::DECIMAL256; }
bool IsNumeric(const arrow::DataType& type) { return IsInteger(type) || IsFloat(type) || IsDecimal(type); }
bool IsTemporal(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
    case Type::INTERVAL_MONTH_DAY_NANO: return true;
    default: return false;
  }
}

TypePtr ComparisonType(const TypePtr& left, const TypePtr& right) { return Pair(left, right, false); }
TypePtr UnionType(const TypePtr& left, const TypePtr& right) { return Pair(left, right, true); }

TypePtr LikeType(const TypePtr& left, const TypePtr& right) {
  auto fits = [](const TypePtr& type) { return IsString(*type) || IsBinary(*type) || type->id() == Type::NA; };
  if (TypePtr type = StringPair(left, right)) return type;
  if (!fits(left) || !fits(right) || (IsBinary(*left) && IsBinary(*right))) return nullptr;
  if (IsString(*left)) return left;
  if (IsString(*right)) return right;
  return arrow::utf8();
}

ArithmeticTypes ArithmeticFor(const std::string& op, const TypePtr& left, const TypePtr& right) {
  TypePtr l = left->id() == Type::NA && right->id() != Type::NA ? right : left;
  TypePtr r = right->id() == Type::NA && left->id() != Type::NA ? left : right;
  if (IsTemporal(*l) || IsTemporal(*r)) return TemporalArithmetic(op, l, r);
  if (IsString(*l) && IsNumeric(*r)) l = r;
  if (IsString(*r) && IsNumeric(*l)) r = l;
  if (!IsNumeric(*l) || !IsNumeric(*r)) return {};
  const bool decimal = IsDecimal(*l) || IsDecimal(*r);
  if (decimal && !IsFloat(*l) && !IsFloat(*r)) return DecimalArithmetic(op, l, r);
  TypePtr common = WiderNumber(l, r);
  if (IsDecimal(*common)) return DecimalArithmetic(op, common, common);
  return {common, common, common};
}

}  // namespace lancefs::sql
