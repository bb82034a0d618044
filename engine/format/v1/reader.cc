// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v1/reader.h"

#include <algorithm>

#include "engine/format/blob_descriptor.h"

namespace lancefs::v1 {
namespace {

class StructReader : public Reader {
 public:
  StructReader(std::shared_ptr<arrow::DataType> type, std::vector<std::unique_ptr<Reader>> children, uint64_t rows)
      : type_(std::move(type)), children_(std::move(children)), rows_(rows) {}

  Status Next(std::vector<ByteRange>* reads) override {
    asking_.clear();
    for (const auto& child : children_) {
      const size_t before = reads->size();
      LANCEFS_RETURN_NOT_OK(child->Next(reads));
      if (reads->size() != before) asking_.push_back(child.get());
    }
    return Status::OK();
  }
  Status Take(Answers* answers) override {
    for (Reader* child : asking_) LANCEFS_RETURN_NOT_OK(child->Take(answers));
    return Status::OK();
  }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    std::vector<std::shared_ptr<arrow::ArrayData>> data;
    for (const auto& child : children_) {
      LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> array, child->Decode());
      data.push_back(array->data());
    }
    return arrow::MakeArray(
        arrow::ArrayData::Make(type_, static_cast<int64_t>(rows_), {nullptr}, std::move(data), /*null_count=*/0));
  }

 private:
  std::shared_ptr<arrow::DataType> type_;
  std::vector<std::unique_ptr<Reader>> children_;
  std::vector<Reader*> asking_;  // those that the last Next heard of
  uint64_t rows_;
};

Result<std::unique_ptr<Reader>> MakeStructReader(const ReadContext& context, const Field& field, const PageRanges& ranges,
                                                 Level level) {
  std::vector<std::unique_ptr<Reader>> children;
  for (const Field& child : field.children) {
    LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader, MakeReader(context, child, ranges, level));
    children.push_back(std::move(reader));
  }
  return std::unique_ptr<Reader>(std::make_unique<StructReader>(field.type, std::move(children), CountValues(ranges)));
}

// Cuts rows of the file at the borders of its batches.
Result<PageRanges> SplitByBatches(const LanceFile& file, const RowSelection& rows) {
  PageRanges ranges;
  if (rows.empty()) return ranges;
  const std::vector<uint32_t>& offsets = file.batch_offsets();
  const uint64_t total = offsets.empty() ? 0 : offsets.back();
  if (rows.back().end > total) {
    return Status::Corruption("data file " + file.path() + ": rows up to " + std::to_string(rows.back().end) +
                              " are wanted but it has " + std::to_string(total));
  }
  auto batch = static_cast<size_t>(std::upper_bound(offsets.begin(), offsets.end(), rows[0].start) - offsets.begin()) - 1;
  for (const RowRange& range : rows) {
    uint64_t start = range.start;
    while (start < range.end) {
      while (offsets[batch + 1] <= start) ++batch;
      const uint64_t end = std::min<uint64_t>(range.end, offsets[batch + 1]);
      AddRange(&ranges, {batch, start - offsets[batch], end - offsets[batch]});
      start = end;
    }
  }
  return ranges;
}

}  // namespace

uint64_t CountValues(const PageRanges& ranges) {
  uint64_t count = 0;
  for (const PageRange& range : ranges) count += range.length();
  return count;
}

void AddRange(PageRanges* ranges, const PageRange& added) {
  if (added.length() == 0) return;
  if (!ranges->empty() && ranges->back().batch == added.batch && ranges->back().end == added.start) {
    ranges->back().end = added.end;
  } else {
    ranges->push_back(added);
  }
}

Status Pages::Corrupt(size_t batch, const std::string& what) const {
  return Status::Corruption("data file " + file_->path() + ", field '" + field_ + "', batch " + std::to_string(batch) + ": " +
                            what);
}

Result<ByteRange> Pages::Locate(const PageRange& range, uint64_t bits, uint64_t length) const {
  if (range.batch >= info_->legacy_pages.size()) return Corrupt(range.batch, "there is no such page");
  if (range.end > length) {
    return Corrupt(range.batch,
                   "values up to " + std::to_string(range.end) + " are wanted but the page has " + std::to_string(length));
  }
  if (bits == 0) return ByteRange{0, 0};
  const uint64_t position = info_->legacy_pages[range.batch].position;
  const uint64_t size = file_->size();
  if (position > size || range.end > (size - position) * 8 / bits) {
    return Corrupt(range.batch, std::to_string(range.end) + " values of " + std::to_string(bits) + " bits at " +
                                    std::to_string(position) + " lie beyond the end (" + std::to_string(size) + " bytes)");
  }
  const uint64_t first = range.start * bits / 8;
  return ByteRange{position + first, (range.end * bits + 7) / 8 - first};
}

Status Pages::CheckTotal(const std::vector<ByteRange>& reads) const {
  uint64_t total = 0;
  for (const ByteRange& read : reads) {
    total += read.length;
    // Ranges of bits share bytes at their borders.
    if (total > file_->size() + reads.size())
      return Status::Corruption("data file " + file_->path() + ", field '" + field_ + "': its pages overlap");
  }
  return Status::OK();
}

void JoinedReads::Add(size_t batch, const ByteRange& range) {
  if (range.length == 0) {  // answered without a request
    pieces_.push_back({reads_.size(), 0, 0});
    reads_.push_back(range);
    return;
  }
  if (batch != batch_ || range.offset < reads_[last_].offset || range.offset - reads_[last_].offset > reach_) {
    batch_ = batch;
    last_ = reads_.size();
    reads_.push_back(range);
  }
  ByteRange& read = reads_[last_];
  read.length = std::max(read.end(), range.end()) - read.offset;
  pieces_.push_back({last_, range.offset - read.offset, range.length});
}

std::vector<Bytes> JoinedReads::Take(Answers* answers) const {
  std::vector<Bytes> read(reads_.size());
  for (Bytes& bytes : read) bytes = answers->Take();
  std::vector<Bytes> out;
  out.reserve(pieces_.size());
  for (const Piece& piece : pieces_) out.push_back(read[piece.read].Slice(piece.offset, piece.length));
  return out;
}

Result<std::unique_ptr<Reader>> MakeReader(const ReadContext& context, const Field& field, PageRanges ranges, Level level) {
  const arrow::Type::type id = field.type->id();
  if (id == arrow::Type::STRUCT && !field.IsBlob()) return MakeStructReader(context, field, ranges, level);
  const auto column = context->columns.find(field.id);
  if (column == context->columns.end() || id == arrow::Type::NA) return v20::MakeNullReader(field, CountValues(ranges));
  const auto info = context->infos.find(column->second);
  if (info == context->infos.end())
    return Status::Internal("the metadata of column " + std::to_string(column->second) + " was not read");
  Pages pages(context->file, info->second, field.name, level);
  if (field.IsBlob() && field.type->Equals(*BlobDescriptorType()))
    return MakeBinaryReader(std::move(pages), field.type, field.nullable, std::move(ranges));
  switch (id) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: return MakeBinaryReader(std::move(pages), field.type, field.nullable, std::move(ranges));
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: return MakeListReader(context, std::move(pages), field, std::move(ranges));
    case arrow::Type::DICTIONARY: return MakeDictionaryReader(std::move(pages), field.type, field.dictionary, std::move(ranges));
    default: return MakeFixedReader(std::move(pages), field.type, std::move(ranges));
  }
}

}  // namespace lancefs::v1

namespace lancefs {

Result<std::unique_ptr<ColumnRead>> MakeColumnReadV1(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                     const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows) {
  const std::string context = "field '" + field.name + "'";
  LANCEFS_ASSIGN_OR_RETURN(v1::PageRanges ranges, v1::SplitByBatches(*file, rows));
  const v20::ReadContext shared = v20::MakeContext(file, field, columns, infos);
  Result<std::unique_ptr<v20::Reader>> reader = v1::MakeReader(shared, shared->root, std::move(ranges));
  if (!reader.ok()) return reader.status().WithContext(context);
  return v20::MakeColumnRead(reader.MoveValue(), context);
}

}  // namespace lancefs
