// SPDX-License-Identifier: Apache-2.0
//
// PageWindow: how a scan that goes on to the end reads a data file of an object store. Its pieces are
// cut by rows and ask for parts of pages; here the first part that is asked of a page's buffer brings
// all of it, together with what else is missing in the same round, and the later pieces are served
// from memory. So a page costs one request, as it would if it were decoded at once, and the pieces
// stay small. Buffers longer than a unit come in parts of at most that size, which bounds memory.
//
// What is no part of such a page (or was let go already) is read exactly as it is asked for.
//
// Thread safety: Add before the first Read; then all calls, from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/scan/range_source.h"

namespace lancefs {

class PageWindow : public RangeSource {
 public:
  PageWindow(std::shared_ptr<LanceFile> file, uint64_t unit) : file_(std::move(file)), unit_(unit) {}

  // The pages of `column` of which `rows` (all that the scan will still read) leave out next to nothing. Of the page that their
  // first row stands in, what stands behind the first bytes that are asked for; so the first piece must be alone until it is
  // done. Where the column's rows are not the file's (items of lists), either all pages or none.
  void Add(const ColumnInfo& column, const RowSelection& rows, uint64_t file_rows);

  Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, uint64_t piece, const OpContext& ctx) override;
  void Done(uint64_t piece) override;

 private:
  // A part of a page's buffer.
  struct Part {
    ByteRange place;
    size_t page = 0;       // in pages_
    Future<Bytes> bytes;   // not valid: not asked for, or let go
    bool used_up = false;  // its last byte was asked for
    bool gone = false;     // was let go
    bool begun = false;    // of a page that was begun before: all from where it is asked for first
    uint64_t last_piece = 0;
  };
  // Buffers of a page whose beginnings will be wanted whatever was asked first.
  struct Page {
    std::vector<ByteRange> buffers;
    bool touched = false;
  };
  struct Load;
  struct Gather;

  // The first and one behind the last part that hold `range`; the same when it is not wholly in parts of one buffer.
  std::pair<size_t, size_t> PartsOf(const ByteRange& range) const;
  void Sort();
  void AddParts(const ByteRange& buffer, size_t page, std::vector<Part>* parts) const;
  void Begin(const ByteRange& range);
  void Want(size_t part, Load* load);
  void Touch(Page* page, Load* load);

  const std::shared_ptr<LanceFile> file_;
  const uint64_t unit_;
  std::mutex mutex_;
  std::vector<Part> parts_;  // guarded by mutex_; sorted by place at the first Read, places constant then
  std::vector<Page> pages_;  // guarded by mutex_
  bool sorted_ = false;      // guarded by mutex_
};

}  // namespace lancefs
