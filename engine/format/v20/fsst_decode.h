// SPDX-License-Identifier: Apache-2.0
//
// Decoding of FSST strings (docs/lance/file.md 4.6): a table of up to 255 symbols of 1 to 8 bytes; code 255
// stands before a literal byte.
//
// Thread safety: const calls may run concurrently.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace lancefs::v20 {

class FsstDecoder {
 public:
  static constexpr size_t kTableSize = 2312;  // header, 256 symbols, 256 lengths

  static Result<FsstDecoder> Make(std::span<const uint8_t> table) {
    if (table.size() != kTableSize) return Status::Corruption("an FSST table of " + std::to_string(table.size()) + " bytes");
    const auto header = LoadLittleEndian<uint64_t>(table.data());
    if (header >> 32 != 0x46535354) return Status::Corruption("an FSST table without its magic");
    FsstDecoder decoder;
    decoder.plain_ = ((header >> 24) & 1) == 0;
    const size_t count = header & 0xFF;
    for (size_t code = 0; code < count && code < kEscape; ++code) {
      decoder.symbols_[code] = LoadLittleEndian<uint64_t>(table.data() + 8 + code * 8);
      decoder.lengths_[code] = table[8 + count * 8 + code];
      if (decoder.lengths_[code] < 1 || decoder.lengths_[code] > 8)
        return Status::Corruption("an FSST symbol of impossible length");
    }
    return decoder;
  }

  // How many bytes the string decodes to. Errors: kCorruption for codes without a symbol and a cut escape.
  Result<uint64_t> Measure(const uint8_t* in, uint64_t size) const {
    if (plain_) return size;
    uint64_t length = 0;
    const uint8_t* end = in + size;
    while (in < end) {
      if (*in == kEscape) {
        if (end - in < 2) return Status::Corruption("an FSST string ends in an escape");
        length += 1;
        in += 2;
        continue;
      }
      if (lengths_[*in] == 0) return Status::Corruption("an FSST code without a symbol");
      length += lengths_[*in++];
    }
    return length;
  }

  // Writes the decoded string and up to 8 bytes of rubbish behind it; returns its end. REQUIRES: Measure accepted it.
  uint8_t* Decode(const uint8_t* in, uint64_t size, uint8_t* out) const {
    if (plain_) {
      if (size != 0) std::memcpy(out, in, size);
      return out + size;
    }
    const uint8_t* end = in + size;
    while (in < end) {
      if (*in == kEscape) {
        *out++ = in[1];
        in += 2;
        continue;
      }
      std::memcpy(out, &symbols_[*in], 8);
      out += lengths_[*in++];
    }
    return out;
  }

 private:
  static constexpr size_t kEscape = 255;
  bool plain_ = false;
  uint64_t symbols_[256] = {};
  uint8_t lengths_[256] = {};
};

}  // namespace lancefs::v20
