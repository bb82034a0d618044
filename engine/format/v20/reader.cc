// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v20/reader.h"

#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/block_pool.h"

namespace lancefs::v20 {
namespace {

// A column that the file does not have.
class NullReader : public Reader {
 public:
  NullReader(const Field& field, uint64_t rows) : field_(field), rows_(rows) {}
  Status Next(std::vector<ByteRange>*) override { return Status::OK(); }
  Status Take(Answers*) override { return Status::OK(); }
  Result<std::shared_ptr<arrow::Array>> Decode() override { return MakeNullArray(field_, rows_); }

 private:
  Field field_;
  uint64_t rows_;
};

// Gives the tree of readers the outside's rules: NextReads may be repeated.
class ReaderDriver : public ColumnRead {
 public:
  ReaderDriver(std::unique_ptr<Reader> reader, std::string context) : reader_(std::move(reader)), context_(std::move(context)) {}

  Result<std::vector<ByteRange>> NextReads() override {
    if (pending_.empty()) {
      const Status status = reader_->Next(&pending_);
      if (!status.ok()) return status.WithContext(context_);
    }
    return pending_;
  }
  Status Supply(std::vector<Bytes> answers) override {
    if (answers.size() != pending_.size()) return Status::Internal("answers do not match the reads");
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].size() != pending_[i].length) return Status::IoError(context_ + ": a read came back with the wrong length");
    }
    pending_.clear();
    Answers list(std::move(answers));
    return reader_->Take(&list).WithContext(context_);
  }
  Result<std::shared_ptr<arrow::Array>> Decode() override {
    Result<std::shared_ptr<arrow::Array>> array = reader_->Decode();
    if (!array.ok()) return array.status().WithContext(context_);
    return array;
  }

 private:
  std::unique_ptr<Reader> reader_;
  std::string context_;
  std::vector<ByteRange> pending_;
};

bool IsBlobColumn(const ColumnInfo& info) {
  pb::v20::ColumnEncoding encoding;
  return !info.encoding.empty() && encoding.ParseFromString(info.encoding) && encoding.has_blob();
}

Result<std::vector<LeafPart>> LeafParts(std::vector<PagePart> parts) {
  std::vector<LeafPart> leaves;
  leaves.reserve(parts.size());
  for (PagePart& part : parts) {
    LeafPart leaf;
    LANCEFS_ASSIGN_OR_RETURN(leaf.encoding, ParseEncoding(part.page));
    leaf.length = part.page.page_info().length;
    leaf.page = std::move(part.page);
    leaf.ranges = std::move(part.ranges);
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

}  // namespace

std::unique_ptr<ColumnRead> MakeColumnRead(std::unique_ptr<Reader> reader, std::string context) {
  return std::make_unique<ReaderDriver>(std::move(reader), std::move(context));
}

Result<std::shared_ptr<arrow::Buffer>> AllocateOutput(uint64_t size, uint64_t limit) {
  if (size > limit)
    return Status::TooLarge("the selection needs " + std::to_string(size) + " bytes in one array; read fewer rows at once");
  LANCEFS_ARROW_ASSIGN(std::unique_ptr<arrow::ResizableBuffer> buffer,
                       arrow::AllocateResizableBuffer(static_cast<int64_t>(size + kSlack), BlockPool()));
  LANCEFS_ARROW_NOT_OK(buffer->Resize(static_cast<int64_t>(size), false));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

uint64_t OutputLimit(const std::vector<LeafPart>& parts) {
  return parts.empty() ? kFreeArrayBytes : MaxArrayBytes(*parts[0].page.file, *parts[0].page.info);
}

Result<std::shared_ptr<arrow::Buffer>> AllocateOnes(uint64_t rows) {
  LANCEFS_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> bits, AllocateOutput((rows + 7) / 8));
  std::memset(bits->mutable_data(), 0xFF, static_cast<size_t>(bits->size()));
  return bits;
}

Result<std::vector<PagePart>> SplitByPages(const std::shared_ptr<LanceFile>& file, const std::shared_ptr<const ColumnInfo>& info,
                                           uint32_t column, const RowSelection& rows) {
  std::vector<PagePart> parts;
  if (rows.empty()) return parts;
  // The items of lists come from offsets that a broken file may have in any order.
  const std::string where = "data file " + file->path() + ", column " + std::to_string(column);
  uint64_t last = 0;
  for (const RowRange& range : rows) {
    if (range.end > info->num_rows) {
      return Status::Corruption(where + ": rows up to " + std::to_string(range.end) + " are wanted but it has " +
                                std::to_string(info->num_rows));
    }
    if (range.start < last || range.end < range.start)
      return Status::Corruption(where + ": rows " + std::to_string(range.start) + " to " + std::to_string(range.end) +
                                " are wanted behind row " + std::to_string(last));
    last = range.end;
  }
  const std::vector<PageInfo>& pages = info->pages;
  const auto after = std::upper_bound(pages.begin(), pages.end(), rows[0].start,
                                      [](uint64_t row, const PageInfo& page) { return row < page.first_row; });
  auto page = static_cast<size_t>(after - pages.begin()) - 1;
  for (const RowRange& range : rows) {
    uint64_t start = range.start;
    while (start < range.end) {
      while (pages[page].first_row + pages[page].length <= start) ++page;
      const uint64_t end = std::min(range.end, pages[page].first_row + pages[page].length);
      if (parts.empty() || parts.back().page.page != page) parts.push_back({PageRef{file, info, column, page}, {}, 0, false});
      AddRange(&parts.back().ranges, start - pages[page].first_row, end - pages[page].first_row);
      parts.back().count += end - start;
      start = end;
    }
  }
  for (PagePart& part : parts) part.whole = part.count == part.page.page_info().length;
  return parts;
}

Result<EndOffsets> EndOffsets::Make(const PageRef& page, const pb::v20::ArrayEncoding& encoding, const RowSelection& rows,
                                    uint64_t adjustment) {
  EndOffsets offsets;
  offsets.page_ = page;
  offsets.adjustment_ = adjustment;
  const pb::v20::ArrayEncoding* inner = &encoding;
  for (int depth = 0; inner->has_nullable(); ++depth) {
    if (depth > kMaxEncodingDepth || !inner->nullable().has_no_nulls()) return page.Corrupt("offsets cannot be null");
    inner = &inner->nullable().no_nulls().values();
  }
  RowSelection with_previous;
  for (const RowRange& range : rows) {
    AddRange(&with_previous, range.start == 0 ? 0 : range.start - 1, range.end);
    offsets.ranges_.push_back({nullptr, range.length(), 0, 0, range.start != 0});
    offsets.rows_ += range.length();
  }
  LANCEFS_ASSIGN_OR_RETURN(offsets.source_, FixedSource::Make(page, *inner, std::move(with_previous)));
  std::vector<ByteRange> reads;
  offsets.source_.AppendReads(&reads);
  if (reads.empty() && offsets.rows_ != 0) return page.Corrupt("the offsets take no bytes");
  return offsets;
}

Status EndOffsets::Take(Answers* answers, uint64_t limit) {
  if (ranges_.empty()) return Status::OK();
  LANCEFS_RETURN_NOT_OK(source_.Take(answers));
  const uint8_t* data = nullptr;
  size_t source_range = 0;
  uint64_t used = 0;  // ends of the source's range that are behind us
  const bool plain = source_.bits() == 64 && source_.count() != 0 && source_.Direct(0) != nullptr;
  if (!plain) {
    LANCEFS_ASSIGN_OR_RETURN(numbers_, source_.DecodeNumbers());
    data = reinterpret_cast<const uint8_t*>(numbers_.data());
  }
  for (Range& range : ranges_) {
    // Ranges with one row between them were joined, as that row's end is needed too.
    if (plain && (data == nullptr || used == source_.ranges()[source_range].length())) {
      if (data != nullptr) ++source_range;
      data = source_.Direct(source_range);
      used = 0;
    }
    const uint8_t* here = data + used * 8;
    if (range.has_previous) {
      range.first = Normalize(LoadLittleEndian<uint64_t>(here));
      here += 8;
    }
    range.raw = here;
    used += range.rows + (range.has_previous ? 1 : 0);
    range.last = Normalize(LoadLittleEndian<uint64_t>(here + (range.rows - 1) * 8));
    if (range.last < range.first || range.last > limit) {
      return page_.Corrupt("offsets from " + std::to_string(range.first) + " to " + std::to_string(range.last) + " in " +
                           std::to_string(limit));
    }
    total_ += range.last - range.first;
  }
  return Status::OK();
}

std::unique_ptr<Reader> MakeNullReader(const Field& field, uint64_t rows) { return std::make_unique<NullReader>(field, rows); }

Result<std::unique_ptr<Reader>> MakeLeafReader(const std::shared_ptr<arrow::DataType>& type, std::vector<LeafPart> parts) {
  switch (type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: return MakeBinaryReader(type, std::move(parts));
    case arrow::Type::DICTIONARY: return MakeDictionaryReader(type, std::move(parts));
    default: return MakeFixedReader(type, std::move(parts));
  }
}

ReadContext MakeContext(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns,
                        const ColumnInfos& infos) {
  auto surroundings = std::make_shared<Surroundings>();
  surroundings->file = file;
  surroundings->root = field;
  field.ForEach([&](const Field& each) {
    const auto column = columns.find(each.id);
    if (column == columns.end()) return;
    surroundings->columns.emplace(*column);
    const auto info = infos.find(column->second);
    if (info != infos.end()) surroundings->infos.emplace(*info);
  });
  return surroundings;
}

Result<std::unique_ptr<Reader>> MakeReader(const ReadContext& context, const Field& field, RowSelection rows) {
  const bool plain_struct = field.type->id() == arrow::Type::STRUCT && !field.IsPackedStruct() && !field.IsBlob();
  if (plain_struct) return MakeStructReader(context, field, std::move(rows));
  const auto column = context->columns.find(field.id);
  if (column == context->columns.end() || field.type->id() == arrow::Type::NA) {
    return MakeNullReader(field, CountRows(rows));
  }
  const auto info = context->infos.find(column->second);
  if (info == context->infos.end())
    return Status::Internal("the metadata of column " + std::to_string(column->second) + " was not read");
  LANCEFS_ASSIGN_OR_RETURN(std::vector<PagePart> parts, SplitByPages(context->file, info->second, column->second, rows));
  if (field.type->id() == arrow::Type::LIST || field.type->id() == arrow::Type::LARGE_LIST)
    return MakeListReader(context, field, std::move(parts));
  if (field.type->id() == arrow::Type::MAP) return Status::NotSupported("maps cannot stand in 2.0 files");
  LANCEFS_ASSIGN_OR_RETURN(std::vector<LeafPart> leaves, LeafParts(std::move(parts)));
  if (IsBlobColumn(*info->second)) return MakeBlobReader(context->file, field.type, std::move(leaves));
  if (field.IsBlob() && field.type->Equals(*BlobDescriptorType())) return MakePlainBlobReader(std::move(leaves));
  return MakeLeafReader(field.type, std::move(leaves));
}

}  // namespace lancefs::v20

namespace lancefs {

Result<std::unique_ptr<ColumnRead>> MakeColumnReadV20(const std::shared_ptr<LanceFile>& file, const Field& field,
                                                      const FieldColumns& columns, const ColumnInfos& infos, RowSelection rows) {
  const std::string context = "field '" + field.name + "'";
  const v20::ReadContext shared = v20::MakeContext(file, field, columns, infos);
  Result<std::unique_ptr<v20::Reader>> reader = v20::MakeReader(shared, shared->root, std::move(rows));
  if (!reader.ok()) return reader.status().WithContext(context);
  return v20::MakeColumnRead(reader.MoveValue(), context);
}

}  // namespace lancefs
