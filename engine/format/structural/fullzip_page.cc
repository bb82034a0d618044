// SPDX-License-Identifier: Apache-2.0
//
// Full-zip pages (docs/lance/file.md 3.4): levels and value of one item next to each other, for wide
// values. Buffers: zipped items, [byte offset of every row].
#include <optional>
#include <string>

#include "engine/format/structural/page_read.h"

namespace lancefs::structural {
namespace {

// A stretch of the zipped items that holds whole rows.
struct ItemRun {
  RowRange rows;  // all of these are in it
  Bytes bytes;
};

class FullZipRead final : public PageRead {
 public:
  FullZipRead(PageContext context, RowSelection rows) : context_(std::move(context)), rows_(std::move(rows)) {}

  Status Init(const pb::v21::FullZipLayout& layout);
  std::vector<ByteRange> NextReads() override;
  Status Supply(std::vector<Bytes> answers) override;
  Status Decode(LeafColumn* out) override;

 private:
  enum class Step : uint8_t { kIndex, kItems, kDone };

  const PageInfo& page() const { return *context_.page; }
  uint64_t Entry(const Bytes& entries, uint64_t index) const;
  Status SupplyIndex(const std::vector<Bytes>& answers);
  Status DecodeRun(const ItemRun& run, RowSelection::const_iterator* wanted, Levels* selected, LeafColumn* out) const;
  Status DecodePlain(const ItemRun& run, LeafColumn* out) const;
  Status AppendItemValue(ByteReader* reader, bool valid, bool keep, LeafColumn* out) const;
  Status MakeNull(Levels* levels) const;

  PageContext context_;
  RowSelection rows_;
  PageLayers layers_;
  std::unique_ptr<ValueCodec> codec_;
  unsigned def_bits_ = 0;
  size_t word_bytes_ = 0;    // of the control word
  size_t value_bytes_ = 0;   // of a fixed-width value
  size_t length_bytes_ = 0;  // of a variable value's length; 0 = fixed width
  bool has_rep_ = false;
  bool has_def_ = false;
  std::optional<PageLayers> null_layers_;  // all values are null although no level says so: the layers if one did
  bool whole_ = false;
  size_t entry_bytes_ = 0;        // of the row index
  uint64_t stride_ = 0;           // bytes of a row if all rows are equal, else 0
  std::vector<ByteRange> items_;  // one a range of rows_
  Step step_ = Step::kIndex;
  std::vector<ItemRun> runs_;
};

Status FullZipRead::Init(const pb::v21::FullZipLayout& layout) {
  LANCEFS_ASSIGN_OR_RETURN(layers_, PageLayers::Make(layout.layers(), context_.path));
  LANCEFS_ASSIGN_OR_RETURN(codec_, ValueCodec::Make(layout.value_compression()));
  if (layout.value_compression().has_constant() && !layout.value_compression().constant().has_value() &&
      (layers_.layers[0].null_level == 0 || layout.bits_def() == 0)) {
    auto with_nulls = layout.layers();
    with_nulls[0] = pb::v21::REPDEF_NULLABLE_ITEM;
    LANCEFS_ASSIGN_OR_RETURN(null_layers_, PageLayers::Make(with_nulls, context_.path));
  }
  if (layout.bits_rep() > 16 || layout.bits_def() > 16) return Status::Corruption("levels of more than 16 bits");
  const unsigned level_bits = layout.bits_rep() + layout.bits_def();
  def_bits_ = layout.bits_def();
  word_bytes_ = level_bits == 0 ? 0 : level_bits <= 8 ? 1 : level_bits <= 16 ? 2 : 4;
  has_rep_ = layout.bits_rep() > 0;
  has_def_ = layout.bits_def() > 0;
  if (has_rep_ != (layers_.max_rep > 0) && page().length > 0)
    return Status::Corruption("the page's lists and its repetition levels do not fit");
  if (context_.shape.kind == ShapeKind::kDictionary)
    return Status::NotSupported("a full-zip page in a column of type " + context_.shape.type->ToString() + " is not supported");
  switch (layout.details_case()) {
    case pb::v21::FullZipLayout::kBitsPerValue:
      if (layout.bits_per_value() % 8 != 0)
        return Status::Corruption("values of " + std::to_string(layout.bits_per_value()) + " bits");
      value_bytes_ = layout.bits_per_value() / 8;
      // Lists of nothing but null items take no bytes in old files.
      LANCEFS_RETURN_NOT_OK(value_bytes_ == 0 ? codec_->CheckChunkShape(context_.shape)
                                              : codec_->CheckValueShape(context_.shape, layout.bits_per_value()));
      break;
    case pb::v21::FullZipLayout::kBitsPerOffset:
      if (layout.bits_per_offset() != 32 && layout.bits_per_offset() != 64)
        return Status::Corruption("lengths of " + std::to_string(layout.bits_per_offset()) + " bits");
      length_bytes_ = layout.bits_per_offset() / 8;
      LANCEFS_RETURN_NOT_OK(codec_->CheckValueShape(context_.shape, 0));
      break;
    default: return Status::Corruption("the page does not say how wide its values are");
  }
  if (page().buffers.empty()) return Status::Corruption("the page has no buffer");
  const uint64_t bytes = page().buffers[0].length;
  if (length_bytes_ == 0 && !has_rep_) {
    // Old writers left out the width of levels that are all 0, but not the levels.
    if (!has_def_ && layers_.max_def > 0 && bytes / (value_bytes_ + 1) == page().length && bytes % (value_bytes_ + 1) == 0)
      word_bytes_ = page().length > 0 ? 1 : 0;
    stride_ = word_bytes_ + value_bytes_;
    if (stride_ == 0) {
      step_ = Step::kDone;
      return bytes == 0 ? Status::OK() : Status::Corruption("values without bytes in " + std::to_string(bytes) + " bytes");
    }
    if (bytes / stride_ != page().length || bytes % stride_ != 0) {
      return Status::Corruption("the page has " + std::to_string(page().length) + " rows of " + std::to_string(stride_) +
                                " bytes but " + std::to_string(bytes) + " bytes");
    }
    for (const RowRange& range : rows_) items_.push_back(PartOf(page(), 0, range.start * stride_, range.length() * stride_));
    step_ = Step::kItems;
    return Status::OK();
  }
  whole_ = WantsWholePage(context_, rows_, bytes);
  if (whole_) {
    items_.push_back(page().buffers[0]);
    step_ = Step::kItems;
    return Status::OK();
  }
  if (page().buffers.size() < 2) return Status::Corruption("the page has no row index");
  entry_bytes_ = page().buffers[1].length / (page().length + 1);
  if ((entry_bytes_ != 1 && entry_bytes_ != 2 && entry_bytes_ != 4 && entry_bytes_ != 8) ||
      page().buffers[1].length % (page().length + 1) != 0) {
    return Status::Corruption("the row index has " + std::to_string(page().buffers[1].length) + " bytes for " +
                              std::to_string(page().length) + " rows");
  }
  return Status::OK();
}

std::vector<ByteRange> FullZipRead::NextReads() {
  if (step_ == Step::kItems) return items_;
  std::vector<ByteRange> ranges;
  if (step_ == Step::kDone) return ranges;
  for (const RowRange& range : rows_) {
    ranges.push_back(PartOf(page(), 1, range.start * entry_bytes_, entry_bytes_));
    ranges.push_back(PartOf(page(), 1, range.end * entry_bytes_, entry_bytes_));
  }
  return ranges;
}

uint64_t FullZipRead::Entry(const Bytes& entries, uint64_t index) const {
  const uint8_t* at = entries.data() + index * entry_bytes_;
  switch (entry_bytes_) {
    case 1: return *at;
    case 2: return LoadLittleEndian<uint16_t>(at);
    case 4: return LoadLittleEndian<uint32_t>(at);
    default: return LoadLittleEndian<uint64_t>(at);
  }
}

Status FullZipRead::SupplyIndex(const std::vector<Bytes>& answers) {
  const uint64_t size = page().buffers[0].length;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const uint64_t start = Entry(answers[2 * i], 0);
    const uint64_t end = Entry(answers[2 * i + 1], 0);
    if (start > end || end > size) return Status::Corruption("the row index points outside the page");
    items_.push_back(PartOf(page(), 0, start, end - start));
  }
  step_ = Step::kItems;
  return Status::OK();
}

Status FullZipRead::Supply(std::vector<Bytes> answers) {
  if (step_ == Step::kIndex) return SupplyIndex(answers);
  if (whole_) {
    runs_.push_back({{0, page().length}, std::move(answers[0])});
  } else {
    for (size_t i = 0; i < rows_.size(); ++i) runs_.push_back({rows_[i], std::move(answers[i])});
  }
  step_ = Step::kDone;
  return Status::OK();
}

// Rows that are only values, one after the other.
Status FullZipRead::DecodePlain(const ItemRun& run, LeafColumn* out) const {
  if (run.bytes.size() != run.rows.length() * stride_) return Status::Corruption("the rows' bytes are missing");
  if (codec_->IsPlainRows(context_.shape)) return out->values.AppendRows(run.bytes, run.rows.length());
  for (uint64_t i = 0; i < run.rows.length(); ++i) {
    LANCEFS_RETURN_NOT_OK(codec_->AppendValue(run.bytes.span().subspan(i * stride_, stride_), &out->scratch, &out->values));
  }
  return Status::OK();
}

Status FullZipRead::AppendItemValue(ByteReader* reader, bool valid, bool keep, LeafColumn* out) const {
  uint64_t length = value_bytes_;
  if (length_bytes_ != 0) {
    if (!valid) return keep ? out->values.AppendDefault(1) : Status::OK();
    if (length_bytes_ == 4) {
      uint32_t narrow = 0;
      LANCEFS_RETURN_NOT_OK(reader->Read(&narrow));
      length = narrow;
    } else {
      LANCEFS_RETURN_NOT_OK(reader->Read(&length));
    }
  }
  std::span<const uint8_t> value;
  LANCEFS_RETURN_NOT_OK(reader->ReadSpan(length, &value));
  if (!keep) return Status::OK();
  return codec_->AppendValue(value, &out->scratch, &out->values);
}

Status FullZipRead::DecodeRun(const ItemRun& run, RowSelection::const_iterator* wanted, Levels* selected, LeafColumn* out) const {
  ByteReader reader(run.bytes.span());
  uint64_t next_row = run.rows.start;  // number of the next row that starts
  bool keep = false;
  const auto def_mask = static_cast<uint32_t>((uint64_t{1} << def_bits_) - 1);
  // Without a control word and with empty values the bytes say nothing of the count.
  while (reader.remaining() != 0) {
    uint32_t word = 0;
    if (word_bytes_ != 0) {
      std::span<const uint8_t> bytes;
      LANCEFS_RETURN_NOT_OK(reader.ReadSpan(word_bytes_, &bytes));
      std::memcpy(&word, bytes.data(), word_bytes_);
    }
    const uint32_t rep = word >> def_bits_;
    const uint32_t def = word & def_mask;
    if (rep > layers_.max_rep || def > layers_.max_def) return Status::Corruption("a level is too large");
    if (rep == layers_.max_rep) {
      if (next_row >= run.rows.end) return Status::Corruption("there are more rows than the page has");
      while (*wanted != rows_.end() && (*wanted)->end <= next_row) ++*wanted;
      keep = *wanted != rows_.end() && (*wanted)->start <= next_row;
      ++next_row;
    } else if (next_row == run.rows.start) {
      return Status::Corruption("a row does not begin with its start");
    }
    if (keep) {
      if (has_rep_) selected->rep.push_back(static_cast<uint16_t>(rep));
      if (has_def_) selected->def.push_back(static_cast<uint16_t>(def));
      ++selected->items;
    }
    if (def <= layers_.max_visible_def) LANCEFS_RETURN_NOT_OK(AppendItemValue(&reader, def == 0, keep, out));
  }
  if (next_row != run.rows.end) {
    return Status::Corruption("only " + std::to_string(next_row - run.rows.start) + " of " + std::to_string(run.rows.length()) +
                              " rows are there");
  }
  return Status::OK();
}

// As the reference reads values of which nothing is there: null, unless the levels tell which of them are.
Status FullZipRead::MakeNull(Levels* levels) const {
  if (!levels->def.empty()) {
    for (uint16_t& level : levels->def) ++level;
    return Status::OK();
  }
  if (levels->items > kFreeArrayBytes / 2) return Status::TooLarge("too many rows at once; read fewer rows at once");
  levels->def.assign(levels->items, 1);
  return Status::OK();
}

Status FullZipRead::Decode(LeafColumn* out) {
  Levels selected;
  LANCEFS_RETURN_NOT_OK(out->values.Reserve(has_rep_ ? 0 : CountRows(rows_)));
  if (stride_ == 0 && length_bytes_ == 0 && !has_rep_) {
    selected.items = CountRows(rows_);
    for (uint64_t i = 0; i < selected.items; ++i) LANCEFS_RETURN_NOT_OK(codec_->AppendValue({}, &out->scratch, &out->values));
  }
  RowSelection::const_iterator wanted = rows_.begin();
  for (const ItemRun& run : runs_) {
    if (stride_ != 0 && word_bytes_ == 0) {
      LANCEFS_RETURN_NOT_OK(DecodePlain(run, out));
      selected.items += run.rows.length();
    } else {
      LANCEFS_RETURN_NOT_OK(DecodeRun(run, &wanted, &selected, out));
    }
  }
  if (null_layers_) LANCEFS_RETURN_NOT_OK(MakeNull(&selected));
  return Unravel(null_layers_ ? *null_layers_ : layers_, &selected, &out->layers);
}

}  // namespace

Result<std::unique_ptr<PageRead>> MakeFullZipRead(const PageContext& context, const pb::v21::FullZipLayout& layout,
                                                  RowSelection rows) {
  auto read = std::make_unique<FullZipRead>(context, std::move(rows));
  LANCEFS_RETURN_NOT_OK(read->Init(layout));
  return std::unique_ptr<PageRead>(std::move(read));
}

}  // namespace lancefs::structural
