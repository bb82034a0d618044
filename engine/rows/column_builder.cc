// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/column_builder.h"

#include <arrow/compute/api.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/key_value_metadata.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "engine/arrow_status.h"
#include "engine/rows/convert.h"

namespace lancefs::rows {

void GrowBuffer::Grow(int64_t more) {
  const int64_t wanted = std::max<int64_t>({size_ + more, capacity_ * 2, 256});
  if (buffer_ == nullptr) {
    auto made = arrow::AllocateResizableBuffer(wanted);
    if (!made.ok()) throw std::bad_alloc();
    buffer_ = std::move(*made);
  } else if (!buffer_->Resize(wanted, /*shrink_to_fit=*/false).ok()) {
    throw std::bad_alloc();
  }
  data_ = buffer_->mutable_data();
  capacity_ = wanted;
}

void GrowBuffer::AppendZeros(int64_t count) {
  Reserve(count);
  std::memset(data_ + size_, 0, static_cast<size_t>(count));
  size_ += count;
}

std::shared_ptr<arrow::Buffer> GrowBuffer::Finish() {
  if (buffer_ == nullptr) Grow(0);
  // Give a much too large buffer back, keep the slack of an ordinary one.
  const bool shrink = capacity_ - size_ > 64 * 1024 && size_ < capacity_ / 2;
  if (!buffer_->Resize(size_, shrink).ok()) throw std::bad_alloc();
  buffer_->ZeroPadding();
  std::shared_ptr<arrow::Buffer> out = std::move(buffer_);
  buffer_ = nullptr;
  data_ = nullptr;
  size_ = capacity_ = 0;
  return out;
}

Result<std::unique_ptr<ColumnBuilder>> ColumnBuilder::Make(const arrow::Field& field) {
  auto builder = std::make_unique<ColumnBuilder>();
  LANCEFS_RETURN_NOT_OK(builder->Init(field));
  return builder;
}

Status ColumnBuilder::Init(const arrow::Field& field) {
  name = field.name();
  nullable = field.nullable();
  type = field.type();
  for (const char c : name) plain_name &= static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
  const std::string extension = ExtensionName(field);
  if (extension == "lance.json" || extension.starts_with("lance.blob")) {
    return Status::NotSupported("column '" + name + "': text cannot be read into columns of the extension type " + extension);
  }
  storage = PlainType(type);
  if (storage->id() == arrow::Type::LIST_VIEW) {
    storage = arrow::list(static_cast<const arrow::ListViewType&>(*storage).value_field());
  } else if (storage->id() == arrow::Type::LARGE_LIST_VIEW) {
    storage = arrow::large_list(static_cast<const arrow::LargeListViewType&>(*storage).value_field());
  }
  if (extension == "arrow.uuid" && storage->id() == arrow::Type::FIXED_SIZE_BINARY) {
    kind = Kind::kUuid;
    width = static_cast<const arrow::FixedSizeBinaryType&>(*storage).byte_width();
    return width == 16 ? Status::OK() : Status::InvalidArgument("column '" + name + "': a uuid must have 16 bytes");
  }
  if (extension == "lance.bfloat16" && storage->id() == arrow::Type::FIXED_SIZE_BINARY) {
    kind = Kind::kBFloat16;
    width = static_cast<const arrow::FixedSizeBinaryType&>(*storage).byte_width();
    return width == 2 ? Status::OK() : Status::InvalidArgument("column '" + name + "': a bfloat16 must have 2 bytes");
  }
  LANCEFS_RETURN_NOT_OK(storage->num_fields() > 0 || storage->id() == arrow::Type::STRUCT ? InitNested(*storage)
                                                                                          : InitScalar(*storage));
  if (kind == Kind::kUtf8 || kind == Kind::kBinary || kind == Kind::kList || kind == Kind::kMap) values.Push<int32_t>(0);
  if (kind == Kind::kLargeUtf8 || kind == Kind::kLargeBinary || kind == Kind::kLargeList) values.Push<int64_t>(0);
  return Status::OK();
}

Status ColumnBuilder::InitScalar(const arrow::DataType& t) {
  if (arrow::is_fixed_width(t.id()) && t.id() != arrow::Type::BOOL)
    width = static_cast<const arrow::FixedWidthType&>(t).bit_width() / 8;
  switch (t.id()) {
    case arrow::Type::NA: kind = Kind::kNull; break;
    case arrow::Type::BOOL: kind = Kind::kBool; break;
    case arrow::Type::INT8: kind = Kind::kInt8; break;
    case arrow::Type::INT16: kind = Kind::kInt16; break;
    case arrow::Type::INT32: kind = Kind::kInt32; break;
    case arrow::Type::INT64: kind = Kind::kInt64; break;
    case arrow::Type::UINT8: kind = Kind::kUint8; break;
    case arrow::Type::UINT16: kind = Kind::kUint16; break;
    case arrow::Type::UINT32: kind = Kind::kUint32; break;
    case arrow::Type::UINT64: kind = Kind::kUint64; break;
    case arrow::Type::HALF_FLOAT: kind = Kind::kHalf; break;
    case arrow::Type::FLOAT: kind = Kind::kFloat; break;
    case arrow::Type::DOUBLE: kind = Kind::kDouble; break;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      kind = Kind::kDecimal;
      precision = static_cast<const arrow::DecimalType&>(t).precision();
      scale = static_cast<const arrow::DecimalType&>(t).scale();
      break;
    case arrow::Type::DATE32: kind = Kind::kDate32; break;
    case arrow::Type::DATE64: kind = Kind::kDate64; break;
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      kind = t.id() == arrow::Type::TIME32 ? Kind::kTime32 : Kind::kTime64;
      unit = static_cast<const arrow::TimeType&>(t).unit();
      break;
    case arrow::Type::TIMESTAMP:
      kind = Kind::kTimestamp;
      unit = static_cast<const arrow::TimestampType&>(t).unit();
      zoned = !static_cast<const arrow::TimestampType&>(t).timezone().empty();
      break;
    case arrow::Type::DURATION: kind = Kind::kDuration; break;
    case arrow::Type::STRING: kind = Kind::kUtf8; break;
    case arrow::Type::LARGE_STRING: kind = Kind::kLargeUtf8; break;
    case arrow::Type::BINARY: kind = Kind::kBinary; break;
    case arrow::Type::LARGE_BINARY: kind = Kind::kLargeBinary; break;
    case arrow::Type::FIXED_SIZE_BINARY: kind = Kind::kFixedBinary; break;
    default: return Status::NotSupported("column '" + name + "': text cannot be read into the type " + t.ToString());
  }
  return Status::OK();
}

Status ColumnBuilder::InitNested(const arrow::DataType& t) {
  switch (t.id()) {
    case arrow::Type::LIST: kind = Kind::kList; break;
    case arrow::Type::LARGE_LIST: kind = Kind::kLargeList; break;
    case arrow::Type::FIXED_SIZE_LIST:
      kind = Kind::kFixedList;
      width = static_cast<const arrow::FixedSizeListType&>(t).list_size();
      break;
    case arrow::Type::STRUCT: kind = Kind::kStruct; break;
    case arrow::Type::MAP: {
      // The entries are objects with the keys "key" and "value", whatever the fields are called.
      kind = Kind::kMap;
      const auto& map = static_cast<const arrow::MapType&>(t);
      return AddChild(arrow::Field("entries",
                                   arrow::struct_({map.key_field()->WithName("key"), map.item_field()->WithName("value")}),
                                   /*nullable=*/false));
    }
    default: return Status::NotSupported("column '" + name + "': text cannot be read into the type " + t.ToString());
  }
  for (const auto& child : t.fields()) LANCEFS_RETURN_NOT_OK(AddChild(*child));
  return Status::OK();
}

Status ColumnBuilder::AddChild(const arrow::Field& field) {
  auto made = Make(field);
  if (!made.ok()) return name.empty() ? made.status() : made.status().WithContext("column '" + name + "'");
  children.push_back(std::move(made).MoveValue());
  if (!child_index_.emplace(children.back()->name, static_cast<int>(children.size()) - 1).second) {
    return Status::InvalidArgument("column '" + name + "' has two fields named '" + field.name() + "'");
  }
  return Status::OK();
}

int ColumnBuilder::FindChild(std::string_view child_name) const {
  const auto it = child_index_.find(child_name);
  return it == child_index_.end() ? -1 : it->second;
}

// ---- validity and offsets

void ColumnBuilder::AppendBit(bool bit) {
  if ((length & 7) == 0) validity_.Push<uint8_t>(0);
  if (bit) validity_.data()[length >> 3] |= static_cast<uint8_t>(1u << (length & 7));
}

void ColumnBuilder::MarkNull() {
  if (null_count_ == 0) {  // the bitmap starts with the first null
    const int64_t bytes = arrow::bit_util::BytesForBits(length);
    validity_.Reserve(bytes + 1);
    std::memset(validity_.data(), 0xff, static_cast<size_t>(bytes));
    validity_.Advance(bytes);
    if ((length & 7) != 0) validity_.data()[bytes - 1] = static_cast<uint8_t>((1u << (length & 7)) - 1);
  }
  AppendBit(false);
  ++null_count_;
  ++length;
}

void ColumnBuilder::PushOffset(int64_t offset) {
  if (kind == Kind::kLargeUtf8 || kind == Kind::kLargeBinary || kind == Kind::kLargeList) {
    values.Push<int64_t>(offset);
  } else {
    if (offset > std::numeric_limits<int32_t>::max()) throw std::bad_alloc();
    values.Push<int32_t>(static_cast<int32_t>(offset));
  }
}

void ColumnBuilder::CommitVariable() {
  PushOffset(data.size());
  MarkValid();
}

void ColumnBuilder::CommitNested() {
  if (kind == Kind::kList || kind == Kind::kLargeList || kind == Kind::kMap) PushOffset(children[0]->length);
  MarkValid();
}

// The place of a value that is null or a filler.
void ColumnBuilder::PushZero() {
  switch (kind) {
    case Kind::kNull: break;
    case Kind::kBool:
      if ((length & 7) == 0) values.Push<uint8_t>(0);
      break;
    case Kind::kUtf8:
    case Kind::kLargeUtf8:
    case Kind::kBinary:
    case Kind::kLargeBinary: PushOffset(data.size()); break;
    case Kind::kList:
    case Kind::kLargeList:
    case Kind::kMap: PushOffset(children[0]->length); break;
    case Kind::kFixedList:
      for (int32_t i = 0; i < width; ++i) children[0]->AppendFiller();
      break;
    case Kind::kStruct:
      for (auto& child : children) child->AppendFiller();
      break;
    default: values.AppendZeros(width);
  }
}

Fault ColumnBuilder::AppendNull() {
  if (!nullable) return Fault::kNull;
  PushZero();
  MarkNull();
  return Fault::kNone;
}

void ColumnBuilder::AppendFiller() {
  PushZero();
  if (nullable) {
    MarkNull();
  } else {
    MarkValid();
  }
}

// ---- scalars

template <typename T>
Fault ColumnBuilder::PushChecked(int64_t value) {
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return Fault::kRange;
  values.Push<T>(static_cast<T>(value));
  MarkValid();
  return Fault::kNone;
}

template <typename T>
Fault ColumnBuilder::PushUnsigned(std::string_view text, bool lenient) {
  uint64_t value = 0;
  const Fault fault = ParseUint64(text.data(), text.data() + text.size(), lenient, &value);
  if (fault != Fault::kNone) return fault;
  if (value > std::numeric_limits<T>::max()) return Fault::kRange;
  values.Push<T>(static_cast<T>(value));
  MarkValid();
  return Fault::kNone;
}

Fault ColumnBuilder::AppendInt(std::string_view text, Cell cell) {
  const bool lenient = cell == Cell::kCsv;
  switch (kind) {
    case Kind::kUint8: return PushUnsigned<uint8_t>(text, lenient);
    case Kind::kUint16: return PushUnsigned<uint16_t>(text, lenient);
    case Kind::kUint32: return PushUnsigned<uint32_t>(text, lenient);
    case Kind::kUint64: return PushUnsigned<uint64_t>(text, lenient);
    default: break;
  }
  int64_t value = 0;
  const Fault fault = ParseInt64(text.data(), text.data() + text.size(), lenient, &value);
  if (fault != Fault::kNone) return fault;
  switch (kind) {
    case Kind::kInt8: return PushChecked<int8_t>(value);
    case Kind::kInt16: return PushChecked<int16_t>(value);
    case Kind::kInt32: return PushChecked<int32_t>(value);
    default: return PushChecked<int64_t>(value);
  }
}

Fault ColumnBuilder::AppendFloating(std::string_view text, Cell cell) {
  // Of strings, only the canonical names of what JSON numbers cannot say.
  if (cell == Cell::kJsonString && text != "NaN" && text != "Infinity" && text != "-Infinity") return Fault::kType;
  const bool lenient = cell != Cell::kJsonNumber;
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (kind == Kind::kFloat || kind == Kind::kBFloat16) {
    float value = 0;
    const Fault fault = ParseFloat(begin, end, lenient, &value);
    if (fault != Fault::kNone) return fault;
    if (kind == Kind::kFloat) {
      values.Push<float>(value);
    } else {
      const uint16_t bits = BFloat16FromFloat(value);
      if (std::isfinite(value) && (bits & 0x7fff) == 0x7f80) return Fault::kRange;
      values.Push<uint16_t>(bits);
    }
  } else {
    double value = 0;
    Fault fault = ParseDouble(begin, end, lenient, &value);
    if (fault != Fault::kNone) return fault;
    if (kind == Kind::kDouble) {
      values.Push<double>(value);
    } else {
      uint16_t bits = 0;
      fault = HalfFromDouble(value, &bits);
      if (fault != Fault::kNone) return fault;
      values.Push<uint16_t>(bits);
    }
  }
  MarkValid();
  return Fault::kNone;
}

Fault ColumnBuilder::AppendTemporal(std::string_view text) {
  int64_t value = 0;
  Fault fault = Fault::kNone;
  switch (kind) {
    case Kind::kDate32:
    case Kind::kDate64: fault = ParseDate(text, &value); break;
    case Kind::kTime32:
    case Kind::kTime64: fault = ParseTime(text, unit, &value); break;
    default: fault = ParseTimestamp(text, unit, zoned, &value);
  }
  if (fault != Fault::kNone) return fault;
  if (kind == Kind::kDate32 || kind == Kind::kTime32) return PushChecked<int32_t>(value);
  return PushChecked<int64_t>(kind == Kind::kDate64 ? value * 86400000 : value);
}

Fault ColumnBuilder::AppendBinary(std::string_view text) {
  const auto room = static_cast<int64_t>(text.size() / 4 * 3 + 3);
  size_t size = 0;
  if (kind == Kind::kBinary || kind == Kind::kLargeBinary) {
    data.Reserve(room);
    const Fault fault = ParseBase64(text, data.end(), &size);
    if (fault != Fault::kNone) return fault;
    data.Advance(static_cast<int64_t>(size));
    CommitVariable();
    return Fault::kNone;
  }
  values.Reserve(std::max<int64_t>(room, width));
  const Fault fault = kind == Kind::kUuid ? ParseUuid(text, values.end()) : ParseBase64(text, values.end(), &size);
  if (fault != Fault::kNone) return fault;
  if (kind == Kind::kFixedBinary && size != static_cast<size_t>(width)) return Fault::kLength;
  values.Advance(width);
  MarkValid();
  return Fault::kNone;
}

Fault ColumnBuilder::AppendBool(bool value) {
  if (kind != Kind::kBool) return Fault::kType;
  if ((length & 7) == 0) values.Push<uint8_t>(0);
  if (value) values.data()[length >> 3] |= static_cast<uint8_t>(1u << (length & 7));
  MarkValid();
  return Fault::kNone;
}

Fault ColumnBuilder::AppendText(std::string_view text, Cell cell) {
  switch (kind) {
    case Kind::kUtf8:
    case Kind::kLargeUtf8:
      if (cell == Cell::kJsonNumber) return Fault::kType;
      data.Append(text.data(), static_cast<int64_t>(text.size()));
      CommitVariable();
      return Fault::kNone;
    case Kind::kHalf:
    case Kind::kBFloat16:
    case Kind::kFloat:
    case Kind::kDouble: return AppendFloating(text, cell);
    case Kind::kDecimal: {
      values.Reserve(width);
      const Fault fault = ParseDecimal(text, precision, scale, width, values.end());
      if (fault != Fault::kNone) return fault;
      values.Advance(width);
      MarkValid();
      return Fault::kNone;
    }
    case Kind::kBool: {
      if (cell != Cell::kCsv || text.size() < 4 || text.size() > 5) return Fault::kType;
      char lower[5];
      for (size_t i = 0; i < text.size(); ++i) lower[i] = static_cast<char>(text[i] | 0x20);
      const std::string_view word(lower, text.size());
      return word == "true" ? AppendBool(true) : word == "false" ? AppendBool(false) : Fault::kType;
    }
    case Kind::kDate32:
    case Kind::kDate64:
    case Kind::kTime32:
    case Kind::kTime64:
    case Kind::kTimestamp: return cell == Cell::kJsonNumber ? Fault::kType : AppendTemporal(text);
    case Kind::kBinary:
    case Kind::kLargeBinary:
    case Kind::kFixedBinary:
    case Kind::kUuid: return cell == Cell::kJsonNumber ? Fault::kType : AppendBinary(text);
    case Kind::kNull:
    case Kind::kList:
    case Kind::kLargeList:
    case Kind::kFixedList:
    case Kind::kStruct:
    case Kind::kMap: return Fault::kType;
    default: return cell == Cell::kJsonString ? Fault::kType : AppendInt(text, cell);
  }
}

// ---- finishing

Result<std::shared_ptr<arrow::ArrayData>> ColumnBuilder::FinishData() {
  std::vector<std::shared_ptr<arrow::Buffer>> buffers;
  std::vector<std::shared_ptr<arrow::ArrayData>> parts;
  for (auto& child : children) {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> finished, child->Finish());
    parts.push_back(finished->data());
  }
  if (kind == Kind::kMap) parts[0]->type = static_cast<const arrow::MapType&>(*storage).value_type();
  buffers.push_back(null_count_ > 0 && kind != Kind::kNull ? validity_.Finish() : nullptr);
  const bool offsets = HasEmptyText() || kind == Kind::kList || kind == Kind::kLargeList || kind == Kind::kMap;
  if (offsets || !IsNested()) buffers.push_back(kind == Kind::kNull ? nullptr : values.Finish());
  if (kind == Kind::kNull) buffers.resize(1);
  if (HasEmptyText()) buffers.push_back(data.Finish());
  auto array =
      arrow::ArrayData::Make(storage, length, std::move(buffers), std::move(parts), kind == Kind::kNull ? length : null_count_);
  length = 0;
  null_count_ = 0;
  if (offsets) PushOffset(0);
  return array;
}

Result<std::shared_ptr<arrow::Array>> ColumnBuilder::Finish() {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::ArrayData> array_data, FinishData());
  std::shared_ptr<arrow::Array> array = arrow::MakeArray(array_data);
  if (array->type()->Equals(*type)) return array;
  return FinishAs(array, type);
}

int64_t ColumnBuilder::MinimumRowBytes() const {
  switch (kind) {
    case Kind::kNull:
    case Kind::kBool: return 1;
    case Kind::kUtf8:
    case Kind::kBinary:
    case Kind::kList:
    case Kind::kMap: return 4;
    case Kind::kLargeUtf8:
    case Kind::kLargeBinary:
    case Kind::kLargeList: return 8;
    case Kind::kFixedList: return 1 + width * children[0]->MinimumRowBytes();
    case Kind::kStruct: {
      int64_t sum = 1;
      for (const auto& child : children) sum += child->MinimumRowBytes();
      return sum;
    }
    default: return width;
  }
}

}  // namespace lancefs::rows
