// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/fsst.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/bytes.h"

namespace lancefs::structural {
namespace {

constexpr uint32_t kMagic = 0x46535354;
constexpr uint8_t kEscape = 255;

}  // namespace

Result<FsstTable> FsstTable::Parse(std::span<const uint8_t> bytes) {
  if (bytes.size() != kTableSize) {
    return Status::Corruption("an FSST table has " + std::to_string(bytes.size()) + " bytes instead of " +
                              std::to_string(kTableSize));
  }
  const auto header = LoadLittleEndian<uint64_t>(bytes.data());
  if ((header >> 32) != kMagic) return Status::Corruption("an FSST table has no magic number");
  FsstTable table;
  table.compressed_ = ((header >> 24) & 0xff) != 0;
  const size_t count = header & 0xff;
  const uint8_t* symbols = bytes.data() + 8;
  const uint8_t* lengths = symbols + 8 * count;  // directly behind the symbols in use
  for (size_t code = 0; code < count; ++code) {
    if (lengths[code] < 1 || lengths[code] > 8)
      return Status::Corruption("FSST symbol " + std::to_string(code) + " has length " + std::to_string(lengths[code]));
    table.symbols_[code] = LoadLittleEndian<uint64_t>(symbols + 8 * code);
    table.lengths_[code] = lengths[code];
  }
  return table;
}

Result<uint64_t> FsstTable::Measure(std::span<const uint8_t> in) const {
  if (!compressed_) return in.size();
  uint64_t length = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] == kEscape) {
      if (++i == in.size()) return Status::Corruption("an FSST string ends in an escape");
      length += 1;
    } else {
      if (lengths_[in[i]] == 0) return Status::Corruption("an FSST code without a symbol");
      length += lengths_[in[i]];
    }
  }
  return length;
}

uint64_t FsstTable::MostOfCode(const std::array<uint8_t, 256>& weights) const {
  const uint64_t heaviest = *std::max_element(weights.begin(), weights.end());
  if (!compressed_) return heaviest;
  uint64_t most = (heaviest + 1) / 2;  // an escape and a literal byte
  for (size_t code = 0; code < kEscape; ++code) {
    uint64_t sum = 0;
    for (size_t i = 0; i < lengths_[code]; ++i) sum += weights[symbols_[code] >> (8 * i) & 0xff];
    most = std::max(most, sum);
  }
  return most;
}

uint64_t FsstTable::MostOfCode() const {
  std::array<uint8_t, 256> ones;
  ones.fill(1);
  return MostOfCode(ones);
}

uint8_t* FsstTable::Decode(std::span<const uint8_t> in, uint8_t* out) const {
  if (!compressed_) {
    if (!in.empty()) std::memcpy(out, in.data(), in.size());
    return out + in.size();
  }
  const uint8_t* from = in.data();
  const uint8_t* const end = from + in.size();
  while (from < end) {
    const uint8_t code = *from++;
    if (code != kEscape) {
      const uint8_t length = lengths_[code];
      if (length == 0) [[unlikely]]
        return nullptr;
      StoreLittleEndian<uint64_t>(out, symbols_[code]);
      out += length;
    } else {
      if (from == end) return nullptr;
      *out++ = *from++;
    }
  }
  return out;
}

}  // namespace lancefs::structural
