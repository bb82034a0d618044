// SPDX-License-Identifier: Apache-2.0
//
// ColumnRead for 2.1 and 2.2 files: the leaf columns below a field, their touched pages, and the
// assembly of what they give.
#include <algorithm>
#include <string>

#include "engine/format/blob_descriptor.h"
#include "engine/format/column_read.h"
#include "engine/format/structural/column_assembler.h"

namespace lancefs {
namespace structural {
namespace {

// One leaf column.
struct Leaf {
  std::string name;  // for messages
  uint32_t column = 0;
  std::shared_ptr<const ColumnInfo> info;
  LeafShape shape;
  LeafPath path;            // innermost first
  uint64_t rows_scale = 1;  // column rows a top-level row: under fixed-size lists of structs
  std::vector<size_t> page_indices;
  std::vector<std::unique_ptr<PageRead>> pages;
};

class StructuralColumnRead final : public ColumnRead {
 public:
  StructuralColumnRead(std::shared_ptr<LanceFile> file, const Field& field, RowSelection rows)
      : file_(std::move(file)), field_(field), rows_(std::move(rows)) {}

  Status Init(const FieldColumns& columns, const ColumnInfos& infos);
  Result<std::vector<ByteRange>> NextReads() override;
  Status Supply(std::vector<Bytes> answers) override;
  Result<std::shared_ptr<arrow::Array>> Decode() override;

 private:
  struct Ancestors {
    LeafPath path;  // outermost first
    uint64_t scale = 1;
    std::string name;
  };

  Status Plan(const Field& field, Ancestors ancestors, const FieldColumns& columns, const ColumnInfos& infos, FieldPlan* plan);
  Status PlanLeaf(const Field& field, const Ancestors& ancestors, uint32_t column, const ColumnInfos& infos, FieldPlan* plan);
  Status OpenPages(Leaf* leaf);
  Status InPage(const Leaf& leaf, size_t page, const Status& status) const;

  std::shared_ptr<LanceFile> file_;
  const Field field_;  // a copy: the caller's may go
  RowSelection rows_;
  FieldPlan plan_;
  std::vector<Leaf> leaves_;
};

Status StructuralColumnRead::InPage(const Leaf& leaf, size_t page, const Status& status) const {
  if (status.ok()) return status;
  return status.WithContext("data file " + file_->path() + ", field '" + leaf.name + "', column " + std::to_string(leaf.column) +
                            ", page " + std::to_string(page));
}

Status StructuralColumnRead::PlanLeaf(const Field& field, const Ancestors& ancestors, uint32_t column, const ColumnInfos& infos,
                                      FieldPlan* plan) {
  const auto info = infos.find(column);
  if (info == infos.end() || info->second == nullptr)
    return Status::Internal("the metadata of column " + std::to_string(column) + " was not read");
  Leaf leaf;
  leaf.name = ancestors.name;
  leaf.column = column;
  leaf.info = info->second;
  Result<LeafShape> shape = LeafShape::Make(field.type);
  if (!shape.ok()) return shape.status().WithContext("field '" + leaf.name + "'");
  leaf.shape = *shape;
  leaf.shape.packed = field.IsPackedStruct();
  leaf.path.assign(ancestors.path.rbegin(), ancestors.path.rend());
  leaf.rows_scale = ancestors.scale;
  plan->leaf = plan->first_leaf = static_cast<int>(leaves_.size());
  leaves_.push_back(std::move(leaf));
  return Status::OK();
}

Status StructuralColumnRead::Plan(const Field& field, Ancestors ancestors, const FieldColumns& columns, const ColumnInfos& infos,
                                  FieldPlan* plan) {
  plan->field = &field;
  ancestors.name += (ancestors.name.empty() ? "" : ".") + field.name;
  if (field.IsBlob() && !field.type->Equals(*BlobDescriptorType()))
    return Status::NotSupported("field '" + ancestors.name + "': of blobs only their descriptors can be read here");
  PathStep step;
  const arrow::Type::type type = field.type->id();
  step.list = type == arrow::Type::LIST || type == arrow::Type::LARGE_LIST || type == arrow::Type::MAP;
  if (field.IsPhysicalLeaf()) {
    plan->layer = ancestors.path.size();
    step.list = false;
    ancestors.path.push_back(step);
    const auto column = columns.find(field.id);
    if (column == columns.end()) return Status::OK();
    return PlanLeaf(field, ancestors, column->second, infos, plan);
  }
  if (type == arrow::Type::FIXED_SIZE_LIST) {
    step.dimension = static_cast<uint32_t>(static_cast<const arrow::FixedSizeListType&>(*field.type).list_size());
    ancestors.scale *= step.dimension;
    if (ancestors.scale > (uint64_t{1} << 31))
      return Status::NotSupported("field '" + ancestors.name + "': too large fixed-size lists");
  }
  plan->layer = ancestors.path.size();
  ancestors.path.push_back(step);
  plan->children.resize(field.children.size());
  for (size_t i = 0; i < field.children.size(); ++i) {
    LANCEFS_RETURN_NOT_OK(Plan(field.children[i], ancestors, columns, infos, &plan->children[i]));
    const FieldPlan& child = plan->children[i];
    if (child.first_leaf < 0) continue;
    // An empty struct's column does not repeat the levels around it.
    const bool better =
        plan->first_leaf >= 0 && leaves_[static_cast<size_t>(plan->first_leaf)].shape.kind == ShapeKind::kEmptyStruct;
    if (plan->first_leaf < 0 || better) plan->first_leaf = child.first_leaf;
  }
  return Status::OK();
}

Status StructuralColumnRead::OpenPages(Leaf* leaf) {
  const std::vector<PageInfo>& pages = leaf->info->pages;
  const uint64_t scale = leaf->rows_scale;
  if (!rows_.empty() && rows_.back().end > leaf->info->num_rows / scale) {
    return Status::InvalidArgument("data file " + file_->path() + ", field '" + leaf->name + "': row " +
                                   std::to_string(rows_.back().end - 1) + " was asked for but column " +
                                   std::to_string(leaf->column) + " has " + std::to_string(leaf->info->num_rows / scale) +
                                   " rows");
  }
  size_t range = 0;
  for (size_t i = 0; i < pages.size() && range < rows_.size(); ++i) {
    const uint64_t first = pages[i].first_row;
    const uint64_t end = first + pages[i].length;
    if (pages[i].length == 0 || rows_[range].start * scale >= end) continue;
    RowSelection in_page;
    for (; range < rows_.size() && rows_[range].start * scale < end; ++range) {
      in_page.push_back({std::max(rows_[range].start * scale, first) - first, std::min(rows_[range].end * scale, end) - first});
      if (rows_[range].end * scale > end) break;  // goes on in the next page
    }
    PageContext context{file_, leaf->column, i, &pages[i], leaf->path, leaf->shape};
    Result<std::unique_ptr<PageRead>> read = MakePageRead(context, std::move(in_page));
    if (!read.ok()) return InPage(*leaf, i, read.status());
    leaf->page_indices.push_back(i);
    leaf->pages.push_back(std::move(*read));
  }
  return Status::OK();
}

Status StructuralColumnRead::Init(const FieldColumns& columns, const ColumnInfos& infos) {
  LANCEFS_RETURN_NOT_OK(Plan(field_, {}, columns, infos, &plan_));
  for (Leaf& leaf : leaves_) LANCEFS_RETURN_NOT_OK(OpenPages(&leaf));
  return Status::OK();
}

Result<std::vector<ByteRange>> StructuralColumnRead::NextReads() {
  std::vector<ByteRange> ranges;
  for (const Leaf& leaf : leaves_) {
    for (const auto& page : leaf.pages) {
      const std::vector<ByteRange> wanted = page->NextReads();
      ranges.insert(ranges.end(), wanted.begin(), wanted.end());
    }
  }
  return ranges;
}

Status StructuralColumnRead::Supply(std::vector<Bytes> answers) {
  size_t position = 0;
  for (Leaf& leaf : leaves_) {
    for (size_t i = 0; i < leaf.pages.size(); ++i) {
      const std::vector<ByteRange> wanted = leaf.pages[i]->NextReads();
      if (wanted.empty()) continue;
      if (answers.size() - position < wanted.size()) return Status::Internal("too few answers to a column read");
      std::vector<Bytes> mine;
      mine.reserve(wanted.size());
      for (size_t k = 0; k < wanted.size(); ++k) {
        if (answers[position].size() != wanted[k].length) return Status::Internal("an answer of the wrong size to a column read");
        mine.push_back(std::move(answers[position++]));
      }
      LANCEFS_RETURN_NOT_OK(InPage(leaf, leaf.page_indices[i], leaf.pages[i]->Supply(std::move(mine))));
    }
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> StructuralColumnRead::Decode() {
  std::vector<std::unique_ptr<LeafColumn>> columns;
  const uint64_t rows = CountRows(rows_);
  for (Leaf& leaf : leaves_) {
    auto column = std::make_unique<LeafColumn>(leaf.shape, leaf.path.size(), MaxArrayBytes(*file_, *leaf.info));
    const bool lists = std::any_of(leaf.path.begin(), leaf.path.end(), [](const PathStep& step) { return step.list; });
    if (!lists) LANCEFS_RETURN_NOT_OK(column->values.Reserve(rows * leaf.rows_scale));
    for (size_t i = 0; i < leaf.pages.size(); ++i) {
      LANCEFS_RETURN_NOT_OK(InPage(leaf, leaf.page_indices[i], leaf.pages[i]->Decode(column.get())));
      leaf.pages[i].reset();  // its bytes are not needed any more
    }
    columns.push_back(std::move(column));
  }
  Result<std::shared_ptr<arrow::Array>> array = AssembleField(plan_, &columns, rows);
  if (!array.ok()) return array.status().WithContext("data file " + file_->path() + ", field '" + field_.name + "'");
  return array;
}

}  // namespace
}  // namespace structural

Result<std::unique_ptr<ColumnRead>> MakeColumnReadStructural(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                             const FieldColumns& columns, const ColumnInfos& infos,
                                                             RowSelection rows) {
  auto read = std::make_unique<structural::StructuralColumnRead>(file, field, std::move(rows));
  LANCEFS_RETURN_NOT_OK(read->Init(columns, infos));
  return std::unique_ptr<ColumnRead>(std::move(read));
}

}  // namespace lancefs
