// SPDX-License-Identifier: Apache-2.0
#include "engine/format/v1/statistics.h"

#include "engine/format/proto/file.pb.h"

namespace lancefs::v1 {
namespace {

constexpr uint64_t kEntry = 16;  // of the page table: position, length

struct Wanted {
  int32_t field = 0;   // of the data
  int32_t counts = 0;  // of the statistics: the column of its null counts
};

// The columns of null counts: a statistics field is named by the id of the field that it tells of.
std::vector<Wanted> FindCounts(const pb::LegacyStatistics& statistics, const std::vector<int32_t>& fields) {
  std::map<std::string, int32_t> by_name;
  for (const int32_t field : fields) by_name[std::to_string(field)] = field;
  std::map<int32_t, int32_t> by_id;
  std::vector<Wanted> wanted;
  for (const pb::Field& field : statistics.schema()) {
    if (field.parent_id() == -1) {
      const auto named = by_name.find(field.name());
      if (named != by_name.end()) by_id[field.id()] = named->second;
    } else if (field.name() == "null_count" && field.logical_type() == "int64" && field.id() >= 0) {
      const auto parent = by_id.find(field.parent_id());
      if (parent != by_id.end()) wanted.push_back({parent->second, field.id()});
    }
  }
  return wanted;
}

bool Fits(const LanceFile& file, uint64_t position, uint64_t length) {
  return position <= file.size() && length <= file.size() - position;
}

}  // namespace

Result<BatchNulls> ReadBatchNulls(const std::shared_ptr<LanceFile>& file, const std::vector<int32_t>& fields,
                                  const OpContext& ctx) {
  const std::vector<uint32_t>& offsets = file->batch_offsets();
  pb::LegacyStatistics statistics;
  if (offsets.size() < 2 || !statistics.ParseFromString(file->legacy_statistics())) return BatchNulls();
  const uint64_t bytes = (offsets.size() - 1) * 8;
  std::vector<Wanted> wanted = FindCounts(statistics, fields);
  std::vector<ByteRange> entries;
  for (const Wanted& each : wanted) {
    const uint64_t table = statistics.page_table_position();
    const uint64_t place = static_cast<uint64_t>(each.counts) * kEntry;
    if (!Fits(*file, table, place + kEntry)) return BatchNulls();
    entries.push_back({table + place, kEntry});
  }
  if (entries.empty()) return BatchNulls();
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> table, file->ReadRangesAsync(std::move(entries), ctx).Get(ctx));
  std::vector<ByteRange> pages;
  for (const Bytes& entry : table) {
    const auto position = LoadLittleEndian<uint64_t>(entry.data());
    if (LoadLittleEndian<uint64_t>(entry.data() + 8) != bytes / 8 || !Fits(*file, position, bytes)) return BatchNulls();
    pages.push_back({position, bytes});
  }
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> counts, file->ReadRangesAsync(std::move(pages), ctx).Get(ctx));
  BatchNulls nulls;
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::vector<Nulls>& batches = nulls[wanted[i].field];
    batches.assign(offsets.size() - 1, Nulls::kUnknown);
    for (size_t k = 0; k < batches.size(); ++k) {
      const auto count = LoadLittleEndian<uint64_t>(counts[i].data() + k * 8);
      if (count == 0) batches[k] = Nulls::kNone;
      if (count != 0 && count == offsets[k + 1] - offsets[k]) batches[k] = Nulls::kAll;
    }
  }
  return nulls;
}

}  // namespace lancefs::v1
