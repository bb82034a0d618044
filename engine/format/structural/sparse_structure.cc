// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/sparse_structure.h"

#include <algorithm>
#include <cstring>

namespace lancefs::structural {
namespace {

using pb::v21::CompressiveEncoding;

// A few bytes can claim any number of list items; one read gets at most so many slots of a layer.
constexpr uint64_t kMaxSlots = uint64_t{1} << 28;
constexpr uint64_t kMaxLists = uint64_t{1} << 24;  // every one has an offset
// Stretches of neighbouring slots that one page is taken apart into; formulas can claim any number of them.
constexpr uint64_t kMaxStretches = uint64_t{1} << 23;
constexpr uint64_t kMaxDomain = uint64_t{1} << 62;

// A sequence that is a formula, if this one is. `count` > 0.
Result<bool> FormulaOf(const CompressiveEncoding& encoding, uint64_t count, Sequence* out) {
  out->count = count;
  if (encoding.has_constant()) {
    const std::string& value = encoding.constant().value();
    if (value.size() != 8)
      return Status::Corruption("a constant of " + std::to_string(value.size()) + " bytes for 64-bit numbers");
    out->start = LoadLittleEndian<uint64_t>(reinterpret_cast<const uint8_t*>(value.data()));
    return true;
  }
  if (encoding.has_range()) {
    out->start = encoding.range().start();
    out->step = encoding.range().step();
    if (count < 2 || out->step == 0 || encoding.range().uncompressed_bits_per_value() != 64)
      return Status::Corruption("a range of " + std::to_string(count) + " numbers with step " + std::to_string(out->step));
  } else if (encoding.has_delta() && encoding.delta().deltas().has_constant() && count >= 2) {
    Sequence step;
    LANCEFS_ASSIGN_OR_RETURN(const bool formula, FormulaOf(encoding.delta().deltas(), count - 1, &step));
    if (!formula) return false;
    out->start = encoding.delta().base();
    out->step = step.start;
  } else {
    return false;
  }
  if (out->step != 0 && count - 1 > (UINT64_MAX - out->start) / out->step) return Status::Corruption("a range is too long");
  return true;
}

uint64_t CountOf(const RowSelection& ranges, uint64_t limit) {
  uint64_t count = 0;
  for (const RowRange& range : ranges) {
    count += range.length();
    if (count > limit) break;  // and no overflow
  }
  return count;
}

// Calls `f(start, end, valid)` for the stretches of equal validity in a range of slots.
template <typename F>
Status ForValidity(const SlotLayer& layer, const RowRange& range, F&& f) {
  uint64_t at = range.start;
  const uint64_t end = layer.validity.Rank(range.end);
  for (uint64_t i = layer.validity.Rank(range.start); i < end;) {
    const uint64_t run_end = std::min(layer.validity.RunEnd(i), end);
    const uint64_t first = layer.validity.At(i);
    const uint64_t last = first + (run_end - i);
    if (first > at) LANCEFS_RETURN_NOT_OK(f(at, first, !layer.lists_valid));
    LANCEFS_RETURN_NOT_OK(f(first, last, layer.lists_valid));
    at = last;
    i = run_end;
  }
  return at < range.end ? f(at, range.end, !layer.lists_valid) : Status::OK();
}

// The slots of the next layer that belong to some of this one.
void AddChildren(const SlotLayer& layer, const RowRange& range, RowSelection* out) {
  if (layer.list) {
    AddRange(out, layer.ChildrenBefore(layer.non_empty.Rank(range.start)), layer.ChildrenBefore(layer.non_empty.Rank(range.end)));
  } else {
    AddRange(out, range.start * layer.dimension, range.end * layer.dimension);
  }
}

Status AppendLists(const SlotLayer& layer, const RowRange& range, LayerValues* out) {
  if (range.length() > kMaxLists - std::min<uint64_t>(kMaxLists, out->offsets.size()))
    return Status::TooLarge("there are too many lists; read fewer rows at once");
  int64_t end = out->offsets.empty() ? 0 : out->offsets.back();
  uint64_t ordinal = layer.non_empty.Rank(range.start);
  const uint64_t stop = layer.non_empty.Rank(range.end);
  uint64_t slot = range.start;
  for (; ordinal < stop; ++ordinal) {
    const uint64_t position = layer.non_empty.At(ordinal);
    out->offsets.insert(out->offsets.end(), position - slot, end);
    end += static_cast<int64_t>(layer.ChildrenBefore(ordinal + 1) - layer.ChildrenBefore(ordinal));
    out->offsets.push_back(end);
    slot = position + 1;
  }
  out->offsets.insert(out->offsets.end(), range.end - slot, end);
  return Status::OK();
}

Status AppendLayer(const SlotLayer& layer, const RowSelection& slots, LayerValues* out) {
  for (const RowRange& range : slots) {
    LANCEFS_RETURN_NOT_OK(ForValidity(layer, range, [&](uint64_t start, uint64_t end, bool valid) {
      return valid ? out->validity.AppendValid(end - start) : out->validity.AppendNull(end - start);
    }));
    if (layer.list) LANCEFS_RETURN_NOT_OK(AppendLists(layer, range, out));
    out->slots += range.length();
  }
  return Status::OK();
}

// The child counts of the lists that are not empty.
Status LoadCounts(Sequence counts, SlotLayer* layer) {
  uint64_t sum = 0;
  const auto wrong = [&] {
    return Status::Corruption("the lists of a layer do not have " + std::to_string(layer->child_slots) + " items together");
  };
  if (!counts.is_listed && counts.step == 0) {
    if (counts.count != 0 && (counts.start == 0 || counts.start > layer->child_slots / counts.count)) return wrong();
    layer->constant_count = counts.start;
    return counts.start * counts.count == layer->child_slots ? Status::OK() : wrong();
  }
  if (counts.count > kMaxExpanded) return Status::ResourceExhausted("a page has too many lists");
  layer->ends.reserve(counts.count);
  for (uint64_t i = 0; i < counts.count; ++i) {
    const uint64_t count = counts.At(i);
    if (count == 0 || count > layer->child_slots - sum) return wrong();
    layer->ends.push_back(sum += count);
  }
  return sum == layer->child_slots ? Status::OK() : wrong();
}

Result<Sequence> Take(const std::unique_ptr<SequenceSource>& source, std::span<const Bytes>* buffers) {
  if (!source->has_payload()) return source->Decode({});
  if (buffers->empty()) return Status::Internal("a buffer of the page's structure is missing");
  const Bytes bytes = buffers->front();
  *buffers = buffers->subspan(1);
  return source->Decode(bytes.span());
}

}  // namespace

Result<SequenceSource> SequenceSource::Make(const CompressiveEncoding& encoding, uint64_t count) {
  SequenceSource out;
  const bool nothing = encoding.has_constant() && !encoding.constant().has_value();
  if (nothing != (count == 0))
    return Status::Corruption("a sequence of " + std::to_string(count) + " numbers has the wrong form");
  if (nothing) return out;
  LANCEFS_ASSIGN_OR_RETURN(const bool formula, FormulaOf(encoding, count, &out.formula_));
  if (formula) return out;
  LANCEFS_ASSIGN_OR_RETURN(out.codec_, BlockCodec::Make(encoding));
  if (out.codec_->bits() != 64) return Status::Corruption("a sequence of " + std::to_string(out.codec_->bits()) + "-bit numbers");
  return out;
}

Result<Sequence> SequenceSource::Decode(std::span<const uint8_t> in) const {
  if (codec_ == nullptr) return formula_;
  Sequence out;
  out.is_listed = true;
  out.count = formula_.count;
  Block block;
  LANCEFS_RETURN_NOT_OK(codec_->Decode(in, out.count, &block));
  out.listed.resize(out.count);
  std::memcpy(out.listed.data(), block.data.data(), out.count * sizeof(uint64_t));
  return out;
}

Result<PositionSet> PositionSet::Make(Sequence positions, uint64_t domain) {
  const auto wrong = [&] {
    return Status::Corruption("the positions of a layer do not ascend in its " + std::to_string(domain) + " slots");
  };
  if (positions.is_listed) {
    for (uint64_t i = 1; i < positions.count; ++i) {
      if (positions.listed[i] <= positions.listed[i - 1]) return wrong();
    }
  } else if (positions.count > 1 && positions.step == 0) {
    return wrong();
  }
  if (positions.count > 0 && positions.At(positions.count - 1) >= domain) return wrong();
  PositionSet out;
  out.positions_ = std::move(positions);
  return out;
}

uint64_t PositionSet::Rank(uint64_t position) const {
  if (positions_.is_listed) {
    return static_cast<uint64_t>(std::lower_bound(positions_.listed.begin(), positions_.listed.end(), position) -
                                 positions_.listed.begin());
  }
  if (positions_.count == 0 || position <= positions_.start) return 0;
  if (positions_.step == 0) return positions_.count;
  return std::min(positions_.count, (position - positions_.start - 1) / positions_.step + 1);
}

uint64_t PositionSet::RunEnd(uint64_t i) const {
  if (!positions_.is_listed) return positions_.step == 1 ? positions_.count : i + 1;
  uint64_t end = i + 1;
  while (end < positions_.count && positions_.listed[end] == positions_.listed[end - 1] + 1) ++end;
  return end;
}

Status SparseStructure::MakeValidity(const pb::v23::ValiditySet& message, SlotLayer* layer, LayerSource* source) const {
  if (message.meaning() != pb::v23::ValiditySet::SPARSE_VALIDITY_NULL_POSITIONS &&
      message.meaning() != pb::v23::ValiditySet::SPARSE_VALIDITY_VALID_POSITIONS)
    return Status::Corruption("a layer does not say whether its nulls are listed");
  layer->lists_valid = message.meaning() == pb::v23::ValiditySet::SPARSE_VALIDITY_VALID_POSITIONS;
  if (message.num_positions() > layer->slots) return Status::Corruption("a layer lists more slots than it has");
  LANCEFS_ASSIGN_OR_RETURN(SequenceSource positions, SequenceSource::Make(message.positions(), message.num_positions()));
  source->validity = std::make_unique<SequenceSource>(std::move(positions));
  return Status::OK();
}

Status SparseStructure::MakeList(const pb::v23::ListLayer& message, SlotLayer* layer, LayerSource* source) const {
  layer->list = true;
  layer->child_slots = message.num_child_slots();
  const uint64_t lists = message.num_non_empty_positions();
  if (lists > layer->slots || layer->child_slots > kMaxDomain) return Status::Corruption("a layer has more lists than slots");
  LANCEFS_ASSIGN_OR_RETURN(SequenceSource positions, SequenceSource::Make(message.non_empty_positions(), lists));
  LANCEFS_ASSIGN_OR_RETURN(SequenceSource counts, SequenceSource::Make(message.counts(), lists));
  source->non_empty = std::make_unique<SequenceSource>(std::move(positions));
  source->counts = std::make_unique<SequenceSource>(std::move(counts));
  return MakeValidity(message.validity(), layer, source);
}

Result<SparseStructure> SparseStructure::Make(const pb::v23::SparseStructure& message, uint64_t encoded_rows) {
  SparseStructure out;
  for (const pb::v23::SparseLayer& layer : message.layers()) {
    if (!layer.has_fixed_size_list()) continue;
    const uint64_t dimension = layer.fixed_size_list().dimension();
    if (dimension == 0 || dimension > (uint64_t{1} << 32) / out.scale_)
      return Status::Corruption("fixed-size lists of a wrong size");
    out.scale_ *= dimension;
  }
  if (encoded_rows % out.scale_ != 0 || encoded_rows > kMaxDomain)
    return Status::Corruption("the page's length is no multiple of its fixed-size lists");
  uint64_t slots = out.rows_ = encoded_rows / out.scale_;
  for (const pb::v23::SparseLayer& message_layer : message.layers()) {
    SlotLayer layer;
    LayerSource source;
    layer.slots = layer.child_slots = slots;
    switch (message_layer.layer_case()) {
      case pb::v23::SparseLayer::kValidity:
        LANCEFS_RETURN_NOT_OK(out.MakeValidity(message_layer.validity(), &layer, &source));
        break;
      case pb::v23::SparseLayer::kList: LANCEFS_RETURN_NOT_OK(out.MakeList(message_layer.list(), &layer, &source)); break;
      case pb::v23::SparseLayer::kFixedSizeList:
        layer.dimension = message_layer.fixed_size_list().dimension();
        if (slots > kMaxDomain / layer.dimension) return Status::Corruption("a layer has too many slots");
        layer.child_slots = slots * layer.dimension;
        LANCEFS_RETURN_NOT_OK(out.MakeValidity(message_layer.fixed_size_list().validity(), &layer, &source));
        break;
      case pb::v23::SparseLayer::LAYER_NOT_SET: return Status::Corruption("a layer of the page is empty");
    }
    slots = layer.child_slots;
    out.layers_.push_back(std::move(layer));
    out.sources_.push_back(std::move(source));
  }
  out.leaf_slots_ = slots;
  return out;
}

Status SparseStructure::CheckPath(const LeafPath& path) const {
  if (layers_.size() != path.size()) {
    return Status::Corruption("the page has " + std::to_string(layers_.size()) + " layers but the schema " +
                              std::to_string(path.size()));
  }
  for (size_t i = 0; i < path.size(); ++i) {
    const SlotLayer& layer = layers_[path.size() - 1 - i];
    const uint64_t dimension = path[i].dimension == 0 ? 1 : path[i].dimension;
    if (layer.list != path[i].list || layer.dimension != dimension)
      return Status::Corruption("layer " + std::to_string(i) + " of the page does not fit the schema");
  }
  return Status::OK();
}

size_t SparseStructure::num_buffers() const {
  size_t count = 0;
  for (const LayerSource& source : sources_) {
    for (const auto* sequence : {&source.non_empty, &source.counts, &source.validity})
      count += *sequence != nullptr && (*sequence)->has_payload() ? 1 : 0;
  }
  return count;
}

Status SparseStructure::Load(std::span<const Bytes> buffers) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    SlotLayer& layer = layers_[i];
    const LayerSource& source = sources_[i];
    if (layer.list) {
      LANCEFS_ASSIGN_OR_RETURN(Sequence positions, Take(source.non_empty, &buffers));
      LANCEFS_ASSIGN_OR_RETURN(layer.non_empty, PositionSet::Make(std::move(positions), layer.slots));
      LANCEFS_ASSIGN_OR_RETURN(Sequence counts, Take(source.counts, &buffers));
      LANCEFS_RETURN_NOT_OK(LoadCounts(std::move(counts), &layer));
    }
    LANCEFS_ASSIGN_OR_RETURN(Sequence positions, Take(source.validity, &buffers));
    LANCEFS_ASSIGN_OR_RETURN(layer.validity, PositionSet::Make(std::move(positions), layer.slots));
  }
  sources_.clear();
  return Status::OK();
}

Result<RowSelection> SparseStructure::Select(const RowSelection& rows, std::vector<LayerValues>* out) const {
  RowSelection slots = rows;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const SlotLayer& layer = layers_[i];
    if (out != nullptr) LANCEFS_RETURN_NOT_OK(AppendLayer(layer, slots, &(*out)[layers_.size() - 1 - i]));
    RowSelection children;
    for (const RowRange& range : slots) AddChildren(layer, range, &children);
    if (layer.list && CountOf(children, kMaxSlots) > kMaxSlots)
      return Status::TooLarge("the lists have too many items; read fewer rows at once");
    slots = std::move(children);
  }
  return slots;
}

Result<StoredSlots> SparseStructure::FindStored(uint64_t limit) const {
  RowSelection slots;
  AddRange(&slots, 0, rows_);
  for (const SlotLayer& layer : layers_) {
    // Every stretch of the last layer holds a stored value.
    const uint64_t most = &layer == &layers_.back() ? std::min(limit, kMaxStretches) : kMaxStretches;
    RowSelection valid;
    for (const RowRange& range : slots) {
      LANCEFS_RETURN_NOT_OK(ForValidity(layer, range, [&](uint64_t start, uint64_t end, bool is_valid) {
        if (is_valid) AddRange(&valid, start, end);
        return valid.size() > most ? Status::Corruption("the page has fewer values than its structure wants") : Status::OK();
      }));
    }
    slots.clear();
    for (const RowRange& range : valid) AddChildren(layer, range, &slots);
  }
  StoredSlots out;
  for (const RowRange& range : slots) {
    out.before.push_back(out.count);
    out.count += range.length();
    if (out.count > limit) return Status::Corruption("the page has fewer values than its structure wants");
  }
  out.ranges = std::move(slots);
  return out;
}

}  // namespace lancefs::structural
