// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/column_assembler.h"

#include <string>

#include "engine/arrow_status.h"

namespace lancefs::structural {
namespace {

using Leaves = std::vector<std::unique_ptr<LeafColumn>>;

Status Uneven(const Field& field, uint64_t have, uint64_t want) {
  return Status::Corruption("field '" + field.name + "' has " + std::to_string(have) + " values where its parent has " +
                            std::to_string(want));
}

LayerValues& LayerOf(const FieldPlan& plan, Leaves* leaves) {
  std::vector<LayerValues>& layers = (*leaves)[static_cast<size_t>(plan.first_leaf)]->layers;
  return layers[layers.size() - 1 - plan.layer];
}

template <typename Offset>
Result<std::shared_ptr<arrow::Buffer>> OffsetBuffer(const std::vector<int64_t>& ends) {
  GrowBuffer out;
  LANCEFS_RETURN_NOT_OK(out.Reserve((ends.size() + 1) * sizeof(Offset)));
  if (!ends.empty() && ends.back() > std::numeric_limits<Offset>::max()) {
    return Status::TooLarge("the lists have " + std::to_string(ends.back()) +
                            " items, more than 32-bit offsets can address; read fewer rows at once");
  }
  auto* to = reinterpret_cast<Offset*>(out.end());
  to[0] = 0;
  for (size_t i = 0; i < ends.size(); ++i) to[i + 1] = static_cast<Offset>(ends[i]);
  out.Advance((ends.size() + 1) * sizeof(Offset));
  return out.Finish();
}

Result<std::shared_ptr<arrow::ArrayData>> Assemble(const FieldPlan& plan, Leaves* leaves, uint64_t slots);

// Arrow aborts on a map that does not keep its promises: entries and keys are never null. A field may claim otherwise.
Status CheckMapEntries(const Field& field, const arrow::ArrayData& entries) {
  if (entries.GetNullCount() != 0) return Status::Corruption("map '" + field.name + "' has entries that are null");
  if (entries.child_data.size() != 2) {
    return Status::Corruption("map '" + field.name + "' has entries of " + std::to_string(entries.child_data.size()) + " fields");
  }
  if (entries.child_data[0]->GetNullCount() != 0) return Status::Corruption("map '" + field.name + "' has keys that are null");
  return Status::OK();
}

Result<std::shared_ptr<arrow::ArrayData>> AssembleList(const FieldPlan& plan, Leaves* leaves, uint64_t slots) {
  LayerValues& layer = LayerOf(plan, leaves);
  const Field& field = *plan.field;
  const bool large = field.type->id() == arrow::Type::LARGE_LIST;
  Result<std::shared_ptr<arrow::Buffer>> offsets =
      large ? OffsetBuffer<int64_t>(layer.offsets) : OffsetBuffer<int32_t>(layer.offsets);
  if (!offsets.ok()) return offsets.status();
  const uint64_t items = layer.offsets.empty() ? 0 : static_cast<uint64_t>(layer.offsets.back());
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ArrayData> child, Assemble(plan.children[0], leaves, items));
  if (field.type->id() == arrow::Type::MAP) LANCEFS_RETURN_NOT_OK(CheckMapEntries(field, *child));
  const auto nulls = static_cast<int64_t>(layer.validity.null_count());
  return arrow::ArrayData::Make(field.type, static_cast<int64_t>(slots), {layer.validity.Finish(), *offsets}, {std::move(child)},
                                nulls);
}

Result<std::shared_ptr<arrow::ArrayData>> Assemble(const FieldPlan& plan, Leaves* leaves, uint64_t slots) {
  const Field& field = *plan.field;
  if (plan.first_leaf < 0) {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> nulls, MakeNullArray(field, slots));
    return nulls->data();
  }
  LayerValues& layer = LayerOf(plan, leaves);
  if (layer.slots != slots) return Uneven(field, layer.slots, slots);
  if (plan.leaf >= 0) {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> array,
                             (*leaves)[static_cast<size_t>(plan.leaf)]->values.Finish(&layer.validity));
    return array->data();
  }
  if (field.type->id() == arrow::Type::LIST || field.type->id() == arrow::Type::LARGE_LIST ||
      field.type->id() == arrow::Type::MAP) {
    return AssembleList(plan, leaves, slots);
  }
  uint64_t child_slots = slots;
  if (field.type->id() == arrow::Type::FIXED_SIZE_LIST) {
    child_slots *= static_cast<uint64_t>(static_cast<const arrow::FixedSizeListType&>(*field.type).list_size());
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const FieldPlan& child : plan.children) {
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ArrayData> data, Assemble(child, leaves, child_slots));
    children.push_back(std::move(data));
  }
  // A struct that holds nothing but an empty struct is never null either, as the reference reads it.
  const LeafShape& shape = (*leaves)[static_cast<size_t>(plan.first_leaf)]->values.shape();
  if (field.type->id() == arrow::Type::STRUCT && shape.kind == ShapeKind::kEmptyStruct && !shape.packed)
    return arrow::ArrayData::Make(field.type, static_cast<int64_t>(slots), {nullptr}, std::move(children), 0);
  const auto nulls = static_cast<int64_t>(layer.validity.null_count());
  return arrow::ArrayData::Make(field.type, static_cast<int64_t>(slots), {layer.validity.Finish()}, std::move(children), nulls);
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> AssembleField(const FieldPlan& plan, Leaves* leaves, uint64_t rows) {
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ArrayData> data, Assemble(plan, leaves, rows));
  return arrow::MakeArray(std::move(data));
}

}  // namespace lancefs::structural
