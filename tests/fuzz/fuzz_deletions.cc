// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of deletion files and what a manifest stores by row: the first byte names the kind (0 Arrow file, 1 Roaring bitmap,
// 2 row ids, 3 row versions), the next four the fragment's rows, the rest is the file.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "engine/format/deletion_vector.h"
#include "engine/format/roaring_codec.h"
#include "engine/format/row_ids.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/seeds.h"

namespace lancefs {
namespace {

constexpr size_t kHeader = 5;

std::string Seed(char kind, uint32_t rows, std::string_view bytes) {
  std::string seed(1, kind);
  seed.append(reinterpret_cast<const char*>(&rows), sizeof rows);
  return seed.append(bytes);
}

void UseDeletions(const Bytes& bytes, bool bitmap, uint64_t rows) {
  pb::DeletionFile file;
  file.set_file_type(bitmap ? pb::DeletionFile::BITMAP : pb::DeletionFile::ARROW_ARRAY);
  const auto vector = DeletionVector::Parse(file, bytes, rows);
  if (!vector.ok()) return;
  uint64_t live = 0;
  for (const RowRange& range : (*vector)->LiveRanges(0, rows)) live += range.length();
  if (live != (*vector)->live_rows()) std::abort();
  if (live != 0 && (*vector)->Contains((*vector)->NthLive(live - 1))) std::abort();
}

// Parts must be what the whole is.
template <typename Sequence>
void UseSequence(std::span<const uint8_t> bytes, uint64_t rows) {
  constexpr uint64_t kPart = 1000;
  const auto sequence = Sequence::Parse(bytes, rows);
  if (!sequence.ok()) return;
  if (sequence->rows() != rows) std::abort();
  std::vector<uint64_t> first(std::min(rows, kPart));
  sequence->Copy(0, first.size(), first.data());
  for (uint64_t row = 0; row < first.size(); row = row * 2 + 1) {
    uint64_t one = 0;
    sequence->Copy(row, row + 1, &one);
    if (one != first[row]) std::abort();
  }
  std::vector<uint64_t> last(std::min(rows, kPart));
  sequence->Copy(rows - last.size(), rows, last.data());
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  std::vector<uint32_t> some = {0, 5, 6, 7, 100, 65535, 65536, 70000};
  std::vector<uint32_t> many;
  for (uint32_t i = 0; i < 9000; i += 1 + i % 2) many.push_back(i);
  std::vector<std::string> seeds;
  for (const auto& offsets : {some, many}) {
    const auto vector = DeletionVector::FromOffsets(offsets, 80000);
    for (const auto type : {pb::DeletionFile::ARROW_ARRAY, pb::DeletionFile::BITMAP}) {
      const auto bytes = (*vector)->Serialize(type);
      if (!bytes.ok()) std::abort();
      seeds.push_back(Seed(type == pb::DeletionFile::BITMAP ? 1 : 0, 80000, bytes->view()));
    }
  }
  // Two run containers: [1, 11) and [65536, 131072).
  const uint16_t runs[] = {12347, 1, 0x03, 0, 9, 1, 0xFFFF};
  std::string bitmap(reinterpret_cast<const char*>(runs), 4);
  bitmap += '\3';
  bitmap.append(reinterpret_cast<const char*>(runs + 3), 8);
  const uint16_t bodies[] = {1, 1, 9, 1, 0, 0xFFFF};
  bitmap.append(reinterpret_cast<const char*>(bodies), sizeof bodies);
  seeds.push_back(Seed(1, 200000, bitmap));
  const std::vector<uint64_t> ids = {3, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 70000, 5, 1ULL << 40};
  seeds.push_back(Seed(2, static_cast<uint32_t>(ids.size()), EncodeRowIds(ids)));
  seeds.push_back(Seed(2, 100, EncodeRowIdRange(7, 107)));
  seeds.push_back(Seed(3, 50, EncodeFreshRowVersions(50, 4)));
  return seeds;
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < lancefs::kHeader) return 0;
  const auto rows = lancefs::LoadLittleEndian<uint32_t>(data + 1);
  const std::span<const uint8_t> rest(data + lancefs::kHeader, size - lancefs::kHeader);
  switch (data[0] % 4) {
    case 0:
    case 1: lancefs::UseDeletions(lancefs::Bytes::Copy(rest), data[0] % 4 == 1, rows); break;
    case 2: lancefs::UseSequence<lancefs::RowIdSequence>(rest, rows); break;
    default: lancefs::UseSequence<lancefs::RowVersionSequence>(rest, rows);
  }
  return 0;
}
