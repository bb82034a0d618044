// SPDX-License-Identifier: Apache-2.0
#include "engine/arrow_status.h"
#include "engine/format/v1/reader.h"

namespace lancefs::v1 {
namespace {

// First the offsets, then the items that they span.
template <typename Offset>
class ListReader : public Reader {
 public:
  ListReader(ReadContext context, Pages pages, const Field& field, PageRanges ranges)
      : context_(std::move(context)),
        pages_(std::move(pages)),
        field_(field),
        ranges_(std::move(ranges)),
        rows_(CountValues(ranges_)),
        joined_(pages_.offset_reach()) {}

  Status Next(std::vector<ByteRange>* reads) override {
    if (items_ == nullptr && ranges_.empty()) LANCEFS_RETURN_NOT_OK(MakeItems());
    if (items_ != nullptr) return items_->Next(reads);
    uint64_t total = 0;
    for (const PageRange& range : ranges_) {
      // The page counts the offsets, one more than rows.
      LANCEFS_ASSIGN_OR_RETURN(const ByteRange read, pages_.Locate({range.batch, range.start, range.end + 1}, sizeof(Offset) * 8,
                                                                   pages_.LengthOf(range.batch)));
      joined_.Add(range.batch, read);
      total += read.length - sizeof(Offset);  // neighbours share one
    }
    LANCEFS_RETURN_NOT_OK(pages_.CheckTotal({{0, total}}));
    joined_.AppendReads(reads);
    return Status::OK();
  }

  Status Take(Answers* answers) override {
    if (items_ != nullptr) return items_->Take(answers);
    bytes_ = joined_.Take(answers);
    return MakeItems();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> items, items_->Decode());
    return arrow::MakeArray(arrow::ArrayData::Make(field_.type, static_cast<int64_t>(rows_), {nullptr, std::move(offsets_)},
                                                   {items->data()}, /*null_count=*/0));
  }

 private:
  Status MakeItems() {
    LANCEFS_ASSIGN_OR_RETURN(offsets_, v20::AllocateOutput((rows_ + 1) * sizeof(Offset), UINT64_MAX));
    auto* out = reinterpret_cast<Offset*>(offsets_->mutable_data());
    *out = 0;
    uint64_t items = 0;
    PageRanges wanted;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const uint8_t* raw = bytes_[i].data();
      const auto first = LoadLittleEndian<Offset>(raw);
      Offset previous = first;
      bool ascends = first >= 0;
      for (uint64_t k = 1; k <= ranges_[i].length(); ++k) {
        const auto offset = LoadLittleEndian<Offset>(raw + k * sizeof(Offset));
        ascends &= offset >= previous;
        previous = offset;
        // Garbage when they do not ascend; then it is not used.
        *++out = static_cast<Offset>(items + (static_cast<uint64_t>(offset) - static_cast<uint64_t>(first)));
      }
      if (!ascends) return pages_.Corrupt(ranges_[i].batch, "the offsets of its lists descend");
      items += static_cast<uint64_t>(previous) - static_cast<uint64_t>(first);
      if (items > static_cast<uint64_t>(std::numeric_limits<Offset>::max())) {
        return Status::TooLarge(std::to_string(rows_) + " lists hold " + std::to_string(items) +
                                " items, more than one array can; read fewer rows at once");
      }
      AddRange(&wanted, {ranges_[i].batch, static_cast<uint64_t>(first), static_cast<uint64_t>(previous)});
    }
    bytes_.clear();
    LANCEFS_ASSIGN_OR_RETURN(items_, MakeReader(context_, field_.children[0], std::move(wanted), Level::kItems));
    return Status::OK();
  }

  ReadContext context_;
  Pages pages_;
  const Field& field_;  // of the context
  PageRanges ranges_;
  uint64_t rows_;
  JoinedReads joined_;
  std::vector<Bytes> bytes_;
  std::shared_ptr<arrow::Buffer> offsets_;
  std::unique_ptr<Reader> items_;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakeListReader(const ReadContext& context, Pages pages, const Field& field, PageRanges ranges) {
  if (field.type->id() == arrow::Type::LIST)
    return std::unique_ptr<Reader>(std::make_unique<ListReader<int32_t>>(context, std::move(pages), field, std::move(ranges)));
  return std::unique_ptr<Reader>(std::make_unique<ListReader<int64_t>>(context, std::move(pages), field, std::move(ranges)));
}

}  // namespace lancefs::v1
