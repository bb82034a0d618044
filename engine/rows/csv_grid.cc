// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/csv_grid.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "engine/rows/value_parse.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace lancefs::rows {
namespace {

constexpr char kUnclosed[] = "is a quoted field without a closing quote";

struct BlockMasks {
  uint64_t separator = 0;
  uint64_t line_feed = 0;
  uint64_t quote = 0;
  uint64_t carriage_return = 0;
};

#ifdef __SSE2__
inline uint64_t Match(const __m128i (&v)[4], char c) {
  const __m128i wanted = _mm_set1_epi8(c);
  uint64_t mask = 0;
  for (int i = 0; i < 4; ++i) {
    const auto part = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v[i], wanted)));
    mask |= static_cast<uint64_t>(part) << (16 * i);
  }
  return mask;
}
inline BlockMasks ScanBlock(const char* p, char separator) {
  __m128i v[4];
  for (int i = 0; i < 4; ++i) v[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i);
  return {Match(v, separator), Match(v, '\n'), Match(v, '"'), Match(v, '\r')};
}
#else
inline BlockMasks ScanBlock(const char* p, char separator) {
  BlockMasks masks;
  for (int i = 0; i < 64; ++i) {
    const uint64_t bit = uint64_t{1} << i;
    if (p[i] == separator) masks.separator |= bit;
    if (p[i] == '\n') masks.line_feed |= bit;
    if (p[i] == '"') masks.quote |= bit;
    if (p[i] == '\r') masks.carriage_return |= bit;
  }
  return masks;
}
#endif

// Bit i is the parity of the bits 0..i.
inline uint64_t PrefixXor(uint64_t bits) {
  bits ^= bits << 1;
  bits ^= bits << 2;
  bits ^= bits << 4;
  bits ^= bits << 8;
  bits ^= bits << 16;
  bits ^= bits << 32;
  return bits;
}

size_t FirstInvalidUtf8(const char* begin, size_t size) {
  size_t at = 0;
  while (at < size) {
    const auto lead = static_cast<unsigned char>(begin[at]);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (size - at < length || !simdjson::validate_utf8(begin + at, length)) return at;
    at += length;
  }
  return size;
}

std::string CountText(size_t count) { return std::to_string(count) + (count == 1 ? " field" : " fields"); }

// The exact reading of records, a byte at a time; also takes what is not regular.
class SlowScanner {
 public:
  SlowScanner(const char* begin, const char* end, char separator) : p_(begin), end_(end), separator_(separator) {}
  const char* position() const { return p_; }
  bool AtEnd() const { return p_ >= end_; }
  // Steps over a blank line.
  bool SkipBlank() {
    const size_t left = static_cast<size_t>(end_ - p_);
    const size_t step = left > 0 && *p_ == '\n' ? 1 : left > 1 && *p_ == '\r' && p_[1] == '\n' ? 2 : 0;
    p_ += step;
    return step > 0;
  }
  // Reads one record into `cells`. False: fault() has column, value and reason. A blank line gives one empty cell.
  bool Record(std::vector<std::string>* cells) {
    cells->clear();
    while (true) {
      std::string cell;
      if (!Cell(&cell)) {
        fault_.column = cells->size();
        return false;
      }
      cells->push_back(std::move(cell));
      if (AtEnd()) return true;
      const char c = *p_++;
      if (c == '\r' && p_ < end_ && *p_ == '\n') ++p_;
      if (c != separator_) return true;
    }
  }
  CsvFault& fault() { return fault_; }

 private:
  // Stops at the separator, at the line's end or at the end.
  bool Cell(std::string* cell) {
    const char* begin = p_;
    if (!AtEnd() && *p_ == '"') {
      if (!QuotedCell(cell)) return false;
      if (AtStop()) return true;
      return Fail(begin, "has text behind its closing quote");
    }
    while (!AtStop()) {
      if (*p_ == '"') return Fail(begin, "has a quote inside an unquoted field");
      if (*p_ == '\r') return Fail(begin, "has a carriage return inside an unquoted field");
      ++p_;
    }
    cell->assign(begin, p_);
    return true;
  }
  bool QuotedCell(std::string* cell) {
    const char* begin = p_++;
    while (true) {
      const auto* quote = static_cast<const char*>(std::memchr(p_, '"', static_cast<size_t>(end_ - p_)));
      if (quote == nullptr) return Fail(begin, kUnclosed);
      cell->append(p_, quote);
      p_ = quote + 1;
      if (AtEnd() || *p_ != '"') return true;
      cell->push_back('"');
      ++p_;
    }
  }
  bool AtStop() const {
    if (AtEnd() || *p_ == separator_ || *p_ == '\n') return true;
    return *p_ == '\r' && (p_ + 1 >= end_ || p_[1] == '\n');
  }
  bool Fail(const char* begin, std::string reason) {
    const char* line_end = begin;
    while (line_end < end_ && line_end - begin < 100 && *line_end != '\n' && *line_end != '\r') ++line_end;
    fault_.value.assign(begin, line_end);
    fault_.reason = std::move(reason);
    return false;
  }

  const char* p_;
  const char* end_;
  char separator_;
  CsvFault fault_;
};

}  // namespace

// ---- the fast passes

void CsvGrid::GrowStops(size_t count) {
  if (stops_.size() < count) stops_.resize(std::max(count, stops_.size() * 2));
}

void CsvGrid::FindStops() {
  stop_count_ = 0;
  has_quotes_ = false;
  uint64_t inside = 0;  // all ones while a quoted cell is open
  bool stray = false;
  const auto size = static_cast<size_t>(end_ - begin_);
  for (size_t at = 0; at < size; at += 64) {
    BlockMasks masks = ScanBlock(begin_ + at, separator_);
    if (size - at < 64) {  // what stands in the padding does not count
      const uint64_t live = (uint64_t{1} << (size - at)) - 1;
      masks.separator &= live;
      masks.line_feed &= live;
      masks.quote &= live;
      masks.carriage_return &= live;
    }
    uint64_t quoted = inside;
    if (masks.quote != 0) {
      has_quotes_ = true;
      quoted ^= PrefixXor(masks.quote);
      inside = static_cast<uint64_t>(static_cast<int64_t>(quoted) >> 63);
    }
    if (const uint64_t returns = masks.carriage_return & ~quoted; returns != 0) {
      const uint64_t next_is_lf = masks.line_feed >> 1 | (begin_[at + 64] == '\n' ? uint64_t{1} << 63 : 0);
      stray |= (returns & ~next_is_lf) != 0;
    }
    uint64_t stops = (masks.separator | masks.line_feed) & ~quoted;
    GrowStops(stop_count_ + 64);
    uint32_t* out = stops_.data() + stop_count_;
    stop_count_ += static_cast<size_t>(__builtin_popcountll(stops));
    while (stops != 0) {
      *out++ = static_cast<uint32_t>(at) + static_cast<uint32_t>(__builtin_ctzll(stops));
      stops &= stops - 1;
    }
  }
  suspicious_ = stray || inside != 0;
}

// Brings the stops into rows of columns_ and leaves blank lines out (a blank line of one column is a null).
void CsvGrid::FindRows() {
  row_starts_.clear();
  row_starts_.reserve(stop_count_ / columns_ + 1);
  uint32_t start = 0;
  size_t out = 0;
  size_t in = 0;
  while (in < stop_count_) {
    const uint32_t first = stops_[in];
    const bool blank = begin_[first] == '\n' && (first == start || (first == start + 1 && begin_[start] == '\r'));
    if (blank && columns_ > 1) {
      ++in;
      start = first + 1;
      continue;
    }
    const size_t last = in + columns_ - 1;
    if (last >= stop_count_ || begin_[stops_[last]] != '\n') {
      suspicious_ = true;
      return;
    }
    for (size_t i = in; i < last; ++i) {
      if (begin_[stops_[i]] == '\n') {
        suspicious_ = true;
        return;
      }
      stops_[out++] = stops_[i];
    }
    stops_[out++] = stops_[last];
    row_starts_.push_back(start);
    start = stops_[out - 1] + 1;
    in = last + 1;
  }
}

void CsvGrid::Index(char* begin, char* end) {
  fault_.reset();
  row_starts_.clear();
  begin_ = begin;
  if (end > begin && end[-1] != '\n') *end++ = '\n';
  end_ = end;
  FindStops();
  FindRows();
  if (suspicious_) Diagnose();
  CheckUtf8();
}

// Text must be UTF-8 without NUL (which no text has, but UTF-16 and binary files do).
void CsvGrid::CheckUtf8() {
  const auto size = static_cast<size_t>(end_ - begin_);
  size_t bad = size;
  const char* reason = "is not valid UTF-8";
  if (!simdjson::validate_utf8(begin_, size)) bad = FirstInvalidUtf8(begin_, size);
  if (const void* nul = std::memchr(begin_, 0, bad); nul != nullptr) {
    bad = static_cast<size_t>(static_cast<const char*>(nul) - begin_);
    reason = "has a NUL byte, so it is no text";
  }
  if (bad == size || row_starts_.empty()) {
    if (bad < size && !fault_) fault_ = CsvFault{0, std::nullopt, "", std::string("the row ") + reason};
    return;
  }
  const auto after = std::upper_bound(row_starts_.begin(), row_starts_.end(), bad);
  const size_t row = static_cast<size_t>(after - row_starts_.begin()) - (after == row_starts_.begin() ? 0 : 1);
  if (bad > stops_[(row + 1) * columns_ - 1]) return;  // in a row that has a fault already
  size_t column = 0;
  while (column + 1 < columns_ && stops_[row * columns_ + column] < bad) ++column;
  const char* cell_begin = nullptr;
  const char* cell_end = nullptr;
  Bounds(row, column, &cell_begin, &cell_end);
  fault_ = CsvFault{row, column, std::string(cell_begin, cell_end), reason};
  row_starts_.resize(row);
}

bool CsvGrid::Unquote(size_t row, size_t column, CsvCell* cell) {
  const char* begin = nullptr;
  const char* end = nullptr;
  Bounds(row, column, &begin, &end);
  const auto size = static_cast<size_t>(end - begin);
  cell->quoted = size > 0 && *begin == '"';
  cell->text = {begin, size};
  if (!has_quotes_ || size == 0) return true;
  if (!cell->quoted) return std::memchr(begin, '"', size) == nullptr;
  if (size < 2 || end[-1] != '"') return false;
  ++begin;
  --end;
  cell->text = {begin, static_cast<size_t>(end - begin)};
  const auto* quote = static_cast<const char*>(std::memchr(begin, '"', cell->text.size()));
  if (quote == nullptr) return true;
  scratch_.clear();
  while (quote != nullptr) {
    if (quote + 1 >= end || quote[1] != '"') return false;
    scratch_.append(begin, quote + 1);
    begin = quote + 2;
    quote = static_cast<const char*>(std::memchr(begin, '"', static_cast<size_t>(end - begin)));
  }
  scratch_.append(begin, end);
  cell->text = scratch_;
  return true;
}

// ---- the slow and exact pass

void CsvGrid::Diagnose() {
  SlowScanner scanner(begin_, end_, separator_);
  std::vector<std::string> cells;
  size_t row = 0;
  while (!scanner.AtEnd()) {
    if (columns_ > 1 && scanner.SkipBlank()) continue;
    if (!scanner.Record(&cells)) {
      fault_ = std::move(scanner.fault());
      fault_->row = row;
      break;
    }
    if (cells.size() != columns_) {
      fault_ = CsvFault{row, std::nullopt, "", CountText(cells.size()) + " where the header has " + std::to_string(columns_)};
      break;
    }
    ++row;
  }
  // Whatever made the rows suspicious, they may not pass.
  if (!fault_ && suspicious_) fault_ = CsvFault{row_starts_.size(), std::nullopt, "", "the row is malformed"};
  if (fault_ && row_starts_.size() > fault_->row) row_starts_.resize(fault_->row);
}

void CsvGrid::Refuse(size_t row, size_t column) {
  Diagnose();
  if (!fault_) fault_ = CsvFault{row, column, "", "has a quote where none may be"};
}

size_t CsvGrid::Cut(const char* data, size_t size, char separator) {
  bool open = (std::count(data, data + size, '"') & 1) != 0;
  for (size_t at = size; at > 0; --at) {
    if (data[at - 1] == '"') {
      open = !open;
    } else if (data[at - 1] == '\n' && !open) {
      return at;
    }
  }
  if (size < (size_t{1} << 20)) return 0;
  // A quoted cell of this size, or a quote where none may be: then reading on is pointless.
  SlowScanner scanner(data, data + size, separator);
  std::vector<std::string> cells;
  while (!scanner.AtEnd()) {
    if (!scanner.Record(&cells)) return scanner.fault().reason == kUnclosed ? 0 : size;
  }
  return 0;
}

std::optional<CsvFault> SplitHeader(const char* begin, const char* end, char separator, std::vector<std::string>* names,
                                    const char** rest) {
  SlowScanner scanner(begin, end, separator);
  names->clear();
  while (!scanner.AtEnd()) {
    if (scanner.SkipBlank()) continue;  // before the header
    if (!scanner.Record(names)) return scanner.fault();
    break;
  }
  *rest = scanner.position();
  return std::nullopt;
}

}  // namespace lancefs::rows
