// SPDX-License-Identifier: Apache-2.0
//
// Lists and structs. A list column holds end offsets; the items of its page k are the next num_items
// values of the item's own columns, so the offsets say which rows of the child are wanted.
#include "engine/arrow_status.h"
#include "engine/format/v20/reader.h"

namespace lancefs::v20 {
namespace {

constexpr size_t kItemsBeforeSlot = UINT32_MAX - 1;  // no page has that number

// Where each page's items start in the item column; one more entry than pages.
using ItemsBefore = std::vector<uint64_t>;

// The list encoding inside `encoding`, or null for a page of nulls only.
Result<const pb::v20::List*> FindList(const PageRef& page, const pb::v20::ArrayEncoding& encoding) {
  const pb::v20::ArrayEncoding* inner = &encoding;
  for (int depth = 0; inner->has_nullable(); ++depth) {
    if (inner->nullable().has_all_nulls()) return static_cast<const pb::v20::List*>(nullptr);
    if (depth > kMaxEncodingDepth || !inner->nullable().has_no_nulls())
      return page.Unsupported("lists with a validity bitmap are not supported");
    inner = &inner->nullable().no_nulls().values();
  }
  if (!inner->has_list())
    return page.Unsupported("encoding " + std::to_string(static_cast<int>(inner->array_encoding_case())) +
                            " is not supported for lists");
  return &inner->list();
}

Result<std::shared_ptr<const ItemsBefore>> LoadItemsBefore(const PageRef& first) {
  if (auto state = first.file->CachedPageState(first.column, kItemsBeforeSlot))
    return std::static_pointer_cast<const ItemsBefore>(state);
  auto before = std::make_shared<ItemsBefore>(1, 0);
  PageRef page = first;
  for (page.page = 0; page.page < first.info->pages.size(); ++page.page) {
    uint64_t items = 0;
    if (page.page_info().length != 0) {
      LANCEFS_ASSIGN_OR_RETURN(const pb::v20::ArrayEncoding encoding, ParseEncoding(page));
      LANCEFS_ASSIGN_OR_RETURN(const pb::v20::List* list, FindList(page, encoding));
      if (list != nullptr) items = list->num_items();
    }
    if (items > UINT64_MAX / 4 - before->back()) return page.Corrupt("too many list items");
    before->push_back(before->back() + items);
  }
  first.file->CachePageState(first.column, kItemsBeforeSlot, before);
  return std::shared_ptr<const ItemsBefore>(std::move(before));
}

class ListReader : public Reader {
 public:
  static Result<std::unique_ptr<Reader>> Make(const ReadContext& context, const Field& field, std::vector<PagePart> pages) {
    auto reader = std::make_unique<ListReader>();
    reader->context_ = context;
    reader->field_ = &field;
    reader->large_ = field.type->id() == arrow::Type::LARGE_LIST;
    if (field.children.size() != 1) return Status::Corruption("a list needs one child");
    bool items_known = true;
    for (const PagePart& page : pages) {
      LANCEFS_RETURN_NOT_OK(reader->AddPart(page));
      items_known &= page.whole || reader->parts_.back().all_null;
    }
    if (reader->rows_ > (uint64_t{1} << 40)) return Status::Corruption("too many lists");
    // Whole pages: what is wanted of the items is known before the offsets are.
    if (items_known) {
      RowSelection items;
      for (const Part& part : reader->parts_) AddRange(&items, part.first_item, part.first_item + part.num_items);
      LANCEFS_ASSIGN_OR_RETURN(reader->child_, MakeReader(context, field.children[0], std::move(items)));
    }
    return std::unique_ptr<Reader>(std::move(reader));
  }

  Status Next(std::vector<ByteRange>* reads) override {
    if (!asked_) {
      asked_ = true;
      for (const Part& part : parts_) part.ends.AppendReads(reads);
      if (child_ == nullptr) return Status::OK();
    }
    return child_->Next(reads);
  }

  Status Take(Answers* answers) override {
    if (taken_) return child_->Take(answers);
    taken_ = true;
    bool as_expected = true;
    for (Part& part : parts_) {
      LANCEFS_RETURN_NOT_OK(part.ends.Take(answers, part.num_items));
      as_expected &= part.ends.total() == part.num_items;
    }
    LANCEFS_RETURN_NOT_OK(ConvertOffsets());
    if (child_ != nullptr) {
      LANCEFS_RETURN_NOT_OK(child_->Take(answers));
      if (as_expected) return Status::OK();
    }
    RowSelection items;
    for (const Part& part : parts_) {
      for (size_t i = 0; i < part.ends.num_ranges(); ++i)
        AddRange(&items, part.first_item + part.ends.first(i), part.first_item + part.ends.last(i));
    }
    LANCEFS_ASSIGN_OR_RETURN(child_, MakeReader(context_, field_->children[0], std::move(items)));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Array>> Decode() override {
    if (!taken_) LANCEFS_RETURN_NOT_OK(ConvertOffsets());  // nothing had to be read
    LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Array> items, child_->Decode());
    const int64_t nulls = validity_ == nullptr ? 0 : arrow::kUnknownNullCount;
    return arrow::MakeArray(
        arrow::ArrayData::Make(field_->type, static_cast<int64_t>(rows_), {validity_, offsets_}, {items->data()}, nulls));
  }

 private:
  struct Part {
    EndOffsets ends;
    uint64_t rows = 0;
    uint64_t first_item = 0;
    uint64_t num_items = 0;
    bool all_null = false;
  };

  Status AddPart(const PagePart& page) {
    LANCEFS_ASSIGN_OR_RETURN(const pb::v20::ArrayEncoding encoding, ParseEncoding(page.page));
    LANCEFS_ASSIGN_OR_RETURN(const pb::v20::List* list, FindList(page.page, encoding));
    if (items_before_ == nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(items_before_, LoadItemsBefore(page.page));
    }
    Part part;
    part.rows = page.count;
    part.first_item = (*items_before_)[page.page.page];
    part.all_null = list == nullptr;
    if (list != nullptr) {
      part.num_items = list->num_items();
      if (list->null_offset_adjustment() <= list->num_items())
        return page.page.Corrupt("the list offsets cannot tell nulls from lengths");
      LANCEFS_ASSIGN_OR_RETURN(part.ends,
                               EndOffsets::Make(page.page, list->offsets(), page.ranges, list->null_offset_adjustment()));
    }
    rows_ += part.rows;
    parts_.push_back(std::move(part));
    return Status::OK();
  }

  Status ConvertOffsets() {
    uint64_t items = 0;
    for (const Part& part : parts_) items += part.ends.total();
    if (!large_ && items > INT32_MAX) {
      return Status::TooLarge(std::to_string(rows_) + " lists hold " + std::to_string(items) +
                              " items, more than one array can; read fewer rows at once");
    }
    LANCEFS_ASSIGN_OR_RETURN(offsets_, AllocateOutput((rows_ + 1) * (large_ ? 8 : 4)));
    return large_ ? ConvertAll(reinterpret_cast<int64_t*>(offsets_->mutable_data()))
                  : ConvertAll(reinterpret_cast<int32_t*>(offsets_->mutable_data()));
  }

  template <typename Offset>
  Status ConvertAll(Offset* out) {
    uint64_t row = 0;
    uint64_t position = 0;
    out[0] = 0;
    for (const Part& part : parts_) {
      if (part.all_null) {
        if (validity_ == nullptr) {
          LANCEFS_ASSIGN_OR_RETURN(validity_, AllocateOnes(rows_));
        }
        arrow::bit_util::SetBitsTo(validity_->mutable_data(), static_cast<int64_t>(row), static_cast<int64_t>(part.rows), false);
        std::fill(out + row + 1, out + row + 1 + part.rows, static_cast<Offset>(position));
        row += part.rows;
      }
      for (size_t i = 0; i < part.ends.num_ranges(); ++i) {
        LANCEFS_RETURN_NOT_OK(part.ends.Convert(i, position, out + row + 1, row, rows_, &validity_));
        row += part.ends.rows_of(i);
        position += part.ends.last(i) - part.ends.first(i);
      }
    }
    return Status::OK();
  }

  ReadContext context_;
  const Field* field_ = nullptr;  // inside context_
  bool large_ = false;
  std::vector<Part> parts_;
  std::shared_ptr<const ItemsBefore> items_before_;
  uint64_t rows_ = 0;
  std::unique_ptr<Reader> child_;
  bool asked_ = false;
  bool taken_ = false;
  std::shared_ptr<arrow::Buffer> offsets_;
  std::shared_ptr<arrow::Buffer> validity_;
};

// The header column of a struct holds nothing: structs of 2.0 files are never null.
class StructReader : public Reader {
 public:
  StructReader(std::shared_ptr<arrow::DataType> type, uint64_t rows, std::vector<std::unique_ptr<Reader>> children)
      : type_(std::move(type)), rows_(rows), children_(std::move(children)) {}

  Status Next(std::vector<ByteRange>* reads) override {
    for (const auto& child : children_) LANCEFS_RETURN_NOT_OK(child->Next(reads));
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    for (const auto& child : children_) LANCEFS_RETURN_NOT_OK(child->Take(answers));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    std::vector<std::shared_ptr<arrow::ArrayData>> data;
    for (const auto& child : children_) {
      LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, child->Decode());
      data.push_back(array->data());
    }
    return arrow::MakeArray(arrow::ArrayData::Make(type_, static_cast<int64_t>(rows_), {nullptr}, std::move(data), 0));
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  uint64_t rows_;
  std::vector<std::unique_ptr<Reader>> children_;
};

}  // namespace

Result<std::unique_ptr<Reader>> MakeListReader(const ReadContext& context, const Field& field, std::vector<PagePart> parts) {
  return ListReader::Make(context, field, std::move(parts));
}

Result<std::unique_ptr<Reader>> MakeStructReader(const ReadContext& context, const Field& field, RowSelection rows) {
  bool stored = false;
  field.ForEach([&](const Field& each) { stored |= context->columns.contains(each.id); });
  const uint64_t count = CountRows(rows);
  if (!stored) return MakeNullReader(field, count);
  const auto header = context->columns.find(field.id);
  if (header != context->columns.end() && context->infos.contains(header->second)) {
    LANCEFS_RETURN_NOT_OK(SplitByPages(context->file, context->infos.at(header->second), header->second, rows).status());
  }
  std::vector<std::unique_ptr<Reader>> children;
  for (const Field& child : field.children) {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader, MakeReader(context, child, rows));
    children.push_back(std::move(reader));
  }
  return std::unique_ptr<Reader>(std::make_unique<StructReader>(field.type, count, std::move(children)));
}

}  // namespace lancefs::v20
