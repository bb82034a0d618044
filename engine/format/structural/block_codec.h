// SPDX-License-Identifier: Apache-2.0
//
// Encodings in block position (one opaque buffer, the number of values known from outside): level
// streams and page dictionaries; and the framing of general compression (docs/lance/file.md 4.10).
//
// Thread safety: a built codec is immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "engine/format/proto/encodings21.pb.h"

namespace lancefs::structural {

// Deeper nesting of encodings is hostile.
inline constexpr int kMaxEncodingDepth = 8;

enum class Compression : uint8_t { kLz4, kZstd };
Result<Compression> CompressionOf(const pb::v21::General& general);

// The payload of a framed buffer: lz4 = u32 length + block, zstd = u64 length + frame or a bare
// frame. `out` is resized. Errors: kCorruption.
Status Decompress(Compression scheme, std::span<const uint8_t> in, std::vector<uint8_t>* out);

// The name of the encoding in a message, for error texts.
const char* EncodingName(const pb::v21::CompressiveEncoding& encoding);

// A decoded block: fixed-width rows, or variable values with count + 1 offsets into `data`.
struct Block {
  bool variable = false;
  bool wide_offsets = false;
  uint64_t bits = 0;  // of a fixed-width value
  uint64_t count = 0;
  std::vector<uint8_t> data;
  std::vector<uint64_t> offsets;
};

class BlockCodec {
 public:
  // Errors: kNotSupported naming the encoding, kCorruption.
  static Result<std::unique_ptr<BlockCodec>> Make(const pb::v21::CompressiveEncoding& encoding, int depth = 0);

  // Decodes exactly `count` values.
  Status Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const;
  // Decodes levels (16-bit values) and appends them to `out`. `stored_count` is the count modulo
  // 65536 if `modulo` (old writers; only run lengths can tell the true count then).
  Status AppendLevels(std::span<const uint8_t> in, uint64_t stored_count, bool modulo, std::vector<uint16_t>* out) const;

 private:
  enum class Kind : uint8_t { kFlat, kVariable, kConstant, kOutOfLine, kInline, kRle, kGeneral };

  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const;
  Status DecodeRle(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const;
  Status DecodeVariable(std::span<const uint8_t> in, uint64_t count, Block* out) const;
  // Fewer input bytes than this cannot hold `count` values.
  bool Plausible(size_t size, uint64_t count) const;

  Kind kind_ = Kind::kFlat;
  uint64_t bits_ = 0;  // width of a decoded value
  unsigned packed_bits_ = 0;
  Compression scheme_ = Compression::kLz4;
  std::vector<uint8_t> constant_;
  std::unique_ptr<BlockCodec> child_;
};

}  // namespace lancefs::structural
