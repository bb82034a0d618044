// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/nodes.h"

#include <arrow/compute/api.h>

#include <string_view>
#include <unordered_set>

#include "engine/sql/cast.h"

namespace lancefs::sql {

Result<std::shared_ptr<arrow::Array>> ColumnNode::Read(const arrow::RecordBatch& batch) const {
  std::shared_ptr<arrow::Array> array = batch.GetColumnByName(path_[0]);
  if (!array) return Status::InvalidArgument("the batch has no column '" + path_[0] + "'");
  for (size_t i = 1; i < path_.size(); ++i) {
    if (array->type_id() == arrow::Type::EXTENSION) array = static_cast<const arrow::ExtensionArray&>(*array).storage();
    if (array->type_id() != arrow::Type::STRUCT) return Status::InvalidArgument("'" + path_[i - 1] + "' is no struct");
    const auto& fields = static_cast<const arrow::StructArray&>(*array);
    const int index = static_cast<const arrow::StructType&>(*array->type()).GetFieldIndex(path_[i]);
    if (index < 0) return Status::InvalidArgument("the batch has no field '" + path_[i] + "' in '" + path_[i - 1] + "'");
    LANCEFS_ARROW_ASSIGN(array, fields.GetFlattenedField(index));
  }
  return array;
}

Result<Column> ColumnNode::Evaluate(const arrow::RecordBatch& batch) const {
  LANCEFS_ASSIGN_OR_RETURN(auto raw, Read(batch));
  LANCEFS_ASSIGN_OR_RETURN(auto array, Plain(raw));
  if (PhysOf(*type()) != Phys::kOther && array->type_id() != type()->id()) {
    return Status::InvalidArgument("column '" + path_.back() + "' is " + array->type()->ToString() + ", expected " +
                                   type()->ToString());
  }
  return Column{std::move(array), false};
}

namespace {

bool ForbidsNulls(const arrow::Schema& schema, const std::vector<std::string>& path) {
  std::shared_ptr<arrow::Field> field = schema.GetFieldByName(path[0]);
  for (size_t i = 1; field != nullptr && !field->nullable() && i < path.size(); ++i) {
    const arrow::DataType* type = field->type().get();
    if (type->id() == arrow::Type::EXTENSION) type = static_cast<const arrow::ExtensionType*>(type)->storage_type().get();
    if (type->id() != arrow::Type::STRUCT) return false;
    field = static_cast<const arrow::StructType*>(type)->GetFieldByName(path[i]);
  }
  return field != nullptr && !field->nullable();
}

}  // namespace

Result<Column> NullCheckNode::Evaluate(const arrow::RecordBatch& batch) const {
  if (ForbidsNulls(*batch.schema(), column_->path())) {
    LANCEFS_ASSIGN_OR_RETURN(auto bit, NewBitmap(1, negated_));
    return Column{std::make_shared<arrow::BooleanArray>(1, std::move(bit)), true};
  }
  LANCEFS_ASSIGN_OR_RETURN(const Column values, column_->Evaluate(batch));
  return IsNull(values, batch.num_rows(), negated_);
}

Result<Column> CastNode::Evaluate(const arrow::RecordBatch& batch) const {
  LANCEFS_ASSIGN_OR_RETURN(Column value, child_->Evaluate(batch));
  return CastColumn(value, type(), try_cast_);
}

Result<Column> CallNode::Evaluate(const arrow::RecordBatch& batch) const {
  std::vector<Column> columns;
  columns.reserve(arguments_.size());
  for (const NodePtr& argument : arguments_) {
    LANCEFS_ASSIGN_OR_RETURN(Column column, argument->Evaluate(batch));
    columns.push_back(std::move(column));
  }
  return kernel_(columns, batch.num_rows());
}

namespace {

// True when AND has no row left that could become true (OR: all rows are true).
bool Decided(bool is_and, const Column& column) {
  if (column.array->type_id() == arrow::Type::NA) return false;
  const auto& bools = static_cast<const arrow::BooleanArray&>(*column.array);
  return is_and ? bools.null_count() == 0 && bools.true_count() == 0 : bools.true_count() == bools.length();
}

}  // namespace

Result<Column> LogicNode::Evaluate(const arrow::RecordBatch& batch) const {
  LANCEFS_ASSIGN_OR_RETURN(Column result, terms_[0]->Evaluate(batch));
  for (size_t i = 1; i < terms_.size(); ++i) {
    if (Decided(is_and_, result)) return result;
    LANCEFS_ASSIGN_OR_RETURN(Column term, terms_[i]->Evaluate(batch));
    LANCEFS_ASSIGN_OR_RETURN(result, Combine(is_and_, result, term, batch.num_rows()));
  }
  return result;
}

Result<Column> CaseNode::Evaluate(const arrow::RecordBatch& batch) const {
  const int64_t rows = batch.num_rows();
  std::vector<int64_t> source(static_cast<size_t>(rows), -1);  // the branch that gives the row
  for (size_t branch = 0; branch < conditions_.size(); ++branch) {
    LANCEFS_ASSIGN_OR_RETURN(Column condition, conditions_[branch]->Evaluate(batch));
    const Bools truth(condition);
    for (int64_t i = 0; i < rows; ++i) {
      auto& branch_of_row = source[static_cast<size_t>(i)];
      if (branch_of_row < 0 && !condition.IsNull(i) && truth[i]) branch_of_row = static_cast<int64_t>(branch);
    }
  }
  // Every branch is computed over its own rows; then the rows are put back in order.
  std::vector<std::shared_ptr<arrow::Array>> pieces;
  std::vector<int64_t> position(static_cast<size_t>(rows), 0);
  int64_t base = 0;
  for (int64_t branch = -1; branch < static_cast<int64_t>(values_.size()); ++branch) {
    arrow::Int64Builder picked;
    for (int64_t i = 0; i < rows; ++i) {
      if (source[static_cast<size_t>(i)] != branch) continue;
      position[static_cast<size_t>(i)] = base + picked.length();
      LANCEFS_ARROW_NOT_OK(picked.Append(i));
    }
    if (picked.length() == 0) continue;
    LANCEFS_ARROW_ASSIGN(auto indices, picked.Finish());
    const int64_t count = indices->length();
    base += count;
    const NodePtr& node = branch < 0 ? otherwise_ : values_[static_cast<size_t>(branch)];
    if (!node) {
      LANCEFS_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type(), count));
      pieces.push_back(std::move(nulls));
      continue;
    }
    LANCEFS_ARROW_ASSIGN(arrow::Datum part, arrow::compute::Take(arrow::Datum(batch.Slice(0)), arrow::Datum(indices)));
    LANCEFS_ASSIGN_OR_RETURN(Column value, node->Evaluate(*part.record_batch()));
    LANCEFS_ASSIGN_OR_RETURN(auto array, Materialize(value, count));
    pieces.push_back(std::move(array));
  }
  if (pieces.empty()) {
    LANCEFS_ARROW_ASSIGN(auto none, arrow::MakeArrayOfNull(type(), 0));
    return Column{std::move(none), false};
  }
  LANCEFS_ARROW_ASSIGN(auto all, arrow::Concatenate(pieces));
  arrow::Int64Builder order;
  LANCEFS_ARROW_NOT_OK(order.AppendValues(position));
  LANCEFS_ARROW_ASSIGN(auto order_array, order.Finish());
  LANCEFS_ARROW_ASSIGN(arrow::Datum taken, arrow::compute::Take(all, order_array));
  return Column{taken.make_array(), false};
}

namespace {

// A flat set of 64-bit keys: open addressing, at most half full.
class KeySet {
 public:
  explicit KeySet(const std::vector<uint64_t>& keys) {
    size_t size = 16;
    while (size < keys.size() * 2) size *= 2;
    mask_ = size - 1;
    slots_.resize(size);
    used_.resize(size);
    for (uint64_t key : keys) {
      size_t at = Hash(key) & mask_;
      while (used_[at] && slots_[at] != key) at = (at + 1) & mask_;
      slots_[at] = key;
      used_[at] = 1;
    }
  }
  bool Contains(uint64_t key) const {
    for (size_t at = Hash(key) & mask_; used_[at]; at = (at + 1) & mask_) {
      if (slots_[at] == key) return true;
    }
    return false;
  }

 private:
  static size_t Hash(uint64_t key) {
    key *= 0x9E3779B97F4A7C15ULL;
    return static_cast<size_t>(key ^ (key >> 32));
  }
  std::vector<uint64_t> slots_;
  std::vector<uint8_t> used_;
  size_t mask_;
};

template <typename T>
uint64_t KeyOf(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (value == 0) value = 0;  // -0 and +0 are one
    return static_cast<uint64_t>(TotalOrder(value));
  } else {
    return static_cast<uint64_t>(value);
  }
}

class NumberSetNode : public Node {
 public:
  NumberSetNode(NodePtr value, KeySet set, bool has_null, bool negated)
      : Node(arrow::boolean()), value_(std::move(value)), set_(std::move(set)), has_null_(has_null), negated_(negated) {}

  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override {
    LANCEFS_ASSIGN_OR_RETURN(Column in, value_->Evaluate(batch));
    const int64_t rows = in.array->length();
    LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(rows));
    LANCEFS_RETURN_NOT_OK(VisitNumeric(PhysOf(*in.type()), [&](auto tag) {
      using T = decltype(tag);
      const T* data = Values<T>(in).data;
      for (int64_t i = 0; i < rows; ++i) {
        if (set_.Contains(KeyOf(data[i]))) arrow::bit_util::SetBit(bits->mutable_data(), i);
      }
      return Status::OK();
    }));
    return FinishSet(in, std::move(bits), has_null_, negated_);
  }

  // NOT and the nulls: a null value is unknown; so is a miss when the list holds a null.
  static Result<Column> FinishSet(const Column& in, std::shared_ptr<arrow::Buffer> bits, bool has_null, bool negated) {
    const int64_t rows = in.array->length();
    const Column whole{in.array, false};
    const Column* columns[] = {&whole};
    int64_t nulls;
    LANCEFS_ASSIGN_OR_RETURN(auto validity, CombineValidity(columns, 1, rows, &nulls));
    if (has_null) {
      LANCEFS_ASSIGN_OR_RETURN(auto known, NewBitmap(rows));
      for (int64_t i = 0; i < arrow::bit_util::BytesForBits(rows); ++i) {
        known->mutable_data()[i] = static_cast<uint8_t>(bits->data()[i] & (validity ? validity->data()[i] : 0xFF));
      }
      validity = std::move(known);
    }
    Column result = MakeBools(std::move(bits), std::move(validity), rows, in.constant);
    if (!negated) return result;
    return Not(result);
  }

 private:
  NodePtr value_;
  KeySet set_;
  bool has_null_;
  bool negated_;
};

class StringSetNode : public Node {
 public:
  StringSetNode(NodePtr value, std::vector<std::string> items, bool has_null, bool negated)
      : Node(arrow::boolean()), value_(std::move(value)), items_(std::move(items)), has_null_(has_null), negated_(negated) {
    set_.reserve(items_.size() * 2);
    for (const std::string& item : items_) set_.insert(item);
  }

  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override {
    LANCEFS_ASSIGN_OR_RETURN(Column in, value_->Evaluate(batch));
    const int64_t rows = in.array->length();
    LANCEFS_ASSIGN_OR_RETURN(auto bits, NewBitmap(rows));
    const Strings strings(in);
    for (int64_t i = 0; i < rows; ++i) {
      if (set_.contains(strings[i])) arrow::bit_util::SetBit(bits->mutable_data(), i);
    }
    return NumberSetNode::FinishSet(in, std::move(bits), has_null_, negated_);
  }

 private:
  NodePtr value_;
  std::vector<std::string> items_;
  std::unordered_set<std::string_view> set_;
  bool has_null_;
  bool negated_;
};

}  // namespace

NodePtr MakeInSet(const NodePtr& value, const std::vector<Column>& items, bool negated) {
  const Phys phys = PhysOf(*value->type());
  bool has_null = false;
  if (phys == Phys::kBytes) {
    std::vector<std::string> strings;
    for (const Column& item : items) {
      if (item.ConstantNull()) {
        has_null = true;
      } else {
        strings.emplace_back(Strings(item)[0]);
      }
    }
    return std::make_shared<StringSetNode>(value, std::move(strings), has_null, negated);
  }
  std::vector<uint64_t> keys;
  for (const Column& item : items) {
    if (item.ConstantNull()) {
      has_null = true;
      continue;
    }
    const Status status = VisitNumeric(phys, [&](auto tag) {
      keys.push_back(KeyOf(Values<decltype(tag)>(item)[0]));
      return Status::OK();
    });
    if (!status.ok()) return nullptr;
  }
  if (!VisitNumeric(phys, [](auto) { return Status::OK(); }).ok()) return nullptr;
  return std::make_shared<NumberSetNode>(value, KeySet(keys), has_null, negated);
}

}  // namespace lancefs::sql
