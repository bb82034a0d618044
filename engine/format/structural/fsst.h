// SPDX-License-Identifier: Apache-2.0
//
// Decoding of FSST-compressed strings (docs/lance/file.md 4.6). The symbol table travels in the page's
// metadata; every string is compressed on its own.
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
  // `bytes` is the stored table of 2312 bytes. Errors: kCorruption.
  static Result<FsstTable> Parse(std::span<const uint8_t> bytes);

  // The writer may leave small inputs as they are.
  bool compressed() const { return compressed_; }
  // Room that Decode needs for `size` input bytes.
  static constexpr size_t MaxDecoded(size_t size) { return size * 8 + 8; }
  // Decodes one string to `out`, which has MaxDecoded(in.size()) bytes. Returns the end of the
  // output, or null when the bytes are no valid code. REQUIRES: compressed().
  uint8_t* Decode(std::span<const uint8_t> in, uint8_t* out) const;

 private:
  bool compressed_ = false;
  std::array<uint64_t, 256> symbols_{};
  std::array<uint8_t, 256> lengths_{};  // 0 = no such code
};

}  // namespace lancefs::structural
