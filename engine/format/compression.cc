// SPDX-License-Identifier: Apache-2.0
#include "engine/format/compression.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace lancefs {
namespace {

constexpr uint64_t kMaxDecompressed = uint64_t{1} << 33;
// Beyond a size that any writer's buffers may have, what claims to be much smaller packed was made to fill memory.
constexpr uint64_t kFreeDecompressed = 128 * 1024 * 1024;
constexpr uint64_t kMaxLargeRatio = 1024;
// What one byte of input can hold at best: a zstd block of 4 bytes gives 128 KiB, an lz4 byte 255.
constexpr uint64_t kMaxZstdRatio = 32768;
constexpr uint64_t kMaxLz4Ratio = 255;

uint64_t MaxLength(std::span<const uint8_t> in) {
  return std::min(kMaxDecompressed, std::max<uint64_t>(kFreeDecompressed, in.size() * kMaxLargeRatio));
}

Status WrongLength(const char* what, uint64_t have, uint64_t want) {
  return Status::Corruption(std::string(what) + " holds " + std::to_string(have) + " bytes, not " + std::to_string(want));
}

Status Implausible(const char* what, uint64_t size, uint64_t claim) {
  return Status::Corruption(std::string(what) + " of " + std::to_string(size) + " bytes claims " + std::to_string(claim));
}

// A frame that may not tell its length.
Status StreamZstd(std::span<const uint8_t> in, const AllocateBytes& allocate) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (context == nullptr) return Status::ResourceExhausted("no memory for zstd");
  std::vector<uint8_t> plain;
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  size_t left = 1;
  while (left != 0) {
    const size_t old = plain.size();
    plain.resize(old + std::max<size_t>(ZSTD_DStreamOutSize(), old));
    ZSTD_outBuffer output{plain.data(), plain.size(), old};
    left = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(left)) return Status::Corruption(std::string("bad zstd frame: ") + ZSTD_getErrorName(left));
    const bool stuck = input.pos == input.size && output.pos < output.size;
    plain.resize(output.pos);
    if (left != 0 && stuck) return Status::Corruption("a zstd frame is cut off");
    if (plain.size() > MaxLength(in)) return Status::Corruption("a zstd frame is too large");
  }
  uint8_t* out = allocate(plain.size());
  if (!plain.empty()) std::memcpy(out, plain.data(), plain.size());
  return Status::OK();
}

Status DecompressZstd(std::span<const uint8_t> in, const AllocateBytes& allocate) {
  const bool magic = in.size() >= 5 && LoadLittleEndian<uint32_t>(in.data()) == ZSTD_MAGICNUMBER && (in[4] & 0x10) == 0;
  if (magic || in.size() < 8) return StreamZstd(in, allocate);
  const auto length = LoadLittleEndian<uint64_t>(in.data());
  const size_t frame = in.size() - 8;
  if (length > MaxLength(in) || length / kMaxZstdRatio > frame + 4) return Implausible("a zstd buffer", in.size(), length);
  uint8_t* out = allocate(length);
  if (length == 0 && frame == 0) return Status::OK();
  const size_t produced = ZSTD_decompress(out, length, in.data() + 8, frame);
  if (ZSTD_isError(produced)) return Status::Corruption(std::string("bad zstd frame: ") + ZSTD_getErrorName(produced));
  return produced == length ? Status::OK() : WrongLength("a zstd buffer", produced, length);
}

Status DecompressLz4(std::span<const uint8_t> in, const AllocateBytes& allocate) {
  if (in.size() < 4) return Status::Corruption("an lz4 buffer is cut off");
  const auto length = LoadLittleEndian<uint32_t>(in.data());
  const size_t block = in.size() - 4;
  if (length > INT32_MAX || block > INT32_MAX || length / kMaxLz4Ratio > block + 16)
    return Implausible("an lz4 buffer", in.size(), length);
  uint8_t* out = allocate(length);
  uint8_t nothing = 0;  // lz4 wants a place even for no bytes
  const int produced =
      LZ4_decompress_safe(reinterpret_cast<const char*>(in.data() + 4), reinterpret_cast<char*>(length == 0 ? &nothing : out),
                          static_cast<int>(block), static_cast<int>(length));
  if (produced < 0) return Status::Corruption("a broken lz4 buffer");
  const auto got = static_cast<uint64_t>(produced);
  return got == length ? Status::OK() : WrongLength("an lz4 buffer", got, length);
}

}  // namespace

Status Decompress(Compression scheme, std::span<const uint8_t> in, const AllocateBytes& allocate) {
  if (in.empty()) {
    allocate(0);
    return Status::OK();
  }
  return scheme == Compression::kZstd ? DecompressZstd(in, allocate) : DecompressLz4(in, allocate);
}

Status Decompress(Compression scheme, std::span<const uint8_t> in, std::vector<uint8_t>* out) {
  return Decompress(scheme, in, [out](size_t size) {
    out->resize(size);
    return out->data();
  });
}

}  // namespace lancefs
