// SPDX-License-Identifier: Apache-2.0
//
// Where rendered text goes: a small block that stays in the processor's cache and is emptied into the caller's string.
// Text is written through a bare pointer; Room() is asked often enough that no write checks bounds by itself.
//
// Thread safety: one thread.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace lancefs {

// The rows after which TextBuffer::ReserveFor is called.
inline constexpr int64_t kRowsBeforeReserve = 256;

class TextBuffer {
 public:
  static constexpr size_t kBlock = 48 * 1024;
  // The most that is written between two calls of Room, beyond the fixed width of a row.
  static constexpr size_t kPiece = 16 * 1024;

  // `fixed_width`: what one row writes at most without calling Room.
  TextBuffer(std::string* out, size_t fixed_width)
      : out_(out), start_(out->size()), block_(new char[kBlock + kPiece + fixed_width]), limit_(block_.get() + kBlock) {}
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;

  char* begin() { return block_.get(); }
  // Makes room for kPiece bytes and a row's fixed width. Returns where to go on.
  char* Room(char* p) { return p < limit_ ? p : Empty(p); }
  // Moves all text up to `p` into the string. Returns the block's begin.
  char* Empty(char* p) {
    out_->append(block_.get(), p - block_.get());
    return block_.get();
  }
  // Appends text of any length.
  char* Append(char* p, std::string_view text) {
    if (text.size() <= kPiece) {
      p = Room(p);
      std::memcpy(p, text.data(), text.size());
      return p + text.size();
    }
    p = Empty(p);
    out_->append(text);
    return p;
  }

  // Empties the block and grows the string once for all rows, as those `done` since `start` foretell.
  char* ReserveFor(char* p, size_t start, int64_t done, int64_t rows) {
    p = Empty(p);
    const double per_row = static_cast<double>(out_->size() - start) / static_cast<double>(done);
    const auto total = static_cast<size_t>(per_row * 1.05 * static_cast<double>(rows)) + kBlock;
    if (out_->capacity() < start + total) out_->reserve(start + total);
    return p;
  }

  // The first failure; the text since construction is dropped by Finish.
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
    failed_ = true;
  }
  bool failed() const { return failed_; }
  // Ends the text at `p`. On failure the string is as it was.
  Status Finish(char* p) {
    if (failed_) {
      out_->resize(start_);
      return status_;
    }
    Empty(p);
    return Status::OK();
  }

 private:
  std::string* const out_;
  const size_t start_;
  const std::unique_ptr<char[]> block_;
  char* const limit_;
  bool failed_ = false;
  Status status_;
};

}  // namespace lancefs
