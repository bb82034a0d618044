// SPDX-License-Identifier: Apache-2.0
//
// fixed_size_list (docs/lance/file.md 4.9): rows of items, lists in lists too, with a validity bitmap for
// the items of every list that has null ones. In chunks bitmaps and items are buffers of their own; a
// single value, and a row of a block, is its bitmaps followed by its items.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

struct Lists {
  std::vector<uint64_t> items;  // a row, outermost list first, cumulated
  std::vector<bool> validity;   // which of them have a bitmap for their items
  bool items_null = false;      // all items are null, no data is stored
  uint64_t data_bits = 0;       // of the items of one row

  static Result<Lists> Make(const pb::v21::FixedSizeList& encoding, int depth);
  size_t num_bitmaps() const { return static_cast<size_t>(std::count(validity.begin(), validity.end(), true)); }
  // Bytes of one value with its bitmaps.
  uint64_t ValueBytes() const {
    uint64_t bytes = BytesFor(data_bits);
    for (size_t i = 0; i < items.size(); ++i) bytes += validity[i] ? BytesFor(items[i]) : 0;
    return bytes;
  }
};

Result<Lists> Lists::Make(const pb::v21::FixedSizeList& encoding, int depth) {
  Lists out;
  uint64_t items = 1;
  const pb::v21::FixedSizeList* list = &encoding;
  for (int level = depth;; ++level) {
    if (level >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
    const uint64_t dimension = list->items_per_value();
    if (dimension == 0 || dimension > (uint64_t{1} << 32) / items)
      return Status::Corruption("a fixed-size list of " + std::to_string(dimension) + " items");
    items *= dimension;
    out.items.push_back(items);
    out.validity.push_back(list->has_validity());
    if (!list->values().has_fixed_size_list()) break;
    list = &list->values().fixed_size_list();
  }
  const pb::v21::CompressiveEncoding& leaf = list->values();
  if (leaf.has_constant()) {
    if (leaf.constant().has_value()) return Status::NotSupported("fixed-size lists of a constant item are not supported");
    out.items_null = true;
    return out;
  }
  if (!leaf.has_flat())
    return Status::NotSupported(std::string("fixed-size lists over '") + EncodingName(leaf) + "' are not supported");
  const uint64_t bits = leaf.flat().bits_per_value();
  if (bits == 0 || bits > (uint64_t{1} << 30) || (bits != 1 && bits % 8 != 0) || leaf.flat().has_data())
    return Status::Corruption("flat values of " + std::to_string(bits) + " bits");
  if (items > (uint64_t{1} << 34) / bits) return Status::Corruption("fixed-size lists of " + std::to_string(items) + " items");
  out.data_bits = items * bits;
  return out;
}

class FixedSizeListBlock final : public BlockCodec {
 public:
  explicit FixedSizeListBlock(Lists lists) : BlockCodec(lists.data_bits), lists_(std::move(lists)) {}

  Status Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const override;

  bool Plausible(size_t size, uint64_t count) const override { return count <= size / lists_.ValueBytes(); }

 protected:
 private:
  Lists lists_;
};

Status FixedSizeListBlock::Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const {
  if (!Plausible(in.size(), count)) return WrongSize("a block of fixed-size lists", in.size(), count);
  // The reference writes a bit for every item of lists without data, behind the bitmaps, and cannot read it.
  const uint64_t idle = lists_.items_null && in.size() != count * lists_.ValueBytes() ? BytesFor(lists_.items.back()) : 0;
  if (in.size() != count * (lists_.ValueBytes() + idle))
    return WrongSize("a block of fixed-size lists", in.size(), count * lists_.ValueBytes());
  out->bits = bits_;
  out->count = count;
  out->list_items = lists_.items;
  out->item_validity.assign(lists_.items.size(), {});
  const size_t row = bits_ / 8;
  out->data.resize(count * row);
  const auto has_bitmap = [&](size_t layer) {
    return lists_.validity[layer] || (lists_.items_null && layer + 1 == lists_.items.size());
  };
  for (size_t layer = 0; layer < lists_.items.size(); ++layer) {
    if (has_bitmap(layer)) out->item_validity[layer].resize(BytesFor(count * lists_.items[layer]));
  }
  const uint8_t* from = in.data();
  for (uint64_t i = 0; i < count; ++i) {
    for (size_t layer = 0; layer < lists_.items.size(); ++layer) {
      if (!lists_.validity[layer]) continue;
      CopyBits(from, 0, out->item_validity[layer].data(), i * lists_.items[layer], lists_.items[layer]);
      from += BytesFor(lists_.items[layer]);
    }
    if (row != 0) std::memcpy(out->data.data() + i * row, from, row);
    from += row + idle;
  }
  return Status::OK();
}

class FixedSizeListValues final : public ValueCodec {
 public:
  explicit FixedSizeListValues(Lists lists) : lists_(std::move(lists)) {}

  // The items' buffer is there even if all of them are null.
  size_t num_buffers() const override { return 1 + lists_.num_bitmaps(); }
  Status CheckChunkShape(const LeafShape& shape) const override {
    // Where all items are null the page does not tell what they would be: it may be lists again.
    const bool fits = lists_.items_null ? shape.list_items.size() >= lists_.items.size() &&
                                              std::equal(lists_.items.begin(), lists_.items.end(), shape.list_items.begin())
                                        : shape.list_items == lists_.items && shape.row_bits == lists_.data_bits;
    return fits && shape.kind == ShapeKind::kFixedSizeList ? Status::OK() : Misfit("the fixed-size lists of the page", shape);
  }
  Status CheckValueShape(const LeafShape& shape, uint64_t bits) const override {
    if (bits == 0) return ValueCodec::CheckValueShape(shape, bits);
    LANCEFS_RETURN_NOT_OK(CheckChunkShape(shape));
    return lists_.ValueBytes() * 8 == bits ? Status::OK() : Status::Corruption("the page's value width is contradictory");
  }
  Status AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* scratch,
                     LeafValues* out) const override;
  Status AppendValue(std::span<const uint8_t> bytes, Scratch* scratch, LeafValues* out) const override;

 private:
  // Rows whose items are null; what lies below those does not show.
  Status AppendNullItems(uint64_t count, LeafValues* out) const {
    for (size_t layer = lists_.items.size(); layer < out->shape().list_items.size(); ++layer)
      LANCEFS_RETURN_NOT_OK(out->AppendItemValidity(layer, nullptr, 0, count));
    const std::vector<uint8_t> zeros(BytesFor(out->shape().row_bits), 0);
    for (uint64_t i = 0; i < count; ++i) LANCEFS_RETURN_NOT_OK(out->AppendRows(zeros.data(), 0, 1));
    return Status::OK();
  }

  Lists lists_;
};

Status FixedSizeListValues::AppendChunk(Buffers buffers, uint64_t count, const RowSelection& ranges, Scratch* /*scratch*/,
                                        LeafValues* out) const {
  size_t next = 0;
  for (size_t layer = 0; layer < lists_.items.size(); ++layer) {
    const uint8_t* bits = nullptr;
    if (lists_.validity[layer]) {
      const uint64_t wanted = BytesFor(count * lists_.items[layer]);
      if (buffers[next].size() < wanted) return WrongSize("a bitmap of list items", buffers[next].size(), wanted);
      bits = buffers[next++].data();
    }
    const bool items = layer + 1 == lists_.items.size();
    for (const RowRange& range : ranges) {
      if (items && lists_.items_null) {
        LANCEFS_RETURN_NOT_OK(out->AppendItemNulls(layer, range.length()));
      } else {
        LANCEFS_RETURN_NOT_OK(out->AppendItemValidity(layer, bits, range.start, range.length()));
      }
    }
  }
  if (lists_.items_null) return AppendNullItems(CountRows(ranges), out);
  const uint64_t wanted = BytesFor(count * lists_.data_bits);
  if (buffers[next].size() < wanted) return WrongSize("a buffer of list items", buffers[next].size(), wanted);
  for (const RowRange& range : ranges) LANCEFS_RETURN_NOT_OK(out->AppendRows(buffers[next].data(), range.start, range.length()));
  return Status::OK();
}

Status FixedSizeListValues::AppendValue(std::span<const uint8_t> bytes, Scratch* /*scratch*/, LeafValues* out) const {
  if (bytes.size() < lists_.ValueBytes()) return WrongSize("a fixed-size list", bytes.size(), lists_.ValueBytes());
  size_t at = 0;
  for (size_t layer = 0; layer < lists_.items.size(); ++layer) {
    const uint8_t* bits = nullptr;
    if (lists_.validity[layer]) {
      bits = bytes.data() + at;
      at += BytesFor(lists_.items[layer]);
    }
    if (lists_.items_null && layer + 1 == lists_.items.size()) {
      LANCEFS_RETURN_NOT_OK(out->AppendItemNulls(layer, 1));
    } else {
      LANCEFS_RETURN_NOT_OK(out->AppendItemValidity(layer, bits, 0, 1));
    }
  }
  return lists_.items_null ? AppendNullItems(1, out) : out->AppendRows(bytes.data() + at, 0, 1);
}

}  // namespace

BlockResult MakeFixedSizeListBlock(const pb::v21::FixedSizeList& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(Lists lists, Lists::Make(encoding, depth));
  if (lists.data_bits % 8 != 0 || lists.ValueBytes() == 0)
    return Status::NotSupported("a block of fixed-size lists of single bits is not supported");
  return std::unique_ptr<BlockCodec>(std::make_unique<FixedSizeListBlock>(std::move(lists)));
}

ValueResult MakeFixedSizeListValues(const pb::v21::FixedSizeList& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(Lists lists, Lists::Make(encoding, depth));
  return std::unique_ptr<ValueCodec>(std::make_unique<FixedSizeListValues>(std::move(lists)));
}

}  // namespace lancefs::structural
