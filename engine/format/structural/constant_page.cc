// SPDX-License-Identifier: Apache-2.0
//
// Constant pages (docs/lance/file.md 3.6): no value at all (all null, or only empty lists) or one value
// for all that are not null; with levels where there is structure.
#include <arrow/type.h>

#include <algorithm>
#include <string>

#include "engine/format/structural/page_read.h"

namespace lancefs::structural {
namespace {

struct ConstantState {
  std::vector<uint8_t> value;
  Levels levels;
};

class ConstantRead final : public PageRead {
 public:
  ConstantRead(PageContext context, RowSelection rows) : context_(std::move(context)), rows_(std::move(rows)) {}

  Status Init(const pb::v21::ConstantLayout& layout);
  std::vector<ByteRange> NextReads() override;
  Status Supply(std::vector<Bytes> answers) override;
  Status Decode(LeafColumn* out) override;

 private:
  const PageInfo& page() const { return *context_.page; }
  Status ParseValueBuffer(const Bytes& bytes, std::vector<uint8_t>* value) const;
  Status ParseLevels(const Bytes& rep, const Bytes& def, Levels* levels) const;
  Status ParseStream(const Bytes& bytes, const BlockCodec* codec, uint64_t count, std::vector<uint16_t>* out) const;

  PageContext context_;
  RowSelection rows_;
  PageLayers layers_;
  bool no_structure_ = false;
  std::unique_ptr<BlockCodec> rep_codec_;
  std::unique_ptr<BlockCodec> def_codec_;
  uint64_t num_rep_ = 0;
  uint64_t num_def_ = 0;
  bool has_value_ = false;
  bool value_in_buffer_ = false;
  bool has_levels_ = false;
  std::vector<uint8_t> inline_value_;
  std::shared_ptr<const ConstantState> state_;
};

Status ConstantRead::Init(const pb::v21::ConstantLayout& layout) {
  const size_t buffers = page().buffers.size();
  const bool bare = !layout.has_inline_value() && buffers == 0;
  // An empty struct's page says only that there are rows: its levels, which stand there where all rows are null, are left
  // out of account as the reference does. (Packed ones are values among others.)
  const bool levels_count = context_.shape.packed || std::any_of(context_.path.begin(), context_.path.end(),
                                                                 [](const PathStep& step) { return step.list; });
  no_structure_ = context_.shape.kind == ShapeKind::kEmptyStruct && !layout.has_inline_value() && (bare || !levels_count);
  if (no_structure_) {
    state_ = std::make_shared<ConstantState>();
    return Status::OK();
  }
  LANCEFS_ASSIGN_OR_RETURN(layers_, PageLayers::Make(layout.layers(), context_.path));
  if (layout.has_rep_compression()) {
    LANCEFS_ASSIGN_OR_RETURN(rep_codec_, BlockCodec::Make(layout.rep_compression()));
  }
  if (layout.has_def_compression()) {
    LANCEFS_ASSIGN_OR_RETURN(def_codec_, BlockCodec::Make(layout.def_compression()));
  }
  num_rep_ = layout.num_rep_values();
  num_def_ = layout.num_def_values();
  if (layout.has_inline_value()) {
    has_value_ = true;
    inline_value_.assign(layout.inline_value().begin(), layout.inline_value().end());
    if (buffers != 0 && buffers != 2) return Status::Corruption("a constant page has " + std::to_string(buffers) + " buffers");
    has_levels_ = buffers == 2;
  } else {
    if (buffers > 3) return Status::Corruption("a constant page has " + std::to_string(buffers) + " buffers");
    has_levels_ = buffers >= 2;
    has_value_ = value_in_buffer_ = buffers == 1 || buffers == 3;
  }
  if (!has_levels_ && layers_.max_rep > 0 && page().length > 0)
    return Status::Corruption("a constant page of lists has no levels");
  if (bare && layers_.max_def == 0 && context_.shape.type->id() != arrow::Type::NA) {
    return Status::Corruption("a constant page without a value has no nulls");
  }
  if (has_value_ && context_.shape.kind == ShapeKind::kDictionary) {
    return Status::NotSupported("a constant page in a column of type " + context_.shape.type->ToString() + " is not supported");
  }
  if (buffers == 0) {
    auto state = std::make_shared<ConstantState>();
    state->value = inline_value_;
    state_ = std::move(state);
  } else {
    state_ = std::static_pointer_cast<const ConstantState>(context_.file->CachedPageState(context_.column, context_.page_index));
  }
  return Status::OK();
}

std::vector<ByteRange> ConstantRead::NextReads() {
  if (state_ != nullptr) return {};
  return page().buffers;
}

Status ConstantRead::Supply(std::vector<Bytes> answers) {
  auto state = std::make_shared<ConstantState>();
  size_t next = 0;
  if (value_in_buffer_) {
    LANCEFS_RETURN_NOT_OK(ParseValueBuffer(answers[next++], &state->value));
  } else {
    state->value = inline_value_;
  }
  if (has_levels_) LANCEFS_RETURN_NOT_OK(ParseLevels(answers[next], answers[next + 1], &state->levels));
  state_ = state;
  context_.file->CachePageState(context_.column, context_.page_index, state);
  return Status::OK();
}

// The buffers of an Arrow array of one value: count, lengths, then the buffers.
Status ConstantRead::ParseValueBuffer(const Bytes& bytes, std::vector<uint8_t>* value) const {
  ByteReader reader(bytes.span());
  uint32_t count = 0;
  LANCEFS_RETURN_NOT_OK(reader.Read(&count));
  const bool variable = context_.shape.kind == ShapeKind::kVariable;
  if (!variable && context_.shape.kind != ShapeKind::kFixed) {
    return Status::NotSupported("a constant of type " + context_.shape.type->ToString() + " is not supported");
  }
  if (count != (variable ? 2U : 1U)) return Status::Corruption("a constant value has " + std::to_string(count) + " buffers");
  uint32_t lengths[2] = {0, 0};
  for (uint32_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(reader.Read(&lengths[i]));
  std::span<const uint8_t> parts[2];
  for (uint32_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(reader.ReadSpan(lengths[i], &parts[i]));
  if (!variable) {
    value->assign(parts[0].begin(), parts[0].end());
    return Status::OK();
  }
  const size_t width = context_.shape.wide_offsets ? 8 : 4;
  if (parts[0].size() < 2 * width) return Status::Corruption("a constant value has no offsets");
  const auto load = [&](size_t i) -> uint64_t {
    return width == 4 ? LoadLittleEndian<uint32_t>(parts[0].data() + i * 4) : LoadLittleEndian<uint64_t>(parts[0].data() + i * 8);
  };
  if (load(0) > load(1) || load(1) > parts[1].size()) return Status::Corruption("a constant value has broken offsets");
  value->assign(parts[1].begin() + static_cast<ptrdiff_t>(load(0)), parts[1].begin() + static_cast<ptrdiff_t>(load(1)));
  return Status::OK();
}

Status ConstantRead::ParseStream(const Bytes& bytes, const BlockCodec* codec, uint64_t count, std::vector<uint16_t>* out) const {
  if (codec != nullptr) return codec->AppendLevels(bytes.span(), count, out);
  if (bytes.size() % 2 != 0) return Status::Corruption("levels of " + std::to_string(bytes.size()) + " bytes");
  out->resize(bytes.size() / 2);
  if (!bytes.empty()) std::memcpy(out->data(), bytes.data(), bytes.size());
  return Status::OK();
}

Status ConstantRead::ParseLevels(const Bytes& rep, const Bytes& def, Levels* levels) const {
  LANCEFS_RETURN_NOT_OK(ParseStream(rep, rep_codec_.get(), num_rep_, &levels->rep));
  LANCEFS_RETURN_NOT_OK(ParseStream(def, def_codec_.get(), num_def_, &levels->def));
  levels->items = layers_.max_rep > 0 ? levels->rep.size() : levels->def.size();
  if (layers_.max_rep == 0 && levels->def.empty()) levels->items = page().length;
  LANCEFS_RETURN_NOT_OK(CheckLevels(layers_, *levels));
  if (layers_.max_rep == 0 && levels->items != page().length) {
    return Status::Corruption("the page has " + std::to_string(page().length) + " rows but " + std::to_string(levels->items) +
                              " levels");
  }
  if (layers_.max_rep > 0 && !levels->rep.empty() && levels->rep[0] != layers_.max_rep)
    return Status::Corruption("the page does not begin with a row");
  return Status::OK();
}

Status ConstantRead::Decode(LeafColumn* out) {
  const uint64_t rows = CountRows(rows_);
  if (no_structure_) {
    for (LayerValues& layer : out->layers) {
      layer.slots += rows;
      LANCEFS_RETURN_NOT_OK(layer.validity.AppendValid(rows));
    }
    return out->values.AppendDefault(rows);
  }
  Levels selected;
  uint64_t values = rows;
  if (has_levels_) {
    RowSelection ranges;
    LANCEFS_RETURN_NOT_OK(SelectRows(layers_, state_->levels, 0, rows_, &selected, &ranges));
    values = CountRows(ranges);
  } else {
    selected.items = rows;
    if (!has_value_ && layers_.max_def > 0) {
      if (rows > kFreeArrayBytes / 2) return Status::TooLarge("too many rows at once; read fewer rows at once");
      // The innermost level: the leaf is null and what is around it is not.
      selected.def.assign(rows, 1);
    }
  }
  if (has_value_) {
    LANCEFS_RETURN_NOT_OK(out->values.AppendRepeated(state_->value, values));
  } else {
    LANCEFS_RETURN_NOT_OK(out->values.AppendDefault(values));
  }
  return Unravel(layers_, &selected, &out->layers);
}

}  // namespace

Result<std::unique_ptr<PageRead>> MakeConstantRead(const PageContext& context, const pb::v21::ConstantLayout& layout,
                                                   RowSelection rows) {
  auto read = std::make_unique<ConstantRead>(context, std::move(rows));
  LANCEFS_RETURN_NOT_OK(read->Init(layout));
  return std::unique_ptr<PageRead>(std::move(read));
}

}  // namespace lancefs::structural
