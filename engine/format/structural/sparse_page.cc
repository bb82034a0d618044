// SPDX-License-Identifier: Apache-2.0
//
// Sparse pages (docs/lance/file.md 3.10): the structure says which slots of leaf values the wanted rows
// have; the values are chunks or zipped items as in dense pages, read by the same readers as a page of
// their own that has no levels, or a constant, or nothing. Buffers: of the values, then of the structure.
#include <algorithm>

#include "engine/format/structural/planar_page.h"
#include "engine/format/structural/sparse_structure.h"

namespace lancefs::structural {
namespace {

constexpr uint64_t kSmallPage = 64 * 1024;
// Slots without stored bytes: one read gets at most so much memory for them.
constexpr uint64_t kMaxUnstoredBytes = kFreeArrayBytes;
// Row indices of up to so many gaps across which a store joins reads are read whole.
constexpr uint64_t kEarlyGaps = 16;
// The values of a page have a place of their own in the file's cache.
constexpr size_t kValuesPage = size_t{1} << 31;

// What random access needs of a page; shared by all readers through the file's cache.
struct SparseState {
  SparseStructure structure;
  StoredSlots stored;             // zipped values
  std::vector<uint32_t> indices;  // indexed values: the item of every slot
};

class SparseRead final : public PageRead {
 public:
  SparseRead(PageContext context, RowSelection rows) : context_(std::move(context)), rows_(std::move(rows)) {}

  Status Init(const pb::v23::PlanarLayout& layout);
  std::vector<ByteRange> NextReads() override;
  Status Supply(std::vector<Bytes> answers) override;
  Status Decode(LeafColumn* out) override;

 private:
  using Values = pb::v23::ValuePlane;

  const PageInfo& page() const { return *context_.page; }
  Status InitValues(const SparseStructure& structure);
  Status ParseState(const std::vector<Bytes>& answers);
  Status Plan();
  Status PlanItems();
  Status MakeValues(RowSelection values);
  std::vector<size_t> EarlyBuffers() const;
  const Bytes* HeldFor(const ByteRange& range, uint64_t* offset) const;
  Status FeedValues(std::vector<Bytes> answers);
  RowSelection StoredOf() const;
  Status DecodeValues(LeafColumn* out);
  uint64_t StoredLimit() const;
  Status DecodeAlone(LeafColumn* out);
  Status DecodeStored(LeafColumn* out);
  Status DecodeIndexed(LeafColumn* out);

  PageContext context_;
  RowSelection rows_;  // of the page's outermost slots
  Values layout_;
  // An empty struct's page may say nothing of what is around it; only its rows count.
  bool no_structure_ = false;
  std::unique_ptr<SparseStructure> structure_;  // until it is loaded
  std::shared_ptr<const SparseState> state_;
  size_t value_buffers_ = 0;
  std::unique_ptr<BlockCodec> index_codec_;

  RowSelection slots_;  // of leaf values
  uint64_t num_slots_ = 0;
  std::vector<uint32_t> items_;  // indexed values: the wanted items, ascending
  PageInfo values_page_;
  std::unique_ptr<PageRead> values_;  // null = nothing to read

  bool whole_ = false;
  std::vector<Bytes> buffers_;  // what is there of the page, in the order of its buffers; empty where it is not
};

Status SparseRead::Init(const pb::v23::PlanarLayout& layout) {
  layout_ = layout.values();
  LANCEFS_ASSIGN_OR_RETURN(SparseStructure structure, SparseStructure::Make(layout.structure().sparse(), page().length));
  no_structure_ = context_.shape.kind == ShapeKind::kEmptyStruct && structure.num_layers() != context_.path.size();
  if (!no_structure_) LANCEFS_RETURN_NOT_OK(structure.CheckPath(context_.path));
  for (RowRange& range : rows_) {
    if (range.start % structure.scale() != 0 || range.end % structure.scale() != 0)
      return Status::Corruption("rows end inside a fixed-size list");
    range = {range.start / structure.scale(), range.end / structure.scale()};
  }
  LANCEFS_RETURN_NOT_OK(InitValues(structure));
  const size_t wanted = value_buffers_ + structure.num_buffers();
  if (page().buffers.size() != wanted) {
    return Status::Corruption("the page has " + std::to_string(page().buffers.size()) + " buffers instead of " +
                              std::to_string(wanted));
  }
  state_ = std::static_pointer_cast<const SparseState>(context_.file->CachedPageState(context_.column, context_.page_index));
  if (state_ != nullptr) return Plan();
  structure_ = std::make_unique<SparseStructure>(std::move(structure));
  uint64_t bytes = 0;
  for (const ByteRange& buffer : page().buffers) bytes += buffer.length;
  whole_ = bytes <= kSmallPage || WantsWholePage(context_, rows_, bytes);
  if (!NextReads().empty()) return Status::OK();
  LANCEFS_RETURN_NOT_OK(ParseState({}));  // it all stands in the message
  return Plan();
}

Status SparseRead::InitValues(const SparseStructure& structure) {
  switch (layout_.codec_case()) {
    case Values::kChunked: {
      const pb::v23::ChunkedValues& values = layout_.chunked();
      if (values.has_levels() || values.num_items() != 0) return Status::Corruption("a sparse page has levels");
      if (values.has_dictionary() != (values.num_dictionary_items() > 0))
        return Status::Corruption("the page's dictionary and its number of items do not fit");
      value_buffers_ = 2 + (values.has_dictionary() ? 1 : 0);
      return Status::OK();
    }
    case Values::kZipped:
      if (layout_.zipped().has_levels() || layout_.zipped().num_items() != layout_.zipped().num_visible_items())
        return Status::Corruption("a sparse page has levels");
      value_buffers_ = layout_.zipped().addressing_case() == pb::v23::ZippedValues::kBitsPerOffset ? 2 : 1;
      return Status::OK();
    case Values::kIndexed: {
      value_buffers_ = 3;
      const pb::v23::ZippedValues& items = layout_.indexed().items();
      if (context_.shape.kind != ShapeKind::kVariable || items.has_levels() ||
          items.addressing_case() != pb::v23::ZippedValues::kBitsPerOffset || items.num_items() == 0 ||
          items.num_items() > UINT32_MAX)
        return Status::Corruption("the items of the page do not fit type " + context_.shape.type->ToString());
      if (structure.leaf_slots() == 0) return Status::Corruption("indexed values in a page without slots");
      LANCEFS_ASSIGN_OR_RETURN(index_codec_, BlockCodec::Make(layout_.indexed().indices()));
      if (index_codec_->bits() != 32) return Status::Corruption("indices of " + std::to_string(index_codec_->bits()) + " bits");
      return Status::OK();
    }
    case Values::kConstant: {
      const LeafShape& shape = context_.shape;
      const size_t bytes = layout_.constant().scalar().size();
      if (bytes == 0 || bytes > 32 || shape.kind != ShapeKind::kFixed || bytes != (shape.row_bits + 7) / 8)
        return Status::Corruption("a constant of " + std::to_string(bytes) + " bytes for type " + shape.type->ToString());
      return Status::OK();
    }
    case Values::kNone: return Status::OK();
    case Values::CODEC_NOT_SET: break;
  }
  return Status::Corruption("the page does not say how its values are stored");
}

std::vector<ByteRange> SparseRead::NextReads() {
  std::vector<ByteRange> ranges;
  if (state_ != nullptr) {
    if (values_ == nullptr) return ranges;
    uint64_t offset = 0;
    for (const ByteRange& range : values_->NextReads()) {
      if (HeldFor(range, &offset) == nullptr) ranges.push_back(range);
    }
    return ranges;
  }
  const size_t first = whole_ ? 0 : value_buffers_;
  ranges.assign(page().buffers.begin() + static_cast<ptrdiff_t>(first), page().buffers.end());
  if (whole_) return ranges;
  if (index_codec_ != nullptr) ranges.push_back(page().buffers[0]);
  if (ranges.empty()) return ranges;  // it all stands in the message
  for (const size_t buffer : EarlyBuffers()) ranges.push_back(page().buffers[buffer]);
  return ranges;
}

// What tells where values stand is read together with the structure, which tells what values are wanted: that spares a round and
// often a request. Row indices are larger than the few entries of them that are needed, so only as much as costs next to nothing.
std::vector<size_t> SparseRead::EarlyBuffers() const {
  if (layout_.has_chunked()) return value_buffers_ == 3 ? std::vector<size_t>{0, 2} : std::vector<size_t>{0};
  const uint64_t most = context_.file->store()->traits().coalesce_gap * kEarlyGaps;
  if (layout_.has_zipped() && value_buffers_ == 2 && page().buffers[1].length <= most) return {1};
  return {};
}

Status SparseRead::Supply(std::vector<Bytes> answers) {
  if (state_ != nullptr) return FeedValues(std::move(answers));
  LANCEFS_RETURN_NOT_OK(ParseState(answers));
  if (whole_) {
    buffers_ = std::move(answers);
  } else {
    buffers_.resize(value_buffers_);
    size_t next = page().buffers.size() - value_buffers_ + (index_codec_ != nullptr ? 1 : 0);
    for (const size_t buffer : EarlyBuffers()) buffers_[buffer] = std::move(answers[next++]);
  }
  return Plan();
}

Status SparseRead::ParseState(const std::vector<Bytes>& answers) {
  const size_t first = whole_ ? value_buffers_ : 0;
  const size_t count = page().buffers.size() - value_buffers_;
  auto state = std::make_shared<SparseState>();
  LANCEFS_RETURN_NOT_OK(structure_->Load(std::span(answers).subspan(first, count)));
  state->structure = std::move(*structure_);
  structure_.reset();
  const bool none = layout_.has_none() && context_.shape.kind != ShapeKind::kEmptyStruct;
  if (layout_.has_zipped() || none) {
    const uint64_t items = none ? 0 : layout_.zipped().num_items();
    LANCEFS_ASSIGN_OR_RETURN(state->stored, state->structure.FindStored(items));
    if (state->stored.count != items) {
      return Status::Corruption("the page has " + std::to_string(items) + " values but its structure wants " +
                                std::to_string(state->stored.count));
    }
  }
  if (index_codec_ != nullptr) {
    Block indices;
    const Bytes& bytes = whole_ ? answers.front() : answers[count];
    LANCEFS_RETURN_NOT_OK(index_codec_->Decode(bytes.span(), state->structure.leaf_slots(), &indices));
    state->indices.resize(indices.count);
    std::memcpy(state->indices.data(), indices.data.data(), indices.data.size());
    for (const uint32_t index : state->indices) {
      if (index >= layout_.indexed().items().num_items()) return Status::Corruption("an index of the page is out of range");
    }
  }
  state_ = state;
  context_.file->CachePageState(context_.column, context_.page_index, state);
  return Status::OK();
}

// Which slots and stored values the rows have.
Status SparseRead::Plan() {
  LANCEFS_ASSIGN_OR_RETURN(slots_, state_->structure.Select(rows_, nullptr));
  num_slots_ = CountRows(slots_);
  switch (layout_.codec_case()) {
    case Values::kChunked: LANCEFS_RETURN_NOT_OK(MakeValues(slots_)); break;
    case Values::kZipped: LANCEFS_RETURN_NOT_OK(MakeValues(StoredOf())); break;
    case Values::kIndexed: LANCEFS_RETURN_NOT_OK(PlanItems()); break;
    default: {
      const bool more_than_rows = num_slots_ > CountRows(rows_) * state_->structure.scale();
      if (more_than_rows && num_slots_ > kMaxUnstoredBytes / (context_.shape.row_bits / 8 + 1))
        return Status::TooLarge("the lists have too many items; read fewer rows at once");
    }
  }
  return FeedValues({});
}

// The stored values among the wanted slots.
RowSelection SparseRead::StoredOf() const {
  const StoredSlots& stored = state_->stored;
  RowSelection out;
  for (const RowRange& range : slots_) {
    auto at = std::upper_bound(stored.ranges.begin(), stored.ranges.end(), range.start,
                               [](uint64_t slot, const RowRange& other) { return slot < other.end; });
    for (; at != stored.ranges.end() && at->start < range.end; ++at) {
      const uint64_t before = stored.before[static_cast<size_t>(at - stored.ranges.begin())];
      const uint64_t start = std::max(at->start, range.start) - at->start + before;
      const uint64_t end = std::min(at->end, range.end) - at->start + before;
      AddRange(&out, start, end);
    }
  }
  return out;
}

Status SparseRead::PlanItems() {
  items_.reserve(num_slots_);
  for (const RowRange& range : slots_) {
    items_.insert(items_.end(), state_->indices.begin() + static_cast<ptrdiff_t>(range.start),
                  state_->indices.begin() + static_cast<ptrdiff_t>(range.end));
  }
  std::sort(items_.begin(), items_.end());
  items_.erase(std::unique(items_.begin(), items_.end()), items_.end());
  RowSelection ranges;
  for (const uint32_t item : items_) AddRange(&ranges, item, uint64_t{item} + 1);
  return MakeValues(std::move(ranges));
}

// The reader of the stored values: a page of their own with one layer and no nulls.
Status SparseRead::MakeValues(RowSelection values) {
  if (values.empty()) return Status::OK();
  PageContext context = context_;
  context.page = &values_page_;
  context.page_index |= kValuesPage;
  context.path.resize(1);
  const size_t first = index_codec_ != nullptr ? 1 : 0;
  values_page_.buffers.assign(page().buffers.begin() + static_cast<ptrdiff_t>(first),
                              page().buffers.begin() + static_cast<ptrdiff_t>(value_buffers_));
  pb::v21::PageLayout layout;
  if (layout_.has_chunked()) {
    const pb::v23::ChunkedValues& chunked = layout_.chunked();
    pb::v21::MiniBlockLayout* mini = layout.mutable_mini_block_layout();
    *mini->mutable_value_compression() = chunked.compression();
    if (chunked.has_dictionary()) *mini->mutable_dictionary() = chunked.dictionary();
    mini->set_num_dictionary_items(chunked.num_dictionary_items());
    mini->set_num_buffers(chunked.num_buffers());
    mini->set_num_items(state_->structure.leaf_slots());
    mini->set_has_large_chunk(true);
    mini->add_layers(pb::v21::REPDEF_ALL_VALID_ITEM);
    values_page_.length = state_->structure.leaf_slots();
  } else {
    const pb::v23::ZippedValues& zipped = layout_.has_indexed() ? layout_.indexed().items() : layout_.zipped();
    LANCEFS_ASSIGN_OR_RETURN(*layout.mutable_full_zip_layout(), ZippedLayout(zipped));
    layout.mutable_full_zip_layout()->add_layers(pb::v21::REPDEF_ALL_VALID_ITEM);
    values_page_.length = zipped.num_items();
  }
  LANCEFS_ASSIGN_OR_RETURN(values_, MakePageRead(context, layout, std::move(values)));
  return Status::OK();
}

// The buffer that holds `range`, if it is there; ranges without bytes are in any.
const Bytes* SparseRead::HeldFor(const ByteRange& range, uint64_t* offset) const {
  static const Bytes kNothing;
  *offset = 0;
  if (range.length == 0) return &kNothing;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const ByteRange& buffer = page().buffers[i];
    if (buffers_[i].empty() || range.offset < buffer.offset || range.end() > buffer.end()) continue;
    *offset = range.offset - buffer.offset;
    return &buffers_[i];
  }
  return nullptr;
}

// Gives the values' reader what it asked for, `answers` where it is not there yet, and then whatever it asks for that is.
Status SparseRead::FeedValues(std::vector<Bytes> answers) {
  if (values_ == nullptr) return Status::OK();
  size_t next = 0;
  for (std::vector<ByteRange> ranges = values_->NextReads(); !ranges.empty(); ranges = values_->NextReads()) {
    std::vector<Bytes> parts;
    parts.reserve(ranges.size());
    for (const ByteRange& range : ranges) {
      uint64_t offset = 0;
      if (const Bytes* held = HeldFor(range, &offset)) {
        parts.push_back(held->Slice(offset, range.length));
      } else if (next < answers.size()) {
        parts.push_back(std::move(answers[next++]));
      } else {
        return Status::OK();  // to be read in the next round
      }
    }
    LANCEFS_RETURN_NOT_OK(values_->Supply(std::move(parts)));
  }
  buffers_.clear();
  return Status::OK();
}

Status SparseRead::Decode(LeafColumn* out) {
  if (no_structure_) {
    const uint64_t rows = CountRows(rows_);
    for (LayerValues& layer : out->layers) {
      layer.slots += rows;
      LANCEFS_RETURN_NOT_OK(layer.validity.AppendValid(rows));
    }
    return out->values.AppendDefault(rows);
  }
  Result<RowSelection> slots = state_->structure.Select(rows_, &out->layers);
  if (!slots.ok()) return slots.status();
  LANCEFS_RETURN_NOT_OK(out->values.Reserve(num_slots_));
  const uint64_t before = out->values.count();
  LANCEFS_RETURN_NOT_OK(DecodeValues(out));
  if (out->values.count() - before != num_slots_) return Status::Corruption("the page has not as many values as slots");
  return Status::OK();
}

Status SparseRead::DecodeValues(LeafColumn* out) {
  switch (layout_.codec_case()) {
    case Values::kConstant: {
      const std::string& scalar = layout_.constant().scalar();
      return out->values.AppendRepeated({reinterpret_cast<const uint8_t*>(scalar.data()), scalar.size()}, num_slots_);
    }
    case Values::kNone: return out->values.AppendDefault(num_slots_);
    case Values::kIndexed: return DecodeIndexed(out);
    case Values::kZipped: return DecodeStored(out);
    default: return DecodeAlone(out);
  }
}

// The stored values of the page may take as much as an array of its column may.
uint64_t SparseRead::StoredLimit() const {
  ColumnInfo stored;
  for (const ByteRange& buffer : page().buffers) stored.data_bytes += buffer.length;
  return MaxArrayBytes(*context_.file, stored);
}

// All slots are stored: straight into the output, whose layers the structure has filled.
Status SparseRead::DecodeAlone(LeafColumn* out) {
  if (values_ == nullptr) return Status::OK();
  std::vector<LayerValues> none(1);
  out->layers.swap(none);
  const Status status = values_->Decode(out);
  out->layers.swap(none);
  return status;
}

Status SparseRead::DecodeStored(LeafColumn* out) {
  const RowSelection stored = StoredOf();
  if (CountRows(stored) == num_slots_) return DecodeAlone(out);
  LeafColumn packed(context_.shape, 1, StoredLimit());
  if (values_ != nullptr) LANCEFS_RETURN_NOT_OK(values_->Decode(&packed));
  uint64_t next = 0;  // of the packed values
  const StoredSlots& all = state_->stored;
  for (const RowRange& range : slots_) {
    uint64_t slot = range.start;
    auto at = std::upper_bound(all.ranges.begin(), all.ranges.end(), range.start,
                               [](uint64_t value, const RowRange& other) { return value < other.end; });
    for (; at != all.ranges.end() && at->start < range.end; ++at) {
      const uint64_t start = std::max(at->start, range.start);
      const uint64_t end = std::min(at->end, range.end);
      LANCEFS_RETURN_NOT_OK(out->values.AppendDefault(start - slot));
      if (end - start > packed.values.count() - next) return Status::Corruption("the page has not as many values as slots");
      LANCEFS_RETURN_NOT_OK(out->values.AppendFrom(packed.values, next, end - start));
      next += end - start;
      slot = end;
    }
    LANCEFS_RETURN_NOT_OK(out->values.AppendDefault(range.end - slot));
  }
  return Status::OK();
}

Status SparseRead::DecodeIndexed(LeafColumn* out) {
  if (values_ == nullptr) return Status::OK();
  LeafColumn packed(context_.shape, 1, StoredLimit());
  LANCEFS_RETURN_NOT_OK(values_->Decode(&packed));
  auto dictionary = std::make_shared<PageDictionary>();
  LANCEFS_ASSIGN_OR_RETURN(dictionary->block, packed.values.ToBlock());
  std::vector<uint32_t>& indices = out->scratch.indices;
  for (const RowRange& range : slots_) {
    indices.resize(range.length());
    for (uint64_t i = 0; i < range.length(); ++i) {
      const auto item = std::lower_bound(items_.begin(), items_.end(), state_->indices[range.start + i]);
      indices[i] = static_cast<uint32_t>(item - items_.begin());
    }
    LANCEFS_RETURN_NOT_OK(out->values.AppendLookups(dictionary, indices.data(), range.length()));
  }
  return Status::OK();
}

}  // namespace

Result<std::unique_ptr<PageRead>> MakeSparseRead(const PageContext& context, const pb::v23::PlanarLayout& layout,
                                                 RowSelection rows) {
  auto read = std::make_unique<SparseRead>(context, std::move(rows));
  LANCEFS_RETURN_NOT_OK(read->Init(layout));
  return std::unique_ptr<PageRead>(std::move(read));
}

}  // namespace lancefs::structural
