// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/batch_filter.h"

#include <arrow/array/concatenate.h>

#include <algorithm>

#include "engine/arrow_status.h"

namespace lancefs {
namespace {

using v1::Nulls;

class Knowledge {
 public:
  Knowledge(const KnownNulls& known, size_t batch) : known_(known), batch_(batch) {}
  Nulls Of(int32_t field) const {
    const auto found = known_.nulls.find(field);
    return found == known_.nulls.end() ? Nulls::kUnknown : found->second[batch_];
  }
  bool SameAs(size_t batch) const {
    return std::all_of(known_.nulls.begin(), known_.nulls.end(),
                       [&](const auto& field) { return field.second[batch_] == field.second[batch]; });
  }

 private:
  const KnownNulls& known_;
  size_t batch_;
};

// `array` as the filter shall see it. Where no value is null, `*type` becomes one that forbids nulls.
Result<std::shared_ptr<arrow::Array>> Adapt(const Knowledge& knowledge, const Field& field, std::shared_ptr<arrow::Array> array,
                                            std::shared_ptr<arrow::Field>* type) {
  const Nulls nulls = knowledge.Of(field.id);
  if (nulls == Nulls::kAll) return MakeNullArray(field, static_cast<uint64_t>(array->length()));
  if (nulls == Nulls::kNone) *type = (*type)->WithNullable(false);
  if (array->type_id() != arrow::Type::STRUCT || field.children.empty()) return array;
  const auto& parts = static_cast<const arrow::StructArray&>(*array);
  std::vector<std::shared_ptr<arrow::Array>> children;
  arrow::FieldVector types;
  bool changed = false;
  for (size_t i = 0; i < field.children.size(); ++i) {
    std::shared_ptr<arrow::Array> before = parts.field(static_cast<int>(i));
    std::shared_ptr<arrow::Field> child_type = array->type()->field(static_cast<int>(i));
    LANCEFS_ASSIGN_OR_RETURN(auto child, Adapt(knowledge, field.children[i], before, &child_type));
    changed |= child != before || child_type->nullable() != array->type()->field(static_cast<int>(i))->nullable();
    // A value is never null only if nothing around it is.
    if (!child_type->nullable()) *type = (*type)->WithNullable(false);
    children.push_back(std::move(child));
    types.push_back(std::move(child_type));
  }
  if (!changed) return array;
  LANCEFS_ARROW_ASSIGN(array, arrow::StructArray::Make(children, types));
  *type = (*type)->WithType(array->type());
  return array;
}

Result<std::shared_ptr<arrow::BooleanArray>> EvaluateAlike(const Expression& filter, const Knowledge& knowledge,
                                                           const std::vector<Field>& fields, const arrow::RecordBatch& input) {
  std::vector<std::shared_ptr<arrow::Array>> columns = input.columns();
  arrow::FieldVector types = input.schema()->fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(columns[i], Adapt(knowledge, fields[i], columns[i], &types[i]));
  }
  return EvaluateFilter(filter, *arrow::RecordBatch::Make(arrow::schema(std::move(types)), input.num_rows(), std::move(columns)));
}

}  // namespace

Result<std::shared_ptr<arrow::BooleanArray>> EvaluateByBatches(const Expression& filter, const KnownNulls& known,
                                                               const std::vector<Field>& fields, const RowSelection& rows,
                                                               const arrow::RecordBatch& input) {
  const std::vector<uint32_t>& offsets = known.batch_offsets;
  arrow::ArrayVector masks;
  int64_t start = 0;  // of the run of batches of which the same is known
  int64_t position = 0;
  size_t run = 0;
  auto finish = [&]() -> Status {
    if (position == start) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(auto mask,
                             EvaluateAlike(filter, Knowledge(known, run), fields, *input.Slice(start, position - start)));
    masks.push_back(std::move(mask));
    start = position;
    return Status::OK();
  };
  size_t batch = 0;
  for (const RowRange& range : rows) {
    for (uint64_t row = range.start; row < range.end;) {
      batch = static_cast<size_t>(std::upper_bound(offsets.begin() + static_cast<ptrdiff_t>(batch), offsets.end(), row) -
                                  offsets.begin()) -
              1;
      if (batch + 1 >= offsets.size()) return Status::Internal("rows behind the last batch");
      if (!Knowledge(known, run).SameAs(batch)) LANCEFS_RETURN_NOT_OK(finish());
      if (position == start) run = batch;
      const uint64_t end = std::min<uint64_t>(range.end, offsets[batch + 1]);
      position += static_cast<int64_t>(end - row);
      row = end;
    }
  }
  LANCEFS_RETURN_NOT_OK(finish());
  if (masks.empty()) return EvaluateFilter(filter, input);
  if (masks.size() == 1) return std::static_pointer_cast<arrow::BooleanArray>(masks[0]);
  LANCEFS_ARROW_ASSIGN(auto whole, arrow::Concatenate(masks));
  return std::static_pointer_cast<arrow::BooleanArray>(whole);
}

}  // namespace lancefs
