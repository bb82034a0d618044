// SPDX-License-Identifier: Apache-2.0
//
// FSST, fast static symbol tables (Boncz, Neumann, Leis 2020): up to 255 symbols of 1 to 8 bytes
// learnt from a sample; every string becomes a row of one-byte codes and can be decoded alone.
// Code 255 escapes one literal byte. Table bytes: docs/lance/file.md 4.6.
//
// Thread safety: a table is a value; Train and Encode may run on many threads.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "engine/format/write/encoding_wishes.h"
#include "engine/format/write/leaf_values.h"

namespace lancefs {

class FsstTable {
 public:
  struct Symbol {
    uint64_t bytes = 0;  // the first byte is the lowest; zeros behind the length
    uint32_t length = 0;
  };
  static constexpr uint8_t kEscape = 255;
  static constexpr size_t kSerializedSize = 2312;

  // Learns from a sample of the strings. The same strings give the same table.
  static FsstTable Train(const LeafValues& strings);
  // The strings as codes, in the same shape.
  LeafValues Encode(const LeafValues& strings) const;
  std::string Serialize() const;
  const std::vector<Symbol>& symbols() const { return symbols_; }

  // The longest symbol at the start of `word`, of which `available` bytes count. Returns its code,
  // or kEscape, and sets the number of bytes taken.
  uint8_t Match(uint64_t word, size_t available, size_t* length) const {
    if (available >= 3) {
      const Bucket bucket = buckets_[HashOf(word)];
      for (uint32_t i = bucket.begin; i < bucket.end; ++i) {
        const LongSymbol& symbol = long_symbols_[i];
        if (symbol.length <= available && (word & symbol.mask) == symbol.bytes) {
          *length = symbol.length;
          return symbol.code;
        }
      }
    }
    const ShortCode code = available >= 2 ? short_codes_[word & 0xFFFF] : single_codes_[word & 0xFF];
    *length = code.length;
    return code.code;
  }

 private:
  struct LongSymbol {
    uint64_t bytes;
    uint64_t mask;
    uint32_t length;
    uint8_t code;
  };
  struct Bucket {
    uint8_t begin = 0;
    uint8_t end = 0;
  };
  struct ShortCode {
    uint8_t code = kEscape;
    uint8_t length = 1;
  };
  static constexpr size_t kBuckets = 4096;
  static size_t HashOf(uint64_t word) { return ((word & 0xFFFFFF) * 2654435761u >> 12) & (kBuckets - 1); }

  // Makes the lookup tables for the symbols.
  explicit FsstTable(std::vector<Symbol> symbols);
  friend class FsstTrainer;

  std::vector<Symbol> symbols_;
  std::vector<LongSymbol> long_symbols_;  // three bytes and more, by bucket, longest first
  std::vector<Bucket> buckets_;
  std::vector<ShortCode> short_codes_;  // by the first two bytes
  std::array<ShortCode, 256> single_codes_;
};

// Whether strings should be compressed this way: text of some size without another wish, or any
// strings on request.
bool WantsFsst(const LeafValues& strings, const EncodingWishes& wishes);

}  // namespace lancefs
