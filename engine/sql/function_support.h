// SPDX-License-Identifier: Apache-2.0
//
// What the function files share: the table's entry, argument checks, row loops with null handling.
//
// Thread safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "engine/sql/cast.h"
#include "engine/sql/functions.h"

namespace lancefs::sql {

struct FunctionEntry {
  const char* name;
  int min_arguments;
  int max_arguments;  // -1: any number
  Result<BoundFunction> (*bind)(const std::string& name, const std::vector<TypePtr>& types,
                                const std::vector<const Column*>& constants);
};
const std::vector<FunctionEntry>& StringFunctions();
const std::vector<FunctionEntry>& MathFunctions();
const std::vector<FunctionEntry>& TimeFunctions();
const std::vector<FunctionEntry>& ListFunctions();
const std::vector<FunctionEntry>& JsonFunctions();

inline int64_t ResultRows(const std::vector<Column>& in, int64_t rows) {
  for (const Column& column : in) {
    if (!column.constant) return rows;
  }
  return 1;
}
inline bool AllConstant(const std::vector<Column>& in) {
  for (const Column& column : in) {
    if (!column.constant) return false;
  }
  return true;
}
inline bool AnyConstantNull(const std::vector<Column>& in) {
  for (const Column& column : in) {
    if (column.ConstantNull()) return true;
  }
  return false;
}
inline Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const std::vector<Column>& in, int64_t rows) {
  std::vector<const Column*> columns;
  for (const Column& column : in) columns.push_back(&column);
  int64_t unused;
  return CombineValidity(columns.data(), static_cast<int>(columns.size()), rows, &unused);
}

// make(row, &value) for rows where no argument is null; it returns false for a null result.
template <typename T, typename Make>
Result<Column> MapValues(const std::vector<Column>& in, int64_t rows, const TypePtr& type, Make&& make) {
  if (AnyConstantNull(in)) return NullColumn(type);
  const int64_t count = ResultRows(in, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto inputs, ValidityOf(in, count));
  LANCEFS_ASSIGN_OR_RETURN(auto buffer, NewBuffer(count * static_cast<int64_t>(sizeof(T))));
  auto* out = reinterpret_cast<T*>(buffer->mutable_data());
  std::shared_ptr<arrow::Buffer> validity = inputs;
  bool own = false;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = T{};
    if (inputs && !arrow::bit_util::GetBit(inputs->data(), i)) continue;
    if (make(i, &out[i])) continue;
    if (!own) {
      LANCEFS_ASSIGN_OR_RETURN(validity, NewBitmap(count, true));
      if (inputs)
        std::memcpy(validity->mutable_data(), inputs->data(), static_cast<size_t>(arrow::bit_util::BytesForBits(count)));
      own = true;
    }
    arrow::bit_util::ClearBit(validity->mutable_data(), i);
  }
  auto data = arrow::ArrayData::Make(type, count, {std::move(validity), std::move(buffer)});
  return Column{arrow::MakeArray(std::move(data)), AllConstant(in)};
}

// test(row) for rows where no argument is null.
template <typename Test>
Result<Column> MapBools(const std::vector<Column>& in, int64_t rows, Test&& test) {
  if (AnyConstantNull(in)) return NullColumn(arrow::boolean());
  const int64_t count = ResultRows(in, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto validity, ValidityOf(in, count));
  LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(count));
  for (int64_t i = 0; i < count; ++i) {
    if (validity && !arrow::bit_util::GetBit(validity->data(), i)) continue;
    if (test(i)) arrow::bit_util::SetBit(bits->mutable_data(), i);
  }
  return MakeBools(std::move(bits), std::move(validity), count, AllConstant(in));
}

// make(row, &text) for rows where no argument is null; false for a null result. `text` is reused.
template <typename Make>
Result<Column> MapStrings(const std::vector<Column>& in, int64_t rows, const TypePtr& type, Make&& make) {
  if (AnyConstantNull(in)) return NullColumn(type);
  const int64_t count = ResultRows(in, rows);
  LANCEFS_ASSIGN_OR_RETURN(auto validity, ValidityOf(in, count));
  std::string text;
  auto fill = [&](auto* builder) -> Status {
    LANCEFS_ARROW_NOT_OK(builder->Reserve(count));
    for (int64_t i = 0; i < count; ++i) {
      text.clear();
      if ((validity && !arrow::bit_util::GetBit(validity->data(), i)) || !make(i, &text)) {
        LANCEFS_ARROW_NOT_OK(builder->AppendNull());
      } else {
        LANCEFS_ARROW_NOT_OK(builder->Append(text));
      }
    }
    return Status::OK();
  };
  std::shared_ptr<arrow::Array> array;
  if (type->id() == arrow::Type::LARGE_STRING) {
    arrow::LargeStringBuilder builder;
    LANCEFS_RETURN_NOT_OK(fill(&builder));
    LANCEFS_ARROW_ASSIGN(array, builder.Finish());
  } else {
    arrow::StringBuilder builder;
    LANCEFS_RETURN_NOT_OK(fill(&builder));
    LANCEFS_ARROW_ASSIGN(array, builder.Finish());
  }
  return Column{std::move(array), AllConstant(in)};
}

// UTF-8: bytes of the character that starts with `lead`.
inline size_t CharBytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
inline int64_t CharCount(std::string_view text) {
  int64_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}
// Byte offset of the `n`-th character from 0, text.size() when there are fewer.
inline size_t CharOffset(std::string_view text, int64_t n) {
  size_t at = 0;
  while (n > 0 && at < text.size()) {
    at = std::min(at + CharBytes(text[at]), text.size());
    --n;
  }
  return at;
}

// string, or null, which becomes one; nullptr otherwise.
inline TypePtr AsString(const TypePtr& type) {
  if (IsString(*type)) return type;
  return type->id() == arrow::Type::NA ? arrow::utf8() : nullptr;
}
inline Status NeedsString(const std::string& name, size_t argument, const TypePtr& type) {
  return Status::InvalidArgument(name + "() needs a string as argument " + std::to_string(argument + 1) + ", this is " +
                                 type->ToString());
}

}  // namespace lancefs::sql
