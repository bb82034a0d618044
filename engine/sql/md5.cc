// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/md5.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace lancefs::sql {
namespace {

using State = std::array<uint32_t, 4>;

const std::array<uint32_t, 64>& Sines() {
  static const auto table = [] {
    std::array<uint32_t, 64> values;
    for (size_t i = 0; i < 64; ++i)
      values[i] = static_cast<uint32_t>(std::floor(std::fabs(std::sin(static_cast<double>(i + 1))) * 4294967296.0));
    return values;
  }();
  return table;
}

uint32_t Word(const char* bytes) {
  uint32_t word = 0;
  for (int i = 3; i >= 0; --i) word = word << 8 | static_cast<unsigned char>(bytes[i]);
  return word;
}

void AddBlock(const char* block, State* state) {
  static constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  const auto& sines = Sines();
  auto [a, b, c, d] = *state;
  for (uint32_t i = 0; i < 64; ++i) {
    uint32_t f;
    uint32_t word;
    switch (i / 16) {
      case 0: f = (b & c) | (~b & d), word = i; break;
      case 1: f = (d & b) | (~d & c), word = (5 * i + 1) % 16; break;
      case 2: f = b ^ c ^ d, word = (3 * i + 5) % 16; break;
      default: f = c ^ (b | ~d), word = 7 * i % 16; break;
    }
    const uint32_t sum = a + f + sines[i] + Word(block + word * 4);
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kShifts[i / 16][i % 4]);
  }
  (*state)[0] += a;
  (*state)[1] += b;
  (*state)[2] += c;
  (*state)[3] += d;
}

}  // namespace

std::string Md5Hex(std::string_view text) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  size_t at = 0;
  for (; at + 64 <= text.size(); at += 64) AddBlock(text.data() + at, &state);
  std::string tail(text.substr(at));
  tail.push_back('\x80');
  tail.resize(tail.size() <= 56 ? 56 : 120);
  for (int i = 0; i < 8; ++i) tail.push_back(static_cast<char>(static_cast<uint64_t>(text.size()) * 8 >> (8 * i)));
  for (size_t i = 0; i < tail.size(); i += 64) AddBlock(tail.data() + i, &state);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (uint32_t word : state) {
    for (int i = 0; i < 4; ++i, word >>= 8) {
      hex.push_back(kDigits[word >> 4 & 15]);
      hex.push_back(kDigits[word & 15]);
    }
  }
  return hex;
}

}  // namespace lancefs::sql
