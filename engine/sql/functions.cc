// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/functions.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "engine/sql/function_support.h"

namespace lancefs::sql {
namespace {

using Types = std::vector<TypePtr>;
using Constants = std::vector<const Column*>;

const std::unordered_map<std::string, const FunctionEntry*>& Table();

// "Timestamp(Microsecond, None)" and the like, as Arrow's Rust implementation prints types.
TypePtr ArrowTypeByName(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  static const std::unordered_map<std::string, TypePtr> kSimple = {
      {"Null", arrow::null()},         {"Boolean", arrow::boolean()}, {"Int8", arrow::int8()},
      {"Int16", arrow::int16()},       {"Int32", arrow::int32()},     {"Int64", arrow::int64()},
      {"UInt8", arrow::uint8()},       {"UInt16", arrow::uint16()},   {"UInt32", arrow::uint32()},
      {"UInt64", arrow::uint64()},     {"Float16", arrow::float16()}, {"Float32", arrow::float32()},
      {"Float64", arrow::float64()},   {"Utf8", arrow::utf8()},       {"LargeUtf8", arrow::large_utf8()},
      {"Utf8View", arrow::utf8()},     {"Binary", arrow::binary()},   {"LargeBinary", arrow::large_binary()},
      {"BinaryView", arrow::binary()}, {"Date32", arrow::date32()},   {"Date64", arrow::date64()},
  };
  if (const auto found = kSimple.find(text); found != kSimple.end()) return found->second;
  const size_t open = text.find('(');
  if (open == std::string::npos || text.back() != ')') return nullptr;
  const std::string head = text.substr(0, open);
  const std::string inner = text.substr(open + 1, text.size() - open - 2);
  const size_t comma = inner.find(',');
  const std::string first = inner.substr(0, comma);
  const std::string second = comma == std::string::npos ? "" : inner.substr(comma + 1);
  static const std::unordered_map<std::string, arrow::TimeUnit::type> kUnits = {
      {"Second", arrow::TimeUnit::SECOND},   {"Millisecond", arrow::TimeUnit::MILLI}, {"Microsecond", arrow::TimeUnit::MICRO},
      {"Nanosecond", arrow::TimeUnit::NANO}, {"s", arrow::TimeUnit::SECOND},          {"ms", arrow::TimeUnit::MILLI},
      {"us", arrow::TimeUnit::MICRO},        {"µs", arrow::TimeUnit::MICRO},          {"ns", arrow::TimeUnit::NANO}};
  const auto unit = kUnits.find(first);
  if (unit != kUnits.end()) {
    if (head == "Duration") return arrow::duration(unit->second);
    if (head == "Time32" && unit->second <= arrow::TimeUnit::MILLI) return arrow::time32(unit->second);
    if (head == "Time64" && unit->second >= arrow::TimeUnit::MICRO) return arrow::time64(unit->second);
    if (head != "Timestamp") return nullptr;
    if (second.empty() || second == "None") return arrow::timestamp(unit->second);
    const size_t quote = second.find('"');
    const size_t end = second.rfind('"');
    if (quote == std::string::npos || end <= quote) return nullptr;
    return arrow::timestamp(unit->second, second.substr(quote + 1, end - quote - 1));
  }
  if (head == "Decimal128" || head == "Decimal256") {
    int precision = 0;
    int scale = 0;
    std::from_chars(first.data(), first.data() + first.size(), precision);
    std::from_chars(second.data(), second.data() + second.size(), scale);
    const int limit = head == "Decimal128" ? 38 : 76;
    if (precision < 1 || precision > limit || scale > precision || scale < -limit) return nullptr;
    return head == "Decimal128" ? arrow::decimal128(precision, scale) : arrow::decimal256(precision, scale);
  }
  if (head == "Dictionary") return ArrowTypeByName(second);
  return nullptr;
}

Result<BoundFunction> ArrowCastFunction(const std::string& name, const Types& types, const Constants& constants) {
  if (!constants[1] || !IsString(*types[1]) || constants[1]->ConstantNull()) {
    return Status::InvalidArgument(name + "() needs a constant type name as argument 2");
  }
  const std::string text{Strings(*constants[1])[0]};
  const TypePtr type = ArrowTypeByName(text);
  if (!type) return Status::InvalidArgument(name + "(): unknown type '" + text + "'");
  if (!CanCast(*types[0], *type))
    return Status::InvalidArgument(name + "(): cannot cast " + types[0]->ToString() + " to " + type->ToString());
  const bool try_cast = name == "arrow_try_cast";
  return BoundFunction{types, type,
                       [type, try_cast](const std::vector<Column>& in, int64_t) { return CastColumn(in[0], type, try_cast); }};
}

const std::vector<FunctionEntry>& CastFunctions() {
  static const std::vector<FunctionEntry> entries = {{"arrow_cast", 2, 2, ArrowCastFunction},
                                                     {"arrow_try_cast", 2, 2, ArrowCastFunction}};
  return entries;
}

const std::unordered_map<std::string, const FunctionEntry*>& Table() {
  static const auto table = [] {
    std::unordered_map<std::string, const FunctionEntry*> map;
    for (const auto* list :
         {&StringFunctions(), &MathFunctions(), &TimeFunctions(), &ListFunctions(), &JsonFunctions(), &CastFunctions()}) {
      for (const FunctionEntry& entry : *list) map.emplace(entry.name, &entry);
    }
    return map;
  }();
  return table;
}

// Damerau and Levenshtein's distance, ignoring case: two neighbours that changed places are one error.
size_t EditDistance(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  auto same = [&](size_t i, size_t j) { return lower(a[i - 1]) == lower(b[j - 1]); };
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same(i, j) ? 0 : 1)});
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j)) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& names) {
  std::string best;
  size_t best_distance = std::max<size_t>(name.size() / 3, 2) + 1;  // further ones are no typing error
  if (name.size() > 256) return best;
  for (const std::string& candidate : names) {
    if (candidate.size() > 256) continue;
    const size_t distance = EditDistance(name, candidate);
    const bool related = 2 * distance <= std::max(name.size(), candidate.size());  // of short names something must be left
    if (related && distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string> FunctionNames() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Table()) names.push_back(name);
  names.emplace_back("is_valid");
  std::sort(names.begin(), names.end());
  return names;
}

Result<BoundFunction> BindFunction(const std::string& name, const Types& types, const Constants& constants) {
  const auto found = Table().find(name);
  if (found == Table().end()) {
    const std::string nearest = NearestName(name, FunctionNames());
    return Status::NotFound("unknown function '" + name + "'" + (nearest.empty() ? "" : ", did you mean '" + nearest + "'?"));
  }
  const FunctionEntry& entry = *found->second;
  const auto count = static_cast<int>(types.size());
  if (count < entry.min_arguments || (entry.max_arguments >= 0 && count > entry.max_arguments)) {
    std::string expected = std::to_string(entry.min_arguments);
    if (entry.max_arguments < 0) {
      expected += " or more";
    } else if (entry.max_arguments != entry.min_arguments) {
      expected += " to " + std::to_string(entry.max_arguments);
    }
    return Status::InvalidArgument(name + "() takes " + expected + " arguments, not " + std::to_string(count));
  }
  return entry.bind(name, types, constants);
}

}  // namespace lancefs::sql
