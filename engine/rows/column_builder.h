// SPDX-License-Identifier: Apache-2.0
//
// Column builders that the text readers append parsed cells to: a tree of plain structs, one per
// field, driven by the target schema. One switch per value, no virtual calls, no per-value
// allocation.
//
// Thread safety: a builder belongs to one thread at a time. Running out of memory throws
// std::bad_alloc, which the text reader translates.
#pragma once

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/type.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "engine/rows/value_parse.h"

namespace lancefs::rows {

// A buffer that grows by doubling and becomes an arrow::Buffer without a copy.
class GrowBuffer {
 public:
  uint8_t* data() { return data_; }
  int64_t size() const { return size_; }
  // Room for `more` bytes behind size(); does not change size().
  void Reserve(int64_t more) {
    if (size_ + more > capacity_) Grow(more);
  }
  uint8_t* end() { return data_ + size_; }
  void Advance(int64_t bytes) { size_ += bytes; }
  void Append(const void* bytes, int64_t count) {
    Reserve(count);
    __builtin_memcpy(data_ + size_, bytes, static_cast<size_t>(count));
    size_ += count;
  }
  template <typename T>
  void Push(T value) {
    Reserve(sizeof(T));
    __builtin_memcpy(data_ + size_, &value, sizeof(T));
    size_ += static_cast<int64_t>(sizeof(T));
  }
  void AppendZeros(int64_t count);
  // What was appended; the buffer is empty afterwards.
  std::shared_ptr<arrow::Buffer> Finish();

 private:
  void Grow(int64_t more);

  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  uint8_t* data_ = nullptr;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
};

enum class Kind : uint8_t {
  kNull,
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kHalf,
  kBFloat16,
  kFloat,
  kDouble,
  kDecimal,
  kDate32,
  kDate64,
  kTime32,
  kTime64,
  kTimestamp,
  kDuration,
  kUtf8,
  kLargeUtf8,
  kBinary,
  kLargeBinary,
  kFixedBinary,
  kUuid,
  kList,
  kLargeList,
  kFixedList,
  kStruct,
  kMap,
};

// What a cell's text was.
enum class Cell : uint8_t { kCsv, kJsonString, kJsonNumber };

class ColumnBuilder {
 public:
  // Errors: kNotSupported for types that text cannot carry, named.
  static Result<std::unique_ptr<ColumnBuilder>> Make(const arrow::Field& field);

  // Appends null; kNull if the field is not nullable.
  Fault AppendNull();
  // Appends a null, or a zero or empty value where the field is not nullable: the children of null parents.
  void AppendFiller();
  // Appends the scalar that `text` spells. The text of CSV cells and JSON strings is unescaped already.
  Fault AppendText(std::string_view text, Cell cell);
  Fault AppendBool(bool value);

  bool IsNested() const { return kind >= Kind::kList; }
  bool IsText() const { return kind == Kind::kUtf8 || kind == Kind::kLargeUtf8; }
  // True for kinds of which an empty text is a value.
  bool HasEmptyText() const { return kind >= Kind::kUtf8 && kind <= Kind::kLargeBinary; }
  // For kUtf8 and kLargeUtf8: `size` bytes were written behind data.end().
  void CommitText(int64_t size) {
    data.Advance(size);
    CommitVariable();
  }
  // One valid list, struct or map has ended; its children were appended before.
  void CommitNested();
  // The child of that name, or -1.
  int FindChild(std::string_view child_name) const;

  // What was appended as an array of `type`; the builder is empty afterwards.
  Result<std::shared_ptr<arrow::Array>> Finish();
  // Bytes that one row takes at least, nulls included; bounds what a batch can grow to.
  int64_t MinimumRowBytes() const;

  std::string name;
  std::shared_ptr<arrow::DataType> type;     // what Finish gives
  std::shared_ptr<arrow::DataType> storage;  // what is built; a cast at Finish makes `type` of it
  bool nullable = true;
  Kind kind = Kind::kNull;
  arrow::TimeUnit::type unit = arrow::TimeUnit::SECOND;
  bool zoned = false;
  int32_t width = 0;  // bytes of a fixed-width value, items of a fixed-size list
  int32_t precision = 0;
  int32_t scale = 0;
  int64_t length = 0;
  GrowBuffer values;  // fixed-width values, or offsets
  GrowBuffer data;    // bytes of variable-width values
  std::vector<std::unique_ptr<ColumnBuilder>> children;
  // For the reader of objects: the last object that had this field.
  uint64_t seen = 0;
  uint64_t objects = 0;
  bool plain_name = true;  // stands in JSON text without escapes

 private:
  Status Init(const arrow::Field& field);
  Status InitScalar(const arrow::DataType& type);
  Status InitNested(const arrow::DataType& type);
  Status AddChild(const arrow::Field& field);
  Result<std::shared_ptr<arrow::ArrayData>> FinishData();

  void MarkValid() {
    if (null_count_ > 0) AppendBit(true);
    ++length;
  }
  void MarkNull();
  void AppendBit(bool bit);
  void CommitVariable();
  void PushOffset(int64_t offset);
  void PushZero();

  Fault AppendInt(std::string_view text, Cell cell);
  Fault AppendFloating(std::string_view text, Cell cell);
  Fault AppendTemporal(std::string_view text);
  Fault AppendBinary(std::string_view text);
  template <typename T>
  Fault PushChecked(int64_t value);
  template <typename T>
  Fault PushUnsigned(std::string_view text, bool lenient);

  GrowBuffer validity_;
  int64_t null_count_ = 0;
  std::unordered_map<std::string_view, int> child_index_;
};

}  // namespace lancefs::rows
