// SPDX-License-Identifier: Apache-2.0
//
// Cells as text: a TextColumn is an array made ready for writing its values, one call of a plain function a value. The base
// of json_render.h and csv_render.h; the text forms are those of docs/formats.md.
//
// Thread safety: a TextColumn is constant after preparation and may be used by many threads, each with its own TextBuffer.
#pragma once

#include <arrow/array.h>
#include <arrow/type.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/rows/text_buffer.h"

namespace lancefs {

enum class TextStyle {
  kJson,       // canonical JSON
  kCsv,        // a CSV cell: as in JSON without the quotes around dates, decimals and so on; strings by RFC 4180
  kJsonInCsv,  // canonical JSON inside a quoted CSV cell: every quote doubled
};

// A constant that is copied in whole blocks.
class TextConstant {
 public:
  static constexpr size_t kBlock = 32;
  explicit TextConstant(std::string_view text) : size_(text.size()), padded_(text) {
    padded_.resize((text.size() / kBlock + 1) * kBlock);
  }
  size_t size() const { return size_; }
  // What CopyTo may write.
  size_t room() const { return padded_.size(); }
  char* CopyTo(char* p) const {
    std::memcpy(p, padded_.data(), kBlock);
    if (size_ > kBlock) std::memcpy(p + kBlock, padded_.data() + kBlock, size_ - kBlock);
    return p + size_;
  }

 private:
  size_t size_;
  std::string padded_;
};

struct TextColumn {
  // Writes the value of `row`, which is not null, at `p`; returns the end. Calls Room before anything of variable length.
  using WriteFn = char* (*)(const TextColumn& column, int64_t row, char* p, TextBuffer& out);

  WriteFn write = nullptr;
  // Null where no bitmap tells nulls; bit `offset + row`, set = valid.
  const uint8_t* validity = nullptr;
  int64_t offset = 0;
  // For nulls that no bitmap of this array tells (null arrays, null dictionary values, run-end encoding); may be null.
  bool (*is_null)(const TextColumn& column, int64_t row) = nullptr;

  const void* values = nullptr;    // fixed-width values, offsets, views, indices, run ends; starts at the first row
  const void* sizes = nullptr;     // list views; starts at the first row
  const uint8_t* data = nullptr;   // bytes of strings; bits of booleans (bit `offset + row`)
  int32_t width = 0;               // fixed-size binary and list, decimals; dictionaries: number of values
  int32_t scale = 0;               // decimals
  char separator = ',';            // CSV strings
  size_t fixed_width = 0;          // what `write` puts at most between two calls of Room
  std::string name;                // for messages
  std::vector<TextConstant> keys;  // of structs: `{"a":`, `,"b":`
  std::vector<TextColumn> children;
  std::shared_ptr<arrow::Array> array;  // keeps everything above alive

  // Dictionaries whose values were written beforehand: value i is rendered[rendered_ends[i] .. rendered_ends[i + 1]).
  std::string rendered;
  std::vector<size_t> rendered_ends;

  bool IsNull(int64_t row) const {
    if (validity != nullptr && (validity[(offset + row) >> 3] >> ((offset + row) & 7) & 1) == 0) return true;
    return is_null != nullptr && is_null(*this, row);
  }
};

// Makes `array` ready. `field` names it and decides about extensions; null: no name, no extension.
// Errors: kNotSupported for a type without a text form, naming column and type.
Result<TextColumn> PrepareTextColumn(std::shared_ptr<arrow::Array> array, const arrow::Field* field, TextStyle style,
                                     char separator = ',');

// The extension that governs `field`: its extension type's name, else that in its metadata; empty = none.
std::string ExtensionNameOf(const arrow::Field& field);

}  // namespace lancefs
