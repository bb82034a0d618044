// SPDX-License-Identifier: Apache-2.0
//
// RFC 4180 structure: finds the cells of a chunk of CSV. A vectorised pass notes every separator and
// line end outside quotes; if the rows are then not regular, a plain state machine finds the first
// place that is wrong and says why.
//
// Quotes: a cell is quoted as a whole ("a ""b"" c") or has no quote at all; anything else is refused,
// since readers disagree on what it means.
//
// Thread safety: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rows/text_source.h"

namespace lancefs::rows {

// What is wrong with the structure; rows and columns count from 0 within the chunk.
struct CsvFault {
  size_t row = 0;
  std::optional<size_t> column;  // none: the row as a whole
  std::string value;
  std::string reason;
};

struct CsvCell {
  std::string_view text;  // unquoted, unescaped
  bool quoted = false;
};

class CsvGrid {
 public:
  CsvGrid(char separator, size_t columns) : separator_(separator), columns_(columns) {}

  // Indexes the records in [begin, end). `end` must be followed by kPadding writable bytes; a missing last LF is added.
  // Rows from a fault on are left out.
  void Index(char* begin, char* end);
  size_t rows() const { return row_starts_.size(); }
  const std::optional<CsvFault>& fault() const { return fault_; }
  bool has_quotes() const { return has_quotes_; }

  // The raw bounds of a cell, without the CR of a line's end.
  void Bounds(size_t row, size_t column, const char** begin, const char** end) const {
    const uint32_t* stops = stops_.data() + row * columns_;
    *begin = column == 0 ? begin_ + row_starts_[row] : begin_ + stops[column - 1] + 1;
    *end = begin_ + stops[column];
    if (column + 1 == columns_ && *end > *begin && (*end)[-1] == '\r') --*end;
  }
  // The cell's text. False if its quotes are wrong.
  bool Get(size_t row, size_t column, CsvCell* cell) { return Unquote(row, column, cell); }
  // Notes the fault of a cell for which Get was false, or one before it.
  void Refuse(size_t row, size_t column);
  // Notes the first fault of the chunk, found the slow and exact way, if there is one.
  void Diagnose();

  // How many bytes of the front are whole records (see Cutter).
  static size_t Cut(const char* data, size_t size, char separator);

 private:
  bool Unquote(size_t row, size_t column, CsvCell* cell);
  void FindStops();
  void GrowStops(size_t count);
  void FindRows();
  void CheckUtf8();

  char separator_;
  size_t columns_;
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
  std::vector<uint32_t> stops_;  // columns_ per row, after FindRows
  size_t stop_count_ = 0;
  std::vector<uint32_t> row_starts_;
  bool has_quotes_ = false;
  bool suspicious_ = false;  // something that only Diagnose can judge
  std::optional<CsvFault> fault_;
  std::string scratch_;
};

// Splits the record at the front of [begin, end), the header, into names. `*rest` is where the next record starts.
std::optional<CsvFault> SplitHeader(const char* begin, const char* end, char separator, std::vector<std::string>* names,
                                    const char** rest);

}  // namespace lancefs::rows
