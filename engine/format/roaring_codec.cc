// SPDX-License-Identifier: Apache-2.0
#include "engine/format/roaring_codec.h"

#include <bit>

#include "base/bytes.h"

namespace lancefs {
namespace {

constexpr uint32_t kCookieWithRuns = 12347;
constexpr uint32_t kCookie = 12346;
constexpr uint32_t kOffsetsFrom = 4;  // with runs, smaller bitmaps have no offset table
constexpr uint32_t kMaxArray = 4096;
constexpr uint32_t kBitsetBytes = 8192;
constexpr uint32_t kMaxContainers = 65536;

Status Bad(const std::string& what) { return Status::Corruption("roaring bitmap: " + what); }

struct Container {
  uint32_t high = 0;  // the key, shifted
  uint32_t cardinality = 0;
  bool runs = false;
};

// Values come in ascending order.
Status Append(uint32_t first, uint32_t last, uint64_t limit, std::vector<RoaringRun>* out) {
  if (last >= limit) return Bad("value " + std::to_string(last) + " is not below " + std::to_string(limit));
  if (!out->empty() && out->back().last + uint64_t{1} == first) {
    out->back().last = last;
  } else {
    out->push_back({first, last});
  }
  return Status::OK();
}

Status ReadRuns(ByteReader* reader, const Container& container, uint64_t limit, std::vector<RoaringRun>* out) {
  uint16_t count = 0;
  LANCEFS_RETURN_NOT_OK(reader->Read(&count));
  uint32_t next = 0;  // the smallest value that may follow
  uint32_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint16_t start = 0;
    uint16_t more = 0;
    LANCEFS_RETURN_NOT_OK(reader->Read(&start));
    LANCEFS_RETURN_NOT_OK(reader->Read(&more));
    const uint32_t last = static_cast<uint32_t>(start) + more;
    if (start < next || last > 0xFFFF)
      return Bad("run " + std::to_string(i) + " of key " + std::to_string(container.high >> 16) + " is out of order or too long");
    total += static_cast<uint32_t>(more) + 1;
    if (total > container.cardinality) break;
    LANCEFS_RETURN_NOT_OK(Append(container.high | start, container.high | last, limit, out));
    next = last + 1;
  }
  if (total != container.cardinality)
    return Bad("the runs of key " + std::to_string(container.high >> 16) + " do not hold what was said");
  return Status::OK();
}

Status ReadArray(ByteReader* reader, const Container& container, uint64_t limit, std::vector<RoaringRun>* out) {
  std::span<const uint8_t> values;
  LANCEFS_RETURN_NOT_OK(reader->ReadSpan(container.cardinality * 2, &values));
  int64_t previous = -1;
  for (uint32_t i = 0; i < container.cardinality; ++i) {
    const auto low = LoadLittleEndian<uint16_t>(values.data() + i * 2);
    if (low <= previous) return Bad("the values of key " + std::to_string(container.high >> 16) + " do not ascend");
    previous = low;
    LANCEFS_RETURN_NOT_OK(Append(container.high | low, container.high | low, limit, out));
  }
  return Status::OK();
}

Status ReadBitset(ByteReader* reader, const Container& container, uint64_t limit, std::vector<RoaringRun>* out) {
  std::span<const uint8_t> words;
  LANCEFS_RETURN_NOT_OK(reader->ReadSpan(kBitsetBytes, &words));
  uint32_t total = 0;
  for (uint32_t i = 0; i < kBitsetBytes / 8; ++i)
    total += static_cast<uint32_t>(std::popcount(LoadLittleEndian<uint64_t>(words.data() + i * 8)));
  if (total != container.cardinality)
    return Bad("the bits of key " + std::to_string(container.high >> 16) + " do not hold what was said");
  for (uint32_t i = 0; i < kBitsetBytes / 8; ++i) {
    for (auto word = LoadLittleEndian<uint64_t>(words.data() + i * 8); word != 0; word &= word - 1) {
      const uint32_t value = container.high | (i * 64 + static_cast<uint32_t>(std::countr_zero(word)));
      LANCEFS_RETURN_NOT_OK(Append(value, value, limit, out));
    }
  }
  return Status::OK();
}

// Cookie, run flags, keys and cardinalities; `*offsets` is the offset table, empty if there is none.
Result<std::vector<Container>> ReadHeader(ByteReader* reader, std::span<const uint8_t>* offsets) {
  uint32_t cookie = 0;
  LANCEFS_RETURN_NOT_OK(reader->Read(&cookie));
  const bool with_runs = (cookie & 0xFFFF) == kCookieWithRuns;
  uint32_t count = (cookie >> 16) + 1;
  if (!with_runs) {
    if (cookie != kCookie) return Bad("unknown cookie " + std::to_string(cookie));
    LANCEFS_RETURN_NOT_OK(reader->Read(&count));
  }
  if (count > kMaxContainers) return Bad(std::to_string(count) + " containers");
  std::span<const uint8_t> flags;
  if (with_runs) LANCEFS_RETURN_NOT_OK(reader->ReadSpan((count + 7) / 8, &flags));
  std::span<const uint8_t> header;
  LANCEFS_RETURN_NOT_OK(reader->ReadSpan(count * 4, &header));
  std::vector<Container> containers(count);
  int64_t previous = -1;
  for (uint32_t i = 0; i < count; ++i) {
    const auto key = LoadLittleEndian<uint16_t>(header.data() + i * 4);
    if (key <= previous) return Bad("the keys do not ascend");
    previous = key;
    containers[i].high = static_cast<uint32_t>(key) << 16;
    containers[i].cardinality = static_cast<uint32_t>(LoadLittleEndian<uint16_t>(header.data() + i * 4 + 2)) + 1;
    containers[i].runs = with_runs && (flags[i / 8] >> (i % 8) & 1) != 0;
  }
  if (!with_runs || count >= kOffsetsFrom) LANCEFS_RETURN_NOT_OK(reader->ReadSpan(count * 4, offsets));
  return containers;
}

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

}  // namespace

Result<std::vector<RoaringRun>> DecodeRoaringRuns(std::span<const uint8_t> bytes, uint64_t limit) {
  ByteReader reader(bytes);
  std::span<const uint8_t> offsets;
  Result<std::vector<Container>> containers = ReadHeader(&reader, &offsets);
  if (!containers.ok()) return containers.status();
  uint64_t total = 0;
  for (const Container& container : *containers) total += container.cardinality;
  if (total > limit) return Bad(std::to_string(total) + " values below " + std::to_string(limit));
  std::vector<RoaringRun> values;
  for (size_t i = 0; i < containers->size(); ++i) {
    const Container& container = (*containers)[i];
    if (!offsets.empty() && LoadLittleEndian<uint32_t>(offsets.data() + i * 4) != reader.position()) {
      return Bad("container " + std::to_string(i) + " does not stand at its offset");
    }
    const Status status = container.runs                       ? ReadRuns(&reader, container, limit, &values)
                          : container.cardinality <= kMaxArray ? ReadArray(&reader, container, limit, &values)
                                                               : ReadBitset(&reader, container, limit, &values);
    LANCEFS_RETURN_NOT_OK(status);
  }
  if (reader.remaining() != 0) return Bad(std::to_string(reader.remaining()) + " bytes follow the end");
  return values;
}

Result<std::vector<uint32_t>> DecodeRoaring(std::span<const uint8_t> bytes, uint64_t limit) {
  constexpr uint64_t kMost = uint64_t{1} << 26;
  Result<std::vector<RoaringRun>> runs = DecodeRoaringRuns(bytes, limit);
  if (!runs.ok()) return runs.status();
  uint64_t count = 0;
  for (const RoaringRun& run : *runs) count += uint64_t{run.last} - run.first + 1;
  if (count > kMost) return Status::TooLarge("a roaring bitmap of " + std::to_string(count) + " values");
  std::vector<uint32_t> values;
  values.reserve(count);
  for (const RoaringRun& run : *runs) {
    for (uint64_t value = run.first; value <= run.last; ++value) values.push_back(static_cast<uint32_t>(value));
  }
  return values;
}

std::string EncodeRoaring(std::span<const uint32_t> values) {
  struct Piece {
    size_t first;
    size_t count;
  };
  std::vector<Piece> pieces;
  for (size_t i = 0; i < values.size(); ++i) {
    if (pieces.empty() || values[i] >> 16 != values[pieces.back().first] >> 16) pieces.push_back({i, 0});
    ++pieces.back().count;
  }
  std::string out;
  Put<uint32_t>(kCookie, &out);
  Put<uint32_t>(static_cast<uint32_t>(pieces.size()), &out);
  for (const Piece& piece : pieces) {
    Put<uint16_t>(static_cast<uint16_t>(values[piece.first] >> 16), &out);
    Put<uint16_t>(static_cast<uint16_t>(piece.count - 1), &out);
  }
  uint32_t offset = static_cast<uint32_t>(out.size() + pieces.size() * 4);
  for (const Piece& piece : pieces) {
    Put<uint32_t>(offset, &out);
    offset += piece.count <= kMaxArray ? static_cast<uint32_t>(piece.count * 2) : kBitsetBytes;
  }
  for (const Piece& piece : pieces) {
    const std::span<const uint32_t> part = values.subspan(piece.first, piece.count);
    if (piece.count <= kMaxArray) {
      for (const uint32_t value : part) Put<uint16_t>(static_cast<uint16_t>(value), &out);
      continue;
    }
    const size_t base = out.size();
    out.resize(base + kBitsetBytes, '\0');
    for (const uint32_t value : part) out[base + (value & 0xFFFF) / 8] |= static_cast<char>(1U << (value % 8));
  }
  return out;
}

}  // namespace lancefs
