// SPDX-License-Identifier: Apache-2.0
//
// Decoding of FSST-compressed strings (docs/lance/file.md 4.6): a table of up to 255 symbols of 1 to 8 bytes; code 255 stands
// before a literal byte. The table travels in the page's metadata, in 2.0 as in 2.1; every string is compressed on its own.
//
// Thread safety: a built table is immutable.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace lancefs::structural {

class FsstTable {
 public:
  static constexpr size_t kTableSize = 2312;  // header, 256 symbols, 256 lengths
  // `bytes` is the stored table. Errors: kCorruption.
  static Result<FsstTable> Parse(std::span<const uint8_t> bytes);

  // The writer may leave small inputs as they are.
  bool compressed() const { return compressed_; }
  // Room that Decode needs for `size` input bytes.
  static constexpr size_t MaxDecoded(size_t size) { return size * 8 + 8; }
  // How many bytes the string decodes to. Errors: kCorruption for codes without a symbol and a cut escape.
  Result<uint64_t> Measure(std::span<const uint8_t> in) const;
  // The most that one stored byte decodes to, where byte b counts as `weights[b]`, or as 1.
  uint64_t MostOfCode(const std::array<uint8_t, 256>& weights) const;
  uint64_t MostOfCode() const;
  // Decodes one string to `out`, which has MaxDecoded(in.size()) bytes, or 8 more than Measure says. Returns the end of the
  // output, or null when the bytes are no valid code.
  uint8_t* Decode(std::span<const uint8_t> in, uint8_t* out) const;

 private:
  bool compressed_ = false;
  std::array<uint64_t, 256> symbols_{};
  std::array<uint8_t, 256> lengths_{};  // 0 = no such code
};

}  // namespace lancefs::structural
