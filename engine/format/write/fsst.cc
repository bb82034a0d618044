// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/fsst.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

namespace lancefs {
namespace {

constexpr uint64_t kMinFsstBytes = 32 * 1024;
constexpr size_t kMaxSymbols = 255;
constexpr size_t kMaxLength = 8;
constexpr size_t kSampleBytes = 64 * 1024;
constexpr size_t kPieceBytes = 512;
constexpr size_t kEscapedCodes = 256;  // while training: codes 0..255 are literal bytes, symbols follow
constexpr size_t kTrainingCodes = kEscapedCodes + kMaxSymbols;
constexpr int kWholeSample = 128;
constexpr uint64_t kMagic = 0x46535354;

uint64_t MaskOf(size_t length) { return length == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * length)) - 1; }

uint64_t LoadWord(const uint8_t* from, size_t available) {
  uint64_t word = 0;
  std::memcpy(&word, from, std::min<size_t>(available, 8));
  return word;
}

// Pieces of whole strings, spread over all of them by a fixed sequence of pseudo-random numbers.
std::vector<std::string_view> Sample(const LeafValues& strings) {
  const auto view = [&](size_t i) {
    return std::string_view(reinterpret_cast<const char*>(strings.data) + strings.offsets[i], strings.length(i));
  };
  std::vector<std::string_view> sample;
  if (strings.data_bytes() <= kSampleBytes) {
    for (size_t i = 0; i < strings.count; ++i) {
      if (strings.length(i) != 0) sample.push_back(view(i));
    }
    return sample;
  }
  uint64_t random = 4637947;
  size_t bytes = 0;
  for (size_t draw = 0; bytes < kSampleBytes && draw < 64 * 1024; ++draw) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    std::string_view text = view((random >> 33) % strings.count);
    if (text.size() > kPieceBytes) {
      const size_t pieces = (text.size() + kPieceBytes - 1) / kPieceBytes;
      text = text.substr((random >> 20) % pieces * kPieceBytes, kPieceBytes);
    }
    if (text.empty()) continue;
    sample.push_back(text);
    bytes += text.size();
  }
  return sample;
}

}  // namespace

FsstTable::FsstTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)), buckets_(kBuckets), short_codes_(65536) {
  std::vector<std::pair<size_t, LongSymbol>> by_bucket;
  for (size_t code = 0; code < symbols_.size(); ++code) {
    const Symbol& symbol = symbols_[code];
    const auto small = static_cast<uint8_t>(code);
    if (symbol.length == 1) {
      single_codes_[symbol.bytes] = {small, 1};
    } else if (symbol.length >= 3) {
      by_bucket.push_back({HashOf(symbol.bytes), {symbol.bytes, MaskOf(symbol.length), symbol.length, small}});
    }
  }
  for (size_t pair = 0; pair < short_codes_.size(); ++pair) short_codes_[pair] = single_codes_[pair & 0xFF];
  for (size_t code = 0; code < symbols_.size(); ++code) {
    if (symbols_[code].length == 2) short_codes_[symbols_[code].bytes] = {static_cast<uint8_t>(code), 2};
  }
  std::stable_sort(by_bucket.begin(), by_bucket.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.length > b.second.length;
  });
  for (size_t i = 0; i < by_bucket.size(); ++i) {
    Bucket& bucket = buckets_[by_bucket[i].first];
    if (bucket.end == 0) bucket.begin = static_cast<uint8_t>(i);
    bucket.end = static_cast<uint8_t>(i + 1);
    long_symbols_.push_back(by_bucket[i].second);
  }
}

// One round after the other: encode a part of the sample with the table so far, count symbols and
// neighbours, and make a new table of those that save most.
class FsstTrainer {
 public:
  explicit FsstTrainer(std::vector<std::string_view> sample)
      : sample_(std::move(sample)), pairs_(kTrainingCodes * kTrainingCodes) {}

  FsstTable Run() {
    FsstTable best({});
    FsstTable table({});
    uint64_t best_size = UINT64_MAX;
    for (const int fraction : {8, 38, 68, 98, 108, kWholeSample}) {
      Count(table, fraction);
      table = FsstTable(PickSymbols(table, fraction));
      if (fraction < 98) continue;
      const uint64_t size = EncodedSize(table);
      if (size < best_size) {
        best_size = size;
        best = table;
      }
    }
    return best;
  }

 private:
  static FsstTable::Symbol SymbolOf(const FsstTable& table, size_t code) {
    if (code < kEscapedCodes) return {code, 1};
    return table.symbols()[code - kEscapedCodes];
  }

  void Count(const FsstTable& table, int fraction) {
    singles_.assign(kTrainingCodes, 0);
    std::fill(pairs_.begin(), pairs_.end(), 0);
    for (size_t i = 0; i < sample_.size(); ++i) {
      if (fraction<kWholeSample&& static_cast<int>((i * 2654435761u >> 10) % kWholeSample)> fraction) continue;
      CountString(table, sample_[i]);
    }
  }

  void CountString(const FsstTable& table, std::string_view text) {
    const auto* at = reinterpret_cast<const uint8_t*>(text.data());
    const uint8_t* end = at + text.size();
    size_t previous = kTrainingCodes;
    while (at < end) {
      size_t length = 0;
      const uint8_t literal = *at;
      const uint8_t match = table.Match(LoadWord(at, static_cast<size_t>(end - at)), static_cast<size_t>(end - at), &length);
      const size_t code = match == FsstTable::kEscape ? literal : kEscapedCodes + match;
      ++singles_[code];
      if (previous != kTrainingCodes) {
        ++pairs_[previous * kTrainingCodes + code];
        if (length > 1) ++pairs_[previous * kTrainingCodes + literal];
      }
      if (length > 1) ++singles_[literal];
      previous = code;
      at += length;
    }
  }

  struct Candidate {
    FsstTable::Symbol symbol;
    uint64_t gain;
  };

  std::vector<FsstTable::Symbol> PickSymbols(const FsstTable& table, int fraction) {
    const uint64_t least = std::max<uint64_t>(1, 5 * static_cast<uint64_t>(fraction) / kWholeSample);
    std::unordered_map<uint64_t, size_t> index[kMaxLength + 1];
    std::vector<Candidate> candidates;
    const auto add = [&](const FsstTable::Symbol& symbol, uint64_t count) {
      if (count < least) return;
      // A single byte also saves its escape, which otherwise costs a second one each time.
      const uint64_t gain = count * symbol.length * (symbol.length == 1 ? 8 : 1);
      const auto [it, added] = index[symbol.length].try_emplace(symbol.bytes, candidates.size());
      if (added) {
        candidates.push_back({symbol, gain});
      } else {
        candidates[it->second].gain += gain;
      }
    };
    for (size_t first = 0; first < kTrainingCodes; ++first) {
      if (singles_[first] == 0) continue;
      const FsstTable::Symbol symbol = SymbolOf(table, first);
      add(symbol, singles_[first]);
      if (fraction == kWholeSample || symbol.length == kMaxLength) continue;
      const uint32_t* row = &pairs_[first * kTrainingCodes];
      for (size_t second = 0; second < kTrainingCodes; ++second) {
        if (row[second] < least) continue;
        const FsstTable::Symbol next = SymbolOf(table, second);
        FsstTable::Symbol joined;
        joined.length = std::min<uint32_t>(kMaxLength, symbol.length + next.length);
        joined.bytes = (symbol.bytes | (next.bytes << (8 * symbol.length))) & MaskOf(joined.length);
        add(joined, row[second]);
      }
    }
    const size_t keep = std::min(kMaxSymbols, candidates.size());
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep), candidates.end(),
                      [](const Candidate& a, const Candidate& b) {
                        if (a.gain != b.gain) return a.gain > b.gain;
                        return a.symbol.length != b.symbol.length ? a.symbol.length > b.symbol.length
                                                                  : a.symbol.bytes < b.symbol.bytes;
                      });
    std::vector<FsstTable::Symbol> symbols;
    for (size_t i = 0; i < keep; ++i) symbols.push_back(candidates[i].symbol);
    return symbols;
  }

  uint64_t EncodedSize(const FsstTable& table) const {
    uint64_t size = 0;
    for (const std::string_view text : sample_) {
      const auto* at = reinterpret_cast<const uint8_t*>(text.data());
      const uint8_t* end = at + text.size();
      while (at < end) {
        size_t length = 0;
        size +=
            table.Match(LoadWord(at, static_cast<size_t>(end - at)), static_cast<size_t>(end - at), &length) == FsstTable::kEscape
                ? 2
                : 1;
        at += length;
      }
    }
    return size;
  }

  std::vector<std::string_view> sample_;
  std::vector<uint32_t> singles_;
  std::vector<uint32_t> pairs_;
};

FsstTable FsstTable::Train(const LeafValues& strings) { return FsstTrainer(Sample(strings)).Run(); }

LeafValues FsstTable::Encode(const LeafValues& strings) const {
  LeafValues out;
  out.kind = LeafValues::Kind::kVariable;
  out.count = strings.count;
  out.offset_bits = strings.offset_bits;
  out.is_binary = strings.is_binary;
  out.offsets.resize(strings.count + 1);
  uint8_t* data = nullptr;
  const Bytes bytes = Bytes::Allocate(2 * strings.data_bytes(), &data);
  uint8_t* to = data;
  const uint8_t* const last = strings.data + strings.data_bytes();
  for (size_t i = 0; i < strings.count; ++i) {
    out.offsets[i] = static_cast<uint32_t>(to - data);
    const uint8_t* at = strings.data + strings.offsets[i];
    const uint8_t* end = strings.data + strings.offsets[i + 1];
    while (at < end) {
      const auto available = static_cast<size_t>(end - at);
      const uint64_t word = last - at >= 8 ? LoadWord(at, 8) : LoadWord(at, static_cast<size_t>(last - at));
      size_t length = 0;
      const uint8_t code = Match(word, available, &length);
      *to++ = code;
      if (code == kEscape) *to++ = *at;
      at += length;
    }
  }
  out.offsets[strings.count] = static_cast<uint32_t>(to - data);
  out.data = data;
  out.owner = bytes.owner();
  return out;
}

std::string FsstTable::Serialize() const {
  std::string out(kSerializedSize, '\0');
  const uint64_t header = kMagic << 32 | uint64_t{1} << 24 | symbols_.size();
  std::memcpy(out.data(), &header, sizeof(header));
  size_t at = sizeof(header);
  for (const Symbol& symbol : symbols_) {
    std::memcpy(out.data() + at, &symbol.bytes, sizeof(symbol.bytes));
    at += sizeof(symbol.bytes);
  }
  for (const Symbol& symbol : symbols_) out[at++] = static_cast<char>(symbol.length);
  return out;
}

bool WantsFsst(const LeafValues& strings, const EncodingWishes& wishes) {
  if (strings.data_bytes() == 0) return false;
  if (wishes.compression == EncodingWishes::Compression::kFsst) return true;
  if (wishes.compression != EncodingWishes::Compression::kAuto || strings.is_binary) return false;
  if (strings.data_bytes() + strings.offsets.size() * (strings.offset_bits / 8) < kMinFsstBytes) return false;
  for (size_t i = 0; i < strings.count; ++i) {
    if (strings.length(i) >= 5) return true;
  }
  return false;
}

}  // namespace lancefs
