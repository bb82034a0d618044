// SPDX-License-Identifier: Apache-2.0
//
// The bound tree: nodes with types that evaluate over a batch. Built by the binder alone.
//
// Thread safety: nodes are immutable once built.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/sql/column.h"
#include "engine/sql/kernels.h"
#include "engine/sql/types.h"

namespace lancefs::sql {

class Node {
 public:
  explicit Node(TypePtr type) : type_(std::move(type)) {}
  virtual ~Node() = default;
  const TypePtr& type() const { return type_; }
  // One row (constant) or batch.num_rows() rows.
  virtual Result<Column> Evaluate(const arrow::RecordBatch& batch) const = 0;

 private:
  TypePtr type_;
};
using NodePtr = std::shared_ptr<const Node>;

class ConstantNode : public Node {
 public:
  explicit ConstantNode(Column value) : Node(value.type()), value_(std::move(value)) {}
  const Column& value() const { return value_; }
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override { return value_; }

 private:
  Column value_;
};

// A (nested) column, found by name in the batch.
class ColumnNode : public Node {
 public:
  ColumnNode(std::vector<std::string> path, TypePtr raw_type)
      : Node(PlainType(raw_type)), path_(std::move(path)), raw_type_(std::move(raw_type)) {}
  const std::vector<std::string>& path() const { return path_; }
  const TypePtr& raw_type() const { return raw_type_; }
  // With dictionary and extension wrappers, as a projection wants it.
  Result<std::shared_ptr<arrow::Array>> Read(const arrow::RecordBatch& batch) const;
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  std::vector<std::string> path_;
  TypePtr raw_type_;
};

// Whether a column is (`negated`: is not) null. The batch's schema may forbid nulls; then there are none, whatever the array
// says.
class NullCheckNode : public Node {
 public:
  NullCheckNode(std::shared_ptr<const ColumnNode> column, bool negated)
      : Node(arrow::boolean()), column_(std::move(column)), negated_(negated) {}
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  std::shared_ptr<const ColumnNode> column_;
  bool negated_;
};

class CastNode : public Node {
 public:
  CastNode(NodePtr child, TypePtr type, bool try_cast) : Node(std::move(type)), child_(std::move(child)), try_cast_(try_cast) {}
  const NodePtr& child() const { return child_; }
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  NodePtr child_;
  bool try_cast_;
};

// Anything that takes its arguments' columns and gives one.
using Kernel = std::function<Result<Column>(const std::vector<Column>& arguments, int64_t rows)>;
class CallNode : public Node {
 public:
  CallNode(TypePtr type, std::vector<NodePtr> arguments, Kernel kernel)
      : Node(std::move(type)), arguments_(std::move(arguments)), kernel_(std::move(kernel)) {}
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  std::vector<NodePtr> arguments_;
  Kernel kernel_;
};

// AND / OR over any number of terms; stops as soon as the rest cannot change the result.
class LogicNode : public Node {
 public:
  LogicNode(bool is_and, std::vector<NodePtr> terms) : Node(arrow::boolean()), is_and_(is_and), terms_(std::move(terms)) {}
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  bool is_and_;
  std::vector<NodePtr> terms_;
};

// CASE: conditions and values by turns; each value is computed only over the rows that need it.
class CaseNode : public Node {
 public:
  CaseNode(TypePtr type, std::vector<NodePtr> conditions, std::vector<NodePtr> values, NodePtr otherwise)
      : Node(std::move(type)), conditions_(std::move(conditions)), values_(std::move(values)), otherwise_(std::move(otherwise)) {}
  Result<Column> Evaluate(const arrow::RecordBatch& batch) const override;

 private:
  std::vector<NodePtr> conditions_;
  std::vector<NodePtr> values_;
  NodePtr otherwise_;  // may be null
};

// `value [NOT] IN (constants)` over a hash set; null if the layout has none (compare one by one instead).
// `items` have the type of `value`.
NodePtr MakeInSet(const NodePtr& value, const std::vector<Column>& items, bool negated);

inline const Column* ConstantOf(const NodePtr& node) {
  const auto* constant = dynamic_cast<const ConstantNode*>(node.get());
  return constant ? &constant->value() : nullptr;
}

}  // namespace lancefs::sql
