// SPDX-License-Identifier: Apache-2.0
#include "engine/format/lance_file.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

constexpr uint64_t kFooterSize = 40;
constexpr uint64_t kLegacyFooterSize = 16;  // i64 metadata position, u16 major, u16 minor, "LANC"
constexpr uint64_t kTableEntrySize = 16;    // position u64, size u64
// More is no file that any writer makes; the bound keeps hostile footers from allocating.
constexpr uint32_t kMaxColumns = 10'000'000;

Status Bad(const std::string& path, const std::string& what) { return Status::Corruption("data file " + path + ": " + what); }

// The payload of the Any message in a page's or column's encoding. The part of type_url behind the last '/' is checked.
Result<std::string> Unpack(const pb::Encoding& encoding, std::string_view type_name, const std::string& path) {
  if (!encoding.has_direct()) return Bad(path, "an encoding is not stored directly");
  google::protobuf::Any any;
  if (!any.ParseFromString(encoding.direct().encoding())) return Bad(path, "an encoding is no valid message");
  const std::string& url = any.type_url();
  const size_t slash = url.rfind('/');
  if (slash == std::string::npos || std::string_view(url).substr(slash + 1) != type_name) {
    return Status::NotSupported("data file " + path + ": pages of type '" + url + "' are not supported (expected " +
                                std::string(type_name) + ")");
  }
  return any.value();
}

// The widest gap so that all gaps up to it hold no more bytes than a round may read in vain: strings in lists take three rounds,
// and all rounds of a file together may waste 64 KiB.
uint64_t FrugalGap(std::vector<ByteRange> ranges) {
  constexpr uint64_t kWaste = 16 * 1024;
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::vector<uint64_t> gaps;
  uint64_t end = UINT64_MAX;
  for (const ByteRange& range : ranges) {
    if (range.length == 0) continue;
    if (end < range.offset) gaps.push_back(range.offset - end);
    end = end == UINT64_MAX ? range.end() : std::max(end, range.end());
  }
  std::sort(gaps.begin(), gaps.end());
  uint64_t wasted = 0;
  for (const uint64_t gap : gaps) {
    if (gap > kWaste - wasted) return gap - 1;  // those of the same width are many
    wasted += gap;
  }
  return kWaste;
}

std::string_view PageTypeName(FileVersion version) {
  switch (version) {
    case FileVersion::kV2_0: return "lance.encodings.ArrayEncoding";
    case FileVersion::kV2_3: return "lance.encodings23.PlanarLayout";
    default: return "lance.encodings21.PageLayout";
  }
}

Result<std::vector<ByteRange>> Buffers(const google::protobuf::RepeatedField<uint64_t>& offsets,
                                       const google::protobuf::RepeatedField<uint64_t>& sizes, uint64_t file_size,
                                       const std::string& path) {
  if (offsets.size() != sizes.size())
    return Bad(path,
               "a page has " + std::to_string(offsets.size()) + " buffer offsets but " + std::to_string(sizes.size()) + " sizes");
  std::vector<ByteRange> buffers;
  buffers.reserve(static_cast<size_t>(offsets.size()));
  for (int i = 0; i < offsets.size(); ++i) {
    if (offsets[i] > file_size || sizes[i] > file_size - offsets[i]) {
      return Bad(path, "a buffer at " + std::to_string(offsets[i]) + "+" + std::to_string(sizes[i]) + " lies beyond the end (" +
                           std::to_string(file_size) + " bytes)");
    }
    buffers.push_back({offsets[i], sizes[i]});
  }
  return buffers;
}

Result<std::shared_ptr<const ColumnInfo>> ParseMetadata(const Bytes& bytes, FileVersion version, uint64_t file_size,
                                                        const std::string& path) {
  pb::ColumnMetadata message;
  if (bytes.size() > INT32_MAX || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Bad(path, "column metadata is no valid message");
  auto column = std::make_shared<ColumnInfo>();
  if (message.has_encoding() && message.encoding().has_direct()) {
    LANCEFS_ASSIGN_OR_RETURN(column->encoding, Unpack(message.encoding(), "lance.encodings.ColumnEncoding", path));
  }
  LANCEFS_ASSIGN_OR_RETURN(column->buffers, Buffers(message.buffer_offsets(), message.buffer_sizes(), file_size, path));
  column->pages.reserve(static_cast<size_t>(message.pages_size()));
  for (const pb::ColumnMetadata::Page& page : message.pages()) {
    PageInfo info;
    info.first_row = column->num_rows;
    info.length = page.length();
    if (info.length > UINT64_MAX / 2 - column->num_rows) return Bad(path, "page lengths overflow");
    LANCEFS_ASSIGN_OR_RETURN(info.buffers, Buffers(page.buffer_offsets(), page.buffer_sizes(), file_size, path));
    LANCEFS_ASSIGN_OR_RETURN(info.encoding, Unpack(page.encoding(), PageTypeName(version), path));
    column->num_rows += info.length;
    for (const ByteRange& buffer : info.buffers) column->data_bytes += buffer.length;
    column->pages.push_back(std::move(info));
    // Otherwise a few KiB of metadata would multiply what is read and decoded.
    if (column->data_bytes > file_size) return Bad(path, "the pages of a column overlap");
  }
  return std::shared_ptr<const ColumnInfo>(std::move(column));
}

}  // namespace

Result<std::shared_ptr<LanceFile>> LanceFile::Open(std::shared_ptr<ObjectStore> store, std::string path, uint64_t size_hint,
                                                   const OpContext& ctx) {
  std::shared_ptr<LanceFile> file(new LanceFile);
  file->store_ = std::move(store);
  file->path_ = std::move(path);
  LANCEFS_RETURN_NOT_OK(file->ReadFooter(size_hint, ctx));
  return file;
}

Status LanceFile::ReadFooter(uint64_t /*size_hint*/, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(ObjectTail tail, store_->ReadTail(path_, store_->traits().tail_guess, ctx));
  size_ = tail.object_size;
  tail_ = tail.bytes;
  tail_offset_ = tail.offset();
  if (tail_.size() >= 4 && tail_.view().substr(tail_.size() - 4) != "LANC")
    return Bad(path_, "the magic LANC is missing at the end");
  if (tail_.size() < kLegacyFooterSize) return Bad(path_, "the file has only " + std::to_string(size_) + " bytes");
  const uint8_t* end = tail_.data() + tail_.size();
  LANCEFS_ASSIGN_OR_RETURN(version_,
                           FileVersionFromFooter(LoadLittleEndian<uint16_t>(end - 8), LoadLittleEndian<uint16_t>(end - 6)));
  if (version_ == FileVersion::kV0_1) return ReadLegacyMetadata(ctx);
  return ReadTables(ctx);
}

Status LanceFile::ReadLegacyMetadata(const OpContext& ctx) {
  const uint64_t body = size_ - kLegacyFooterSize;
  const auto position = LoadLittleEndian<uint64_t>(tail_.data() + tail_.size() - kLegacyFooterSize);
  if (position > body || body - position < 4) return Bad(path_, "the footer points outside the file");
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> prefix, ReadRangesAsync({{position, 4}}, ctx).Get(ctx));
  const auto length = LoadLittleEndian<uint32_t>(prefix[0].data());
  if (length > body - position - 4 || length > INT32_MAX) return Bad(path_, "the metadata is longer than the file");
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> answers, ReadRangesAsync({{position + 4, length}}, ctx).Get(ctx));
  pb::LegacyMetadata metadata;
  if (!metadata.ParseFromArray(answers[0].data(), static_cast<int>(length)))
    return Bad(path_, "the metadata is no valid message");
  page_table_ = metadata.page_table_position();
  legacy_statistics_ = std::move(*metadata.mutable_statistics());
  batch_offsets_.reserve(static_cast<size_t>(metadata.batch_offsets_size()));
  for (const int32_t offset : metadata.batch_offsets()) {
    const uint32_t previous = batch_offsets_.empty() ? 0 : batch_offsets_.back();
    if (offset < 0 || static_cast<uint32_t>(offset) < previous || (batch_offsets_.empty() && offset != 0))
      return Bad(path_, "batch " + std::to_string(batch_offsets_.size()) + " starts at row " + std::to_string(offset));
    batch_offsets_.push_back(static_cast<uint32_t>(offset));
  }
  return Status::OK();
}

Status LanceFile::ReadTables(const OpContext& ctx) {
  if (tail_.size() < kFooterSize) return Bad(path_, "the file has only " + std::to_string(size_) + " bytes");
  const uint8_t* footer = tail_.data() + tail_.size() - kFooterSize;
  const auto column_metadata_start = LoadLittleEndian<uint64_t>(footer);
  const auto column_table = LoadLittleEndian<uint64_t>(footer + 8);
  const auto global_table = LoadLittleEndian<uint64_t>(footer + 16);
  const auto num_global_buffers = LoadLittleEndian<uint32_t>(footer + 24);
  num_columns_ = LoadLittleEndian<uint32_t>(footer + 28);
  const uint64_t body = size_ - kFooterSize;
  auto table_fits = [&](uint64_t position, uint64_t count) {
    return position <= body && count * kTableEntrySize <= body - position;
  };
  if (num_columns_ > kMaxColumns || column_metadata_start > column_table || !table_fits(column_table, num_columns_) ||
      !table_fits(global_table, num_global_buffers)) {
    return Bad(path_, "the footer points outside the file");
  }

  // Both tables stand next to each other just before the footer.
  const ByteRange column_range{column_table, num_columns_ * kTableEntrySize};
  const ByteRange global_range{global_table, num_global_buffers * kTableEntrySize};
  LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> tables, ReadRangesAsync({column_range, global_range}, ctx).Get(ctx));
  auto parse_table = [&](const Bytes& table, std::vector<ByteRange>* out) -> Status {
    out->resize(table.size() / kTableEntrySize);
    for (size_t i = 0; i < out->size(); ++i) {
      const auto position = LoadLittleEndian<uint64_t>(table.data() + i * kTableEntrySize);
      const auto length = LoadLittleEndian<uint64_t>(table.data() + i * kTableEntrySize + 8);
      if (position > body || length > body - position) return Bad(path_, "a table entry points outside the file");
      (*out)[i] = {position, length};
    }
    return Status::OK();
  };
  LANCEFS_RETURN_NOT_OK(parse_table(tables[0], &column_metadata_));
  LANCEFS_RETURN_NOT_OK(parse_table(tables[1], &global_buffers_));
  return Status::OK();
}

Result<uint64_t> LanceFile::CountRows(const OpContext& ctx) {
  if (version_ == FileVersion::kV0_1) return batch_offsets_.empty() ? uint64_t{0} : uint64_t{batch_offsets_.back()};
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, GlobalBuffer(0, ctx));
  pb::FileDescriptor descriptor;
  if (bytes.size() > INT32_MAX || !descriptor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Bad(path_, "the file descriptor is no valid message");
  return descriptor.length();
}

// Where the metadata of that column stands in the file.
Result<ByteRange> LanceFile::ColumnPlace(uint32_t index) const {
  if (version_ != FileVersion::kV0_1) {
    if (index < num_columns_) return column_metadata_[index];
    return Bad(path_, "column " + std::to_string(index) + " is named but the file has " + std::to_string(num_columns_));
  }
  const uint64_t batches = batch_offsets_.empty() ? 0 : batch_offsets_.size() - 1;
  const uint64_t length = batches * kTableEntrySize;
  const uint64_t body = size_ - kLegacyFooterSize;
  // Neither factor is above 2^32, so the product fits.
  if (page_table_ > body || (index + uint64_t{1}) * length > body - page_table_)
    return Bad(path_,
               "the page table has no place for column " + std::to_string(index) + " of " + std::to_string(batches) + " batches");
  return ByteRange{page_table_ + index * length, length};
}

Result<std::shared_ptr<const ColumnInfo>> LanceFile::ParseColumn(const Bytes& bytes) const {
  if (version_ != FileVersion::kV0_1) return ParseMetadata(bytes, version_, size_, path_);
  auto column = std::make_shared<ColumnInfo>();
  column->num_rows = batch_offsets_.empty() ? 0 : batch_offsets_.back();
  column->legacy_pages.resize(bytes.size() / kTableEntrySize);
  for (size_t i = 0; i < column->legacy_pages.size(); ++i) {
    const uint8_t* entry = bytes.data() + i * kTableEntrySize;
    column->legacy_pages[i] = {LoadLittleEndian<uint64_t>(entry), LoadLittleEndian<uint64_t>(entry + 8)};
  }
  return std::shared_ptr<const ColumnInfo>(std::move(column));
}

Result<std::vector<std::shared_ptr<const ColumnInfo>>> LanceFile::Columns(const std::vector<uint32_t>& indices,
                                                                          const OpContext& ctx) {
  std::vector<std::shared_ptr<const ColumnInfo>> out(indices.size());
  std::vector<size_t> missing;  // places in `indices`
  {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < indices.size(); ++i) {
      const auto known = columns_.find(indices[i]);
      if (known != columns_.end()) {
        out[i] = known->second;
      } else {
        missing.push_back(i);
      }
    }
  }
  if (missing.empty()) return out;
  std::vector<ByteRange> ranges;
  for (const size_t i : missing) {
    LANCEFS_ASSIGN_OR_RETURN(const ByteRange place, ColumnPlace(indices[i]));
    ranges.push_back(place);
  }
  LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> answers, ReadRangesAsync(std::move(ranges), ctx).Get(ctx));
  for (size_t k = 0; k < missing.size(); ++k) {
    const size_t i = missing[k];
    Result<std::shared_ptr<const ColumnInfo>> column = ParseColumn(answers[k]);
    if (!column.ok()) return column.status().WithContext("column " + std::to_string(indices[i]));
    std::lock_guard lock(mutex_);
    out[i] = columns_.try_emplace(indices[i], *column).first->second;
  }
  return out;
}

Result<Bytes> LanceFile::GlobalBuffer(uint32_t index, const OpContext& ctx) {
  if (index >= global_buffers_.size()) return Bad(path_, "there is no global buffer " + std::to_string(index));
  LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> answers, ReadRangesAsync({global_buffers_[index]}, ctx).Get(ctx));
  return answers[0];
}

Future<std::vector<Bytes>> LanceFile::ReadRangesAsync(std::vector<ByteRange> ranges, const OpContext& ctx) {
  std::vector<ByteRange> remote;
  std::vector<size_t> remote_index;
  std::vector<Bytes> answers(ranges.size());
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].offset > size_ || ranges[i].length > size_ - ranges[i].offset) {
      return Future<std::vector<Bytes>>::Ready(Bad(path_, "a read beyond the end of the file"));
    }
    if (ranges[i].length == 0) continue;
    if (ranges[i].offset >= tail_offset_) {
      answers[i] = tail_.Slice(ranges[i].offset - tail_offset_, ranges[i].length);
    } else {
      remote.push_back(ranges[i]);
      remote_index.push_back(i);
    }
  }
  if (remote.empty()) return Future<std::vector<Bytes>>::Ready(std::move(answers));
  Promise<std::vector<Bytes>> promise;
  Future<std::vector<Bytes>> future = promise.future();
  store_->ReadRangesAsync(path_, std::move(remote), ctx)
      .OnDone([promise, answers = std::move(answers),
               remote_index = std::move(remote_index)](const Result<std::vector<Bytes>>& result) mutable {
        if (!result.ok()) {
          promise.Set(result.status());
          return;
        }
        for (size_t i = 0; i < remote_index.size(); ++i) answers[remote_index[i]] = (*result)[i];
        promise.Set(std::move(answers));
      });
  return future;
}

Result<std::vector<Bytes>> LanceFile::ReadValues(std::vector<ByteRange> ranges, const OpContext& ctx) {
  if (version_ != FileVersion::kV0_1 || store_->traits().is_local) return ReadRangesAsync(std::move(ranges), ctx).Get(ctx);
  const RangePlan plan = PlanRanges(ranges, FrugalGap(ranges), store_->traits().max_request);
  // A call each, as the store joins what comes in one.
  std::vector<Future<std::vector<Bytes>>> reads;
  reads.reserve(plan.requests.size());
  for (const ByteRange& request : plan.requests) reads.push_back(ReadRangesAsync({request}, ctx));
  std::vector<Bytes> answers;
  answers.reserve(reads.size());
  for (const auto& read : reads) {
    LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> answer, read.Get(ctx));
    answers.push_back(std::move(answer[0]));
  }
  return AssembleRanges(plan, answers);
}

std::shared_ptr<const void> LanceFile::CachedPageState(uint32_t column, size_t page) const {
  std::lock_guard lock(mutex_);
  const auto it = page_states_.find((static_cast<uint64_t>(column) << 32) | page);
  return it == page_states_.end() ? nullptr : it->second;
}

void LanceFile::CachePageState(uint32_t column, size_t page, std::shared_ptr<const void> state) {
  std::lock_guard lock(mutex_);
  page_states_.try_emplace((static_cast<uint64_t>(column) << 32) | page, std::move(state));
}

}  // namespace lancefs
