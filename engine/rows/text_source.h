// SPDX-License-Identifier: Apache-2.0
//
// Text files as chunks of whole records: reading, decompression, byte order marks, cutting. A record that is longer
// than a chunk makes its chunk grow, up to kMaxRecordBytes.
//
// Thread safety: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "engine/rows/row_reader.h"

namespace lancefs::rows {

inline constexpr size_t kMaxRecordBytes = size_t{256} << 20;
inline constexpr size_t kPadding = 64;  // zero bytes behind every chunk, for vector loads and sentinels

// The bytes of a file, front to back.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to `size` bytes; 0 is the end. Errors: kInvalidArgument for damaged or truncated compressed data, kIoError.
  virtual Result<size_t> Read(char* out, size_t size) = 0;
};
Result<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path, Compression compression);

struct TextChunk {
  std::unique_ptr<char[]> memory;
  char* begin = nullptr;
  char* end = nullptr;  // kPadding writable zero bytes follow
  bool first = false;
  bool last = false;
  bool too_long = false;  // its record exceeds kMaxRecordBytes; nothing follows
};

// How many bytes of the front are whole records; 0 if not one is. `first`: the text starts the file.
using Cutter = std::function<size_t(const char* data, size_t size, bool first)>;

class ChunkSource {
 public:
  ChunkSource(std::unique_ptr<ByteSource> source, size_t chunk_bytes, Cutter cutter)
      : source_(std::move(source)), chunk_bytes_(chunk_bytes), cutter_(std::move(cutter)) {}
  // False at the end. A file of no bytes is one empty chunk. Errors: as ByteSource; kInvalidArgument for UTF-16.
  Result<bool> Next(TextChunk* chunk);

 private:
  Status Fill(size_t capacity, char* memory, size_t* size);

  std::unique_ptr<ByteSource> source_;
  size_t chunk_bytes_;
  Cutter cutter_;
  std::string carry_;
  bool started_ = false;
  bool at_end_ = false;  // the source has no more
  bool done_ = false;
};

}  // namespace lancefs::rows
