// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/planar_page.h"

namespace lancefs::structural {
namespace {

using pb::v21::PageLayout;

Status DenseChunks(const pb::v23::DenseStructure& structure, const pb::v23::ChunkedValues& values, PageLayout* out) {
  if (!values.has_levels()) return Status::Corruption("a dense page of chunks says nothing of its levels");
  if (values.has_dictionary() != (values.num_dictionary_items() > 0))
    return Status::Corruption("the page's dictionary and its number of items do not fit");
  pb::v21::MiniBlockLayout* layout = out->mutable_mini_block_layout();
  if (values.levels().has_repetition()) *layout->mutable_rep_compression() = values.levels().repetition();
  if (values.levels().has_definition()) *layout->mutable_def_compression() = values.levels().definition();
  layout->set_repetition_index_depth(values.levels().repetition_index_depth());
  *layout->mutable_value_compression() = values.compression();
  if (values.has_dictionary()) *layout->mutable_dictionary() = values.dictionary();
  layout->set_num_dictionary_items(values.num_dictionary_items());
  layout->set_num_buffers(values.num_buffers());
  layout->set_num_items(values.num_items());
  *layout->mutable_layers() = structure.layers();
  layout->set_has_large_chunk(true);
  return Status::OK();
}

Status DenseZipped(const pb::v23::DenseStructure& structure, const pb::v23::ZippedValues& values, PageLayout* out) {
  if (!values.has_levels()) return Status::Corruption("a dense zipped page says nothing of its levels");
  LANCEFS_ASSIGN_OR_RETURN(pb::v21::FullZipLayout layout, ZippedLayout(values));
  layout.set_bits_rep(values.levels().bits_repetition());
  layout.set_bits_def(values.levels().bits_definition());
  *layout.mutable_layers() = structure.layers();
  *out->mutable_full_zip_layout() = std::move(layout);
  return Status::OK();
}

Status DenseConstant(const pb::v23::DenseStructure& structure, const pb::v23::ConstantValue& value, PageLayout* out) {
  if (value.scalar().empty() || value.scalar().size() > 32)
    return Status::Corruption("a constant of " + std::to_string(value.scalar().size()) + " bytes");
  for (const int layer : structure.layers()) {
    if (layer != pb::v21::REPDEF_ALL_VALID_ITEM) return Status::Corruption("a dense constant page has nulls or lists");
  }
  *out->mutable_constant_layout()->mutable_layers() = structure.layers();
  out->mutable_constant_layout()->set_inline_value(value.scalar());
  return Status::OK();
}

}  // namespace

Result<pb::v21::FullZipLayout> ZippedLayout(const pb::v23::ZippedValues& values) {
  if (values.num_items() > UINT32_MAX || values.num_visible_items() > UINT32_MAX)
    return Status::Corruption("a zipped page of " + std::to_string(values.num_items()) + " items");
  pb::v21::FullZipLayout layout;
  *layout.mutable_value_compression() = values.compression();
  switch (values.addressing_case()) {
    case pb::v23::ZippedValues::kBitsPerValue: layout.set_bits_per_value(values.bits_per_value()); break;
    case pb::v23::ZippedValues::kBitsPerOffset: layout.set_bits_per_offset(values.bits_per_offset()); break;
    default: return Status::Corruption("the page does not say how wide its values are");
  }
  layout.set_num_items(static_cast<uint32_t>(values.num_items()));
  layout.set_num_visible_items(static_cast<uint32_t>(values.num_visible_items()));
  return layout;
}

Result<pb::v21::PageLayout> DenseLayout(const pb::v23::DenseStructure& structure, const pb::v23::ValuePlane& values) {
  PageLayout layout;
  switch (values.codec_case()) {
    case pb::v23::ValuePlane::kChunked: LANCEFS_RETURN_NOT_OK(DenseChunks(structure, values.chunked(), &layout)); break;
    case pb::v23::ValuePlane::kZipped: LANCEFS_RETURN_NOT_OK(DenseZipped(structure, values.zipped(), &layout)); break;
    case pb::v23::ValuePlane::kConstant: LANCEFS_RETURN_NOT_OK(DenseConstant(structure, values.constant(), &layout)); break;
    case pb::v23::ValuePlane::kNone:
      if (structure.layers_size() != 1 || structure.layers(0) != pb::v21::REPDEF_NULLABLE_ITEM)
        return Status::Corruption("a dense page without values has more than null rows");
      *layout.mutable_constant_layout()->mutable_layers() = structure.layers();
      break;
    case pb::v23::ValuePlane::kIndexed: return Status::Corruption("indexed values in a dense page");
    case pb::v23::ValuePlane::CODEC_NOT_SET: return Status::Corruption("the page does not say how its values are stored");
  }
  return layout;
}

Result<std::unique_ptr<PageRead>> MakePlanarRead(const PageContext& context, RowSelection rows) {
  pb::v23::PlanarLayout planar;
  if (!planar.ParseFromString(context.page->encoding)) return Status::Corruption("the page layout is no valid message");
  if (planar.structure().has_sparse()) return MakeSparseRead(context, planar, std::move(rows));
  if (!planar.structure().has_dense()) return Status::Corruption("the page does not say how its values are structured");
  LANCEFS_ASSIGN_OR_RETURN(const PageLayout layout, DenseLayout(planar.structure().dense(), planar.values()));
  return MakePageRead(context, layout, std::move(rows));
}

}  // namespace lancefs::structural
