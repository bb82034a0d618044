// SPDX-License-Identifier: Apache-2.0
//
// Blob pages of 2.1 files (docs/lance/file.md 3.7): a page of {position, size}, in which nulls are
// values of size 0 whose position holds the levels. They become descriptors (blob_descriptor.h).
#include <arrow/array.h>

#include "engine/format/blob_descriptor.h"
#include "engine/format/structural/page_read.h"

namespace lancefs::structural {
namespace {

class BlobPageRead final : public PageRead {
 public:
  BlobPageRead(LeafShape shape, PageLayers layers, std::unique_ptr<PageRead> places)
      : shape_(std::move(shape)), layers_(std::move(layers)), places_(std::move(places)) {}

  std::vector<ByteRange> NextReads() override { return places_->NextReads(); }
  Status Supply(std::vector<Bytes> answers) override { return places_->Supply(std::move(answers)); }
  Status Decode(LeafColumn* out) override;

 private:
  LeafShape shape_;  // of the places
  PageLayers layers_;
  std::unique_ptr<PageRead> places_;
};

Status BlobPageRead::Decode(LeafColumn* out) {
  LeafColumn column(shape_, 1);
  LANCEFS_RETURN_NOT_OK(places_->Decode(&column));
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, column.values.Finish(&column.layers[0].validity));
  const auto& places = static_cast<const arrow::StructArray&>(*array);
  const auto& positions = static_cast<const arrow::UInt64Array&>(*places.field(0));
  const auto& sizes = static_cast<const arrow::UInt64Array&>(*places.field(1));
  const auto count = static_cast<uint64_t>(array->length());
  Levels levels;
  levels.items = count;
  if (layers_.max_def > 0) levels.def.resize(count);
  uint64_t visible = 0;
  LANCEFS_RETURN_NOT_OK(out->values.child(1).Reserve(count));
  LANCEFS_RETURN_NOT_OK(out->values.child(2).Reserve(count));
  for (int64_t i = 0; i < array->length(); ++i) {
    const uint64_t position = positions.Value(i);
    const uint64_t size = sizes.Value(i);
    const uint64_t level = size == 0 && layers_.max_def > 0 ? position >> 16 : 0;
    if (level > layers_.max_def) return Status::Corruption("a blob's descriptor holds a level that the page does not have");
    if (!levels.def.empty()) levels.def[static_cast<size_t>(i)] = static_cast<uint16_t>(level);
    if (level > layers_.max_visible_def) continue;
    LANCEFS_RETURN_NOT_OK(out->values.child(1).AppendRows(reinterpret_cast<const uint8_t*>(&position), 0, 1));
    LANCEFS_RETURN_NOT_OK(out->values.child(2).AppendRows(reinterpret_cast<const uint8_t*>(&size), 0, 1));
    ++visible;
  }
  for (const size_t unused : {0, 3, 4}) LANCEFS_RETURN_NOT_OK(out->values.child(unused).AppendDefault(visible));
  out->values.AddCount(visible);
  return Unravel(layers_, &levels, &out->layers);
}

}  // namespace

Result<std::unique_ptr<PageRead>> MakeBlobPageRead(const PageContext& context, const pb::v21::BlobLayout& layout,
                                                   RowSelection rows) {
  if (!context.shape.type->Equals(*BlobDescriptorType()))
    return Status::NotSupported("blobs cannot be read as " + context.shape.type->ToString());
  LANCEFS_ASSIGN_OR_RETURN(PageLayers layers, PageLayers::Make(layout.layers(), context.path));
  if (layers.max_rep != 0) return Status::NotSupported("blobs in lists are not supported in this file version");
  if (layout.inner_layout().has_blob_layout()) return Status::Corruption("a blob page in a blob page");
  PageContext inner = context;
  LANCEFS_ASSIGN_OR_RETURN(inner.shape, LeafShape::Make(BlobPlaceType()));
  inner.path = {PathStep()};
  LeafShape shape = inner.shape;
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<PageRead> places, MakePageRead(inner, layout.inner_layout(), std::move(rows)));
  return std::unique_ptr<PageRead>(std::make_unique<BlobPageRead>(std::move(shape), std::move(layers), std::move(places)));
}

}  // namespace lancefs::structural
