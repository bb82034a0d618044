// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/page_window.h"

#include <algorithm>
#include <atomic>

namespace lancefs {
namespace {

// So many bytes may be read in vain between wanted rows: stores join reads across such gaps anyway.
constexpr uint64_t kWasted = 64 * 1024;

// Whether `rows` leave out next to nothing of the `length` rows from `first` on, which take `bytes`.
bool Covers(const RowSelection& rows, uint64_t first, uint64_t length, uint64_t bytes) {
  const uint64_t end = first + length;
  const uint64_t wasted_rows = kWasted / (bytes / std::max<uint64_t>(1, length) + 1);
  auto range = std::upper_bound(rows.begin(), rows.end(), first, [](uint64_t row, const RowRange& r) { return row < r.end; });
  uint64_t position = first;
  uint64_t left_out = 0;
  for (; range != rows.end() && range->start < end; ++range) {
    const uint64_t gap = range->start > position ? range->start - position : 0;
    if (gap > wasted_rows) return false;
    left_out += gap;
    position = range->end;
  }
  if (position < end) left_out += end - position;
  return end - std::min(position, end) <= wasted_rows && left_out <= length / 4;
}

bool LiesIn(const ByteRange& inner, const ByteRange& outer) { return inner.offset >= outer.offset && inner.end() <= outer.end(); }

}  // namespace

void PageWindow::Add(const ColumnInfo& column, const RowSelection& rows, uint64_t file_rows) {
  const bool all = rows.size() == 1 && rows[0].start == 0 && rows[0].end == file_rows;
  const bool same_rows = column.num_rows == file_rows;
  // Of 2.0 no buffer is left out, and what is small is not kept from one piece to the next.
  const bool reads_all_buffers = file_->version() == FileVersion::kV2_0;
  for (const PageInfo& page : column.pages) {
    uint64_t bytes = 0;
    for (const ByteRange& buffer : page.buffers) bytes += buffer.length;
    const uint64_t end = page.first_row + page.length;
    const uint64_t start = rows.empty() ? page.first_row : std::clamp(rows[0].start, page.first_row, end);
    const uint64_t left = end - start;
    if (left == 0 || (!all && !(same_rows && Covers(rows, start, left, bytes / page.length * left)))) continue;
    Page added;
    added.touched = start > page.first_row;
    if (reads_all_buffers) {
      added.buffers = page.buffers;
    } else {
      added.buffers = {ValuesOf(page, file_->version())};
    }
    for (const ByteRange& buffer : page.buffers) {
      if (buffer.length == 0) continue;
      if (start == page.first_row) {
        AddParts(buffer, pages_.size(), &parts_);
      } else {
        Part part;
        part.place = buffer;
        part.page = pages_.size();
        part.begun = true;
        parts_.push_back(std::move(part));
      }
    }
    pages_.push_back(std::move(added));
  }
}

void PageWindow::AddParts(const ByteRange& buffer, size_t page, std::vector<Part>* parts) const {
  const uint64_t count = (buffer.length + unit_ - 1) / unit_;
  const uint64_t step = (buffer.length + count - 1) / count;
  for (uint64_t offset = 0; offset < buffer.length; offset += step) {
    Part part;
    part.place = {buffer.offset + offset, std::min(step, buffer.length - offset)};
    part.page = page;
    parts->push_back(std::move(part));
  }
}

// A buffer of a page that was begun before is asked for: `range` is the first that is wanted of it.
void PageWindow::Begin(const ByteRange& range) {
  auto part = std::upper_bound(parts_.begin(), parts_.end(), range.offset,
                               [](uint64_t offset, const Part& each) { return offset < each.place.offset; });
  if (part == parts_.begin()) return;
  --part;
  if (!part->begun || range.end() > part->place.end()) return;
  std::vector<Part> parts;
  AddParts({range.offset, part->place.end() - range.offset}, part->page, &parts);
  const auto at = parts_.erase(part);
  parts_.insert(at, std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
}

void PageWindow::Sort() {
  if (sorted_) return;
  sorted_ = true;
  std::stable_sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.place.offset < b.place.offset; });
}

std::pair<size_t, size_t> PageWindow::PartsOf(const ByteRange& range) const {
  auto first = std::upper_bound(parts_.begin(), parts_.end(), range.offset,
                                [](uint64_t offset, const Part& part) { return offset < part.place.offset; });
  const std::pair<size_t, size_t> none{0, 0};
  if (first == parts_.begin()) return none;
  --first;
  uint64_t position = range.offset;
  auto part = first;
  // Parts of one page stand next to each other, so a range across several of them is served, too.
  for (; part != parts_.end() && position < range.end(); ++part) {
    if (part->page != first->page || part->place.offset > position || part->place.end() <= position || part->gone) return none;
    position = part->place.end();
  }
  if (position < range.end()) return none;
  return {static_cast<size_t>(first - parts_.begin()), static_cast<size_t>(part - parts_.begin())};
}

// What one call has to read from the store: parts for all to use, and ranges for itself.
struct PageWindow::Load {
  std::vector<ByteRange> ranges;
  std::vector<Promise<Bytes>> promises;
};

// The parts that one call waits for, and what it makes of them.
struct PageWindow::Gather {
  struct Source {
    ByteRange place;
    Future<Bytes> bytes;
  };
  std::vector<ByteRange> wanted;
  std::vector<std::vector<Source>> sources;  // per wanted range
  std::atomic<size_t> left{1};
  Promise<std::vector<Bytes>> promise;

  void OnPart() {
    if (left.fetch_sub(1) == 1) promise.Set(Assemble());
  }
  Result<std::vector<Bytes>> Assemble() const {
    const OpContext now;  // all futures are done
    std::vector<Bytes> out(wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (sources[i].empty()) continue;
      if (sources[i].size() == 1) {
        LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, sources[i][0].bytes.Get(now));
        out[i] = bytes.Slice(wanted[i].offset - sources[i][0].place.offset, wanted[i].length);
        continue;
      }
      uint8_t* to = nullptr;
      out[i] = Bytes::Allocate(wanted[i].length, &to);
      for (const Source& source : sources[i]) {
        LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, source.bytes.Get(now));
        const uint64_t start = std::max(wanted[i].offset, source.place.offset);
        const uint64_t end = std::min(wanted[i].end(), source.place.end());
        std::memcpy(to, bytes.data() + (start - source.place.offset), end - start);
        to += end - start;
      }
    }
    return out;
  }
};

void PageWindow::Want(size_t index, Load* load) {
  Part& part = parts_[index];
  if (part.gone || part.bytes.valid()) return;
  load->ranges.push_back(part.place);
  load->promises.emplace_back();
  part.bytes = load->promises.back().future();
}

// Whoever asks where the rows are will ask for them next.
void PageWindow::Touch(Page* page, Load* load) {
  if (page->touched) return;
  page->touched = true;
  for (const ByteRange& buffer : page->buffers) {
    const auto parts = PartsOf({buffer.offset, 1});
    if (parts.first != parts.second && LiesIn(parts_[parts.first].place, buffer)) Want(parts.first, load);
  }
}

Future<std::vector<Bytes>> PageWindow::ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) {
  auto gather = std::make_shared<Gather>();
  Load load;
  {
    std::lock_guard lock(mutex_);
    Sort();
    for (const ByteRange& range : ranges) {
      std::vector<Gather::Source>& sources = gather->sources.emplace_back();
      if (range.length == 0) continue;
      Begin(range);
      const auto [first, end] = PartsOf(range);
      if (first == end) {
        load.ranges.push_back(range);
        load.promises.emplace_back();
        sources.push_back({range, load.promises.back().future()});
        continue;
      }
      for (size_t i = first; i < end; ++i) {
        Want(i, &load);
        Part& part = parts_[i];
        part.used_up |= range.end() >= part.place.end();
        part.last_piece = std::max(part.last_piece, piece);
        sources.push_back({part.place, part.bytes});
      }
      Touch(&pages_[parts_[first].page], &load);
    }
  }
  gather->wanted = std::move(ranges);
  Future<std::vector<Bytes>> answer = gather->promise.future();
  for (const auto& sources : gather->sources) gather->left += sources.size();
  for (const auto& sources : gather->sources) {
    for (const Gather::Source& source : sources) source.bytes.OnDone([gather](const Result<Bytes>&) { gather->OnPart(); });
  }
  if (!load.ranges.empty()) {
    file_->ReadRangesAsync(std::move(load.ranges), ctx)
        .OnDone([promises = std::move(load.promises)](const Result<std::vector<Bytes>>& result) {
          for (size_t i = 0; i < promises.size(); ++i) {
            promises[i].Set(result.ok() ? Result<Bytes>((*result)[i]) : result.status());
          }
        });
  }
  gather->OnPart();
  return answer;
}

void PageWindow::Done(uint64_t piece) {
  std::vector<Future<Bytes>> freed;  // outside of the lock
  std::lock_guard lock(mutex_);
  for (Part& part : parts_) {
    if (!part.used_up || !part.bytes.valid() || part.last_piece > piece) continue;
    freed.push_back(std::move(part.bytes));
    part.bytes = Future<Bytes>();
    part.gone = true;
  }
}

}  // namespace lancefs
