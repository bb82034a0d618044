// SPDX-License-Identifier: Apache-2.0
//
// LeafValues: a page's values of one leaf in plain contiguous form, ready for statistics and for the
// encoders. Slots without a value hold zeros, or no bytes.
//
// Thread safety: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/format/write/shred.h"

namespace lancefs {

struct LeafValues {
  enum class Kind {
    kFixed,       // `bits` a value (1, or a multiple of 8)
    kVariable,    // byte strings
    kFixedLists,  // rows of fixed-size lists, nested through `lists`
    kNone,        // no bytes at all: null type, empty struct
  };
  // One level of a fixed-size list; outermost first.
  struct ListLevel {
    uint64_t dimension = 0;
    std::vector<uint8_t> validity;  // of this level's children; empty = all valid
  };

  Kind kind = Kind::kNone;
  uint64_t count = 0;
  uint32_t bits = 0;                  // of a value; of an element in lists
  std::vector<uint32_t> packed_bits;  // packed struct: of each child; they add up to `bits`
  const uint8_t* data = nullptr;      // fixed and lists: raw values (bit-packed when bits == 1); variable: bytes
  std::shared_ptr<const void> owner;  // keeps `data` alive
  std::vector<uint32_t> offsets;      // variable: count + 1
  uint32_t offset_bits = 32;          // variable: 64 for the large types
  bool is_binary = false;             // variable: not text
  std::vector<ListLevel> lists;
  // Arrow dictionary columns: `data` holds the keys and this their values.
  std::shared_ptr<LeafValues> dictionary;

  uint32_t byte_width() const { return bits / 8; }
  uint64_t elements_per_row() const {
    uint64_t elements = 1;
    for (const ListLevel& level : lists) elements *= level.dimension;
    return elements;
  }
  uint64_t row_bits() const { return elements_per_row() * bits; }
  uint64_t data_bytes() const { return kind == Kind::kVariable ? offsets.back() : (count * row_bits() + 7) / 8; }
  uint32_t length(size_t i) const { return offsets[i + 1] - offsets[i]; }
};

// Gathers the page's visible values. `name` is for messages. Errors: kTooLarge for 4 GiB of strings
// in one page, kInvalidArgument for nulls in a packed struct or keys outside of their dictionary.
Result<LeafValues> CollectValues(const ShreddedPage& page, const arrow::DataType& type, const std::string& name);

// Gives slots without a value a neighbour's, so that nulls break no runs and widen nothing: the one
// before, or the next in the same 1024 slots; zeros where 1024 slots have no value at all. Only for
// fixed widths of 8 to 64 bits.
void RepeatUnderNulls(const std::vector<uint8_t>& validity, LeafValues* values);

}  // namespace lancefs
